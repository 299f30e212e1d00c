"""What every layer is: arguments, an equation once the shapes of its inputs are known, and what makes nodes of graphs.

image = Input((28, 28, 1))
hidden = Conv2D(8, 3, padding="same")(image)
result = Add()(hidden, Conv2D(8, 1)(image))
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from html import escape
from typing import Any, ClassVar

import numpy as np

from convgrad.arguments import PAIR, SHAPE, TABLE, TEXT, Rule, made_from, optional, quoted, shown, takes, whole
from convgrad.errors import ModelError, ShapeError, suggestion
from convgrad.initializers import GENERATOR, Initializer, check_initializer, initial_values
from convgrad.notation.printing.mathml import mathml
from convgrad.notation.terms import Equation
from convgrad.notation.written import Written

Shape = tuple[int, ...]
AXES = Rule(
    "a tuple of whole numbers",
    lambda value: isinstance(value, tuple) and all(whole(n) is not None and n >= 0 for n in value),
)
FANS = Rule("a pair of whole numbers of at least 1", lambda value: SHAPE.accepts(value) and PAIR.accepts(value))
NAME = r"[A-Za-z_]\w*"

registry: dict[str, type[Layer]] = {}
"""Class name -> class, of every layer there is: a saved network is read with it."""


@made_from(ModelError)
@dataclass(frozen=True)
class Parameter:
    """A tensor that is trained.

    shape: as the equation's axes see it.
    initializer: name in `convgrad.initializers.registry`, or a function (rng, shape, fan_in, fan_out) -> array.
    fans: how many values one result is made of, and how many results one value goes into.
    """

    shape: Shape
    initializer: str | Initializer = "glorot_uniform"
    fans: tuple[int, int] = (1, 1)

    def __post_init__(self) -> None:
        SHAPE.keep("Parameter", "shape", self.shape, ModelError)
        FANS.keep("Parameter", "fans", self.fans, ModelError)
        check_initializer(self.initializer)

    @takes(ModelError, rng=GENERATOR)
    def initial(self, rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.float64]]:
        """The values to begin with, float64 of `shape`."""
        return initial_values(self.initializer, rng, self.shape, *self.fans)


@dataclass(frozen=True)
class Built:
    """A layer with its sizes: everything that a network needs to know of it.

    equation: parsed, not bound.
    predict: another equation to predict with (BatchNorm, Dropout); None if it is the same one.
    inputs: the equation's names of the layer's inputs, in order.
    input_shapes: their shapes as the equation's axes see them, without the batch: each a row-major view of the real
        input, such as (H, W, G, C) where channels are split in groups and (F,) where the rank does not matter.
    output: the tensor that is the layer's result; it need not be the last definition.
    output_shape: what the next layer sees; a row-major view of the equation's result.
    parameters: tensors that are trained.
    state: tensors that training carries along, with shape and initial value: `moving_mean` is read by `predict`, and
        the training equation defines `moving_mean_next`.
    sizes, integers, numbers: for `convgrad.notation.binding.bind.bind`.
    batch_index: the index by which the equation (and `predict`) names the batch axis itself, first in every input and
        in the result; its size is then to be bound under the same letter in upper case.
    seeds: scalar inputs that get a fresh whole number below 2^24 at each step.
    """

    equation: Equation
    inputs: tuple[str, ...]
    input_shapes: tuple[Shape, ...]
    output_shape: Shape
    output: str = "x"
    predict: Equation | None = None
    parameters: dict[str, Parameter] = field(default_factory=dict)
    state: dict[str, tuple[Shape, float]] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    integers: dict[str, int] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)
    batch_index: str | None = None
    seeds: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class Layer(Written):
    """Base of all layers: a frozen dataclass whose fields are the constructor's arguments.

    A subclass gives `text`, the equation as it is written, and `build`. Layers are equal only if they are the same
    object, since parameters belong to a layer.
    """

    name: str | None = field(default=None, kw_only=True)
    abstract: ClassVar[bool] = True

    def __init_subclass__(cls, abstract: bool = False, **others: Any):
        super().__init_subclass__(**others)
        cls.abstract = abstract
        if abstract:
            return
        known = registry.get(cls.__name__)
        if known is not None and known.__module__ != cls.__module__:
            raise ModelError(
                f"There is already a layer called {cls.__name__} in {known.__module__}, and a saved network could not "
                f"tell the two apart. Give the class in {cls.__module__} another name."
            )
        registry[cls.__name__] = cls

    def __post_init__(self) -> None:
        if self.name is not None and not (isinstance(self.name, str) and re.fullmatch(NAME, self.name, re.ASCII)):
            raise ModelError(
                f"A layer can't be called {shown(self.name)}: its name begins those of its tensors. Use letters, "
                f"digits and `_`, no digit first, as in name='conv1'."
            )
        self.check()

    def check(self) -> None:
        """Refuse arguments that can't work whatever the input is."""

    def build(self, *input_shapes: Shape) -> Built:
        """The layer on inputs of these shapes (without the batch). Raises: ShapeError where they don't fit."""
        raise NotImplementedError(f"{type(self).__name__} must have a method `build`.")

    def __call__(self, *nodes: Node | Input) -> Node:
        """A node of a graph: this layer on the results of `nodes`."""
        for node in nodes:
            if not isinstance(node, (Node, Input)):
                raise ModelError(
                    f"{self.label} was called with {type(node).__name__}. A layer is called on nodes, which are "
                    f"Input(shape) or what another layer returned; numbers go into a network's predict()."
                )
        if not nodes:
            raise ModelError(f"{self.label} was called with nothing. Call it on a node, such as Input((28, 28, 1)).")
        return Node(self, nodes)

    def config(self) -> dict[str, Any]:
        """The constructor's arguments as values that JSON can hold.

        Raises: ModelError where an argument is a function.
        """
        return {f.name: self._plain(f.name, getattr(self, f.name)) for f in fields(self)}

    @classmethod
    @takes(ModelError, config=TABLE)
    def from_config(cls, config: Mapping[str, Any]) -> Layer:
        """The layer that `config()` described. Raises: ModelError at an argument that it does not have."""
        known = [f.name for f in fields(cls)]
        for key in config:
            if key not in known:
                raise ModelError(f"{cls.__name__} has no argument {key!r}.{suggestion(key, known)}")
        return cls(**{key: _tuples(value) for key, value in config.items()})

    def __repr__(self) -> str:
        required, named = [], []
        for f in sorted(fields(self), key=lambda f: f.name == "name"):  # the name last
            value = getattr(self, f.name)
            default = f.default_factory() if f.default_factory is not MISSING else f.default
            if default is MISSING:
                required.append(quoted(value))
            elif not _same(value, default):
                named.append(f"{f.name}={quoted(value)}")
        return f"{type(self).__name__}({', '.join(required + named)})"

    def _repr_html_(self) -> str:
        return f"<p><code>{escape(repr(self))}</code></p>{mathml(self.equation)}"

    @property
    def label(self) -> str:
        """How messages call the layer."""
        return f"layer `{self.name}`, {self!r}" if self.name else repr(self)

    def one_input(self, input_shapes: tuple[Shape, ...], rank: int | None = None, axes: str = "") -> Shape:
        """The only input's shape, checked: of `rank` axes (any number where None), which messages call `axes`."""
        if len(input_shapes) != 1:
            raise ModelError(
                f"{self.label} takes one input, but got {len(input_shapes)}. Join them by Add or Concatenate."
            )
        (shape,) = input_shapes
        AXES.keep(self.label, "the shape of its input", shape, ModelError)
        if rank is not None and len(shape) != rank:
            raise ShapeError(
                f"{self.label} takes {rank} axes, ({axes}), but its input has shape {shape}.",
                remedy=f"Reshape({(*shape, 1)}) before it adds the axis." if len(shape) == rank - 1 else "",
            )
        if not shape or 0 in shape:
            raise ShapeError(f"{self.label}: its input has shape {shape}, which has no elements.")
        return shape

    def _plain(self, argument: str, value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [self._plain(argument, v) for v in value]
        if isinstance(value, Mapping):
            return {str(k): self._plain(argument, v) for k, v in value.items()}
        if isinstance(value, np.generic):
            return value.item()
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        raise ModelError(
            f"{self.label}: argument {argument!r} is a {type(value).__name__}, which can't be written to a file. "
            f"Give a name or numbers instead."
        )


@made_from(ModelError)
@dataclass(frozen=True, eq=False)
class Input:
    """Where examples come in. `shape` is that of one example, without the batch; `name` what one of several inputs is
    called, `input1`, `input2`, ... where it has none.

    Raises: ModelError where `shape` is not a tuple of sizes of at least 1.
    """

    shape: tuple[int, ...]
    name: str | None = None

    def __post_init__(self) -> None:
        optional(TEXT).keep("Input", "name", self.name, ModelError)
        sizes = [whole(n) for n in self.shape] if isinstance(self.shape, (tuple, list)) else []
        shape = tuple(n for n in sizes if n is not None and n >= 1)
        if not shape or len(shape) != len(sizes):
            raise ModelError(
                f"Input: the shape of one example must be a tuple of whole numbers of at least 1, not "
                f"{shown(self.shape)}. Write Input((28, 28, 1)) for images of 28 rows, 28 columns and 1 channel."
            )
        object.__setattr__(self, "shape", shape)


@made_from(ModelError)
@dataclass(frozen=True, eq=False)
class Node:
    """The result of `layer` on the results of `inputs`. Nodes are equal only if they are the same object.

    A layer object that makes several nodes of a graph has the same parameters in all of these places.
    """

    layer: Layer
    inputs: tuple[Node | Input, ...]

    def __post_init__(self) -> None:
        fits = isinstance(self.inputs, tuple) and all(isinstance(one, (Node, Input)) for one in self.inputs)
        if not fits or not self.inputs or not isinstance(self.layer, Layer):
            raise ModelError(
                f"A node is a layer and a tuple of nodes, not {shown(self.layer)} and {shown(self.inputs)}. Call the "
                f"layer on its inputs: Add()(a, b)."
            )


def _same(value: Any, default: Any) -> bool:
    try:
        return bool(value == default)
    except (TypeError, ValueError):  # arrays and other objects that have no place here are told of by `check`
        return False


def _tuples(value: Any) -> Any:
    """JSON has lists only; arguments are tuples."""
    if isinstance(value, Mapping):
        return {key: _tuples(element) for key, element in value.items()}
    return tuple(_tuples(v) for v in value) if isinstance(value, (list, tuple)) else value
