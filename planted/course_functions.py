"""Right functions of normalizations, losses, activations and dense layers in the styles of courses, as text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from textwrap import dedent
from typing import Any

from random_right import Written


@dataclass(frozen=True)
class Original:
    """A right function, what it is checked against, and with what settings."""

    text: str
    layer: str
    settings: tuple[tuple[str, Any], ...] = ()

    def function(self, old: str = "", new: str = "") -> Callable[..., Any]:
        """The function, with these words put in for those."""
        text = dedent(self.text).lstrip()
        if text.count(old) < 1:
            raise ValueError(f"{old!r} is not in the function")
        return Written(text.replace(old, new) if old else text, self.layer, lambda rng, special: {}).function()


OF_NUMBERS = {
    "batch_norm_steps": Original(
        """
        def function(dout, x, gamma, beta, eps=1e-3):
            N, D = x.shape
            mu = x.mean(axis=0)
            xc = x - mu
            var = (xc ** 2).mean(axis=0)
            std = np.sqrt(var + eps)
            xhat = xc / std
            dbeta = dout.sum(axis=0)
            dgamma = np.sum(dout * xhat, axis=0)
            dxhat = dout * gamma
            dvar = np.sum(dxhat * xc * -0.5 * (var + eps) ** -1.5, axis=0)
            dmu = np.sum(dxhat * -1 / std, axis=0) + dvar * np.mean(-2 * xc, axis=0)
            dx = dxhat / std + dvar * 2 * xc / N + dmu / N
            return dx, dgamma, dbeta
        """,
        "batch_norm",
    ),
    "batch_norm_graph": Original(
        """
        def function(dout, x, gamma, beta, eps=1e-3):
            N, D = x.shape
            xmu = x - x.mean(0)
            sqrtvar = np.sqrt((xmu ** 2).mean(0) + eps)
            ivar = 1.0 / sqrtvar
            dbeta = np.sum(dout, axis=0)
            dgamma = np.sum(dout * xmu * ivar, axis=0)
            dxhat = dout * gamma
            divar = np.sum(dxhat * xmu, axis=0)
            dxmu1 = dxhat * ivar
            dsqrtvar = -1.0 / (sqrtvar ** 2) * divar
            dvar = 0.5 / sqrtvar * dsqrtvar
            dsq = np.ones((N, D)) / N * dvar
            dxmu2 = 2 * xmu * dsq
            dx1 = dxmu1 + dxmu2
            dmu = -np.sum(dxmu1 + dxmu2, axis=0)
            dx2 = np.ones((N, D)) / N * dmu
            return dx1 + dx2, dgamma, dbeta
        """,
        "batch_norm",
    ),
    "batch_norm_forward": Original(
        """
        def function(x, gamma, beta, eps=1e-3):
            mean = np.mean(x, axis=0)
            var = np.var(x, axis=0)
            x_hat = (x - mean) / np.sqrt(var + eps)
            return gamma * x_hat + beta
        """,
        "batch_norm",
    ),
    "layer_norm": Original(
        """
        def function(dout, x, gamma, beta, eps=1e-3):
            D = x.shape[1]
            mu = x.mean(axis=1, keepdims=True)
            var = x.var(axis=1, keepdims=True)
            std = np.sqrt(var + eps)
            xhat = (x - mu) / std
            dgamma = (dout * xhat).sum(axis=0)
            dbeta = dout.sum(axis=0)
            g = dout * gamma
            dx = (g - g.mean(axis=1, keepdims=True) - xhat * (g * xhat).mean(axis=1, keepdims=True)) / std
            return dx, dgamma, dbeta
        """,
        "layer_norm",
    ),
    "layer_norm_forward": Original(
        """
        def function(x, gamma, beta, eps=1e-3):
            mu = x.mean(axis=1, keepdims=True)
            var = x.var(axis=1, keepdims=True)
            return gamma * (x - mu) / np.sqrt(var + eps) + beta
        """,
        "layer_norm",
    ),
    "spatial_batch_norm": Original(
        """
        def function(dout, x, gamma, beta, eps=1e-3):
            axes = (0, 2, 3)
            mu = x.mean(axis=axes, keepdims=True)
            std = np.sqrt(x.var(axis=axes, keepdims=True) + eps)
            xhat = (x - mu) / std
            dgamma = (dout * xhat).sum(axis=(0, 2, 3))
            dbeta = dout.sum(axis=(0, 2, 3))
            g = dout * gamma.reshape(1, -1, 1, 1)
            dx = (g - g.mean(axis=axes, keepdims=True) - xhat * (g * xhat).mean(axis=axes, keepdims=True)) / std
            return dx, dgamma, dbeta
        """,
        "batch_norm2d",
    ),
    "group_norm": Original(
        """
        def function(dout, x, gamma, beta, eps=1e-3):
            N, C, H, W = x.shape
            G = 2
            xg = x.reshape(N, G, C // G, H, W)
            mu = xg.mean(axis=(2, 3, 4), keepdims=True)
            std = np.sqrt(xg.var(axis=(2, 3, 4), keepdims=True) + eps)
            norm = (xg - mu) / std
            dgamma = (dout * norm.reshape(x.shape)).sum(axis=(0, 2, 3))
            dbeta = dout.sum(axis=(0, 2, 3))
            g = (dout * gamma[None, :, None, None]).reshape(xg.shape)
            gm = g.mean(axis=(2, 3, 4), keepdims=True)
            dx = (g - gm - norm * (g * norm).mean(axis=(2, 3, 4), keepdims=True)) / std
            return dx.reshape(x.shape), dgamma, dbeta
        """,
        "group_norm",
        (("groups", 2),),
    ),
    "softmax_loss": Original(
        """
        def function(x, y):
            N = x.shape[0]
            shifted = x - np.max(x, axis=1, keepdims=True)
            Z = np.sum(np.exp(shifted), axis=1, keepdims=True)
            log_probs = shifted - np.log(Z)
            probs = np.exp(log_probs)
            loss = -np.sum(log_probs[np.arange(N), y]) / N
            dx = probs.copy()
            dx[np.arange(N), y] -= 1
            dx /= N
            return loss, dx
        """,
        "softmax_cross_entropy",
    ),
    "one_hot_loss": Original(
        """
        def function(scores, target):
            N = len(scores)
            e = np.exp(scores - scores.max(axis=1, keepdims=True))
            p = e / e.sum(axis=1, keepdims=True)
            loss = -np.sum(target * np.log(p)) / N
            grad = (p - target) / N
            return loss, grad
        """,
        "softmax_cross_entropy",
    ),
    "relu": Original(
        """
        def function(dA, Z):
            dZ = np.array(dA, copy=True)
            dZ[Z <= 0] = 0
            return dZ
        """,
        "relu",
    ),
    "leaky_relu": Original(
        """
        def function(dout, x, alpha=0.01):
            dx = np.where(x > 0, dout, alpha * dout)
            return dx
        """,
        "leaky_relu",
        (("negative_slope", 0.01),),
    ),
    "elu": Original(
        """
        def function(dout, x, alpha=1.0):
            return dout * np.where(x > 0, 1.0, alpha * np.exp(x))
        """,
        "elu",
    ),
    "gelu": Original(
        """
        def function(dout, x):
            c = np.sqrt(2 / np.pi)
            t = np.tanh(c * (x + 0.044715 * x ** 3))
            return dout * (0.5 * (1 + t) + 0.5 * x * (1 - t ** 2) * c * (1 + 3 * 0.044715 * x ** 2))
        """,
        "gelu",
    ),
    "gelu_exact": Original(
        """
        def function(dout, x):
            from math import erf
            c = (1 + np.vectorize(erf)(x / np.sqrt(2))) / 2
            d = np.exp(-0.5 * x ** 2) / np.sqrt(2 * np.pi)
            return dout * (c + x * d)
        """,
        "gelu",
    ),
    "gelu_forward": Original(
        """
        def function(x):
            return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x ** 3)))
        """,
        "gelu",
    ),
    "sigmoid": Original(
        """
        def function(dout, z):
            s = 1 / (1 + np.exp(-z))
            return dout * s * (1 - s)
        """,
        "sigmoid",
    ),
    "tanh": Original(
        """
        def function(dout, z):
            t = np.tanh(z)
            return dout * (1 - t ** 2)
        """,
        "tanh",
    ),
    "silu": Original(
        """
        def function(dout, x):
            s = 1 / (1 + np.exp(-x))
            return dout * (s + x * s * (1 - s))
        """,
        "silu",
    ),
    "softmax": Original(
        """
        def function(dout, z):
            e = np.exp(z - z.max(axis=1, keepdims=True))
            p = e / e.sum(axis=1, keepdims=True)
            return p * (dout - (dout * p).sum(axis=1, keepdims=True))
        """,
        "softmax",
    ),
    "dense": Original(
        """
        def function(dout, x, w, b):
            dx = dout.dot(w.T)
            dw = x.T.dot(dout)
            db = dout.sum(axis=0)
            return dx, dw, db
        """,
        "dense",
    ),
    "dense_columns": Original(
        """
        def function(dZ, A_prev, W, b):
            dW = np.dot(dZ, A_prev.T)
            db = np.sum(dZ, axis=1, keepdims=True)
            dA_prev = np.dot(W.T, dZ)
            return dA_prev, dW, db
        """,
        "dense",
    ),
    "dense_relu": Original(
        """
        def function(dout, x, w, b):
            z = x @ w + b
            dz = dout * (z > 0)
            return dz @ w.T, x.T @ dz, dz.sum(axis=0)
        """,
        "dense+relu",
    ),
    "mse": Original(
        """
        def function(y, t):
            N, D = y.shape
            loss = np.mean((y - t) ** 2)
            grad = 2 * (y - t) / (N * D)
            return loss, grad
        """,
        "mse",
    ),
    "binary": Original(
        """
        def function(z, t):
            p = 1 / (1 + np.exp(-z))
            loss = -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p))
            grad = (p - t) / z.size
            return loss, grad
        """,
        "binary_cross_entropy",
    ),
    "rnn_step": Original(
        """
        def function(dh, x, h_prev, wx, wh, b):
            h = np.tanh(x @ wx + h_prev @ wh + b)
            da = dh * (1 - h ** 2)
            return da @ wx.T, da @ wh.T, x.T @ da, h_prev.T @ da, da.sum(axis=0)
        """,
        "rnn_step",
    ),
    "momentum": Original(
        """
        def function(w, g, v, rate, mu):
            return w + mu * v - rate * g
        """,
        "w_next[i] = w[i] + mu * v[i] - rate * g[i]",
    ),
    "adam": Original(
        """
        def function(w, m, v, rate, eps):
            return w - rate * m / (np.sqrt(v) + eps)
        """,
        "w_next[i] = w[i] - rate * m[i] / (sqrt(v[i]) + eps)",
    ),
}
