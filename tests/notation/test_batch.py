"""The batch axis, other names, and several equations as one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convgrad.compute.oracle.program import compile_program
from convgrad.errors import EquationError, EquationSyntaxError, ShapeError
from convgrad.notation import Equation, batched, bind, joined, parse, rename, text
from convgrad.notation.batch import dependents, fresh_index
from convgrad.notation.terms import accesses
from strategies import Case, bound_equations, cases

CONV = parse("x[i,j,k] = sum[m,n,c](w[m,n,c,k] * o[i+m,j+n,c]) + b[k]")
LOSS = parse("z[k] = y[k] - stop(max[l](y[l])); r = sum[k](v[k]); E = log(sum[k](exp(z[k]))) - z[t] * r")


def test_what_depends_on_the_examples_gets_a_first_axis() -> None:
    assert text(batched(CONV, {"o"})) == "x[e,i,j,k] = sum[m,n,c](w[m,n,c,k] * o[e,i+m,j+n,c]) + b[k]"
    assert text(batched(CONV, {"w"})) == "x[e,i,j,k] = sum[m,n,c](w[e,m,n,c,k] * o[i+m,j+n,c]) + b[k]"
    assert text(batched(CONV, ())) == text(CONV)


def test_dependence_is_transitive_and_scalars_become_vectors() -> None:
    assert text(batched(LOSS, ["y"])) == (
        "z[e,k] = y[e,k] - stop(max[l](y[e,l]))\nr = sum[k](v[k])\nE[e] = log(sum[k](exp(z[e,k]))) - z[e,t] * r"
    )
    assert dependents(LOSS, {"y"}) == {"y", "z", "E"}


def test_a_defined_tensor_may_be_named_as_one_for_each_example() -> None:
    equation = parse("mask[i] = uniform(7, i); x[i] = mask[i] * w[i]")
    assert text(batched(equation, {"mask"})) == "mask[e,i] = uniform(7, i)\nx[e,i] = mask[e,i] * w[i]"


def test_bound_equations_get_ranges_and_shapes() -> None:
    equation = batched(bind(CONV, {"o": (11, 7, 3), "w": (3, 2, 3, 5)}), {"o"}, 4)
    assert equation.shape_of == {"w": (3, 2, 3, 5), "o": (4, 11, 7, 3), "b": (5,), "x": (4, 9, 6, 5)}
    assert equation.result.ranges[0] == ("e", 4)
    assert bind(equation) == equation


@given(cases(), st.data())
def test_binding_and_batching_may_change_places(case: Case, data: st.DataObject) -> None:
    equation = case.equation
    names = [*equation.inputs, *equation.defined]
    examples = data.draw(st.sets(st.sampled_from([n for n in names if n in case.shapes or n in equation.defined])))
    after = batched(case.bound, examples, 5)
    shapes = {n: (5, *s) if n in examples else s for n, s in case.shapes.items()}
    sizes = {**case.sizes, **({"E": 5} if dependents(equation, examples) & set(equation.defined) else {})}
    before = bind(batched(equation, examples), shapes, sizes, case.integers)
    assert before.definitions == after.definitions
    assert before.shape_of == after.shape_of


@given(bound_equations(), st.data())
@settings(deadline=None, max_examples=30)
def test_a_batch_gives_what_each_example_gives(
    drawn: tuple[Equation, dict[str, np.ndarray]], data: st.DataObject
) -> None:
    equation, arrays = drawn
    examples = data.draw(st.sets(st.sampled_from(equation.inputs))) if equation.inputs else set()
    stacked = {n: np.stack([a, -a, 0.5 * a]) if n in examples else a for n, a in arrays.items()}
    together = evaluated(batched(equation, examples, 3), stacked)
    for place in range(3):
        alone = evaluated(equation, {n: a[place] if n in examples else a for n, a in stacked.items()})
        for name in equation.defined:
            batch = together[name][place] if name in dependents(equation, examples) else together[name]
            # The oracle may add in another order where the shapes differ.
            np.testing.assert_allclose(batch, alone[name], rtol=1e-10, atol=1e-12)


def evaluated(equation: Equation, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    program = compile_program(equation, equation.defined, dtype="float64")
    for name, array in arrays.items():
        program.set(name, array)
    program.run()
    return {name: program.arrays[name].copy() for name in equation.defined}


@pytest.mark.parametrize(
    ("source", "index"),
    [
        ("x[i] = o[i]", "e"),
        ("x[e] = o[e]", "e1"),
        ("x[i] = sum[e](o[e])", "e1"),
        ("x[i] = o[i+e]", "e1"),
        ("x[i] = o[i] * e", "e1"),
        ("x[i] = o[i] / E", "e1"),
        ("x[e] = o[e] * e1 / E2", "e3"),
        ("E = sum[i](o[i]); L = 2 * E", "e"),
        ("e = sum[i](o[i]); L = 2 * e", "e1"),
    ],
)
def test_the_index_of_the_batch_is_a_new_one(source: str, index: str) -> None:
    assert fresh_index(parse(source)) == index


def test_carets_stay_under_the_right_characters() -> None:
    equation = batched(parse("x[i] = sum[m](w[m] * o[i+m])"), {"o"})
    with pytest.raises(ShapeError) as caught:
        bind(equation, {"o": (4, 2), "w": (3,)})
    assert caught.value.span is not None
    assert caught.value.source[caught.value.span.start : caught.value.span.stop] == "i+m"


def test_what_batched_refuses() -> None:
    bound = bind(CONV, {"o": (11, 7, 3), "w": (3, 2, 3, 5)})
    with pytest.raises(EquationError, match=r"(?s)beta has no place in this equation"):
        batched(CONV, {"beta"})
    with pytest.raises(EquationError, match=r"(?s)the batch needs one, too.*Pass size"):
        batched(bound, {"o"})
    with pytest.raises(EquationError, match=r"(?s)Sizes are not bound yet.*to bind"):
        batched(CONV, {"o"}, 4)
    with pytest.raises(ShapeError, match="The size of the batch is 0"):
        batched(bound, {"o"}, 0)
    with pytest.raises(ShapeError, match=r"o with shape .* elements"):
        batched(bound, {"o"}, 2**30)


# Other names


def test_rename_exchanges_names_everywhere_at_once() -> None:
    equation = bind(parse("x[i] = w[i] * o[i]; y[i] = x[i]"), {"o": (5,)})
    renamed = rename(equation, {"w": "o", "o": "w", "x": "conv1.x", "unused": "z"})
    assert text(renamed) == "conv1.x[i] = o[i] * w[i]\ny[i] = conv1.x[i]"
    assert renamed.shape_of == {"o": (5,), "w": (5,), "conv1.x": (5,), "y": (5,)}
    assert renamed.source == equation.source
    assert bind(renamed) == renamed
    with pytest.raises(EquationError, match=r"(?s)w and o would both be named o.*a name of its own"):
        rename(equation, {"w": "o"})


def test_names_with_dots() -> None:
    assert text(rename(CONV, {name: f"conv1.{name}" for name in ("x", "w", "b")})) == (
        "conv1.x[i,j,k] = sum[m,n,c](conv1.w[m,n,c,k] * o[i+m,j+n,c]) + conv1.b[k]"
    )


# Several as one


def test_joined_equations_are_one_with_all_sources() -> None:
    first = rename(parse("x[i] = sum[m](w[m] * o[i+m])"), {"x": "a.x", "w": "a.w"})
    second = rename(parse("# a comment\ny[i] = max[m](x[2*i+m])"), {"x": "a.x"})
    third = Equation(parse("z = y[0]").definitions)
    whole = joined([first, second, third])
    assert whole.defined == ("a.x", "y", "z")
    for definition in whole.definitions[:2]:
        for access in accesses(definition.term):
            assert access.span is not None
            tensor = access.tensor.rpartition(".")[2]
            assert whole.source[access.span.start :].startswith(f"{tensor}[")
    assert whole.result.span is None
    with pytest.raises(ShapeError) as caught:
        bind(whole, {"o": (11,), "a.w": (3,)})
    assert caught.value.span is not None
    assert caught.value.source[caught.value.span.start :].startswith("m](x[2*i+m])")
    assert "\n    y[i] = max[m](x[2*i+m])\n               ^\n" in str(caught.value)


def test_joined_equations_must_agree() -> None:
    first = bind(parse("x[i] = o[i]"), {"o": (5,)})
    with pytest.raises(EquationError, match=r"(?s)o has the shape \(5,\) in one equation and \(4,\) in another"):
        joined([first, bind(parse("y[i] = o[i]"), {"o": (4,)})])
    with pytest.raises(EquationSyntaxError, match="x is defined twice"):
        joined([first, first])
    with pytest.raises(EquationSyntaxError, match="x is read here, but defined later"):
        joined([parse("y[i] = x[i]"), parse("x[i] = o[i]")])
    assert joined([bind(parse("y[i] = x[i]"), {"x": (5,)}), rename(first, {"x": "z"})]).shape_of["y"] == (5,)
