"""A trained network in a folder: `config.json` (layers and whatever belongs to them) and `weights.safetensors`.

Both are replaced together, with all else that `convgrad train` writes there, so that a crash never leaves files of two
trainings.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from convgrad.arguments import PATH, TABLE, optional, shown, takes
from convgrad.errors import ConvgradError, DataError
from convgrad.network.bounds import TooManyWeights
from convgrad.network.plain import NETWORK, N, PlainNetwork
from convgrad.system.files import read_folder, read_regular, reason, write_folder
from convgrad.system.texts import as_text, json_from
from convgrad.training.record import record, restore

CONFIG_FILE, WEIGHTS_FILE = "config.json", "weights.safetensors"
METRICS_FILE, CURVES_FILE, OPTIONS_FILE = "metrics.json", "curves.png", "run.toml"
BEST_FILE, LAST_FILE = "weights/best.safetensors", "weights/last.safetensors"
RESULTS_FILE, CONFUSION_FILE, PAGE_FILE = "results.csv", "confusion.png", "report.html"
RUN_FILES = (
    *(CONFIG_FILE, WEIGHTS_FILE, METRICS_FILE, CURVES_FILE, OPTIONS_FILE),
    *(BEST_FILE, LAST_FILE, RESULTS_FILE, CONFUSION_FILE, PAGE_FILE),
)
"""All that belongs to one training, and is replaced with it."""
FORMAT = 1
SPARE = 1_000_000
"""Weights that room is made for though the other file lacks them: no burden, and what is missing is told by name."""
Tensors = dict[str, np.ndarray[Any, np.dtype[Any]]]


@takes(DataError, network=NETWORK, folder=PATH, about=optional(TABLE))
def save(network: PlainNetwork, folder: str | PathLike[str], about: Mapping[str, Any] | None = None) -> Path:
    """Write the network's layers and weights (parameters and running statistics) to `folder`, which is made if need be.

    What an earlier training has left there goes with its weights: config.json, metrics.json and curves.png, too.

    Args:
        about: further entries for config.json, such as the names of the classes; values that JSON can hold.

    Returns:
        The folder.

    Raises:
        DataError: the folder can't be written.
    """
    write_folder(folder, saved(network, about), RUN_FILES)
    return Path(folder)


def saved(network: PlainNetwork, about: Mapping[str, Any] | None = None) -> dict[str, bytes]:
    """The content of the files that `save` writes, by their names. Raises: DataError, about `about`."""
    from safetensors.numpy import save as bytes_from_tensors  # only files of weights need it

    try:
        json.dumps(about)
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(f"save: about must hold values that JSON can represent, not {shown(about)}: {error}.") from None
    weights = {name: np.ascontiguousarray(array) for name, array in network.get_weights().items()}
    return {CONFIG_FILE: as_json(configuration(network, about)), WEIGHTS_FILE: bytes_from_tensors(weights)}


def configuration(network: PlainNetwork, about: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What config.json holds."""
    return {**(about or {}), "format": FORMAT, "network": network.to_config(), **record(network)}


def as_json(content: Mapping[str, Any]) -> bytes:
    """As it is written to files."""
    return (json.dumps(content, indent=2) + "\n").encode()


def read(folder: str | PathLike[str], kind: type[N]) -> N:
    """The network that `save` wrote to `folder`, as one of this kind.

    Raises:
        DataError: a file is missing, cut off, or does not fit the other one.
    """
    folder = Path(folder)
    files = read_folder(folder, (CONFIG_FILE, WEIGHTS_FILE))
    config = _config(files[CONFIG_FILE], folder / CONFIG_FILE)
    weights = _tensors(files[WEIGHTS_FILE], folder / WEIGHTS_FILE)
    numbers = sum(array.size for array in weights.values())
    try:
        network = kind.from_config(config["network"], most_weights=numbers + SPARE)
    except ConvgradError as error:
        hint = f" {WEIGHTS_FILE} holds {numbers:,}." if isinstance(error, TooManyWeights) else ""
        raise DataError(
            f"{folder / CONFIG_FILE} does not describe a network that can be built: {error}{hint}"
        ) from error
    _check_shapes(weights, folder / WEIGHTS_FILE, _expected_shapes(network))
    network.set_weights(weights)
    try:
        restore(network, config)
    except DataError as error:
        raise DataError(f"{folder}: {error}") from error
    return network


def load_config(folder: str | PathLike[str]) -> dict[str, Any]:
    """What config.json in `folder` holds: `network`, and whatever was given as `about`.

    Raises:
        DataError: it can't be read or is not such a file.
    """
    return _config(read_folder(folder, (CONFIG_FILE,))[CONFIG_FILE], Path(folder) / CONFIG_FILE)


def _config(content: bytes, path: Path) -> dict[str, Any]:
    config = json_from(as_text(content, str(path)), str(path))
    if not isinstance(config, dict) or not isinstance(config.get("network"), dict):
        raise DataError(f"{path} has no entry `network`, so it was not written by convgrad, or was changed since.")
    if config.get("format") != FORMAT:
        raise DataError(f"{path} has format {shown(config.get('format'))}; this version of convgrad reads {FORMAT}.")
    return config


def _tensors(content: bytes, path: Path) -> Tensors:
    from safetensors import SafetensorError
    from safetensors.numpy import load as tensors_from_bytes

    try:
        return tensors_from_bytes(content)
    except SafetensorError as error:
        raise DataError(f"{path} is not a safetensors file, or was cut off or damaged: {error}.") from error


def read_tensors(path: Path) -> Tensors:
    """All tensors of a .safetensors file, by name.

    Raises:
        DataError: it can't be read, or is no such file.
    """
    try:
        return _tensors(read_regular(path), path)
    except OSError as error:
        raise DataError(f"{path} can't be read: {reason(error)}.") from error


def replace_weights(network: PlainNetwork, path: Path) -> None:
    """Give a network the weights of a file. Raises: DataError where they are not its own."""
    found = read_tensors(path)
    _check_shapes(found, path, _expected_shapes(network))
    network.set_weights(found)


def _check_shapes(found: Tensors, path: Path, expected: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse tensors of a file that are not those with the shapes that are `expected`."""
    for name, shape in expected.items():
        if name not in found:
            raise DataError(f"{path} has no tensor {name!r}, which the network needs with shape {shape}.")
        if found[name].shape != shape:
            raise DataError(f"{path}: tensor {name!r} has shape {found[name].shape}, but the network needs {shape}.")
        if found[name].dtype.kind != "f":
            raise DataError(f"{path}: tensor {name!r} has dtype {found[name].dtype}, but weights are floats.")
    for name in found:
        if name not in expected:
            raise DataError(f"{path} has a tensor {name!r} that the network does not have: it belongs to another one.")


def make_folder(folder: Path) -> None:
    """Make `folder` where it is missing, and find out whether files can be written there.

    Raises:
        DataError: they can't.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise DataError(f"Can't write to the folder {folder}: {reason(error)}.") from error


def _expected_shapes(network: PlainNetwork) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in network.get_weights().items()}
