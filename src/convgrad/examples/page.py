"""An example as a page shows it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from convgrad.data.bundled import bundled_test_digits
from convgrad.examples.example import Example
from convgrad.examples.files import NAMES, load_example
from convgrad.explain.page.build import page_html
from convgrad.explain.page.model import page_model
from convgrad.explain.trace.trace import Trace

DIGITS_OF_A_LABEL = 2
MISREAD = {"lenet-trained": (96, 106, 180, 227, 349)}
"""Example -> the bundled test digits that it reads wrongly, all of them."""
TOUR = ("classic", "two-convolutions", "strided")
"""The examples that the stops of the guided tour are about (static/tour/stops.js): each page has them, 80 kB in all."""
PIXELS = 28 * 28
"""Of a bundled digit."""
MOST_PIXEL = 255


def example_model(example: Example, trace: Trace, served: bool = False) -> dict[str, Any]:
    """The model of a page (`convgrad.explain.page.model.page_model`) with the example's texts, and with digits to
    choose where the network takes one.

    trace: the example's, with or without pins. The published numbers of a bundled example are a switch on the page, off
    at first; pins of a person's own file are on. Raises: ModelError where the network is too large for a page.
    """
    model = page_model(trace, example.name, example.about, example.text, served)
    model["starts_unpinned"] = example.name in NAMES
    if np.prod(trace.network.input_shape) == PIXELS and trace.start.batch is None:
        model["digits"] = _digits(MISREAD.get(example.name, ()))
    return model


def example_page(example: Example, trace: Trace, served: bool = False) -> str:
    """The page of an example as one HTML file, with the guided tour. Arguments: as of `example_model`."""
    model = example_model(example, trace, served)
    return page_html(model, tour_models(model))


def tour_models(model: Mapping[str, Any]) -> dict[str, dict[str, Any] | None]:
    """The examples of the tour for a page that shows a model first; None stands for that model."""
    served = model["served"]
    return {name: None if {**of_tour, "served": served} == model else of_tour for name, of_tour in _tour().items()}


@lru_cache(maxsize=1)
def _tour() -> dict[str, dict[str, Any]]:
    examples = map(load_example, TOUR)
    return {example.name: example_model(example, example.trace()) for example in examples}


@lru_cache(maxsize=2)
def _digits(misread: tuple[int, ...]) -> list[dict[str, Any]]:
    """Bundled digits, some of each label, then those that are misread: {"label", "pixels", "misread"}. A pixel p of
    0..255 is the number p / 255, as float32 has it.
    """
    images, labels = bundled_test_digits()
    chosen = [place for label in range(10) for place in np.flatnonzero(labels == label)[:DIGITS_OF_A_LABEL]]
    return [
        {
            "label": int(labels[place]),
            "pixels": np.rint(images[place].ravel() * MOST_PIXEL).astype(int).tolist(),
            "misread": place in misread,
        }
        for place in [*chosen, *(place for place in misread if place not in chosen)]
    ]
