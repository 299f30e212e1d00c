"""The page's program against Python: every value, every text and every term, in a real browser."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from convgrad import Network
from convgrad.compute.oracle import evaluate
from convgrad.examples import NAMES, load_example
from convgrad.explain import Trace
from convgrad.explain.page.definitions import definition_data, number_data
from convgrad.explain.page.model import page_model
from convgrad.explain.trace.numbers import common_decimals, written
from convgrad.functions import FUNCTIONS
from convgrad.layers import Conv2D, Dense, Dropout, ReLU
from convgrad.notation import bind, parse
from convgrad.notation.printing.text import number_text
from convgrad.notation.terms import Equation
from core_support import close, compare, evaluated, job, run, same_explanation, same_values, sample
from networks import random_network
from strategies import bound_equations

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

RANDOM = int(os.environ.get("CONVGRAD_FUZZ", "12"))
SMALL = tuple(name for name in NAMES if not name.startswith("lenet-"))


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("name", SMALL)
def test_every_element_of_the_examples(name: str, exact: bool, browser: Browser) -> None:
    trace = load_example(name).trace(exact)
    compare(browser, [(trace, [element for tensor in trace.values() for element in tensor])])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_page_unpacks_many_weights(browser: Browser, dtype: str) -> None:
    network = Network(Dense(23), ReLU(), Dense(3), input_shape=(53,), dtype=dtype)
    network.initialize(0)
    model = page_model(network.trace(np.linspace(-1, 1, 53), [1.0, 0.0, 0.5]), "network")
    assert next(t for t in model["tensors"] if t["name"] == "dense1.w")["packed"]["type"] == dtype
    [found] = run(browser, [job(model, [["reset"]], values=list(network.parameters))])
    for name, values in network.parameters.items():
        assert found["values"][name] == [float(value) for value in values.ravel()]


def test_elements_of_lenet_on_a_digit(browser: Browser, rng: np.random.Generator) -> None:
    trace = load_example("lenet-digit").trace()
    compare(browser, [(trace, sample(trace, rng, 2))])


def test_elements_of_random_networks(browser: Browser) -> None:
    pairs = []
    for seed in range(RANDOM):
        network, loss, x, t = random_network(seed)
        rng = np.random.default_rng(seed)
        for trace in (network.trace(x[0], t[0], loss=loss), network.trace(x, t, loss=loss, optimizer="adam")):
            pairs.append((trace, sample(trace, rng, 2)))
    compare(browser, pairs, rounding=1e-9)


def test_random_equations(browser: Browser) -> None:
    cases: list[tuple[Equation, dict[str, np.ndarray[Any, Any]]]] = []

    @settings(max_examples=200, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(bound_equations(differentiable=False))
    def collect(case: tuple[Equation, dict[str, np.ndarray[Any, Any]]]) -> None:
        cases.append(case)

    collect()
    jobs = [job(equation_model(equation, arrays), values=equation.defined) for equation, arrays in cases]
    for (equation, arrays), found in zip(cases, run(browser, jobs), strict=True):
        for name, values in evaluate(equation, arrays).items():
            close(found["values"][name], values.ravel(), 1e-9, str(equation))
    kinds = {kind for equation, _ in cases for kind in str(definition_data(equation.result)).split("'")}
    assert kinds >= {"argmax", "mean", "where", "uniform", "erf", "min", "floor", "compare", "power", "divide"}


def equation_model(equation: Equation, arrays: dict[str, np.ndarray[Any, Any]]) -> dict[str, Any]:
    """An equation as a page's model, without layers."""
    shapes = equation.shape_of
    about: dict[str, Any] = {"lens": "forward", "role": "helper", "layer": None, "equation": None}
    about |= {"latex": None, "indices": []}
    tensors: list[dict[str, Any]] = []
    for name in (*equation.inputs, *equation.defined):
        definition = next((d for d in equation.definitions if d.name == name), None)
        tensors.append({"name": name, "shape": list(shapes[name]), "shows": None, "editable": True, **about})
        tensors[-1]["definition"] = None if definition is None else definition_data(definition)
        if definition is None:
            tensors[-1]["values"] = [number_data(float(value)) for value in arrays[name].ravel()]
    return {"tensors": tensors, "loss": None, "tolerance": 1e-12, "updates": [], "each_step": {}}


SPECIAL = [0.0, -0.0, 1.0, -2.0, 0.5, 2.5, 1e-7, 1e9, 1e16, 1.5e300, 5e-324, 129 / 128, 5.0078125, 1e-5, 123456.5]
SPECIAL += [math.inf, -math.inf, math.nan, 0.1 + 0.2, 1 / 3, 2 / 3, 999999.5, 9999999.5, 0.04675125]


def numbers() -> list[float]:
    random = np.random.default_rng(0)
    drawn = random.standard_normal(300) * 10.0 ** random.integers(-12, 12, 300)
    short = np.round(random.standard_normal(200), 3)
    return [*SPECIAL, *drawn.tolist(), *short.tolist(), *(random.integers(0, 2**16, 200) / 2**9).tolist()]


@pytest.mark.parametrize("tolerance", [1e-12, 4 * float(np.finfo(np.float32).eps)])
def test_numbers_are_written_alike(tolerance: float, browser: Browser) -> None:
    script = """([texts, tolerance]) => texts.map(Number.parseFloat).map((value) => [
        convgrad.core.written(value, null, tolerance), convgrad.core.written(value, 2, tolerance),
        convgrad.core.written(value, 0, tolerance), convgrad.core.numberText(value), convgrad.core.general(value),
    ])"""
    values = numbers()
    texts = [repr(value).replace("inf", "Infinity").replace("nan", "NaN") for value in values]
    for value, found in zip(values, evaluated(browser, script, [texts, tolerance]), strict=True):
        assert found[0] == written(value, None, tolerance), value
        if abs(value) < 1e9:  # larger ones never get a number of decimals
            assert found[1:3] == [written(value, decimals, tolerance) for decimals in (2, 0)], value
        assert found[4] == f"{value:g}", value
        if not math.isnan(value):
            assert found[3] == number_text(value)


def test_common_decimals(browser: Browser) -> None:
    rows = [[0.51, 0.9], [1 / 3, 0.5], [2.0, 3.0], [0.0686, 0.0], [1e9, 1.0], [0.12345], [1e-5], [0.1 + 0.2], []]
    script = "(rows) => rows.map((row) => convgrad.core.commonDecimals(row, 1e-12))"
    assert evaluated(browser, script, rows) == [common_decimals(np.array(row)) for row in rows]


def test_functions_at_the_edges(browser: Browser) -> None:
    """The error function is right to a few units of the last digit; others have the values that the notation says."""
    places = [x / 64 for x in range(-500, 501)]
    found = evaluated(browser, "(places) => places.map(convgrad.core.FUNCTIONS.erf)", places)
    for place, value in zip(places, found, strict=True):
        assert abs(value - math.erf(place)) <= 4 * math.ulp(math.erf(place)), place
    script = """() => {
        const { sigmoid, softplus, log, max, uniform } = convgrad.core.FUNCTIONS;
        const { firstExtreme: first } = convgrad.core;
        const functions = [sigmoid(-1000), sigmoid(1000), softplus(1000), softplus(-1000), uniform(7, 3)];
        const extremes = [first([1, 3, 3], true), first([1, NaN, 3], true), first([2, 1, 1], false)];
        return [...functions, ...extremes, String(log(0)), String(max(NaN, 1))];
    }"""
    seeded = float(FUNCTIONS["uniform"].grid(np.array([7.0]), np.array([3.0]))[0])
    assert evaluated(browser, script) == [0, 1, 1000, 0, seeded, 1, 1, 1, "-Infinity", "NaN"]


def test_edits_are_followed_by_everything(browser: Browser) -> None:
    example = load_example("classic")
    edited = np.array(example.x, dtype=np.float64)
    edited[2, 3] = -0.4
    wanted = example.network.trace(edited, example.target, optimizer=example.optimizer, deltas=example.deltas)
    [found] = run(
        browser,
        [
            job(
                page_model(example.trace(), "classic"),
                [["unpin", "conv1.dx"], ["unpin", "sigmoid1.x"], ["set", "input", 13, -0.4]],
                [wanted["conv1.dw"][0, 0], wanted["dense1.dx"][0]],
            )
        ],
    )
    assert found["said"] == [{"returned": None}] * 3
    assert found["changes"] == 3
    assert found["pins"] == ["dense1.dx"]
    same_values(wanted, found)
    same_explanation(wanted["conv1.dw"][0, 0], found["explained"][0])
    same_explanation(wanted["dense1.dx"][0], found["explained"][1])


def test_a_tensor_that_is_edited_is_pinned(browser: Browser) -> None:
    example = load_example("two-convolutions")
    deltas = example.trace()["conv2.dx"].values.copy()
    deltas[1, 2] = 0.5
    wanted = example.network.trace(
        example.x, example.target, optimizer=example.optimizer, pins={"conv2.dx": deltas, "conv1.w": np.eye(2)}
    )
    actions = [["set", "conv2.dx", int(np.ravel_multi_index((1, 2), deltas.shape)), 0.5]]
    actions.append(["setAll", "conv1.w", [1, 0, 0, 1]])
    model = page_model(example.trace(), "two-convolutions")
    # The first edit keeps the other deltas as they were before the second one.
    pinned, back = run(
        browser, [job(model, actions, sample(wanted, np.random.default_rng(0), 2)), job(model, [*actions, ["reset"]])]
    )
    assert pinned["pins"] == ["conv2.dx"]
    same_values(wanted, pinned)
    for element, explained in zip(sample(wanted, np.random.default_rng(0), 2), pinned["explained"], strict=True):
        same_explanation(element, explained)
    assert back["pins"] == []
    same_values(example.trace(), back)


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_steps_are_those_of_a_training(optimizer: str, browser: Browser) -> None:
    network = Network(Dense(3), ReLU(), Dropout(0.4), Dense(2), input_shape=(5,), dtype="float64")
    network.initialize(3)
    x, t = np.random.default_rng(1).standard_normal((4, 5)), np.array([0, 1, 1, 0])
    trace = network.trace(x, t, loss="softmax_cross_entropy", optimizer=optimizer)
    model = page_model(trace, "network")
    [found] = run(browser, [job(model, [["step"]] * 4, values=list(network.parameters))])
    step = network.training_step("softmax_cross_entropy", optimizer, 4, engine="oracle")
    losses = []
    for _ in range(4):
        step.run(x, t)
        losses.append(step.loss)
    assert [said["returned"] for said in found["said"]] == pytest.approx(losses, rel=1e-6)
    assert found["changes"] == 4
    for name, values in network.parameters.items():
        np.testing.assert_allclose(found["values"][name], values.ravel(), rtol=1e-6, err_msg=name)


def test_deltas_without_a_target(browser: Browser) -> None:
    example = load_example("classic")
    trace = example.network.trace(example.x, deltas={"dense1": [0.25, -0.15]})
    model = page_model(trace, "classic")
    assert model["loss"] is None
    element = trace["dense1.dx"][0]
    assert element.explain().substituted == "dense1.dx[0] = 0.25, a delta that was given"
    [found] = run(browser, [job(model, [["unpin", "dense1.dx"]], [element, trace["conv1.dw"][1, 1]])])
    message = "`dense1.dx` can't be computed without `target`, which was not given."
    assert found["said"] == [{"error": message}]
    assert found["loss"] is None
    same_values(trace, found)
    same_explanation(element, found["explained"][0])


REFUSED: list[tuple[list[Any], str]] = [
    (["set", "conv1.v", 0, 1], "There is no tensor `conv1.v`."),
    (["set", "input", 784, 1], "input has 784 numbers; there is no number 784."),
    (["setAll", "conv1.b", [1, 2]], "conv1.b has 6 numbers, but got 2."),
    (["set", "conv1.b", 0, "a"], "conv1.b takes finite numbers, not NaN."),
    (["set", "target", 0, 2.5], "target takes a label, 0..9, not 2.5."),
    (["set", "target", 0, 10], "target takes a label, 0..9, not 10."),
    (["set", "flatten1.o", 0, 1], "`flatten1.o` shows the numbers of `pool2.x`; change that."),
    (["unpin", "conv1.x"], "`conv1.x` is not pinned."),
    (
        ["explain", "conv1.w", [5, 0, 0, 0]],
        "conv1.w has no element [5,0,0,0]. The legal range is conv1.w[0..4,0..4,0..0,0..5].",
    ),
    (["explain", "conv1.w", [0]], "conv1.w has no element [0]. The legal range is conv1.w[0..4,0..4,0..0,0..5]."),
]


def test_what_is_refused(browser: Browser) -> None:
    model = page_model(load_example("lenet-digit").trace(), "lenet-digit")
    [found] = run(browser, [job(model, [action for action, _ in REFUSED], values=[])])
    assert [said["error"] for said in found["said"]] == [message for _, message in REFUSED]
    assert found["changes"] == 0


def test_only_what_changed_is_computed_again(browser: Browser) -> None:
    script = """(model) => {
        const trace = new convgrad.Trace(model);
        const before = new Map(trace.names.map((name) => [name, trace.tensor(name).values]));
        trace.set("dense1.w", 0, 0.5);
        return trace.names.filter((name) => trace.tensor(name).values !== before.get(name));
    }"""
    trace = load_example("two-convolutions").trace()
    changed = set(evaluated(browser, script, page_model(trace, "two-convolutions")))
    assert {"dense1.w", "dense1.x", "loss.E", "dense1.dx", "conv1.dw", "conv1.w_next"} <= changed
    assert not changed & {"input", "conv1.x", "conv2.x", "pool1.x", "pool1.x_arg", "sigmoid1.x"}
    pinned = load_example("classic").trace()
    changed = set(evaluated(browser, script, page_model(pinned, "classic")))
    assert "conv1.dw" not in changed  # the deltas before it are pinned


def test_a_large_network_is_quick_enough(browser: Browser) -> None:
    """The quickest of some steps, for the machine may have other work."""
    script = """(model) => Math.min(...[1, 2, 3, 4, 5].map(() => {
        const trace = new convgrad.Trace(model);
        const start = performance.now();
        for (const name of trace.names) trace.valuesOf(name);
        return performance.now() - start;
    }))"""
    assert evaluated(browser, script, page_model(load_example("lenet-digit").trace(), "lenet-digit")) < 1000
    assert evaluated(browser, script, page_model(load_example("classic").trace(), "classic")) < 50


def test_a_wrong_number_or_text_would_be_found(browser: Browser) -> None:
    trace = load_example("classic").trace()
    elements = list(trace["conv1.dw"])
    model = page_model(trace, "classic")
    values = next(tensor for tensor in model["tensors"] if tensor["name"] == "input")["values"]
    values[2] += 1e-9
    [found] = run(browser, [job(model, elements=elements)])
    with pytest.raises(AssertionError, match="input"):
        same_values(trace, found)
    with pytest.raises(AssertionError):
        same_explanation(elements[0], found["explained"][0])


def test_traces_name_what_the_page_names(browser: Browser) -> None:
    trace: Trace = load_example("batch-of-two").trace()
    [found] = run(browser, [job(page_model(trace, "batch-of-two"))])
    assert found["names"] == list(trace)


def test_nothing_is_left_out_that_is_not_finite(browser: Browser) -> None:
    """0 outside times infinity is not a number; where everything is finite, products outside are passed over."""
    text = "x[i] = sum[m](o[i+m-1 else 0] * w[m])"
    equation = bind(parse(text), shapes={"o": (4,), "w": (3,)}, sizes={"I": 4})
    arrays = {"o": np.array([1.0, 2.0, 3.0, 4.0]), "w": np.array([np.inf, 1.0, 0.5])}
    infinite, finite = run(
        browser,
        [job(equation_model(equation, values)) for values in (arrays, {**arrays, "w": np.array([2.0, 1.0, 0.5])})],
    )
    assert infinite["values"]["x"] == [None] * 4
    assert finite["values"]["x"] == [2, 5.5, 9, 10]
    script = """(model) => {
        const trace = new convgrad.Trace(model);
        return [...trace.tensor("x").values].map(String);
    }"""
    assert evaluated(browser, script, equation_model(equation, arrays)) == ["NaN", "Infinity", "Infinity", "Infinity"]


@pytest.mark.parametrize("target", [None, [1, 2, 3, 4]])
def test_deltas_of_a_last_layer_with_several_axes(browser: Browser, target: list[int] | None) -> None:
    """Its gradient would be a view of the loss's; given, it is what all goes on from, whatever the target."""
    network = Network(Conv2D(1, 2, bias=None), input_shape=(3, 3, 1), dtype="float64")
    network.set_weights({"conv1.w": np.ones((2, 2, 1, 1))})
    x = np.arange(9).reshape(3, 3, 1)
    trace = network.trace(x, target, deltas={"conv1": np.ones((2, 2))})
    actions = [["set", "conv1.dx", 3, 2]] + ([] if target is None else [["set", "target", 0, 9]])
    element = trace["conv1.dx"][0, 1, 0]
    as_given, changed = run(
        browser, [job(page_model(trace, "network"), [], [element]), job(page_model(trace, "network"), actions)]
    )
    same_values(trace, as_given)
    same_explanation(element, as_given["explained"][0])
    assert as_given["values"]["conv1.dw"] == [8, 12, 20, 24]
    assert changed["values"]["conv1.dw"] == [8 + 4, 12 + 5, 20 + 7, 24 + 8]
