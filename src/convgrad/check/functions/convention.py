"""One way to call a person's function: what each value is, and how arrays and settings are laid out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.check.functions.layouts import groups, place_in_equation, present
from convgrad.check.functions.objects import ObjectCall, ObjectReading
from convgrad.check.functions.person import CACHE, Call
from convgrad.check.functions.roles import KIND, ONE, TRUE_WINNERS, UNUSED, WINNERS, Reading, inputs_of
from convgrad.check.functions.signature import Group, Leaf
from convgrad.check.functions.statistics import KEPT, STATISTICS, kept_value, without_scale
from convgrad.check.functions.vocabulary import pooling_words
from convgrad.check.problems.kept import kept
from convgrad.check.problems.matrices import features, row_by_row
from convgrad.check.problems.probabilities import probabilities
from convgrad.check.problems.problem import Array, Problem
from convgrad.check.problems.subject import LayerSubject, LossSubject, Sizes, Subject
from convgrad.check.problems.written import result_of
from convgrad.check.submissions.process import LARGEST
from convgrad.compute.arrays import number_of, place_of

AnyArray = npt.NDArray[Any]
_MISSING = object()
STATISTIC = "statistic"
"""In a convention's patterns: how the means and variances of a normalization are laid out."""


class Unsayable(Exception):
    """A setting that can't be told in the form that the function takes it in; it never leaves the check."""


@dataclass(frozen=True)
class Convention:
    """One way to call a function. image, kernel: names of layouts; patterns: tensor -> pattern of its layout.

    pairs: settings are told as one number for each axis, even where these are equal. leading: of arrays that begin
    with the batch, the axes that stand in its place; none where it is one axis. forward, maker: how the function is
    called that makes the cache, and its name. places: which output each array is that comes back, where a call has
    told; with some sizes several have the same shape.
    """

    subject: Subject
    sizes: Sizes
    image: str
    kernel: str
    patterns: Mapping[str, str]
    reading: Reading
    torch: bool = False
    one_hot: bool = False
    dtype: str = "float64"
    pairs: bool = False
    leading: tuple[int, ...] = ()
    forward: Reading | None = None
    maker: str = ""
    places: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """How the function was read, for the report."""
        parts = [f"{self.image} arrays" if self.image else "", f"kernel {self.kernel}" if self.kernel else ""]
        parts += ["one example" if self.sizes.one else "", "targets one-hot" if self.one_hot else ""]
        if isinstance(self.subject, LossSubject):
            parts.append("mean over the batch" if self.subject.mean else "sum over the batch")
            parts.append("sum over the numbers of each example" if self.subject.summed else "")
            parts.append("y the probabilities, and not what they are made of" if self.subject.probabilities else "")
        own = isinstance(self.reading, ObjectReading)
        parts += [
            "PyTorch tensors" if self.torch else "",
            "scale 1 and shift 0, since it gets none" if self.has_no_scale else "",
            self.reading.words if own else f"arguments ({self.reading.words})",
            f"its cache was made by {self.maker}({self.forward.words})" if self.forward is not None else "",
        ]
        return ", ".join(p for p in parts if p)

    def problem(self) -> Problem:
        """What it is called with."""
        local = "jacobian" if self.reading.jacobian else "local" if self.reading.local else ""
        kind = f"{self.dtype}, {local}, {self.has_no_scale}"
        return kept(self.subject, self.sizes, kind, self._made)

    @property
    def has_no_scale(self) -> bool:
        """Whether it is of a normalization, and gets neither scale nor shift."""
        reading = self.reading
        known = isinstance(reading, Reading) and self.forward is None and not reading.guessed and bool(reading.roles)
        normalizes = isinstance(self.subject, LayerSubject) and "gamma" in self.subject.family.labels
        return known and normalizes and not any(reading.has(role) for role in ("gamma", "beta", "cache"))

    def _made(self) -> Problem:
        problem = self.subject.problem(self.sizes)
        if self.has_no_scale:
            problem = without_scale(problem)
        if self.reading.jacobian:
            problem = row_by_row(problem)
        elif self.reading.local:
            problem = problem.with_arrays(**{problem.upstream: np.ones_like(problem.arrays[problem.upstream])})
        if self.dtype == "float32":
            arrays = {n: a.astype(np.float32).astype(np.float64) for n, a in problem.arrays.items()}
            return replace(problem, arrays=arrays)
        return problem

    def pattern(self, tensor: str, problem: Problem) -> str:
        """The layout of a tensor or of the gradient with respect to it."""
        tensor = self._called(tensor, problem)
        known = (n for n in (tensor, result_of(tensor), tensor.removeprefix("d")) if n in self.patterns)
        return self.patterns.get(next(known, "")) or " ".join(problem.labels.get(tensor, ()))

    @staticmethod
    def _called(tensor: str, problem: Problem) -> str:
        """`z` is the result of a layer before its activation; in an equation of the person's own it is a tensor."""
        own = problem.origin.layer is None and tensor in problem.labels
        return problem.of if tensor == "z" and not own else tensor

    def laid_out(self, tensor: str, array: Array, problem: Problem) -> AnyArray:
        """An array as the person has it."""
        if problem.total and tensor == problem.of:
            return array
        if self.reading.jacobian:
            size = features(problem)
            if tensor == "do":
                return array.reshape(size, size) if self.sizes.one else array.reshape(-1, size, size)
            array = array[::size]
        labels = problem.labels[self._called(tensor, problem)]
        if tensor in problem.origin.whole:
            return self._target(array, problem, problem.origin.whole[tensor], self.pattern(tensor, problem))
        if tensor == "t" and not labels[1:] and problem.origin.layer is None and problem.total:
            return self._target(array, problem, problem.arrays["y"].shape[1], "")
        return self.arranged(array, labels, self.pattern(tensor, problem))

    def arranged(self, array: Array, labels: Sequence[str], pattern: str) -> AnyArray:
        """An array with these axes in a layout."""
        laid = present(array, tuple(labels), pattern)
        return laid.reshape(*self.leading, *laid.shape[1:]) if self._is_led(labels, pattern) else laid

    def _is_led(self, labels: Sequence[str], pattern: str) -> bool:
        return bool(self.leading) and groups(pattern, tuple(labels))[:1] == (("batch",),)

    def place_in_equation(
        self, place: Sequence[int], tensor: str, shape: Sequence[int], problem: Problem
    ) -> tuple[int, ...]:
        """Where an element of the array that the person has stands in the equation's tensor."""
        labels, pattern = problem.labels[tensor], self.pattern(tensor, problem)
        if self.reading.jacobian:
            example, rest = (0, place) if self.sizes.one else (place[0], place[1:])
            row, column = (rest[0], rest[1]) if tensor == "do" else (0, rest[-1])
            return (example * features(problem) + row, *place_of(column, shape[1:]))
        if self._is_led(labels, pattern):
            count = len(self.leading)
            place = (number_of(place[:count], self.leading), *place[count:])
        return place_in_equation(place, labels, shape, pattern)

    def _target(self, array: Array, problem: Problem, classes: int, pattern: str) -> AnyArray:
        """Whole numbers, or rows of zeros with a one. pattern: of the numbers, where they have one."""
        whole = array.astype(np.int64)
        if not self.one_hot:
            return whole
        rows = (whole[..., None] == np.arange(classes)).astype(np.float64)
        turned = "f batch" in pattern or "k batch" in self.patterns.get("y", "")
        return np.ascontiguousarray(rows.T) if turned else rows

    def call(self, problem: Problem, values: Mapping[str, Array], before: str = "", look: bool = False) -> Call:
        """The call on a problem's inputs; `values` has the forward pass. `before`, `look`: see `ObjectCall`.

        Raises: Unsayable.
        """
        known = {**values, **problem.arrays}
        call = Call(torch=self.torch, largest=max(LARGEST, 2 * sum(a.size for a in known.values())))
        telling = _Telling(self, self.reading, problem, known)
        if isinstance(self.reading, ObjectReading):
            then = getattr(self.subject, "then", None)
            then = "" if then is None else type(then).__name__.lower()
            call.plan = ObjectCall(self.reading, problem, telling.tensor, telling.settings, before, then, look).plan
            return call
        if self.forward is not None:
            call.forward = Call(), problem.results
            _fill(call.forward[0], self.forward, _Telling(self, self.forward, problem, known))
        _fill(call, self.reading, telling)
        return call


def _fill(call: Call, reading: Reading, telling: _Telling) -> None:
    """Give a call its arguments, by place where that is possible."""
    skipped = False
    for parameter in reading.signature.parameters:
        argument = parameter.argument
        told = telling.node(parameter.holds)
        if told is _MISSING:
            skipped = True
        elif argument.keyword or skipped or not argument.required:
            call.named[argument.name] = told
            skipped = True
        else:
            call.positional.append(told)


class _Telling:
    """The values of one call."""

    def __init__(self, convention: Convention, reading: Reading, problem: Problem, known: Mapping[str, Array]):
        self.convention, self.problem, self.known = convention, problem, known
        self.settings = convention.subject.settings(convention.sizes)
        own = () if isinstance(reading, ObjectReading) else reading.roles
        self.roles = {leaf.path: role for leaf, role in own}

    def node(self, node: Leaf | Group) -> Any:
        """What is told for a value, a tuple or a dict; `_MISSING` where it keeps its default."""
        if isinstance(node, Leaf):
            role = self.roles.get(node.path)
            return _MISSING if role is None else self.value(role, node)
        items = [self.node(item) for item in node.items]
        if node.keys:
            return {key: item for key, item in zip(node.keys, items, strict=True) if item is not _MISSING}
        return tuple(None if item is _MISSING else item for item in items)

    def value(self, role: str, leaf: Leaf) -> Any:
        """What stands for a role."""
        problem = self.problem
        if role == "cache" and self.convention.forward is not None:
            return CACHE
        if role == "cache":
            inputs = [self.tensor(n) for n in inputs_of(problem)]
            return (*inputs, dictionary(self.settings)) if self.settings else tuple(inputs)
        if role == "settings":
            usual = dictionary(self.settings)
            return usual if self.convention.forward is None else more_names(self.settings, usual)
        if role in (UNUSED, ONE):
            return None if role == UNUSED else 1.0
        if role == "train":
            return role
        if role == KIND:
            return pooling_words(problem.pooling, leaf.default, leaf.said)[0]
        if role == "activation":
            then = getattr(self.convention.subject, "then", None)
            return type(then).__name__.lower()
        if role == "batch":
            return int(problem.recipe.batch)
        if role == "p":
            return self.probabilities()
        if role in (WINNERS, TRUE_WINNERS):
            return self.winners(role == TRUE_WINNERS)
        if role in KEPT:
            return self.kept(role)
        tensor, _, what = role.partition(".")
        if what == "shape":
            return tuple(int(n) for n in self.tensor(tensor).shape)
        key, axis = re.fullmatch(r"(\w+)(?:\[(\d)\])?", role).groups()  # type: ignore[union-attr]
        if key in self.settings:
            return self.setting(key, axis, leaf)
        told = self.tensor(role)
        return float(told) if problem.origin.written and not np.ndim(told) else told

    def tensor(self, name: str) -> AnyArray:
        if name == "p" and name not in self.known:
            return self.probabilities()
        array = self.convention.laid_out(name, self.known[name], self.problem)
        return array.astype(self.convention.dtype) if array.dtype == np.float64 else array

    def probabilities(self) -> AnyArray:
        """The softmax of the logits, or the sigmoid of each, by its own equation."""
        laid = present(probabilities(self.problem), ("batch", "k"), self.convention.pattern("y", self.problem))
        return laid.astype(self.convention.dtype)

    def kept(self, role: str) -> AnyArray:
        """What a normalization keeps."""
        array, labels = kept_value(role, self.problem)
        convention = self.convention
        pattern = convention.pattern(STATISTIC if role in STATISTICS else self.problem.of, self.problem)
        return convention.arranged(array, labels, pattern).astype(convention.dtype)

    def winners(self, boolean: bool) -> AnyArray:
        """Where a gradient of ones from above goes to: the elements that are greatest in their windows."""
        problem = self.problem
        ones = problem.with_arrays(**{problem.upstream: np.ones_like(problem.arrays[problem.upstream])})
        mask = ones.values({"do"})["do"] != 0
        laid = self.convention.laid_out("o", mask.astype(np.float64), problem)
        return laid != 0 if boolean else laid.astype(self.convention.dtype)

    def setting(self, key: str, axis: str | None, leaf: Leaf) -> Any:
        """A setting in the form that the function takes it in: a number, one for each axis, or a word."""
        value = self.settings["kernel_size" if key == "pool_size" else key]
        if axis is not None:
            return value[int(axis)] if isinstance(value, tuple) and int(axis) < len(value) else value
        if isinstance(leaf.default, str):
            return _padding_word(value, self.convention.subject, self.convention.sizes, leaf.default)
        if isinstance(value, tuple) and not value:
            return value
        return value if leaf.pair or self.convention.pairs else _plain_setting(value)


def _padding_word(value: Any, subject: Subject, sizes: Sizes, default: str) -> str:
    """`valid` or `same`, in the letters of the default. Raises: Unsayable."""
    layer = subject.layer(sizes) if isinstance(subject, LayerSubject) else None
    if np.any(np.asarray(value)):
        if getattr(layer, "padding", None) != "same":
            raise Unsayable("its padding is a word, valid or same")
        word = "same"
    else:
        word = "valid"
    return word.upper() if default.isupper() else word.capitalize() if default.istitle() else word


def dictionary(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as a dict, under the names that courses use."""
    result: dict[str, Any] = {}
    if "strides" in settings:
        result["stride"] = _plain_setting(settings["strides"])
    if "padding" in settings:
        result["pad"] = _plain_setting(settings["padding"])
    if "pool_size" in settings:
        size = settings["kernel_size"]
        if len(size) == 2:
            result["pool_height"], result["pool_width"] = size
        else:
            result["pool_size"] = _plain_setting(size)
    return result


def more_names(settings: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    """Settings under further names that forward functions look for. `usual`: those that all courses have alike."""
    also: dict[str, Any] = {"mode": "train", "momentum": 0.9, "train": True, "training": True, "test": False}
    if "epsilon" in settings:
        also |= {"eps": settings["epsilon"], "epsilon": settings["epsilon"]}
    if "kernel_size" in settings:
        rows, columns = (*settings["kernel_size"], *settings["kernel_size"])[:2]
        also |= {"kernel_size": settings["kernel_size"], **({"f": rows} if rows == columns else {})}
    named = {"strides": "stride", "padding": "pad"}
    return {**also, **usual, **{name: usual[key] for name, key in named.items() if key in usual}}


def _plain_setting(value: Any) -> Any:
    """One number where all axes are alike."""
    if isinstance(value, tuple) and value and all(v == value[0] for v in value) and not isinstance(value[0], tuple):
        return value[0]
    return value
