"""The numbers that come with a model in place of what its equations say: a switch of the page's trace."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from convgrad import Network
from convgrad.examples import Example, load_example
from convgrad.examples.page import example_model
from convgrad.explain import Trace
from convgrad.explain.page.model import page_model
from convgrad.layers import Dense
from core_support import evaluated, job, run, same_explanation, same_values, sample

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

PUBLISHED = ["sigmoid1.x", "dense1.dx", "conv1.dx"]


def computed(example: Example) -> Trace:
    """All of it from the equations."""
    return replace(example, pins={}, deltas={}).trace()


def test_a_bundled_example_starts_from_its_equations(browser: Browser) -> None:
    example = load_example("classic")
    wanted, published = computed(example), example.trace()
    rng = np.random.default_rng(0)
    elements, pinned = sample(wanted, rng, 3), sample(published, rng, 3)
    model = example_model(example, published)
    off, on, again = run(
        browser,
        [job(model, [], elements), job(model, [["pin", True]], pinned), job(model, [["pin", True], ["pin", False]])],
    )
    assert (off["pins"], on["pins"], again["pins"]) == ([], PUBLISHED, [])
    same_values(wanted, off)
    same_values(published, on)
    same_values(wanted, again)
    for element, explained in zip(elements, off["explained"], strict=True):
        same_explanation(element, explained)
    for element, explained in zip(pinned, on["explained"], strict=True):
        same_explanation(element, explained)
    assert on["loss"] == pytest.approx(0.0425, rel=1e-12)
    assert on["changes"] == 1


def test_pins_of_a_file_of_ones_own_are_on(browser: Browser) -> None:
    example = replace(load_example("classic"), name="my network")
    [found] = run(browser, [job(example_model(example, example.trace()))])
    assert found["pins"] == PUBLISHED
    same_values(example.trace(), found)


def test_a_step_goes_on_from_the_published_numbers_and_then_from_the_equations(browser: Browser) -> None:
    example = load_example("classic")
    trace = example.trace()
    next_weights = {name: trace[f"{name}_next"].values for name in ("conv1.w", "dense1.w")}
    stepped = load_example("classic")
    stepped.network.set_weights(next_weights)
    model = example_model(example, trace)
    [found, many] = run(
        browser, [job(model, [["pin", True], ["step"]]), job(model, [["pin", True], *[["step"]] * 60], values=[])]
    )
    assert found["said"][1] == {"returned": pytest.approx(0.0425, rel=1e-12)}
    assert found["pins"] == []
    same_values(computed(stepped), found, 1e-9)
    assert many["loss"] < 1e-3  # with the pins left on it would be 70


def test_what_came_with_the_model_comes_back_with_the_switch(browser: Browser) -> None:
    script = """(model) => {
        const trace = new convgrad.Trace(model);
        const said = [[trace.showsPublished, trace.published, trace.tensor("dense1.dx").status]];
        const note = () => said.push([trace.showsPublished, trace.pins]);
        trace.pin(true); note();
        said.push(trace.tensor("dense1.dx").status);
        trace.set("conv1.dx", 0, 1); note();
        trace.pin(true); note();
        trace.unpin("sigmoid1.x"); note();
        trace.set("conv1.x", 0, 1); note();
        trace.pin(false); note();
        trace.pin(true);
        trace.reset(); note();
        return said;
    }"""
    example = load_example("classic")
    said = evaluated(browser, script, example_model(example, example.trace()))
    assert said == [
        [False, PUBLISHED, "computed"],
        [True, PUBLISHED],
        "a delta that was given",
        [False, PUBLISHED],
        [True, PUBLISHED],
        [False, ["dense1.dx", "conv1.dx"]],
        [False, ["conv1.x", "dense1.dx", "conv1.dx"]],
        [False, ["conv1.x"]],
        [False, []],
    ]


def test_deltas_that_nothing_else_gives_are_no_choice(browser: Browser) -> None:
    network = Network(Dense(2, bias=None), input_shape=(3,), dtype="float64")
    network.set_weights({"dense1.w": np.ones((3, 2))})
    model: dict[str, Any] = page_model(network.trace([1, 2, 3], deltas={"dense1": [1, 2]}), "network")
    script = """(model) => {
        const trace = new convgrad.Trace(model);
        trace.pin(false);
        trace.step();
        return [trace.published, trace.showsPublished, trace.pins, [...trace.tensor("dense1.dw").values]];
    }"""
    assert evaluated(browser, script, model) == [[], False, ["dense1.dx"], [1, 2, 2, 4, 3, 6]]
