"""Binding: what is inferred, what must be said, and what the refusals say."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convgrad.errors import ShapeError
from convgrad.notation import Access, Definition, Equation, Number, Polynomial, Position, bind, parse, text
from convgrad.notation.terms import IndexValue, accesses, walk
from strategies import Case, cases

CONV = "x[i,j,k] = sum[m,n,c](w[m,n,c,k] * o[i+m,j+n,c]) + b[k]"
SHAPES = {"o": (11, 7, 3), "w": (3, 2, 3, 5)}


def bound(source: str, *arguments: Any, **named: Any) -> Equation:
    return bind(parse(source), *arguments, **named)


# What is inferred


def test_a_convolution_needs_the_shapes_of_image_and_kernel_only() -> None:
    equation = bound(CONV, SHAPES)
    assert equation.shape_of == {"w": (3, 2, 3, 5), "o": (11, 7, 3), "b": (5,), "x": (9, 6, 5)}
    assert equation.result.ranges == (("i", 9), ("j", 6), ("k", 5), ("m", 3), ("n", 2), ("c", 3))
    assert equation.result.shape == (9, 6, 5)


@pytest.mark.parametrize(
    ("source", "arguments", "size"),
    [
        ("x[i] = max[m](o[2*i+m])", {"shapes": {"o": (11,)}, "sizes": {"M": 3}}, 5),
        ("x[i] = max[m](o[2*i+m])", {"shapes": {"o": (12,)}, "sizes": {"M": 3}}, 5),
        ("x[i] = max[m](o[2*i+m])", {"shapes": {"o": (13,)}, "sizes": {"M": 3}}, 6),
        ("x[i] = o[6-3*i]", {"shapes": {"o": (11,)}}, 3),
        ("x[i] = o[10-i]", {"shapes": {"o": (11,)}}, 11),
        ("x[i] = o[i+1] - p[2*i]", {"shapes": {"o": (11,), "p": (7,)}}, 4),
        ("x[i] = o[d*i+M-1]", {"shapes": {"o": (11,)}, "integers": {"d": 2}, "sizes": {"M": 3}}, 5),
        ("x[i] = sum[m](w[m] * o[s*i+d*m])", {"shapes": {"o": (11,), "w": (3,)}, "integers": {"s": 2, "d": 3}}, 3),
        ("x[i] = sum[m](w[M-1-m] * o[i+m])", {"shapes": {"o": (11,)}, "sizes": {"M": 3, "I": 7}, "w": (3,)}, 7),
        ("x[i] = o[i-p else 0]", {"shapes": {"o": (11,), "x": (13,)}, "integers": {"p": 1}}, 13),
        ("x[i] = 1", {"sizes": {"I": 4}}, 4),
        ("x[i] = o[0*i+z]", {"shapes": {"o": (11,)}, "sizes": {"I": 4}, "integers": {"z": 10}}, 4),
        ("x[i] = o[i+m0] + q[i]", {"shapes": {"o": (11,)}, "integers": {"m0": 4}}, 7),
    ],
)
def test_left_indices_get_the_largest_size_that_fits(source: str, arguments: dict[str, Any], size: int) -> None:
    if "w" in arguments:
        arguments["shapes"]["w"] = arguments.pop("w")
    assert bound(source, **arguments).result.shape == (size,)


def test_sizes_travel_through_inputs_and_definitions_in_both_directions() -> None:
    equation = bound("y[k] = a[k] * b[k]; x[l] = c[l] + y[l]", {"c": (5,)})
    assert equation.shape_of == {"a": (5,), "b": (5,), "c": (5,), "y": (5,), "x": (5,)}


def test_shapes_of_inputs_follow_from_sizes() -> None:
    assert bound("x[i,k] = w[i,k] * b[k]", sizes={"I": 3, "K": 5}).shape_of["w"] == (3, 5)


def test_shapes_may_come_from_numpy() -> None:
    equation = bound("x[i] = o[s*i]", {"o": np.zeros(7).shape}, integers={"s": np.int64(2)}, sizes={"I": np.int32(3)})
    assert equation.shape_of == {"o": (7,), "x": (3,)}


def test_one_letter_may_have_another_size_in_another_definition() -> None:
    equation = bound("y[i] = o[2*i]; x[i] = y[2*i]", {"o": (11,)})
    assert equation.shape_of == {"o": (11,), "y": (6,), "x": (3,)}


# What takes the place of parameters


def test_parameters_become_numbers() -> None:
    source = "x[i] = sum[m](w[M-1-m] * o[s*i+m-p else 0]) / (M*s) + eps + where(i < I, M * 1, t)"
    shapes = {"o": (11,), "w": (3,), "t": ()}
    equation = bound(source, shapes, {"I": 4, "M": 3}, {"s": 2, "p": 1}, {"eps": 0.5})
    assert text(equation) == ("x[i] = sum[m](w[2-m] * o[2*i+m-1 else 0]) / (3 * 2) + 0.5 + where(i < 4, 3 * 1, t)")
    assert equation.shape_of["t"] == ()


def test_a_size_means_the_index_of_another_definition_where_there_is_none_here() -> None:
    equation = bound("s = sum[i](o[i]); x = s / I", {"o": (11,)})
    assert text(equation.result) == "x = s / 11"
    equation = bound("s[k] = o[k+1]; x[i] = s[K-1-2*i]", {"o": (12,)})
    assert text(equation.result) == "x[i] = s[10-2*i]"
    assert equation.result.shape == (6,)


def test_what_is_given_comes_before_the_size_of_an_index() -> None:
    assert text(bound("x = sum[m](w[m]) / M", {"w": (3,)}, integers={"M": 9}).result) == "x = sum[m](w[m]) / 9"


def test_positions_are_divided_as_far_as_possible() -> None:
    shapes = {"a": (9,)}
    assert text(bound("x[i] = a[(2*i-s)/s else 0]", shapes, {"I": 3}, {"s": 2}).result) == "x[i] = a[i-1 else 0]"
    assert text(bound("x[i] = a[(2*i-3)/s else 0]", shapes, {"I": 3}, {"s": 4}).result) == "x[i] = a[(2*i-3)/4 else 0]"
    assert text(bound("x[i] = a[(4*i-2)/s else 0]", shapes, {"I": 3}, {"s": -4}).result) == "x[i] = a[(1-2*i)/2 else 0]"


def test_index_values_of_derived_terms_are_bound_too() -> None:
    value = IndexValue(Polynomial.of([(("N", "m"), 1), (("n",), 1)]))
    one = IndexValue(Polynomial.name("N"))
    equation = Equation((Definition("x", ("m", "n"), value), Definition("y", ("n",), one)))
    result = bind(equation, sizes={"M": 2, "N": 3})
    assert result.definitions[0].term == IndexValue(Polynomial.of([(("m",), 3), (("n",), 1)]))
    assert result.definitions[1].term == Number(3.0)


@given(cases())
def test_random_equations_are_bound_completely(case: Case) -> None:
    equation = case.bound
    assert set(equation.shape_of) == {*equation.inputs, *equation.defined}
    for name, shape in case.shapes.items():
        assert equation.shape_of[name] == shape
    for definition in equation.definitions:
        indices = {i for i, _ in definition.ranges}
        assert all(size == case.sizes[i.upper()] for i, size in definition.ranges)
        for term in walk(definition.term):
            if isinstance(term, Access):
                assert all(p.names <= indices and p.divisor.is_constant for p in term.positions)
        assert equation.shape_of[definition.name] == definition.shape
    assert bind(equation) == equation


@given(cases())
def test_nothing_is_read_outside_unless_it_is_said(case: Case) -> None:
    for definition in case.bound.definitions:
        for access in accesses(definition.term):
            for position, size in zip(access.positions, case.bound.shape_of[access.tensor], strict=True):
                low, high = position.numerator.bounds(definition.sizes)
                assert access.outside is not None or 0 <= low <= high < size


@given(st.integers(1, 12), st.integers(1, 5), st.integers(1, 3), st.integers(1, 3), st.integers(-2, 3))
def test_the_inferred_size_is_the_largest(size: int, kernel: int, stride: int, dilation: int, offset: int) -> None:
    """Against trying them all."""

    def fits(length: int) -> bool:
        places = [stride * i + dilation * m + offset for i in range(length) for m in range(kernel)]
        return all(0 <= place < size for place in places)

    source, shapes = "x[i] = sum[m](w[m] * o[s*i+d*m+a])", {"o": (size,), "w": (kernel,)}
    integers = {"s": stride, "d": dilation, "a": offset}
    if not fits(1):
        with pytest.raises(ShapeError, match=r"would have no element along i|is read outside"):
            bound(source, shapes, integers=integers)
        return
    length = bound(source, shapes, integers=integers).result.shape[0]
    assert fits(length)
    assert not fits(length + 1)


# What is refused: the source, the arguments, the words, and the characters above the carets

KERNEL = {"w": (3,), "o": (11,)}
REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    ("x[i] = o[j]", {"shapes": {"o": (5,)}}, r"j is neither a loop index.*sum\[j\]\(...\)", "j"),
    ("x[i] = o[i+q]", {"shapes": {"o": (5,)}, "sizes": {"I": 2}}, r'integers=\{"q": ...\}', "i+q"),
    ("x[i] = o[i+p]", {"shapes": {"o": (5,)}, "numbers": {"p": 1}}, "instead of numbers", "i+p"),
    ("x[i] = o[i+p] + p", {"shapes": {"o": (5,), "p": ()}}, "tensor can't be part of a position", "i+p"),
    ("x[i] = sum[m](w[m]) + o[i+m]", {"shapes": KERNEL}, "The reduction that binds m ends before", "i+m"),
    ("x[i] = o[i] * eps", {"shapes": {"o": (5,)}}, r'eps has no value.*numbers=\{"eps": ...\}.*\{"eps": \(\)\}', "eps"),
    ("x[i] = o[i] * bta", {"shapes": {"o": (5,), "beta": ()}}, "which the equation neither reads nor", ""),
    ("x[i] = o[i] * bta * beta", {"shapes": {"o": (5,), "beta": ()}}, "bta has no value.*Did you mean 'beta'", "bta"),
    ("x[i] = o[i]", {}, r'axis 0 of o can\'t be determined.*shapes=\{"o": \(<axis 0>,\)\}', "i"),
    (CONV, {"shapes": {"w": (3, 2, 3, 5)}}, r"0 of o can't be determined.*\(<axis 0>, <axis 1>, <axis 2>\)", "i+m"),
    ("x[i] = 1", {}, r'I of index i in x can\'t be determined: no axis is read by it.*\{"I": ...\}, or .*\{"x": ', "i"),
    ("x[i] = o[i+p else 0]", {"shapes": {"o": (5,)}, "integers": {"p": 1}}, "position that may lie outside", "i"),
    ("x[i,j] = o[i+j]", {"shapes": {"o": (5,)}}, "only together with others that are open", "i"),
    ("x[i] = max[m](o[2*i+m])", {"shapes": {"o": (5,)}}, r'M of index m .* read by it alone.*\{"M": ...\}\.', "m"),
    ("x[i] = o[i] + b[i]", {"shapes": {"o": (5,), "b": (4,)}}, r"sizes.*I = 5 \(axis 0 of o.*but 4 \(axis 0 of b", "i"),
    ("x[i] = o[i]", {"shapes": {"o": (5,)}, "sizes": {"I": 4}}, r"given in sizes.*Leave I out of sizes", "i"),
    ("x[i] = o[i]", {"shapes": {"o": (5,), "x": (4,)}}, "two sizes.*shapes that agree", "i"),
    (CONV, {"shapes": {"o": (11, 7, 1), "w": (3, 2, 3, 5)}}, r"C = 3 \(axis 2 of w.*but 1 \(axis 2 of o", "c"),
    (CONV, {"shapes": SHAPES, "sizes": {"I": 11}}, r"read outside its axis 0.*i runs 0..10 \(I = 11, given in sizes\) "
        r"and m runs 0..2 \(M = 3, axis 0 of w.*i\+m runs 0..12, but axis 0 of o has 11 places, 0..10.*largest legal I "
        r"is 9.*2 after.*o\[i\+m,j\+n,c else 0\]", "i+m"),
    ("x[i] = sum[m](w[m] * o[i+m-p])", {"shapes": KERNEL, "sizes": {"I": 11}, "integers": {"p": 1}},
        r"i\+m-1 runs -1..11.*largest legal I is 10.*1 before and 1 after", "i+m-p"),
    ("x[i] = sum[m](w[m] * o[i+m])", {"shapes": {"w": (7,), "o": (5,)}, "sizes": {"I": 2}},
        "Not even I = 1 would fit", "i+m"),
    ("x[i] = o[i] + o[7]", {"shapes": {"o": (5,)}}, "So 7 is read, but axis 0 of o has 5 places, 0..4", "7"),
    ("x[i] = y[i+1]; z = x[9]", {"shapes": {"y": (5,)}}, "axis 0 of x has 4 places", "9"),
    ("x[i] = o[i] + y[1]", {"shapes": {"o": (5,), "y": (1,)}}, "axis 0 of y has 1 place, 0", "1"),
    (CONV, {"shapes": {"o": (2, 7, 3), "w": (3, 2, 3, 5)}}, r"x would have no element along i: .* is too small.*"
        r"m runs 0..2 \(M = 3.*has 2 places, 0..1.*Either o has 3 at least on axis 0, or the kernel is smaller.*"
        r"else 0\), and give I in sizes", "i+m"),
    ("x[i] = o[i+7]", {"shapes": {"o": (5,)}}, "i = 0 the position i\\+7 runs 7..7", "i+7"),
    ("a = sum[j](y[j]); b[j] = q[j]; c = 1 / J", {"shapes": {"y": (3,), "q": (4,)}}, "J may be 3 or 4 here", "J"),
    ("x[i] = sum[m](o[1-i-m])", {"shapes": {"o": (5,)}, "sizes": {"M": 4}},
        r"read before its first place.*1-i-m runs -2..1, .*Either 2 more is added", "1-i-m"),
    ("x[i] = o[i/s else 0]", {"shapes": {"o": (5,)}, "sizes": {"I": 2}, "integers": {"s": 0}}, "divided by 0", "i/s"),
    ("x[i,j] = a[i] * b[j]", {"sizes": {"I": 2**20, "J": 2**20}}, "would have 1099511627776 elements", ""),
    ("x = sum[i,j](a[i,j])", {"sizes": {"I": 2**20, "J": 2**20}}, "would have 1099511627776 elem.*smaller batch", ""),
    ("x[i] = o[3000*i else 0]", {"shapes": {"o": (5,)}, "sizes": {"I": 2**20}}, "3145725000, beyond the", "3000*i"),
    ("x = argmax[m](o[m])", {"shapes": {"o": (2**25,)}}, "argmax runs over 33554432 places", "argmax[m](o[m])"),
    # arguments
    ("x[i] = o[i]", {"shapes": {"o": (0,)}}, "Axis 0 of o is 0: a size is a whole number from 1", ""),
    ("x[i] = o[i]", {"shapes": {"o": (2**31,)}}, "Axis 0 of o is 2147483648; whole numbers must not exceed", ""),
    ("x[i] = o[i]", {"shapes": {"o": (2.5,)}}, "Axis 0 of o is 2.5, which is not a whole number", ""),
    ("x[i] = o[i]", {"shapes": {"o": (True,)}}, "Axis 0 of o is True, which is not a whole number", ""),
    ("x[i] = o[i]", {"shapes": {"o": 5}}, r"shapes\['o'\] is 5: a shape is a tuple.*\(28,\)", ""),
    ("x[i] = o[i]", {"shapes": {"o": (2, 3)}}, r"o has 1 axis in .* shape \(2, 3\) has 2.*with 1 axis.*2 indices", ""),
    ("x[i] = o[i]", {"shapes": {"p": (2,)}}, "shapes names p, which", ""),
    ("x[i] = o[i]", {"sizes": {"I": -1}}, r"sizes\['I'\] is -1: a size", ""),
    ("x[i] = o[i]", {"sizes": {"J": 1}}, "sizes names J, but the equation has no index j", ""),
    ("x[i] = o[i]", {"sizes": {"i": 1}}, "size of index i is named I", ""),
    ("x[i] = o[i]", {"integers": {"I": 1}}, "It is the size of index i: pass sizes", ""),
    ("x[i] = o[i]", {"integers": {"i": 1}}, "i is a loop index there", ""),
    ("x[i] = o[i+pad]", {"integers": {"pat": 1}}, "does not use as a parameter.*Available: pad", ""),
    ("x[i] = o[i] * a", {"numbers": {"a": "b"}}, "is 'b', which is not a number", ""),
    ("x[i] = o[i] * a", {"numbers": {"a": float("nan")}}, "is not a number", ""),
    ("x[i] = o[i] * a", {"numbers": {"a": 1}, "integers": {"a": 1}}, "given twice, in integers and in numbers", ""),
    ("a = 2; x[i] = o[i] * a", {"numbers": {"a": 1}}, "a is given in numbers, but it is a tensor", ""),
]  # fmt: skip


@pytest.mark.parametrize(("source", "arguments", "words", "place"), REFUSED)
def test_what_is_refused_and_where(source: str, arguments: dict[str, Any], words: str, place: str) -> None:
    with pytest.raises(ShapeError, match=f"(?s){words}") as caught:
        bound(source, **arguments)
    error = caught.value
    if place:
        assert error.span is not None
        assert error.source[error.span.start : error.span.stop] == place
        assert "^" * len(place) in str(error)


def test_the_whole_message_of_a_kernel_that_leaves_the_image() -> None:
    with pytest.raises(ShapeError) as caught:
        bound("x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n]) + b[i,j]", {"o": (11, 17), "w": (3, 5), "b": (11, 13)})
    assert str(caught.value) == (
        "o is read outside its axis 0.\n"
        "    x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n]) + b[i,j]\n"
        "                                 ^^^\n"
        "  i runs 0..10 (I = 11, axis 0 of b, shape (11, 13)) and m runs 0..2 (M = 3, axis 0 of w, shape (3, 5)).\n"
        "  So i+m runs 0..12, but axis 0 of o has 11 places, 0..10.\n"
        "  The largest legal I is 9.\n"
        "  Either choose sizes that fit, or pad (2 after) by saying what is read there: o[i+m,j+n else 0]"
    )


def test_an_equation_without_source_is_shown_as_it_prints() -> None:
    position = Position(Polynomial.name("i") + Polynomial.name("m"))
    reads = Access("o", (Position.name("i"), position))
    with pytest.raises(ShapeError) as caught:
        bind(Equation((Definition("x", ("i", "m"), reads),)), {"o": (3, 4)}, {"I": 3, "M": 3})
    assert "    x[i,m] = o[i,i+m]\n                 ^^^\n" in str(caught.value)


def test_index_values_stay_within_32_bits() -> None:
    value = IndexValue(Polynomial.of([(("i",), 2**30)]))
    with pytest.raises(
        ShapeError, match=r"(?s)index expression runs 0\.\.2147483648, beyond.*\n    x\[i\] = 1073741824 \* i"
    ):
        bind(Equation((Definition("x", ("i",), value),)), sizes={"I": 3})
    assert bind(Equation((Definition("x", ("i",), value),)), sizes={"I": 2}).shape_of == {"x": (2,)}


def test_unknown_names_in_index_values_are_refused() -> None:
    value = IndexValue(Polynomial.of([(("q",), 1), (("i",), 1)]))
    with pytest.raises(ShapeError, match="(?s)q is neither.*" + re.escape("    x[i] = q + i\n           ^^^^^")):
        bind(Equation((Definition("x", ("i",), value),)), sizes={"I": 3})


def test_a_size_may_be_known_only_after_others() -> None:
    equation = bound("z[k] = x[0] + q[K-1-k]; y[l] = q[0] + z[l]", {"q": (4,), "y": (4,), "x": (3,)})
    assert text(equation.definitions[0]) == "z[k] = x[0] + q[3-k]"
    equation = bound("v[k] = 1; z[j] = v[K-1-j]; y[l] = v[l]", {"y": (4,)})
    assert equation.shape_of["z"] == (4,)


def test_an_equation_bound_before_keeps_its_shapes() -> None:
    equation = bound(CONV, SHAPES)
    assert bind(equation, {"o": (11, 7, 3)}) == equation
    with pytest.raises(ShapeError, match=r"o is already bound to the shape \(11, 7, 3\)"):
        bind(equation, {"o": (12, 7, 3)})


def test_a_loss_may_be_named_like_the_size_of_the_batch() -> None:
    equation = bound("E[e] = sum[k](y[e,k])", sizes={"E": 4, "K": 3})
    assert equation.shape_of == {"y": (4, 3), "E": (4,)}
