"""What constructors, flags and dictionaries of people's own layers are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from convgrad.check.verdict import Verdict
from posted import report_on_numpy as report_on

KEEPS_ON_DEMAND = """
class Gate:
    def __init__(self):
        self.kept = {}
    def forward_propagate(self, Z, save_cache=False):
        S = 1 / (1 + np.exp(-Z))
        if save_cache:
            self.kept["S"] = S
        return S
    def back_propagate(self, dA):
        S = self.kept["S"]
        return dA * S * (1 - S)
"""
IMAGE_AND_WINDOW = """
class Convolve:
    def __init__(self, X_dim, n_filter, h_filter, w_filter):
        self.channels, self.rows, self.columns = X_dim
        self.W = np.random.randn(n_filter, self.channels, h_filter, w_filter)
        self.b = np.zeros((n_filter, 1))
    def forward(self, X):
        self.X = X
        h, w = self.W.shape[2:]
        out = np.zeros((len(X), len(self.W), self.rows - h + 1, self.columns - w + 1))
        for i in range(out.shape[2]):
            for j in range(out.shape[3]):
                out[:, :, i, j] = np.einsum("ncmr,kcmr->nk", X[:, :, i:i + h, j:j + w], self.W) + self.b.ravel()
        return out
    def backward(self, G):
        h, w = self.W.shape[2:]
        dX, dW = np.zeros_like(self.X), np.zeros_like(self.W)
        for i in range(G.shape[2]):
            for j in range(G.shape[3]):
                dX[:, :, i:i + h, j:j + w] += np.einsum("nk,kcmr->ncmr", G[:, :, i, j], self.W)
                dW += np.einsum("nk,ncmr->kcmr", G[:, :, i, j], self.X[:, :, i:i + h, j:j + w])
        return dX, [dW, G.sum(axis=(0, 2, 3)).reshape(-1, 1)]
"""
SHAPE_OF_THE_KERNEL = """
class Convolve:
    def __init__(self, kernel):
        self.w = np.random.randn(*kernel)
    def forward(self, x):
        self.x, (h, w) = x, self.w.shape[:2]
        out = np.zeros((len(x), x.shape[1] - h + 1, x.shape[2] - w + 1, self.w.shape[3]))
        for i in range(h):
            for j in range(w):
                out += x[:, i:i + out.shape[1], j:j + out.shape[2]] @ self.w[i, j]
        return out
    def backward(self, g):
        dx, self.dw = np.zeros_like(self.x), np.zeros_like(self.w)
        for i in range(self.w.shape[0]):
            for j in range(self.w.shape[1]):
                part = np.s_[:, i:i + g.shape[1], j:j + g.shape[2]]
                dx[part] += g @ self.w[i, j].T
                self.dw[i, j] = np.einsum("nijc,nijk->ck", self.x[part], g)
        return dx
"""
HIDDEN_AND_CLASSES = """
class Net:
    def __init__(self, input_dim=784, hidden_dim=100, num_classes=10, reg=0.0):
        self.reg = reg
        self.params = {
            "W1": np.random.randn(input_dim, hidden_dim), "b1": np.zeros(hidden_dim),
            "W2": np.random.randn(hidden_dim, num_classes), "b2": np.zeros(num_classes),
        }
    def loss(self, X, y=None):
        W1, b1, W2, b2 = (self.params[n] for n in ("W1", "b1", "W2", "b2"))
        a = X @ W1 + b1
        h = np.maximum(a, 0)
        scores = h @ W2 + b2
        if y is None:
            return scores
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        loss = -np.log(p[np.arange(len(X)), y]).mean() + 0.5 * self.reg * ((W1 ** 2).sum() + (W2 ** 2).sum())
        p[np.arange(len(X)), y] -= 1
        p /= len(X)
        da = (p @ W2.T) * (a > 0)
        grads = {"W2": h.T @ p + self.reg * W2, "b2": p.sum(0), "W1": X.T @ da + self.reg * W1, "b1": da.sum(0)}
        return loss, grads
"""
TESTS_OR_TRAINS = """
def bn_forward(x, gamma, beta, bn_param):
    if bn_param["test"]:
        raise NotImplementedError
    mean, var = x.mean(axis=0), x.var(axis=0)
    n = (x - mean) / np.sqrt(var + 1e-5)
    return gamma * n + beta, (n, gamma, var)
def bn_backward(dout, cache):
    n, gamma, var = cache
    g = dout * gamma
    dx = (g - g.mean(axis=0) - n * (g * n).mean(axis=0)) / np.sqrt(var + 1e-5)
    return dx, (dout * n).sum(axis=0), dout.sum(axis=0)
"""
LAZY = """
class Convolve:
    def __init__(self, filters, size):
        self.filters, self.size = filters, size
        self.params = {"W": None, "b": None}
        self.grads = {"W": None, "b": None}
    def forward(self, X):
        if self.params["W"] is None:
            self.params["W"] = np.random.randn(self.filters, X.shape[1], self.size, self.size)
            self.params["b"] = np.zeros((self.filters, 1, 1))
        self.X, k = X, self.size
        rows, columns = X.shape[2] - k + 1, X.shape[3] - k + 1
        parts = [(i, j, X[:, :, i:i + rows, j:j + columns]) for i in range(k) for j in range(k)]
        self.parts = parts
        out = sum(np.einsum("ncij,kc->nkij", part, self.params["W"][:, :, i, j]) for i, j, part in parts)
        return out + self.params["b"]
    def backward(self, dZ):
        dX, dW = np.zeros_like(self.X), np.zeros_like(self.params["W"])
        for i, j, part in self.parts:
            place = np.s_[:, :, i:i + dZ.shape[2], j:j + dZ.shape[3]]
            dX[place] += np.einsum("nkij,kc->ncij", dZ, self.params["W"][:, :, i, j])
            dW[:, :, i, j] = np.einsum("nkij,ncij->kc", dZ, part)
        self.grads["W"], self.grads["b"] = dW, dZ.sum(axis=(0, 2, 3)).reshape(-1, 1, 1)
        return dX
"""
GRADIENTS_FIRST = """
class Full:
    def __init__(self, n_out):
        self.gradients = {}
        self.parameters = {"W": None, "b": None}
        self.n_out, self.ready = n_out, False
    def flush_gradients(self):
        for name in self.gradients:
            self.gradients[name] = np.zeros_like(self.gradients[name])
    def forward(self, X, retain_derived=False):
        if not self.ready:
            self.parameters = {"W": np.random.randn(X.shape[1], self.n_out), "b": np.zeros((1, self.n_out))}
            self.gradients = {name: np.zeros_like(value) for name, value in self.parameters.items()}
            self.ready = True
        self.X = X if retain_derived else None
        return X @ self.parameters["W"] + self.parameters["b"]
    def backward(self, dLdy):
        self.gradients["W"] += self.X.T @ dLdy
        self.gradients["b"] += dLdy.sum(axis=0, keepdims=True)
        return dLdy @ self.parameters["W"].T
"""
SET_UP = """
class Full:
    def __init__(self, n_out):
        self.n_out = n_out
    def _setup(self, input_shape, rng):
        self.W = rng.normal(size=(input_shape[1], self.n_out))
        self.b = np.zeros(self.n_out)
    def fprop(self, input):
        self.last = input
        return input @ self.W + self.b
    def bprop(self, output_grad):
        self.dW, self.db = self.last.T @ output_grad, output_grad.sum(axis=0)
        return output_grad @ self.W.T
"""
AN_AXIS = """
class Soft:
    def __init__(self, dim=-1):
        self.dim = dim
    def forward(self, x):
        e = np.exp(x - x.max(axis=self.dim, keepdims=True))
        self.p = e / e.sum(axis=self.dim, keepdims=True)
        return self.p
    def backward(self, g):
        return self.p * (g - (g * self.p).sum(axis=self.dim, keepdims=True))
"""
INSERTED = """
class Convolve:
    def __init__(self, out_ch, kernel_shape, dilation=0):
        self.out_ch, self.kernel_shape, self.apart = out_ch, kernel_shape, dilation + 1
        self.W = self.b = None
    def forward(self, X):
        h, w = self.kernel_shape
        if self.W is None:
            self.W, self.b = np.random.randn(h, w, X.shape[3], self.out_ch), np.zeros(self.out_ch)
        d = self.apart
        self.X, self.size = X, (X.shape[1] - d * (h - 1), X.shape[2] - d * (w - 1))
        return self.b + sum(self.part(X, i, j) @ self.W[i, j] for i in range(h) for j in range(w))
    def part(self, X, i, j):
        d, (rows, columns) = self.apart, self.size
        return X[:, d * i:d * i + rows, d * j:d * j + columns]
    def backward(self, g):
        dX, self.dW, self.db = np.zeros_like(self.X), np.zeros_like(self.W), g.sum(axis=(0, 1, 2))
        for i in range(self.kernel_shape[0]):
            for j in range(self.kernel_shape[1]):
                self.part(dX, i, j)[...] += g @ self.W[i, j].T
                self.dW[i, j] = np.einsum("nijc,nijk->ck", self.part(self.X, i, j), g)
        return dX
"""
ROWS_AND_COLUMNS = """
class Full:
    def __init__(self, row, column):
        self.W = {"val": np.random.randn(row, column), "grad": 0}
        self.b = {"val": np.random.randn(1, row), "grad": 0}
    def forward(self, fc):
        self.fc = fc
        return fc @ self.W["val"].T + self.b["val"]
    def backward(self, deltaL):
        self.W["grad"], self.b["grad"] = deltaL.T @ self.fc, deltaL.sum(axis=0, keepdims=True)
        return deltaL @ self.W["val"], self.W["grad"], self.b["grad"]
"""
FROM_ABOVE_A_LOSS = """
class Entropy:
    def forward(self, y, t):
        self.y, self.t = y, t
        return -np.mean(t * np.log(y) + (1 - t) * np.log(1 - y))
    def backward(self, dout):
        return dout * ((1 - self.t) / (1 - self.y) - self.t / self.y) / self.t.size
"""
TOLD_ITS_INPUT = """
class Pool:
    def __init__(self, pool_shape=(2, 2), stride=2):
        self.pool_shape, self.stride = pool_shape, stride
    def set_input_shape(self, shape):
        self.input_shape = shape
    def forward_pass(self, X, training=True):
        c, h, w = self.input_shape
        self.out = (h - self.pool_shape[0]) // self.stride + 1, (w - self.pool_shape[1]) // self.stride + 1
        self.X = X
        Y = np.zeros((len(X), c, *self.out))
        for part, i, j in self.windows(X):
            Y[:, :, i, j] = part.mean(axis=(2, 3))
        return Y
    def windows(self, A):
        for i in range(self.out[0]):
            for j in range(self.out[1]):
                a, b = i * self.stride, j * self.stride
                yield A[:, :, a:a + self.pool_shape[0], b:b + self.pool_shape[1]], i, j
    def backward_pass(self, accum_grad):
        dX = np.zeros_like(self.X)
        for part, i, j in self.windows(dX):
            part += accum_grad[:, :, i:i + 1, j:j + 1] / np.prod(self.pool_shape)
        return dX
"""
KEPT_INPUTS = """
class Normalize:
    def __init__(self, epsilon=1e-3):
        self.X, self.epsilon, self.ready = [], epsilon, False
        self.gradients, self.parameters = {}, {"scaler": None, "intercept": None}
    def flush_gradients(self):
        self.X = []
    def forward(self, X):
        if not self.ready:
            self.parameters = {"scaler": np.random.rand(X.shape[1]), "intercept": np.zeros(X.shape[1])}
            self.ready = True
        self.X.append(X)
        n = (X - X.mean(axis=1, keepdims=True)) / np.sqrt(X.var(axis=1, keepdims=True) + self.epsilon)
        return self.parameters["scaler"] * n + self.parameters["intercept"]
    def backward(self, dLdy):
        X = self.X[-1]
        root = np.sqrt(X.var(axis=1, keepdims=True) + self.epsilon)
        n = (X - X.mean(axis=1, keepdims=True)) / root
        self.gradients = {"scaler": (dLdy * n).sum(axis=0), "intercept": dLdy.sum(axis=0)}
        g = dLdy * self.parameters["scaler"]
        return (g - g.mean(axis=1, keepdims=True) - n * (g * n).mean(axis=1, keepdims=True)) / root
"""
CASES = {
    "inputs in a list, parameters of other names": (
        KEPT_INPUTS,
        "layer_norm",
        "Normalize",
        ("- g.mean(axis=1, keepdims=True)", "- g.mean()"),
    ),
    "rows and columns": (ROWS_AND_COLUMNS, "dense", "Full", ("deltaL.T @ self.fc", "deltaL.T @ self.fc * 2")),
    "a loss with a gradient from above": (FROM_ABOVE_A_LOSS, "binary_cross_entropy", "Entropy", (" / self.t.size", "")),
    "a pooling that is told its input": (TOLD_ITS_INPUT, "avg_pool2d", "Pool", ("part +=", "part[...] =")),
    "a flag to keep": (KEEPS_ON_DEMAND, "sigmoid", "Gate", ("(1 - S)", "(2 - S)")),
    "image and window": (
        IMAGE_AND_WINDOW,
        "conv2d",
        "Convolve",
        ("self.W)\n                dW", "-self.W)\n                dW"),
    ),
    "the kernel's shape": (SHAPE_OF_THE_KERNEL, "conv2d", "Convolve", ("dx[part] += g", "dx[part] = g")),
    "hidden and classes": (HIDDEN_AND_CLASSES, "two_layer_net", "Net", ("(a > 0)", "(X @ W1 > 0)")),
    "a test in the dictionary": (TESTS_OR_TRAINS, "batch_norm", "bn_backward", ("- g.mean(axis=0) ", "")),
    "weights of the first pass, with their axes": (LAZY, "conv2d", "Convolve", ("dX[place] +=", "dX[place] =")),
    "gradients before weights": (GRADIENTS_FIRST, "dense", "Full", ("self.X.T @ dLdy", "2 * self.X.T @ dLdy")),
    "a method that sets up, with random numbers": (SET_UP, "dense", "Full", ("output_grad.sum", "output_grad.max")),
    "an axis": (AN_AXIS, "softmax", "Soft", ("(g * self.p).sum(axis=self.dim", "(g * self.p).sum(axis=0")),
    "zeros between, counted": (INSERTED, "conv2d", "Convolve", ("+= g", "= g")),
}


@pytest.mark.parametrize("case", CASES)
def test_right_as_it_stands(case: str, tmp_path: Path) -> None:
    code, layer, name, _ = CASES[case]
    report = report_on(tmp_path, code, layer, name)
    assert report.ok, report


@pytest.mark.parametrize("case", CASES)
def test_a_slip_is_wrong(case: str, tmp_path: Path) -> None:
    code, layer, name, (right, slip) = CASES[case]
    assert right in code
    report = report_on(tmp_path, code.replace(right, slip), layer, name)
    assert report.verdict is Verdict.WRONG, report


def test_alpha_without_weights_is_no_learning_rate(tmp_path: Path) -> None:
    code = """
class Tanh:
    def __init__(self, alpha=1.5):
        self.alpha = alpha
    def forward(self, x):
        self.t = np.tanh(x)
        return self.alpha * self.t
    def backward(self, g):
        return self.alpha * g * (1 - self.t ** 2)
"""
    report = report_on(tmp_path, code, "tanh", "Tanh")
    assert report.verdict is Verdict.WRONG
    assert {"factor-1.5"} & {*report.causes} or "1.5" in str(report), report
