"""What the parser gives for each form, where terms stand in the text, and what it refuses with which words."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convgrad.errors import EquationSyntaxError, Span
from convgrad.notation import (
    Access,
    Add,
    Call,
    Compare,
    Definition,
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
)
from convgrad.notation.terms import walk
from strategies import equations

I, M, P, S = (Polynomial.name(name) for name in "imps")
a, b, c, d = (Access(name) for name in "abcd")


def term(expression: str) -> Term:
    """The term of an expression in which i is a loop index."""
    return parse(f"x[i] = {expression}").result.term


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("2", Number(2.0)),
        (".5e-1", Number(0.05)),
        ("inf", Number(math.inf)),
        ("-2", Negate(Number(2.0))),
        ("i", IndexValue(I)),
        ("a", a),
        ("conv1.a", Access("conv1.a")),
        ("a + b - c", Add((a, b, Negate(c)))),
        ("-a - b", Add((Negate(a), Negate(b)))),
        ("+a", a),
        ("a - -b", Add((a, Negate(Negate(b))))),
        ("a + (b + c)", Add((a, Add((b, c))))),
        ("(a + b) + c", Add((Add((a, b)), c))),
        ("a * b * c", Multiply((a, b, c))),
        ("a * (b * c)", Multiply((a, Multiply((b, c))))),
        ("(a * b) * c", Multiply((Multiply((a, b)), c))),
        ("a * b / c", Divide(Multiply((a, b)), c)),
        ("a / b * c * d", Multiply((Divide(a, b), c, d))),
        ("a / b / c", Divide(Divide(a, b), c)),
        ("-a * b", Negate(Multiply((a, b)))),
        ("a * -b", Multiply((a, Negate(b)))),
        ("-a^2", Negate(Power(a, 2.0))),
        ("a**2", Power(a, 2.0)),
        ("a^-1", Power(a, -1.0)),
        ("a^(-0.5)", Power(a, -0.5)),
        ("a + b * c", Add((a, Multiply((b, c))))),
        ("exp(a)", Call("exp", (a,))),
        ("max(a, b)", Call("max", (a, b))),
        ("where(i == a, b, 0)", Call("where", (Compare("==", IndexValue(I), a), b, Number(0.0)))),
        ("sum[m,n](i + m)", Reduce("sum", ("m", "n"), Add((IndexValue(I), IndexValue(M))))),
        ("max[m](m * p)", Reduce("max", ("m",), Multiply((IndexValue(M), Access("p"))))),
        ("sum[m](a) + m", Add((Reduce("sum", ("m",), a), Access("m")))),
        ("o[i]", Access("o", (Position(I),))),
        ("o[2*i-p,3]", Access("o", (Position(Polynomial.constant(2) * I - P), Position(Polynomial.constant(3))))),
        ("o[s*(i+1) else 0]", Access("o", (Position(S * I + S),), 0.0)),
        ("o[-(i-s) else -inf]", Access("o", (Position(S - I),), -math.inf)),
        ("o[s*-i]", Access("o", (Position(-(S * I)),))),
        ("o[s*+i]", Access("o", (Position(S * I),))),
        ("o[(i-p)/s else 0]", Access("o", (Position(I - P, S),), 0.0)),
        ("o[2*i/(s*p) else 0]", Access("o", (Position(I + I, S * P),), 0.0)),
        ("o[-i/2 else 1.5]", Access("o", (Position(-I, Polynomial.constant(2)),), 1.5)),
    ],
)
def test_each_form_gives_its_term(expression: str, expected: Term) -> None:
    assert term(expression) == expected


def test_definitions_are_separated_by_lines_or_semicolons_and_comments_are_skipped() -> None:
    equation = parse("# a layer\n\nz = a; y[i] = (b[i] + # in brackets a line goes on\n  z)\n;\n")
    assert equation.definitions == (
        Definition("z", (), a),
        Definition("y", ("i",), Add((Access("b", (Position(I),)), Access("z")))),
    )
    assert equation.inputs == ("a", "b")
    assert equation.defined == ("z", "y")


def test_every_term_knows_where_it_stands() -> None:
    source = "x[i] = -2 * sum[m](w[m] * o[i+m,3 else 0]^2) / (a - i);  y = max(x[0], 1)"
    equation = parse(source)
    for definition in equation.definitions:
        assert definition.span is not None
        for part in walk(definition.term):
            assert part.span is not None
            if isinstance(part, Access) and part.positions:
                positions = [source[s.start : s.stop] for s in part.position_spans]
                assert positions == {"w": ["m"], "o": ["i+m", "3"], "x": ["0"]}[part.tensor]
    texts = {source[t.span.start : t.span.stop] for d in equation.definitions for t in walk(d.term) if t.span}
    assert {"w[m]", "o[i+m,3 else 0]", "o[i+m,3 else 0]^2", "2", "i", "max(x[0], 1)"} <= texts
    assert "sum[m](w[m] * o[i+m,3 else 0]^2)" in texts
    assert equation.definitions[0].index_spans == (Span(2, 3),)


REFUSED = {
    # what the lexer sees
    "x = a $ b": (r"'\$' has no meaning", "$", ""),
    "x = a · b": ("no meaning", "·", r"Write \* for a product"),
    "x = η": ("no meaning", "η", "write mu, eta, gamma"),
    "x = a ! b": ("no meaning", "!", "Write !="),
    "x = sum[m](w[m]": (r"This \( is never closed", "(", r"Write the missing \)"),
    "x = (a; y = b": (r"This \( is never closed", "(", ""),
    "x = a)": ("closes nothing", ")", r"Remove it, or open it earlier with \("),
    "x[i] = o[i]]": ("closes nothing", "]", r"with \["),
    "x[i] = (o[i)": (r"\) comes before the \] that must close \[", "[i)", r"Write \] before"),
    # definitions
    "": ("no definition", "", r"x\[i\] ="),
    "2 = x": ("begins with the name of a tensor", "2", ""),
    "x == 2": ("a single =", "==", ""),
    "x": ("the = of a definition is missing", "", ""),
    "x = y = a": ("A second =", "=", "one definition a line"),
    "x = a b": ("An operator is missing before 'b'", "b", r"written with \*"),
    "x = a, b": ("A comma stands only", ",", ""),
    "x[i] = o[i] else 0": ("no access here that this else", "else", r"o\[i\+m,j else 0\]"),
    "x[2*i] = 1": ("A left-hand index is a bare name", "2", "such as"),
    "x[i+1] = 1": ("A left-hand index is a bare name", "i+", "such as"),
    "sum[i] = 1": ("sum has a meaning of its own", "sum", "Choose another name"),
    "x[exp] = 1": ("exp has a meaning of its own", "exp", ""),
    "x[i] = max[i]": ("parentheses", "", ""),
    "x[i] = else[i]": ("else has a meaning", "else", ""),
    "x[i,i] = 1": ("Index i appears twice on the left of x", "i", ""),
    "x = 1; x = 2": ("x is defined twice", "x = 2", ""),
    "x = y; y = 1": ("y is read here, but defined later", "y", "Put the definition of y before that of x"),
    "x = x + 1": ("x is read in its own definition", "x", "x_next"),
    "x[i] = o[i] + o[i,0]": (r"o was read before with 1 axis, but here it has 2", "o[i,0]", ""),
    "y[i] = 1; x = y": (r"y is defined with 1 axis, but here it has 0", "y", ""),
    "y = 1; x[i] = y[i]": (r"y is defined with no axis, but here it has 1", "y[i]", ""),
    # expressions
    "x = a +": (r"missing after '\+'", "", ""),
    "x = a +\n b": (r"missing after '\+'", "\n", "only inside open brackets"),
    "x = ()": (r"missing after '\('", ")", ""),
    "x = 2a": (r"A product is written with \*", "2a", r"Write 2\*a"),
    "x = 2(a)": (r"A product is written with \*", "2(", ""),
    "x = 1e999": ("too large", "1e999", "inf"),
    "x = a^b": ("An exponent is a literal number", "b", "exp"),
    "x = a^(2+1)": ("An exponent is a literal number", "+", ""),
    "x = a^2^3": ("A power of a power", "^", r"\(a\^2\)\^3"),
    "x = a^inf": ("An exponent is a finite number", "a^inf", ""),
    "x = epx(a)": ("no function epx", "epx", r"Did you mean exp\(...\)"),
    "x = xyzzy(a)": ("no function xyzzy", "xyzzy", "Available: exp, log"),
    "x = summ(a)": ("no function summ", "summ", r"Did you mean sum\[m\]"),
    "x = summ[m](a)": ("no reduction summ", "summ", r"Did you mean sum\[m\]"),
    "x = sum(a)": ("sum needs its indices", "sum", r"sum\[m\]"),
    "x = sum": ("sum can't stand alone", "sum", ""),
    "x = exp + 1": ("exp can't stand alone", "exp", r"exp\(...\)"),
    "x = exp[i]": ("exp is a function", "exp", "round brackets"),
    "x = exp(a, b)": ("exp takes 1 argument, but got 2", "exp(a, b)", ""),
    "x = max(a)": ("max takes 2 arguments, but got 1", "max(a)", r"max\[m\]"),
    "x = where(a < b, 1)": ("where takes 3 arguments", "where(a < b, 1)", ""),
    "x = where(a, 1, 0)": ("The first argument of where is a comparison", "a,", "where"),
    "x = where(a = b, 1, 0)": ("A comparison is written with ==", "=", ""),
    "x = where(a < b < c, 1, 0)": ("two sides", "<", "one where into the other"),
    "x = a < b": ("only as the first argument of where", "<", r"where\(a < b, 1, 0\)"),
    "x = exp(a < b)": ("only as the first argument of where", "<", ""),
    "x[i] = sum[i](a[i])": ("Index i is already in use", "i", "an index of its own"),
    "x = sum[m,m](a[m])": ("Index m is already in use", "m", ""),
    "x = sum[m](sum[m](a[m]))": ("Index m is already in use", "m", ""),
    "x = sum[m+1](a[m])": ("sum binds bare names", "m+", ""),
    "x = sum[m] a[m]": ("reduces an expression in parentheses", "a", r"Write sum\[m\]\(expression\)"),
    "x = max[m](a[m], b)": ("reduces one expression", ",", ""),
    # accesses
    "x = o[]": ("no position in these brackets", "[]", "without: o"),
    "x[i] = o[i else]": ("After else comes a number", "]", "else 0"),
    "x[i] = o[i else a]": ("After else comes a number", "a", ""),
    "x[i] = o[i else 0,i]": ("One else at the end", ",", ""),
    "x[i] = o[else 0]": ("A position is missing before else", "else", ""),
    "x[i] = o[i*i]": ("not affine: i\\*i multiplies", "i*i", "by whole numbers"),
    "x[i] = o[(i+1)*(i-1)]": ("not affine", "(i+1)*(i-1)", ""),
    "x[i] = o[i^2]": ("A position is made of", "^", ""),
    "x[i] = o[1.5*i]": ("made of whole numbers", "1.5", ""),
    "x[i] = o[2i]": (r"A product is written with \*", "2i", r"2\*i"),
    "x[i] = o[99999999999]": ("too large", "99999999999", ""),
    "x[i] = o[a[i]]": ("An element of a tensor can't stand in it", "a", ""),
    "x[i] = o[exp(i)]": ("A position is made of", "exp", ""),
    "x[i] = o[(i,1)]": ("A position is made of", ",", ""),
    "x[i] = o[i-1/2 else 0]": ("Only a position as a whole can be divided", "i-1/", r"\(p-m\)/s"),
    "x[i] = o[i/2]": ("nothing is said about quotients", "i/2", "else 0"),
    "x[i] = o[2/i else 0]": ("divided by a loop index", "2/i", ""),
    "x[i] = o[i/0 else 0]": ("divided by 0", "i/0", ""),
}


@pytest.mark.parametrize("source", REFUSED)
def test_what_is_refused_and_where(source: str) -> None:
    message, place, remedy = REFUSED[source]
    with pytest.raises(EquationSyntaxError, match=message) as caught:
        parse(source)
    error = caught.value
    if place:
        assert error.span is not None
        assert source[error.span.start : error.span.stop] == place
        assert "^" in str(error)
    assert re.search(remedy, error.remedy)


WORDS = ["x", "y", "i", "m", "o", "conv1.w", "sum[m](", "max(a,", "where(", "exp(", "o[i", "x[i]", "else", "-inf"]
WORDS += [*"=<+-*/^()[],;01#$.", "==", "2.5", "\n"]


@given(st.lists(st.sampled_from(WORDS), max_size=25), st.booleans())
def test_any_other_text_gets_an_error_of_the_family(words: list[str], spaced: bool) -> None:
    _is_read_or_refused("x[i] = " + (" " if spaced else "").join(words))


@given(equations(), st.data())
def test_a_slip_of_the_pen_is_read_or_refused(equation: Equation, data: st.DataObject) -> None:
    source = str(equation)
    start = data.draw(st.integers(0, len(source)))
    stop = data.draw(st.integers(start, min(len(source), start + 3)))
    _is_read_or_refused(source[:start] + data.draw(st.sampled_from(["", *WORDS])) + source[stop:])


@given(st.text())
def test_any_characters_are_read_or_refused(source: str) -> None:
    _is_read_or_refused(source)


def _is_read_or_refused(source: str) -> None:
    try:
        equation = parse(source)
    except EquationSyntaxError as refusal:
        span = refusal.span
    else:
        assert parse(str(equation)) == equation
        return
    assert span is None or 0 <= span.start <= span.stop <= len(source)


@pytest.mark.parametrize(
    "expression",
    ["(" * 400 + "a" + ")" * 400, "-" * 3000 + "a", "a * " + "-" * 3000 + "a", "exp(" * 99 + "a" + ")" * 99],
)
def test_deep_nesting_is_refused_before_it_overflows_the_stack(expression: str) -> None:
    with pytest.raises(EquationSyntaxError, match="nested more than 50 deep"):
        parse(f"x = {expression}")


def test_deep_nesting_in_positions_is_refused() -> None:
    with pytest.raises(EquationSyntaxError, match="nested more than 50 deep"):
        parse("x[i] = o[" + "(" * 400 + "i" + ")" * 400 + "]")


def test_a_long_chain_of_quotients_is_refused() -> None:
    with pytest.raises(EquationSyntaxError, match="nested more than 100 deep"):
        parse("x = a" + " / a" * 5000)


def test_long_sums_and_products_are_no_deep_ones() -> None:
    assert len(parse("x = a" + " + a" * 5000).result.term.children) == 5001
