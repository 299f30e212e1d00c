"""Further inputs for a function that was right on the first: one table of what is varied, and for what.

What a signature admits has to be right: every batch, number of channels and filters, stride, padding and size that its
arguments can say. What it refuses, by an `assert` or an error that it raises, is not covered and is told as such.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from convgrad.check.functions.layouts import fits
from convgrad.check.functions.objects import ObjectReading
from convgrad.check.functions.reading import Convention
from convgrad.check.functions.roles import TRUE_WINNERS, WINNERS
from convgrad.check.problems.course_subject import WrittenSubject
from convgrad.check.problems.families import FAMILIES
from convgrad.check.problems.subject import LayerSubject, LossSubject, Sizes
from convgrad.check.submissions.answers import Trouble
from convgrad.errors import ConvgradError
from convgrad.layers.activation import Elementwise

IN_SIGNATURE = ("strides", "padding", "dilation", "groups", "pool_size", "size", "epsilon", "negative_slope", "alpha")
"""Settings of a layer that a function can only have through an argument; those of a kernel it sees in its array."""
IN_DICTIONARY = {"pool_size": ("strides", "pool_size"), "kernel_size": ("strides", "padding")}
"""Settings that a tuple or dictionary of them has: of a pooling, which has no padding there, and of a convolution."""


@dataclass(frozen=True)
class Variation:
    """Another input.

    words: what is special, for the report. given: arguments of the layer. batch, channels: other numbers of them.
    image: None as chosen; "wide": more columns than rows; "high": more rows; "kernel": as large as the kernel; "one
        more", "two more": rows and columns, where the padding depends on how many there are.
    steps: of what goes on in time.
    sizes: fields of `Sizes`. optional: what a function may as well not take: then a failure is told as not covered.
    shape: the same where it fails or gives other shapes, but wrong numbers are a fault.
    among: the family has one of these arguments, or is of one of these names; empty for all.
    """

    words: str
    given: Mapping[str, Any] = field(default_factory=dict)
    batch: int | None = None
    channels: int | None = None
    image: str | None = None
    sizes: Mapping[str, Any] = field(default_factory=dict)
    leading: tuple[int, ...] = ()
    steps: int | None = None
    optional: bool = False
    shape: bool = False
    among: tuple[str, ...] = ()


ACTIVATIONS = tuple(name for name, family in FAMILIES.items() if issubclass(family.layer, Elementwise))
ALONE = ("layer_norm", "rms_norm", "group_norm", "instance_norm")
"""Normalizations that take each example by itself."""
NORMALIZATIONS = ("batch_norm", "batch_norm2d", *ALONE)
SOFTMAXES = ("softmax", "log_softmax")
OF_ROWS = (*SOFTMAXES, "layer_norm", "rms_norm", "glu")
ROWS = ("dense", *OF_ROWS, *ACTIVATIONS)
"""Those that work along the last axis, whatever is before it."""
GLOBAL = tuple(f"global_{kind}_pool{axes}d" for kind in ("avg", "max") for axes in (1, 2, 3))
KERNELS = ("kernel_size",)
KERNELS_2D = ("conv2d", "depthwise_conv2d", "conv_transpose2d")
WINDOWS = ("kernel_size", "pool_size")

MORE = ("one more", "two more")
STEPS: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("", {}),
    ("stride 2 and ", {"strides": 2}),
    ("stride 3 and ", {"strides": 3}),
    ("a window of 3 x 3, stride 2 and ", {"pool_size": 3, "strides": 2}),
)
"""With the image as chosen, each remainder of 2 and of 3: what "same" pads follows from it."""

SAME_AND_STRIDE: Mapping[str, Any] = {"padding": "same", "kernel_size": 3, "strides": 2}

TABLE = (
    Variation("other numbers", sizes={"seed": 1}),
    Variation("a batch of 1", batch=1,
              among=(*WINDOWS, "course", "dense", *SOFTMAXES, *ALONE, *ACTIVATIONS)),
    Variation("one step", steps=1, among=("course",)),
    Variation("six steps", steps=6, among=("course",)),
    Variation("large values", sizes={"values": "large"}, among=(*ACTIVATIONS, *SOFTMAXES)),
    Variation("small values and zeros", sizes={"values": "small"}, among=(*ACTIVATIONS, *SOFTMAXES, "losses")),
    Variation("negative values", sizes={"values": "negative"}, among=("pool_size", *ACTIVATIONS)),
    Variation("stride 2", {"strides": 2}, among=WINDOWS),
    Variation("stride 1", {"strides": 1}, among=("pool_size",)),
    Variation("padding 1", {"padding": 1}, among=WINDOWS),
    Variation("padding 2", {"padding": 2}, among=WINDOWS),
    Variation("padding same", {"padding": "same", "kernel_size": 3}, shape=True, among=KERNELS),
    Variation("padding same and stride 2", SAME_AND_STRIDE, shape=True, among=KERNELS),
    Variation("padding same, stride 2, one more to an axis", SAME_AND_STRIDE, image=MORE[0], shape=True, among=KERNELS),
    Variation("stride 3", {"strides": 3}, among=WINDOWS),
    Variation("stride 2 and padding 1", {"strides": 2, "padding": 1}, among=WINDOWS),
    Variation("stride 3 and padding 2", {"strides": 3, "padding": 2}, among=WINDOWS),
    Variation("padding 0", {"padding": 0}, among=WINDOWS),
    Variation("dilation 2", {"dilation": 2}, among=WINDOWS),
    Variation("2 groups", {"groups": 2}, among=WINDOWS),
    Variation("dilation 2 and padding 1", {"dilation": 2, "padding": 1}, among=WINDOWS),
    Variation("2 groups and stride 2", {"groups": 2, "strides": 2}, among=WINDOWS),
    Variation("a window of 3 x 2", {"pool_size": (3, 2)}, among=("pool_size",)),
    Variation("a window of 3 x 3 and stride 2", {"pool_size": 3, "strides": 2}, among=("pool_size",)),
    Variation("one channel", channels=1, among=WINDOWS),
    Variation("one filter", {"filters": 1}, among=("filters",)),
    Variation("a kernel of 1 x 1", {"kernel_size": 1}, among=KERNELS),
    Variation("more columns than rows", image="wide", among=WINDOWS),
    Variation("more rows than columns", image="high", among=WINDOWS),
    *(Variation(f"{words}{more} to an axis", given, image=more, among=WINDOWS)
      for words, given in STEPS for more in MORE),
    Variation("a stride that divides", sizes={"divides": True}, among=WINDOWS),
    Variation("an image as large as the window", image="kernel", among=WINDOWS),
    Variation("a kernel wider than high", {"kernel_size": (2, 3)}, shape=True, among=KERNELS_2D),
    Variation("height and width equal", sizes={"square": True}, among=WINDOWS),
    Variation("as many filters as channels", sizes={"equal": True}, among=("filters",)),
    Variation("one feature", channels=1, among=("dense",)),
    Variation("one unit", {"units": 1}, among=("units",)),
    Variation("as many units as features", sizes={"equal": True}, among=("units",)),
    Variation("epsilon 0.1", {"epsilon": 0.1}, among=NORMALIZATIONS),
    Variation("another number of features", channels=8, among=(*OF_ROWS, "batch_norm", "batch_norm2d")),
    Variation("two features", channels=2, among=OF_ROWS),
    Variation("slope 0.1", {"negative_slope": 0.1}, among=("leaky_relu",)),
    Variation("alpha 0.5", {"alpha": 0.5}, among=("elu",)),
    Variation("a batch of 2", batch=2, among=("batch_norm", "batch_norm2d")),
    Variation("a batch of 5", batch=5),
    Variation("a kernel of 1 x 1 and padding 2", {"kernel_size": 1, "padding": 2}, among=KERNELS),
    Variation("a kernel of 1 x 1 and stride 2", {"kernel_size": 1, "strides": 2}, among=KERNELS),
    # Many add a small number inside the logarithm, or clip what is in it.
    Variation("large values", sizes={"values": "large"}, optional=True, among=("losses",)),
    Variation("one channel", channels=1, among=(*GLOBAL, "upsampling2d", "batch_norm2d")),
    Variation("an image of one place", image="one", among=("global_avg_pool2d", "global_max_pool2d")),
    Variation("sizes of 3 and 2", {"size": (3, 2)}, among=("upsampling2d",)),
    Variation("a size of 1", {"size": 1}, among=("upsampling2d",)),
    Variation("a size of 3", {"size": 3}, among=("upsampling2d",)),
    Variation("arrays of three axes", batch=6, leading=(2, 3), optional=True, among=ROWS),
)  # fmt: skip
"""In the order of how much they tell, since a slow function is tried on the first of them only."""


DIVIDES = " that divides"
GROUP_NAMES = ("numbers", "batches", "windows", "strides and paddings", "channels and units", "images", "others")


def _group(variation: Variation) -> str:
    """What is varied, for the report."""
    given, sizes = {*variation.given}, {*variation.sizes}
    if sizes & {"seed", "values"}:
        return "numbers"
    if given & {"kernel_size", "pool_size"} and not given & {"padding"}:
        return "windows"
    if given & {"strides", "padding", "dilation", "groups"}:
        return "strides and paddings"
    if given & {"filters", "units"} or variation.channels or "equal" in sizes:
        return "channels and units"
    if variation.image or sizes:
        return "images"
    return "batches" if (variation.batch or variation.steps) and not variation.leading else "others"


GROUPS = {variation.words: _group(variation) for variation in TABLE}


def variations(convention: Convention) -> Iterator[tuple[Variation, Convention]]:
    """What applies to a function that is called in this way, with how it is called then."""
    for variation in TABLE:
        changed = _changed(variation, convention)
        if changed is not None and changed != convention and possible(changed):
            yield variation, changed


def admitted(convention: Convention) -> set[str]:
    """The settings of a layer that the function's arguments can say."""
    maker = convention.forward
    roles = {role for _, role in (*convention.reading.roles, *(maker.roles if maker is not None else ()))}
    taken = roles & {*IN_SIGNATURE}
    unknown = {"settings"} if maker is not None else {"cache", "settings"}  # that it was made from is known then
    if roles & unknown and isinstance(convention.subject, LayerSubject):
        for argument, inside in IN_DICTIONARY.items():
            taken |= {*inside} if argument in convention.subject.family.defaults else set()
    return taken


def _changed(variation: Variation, convention: Convention) -> Convention | None:
    subject = convention.subject
    sizes = replace(convention.sizes, **variation.sizes)
    if isinstance(subject, LossSubject):
        if variation.among and "losses" not in variation.among:
            return None
        changed_loss = replace(subject, batch=1 if sizes.one else variation.batch or subject.batch)
        return replace(convention, subject=changed_loss, sizes=sizes)
    if isinstance(subject, WrittenSubject):
        own = replace(subject, batch=variation.batch or subject.batch, steps=variation.steps or subject.steps)
        whole = variation.leading or {*variation.sizes} - {"seed"} or (variation.steps and not subject.written.in_time)
        concerned = "course" in variation.among or not variation.among
        whole = whole or (variation.batch and not subject.has_batch)
        return replace(convention, subject=own, sizes=sizes) if concerned and not whole else None
    if not isinstance(subject, LayerSubject):
        return replace(convention, sizes=sizes) if "seed" in variation.sizes else None
    if not (_concerns(variation, subject) and _free(variation, convention, subject)):
        return None
    changed = replace(
        subject,
        given={**subject.given, **variation.given},
        batch=variation.batch or subject.batch,
        channels=variation.channels or subject.channels,
    )
    if variation.image is not None:
        changed = replace(changed, image=_image(variation.image, changed, sizes))
    return replace(convention, subject=changed, sizes=sizes, leading=variation.leading or convention.leading)


def _concerns(variation: Variation, subject: LayerSubject) -> bool:
    names = {subject.name, *subject.family.defaults}
    return not variation.among or bool(names & {*variation.among})


def _free(variation: Variation, convention: Convention, subject: LayerSubject) -> bool:
    """Whether the caller, the signature and the layout leave open what is varied."""
    sizes, taken = convention.sizes, admitted(convention)
    known = {f.name for f in fields(subject.family.layer)}
    for key, value in variation.given.items():
        if key in subject.given or key not in known or (key in IN_SIGNATURE and key not in taken):
            return False
        if isinstance(value, tuple) and (sizes.window or sizes.square):
            return False
        if isinstance(value, str) and not _takes_a_word(key, convention):
            return False
        if key == "padding" and isinstance(value, int) and value and _takes_words_only(key, convention):
            return False
    if "equal" in variation.sizes and {"filters", "units"} & {*subject.given}:
        return False
    if "divides" in variation.sizes and _strides(subject, sizes) <= 1:
        return False
    if subject.input_shape is not None:
        of_shape = {"groups", "filters"} & {*variation.given} or {"square", "equal", "divides"} & {*variation.sizes}
        if variation.channels or variation.image or of_shape:
            return False
    if variation.batch and (sizes.one or (convention.leading and not variation.leading)):
        return False
    if (variation.channels or "filters" in variation.given) and (sizes.channel or sizes.equal):
        return False
    if "groups" in variation.given and sizes.channel:
        return False
    if variation.image in MORE and {**subject.given, **variation.given}.get("padding") != "same":
        return False
    if variation.image in ("wide", "high") and (sizes.square or len(subject.family.input_shape) < 3):
        return False
    if variation.leading and convention.reading.jacobian:
        return False
    return not (variation.leading and (convention.leading or not convention.image.startswith("[batch")))


def _takes_a_word(setting: str, convention: Convention) -> bool:
    return any(role == setting and isinstance(leaf.default, str) for leaf, role in convention.reading.roles)


def _takes_words_only(setting: str, convention: Convention) -> bool:
    """Whether an object's class is told a setting by a word, so that a number can't be said."""
    return isinstance(convention.reading, ObjectReading) and _takes_a_word(setting, convention)


def _strides(subject: LayerSubject, sizes: Sizes) -> int:
    window = getattr(subject.layer(sizes), "window", None)
    return 1 if window is None else max(window.strides)


def _image(kind: str, subject: LayerSubject, sizes: Sizes) -> tuple[int, ...]:
    layer = subject.layer(sizes)
    usual, window = subject.shape(layer, sizes)[:-1], getattr(layer, "window", None)
    if kind == "one" or window is None or subject.name == "conv_transpose2d":
        return (1,) * len(usual)
    if kind in MORE:
        return tuple(size + 1 + MORE.index(kind) for size in usual)
    pads = window.pad(usual)
    if kind in ("wide", "high"):
        short, long = min(usual[-2:]), 2 * max(usual[-2:]) + 1
        made = (*usual[:-2], *((short, long) if kind == "wide" else (long, short)))
        rest = [(h + sum(p) - e) % s for h, p, e, s in zip(made, pads, window.extent, window.strides, strict=True)]
        return tuple(h - r for h, r in zip(made, rest, strict=True)) if sizes.divides else made
    least = window.extent
    return (max(least),) * len(least) if sizes.square else tuple(least)


def possible(convention: Convention) -> bool:
    """Whether there is such a layer, and the layout can hold its arrays."""
    try:
        problem = convention.problem()
    except ConvgradError:
        return False
    window = problem.origin.window
    masked = any(convention.reading.has(role) for role in (WINNERS, TRUE_WINNERS))
    if masked and window is not None and any(s < e for s, e in zip(window.strides, window.extent, strict=True)):
        return False  # of windows that overlap a mask does not say who has won where
    patterns = ((n, p) for n, p in convention.patterns.items() if n in problem.arrays)
    return all(fits(problem.labels[n], problem.arrays[n].shape, p) for n, p in patterns)


def dividing(variation: Variation, convention: Convention) -> tuple[Variation, Convention] | None:
    """The same with sizes that the stride divides, for functions that refuse others; None where that is no other."""
    if "strides" not in variation.given or convention.sizes.divides:
        return None
    return replace(variation, words=f"{variation.words}{DIVIDES}"), replace(
        convention, sizes=replace(convention.sizes, divides=True)
    )


def refuses(trouble: Trouble) -> bool:
    """Whether a call was refused on purpose: by an `assert`, or by an error that the function itself raises."""
    by_itself = trouble.line.lstrip().startswith(("raise", "assert"))
    return trouble.kind in ("AssertionError", "NotImplementedError", "Misfit") or by_itself


def has_to_fill(trouble: Trouble) -> bool:
    """Whether it takes only images that windows fill: it says so, or splits them by `reshape`."""
    return refuses(trouble) or "cannot reshape" in trouble.message


@dataclass
class Coverage:
    """What a function was tried on, in words: where it was right, and what was not covered, with the reason."""

    right: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def words(self) -> list[str]:
        """Lines for the report: a group of inputs on each, and what is left out."""
        groups: dict[str, list[str]] = {}
        for one in self.right:
            groups.setdefault(GROUPS.get(one.removesuffix(DIVIDES), "others"), []).append(one)
        lines = [f"  {name}: {', '.join(groups[name])}" for name in GROUP_NAMES if name in groups]
        lines = ["Also right with", *lines] if self.right else []
        return lines + ([f"Not covered: {'; '.join(self.left_out)}."] if self.left_out else [])


def not_returned(returned: Mapping[str, Any], results: Sequence[str], gradients: Sequence[str]) -> list[str]:
    """What was not checked because it does not come back."""
    if {*returned} == {*results}:
        return ["gradients (only the forward pass was checked)"]
    missing = [name for name in gradients if name not in returned]
    return [f"{' and '.join(missing)} (not returned)"] if missing else []
