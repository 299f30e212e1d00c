"""Printing: what was read is printed so that it reads the same; derived terms print as text of the same value."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convgrad.functions import FUNCTIONS
from convgrad.notation import (
    Access,
    Add,
    Call,
    Compare,
    Divide,
    Equation,
    IndexValue,
    Multiply,
    Negate,
    Number,
    Polynomial,
    Position,
    Power,
    Reduce,
    Term,
    parse,
    text,
)
from strategies import Case, cases, equations

INDICES = {"i": 2, "j": 3}
VALUES = {"a": 0.7, "b": -1.3, "c": 2.1}


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("x[ i,j]=sum[ m ](w [m]*o[i + m , j-1 else  -1.50])", "x[i,j] = sum[m](w[m] * o[i+m,j-1 else -1.5])"),
        ("x=((a)*(b))+((c))", "x = a * b + c"),
        ("x=(a+b)*c-(a-b)", "x = (a + b) * c - (a - b)"),
        ("x=a-(-b)", "x = a - (-b)"),
        ("x=a/(b*c)/(a/b)", "x = a / (b * c) / (a / b)"),
        ("x=(a/b)*(a/b)", "x = a / b * (a / b)"),
        ("x=1/2*a+a/2", "x = 1/2 * a + a / 2"),
        ("x=(-a)^2**1", None),
        ("x=(-a)^2-a**-1", "x = (-a)^2 - a^(-1)"),
        ("x=where(a<=b,inf,1e-5)", "x = where(a <= b, inf, 1e-05)"),
        ("y=a;x[i]=y*i", "y = a\nx[i] = y * i"),
        ("x[i]=o[(2*i-1)/(s*2) else 0]", "x[i] = o[(2*i-1)/(2*s) else 0]"),
        ("x[i]=o[-i+p-1,0*i,3]", "x[i] = o[p-i-1,0,3]"),
    ],
)
def test_the_style_of_printing(written: str, printed: str | None) -> None:
    if printed is None:
        with pytest.raises(Exception, match="power of a power"):
            parse(written)
        return
    assert text(parse(written)) == printed
    assert str(parse(written)) == printed


@given(equations())
def test_reading_what_was_printed_gives_the_same_equation(equation: Equation) -> None:
    assert parse(text(equation)) == equation


@given(cases())
def test_a_bound_equation_is_printed_so_that_it_can_be_read(case: Case) -> None:
    bound = case.bound
    again = parse(text(bound))
    assert text(again) == text(bound)
    assert again.inputs == bound.inputs


names = st.sampled_from(sorted(INDICES))
integers = st.integers(-3, 3)
polynomials = st.lists(st.tuples(st.lists(names, max_size=1).map(tuple), integers), max_size=3).map(Polynomial.of)
leaves = st.one_of(
    st.floats(-4, 4).map(Number),
    integers.map(float).map(Number),
    st.just(Number(-0.0)),
    st.sampled_from([*VALUES]).map(Access),
    polynomials.map(IndexValue),
)


def larger(terms: st.SearchStrategy[Term]) -> st.SearchStrategy[Term]:
    """Everything the dataclasses allow, odd forms included."""
    several = st.lists(terms, min_size=2, max_size=3).map(tuple)
    return st.one_of(
        several.map(Add),
        several.map(Multiply),
        terms.map(Negate),
        st.builds(Divide, terms, terms),
        st.builds(Power, terms, st.sampled_from([2.0, 3.0, 1.0])),
        st.builds(lambda a: Call("tanh", (a,)), terms),
        st.builds(lambda a, b: Call("max", (a, b)), terms, terms),
        st.builds(lambda a, b, c: Call("where", (Compare("<", a, b), b, c)), terms, terms, terms),
    )


def value(term: Term) -> float:
    """The value with the indices and scalars above; a zero denominator gives 1."""
    parts = [value(child) for child in term.children]
    if isinstance(term, Number):
        return term.value
    if isinstance(term, IndexValue):
        return float(term.polynomial.evaluate(INDICES))
    if isinstance(term, Access):
        return VALUES[term.tensor]
    if isinstance(term, Add):
        return math.fsum(parts)
    if isinstance(term, Multiply):
        return math.prod(parts)
    if isinstance(term, Negate):
        return -parts[0]
    if isinstance(term, Divide):
        return parts[0] / parts[1] if abs(parts[1]) > 1e-3 else 1.0
    if isinstance(term, Power):
        return float(math.tanh(parts[0]) ** term.exponent)
    if isinstance(term, Compare):
        return float(parts[0] < parts[1])
    assert isinstance(term, Call)
    if term.function == "where":
        return parts[1] if parts[0] else parts[2]
    return math.tanh(parts[0]) if term.function == "tanh" else max(parts)


@given(st.recursive(leaves, larger, max_leaves=12))
@settings(deadline=None, max_examples=300)
def test_any_term_is_printed_as_text_of_the_same_value(term: Term) -> None:
    printed = f"x[i,j] = {text(term)}"
    again = parse(printed)
    assert math.isclose(value(again.result.term), value(term), rel_tol=1e-9, abs_tol=1e-9)
    assert text(again) == printed


@pytest.mark.parametrize(
    ("term", "printed"),
    [
        (Number(-2.0), "-2"),
        (Number(1e20), "1e+20"),
        (Number(-math.inf), "-inf"),
        (Power(Number(-2.0), 2.0), "(-2)^2"),
        (Power(Power(Access("a"), 2.0), -1.0), "(a^2)^(-1)"),
        (Add((Access("a"), Number(-2.0))), "a - 2"),
        (Negate(Negate(Access("a"))), "-(-a)"),
        (Negate(Number(-1.0)), "-(-1)"),
        (Multiply((Number(-1.0), Access("a"))), "(-1) * a"),
        (Divide(Negate(Access("a")), Access("b")), "(-a) / b"),
        (IndexValue(Polynomial()), "0"),
        (IndexValue(Polynomial.of([(("m",), 2), (("n",), 1)])), "2 * m + n"),
        (Multiply((Access("a"), IndexValue(Polynomial.of([(("m",), 1), ((), -1)])))), "a * (m - 1)"),
        (Access("o", (Position(Polynomial.name("p"), Polynomial.constant(2)),), 0.0), "o[p/2 else 0]"),
        (Reduce("argmax", ("m", "n"), Access("a")), "argmax[m,n](a)"),
    ],
)
def test_derived_terms(term: Term, printed: str) -> None:
    assert text(term) == printed
    assert text(parse(f"x[m,n,p] = {printed.replace('argmax[m,n]', 'argmax[u,v]')}").result.term) == printed.replace(
        "argmax[m,n]", "argmax[u,v]"
    )


def test_positions_and_polynomials_have_text_too() -> None:
    assert text(Polynomial.of([(("i",), 1), ((), -1)])) == "i-1"
    assert text(Position(Polynomial.name("i"), Polynomial.constant(2))) == "i/2"


def test_an_unknown_kind_of_term_is_an_error_of_the_program() -> None:
    with pytest.raises(TypeError, match="Term is not a term of the notation"):
        text(Term())


def test_every_function_can_be_printed_and_read() -> None:
    for row in FUNCTIONS.values():
        call = f"x = {row.form}"
        assert text(parse(call)) == call
