"""What both evaluators refuse, and what they say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from convgrad.compute.oracle import grid, loops
from convgrad.errors import DataError, EquationError, ShapeError
from convgrad.notation.binding.bind import bind
from convgrad.notation.parsing.parser import parse
from convgrad.notation.terms import Access, Call, Definition, Equation, Number, Term

both = pytest.mark.parametrize("evaluate", [grid.evaluate, loops.evaluate], ids=["grid", "loops"])
CORRELATION = bind(parse("x[i] = sum[m](w[m] * o[i+m])"), shapes={"w": (3,), "o": (7,)})


@both
def test_sizes_are_not_bound(evaluate: Callable[..., np.ndarray]) -> None:
    with pytest.raises(ShapeError, match="has no sizes yet"):
        evaluate(parse("x[i] = o[i]"), {"o": np.zeros(3)})


@both
def test_an_input_is_missing(evaluate: Callable[..., np.ndarray]) -> None:
    with pytest.raises(DataError, match=r"No array is given for `o`; the equation reads it with shape \(7,\)"):
        evaluate(CORRELATION, {"w": np.zeros(3)})


@both
def test_an_input_has_another_shape(evaluate: Callable[..., np.ndarray]) -> None:
    with pytest.raises(DataError, match=r"array for `o` has shape \(8,\); the equation reads it with shape \(7,\)"):
        evaluate(CORRELATION, {"w": np.zeros(3), "o": np.zeros(8)})


@both
@pytest.mark.parametrize("kind", ["complex128", "object", "U3"])
def test_an_input_holds_no_real_numbers(evaluate: Callable[..., np.ndarray], kind: str) -> None:
    with pytest.raises(DataError, match=f"w must be an array of real numbers, .* not an array of .*{kind}"):
        evaluate(CORRELATION, {"w": np.zeros(3, kind), "o": np.zeros(7)})


@both
def test_inputs_are_left_alone_and_others_ignored(evaluate: Callable[..., np.ndarray]) -> None:
    o = np.arange(14, dtype="i4")[::2]
    arrays = {"w": [1, 2, 3], "o": o, "unknown": "anything"}
    assert np.array_equal(evaluate(CORRELATION, arrays)["x"], np.correlate(o, [1, 2, 3], "valid"))
    assert np.array_equal(o, range(0, 14, 2))


# A bound equation from `bind` never reads outside; one made by hand may.


def unchecked(source: str, tensor: str, shape: tuple[int, ...], **sizes: int) -> Equation:
    """An equation bound with `else`, which is then taken away."""
    equation = bind(parse(source), shapes={tensor: shape}, sizes=sizes)
    definition = equation.result
    assert isinstance(definition.term, Access)
    return replace(equation, definitions=(replace(definition, term=replace(definition.term, outside=None)),))


@both
@pytest.mark.parametrize("position", ["i+1", "i-1"])
def test_reading_outside(evaluate: Callable[..., np.ndarray], position: str) -> None:
    equation = unchecked(f"x[i,j] = o[j,{position} else 0]", "o", (5, 3), I=3, J=5)
    with pytest.raises(ShapeError, match=r"o is read outside its axis 1: .*0\.\.2"):
        evaluate(equation, {"o": np.zeros((5, 3))})


def test_reading_between() -> None:
    equation = unchecked("x[i] = o[i/2 else 0]", "o", (5,), I=7)
    with pytest.raises(ShapeError, match="read at the divided position i/2 of axis 0, without saying"):
        grid.evaluate(equation, {"o": np.zeros(5)})
    with pytest.raises(ShapeError, match="read outside its axis 0: i/2 is not in"):
        loops.evaluate(equation, {"o": np.zeros(5)})


@both
def test_unknown_terms(evaluate: Callable[..., np.ndarray]) -> None:
    class Strange(Term):
        pass

    equation = Equation((Definition("x", (), Strange()),), shapes=(("x", ()),))
    with pytest.raises(EquationError, match="does not know terms of type Strange"):
        evaluate(equation, {})


def test_unknown_functions_and_conditions() -> None:
    one = Number(1.0)
    for term, text in [
        (Call("gamma", (one,)), "does not know the function `gamma`"),
        (Call("where", (one, one, one)), "condition of `where` must be a comparison"),
    ]:
        with pytest.raises(EquationError, match=text):
            loops.evaluate(Equation((Definition("x", (), term),), shapes=(("x", ()),)), {})
    with pytest.raises(EquationError, match="does not know the function `gamma`"):
        grid.evaluate(Equation((Definition("x", (), Call("gamma", (one,))),), shapes=(("x", ()),)), {})
