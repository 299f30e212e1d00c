"""Which steps of a sum's innermost loop are written out."""

from __future__ import annotations

import pytest

pytest.importorskip("halide")

import halide as hl

from convgrad.compute.halide.codegen.lowering import Lowering, from_function
from convgrad.compute.halide.schedules.generic import STEPS, can_be_written_out, some_written_out
from convgrad.notation import bind, parse
from convgrad.notation.polynomial import Polynomial
from convgrad.notation.terms import Access, Reduce, accesses

DENSE = "dw[c,k] = sum[e](dx[e,k] * o[e,c])"


def dense(channels: int) -> tuple[Reduce, Lowering]:
    """The gradient of a dense layer's weights, whose examples lie 4 * channels bytes apart."""
    shapes = {"dx": (12, 5), "o": (12, channels)}
    definition = bind(parse(DENSE), shapes).definitions[0]
    assert isinstance(definition.term, Reduce)
    tensors = {name: from_function(hl.ImageParam(hl.Float(32), 2), shape) for name, shape in shapes.items()}
    return definition.term, Lowering(hl.Float(32), tensors, definition.sizes)


@pytest.mark.parametrize(("channels", "alike"), [(1000, True), (1024, False), (2048, False), (1536, True)])
def test_steps_to_one_set_of_a_cache_are_not_written_out(channels: int, alike: bool) -> None:
    reduce, lowering = dense(channels)
    assert can_be_written_out("e", reduce, lowering, 4, []) is alike


def test_stored_zeros_count_for_where_numbers_lie() -> None:
    reduce, lowering = dense(1022)
    image = lowering.tensors["o"]
    lowering.tensors = {**lowering.tensors, "o": type(image)(image.shape, image.load, (0, 1), (0, 1))}
    assert not can_be_written_out("e", reduce, lowering, 4, [])


def test_copies_lie_in_an_order_of_their_own() -> None:
    reduce, lowering = dense(1024)
    (far,) = [access for access in accesses(reduce) if isinstance(access, Access) and access.tensor == "o"]
    lowering.read_from_copy(far, lambda indices: hl.f32(0))
    assert can_be_written_out("e", reduce, lowering, 4, [])


def test_steps_that_are_asked_for_are_not_written_out() -> None:
    reduce, lowering = dense(1000)
    assert not can_be_written_out("e", reduce, lowering, 4, [Polynomial.name("e")])


@pytest.mark.parametrize(("size", "loops"), [(1, 1), (8, 2), (25, 2), (14, 2), (11, 1)])
def test_only_a_number_of_steps_that_divides_them_all_is_written_out(size: int, loops: int) -> None:
    func, index = hl.Func("func"), hl.Var("index")
    domain = hl.RDom([(0, size)], "r")
    func[index] = hl.f32(0)
    func[index] += hl.cast(hl.Float(32), domain[0])
    assert len(some_written_out(func.update(), domain[0], size)) == loops
    assert (loops == 2) is any(size % steps == 0 for steps in STEPS)
    assert list(func.realize([2])) == [size * (size - 1) / 2] * 2
