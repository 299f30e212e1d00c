"""What courses ask for beside layers, as they have it, and slips in it, with the causes that have to be named."""

from __future__ import annotations

import re
from pathlib import Path

from convgrad.check import Report, check

PROGRAMS = """
import numpy as np

def softmax_loss_naive(W, X, y, reg):
    loss = 0.0
    dW = np.zeros_like(W)
    N = X.shape[0]
    for i in range(N):
        s = X[i].dot(W)
        s -= s.max()
        p = np.exp(s) / np.exp(s).sum()
        loss -= np.log(p[y[i]])
        for k in range(W.shape[1]):
            dW[:, k] += (p[k] - (k == y[i])) * X[i]
    loss = loss / N + reg * np.sum(W * W)
    dW = dW / N + 2 * reg * W
    return loss, dW


def svm_loss_vectorized(W, X, y, reg):
    N = len(y)
    s = X @ W
    m = np.maximum(0, s - s[np.arange(N), y][:, None] + 1)
    m[np.arange(N), y] = 0
    loss = m.sum() / N + 0.5 * reg * np.sum(W * W)
    g = (m > 0).astype(float)
    g[np.arange(N), y] -= g.sum(axis=1)
    return loss, X.T @ g / N + reg * W


def attend(Q, K, V):
    s = np.einsum("nid,njd->nij", Q, K) / np.sqrt(Q.shape[2])
    e = np.exp(s - s.max())
    return (e / e.sum(axis=2, keepdims=True)) @ V


def attention_backward(dout, Q, K, V):
    d = Q.shape[-1]
    root = np.sqrt(d)
    s = Q @ K.swapaxes(1, 2) / root
    e = np.exp(s - s.max(axis=(1, 2), keepdims=True))
    p = e / e.sum(axis=2, keepdims=True)
    dV = p.swapaxes(1, 2) @ dout
    dp = dout @ V.swapaxes(1, 2)
    ds = p * (dp - (dp * p).sum(axis=2, keepdims=True))
    ds = ds / root
    return ds @ K, ds.swapaxes(1, 2) @ Q, dV


def rnn_step_forward(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(x @ Wx + prev_h @ Wh + b)
    return next_h, (x, prev_h, Wx, Wh, next_h)


def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    dz = dnext_h * (1 - next_h**2)
    return dz @ Wx.T, dz @ Wh.T, x.T @ dz, prev_h.T @ dz, dz.sum(axis=0)


def rnn_forward(x, h0, Wx, Wh, b):
    N, T = x.shape[:2]
    h = np.zeros((N, T, h0.shape[1]))
    prev = h0
    cache = []
    for t in range(T):
        prev, c = rnn_step_forward(x[:, t], prev, Wx, Wh, b)
        h[:, t] = prev
        cache.append(c)
    return h, cache


def rnn_backward(dh, cache):
    N, T, H = dh.shape
    D = cache[0][0].shape[1]
    dx = np.zeros((N, T, D))
    dprev = np.zeros((N, H))
    dWx = dWh = db = 0
    for t in reversed(range(T)):
        dx[:, t], dprev, a, bb, c = rnn_step_backward(dh[:, t] + dprev, cache[t])
        dWx = dWx + a
        dWh = dWh + bb
        db = db + c
    return dx, dprev, dWx, dWh, db


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    a = x @ Wx + prev_h @ Wh + b
    H = prev_h.shape[1]
    i, f, o, g = sigmoid(a[:, :H]), sigmoid(a[:, H : 2 * H]), sigmoid(a[:, 2 * H : 3 * H]), np.tanh(a[:, 3 * H :])
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    return next_h, next_c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c)


def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, next_c = cache
    t = np.tanh(next_c)
    dc = dnext_c + dnext_h * o * (1 - t**2)
    da = np.hstack([dc * g * i * (1 - i), dc * prev_c * f * (1 - f), dnext_h * t * o * (1 - o), dc * i * (1 - g**2)])
    return da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, prev_h.T @ da, da.sum(axis=0)


def lstm_forward(x, h0, Wx, Wh, b):
    h = []
    c = np.zeros_like(h0)
    p = h0
    cache = []
    for t in range(x.shape[1]):
        p, c, k = lstm_step_forward(x[:, t], p, c, Wx, Wh, b)
        h.append(p)
        cache.append(k)
    return np.stack(h, 1), cache


def lstm_backward(dh, cache):
    N, T, H = dh.shape
    dp = np.zeros((N, H))
    dc = np.zeros((N, H))
    dx = []
    dWx = dWh = db = 0
    for t in reversed(range(T)):
        a, dp, dc, b_, c_, d_ = lstm_step_backward(dh[:, t] + dp, dc, cache[t])
        dx.insert(0, a)
        dWx += b_
        dWh += c_
        db += d_
    return np.stack(dx, 1), dp, dWx, dWh, db


def gru_step_forward(x, prev_h, Wz, Uz, bz, Wr, Ur, br, Wh, Uh, bh):
    z = sigmoid(x @ Wz + prev_h @ Uz + bz)
    r = sigmoid(x @ Wr + prev_h @ Ur + br)
    hhat = np.tanh(x @ Wh + (r * prev_h) @ Uh + bh)
    next_h = (1 - z) * prev_h + z * hhat
    return next_h, (x, prev_h, Wz, Uz, Wr, Ur, Wh, Uh, z, r, hhat)


def gru_step_backward(dnext_h, cache):
    x, prev_h, Wz, Uz, Wr, Ur, Wh, Uh, z, r, hhat = cache
    dz = dnext_h * (hhat - prev_h) * z * (1 - z)
    da = dnext_h * z * (1 - hhat**2)
    back = da @ Uh.T
    dr = back * prev_h * r * (1 - r)
    dx = dz @ Wz.T + dr @ Wr.T + da @ Wh.T
    dprev_h = dnext_h * (1 - z) + back * r + dz @ Uz.T + dr @ Ur.T
    dWz, dWr, dWh = x.T @ dz, x.T @ dr, x.T @ da
    dUz, dUr, dUh = prev_h.T @ dz, prev_h.T @ dr, (r * prev_h).T @ da
    return dx, dprev_h, dWz, dUz, dz.sum(axis=0), dWr, dUr, dr.sum(axis=0), dWh, dUh, da.sum(axis=0)


def gru_cell(xt, hprev, W_xz, W_hz, b_z, W_xr, W_hr, b_r, W_xn, W_hn, b_n):
    z = sigmoid(W_xz @ xt + W_hz @ hprev + b_z)
    r = sigmoid(W_xr @ xt + W_hr @ hprev + b_r)
    n = np.tanh(W_xn @ xt + r * (W_hn @ hprev) + b_n)
    return (1 - z) * n + z * hprev


def word_embedding_forward(x, W):
    return W[x], (x, W.shape)


def word_embedding_backward(dout, cache):
    x, shape = cache
    dW = np.zeros(shape)
    np.add.at(dW, x, dout)
    return dW


def temporal_softmax_loss(x, y, mask, verbose=False):
    N, T, V = x.shape
    xf = x.reshape(N * T, V)
    yf = y.reshape(-1)
    mf = mask.reshape(-1)
    p = np.exp(xf - xf.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    loss = -np.sum(mf * np.log(p[np.arange(N * T), yf])) / N
    d = p.copy()
    d[np.arange(N * T), yf] -= 1
    d /= N
    d *= mf[:, None]
    return loss, d.reshape(N, T, V)


def propagate(w, b, X, Y):
    m = X.shape[1]
    A = sigmoid(np.dot(w.T, X) + b)
    cost = -1 / m * np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A))
    dw = np.dot(X, (A - Y).T) / m
    db = np.sum(A - Y) / m
    return {"dw": dw, "db": db}, np.squeeze(cost)


def compute_gradient(X, y, w, b):
    m, n = X.shape
    dj_dw = np.zeros((n,))
    dj_db = 0.0
    for i in range(m):
        err = np.dot(X[i], w) + b - y[i]
        for j in range(n):
            dj_dw[j] += err * X[i, j]
        dj_db += err
    return dj_db / m, dj_dw / m


def svm_loss(x, y):
    N = x.shape[0]
    m = np.maximum(0, x - x[np.arange(N), y][:, None] + 1.0)
    m[np.arange(N), y] = 0
    loss = np.sum(m) / N
    dx = np.zeros_like(x)
    dx[m > 0] = 1
    dx[np.arange(N), y] -= np.sum(m > 0, axis=1)
    return loss, dx / N


class TwoLayerNet:
    def __init__(self, input_size, hidden_size, output_size, std=1e-4):
        self.params = {
            "W1": std * np.random.randn(input_size, hidden_size),
            "b1": np.zeros(hidden_size),
            "W2": std * np.random.randn(hidden_size, output_size),
            "b2": np.zeros(output_size),
        }

    def loss(self, X, y=None, reg=0.0):
        W1, b1, W2, b2 = (self.params[k] for k in ("W1", "b1", "W2", "b2"))
        h = np.maximum(0, X @ W1 + b1)
        s = h @ W2 + b2
        if y is None:
            return s
        N = len(y)
        p = np.exp(s - s.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        loss = -np.log(p[np.arange(N), y]).mean() + reg * (np.sum(W1 * W1) + np.sum(W2 * W2))
        d = p.copy()
        d[np.arange(N), y] -= 1
        d /= N
        g = {"W2": h.T @ d + 2 * reg * W2, "b2": d.sum(0)}
        dh = d @ W2.T
        dh[h <= 0] = 0
        g["W1"] = X.T @ dh + 2 * reg * W1
        g["b1"] = dh.sum(0)
        return loss, g
"""
RIGHT = (
    ("attend", "attention"),
    ("attention_backward", "attention"),
    ("softmax_loss_naive", "softmax_loss"),
    ("svm_loss_vectorized", "svm_loss"),
    ("svm_loss", "svm_loss"),
    ("rnn_step_backward", "rnn_step"),
    ("rnn_forward", "rnn"),
    ("rnn_backward", "rnn"),
    ("lstm_step_forward", "lstm_step"),
    ("lstm_step_backward", "lstm_step"),
    ("lstm_forward", "lstm"),
    ("lstm_backward", "lstm"),
    ("gru_step_forward", "gru_step"),
    ("gru_step_backward", "gru_step"),
    ("gru_cell", "gru_step"),
    ("word_embedding_forward", "word_embedding"),
    ("word_embedding_backward", "word_embedding"),
    ("temporal_softmax_loss", "temporal_softmax_loss"),
    ("propagate", "logistic_regression"),
    ("compute_gradient", "linear_regression"),
    ("TwoLayerNet", "two_layer_net"),
)
LAYERS = dict(RIGHT)
SLIPS = (
    ("attention_backward", "root = np.sqrt(d)", "root = 1", "scale-missing"),
    ("attention_backward", "root = np.sqrt(d)", "root = d", "scale-of-another-kind"),
    ("attend", "e.sum(axis=2", "e.sum(axis=1", "softmax-over-wrong-axis"),
    ("attention_backward", "p * (dp - (dp * p).sum(axis=2, keepdims=True))", "p * (1 - p) * dp", "softmax-diagonal"),
    ("attention_backward", "p * (dp - (dp * p).sum(axis=2, keepdims=True))", "p * dp", "softmax-sum-missing"),
    ("attention_backward", "ds = p * (dp - (dp * p).sum(axis=2, keepdims=True))", "ds = dp", "softmax-left-out"),
    ("softmax_loss_naive", "dW = dW / N + 2 * reg * W", "dW = dW + 2 * reg * W", "sum-over-batch"),
    ("softmax_loss_naive", "dW = dW / N + 2 * reg * W", "dW = dW / N", "penalty-missing"),
    ("softmax_loss_naive", "dW = dW / N + 2 * reg * W", "dW = dW / N + reg * W", "penalty-half"),
    ("softmax_loss_naive", "dW = dW / N + 2 * reg * W", "dW = dW / N - 2 * reg * W", "penalty-sign"),
    ("softmax_loss_naive", "dW = dW / N + 2 * reg * W", "dW = (dW + 2 * reg * W) / N", "penalty-divided"),
    (
        *("softmax_loss_naive", "loss = loss / N + reg * np.sum(W * W)", "loss = (loss + reg * np.sum(W * W)) / N"),
        "penalty-multiplied",
    ),
    ("softmax_loss_naive", "(p[k] - (k == y[i]))", "p[k]", "right-class-left-out"),
    ("softmax_loss_naive", "    loss = loss / N", "        break\n    loss = loss / N", "first-example-only"),
    ("softmax_loss_naive", "dW[:, k] += ", "dW[:, k] = ", "last-example-only"),
    ("svm_loss_vectorized", "g[np.arange(N), y] -= g.sum(axis=1)", "pass", "right-class-left-out"),
    ("svm_loss_vectorized", "g = (m > 0)", "g = (s - s[np.arange(N), y][:, None] > 0)", "margin-left-out"),
    ("svm_loss_vectorized", "+ reg * W", "+ 2 * reg * W", "penalty-twice"),
    ("svm_loss", "return loss, dx / N", "return loss, dx", "sum-over-batch"),
    ("svm_loss", "-= np.sum(m > 0, axis=1)", "-= 1", "right-class-once"),
    ("rnn_backward", "dh[:, t] + dprev, cache[t]", "dh[:, t], cache[t]", "not-through-time"),
    ("rnn_backward", "dWx = dWx + a", "dWx = a", "one-step-only"),
    ("lstm_step_backward", "dc = dnext_c + dnext_h", "dc = dnext_h", "upstream-left-out"),
    ("lstm_step_backward", "dc * g * i * (1 - i)", "dc * g * (1 - i)", "activation-derivative"),
    ("lstm_backward", "dh[:, t] + dp, dc,", "dh[:, t], dc,", "not-through-time"),
    ("gru_step_backward", "dnext_h * (1 - z) + back * r", "back * r", "way-left-out"),
    ("gru_step_backward", " + back * r", "", "way-left-out"),
    ("gru_step_backward", "back * r + dz @ Uz.T", "back * r + dz @ Uz", "not-transposed"),
    ("gru_step_backward", "(1 - hhat**2)", "(1 - hhat)", "activation-derivative"),
    ("gru_step_backward", "(r * prev_h).T @ da", "prev_h.T @ da", "unexplained"),
    ("gru_step_backward", "dz.sum(axis=0), dWr", "dz.mean(axis=0), dWr", "mean-over-batch"),
    ("word_embedding_backward", "np.add.at(dW, x, dout)", "dW[x] += dout", "repeated-overwritten"),
    ("temporal_softmax_loss", "d *= mf[:, None]", "pass", "mask-left-out"),
    ("propagate", "(A - Y).T) / m", "(A - Y).T)", "sum-over-batch"),
    ("propagate", "(A - Y).T) / m", "(Y - A).T) / m", "sign"),
    ("compute_gradient", "dj_dw / m", "dj_dw", "sum-over-batch"),
    ("TwoLayerNet", "dh[h <= 0] = 0", "pass", "activation-missing"),
    ("TwoLayerNet", " + 2 * reg * W1", "", "penalty-missing"),
    ("TwoLayerNet", '"b2": d.sum(0)', '"b2": d.mean(0)', "mean-over-batch"),
)


def report_on(folder: Path, name: str, old: str = "", new: str = "") -> Report:
    """The report on one of them, as it stands or with a slip, in a file in the folder."""
    start = re.search(rf"^(def|class) {name}\b", PROGRAMS, re.MULTILINE)
    assert start is not None
    before, own = PROGRAMS[: start.start()], PROGRAMS[start.start() :]
    assert old in own
    file = folder / "course.py"
    file.write_text(before + own.replace(old, new, 1))
    return check(f"{file}:{name}", LAYERS[name])
