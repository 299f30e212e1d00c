"""Traces of equations that are not those of a network."""

from __future__ import annotations

import numpy as np
import pytest

from convgrad import bind, gradients, parse
from convgrad.errors import DataError, ModelError
from convgrad.explain.trace.equations import equation_trace
from convgrad.explain.trace.trace import Trace


@pytest.fixture
def trace() -> Trace:
    equation = bind(parse("z[k] = sum[c](w[c,k] * o[c])\nx[k] = sigmoid(z[k])"), {"w": (2, 3), "o": (2,)})
    backward = gradients(equation, ["w", "z"]).backward.definitions
    values = {"w": np.arange(6.0).reshape(2, 3) / 8, "o": np.array([1.0, -2.0]), "dx": np.array([1.0, 0.5, -1.0])}
    return equation_trace(equation, values, backward)


def test_values_and_terms(trace: Trace) -> None:
    z = np.array([1.0, -2.0]) @ (np.arange(6.0).reshape(2, 3) / 8)
    np.testing.assert_allclose(trace["x"].values, 1 / (1 + np.exp(-z)))
    assert [term.text for term in trace["z"][1].explain().terms] == ["w[0,1]*o[0]", "w[1,1]*o[1]"]
    assert trace["z"].role == "forward"
    assert trace["dw"].role == "backward"
    assert trace.loss is None
    assert repr(trace).startswith("<Trace of equations: ")
    assert str(trace).startswith("w (given)\n")


def test_further_pins(trace: Trace) -> None:
    pinned = trace.with_pins({"z": np.zeros(3)})
    assert pinned["x"].values.tolist() == [0.5, 0.5, 0.5]
    assert pinned["z"].pinned
    assert pinned.without_pins(["z"])["z"].values.tolist() == trace["z"].values.tolist()


def test_what_is_missing_is_named(trace: Trace) -> None:
    equation = bind(parse("x[i] = w[i] * o[i]"), {"w": (2,), "o": (2,)})
    with pytest.raises(DataError, match="`x` can't be computed without `o`, which was not given"):
        _ = equation_trace(equation, {"w": np.ones(2)})["x"]
    with pytest.raises(ModelError, match="This is a trace of equations, not of a network"):
        _ = trace.network
