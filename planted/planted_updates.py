"""Layers as classes that update their weights inside of backward, before these have served for the input's gradient."""

from __future__ import annotations

import numpy as np

Array = np.ndarray


class DenseUpdatedFirst:
    """The weights have moved when the gradient goes through them."""

    def __init__(self, inputs: int, outputs: int, learning_rate: float = 0.1):
        self.W = np.random.randn(inputs, outputs)
        self.b = np.zeros(outputs)
        self.learning_rate = learning_rate

    def forward(self, x: Array) -> Array:
        self.x = x
        return np.asarray(x @ self.W + self.b)

    def backward(self, dout: Array) -> Array:
        self.W -= self.learning_rate * (self.x.T @ dout)
        self.b -= self.learning_rate * dout.sum(axis=0)
        return np.asarray(dout @ self.W.T)
