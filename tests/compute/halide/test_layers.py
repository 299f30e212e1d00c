"""Convolutions and dense layers with their gradients as texts, against the oracle: channel counts small and large."""

from __future__ import annotations

import pytest

pytest.importorskip("halide")

from engine_support import bound, compare

DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])
CONVOLUTION = """
x[e,i,j,k] = sum[m,n,c](w[m,n,c,k] * o[e,{s}*i+{d}*m-{p},{s}*j+n-{p},c else 0]) + b[k]
y[e,i,j,k] = max(x[e,i,j,k], 0)
do[e,p,q,c] = sum[m,n,k](dx[e,(p+{p}-{d}*m)/{s},(q+{p}-n)/{s},k else 0] * w[m,n,c,k])
dw[m,n,c,k] = sum[e,i,j](dx[e,i,j,k] * o[e,{s}*i+{d}*m-{p},{s}*j+n-{p},c else 0])
db[k] = sum[e,i,j](dx[e,i,j,k])
"""
# batch, rows, columns, channels in and out, kernel, stride, dilation, padding
Sizes = tuple[int, int, int, int, int, tuple[int, int], int, int, int]
SHAPES: list[Sizes] = [
    (3, 11, 13, 1, 5, (3, 2), 1, 1, 0),
    (5, 13, 11, 3, 16, (2, 3), 1, 1, 0),
    (7, 11, 17, 5, 20, (3, 5), 1, 1, 2),
    (3, 14, 13, 16, 33, (3, 2), 2, 1, 1),
    (2, 15, 11, 20, 3, (2, 5), 1, 2, 1),
    (3, 17, 19, 33, 65, (2, 2), 3, 2, 2),
    (11, 9, 10, 7, 1, (2, 3), 1, 1, 1),
    (3, 18, 14, 17, 33, (3, 2), 2, 1, 1),  # sizes that the stride divides: by phases
    (2, 15, 12, 20, 5, (4, 5), 3, 2, 2),
    (5, 12, 10, 3, 40, (1, 1), 2, 1, 0),
]


@DTYPES
@pytest.mark.parametrize("sizes", SHAPES)
def test_a_convolution(sizes: Sizes, dtype: str) -> None:
    batch, rows, columns, channels, kernels, (high, wide), stride, dilation, padding = sizes
    text = CONVOLUTION.format(s=stride, d=dilation, p=padding)
    x_rows = (rows + 2 * padding - dilation * (high - 1) - 1) // stride + 1
    x_columns = (columns + 2 * padding - wide) // stride + 1
    shapes = {
        "o": (batch, rows, columns, channels),
        "w": (high, wide, channels, kernels),
        "b": (kernels,),
        "dx": (batch, x_rows, x_columns, kernels),
    }
    sizes_ = {"I": x_rows, "J": x_columns, "P": rows, "Q": columns, "M": high, "N": wide}
    compare(bound(text, shapes=shapes, sizes=sizes_), dtype)
    compare(bound(text, shapes=shapes, sizes=sizes_), dtype, outputs=["y", "do", "dw", "db"])


@DTYPES
@pytest.mark.parametrize(("batch", "inputs", "outputs"), [(1, 50, 700), (3, 11, 5), (11, 203, 10), (64, 70, 161)])
def test_a_dense_layer(batch: int, inputs: int, outputs: int, dtype: str) -> None:
    text = """
    x[e,k] = sigmoid(sum[c](w[c,k] * o[e,c]) + b[k])
    do[e,c] = sum[k](dx[e,k] * w[c,k])
    dw[c,k] = sum[e](dx[e,k] * o[e,c])
    db[k] = sum[e](dx[e,k])
    """
    shapes = {"o": (batch, inputs), "w": (inputs, outputs), "b": (outputs,), "dx": (batch, outputs)}
    compare(bound(text, shapes=shapes), dtype)


@DTYPES
@pytest.mark.parametrize(("groups", "inside", "outside"), [(2, 3, 5), (7, 1, 1), (3, 16, 17)])
def test_a_grouped_convolution(groups: int, inside: int, outside: int, dtype: str) -> None:
    text = """
    x[e,i,j,g,k] = sum[m,n,c](w[m,n,c,g,k] * o[e,i+m,j+n,g,c])
    do[e,p,q,g,c] = sum[m,n,k](dx[e,p-m,q-n,g,k else 0] * w[m,n,c,g,k])
    dw[m,n,c,g,k] = sum[e,i,j](dx[e,i,j,g,k] * o[e,i+m,j+n,g,c])
    """
    shapes = {
        "o": (5, 13, 11, groups, inside),
        "w": (2, 3, inside, groups, outside),
        "dx": (5, 12, 9, groups, outside),
    }
    compare(bound(text, shapes=shapes, sizes={"P": 13, "Q": 11, "M": 2, "N": 3}), dtype)


@DTYPES
@pytest.mark.parametrize("channels", [3, 16, 37])
def test_a_depthwise_convolution(channels: int, dtype: str) -> None:
    text = """
    x[e,i,j,c] = sum[m,n](w[m,n,c] * o[e,i+m,j+n,c])
    do[e,p,q,c] = sum[m,n](dx[e,p-m,q-n,c else 0] * w[m,n,c])
    dw[m,n,c] = sum[e,i,j](dx[e,i,j,c] * o[e,i+m,j+n,c])
    """
    shapes = {"o": (5, 13, 11, channels), "w": (2, 3, channels), "dx": (5, 12, 9, channels)}
    compare(bound(text, shapes=shapes, sizes={"P": 13, "Q": 11, "M": 2, "N": 3}), dtype)


@DTYPES
def test_an_image_without_channels(dtype: str) -> None:
    text = "x[e,i,j] = sum[m,n](w[m,n] * o[e,i+m,j+n]); dw[m,n] = sum[e,i,j](x[e,i,j] * o[e,i+m,j+n])"
    compare(bound(text, shapes={"o": (3, 57, 61), "w": (3, 5)}), dtype)
    text = "x[k,i,j] = sum[c,m,n](w[k,c,m,n] * o[c,i+m,j+n]) + b[k]"
    compare(bound(text, shapes={"o": (5, 37, 41), "w": (7, 5, 3, 2), "b": (7,)}), dtype)


@DTYPES
def test_attention_like_products(dtype: str) -> None:
    text = "s[e,i,j] = sum[d](q[e,i,d] * k[e,j,d]); a[e,i,d] = sum[j](exp(s[e,i,j]) * v[e,j,d])"
    compare(bound(text, shapes=dict.fromkeys(("q", "k", "v"), (3, 37, 19))), dtype, tolerance=9)


@DTYPES
@pytest.mark.parametrize("batch", [2, 16, 37])
@pytest.mark.parametrize("channels", [(3, 17), (20, 50), (7, 80)])
def test_sums_in_slices(batch: int, channels: tuple[int, int], dtype: str) -> None:
    text = """
    dw[m,n,c,k] = sum[e,i,j](dx[e,i,j,k] * o[e,i+m-1,j+n,c else 0])
    db[k] = sum[e,i,j](dx[e,i,j,k])
    s = sum[e,i,j,k](dx[e,i,j,k]^2)
    q[e] = sum[i,j,k](dx[e,i,j,k]^2)
    g[k] = max[e,i,j](dx[e,i,j,k])
    y[e,k] = sum[c,i,j](o[e,i,j,c] * w[i,j,c,k])
    """
    shapes = {
        "o": (batch, 24, 26, channels[0]),
        "dx": (batch, 24, 24, channels[1]),
        "w": (24, 26, channels[0], channels[1]),
    }
    compare(bound(text, shapes=shapes, sizes={"M": 3, "N": 3}), dtype, tolerance=5)


@DTYPES
@pytest.mark.parametrize(("batch", "channels"), [(3, 5), (17, 33)])
def test_tensors_with_borders(batch: int, channels: int, dtype: str) -> None:
    text = """
    a[e,i,j,c] = max(o[e,i,j,c], 0)
    x[e,i,j,k] = sum[m,n,c](w[m,n,c,k] * a[e,i+m-1,j+n-2,c else 0])
    y[e,i,j,k] = x[e,i,j,k] * x[e,i,j,k]
    z[e,i,j,c] = sum[m,n,k](w[m,n,c,k] * y[e,i-m+1,j-n+2,k else 0]) + a[e,i,j,c]
    dw[m,n,c,k] = sum[e,i,j](y[e,i,j,k] * a[e,i+m-1,j+n-2,c else 0])
    s = sum[e,i,j,c](a[e,i,j,c])
    """
    shapes = {"o": (batch, 17, 19, channels), "w": (3, 5, channels, 20)}
    equation = bound(text, shapes=shapes, sizes={"I": 17, "J": 19, "M": 3, "N": 5})
    program = compare(equation, dtype, outputs=["z", "dw", "s"], tolerance=5)
    layouts = program.kernels[-1].layouts
    assert (layouts["a"].low, layouts["a"].high) == ((0, 1, 2, 0), (0, 1, 2, 0))
    assert (layouts["y"].low, layouts["y"].high) == ((0, 1, 2, 0), (0, 1, 2, 0))
    compare(equation, dtype, tolerance=5)
