"""A training under way, kept in a folder, so that it can be killed at any moment and go on to the same bits.

`checkpoint.json` says of which training it is and how far it got; `checkpoint.safetensors` holds its arrays. Both are
replaced together, and nothing else is: no code is stored, and none is run when they are read.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.arguments import NOT_NEGATIVE, PATH, TABLE, made_from, shown
from convgrad.compute.several import arrays_of
from convgrad.errors import DataError, TrainingError
from convgrad.network.losses import Losses
from convgrad.network.past import fingerprint
from convgrad.system.files import read_folder, write_folder
from convgrad.system.texts import as_text, json_from
from convgrad.training.checkpoint import as_json

STATE_FILE, ARRAYS_FILE = "checkpoint.json", "checkpoint.safetensors"
CHECKPOINT_FILES = (STATE_FILE, ARRAYS_FILE)
FORMAT = 2
SHARE = 20
"""A checkpoint that takes t seconds to write is followed by at least this many times t without one: 5 % at most."""
ARRAY = "array"
"""The key of a table that stands for an array: its value is the array's name in the other file."""
LONGEST_SHOWN = 60
"""Characters of a value in a message."""

State = dict[str, Any]
"""Values that JSON can hold, and arrays, in tables."""


@made_from(TrainingError, folder=PATH, seconds=NOT_NEGATIVE, about=TABLE)
@dataclass(frozen=True)
class Checkpoint:
    """Where a training is kept while it goes on, and how often.

    Arguments:
        folder: it gets checkpoint.json and checkpoint.safetensors, and is made if need be.
        seconds: at least so many pass between two checkpoints; 0 for one after every batch. One is always written when
            the training ends, and when Ctrl-C or another signal ends it. Writing takes a twentieth of the time at most.
        replace: begin anew where the folder holds a checkpoint, instead of refusing.
        about: further entries, values that JSON can hold; `about_in` reads them.
    """

    folder: str | PathLike[str]
    seconds: float = 10.0
    replace: bool = False
    about: Mapping[str, Any] = field(default_factory=dict)

    def found(self, asked: Mapping[str, Any], resume: bool) -> State | None:
        """What the folder holds of the training that is `asked` for; None where it begins.

        Raises:
            TrainingError: there is a checkpoint, and `resume` is False; or it is of another training.
            DataError: a file can't be read, or is damaged.
        """
        folder = Path(self.folder)
        if not any((folder / name).exists() for name in CHECKPOINT_FILES):
            return None
        if not resume:
            if self.replace:
                return None
            raise TrainingError(
                f"{folder} holds a checkpoint. Write resume=True to go on from it, or name another folder, or remove "
                f"{STATE_FILE} and {ARRAYS_FILE}."
            )
        state = read(folder)
        self._check(asked, state["training"])
        return state

    def _check(self, asked: Mapping[str, Any], found: Mapping[str, Any]) -> None:
        wanted = json_from(as_json(asked).decode(), STATE_FILE)
        others = [other for name in {**wanted, **found} for other in _others(name, found.get(name), wanted.get(name))]
        if others:
            pairs = (f"{name} is {_short(there)} there and {_short(here)} here" for name, there, here in others)
            raise TrainingError(
                f"The checkpoint in {self.folder} is of another training: {'; '.join(pairs)}. Resume it with the same "
                "arguments, data and network, or name another folder."
            )


def checkpoint_from(given: str | PathLike[str] | Checkpoint | None, resume: bool) -> Checkpoint | None:
    """The checkpoint that `fit` was given. Raises: TrainingError where it is something else, or missing."""
    if given is None:
        if resume:
            raise TrainingError("resume=True goes on from a checkpoint; say where it is: checkpoint='runs/a'.")
        return None
    if isinstance(given, Checkpoint):
        return given
    if not PATH.accepts(given):
        raise TrainingError(f"checkpoint must be a folder or a Checkpoint, not {shown(given)}.")
    return Checkpoint(given)


class Keeper:
    """Writes checkpoints of one training, as often as `Checkpoint` says."""

    def __init__(self, checkpoint: Checkpoint, asked: Mapping[str, Any]):
        self._checkpoint, self._asked = checkpoint, dict(asked)
        self._next = time.perf_counter() + checkpoint.seconds

    @property
    def due(self) -> bool:
        """Whether the time has come."""
        return time.perf_counter() >= self._next

    def write(self, state: State) -> None:
        """Write the training's state, all or nothing. Raises: DataError where it can't be written."""
        from safetensors.numpy import save as bytes_from_arrays  # only checkpoints need it

        began = time.perf_counter()
        arrays: dict[str, npt.NDArray[Any]] = {}
        plain = _without_arrays(state, "", arrays)
        head = {"format": FORMAT, "about": dict(self._checkpoint.about), "training": self._asked}
        files = {STATE_FILE: as_json({**head, "state": plain}), ARRAYS_FILE: bytes_from_arrays(arrays)}
        write_folder(self._checkpoint.folder, files, CHECKPOINT_FILES)
        took = time.perf_counter() - began
        pause = max(self._checkpoint.seconds, SHARE * took) if self._checkpoint.seconds else 0.0
        self._next = time.perf_counter() + pause


def read(folder: str | PathLike[str]) -> State:
    """What a folder's checkpoint holds: `about`, `training` and `state`. Raises: DataError."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as arrays_from_bytes

    folder = Path(folder)
    files = read_folder(folder, CHECKPOINT_FILES)
    name = str(folder / STATE_FILE)
    content = json_from(as_text(files[STATE_FILE], name), name)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise DataError(f"{name} is not a checkpoint of this version of convgrad; start the training anew.")
    try:
        arrays = arrays_from_bytes(files[ARRAYS_FILE])
        return {
            "about": dict(content["about"]),
            "training": dict(content["training"]),
            "state": _with_arrays(content["state"], arrays),
        }
    except (SafetensorError, LookupError, TypeError, ValueError) as error:
        raise DataError(f"The checkpoint in {folder} was changed or is damaged: {error}.") from error


def about_in(folder: str | PathLike[str]) -> dict[str, Any]:
    """The further entries of a folder's checkpoint. Raises: DataError where there is none, or a damaged one."""
    if not (Path(folder) / STATE_FILE).exists():
        raise DataError(f"{folder} holds no checkpoint ({STATE_FILE}), so there is nothing to resume.")
    return dict(read(folder)["about"])


def digest(array: npt.ArrayLike) -> str:
    """An array's shape and all its bits, as 16 hexadecimal digits."""
    values = np.ascontiguousarray(array)
    whole = hashlib.blake2b(repr((values.shape, values.dtype.str)).encode(), digest_size=8)
    whole.update(values.tobytes())
    return whole.hexdigest()


def data_digest(inputs: Any, targets: Any) -> str:
    """What a training's data are known by: the bits of some inputs, and those of the targets that are given."""
    return f"{len(inputs)} examples {fingerprint(inputs)}-{'-'.join(map(digest, arrays_of(targets)))}"


def described(thing: object) -> Any:
    """An optimizer, loss, schedule or the like as JSON holds it: its name and arguments."""
    if isinstance(thing, Losses):
        return {"name": "Losses", "weights": dict(thing.weights), **_plain({"parts": thing.of})}
    if is_dataclass(thing) and not isinstance(thing, type):
        return {"name": type(thing).__name__, **_plain(asdict(thing))}
    if callable(thing):
        return f"the function {getattr(thing, '__qualname__', type(thing).__name__)}"
    return thing


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        return value.item()
    return value if value is None or isinstance(value, (bool, int, float, str)) else described(value)


def _without_arrays(value: Any, path: str, arrays: dict[str, npt.NDArray[Any]]) -> Any:
    """The value with arrays put into `arrays`, by where they are, and a table that names it in place of each."""
    if isinstance(value, np.ndarray):
        arrays[path] = np.array(value, order="C")  # a copy, of no axis too
        return {ARRAY: path}
    if isinstance(value, Mapping):
        return {key: _without_arrays(each, f"{path}/{key}".lstrip("/"), arrays) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_arrays(each, f"{path}/{n}".lstrip("/"), arrays) for n, each in enumerate(value)]
    return value.item() if isinstance(value, np.generic) else value


def _with_arrays(value: Any, arrays: Mapping[str, npt.NDArray[Any]]) -> Any:
    if isinstance(value, dict):
        if value.keys() == {ARRAY}:
            return arrays[value[ARRAY]]
        return {key: _with_arrays(each, arrays) for key, each in value.items()}
    return [_with_arrays(each, arrays) for each in value] if isinstance(value, list) else value


def _others(name: str, there: Any, here: Any) -> list[tuple[str, Any, Any]]:
    """What is another here, by its name: of tables and lists of the same kind, their entries."""
    if there == here:
        return []
    if isinstance(there, dict) and isinstance(here, dict) and there.keys() == here.keys():
        return [other for key in there for other in _others(f"{name}.{key}", there[key], here[key])]
    if isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        return [
            other for n, pair in enumerate(zip(there, here, strict=True)) for other in _others(f"{name}[{n}]", *pair)
        ]
    if isinstance(there, list) and isinstance(here, list) and _short(there) == _short(here):
        return [(name, f"of length {len(there)}", f"of length {len(here)}")]
    return [(name, there, here)]


def _short(value: Any) -> str:
    text = "missing" if value is None else str(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
