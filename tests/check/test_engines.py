"""Classes of values that know how they were made, as in micrograd: each operation's gradient, and the way back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from convgrad.check import check
from convgrad.check.functions.engine import SEVERAL, EngineReport
from convgrad.check.submissions import engines
from convgrad.check.verdict import Verdict

NUMBERS = '''
import math

class Num:
    """A number that remembers where it comes from."""

    def __init__(self, data, parents=(), op=""):
        self.data, self.grad, self.op = data, 0.0, op
        self._back = lambda: None
        self.parents = set(parents)

    def __add__(self, other):
        other = other if isinstance(other, Num) else Num(other)
        out = Num(self.data + other.data, (self, other), "+")
        def back():
            self.grad += out.grad
            other.grad += out.grad
        out._back = back
        return out

    def __mul__(self, other):
        other = other if isinstance(other, Num) else Num(other)
        out = Num(self.data * other.data, (self, other), "*")
        def back():
            self.grad += out.grad * other.data
            other.grad += out.grad * self.data
        out._back = back
        return out

    def __pow__(self, n):
        out = Num(self.data ** n, (self,), f"^{n}")
        def back():
            self.grad += n * self.data ** (n - 1) * out.grad
        out._back = back
        return out

    def __rsub__(self, other):
        return other + self * -1

    def tanh(self):
        out = Num(math.tanh(self.data), (self,), "tanh")
        def back():
            self.grad += (1 - out.data ** 2) * out.grad
        out._back = back
        return out

    def relu(self):
        out = Num(self.data if self.data > 0 else 0.0, (self,), "relu")
        def back():
            self.grad += out.grad if self.data > 0 else 0.0
        out._back = back
        return out

    def softsign(self):
        return self

    def backward(self):
        order, seen = [], set()
        def visit(v):
            if v not in seen:
                seen.add(v)
                for p in v.parents:
                    visit(p)
                order.append(v)
        visit(self)
        self.grad = 1.0
        for v in reversed(order):
            v._back()

    def __radd__(self, other):
        return self + other
'''
ARRAYS = """
import numpy as np

def fitted(g, shape):
    while g.ndim > len(shape):
        g = g.sum(0)
    return g

class Array:
    def __init__(self, value, requires_grad=False, made_of=()):
        self.value, self.requires_grad = np.asarray(value, float), requires_grad
        self.grad, self.made_of, self.go_back = None, tuple(made_of), lambda: None

    def add_to(self, g):
        g = fitted(g, self.value.shape)
        self.grad = g if self.grad is None else self.grad + g

    def __mul__(self, other):
        out = Array(self.value * other.value, True, (self, other))
        def back():
            self.add_to(out.grad * other.value)
            other.add_to(out.grad * self.value)
        out.go_back = back
        return out

    def __matmul__(self, other):
        out = Array(self.value @ other.value, True, (self, other))
        def back():
            self.add_to(out.grad @ other.value.T)
            other.add_to(self.value.T @ out.grad)
        out.go_back = back
        return out

    def mean(self):
        out = Array(self.value.mean(), True, (self,))
        def back():
            self.add_to(out.grad * np.ones_like(self.value) / self.value.size)
        out.go_back = back
        return out

    def backward(self):
        self.grad = np.ones_like(self.value)
        order = []
        def visit(v):
            if all(v is not u for u in order):
                for p in v.made_of:
                    visit(p)
                order.append(v)
        visit(self)
        for v in order[::-1]:
            v.go_back()
"""


def report_on(folder: Path, code: str, layer: str = "autograd", method: str = "") -> EngineReport:
    file = folder / "engine.py"
    file.write_text(code)
    name = code.partition("\nclass ")[2].partition(":")[0]
    return check(f"{file}:{name}{method}", layer)  # type: ignore[return-value]


def test_every_operation_of_numbers(tmp_path: Path) -> None:
    report = report_on(tmp_path, NUMBERS)
    assert report.verdict is Verdict.RIGHT, str(report)
    assert str(report).splitlines() == [
        "RIGHT: Num, operation by operation",
        "relu: right, max(a, 0), also where a value is used several times",
        "tanh: right, tanh(a), also where a value is used several times",
        "__pow__: right, a^3, also where a value is used several times",
        "__radd__: right, 1.5 + a, also where a value is used several times",
        "__rsub__: right, 1.5 - a, also where a value is used several times",
        "__add__: right, a + b, also where a value is used several times",
        "__mul__: right, a * b, also where a value is used several times",
        "Not covered: softsign.",
    ]
    assert report.to_json()["not_checked"] == ["softsign"]


def test_arrays_are_broadcast_too(tmp_path: Path) -> None:
    report = report_on(tmp_path, ARRAYS)
    assert report.verdict is Verdict.RIGHT, str(report)
    words = " ".join(str(report).split())
    assert (
        "a * b, also where a value is used several times, also where rows are broadcast, also where a number" in words
    )
    assert "__matmul__: right, sum[j](a[i,j] * b[j,k])" in words
    assert "mean: right" in words


SLIPS = {
    "not added up": (NUMBERS, "self.grad += out.grad\n", "self.grad = out.grad\n", "__add__"),
    "the other factor": (NUMBERS, "out.grad * other.data", "out.grad * self.data", "__mul__"),
    "the square": (NUMBERS, "out.data ** 2", "out.data", "tanh"),
    "the exponent": (NUMBERS, "(n - 1)", "n", "__pow__"),
    "the mask": (NUMBERS, "out.grad if self.data > 0", "out.grad if out.grad > 0", "relu"),
    "which is taken from which": (NUMBERS, "other + self * -1", "self + other * -1", "__rsub__"),
    "no seed": (NUMBERS, "self.grad = 1.0", "pass", "relu"),
    "the order": (NUMBERS, "reversed(order)", "order", "relu"),
    "a transpose": (ARRAYS, "self.value.T @ out.grad", "(out.grad.T @ self.value).T * 2", "__matmul__"),
    "rows not added up": (ARRAYS, "g = g.sum(0)", "g = g.mean(0)", "__mul__"),
    "the count": (ARRAYS, " / self.value.size", "", "mean"),
}


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_is_found_where_it_is(name: str, tmp_path: Path) -> None:
    code, right, wrong, where = SLIPS[name]
    assert right in code
    report = report_on(tmp_path, code.replace(right, wrong))
    assert report.verdict is Verdict.WRONG, str(report)
    assert where in [o.name for o in report.operations if o.wrong is not None]
    assert report.causes
    assert f"{where}: WRONG" in str(report)


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ("self.value.T @ out.grad", "out.grad @ self.value.T", "__matmul__: not checked. It could not be called"),
        ("other.add_to(out.grad * self.value)", "other.grad = out.grad[:2] * self.value", "__mul__: not checked"),
    ],
)
def test_an_operation_that_fails_leaves_the_class_unchecked(right: str, wrong: str, words: str, tmp_path: Path) -> None:
    assert right in ARRAYS
    report = report_on(tmp_path, ARRAYS.replace(right, wrong))
    assert report.verdict is Verdict.NOT_CHECKED, str(report)
    assert words in " ".join(str(report).split())


def test_one_operation_by_the_name_of_a_layer_or_by_its_own(tmp_path: Path) -> None:
    for layer, method in (("relu", ""), ("tanh", ".tanh"), ("y[i] = a[i] + b[i]", ".__add__")):
        assert report_on(tmp_path, NUMBERS, layer, method).ok
    wrong = NUMBERS.replace("out.data ** 2", "out.data")
    assert "square-forgotten" in report_on(tmp_path, wrong, "tanh").causes


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    report = report_on(tmp_path, NUMBERS, "gelu")
    assert report.verdict is Verdict.NOT_CHECKED
    assert "has no method for this layer" in " ".join(str(report).split())
    report = report_on(tmp_path, "\nclass Plain:\n    pass\n")
    assert report.verdict is Verdict.NOT_CHECKED
    assert "Plain is no class with operators and a backward() of its own" in " ".join(str(report).split())
    loose = NUMBERS.replace("self.parents = set(parents)", "self.kept = {i: p for i, p in enumerate(parents)}")
    report = report_on(tmp_path, loose.replace("v.parents", "v.kept.values()"))
    assert report.verdict is Verdict.NOT_CHECKED
    assert "the result of Num holds no _backward and no set of what it was made from" in " ".join(str(report).split())
    report = report_on(tmp_path, NUMBERS.replace(".data", ".content").replace("self.data, ", "self.content, "))
    assert report.verdict is Verdict.NOT_CHECKED
    assert "an object of Num has no data" in " ".join(str(report).split())


def test_what_is_no_such_class() -> None:
    class Layer:
        def backward(self, dout: float) -> float:
            return dout

        def __add__(self, other: Layer) -> Layer:
            return self

    assert not engines.is_engine(Layer)
    assert not engines.is_engine(np.ndarray)
    assert not engines.is_engine(Layer())


@pytest.mark.parametrize(
    ("changes", "where", "words"),
    [
        ({"self.grad += out.grad\n": "self.grad = out.grad\n"}, "__add__", "The gradient of the first operand"),
        ({"other.grad += out.grad\n": "other.grad = out.grad\n"}, "__add__", "The gradient of the second operand"),
        ({"self.grad += out": "self.grad = out", "other.grad += out": "other.grad = out"}, "__mul__", "Each gradient"),
        ({"self.grad += (1": "self.grad = (1"}, "tanh", "Each gradient"),
    ],
)
def test_what_is_set_and_not_added_to_is_named(changes: dict[str, str], where: str, words: str, tmp_path: Path) -> None:
    code = NUMBERS
    for right, wrong in changes.items():
        assert right in code
        code = code.replace(right, wrong)
    report = report_on(tmp_path, code)
    assert isinstance(report, EngineReport)
    assert report.causes == ("overwritten",), str(report)
    own = next(o for o in report.operations if o.name == where)
    assert own.wrong is not None
    assert own.wrong[0] == SEVERAL
    said = " ".join(str(own.wrong[1]).split())
    assert f"Cause: {words} is overwritten" in said
    assert "No known mistake" not in said
