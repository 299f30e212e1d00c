"""Examples from TOML files: a model file (`convgrad.models.toml_file`) with numbers.

    about = "one line"
    text = "a few sentences"
    input = [[1, 2], [3, 4]]
    target = [1, 0]

    [model] and [[layer]] as in every model file

    [weights]
    "conv1.w" = [[0.5, -0.5], [0.25, 0]]

    [deltas]
    "dense1.x" = [0.25, -0.15]

    [pins]
    "sigmoid1.x" = [[0.58, 0.57]]

    [results]
    "conv1.x" = [[0.22, 0.13]]

All but the layers may be missing. `input = { digit = 3 }` is an image of the bundled digits and its label the target;
an input that is not said is made of small whole numbers. Weights that are not said are those that training begins with,
drawn with `seed`. Axes of length 1 need not be written, nor sizes that the numbers have (`shapes`). Names with dots may
be written as tables, too: `conv1.w = [...]`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from importlib import resources
from math import inf, prod
from pathlib import Path
from typing import Any

import numpy as np

from convgrad.arguments import PATH, TEXT, at_least, shown, takes
from convgrad.errors import ConvgradError, DataError, ModelError, suggestion
from convgrad.examples.example import Example
from convgrad.examples.shapes import readings
from convgrad.examples.trained import read_weights
from convgrad.explain.trace.start import without_ones
from convgrad.losses import loss_from
from convgrad.models.network import Network
from convgrad.models.toml_file import NUMBERS, misplaced, model_from, toml_content
from convgrad.network.bounds import TooManyWeights, told
from convgrad.optimizers import optimizer_from

NAMES = (
    "classic",
    "two-convolutions",
    "strided",
    "padded",
    "two-channels",
    "batch-of-two",
    "lenet-digit",
    "lenet-trained",
)
TRAINED = {"lenet-trained": "lenet-trained.npz"}
"""Example -> the file with its weights, which are too many for its own (`trained.py`)."""
TABLES = ("weights", "deltas", "pins")
MOST_NUMBERS = 10**7
"""Weights and inputs of an example, whose numbers are all computed and kept as float64."""
RESULTS = "results"
"""A person's own numbers, which `convgrad check` marks; nothing is explained by them."""
DECIMALS = "decimals"
"""What these are rounded to by agreement."""
TOLD = "told"
"""Whether numbers that the person leaves open are told."""
KEYS = NUMBERS
CLASSES = 10
"""What `units = "classes"` stands for in a file without data."""


@takes(ModelError, name=TEXT)
def load_example(name: str) -> Example:
    """A bundled example. Raises: ModelError where there is none of that name.

    >>> load_example("classic").trace()["conv1.dw"].values.round(6).tolist()
    [[0.044606, 0.094061], [0.011262, 0.068288]]
    """
    if name not in NAMES:
        raise ModelError(f"There is no example {name!r}.{suggestion(name, NAMES)}")
    folder = resources.files("convgrad.examples")
    with resources.as_file(folder / f"{name}.toml") as path:
        example = replace(read_example(path), name=name)
    if name in TRAINED:
        with resources.as_file(folder / TRAINED[name]) as path:
            example.network.set_weights(read_weights(path))
    return example


@takes(ModelError, path=PATH, most=at_least(0))
def read_example(path: str | Path, most: int = MOST_NUMBERS) -> Example:
    """The example, or the model without numbers, that a TOML file describes.

    Args:
        most: weights and inputs that it may have together.

    Raises:
        ModelError: the file can't be read or describes no network.
        DataError: its numbers do not fit the network; the message names the file.
    """
    path = Path(path)
    return example_from(toml_content(path), path, most)


def example_from(content: dict[str, Any], path: Path, most: int = MOST_NUMBERS) -> Example:
    """The same from the content of a TOML file, or the like from elsewhere. Messages name `path`.

    most: numbers that the input and the weights may have together; ModelError beyond.
    """
    content = dict(content)
    own = {key: content.pop(key) for key in KEYS if key in content}
    unknown = next((key for key in content if key not in ("model", "layer")), None)
    if unknown is not None:
        where = misplaced(unknown, "") or suggestion(unknown, (*KEYS, "model", "layer"))
        raise ModelError(f"{path}: there is no key {unknown!r}.{where}")
    try:
        possible = [*readings(content, _flat("weights", own.get("weights", {})), own.get("input"))]
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    refused: list[ConvgradError] = []
    for reading in possible:
        try:
            return _from_reading(reading, own, path, most)
        except ConvgradError as error:
            refused.append(error)
    raise max(refused, key=_progress)


def _progress(error: ConvgradError) -> float:
    """How far a reading came: to the layer that the message names, or to the numbers behind all layers."""
    layer = re.search(r": layer (\d+)", str(error))
    return float(layer[1]) if layer else inf


def _from_reading(content: dict[str, Any], own: Mapping[str, Any], path: Path, most: int) -> Example:
    try:
        model = model_from(content, path, None, CLASSES, "float64", most)
        numbers = model.network.parameter_count
        shape = model.network.input_shape
    except TooManyWeights as error:
        numbers, shape = error.weights, tuple(content["model"]["input_shape"])
    numbers += prod(shape)
    if numbers > most:
        figure = f"{told(numbers)} weights and inputs"
        raise ModelError(f"{path}: the network has {figure}; the limit here is {most:,}.")
    try:
        return _example(model.network, own, model.loss, model.optimizer, model.learning_rate)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _example(network: Network, own: Mapping[str, Any], loss: str, optimizer: str, rate: float | None) -> Example:
    tables = {name: _flat(name, own.get(name, {})) for name in TABLES}
    _set_weights(network, tables["weights"], _seed(own.get("seed", 0)))
    x, target = _input(network, own.get("input"))
    chosen = optimizer_from(optimizer)
    return Example(
        name=network.name or "",
        network=network,
        about=str(own.get("about", "")),
        text=str(own.get("text", "")).strip(),
        x=x,
        target=own.get("target", target),
        loss=loss_from(loss),
        optimizer=chosen if rate is None else replace(chosen, learning_rate=float(rate)),
        deltas=tables["deltas"],
        pins=tables["pins"],
    )


def _flat(name: str, table: Any) -> dict[str, Any]:
    """A table by tensors' names, whether these were written in quotes or as tables in tables."""
    if not isinstance(table, dict):
        raise DataError(f"`{name}` is a table, written [{name}] in single brackets.")
    found: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            found |= {f"{key}.{inner}": v for inner, v in _flat(name, value).items()}
        else:
            found[key] = value
    return found


def _seed(seed: Any) -> int:
    if type(seed) is not int or seed < 0:
        raise DataError(f"seed is {shown(seed)}, but must be a whole number of at least 0.")
    return seed


def _set_weights(network: Network, given: Mapping[str, Any], seed: int) -> None:
    network.initialize(seed)
    weights: dict[str, Any] = dict(network.get_weights())
    for name, values in given.items():
        if name not in weights:
            raise DataError(f"[weights] names `{name}`, which the network does not have.{suggestion(name, weights)}")
        try:
            given_values = np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            raise DataError(f"[weights] `{name}` must be numbers, in lists of one length.") from None
        shape = weights[name].shape
        if given_values.ndim == len(shape) == 2 and given_values.shape[0] != shape[0] == given_values.shape[1]:
            raise DataError(
                f"[weights] `{name}` has {given_values.shape[0]} rows, but the layer reads {shape[0]} numbers, and "
                f"there is a row for each of these. Write it transposed."
            )
        same = without_ones(given_values.shape) == without_ones(shape)
        weights[name] = given_values.reshape(shape) if same else given_values
    network.set_weights(weights)


def _input(network: Network, given: Any) -> tuple[Any, Any]:
    """The input, and the label where it is a digit."""
    if given is None:
        return invented_input(network.input_shape), None
    if not isinstance(given, dict):
        return given, None
    from convgrad.data.bundled import bundled_test_digits  # with all that reads images; few examples have one

    images, labels = bundled_test_digits()
    number = given.get("digit")
    if set(given) != {"digit"} or type(number) is not int or not 0 <= number < len(images):
        raise DataError(f"input is {shown(given)}, but must be numbers or {{ digit = 0..{len(images) - 1} }}.")
    image = np.asarray(images[number], dtype=np.float64)
    if image.size != np.prod(network.input_shape):
        raise DataError(f"A digit has {image.shape} numbers, but the network takes {network.input_shape}.")
    return image.reshape(network.input_shape), int(labels[number])


def invented_input(shape: tuple[int, ...]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Numbers with one digit behind the point, the same each time, for networks that come without an input."""
    return np.random.default_rng(0).integers(0, 11, shape) / 10
