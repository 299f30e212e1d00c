"""What the page asks its server: examples, networks of one's own, the list of layers, verdicts on sheets of numbers.

Each answer is data that JSON can hold. What can't be answered raises a ConvgradError, whose text the page shows.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from math import prod
from pathlib import Path
from typing import Any

from convgrad import layers
from convgrad.check.documents.course import Options
from convgrad.check.documents.document import check_text
from convgrad.check.sheets.sheet import mark
from convgrad.check.sheets.sheet_file import read_decimals, read_results, read_text, read_told, read_trace
from convgrad.errors import DataError, ModelError
from convgrad.examples import NAMES, Example, load_example
from convgrad.examples.files import example_from
from convgrad.examples.page import example_model
from convgrad.explain.page.model import MOST_NUMBERS
from convgrad.layers.base import Layer, registry
from convgrad.models.toml_file import ALIASES

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MODEL = Path("model")
SHEET = Path("sheet")
"""How messages call a network and a sheet that come from the page."""
PASTED = Path("what you pasted")
LONGEST_DERIVATION = 100_000
"""Characters."""
runs_programs = False
"""Whether programs in a derivation are run; the worker sets it."""
MOST_LAYERS = 40
LARGEST_SIZE = 1000
"""Of an axis in a sheet."""


def examples() -> list[dict[str, str]]:
    """Name and one line about each bundled example."""
    return [{"name": name, "about": load_example(name).about} for name in NAMES]


def example(name: str, exact: bool = False) -> dict[str, Any]:
    """A bundled example. exact: without pinned numbers. Raises: ModelError."""
    return model_of(load_example(name), exact)


def model_of(found: Example, exact: bool = False) -> dict[str, Any]:
    """An example as the page shows it, its questions answered by the server."""
    return example_model(found, found.trace(exact), served=True)


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
    "weights", "deltas", "pins", "seed").

    Raises: ConvgradError where no network can be made of it, or one that is too large for a page.
    """
    content = _from_toml(asked["toml"]) if "toml" in asked else _from_list(asked)
    _check_depth(content)
    found = example_from(content, MODEL, most=MOST_NUMBERS)
    if found.target is None and not found.deltas:
        found = found.given(target=_invented_target(found))
    return model_of(found)


def check(asked: Mapping[str, Any]) -> dict[str, Any]:
    """{"sheet": text of a sheet (docs/checking.md)} -> its marks: {"ok", "causes", "tensors": [{"name", "mark",
    "marks", "expected", "cause", ...}]}. Raises: ConvgradError.
    """
    sheet = asked.get("sheet")
    if not isinstance(sheet, str):
        raise DataError('A check takes {"sheet": "..."}, the text of a sheet.')
    content = read_text(sheet, str(SHEET))
    _check_depth(content)
    results = read_results(content, SHEET)
    trace = read_trace(content, SHEET, most=MOST_NUMBERS, largest=LARGEST_SIZE)
    decimals = read_decimals(content, SHEET, trace)
    return mark(trace, results, SHEET, decimals, told=read_told(content, SHEET)).to_json()


def derivation(asked: Mapping[str, Any]) -> dict[str, Any]:
    """{"text": a derivation (docs/checking.md)} -> its verdicts: {"verdict", "summary", "parts": [{"line", "what",
    "text", "mark", "words"}]}. Its programs are run only where the server was started so. Raises: ConvgradError.
    """
    text = asked.get("text")
    if not isinstance(text, str):
        raise DataError('A check of a derivation takes {"text": "..."}.')
    if len(text) > LONGEST_DERIVATION:
        raise DataError(f"The derivation has {len(text):,} characters; a page checks at most {LONGEST_DERIVATION:,}.")
    return check_text(text, str(PASTED), Options(run=runs_programs)).to_json()


GET: dict[str, Callable[[Mapping[str, str]], Any]] = {
    "/api/examples": lambda asked: examples(),
    "/api/example": lambda asked: example(asked.get("name", ""), asked.get("exact") == "1"),
    "/api/layers": lambda asked: layer_list(),
}
"""Path -> function of the query. What these take is known; the server itself answers them."""
POST: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    "/api/model": model,
    "/api/check": check,
    "/api/derivation": derivation,
}
"""Path -> function of the body. What these take depends on the person; a worker answers them."""


def _check_depth(content: Mapping[str, Any]) -> None:
    tables = content.get("layer", [])
    if isinstance(tables, list) and len(tables) > MOST_LAYERS:
        raise ModelError(f"The network has {len(tables)} layers; a page shows at most {MOST_LAYERS}.")


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
