"""Networks described in TOML files.

    [model]
    name = "small"
    loss = "softmax_cross_entropy"
    optimizer = "sgd"
    learning_rate = 0.05

    [[layer]]
    type = "Conv2D"
    filters = 8
    kernel_size = 3

    [[layer]]
    type = "Flatten"

    [[layer]]
    type = "Dense"
    units = "classes"

Each `[[layer]]` is a layer's class and its arguments. The value `"classes"` stands for the number of classes of the
data and `"none"` for None, which TOML lacks. A layer reads the one before it, or those whose names `inputs` lists
(`"input"` is the network's input); the last one is the result. A layer of one's own is

    [[layer]]
    type = "Equation"
    text = "x[i] = a[i] * o[i]"

where `tensors = ["o"]` says which of its tensors are the inputs, and all others are trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import convgrad.layers  # noqa: F401  (fills the registry)
from convgrad.arguments import COUNT, PATH, POSITIVE, SHAPE, optional, shown, takes
from convgrad.errors import ConvgradError, ModelError, suggestion
from convgrad.layers.base import Input, Layer, Node, Shape, registry
from convgrad.models.model import Model
from convgrad.models.network import Network
from convgrad.network.bounds import TooManyWeights, check_layers
from convgrad.system.texts import file_text, toml_from

INPUT = "input"
ALIASES = {"Equation": {"text": "definition", "tensors": "inputs"}}
"""Class -> key in files -> argument: `inputs` is where a layer's inputs come from."""
MODEL_KEYS = ("name", "input_shape", "loss", "optimizer", "learning_rate", "schedule")
NUMBERS = ("about", "text", "input", "target", "seed", "weights", "deltas", "pins", "results", "decimals", "told")
"""Keys of an example (`convgrad.examples`), which is a model file with numbers; none is in [model] or [[layer]]."""


@takes(ModelError, path=PATH, input_shape=optional(SHAPE), classes=COUNT)
def read_model(path: str | Path, input_shape: Shape | None, classes: int) -> Model:
    """The model that a TOML file describes, for inputs of `input_shape` and that many classes.

    Args:
        input_shape: of one example; None for what the file says.

    Raises:
        ModelError: the file can't be read or says something that no model can be made of; the message names the file,
            the layer by its number from 1, and the key.
    """
    path = Path(path)
    return model_from(toml_content(path), path, input_shape, classes)


def model_from(
    content: Mapping[str, Any],
    path: Path,
    input_shape: Shape | None,
    classes: int,
    dtype: str = "float32",
    most_weights: int | None = None,
) -> Model:
    """The model that the content of a TOML file describes; see `read_model`, and Network for `most_weights`.

    Messages name `path`.
    """
    for key in content:
        if key not in ("model", "layer"):
            where = misplaced(key, "") or suggestion(key, ("model", "layer"))
            raise ModelError(f"{path}: there is no table {key!r} in a model file.{where}")
    about = _about(path, content.get("model", {}))
    shape = _input_shape(path, about.pop("input_shape", None), input_shape)
    tables = content.get("layer", [])
    if not isinstance(tables, list) or not tables:
        raise ModelError(f"{path} has no layers. Begin each with a line `[[layer]]`, in double brackets.")
    check_layers(len(tables))

    graph = _Graph(Input(shape), classes)
    for number, table in enumerate(tables, 1):
        graph.add(f"{path}: layer {number}", table)
    if graph.unread:
        raise ModelError(f"{next(iter(graph.unread.values()))} is neither read by another layer nor the last one.")
    assert isinstance(graph.latest, Node)  # there is a layer at least
    name = about.pop("name", path.stem)
    try:
        network = Network(inputs=graph.image, outputs=graph.latest, name=name, dtype=dtype, most_weights=most_weights)
    except TooManyWeights as error:
        raise TooManyWeights(f"{path}: {error}", error.weights) from error
    return Model(network=network, name=name, **about)


def misplaced(key: str, place: str) -> str:
    """Where a key that stands at `place` belongs, a sentence that begins with a space; empty where nobody knows.

    place: "" for the top of the file, "[model]" or "[[layer]]".

    >>> misplaced("input_shape", "")
    ' It belongs below the line [model].'
    """
    if key in MODEL_KEYS and place != "[model]" and key != "name":
        return " It belongs below the line [model]."
    if key not in NUMBERS:
        return ""
    if place == "":
        return " It belongs to an example, which `convgrad explain` takes: a model file has layers and no numbers."
    shape = " The shape of an input is `input_shape`." if key == "input" and place == "[model]" else ""
    reads = " What a layer reads is `inputs`." if key == "input" and place == "[[layer]]" else ""
    return f" It belongs at the top of the file, above all tables: it holds numbers of an example.{shape}{reads}"


def toml_content(path: Path) -> dict[str, Any]:
    """What the file says. Raises: ModelError where it can't be read or is not a TOML file; DataError for a device."""
    return toml_from(file_text(path, ModelError, "The model file"), str(path), ModelError)


def _about(path: Path, table: Any) -> dict[str, Any]:
    """The `[model]` table, checked."""
    if not isinstance(table, dict):
        raise ModelError(f"{path}: `model` is a table, written [model] in single brackets.")
    for key, value in table.items():
        if key not in MODEL_KEYS:
            where = misplaced(key, "[model]") or suggestion(key, MODEL_KEYS)
            raise ModelError(f"{path}: [model] has no key {key!r}.{where}")
        if key in ("name", "loss", "optimizer", "schedule") and not isinstance(value, str):
            raise ModelError(f"{path}: {key} is {shown(value)}, but must be a name in quotes.")
    rate = table.get("learning_rate")
    if rate is not None and not POSITIVE.accepts(rate):
        raise ModelError(f"{path}: learning_rate is {shown(rate)}, but must be a number above 0.")
    return dict(table)


def _input_shape(path: Path, declared: Any, wanted: Shape | None) -> Shape:
    if declared is None:
        if wanted is None:
            raise ModelError(
                f"{path} does not say what images it is for. Write their shape below [model], as in "
                "input_shape = [28, 28, 1], or give it to the command or function that reads the file."
            )
        return tuple(wanted)
    if not isinstance(declared, list) or not all(type(size) is int and size > 0 for size in declared):
        raise ModelError(f"{path}: input_shape is {shown(declared)}, but must be a list of sizes, such as [28, 28, 1].")
    if wanted is not None and tuple(declared) != tuple(wanted):
        raise ModelError(f"{path}: the model is for images of {tuple(declared)}, but these have {tuple(wanted)}.")
    return tuple(declared)


class _Graph:
    """The layers read so far; each is built at once, so that an error can name the layer by its number."""

    def __init__(self, image: Input, classes: int):
        self.image, self.classes = image, classes
        self.latest: Node | Input = image
        self._latest_place = ""
        self.nodes: dict[str, Node | Input] = {INPUT: image}
        self.shapes: dict[Node | Input, Shape] = {image: image.shape}
        self.unread: dict[Node | Input, str] = {}
        """Layers that no later one reads, the latest left out, with their place in the file."""

    def add(self, where: str, table: Mapping[str, Any]) -> None:
        """Put the layer of one `[[layer]]` table on its inputs."""
        if not isinstance(table, Mapping):
            raise ModelError(f"{where} is {shown(table)}, but must be a table with the key `type`, the layer's class.")
        arguments = dict(table)
        kind = arguments.pop("type", None)
        if kind is None:
            raise ModelError(f'{where} has no key `type`, the layer\'s class, such as type = "Conv2D".')
        if not isinstance(kind, str) or kind not in registry:
            raise ModelError(f"{where} has type {shown(kind)}, which is not a layer.{suggestion(str(kind), registry)}")
        where = f"{where} ({kind})"
        names = arguments.pop("inputs", None)
        sources = (self.latest,) if names is None else self._sources(where, names)
        layer = _layer(where, registry[kind], arguments, self.classes)
        if layer.name is not None and layer.name in self.nodes:
            raise ModelError(f"{where}: the name {layer.name!r} is taken by an earlier layer or the input.")
        try:
            node = layer(*sources)
            self.shapes[node] = layer.build(*(self.shapes[source] for source in sources)).output_shape
        except ConvgradError as error:
            raise ModelError(f"{where}: {error}") from error
        if self.latest is not self.image:
            self.unread[self.latest] = self._latest_place
        for source in sources:
            self.unread.pop(source, None)
        self.latest, self._latest_place = node, where
        if layer.name is not None:
            self.nodes[layer.name] = node

    def _sources(self, where: str, names: Any) -> tuple[Node | Input, ...]:
        if not isinstance(names, list) or not names:
            raise ModelError(f'{where}: inputs must be a list of names of earlier layers, such as ["conv1"].')
        for name in names:
            if not isinstance(name, str) or name not in self.nodes:
                hint = suggestion(str(name), self.nodes)
                raise ModelError(f"{where}: inputs has {shown(name)}, which is not an earlier layer with a name.{hint}")
        return tuple(self.nodes[name] for name in names)


def _layer(where: str, kind: type[Layer], arguments: Mapping[str, Any], classes: int) -> Layer:
    aliases = ALIASES.get(kind.__name__, {})
    shown = {name: alias for alias, name in aliases.items()}
    known = [shown.get(f.name, f.name) for f in fields(kind)]
    for key in arguments:
        if key not in known:
            told = misplaced(key, "[[layer]]") or suggestion(key, [*known, "type", "inputs"])
            raise ModelError(f"{where} has no key {key!r}.{told}")
    values = {aliases.get(key, key): _value(value, classes) for key, value in arguments.items()}
    for f in fields(kind):
        if f.default is MISSING and f.default_factory is MISSING and f.name not in values:
            raise ModelError(f"{where} needs a value for {shown.get(f.name, f.name)!r}.")
    try:
        return kind.from_config(values)
    except ConvgradError as error:
        raise ModelError(f"{where}: {error}") from error
    except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError) as error:  # looked at by no rule
        raise ModelError(f"{where}: a value can't be used: {error}.") from error


def _value(value: Any, classes: int) -> Any:
    return {"classes": classes, "none": None}.get(value, value) if isinstance(value, str) else value
