"""All planted mistakes: which function, checked against what, and what it must be called."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import planted_axes as axes
import planted_convolution as convolution
import planted_layers as layers
import planted_loops as loops
import planted_losses as losses
import planted_norms as norms
import planted_slopes as slopes
import planted_statistics as statistics
import planted_windows as windows
import slips
from convgrad.check import Report, check
from edited_slips import EDITS, ORIGINALS, Edit

Factory = Callable[[Collection[str]], Callable[..., Any] | str]


@dataclass(frozen=True)
class Planted:
    """Functions with `switches` set in `factory`, and the names that the check must give."""

    where: str
    factory: Factory
    switches: tuple[str, ...]
    layer: str
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def names(self) -> set[str]:
        """What must be named: a switch's first word, or what it is called where that is another."""
        return {ALSO.get(s, s.split(" ")[0].rstrip(",")) for s in self.switches}

    @property
    def label(self) -> str:
        return f"{self.where}: {' + '.join(self.switches)}"

    def report(self) -> Report:
        return check(self.factory(self.switches), self.layer, **self.settings)


ALSO = {"pool-smallest": "pool-wrong-position"}


@dataclass(frozen=True)
class Family:
    """A factory with the switches that it knows; only those of different groups go together."""

    where: str
    factory: Factory
    groups: tuple[tuple[str, ...], ...]
    layer: str
    settings: dict[str, Any] = field(default_factory=dict)

    def single(self) -> list[Planted]:
        return [self.planted(s) for group in self.groups for s in group]

    def pairs(self) -> list[Planted]:
        found = []
        for one, two in combinations([(n, s) for n, group in enumerate(self.groups) for s in group], 2):
            if one[0] != two[0]:
                found.append(self.planted(one[1], two[1]))
        return found

    def planted(self, *switches: str) -> Planted:
        return Planted(self.where, self.factory, switches, self.layer, self.settings)


def _convolution(settings: dict[str, int]) -> Factory:
    return lambda switches: convolution.backward(switches, **settings)


def _by_axis() -> tuple[Family, ...]:
    """Along one axis, and at the far edge."""
    both = {"strides": (3, 2), "padding": (3, 2), "dilation": (2, 3)}
    uneven = {"strides": (3, 4), "padding": (2, 1)}
    square = {"padding": (2, 2)}
    switches = {
        "conv2d by axis": (both, BY_AXIS),
        "conv2d, stride that does not divide": (uneven, FAR_EDGE),
        "conv2d, transposed operands": (square, SWAPPED),
    }
    return tuple(Family(where, _along(given), (group,), "conv2d", given) for where, (given, group) in switches.items())


def _along(given: dict[str, tuple[int, int]]) -> Factory:
    return lambda planted: axes.backward(planted, **given)


BY_AXIS = (
    *(
        f"{what} along the {lines}"
        for what in ("stride-not-dilated", "dilation-ignored", "padding-ignored")
        for lines in ("rows", "columns")
    ),
    "padding-off-by-one, too small",
    "padding-off-by-one, too small along the rows",
    "padding-off-by-one, too small along the columns",
    "padding-off-by-one, too large along the columns",
    "padding-wrong-side at the start",
    "stride-far-edge along the columns",
    "stride-far-edge along both",
)
FAR_EDGE = ("stride-far-edge, moved", "stride-far-edge, short", "stride-far-edge, zeros")
SWAPPED = ("height-width-swapped in the input", "height-width-swapped in the delta")
ROTATION = ("kernel-not-rotated", "transposed-instead-of-rotated", "height-width-swapped in do")
IN_DO = (
    ROTATION,
    ("delta-rotated in do", "gradient-rotated in do"),
    ("stride-not-dilated", "stride-off-by-one", "stride-far-edge"),
    ("dilation-ignored",),
    ("padding-not-cropped", "padding-wrong-side"),
    ("channels-swapped",),
    ("sign in do",),
)
IN_DW = (
    ("delta-rotated", "gradient-rotated"),
    ("height-width-swapped",),
    ("channels-swapped in dw",),
    ("stride-not-dilated in dw",),
    ("dilation-ignored in dw",),
    ("padding-ignored",),
    ("last-example-only",),
    ("mean-over-batch",),
    ("factor-2",),
    ("sign",),
)
IN_DB = (("bias-not-summed over batch", "bias-not-summed over space", "bias-not-summed", "mean-over-batch in db"),)
SETTINGS = {"strides": 2, "padding": 1, "dilation": 2}
GROUPED = {**SETTINGS, "groups": 2}
POOL = {"pool_size": (2, 3), "strides": 2}
SMALL = (1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-6, 1e-5, 1e-11)
IN_LOG, BELOW = (tuple(f"{what} {value:g}" for value in SMALL) for what in ("epsilon-in-log", "epsilon-below"))
EPSILONS = tuple(f"epsilon {value:g}" for value in (1e-5, 1e-8, 1e-6, 1e-7, 1e-12))
LOOPED = {"kernel_size": (3, 4)}
PARTS = ("first-{}-only", "last-{}-only", "all-but-last-{}", "all-but-first-{}")


def _loops() -> tuple[Family, ...]:
    """Loops that come to some of the filters, examples, rows, columns only."""
    seen = {
        "filter": ("do",),
        "example": ("dw",),
        "row": ("do", "db"),
        "column": ("dw", "db"),
        "kernel-row": ("do",),
        "kernel-column": ("do",),
    }
    elsewhere = {"first-example-only", "last-example-only"}
    names = [f"{part.format(one)} in {output}" for one, outputs in seen.items() for output in outputs for part in PARTS]
    far = ("all-but-last-row in do", "all-but-last-column in dw")  # stride-far-edge
    names = [n for n in names if n not in far and n.split(" ")[0] not in elsewhere]
    swapped = "height-width-swapped of each"
    wide = {"kernel_size": (2, 4), "input_shape": (6, 11, 3)}
    high = {"kernel_size": (4, 2), "input_shape": (11, 6, 3)}
    of_forward = tuple(part.format("channel") for part in PARTS)
    return (
        Family("conv2d by loops", loops.backward, (tuple(names),), "conv2d", LOOPED),
        Family("wide", loops.backward, ((f"{swapped} column", f"{swapped} kernel-column"),), "conv2d", wide),
        Family("high", loops.backward, ((f"{swapped} row", f"{swapped} kernel-row"),), "conv2d", high),
        Family("conv2d forward by loops", loops.forward, (of_forward,), "conv2d", {**LOOPED, "bias": None}),
    )


def _slopes() -> tuple[Family, ...]:
    """Activations with other derivatives."""
    others = tuple(f"derivative-of-another {name}" for name in slopes.SLOPES if name != "tanh")
    right = ("kink", "gelu-by-sigmoid")
    wrong = {name: tuple(s for s in switches if not s.startswith(right)) for name, switches in slopes.WRONG.items()}
    wrong["tanh"] += others
    return tuple(
        Family(f"{name} by its derivative", slopes.activation_backward(name), (switches,), name)
        for name, switches in wrong.items()
    )


OF_SOFTMAX = (
    "softmax-diagonal",
    "softmax-diagonal without the sum",
    "softmax-diagonal without dout",
    "derivative-in-part, added",
    "derivative-in-part, a plain sum",
    "derivative-in-part, no factor",
)
OF_STATISTICS = (
    "path-missing through the variance",
    "path-missing through the mean",
    "epsilon-outside-root",
    "epsilon-outside-root, derived",
    "count-less-one",
    "count-less-one, derived",
    "mean-without-1/n",
    "mean-without-1/n in the mean",
    "mean-without-1/n in the variance",
    "scale-missing",
    "root-missing",
    "root-missing, twice",
)
OF_GAMMA = ("not-normalized", "not-normalized, but centred", "not-normalized, not centred")
MIXED = (
    "delta as rows of filters",
    "delta as columns of filters",
    "delta with filters last",
    "delta by examples",
    "delta by places",
    "kernel as columns",
    "kernel with channels last",
    "kernel as rows",
    "kernel with channels first",
    "input with channels last",
    "input with channels first",
)
FAMILIES = (
    Family("conv2d", _convolution(SETTINGS), (*IN_DO, *IN_DW, *IN_DB), "conv2d", SETTINGS),
    Family("conv2d in groups", _convolution(GROUPED), (("groups-ignored",), ("sign in do",)), "conv2d", GROUPED),
    Family(
        "max_pool2d",
        layers.max_pool_backward,
        (
            (
                "pool-spread",
                "pool-spread in full",
                "pool-wrong-position",
                "pool-wrong-position from the end",
                "pool-wrong-position, one further",
                "pool-smallest",
                "pool-mask-inverted",
                "pool-mask-inverted, first",
                "overlaps-overwritten",
            ),
            ("sign",),
            ("factor-2",),
            ("mean-over-batch",),
        ),
        "max_pool2d",
        POOL,
    ),
    Family(
        "avg_pool2d",
        layers.average_pool_backward,
        (("average-without-1/n",), ("sign",), ("stride-far-edge",)),
        "avg_pool2d",
        {"pool_size": 2, "strides": 3},
    ),
    Family(
        "dense+sigmoid",
        layers.dense_sigmoid_backward,
        (
            ("activation-missing", "activation-twice", "activation-at-output", "activation-formula-at-input"),
            ("sign",),
            ("mean-over-batch",),
            ("bias-not-summed",),
            ("factor-2",),
        ),
        "dense+sigmoid",
    ),
    Family(
        "softmax_cross_entropy",
        layers.softmax_loss,
        (("softmax-twice", "target-missing"), ("sum-over-batch",), ("sign",)),
        "softmax_cross_entropy",
    ),
    Family("half_squared_error", layers.half_square_loss, (("factor-2",), ("sign",)), "half_squared_error"),
    Family("a layer that adds", lambda s: layers.keeps_adding(s), (("accumulated",), ("sign",)), "dense"),
    Family("relu in place", lambda s: layers.spoils_its_argument(s), (("argument-changed",), ("factor-2",)), "relu"),
    Family(
        "conv2d with sides",
        windows.sided_backward,
        (
            (
                "axes-swapped",
                "padding-off-by-one",
                "padding-off-by-one on both axes",
                "convolution-for-correlation",
                "factor-half",
                "divided-by-window",
            ),
            ("overlaps-overwritten",),
            ("input-rotated", "mean-over-places", "last-place-only"),
            ("first-example-only", "mean-over-batch-and-places"),
        ),
        "conv2d",
        {"strides": (2, 1), "padding": (2, 1)},
    ),
    Family(
        "conv2d, padding same",
        lambda s: windows.sided_backward(s, (2, 2), ((0, 1), (0, 1))),
        (("padding-wrong-side",),),
        "conv2d",
        {"strides": 2, "padding": ((0, 1), (0, 1))},
    ),
    Family(
        "conv2d in three groups",
        windows.grouped_backward,
        (("groups-interleaved", "groups-ignored"),),
        "conv2d",
        {"groups": 3, "bias": None},
    ),
    Family(
        "avg_pool2d with padding",
        windows.padded_average_backward,
        (("average-counts-padding",),),
        "avg_pool2d",
        {"pool_size": 3, "strides": 2, "padding": 1},
    ),
    Family(
        "conv_transpose2d",
        windows.transposed_backward,
        (
            ("padding-ignored", "stride-not-dilated"),
            ("kernel-rotated",),
            ("channels-swapped",),
            ("gradient-rotated",),
            ("bias-not-summed",),
        ),
        "conv_transpose2d",
        {"strides": 2, "padding": 1},
    ),
    Family(
        "group_norm",
        norms.group_norm_backward,
        (("statistics-constant", "groups-ignored"), ("mean-over-batch",), ("sign",)),
        "group_norm",
    ),
    Family("batch_norm", norms.batch_norm_backward, (("statistics-constant",), ("factor-2",)), "batch_norm"),
    Family("batch_norm2d", norms.image_batch_norm_backward, (("statistics-constant",),), "batch_norm2d"),
    Family("layer_norm", norms.layer_norm_backward, (("statistics-constant",),), "layer_norm"),
    Family("binary_cross_entropy", norms.binary_loss, (("sigmoid-twice", "target-missing"),), "binary_cross_entropy"),
    Family("half_squared_error, mean", norms.half_square_loss, (("mean-over-elements",),), "half_squared_error"),
    Family("mse", norms.mean_square_loss, (("sum-over-elements", "factor-half"),), "mse"),
    *_by_axis(),
    *_loops(),
    *_slopes(),
    Family("softmax", slopes.softmax_backward, (OF_SOFTMAX,), "softmax"),
    Family("batch_norm, step by step", statistics.batch_norm_backward, (OF_STATISTICS, OF_GAMMA), "batch_norm"),
    Family(
        "conv2d by matrices",
        loops.by_matrices,
        (tuple(f"order-mixed, {what}" for what in MIXED),),
        "conv2d",
        {"kernel_size": (3, 2)},
    ),
    Family(
        "max_pool2d by places",
        loops.max_pool_backward,
        (("pool-index-by-rows", "pool-wrong-position, exchanged"),),
        "max_pool2d",
        POOL,
    ),
    Family(
        "max_pool2d with padding",
        loops.padded_max_pool_backward,
        (("pool-padded-with-zeros",),),
        "max_pool2d",
        {"pool_size": 3, "strides": 2, "padding": 1},
    ),
    Family("conv2d forward", layers.correlation, (("convolution-for-correlation",),), "conv2d", {"bias": None}),
)
CHOICES = (
    Family("softmax_cross_entropy, in the logarithm", losses.class_loss, (IN_LOG,), "softmax_cross_entropy"),
    Family("binary_cross_entropy, below", losses.two_class_gradient, (BELOW,), "binary_cross_entropy"),
    Family("group_norm, another epsilon", norms.group_norm_backward, (EPSILONS,), "group_norm"),
    Family(
        "group_norm, less epsilon", norms.group_norm_backward, (("epsilon 0.001",),), "group_norm", {"epsilon": 0.1}
    ),
    Family("group_norm, no epsilon", norms.group_norm_backward, (("epsilon 0",),), "group_norm"),
    Family("relu", axes.relu_backward, (("kink",),), "relu"),
    Family("relu, 1/2", slopes.activation_backward("relu"), (("kink at 1/2",),), "relu"),
    Family("leaky_relu", slopes.activation_backward("leaky_relu"), (("kink",),), "leaky_relu"),
    Family("gelu", slopes.activation_backward("gelu"), (("gelu-by-sigmoid",),), "gelu"),
    Family("max_pool2d, ties shared", loops.max_pool_backward, (("pool-ties-shared",),), "max_pool2d", POOL),
    Family("dense+sigmoid, 1/m", layers.dense_sigmoid_backward, (("mean-over-batch",),), "dense+sigmoid"),
    Family("max_pool2d, all ties", layers.max_pool_backward, (("pool-all-ties",),), "max_pool2d", POOL),
    Family("max_pool2d, ties", layers.max_pool_backward, (("pool-last-tie",),), "max_pool2d", POOL),
)
"""Not wrong, but another convention: it is told, and the function is right."""
NOT_ALONE = {
    ("a layer that adds", "sign"),
    ("relu in place", "factor-2"),  # these factories can't do without their first fault
    ("dense+sigmoid", "mean-over-batch"),  # in both parameters: a convention
}
"""Switches that plant no single mistake of that name."""


def singles() -> list[Planted]:
    return [p for f in FAMILIES for p in f.single() if (p.where, p.switches[0]) not in NOT_ALONE]


def choices() -> list[Planted]:
    return [p for f in CHOICES for p in f.single()]


def of_one_slip() -> list[Planted]:
    """The functions of slips.py, which run from their file."""

    def found_in_file(function: str) -> Factory:
        return lambda _: f"{slips.__file__}:{function}"

    return [
        Planted("slips.py", found_in_file(function), (name,), layer, settings)
        for function, (layer, settings, name, _) in slips.SLIPS.items()
    ]


def of_edits() -> list[Planted]:
    """The slips of edited_slips.py."""

    def edited(edit: Edit) -> Factory:
        return lambda _: ORIGINALS[edit.original].function(edit.old, edit.new)

    return [
        Planted(edit.label, edited(edit), (edit.name,), found.layer, dict(found.settings))
        for edit in EDITS
        for found in [ORIGINALS[edit.original]]
    ]


def pairs() -> list[Planted]:
    return [p for f in FAMILIES for p in f.pairs() if len(p.names) == 2]


def torch_cases() -> list[Planted]:
    """Imported only where PyTorch is there."""
    import planted_torch

    conv = Family(
        "PyTorch conv2d",
        planted_torch.conv_backward,
        (
            ("kernel-not-rotated",),
            ("stride-not-dilated", "stride-far-edge"),
            ("gradient-rotated",),
            ("mean-over-batch",),
            ("bias-not-summed",),
        ),
        "conv2d",
        {"strides": 2, "padding": 1},
    )
    tanh = Family(
        "PyTorch tanh", planted_torch.tanh_backward, (("activation-missing",), ("activation-formula-at-input",)), "tanh"
    )
    return [*conv.single(), *tanh.single()]
