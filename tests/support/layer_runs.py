"""Runs single layers by the oracle, for the tests of layers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from convgrad.compute.oracle.grid import evaluate
from convgrad.layers import Layer
from convgrad.notation.batch import batched
from convgrad.notation.binding.bind import bind


class Run:
    """A layer on a batch of random (or given) inputs, in float64.

    x: the result, (batch, *output_shape). parameters: random values, or those given. tensors: all that was defined.
    """

    def __init__(
        self,
        layer: Layer,
        *inputs: np.ndarray,
        given: Mapping[str, np.ndarray | float] | None = None,
        predict: bool = False,
    ):
        rng = np.random.default_rng(3)
        batch = len(inputs[0])
        built = self.built = layer.build(*(o.shape[1:] for o in inputs))
        equation = built.predict if predict else built.equation
        assert equation is not None
        front = (batch,) if built.batch_index else ()
        shapes = {name: (*front, *shape) for name, shape in zip(built.inputs, built.input_shapes, strict=True)}
        self.parameters = {name: rng.normal(size=p.shape) for name, p in built.parameters.items()}
        self.parameters |= {name: np.full(shape, value) for name, (shape, value) in built.state.items()}
        self.parameters |= {name: np.float64(5) for name in built.seeds}
        self.parameters |= {name: np.asarray(value) for name, value in (given or {}).items()}
        shapes |= {name: value.shape for name, value in self.parameters.items()}
        shapes = {name: shape for name, shape in shapes.items() if name in equation.inputs}
        sizes = built.sizes | ({built.batch_index.upper(): batch} if built.batch_index else {})
        bound = bind(equation, shapes, sizes, built.integers, built.numbers)
        if not built.batch_index:
            bound = batched(bound, set(built.inputs), batch)
        views = zip(built.inputs, inputs, built.input_shapes, strict=True)
        arrays = {name: o.reshape(batch, *shape) for name, o, shape in views}
        self.tensors = evaluate(bound, arrays | self.parameters)
        self.x = self.tensors[built.output].reshape(batch, *built.output_shape)


def normal(*shape: int) -> np.ndarray:
    """Random numbers, the same for the same shape."""
    return np.random.default_rng(shape).normal(size=shape)


def close(found: np.ndarray, expected: np.ndarray) -> None:
    """Equal up to rounding in float64: sums here have a few hundred terms of size 1."""
    assert found.shape == tuple(expected.shape)
    np.testing.assert_allclose(found, np.asarray(expected), rtol=1e-12, atol=1e-12)
