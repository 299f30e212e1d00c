"""On which inputs a right function is tried, and what its report says of those that were not covered."""

from __future__ import annotations

import linecache
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special

from convgrad.check import Report, check
from convgrad.check.functions.coverage import refuses
from convgrad.check.submissions.answers import Trouble
from convgrad.check.verdict import Verdict

Array = np.ndarray


def convolution(
    x: Array, w: Array, dout: Array, stride: int = 1, pad: int = 0, dilation: int = 1
) -> tuple[Array, Array, Array]:
    """NCHW, kernel [out,in,h,w], right for every size and setting."""
    rows, columns = dout.shape[2:]
    padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dpadded, dw = np.zeros_like(padded), np.zeros_like(w)
    for m in range(w.shape[2]):
        for n in range(w.shape[3]):
            top, left = m * dilation, n * dilation
            seen = (
                ...,
                slice(top, top + stride * (rows - 1) + 1, stride),
                slice(left, left + stride * (columns - 1) + 1, stride),
            )
            dw[:, :, m, n] = np.einsum("bkij,bcij->kc", dout, padded[seen])
            dpadded[seen] += np.einsum("bkij,kc->bcij", dout, w[:, :, m, n])
    height, width = x.shape[2:]
    return dpadded[:, :, pad : pad + height, pad : pad + width], dw, dout.sum((0, 2, 3))


def text(report: Report) -> str:
    return " ".join(str(report).split())


def test_what_was_covered_is_said() -> None:
    report = check(convolution, "conv2d")
    assert report.verdict is Verdict.RIGHT, str(report)
    covered = {
        "a batch of 1", "a batch of 5", "one channel", "one filter", "stride 2", "stride 3", "padding 1", "padding 2",
        "stride 2 and padding 1", "dilation 2", "a kernel of 1 x 1", "a kernel wider than high",
        "an image as large as the window", "more columns than rows", "height and width equal",
    }  # fmt: skip
    assert covered <= set(report.coverage.right)
    assert not report.coverage.left_out
    lines = str(report).split("\n")
    groups = lines[lines.index("Also right with") + 1 :]
    assert [line.split(":")[0] for line in groups if line[2:3] != " "] == [
        *("  numbers", "  batches", "  windows", "  strides and paddings", "  channels and units", "  images"),
    ]
    assert "  batches: a batch of 1, a batch of 5" in groups
    assert text(report).count("a kernel of 1 x 1 and padding 2") == 1
    assert report.to_json()["also_right_with"] == report.coverage.right


def only(condition: Callable[[Array, Array, Array, int, int], bool]) -> Callable[..., object]:
    """A convolution that is right unless `condition` holds: then its last filter's gradient is taken twice."""

    def backward(x: Array, w: Array, dout: Array, stride: int = 1, pad: int = 0) -> tuple[Array, Array, Array]:
        dx, dw, db = convolution(x, w, dout, stride, pad)
        if condition(x, w, dout, stride, pad):
            dw[-1] *= 1.25
        return dx, dw, db

    return backward


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (lambda x, w, dout, stride, pad: len(x) == 1, "a batch of 1"),
        (lambda x, w, dout, stride, pad: len(x) > 3, "a batch of 5"),
        (lambda x, w, dout, stride, pad: x.shape[1] == 1, "one channel"),
        (lambda x, w, dout, stride, pad: len(w) == 1, "one filter"),
        (lambda x, w, dout, stride, pad: w.shape[2:] == (1, 1), "a kernel of 1 x 1"),
        (lambda x, w, dout, stride, pad: w.shape[3] > w.shape[2], "a kernel wider than high"),
        (lambda x, w, dout, stride, pad: dout.shape[2:] == (1, 1), "an image as large as the window"),
        (lambda x, w, dout, stride, pad: x.shape[3] > x.shape[2], "more columns than rows"),
        (lambda x, w, dout, stride, pad: x.shape[3] == x.shape[2], "height and width equal"),
        (lambda x, w, dout, stride, pad: x.shape[1] == len(w), "as many filters as channels"),
        (lambda x, w, dout, stride, pad: stride == 2, "stride 2"),
        (lambda x, w, dout, stride, pad: stride == 3, "stride 3"),
        (lambda x, w, dout, stride, pad: pad == 1, "padding 1"),
        (lambda x, w, dout, stride, pad: pad == 2, "padding 2"),
        (lambda x, w, dout, stride, pad: pad == 2 and stride == 3, "stride 3 and padding 2"),
    ],
)  # fmt: skip
def test_wrong_on_some_inputs_only(condition: Callable[..., bool], words: str) -> None:
    report = check(only(condition), "conv2d")
    assert report.verdict is Verdict.WRONG
    assert f"It is right on the first input, and wrong with {words}." in text(report)


def test_a_setting_of_the_caller_is_not_varied() -> None:
    report = check(only(lambda x, w, dout, stride, pad: pad == 2), "conv2d", padding=1)
    assert report.verdict is Verdict.RIGHT, str(report)
    assert not any("padding" in words for words in report.coverage.right)


def test_a_refusal_is_no_fault() -> None:
    def strict(x: Array, w: Array, dout: Array, stride: int = 1, pad: int = 0) -> tuple[Array, Array, Array]:
        assert (x.shape[2] + 2 * pad - w.shape[2]) % stride == 0, "the stride does not divide"
        if len(x) == 1:
            raise ValueError("give a batch of two at least")
        return convolution(x, w, dout, stride, pad)

    report = check(strict, "conv2d")
    assert report.verdict is Verdict.RIGHT, str(report)
    assert "a batch of 1 (it refuses: give a batch of two at least)" in report.coverage.left_out
    assert any(t.startswith("stride 2 (it refuses: the stride does not divide") for t in report.coverage.left_out)
    assert "stride 2 that divides" in report.coverage.right
    assert "Not covered: " in text(report)


def test_another_failure_is_a_fault_and_says_with_what() -> None:
    def fails(x: Array, w: Array, dout: Array) -> tuple[Array, Array, Array]:
        x[1]
        return convolution(x, w, dout)

    report = check(fails, "conv2d")
    assert report.verdict is Verdict.WRONG
    assert report.causes == ("raises",)
    assert "but with a batch of 1 it fails: IndexError" in text(report)


def test_what_refuses() -> None:
    assert refuses(Trouble("AssertionError", ""))
    assert refuses(Trouble("ValueError", "bad sizes", "a.py, line 3", "raise ValueError('bad sizes')"))
    assert not refuses(Trouble("ValueError", "cannot reshape array", "a.py, line 3", "x.reshape(2, 3)"))
    assert not refuses(Trouble("IndexError", "index 1 is out of bounds", "a.py, line 3", "x[1]"))


def test_only_the_forward_pass() -> None:
    report = check(lambda x: np.maximum(x, 0), "relu")
    assert report.verdict is Verdict.RIGHT
    assert "Not covered: gradients (only the forward pass was checked)." in text(report)


def test_gradients_that_do_not_come_back() -> None:
    report = check(lambda dout, x, w: convolution(x, w, dout)[0], "conv2d")
    assert report.verdict is Verdict.RIGHT
    assert report.coverage.left_out == ["dw and db (not returned)"]


def layer_norm(dout: Array, x: Array, gamma: Array, beta: Array, eps: float = 1e-3) -> tuple[Array, Array, Array]:
    """Over the last axis, of any rank."""
    centred = x - x.mean(axis=-1, keepdims=True)
    inverse = 1 / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + eps)
    normal, scaled, before = centred * inverse, dout * gamma, tuple(range(x.ndim - 1))
    along = scaled.mean(axis=-1, keepdims=True), (scaled * normal).mean(axis=-1, keepdims=True)
    return inverse * (scaled - along[0] - normal * along[1]), (dout * normal).sum(before), dout.sum(before)


def test_normalizations_get_a_batch() -> None:
    right = check(layer_norm, "layer_norm")
    assert right.verdict is Verdict.RIGHT, str(right)
    assert "[batch, features] arrays" in right.reading
    assert {"arrays of three axes", "epsilon 0.1", "a batch of 1"} <= set(right.coverage.right)

    def averaged(dout: Array, x: Array, gamma: Array, beta: Array) -> tuple[Array, Array, Array]:
        dx, dgamma, dbeta = layer_norm(dout, x, gamma, beta)
        return dx, dgamma / len(x), dbeta / len(x)

    assert check(averaged, "layer_norm").causes == ("mean-over-batch",)


def test_a_rank_that_is_all_that_a_function_takes() -> None:
    def of_sequences(dout: Array, x: Array, gamma: Array, beta: Array) -> tuple[Array, Array, Array]:
        _batch, _places, _features = x.shape
        return layer_norm(dout, x, gamma, beta)

    report = check(of_sequences, "layer_norm")
    assert report.verdict is Verdict.RIGHT, str(report)
    assert "[batch, places, features] arrays" in report.reading

    def wrong(dout: Array, x: Array, gamma: Array, beta: Array) -> tuple[Array, Array, Array]:
        dx, dgamma, dbeta = of_sequences(dout, x, gamma, beta)
        return dx, -dgamma, dbeta

    shown = check(wrong, "layer_norm")
    assert shown.verdict is Verdict.WRONG
    assert "dgamma[0]: expected" in text(shown)


def test_a_rank_that_a_function_need_not_take_is_a_note() -> None:
    def over_the_second_axis(x: Array) -> Array:
        e = np.exp(x - x.max(axis=1, keepdims=True))
        return np.asarray(e / e.sum(axis=1, keepdims=True))

    report = check(over_the_second_axis, "softmax")
    assert report.verdict is Verdict.RIGHT
    assert "arrays of three axes (it runs, but is wrong there)" in report.coverage.left_out


def clipped(x: Array, most: float) -> Array:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -most, most))))


@pytest.mark.parametrize(
    ("layer", "function", "verdict"),
    [
        ("relu", lambda dout, x: dout * ((x > 0) & (x < 6)), Verdict.WRONG),
        ("relu", lambda x: np.minimum(np.maximum(x, 0), 6), Verdict.WRONG),
        ("relu", lambda dout, x: dout * (x > 0), Verdict.RIGHT),
        ("relu", lambda dout, x: dout * (x > 1e-4), Verdict.WRONG),
        ("sigmoid", lambda x: clipped(x, 5), Verdict.WRONG),
        ("sigmoid", lambda dout, x: dout * clipped(x, 15) * (1 - clipped(x, 15)), Verdict.WRONG),
        ("sigmoid", lambda dout, x: dout * clipped(x, 500) * (1 - clipped(x, 500)), Verdict.RIGHT),
        ("sigmoid", lambda x: np.clip(0.2 * x + 0.5, 0, 1), Verdict.WRONG),
        ("tanh", lambda x: np.clip(x, -1, 1), Verdict.WRONG),
        ("gelu", lambda x: 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))), Verdict.RIGHT),
        ("leaky_relu", lambda dout, x, alpha=0.3: dout * np.where(x > 0, 1, alpha), Verdict.RIGHT),
        ("leaky_relu", lambda dout, x, alpha=0.3: dout * np.where(x > 0, 1, 0.3), Verdict.WRONG),
    ],
)  # fmt: skip
def test_activations_at_large_and_small_values(layer: str, function: Callable[..., Array], verdict: Verdict) -> None:
    report = check(function, layer)
    assert report.verdict is verdict, str(report)


def test_a_pooling_that_begins_with_zero() -> None:
    def forward(x: Array) -> Array:
        rows, columns = x.shape[1] // 2, x.shape[2] // 3
        result = np.zeros((len(x), rows, columns, x.shape[3]))
        for m in range(2):
            for n in range(3):
                result = np.maximum(result, x[:, m : 2 * rows : 2, n : 3 * columns : 3])
        return result

    report = check(forward, "max_pool2d")
    assert report.verdict is Verdict.WRONG


def test_a_slow_function_is_tried_on_the_first_of_them() -> None:
    import time

    def slow(dout: Array, x: Array) -> Array:
        time.sleep(0.35)
        return dout * (x > 0)

    report = check(slow, "relu", seconds=0.5)
    assert report.verdict is Verdict.RIGHT
    assert "so fewer inputs were tried than usual" in text(report)
    assert len(report.coverage.right) < 4


def test_a_function_for_squares_only_that_says_so() -> None:
    def squares(dout: Array, x: Array, w: Array) -> tuple[Array, Array, Array]:
        if x.shape[2] != x.shape[3]:
            raise ValueError("square images only")
        return convolution(x, w, dout)

    report = check(squares, "conv2d")
    assert report.verdict is Verdict.RIGHT, str(report)
    assert "height and width equal only. It refuses others: ValueError: square images only" in text(report)


@pytest.mark.parametrize("axis", [2, 3])
def test_one_size_for_both_axes_of_a_kernel(axis: int) -> None:
    def backward(dout: Array, x: Array, w: Array) -> tuple[Array, Array, Array]:
        size = w.shape[axis]
        return convolution(x, w[:, :, :size, :size], dout)

    report = check(backward, "conv2d")
    assert report.verdict is Verdict.RIGHT, str(report)
    assert "square kernels only" in text(report) or "a kernel wider than high (it runs, but" in text(report)


def test_an_order_of_axes_that_is_not_known_is_not_wrong() -> None:
    def backward(dout: Array, x: Array, w: Array) -> tuple[Array, Array, Array]:
        dx, dw, db = convolution(x, w.transpose(1, 3, 0, 2), dout)  # [h,out,w,in]
        return dx, dw.transpose(2, 0, 3, 1), db

    assert check(backward, "conv2d").verdict is Verdict.NOT_CHECKED


@pytest.mark.parametrize("order", [(3, 2, 0, 1), (0, 3, 1, 2), (3, 0, 1, 2)])
def test_orders_of_axes_that_are_known(order: tuple[int, ...]) -> None:
    back = tuple(order.index(axis) for axis in range(4))

    def backward(dout: Array, x: Array, w: Array) -> tuple[Array, Array, Array]:
        dx, dw, db = convolution(x, w.transpose(order), dout)
        return dx, dw.transpose(back), db

    assert check(backward, "conv2d").verdict is Verdict.RIGHT


def test_a_pooling_without_windows_that_end_outside() -> None:
    def backward(x: Array, dout: Array) -> Array:
        batch, rows, columns, channels = x.shape
        windows = x.reshape(batch, rows // 2, 2, columns // 2, 2, channels)
        shared = np.broadcast_to(dout[:, :, None, :, None] / 4, windows.shape)
        return np.asarray(shared).reshape(x.shape)

    report = check(backward, "avg_pool2d")
    assert report.verdict is Verdict.RIGHT, str(report)
    assert "for sizes that the stride divides only" in text(report)
    assert "against AvgPool2D()" in text(report)


def test_a_dense_layer_of_sequences() -> None:
    def backward(dout: Array, x: Array, w: Array) -> tuple[Array, Array, Array]:
        batch, places, features = x.shape
        rows, deltas = x.reshape(batch * places, features), dout.reshape(batch * places, -1)
        return (deltas @ w.T).reshape(x.shape), rows.T @ deltas, deltas.sum(axis=0)

    report = check(backward, "dense")
    assert report.verdict is Verdict.RIGHT, str(report)
    assert "[batch, places, features] arrays" in report.reading


def test_without_explanations_the_verdict_is_the_same() -> None:
    def negated(dout: Array, x: Array, w: Array) -> tuple[Array, Array, Array]:
        dx, dw, db = convolution(x, w, dout)
        return dx, -dw, db

    assert check(negated, "conv2d").causes == ("sign",)
    told = check(negated, "conv2d", explain=False)
    assert told.verdict is Verdict.WRONG
    assert told.causes == ("unexplained",)
    assert told.smallest == ""
    kink = check(lambda dout, x: dout * (x >= 0), "relu", explain=False)
    assert kink.verdict is Verdict.RIGHT


def test_what_comes_back_first_is_known_from_the_first_call() -> None:
    """With an image as large as the kernel both gradients have one shape."""

    def backward(x: Array, w: Array, delta: Array) -> tuple[Array, Array]:
        dw, dx = np.zeros_like(w), np.zeros_like(x)
        rows, columns = w.shape
        for i, j in np.ndindex(*delta.shape):
            dw += delta[i, j] * x[i : i + rows, j : j + columns]
            dx[i : i + rows, j : j + columns] += delta[i, j] * w
        return dw, dx

    report = check(backward, "conv2d")
    assert report.verdict is Verdict.RIGHT, str(report)
    assert "an image as large as the window" in text(report)


@pytest.mark.parametrize(
    ("layer", "function"),
    [
        ("softmax", lambda x: np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)),
        ("sigmoid", lambda x: np.exp(x) / (1 + np.exp(x))),
        ("softmax_cross_entropy", lambda y, t: np.log(np.exp(y).sum(axis=1)).sum() - y[np.arange(len(y)), t].sum()),
    ],
)
def test_a_formula_that_overflows_is_right_with_a_note(layer: str, function: Callable[..., Array]) -> None:
    report = check(function, layer)
    assert report.verdict is Verdict.RIGHT, str(report)
    assert "With values of a few hundred" in text(report)
    assert "exp overflows" in text(report)


@pytest.mark.parametrize("layer", ["relu", "leaky_relu", "elu", "sigmoid", "tanh", "gelu", "silu"])
def test_a_convention_at_the_kink_excuses_no_forward_pass(layer: str) -> None:
    report = check(lambda x: x, layer, explain=False)
    assert report.verdict is Verdict.WRONG, str(report)


def test_a_pooling_that_fails_where_the_stride_leaves_a_rest() -> None:
    def backward(x: Array, dout: Array) -> Array:
        dx = np.zeros_like(x)
        for m in range(2):
            for n in range(2):
                dx[:, m::2, n::2] += dout / 4
        return dx

    report = check(backward, "avg_pool2d")
    assert report.verdict is Verdict.WRONG
    assert report.causes == ("stride-divides",)
    assert "for sizes that the stride divides only. With others it fails: ValueError" in text(report)


def test_an_error_in_a_cell_of_a_notebook_has_its_line() -> None:
    source = "def backward(x, dout):\n    dx = np.zeros_like(x)\n"
    source += (
        "".join(f"    dx[:, {m}::2, {n}::2] += dout / 4\n" for m in range(2) for n in range(2)) + "    return dx\n"
    )
    names: dict[str, Any] = {"np": np}
    file = "<cell 7>"
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    exec(compile(source, file, "exec"), names)
    report = check(names["backward"], "avg_pool2d")
    assert report.causes == ("stride-divides",)
    assert "(<cell 7>, line 3: dx[:, 0::2, 0::2] += dout / 4)" in text(report)


def test_what_comes_back_transposed_for_a_batch_is_not_right_for_one_example() -> None:
    report = check(lambda dout, x, w: np.einsum("nk,ck->cn", dout, w), "dense")
    assert report.verdict is Verdict.WRONG
    assert "do is the right one with axes 0 and 1 exchanged" in text(report)
    assert check(lambda dout, x, w: w @ dout.T, "dense").verdict is Verdict.WRONG
    assert check(lambda dout, x, w: (dout @ w.T, np.outer(x, dout), dout), "dense").verdict is Verdict.RIGHT


def test_gelu_is_the_exact_one_or_that_with_tanh() -> None:
    """By differences, of either; a part that is missing has its cause as before."""

    def by_tanh(x: Array) -> Array:
        return np.asarray(0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))))

    def backward(x: Array, dout: Array) -> Array:
        r = np.sqrt(2 / np.pi)
        t = np.tanh(r * (x + 0.044715 * x**3))
        return np.asarray(dout * (0.5 * (1 + t) + 0.5 * x * (1 - t * t) * r * (1 + 3 * 0.044715 * x * x)))

    for function in (by_tanh, backward):
        report = check(function, "gelu")
        assert report.ok, str(report)
        assert report.against == "GELU(approximate=True)"
    assert not check(by_tanh, "gelu", approximate=False).ok
    assert check(lambda x, dout: dout * special.ndtr(x), "gelu").against == "GELU()"


def test_a_second_name_inside_a_function_is_no_reading() -> None:
    """`z = b` makes the bias no result, and `y = x` the input no output."""

    def of_bias(dout: Array, cache: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        x, w, b = cache
        z = b
        passed = dout * (z > 0)
        return passed @ w.T, x.T @ passed

    def of_input(dout: Array, x: Array) -> Array:
        y = x
        return np.asarray(dout * (1 - y * y))

    assert check(of_bias, "dense+relu").verdict is not Verdict.RIGHT
    assert check(of_input, "tanh").causes == ("activation-formula-at-input",)


def test_a_size_that_is_off_only_where_the_stride_divides() -> None:
    def forward(x: Array, w: Array, b: Array) -> Array:
        (n, _, height, width), (filters, _, rows, columns) = x.shape, w.shape
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        out = np.zeros((n, filters, (height + 2 - rows) // 3 + 1, (width + 1 - columns) // 3 + 1))
        for i, j in np.ndindex(*out.shape[2:]):
            seen = padded[:, :, 3 * i : 3 * i + rows, 3 * j : 3 * j + columns]
            out[:, :, i, j] = np.einsum("ncmq,kcmq->nk", seen, w) + b
        return out

    report = check(forward, "conv2d", strides=3, padding=1)
    assert report.verdict is Verdict.WRONG
