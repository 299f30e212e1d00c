"""docs/layers.md is made from the layers, losses and optimizers themselves: CONVGRAD_ACCEPT=1 writes it anew."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

import pytest

from convgrad import initializers, losses, optimizers
from convgrad.layers import (
    BatchNorm,
    Dropout,
    Layer,
    registry,
)
from documented_layers import GROUPS

pytestmark = pytest.mark.complete
PAGE = Path(__file__).parents[2] / "docs" / "layers.md"
INTRODUCTION = """\
# Layers, losses, optimizers

Each is one equation, or a few; this page is made from them. `o` is a layer's input (`o1`, `o2` where there are
several) and `x` its result; `w`, `b`, `gamma` and `beta` are trained. Gradients are not listed: they are derived.

- `i`, `j` (and `l`) count places in the result, `m`, `n` (and `r`) places in the kernel, `c` channels of the input,
  `k` channels of the result. Images are (rows, columns, channels), kernels (rows, columns, input channels, output
  channels).
- `f` counts all elements of axes whose number does not matter; `e` counts the examples of a batch.
- `s`, `d` and `p` are stride, dilation and padding before the first place, `s1`, `s2` where axes differ.

Arguments are called, ordered and preset as in Keras where it has them. Each layer takes `name=` as well. `print(layer)`
shows its equation; the docstring (`help(Conv2D)`) says what each argument means.
"""


def test_the_page_is_up_to_date() -> None:
    text = "\n".join([INTRODUCTION, *_layers(), *_others()])
    if os.environ.get("CONVGRAD_ACCEPT"):
        PAGE.write_text(text)
    assert PAGE.read_text() == text, "run with CONVGRAD_ACCEPT=1 to rewrite the page"


def test_the_page_has_every_layer() -> None:
    shown = {type(layer).__name__ for layers in GROUPS.values() for layer in layers}
    ours = {name for name, kind in registry.items() if kind.__module__.startswith("convgrad.")}
    assert ours - shown == {"Equation"}, "show each in tests/support/documented_layers.py"


def _layers() -> Iterable[str]:
    for title, layers in GROUPS.items():
        yield f"## {title}\n"
        yield from _table(("layer", "equation"), [row for layer in layers for row in _rows(layer)])
        yield from _argument_table(layers)
    yield "## A layer of your own\n"
    yield "`Equation(text)` takes any equation: see [networks](network.md#layers-of-your-own).\n"


def _rows(layer: Layer) -> Iterable[tuple[str, str]]:
    yield _code(repr(layer)), _code(layer.text)
    if isinstance(layer, (BatchNorm, Dropout)):  # those that predict otherwise than they train
        yield "to predict", _code(str(layer.build((7, 5, 3)).predict))


COMMON = [each.name for each in fields(optimizers.Optimizer) if each.kw_only]
"""What all optimizers take, whose table has what is their own."""


def _others() -> Iterable[str]:
    yield "## Losses\n"
    yield "`y` is the network's result for one example, `t` its target; the mean over a batch is what is minimized.\n"
    shown = [(_code(name), _code(repr(loss())), _code(loss().text)) for name, loss in losses.registry.items()]
    yield from _table(("name", "object", "equation"), shown)
    yield "## Optimizers\n"
    yield "`w` is each trained tensor, `dw` its gradient, `i` counts their elements, `eta` is the learning rate. Adam's"
    yield "`c1` and `c2` are 1/(1 - beta1^t) and 1/(1 - beta2^t) in step t, counted from 1.\n"
    makers = {name: make() for name, make in optimizers.registry.items()}
    rows = [(_code(name), _code(optimizer.text)) for name, optimizer in makers.items()]
    yield from _table(("name", "equation"), rows)
    yield from _argument_table(makers.values())
    yield "All of them also take, by name,"
    yield ", ".join(map(_code, COMMON)) + ": gradients are cut, and some parameters have a"
    yield "learning rate or a decay of their own; see [training](training.md#weight-decay-groups-and-clipping).\n"
    yield "## Initial values\n"
    yield "For `kernel_initializer=` and `Equation(..., initial={tensor: ...})`, by name. A function of"
    yield "`(rng, shape, fan_in, fan_out)` that returns an array works, too.\n"
    rows = [(_code(name), _first_line(function.__doc__)) for name, function in initializers.registry.items()]
    yield from _table(("name", "values"), rows)


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterable[str]:
    lines = [heads, tuple("---" for _ in heads), *rows]
    yield from (f"| {' | '.join(line)} |" for line in lines)
    yield ""


def _code(text: str) -> str:
    """Text with one code span a line, as a table's cell holds it."""
    assert "|" not in text
    return "<br>".join(f"`{line}`" for line in text.splitlines())


def _argument_table(objects: Iterable[object]) -> Iterable[str]:
    """The classes with their arguments, those with the same ones in one row."""
    classes: dict[str, list[str]] = {}
    for kind in dict.fromkeys(map(type, objects)):
        classes.setdefault(_arguments(kind), []).append(f"`{kind.__name__}`")
    rows = [(", ".join(names), arguments) for arguments, names in classes.items() if arguments]
    if rows:
        yield from _table(("class", "arguments"), rows)


def _arguments(kind: type) -> str:
    """`filters`, `strides=1`, ..."""
    parameters = inspect.signature(kind).parameters.values()
    common = COMMON if issubclass(kind, optimizers.Optimizer) else []
    own = [p for p in parameters if p.name not in {"name", *common}]
    shown = [p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in own]
    return ", ".join(f"`{argument}`" for argument in shown)


def _first_line(docstring: str | None) -> str:
    return (docstring or "").strip().split("\n\n")[0].replace("\n", " ").replace("    ", " ")
