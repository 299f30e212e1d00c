"""The bundled examples."""

from __future__ import annotations

from typing import Any

from convgrad.examples import NAMES, Example, load_example
from convgrad.examples.page import example_model


def examples() -> list[dict[str, str]]:
    """Name and one line about each bundled example."""
    return [{"name": name, "about": load_example(name).about} for name in NAMES]


def example(name: str) -> dict[str, Any]:
    """A bundled example. Raises: ModelError."""
    return model_of(load_example(name))


def model_of(found: Example) -> dict[str, Any]:
    """An example as the page shows it, its questions answered."""
    return example_model(found, found.trace(), served=True)
