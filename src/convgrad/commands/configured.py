"""Options of a command from a file, and the file that repeats a run.

    dataset = "photos"
    epochs = 20
    class-weight = "balanced"

Each key is an option without its dashes, or `dataset`. What the command line gives as well goes before the file.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import typer

from convgrad.arguments import shown
from convgrad.errors import ConvgradError, DataError, suggestion
from convgrad.system.texts import file_text, toml_from

NOT_IN_FILES = ("resume", "config", "help", "as_json", "quiet", "parallel")
"""Parameters that say how a command is used, and nothing about a training."""
KINDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
PYTHON = (
    (r"\bGroup: learning_rate must", "--lr-of must"),
    (r"\bGroup: weight_decay must", "--decay-of must"),
    (r"image_size=\((\d+), (\d+)\)", r"--image-size \1x\2"),
    (r"class_weight='balanced'", "--class-weight balanced"),
    (r"validation_split=([0-9.]+) or validation_data", r"--validation-split \1, or a folder val beside train"),
    (r"Write mode='min' or mode='max', or Metric\(.*?\)", "Name another figure"),
    (r"Resume it with the same arguments, data and network", "Resume it with the same data"),
    (r"\b\w+ monitors\b", "--monitor is"),
    (r"\bfit: (\w+) must", r"\1 must"),
    (r"\b(class_weight|validation_split|weight_decay|batch_size|image_size|data_dir)\b", None),
    (r"\blearning_rate\b", "--lr"),
    (r"\w+: global_clipnorm must", "--clip-norm must"),
    (r"\bfrozen\b", "--frozen"),
    (r"^average: ", "--average: "),
    (r"\w+: label_smoothing must", "--label-smoothing must"),
    (r"has no label_smoothing", "has no --label-smoothing"),
    (r"^(EMA: decay|SWA: start) must", r"--average: \1 must"),
    (
        r"^augment: MixUp (.*)Give rows .* behind a LogSoftmax\.",
        r"--augment-with: MixUp \1Take --loss kl_divergence, "
        "and a --model of your own that ends with LogSoftmax.",
    ),
    (r"^augment: there", "--augment-with: there"),
    (r"^augment: (\w+ takes|'.*' has no number)", r"--augment-with: \1"),
    (r"^(Crop|Cutout|Colour|RandAugment|MixUp): ", r"--augment-with: \1: "),
    (r"\bwarm_up: share must", "--warm-up must"),
    (r'\bparallel="mpi"', "--parallel mpi"),
    (r"^parallel is 'mpi' or None", "--parallel is mpi"),
    (r"\bshards=(\d+)", r"--shards \1"),
    (r"\bno_decay\b", "--no-decay"),
    (r"^groups: (.* among)", r"--lr-of, --decay-of: \1"),
    (r"^groups\b", "--lr-of, --decay-of"),
    (r"\b(epochs|seed|metrics|patience|monitor) must\b", r"--\1 must"),
)
"""What messages of Python's functions call what the command line calls otherwise; None for the same with dashes."""


def in_options(message: str) -> str:
    """A message of a Python function in words of the command line.

    >>> in_options("fit: learning_rate must be a number above 0, not -1.0.")
    '--lr must be a number above 0, not -1.0.'
    >>> in_options("All must have the same size: resize them with image_size=(32, 48).")
    'All must have the same size: resize them with --image-size 32x48.'
    """
    for pattern, instead in PYTHON:
        message = re.sub(pattern, instead or (lambda found: f"--{found[0].replace('_', '-')}"), message)
    return message


def from_file(context: typer.Context, path: Path, kinds: Mapping[str, Any]) -> None:
    """Take the options of a file for those that the command line does not give.

    Args:
        kinds: the types of the command's parameters.

    Raises:
        DataError: it can't be read, has a key that is no option, or a value of another kind.
    """
    content = toml_from(file_text(path), str(path))
    options = {key: str(parameter.name) for parameter in context.command.params for key in _keys(parameter)}
    known = {key: name for key, name in options.items() if name not in NOT_IN_FILES}
    found = {}
    for key, value in content.items():
        plain = key.replace("_", "-")
        if plain not in known:
            hint = " It belongs on the command line." if plain in options else suggestion(plain, known)
            raise DataError(f"{path}: there is no option {shown(key)}.{hint}")
        found[known[plain]] = _value(path, key, value, kinds[known[plain]])
    context.default_map = {**(context.default_map or {}), **found}


def repeating(options: Mapping[str, Any]) -> bytes:
    """The content of a file with these options; None and what is off are left out.

    >>> print(repeating({"dataset": "digits", "batch_size": 64, "augment": False, "lr": 0.05}).decode(), end="")
    # convgrad train --config run.toml
    dataset = "digits"
    batch-size = 64
    lr = 0.05
    """
    from convgrad.training.checkpoint import OPTIONS_FILE  # with all that it imports, once there is a run

    lines = [f"# convgrad train --config {OPTIONS_FILE}"]
    for name, value in options.items():
        if value is not None and value is not False and value != "":
            lines.append(f"{name.replace('_', '-')} = {json.dumps(value, ensure_ascii=False)}")
    return ("\n".join(lines) + "\n").encode("utf-8", "replace")


def lasting(name: str) -> str:
    """A name, or a path that means the same from another folder."""
    return os.path.abspath(name) if os.path.exists(name) else name


def listed(text: str) -> tuple[str, ...]:
    """Names between commas.

    >>> listed("f1, top3")
    ('f1', 'top3')
    """
    return tuple(name.strip() for name in text.split(",") if name.strip())


def weights_of(text: str | None) -> str | dict[str, float] | None:
    """What --class-weight says: `balanced`, or a weight for each class named. Raises: typer.BadParameter."""
    if text is None or text == "balanced":
        return text
    return _pairs(text, "neither `balanced` nor weights of classes, such as cat=2,dog=0.5", "--class-weight")


def numbers_of(text: str | None, option: str) -> dict[str, float] | None:
    """A number for each name. Raises: typer.BadParameter.

    >>> numbers_of("conv*=0.001,dense1=0.1", "--lr-of")
    {'conv*': 0.001, 'dense1': 0.1}
    """
    return _pairs(text, "no list of names and numbers, such as conv*=0.001,dense1=0.01", option) if text else None


def _pairs(text: str, wrong: str, option: str) -> dict[str, float]:
    found = {}
    for pair in text.split(","):
        name, _, number = pair.rpartition("=")
        try:
            found[name.strip()] = float(number)
        except ValueError:
            name = ""
        if not name.strip():
            raise typer.BadParameter(f"{shown(text)} is {wrong}.", param_hint=option)
    return found


@contextmanager
def worded() -> Iterator[None]:
    """Messages of convgrad's own errors name options of the command line."""
    try:
        yield
    except ConvgradError as error:
        error.args = tuple(in_options(part) if isinstance(part, str) else part for part in error.args)
        raise


def _keys(parameter: Any) -> list[str]:
    if parameter.param_type_name == "argument":
        return [parameter.name]
    return [name.removeprefix("--") for name in parameter.opts if name.startswith("--")]


def _value(path: Path, key: str, value: Any, given: Any) -> Any:
    """A value as the option takes it. Raises: DataError where it is of another kind."""
    accepted = get_args(given) or (given,)
    kind = next((one for one in KINDS if one in accepted), str)
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        value = ",".join(value)
    elif isinstance(value, dict):
        value = ",".join(f"{name}={number}" for name, number in value.items())
    elif kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise DataError(f"{path}: {key} must be {KINDS[kind]}, not {shown(value)}.")
    return value
