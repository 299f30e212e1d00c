"""What was found out about a network, as figures: answers with their maps, layers, kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from convgrad.inspection.attribution import grad_cam, saliency
from convgrad.inspection.health import Health
from convgrad.network.plain import PlainNetwork
from convgrad.training.history import TRAINING_COLOR, VALIDATION_COLOR
from convgrad.training.reports.kernels import kernel_pixels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = npt.NDArray[Any]
DEAD_COLOR = "#c2410c"
CELL = 2.1
"""Inches of one picture in a grid."""


@dataclass(frozen=True)
class Answer:
    """An image as the network sees it, what it says of it, and where that comes from.

    pixels: (rows, columns, channels) of 0..1, before they are prepared. title: the answer in words.
    saliency, cam: maps of one class; see `saliency` and `grad_cam`.
    """

    pixels: Array
    title: str
    saliency: Array
    cam: Array


def answers(
    network: PlainNetwork,
    pixels: Array,
    classes: npt.NDArray[np.int64],
    titles: Sequence[str],
    layer: str | None = None,
    engine: str = "auto",
) -> list[Answer]:
    """Images (N, rows, columns, channels) of 0..1 with the maps of a class for each, (N,)."""
    inputs = network.preparation.apply(pixels)
    shown = saliency(network, inputs, classes, engine=engine)
    spoken = grad_cam(network, inputs, classes, layer=layer, engine=engine)
    maps = zip(pixels, titles, shown, spoken, strict=True)
    return [Answer(*each) for each in maps]


def draw_answers(found: Sequence[Answer], layer: str) -> Figure:
    """A row for each image: itself, its saliency, and what speaks for its class in a layer, laid over it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3 * CELL, (CELL + 0.25) * len(found)), layout="constrained")
    for row, answer in zip(figure.subplots(len(found), 3, squeeze=False), found, strict=True):
        height, width = answer.pixels.shape[:2]
        gray = answer.pixels if answer.pixels.shape[-1] == 3 else answer.pixels.mean(axis=-1)
        _show(row[0], gray, answer.title, cmap="gray", vmin=0, vmax=1)
        _show(row[1], answer.saliency, "saliency", cmap="magma", vmin=0)
        _show(row[2], gray, f"Grad-CAM of {layer}", cmap="gray", vmin=0, vmax=1)
        top = float(answer.cam.max()) or 1.0
        strength = answer.cam / top
        row[2].imshow(
            strength,
            cmap="inferno",
            vmin=0,
            vmax=1,
            alpha=0.75 * strength,
            extent=(-0.5, width - 0.5, height - 0.5, -0.5),
            interpolation="nearest",
        )
    return figure


def draw_layers(found: Health) -> Figure:
    """Gradients beside weights on the left, shares of dead units on the right, a bar for each layer."""
    from matplotlib.figure import Figure

    trained = [layer for layer in found if layer.gradient is not None]
    answering = [layer for layer in found if layer.units is not None]
    bars = max(len(trained), len(answering), 1)
    figure = Figure(figsize=(9.2, 1.2 + 0.28 * bars), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, layers in ((left, trained), (right, answering)):
        axes.set_yticks(range(len(layers)), [layer.name for layer in layers])
        axes.invert_yaxis()
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    for offset, color, label, values in (
        (-0.2, TRAINING_COLOR, "weights", [layer.weights for layer in trained]),
        (0.2, VALIDATION_COLOR, "gradient", [layer.gradient for layer in trained]),
    ):
        left.barh([place + offset for place in range(len(trained))], values, 0.36, color=color, label=label)
    if any(layer.gradient for layer in trained):
        left.set_xscale("log")
    left.set_title("root of the sum of squares", loc="left", fontsize=11)
    left.legend(frameon=False, fontsize=9)
    shares = [100 * (layer.dead or 0) / (layer.units or 1) for layer in answering]
    right.barh(range(len(answering)), shares, 0.5, color=DEAD_COLOR)
    right.set_xlim(0, max(10, *shares) if shares else 10)
    right.set_title("dead units, %", loc="left", fontsize=11)
    return figure


def draw_kernels(kernels: Array, name: str) -> Figure:
    """The first kernels (rows, columns, channels, filters) of a layer, as `kernel_pixels` shows them."""
    from matplotlib.figure import Figure

    pictures = kernel_pixels(kernels)
    across = min(8, len(pictures))
    figure = Figure(figsize=(0.9 * across, 0.9 * -(-len(pictures) // across) + 0.4), layout="constrained")
    figure.suptitle(f"{name}: {len(pictures)} of {kernels.shape[-1]} kernels", fontsize=11)
    grid = figure.subplots(-(-len(pictures) // across), across, squeeze=False).ravel()
    for place, axes in enumerate(grid):
        axes.set_axis_off()
        if place < len(pictures):
            axes.imshow(pictures[place], interpolation="nearest")
    return figure


def _show(axes: Axes, picture: Array, title: str, **how: Any) -> None:
    axes.imshow(picture, interpolation="nearest", **how)
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()
