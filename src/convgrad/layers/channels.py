"""Activations that look along the channels: the logarithm of softmax, gates, and slopes that are trained."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import prod

import numpy as np

from convgrad.arguments import FINITE
from convgrad.errors import ShapeError
from convgrad.initializers import Array
from convgrad.layers.base import Built, Layer, Parameter, Shape


@dataclass(frozen=True, eq=False, repr=False)
class LogSoftmax(Layer):
    """x[f,k] = o[f,k] - log(sum[k](exp(o[f,k]))), the logarithm of softmax over the last axis

    As for `Softmax` the greatest value is taken off first:

        h[f] = stop(max[k](o[f,k]))
        z[f,k] = o[f,k] - h[f]
        s[f] = sum[k](exp(z[f,k]))
        x[f,k] = z[f,k] - log(s[f])

    o, x: (K,) or any rank with K last; f runs over all axes before it. It belongs before the losses
    negative_log_likelihood and kl_divergence.

    >>> LogSoftmax().build((5, 7)).output_shape
    (5, 7)
    """

    @property
    def text(self) -> str:
        return (
            "h[f] = stop(max[k](o[f,k]))\nz[f,k] = o[f,k] - h[f]\ns[f] = sum[k](exp(z[f,k]))\n"
            "x[f,k] = z[f,k] - log(s[f])"
        )

    def build(self, *input_shapes: Shape) -> Built:
        shape = self.one_input(input_shapes)
        return Built(self.equation, ("o",), ((prod(shape[:-1]), shape[-1]),), shape)


@dataclass(frozen=True, eq=False, repr=False)
class GLU(Layer):
    """x[f,c] = o[f,0,c] * sigmoid(o[f,1,c]), the second half of the channels is a gate for the first

    o: 2*C channels last, seen as (F, 2, C); f runs over all axes before them. x: the same with C channels.

    Reference: Dauphin, Fan, Auli and Grangier, Language modeling with gated convolutional networks, 2017, eq. 1.

    >>> GLU().build((5, 6)).output_shape
    (5, 3)
    """

    @property
    def text(self) -> str:
        return "x[f,c] = o[f,0,c] * sigmoid(o[f,1,c])"

    def build(self, *input_shapes: Shape) -> Built:
        *before, channels = self.one_input(input_shapes)
        if channels % 2:
            raise ShapeError(
                f"{self.label}: the {channels} channels of its input have no two halves.",
                remedy=f"Make the layer before it return {channels + 1}.",
            )
        return Built(self.equation, ("o",), ((prod(before), 2, channels // 2),), (*before, channels // 2))


@dataclass(frozen=True, eq=False, repr=False)
class PReLU(Layer):
    """x[f,c] = where(o[f,c] > 0, o[f,c], alpha[c] * o[f,c]), with derivative alpha[c] at 0

    o, x: (C,) or any rank with C last; f runs over all axes before it. alpha: (C,), a slope for each channel, trained.

    initial: alpha to begin with, 0.25 as in PyTorch and in the paper (Keras has 0, and a slope for each element).

    Reference: He, Zhang, Ren and Sun, Delving deep into rectifiers, 2015, eq. 1.

    >>> PReLU().build((5, 7, 3)).parameters["alpha"].shape
    (3,)
    """

    initial: float = 0.25

    def check(self) -> None:
        self.require(initial=FINITE)

    @property
    def text(self) -> str:
        return "x[f,c] = where(o[f,c] > 0, o[f,c], alpha[c] * o[f,c])"

    def build(self, *input_shapes: Shape) -> Built:
        shape = self.one_input(input_shapes)
        channels = shape[-1:]
        alpha = Parameter(channels, partial(_alike, float(self.initial)))
        return Built(self.equation, ("o",), ((prod(shape[:-1]), *channels),), shape, parameters={"alpha": alpha})


def _alike(value: float, _rng: np.random.Generator, shape: Shape, _fan_in: int, _fan_out: int) -> Array:
    return np.full(shape, value)
