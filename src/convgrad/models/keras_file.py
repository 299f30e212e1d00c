"""Files of weights that Keras writes: `.keras`, `.weights.h5` and the older `.h5`. h5py is imported when one is read.

A `.keras` file is a zip of `config.json`, which has the layers in order, and `model.weights.h5`, where the arrays of a
layer are called layers/conv2d/vars/0 and so on, by its kind and a number. The older `.h5` has layers by their names.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.arguments import real_array
from convgrad.errors import DataError

Array = npt.NDArray[Any]
SUFFIXES = (".keras", ".h5", ".hdf5")
WEIGHTS, CONFIG = "model.weights.h5", "config.json"
LARGEST = 1 << 34
"""Bytes of a part of a file, and of an array in it: a small file may claim to hold any number of zeros."""
LAYERS = ("layers", "_layer_checkpoint_dependencies")
"""The group of a model's layers; Keras before 3.3 called it by the second name."""


@dataclass(frozen=True)
class KerasWeights:
    """The arrays of each layer in Keras' order, layers that have some, and the epsilon of those of which it is known.

    ordered: whether layers are in the model's order, and not in that of their names.
    """

    layers: dict[str, list[Array]] = field(default_factory=dict)
    epsilons: dict[str, float] = field(default_factory=dict)
    ordered: bool = True


def read_keras(path: Path) -> KerasWeights:
    """What a file holds. Raises: DataError where it is none of Keras', or h5py is missing."""
    if path.suffix not in SUFFIXES:
        raise DataError(f"from_keras: {path} must be a file .keras, .weights.h5 or .h5, as model.save writes it.")
    try:
        h5py = import_module("h5py")
    except ImportError as error:
        raise DataError(f"from_keras needs the package h5py: pip install 'convgrad[keras]'. ({error})") from error
    try:
        if path.suffix != ".keras":
            with h5py.File(path, "r") as file:
                return _by_names(h5py, file) if _named_layers(file) is not None else _by_kinds(h5py, file, None)
        with zipfile.ZipFile(path) as whole:
            config = json.loads(_part(whole, CONFIG, path))
            with h5py.File(io.BytesIO(_part(whole, WEIGHTS, path)), "r") as file:
                return _by_kinds(h5py, file, config["config"])
    except OSError as error:
        raise DataError(f"from_keras: {path} can't be read: {error}.") from error
    except (zipfile.BadZipFile, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"from_keras: {path} is not a whole file of Keras: {error}.") from error


def _part(whole: zipfile.ZipFile, name: str, path: Path) -> bytes:
    if whole.getinfo(name).file_size > LARGEST:
        raise DataError(f"from_keras: {name} in {path} claims to have more than {LARGEST:,} bytes.")
    return whole.read(name)


def _named_layers(file: Any) -> Any:
    """The group of an older file whose attribute `layer_names` has the layers in order; None in a newer one."""
    for group in (file, file.get("model_weights")):
        if group is not None and "layer_names" in group.attrs:
            return group
    return None


def _by_names(h5py: Any, file: Any) -> KerasWeights:
    found: dict[str, list[Array]] = {}
    group: Any = _named_layers(file)
    for name in _texts(group.attrs["layer_names"]):
        own = [_array(h5py, group[name], weight) for weight in _texts(group[name].attrs["weight_names"])]
        if own:
            found[name] = own
    return KerasWeights(found, _epsilons(_config_of(file)))


def _config_of(file: Any) -> Any:
    text = file.attrs.get("model_config")
    return None if text is None else json.loads(text)["config"]


def _texts(names: Any) -> list[str]:
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names]


def _by_kinds(h5py: Any, file: Any, config: Any) -> KerasWeights:
    if config is None:
        found = dict(sorted(_groups(h5py, file, ""), key=lambda entry: _natural(entry[0])))
        if not found:
            raise DataError("from_keras: the file has no layers with weights.")
        return KerasWeights(found, ordered=False)
    return KerasWeights(dict(_in_order(h5py, file, config)), _epsilons(config))


def _groups(h5py: Any, model: Any, before: str) -> Iterator[tuple[str, list[Array]]]:
    """Layers by their kinds, those of models within models behind their names."""
    inner: Any = next((model[name] for name in LAYERS if name in model), None)
    for name in () if inner is None else inner:
        if own := _vars(h5py, inner[name]):
            yield before + name, own
        yield from _groups(h5py, inner[name], f"{before}{name}/")


def _in_order(h5py: Any, model: Any, config: Mapping[str, Any]) -> Iterator[tuple[str, list[Array]]]:
    """Layers by the names that they have in `config`, in its order; the n-th of a kind is called kind_n in the file."""
    inner = next(model[name] for name in LAYERS if name in model)
    counts: dict[str, int] = {}
    for layer in config["layers"]:
        kind = _snake_case(layer["class_name"])
        number = counts[kind] = counts.get(kind, -1) + 1
        own = inner.get(f"{kind}_{number}" if number else kind)
        if own is None:
            continue
        if arrays := _vars(h5py, own):
            yield layer["config"]["name"], arrays
        if "layers" in layer["config"]:
            yield from _in_order(h5py, own, layer["config"])


def _vars(h5py: Any, layer: Any) -> list[Array]:
    group = layer.get("vars")
    return [] if group is None else [_array(h5py, group, name) for name in sorted(group, key=int)]


def _array(h5py: Any, group: Any, name: str) -> Array:
    found = group[name]
    linked = not isinstance(group.get(name, getlink=True), h5py.HardLink)
    if linked or found.is_virtual or found.external:  # which may read any file of this machine
        raise DataError(f"from_keras: `{found.name}` is not in the file itself but in another one.")
    if found.nbytes > LARGEST:
        raise DataError(f"from_keras: `{found.name}` claims to have more than {LARGEST:,} bytes.")
    array = real_array("from_keras", str(found.name), found[()], DataError)
    if not np.isfinite(array).all():
        raise DataError(f"from_keras: `{found.name}` holds NaN or infinity.")
    return array


def _epsilons(config: Any) -> dict[str, float]:
    """Layer's name -> its epsilon, as far as the file says it."""
    found: dict[str, float] = {}
    for layer in () if config is None else config["layers"]:
        own = layer["config"]
        if isinstance(own.get("epsilon"), (int, float)):
            found[own["name"]] = float(own["epsilon"])
        if "layers" in own:
            found |= _epsilons(own)
    return found


def _snake_case(name: str) -> str:
    """As Keras makes names of kinds.

    >>> [_snake_case(name) for name in ("Conv2DTranspose", "PReLU", "BatchNormalization")]
    ['conv2d_transpose', 'p_re_lu', 'batch_normalization']
    """
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]
