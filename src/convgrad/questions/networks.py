"""Networks of a person's own, from a list of layers or a model file; and the layers that there are."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import MISSING, fields
from math import prod
from pathlib import Path
from typing import Any

from convgrad import layers
from convgrad.errors import DataError, ModelError
from convgrad.examples import Example
from convgrad.examples.files import example_from
from convgrad.explain.page.model import MOST_NUMBERS
from convgrad.layers.base import Layer, registry
from convgrad.models.toml_file import ALIASES
from convgrad.questions.examples import model_of
from convgrad.questions.exercises import exercise
from convgrad.questions.reading import check_depth

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MODEL = Path("model")
"""How messages call a network that comes from the page."""


def layer_list() -> list[dict[str, Any]]:
    """The layers that can stand in a row: {"type", "arguments": [{"name", "default", "required"}]}."""
    kinds = [registry[name] for name in layers.__all__ if name in registry]
    return [
        {"type": kind.__name__, "arguments": _arguments(kind)}
        for kind in kinds
        if kind.__module__ != "convgrad.layers.merge"
    ]


def model(asked: Mapping[str, Any]) -> dict[str, Any]:
    """A network of one's own: {"toml": text of a model file with numbers}, or {"input_shape", "layers": [{"type", and
    arguments}], ...} with all else that such a file may hold ("loss", "optimizer", "learning_rate"; "input", "target",
    "weights", "deltas", "pins", "seed"); or {"worksheet": what `exercise` takes}, a network to be calculated by hand.

    Raises: ConvgradError where no network can be made of it, or one that is too large for a page.
    """
    if "worksheet" in asked:
        return exercise(asked["worksheet"])
    return model_of(own_example(asked))


def own_example(asked: Mapping[str, Any]) -> Example:
    """The network that `model` takes, but a worksheet's, with its numbers. Raises: ConvgradError."""
    content = _from_toml(asked["toml"]) if "toml" in asked else _from_list(asked)
    check_depth(content)
    found = example_from(content, MODEL, most=MOST_NUMBERS)
    if found.target is None and not found.deltas:
        found = found.given(target=_invented_target(found))
    return found


def _arguments(kind: type[Layer]) -> list[dict[str, Any]]:
    shown = {argument: key for key, argument in ALIASES.get(kind.__name__, {}).items()}
    found = []
    for field in fields(kind):
        required = field.default is MISSING and field.default_factory is MISSING
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        name = shown.get(field.name, field.name)
        found.append({"name": name, "default": None if required else _plain(default), "required": required})
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return dict(value) if isinstance(value, Mapping) else value


def _from_toml(text: Any) -> dict[str, Any]:
    if not isinstance(text, str):
        raise DataError('A network takes {"toml": "..."}, the text of a model file.')
    try:
        content: dict[str, Any] = tomllib.loads(text)
        return content
    except ValueError as error:  # not TOML, or a number that Python does not read
        raise ModelError(f"This is not TOML: {error}.") from None
    except RecursionError:
        raise ModelError("This TOML is nested too deep to be read.") from None


def _from_list(asked: Mapping[str, Any]) -> dict[str, Any]:
    content = dict(asked)
    about = {"name": "own network", "loss": "half_squared_error", "learning_rate": 0.1}
    for key in ("name", "input_shape", "loss", "optimizer", "learning_rate"):
        if content.get(key) is not None:
            about[key] = content[key]
        content.pop(key, None)
    if "layers" not in content:
        raise DataError('A network takes {"input_shape": [..], "layers": [..]} or {"toml": "..."}.')
    return {"model": about, "layer": content.pop("layers"), **content}


def _invented_target(found: Example) -> Any:
    """So that there is a backward pass to look at: label 0, or 1 for the first output and 0 for all others."""
    if getattr(found.loss, "takes_labels", False):
        return 0
    return [1, *[0] * (prod(found.network.output_shape) - 1)]
