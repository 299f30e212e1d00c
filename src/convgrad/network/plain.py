"""Layers in a row or in a graph, with their weights: what they compute; nothing that trains or explains it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from convgrad.arguments import (
    COUNT,
    NEW_NAMES,
    SHAPE,
    TABLE,
    TEXT,
    an,
    at_least,
    one_of,
    optional,
    real_array,
    shown,
    takes,
)
from convgrad.compute.arrays import aligned_zeros, copy_into
from convgrad.compute.choose import choose
from convgrad.compute.contract import inputs_behind_views
from convgrad.compute.several import tensor
from convgrad.dtypes import FLOATS
from convgrad.errors import DataError, ModelError, suggestion
from convgrad.layers.base import Input, Layer, Node, registry
from convgrad.losses import Loss
from convgrad.network.bounds import check_layers, check_weights
from convgrad.network.ends import INPUT, Ends
from convgrad.network.graph import Inputs, Outputs, placed_graph
from convgrad.network.losses import AnyLoss
from convgrad.network.past import Past
from convgrad.network.placed import PlacedLayer
from convgrad.network.precision import PRECISION, is_mixed
from convgrad.network.prediction import Predictions, inputs_for
from convgrad.network.predictor import Predictor
from convgrad.network.preparation import Preparation
from convgrad.notation.printing.latex import latex
from convgrad.notation.terms import EQUATION, Equation
from convgrad.system.sharing import Lock, locked

Array = npt.NDArray[Any]
Shape = tuple[int, ...]
N = TypeVar("N", bound="PlainNetwork")
CALLED = "Network"
"""What messages call it: people have a `convgrad.Network`, which is one."""


class PlainNetwork:
    """Layers with weights, and what they compute. All that trains, measures and explains networks takes this one; with
    methods for all of that it is `convgrad.Network`, which says what arguments and attributes mean.

    >>> from convgrad.layers import Conv2D, Dense, Flatten, MaxPool2D, ReLU
    >>> layers = (Conv2D(4, (3, 2)), ReLU(), MaxPool2D(2), Flatten(), Dense(3))
    >>> PlainNetwork(*layers, input_shape=(8, 7, 1)).output_shape
    (3,)

    Raises: ModelError, ShapeError where layers don't fit together, or are too many or too large.
    """

    @takes(
        ModelError,
        CALLED,
        input_shape=optional(SHAPE),
        name=optional(TEXT),
        dtype=one_of(*FLOATS),
        most_weights=optional(at_least(0)),
    )
    def __init__(
        self,
        *layers: Layer,
        input_shape: Sequence[int] | None = None,
        inputs: Inputs | None = None,
        outputs: Outputs | None = None,
        name: str | None = None,
        dtype: str = "float32",
        most_weights: int | None = None,
    ):
        if (inputs is None) != (outputs is None):
            raise ModelError("A graph needs both ends: Network(inputs=image, outputs=last_node).")
        chain = inputs is None or outputs is None
        if inputs is None or outputs is None:
            inputs, outputs = _chain(layers, input_shape)
        elif layers or input_shape is not None:
            raise ModelError("Give either layers with input_shape, or inputs and outputs of a graph, not both.")
        self.name, self.dtype = name, dtype
        self.layers: tuple[PlacedLayer, ...]
        self.ends: Ends
        self.layers, self.ends = placed_graph(inputs, outputs)
        shared = next((placed.shared for placed in self.layers if placed.shared), "")
        if shared and chain:
            raise ModelError(
                f"Layer `{shared}` is used twice. Make a second layer object, or write a graph, where both places "
                "share its weights: Network(inputs=..., outputs=...)."
            )
        check_weights(self.layers, dtype, most_weights)
        self.parameters: dict[str, Array] = {}
        self.state: dict[str, Array] = {}
        for placed in self.layers:
            for key, parameter in placed.own_parameters.items():
                self.parameters[placed.tensor(key)] = aligned_zeros(parameter.shape, dtype)
            for key, (shape, value) in placed.own_state.items():
                self.state[placed.tensor(key)] = aligned_zeros(shape, dtype)
                self.state[placed.tensor(key)][...] = value
        self.initialized = False
        self.loss: AnyLoss = "softmax_cross_entropy"
        self.past = Past()
        self.preparation = Preparation()
        self.in_training = False
        self._prepare()

    def _prepare(self) -> None:
        """Make what belongs to this object and process alone."""
        self.lock = Lock()
        self._predictions = Predictions()

    @locked
    def __getstate__(self) -> dict[str, Any]:
        kept = {name: value for name, value in vars(self).items() if name not in ("lock", "_predictions")}
        copies = {
            table: {name: array.copy() for name, array in kept[table].items()} for table in ("parameters", "state")
        }
        return kept | copies | {"in_training": False}

    def __setstate__(self, kept: dict[str, Any]) -> None:
        vars(self).update(kept)
        self._prepare()
        for table in (self.parameters, self.state):
            for name, array in table.items():  # restored anywhere in memory, but compiled code needs them aligned
                table[name] = aligned_zeros(array.shape, array.dtype)
                table[name][...] = array

    @property
    def input_shape(self) -> Shape:
        """Of one example. Raises: ModelError where there are several inputs; `input_shapes` has theirs."""
        return self.ends.input_shape

    @property
    def output_shape(self) -> Shape:
        """Of one result. Raises: ModelError where there are several outputs; `output_shapes` has theirs."""
        return self._shape_of(self.ends.output)

    @property
    def input_shapes(self) -> dict[str, Shape]:
        """Name of an input -> its shape; "" where the only one was given by itself."""
        return dict(self.ends.inputs)

    @property
    def output_shapes(self) -> dict[str, Shape]:
        """Name of an output -> its shape; "" where the only one was given by itself."""
        return {name: self._shape_of(layer) for name, layer in self.ends.outputs.items()}

    @property
    def loss_of_one(self) -> str | Loss:
        """`loss`, of a network with one output. Raises: ModelError where there are several."""
        self.ends.check_one_output()
        assert isinstance(self.loss, (str, Loss)), "losses of several outputs are refused for one"
        return self.loss

    def _shape_of(self, layer: str) -> Shape:
        return next(placed.built.output_shape for placed in self.layers if placed.name == layer)

    @property
    def parameter_count(self) -> int:
        """How many numbers are trained."""
        return sum(array.size for array in self.parameters.values())

    @takes(ModelError, f"{CALLED}.initialize", seed=at_least(0))
    @locked
    def initialize(self, seed: int = 0) -> None:
        """Draw initial values: the same seed gives the same values, each layer's independent of the others' sizes."""
        for place, placed in enumerate(self.layers):
            for key, parameter in placed.own_parameters.items():
                words = [seed, place, *key.encode()]
                self.parameters[placed.tensor(key)][...] = parameter.initial(np.random.default_rng(words))
            for key, (_, value) in placed.own_state.items():
                self.state[placed.tensor(key)][...] = value
        self.initialized = True
        self.past = Past()

    @takes(DataError, f"{CALLED}.predict", batch_size=COUNT, precision=PRECISION)
    def predict(self, x: Any, batch_size: int = 256, engine: str = "auto", precision: str | None = None) -> Any:
        """The network's results.

        Args:
            x: (N, *input_shape) inputs: floats as they are, bytes (uint8) become 0..1, as in `fit` and `evaluate`. Of a
                network of several inputs, a table of them by name, or a list in their order.
            batch_size: how many at once at most.
            precision: "mixed_bfloat16" for products of numbers that are rounded to bfloat16, as in a training with that
                precision; by default the network's dtype. The weights don't change by it.

        Returns: (N, *output_shape), of the network's dtype; of several outputs, a table of them by name. What is
        computed for an example depends to the last bit neither on how many stand beside it nor on batch_size, with
        either engine. (A layer of your own that names the batch axis, and mixes examples when it predicts, is the
        exception.)
        Raises: DataError where the shape differs, or for other whole numbers; ModelError before there are weights.
        """
        return self._predicted(x, batch_size, engine, precision)

    def _predicted(self, x: Any, batch_size: int, engine: str, precision: str | None = None) -> Any:
        """`predict` of arguments that were looked at."""
        key = None
        if type(x) is np.ndarray and type(engine) is str:
            key = x.shape, x.dtype, batch_size, engine, precision
        ready = self._predictions.ready.get(key)
        if ready is not None:  # there is nothing to look at, and a small network's results take microseconds
            return ready(x)
        inputs = inputs_for(self, x, "predict")
        check_initialized(self)
        mixed = is_mixed(precision, self.dtype)
        backend = choose(engine)
        if len(inputs) == 0:
            results = {name: np.empty((0, *shape), self.dtype) for name, shape in self.output_shapes.items()}
        else:
            results = self._predictions.results(self, inputs, batch_size, backend, mixed)
            quiet = backend.name == "halide" or engine != "auto"
            if key is not None and x.dtype == self.dtype and quiet:
                self._predictions.have_ready(key, self, len(x), batch_size, backend, mixed)
        return results if self.ends.output_names else results[""]

    @takes(ModelError, f"{CALLED}.predictor", batch_size=COUNT)
    def predictor(self, batch_size: int = 1, engine: str = "auto") -> Predictor:
        """The network as it is now, made ready to predict with many times.

        What the weights alone decide is computed once, here, and kept: kernels transformed for Winograd's convolutions,
        factors of normalizations. One image is then quicker than by `predict`, which looks at the weights anew in each
        call. Weights that the network gets later do not reach what was made before.

        Args:
            batch_size: how many examples most calls will have; calls with other numbers are right, too.
            engine: "halide", "oracle" or "auto".

        Returns: a function of inputs, as `predict` takes them. Its results are those of `predict` but for rounding,
        since sums are added in the order that is quickest for batch_size examples. An example's do not depend, to the
        last bit, on how many stand beside it, nor on the number of threads.
        Raises: ModelError before there are weights; EngineError where the engine can't be used.

        >>> from convgrad.layers import Conv2D, Dense, Flatten, ReLU
        >>> network = PlainNetwork(Conv2D(4, (3, 2)), ReLU(), Flatten(), Dense(3), input_shape=(8, 7, 1))
        >>> network.initialize(seed=0)
        >>> predictor = network.predictor()
        >>> predictor(np.zeros((2, 8, 7, 1), np.float32))
        array([[0., 0., 0.],
               [0., 0., 0.]], dtype=float32)
        """
        check_initialized(self)
        return Predictor(self, batch_size, choose(engine))

    @takes(ModelError, f"{CALLED}.buffers", equation=EQUATION, views=NEW_NAMES)
    def buffers(self, equation: Equation, views: Mapping[str, str]) -> dict[str, Array]:
        """The network's own arrays that an equation reads: programs work on them, so all see the same weights."""
        inputs = inputs_behind_views(equation, views)
        return {name: array for name, array in (self.parameters | self.state).items() if name in inputs}

    @takes(ModelError)
    @locked
    def get_weights(self) -> dict[str, Array]:
        """Copies of all parameters and of the state."""
        return {name: array.copy() for name, array in (self.parameters | self.state).items()}

    @takes(DataError, f"{CALLED}.set_weights", weights=TABLE)
    @locked
    def set_weights(self, weights: Mapping[str, npt.ArrayLike]) -> None:
        """Put in what `get_weights` gave. Raises: DataError where a tensor is missing, unknown or of another shape."""
        own = self.parameters | self.state
        for name in weights:
            if name not in own:
                raise DataError(f"The network has no tensor `{name}`.{suggestion(name, own)}")
        for name, array in own.items():
            if name not in weights:
                raise DataError(f"The weights lack `{name}`, of shape {array.shape}.")
            given = real_array("set_weights", name, weights[name], DataError)
            if given.shape != array.shape:
                raise DataError(f"`{name}` has shape {array.shape} in the network, but {given.shape} in the weights.")
        for name, array in own.items():
            copy_into(array, weights[name], name)
        self.initialized = True

    @takes(ModelError)
    def to_config(self) -> dict[str, Any]:
        """What is needed to build the network again, as values that JSON can hold."""
        names = self.ends.input_names, self.ends.output_names
        inputs = {"inputs": {name: list(shape) for name, shape in self.input_shapes.items()}}
        return {
            "name": self.name,
            "dtype": self.dtype,
            **(inputs if names[0] else {"input_shape": list(self.input_shape)}),
            **({"outputs": dict(self.ends.outputs)} if names[1] else {}),
            "layers": [placed.description for placed in self.layers],
        }

    @classmethod
    @takes(ModelError, f"{CALLED}.from_config", config=TABLE, most_weights=optional(at_least(0)))
    def from_config(cls: type[N], config: Mapping[str, Any], most_weights: int | None = None) -> N:
        """The network that `to_config` described. Raises: ModelError where the description is not one."""
        try:
            check_layers(len(config["layers"]))
            given = {"": config["input_shape"]} if "input_shape" in config else config["inputs"]
            inputs = {name: Input(tuple(shape)) for name, shape in given.items()}
            nodes: dict[str, Node | Input] = {tensor(INPUT, name): one for name, one in inputs.items()}
            for entry in config["layers"]:
                if "shares" in entry:
                    first = nodes[entry["shares"]]
                    assert isinstance(first, Node)
                    nodes[entry["name"]] = first.layer(*(nodes[source] for source in entry["inputs"]))
                    continue
                TEXT.keep("A layer", "class", entry["class"], ModelError)
                kind = registry.get(entry["class"])
                if kind is None:
                    raise ModelError(f"There is no layer `{entry['class']}`.{suggestion(entry['class'], registry)}")
                layer = kind.from_config({**entry["arguments"], "name": entry["name"]})
                nodes[entry["name"]] = layer(*(nodes[source] for source in entry["inputs"]))
            last = [*nodes][-1]
            ends = {name: nodes[layer] for name, layer in config.get("outputs", {"": last}).items()}
            assert ends
            assert all(isinstance(node, Node) for node in ends.values())
            others = {"name": config.get("name"), "dtype": config.get("dtype", "float32")}
            return cls(
                inputs=inputs.get("", inputs),
                outputs=ends.get("", ends),  # type: ignore[arg-type]
                most_weights=most_weights,
                **others,
            )
        except (LookupError, TypeError, AttributeError, AssertionError, ValueError, ArithmeticError) as error:
            raise ModelError(f"This is not a description of a network: {type(error).__name__}: {error}.") from error

    def _repr_latex_(self) -> str:
        equations = (latex(placed.built.equation) for placed in self.layers)
        lines = (rf"\text{{{placed.name}:}}\quad & {one}" for placed, one in zip(self.layers, equations, strict=True))
        return "$\\displaystyle \\begin{aligned} " + r" \\ ".join(lines) + r" \end{aligned}$"

    def __repr__(self) -> str:
        return f"<Network {self.name or ''}: {len(self.layers)} layers, {self.parameter_count:,} parameters>"


def _chain(layers: Sequence[Layer], input_shape: Sequence[int] | None) -> tuple[Input, Node]:
    if not layers:
        raise ModelError("A network needs at least one layer: Network(Conv2D(8, 3), ..., input_shape=(28, 28, 1)).")
    for layer in layers:
        if not isinstance(layer, Layer):
            raise ModelError(f"A network is made of layers, but got {shown(layer)}.{_remedy(layer)}")
    if input_shape is None:
        raise ModelError("Give the shape of one example: Network(..., input_shape=(28, 28, 1)).")
    image = Input(tuple(input_shape))
    node: Node | Input = image
    for layer in layers:
        node = layer(node)
    assert isinstance(node, Node)
    return image, node


def _remedy(layer: object) -> str:
    if isinstance(layer, type) and issubclass(layer, Layer):
        return f" Write {layer.__name__}(...), an object of it."
    if isinstance(layer, (list, tuple)):
        return " Write Network(*layers, input_shape=...), with a star."
    return " Write a graph as Network(inputs=..., outputs=...)." if isinstance(layer, (Node, Input)) else ""


def check_initialized(network: PlainNetwork) -> None:
    """Raises: ModelError before there are weights."""
    if not network.initialized:
        raise ModelError("The network has no weights yet. Train it (fit), load weights, or call initialize(seed).")


NETWORK = an(PlainNetwork, "a Network")
