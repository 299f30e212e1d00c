"""Backward functions that get what their own forward pass has kept; compiled functions; functions of autograd."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from convgrad.check import check
from convgrad.check.functions.person import Call, Person
from convgrad.check.functions.report import Report
from convgrad.check.submissions import special
from convgrad.check.verdict import Verdict
from optional import optional_module

NORM = """
def batchnorm_forward(x, gamma, beta, bn_param):
    eps = bn_param.get("eps", 1e-5)
    mean, spread = x.mean(0), np.sqrt(x.var(0) + eps)
    normed = (x - mean) / spread
    return gamma * normed + beta, {"normed": normed, "spread": spread, "gamma": gamma}

def batchnorm_backward(dout, cache):
    normed, inner = cache["normed"], dout * cache["gamma"]
    below = (inner - inner.mean(0) - normed * (inner * normed).mean(0)) / cache["spread"]
    return below, (dout * normed).sum(0), dout.sum(0)
"""
AFFINE = """
def affine_fw(x, w, b):
    return x @ w + b, (x, w)

def affine_bw(dout, cache):
    x, w = cache
    return dout @ w.T, x.T @ dout, dout.sum(0)
"""
POOL = """
def max_pool_forward_naive(x, pool_param):
    rows, columns, step = (pool_param[n] for n in ("pool_height", "pool_width", "stride"))
    views = np.lib.stride_tricks.sliding_window_view(x, (rows, columns), (2, 3))[:, :, ::step, ::step]
    return views.max((4, 5)), (x.shape, views.reshape(*views.shape[:4], -1).argmax(4), pool_param)

def max_pool_backward_naive(dout, cache):
    shape, winners, pool_param = cache
    dx, step = np.zeros(shape), pool_param["stride"]
    for n, c, i, j in np.ndindex(*dout.shape):
        m, k = divmod(winners[n, c, i, j], pool_param["pool_width"])
        dx[n, c, i * step + m, j * step + k] += dout[n, c, i, j]
    return dx
"""


def report_on(folder: Path, code: str, layer: str, name: str) -> Report:
    """The report on a function in a file."""
    file = folder / "functions_of_a_person.py"
    file.write_text("import numpy as np\n" + code)
    return check(f"{file}:{name}", layer)


RIGHT = {
    "batchnorm_backward": (NORM, "batch_norm", "batchnorm_forward(x = o, gamma, beta, bn_param"),
    "affine_bw": (AFFINE, "dense", "affine_fw(x = o, w, b"),
    "max_pool_backward_naive": (POOL, "max_pool2d", "max_pool_forward_naive(x = o, pool_param"),
}


@pytest.mark.parametrize("name", RIGHT)
def test_the_cache_is_made_by_the_forward_function_beside_it(name: str, tmp_path: Path) -> None:
    code, layer, words = RIGHT[name]
    report = report_on(tmp_path, code, layer, name)
    assert report.ok, str(report)
    assert f"its cache was made by {words}" in report.reading
    assert "x" in report.returned, "what the forward function returns is compared, too"


SLIPS = [
    (NORM, "batch_norm", "batchnorm_backward", "inner - inner.mean(0) - ", "inner - ", None),
    (NORM, "batch_norm", "batchnorm_backward", "(dout * normed).sum(0)", "-(dout * normed).sum(0)", "sign"),
    (AFFINE, "dense", "affine_bw", "x.T @ dout,", "x.T @ dout / 2,", "factor-half"),
    (POOL, "max_pool2d", "max_pool_backward_naive", "] += dout", "] = dout", "overlaps-overwritten"),
]


@pytest.mark.parametrize(("code", "layer", "name", "right", "wrong", "cause"), SLIPS)
def test_a_slip_is_named_as_that_of_a_plain_function(
    code: str, layer: str, name: str, right: str, wrong: str, cause: str | None, tmp_path: Path
) -> None:
    assert code.count(right) == 1
    report = report_on(tmp_path, code.replace(right, wrong), layer, name)
    assert report.verdict is Verdict.WRONG
    assert cause is None or report.causes[:1] == (cause,), str(report)


def test_a_wrong_forward_function_makes_right_gradients_right_with_a_clear_word(tmp_path: Path) -> None:
    report = report_on(tmp_path, AFFINE.replace("x @ w + b", "x @ w"), "dense", "affine_bw")
    assert report.ok
    text = " ".join(str(report).split())
    assert "The gradients are right, but affine_fw, which made the cache, does not return x of this layer" in text
    assert report.returned == ("do", "dw", "db")


def test_a_forward_function_that_makes_no_cache_is_passed_over(tmp_path: Path) -> None:
    code = AFFINE.replace("x @ w + b, (x, w)", "x @ w + b").replace("x, w = cache", "x, w = cache[:2]")
    report = report_on(tmp_path, code, "dense", "affine_bw")
    assert report.ok, str(report)
    assert "made by" not in report.reading


@pytest.mark.parametrize(
    ("backward", "forward"),
    [
        ("conv_backward_naive", "conv_forward_naive"),
        ("batchnorm_backward_alt", "batchnorm_forward"),
        ("conv_backward", "conv_forward_naive"),
        ("linear_bwd", "linear_fwd"),
        ("relu_bw", "relu_fw"),
        ("poolBackward", "poolForward"),
        ("backward", "forward"),
        ("dense_grad", "dense_forward"),
    ],
)
def test_names_of_forward_functions(backward: str, forward: str, tmp_path: Path) -> None:
    code = f"def {forward}(x): return x\ndef other_forward(x): return x\ndef {backward}(dout, cache): return dout\n"
    (tmp_path / "named.py").write_text(code)
    with Person(f"{tmp_path / 'named.py'}:{backward}") as person:
        assert person.forward is not None
        assert person.forward.name == forward


DISPATCHER = """
class Dispatcher:
    def __init__(self, function):
        self.py_func, self.signatures = function, []
        self.__name__, self.__module__ = function.__name__, function.__module__
    def __call__(self, *arguments):
        kinds = [(a.dtype.str, a.ndim) for a in arguments]
        if kinds not in self.signatures:
            import time
            time.sleep(0.7)
            self.signatures.append(kinds)
        return self.py_func(*arguments)

njit = Dispatcher

@njit
def product(a, b):
    return a @ b

@njit
def backward(dout, x, w):
    return product(dout, w.T), product(x.T, dout), dout.sum(0)

def around(dout, x, w):
    return backward(dout, x, w)
"""


@pytest.mark.parametrize("name", ["backward", "around"])
def test_the_time_of_compiling_does_not_count(name: str, tmp_path: Path) -> None:
    file = tmp_path / "compiled.py"
    file.write_text("import numpy as np\n" + DISPATCHER)
    report = check(f"{file}:{name}", "dense", seconds=0.5)
    assert report.ok, str(report)
    assert "arguments (dout = dx, x = o, w)" in report.reading
    with Person(f"{file}:{name}", seconds=0.5) as person:
        outcome = person.call(Call([np.ones((2, 3)), np.ones((2, 4)), np.ones((4, 3))]))
        assert outcome.trouble is None
        assert outcome.compiling > 0.6
        assert person.spent < 0.5


def test_a_compiled_function_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("convgrad.check.functions.person.COMPILING", 1.0)
    file = tmp_path / "compiled.py"
    code = DISPATCHER.replace("    return product(dout", "    while True: pass\n    return product(dout")
    file.write_text("import numpy as np\n" + code)
    report = check(f"{file}:backward", "dense", seconds=0.5)
    assert report.verdict is Verdict.NOT_CHECKED
    assert "took longer than 1.5 s" in str(report)


def test_only_functions_have_a_forward_function_beside_them() -> None:
    assert special.own_forward(np.add) is None
    with pytest.raises(special.NoCache, match="there is no forward function beside it"):
        special.cache_of(np.add, [], {})
    with pytest.raises(special.NoCache, match="forward returns no cache beside its result"):
        special.cache_of(backward, [1.0], {})


def forward(x: float) -> float:
    """A forward function that keeps nothing."""
    return x


def backward(dout: float, cache: float) -> float:
    """Its backward function."""
    return dout * cache


AUTOGRAD = """
import torch
from torch.autograd import Function

class Clipped(Function):
    @staticmethod
    def forward(ctx, input):
        ctx.save_for_backward(input)
        return input.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_output):
        input, = ctx.saved_tensors
        return grad_output * (input > 0)

class Linear(Function):
    @staticmethod
    def forward(ctx, input, weight, bias=None):
        ctx.save_for_backward(input, weight)
        return input @ weight.t() + bias

    @staticmethod
    def backward(ctx, grad_output):
        input, weight = ctx.saved_tensors
        return grad_output @ weight, grad_output.t() @ input, grad_output.sum(0)

class Turned(Linear):
    @staticmethod
    def backward(ctx, grad_output):
        below, weight, bias = Linear.backward(ctx, grad_output)
        return below, -weight, bias

class ClippedGrad(Clipped):
    @staticmethod
    def backward(ctx, grad_output):
        return -Clipped.backward(ctx, grad_output)

class Parted(Function):
    @staticmethod
    def forward(x):
        return torch.tanh(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, g):
        y, = ctx.saved_tensors
        return g * (1 - y ** 2)
"""


@pytest.mark.parametrize(
    ("layer", "name", "causes"),
    [
        ("relu", "Clipped", ()),
        ("relu", "ClippedGrad", ("sign",)),
        ("dense", "Linear", ()),
        ("dense", "Turned", ("sign",)),
        ("tanh", "Parted", ()),
    ],
)
def test_functions_of_autograd(layer: str, name: str, causes: tuple[str, ...], tmp_path: Path) -> None:
    optional_module("torch")
    report = report_on(tmp_path, AUTOGRAD, layer, name)
    assert report.causes == causes, str(report)
    assert "PyTorch tensors" in report.reading
    assert "x" in report.returned
