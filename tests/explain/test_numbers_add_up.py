"""Every element's terms add up to its value, and trace, JSON, text and LaTeX show one and the same number."""

from __future__ import annotations

import json
import math
import os
from typing import Any

import numpy as np
import pytest

from convgrad import layers, losses, optimizers
from convgrad.examples import NAMES, load_example
from convgrad.explain import Element
from convgrad.explain.trace.element import OfTrace
from convgrad.models.network import Network
from convgrad.notation.printing.latex import LATEX
from networks import random_network
from torch_cases import CASES, Case

SMALL = tuple(name for name in NAMES if not name.startswith("lenet-"))
RANDOM = int(os.environ.get("CONVGRAD_FUZZ", "16"))


def check(element: Element) -> None:
    explanation = element.explain()
    content = json.loads(json.dumps(explanation.to_json(), allow_nan=False))
    assert content["value"] == element.value == float(element.tensor.values[element.index])
    assert content["element"] == element.name
    terms = []
    for term in content["terms"]:
        product = math.prod(factor["value"] for factor in term["factors"])
        assert product == term["value"]
        terms.append(product)
        for factor in term["factors"]:
            same_numbers(element.tensor.trace, factor)
    # Each product has a few roundings, and the order of a sum is free.
    bound = 1e-14 * (len(terms) + 10) * (sum(map(abs, terms)) + inside(content))
    assert abs(math.fsum(terms) - element.value) <= bound, element
    if element.tensor.pinned:
        assert f"{element.name} = {element.written}" in explanation.text()
        assert f"{element.name} = {element.written}" in content["substituted"]
        return
    assert explanation.numbers.endswith(element.written)
    assert str(explanation).startswith(f"{element.name} = {element.written}")
    assert content["substituted"].endswith(element.written)
    assert LATEX.number(element.written) in explanation.latex.splitlines()[-2]
    assert float(element.written) == pytest.approx(element.value, rel=1e-5, abs=0)


def inside(content: dict[str, Any]) -> float:
    """The largest number in a sum that is a factor of its own, where digits may cancel."""
    factors = [factor for term in content["terms"] for factor in term["factors"]]
    return max((abs(read["value"] or 0) for factor in factors for read in factor.get("reads", ())), default=0.0)


def same_numbers(trace: OfTrace, factor: dict[str, Any]) -> None:
    """What a factor says of a tensor is what the tensor says."""
    if factor["tensor"] is not None and not factor.get("outside"):
        assert float(trace.values_of(factor["tensor"])[tuple(factor["index"])]) == factor["value"]


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("name", SMALL)
def test_every_element_of_the_examples(name: str, exact: bool) -> None:
    trace = load_example(name).trace(exact)
    assert len(trace) > 12
    for tensor in trace.values():
        for element in tensor:
            check(element)


def test_elements_of_lenet_on_a_digit(rng: np.random.Generator) -> None:
    trace = load_example("lenet-digit").trace()
    for tensor in trace.values():
        for _ in range(2):
            check(tensor[tuple(int(rng.integers(size)) for size in tensor.shape)])


@pytest.mark.parametrize("seed", range(RANDOM))
def test_elements_of_random_networks(seed: int) -> None:
    network, loss, x, t = random_network(seed)
    rng = np.random.default_rng(seed)
    one = network.trace(x[0], t[0], loss=loss)
    for trace in (one, network.trace(x, t, loss=loss, optimizer="adam")):
        for tensor in trace.values():
            for _ in range(3):
                check(tensor[tuple(int(rng.integers(size)) for size in tensor.shape)])


def merging() -> Network:
    """What has several inputs, and what draws random numbers, which no case of the comparison with PyTorch holds."""
    start = layers.Input((2, 5, 3))
    first = layers.Conv2D(3, 1)(start)
    second = layers.Dropout(0.3)(first)
    square = layers.Multiply()(second, second)
    product = layers.Multiply()(layers.Subtract()(start, square), first)
    return Network(inputs=start, outputs=layers.Concatenate()(layers.Add()(first, second), product))


def check_some(network: Network, target: np.ndarray, loss: str | losses.Loss, optimizer: str) -> None:
    """Two elements of each tensor of a step with a batch of two."""
    rng = np.random.default_rng(1)
    for array in network.parameters.values():
        array += 0.3 * rng.standard_normal(array.shape)
    trace = network.trace(rng.standard_normal((2, *network.input_shape)), target, loss=loss, optimizer=optimizer)
    for tensor in trace.values():
        for _ in range(2):
            check(tensor[tuple(int(rng.integers(size)) for size in tensor.shape)])


@pytest.mark.complete
def test_every_layer_is_explained() -> None:
    tried = {type(case.layer).__name__ for case in CASES} | {type(one.layer).__name__ for one in merging().layers}
    assert tried == {name for name, kind in layers.registry.items() if kind.__module__.startswith("convgrad.")}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_elements_of_every_layer(case: Case, rng: np.random.Generator) -> None:
    network = Network(case.layer, input_shape=case.shape, dtype="float64")
    check_some(network, rng.standard_normal((2, *network.output_shape)), "half_squared_error", "sgd")


def test_elements_of_layers_with_several_inputs(rng: np.random.Generator) -> None:
    check_some(merging(), rng.standard_normal((2, 2, 5, 6)), "mse", "sgd")


@pytest.mark.parametrize("name", losses.registry)
def test_elements_of_every_loss(name: str, rng: np.random.Generator) -> None:
    loss = losses.registry[name]()
    places = (3,) if loss.takes_label_maps else ()
    has_labels = loss.takes_labels or loss.takes_label_maps
    target = rng.integers(0, 4, (2, *places)) if has_labels else rng.random((2, 4))
    check_some(Network(layers.Dense(4), input_shape=(*places, 5)), target, loss, "sgd")


@pytest.mark.parametrize("name", optimizers.registry)
def test_elements_of_every_optimizer(name: str, rng: np.random.Generator) -> None:
    check_some(Network(layers.Dense(3), input_shape=(2,)), rng.random((2, 3)), "mse", name)


@pytest.mark.parametrize("seed", range(10))
def test_the_trace_is_what_the_network_computes(seed: int) -> None:
    network, loss, x, t = random_network(seed)
    trace = network.trace(x, t, loss=loss)
    if trace.start.plan.seeds:  # a trace is of the first step, which has other random numbers
        return
    for name, gradient in network.gradients(x, t, loss, engine="oracle").items():
        np.testing.assert_allclose(trace[name].values, gradient, rtol=1e-12, atol=1e-15, err_msg=name)


def test_one_example_is_a_batch_of_one() -> None:
    network, loss, x, t = random_network(3)
    one, batch = network.trace(x[0], t[0], loss=loss), network.trace(x[:1], t[:1], loss=loss)
    assert one.loss == pytest.approx(batch.loss, rel=1e-14)
    for name, parameter in network.parameters.items():
        layer, _, own = name.rpartition(".")
        gradient = f"{layer}.d{own}"
        np.testing.assert_allclose(one[gradient].values, batch[gradient].values, rtol=1e-12, atol=1e-16)
        assert one[gradient].shape == parameter.shape


def test_a_wrong_number_would_be_found() -> None:
    trace = load_example("classic").trace()
    element = trace["conv1.dw"][0, 0]
    element.explain()
    wrong = trace.values_of("conv1.dw").copy()
    wrong[0, 0] += 1e-9
    trace._values["conv1.dw"] = wrong
    with pytest.raises(AssertionError):
        check(element)
