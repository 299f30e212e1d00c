"""Bodies of right functions, each in several styles. Capital names stand for arguments, which get random names.

Images are NCHW and kernels KCMQ here; lines before and after them bring other layouts to these and back.
"""

from __future__ import annotations

WINDOWS = """
    xp = np.pad(X, ((0, 0), (0, 0), (p, p), (p, p)))
    dxp, dw = np.zeros_like(xp), np.zeros_like(W)
    for i in range(DOUT.shape[2]):
        for j in range(DOUT.shape[3]):
            g, t, l = DOUT[:, :, i, j], i * s, j * s
            dw += np.einsum('nk,ncmq->kcmq', g, xp[:, :, t:t + M, l:l + Q])
            dxp[:, :, t:t + M, l:l + Q] += np.einsum('nk,kcmq->ncmq', g, W)
    dx, db = dxp[:, :, p:p + H, p:p + V], DOUT.sum(axis=(0, 2, 3))
"""
OFFSETS = """
    I, J = DOUT.shape[2], DOUT.shape[3]
    xp = np.pad(X, ((0, 0), (0, 0), (p, p), (p, p)))
    dxp, dw = np.zeros_like(xp), np.zeros_like(W)
    for m in range(M):
        for q in range(Q):
            rows, columns = slice(m, m + s * (I - 1) + 1, s), slice(q, q + s * (J - 1) + 1, s)
            dw[:, :, m, q] = np.tensordot(DOUT, xp[:, :, rows, columns], axes=([0, 2, 3], [0, 2, 3]))
            dxp[:, :, rows, columns] += np.einsum('nkij,kc->ncij', DOUT, W[:, :, m, q])
    dx = dxp[:, :, p:p + H, p:p + V]
    db = np.sum(DOUT, axis=(0, 2, 3))
"""
COLUMNS = """
    I, J = DOUT.shape[2], DOUT.shape[3]
    xp = np.pad(X, ((0, 0), (0, 0), (p, p), (p, p)))
    cols = np.zeros((N, C, M, Q, I, J), X.dtype)
    for m in range(M):
        for q in range(Q):
            cols[:, :, m, q] = xp[:, :, m:m + s * (I - 1) + 1:s, q:q + s * (J - 1) + 1:s]
    flat = cols.reshape(N, C * M * Q, I * J)
    g = DOUT.reshape(N, K, I * J)
    dw = sum(g[n] @ flat[n].T for n in range(N)).reshape(W.shape)
    dcols = np.stack([W.reshape(K, -1).T @ g[n] for n in range(N)]).reshape(cols.shape)
    dxp = np.zeros_like(xp)
    for m in range(M):
        for q in range(Q):
            dxp[:, :, m:m + s * (I - 1) + 1:s, q:q + s * (J - 1) + 1:s] += dcols[:, :, m, q]
    dx, db = dxp[:, :, p:H + p, p:V + p], g.sum(axis=(0, 2))
"""
PLACES = """
    dx, dw, db = np.zeros_like(X), np.zeros_like(W), np.zeros(K, X.dtype)
    for i in range(DOUT.shape[2]):
        for j in range(DOUT.shape[3]):
            db += DOUT[:, :, i, j].sum(axis=0)
            for m in range(M):
                for q in range(Q):
                    r, c = i * s + m - p, j * s + q - p
                    if 0 <= r < H and 0 <= c < V:
                        dx[:, :, r, c] += DOUT[:, :, i, j] @ W[:, :, m, q]
                        dw[:, :, m, q] += DOUT[:, :, i, j].T @ X[:, :, r, c]
"""
VIEWS = """
    I, J = DOUT.shape[2], DOUT.shape[3]
    xp = np.pad(X, ((0, 0), (0, 0), (p, p), (p, p)))
    seen = np.lib.stride_tricks.sliding_window_view(xp, (M, Q), axis=(2, 3))[:, :, ::s, ::s]
    dw = np.einsum('nkij,ncijmq->kcmq', DOUT, seen)
    wide = np.zeros((N, K, H + 2 * p + M - 1, V + 2 * p + Q - 1), X.dtype)
    wide[:, :, M - 1:M - 1 + s * (I - 1) + 1:s, Q - 1:Q - 1 + s * (J - 1) + 1:s] = DOUT
    around = np.lib.stride_tricks.sliding_window_view(wide, (M, Q), axis=(2, 3))
    dxp = np.einsum('nkhvmq,kcmq->nchv', around, W[:, :, ::-1, ::-1])
    dx, db = dxp[:, :, p:p + H, p:p + V], np.einsum('nkij->k', DOUT)
"""
FOURIER = """
    I, J = DOUT.shape[2], DOUT.shape[3]
    size = (H + 2 * p + M, V + 2 * p + Q)
    xp = np.pad(X, ((0, 0), (0, 0), (p, p), (p, p)))
    wide = np.zeros((N, K, s * (I - 1) + 1, s * (J - 1) + 1), X.dtype)
    wide[:, :, ::s, ::s] = DOUT
    fx, fg, fw = np.fft.rfft2(xp, size), np.fft.rfft2(wide, size), np.fft.rfft2(W, size)
    dw = np.fft.irfft2(np.einsum('nkuv,ncuv->kcuv', np.conj(fg), fx), size)[:, :, :M, :Q]
    dx = np.fft.irfft2(np.einsum('nkuv,kcuv->ncuv', fg, fw), size)[:, :, p:p + H, p:p + V]
    db = DOUT.sum(axis=3).sum(axis=2).sum(axis=0)
"""
CONVOLUTIONS = (WINDOWS, OFFSETS, COLUMNS, PLACES, VIEWS, FOURIER)

CONVOLVED = (
    """
    xp = np.pad(X, ((0, 0), (0, 0), (p, p), (p, p)))
    out = np.zeros((N, K, (H + 2 * p - M) // s + 1, (V + 2 * p - Q) // s + 1), X.dtype)
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            seen = xp[:, :, i * s:i * s + M, j * s:j * s + Q]
            out[:, :, i, j] = np.tensordot(seen, W, axes=([1, 2, 3], [1, 2, 3])) + B
    """,
    """
    xp = np.pad(X, ((0, 0), (0, 0), (p, p), (p, p)))
    seen = np.lib.stride_tricks.sliding_window_view(xp, (M, Q), axis=(2, 3))[:, :, ::s, ::s]
    out = np.einsum('ncijmq,kcmq->nkij', seen, W) + B[None, :, None, None]
    """,
    """
    I, J = (H + 2 * p - M) // s + 1, (V + 2 * p - Q) // s + 1
    xp = np.pad(X, ((0, 0), (0, 0), (p, p), (p, p)))
    out = np.zeros((N, K, I, J), X.dtype) + B.reshape(1, K, 1, 1)
    for m in range(M):
        for q in range(Q):
            part = xp[:, :, m:m + s * (I - 1) + 1:s, q:q + s * (J - 1) + 1:s]
            out = out + np.einsum('ncij,kc->nkij', part, W[:, :, m, q])
    """,
)

MAX_LOOPS = """
    dx = np.zeros_like(X)
    for i in range(DOUT.shape[2]):
        for j in range(DOUT.shape[3]):
            for n in range(N):
                for c in range(C):
                    seen = X[n, c, i * s:i * s + k, j * s:j * s + k]
                    a, b = divmod(int(np.argmax(seen)), seen.shape[1])
                    dx[n, c, i * s + a, j * s + b] += DOUT[n, c, i, j]
"""
MAX_VIEWS = """
    dx = np.zeros_like(X)
    seen = np.lib.stride_tricks.sliding_window_view(X, (k, k), axis=(2, 3))[:, :, ::s, ::s]
    best = seen.reshape(*seen.shape[:4], k * k).argmax(axis=4)
    n, c, i, j = np.indices(best.shape)
    np.add.at(dx, (n, c, i * s + best // k, j * s + best % k), DOUT)
"""
MAX_MASKS = """
    dx = np.zeros_like(X)
    for i in range(DOUT.shape[2]):
        for j in range(DOUT.shape[3]):
            seen = X[:, :, i * s:i * s + k, j * s:j * s + k].reshape(N, C, k * k)
            mask = np.zeros_like(seen)
            np.put_along_axis(mask, seen.argmax(axis=2)[:, :, None], 1.0, axis=2)
            dx[:, :, i * s:i * s + k, j * s:j * s + k] += mask.reshape(N, C, k, k) * DOUT[:, :, i, j][:, :, None, None]
"""
AVG_LOOPS = """
    dx = np.zeros_like(X)
    for i in range(DOUT.shape[2]):
        for j in range(DOUT.shape[3]):
            dx[:, :, i * s:i * s + k, j * s:j * s + k] += DOUT[:, :, i, j][:, :, None, None] / (k * k)
"""
AVG_OFFSETS = """
    I, J = DOUT.shape[2], DOUT.shape[3]
    dx = np.zeros_like(X)
    for a in range(k):
        for b in range(k):
            dx[:, :, a:a + s * (I - 1) + 1:s, b:b + s * (J - 1) + 1:s] += DOUT / k**2
"""
POOLINGS = (
    ("max", MAX_LOOPS), ("max", MAX_VIEWS), ("max", MAX_MASKS), ("avg", AVG_LOOPS), ("avg", AVG_OFFSETS),
)  # fmt: skip
POOLED = tuple(
    (kind, body.replace("METHOD", method))
    for kind, method in (("max", "max"), ("avg", "mean"))
    for body in (
        """
        out = np.zeros((N, C, (H - k) // s + 1, (V - k) // s + 1), X.dtype)
        for i in range(out.shape[2]):
            for j in range(out.shape[3]):
                out[:, :, i, j] = X[:, :, i * s:i * s + k, j * s:j * s + k].METHOD(axis=(2, 3))
        """,
        """
        seen = np.lib.stride_tricks.sliding_window_view(X, (k, k), axis=(2, 3))[:, :, ::s, ::s]
        out = seen.METHOD(axis=(4, 5))
        """,
    )
)

THREE = ("dx", "dw", "db")
DENSE = (
    ("dense", True, False, ("out",), "out = X @ W + B"),
    ("dense", True, True, ("out",), "out = np.dot(X, W.T) + B"),
    ("dense", True, False, THREE, "dx, dw, db = DOUT @ W.T, X.T @ DOUT, DOUT.sum(axis=0)"),
    ("dense", True, True, THREE, "dx, dw, db = DOUT @ W, DOUT.T @ X, np.sum(DOUT, axis=0)"),
    ("dense", False, True, THREE, "dx, dw, db = W.T @ DOUT, DOUT @ X.T, DOUT.sum(axis=1, keepdims=True)"),
    ("dense", True, False, THREE, """
    dw = np.einsum('nc,nk->ck', X, DOUT)
    dx = np.einsum('nk,ck->nc', DOUT, W)
    db = np.einsum('nk->k', DOUT)
    """),
    ("dense", True, False, THREE, """
    dx, dw, db = np.zeros_like(X), np.zeros_like(W), np.zeros(W.shape[1], W.dtype)
    for n in range(X.shape[0]):
        dw += np.outer(X[n], DOUT[n])
        db += DOUT[n]
        for c in range(X.shape[1]):
            dx[n, c] = np.sum(W[c] * DOUT[n])
    """),
    ("dense+relu", True, False, THREE, """
    z = X @ W + B
    g = DOUT * (z > 0)
    dx, dw, db = g @ W.T, X.T @ g, g.sum(0)
    """),
    ("dense+sigmoid", True, True, THREE, """
    a = 1 / (1 + np.exp(-(X @ W.T + B)))
    g = DOUT * a * (1 - a)
    dx, dw, db = g @ W, g.T @ X, g.sum(axis=0)
    """),
    ("dense+tanh", True, False, THREE, """
    g = DOUT * (1 - np.tanh(X.dot(W) + B) ** 2)
    dx, dw, db = g.dot(W.T), X.T.dot(g), g.sum(axis=0)
    """),
)  # fmt: skip
"""Layer, whether examples are rows, whether the kernel is [out,in], results, body."""

SIGMOID = "1 / (1 + np.exp(-X))"
ACTIVATIONS = tuple(
    (layer, kind, f"result = {line}" if "result" not in line else line)
    for layer, kind, line in (
        ("relu", "forward", "np.maximum(X, 0)"),
        ("relu", "forward", "X * (X > 0)"),
        ("relu", "forward", "np.where(X > 0, X, 0.0)"),
        ("relu", "backward", "DOUT * (X > 0)"),
        ("relu", "backward", "np.where(X > 0, DOUT, 0)"),
        ("relu", "backward", "result = DOUT.copy()\nresult[X <= 0] = 0"),
        ("leaky_relu", "forward", "np.where(X > 0, X, 0.3 * X)"),
        ("leaky_relu", "forward", "np.maximum(X, 0) + 0.3 * np.minimum(X, 0)"),
        ("leaky_relu", "backward", "DOUT * np.where(X > 0, 1.0, 0.3)"),
        ("elu", "forward", "np.where(X > 0, X, np.exp(np.minimum(X, 0)) - 1)"),
        ("elu", "backward", "DOUT * np.where(X > 0, 1, np.exp(np.minimum(X, 0)))"),
        ("sigmoid", "forward", SIGMOID),
        ("sigmoid", "forward", "0.5 * (1 + np.tanh(0.5 * X))"),
        ("sigmoid", "backward", f"result = {SIGMOID}\nresult = DOUT * result * (1 - result)"),
        ("sigmoid", "backward", "e = np.exp(-np.abs(X))\nresult = DOUT * e / (1 + e) ** 2"),
        ("tanh", "forward", "np.tanh(X)"),
        ("tanh", "forward", "2 / (1 + np.exp(-2 * X)) - 1"),
        ("tanh", "backward", "DOUT * (1 - np.tanh(X) ** 2)"),
        ("tanh", "backward", "y = np.tanh(X)\nresult = DOUT - DOUT * y * y"),
        ("silu", "forward", "X / (1 + np.exp(-X))"),
        ("silu", "backward", f"a = {SIGMOID}\nresult = DOUT * (a + X * a * (1 - a))"),
        ("silu", "backward", f"a = {SIGMOID}\nresult = DOUT * a * (1 + X * (1 - a))"),
    )
)
SOFTMAX = (
    ("forward", True, "e = np.exp(X - X.max(axis=1, keepdims=True))\nresult = e / e.sum(axis=1, keepdims=True)"),
    ("forward", True, "e = np.exp((X.T - X.max(axis=1)).T)\nresult = (e.T / e.sum(axis=1)).T"),
    ("forward", False, "e = np.exp(X - np.max(X, axis=0))\nresult = e / np.sum(e, axis=0)"),
    ("backward", True, """
    e = np.exp(X - X.max(axis=1, keepdims=True))
    s = e / e.sum(axis=1, keepdims=True)
    result = s * (DOUT - np.sum(DOUT * s, axis=1, keepdims=True))
    """),
    ("backward", True, """
    result = np.zeros_like(X)
    for n in range(len(X)):
        e = np.exp(X[n] - X[n].max())
        s = e / e.sum()
        result[n] = (np.diag(s) - np.outer(s, s)) @ DOUT[n]
    """),
    ("backward", False, """
    e = np.exp(X - X.max(axis=0))
    s = e / e.sum(axis=0)
    result = s * DOUT - s * (s * DOUT).sum(axis=0)
    """),
)  # fmt: skip

PROBABILITIES = "e = np.exp(Y - Y.max(axis=1, keepdims=True))\np = e / e.sum(axis=1, keepdims=True)\n"
LOGS = "z = Y - Y.max(axis=1, keepdims=True)\nlogs = z - np.log(np.exp(z).sum(axis=1, keepdims=True))\n"
LOSSES = (
    ("softmax_cross_entropy", "whole", LOGS + PROBABILITIES + (
        "value = -logs[np.arange(len(Y)), T].sum() / MEAN\ngrad = p.copy()\n"
        "grad[np.arange(len(Y)), T] -= 1\ngrad = grad / MEAN")),
    ("softmax_cross_entropy", "one-hot", LOGS + PROBABILITIES + (
        "value = -np.sum(T * logs) / MEAN\ngrad = (p - T) / MEAN")),
    ("half_squared_error", "numbers", "value = 0.5 * np.sum((Y - T) ** 2) / MEAN\ngrad = (Y - T) / MEAN"),
    ("mse", "numbers", (
        "value = np.mean((Y - T) ** 2, axis=1).sum() / MEAN\ngrad = 2 * (Y - T) / Y.shape[1] / MEAN")),
    ("binary_cross_entropy", "bits", (
        "a = np.abs(Y)\nvalue = np.mean(np.maximum(Y, 0) - Y * T + np.log(1 + np.exp(-a)), axis=1).sum() / MEAN\n"
        "grad = (1 / (1 + np.exp(-Y)) - T) / Y.shape[1] / MEAN")),
)  # fmt: skip


START = """
mu = X.mean(axis=AXIS, keepdims=True)
v = ((X - mu) ** 2).mean(axis=AXIS, keepdims=True)
r = 1 / np.sqrt(v + eps)
n = (X - mu) * r
"""
SCALED = "out = n * GAMMA + BETA\n"
BY_FORMULA = """
g = DOUT * GAMMA
dx = r * (g - g.mean(axis=AXIS, keepdims=True) - n * (g * n).mean(axis=AXIS, keepdims=True))
"""
BY_CHAIN = """
dn = DOUT * GAMMA
m = X.size // mu.size
dv = np.sum(dn * (X - mu) * -0.5 * r ** 3, axis=AXIS, keepdims=True)
dmu = -np.sum(dn * r, axis=AXIS, keepdims=True) - 2 * dv * np.mean(X - mu, axis=AXIS, keepdims=True)
dx = dn * r + 2 * dv * (X - mu) / m + dmu / m
"""
PARAMETERS = "dgamma, dbeta = (DOUT * n).sum(axis=OTHERS), DOUT.sum(axis=OTHERS)\n"
SPLIT = "shape = X.shape\nX = X.reshape(len(X), 2, -1, *X.shape[2:])\n"
SPLIT_TOO = "DOUT = DOUT.reshape(X.shape)\n"
JOINED = "dx, dgamma, dbeta = dx.reshape(shape), dgamma.ravel(), dbeta.ravel()\n"


def _norm(axis: str, lifted: str, others: str, grouped: bool = False) -> tuple[str, str, str]:
    """Forward, backward by one formula, and backward by the chain of means."""
    split, too = (SPLIT, SPLIT_TOO) if grouped else ("", "")
    backward = [split + too + START + way + PARAMETERS + (JOINED if grouped else "") for way in (BY_FORMULA, BY_CHAIN)]
    bodies = [split + START + SCALED + ("out = out.reshape(shape)\n" if grouped else ""), *backward]
    names = {"AXIS": axis, "OTHERS": others, "GAMMA": lifted.format("gamma"), "BETA": lifted.format("beta")}
    for name, words in names.items():
        bodies = [body.replace(name, words) for body in bodies]
    return bodies[0], bodies[1], bodies[2]


NORMALIZATIONS = tuple(
    (layer, kind, body)
    for layer, bodies in (
        ("batch_norm", _norm("0", "{}", "0")),
        ("layer_norm", _norm("-1", "{}", "0")),
        ("batch_norm2d", _norm("(0, 2, 3)", "{}[None, :, None, None]", "(0, 2, 3)")),
        ("group_norm", _norm("(2, 3, 4)", "{}.reshape(1, 2, -1, 1, 1)", "(0, 3, 4)", grouped=True)),
    )
    for kind, body in zip(("forward", "backward", "backward"), bodies, strict=True)
)
