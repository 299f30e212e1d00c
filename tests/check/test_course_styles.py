"""The same calculations in the styles of other courses and books: columns, dictionaries, loops, lists of arrays."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from convgrad.check import Report, check
from convgrad.check.verdict import Verdict

PROGRAMS = """
import numpy as np
def sigmoid(z):
    return 1 / (1 + np.exp(-z))
def propagate(w, b, X, Y):
    m = X.shape[1]
    A = sigmoid(w.T @ X + b)
    cost = -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / m
    dw = X @ (A - Y).T / m
    db = np.sum(A - Y) / m
    return dw, db, cost
def cost_function(theta, X, y):
    m = len(y)
    h = sigmoid(X @ theta)
    J = (-y @ np.log(h) - (1 - y) @ np.log(1 - h)) / m
    grad = X.T @ (h - y) / m
    return J, grad
def cost_reg_fixed(theta, X, y, lam):
    m = len(y)
    h = sigmoid(X @ theta)
    J = (-y @ np.log(h) - (1 - y) @ np.log(1 - h)) / m + lam / (2 * m) * theta @ theta
    return J, X.T @ (h - y) / m + lam / m * theta
def compute_gradient_logistic_reg(X, y, w, b, lambda_=1):
    m, n = X.shape
    dj_dw = np.zeros((n,)); dj_db = 0.0
    for i in range(m):
        err = sigmoid(np.dot(X[i], w) + b) - y[i]
        dj_dw += err * X[i]
        dj_db += err
    dj_dw /= m; dj_db /= m
    dj_dw += lambda_ / m * w
    return dj_db, dj_dw
def linear_gd(X, y, theta):
    return X.T @ (X @ theta - y) / len(y)
def mse_grad(X, y, w, b):
    n = len(y)
    e = y - (X @ w + b)
    return -2 / n * X.T @ e, -2 / n * e.sum()
def gradient_one(x, y, w, b):
    m = x.shape[0]
    dj_dw = 0; dj_db = 0
    for i in range(m):
        f = w * x[i] + b
        dj_dw += (f - y[i]) * x[i]
        dj_db += f - y[i]
    return dj_dw / m, dj_db / m
def compute_cost(X, y, w, b):
    m = X.shape[0]
    c = 0.0
    for i in range(m):
        c += (X[i] @ w + b - y[i]) ** 2
    return c / (2 * m)
def svm_loss_naive(W, X, y, reg):
    dW = np.zeros(W.shape); loss = 0.0
    for i in range(X.shape[0]):
        s = X[i].dot(W)
        for j in range(W.shape[1]):
            if j == y[i]: continue
            margin = s[j] - s[y[i]] + 1
            if margin > 0:
                loss += margin
                dW[:, j] += X[i]
                dW[:, y[i]] -= X[i]
    loss /= X.shape[0]; dW /= X.shape[0]
    return loss + reg * np.sum(W * W), dW + 2 * reg * W
def softmax_columns(W, X, y, reg):
    s = W @ X
    s -= s.max(axis=0)
    p = np.exp(s) / np.exp(s).sum(axis=0)
    n = X.shape[1]
    loss = -np.log(p[y, np.arange(n)]).mean() + 0.5 * reg * np.sum(W ** 2)
    p[y, np.arange(n)] -= 1
    return loss, p @ X.T / n + reg * W
def softmax_onehot(X, Y, W, b):
    z = X @ W + b
    e = np.exp(z - z.max(1, keepdims=True)); p = e / e.sum(1, keepdims=True)
    loss = -np.sum(Y * np.log(p)) / len(X)
    d = (p - Y) / len(X)
    return loss, X.T @ d, d.sum(0)
def softmax_loss(x, y):
    p = np.exp(x - np.max(x, axis=1, keepdims=True)); p /= p.sum(axis=1, keepdims=True)
    N = x.shape[0]
    loss = -np.sum(np.log(p[np.arange(N), y])) / N
    dx = p.copy(); dx[np.arange(N), y] -= 1; dx /= N
    return loss, dx
def rnn_cell_forward(xt, a_prev, parameters):
    Wax, Waa, Wya, ba, by = (parameters[k] for k in ("Wax", "Waa", "Wya", "ba", "by"))
    a_next = np.tanh(Waa @ a_prev + Wax @ xt + ba)
    return a_next, (a_next, a_prev, xt, parameters)
def rnn_cell_backward(da_next, cache):
    (a_next, a_prev, xt, parameters) = cache
    Wax = parameters["Wax"]
    Waa = parameters["Waa"]
    Wya = parameters["Wya"]
    ba = parameters["ba"]
    by = parameters["by"]
    dz = (1 - a_next ** 2) * da_next
    dba = dz.sum(axis=1, keepdims=True)
    return {"dxt": Wax.T @ dz, "da_prev": Waa.T @ dz, "dWax": dz @ xt.T, "dWaa": dz @ a_prev.T, "dba": dba}
def rnn_step(x, h, Wx, Wh, b):
    return np.tanh(x @ Wx + h @ Wh + b)
class RNN:
    def __init__(self, Wx, Wh, b):
        self.params = [Wx, Wh, b]
        self.grads = [np.zeros_like(Wx), np.zeros_like(Wh), np.zeros_like(b)]
        self.cache = None
    def forward(self, x, h_prev):
        Wx, Wh, b = self.params
        t = np.dot(h_prev, Wh) + np.dot(x, Wx) + b
        h_next = np.tanh(t)
        self.cache = (x, h_prev, h_next)
        return h_next
    def backward(self, dh_next):
        Wx, Wh, b = self.params
        x, h_prev, h_next = self.cache
        dt = dh_next * (1 - h_next ** 2)
        self.grads[0][...] = np.dot(x.T, dt)
        self.grads[1][...] = np.dot(h_prev.T, dt)
        self.grads[2][...] = np.sum(dt, axis=0)
        return np.dot(dt, Wx.T), np.dot(dt, Wh.T)
class Embedding:
    def __init__(self, W):
        self.params = [W]; self.grads = [np.zeros_like(W)]; self.idx = None
    def forward(self, idx):
        W, = self.params
        self.idx = idx
        return W[idx]
    def backward(self, dout):
        dW, = self.grads
        dW[...] = 0
        np.add.at(dW, self.idx, dout)
class SaitohNet:
    def __init__(self, input_size, hidden_size, output_size, weight_init_std=0.01):
        self.params = {"b1": np.zeros(hidden_size), "b2": np.zeros(output_size)}
        self.params["W1"] = weight_init_std * np.random.randn(input_size, hidden_size)
        self.params["W2"] = weight_init_std * np.random.randn(hidden_size, output_size)
    def predict(self, x):
        a = sigmoid(x @ self.params["W1"] + self.params["b1"])
        z = a @ self.params["W2"] + self.params["b2"]
        z = np.exp(z - z.max(1, keepdims=True))
        return z / z.sum(1, keepdims=True)
    def loss(self, x, t):
        return -np.sum(t * np.log(self.predict(x))) / len(x)
    def gradient(self, x, t):
        grads = {}
        n = len(x)
        z1 = sigmoid(x @ self.params["W1"] + self.params["b1"])
        y = self.predict(x)
        dy = (y - t) / n
        grads["W2"] = z1.T @ dy
        grads["b2"] = dy.sum(axis=0)
        dz1 = dy @ self.params["W2"].T * z1 * (1 - z1)
        grads["W1"] = x.T @ dz1
        grads["b1"] = dz1.sum(axis=0)
        return grads
def two_layer_net(X, model, y, reg):
    W1, b1, W2, b2 = model["W1"], model["b1"], model["W2"], model["b2"]
    h = np.maximum(0, X @ W1 + b1); s = h @ W2 + b2
    p = np.exp(s - s.max(1, keepdims=True)); p /= p.sum(1, keepdims=True)
    n = len(X)
    loss = -np.log(p[range(n), y]).mean() + 0.5 * reg * (np.sum(W1 * W1) + np.sum(W2 * W2))
    p[range(n), y] -= 1; p /= n
    dh = p @ W2.T * (h > 0)
    return loss, {"W1": X.T @ dh + reg * W1, "b1": dh.sum(0), "W2": h.T @ p + reg * W2, "b2": p.sum(0)}
def lstm_pt(x, h, c, w_ih, w_hh, b):
    z = x @ w_ih.T + h @ w_hh.T + b
    i, f, g, o = np.split(z, 4, axis=1)
    c2 = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c2), c2
def embedding_backward(dout, x, W):
    dW = np.zeros_like(W)
    for n in range(x.shape[0]):
        for t in range(x.shape[1]):
            dW[x[n, t]] += dout[n, t]
    return dW
def temporal_affine_backward(dout, cache):
    x, w, b, out = cache
    N, T, D = x.shape
    M = b.shape[0]
    dx = dout.reshape(N * T, M).dot(w.T).reshape(N, T, D)
    dw = dout.reshape(N * T, M).T.dot(x.reshape(N * T, D)).T
    db = dout.sum(axis=(0, 1))
    return dx, dw, db
class LazyDense:
    def __init__(self, units):
        self.units = units
        self.built = False
    def build(self, shape):
        self.W = np.random.randn(shape[-1], self.units)
        self.b = np.zeros(self.units)
        self.built = True
    def forward(self, x):
        if not self.built:
            self.build(x.shape)
        self.x = x
        return x @ self.W + self.b
    def backward(self, grad):
        self.dW = self.x.T @ grad
        self.db = grad.sum(axis=0)
        return grad @ self.W.T
class LazyConv:
    def __init__(self, filters, kernel_size, padding="same"):
        self.filters, self.k, self.padding, self.W = filters, kernel_size, padding, None
    def build(self, input_shape):
        n, h, w, c = input_shape
        self.W = np.random.randn(self.k, self.k, c, self.filters)
        self.b = np.zeros(self.filters)
    def forward(self, x):
        if self.W is None:
            self.build(x.shape)
        total = self.k - 1 if self.padding == "same" else 0
        self.p = (total // 2, total - total // 2)
        self.x = np.pad(x, ((0, 0), self.p, self.p, (0, 0)))
        n, h, w, c = self.x.shape
        out = np.zeros((n, h - self.k + 1, w - self.k + 1, self.filters))
        for i in range(out.shape[1]):
            for j in range(out.shape[2]):
                out[:, i, j] = np.tensordot(self.x[:, i:i+self.k, j:j+self.k], self.W, 3)
        return out + self.b
    def backward(self, d):
        self.dW = np.zeros_like(self.W); self.db = d.sum((0, 1, 2))
        dx = np.zeros_like(self.x)
        for i in range(d.shape[1]):
            for j in range(d.shape[2]):
                self.dW += np.einsum("nabc,nf->abcf", self.x[:, i:i+self.k, j:j+self.k], d[:, i, j])
                dx[:, i:i+self.k, j:j+self.k] += np.einsum("abcf,nf->nabc", self.W, d[:, i, j])
        a, b = self.p
        return dx[:, a:dx.shape[1]-b, a:dx.shape[2]-b]
"""
CASES = (
    ("propagate", "logistic_regression", "A - Y).T / m", "A - Y).T"),
    ("cost_function", "logistic_regression", "(h - y) / m", "(h - y)"),
    ("cost_reg_fixed", "logistic_regression", "lam / m * theta", "lam * theta"),
    ("compute_gradient_logistic_reg", "logistic_regression", "dj_dw /= m; ", ""),
    ("linear_gd", "linear_regression", "X @ theta - y", "X @ theta + y"),
    ("mse_grad", "linear_regression", "-2 / n * X.T @ e", "2 / n * X.T @ e"),
    ("gradient_one", "linear_regression", "(f - y[i]) * x[i]", "(f - y[i])"),
    ("compute_cost", "linear_regression", "b - y[i]", "b + y[i]"),
    ("svm_loss_naive", "svm_loss", "dW[:, y[i]] -= X[i]", "pass"),
    ("softmax_columns", "softmax_loss", "/ n + reg * W", "+ reg * W"),
    ("softmax_onehot", "softmax_loss", "d = (p - Y) / len(X)", "d = p - Y"),
    ("softmax_loss", "softmax_loss", "dx /= N", "pass"),
    ("rnn_cell_backward", "rnn_step", "Waa.T @ dz", "Waa @ dz"),
    ("rnn_step", "rnn_step", "h @ Wh", "h @ Wh.T"),
    ("RNN", "rnn_step", "np.dot(h_prev.T, dt)", "np.dot(h_next.T, dt)"),
    ("Embedding", "word_embedding", "np.add.at(dW, self.idx, dout)", "dW[self.idx] = dout"),
    ("SaitohNet", "two_layer_net", "dy = (y - t) / n", "dy = (y - t)"),
    ("two_layer_net", "two_layer_net", " * (h > 0)", ""),
    ("lstm_pt", "lstm_step", "sigmoid(o) * np.tanh(c2)", "sigmoid(o) * c2"),
    ("embedding_backward", "word_embedding", "+= dout", "= dout"),
    ("temporal_affine_backward", "temporal_affine", "axis=(0, 1))", "axis=0).mean(0)"),
    ("LazyDense", "dense", "grad.sum(axis=0)", "grad.mean(axis=0)"),
    ("LazyConv", "conv2d", "self.dW += np", "self.dW = np"),
)


def report_on(folder: Path, name: str, layer: str, old: str, new: str) -> Report:
    start = re.search(rf"^(def|class) {name}\b", PROGRAMS, re.MULTILINE)
    assert start is not None
    before, own = PROGRAMS[: start.start()], PROGRAMS[start.start() :]
    assert old in own
    file = folder / "course.py"
    file.write_text(before + own.replace(old, new, 1))
    return check(f"{file}:{name}", layer, explain=False)


@pytest.mark.parametrize(("name", "layer", "old", "new"), CASES, ids=[c[0] for c in CASES])
def test_right_code_is_right_and_a_slip_in_it_wrong(name: str, layer: str, old: str, new: str, tmp_path: Path) -> None:
    right, wrong = report_on(tmp_path, name, layer, "", ""), report_on(tmp_path, name, layer, old, new)
    assert right.verdict is Verdict.RIGHT, str(right)
    assert wrong.verdict is Verdict.WRONG, str(wrong)
    assert "could not" not in str(wrong)
