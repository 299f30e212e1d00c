"""Programs for MATLAB and GNU Octave: Octave runs them, and displays every tensor as the network has it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from convgrad import Network
from convgrad.errors import ModelError
from convgrad.examples import NAMES, load_example
from convgrad.explain import Trace
from convgrad.explain.rendering.conventions import as_written_by
from convgrad.layers import Conv2D, Dense, Flatten, MaxPool2D, ReLU
from optional import find_octave
from written_networks import LARGE, LAYERS, LOSSES, large, made, network_of, own_names

Array = npt.NDArray[np.float64]
HEADER = re.compile(r"(\w+) =(?: +(\S+))?")
PAGE = re.compile(r"ans\(:,:,([\d,]+)\) =(?: +(\S+))?")
SAID = re.compile(r"^(\w+)(?: = .*)?  % (\S.*\d\]?|size [\d ]+)$", re.MULTILINE)
NOT_WRITTEN = {
    "batch-of-two": "one example without a batch",
    "lenet-digit": "`input` has 784 numbers",
    "lenet-trained": "`input` has 784 numbers",
}


def run(program: str, folder: Path) -> dict[str, Array]:
    """What Octave displays: variable -> numbers. It may warn of nothing."""
    path = folder / "program.m"
    path.write_text(program, encoding="ascii")
    command = [find_octave(), "--norc", "--quiet", "--no-history"]
    command += ["--eval", f"split_long_rows(false); source('{path}')"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, ""), program
    return displayed(done.stdout)


def displayed(text: str) -> dict[str, Array]:
    """Tensors as they stand in a terminal, those of more than two axes matrix by matrix."""
    pages: dict[str, dict[tuple[int, ...], list[list[float]]]] = {}
    rows: list[list[float]] = []
    for line in filter(str.strip, text.splitlines()):
        header, page = HEADER.fullmatch(line), PAGE.fullmatch(line)
        if header:
            pages[header[1]] = {}
        if header or page:
            place = tuple(int(n) - 1 for n in page[1].split(",")) if page else ()
            rows = pages[[*pages][-1]].setdefault(place, [])
            alone = (header or page)[2]  # type: ignore[index]
            rows += [[float(alone)]] if alone else []
        else:
            rows.append([float(number) for number in line.split()])
    return {name: whole({place: rows for place, rows in found.items() if rows}) for name, found in pages.items()}


def whole(pages: Mapping[tuple[int, ...], list[list[float]]]) -> Array:
    """The array whose matrices these are."""
    last = max(pages)
    first = np.array(pages[last])
    array = np.full((*first.shape, *(n + 1 for n in last)), np.nan)
    for place, rows in pages.items():
        np.moveaxis(array, (0, 1), (-2, -1))[place] = rows
    return array


def as_there(values: Array) -> Array:
    """Two axes at least, rows for vectors, and no axis of length 1 at the end."""
    values = np.atleast_2d(values)
    while values.ndim > 2 and values.shape[-1] == 1:
        values = values[..., 0]
    return values


def check(trace: Trace, folder: Path, names: Mapping[str, str] | None = None) -> dict[str, Array]:
    """Run the program of a trace: all that it displays is what the trace has, and what the program's comments say.

    names: the tensors of variables that are named otherwise.
    """
    program = as_written_by(trace, "matlab")
    found, own = run(program, folder), trace.without_pins()
    said = dict(SAID.findall(program))
    assert found.keys() == said.keys()
    for variable, values in found.items():
        tensor = (names or {}).get(variable) or variable.replace("_", ".", 1)
        expected = np.asarray(own.loss) if variable == "loss" else own[tensor].values
        assert values.shape == as_there(expected).shape, variable
        np.testing.assert_allclose(values, as_there(expected), rtol=1e-9, atol=1e-12, err_msg=variable)
        if said[variable].startswith("size"):
            assert values.size > 64
            assert said[variable] == f"size {' '.join(map(str, values.shape))}"
        else:
            pages = re.findall(r"\[([^]]*)\]", said[variable]) or [said[variable]]
            numbers = [float(n) for page in pages for n in page.replace(";", "").split()]
            order = np.moveaxis(values.reshape(*values.shape[:2], -1, order="F"), 2, 0)
            np.testing.assert_allclose(numbers, order.ravel(), rtol=1e-5, atol=1e-12, err_msg=variable)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_examples(name: str, tmp_path: Path) -> None:
    trace = load_example(name).trace()
    if name in NOT_WRITTEN:
        with pytest.raises(ModelError, match=NOT_WRITTEN[name]):
            as_written_by(trace, "matlab")
        return
    found = check(trace, tmp_path)
    gradients = {"_d".join(parameter.split(".")) for parameter in trace.network.parameters}
    assert found.keys() >= gradients | {f"{layer.name}_x" for layer in trace.network.layers} | {"dinput"}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(name: str, tmp_path: Path) -> None:
    check(network_of(name), tmp_path)


@pytest.mark.parametrize("loss", LOSSES)
def test_losses(loss: str, tmp_path: Path) -> None:
    check(made(Conv2D(2, 2), ReLU(), Flatten(), Dense(3), shape=(3, 4, 1), loss=loss), tmp_path)


@pytest.mark.parametrize("loss", LARGE)
def test_losses_of_large_numbers_are_no_infinity(loss: str, tmp_path: Path) -> None:
    found = check(large(loss), tmp_path)
    assert 600 < found["loss"] < 2000


def test_images_as_results(tmp_path: Path) -> None:
    check(made(Conv2D(3, 2), shape=(3, 4, 1)), tmp_path)


def test_ties_and_kinks(tmp_path: Path) -> None:
    """Where two are the greatest, the first of the row gets the gradient; where a ReLU reads 0, nothing does."""
    network = Network(Conv2D(1, 1), ReLU(), MaxPool2D(2), Flatten(), Dense(2), input_shape=(2, 4, 1), dtype="float64")
    network.initialize(3)
    network.set_weights(network.get_weights() | {"conv1.w": np.ones((1, 1, 1, 1)), "conv1.b": [0]})
    x = np.reshape([0, 3, 0, 0, 3, 3, 0, -1], (2, 4, 1))
    found = check(network.trace(x, [1, -1]), tmp_path)
    assert np.argwhere(found["relu1_dx"]).tolist() == [[0, 1], [0, 2]]
    assert np.argwhere(found["conv1_dx"]).tolist() == [[0, 1]]


@pytest.mark.parametrize("layer", ["a", "p"])
def test_deltas_are_given(layer: str, tmp_path: Path) -> None:
    network = Network(
        Conv2D(2, 2, name="a"), MaxPool2D(2, strides=1, name="p"), Flatten(), Dense(2), input_shape=(4, 5, 3)
    )
    network.initialize(2)
    rng = np.random.default_rng(1)
    deltas = rng.integers(-9, 10, {"a": (3, 4, 2), "p": (2, 3, 2)}[layer])
    found = check(network.trace(rng.standard_normal((4, 5, 3)).round(2), deltas={layer: deltas}), tmp_path)
    assert "a_dw" in found


def test_without_a_target_only_results_are_computed(tmp_path: Path) -> None:
    network = Network(Conv2D(2, 2), Flatten(), Dense(2), input_shape=(3, 4, 1), dtype="float64")
    network.initialize(1)
    found = check(network.trace(np.arange(12.0).reshape(3, 4, 1)), tmp_path)
    assert [*found] == ["conv1_x", "flatten1_x", "dense1_x"]


def test_equations_with_other_names(tmp_path: Path) -> None:
    names = {"own_x": "own.y", "own_dx": "own.dy", "own_dw": "own.dv", "own_db": "own.dc"}
    found = check(made(own_names(), shape=(8, 11)), tmp_path, names)
    assert found.keys() == {*names, "dinput", "loss"}
