"""What stands in repositories: decorators, arguments that nothing reads, bases with arguments."""

from __future__ import annotations

from pathlib import Path

import pytest

from convgrad.check import check
from convgrad.check.verdict import Verdict
from posted import report_on_numpy as report_on

DECORATED = """
def timed(function):
    def inner(*args, **kwargs):
        return function(*args, **kwargs)
    return inner
@timed
def sigmoid_backward(dA, Z):
    s = 1 / (1 + np.exp(-Z))
    return dA * s * (1 - s)
"""
NOT_READ = """
def output_delta(z, a, y):
    return a - y
"""
BASE_WITH_ARGUMENTS = """
class Activation:
    def __init__(self, f, slope):
        self.f, self.slope = f, slope
    def forward(self, x):
        self.x = x
        return self.f(x)
    def backward(self, g, learning_rate):
        return g * self.slope(self.x)
class Tanh(Activation):
    def __init__(self):
        super().__init__(np.tanh, lambda x: 1 - np.tanh(x) ** 2)
"""
DICTIONARY = """
def layer_gradients(params, grads_out):
    x, W, b = params["x"], params["W"], params["b"]
    return {"dx": grads_out @ W.T, "dW": x.T @ grads_out, "db": grads_out.sum(0)}
"""
CASES = {
    "a decorator that hides the arguments": (DECORATED, "sigmoid", "sigmoid_backward", ("(1 - s)", "(1 + s)")),
    "an argument that is never read": (NOT_READ, "binary_cross_entropy", "output_delta", ("a - y", "y - a")),
    "a base class with arguments": (BASE_WITH_ARGUMENTS, "tanh", "Tanh", ("(x) ** 2", "(x)")),
    "gradients out": (DICTIONARY, "dense", "layer_gradients", ("x.T @ grads_out", "3 * x.T @ grads_out")),
}


@pytest.mark.parametrize("case", CASES)
def test_right_as_it_stands(case: str, tmp_path: Path) -> None:
    code, layer, name, _ = CASES[case]
    report = report_on(tmp_path, code, layer, name)
    assert report.verdict is Verdict.RIGHT, str(report)


@pytest.mark.parametrize("case", CASES)
def test_a_slip_is_wrong(case: str, tmp_path: Path) -> None:
    code, layer, name, (right, slip) = CASES[case]
    assert right in code
    report = report_on(tmp_path, code.replace(right, slip), layer, name)
    assert report.verdict is Verdict.WRONG, str(report)


IN_PLACE = """
def backward(dout, x, w, dx, dw, db):
    dx[...], dw[...], db[...] = dout @ w.T, x.T @ dout, dout.sum(0)
"""
ANYTHING = """
def backward(*args):
    dout, x, w, b = args
    return dout @ w.T, x.T @ dout, dout.sum(0)
"""


@pytest.mark.parametrize(
    ("code", "line", "written"),
    [
        (
            IN_PLACE,
            "def check_me(dx, o, w, b): return backward(dout, x, w, dx, dw, db)",
            "def check_me(dx, o, w, b):\n    found = [np.zeros_like(v) for v in (o, w, b)]\n"
            "    backward(dx, o, w, *found)\n    return tuple(found)\n",
        ),
        (
            ANYTHING,
            "def check_me(dx, o, w, b): return backward(...)",
            "def check_me(dx, o, w, b): return backward(dx, o, w, b)",
        ),
    ],
)
def test_the_line_to_write_works_when_it_is_written(code: str, line: str, written: str, tmp_path: Path) -> None:
    report = report_on(tmp_path, code, "dense", "backward")
    assert report.verdict is Verdict.NOT_CHECKED
    assert line in " ".join(str(report).split())
    assert report_on(tmp_path, code + written, "dense", "check_me").verdict is Verdict.RIGHT


SINGLE_NUMBERS = """
import math
def logistic(z):
    return 1 / (1 + math.exp(-z))
"""
METHOD = """
class Dense:
    def __init__(self, W, b):
        self.W, self.b = W, b
    def forward(self, x):
        self.x = x
        return x @ self.W + self.b
    def backward(self, g):
        return g @ self.W.T
"""


def test_a_function_of_single_numbers(tmp_path: Path) -> None:
    report = report_on(tmp_path, SINGLE_NUMBERS, "sigmoid", "logistic")
    assert report.verdict is Verdict.NOT_CHECKED
    assert "def check_me(z): return np.vectorize(NAME)(z), with its name for NAME." in " ".join(str(report).split())
    written = f"{SINGLE_NUMBERS}def check_me(z): return np.vectorize(logistic)(z)"
    assert report_on(tmp_path, written, "sigmoid", "check_me").verdict is Verdict.RIGHT


def test_a_method_is_checked_by_its_class(tmp_path: Path) -> None:
    report = report_on(tmp_path, METHOD, "dense", "Dense.backward")
    assert report.verdict is Verdict.NOT_CHECKED
    assert "It is a method, which needs an object: check its class" in " ".join(str(report).split())
    assert report_on(tmp_path, METHOD, "dense", "Dense").verdict is Verdict.RIGHT


COLUMNS = """
def linear_backward(dZ, A_prev, W):
    m = A_prev.shape[1]
    return W.T @ dZ, dZ @ A_prev.T / m, dZ.sum(axis=1, keepdims=True) / m
"""


@pytest.mark.parametrize(
    ("right", "slip"),
    [
        ("W.T @ dZ,", "W.T @ dZ / m,"),
        ("dZ.sum(axis=1, keepdims=True)", "dZ[:, :1]"),
        ("A_prev.T / m", "A_prev.T / m ** 3"),
    ],
)
def test_what_one_example_would_hide_is_wrong(right: str, slip: str, tmp_path: Path) -> None:
    report = report_on(tmp_path, COLUMNS, "dense", "linear_backward")
    assert report.verdict is Verdict.RIGHT
    assert "means over the batch, as where a course writes 1/m" in " ".join(str(report).split())
    assert right in COLUMNS
    assert report_on(tmp_path, COLUMNS.replace(right, slip), "dense", "linear_backward").verdict is Verdict.WRONG


def test_a_loss_divided_twice_is_wrong(tmp_path: Path) -> None:
    code = """
def entropy_gradient(logits, labels):
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    p[range(len(p)), labels] -= 1
    return p / len(p)
"""
    assert report_on(tmp_path, code, "softmax_cross_entropy", "entropy_gradient").verdict is Verdict.RIGHT
    twice = code.replace("/ len(p)", "/ len(p) ** 2")
    assert report_on(tmp_path, twice, "softmax_cross_entropy", "entropy_gradient").verdict is Verdict.WRONG


@pytest.mark.parametrize("names", ["y, target", "output, label", "y_hat, y", "y, d", "pred, expected"])
def test_which_is_the_target(names: str, tmp_path: Path) -> None:
    first, second = names.split(", ")
    code = f"def slope({names}):\n    return 2 * ({first} - {second}) / {first}.size\n"
    assert report_on(tmp_path, code, "mse", "slope").verdict is Verdict.RIGHT
    turned = code.replace(f"({first} - {second})", f"({second} - {first})")
    assert report_on(tmp_path, turned, "mse", "slope").verdict is Verdict.WRONG


def test_the_size_of_a_pooling_is_no_number_of_channels(tmp_path: Path) -> None:
    code = """
class Average:
    def __init__(self, size):
        self.size = size
    def forward(self, x):
        n, c, h, w = self.shape = x.shape
        s = self.size
        return x[:, :, :h // s * s, :w // s * s].reshape(n, c, h // s, s, w // s, s).mean(axis=(3, 5))
    def backward(self, g):
        s, out = self.size, np.zeros(self.shape)
        spread = g.repeat(s, 2).repeat(s, 3) / s**2
        out[:, :, :spread.shape[2], :spread.shape[3]] = spread
        return out
"""
    assert report_on(tmp_path, code, "avg_pool2d", "Average").verdict is Verdict.RIGHT
    assert report_on(tmp_path, code.replace("s**2", "s"), "avg_pool2d", "Average").verdict is Verdict.WRONG


def test_labels_are_tried_where_one_hot_targets_are_right(tmp_path: Path) -> None:
    code = """
def entropy_gradient(x, t):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    if t.size == p.size:
        return (p - t) / len(t)
    p[np.arange(len(t)), t] -= 1
    return p / len(t)
"""
    assert report_on(tmp_path, code, "softmax_cross_entropy", "entropy_gradient").verdict is Verdict.RIGHT
    wrong = code.replace("return p / len(t)", "return p / len(t) ** 2")
    assert report_on(tmp_path, wrong, "softmax_cross_entropy", "entropy_gradient").verdict is Verdict.WRONG


def test_a_bias_as_a_column_for_one_image(tmp_path: Path) -> None:
    code = """
def conv(x, filters, bias):
    F, C, kh, kw = filters.shape
    _, H, W = x.shape
    out = np.zeros((F, H - kh + 1, W - kw + 1))
    for f, i, j in np.ndindex(*out.shape):
        out[f, i, j] = np.sum(filters[f] * x[:, i:i + kh, j:j + kw]) + bias[f, 0]
    return out
"""
    assert report_on(tmp_path, code, "conv2d", "conv").verdict is Verdict.RIGHT
    assert report_on(tmp_path, code.replace("+ bias", "- bias"), "conv2d", "conv").verdict is Verdict.WRONG


MEAN_OVER_FILTERS = """
import numpy as np
class Conv3x3:
    def __init__(self, num_filters):
        self.num_filters, self.filters = num_filters, np.random.randn(num_filters, 3, 3)
    def windows(self, image):
        for i, j in np.ndindex(image.shape[0] - 2, image.shape[1] - 2):
            yield image[i:i + 3, j:j + 3], i, j
    def forward(self, image):
        self.image = image
        found = np.zeros((image.shape[0] - 2, image.shape[1] - 2, self.num_filters))
        for window, i, j in self.windows(image):
            found[i, j] = (window * self.filters).sum(axis=(1, 2))
        return found
    def backprop(self, gradient, learn_rate):
        step = np.zeros(self.filters.shape)
        for window, i, j in self.windows(self.image):
            step += gradient[i, j, :, None, None] * window
        self.filters -= learn_rate * step / DIVISOR
"""


@pytest.mark.parametrize(("divisor", "verdict"), [("1", Verdict.RIGHT), ("self.num_filters", Verdict.WRONG)])
def test_what_is_right_for_one_filter_only_is_wrong(tmp_path: Path, divisor: str, verdict: Verdict) -> None:
    (tmp_path / "mine.py").write_text(MEAN_OVER_FILTERS.replace("DIVISOR", divisor))
    report = check(f"{tmp_path / 'mine.py'}:Conv3x3", "conv2d")
    assert report.verdict is verdict, str(report)
    assert ("as many channels out as in only" in str(report)) == (verdict is Verdict.WRONG)


FOR_BATCHES = """
def backward(dy, x, gamma, beta, eps=1e-5):
    mean = x.mean(axis=-1, keepdims=True)
    inverse = 1 / np.sqrt(x.var(axis=-1, keepdims=True) + eps)
    n, g = (x - mean) * inverse, dy * gamma
    return inverse * (g - g.mean(axis=-1, keepdims=True) - n * (g * n).mean(axis=-1, keepdims=True))
"""


@pytest.mark.parametrize("place", range(4))
def test_what_keeps_axes_has_to_be_right_for_a_batch(tmp_path: Path, place: int) -> None:
    parts = FOR_BATCHES.split("axis=-1")
    wrong = "axis=-1".join(parts[: place + 1]) + "axis=0" + "axis=-1".join(parts[place + 1 :])
    assert report_on(tmp_path, FOR_BATCHES, "layer_norm", "backward").verdict is Verdict.RIGHT
    report = report_on(tmp_path, wrong, "layer_norm", "backward")
    assert report.verdict is Verdict.WRONG, report
    assert "[batch, features]" in report.reading


FIRST_FILTER_ALONE = """
def backward(image, filters, dout):
    dF = np.zeros_like(filters)
    count, size, _ = filters.shape
    for i in range(dout.shape[0]):
        for j in range(dout.shape[1]):
            for q in range(count):
                window = image[i:i + size, j:j + size]
                dF[q] += dout[i, j, q] * (np.tan(window) if q else window)
    return dF
"""


def test_the_smallest_failure_keeps_to_what_the_layout_can_hold(tmp_path: Path) -> None:
    right = FIRST_FILTER_ALONE.replace("np.tan(window) if q else window", "window")
    assert report_on(tmp_path, right, "conv2d", "backward").verdict is Verdict.RIGHT
    report = report_on(tmp_path, FIRST_FILTER_ALONE, "conv2d", "backward")
    assert report.verdict is Verdict.WRONG, report
    assert "HW to HWF" in report.reading
    assert "o (" in report.smallest
    assert "w (2, " in report.smallest
    assert "In dw only filter 0 of 5 is right." in " ".join(str(report).split())


@pytest.mark.parametrize(
    ("code", "layer"),
    [
        ("def f(dy, a, b):\n    db, da = dy * a, dy * b\n    return db, da", "y[i] = a[i] * b[i]"),
        ("def f(dy, a, b):\n    db = dy * a\n    return db", "y[i] = a[i] * b[i]"),
        ("def f(w, m, v):\n    return w - m * v", "y[i] = w[i] - m[i] * v[i]"),
        ("def f(w, g, v):\n    return w - g * v", "y[i] = w[i] - g[i] * v[i]"),
        ("def f(g, dy, v):\n    dg = dy * v\n    return dg", "y[i] = g[i] * v[i]"),
    ],
)
def test_names_of_an_equation_come_before_all_others(code: str, layer: str, tmp_path: Path) -> None:
    """m is no size of a batch and g no gradient where the equation has them; a result is what it is called."""
    file = tmp_path / "own.py"
    file.write_text(f"{code}\n")
    report = check(f"{file}:f", layer)
    assert report.verdict is Verdict.RIGHT, str(report)
    file.write_text(code.replace("*", "+") + "\n")
    assert check(f"{file}:f", layer).verdict is Verdict.WRONG


def test_who_gets_the_gradient_from_above_gives_a_gradient_even_if_it_is_called_result(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    exponentials = "def f(dY, x):\n    e = np.exp(x)\n    s = e / e.sum(axis=1, keepdims=True)\n"
    for result, verdict in (("s", Verdict.WRONG), ("s * (dY - (dY * s).sum(axis=1, keepdims=True))", Verdict.RIGHT)):
        file.write_text(f"import numpy as np\n{exponentials}    result = {result}\n    return result\n")
        assert check(f"{file}:f", "softmax").verdict is verdict
