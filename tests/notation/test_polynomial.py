"""Index arithmetic: against the integers and fractions that it stands for."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from convgrad.notation import Access, Add, Divide, IndexValue, Number, Polynomial, Position, Reduce, parse, text
from convgrad.notation.terms import (
    Term,
    accesses,
    bound_indices,
    free_names,
    gradient_name,
    rebuild,
    substitute_indices,
    walk,
)

NAMES = ("i", "j", "s")
small = st.integers(-4, 4)
values = st.fixed_dictionaries({name: st.integers(-7, 7) for name in NAMES})
monomials = st.lists(st.sampled_from(NAMES), max_size=2).map(tuple)
polynomials = st.lists(st.tuples(monomials, small), max_size=4).map(Polynomial.of)
affine = st.lists(st.tuples(st.sampled_from([(), ("i",), ("j",)]), small), max_size=3).map(Polynomial.of)
divisors = st.sampled_from([Polynomial.constant(n) for n in (1, 2, 3)] + [Polynomial.name("s")])


@given(polynomials, polynomials, values)
def test_arithmetic_is_that_of_the_values(a: Polynomial, b: Polynomial, at: dict[str, int]) -> None:
    assert (a + b).evaluate(at) == a.evaluate(at) + b.evaluate(at)
    assert (a - b).evaluate(at) == a.evaluate(at) - b.evaluate(at)
    assert (a * b).evaluate(at) == a.evaluate(at) * b.evaluate(at)
    assert (-a).evaluate(at) == -a.evaluate(at)
    assert a.substitute({"i": b}).evaluate(at) == a.evaluate({**at, "i": b.evaluate(at)})


@given(polynomials, polynomials)
def test_equality_and_hash_do_not_depend_on_the_order(a: Polynomial, b: Polynomial) -> None:
    assert a + b == b + a
    assert hash(a + b) == hash(b + a)
    assert a - a == Polynomial()
    assert a * b == b * a


@given(affine)
def test_an_affine_polynomial_is_made_of_its_coefficients(a: Polynomial) -> None:
    whole = a.without("i") + a.coefficient("i") * Polynomial.name("i")
    assert whole == a
    assert a.degree(["i", "j"]) <= 1
    assert a.names <= {"i", "j"}


@given(affine)
def test_bounds_are_reached(a: Polynomial) -> None:
    ranges = {"i": 3, "j": 5}
    everything = [a.evaluate({"i": i, "j": j}) for i in range(3) for j in range(5)]
    assert a.bounds(ranges) == (min(everything), max(everything))


@given(affine, divisors, affine, divisors, affine, divisors, values)
def test_positions_are_substituted_as_fractions(
    a: Polynomial,
    a_by: Polynomial,
    i: Polynomial,
    i_by: Polynomial,
    j: Polynomial,
    j_by: Polynomial,
    at: dict[str, int],
) -> None:
    assume(at["s"] != 0)

    def value(top: Polynomial, below: Polynomial, at: dict[str, Fraction]) -> Fraction:
        total = Fraction(0)
        for monomial, coefficient in top.terms:
            product = Fraction(coefficient)
            for name in monomial:
                product *= at[name]
            total += product
        return total / (below.constant_value if below.is_constant else at["s"])

    fractions = {name: Fraction(v) for name, v in at.items()}
    inner = {"i": value(i, i_by, fractions), "j": value(j, j_by, fractions)}
    result = Position(a, a_by).substitute({"i": Position(i, i_by), "j": Position(j, j_by)})
    assert Fraction(result.numerator.evaluate(at), result.divisor.evaluate(at)) == value(
        a, a_by, {**fractions, **inner}
    )


@given(affine, divisors)
def test_a_position_is_printed_so_that_it_can_be_read(a: Polynomial, by: Polynomial) -> None:
    position = Position(a, by)
    (access,) = accesses(parse(f"x[i,j] = o[{position} else 0]").result.term)
    assert access.positions == (position,)


@pytest.mark.parametrize(
    ("polynomial", "printed"),
    [
        (Polynomial(), "0"),
        (Polynomial.of([(("m",), -1), (("p",), 1)]), "p-m"),
        (Polynomial.of([((), -1), (("i",), 2)]), "2*i-1"),
        (Polynomial.of([(("m",), -1), ((), 3)]), "3-m"),
        (Polynomial.of([(("m",), -1)]), "-m"),
        (Polynomial.of([(("s", "i"), -2), (("d", "m"), 1)]), "d*m-2*s*i"),
    ],
)
def test_reading_order(polynomial: Polynomial, printed: str) -> None:
    assert str(polynomial) == printed


def test_names_of_polynomials_and_positions() -> None:
    i, two = Polynomial.name("i"), Polynomial.constant(2)
    assert (i.as_name, two.as_name, (i + i).as_name, (i + two).as_name) == ("i", None, None, None)
    assert (Position(i).as_name, Position(i, two).as_name) == ("i", None)
    assert two.is_constant
    assert two.constant_value == 2
    assert Position(i, Polynomial.name("s")).names == {"i", "s"}
    assert Position(i).substitute({"j": Position(two)}) == Position(i)


# The helpers on terms


def test_walking_and_rebuilding() -> None:
    term = parse("x[i] = sum[m](w[m] * o[i+m-p]) + i * b").result.term
    assert [text(t) for t in walk(term) if isinstance(t, Access)] == ["w[m]", "o[i+m-p]", "b"]
    assert bound_indices(term) == {"m"}
    assert free_names(term) == {"i", "p"}
    assert rebuild(term, lambda t: t) is term

    def doubled(t: Term) -> Term:
        return Add((t, t)) if isinstance(t, Access) and t.tensor == "b" else t

    assert text(rebuild(term, doubled)) == "sum[m](w[m] * o[i+m-p]) + i * (b + b)"


def test_indices_are_replaced_in_positions_and_values() -> None:
    term = parse("x[i] = o[2*i+1 else 0] + i * b + c[0]").result.term
    half = Position(Polynomial.name("p"), Polynomial.constant(2))
    assert substitute_indices(term, {}) is term
    assert text(substitute_indices(term, {"i": Position.name("q")})) == "o[2*q+1 else 0] + q * b + c[0]"
    replaced = substitute_indices(term, {"i": half})
    assert text(replaced) == "o[(2*p+2)/2 else 0] + p / 2 * b + c[0]"
    assert Divide(IndexValue(Polynomial.name("p")), IndexValue(Polynomial.constant(2))) in list(walk(replaced))


def test_terms_print_as_text() -> None:
    equation = parse("x[i] = 1")
    assert (str(equation), str(equation.result), str(equation.result.term)) == ("x[i] = 1", "x[i] = 1", "1")
    assert str(Reduce("sum", ("m",), Number(1.0))) == "sum[m](1)"
    leaf = Number(1.0)
    assert leaf.with_children(()) is leaf


def test_names_of_gradients() -> None:
    assert gradient_name("w") == "dw"
    assert gradient_name("conv1.w") == "conv1.dw"
