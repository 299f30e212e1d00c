"""Sheets of the kind that people post, small networks with numbers by hand: what they say is compared with NumPy, and
gradients with differences of NumPy's numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from convgrad.check import SheetReport, check_sheet
from convgrad.check.verdict import Verdict
from convgrad.compute.arrays import place_of

Array = npt.NDArray[np.float64]
Values = dict[str, Array]
DECIMALS = 5


def correlated(o: Array, w: Array, stride: int = 1, dilation: int = 1) -> Array:
    """Of (rows, columns, channels) with (rows, columns, channels, filters)."""
    reach = [dilation * (size - 1) for size in w.shape[:2]]
    rows, columns = ((o.shape[axis] - reach[axis] - 1) // stride + 1 for axis in (0, 1))
    result = np.zeros((rows, columns, w.shape[3]))
    for i, j, m, n in np.ndindex(rows, columns, *w.shape[:2]):
        result[i, j] += o[stride * i + dilation * m, stride * j + dilation * n] @ w[m, n]
    return result


def plane(o: Array, w: Array, stride: int = 1, dilation: int = 1) -> Array:
    return correlated(o[..., None], w[..., None, None], stride, dilation)[..., 0]


def windows(x: Array, size: int = 2) -> Array:
    """(rows, columns, channels) in windows side by side: (rows, columns, size * size, channels)."""
    rows, columns = x.shape[0] // size, x.shape[1] // size
    cut = x[: rows * size, : columns * size].reshape(rows, size, columns, size, -1)
    return np.asarray(cut.transpose(0, 2, 1, 3, 4).reshape(rows, columns, size * size, -1))


def sigmoid(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-x)))


def relu(x: Array) -> Array:
    return np.maximum(x, 0)


def softmax(x: Array) -> Array:
    return np.asarray(np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True))


def cross_entropy(x: Array, label: int) -> Array:
    return np.asarray(-np.log(softmax(x)[label]))


@dataclass(frozen=True)
class Question:
    """head: the sheet's first lines. given: shapes of what is drawn. forward: from these to what is asked.
    upstream: the result whose gradient is drawn, None for an error. network: whether tensors are those of a network.
    """

    head: str
    given: dict[str, tuple[int, ...]]
    forward: Callable[[Values], Values]
    upstream: str | None = None
    fixed: tuple[str, ...] = ()
    network: bool = False

    def drawn(self) -> Values:
        rng = np.random.default_rng(11)
        return {name: np.asarray(rng.permutation(np.arange(1, 1 + int(np.prod(shape)))).reshape(shape) * 0.17
                * rng.choice([-1, 1], shape or None)) for name, shape in self.given.items()}  # fmt: skip

    def above(self) -> Array:
        shape = self.forward(self.drawn())[self.upstream].shape if self.upstream else ()
        return np.asarray(np.round(np.random.default_rng(3).normal(size=shape), 2)) if self.upstream else np.ones(())

    def error(self, values: Values) -> float:
        outputs = self.forward(values)
        return float(np.sum(self.above() * outputs[self.upstream or self.last]))

    @property
    def last(self) -> str:
        return [*self.forward(self.drawn())][-1]

    def right(self) -> Values:
        """All results, and the gradients of what is drawn by differences."""
        values = self.drawn()
        found = {**self.forward(values)}
        for name in values.keys() - {*self.fixed}:
            gradient = np.zeros_like(values[name])
            for at in np.ndindex(values[name].shape):
                sides = []
                for step in (1e-5, -1e-5):
                    moved = {n: array.copy() for n, array in values.items()}
                    moved[name][at] += step
                    sides.append(self.error(moved))
                gradient[at] = (sides[0] - sides[1]) / 2e-5
            before, dot, rest = name.rpartition(".")
            found[f"{before}{dot}d{rest}"] = gradient
        return found

    def sheet(self) -> str:
        values = self.drawn()
        lines = [self.head]
        if self.network:
            lines = [f"input = {values['input'].tolist()}", self.head, "[weights]"]
            values.pop("input")
        else:
            lines.append("[given]")
        lines += [f"{name} = {array.round(2).tolist()}" for name, array in values.items()]
        if self.upstream:
            before, dot, rest = self.upstream.rpartition(".")
            name = f"{before}{dot}d{rest}"
            lines += (["[deltas]"] if self.network else []) + [f"{name} = {self.above().tolist()}"]
        return "\n".join([*lines, "[results]", ""])


def layers(*kinds: str) -> str:
    """`Conv2D strides=2`: the tables of a network, whose sizes are those of its numbers."""
    tables = []
    for kind in kinds:
        name, *arguments = kind.split()
        tables.append("\n".join(["[[layer]]", f'type = "{name}"', *(a.replace("=", " = ") for a in arguments)]))
    return "\n".join(tables)


def equation(*lines: str, more: str = "") -> str:
    return "\n".join(['equation = """', *lines, '"""', more])


def mlp(v: Values) -> Values:
    h = sigmoid(v["x"] @ v["w"] + v["b"])
    y = sigmoid(h @ v["u"] + v["c"])
    return {"h": h, "y": y, "E": np.asarray(0.5 * np.sum((y - np.array([0.1, 0.9])) ** 2))}


def small_cnn(v: Values) -> Values:
    x = correlated(v["input"], v["conv1.w"]) + v["conv1.b"]
    p = windows(relu(x)).max(axis=2)
    y = p.ravel() @ v["dense1.w"] + v["dense1.b"]
    return {"conv1.x": x, "maxpool1.x": p, "dense1.x": y, "loss.E": cross_entropy(y, 1)}


def tanh_network(v: Values) -> Values:
    y = np.tanh(v["input"] @ v["dense1.w"] + v["dense1.b"]) @ v["dense2.w"] + v["dense2.b"]
    return {"dense2.x": y, "loss.E": np.asarray(np.mean((y - np.array([0.5, -1])) ** 2))}


def lstm(v: Values) -> Values:
    i, f, o = (sigmoid(v["x"] @ v[f"w{k}"] + v["h"] @ v[f"u{k}"]) for k in "ifo")
    c = f * v["c"] + i * np.tanh(v["x"] @ v["wz"] + v["h"] @ v["uz"])
    return {"i": i, "f": f, "o": o, "c_new": c, "h_new": o * np.tanh(c)}


def normalized(v: Values) -> Values:
    m, s = v["x"].mean(axis=0), v["x"].var(axis=0)
    return {"m": m, "s": s, "y": v["g"] * (v["x"] - m) / np.sqrt(s + 0.01) + v["b"]}


def attention(v: Values) -> Values:
    a = softmax(v["q"] @ v["k"].T / np.sqrt(3))
    return {"a": a, "y": a @ v["v"]}


def padded(o: Array, before: int, after: int) -> Array:
    return np.pad(o, ((before, after), (before, after), (0, 0)))


QUESTIONS: dict[str, Question] = {
    "convolution with a bias": Question(
        equation("x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n]) + b"), {"o": (4, 3), "w": (2, 2), "b": ()},
        lambda v: {"x": plane(v["o"], v["w"]) + v["b"]}, "x"),
    "stride 2": Question(
        equation("x[i,j] = sum[m,n](w[m,n] * o[2*i+m,2*j+n])"), {"o": (5, 6), "w": (3, 2)},
        lambda v: {"x": plane(v["o"], v["w"], 2)}, "x"),
    "a stride as a parameter": Question(
        equation("x[i,j] = sum[m,n](w[m,n] * o[s*i+m,s*j+n])", more="integers = { s = 3 }"), {"o": (7, 5), "w": (1, 2)},
        lambda v: {"x": plane(v["o"], v["w"], 3)}, "x"),
    "dilation 2": Question(
        equation("x[i,j] = sum[m,n](w[m,n] * o[i+2*m,j+2*n])"), {"o": (5, 4), "w": (2, 2)},
        lambda v: {"x": plane(v["o"], v["w"], 1, 2)}, "x"),
    "padding 1, sizes told by the deltas": Question(
        equation("x[i,j] = sum[m,n](w[m,n] * o[i+m-1,j+n-1 else 0])"), {"o": (3, 4), "w": (3, 3)},
        lambda v: {"x": correlated(padded(v["o"][..., None], 1, 1), v["w"][..., None, None])[..., 0]}, "x"),
    "a true convolution of a row": Question(
        equation("x[i] = sum[m](w[M-1-m] * o[i+m])", more="sizes = { M = 3 }"), {"o": (6,), "w": (3,)},
        lambda v: {"x": np.convolve(v["o"], v["w"], "valid")}, "x"),
    "in LaTeX": Question(
        equation(r"x_{i,j} = \\sum_m \\sum_n w_{m,n} o_{i+m,j+n}"), {"o": (3, 4), "w": (2, 3)},
        lambda v: {"x": plane(v["o"], v["w"])}, "x"),
    "channels and filters": Question(
        equation("x[i,j,k] = sum[m,n,c](w[m,n,c,k] * o[i+m,j+n,c])"), {"o": (3, 4, 2), "w": (2, 2, 2, 3)},
        lambda v: {"x": correlated(v["o"], v["w"])}, "x"),
    "depthwise": Question(
        equation("x[i,j,c] = sum[m,n](w[m,n,c] * o[i+m,j+n,c])"), {"o": (3, 3, 2), "w": (2, 1, 2)},
        lambda v: {"x": np.stack([plane(v["o"][..., c], v["w"][..., c]) for c in (0, 1)], -1)}, "x"),
    "max pooling": Question(
        equation("p[i,j] = max[m,n](x[2*i+m,2*j+n])", more="sizes = { M = 2, N = 2 }"), {"x": (4, 6)},
        lambda v: {"p": windows(v["x"][..., None]).max(axis=2)[..., 0]}, "p"),
    "average pooling": Question(
        equation("p[i,j] = mean[m,n](x[2*i+m,2*j+n])", more="sizes = { M = 2, N = 2 }"), {"x": (4, 2)},
        lambda v: {"p": windows(v["x"][..., None]).mean(axis=2)[..., 0]}, "p"),
    "two layers and a squared error": Question(
        equation("h[j] = sigmoid(sum[i](x[i] * w[i,j]) + b[j])", "y[k] = sigmoid(sum[j](h[j] * u[j,k]) + c[k])",
                 "E = 1/2 * sum[k]((y[k] - where(k == 0, 0.1, 0.9))^2)"),
        {"x": (2,), "w": (2, 3), "b": (3,), "u": (3, 2), "c": (2,)}, mlp),
    "softmax and cross-entropy": Question(
        equation("y[k] = exp(z[k]) / sum[j](exp(z[j]))", "E = -sum[k](where(k == 1, log(y[k]), 0))"),
        {"z": (4,)}, lambda v: {"y": softmax(v["z"]), "E": cross_entropy(v["z"], 1)}),
    "a leaky relu": Question(
        equation("y[i] = max(x[i], 0.1 * x[i])"), {"x": (5,)}, lambda v: {"y": np.maximum(v["x"], 0.1 * v["x"])}, "y"),
    "a residual": Question(
        equation("y[i] = x[i] + max(sum[j](w[i,j] * x[j]), 0)"), {"x": (3,), "w": (3, 3)},
        lambda v: {"y": v["x"] + relu(v["w"] @ v["x"])}, "y"),
    "a recurrent step": Question(
        equation("h[i] = tanh(sum[j](w[i,j] * x[j]) + sum[k](u[i,k] * g[k]))"),
        {"w": (2, 3), "x": (3,), "u": (2, 2), "g": (2,)},
        lambda v: {"h": np.tanh(v["w"] @ v["x"] + v["u"] @ v["g"])}, "h"),
    "an LSTM cell": Question(
        equation(*(f"{k}[q] = sigmoid(sum[p](x[p] * w{k}[p,q]) + sum[r](h[r] * u{k}[r,q]))" for k in "ifo"),
                 "c_new[q] = f[q] * c[q] + i[q] * tanh(sum[p](x[p] * wz[p,q]) + sum[r](h[r] * uz[r,q]))",
                 "h_new[q] = o[q] * tanh(c_new[q])"),
        {"x": (3,), "h": (2,), "c": (2,), **{f"w{k}": (3, 2) for k in "ifoz"}, **{f"u{k}": (2, 2) for k in "ifoz"}},
        lstm, "h_new"),
    "normalization of a batch": Question(
        equation("m[c] = mean[e](x[e,c])", "s[c] = mean[e]((x[e,c] - m[c])^2)",
                 "y[e,c] = g[c] * (x[e,c] - m[c]) / sqrt(s[c] + 0.01) + b[c]"),
        {"x": (4, 3), "g": (3,), "b": (3,)}, normalized, "y"),
    "attention": Question(
        equation("s[i,j] = sum[d](q[i,d] * k[j,d]) / sqrt(D)", "a[i,j] = exp(s[i,j]) / sum[l](exp(s[i,l]))",
                 "y[i,c] = sum[j](a[i,j] * v[j,c])"),
        {"q": (2, 3), "k": (4, 3), "v": (4, 2)}, attention, "y"),
    "a product of matrices": Question(
        equation("p[i,k] = sum[j](a[i,j] * b[j,k])", "E = sum[i,k]((p[i,k] - 1)^2)"),
        {"a": (2, 3), "b": (3, 4)},
        lambda v: {"p": v["a"] @ v["b"], "E": np.asarray(np.sum((v["a"] @ v["b"] - 1) ** 2))}),
    "a small network": Question(
        'target = [0, 1]\n[model]\nloss = "softmax_cross_entropy"\n'
        + layers("Conv2D", "ReLU", "MaxPool2D", "Flatten", "Dense"),
        {"input": (5, 5, 1), "conv1.w": (2, 2, 1, 2), "conv1.b": (2,), "dense1.w": (8, 2), "dense1.b": (2,)},
        small_cnn, network=True),
    "padding and stride in a network": Question(
        layers('Conv2D strides=2 padding=1 bias="none"'), {"input": (5, 4, 2), "conv1.w": (3, 3, 2, 2)},
        lambda v: {"conv1.x": correlated(padded(v["input"], 1, 1), v["conv1.w"], 2)}, "conv1.x", network=True),
    "a row in a network": Question(
        layers('Conv1D bias="none"', "ReLU"), {"input": (6, 1), "conv1.w": (3, 1, 1)},
        lambda v: {"relu1.x": relu(np.correlate(v["input"][:, 0], v["conv1.w"][:, 0, 0], "valid"))},
        "relu1.x", network=True),
    "deltas in front of Flatten": Question(
        layers("AvgPool2D", "Flatten", "Dense units=3"), {"input": (4, 4, 1)},
        lambda v: {"avgpool1.x": windows(v["input"]).mean(axis=2)}, "avgpool1.x", network=True),
    "a mean squared error": Question(
        'target = [0.5, -1]\n[model]\nloss = "mse"\n' + layers("Dense", "Tanh", "Dense"),
        {"input": (3,), "dense1.w": (3, 4), "dense1.b": (4,), "dense2.w": (4, 2), "dense2.b": (2,)},
        tanh_network, network=True),
}  # fmt: skip


def checked(folder: Path, text: str) -> SheetReport:
    path = folder / "sheet.toml"
    path.write_text(text)
    return check_sheet(path)


def results(values: Values) -> str:
    return "".join(f"{name} = {np.round(array, DECIMALS).tolist()}\n" for name, array in values.items())


@pytest.mark.parametrize("name", QUESTIONS)
def test_right_numbers_are_right_and_asked_ones_are_told(tmp_path: Path, name: str) -> None:
    question = QUESTIONS[name]
    right = question.right()
    report = checked(tmp_path, question.sheet() + results(right))
    assert report.verdict is Verdict.RIGHT, str(report)
    asked = checked(tmp_path, question.sheet() + "".join(f"{tensor} = nan\n" for tensor in right))
    assert asked.verdict is Verdict.NOT_CHECKED
    for marked in asked.marked:
        expected = right[marked.name].reshape(marked.exact.shape)
        np.testing.assert_allclose(marked.exact, expected, rtol=1e-6, atol=1e-6, err_msg=marked.name)


def changed(question: Question) -> Iterator[tuple[str, tuple[int, ...], Values]]:
    """Each tensor with one of its numbers changed: the largest, by 7 %."""
    for name, array in question.right().items():
        other = np.array(np.round(array, DECIMALS))
        at = tuple(int(i) for i in place_of(int(np.abs(other).argmax()), other.shape))
        other[at] = np.round(1.07 * other[at] + 0.0001, DECIMALS)
        yield name, at, {name: other}


@pytest.mark.parametrize("name", QUESTIONS)
def test_one_wrong_number_is_wrong_and_the_others_right(tmp_path: Path, name: str) -> None:
    question = QUESTIONS[name]
    for tensor, at, wrong in changed(question):
        report = checked(tmp_path, question.sheet() + results(wrong))
        assert report.verdict is Verdict.WRONG, tensor
        marks = report.marked[0].marks.reshape(wrong[tensor].shape)
        assert marks[at] == "wrong"
        assert (marks == "right").sum() == marks.size - 1, str(report)


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_wrong_sign_of_all_numbers_is_named(tmp_path: Path, name: str) -> None:
    question = QUESTIONS[name]
    for tensor, array in question.right().items():
        if array.min() < -0.01 and array.max() > 0.01:
            report = checked(tmp_path, question.sheet() + results({tensor: -array}))
            assert report.causes == ("sign",), str(report)
