"""Changes of the images of a network of several inputs or outputs: which input, how, and which targets move with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from convgrad.arguments import shown
from convgrad.compute.several import Several, listed, parts_of
from convgrad.data.augment import Augment
from convgrad.data.changes import Augmenting, Change, Changes, augment_from
from convgrad.data.mixup import MixUp
from convgrad.data.seeded import AUGMENT, raw_bits
from convgrad.errors import DataError

Array = npt.NDArray[Any]
Shape = tuple[int, ...]
OfInputs = Mapping[str | tuple[str, ...], Augmenting]
"""What `fit` takes as `augment` for several inputs: an input, or inputs that are changed alike -> their changes."""


class Target(NamedTuple):
    """A target as changes know it: the shape of one, whether it names a class, or is answers of yes and no."""

    shape: Shape
    classes: bool
    tags: bool


@dataclass(frozen=True)
class Group:
    """Inputs that are changed alike, and the outputs whose targets move with them."""

    inputs: tuple[str, ...]
    changes: Augment | Changes
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class ChangesOfSeveral:
    """Changes of several inputs, each group of inputs by draws of its own.

    Example:
        >>> from convgrad.data import Crop
        >>> both = ChangesOfSeveral((Group(("left",), Changes((Crop(1),)), ()),))
        >>> x = Several({"left": np.ones((2, 3, 5, 1)), "right": np.ones((2, 3, 5, 1))})
        >>> changed, _ = both.changed(x, np.array([0, 1]), both.draws(2, seed=1, epoch=0))
        >>> float(changed.parts["left"].min()), float(changed.parts["right"].min())
        (0.0, 1.0)
    """

    groups: tuple[Group, ...]

    def draws(self, count: int, seed: int, epoch: int) -> npt.NDArray[np.uint64]:
        """The keys of each of a data set's `count` examples in an epoch, one for each group; (count, groups)."""
        places = [(), *((number,) for number in range(1, len(self.groups)))]  # the first as where there is one input
        return np.stack([raw_bits(count, seed, AUGMENT, epoch, *place) for place in places], axis=1)

    def changed(self, images: Any, targets: Any, draws: npt.NDArray[np.uint64], move: bool = False) -> tuple[Any, Any]:
        """New inputs and targets, arrays (B, ...) or several by name, by their draws (B, groups).

        Args:
            move: whether any target moves; which, the groups say.
        """
        inputs, answers = parts_of(images), parts_of(targets)
        for number, group in enumerate(self.groups):
            own, before = draws[:, number], inputs[group.inputs[0]]
            first, *others = group.outputs or [next(iter(answers))]  # a function may change the only target
            moved = answers[first]
            for place, name in enumerate(group.inputs):
                found, answer = group.changes.changed(inputs[name], answers[first], own, move and bool(group.outputs))
                inputs[name] = found
                moved = answer if place == 0 else moved
            answers[first] = moved
            for name in others:
                _, answers[name] = group.changes.changed(before, answers[name], own, move)
        return _like(images, inputs), _like(targets, answers)

    @property
    def keeps_targets(self) -> bool:
        """Whether each example is changed by itself, and targets only move with it."""
        return all(group.changes.keeps_targets for group in self.groups)


def _like(given: Any, parts: Mapping[str, Array]) -> Any:
    return Several(parts) if isinstance(given, Several) else parts[""]


def changes_for(
    augment: Augmenting | OfInputs | None, inputs: Mapping[str, Shape], targets: Mapping[str, Target]
) -> tuple[Augment | Changes | ChangesOfSeveral | None, bool]:
    """The changes of a network's inputs, and whether any target moves with them.

    Args:
        augment: as `fit` takes it. inputs: name -> shape of one, "" for an only one. targets: likewise, by output.

    Raises:
        DataError: an input that there is not, or is named twice; changes that can't be made, or of which it is not
            known what they do to a target; a target that would move with inputs that move differently.
    """
    alone = "" in inputs
    table: dict[tuple[str, ...], Augmenting]
    if isinstance(augment, Mapping):
        if alone:
            raise DataError(
                f"augment is a table, {shown([*augment])}, but the network has no names for its inputs: it has one "
                "only. Give the changes by themselves."
            )
        table = {(names,) if isinstance(names, str) else names: one for names, one in augment.items()}
    elif augment is not None and not alone:
        written = ", ".join(f"{name!r}: ..." for name in inputs)
        raise DataError(
            f"augment must say which of the inputs {listed([*inputs])} is changed, and how: augment={{{written}}}, or "
            "those of them that are; inputs that are changed alike, as pairs of images, stand in brackets: "
            "{('left', 'right'): ...}."
        )
    else:
        changing = augment_from(augment)
        if changing is None:
            return None, False
        if "" in targets:
            only = targets[""]
            return changing, changing.moves(inputs[""], only.shape, classes=only.classes, tags=only.tags)
        table = {("",): changing}
    _check_names(table, inputs)
    groups = tuple(_group(names, augment_from(one), inputs, targets) for names, one in table.items() if one is not None)
    if not groups:
        return None, False
    for name in targets:
        movers = [group for group in groups if name in group.outputs]
        if len(movers) > 1:
            ones = listed([one for group in movers for one in group.inputs])
            what = f"targets of output `{name}`" if name else "targets"
            raise DataError(
                f"augment: {what} would move with the inputs {ones}, which are changed differently. Put inputs that "
                "are changed alike in brackets, {('left', 'right'): ...}, or write Changes(..., targets='keep') for "
                "those that targets do not follow."
            )
    return ChangesOfSeveral(groups), any(group.outputs for group in groups)


def _check_names(table: Mapping[Any, Any], inputs: Mapping[str, Shape]) -> None:
    seen: set[str] = set()
    for names in table:
        for name in names if isinstance(names, tuple) and names else (names,):
            if name not in inputs:
                raise DataError(f"augment has {shown(name)}, but the network's inputs are {listed([*inputs])}.")
            if name in seen:
                raise DataError(f"augment names the input `{name}` twice. Put all of its changes in one list.")
            seen.add(name)


def _group(
    names: tuple[str, ...],
    changes: Augment | Changes | None,
    inputs: Mapping[str, Shape],
    targets: Mapping[str, Target],
) -> Group:
    assert changes is not None
    if isinstance(changes, Changes):
        _check_kinds(changes, targets)
    shapes = {inputs[name][:2] for name in names}
    if len(shapes) > 1:
        raise DataError(
            f"augment: the inputs {listed(names)} are to be changed alike, but have other rows and columns: "
            f"{', '.join(str(inputs[name]) for name in names)}."
        )
    outputs = []
    for output, target in targets.items():
        try:
            moves = [changes.moves(inputs[name], target.shape, target.classes, target.tags) for name in names]
        except DataError as error:
            where = [f"input {listed(names)}" for _ in names[:1] if names[0]] + [f"output `{output}`"] * bool(output)
            raise DataError(f"{error} (At {' and '.join(where)}.)") from error
        if any(moves):
            outputs.append(output)
    return Group(names, changes, tuple(outputs))


def _check_kinds(changes: Changes, targets: Mapping[str, Target]) -> None:
    """Raises: DataError for a change that knows of one input and one target only."""
    if any(isinstance(change, MixUp) for change in changes.changes):
        raise DataError(
            "augment: MixUp mixes whole examples, and is for networks of one input and one output. Leave it out."
        )
    own: list[Callable[..., Any]] = [change for change in changes.changes if not isinstance(change, (Change, MixUp))]
    if own and len(targets) > 1:
        name = getattr(own[0], "__name__", type(own[0]).__name__)
        raise DataError(
            f"augment: {name} is a function of an image and its target, but there are several targets, "
            f"{listed([*targets])}. Change them as they are read: Data.items(source), whose source[n] gives another "
            "(x, y) each time."
        )
