"""Layers as classes, in the styles of tutorials, and the same with one slip each: subclasses named after it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class Convolution:
    """Gradients as attributes; batches, channels first, three channels built in; one number for the kernel's size."""

    turned = False

    def __init__(self, num_filters: int, kernel_size: int, stride: int = 1, padding: int = 0):
        self.stride, self.padding = stride, padding
        self.kernels = np.random.default_rng(0).normal(size=(num_filters, 3, kernel_size, kernel_size))
        self.bias = np.zeros(num_filters)

    def _windows(self, rows: int, columns: int) -> list[tuple[int, int, slice, slice]]:
        size, step = self.kernels.shape[2], self.stride
        return [
            (i, j, slice(i * step, i * step + size), slice(j * step, j * step + size))
            for i in range(rows)
            for j in range(columns)
        ]

    def forward(self, images: Array) -> Array:
        p = self.padding
        self.padded = np.pad(images, ((0, 0), (0, 0), (p, p), (p, p)))
        count, _, height, width = self.padded.shape
        size = self.kernels.shape[2]
        out = np.zeros(
            (count, len(self.kernels), (height - size) // self.stride + 1, (width - size) // self.stride + 1)
        )
        for i, j, rows, columns in self._windows(*out.shape[2:]):
            out[:, :, i, j] = np.tensordot(self.padded[:, :, rows, columns], self.kernels, ([1, 2, 3], [1, 2, 3]))
        return out + self.bias[:, None, None]

    def backward(self, d_out: Array) -> Array:
        self.d_kernels, d_padded = np.zeros_like(self.kernels), np.zeros_like(self.padded)
        for i, j, rows, columns in self._windows(*d_out.shape[2:]):
            self.d_kernels += np.tensordot(d_out[:, :, i, j], self.padded[:, :, rows, columns], ([0], [0]))
            d_padded[:, :, rows, columns] += np.tensordot(d_out[:, :, i, j], self.kernels, ([1], [0]))
        if self.turned:
            self.d_kernels = self.d_kernels[:, :, ::-1, ::-1]
        self.d_bias = d_out.sum(axis=(0, 2, 3))
        p, (height, width) = self.padding, d_padded.shape[2:]
        return d_padded[:, :, p : height - p, p : width - p]


class ConvolutionTurned(Convolution):
    turned = True


class Convolutional:
    """One image, channels first, a bias for each place; the weights are updated inside backward."""

    sign = -1.0

    def __init__(self, input_shape: tuple[int, int, int], kernel_size: int, depth: int):
        channels, height, width = input_shape
        self.depth, self.channels, self.size = depth, channels, kernel_size
        self.weights = np.ones((depth, channels, kernel_size, kernel_size))
        self.biases = np.ones((depth, height - kernel_size + 1, width - kernel_size + 1))

    def _correlated(self, image: Array, kernel: Array) -> Array:
        views = np.lib.stride_tricks.sliding_window_view(image, kernel.shape)
        return np.asarray(np.einsum("ijmn,mn->ij", views, kernel))

    def forward(self, x: Array) -> Array:
        self.x = x
        out = self.biases.copy()
        for d in range(self.depth):
            for c in range(self.channels):
                out[d] += self._correlated(x[c], self.weights[d, c])
        return np.asarray(out)

    def backward(self, output_gradient: Array, learning_rate: float) -> Array:
        dw, dx = np.zeros_like(self.weights), np.zeros_like(self.x)
        for d in range(self.depth):
            for c in range(self.channels):
                dw[d, c] = self._correlated(self.x[c], output_gradient[d])
                wide = np.pad(output_gradient[d], self.size - 1)
                dx[c] += self._correlated(wide, self.weights[d, c][::-1, ::-1])
        self.weights += self.sign * learning_rate * dw
        self.biases -= learning_rate * output_gradient
        return dx


class ConvolutionalUphill(Convolutional):
    sign = 1.0


class LayerDense:
    """Everything is left in attributes, results too; nothing is returned."""

    def __init__(self, n_inputs: int, n_neurons: int):
        self.weights = 0.1 * np.random.default_rng(1).normal(size=(n_inputs, n_neurons))
        self.biases = np.zeros((1, n_neurons))

    def forward(self, inputs: Array) -> None:
        self.inputs = inputs
        self.output = inputs @ self.weights + self.biases

    def backward(self, dvalues: Array) -> None:
        self.dweights = self.inputs.T @ dvalues
        self.dbiases = dvalues.sum(axis=0, keepdims=True)
        self.dinputs = dvalues @ self.weights.T


class LayerDenseHalved(LayerDense):
    def backward(self, dvalues: Array) -> None:
        super().backward(dvalues)
        self.dweights /= 2


class Affine:
    """Dictionaries of parameters and of gradients."""

    def __init__(self, in_features: int, out_features: int):
        self.params = {"W": np.zeros((in_features, out_features)), "b": np.zeros(out_features)}
        self.grads: dict[str, Array] = {}

    def forward(self, x: Array) -> Array:
        self._x = x
        return np.asarray(x @ self.params["W"] + self.params["b"])

    def backward(self, grad_output: Array) -> Array:
        self.grads["W"] = self._x.T @ grad_output
        self.grads["b"] = grad_output.sum(axis=0)
        return np.asarray(grad_output @ self.params["W"].T)


class AffineMean(Affine):
    def backward(self, grad_output: Array) -> Array:
        below = super().backward(grad_output)
        self.grads["b"] = grad_output.mean(axis=0)
        return below


class ConvolutionOfWeights:
    """The constructor gets the weights; columns of windows."""

    crops = True

    def __init__(self, W: Array, b: Array, stride: int = 1, pad: int = 0):
        self.W, self.b, self.stride, self.pad = W, b, stride, pad
        self.dW: Array | None = None
        self.db: Array | None = None

    def forward(self, x: Array) -> Array:
        filters, channels, rows, columns = self.W.shape
        p, s = self.pad, self.stride
        self.image = np.pad(x, [(0, 0), (0, 0), (p, p), (p, p)])
        views = np.lib.stride_tricks.sliding_window_view(self.image, (rows, columns), axis=(2, 3))[:, :, ::s, ::s]
        self.places = views.shape[2:4]
        self.col = views.transpose(0, 2, 3, 1, 4, 5).reshape(-1, channels * rows * columns)
        out = self.col @ self.W.reshape(filters, -1).T + self.b
        return np.asarray(out.reshape(len(x), *self.places, filters).transpose(0, 3, 1, 2))

    def backward(self, dout: Array) -> Array:
        filters, channels, rows, columns = self.W.shape
        flat = dout.transpose(0, 2, 3, 1).reshape(-1, filters)
        self.db, self.dW = flat.sum(axis=0), (flat.T @ self.col).reshape(self.W.shape)
        dcol = (flat @ self.W.reshape(filters, -1)).reshape(len(dout), *self.places, channels, rows, columns)
        dx, s, p = np.zeros_like(self.image), self.stride, self.pad
        for i in range(self.places[0]):
            for j in range(self.places[1]):
                dx[:, :, i * s : i * s + rows, j * s : j * s + columns] += dcol[:, i, j]
        return dx[:, :, p : dx.shape[2] - p, p : dx.shape[3] - p] if self.crops else dx


class ConvolutionOfWeightsUncropped(ConvolutionOfWeights):
    crops = False


class MaxPool:
    """Windows of two numbers, one image, channels last."""

    def __init__(self, pool_h: int, pool_w: int, stride: int):
        self.pool_h, self.pool_w, self.stride = pool_h, pool_w, stride

    def forward(self, image: Array) -> Array:
        self.image = image
        height, width, channels = image.shape
        rows, columns = (height - self.pool_h) // self.stride + 1, (width - self.pool_w) // self.stride + 1
        out = np.zeros((rows, columns, channels))
        for i in range(rows):
            for j in range(columns):
                out[i, j] = self._window(i, j).max(axis=(0, 1))
        return out

    def _window(self, i: int, j: int) -> Array:
        return self.image[i * self.stride :, j * self.stride :][: self.pool_h, : self.pool_w]

    def backprop(self, d_out: Array) -> Array:
        below = np.zeros_like(self.image)
        for i, j, c in np.ndindex(*d_out.shape):
            m, n = self._winner(self._window(i, j)[:, :, c])
            below[i * self.stride + m, j * self.stride + n, c] += d_out[i, j, c]
        return below

    def _winner(self, window: Array) -> tuple[int, int]:
        m, n = np.unravel_index(window.argmax(), window.shape)
        return int(m), int(n)


class MaxPoolByRows(MaxPool):
    def _winner(self, window: Array) -> tuple[int, int]:
        return int(window.argmax()) % len(window), int(window.argmax()) // len(window)


class Relu:
    """Works in place on a copy, and keeps a mask."""

    def forward(self, x: Array) -> Array:
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return np.asarray(out)

    def backward(self, dout: Array) -> Array:
        dx = dout.copy()
        dx[self.mask] = 0
        return np.asarray(dx)


class ReluInPlace(Relu):
    def backward(self, dout: Array) -> Array:
        dout[self.mask] = 0
        return dout


class Sigmoid:
    """Called, not sent forward; its derivative reads what it gave."""

    def __call__(self, z: Array) -> Array:
        self.out = 1 / (1 + np.exp(-z))
        return np.asarray(self.out)

    def backward(self, upstream: Array) -> Array:
        return np.asarray(upstream * self.out * (1 - self.out))


class SigmoidAtOutput(Sigmoid):
    def backward(self, upstream: Array) -> Array:
        twice = 1 / (1 + np.exp(-self.out))
        return np.asarray(upstream * twice * (1 - twice))


class BatchNorm:
    """Parameters are made by the first forward pass, which has to be told that it trains."""

    whole = True

    def __init__(self, momentum: float = 0.9, eps: float = 1e-5):
        self.momentum, self.eps = momentum, eps
        self.gamma: Array | None = None
        self.beta: Array | None = None

    def forward(self, x: Array, training: bool = False) -> Array:
        if self.gamma is None or self.beta is None:
            self.gamma, self.beta = np.ones(x.shape[1]), np.zeros(x.shape[1])
            self.running_mean, self.running_var = np.zeros(x.shape[1]), np.ones(x.shape[1])
        mean, variance = (x.mean(0), x.var(0)) if training else (self.running_mean, self.running_var)
        self.scale = 1 / np.sqrt(variance + self.eps)
        self.normed = (x - mean) * self.scale
        return np.asarray(self.gamma * self.normed + self.beta)

    def backward(self, dout: Array) -> Array:
        self.dgamma, self.dbeta = (dout * self.normed).sum(0), dout.sum(0)
        inner = dout * self.gamma
        if self.whole:
            inner = inner - inner.mean(0) - self.normed * (inner * self.normed).mean(0)
        return np.asarray(self.scale * inner)


class BatchNormConstant(BatchNorm):
    whole = False


@dataclass
class Tensor:
    """Numbers with their gradient."""

    data: Array
    grad: Array = field(default_factory=lambda: np.zeros(0))


class Linear:
    """Parameters are objects; gradients are added up until they are set to zero."""

    def __init__(self, fan_in: int, fan_out: int):
        self.weight, self.bias = Tensor(np.zeros((fan_out, fan_in))), Tensor(np.zeros(fan_out))
        self.zero_grad()

    def zero_grad(self) -> None:
        for parameter in (self.weight, self.bias):
            parameter.grad = np.zeros_like(parameter.data)

    def forward(self, x: Array) -> Array:
        self.x = x
        return np.asarray(x @ self.weight.data.T + self.bias.data)

    def backward(self, grad: Array) -> Array:
        self.weight.grad += grad.T @ self.x
        self.bias.grad += grad.sum(0)
        return np.asarray(grad @ self.weight.data)


class LinearFirst(Linear):
    def backward(self, grad: Array) -> Array:
        below = super().backward(grad)
        self.weight.grad = grad[:1].T @ self.x[:1]
        return below


class LinearKeeps:
    """Gradients are added up, and nothing sets them to zero."""

    def __init__(self, inputs: int, outputs: int):
        self.w, self.b = np.zeros((inputs, outputs)), np.zeros(outputs)
        self.dw, self.db = np.zeros_like(self.w), np.zeros_like(self.b)

    def forward(self, x: Array) -> Array:
        self.x = x
        return np.asarray(x @ self.w + self.b)

    def backward(self, dout: Array) -> Array:
        self.dw += self.x.T @ dout
        self.db += dout.sum(axis=0)
        return np.asarray(dout @ self.w.T)


class Columns:
    """Examples are columns; gradients are returned, divided by nothing."""

    def __init__(self, n_out: int, n_in: int):
        self.W, self.b = np.zeros((n_out, n_in)), np.zeros((n_out, 1))

    def forward(self, A_prev: Array) -> Array:
        self.A_prev = A_prev
        return np.asarray(self.W @ A_prev + self.b)

    def backward(self, dZ: Array) -> dict[str, Array]:
        return {"dA_prev": self.W.T @ dZ, "dW": dZ @ self.A_prev.T, "db": dZ.sum(axis=1, keepdims=True)}


class ColumnsSign(Columns):
    def backward(self, dZ: Array) -> dict[str, Array]:
        return super().backward(dZ) | {"dW": -dZ @ self.A_prev.T}


class WithoutBias:
    """A dense layer with nothing but its matrix; a tuple is returned."""

    __slots__ = ("W", "kept")

    def __init__(self, size_in: int, size_out: int):
        self.W = np.zeros((size_in, size_out))

    def fprop(self, x: Array) -> Array:
        self.kept = x
        return np.asarray(x @ self.W)

    def bprop(self, delta: Array) -> tuple[Array, Array]:
        return delta @ self.W.T, self.kept.T @ delta


class SoftmaxLoss:
    """The loss with its softmax: the mean over the batch."""

    def forward(self, x: Array, t: Array) -> float:
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y, self.t = e / e.sum(axis=1, keepdims=True), t
        return float(-np.log(self.y[np.arange(len(t)), t]).mean())

    def backward(self, dout: float = 1.0) -> Array:
        dx = self.y.copy()
        dx[np.arange(len(self.t)), self.t] -= 1
        return np.asarray(dout * dx / len(self.t))


class SoftmaxLossSum(SoftmaxLoss):
    def backward(self, dout: float = 1.0) -> Array:
        return super().backward(dout) * len(self.t)


class ConvolutionFirst:
    """The first layer: images without channels, kernels of 3 x 3 built in; nothing is handed on below."""

    scale = 1.0

    def __init__(self, num_filters: int):
        self.filters = np.ones((num_filters, 3, 3))

    def forward(self, image: Array) -> Array:
        self.last_image = image
        views = np.lib.stride_tricks.sliding_window_view(image, (3, 3))
        return np.asarray(np.einsum("ijmn,fmn->ijf", views, self.filters))

    def backprop(self, d_L_d_out: Array, learn_rate: float) -> None:
        views = np.lib.stride_tricks.sliding_window_view(self.last_image, (3, 3))
        self.filters -= self.scale * learn_rate * np.einsum("ijf,ijmn->fmn", d_L_d_out, views)


class ConvolutionFirstTwice(ConvolutionFirst):
    scale = 2.0


class Tanh:
    """Called with the input, and its derivative taken of the input, too."""

    def __call__(self, x: Array) -> Array:
        return np.asarray(np.tanh(x))

    def gradient(self, x: Array) -> Array:
        return np.asarray(1 - np.tanh(x) ** 2)


class AveragePool:
    """Sizes are pairs; channels last."""

    def __init__(self, pool_size: tuple[int, int] = (2, 2), strides: tuple[int, int] | None = None):
        self.pool_size, self.strides = pool_size, strides or pool_size

    def _windows(self, rows: int, columns: int) -> list[tuple[int, int, slice, slice]]:
        (h, w), (s, t) = self.pool_size, self.strides
        return [(i, j, slice(i * s, i * s + h), slice(j * t, j * t + w)) for i in range(rows) for j in range(columns)]

    def forward(self, x: Array) -> Array:
        self.x, (h, w), (s, t) = x, self.pool_size, self.strides
        out = np.zeros((len(x), (x.shape[1] - h) // s + 1, (x.shape[2] - w) // t + 1, x.shape[3]))
        for i, j, rows, columns in self._windows(*out.shape[1:3]):
            out[:, i, j] = x[:, rows, columns].mean(axis=(1, 2))
        return out

    def backward(self, dout: Array) -> Array:
        dx = np.zeros_like(self.x)
        for i, j, rows, columns in self._windows(*dout.shape[1:3]):
            dx[:, rows, columns] += dout[:, i : i + 1, j : j + 1] / self._count()
        return dx

    def _count(self) -> int:
        return self.pool_size[0] * self.pool_size[1]


class AveragePoolUndivided(AveragePool):
    def _count(self) -> int:
        return 1


class FullyConnected:
    """Inputs are collected, parameters made by the first forward pass, gradients added up and flushed by a method."""

    def __init__(self, n_out: int, act_fn: object = None, optimizer: object = None):
        self.n_out, self.is_initialized = n_out, False
        self.X: list[Array] = []
        self.parameters: dict[str, Any] = {"W": None, "b": None}

    def flush_gradients(self) -> None:
        self.X = []
        self.gradients = {name: np.zeros_like(value) for name, value in self.parameters.items()}

    def forward(self, X: Array) -> Array:
        if not self.is_initialized:
            self.parameters = {"W": np.ones((X.shape[1], self.n_out)), "b": np.zeros((1, self.n_out))}
            self.flush_gradients()
            self.is_initialized = True
        self.X.append(X)
        return np.asarray(X @ self.parameters["W"] + self.parameters["b"])

    def backward(self, dLdy: Array) -> Array:
        for X in self.X:
            self.gradients["W"] += X.T @ dLdy
            self.gradients["b"] += dLdy.sum(axis=0, keepdims=True)
        return np.asarray(dLdy @ self.parameters["W"].T)


class SquaredError:
    """A loss whose gradient is left in an attribute and taken of the predictions again."""

    def forward(self, y_pred: Array, y_true: Array) -> float:
        return float(((y_pred - y_true) ** 2).mean(axis=1).mean())

    def backward(self, dvalues: Array, y_true: Array) -> None:
        self.dinputs = 2 * (dvalues - y_true) / dvalues.size


class SquaredErrorHalf(SquaredError):
    def backward(self, dvalues: Array, y_true: Array) -> None:
        super().backward(dvalues, y_true)
        self.dinputs = self.dinputs / 2
