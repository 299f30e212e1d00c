"""What constructors, flags and dictionaries of people's own layers are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from convgrad.check import Report, check
from convgrad.check.verdict import Verdict

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
CASES = {
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
}


def report_on(folder: Path, code: str, layer: str, name: str) -> Report:
    file = folder / "written.py"
    file.write_text(f"import numpy as np\n{code}")
    return check(f"{file}:{name}", layer)


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
