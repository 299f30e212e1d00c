"""Random right functions are not called wrong, and random wrong ones not right: a small run of the benchmark's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks import random_functions

from convgrad.check.verdict import Verdict
from random_equations import random_equation
from random_right import IMAGES, MAKERS, Relaid, Written, random_right
from random_wrong import changed, changes, random_wrong, really_wrong, results

COUNT = 60


def test_right_ones_are_not_called_wrong() -> None:
    tally = random_functions.run(COUNT, 5, wrong=False)
    assert not tally.misses, "\n\n".join(f"{w.source}\n{report}" for w, _, report in tally.misses)
    assert tally.verdicts.total() == COUNT


def test_wrong_ones_are_not_called_right() -> None:
    tally = random_functions.run(COUNT, 5, wrong=True)
    assert not tally.misses, "\n\n".join(f"{w.source}\n{what}\n{report}" for w, what, report in tally.misses)
    assert tally.verdicts[Verdict.WRONG] > COUNT // 2


@pytest.mark.parametrize("wrong", [False, True])
def test_functions_of_own_equations_are_judged_rightly(wrong: bool) -> None:
    tally = random_functions.run(COUNT, 5, wrong, make=random_equation)
    assert not tally.misses, "\n\n".join(f"{w.source}\n{what}\n{report}" for w, what, report in tally.misses)
    assert tally.verdicts[Verdict.WRONG if wrong else Verdict.RIGHT] > COUNT - 6
    assert (tally.nothing > 0) is wrong
    assert ("changes that change nothing" in tally.words) is wrong


@pytest.mark.parametrize("maker", [*(maker for maker, _ in MAKERS), random_equation], ids=lambda maker: maker.__name__)
def test_what_is_written_runs(maker: random_functions.Maker) -> None:
    rng = np.random.default_rng(7)
    for _ in range(20):
        written = maker(rng)
        for special in (False, True):
            assert results(written.function(), written.inputs(rng, special)) is not None, written.source


SOURCE = "def function(dout, x):\n    return dout * (x > 0)\n"


def relu(source: str = SOURCE) -> Written:
    def inputs(rng: np.random.Generator, special: bool) -> dict[str, np.ndarray]:
        return {name: rng.normal(size=(3, 4)) for name in ("dout", "x")}

    return Written(source, "relu", inputs)


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("def function(dout, x):\n    return dout * (x < 0)\n", True),
        ("def function(dout, x):\n    return -dout * (x > 0)\n", True),
        ("def function(dout, x):\n    return (x > 0) * dout\n", False),
        ("def function(dout, x):\n    return dout * (x >= 0)\n", False),
        ("def function(dout, x):\n    return dout[9]\n", False),
    ],
)
def test_a_change_counts_where_it_matters(source: str, wrong: bool) -> None:
    assert really_wrong(relu(), source, np.random.default_rng(1)) is wrong


POOLED = (
    "def function(x):\n    n, h, v, c = x.shape\n    return x.reshape(n, h // 2, 2, v // 2, 2, c).max(axis=(2, 4))\n"
)


def test_a_change_that_is_right_for_another_layout_changes_nothing() -> None:
    """Pooling of NHWC that a change of letters makes one of NCHW: found by calling both, not by the check."""

    def inputs(rng: np.random.Generator, special: bool) -> dict[str, np.ndarray]:
        return {"x": rng.normal(size=(3, 4, 6, 8))}

    other = POOLED.replace("n, h, v, c =", "n, c, h, v =").replace("h // 2, 2, v // 2, 2, c", "c, h // 2, 2, v // 2, 2")
    other = other.replace("(2, 4)", "(3, 5)")
    turn = tuple(IMAGES["nhwc"].index(a) for a in IMAGES["nchw"])
    written = Written(POOLED, "max_pool2d", inputs, {"pool_size": 2})
    assert really_wrong(written, other, np.random.default_rng(1))
    relaid = replace(written, relaid=(Relaid({"x": turn}, [turn]),))
    assert not really_wrong(relaid, other, np.random.default_rng(1))
    assert really_wrong(relaid, other.replace("max", "min"), np.random.default_rng(1))


def test_a_result_over_the_batch_is_a_convention_of_losses() -> None:
    rng = np.random.default_rng(3)
    loss = next(w for w in iter(lambda: random_right(rng), None) if w.layer == "mse" and "return grad" in w.source)
    halved = loss.source.replace("grad = 2", "grad = 1")
    averaged = loss.source.replace("return grad", "return grad / len(grad)")
    assert really_wrong(loss, halved, rng)
    assert not really_wrong(loss, averaged, rng)


def test_every_change_gives_a_text_that_can_be_read() -> None:
    import ast

    rng = np.random.default_rng(4)
    for _ in range(10):
        written = random_right(rng)
        for place in changes(ast.parse(written.source)):
            ast.parse(changed(written.source, place))


def test_the_same_seed_gives_the_same_functions() -> None:
    one, other = (np.random.default_rng(9) for _ in range(2))
    assert random_wrong(one)[0].source == random_wrong(other)[0].source


def test_misses_are_written(tmp_path: Path) -> None:
    report, seconds = random_functions.judged(relu())
    assert report.ok
    assert seconds < 5
    random_functions.write(tmp_path / "misses", "right-", [(relu(), "a sign", report)])
    text = (tmp_path / "misses" / "right-0.py").read_text()
    assert "# relu {} float64; changed: a sign" in text
    assert SOURCE in text
    assert "# RIGHT: function" in text
