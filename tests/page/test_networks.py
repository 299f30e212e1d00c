"""The page with other networks than the examples: graphs, optimizers that remember, more dimensions, no target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from browser_support import LENSES, opened
from convgrad import Network
from convgrad.examples import Example, load_example
from convgrad.examples.page import example_model
from convgrad.explain.page.build import page_html
from convgrad.layers import Add, BatchNorm, Conv1D, Conv2D, Conv3D, Dense, Dropout, Flatten, Input, ReLU, Tanh
from convgrad.optimizers import SGD, Adam

pytestmark = pytest.mark.browser

Made = tuple[Network, Any, dict[str, Any]]


def residual() -> Made:
    image = Input((4, 5, 1))
    branches = Add()(Conv2D(1, 3, padding="same")(image), image)
    network = Network(inputs=image, outputs=Dense(2)(Flatten()(branches)), dtype="float64")
    return network, (4, 5, 1), {"target": [1, 0], "loss": "half_squared_error"}


def momentum() -> Made:
    network = Network(Dense(3), BatchNorm(), ReLU(), Dense(2), input_shape=(4,), dtype="float64")
    return network, (3, 4), {"target": [0, 1, 1], "optimizer": SGD(0.1, momentum=0.9)}


def adam() -> Made:
    network = Network(Conv1D(2, 3), Tanh(), Dropout(0.5), Flatten(), Dense(2), input_shape=(7, 1), dtype="float64")
    return network, (2, 7, 1), {"target": [0, 1], "optimizer": Adam(0.01)}


def volume() -> Made:
    network = Network(Conv3D(2, 2), ReLU(), Flatten(), Dense(2), input_shape=(3, 4, 5, 1), dtype="float64")
    return network, (3, 4, 5, 1), {"target": 1}


@pytest.mark.parametrize("made", [residual, momentum, adam, volume], ids=lambda made: str(made.__name__))
def test_any_network_can_be_looked_at_and_stepped(
    browser: Any, tmp_path: Path, rng: np.random.Generator, made: Callable[[], Made]
) -> None:
    network, shape, options = made()
    network.initialize(seed=3)
    options = {"loss": "softmax_cross_entropy", **options}
    example = Example(made.__name__, network, x=rng.normal(size=shape), **options)
    trace = example.trace()
    file = tmp_path / "page.html"
    file.write_text(page_html(example_model(example, trace)), encoding="utf-8")
    with opened(browser, file.as_uri()) as looker:
        for lens in LENSES:
            looker.look(lens)
            for name in {label.split()[0] for label in looker.labels()}:
                cell = looker.page.locator(f'#network .cell[data-tensor="{name}"]:visible').first
                if cell.count():
                    cell.evaluate("(cell) => cell.click()")
                    element = looker.title().split(" = ")[0]
                    assert looker.title() == str(trace.at(element))
        following = {name: trace[f"{name}_next"].values for name in network.parameters}
        looker.page.locator("#step").click()
        for name, values in following.items():
            np.testing.assert_allclose(looker.values(name), values, rtol=1e-9, atol=1e-15)


def test_a_step_without_target_has_no_loss(browser: Any, tmp_path: Path) -> None:
    example = replace(load_example("classic"), target=None)
    trace = example.trace(exact=True)
    file = tmp_path / "page.html"
    file.write_text(page_html(example_model(example, trace)), encoding="utf-8")
    with opened(browser, file.as_uri()) as looker:
        assert looker.page.locator("#loss").inner_text() == "no target"
        looker.look("backward")
        looker.cell("dinput[1,1]").click()
        assert looker.title() == str(trace.at("dinput[1,1]"))
        expected = trace["conv1.w_next"].values
        looker.page.locator("#step").click()
        np.testing.assert_allclose(looker.values("conv1.w"), expected, rtol=1e-12)


def test_what_shows_another_tensor_can_not_be_changed(browser: Any, tmp_path: Path) -> None:
    example = load_example("two-channels")
    file = tmp_path / "page.html"
    file.write_text(page_html(example_model(example, example.trace())), encoding="utf-8")
    with opened(browser, file.as_uri()) as looker:
        looker.cell("flatten1.o[0]").focus()
        looker.page.keyboard.press("F2")
        told = "This shows pool1.x in another shape; change it there."
        assert looker.page.locator("#edit-told").inner_text() == told
        looker.look("update")
        assert looker.page.locator("#lens-says").inner_text().startswith("One step of gradient descent")
