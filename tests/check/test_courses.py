"""Calling conventions of courses and tutorials, each written anew: right code is right as it stands, a slip is not.

Those whose cache the file's own forward function makes are in test_own_forward.py, classes in test_classes.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from convgrad.check import Report, check
from convgrad.check.verdict import Verdict

# A vision course: gradients from above come with a tuple that ends in a dictionary of settings.
VISION = """
def conv_bwd(dout, cache):
    x, w, b, conv_param = cache
    step, around = conv_param["stride"], conv_param["pad"]
    big = np.pad(x, [(0, 0), (0, 0), (around, around), (around, around)])
    dbig, dw = np.zeros(big.shape), np.zeros(w.shape)
    for r in range(dout.shape[2]):
        for q in range(dout.shape[3]):
            rows, columns = slice(r * step, r * step + w.shape[2]), slice(q * step, q * step + w.shape[3])
            dw += np.einsum("nf,nchw->fchw", dout[:, :, r, q], big[:, :, rows, columns])
            dbig[:, :, rows, columns] += np.einsum("nf,fchw->nchw", dout[:, :, r, q], w)
    return dbig[:, :, around:around + x.shape[2], around:around + x.shape[3]], dw, dout.sum((0, 2, 3))
"""
# A course on deep learning: examples are columns, gradients are means over them, an activation has its own cache.
COLUMNS = """
def dense_bwd(dZ, cache):
    A_prev, W, b = cache
    m = A_prev.shape[1]
    return W.T @ dZ, dZ @ A_prev.T / m, dZ.sum(1, keepdims=True) / m
"""
NESTED = """
def rectified(dA, cache):
    Z = cache
    return np.where(Z > 0, dA, 0)
def plain(dZ, cache):
    A_prev, W, b = cache
    m = A_prev.shape[1]
    return W.T @ dZ, dZ @ A_prev.T / m, dZ.sum(1, keepdims=True) / m
def block_bwd(dA, cache, activation):
    linear_cache, activation_cache = cache
    return plain(rectified(dA, activation_cache), linear_cache)
"""
HYPER = """
def pool_bwd(dA, cache):
    A_prev, hparameters = cache
    s, f = hparameters["stride"], hparameters["f"]
    out = np.zeros(A_prev.shape)
    for n, i, j, c in np.ndindex(*dA.shape):
        seen = A_prev[n, i * s:i * s + f, j * s:j * s + f, c]
        place = np.unravel_index(seen.argmax(), seen.shape)
        out[n, i * s + place[0], j * s + place[1], c] += dA[n, i, j, c]
    return out
"""
# A tutorial on a network by hand: one gray image, several filters.
GRAY = """
def conv_back(d_L_d_out, last_input, filters):
    found = np.zeros(filters.shape)
    for i in range(d_L_d_out.shape[0]):
        for j in range(d_L_d_out.shape[1]):
            window = last_input[i:i + filters.shape[1], j:j + filters.shape[2]]
            found += d_L_d_out[i, j][:, None, None] * window
    return found
"""
# A network in a few lines: derivatives of single numbers, of the input or of the result.
AT_INPUT = """
def tanh_prime(z):
    return 1 - np.tanh(z) ** 2
"""
AT_RESULT = """
def sigmoid_derivative(a):
    return a * (1 - a)
"""
# A book from scratch: a loss of probabilities and one-hot targets.
PROBABILITIES = """
def d_cross_entropy(y_hat, y_true):
    return (y_hat - y_true) / y_true.shape[0]
"""
LOSS_AND_MORE = """
def softmax_loss(scores, y):
    e = np.exp(scores - scores.max(1, keepdims=True))
    probs = e / e.sum(1, keepdims=True)
    n = len(y)
    dscores = probs.copy()
    dscores[np.arange(n), y] -= 1
    return -np.log(probs[np.arange(n), y]).mean(), dscores / n
"""
# Books that keep one vector as a column.
COLUMN = """
def dense_back(delta, a, w):
    return w.T @ delta, delta @ a.T, delta
"""
# Array languages: height, width, channels, examples.
LAST = """
def avg_back(dy, x, pool):
    out = np.zeros(x.shape)
    for i in range(dy.shape[0]):
        for j in range(dy.shape[1]):
            out[i * pool:(i + 1) * pool, j * pool:(j + 1) * pool] += dy[i, j] / pool ** 2
    return out
"""
FORWARD = """
def conv_fwd(x, w, b, stride=(1, 1), padding="valid"):
    sh, sw = stride
    rows, columns = (x.shape[1] - w.shape[0]) // sh + 1, (x.shape[2] - w.shape[1]) // sw + 1
    out = np.zeros((len(x), rows, columns, w.shape[3]))
    for i in range(rows):
        for j in range(columns):
            seen = x[:, i * sh:i * sh + w.shape[0], j * sw:j * sw + w.shape[1]]
            out[:, i, j] = np.einsum("nhwc,hwcf->nf", seen, w) + b
    return out, (x, w, b, stride)
"""
NO_BIAS = """
def linear(x, w):
    return x @ w
"""
COURSES = {
    "vision": (VISION, "conv2d", "conv_bwd", ("dbig[:, :, rows, columns] +=", "dbig[:, :, rows, columns] =")),
    "columns": (COLUMNS, "dense", "dense_bwd", ("W.T @ dZ", "-W.T @ dZ")),
    "nested": (NESTED, "dense+relu", "block_bwd", ("Z > 0", "Z < 0")),
    "hyperparameters": (HYPER, "max_pool2d", "pool_bwd", ("argmax", "argmin")),
    "one gray image": (GRAY, "conv2d", "conv_back", ("found +=", "found =")),
    "derivative at the input": (AT_INPUT, "tanh", "tanh_prime", ("np.tanh(z) ** 2", "np.tanh(z)")),
    "derivative at the result": (AT_RESULT, "sigmoid", "sigmoid_derivative", ("(1 - a)", "(1 + a)")),
    "probabilities": (PROBABILITIES, "softmax_cross_entropy", "d_cross_entropy", ("y_hat - y_true", "y_hat + y_true")),
    "a loss and its gradient": (LOSS_AND_MORE, "softmax_cross_entropy", "softmax_loss", ("-= 1", "-= 2")),
    "columns of one example": (COLUMN, "dense", "dense_back", ("delta @ a.T", "2 * delta @ a.T")),
    "examples last": (LAST, "avg_pool2d", "avg_back", ("pool ** 2", "pool")),
    "out and cache": (FORWARD, "conv2d", "conv_fwd", ("+ b", "- b")),
    "without a bias": (NO_BIAS, "dense", "linear", ("x @ w", "x @ w * 2")),
}


def report_on(folder: Path, code: str, layer: str, name: str) -> Report:
    file = folder / "course.py"
    file.write_text(f"import numpy as np\n{code}")
    return check(f"{file}:{name}", layer)


@pytest.mark.parametrize("course", COURSES)
def test_right_code_is_right_as_it_stands(course: str, tmp_path: Path) -> None:
    code, layer, name, _ = COURSES[course]
    report = report_on(tmp_path, code, layer, name)
    assert report.verdict is Verdict.RIGHT, str(report)


@pytest.mark.parametrize("course", COURSES)
def test_a_slip_in_it_is_wrong(course: str, tmp_path: Path) -> None:
    code, layer, name, (right, wrong) = COURSES[course]
    assert code.count(right) == 1 or course == "nested"
    report = report_on(tmp_path, code.replace(right, wrong), layer, name)
    assert report.verdict is Verdict.WRONG, str(report)


HOPELESS = {
    "hands on what it gets": ("def back(dout, x, w, b):\n    return dout\n", "conv2d"),
    "a forward pass called a derivative": ("def sigmoid_prime(x):\n    return 1 / (1 + np.exp(-x))\n", "sigmoid"),
    "zero, which is what ones give": ("def softmax_derivative(x):\n    return 0 * x\n", "softmax"),
    "zeros of a normalization": (
        "def layer_norm_grad(x, gamma, beta):\n    return 0 * x, 0 * gamma, 0 * beta\n",
        "layer_norm",
    ),
    "a derivative without the gradient": ("def relu_backward(dout, x):\n    return 1.0 * (x > 0)\n", "relu"),
    "the input again": ("def relu_grad(x):\n    return x\n", "relu"),
}


@pytest.mark.parametrize("name", HOPELESS)
def test_what_fits_by_accident_is_not_right(name: str, tmp_path: Path) -> None:
    code, layer = HOPELESS[name]
    report = report_on(tmp_path, code, layer, code.split("(")[0].removeprefix("def "))
    assert report.verdict is not Verdict.RIGHT, str(report)


@pytest.mark.parametrize(
    ("code", "layer", "words"),
    [
        (
            "def back(dout, x, w):\n    assert len(x) == 77\n    return dout\n",
            "conv2d",
            ("AssertionError", "assert len(x) == 77", "give one: --input-shape 9,6,4 (of one example"),
        ),
        (
            "def back(p, q, r):\n    return np.sinh(p) + q.sum(), np.cosh(r) * 3, np.ones((5, 4)) * q.min()\n",
            "dense",
            ("What its arguments are is guessed", "say what it is: --argument p="),
        ),
        (
            "def back(dout, cache):\n    x, w, patches = cache\n    return dout @ patches['rows'] @ w.T\n",
            "dense",
            ("It could not be called", "course.py, line 4: return dout @ patches['rows'] @ w.T"),
        ),
        ("def dense_grad(x, w):\n    return x @ w\n", "dense", ("its name says that it is a gradient",)),
    ],
)
def test_what_could_not_be_called_says_what_to_write(
    code: str, layer: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    report = report_on(tmp_path, code, layer, code.split("(")[0].removeprefix("def "))
    assert report.verdict is Verdict.NOT_CHECKED, str(report)
    text = " ".join(str(report).split())
    for part in words:
        assert part in text, text


RECURRENT = """
def rnn_step_forward(x, prev_h, Wx, Wh, b):
    next_h = np.tanh(x @ Wx + prev_h @ Wh + b)
    return next_h, (x, prev_h, Wx, Wh, next_h)
def rnn_step_backward(dnext_h, cache):
    x, prev_h, Wx, Wh, next_h = cache
    dz = dnext_h * (1 - next_h ** 2)
    dprev_h = np.zeros_like(prev_h)
    dprev_h += dz @ Wh.T
    return dz @ Wx.T, dprev_h, x.T @ dz, prev_h.T @ dz, dz.sum(axis=0)
"""


@pytest.mark.parametrize(
    ("right", "wrong", "output"),
    [
        ("dz @ Wh.T", "dz @ Wh", "dprev_h"),
        ("prev_h.T @ dz", "next_h.T @ dz", "dWh"),
        ("dz.sum(axis=0)", "dz.mean(axis=0)", "db"),
        ("next_h ** 2)", "next_h)", "dx"),
    ],
)
def test_a_step_of_a_recurrent_network(right: str, wrong: str, output: str, tmp_path: Path) -> None:
    file = tmp_path / "recurrent.py"
    file.write_text(f"import numpy as np\n{RECURRENT}")
    assert check(f"{file}:rnn_step_backward", "rnn_step").verdict is Verdict.RIGHT
    file.write_text(f"import numpy as np\n{RECURRENT.replace(right, wrong)}")
    report = check(f"{file}:rnn_step_backward", "RNNStep", explain=False)
    assert report.verdict is Verdict.WRONG
    assert report.diagnosis is not None
    assert not report.diagnosis.comparisons[output].right
