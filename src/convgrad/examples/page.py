"""An example as a page shows it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from convgrad.data.bundled import load_digits
from convgrad.examples.example import Example
from convgrad.examples.files import NAMES
from convgrad.explain.page.model import page_model
from convgrad.explain.trace.trace import Trace

DIGITS_OF_A_LABEL = 2


def example_model(example: Example, trace: Trace, served: bool = False) -> dict[str, Any]:
    """The model of a page (`convgrad.explain.page.model.page_model`) with the example's texts, and with digits to
    choose where the network takes one.

    trace: the example's, with or without pins. The published numbers of a bundled example are a switch on the page, off at
    first; pins of a person's own file are on. Raises: ModelError where the network is too large for a page.
    """
    model = page_model(trace, example.name, example.about, example.text, served)
    model["starts_unpinned"] = example.name in NAMES
    digits = _digits()
    if np.prod(trace.network.input_shape) == len(digits[0]["values"]) and trace.start.batch is None:
        model["digits"] = digits
    return model


@lru_cache(maxsize=1)
def _digits() -> list[dict[str, Any]]:
    """Bundled digits, some of each label."""
    return list(_chosen())


def _chosen() -> Iterator[dict[str, Any]]:
    digits = load_digits()
    assert digits.test_images is not None
    assert digits.test_labels is not None
    for label in range(10):
        for place in np.flatnonzero(digits.test_labels == label)[:DIGITS_OF_A_LABEL]:
            yield {"label": label, "values": digits.test_images[place].ravel().tolist()}
