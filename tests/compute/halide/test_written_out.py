"""Which steps of a sum's innermost loop are written out."""

from __future__ import annotations

from collections.abc import Collection

import pytest

pytest.importorskip("halide")

import halide as hl

from convgrad.compute.halide.codegen.lowering import Lowering, from_function
from convgrad.compute.halide.schedules.tiles import Tile
from convgrad.compute.halide.schedules.written_out import (
    FOR_NUMBERS,
    STEPS,
    dividing_steps,
    some_written_out,
    steps_at_once,
)
from convgrad.compute.halide.target import machine
from convgrad.notation import bind, parse
from convgrad.notation.polynomial import Polynomial
from convgrad.notation.terms import Reduce, accesses

DENSE = "dw[c,k] = sum[e](dx[e,k] * o[e,c])"
SHIFTED = "x[i,k] = sum[m](w[m,k] * o[i+m])"
EXAMPLES = 12


def steps(text: str, shapes: dict[str, tuple[int, ...]], tile: Tile, asked: Collection[str] = ()) -> int:
    reduce, lowering = lowered(text, shapes)
    (index,) = reduce.indices
    size = lowering.sizes[index]
    return steps_at_once(index, size, reduce, tile, lowering, [Polynomial.name(name) for name in asked])


def lowered(text: str, shapes: dict[str, tuple[int, ...]]) -> tuple[Reduce, Lowering]:
    definition = bind(parse(text), shapes).definitions[0]
    assert isinstance(definition.term, Reduce)
    tensors = {name: from_function(hl.ImageParam(hl.Float(32), len(shape)), shape) for name, shape in shapes.items()}
    return definition.term, Lowering(hl.Float(32), tensors, definition.sizes)


def dense(channels: int) -> dict[str, tuple[int, ...]]:
    """Shapes for the gradient of a dense layer's weights: examples lie 4 * channels bytes apart."""
    return {"dx": (EXAMPLES, 5), "o": (EXAMPLES, channels)}


TILE = Tile(8, 1, 1, {"c": 3})


@pytest.mark.parametrize(("channels", "written_out"), [(1000, 4), (1024, 1), (2048, 1), (1536, 4)])
def test_steps_to_one_set_of_a_cache_are_not_written_out(channels: int, written_out: int) -> None:
    assert steps(DENSE, dense(channels), TILE) == written_out


def test_stored_zeros_count_for_where_numbers_lie() -> None:
    reduce, lowering = lowered(DENSE, dense(1022))
    image = lowering.tensors["o"]
    lowering.tensors = {**lowering.tensors, "o": type(image)(image.shape, image.load, (0, 1), (0, 1))}
    assert steps_at_once("e", EXAMPLES, reduce, TILE, lowering, []) == 1


def test_copies_lie_in_an_order_of_their_own() -> None:
    reduce, lowering = lowered(DENSE, dense(1024))
    (far,) = [access for access in accesses(reduce) if access.tensor == "o"]
    lowering.read_from_copy(far, lambda indices: hl.f32(0))
    assert steps_at_once("e", EXAMPLES, reduce, TILE, lowering, []) == 4


def test_steps_that_are_asked_for_are_not_written_out() -> None:
    assert steps(DENSE, dense(1000), TILE, ["e"]) == 1
    assert steps(DENSE, dense(1000), TILE, ["c"]) == 4


def test_numbers_that_are_read_again_need_registers() -> None:
    """5 places i with 2 vectors along k each: 10 sums, 2 vectors, and 4 numbers that the next step reads, too."""
    shapes = {"w": (8, 32), "o": (57,)}
    left = machine().registers - 16  # for a second index, which has places of its own
    assert steps(SHIFTED, shapes, Tile(8, 2, 1, {"i": 5 + left // 3})) == 4
    assert steps(SHIFTED, shapes, Tile(8, 2, 1, {"i": 6 + left // 3})) == 1
    assert steps(DENSE, dense(1000), Tile(8, 2, 1, {"c": 6 + left // 3})) == 4  # nothing is read again


def test_numbers_for_a_single_vector_need_registers() -> None:
    most = machine().registers - FOR_NUMBERS
    assert steps(DENSE, dense(1000), Tile(8, 1, 1, {"c": most})) == 4
    assert steps(DENSE, dense(1000), Tile(8, 1, 1, {"c": most + 1})) == 1


@pytest.mark.parametrize(("size", "loops"), [(1, 1), (8, 2), (25, 2), (14, 2), (11, 1)])
def test_only_a_number_of_steps_that_divides_them_all_is_written_out(size: int, loops: int) -> None:
    func, index = hl.Func("func"), hl.Var("index")
    domain = hl.RDom([(0, size)], "r")
    func[index] = hl.f32(0)
    func[index] += hl.cast(hl.Float(32), domain[0])
    assert len(some_written_out(func.update(), domain[0], dividing_steps(size))) == loops
    assert (loops == 2) is any(size % number == 0 for number in STEPS)
    assert list(func.realize([2])) == [size * (size - 1) / 2] * 2
