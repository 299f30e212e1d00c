"""Right functions of convolutions and poolings in the styles of courses, as text."""

from __future__ import annotations

from course_functions import Original

OF_IMAGES = {
    "conv_loops": Original(
        """
        def function(dout, x, w, b, stride=1, pad=0):
            N, C, H, W = x.shape
            F, _, HH, WW = w.shape
            _, _, OH, OW = dout.shape
            xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
            dxp = np.zeros_like(xp)
            dw = np.zeros_like(w)
            db = np.zeros_like(b)
            for n in range(N):
                for f in range(F):
                    for i in range(OH):
                        for j in range(OW):
                            hs, ws = i * stride, j * stride
                            window = xp[n, :, hs:hs + HH, ws:ws + WW]
                            db[f] += dout[n, f, i, j]
                            dw[f] += window * dout[n, f, i, j]
                            dxp[n, :, hs:hs + HH, ws:ws + WW] += w[f] * dout[n, f, i, j]
            dx = dxp[:, :, pad:pad + H, pad:pad + W]
            return dx, dw, db
        """,
        "conv2d",
        (("strides", 2), ("padding", 1)),
    ),
    "conv_forward_loops": Original(
        """
        def function(x, w, b, stride=1, pad=0):
            N, C, H, W = x.shape
            F, _, HH, WW = w.shape
            OH = 1 + (H + 2 * pad - HH) // stride
            OW = 1 + (W + 2 * pad - WW) // stride
            xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode='constant')
            out = np.zeros((N, F, OH, OW))
            for n in range(N):
                for f in range(F):
                    for i in range(OH):
                        for j in range(OW):
                            window = xp[n, :, i * stride:i * stride + HH, j * stride:j * stride + WW]
                            out[n, f, i, j] = np.sum(window * w[f]) + b[f]
            return out
        """,
        "conv2d",
        (("strides", 2), ("padding", 1)),
    ),
    "conv_padded_by_two": Original(
        """
        def function(x, w, b, stride=1, pad=0):
            F, _, HH, WW = w.shape
            xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode='constant')
            OH, OW = (xp.shape[2] - HH) // stride + 1, (xp.shape[3] - WW) // stride + 1
            out = np.zeros((len(x), F, OH, OW))
            for i in range(OH):
                for j in range(OW):
                    window = xp[:, :, i * stride:i * stride + HH, j * stride:j * stride + WW]
                    out[:, :, i, j] = np.tensordot(window, w, axes=((1, 2, 3), (1, 2, 3))) + b
            return out
        """,
        "conv2d",
        (("padding", 2),),
    ),
    "conv_in_groups": Original(
        """
        def function(dout, x, w, groups=1, stride=1):
            F, Cg, HH, WW = w.shape
            Fg = F // groups
            dx, dw = np.zeros_like(x), np.zeros_like(w)
            for g in range(groups):
                xs, ws = slice(g * Cg, (g + 1) * Cg), slice(g * Fg, (g + 1) * Fg)
                d = dout[:, g * Fg:(g + 1) * Fg]
                for i in range(dout.shape[2]):
                    for j in range(dout.shape[3]):
                        rows, cols = slice(i * stride, i * stride + HH), slice(j * stride, j * stride + WW)
                        dw[ws] += np.einsum('nf,nchw->fchw', d[:, :, i, j], x[:, xs, rows, cols])
                        dx[:, xs, rows, cols] += np.einsum('nf,fchw->nchw', d[:, :, i, j], w[ws])
            return dx, dw
        """,
        "conv2d",
        (("groups", 2), ("filters", 6)),
    ),
    "pool_with_one_hot_windows": Original(
        """
        def function(dout, x, size=2, stride=2):
            dx = np.zeros_like(x)
            for n, c, i, j in np.ndindex(*dout.shape):
                rows, cols = slice(i * stride, i * stride + size), slice(j * stride, j * stride + size)
                window = x[n, c, rows, cols]
                winner = (np.arange(window.size) == window.argmax()).reshape(window.shape)
                dx[n, c, rows, cols] += winner * dout[n, c, i, j]
            return dx
        """,
        "max_pool2d",
        (("pool_size", 3), ("strides", 2)),
    ),
    "conv_nhwc": Original(
        """
        def function(dZ, A_prev, W, b):
            (m, n_H_prev, n_W_prev, n_C_prev) = A_prev.shape
            (fh, fw, n_C_prev, n_C) = W.shape
            (m, n_H, n_W, n_C) = dZ.shape
            dA_prev = np.zeros(A_prev.shape)
            dW = np.zeros(W.shape)
            db = np.zeros(n_C)
            for i in range(m):
                for h in range(n_H):
                    for w in range(n_W):
                        for c in range(n_C):
                            a_slice = A_prev[i, h:h + fh, w:w + fw, :]
                            dA_prev[i, h:h + fh, w:w + fw, :] += W[:, :, :, c] * dZ[i, h, w, c]
                            dW[:, :, :, c] += a_slice * dZ[i, h, w, c]
                            db[c] += dZ[i, h, w, c]
            return dA_prev, dW, db
        """,
        "conv2d",
    ),
    "conv_im2col": Original(
        """
        def function(dout, x, w, b):
            N, C, H, W = x.shape
            F, _, HH, WW = w.shape
            _, _, OH, OW = dout.shape
            cols = np.zeros((N, C, HH, WW, OH, OW))
            for m in range(HH):
                for n in range(WW):
                    cols[:, :, m, n] = x[:, :, m:m + OH, n:n + OW]
            cols = cols.transpose(1, 2, 3, 0, 4, 5).reshape(C * HH * WW, -1)
            db = np.sum(dout, axis=(0, 2, 3))
            d = dout.transpose(1, 0, 2, 3).reshape(F, -1)
            dw = (d @ cols.T).reshape(w.shape)
            dcols = (w.reshape(F, -1).T @ d).reshape(C, HH, WW, N, OH, OW)
            dx = np.zeros((N, C, H, W))
            for m in range(HH):
                for n in range(WW):
                    dx[:, :, m:m + OH, n:n + OW] += dcols[:, m, n].transpose(1, 0, 2, 3)
            return dx, dw, db
        """,
        "conv2d",
    ),
    "conv_volume": Original(
        """
        def function(dout, x, w):
            _, _, D, H, W = dout.shape
            dx = np.zeros_like(x)
            for l in range(w.shape[2]):
                for m in range(w.shape[3]):
                    for n in range(w.shape[4]):
                        tap = w[:, :, l, m, n]
                        dx[:, :, l:l + D, m:m + H, n:n + W] += np.einsum('nfdij,fc->ncdij', dout, tap)
            return dx
        """,
        "conv3d",
    ),
    "conv_strided": Original(
        """
        def function(dout, x, w):
            N, C, H, W = x.shape
            F, _, HH, WW = w.shape
            _, _, OH, OW = dout.shape
            s0, s1, s2, s3 = x.strides
            views = np.lib.stride_tricks.as_strided(x, (N, C, OH, OW, HH, WW), (s0, s1, s2, s3, s2, s3))
            dw = np.einsum('nfij,ncijkl->fckl', dout, views)
            padded = np.pad(dout, ((0, 0), (0, 0), (HH - 1, HH - 1), (WW - 1, WW - 1)))
            t0, t1, t2, t3 = padded.strides
            wide = np.lib.stride_tricks.as_strided(padded, (N, F, H, W, HH, WW), (t0, t1, t2, t3, t2, t3))
            dx = np.einsum('nfijkl,fckl->ncij', wide, w[:, :, ::-1, ::-1])
            return dx, dw
        """,
        "conv2d",
    ),
    "dilated": Original(
        """
        def function(dout, x, w, b):
            d = 2
            _, _, OH, OW = dout.shape
            dx, dw = np.zeros_like(x), np.zeros_like(w)
            for m in range(w.shape[2]):
                for n in range(w.shape[3]):
                    patch = x[:, :, m * d:m * d + OH, n * d:n * d + OW]
                    dw[:, :, m, n] = np.einsum('nfij,ncij->fc', dout, patch)
                    dx[:, :, m * d:m * d + OH, n * d:n * d + OW] += np.einsum('nfij,fc->ncij', dout, w[:, :, m, n])
            return dx, dw, dout.sum((0, 2, 3))
        """,
        "conv2d",
        (("dilation", 2),),
    ),
    "grouped": Original(
        """
        def function(dout, x, w, b):
            groups = 2
            N, C, H, W = x.shape
            F, CG, HH, WW = w.shape
            _, _, OH, OW = dout.shape
            FG = F // groups
            dx, dw = np.zeros_like(x), np.zeros_like(w)
            for g in range(groups):
                for m in range(HH):
                    for n in range(WW):
                        xs = x[:, g * CG:(g + 1) * CG, m:m + OH, n:n + OW]
                        ds = dout[:, g * FG:(g + 1) * FG]
                        dw[g * FG:(g + 1) * FG, :, m, n] += np.einsum('nfij,ncij->fc', ds, xs)
                        back = np.einsum('nfij,fc->ncij', ds, w[g * FG:(g + 1) * FG, :, m, n])
                        dx[:, g * CG:(g + 1) * CG, m:m + OH, n:n + OW] += back
            return dx, dw, dout.sum((0, 2, 3))
        """,
        "conv2d",
        (("groups", 2),),
    ),
    "transposed": Original(
        """
        def function(dout, x, w, b, stride=2):
            N, C, H, W = x.shape
            HH, WW = w.shape[2:]
            dx, dw = np.zeros_like(x), np.zeros_like(w)
            for i in range(H):
                for j in range(W):
                    part = dout[:, :, i * stride:i * stride + HH, j * stride:j * stride + WW]
                    dx[:, :, i, j] = np.einsum('nfkl,cfkl->nc', part, w)
                    dw += np.einsum('nc,nfkl->cfkl', x[:, :, i, j], part)
            return dx, dw, dout.sum(axis=(0, 2, 3))
        """,
        "conv_transpose2d",
        (("strides", 2),),
    ),
    "depthwise": Original(
        """
        def function(dout, x, w):
            dx, dw = np.zeros_like(x), np.zeros_like(w)
            for c in range(x.shape[1]):
                for i in range(dout.shape[2]):
                    for j in range(dout.shape[3]):
                        g = dout[:, c, i, j]
                        for m in range(w.shape[0]):
                            for n in range(w.shape[1]):
                                dx[:, c, i + m, j + n] += g * w[m, n, c]
                                dw[m, n, c] += np.sum(g * x[:, c, i + m, j + n])
            return dx, dw
        """,
        "depthwise_conv2d",
    ),
    "max_pool_loops": Original(
        """
        def function(dout, x):
            ph, pw, stride = 2, 3, 2
            dx = np.zeros_like(x)
            for n in range(dout.shape[0]):
                for c in range(dout.shape[1]):
                    for i in range(dout.shape[2]):
                        for j in range(dout.shape[3]):
                            hs, ws = i * stride, j * stride
                            window = x[n, c, hs:hs + ph, ws:ws + pw]
                            r, q = np.unravel_index(np.argmax(window), window.shape)
                            dx[n, c, hs + r, ws + q] += dout[n, c, i, j]
            return dx
        """,
        "max_pool2d",
        (("pool_size", (2, 3)), ("strides", 2)),
    ),
    "max_pool_forward": Original(
        """
        def function(x, pad=1):
            N, C, H, W = x.shape
            xp = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)), constant_values=-np.inf)
            OH, OW = (H + 2 * pad - 2) // 2 + 1, (W + 2 * pad - 2) // 2 + 1
            out = np.zeros((N, C, OH, OW))
            for i in range(OH):
                for j in range(OW):
                    out[:, :, i, j] = xp[:, :, 2 * i:2 * i + 2, 2 * j:2 * j + 2].max(axis=(2, 3))
            return out
        """,
        "max_pool2d",
        (("pool_size", 2), ("padding", 1)),
    ),
    "max_pool_views": Original(
        """
        def function(x):
            views = np.lib.stride_tricks.sliding_window_view(x, (2, 2), axis=(2, 3))[:, :, ::2, ::2]
            return views.max(axis=(4, 5))
        """,
        "max_pool2d",
        (("pool_size", 2),),
    ),
    "avg_pool": Original(
        """
        def function(dout, x):
            dx = np.zeros_like(x)
            for i in range(dout.shape[2]):
                for j in range(dout.shape[3]):
                    g = dout[:, :, i, j][:, :, None, None]
                    dx[:, :, 2 * i:2 * i + 3, 2 * j:2 * j + 3] += g / 9.0
            return dx
        """,
        "avg_pool2d",
        (("pool_size", 3), ("strides", 2)),
    ),
    "global_pool": Original(
        """
        def function(dout, x):
            N, C, H, W = x.shape
            return np.ones_like(x) * dout[:, :, None, None] / (H * W)
        """,
        "global_avg_pool2d",
    ),
}
