"""docs/layers.md is written by this test from the layers themselves: CONVGRAD_ACCEPT=1 writes it anew."""

from __future__ import annotations

import os
from pathlib import Path

from convgrad import losses, optimizers
from convgrad.layers import base
from convgrad.layers.base import Layer

PAGE = Path(__file__).parents[1] / "docs" / "layers.md"
ARGUMENTS: dict[str, dict[str, object]] = {
    "Conv1D": {"filters": 8, "kernel_size": 3},
    "Conv2D": {"filters": 8, "kernel_size": 3},
    "Conv3D": {"filters": 8, "kernel_size": 3},
    "ConvTranspose2D": {"filters": 8, "kernel_size": 3, "strides": 2},
    "DepthwiseConv2D": {"kernel_size": 3},
    "MaxPool2D": {"pool_size": 2},
    "AvgPool2D": {"pool_size": 2},
    "Dense": {"units": 10},
    "Dropout": {"rate": 0.5},
    "GroupNorm": {"groups": 4},
    "Reshape": {"target_shape": (4, 7)},
    "ZeroPadding2D": {"padding": 1},
}


def test_the_page_shows_every_layer() -> None:
    parts = [
        "# Layers, losses, optimizers\n",
        "Each is one equation. `o` is the input (`o1`, `o2` where there are several), `x` the result, `w` and `b` are",
        "trained. Arguments are those of Keras; the docstrings say what each means. The equations are those of the",
        "layers as constructed here.\n",
        "## Layers\n",
    ]
    for name, kind in sorted(base.registry.items()):
        if kind.__module__.startswith("convgrad.") and name != "Equation":
            layer = kind(**ARGUMENTS.get(name, {}))
            parts += [f"### {layer!r}\n", _block(layer.text), ""]
            predict = getattr(layer, "predict_text", None)
            if predict:
                parts += ["To predict:\n", _block(predict), ""]
    parts += ["### Equation(text)\n", "A layer of your own, see [networks](network.md#layers-of-your-own).\n"]
    parts += ["## Losses\n", "`y` is the network's result for one example, `t` its target.\n"]
    for name, loss in losses.registry.items():
        parts += [f"### {name}\n", _block(loss().text), ""]
    parts += ["## Optimizers\n"]
    for name, make in optimizers.registry.items():
        parts += [f"### {name}: {make()!r}\n", _block(make().text), ""]
    text = "\n".join(parts).rstrip() + "\n"
    if os.environ.get("CONVGRAD_ACCEPT"):
        PAGE.write_text(text)
    assert PAGE.read_text() == text, "run with CONVGRAD_ACCEPT=1 to write the page anew"


def _block(text: str) -> str:
    return f"```\n{text}\n```"


def test_every_layer_can_be_shown() -> None:
    assert all(issubclass(kind, Layer) for kind in base.registry.values())
