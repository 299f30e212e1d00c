"""What can be chosen by name is public and described: layers, losses, optimizers, metrics, schedules, formats."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from pathlib import Path
from typing import get_origin

import pytest

from convgrad import data, initializers, layers, losses, optimizers
from convgrad.training import metrics, schedules, whole_metrics

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
pytestmark = pytest.mark.complete
PACKAGES = ("convgrad", "convgrad.layers", "convgrad.training", "convgrad.data", "convgrad.check", "convgrad.explain")


def _reference() -> set[str]:
    """What the pages of the API show, as `Conv2D`."""
    pages = "\n".join(page.read_text(encoding="utf-8") for page in (DOCS / "api").glob("*.md"))
    return {name.rpartition(".")[2] for name in re.findall(r"^::: (\S+)$", pages, re.MULTILINE)}


@pytest.mark.parametrize("package", PACKAGES)
def test_what_is_public_stands_in_the_reference(package: str) -> None:
    module = importlib.import_module(package)
    things = {name: getattr(module, name) for name in module.__all__}
    # For Python 3.10 the name of a type, such as Callable[[int], None], is a class.
    things = {name: thing for name, thing in things.items() if get_origin(thing) is None}
    public = {name for name, thing in things.items() if inspect.isclass(thing) or inspect.isroutine(thing)}
    assert not sorted(public - _reference()), "add `::: package.Name` to a page of docs/api"


def test_every_layer_is_public() -> None:
    ours = {name for name, kind in layers.registry.items() if kind.__module__.startswith("convgrad.")}
    assert not sorted(ours - set(layers.__all__)), "import them in convgrad/layers/__init__.py and add them to __all__"
    written = _subclasses("convgrad.layers", layers.Layer)
    assert not sorted(written - ours), "a layer is a subclass of Layer that `registry` knows"


def test_every_loss_has_a_name_and_stands_in_the_reference() -> None:
    written = {name for name, _ in inspect.getmembers(losses, inspect.isclass) if _is_a(losses, name, losses.Loss)}
    assert not sorted(written - {kind.__name__ for kind in losses.registry.values()}), "add them to losses.registry"
    assert not sorted(written - _reference()), "add `::: convgrad.losses.Name` to docs/api/learning.md"


def test_every_optimizer_has_a_name_and_stands_in_the_reference() -> None:
    classes = inspect.getmembers(optimizers, inspect.isclass)
    written = {name for name, _ in classes if _is_a(optimizers, name, optimizers.Optimizer)}
    named = {type(make()).__name__ for make in optimizers.registry.values()}
    assert not sorted(written - named), "add them to optimizers.registry"
    assert not sorted(written - _reference()), "add `::: convgrad.optimizers.Name` to docs/api/learning.md"


def test_what_training_takes_by_name_stands_in_its_guide() -> None:
    guide = (DOCS / "training.md").read_text(encoding="utf-8")
    names = {*metrics.registry, *whole_metrics.NAMES, *schedules.SCHEDULES}
    assert not sorted(name for name in names if f"`{name}`" not in guide and f'"{name}"' not in guide), (
        "describe them in docs/training.md"
    )


def test_every_metric_is_tried_by_a_test() -> None:
    folder = ROOT / "tests" / "training"
    tests = "".join((folder / f"test_{file}.py").read_text(encoding="utf-8") for file in ("metrics", "whole_metrics"))
    names = {*metrics.registry, *whole_metrics.NAMES}
    assert not sorted(name for name in names if f'"{name}"' not in tests), "tests/training/test_[whole_]metrics.py"


def test_every_initializer_has_its_name() -> None:
    functions = inspect.getmembers(initializers, inspect.isfunction)
    takes = ["rng", "shape", "fan_in", "fan_out"]
    written = {name for name, function in functions if list(inspect.signature(function).parameters) == takes}
    assert written == set(initializers.registry), "add them to initializers.registry"


def test_every_format_is_loaded_by_one_door_and_public() -> None:
    """A function `load_...` that gives a `Dataset` is public, is called by `load` or `load_named`, and has a test."""
    found = {}
    for module in pkgutil.iter_modules(data.__path__, "convgrad.data."):
        for name, function in inspect.getmembers(importlib.import_module(module.name), inspect.isfunction):
            if name.startswith("load_") and function.__module__ == module.name:
                found[name] = module.name
    assert len(found) >= 5
    assert not sorted(set(found) - set(data.__all__)), (
        "import them in convgrad/data/__init__.py and add them to __all__"
    )
    doors = "".join((ROOT / f"src/convgrad/data/{door}.py").read_text(encoding="utf-8") for door in ("load", "named"))
    assert not sorted(name for name in found if f"{name}(" not in doors), "let convgrad.data.load find their files"
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "data").glob("*.py"))
    assert not sorted(name for name in found if name not in tests), "test them in tests/data"


def test_the_guide_names_every_kind_of_file_that_is_loaded() -> None:
    source = (ROOT / "src/convgrad/data/load.py").read_text(encoding="utf-8")
    guide = (DOCS / "training.md").read_text(encoding="utf-8")
    suffixes = set(re.findall(r'"(\.[a-z0-9]+)"', source))
    assert suffixes >= {".npz", ".zip"}
    assert not sorted(suffix for suffix in suffixes if f"`{suffix}`" not in guide), "docs/training.md"
    accepted = source.partition("_ACCEPTED = (")[2].partition("\n)\n")[0]
    assert not sorted(suffix for suffix in suffixes if suffix not in accepted), "_ACCEPTED in data/load.py"


def _subclasses(package: str, base: type) -> set[str]:
    """Classes derived from `base` in the modules of a package, without those that others derive from."""
    found: set[type] = set()
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
        for _, kind in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(kind, base) and kind is not base and kind.__module__ == module.name:
                found.add(kind)
    parents = {parent for kind in found for parent in kind.__mro__[1:]}
    return {kind.__name__ for kind in found - parents if not kind.__name__.startswith("_")}


def _is_a(module: object, name: str, base: type) -> bool:
    kind = getattr(module, name)
    return issubclass(kind, base) and kind is not base
