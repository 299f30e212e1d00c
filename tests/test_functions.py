"""Every function of the notation, in all parts of the package that know it. Whoever adds a row to convgrad/functions.py
runs this file, and is told what is missing or wrong:

    pytest tests/test_functions.py -k softsign

CONVGRAD_ACCEPT=1 writes the tables of docs/notation.md anew.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import typst as typesetting
from matplotlib.mathtext import MathTextParser

from convgrad.calculus import gradients
from convgrad.calculus.table import slopes
from convgrad.check.derivations.latex_input import from_latex
from convgrad.compute.oracle import grid, loops
from convgrad.errors import DerivationError, EquationSyntaxError
from convgrad.functions import CONDITION, FUNCTIONS, VALUE, Function
from convgrad.notation import (
    Access,
    Call,
    Compare,
    Definition,
    Equation,
    Number,
    Position,
    Term,
    bind,
    latex,
    parse,
    text,
)
from convgrad.notation.printing.mathml import mathml
from convgrad.notation.printing.typst import typst
from convgrad.notation.templates import filled
from core_support import evaluated
from optional import compiled

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from convgrad.functions import Array

pytestmark = pytest.mark.complete

PAGE = Path(__file__).parents[1] / "docs" / "notation.md"
TABLES = re.compile(r"(<!-- (functions|kinks): [^\n]*-->\n\n).*?(\n\n<!-- end -->)", re.DOTALL)
every = pytest.mark.parametrize("name", FUNCTIONS)
derived = pytest.mark.parametrize("name", [row.name for row in FUNCTIONS.values() if any(row.slopes)])
on_numbers = pytest.mark.parametrize("name", [row.name for row in FUNCTIONS.values() if CONDITION not in row.arguments])

EPS = float(np.finfo(np.float64).eps)
EPS32 = float(np.finfo(np.float32).eps)
NEAR = [0.0, 1e-3, -1e-3, 0.02, -0.02]
"""Places at and near the kinks that functions have."""
ORDINARY = [-7.3, -3.0, -1.618, -1.0, -0.577, 0.301, 1.0, 1.25, 2.0, 2.718, 5.9]
EXTREME = [-np.inf, -1e308, -800.0, -745.0, -37.0, -1e-300, -0.0, 1e-300, 37.0, 709.0, 800.0, 1e308, np.inf, np.nan]
ROUNDINGS = 16
"""Roundings that a call counts for: what `check.problems.bound` takes for a definition of one call."""


# Terms of a row, and their values


def call_of(row: Function) -> Call:
    """The function of the tensors `a`, `b`, ..., one number of each for every i; its condition is `condition > 0`."""
    return Call(row.name, tuple(argument_of(row, name) for name in row.arguments))


def argument_of(row: Function, name: str) -> Term:
    access = Access(name, (Position.name("i"),))
    return Compare(">", access, Number(0.0)) if name == CONDITION else access


def value(term: Term, arrays: Mapping[str, Array], evaluate: Callable[..., dict[str, Array]] = grid.evaluate) -> Array:
    """The term for every i."""
    [count] = {array.size for array in arrays.values()}
    definition = Definition("y", ("i",), term, (("i", count),))
    shapes = tuple((tensor, (count,)) for tensor in (*arrays, "y"))
    return evaluate(Equation((definition,), shapes=shapes), arrays)["y"]


def of_text(written: str, row: Function, arrays: Mapping[str, Array]) -> Array:
    """A text of the row, for every i: of the arguments, the value, and the arguments' sizes as their magnitudes."""
    parts = {name: argument_of(row, name) for name in row.arguments}
    sizes = {name.upper(): Call("abs", (part,)) for name, part in parts.items() if name != CONDITION}
    return value(filled(written, {VALUE: call_of(row), **parts, **sizes}), arrays)


def points(row: Function, numbers: list[float]) -> dict[str, Array]:
    """Argument -> numbers, all combinations at which the function is defined."""
    chosen = numbers if row.arity < 3 else numbers[::3]
    columns = np.array(list(product(chosen, repeat=row.arity))).T
    arrays = dict(zip(row.arguments, columns, strict=True))
    if not row.defined:
        return arrays
    inside = of_text(f"where({row.defined}, 1, 0)", row, arrays) == 1
    return {name: array[inside] for name, array in arrays.items()}


def whole(row: Function, arrays: dict[str, Array]) -> dict[str, Array]:
    """Whole numbers that are not negative, for functions that are only told about these."""
    return {name: np.abs(np.rint(array)) for name, array in arrays.items()} if row.name == "uniform" else arrays


def moved(row: Function, arrays: Mapping[str, Array], by: Mapping[str, Array]) -> Array:
    return value(call_of(row), {name: array + by.get(name, 0.0) for name, array in arrays.items()}, loops.evaluate)


# What is checked of a row


def check_values(row: Function) -> None:
    """NumPy's value is that of plain loops, also at infinities and where there is no number."""
    numbers = [*NEAR, *ORDINARY, *(EXTREME if row.name != "uniform" else ())]
    arrays = whole(row, points(replace(row, defined=""), numbers))
    with np.errstate(all="ignore"):
        columns = [array > 0 if name == CONDITION else array for name, array in arrays.items()]
        fast = row.grid(*columns)
        slow = [row.loop(*at) for at in zip(*(column.tolist() for column in columns), strict=True)]
    np.testing.assert_allclose(fast, slow, rtol=8 * EPS, atol=0, err_msg=f"grid and loop of {row.name} differ")


def check_slopes(row: Function) -> None:
    """Each derivative is the difference quotient; at a kink it lies between those of both sides."""
    arrays = points(row, [*NEAR, *ORDINARY])
    kink = of_text(row.kink_at, row, arrays) if row.kink_at else np.full(next(iter(arrays.values())).size, np.inf)
    parts = {VALUE: call_of(row), **{name: argument_of(row, name) for name in row.arguments}}
    for name, slope in zip(row.arguments, row.slopes, strict=True):
        if slope is None:
            continue
        found = value(filled(slope, parts), arrays)
        h = 1e-4 * np.maximum(np.abs(arrays[name]), 1e-3)
        if row.jumps:
            check_slope_across_jumps(row, arrays, name, found)
            continue
        middle, above, below = (moved(row, arrays, {name: sign * h}) for sign in (0, 1, -1))
        right, left = (above - middle) / h, (middle - below) / h
        allowed = 1e-6 * (1 + np.abs(found)) + 1e-15 * np.abs(middle) / h
        smooth = np.isfinite(left) & np.isfinite(right) & (np.abs(kink) > 3 * h)
        off = np.abs((above - below) / (2 * h) - found) - allowed
        assert (off[smooth] <= 0).all(), f"{name}'s derivative is wrong, as at {at_worst(arrays, off, smooth)}"
        between = (found <= np.maximum(left, right) + 1e-3) & (found >= np.minimum(left, right) - 1e-3)
        assert between[kink == 0].all(), f"{name}'s derivative at a kink lies on neither side"
        assert smooth.sum() > len(ORDINARY) // 2


def check_slope_across_jumps(row: Function, arrays: Mapping[str, Array], name: str, found: Array) -> None:
    """Of a staircase the slope of the ramp that it stands for: over many steps, to a step of 2^-7 at either end."""
    h = 0.5 * np.maximum(np.abs(arrays[name]), 1e-3)
    slope = (moved(row, arrays, {name: h}) - moved(row, arrays, {name: -h})) / (2 * h)
    off = np.abs(slope - found) - 2.0**-5
    assert (off <= 0).all(), f"{name}'s derivative is wrong, as at {at_worst(arrays, off, off == off)}"


def at_worst(arrays: Mapping[str, Array], off: Array, among: Array) -> str:
    place = int(np.flatnonzero(among)[np.argmax(off[among])])
    return ", ".join(f"{name} = {array[place]:g}" for name, array in arrays.items())


def check_bound(row: Function) -> None:
    """Neither errors of the arguments nor arithmetic in float32 take a value further than the bound."""
    rng = np.random.default_rng(0)
    arrays = {name: np.float64(np.float32(array)) for name, array in points(row, [*NEAR, *ORDINARY]).items()}
    arrays = whole(row, points_inside(row, arrays))
    bound, exact = of_text(row.bound, row, arrays), moved(row, arrays, {})
    single = row.grid(*(array > 0 if name == CONDITION else np.float32(array) for name, array in arrays.items()))
    off = np.abs(np.float64(single) - exact) - ROUNDINGS * EPS32 * bound
    assert (off <= 0).all(), f"the bound is too small in float32, as at {at_worst(arrays, off, off == off)}"
    if row.jumps:
        return
    error = 1e-6
    for signs in product((-1, 1), repeat=row.arity):
        by = {
            name: sign * error * np.abs(array) * rng.uniform(0.5, 1, array.size)
            for (name, array), sign in zip(arrays.items(), signs, strict=True)
            if name != CONDITION
        }
        off = np.abs(moved(row, arrays, by) - exact) - (error * (1 + 1e-3) + ROUNDINGS * EPS) * bound
        assert (off <= 0).all(), f"the bound is too small for the slope, as at {at_worst(arrays, off, off == off)}"


def points_inside(row: Function, arrays: dict[str, Array]) -> dict[str, Array]:
    """Without those that an error could take out of where the function is defined."""
    if not row.defined:
        return arrays
    away = np.all([np.abs(array) > 0 for array in arrays.values()], axis=0)
    return {name: array[away] for name, array in arrays.items()}


def check_javascript(row: Function, browser: Browser) -> None:
    """The page's value is ours."""
    arrays = whole(row, points(row, [*NEAR, *ORDINARY, 30.0, -30.0, 700.0, -700.0]))
    listed = ", ".join(row.arguments)
    script = f"(rows) => {{ const {{ core }} = convgrad; return rows.map(([{listed}]) => {row.javascript}); }}"
    columns = [(array > 0).tolist() if name == CONDITION else array.tolist() for name, array in arrays.items()]
    found = evaluated(browser, script, [list(at) for at in zip(*columns, strict=True)])
    expected = value(call_of(row), arrays)
    np.testing.assert_allclose(found, expected, rtol=16 * EPS, atol=0, err_msg=f"the JavaScript of {row.name}")


# All rows


@every
def test_it_is_read_and_printed(name: str) -> None:
    assert text(parse(f"x = {FUNCTIONS[name].form}")) == f"x = {FUNCTIONS[name].form}"


@every
def test_values(name: str) -> None:
    check_values(FUNCTIONS[name])


@derived
def test_derivative(name: str) -> None:
    row = FUNCTIONS[name]
    assert len(row.slopes) == row.arity, "a derivative for each argument, or None"
    check_slopes(row)
    assert bool(row.kink) == any("where" in (slope or "") for slope in row.slopes), "tell the rule at the kink"
    assert [text(s) for s in slopes(call_of(row)) if s is not None], "a derivation can print it"


@every
def test_what_has_no_derivative_says_what_to_write(name: str) -> None:
    row = FUNCTIONS[name]
    arguments = ["a[i] < 1" if argument == CONDITION else "a[i]" for argument in row.arguments]
    equation = bind(parse(f"x[i] = a[i] + {name}({', '.join(arguments)})"), {"a": (3,)})
    if row.slopes:
        assert not row.remedy
        assert gradients(equation, ["a"])
        return
    with pytest.raises(DerivationError, match=rf"no derivative rule for `{name}`[\s\S]*stop\({name}\(..\)\)"):
        gradients(equation, ["a"])


@every
def test_bound(name: str) -> None:
    check_bound(FUNCTIONS[name])


@every
def test_mathematics(name: str) -> None:
    equation = parse(f"x = {FUNCTIONS[name].form}")
    if name != "where":  # matplotlib does not know cases
        MathTextParser("path").parse(f"${latex(equation)}$")
    assert typesetting.compile(f"$ {typst(equation)} $".encode(), format="svg")
    last = FUNCTIONS[name].arguments[-1]
    assert re.search(rf"\b{last}\b", latex(equation)), "LaTeX shows its arguments"
    assert f"<mi>{last}</mi>" in mathml(equation)
    assert re.search(rf"\b{last}\b", typst(equation))


@on_numbers
def test_latex_of_people_may_call_it(name: str) -> None:
    row = FUNCTIONS[name]
    arguments = ", ".join("uv"[: row.arity])
    for word in (name, *row.latex_names):
        called = word if word.isalpha() else rf"mathrm{{{word}}}"  # no command of LaTeX has digits
        assert from_latex(rf"y = \{called}({arguments})") == f"y = {name}({arguments})"
        if len(row.slopes) == 1 and row.slopes[0]:
            parts = {VALUE: Call(name, (Access("u"),)), row.arguments[0]: Access("u")}
            assert parse(from_latex(rf"y = \{called}'(u)")).result.term == filled(row.slopes[0], parts)
        else:
            with pytest.raises(EquationSyntaxError, match=f"The derivative of {name} is not known here"):
                from_latex(rf"y = \{called}'({arguments})")
    for own in re.findall(r"^\\([a-z]+)\\left\(", row.latex):
        assert own in (name, *row.latex_names, "mathrm"), "what is printed can be read"


@pytest.mark.browser
@every
def test_javascript(name: str, browser: Browser) -> None:
    check_javascript(FUNCTIONS[name], browser)


@pytest.mark.browser
def test_the_page_has_every_function(browser: Browser) -> None:
    script = """() => Object.entries(convgrad.core.FUNCTIONS).map(([name, function_]) =>
        [name, function_.length, convgrad.core.callLatex(name, ["u", "v"].slice(0, function_.length))])"""
    rows = [row for row in FUNCTIONS.values() if CONDITION not in row.arguments]
    arguments = [tuple(map(Access, "uv"[: row.arity])) for row in rows]
    wanted = [[r.name, r.arity, latex(Call(r.name, given))] for r, given in zip(rows, arguments, strict=True)]
    assert [found for found in evaluated(browser, script) if found[0] != "where"] == wanted


@compiled
@every
def test_compiled(name: str) -> None:
    import engine_support
    from convgrad.compute.halide.codegen import functions

    row = FUNCTIONS[name]
    if name not in ("where", "stop"):  # a select, and nothing at all
        assert name in functions.FUNCTIONS, f"compute/halide/codegen/functions.py has no expression for {name}"
    arrays = whole(row, points(row, [*NEAR, *ORDINARY]))
    call = call_of(row)
    definition = Definition("x", ("i",), call, (("i", next(iter(arrays.values())).size),))
    shapes = tuple((tensor, definition.shape) for tensor in (*arrays, "x"))
    for dtype in ("float32", "float64"):
        engine_support.compare(Equation((definition,), shapes=shapes), dtype, arrays)


def test_the_documentation_has_every_function() -> None:
    written = PAGE.read_text()
    tables = {"functions": functions_table(), "kinks": kinks_table()}
    new = TABLES.sub(lambda match: match[1] + tables[match[2]] + match[3], written)
    assert len(TABLES.findall(written)) == 2
    if os.environ.get("CONVGRAD_ACCEPT"):
        PAGE.write_text(new)
    assert PAGE.read_text() == new, "run with CONVGRAD_ACCEPT=1 to write the tables anew"


def functions_table() -> str:
    rows = ["| function | value | derivative, where x is the value |", "| --- | --- | --- |"]
    for row in FUNCTIONS.values():
        where = f"; for `{row.defined}`" if row.defined else ""
        told = [f"`{slope.replace('condition == true', 'c < d')}`" for slope in row.slopes if slope]
        nothing = "0, held constant" if row.slopes else "none"
        rows.append(f"| `{row.form}` | {row.meaning}{where} | {', '.join(told) or nothing} |")
    return "\n".join(rows)


def kinks_table() -> str:
    rows = ["| where | rule |", "| --- | --- |"]
    return "\n".join([*rows, *(f"| `{row.form}` | {row.kink} |" for row in FUNCTIONS.values() if row.kink)])


# Wrong rows are found


@pytest.mark.parametrize(
    ("name", "wrong", "check", "message"),
    [
        ("tanh", {"slopes": ("1 - x",)}, check_slopes, "derivative is wrong, as at a = "),
        ("softplus", {"slopes": ("sigmoid(a) * (1 + 1e-4)",)}, check_slopes, "derivative is wrong"),
        ("max", {"slopes": ("where(a > b, 1, 0)", "where(a > b, 1, 0)")}, check_slopes, "b's derivative is wrong"),
        ("bfloat16", {"slopes": ("1.1",)}, check_slopes, "a's derivative is wrong"),
        ("abs", {"slopes": ("where(a > 0, 1, where(a < 0, -1, 3))",)}, check_slopes, "on neither side"),
        ("softplus", {"bound": "abs(x)"}, check_bound, "too small for the slope"),
        ("log", {"bound": "A"}, check_bound, "too small"),
        ("floor", {"bound": "0", "grid": lambda a: np.floor(a) + np.float32(1e-7)}, check_bound, "float32"),
        ("sqrt", {"loop": lambda a: a**0.5 if a >= 0 else 0.0}, check_values, "grid and loop of sqrt differ"),
        ("min", {"grid": np.fmin}, check_values, "grid and loop of min differ"),
    ],
)
def test_a_wrong_row_is_found(
    name: str, wrong: dict[str, Any], check: Callable[[Function], None], message: str
) -> None:
    with pytest.raises(AssertionError, match=message):
        check(replace(FUNCTIONS[name], **wrong))


@pytest.mark.browser
def test_wrong_javascript_is_found(browser: Browser) -> None:
    with pytest.raises(AssertionError, match="the JavaScript of tanh"):
        check_javascript(replace(FUNCTIONS["tanh"], javascript="Math.sinh(a) / (Math.cosh(a) + 1e-9)"), browser)


# A new row is all that it takes


def as_a_contributor(how: str) -> dict[str, set[str]]:
    """What comes of the tests of `softsign`, once it has been added: outcome -> tests."""
    script = Path(__file__).parent / "support" / "new_function.py"
    done = subprocess.run([sys.executable, str(script), how], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: dict[str, set[str]] = {"PASSED": set(), "FAILED": set()}
    for outcome, test in re.findall(r"^(PASSED|FAILED) \S*::(\w+)\[softsign", done.stdout, re.MULTILINE):
        found[outcome].add(test)
    return found


def test_whoever_adds_a_function_edits_one_place() -> None:
    found = as_a_contributor("right")
    assert not found["FAILED"]
    assert found["PASSED"] >= {"test_values", "test_derivative", "test_bound", "test_mathematics"}


def test_whoever_adds_a_wrong_function_is_told_where() -> None:
    found = as_a_contributor("wrong")
    on_this_machine = {"test_javascript", "test_compiled"}
    wanted = {"test_values", "test_derivative", "test_bound", "test_mathematics"}
    assert found["FAILED"] - on_this_machine == wanted
    assert not found["PASSED"] & on_this_machine
