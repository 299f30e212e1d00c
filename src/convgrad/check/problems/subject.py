"""What a function is checked against: a layer or loss by name, a layer object, or the text of an equation.

A subject makes problems: sizes that tell mistakes apart (different on every axis, batch of two, a stride that does not
divide), or, where a function works with those alone, square or equal ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np

from convgrad.check.problems.base import Subject as Subject
from convgrad.check.problems.choice import bound_by_choice, default_integers, space_labels
from convgrad.check.problems.course_subject import WrittenSubject
from convgrad.check.problems.courses import COURSES
from convgrad.check.problems.families import FAMILIES, LOSSES, ROWS, Family, family_of, in_parts, named
from convgrad.check.problems.inputs import with_inputs, with_values
from convgrad.check.problems.problem import Array, Origin, Problem, Recipe
from convgrad.check.problems.sizes import USUAL
from convgrad.check.problems.sizes import Sizes as Sizes
from convgrad.check.problems.unrolled import unrolled
from convgrad.errors import ModelError, ShapeError, suggestion
from convgrad.layers.activation import Elementwise
from convgrad.layers.base import Built, Layer
from convgrad.layers.resize import UpSampling
from convgrad.losses import registry as losses
from convgrad.notation.parsing.parser import parse
from convgrad.notation.polynomial import Position
from convgrad.notation.rename import rename
from convgrad.notation.terms import Access, Definition, Equation, rebuild


@dataclass(frozen=True)
class LayerSubject(Subject):
    """A layer of a known family, with the arguments the caller gave; the rest is chosen. `then`: an activation.

    input_shape: of one example, where the caller gave it. batch, image, channels: sizes to be taken in place of those
    that tell most, where a function that is right on those is tried on others.
    """

    name: str
    given: Mapping[str, Any] = field(default_factory=dict)
    then: Layer | None = None
    input_shape: tuple[int, ...] | None = None
    batch: int | None = None
    image: tuple[int, ...] | None = None
    channels: int | None = None
    known: dict[Sizes, tuple[int, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)
    """The shapes that were found before."""

    @property
    def family(self) -> Family:
        """What is known of its layouts."""
        return FAMILIES[self.name]

    @property
    def images(self) -> Mapping[str, Mapping[str, str]]:
        """Layouts of tensors that have a batch, by name."""
        return self.family.images

    @property
    def kernels(self) -> Mapping[str, Mapping[str, str]]:
        """Layouts of the others, by name."""
        return self.family.kernels

    def __str__(self) -> str:
        return self.described(Sizes())

    def described(self, sizes: Sizes) -> str:
        """The layer, with what was chosen for these sizes."""
        layer = self.layer(sizes)
        return f"{layer!r}" + (f" then {self.then!r}" if self.then is not None else "")

    def layer(self, sizes: Sizes) -> Layer:
        """The layer object for these sizes."""
        arguments = {**self.family.defaults, **(self.family.square if sizes.square or sizes.window else {})}
        arguments = {**arguments, **self.given}
        groups = arguments.get("groups", 1)
        if "filters" in arguments and "filters" not in self.given:
            channels = self._channels(sizes)
            arguments["filters"] = channels if sizes.equal else 1 if sizes.channel else arguments["filters"] * groups
        if sizes.equal and "units" in arguments and "units" not in self.given:
            arguments["units"] = self.family.input_shape[-1]
        return self.family.layer.from_config(arguments)

    def _channels(self, sizes: Sizes) -> int:
        if self.input_shape is not None:
            return self.input_shape[-1]
        if self.channels is not None:
            return self.channels
        return int(1 if sizes.channel or sizes.several else self.family.input_shape[-1] * self.given.get("groups", 1))

    def shape(self, layer: Layer, sizes: Sizes) -> tuple[int, ...]:
        """The input's shape without the batch: given, or the least at which sizes tell apart."""
        if sizes not in self.known:
            self.known[sizes] = self._shape(layer, sizes)
        return self.known[sizes]

    def _shape(self, layer: Layer, sizes: Sizes) -> tuple[int, ...]:
        if self.input_shape is not None:
            return self.input_shape
        *image, _ = self.family.input_shape
        window = getattr(layer, "window", None)
        if self.image is not None:
            return (*self.image, self._channels(sizes))
        if window is None:
            if sizes.square and self.family.slides:
                image = [max(image)] * len(image)
            own = self.family.slides or self.channels is not None
            return (*image, self._channels(sizes)) if own else self.family.input_shape
        least = [max(h, extent + 2 * s + 2) for h, extent, s in zip(image, window.extent, window.strides, strict=True)]
        if sizes.square:
            least = [max(least)] * len(least)
        best = min(_grown(least, sizes.square), key=lambda shape: _badness(window, shape, sizes))
        return (*best, self._channels(sizes))

    def problem(self, sizes: Sizes = USUAL) -> Problem:
        """The equation with sizes and inputs."""
        layer = self.layer(sizes)
        built = layer.build(self.shape(layer, sizes))
        usual = 6 if self.name == "batch_norm" else 3
        batch = 1 if sizes.one else usual if self.batch is None else self.batch
        recipe = recipe_of(built, batch)
        if self.family.unrolled:
            recipe = _unrolled(recipe, self.shape(layer, sizes)[:-1])
        of = built.output
        if self.then is not None:
            recipe = followed_by(recipe, built.output, self.then)
            of = recipe.equation.result.name
        labels = self._labels(built, of)
        wrt = (*built.inputs, *built.parameters)
        space = frozenset(["t", "h", "v", "i", "j", "l", "m", "n", "r"])
        origin = Origin(space, layer, self.shape(layer, sizes))
        return with_values(with_inputs(recipe, of, wrt, labels, sizes.seed, origin), sizes.values, "o")

    def _labels(self, built: Built, of: str) -> dict[str, tuple[str, ...]]:
        known = dict(self.family.labels)
        tensors = (*built.inputs, *built.parameters)
        if self.family.labels.get("b") and built.equation.source and "b[i" in built.equation.source.replace(" ", ""):
            known["b"] = known["x"]  # one number a place
        absent = set() if "g" in built.equation.result.indices else {"g"}
        absent |= {"q"} if getattr(self.layer(Sizes()), "depth_multiplier", 2) == 1 else set()
        labels = {n: tuple(a for a in axes if a not in absent) for n, axes in known.items() if n in (*tensors, "x")}
        return labels if of == built.output else {**labels, "z": labels["x"]}

    def settings(self, sizes: Sizes = USUAL) -> dict[str, Any]:
        """Arguments that a function may take beside arrays."""
        layer = self.layer(sizes)
        found = {f.name: getattr(layer, f.name) for f in fields(layer) if f.name not in ("name", "bias")}
        window = getattr(layer, "window", None)
        if window is not None:
            found["strides"] = window.strides
            pads = window.pad(self.shape(layer, sizes)[:-1])
            found["padding"] = tuple(before for before, _ in pads) if all(a == b for a, b in pads) else pads
            if "dilation" in found:
                found["dilation"] = window.dilation
            found["kernel_size"] = window.kernel
        if isinstance(layer, UpSampling):
            found["size"] = layer.factors
        return found


def _grown(least: Sequence[int], square: bool) -> list[tuple[int, ...]]:
    steps = range(4)
    if square:
        return [tuple(h + s for h in least) for s in steps]
    shapes: list[tuple[int, ...]] = [()]
    for h in least:
        shapes = [(*shape, h + s) for shape in shapes for s in steps]
    return shapes


def _badness(window: Any, shape: tuple[int, ...], wanted: Sizes) -> tuple[int, int, int]:
    """Axes along which the stride divides (so that no row is left over) or, if so wanted, leaves a rest; equal sizes;
    and elements.
    """
    square = wanted.square
    outputs = window.outputs(shape)
    pads = window.pad(shape)
    left = [(h + sum(p) - e) % s for h, p, e, s in zip(shape, pads, window.extent, window.strides, strict=True)]
    divides = sum(s > 1 and (r == 0) != wanted.divides for r, s in zip(left, window.strides, strict=True))
    if wanted.divides:
        divides *= 100  # whatever else is equal
    sizes = [*shape, *outputs, *window.kernel]
    equal = 0 if square else len(shape) - len(set(shape)) + len(outputs) - len(set(outputs))
    return divides + 3 * equal, len(sizes) - len(set(sizes)) if not square else 0, math.prod(shape)


OF_ITS_CLASS = "E = -sum[k](where(k == t, log(y[k]), 0))"
OF_PROBABILITIES = {
    "binary_cross_entropy": "E = -mean[k](t[k] * log(y[k]) + (1 - t[k]) * log(1 - y[k]))",
    "softmax_cross_entropy": OF_ITS_CLASS,
    "negative_log_likelihood": OF_ITS_CLASS,
    "kl_divergence": "E = sum[k](where(t[k] > 0, t[k] * log(t[k]), 0) - t[k] * log(y[k]))",
}
"""Losses as equations of what comes after the sigmoid or softmax, whose gradient is another one."""
REVERSE = {"kl_divergence": "E = sum[k](y[k] * (log(y[k]) - log(t[k])))"}
"""Of losses between two distributions: the gradient with respect to the other one, as in variational methods."""
SUMMED = ("binary_cross_entropy",)
"""Losses that many write as a sum over all numbers of an example; the two are one where there is one number."""


@dataclass(frozen=True)
class LossSubject(Subject):
    """A loss over a batch; `mean`: the mean over the examples, else their sum.

    probabilities: y is what comes after the sigmoid or softmax, and the gradient is the one with respect to that.
    reverse: of two distributions the other one is the given one: from y to t, and not from t to y.
    summed: the numbers of an example are added up where the loss takes their mean.
    """

    name: str
    mean: bool = False
    batch: int = 3
    classes: int = 5
    probabilities: bool = False
    summed: bool = False
    reverse: bool = False

    def __str__(self) -> str:
        of = f" of probabilities{', from y to t' if self.reverse else ''}" if self.probabilities else ""
        summed = ", sum over the numbers of each example" if self.summed else ""
        return f"{self.name}{of}, {'mean' if self.mean else 'sum'} over the batch{summed}"

    @property
    def images(self) -> Mapping[str, Mapping[str, str]]:
        """Layouts of predictions and targets."""
        return ROWS

    def problem(self, sizes: Sizes = USUAL) -> Problem:
        """The equation with sizes and inputs."""
        classes, batch = self.classes, 1 if sizes.one else self.batch
        built = losses[self.name]().build((classes,))
        shapes: dict[str, tuple[int, ...]] = {"y": built.prediction_shape, "t": built.target_shape}
        recipe = Recipe(
            self._equation(), shapes, built.sizes, built.integers, built.numbers, frozenset({"y", "t"}), batch
        )
        origin = Origin(names=self._names)
        problem = with_inputs(recipe, "E", ("y",), LOSSES[self.name], sizes.seed, origin)
        upstream = np.full(batch, 1 / batch if self.mean else 1.0)
        t = problem.arrays["t"]
        if LOSSES[self.name]["t"] == ():
            t = np.resize([3.0, 0.0, 3.0, 1.0], batch) % classes
        elif self.name == "binary_cross_entropy":
            t = (t > 0).astype(np.float64)
        elif self.name == "kl_divergence":
            t = self._between_0_and_1(t)
        elif self.name == "huber":  # of both signs, near and far
            t = problem.arrays["y"] - np.resize([0.375, -1.75, 1.5, -0.625, 2.25, 0.125, -2.5], t.shape)
        problem = replace(problem.with_arrays(dE=upstream, t=t), total=True)
        problem = with_values(problem, sizes.values, "y")
        return problem.with_arrays(y=self._between_0_and_1(problem.arrays["y"])) if self.probabilities else problem

    def _equation(self) -> Equation:
        given = REVERSE if self.reverse else OF_PROBABILITIES
        text = given[self.name] if self.probabilities else losses[self.name]().text
        return parse(text.replace("mean[k]", "sum[k]") if self.summed else text)

    @property
    def _names(self) -> dict[str, tuple[str, ...]]:
        """Of two distributions: from p to q, one of them given."""
        if self.name not in REVERSE:
            return {}
        return {"t": ("q",), "y": ("p",)} if self.reverse else {"t": ("p",), "y": ("q",)}

    def _between_0_and_1(self, y: Array) -> Array:
        """Probabilities, no two of them alike; of classes such that they add up to 1."""
        if self.name == "binary_cross_entropy":
            return 0.5 + np.clip(y, -1.9, 1.9) / 4
        positive: Array = np.abs(y) + 0.01
        whole: Array = positive.sum(axis=-1, keepdims=True)
        return np.divide(positive, whole)


@dataclass(frozen=True)
class EquationSubject(Subject):
    """An equation as text. Inputs whose shapes are not given get sizes that differ on every axis."""

    text: str
    wrt: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    integers: Mapping[str, int] = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        return str(parse(self.text))

    @property
    def images(self) -> Mapping[str, Mapping[str, str]]:
        """As the equation says it, with or without a batch."""
        return {"as written": {}} if not self.inputs else {"as written, batch first": {}}

    def problem(self, sizes: Sizes = USUAL) -> Problem:
        """The equation with sizes and inputs."""
        equation = parse(self.text)
        bound = bound_by_choice(equation, self.shapes, self.sizes, self.integers, self.numbers)
        shapes = {n: bound.shape_of[n] for n in bound.inputs}
        chosen = {i.upper(): s for d in bound.definitions for i, s in d.ranges}
        integers = {**default_integers(equation, {*self.integers, *self.sizes}), **self.integers}
        batch = 3 if self.inputs else 1
        recipe = Recipe(equation, shapes, chosen, integers, self.numbers, frozenset(self.inputs), batch)
        wrt = self.wrt or tuple(n for n in equation.inputs if n in bound.inputs)
        labels = {n: tuple(f"{n}{a}" for a in range(len(bound.shape_of[n]))) for n in (*wrt, bound.result.name)}
        labels[bound.result.name] = bound.result.indices
        origin = Origin(space_labels(equation, labels))
        return with_inputs(recipe, bound.result.name, wrt, labels, sizes.seed, origin)


def recipe_of(built: Built, batch: int) -> Recipe:
    """A layer's equation with what binds it."""
    shapes = dict(zip(built.inputs, built.input_shapes, strict=True))
    shapes |= {n: p.shape for n, p in built.parameters.items()}
    shapes |= {n: s for n, (s, _) in built.state.items()}
    return Recipe(
        built.equation,
        shapes,
        built.sizes,
        built.integers,
        built.numbers,
        frozenset(built.inputs),
        batch,
        built.batch_index,
    )


def _unrolled(recipe: Recipe, image: tuple[int, ...]) -> Recipe:
    """With the index over all places written as rows and columns."""
    shapes = {n: (*image, *s[1:]) if n in recipe.examples else s for n, s in recipe.shapes.items()}
    return replace(recipe, equation=unrolled(recipe.equation, "f", ("h", "v")), shapes=shapes)


def followed_by(recipe: Recipe, result: str, then: Layer) -> Recipe:
    """The equation with a function of single elements after it; what it is taken of is then called z."""
    first = rename(recipe.equation, {result: "z"})
    indices = first.result.indices
    places = tuple(Position.name(i) for i in indices)

    def spread(definition: Definition) -> Definition:
        def change(term: Any) -> Any:
            if isinstance(term, Access) and term.positions:
                return replace(term, positions=places, tensor="z" if term.tensor == "o" else term.tensor)
            return term

        return Definition(definition.name, indices, rebuild(definition.term, change))

    numbers = {**recipe.numbers, **then.build((7,)).numbers}
    added = tuple(spread(d) for d in then.equation.definitions)
    text = str(replace(first, definitions=(*first.definitions, *added)))
    return replace(recipe, equation=parse(text), numbers=numbers)


OF_EQUATIONS = (
    "Or give its equation in place of a name, with the names that the function's arguments have, such as "
    '"y[n,k] = x[n,k] * tanh(x[n,k])".'
)
OF_MASKS = (
    "It draws random numbers, which no two calls share. Check a function that gets the mask, against "
    '"y[n,k] = x[n,k] * mask[n,k]".'
)


def subject_of(
    layer: str | Layer,
    settings: Mapping[str, Any],
    input_shape: Sequence[int] | None,
    binding: Mapping[str, Any],
) -> list[Subject]:
    """What to check against: several where it is to be found out which is meant.

    binding: of the text of an equation, the other fields of `EquationSubject`.

    Raises: ModelError where there is no such layer, or it has no such argument.
    """
    shape = None if input_shape is None else tuple(int(s) for s in input_shape)
    if isinstance(layer, Layer):
        name = family_of(layer, 1 if shape is None else len(shape))
        if name is None:
            return [_custom(layer, shape, binding)]
        return [
            LayerSubject(name, {k: v for k, v in layer.config().items() if k != "name"} | dict(settings), None, shape)
        ]
    if not isinstance(layer, str):
        raise ModelError(f"A function is checked against a layer, its name or an equation, not {layer!r}.")
    if named(layer) in COURSES:
        scores = _losses("softmax_cross_entropy") if named(layer) == "softmax_loss" else []
        return [*(WrittenSubject(named(layer), written) for written in COURSES[named(layer)]), *scores]
    if "=" in layer:
        return [EquationSubject(layer, **binding)]
    first, _, second = in_parts(layer.replace(" ", "")).partition("+")
    name = named(first)
    if name in LOSSES:
        return _losses(name)
    if name not in FAMILIES:
        raise ModelError(
            f"There is no layer called {first!r} to check.{suggestion(name, {*FAMILIES, *LOSSES, *COURSES})} "
            f"{OF_MASKS if 'dropout' in name.lower() else OF_EQUATIONS}"
        )
    for key in settings:
        known = [f.name for f in fields(FAMILIES[name].layer)]
        if key not in known:
            raise ModelError(f"{name} has no argument {key!r}.{suggestion(key, known)}")
        usual = FAMILIES[name].only.get(key, settings[key])
        if settings[key] not in (usual, *(usual if isinstance(usual, tuple) else ())):
            raise ModelError(
                f"{name} is checked by its name with {key}={usual} only. In Python, check(function, layer, "
                f"input_shape=...) takes a layer object with {key}={settings[key]}."
            )
    then = None
    if second:
        after = FAMILIES.get(named(second))
        if after is None or not issubclass(after.layer, Elementwise):
            raise ModelError(
                f"{second!r} is not an activation.{suggestion(second, ('relu', 'sigmoid', 'tanh', 'elu'))}"
            )
        then = after.layer()
    return [LayerSubject(name, dict(settings), then, shape)]


def also_called(layer: object, settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """Settings of a layer that goes by the same name: GELU may be the exact one or that with tanh. None for others."""
    if isinstance(layer, str) and named(layer) == "gelu" and "approximate" not in settings:
        return {**settings, "approximate": True}
    return None


def _losses(name: str) -> list[Subject]:
    """A loss in every way that people mean by its name, the usual one first."""
    found: list[Subject] = []
    for summed in (False, True) if name in SUMMED else (False,):
        for probabilities in (False, True) if name in OF_PROBABILITIES else (False,):
            for reverse in (False, True) if probabilities and name in REVERSE else (False,):
                found += [LossSubject(name, m, 3, 5, probabilities, summed, reverse) for m in (True, False)]
    return found


def _custom(layer: Layer, shape: tuple[int, ...] | None, binding: Mapping[str, Any]) -> Subject:
    if shape is None:
        raise ShapeError(f"{layer!r}: give the shape of its input without the batch, as in input_shape=(9, 8, 3).")
    built = layer.build(shape)
    shapes = dict(zip(built.inputs, built.input_shapes, strict=True)) | {
        n: p.shape for n, p in built.parameters.items()
    }
    return EquationSubject(
        str(built.equation), (), tuple(built.inputs), shapes, built.sizes, built.integers, built.numbers
    )
