"""Equations whose cost is told before it is paid: index arithmetic, derivations, depth; and messages on long lines."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable

import numpy as np
import pytest

from convgrad import bind, derivation, parse
from convgrad.calculus.derive import DEEPEST, MOST_PARTS, gradients
from convgrad.calculus.estimate import parts_of_slopes
from convgrad.calculus.simplify import as_polynomial, simplify
from convgrad.compute.oracle import evaluate
from convgrad.errors import (
    LONGEST_LINE,
    WIDEST,
    ConvgradError,
    DerivationError,
    EquationError,
    EquationSyntaxError,
    Span,
    pointed,
    quoted,
)
from convgrad.notation.legality import is_deeper
from convgrad.notation.parsing.lexer import LONGEST_NAME, LONGEST_TEXT
from convgrad.notation.polynomial import LONGEST, Polynomial
from convgrad.notation.printing.mathml import mathml_of_latex
from convgrad.notation.terms import Add, Equation, IndexValue, Multiply, Number


def factors(count: int) -> str:
    return "*".join(f"(p{n}+q{n})" for n in range(count))


@pytest.mark.parametrize(
    ("position", "message"),
    [
        (f"i*{factors(12)}", "This index arithmetic has 1,152 parts when it is multiplied out; the limit is 1,000."),
        ("+".join(f"a{n}" for n in range(2000)), "This index arithmetic has 1,002 parts when it is multiplied out"),
        ("*".join(["p"] * 3000), "This index arithmetic has 1,001 parts when it is multiplied out"),
        ("2147483647*2*i", "A number in this position is too large; the largest is 2147483647."),
        ("i" + "*2147483647" * 600, "A number in this position is too large; the largest is 2147483647."),
        ("i+2147483647+1", "A number in this position is too large; the largest is 2147483647."),
    ],
)
def test_index_arithmetic_is_bounded(position: str, message: str) -> None:
    with pytest.raises(EquationSyntaxError) as raised:
        parse(f"x[i] = o[{position} else 0]")
    assert message in str(raised.value)
    assert raised.value.span is not None
    assert "^" in str(raised.value)


def test_index_arithmetic_within_the_bound_is_as_it_was() -> None:
    assert parse(f"x[i] = o[i*{factors(6)}]").inputs == ("o",)
    product = Polynomial.name("p") + Polynomial.name("q")
    assert product.length_of_product(product) == 12
    assert (product * product).length == 9  # p^2 + 2*p*q + q^2, a number and two names each
    with pytest.raises(EquationError, match="when it is multiplied out; the limit is 1,000"):
        Polynomial.of([(("p",) * LONGEST, 1)])


def test_expressions_are_not_multiplied_out_beyond_the_bound() -> None:
    sums = [Add((IndexValue(Polynomial.name(f"p{n}")), IndexValue(Polynomial.name(f"q{n}")))) for n in range(12)]
    assert as_polynomial(Multiply(tuple(sums[:3]))) is not None
    assert as_polynomial(Multiply(tuple(sums))) is None
    assert as_polynomial(Number(math.inf)) is None
    assert as_polynomial(Number(2.0**60)) is None  # not exact, were 1 to be added
    assert as_polynomial(Multiply((Number(2.0**40), Number(2.0**40)))) is None
    assert str(derivation(parse("x[i] = where(i < inf, o[i], 0)"), "o").result)


@pytest.mark.parametrize("constant", ["inf-inf", "inf*0", "1e300*1e300-1e300*1e300", "(inf-inf)*0", "0*(1/0)"])
def test_what_is_no_number_is_left_as_it_is_written(constant: str) -> None:
    equation = parse(f"x[i] = ({constant})*o[i]")
    result = derivation(equation, "o").result
    assert parse(str(result)) is not None
    for written in (equation, result):
        given = {name: np.ones(2) for name in written.inputs}
        evaluate(bind(written, dict.fromkeys(given, (2,))), given)
    assert "inf" not in str(simplify(parse("x = 1e300*1e300*o*o^1e308*o^1e308").result.term)).split("*")


def test_names_and_texts_are_bounded() -> None:
    long = "a" * (LONGEST_NAME + 1)
    with pytest.raises(EquationSyntaxError, match=r"This name has 201 characters; the limit is 200\."):
        parse(f"x[i] = {long}[i]")
    with pytest.raises(EquationSyntaxError, match=r"The equation has 200,0\d\d characters; the limit is 200,000"):
        parse("x[i] = o[i]" + " " * LONGEST_TEXT)
    assert parse(f"x[i] = {long[1:]}[i]").inputs == (long[1:],)


PLACES = [0, 1, 59, 60, 61, 500, 9_939, 9_998, 9_999]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("width", [1, 30, 5000])
def test_of_a_long_line_the_part_around_the_place_is_quoted(place: int, width: int) -> None:
    source = "".join(chr(ord("a") + n * n % 26) for n in range(10_000))
    line, carets = pointed(source, Span(place, place + width)).split("\n")
    assert len(line) <= WIDEST + 4 + 6
    start = carets.index("^")
    marked = line[start : start + carets.count("^")].removesuffix("...")
    assert marked
    assert source[place : place + len(marked)] == marked
    assert set(carets[start:]) == {"^"}
    assert carets.count("^") >= min(width, 30, len(source) - place)
    assert line[4:].startswith("...") == (line[4:7] != source[:3])


def test_short_lines_are_quoted_whole() -> None:
    assert pointed("ab\ncd = ef\ng", Span(8, 10)) == "    cd = ef\n         ^^"
    assert quoted("short") == "short"
    assert quoted("abc" * 100, 9) == "abcabcabc... (300 characters)"


def test_no_line_of_a_message_is_endless() -> None:
    error = ConvgradError("begins\n" + "x" * 50_000)
    assert len(str(error)) < LONGEST_LINE + 50
    assert str(error).endswith("... (50,000 characters)")
    with pytest.raises(EquationSyntaxError) as raised:
        parse("x[i]=" + "(" * 50_000)
    assert len(str(raised.value)) < 500


def calls(work: Callable[[], object]) -> int:
    """How many functions of Python the work calls: what time is made of, on every machine the same."""
    count = 0

    def counted(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


LONG = {
    "one tensor": lambda n: "x[i]=" + "+".join(["o[i]"] * n),
    "products": lambda n: "x[i]=" + "+".join(f"a{k}[i]*o[i]" for k in range(n)),
    "in a row": lambda n: "\n".join(f"a{k}[i]={f'a{k - 1}' if k else 'o'}[i]*2" for k in range(n)),
    "shifted in a row": lambda n: "\n".join(f"a{k}[i]={f'a{k - 1}' if k else 'o'}[i+1]*2" for k in range(n)),
    "sums": lambda n: "x[i]=" + "+".join(f"exp(sum[m{k}](o[i+m{k}]))" for k in range(n)),
    "maxima": lambda n: "x[i]=" + "+".join(f"max[m{k}](o[i+m{k}])" for k in range(n)),
    "slopes": lambda n: "x[i]=" + "+".join(f"log(o[i+{k}])" for k in range(n)),
}


@pytest.mark.parametrize("kind", LONG)
def test_derivations_grow_with_the_number_of_terms(kind: str) -> None:
    """Twice as many terms, twice the work, and not four times."""
    few, many = (parse(LONG[kind](n)) for n in (100, 200))
    assert calls(lambda: derivation(many, "o")) < 2.2 * calls(lambda: derivation(few, "o"))


def test_a_derivation_that_would_be_too_long_is_refused() -> None:
    equation = parse("x[i] = " + "*".join(["o[i]"] * 1000))
    with pytest.raises(DerivationError) as raised:
        derivation(equation, "o")
    assert "about 2,001,000 parts; the limit is 100,000." in str(raised.value)
    assert "In Python, `most=` allows more." in str(raised.value)
    assert calls(lambda: refused(equation)) < 60_000
    short = parse("x[i] = o[i] * o[i] * o[i]")
    with pytest.raises(DerivationError, match=r"about 21 parts; the limit is 20"):
        gradients(short, ["o"], most=20)
    assert derivation(short, "o", most=21) == derivation(short, "o", most=None) == derivation(short, "o")


def refused(equation: Equation) -> None:
    with pytest.raises(DerivationError):
        derivation(equation, "o")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("x[i] = o[i]", 3),
        ("x[i] = 2 * o[i]", 3 + 1),
        ("x[i] = o[i] * v[i]", 3 + 2),
        ("x[i] = stop(o[i] * v[i])", 0),
        ("x[i] = o[i] / v[i]", 3 + 1 + 2),
        ("x[i] = v[i] / o[i]", 3 + 1 + 5 + 2),
        ("x[i] = o[i]^3", 3 + 3),
        ("x[i] = exp(o[i])", 3 + 2 * 3),
        ("x[i] = sum[m](o[i+m])", 3 + 1),
    ],
)
def test_parts_are_counted_as_they_are_written(text: str, parts: int) -> None:
    assert parts_of_slopes(parse(text).result, {"o"}) == parts
    assert parts < MOST_PARTS


def test_conditions_within_each_other_are_bounded() -> None:
    conditions = "*".join(f"where(a{n}[i] < 1, o[i], 0)" for n in range(60))
    assert not is_deeper(derivation(parse(f"x[i] = {conditions}"), "o").result.result.term, DEEPEST)
    shifted = ",".join(f"i{n}" for n in range(200))
    with pytest.raises(DerivationError, match="The derived equation would be nested more than 140 deep"):
        derivation(parse(f"x[{shifted}] = o[{shifted.replace(',', '+1,')}+1]"), "o")


def test_a_stack_that_is_full_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def deep(*_: object) -> None:
        raise RecursionError

    monkeypatch.setattr("convgrad.calculus.derive.prepared", deep)
    with pytest.raises(DerivationError, match="The derived equation would be nested more than 140 deep"):
        derivation(parse("x[i] = o[i]"), "o")
    with pytest.raises(EquationError, match="This formula is nested too deep for MathML"):
        mathml_of_latex(r"\frac{" * 3000 + "a" + "}{b}" * 3000, "")
