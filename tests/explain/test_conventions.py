"""Programs for other tools: they run, and print what stands behind each `print`."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convgrad import Network
from convgrad.errors import ModelError
from convgrad.examples import NAMES, load_example
from convgrad.explain import Trace
from convgrad.explain.rendering.conventions import TOOLS, as_written_by
from convgrad.layers import (
    Add,
    AvgPool2D,
    Conv2D,
    Dense,
    Equation,
    Flatten,
    GroupNorm,
    Input,
    MaxPool2D,
    ReLU,
    Reshape,
    Sigmoid,
)
from convgrad.losses import Loss, SoftmaxCrossEntropy
from written_networks import LARGE, LAYERS, LOSSES, large, made, network_of, own_names

PRINTED = re.compile(r"print\([\"'](?P<label>[^\"']+)[\"'], .*\)  # (?P<said>.*)")


def run(program: str, folder: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run the program; what it printed must be what its comments say."""
    monkeypatch.chdir(folder)
    printed: dict[str, Any] = {}
    torch = sys.modules.get("torch")
    usual = torch and torch.get_default_dtype()
    exec(compile(program, "program.py", "exec"), {"print": lambda label, value: printed.update({label: value})})
    if torch is not None:
        torch.set_default_dtype(usual)  # programs take float64, and other tests run in this process
    said = {match["label"]: match["said"] for match in PRINTED.finditer(program)}
    assert len(said) > 1
    assert printed.keys() == said.keys()
    for label, numbers in said.items():
        found = np.asarray(printed[label].detach() if hasattr(printed[label], "detach") else printed[label])
        if numbers.startswith("shape"):
            assert found.shape == ast.literal_eval(numbers.removeprefix("shape "))
        else:
            np.testing.assert_allclose(found, ast.literal_eval(numbers), rtol=1e-5, atol=1e-12, err_msg=label)
            assert found.shape == np.shape(ast.literal_eval(numbers)), label
    return printed


def awkward() -> Trace:
    """Sizes that differ on every axis, strides, dilation, unequal borders, channels."""
    network = Network(
        Conv2D(3, (3, 2), strides=(1, 2), padding=((1, 0), (0, 1)), dilation=(2, 1)),
        ReLU(),
        MaxPool2D((2, 3), strides=(2, 1), padding=((0, 1), (1, 1))),
        Conv2D(2, 1, bias=None),
        AvgPool2D((2, 2), strides=1),
        Sigmoid(),
        Flatten(),
        Dense(2),
        input_shape=(9, 8, 2),
        dtype="float64",
    )
    network.initialize(1)
    x = np.random.default_rng(0).standard_normal((9, 8, 2)).round(2)
    return network.trace(x, [0.5, -1], loss="mse")


class Absolute(Loss):
    """The sum of absolute differences."""

    @property
    def text(self) -> str:
        return "E = sum[k](abs(t[k] - y[k]))"


def arrays_of(trace: Trace) -> None:
    weights: dict[str, Any] = {name: trace[name].values for name in trace.network.parameters}
    np.savez("arrays.npz", input=trace["input"].values, target=trace["target"].values, **weights)


RUN = pytest.mark.parametrize("tool", ["scipy", pytest.param("pytorch", marks=pytest.mark.torch)])


@RUN
@pytest.mark.parametrize("name", [*NAMES, "awkward"])
def test_the_program_prints_what_it_says(
    tool: str, name: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    if tool == "pytorch":
        request.getfixturevalue("torch")
    if name == "batch-of-two" and tool == "scipy":
        return
    monkeypatch.chdir(tmp_path)
    trace = awkward() if name == "awkward" else load_example(name).trace()
    arrays_of(trace)
    program = as_written_by(trace, tool)
    printed = run(program, tmp_path, monkeypatch)
    own = trace.without_pins()
    if tool == "scipy":
        for label, value in printed.items():
            tensor = label.replace("_", ".", 1)
            if tensor in own:
                np.testing.assert_allclose(value, own[tensor].values, rtol=1e-9, atol=1e-12, err_msg=label)
    else:
        for label in own.network.parameters:
            layer, _, parameter = label.rpartition(".")
            gradient = own[f"{layer}.d{parameter}"].values
            np.testing.assert_allclose(np.sort(printed[label], None), np.sort(gradient, None), rtol=1e-9, atol=1e-12)


def written_and_run(trace: Trace, tool: str, folder: Path, patch: pytest.MonkeyPatch, request: Any) -> dict[str, Any]:
    if tool == "pytorch":
        request.getfixturevalue("torch")
    patch.chdir(folder)
    arrays_of(trace)
    return run(as_written_by(trace, tool), folder, patch)


@RUN
@pytest.mark.parametrize("name", LAYERS)
def test_layers(tool: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: Any) -> None:
    trace = network_of(name)
    printed = written_and_run(trace, tool, tmp_path, monkeypatch, request)
    assert len(printed) > len(trace.network.layers) + len(trace.network.parameters)


@RUN
@pytest.mark.parametrize("loss", LOSSES)
def test_losses(tool: str, loss: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: Any) -> None:
    trace = made(Conv2D(2, 2), ReLU(), Flatten(), Dense(3), shape=(3, 4, 1), loss=loss)
    assert "loss" in written_and_run(trace, tool, tmp_path, monkeypatch, request)


@RUN
@pytest.mark.parametrize("loss", LARGE)
def test_losses_of_large_numbers_are_no_infinity(
    tool: str, loss: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: Any
) -> None:
    assert 600 < written_and_run(large(loss), tool, tmp_path, monkeypatch, request)["loss"] < 2000


@RUN
def test_equations_with_other_names(
    tool: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    printed = written_and_run(made(own_names(), shape=(8, 11)), tool, tmp_path, monkeypatch, request)
    assert printed.keys() >= ({"own.v", "own.c"} if tool == "pytorch" else {"own_dw", "own_db", "own_dx", "dinput"})


SIZES = {"M": 2, "N": 3}
ALIKE = {
    "x[i,j] = sum[m,n](w[n,m] * o[i+m,j+n])": SIZES,
    "x[j,i] = sum[m,n](w[m,n] * o[i+m,j+n])": SIZES,
    "x[i,j] = sum[m,n](w[m,n] * o[i+m+1,j+n])": SIZES,
    "x[i,j] = sum[m,n](w[m,n] * o[i+m+n,j+n])": SIZES,
    "x[i,j] = sum[m,n](w[m,n] * o[i+m-1,j+n-1 else 1])": {**SIZES, "I": 5, "J": 6},
    "x[i,j] = sum[m,n](w[m,n] * o[i+m+1,j+n else 0])": {**SIZES, "I": 5, "J": 4},
    "x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n])": {**SIZES, "I": 2},
    "x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n]) + b[i]": SIZES,
    "x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n]) + w[0,0]": SIZES,
    "g[i,j] = max(o[i,j], 0)\nx[i,j] = sum[m,n](w[m,n] * g[i+m,j+n])": SIZES,
    "x[i,j] = max[m,n](o[i+m-1,j+n-1 else 0])": {**SIZES, "I": 5, "J": 6},
    "x[i,j] = mean[m,n](o[i+m-1,j+n-1 else 2])": {**SIZES, "I": 5, "J": 6},
    "x[i,j] = max[m,n](o[i+2*m,j+n])": SIZES,
    "x[i,j] = max[m](o[i+m,j+m])": {"M": 3},
    "x[j,i] = max[m,n](o[i+m,j+n])": SIZES,
    "x[i,j] = o[i,j]": {},
    "x[j] = o[0,j]": {},
    "x[k] = sum[i,j](w[i,j,k] * o[i,j]) + o[0,k]": {"K": 6},
    "g[i,j] = tanh(o[i,j])\nx[i,j] = max(g[i,j], 0)": {},
}
"""Equations that look like layers with a name -> sizes. Their input is 5 x 6."""


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("text", ALIKE)
def test_what_only_looks_like_a_layer(tool: str, text: str) -> None:
    trace = made(Equation(text, sizes=ALIKE[text]), shape=(5, 6))
    with pytest.raises(
        ModelError, match=r"`equation1` can't be written for .* not one of the layers that it has a name for"
    ):
        as_written_by(trace, tool)


def test_another_shape_is_not_a_layer_with_a_name() -> None:
    with pytest.raises(ModelError, match="`reshape1` can't be written for SciPy"):
        as_written_by(made(Reshape((4, 3, 1)), Conv2D(2, 2), shape=(3, 4)), "scipy")
    dense = Equation("x[k] = sum[c](w[c,k] * o[c]) + b", sizes={"K": 3}, shapes={"b": ()})
    with pytest.raises(ModelError, match="`equation1` can't be written for PyTorch"):  # one bias for all units
        as_written_by(made(dense, shape=(5,)), "pytorch")


@pytest.mark.parametrize("tool", TOOLS)
def test_the_classic_example_is_written_for_every_tool(tool: str) -> None:
    program = as_written_by(load_example("classic").trace(), tool)
    assert "0.0447573" in program  # without the pins, which no other tool has
    assert "degrees" in program or "correlation" in program


def test_what_cannot_be_written() -> None:
    trace = load_example("classic").trace()
    with pytest.raises(ModelError, match=r"There is no tool 'kerass' to write for. Did you mean 'keras'\?"):
        as_written_by(trace, "kerass")
    with pytest.raises(ModelError, match="SciPy code is written only for one example without a batch"):
        as_written_by(load_example("batch-of-two").trace(), "scipy")
    with pytest.raises(ModelError, match="MATLAB code is written only for one example without a batch"):
        as_written_by(load_example("batch-of-two").trace(), "matlab")
    with pytest.raises(ModelError, match="too many for a program in MATLAB"):
        as_written_by(load_example("lenet-digit").trace(), "matlab")
    with pytest.raises(ModelError, match="`conv1` has strides and dilation, which Keras does not allow in one layer"):
        as_written_by(awkward(), "keras")
    network = Network(MaxPool2D(3, padding=1), Flatten(), Dense(2), input_shape=(5, 5, 1))
    with pytest.raises(ModelError, match="`maxpool1` has a padding that Keras can't express"):
        as_written_by(network.trace(np.ones((5, 5, 1)), [1, 0]), "keras")
    a, b = Input((3, 3, 1)), Conv2D(1, 3, padding="same")
    network = Network(inputs=a, outputs=Dense(2)(Flatten()(Add()(a, b(a)))))
    with pytest.raises(
        ModelError, match="`add1` makes the network a graph; PyTorch code can be written only for layers in a row"
    ):
        as_written_by(network.trace(np.ones((3, 3, 1)), [1, 0]), "pytorch")
    network = Network(ReLU(), Flatten(), Dense(2), input_shape=(2, 2, 1))
    with pytest.raises(ModelError, match="SciPy can begin at only one"):
        as_written_by(network.trace(np.ones((2, 2, 1)), deltas={"dense1": [1, 0], "relu1": [1, 0, 1, 0]}), "scipy")
    with pytest.raises(ModelError, match=r"Deltas are given at flatten1.do, which is not a layer's result"):
        as_written_by(network.trace(np.ones((2, 2, 1)), deltas={"flatten1.o": [1, 0, 1, 0]}), "scipy")
    smooth = network.trace(np.ones((2, 2, 1)), 1, loss=SoftmaxCrossEntropy(label_smoothing=0.1))
    with pytest.raises(ModelError, match="can't be written for label smoothing"):
        as_written_by(smooth, "pytorch")
    with pytest.raises(ModelError, match="PyTorch has no equivalent of the loss Absolute"):
        as_written_by(network.trace(np.ones((2, 2, 1)), [1, 0], loss=Absolute()), "pytorch")
    network = Network(GroupNorm(groups=1), Flatten(), Dense(2), input_shape=(2, 2, 2))
    with pytest.raises(ModelError, match="`groupnorm1` can't be written for Keras"):
        as_written_by(network.trace(np.ones((2, 2, 2)), [1, 0]), "keras")


def test_programs_start_from_deltas_with_several_axes(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(Conv2D(3, (2, 3)), input_shape=(4, 5, 2), dtype="float64")
    network.initialize(2)
    deltas = np.random.default_rng(1).integers(-9, 10, (3, 3, 3))
    trace = network.trace(np.random.default_rng(0).normal(size=(4, 5, 2)).round(2), deltas={"conv1": deltas})
    printed = run(as_written_by(trace, "scipy"), tmp_path, monkeypatch)
    np.testing.assert_allclose(printed["conv1_dw"], trace["conv1.dw"].values, rtol=1e-9)
    assert "the deltas are given" in as_written_by(trace, "pytorch")


LETTERS = {"x": "z", "o": "p", "w": "v", "b": "a"}
"""As the library's layers call result, input, weights and bias, and as a layer of one's own may."""
TEXTS = (
    "x[i,j,k] = sum[m,n,c](w[m,n,c,k] * o[i+m,2*j+n,c]) + b[k]",
    "x[i,j,c] = max(o[i,j,c], 0)",
    "x[i,j,c] = max[m,n](o[i+m,j+n,c])",
    "x[k] = sum[i,j,c](w[i,j,c,k] * o[i,j,c]) + b[k]",
)
SIZES_OF_TEXTS: tuple[dict[str, int], ...] = ({"M": 2, "N": 3, "K": 2}, {}, {"M": 1, "N": 2}, {"K": 3})


def own_layers(letters: dict[str, str], deltas: bool) -> Trace:
    """A network of equations in these letters, from a target or from deltas of the layer in the middle."""

    def written(text: str) -> str:
        return re.sub(r"\b[xowb]\b", lambda match: letters[match[0]], text)

    layers = [
        Equation(written(text), inputs=(letters["o"],), sizes=sizes, name=f"own{n}")
        for n, (text, sizes) in enumerate(zip(TEXTS, SIZES_OF_TEXTS, strict=True))
    ]
    network = Network(*layers, input_shape=(4, 9, 2), dtype="float64")
    numbers = np.random.default_rng(0)
    network.set_weights({name: numbers.normal(size=w.shape).round(2) for name, w in network.parameters.items()})
    x = numbers.normal(size=(4, 9, 2)).round(2)
    if deltas:
        return network.trace(
            x, deltas={f"own2.{letters['x']}": np.random.default_rng(1).normal(size=(3, 3, 2)).round(1)}
        )
    return network.trace(x, [1, -1, 0.5], loss="half_squared_error")


@pytest.mark.parametrize("deltas", [False, True])
@pytest.mark.parametrize("tool", TOOLS)
def test_names_are_the_layers_own(tool: str, deltas: bool, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With other letters for result, input and parameters the program is the same but for these letters."""
    usual = as_written_by(own_layers({letter: letter for letter in LETTERS}, deltas), tool)
    other = own_layers(LETTERS, deltas)
    back = {theirs: ours for ours, theirs in LETTERS.items()}
    program = as_written_by(other, tool)
    renamed = re.sub(r"\b(own\d)\.(d?)([zpva])\b", lambda m: f"{m[1]}.{m[2]}{back[m[3]]}", program)
    assert renamed == usual
    assert program != usual or tool == "keras"
    if tool == "scipy":
        weights: dict[str, Any] = other.network.get_weights()
        np.savez(tmp_path / "arrays.npz", input=other["input"].values, **weights)
        printed = run(program, tmp_path, monkeypatch)
        np.testing.assert_allclose(printed["own0_dw"], other["own0.dv"].values, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(printed["own0_db"], other["own0.da"].values, rtol=1e-9, atol=1e-12)
