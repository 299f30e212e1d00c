"""Files that describe something, changed at random: whatever they say, only errors of ours come out, and soon.

CONVGRAD_FUZZ multiplies the number of files.
"""

from __future__ import annotations

import copy
import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convgrad import Network
from convgrad.check.sheets.sheet import check_sheet
from convgrad.errors import ConvgradError
from convgrad.examples import read_example
from convgrad.layers import BatchNorm, Conv2D, Dense, Flatten, ReLU
from convgrad.models import read_model
from convgrad.models.saved import load
from convgrad.training.checkpoint import save

FILES = 60 * int(os.environ.get("CONVGRAD_FUZZ", "1"))
SECONDS = 20.0
"""Of the processor, for one file; most take hundredths."""
MODEL = """
[model]
name = "small"
loss = "softmax_cross_entropy"
optimizer = "sgd"
learning_rate = 0.05
input_shape = [6, 7, 1]

[[layer]]
type = "Conv2D"
filters = 2
kernel_size = [3, 2]
strides = 1
padding = "same"

[[layer]]
type = "ReLU"
name = "relu"

[[layer]]
type = "Flatten"
inputs = ["relu"]

[[layer]]
type = "Equation"
text = "x[k] = sum[c](w[c,k] * o[c])"
tensors = ["o"]
sizes = { K = 5 }

[[layer]]
type = "Dense"
units = "classes"
"""
EXAMPLE = """
about = "one line"
input = [[1, 2, 3], [3, 4, 0.5], [0, 1, 2]]
target = [1, 0]
seed = 3
[model]
input_shape = [3, 3]
loss = "half_squared_error"
[[layer]]
type = "Equation"
text = "x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n])"
sizes = { M = 2, N = 3 }
name = "conv1"
[[layer]]
type = "Flatten"
[[layer]]
type = "Dense"
units = 2
[weights]
"conv1.w" = [[0.5, -0.5, 1], [0.25, 0, 2]]
[deltas]
"dense1.x" = [0.25, -0.15]
[pins]
conv1.x = [0.5, 1.5]
[results]
"conv1.dw" = [[1, 2, 3], [3, 4, 5]]
[decimals]
"conv1.x" = 2
"""
SHEET = '''
equation = """
h[q] = sigmoid(z[q])
y[k] = sum[q](v[q,k] * h[q])
"""
rate = 0.1
decimals = { h = 2 }
[given]
h = [0.58, 0.57, 0.65, 0.55]
v = [[0.61, 0.02], [0.82, -0.50], [0.96, 0.23], [-1.00, 0.17]]
dy = [0.25, -0.15]
[results]
dz = [0.0364182, nan, 0.04675125, -0.06818625]
'''
SCALARS = (
    *("0", "-1", "1", "2.5", "-0.0", "1e400", "1e-400", "1e308", "nan", "inf", "-inf", "9" * 18, "9" * 400, "9" * 5000),
    *("true", "false", '""', '"x"', '"none"', '"classes"', '"w"', '"conv1.w"', '"a\\u0000b"', '"\u0661"', "[]", "[[]]"),
    *("[1, [2]]", "[1, 2]", '["a"]', "{}", "1e99999999999999999999", "[" * 500, "0x" + "f" * 5000, '"../../x"'),
)


def changed_text(rng: random.Random, good: str, scalars: tuple[str, ...] = SCALARS) -> bytes:
    """A good file with some values, lines or bytes replaced, doubled or left away."""
    lines = good.split("\n")
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(lines))
        kind = rng.random()
        if kind < 0.6 and "=" in lines[at]:
            lines[at] = f"{lines[at].split('=')[0]}= {rng.choice(scalars)}"
        elif kind < 0.7:
            del lines[at : at + rng.randrange(1, 3)]
            lines = lines or [""]
        elif kind < 0.8:
            lines.insert(at, rng.choice(lines))
        elif kind < 0.9:
            lines[at] = lines[at].replace("[", "", 1) if rng.random() < 0.5 else f"{lines[at]} {rng.choice(scalars)}"
        else:
            lines[at] = "".join(rng.sample(lines[at], len(lines[at])))
    content = "\n".join(lines).encode()
    kind = rng.random()
    if kind < 0.05:
        return b"\xef\xbb\xbf" + content
    if kind < 0.15:
        at = rng.randrange(len(content) + 1)
        return content[:at] + bytes(rng.choice([0, 9, 10, 34, 91, 255, 0xC3, 0xED]) for _ in range(2)) + content[at:]
    return content[: rng.randrange(len(content) + 1)] if kind < 0.2 else content


VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 7, 2.5, 1e308, float("nan"), float("inf"), 10**9, 10**18, 10**400, "", "x", "Dense"),
    *("relu1", "input", "\ud800", "a\0b", [], [[]], [1, [2]], {}, {"a": 1}, [1, 2], ["input"], {"class": "Dense"}),
)


def changed_config(rng: random.Random, good: dict[str, Any]) -> bytes:
    """A good config.json with some entries replaced, doubled or left away."""
    content = copy.deepcopy(good)
    for _ in range(rng.randrange(1, 4)):
        places: list[tuple[Any, Any]] = []
        waiting: list[Any] = [content]
        while waiting:
            table = waiting.pop()
            for key in list(table) if isinstance(table, dict) else range(len(table)):
                places.append((table, key))
                if isinstance(table[key], (dict, list)):
                    waiting.append(table[key])
        table, key = rng.choice(places)
        if rng.random() < 0.15:
            del table[key]
        else:
            table[key] = copy.deepcopy(rng.choice(VALUES))
        if not content:
            break
    text = json.dumps(content).encode()
    return text[: rng.randrange(len(text) + 1)] if rng.random() < 0.05 else text


def _only_our_errors(read: Callable[[], object], content: bytes) -> bool:
    """Whether the file was taken; what is not an error of ours fails the test."""
    start, message = time.process_time(), "taken"
    try:
        read()
        taken = True
    except ConvgradError as error:
        message, taken = str(error), False
    except Exception as error:
        pytest.fail(f"{type(error).__name__}: {str(error)[:300]}\nfrom {content[:3000]!r}")
    assert message.strip(), content[:3000]
    assert time.process_time() - start < SECONDS, content[:3000]
    return taken


@pytest.mark.parametrize(
    ("good", "read"),
    [
        (MODEL, lambda path: read_model(path, None, 4).network.initialize()),
        (EXAMPLE, lambda path: [tensor.values.sum() for tensor in read_example(path).trace().values()]),
        (EXAMPLE, lambda path: str(check_sheet(path))),
        (SHEET, lambda path: str(check_sheet(path))),
    ],
    ids=["model", "example", "network-sheet", "equation-sheet"],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # numbers near the ends of the floats overflow
def test_toml_files(good: str, read: Callable[[Path], object], tmp_path: Path) -> None:
    path = tmp_path / "file.toml"
    path.write_text(good)
    read(path)
    rng = random.Random(f"{read.__code__.co_firstlineno}")
    taken = 0
    for _ in range(FILES):
        content = changed_text(rng, good)
        path.write_bytes(content)
        taken += _only_our_errors(lambda: read(path), content)
    assert taken < FILES


def test_config_files(tmp_path: Path) -> None:
    network = Network(Conv2D(2, (3, 2)), BatchNorm(), ReLU(), Flatten(), Dense(3), input_shape=(5, 6, 1))
    network.initialize(1)
    save(network, tmp_path, {"training": {"loss": "mean_squared_error"}})
    path = tmp_path / "config.json"
    good = json.loads(path.read_bytes())
    rng = random.Random(5)
    taken = 0
    for _ in range(3 * FILES):
        content = changed_config(rng, good)
        path.write_bytes(content)
        taken += _only_our_errors(lambda: load(tmp_path), content)
    assert 0 < taken < 3 * FILES
