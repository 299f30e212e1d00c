"""The network that people build: its methods are functions of other rooms, with all their arguments."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convgrad
from convgrad import Network
from convgrad.explain.trace.start import trace
from convgrad.layers import Dense, ReLU
from convgrad.network.plain import PlainNetwork
from convgrad.network.step import TrainingStep, gradients
from convgrad.training.checkpoint import read, save
from convgrad.training.evaluate import evaluate
from convgrad.training.fit import fit


@pytest.mark.parametrize(
    ("method", "function"),
    [
        (Network.fit, fit),
        (Network.evaluate, evaluate),
        (Network.trace, trace),
        (Network.gradients, gradients),
        (Network.training_step, TrainingStep.__init__),
    ],
)
def test_methods_take_what_their_functions_take(method: Callable[..., Any], function: Callable[..., Any]) -> None:
    def arguments(of: Callable[..., Any]) -> list[tuple[str, Any, Any]]:
        return [(p.name, p.kind, p.default) for p in signature(of).parameters.values()]

    whole = [entry for entry in arguments(function) if entry[0] not in ("self", "network")]
    assert arguments(method)[1:] == whole
    assert Parameter.VAR_KEYWORD not in [kind for _, kind, _ in whole]


def test_arguments_arrive() -> None:
    """Each at its own place: those of the method give what the function gives."""
    x, y = np.linspace(0, 1, 30).reshape(6, 5), np.arange(6) % 3
    settings: dict[str, Any] = {
        "epochs": 2,
        "batch_size": 4,
        "optimizer": "adam",
        "loss": "mse",
        "learning_rate": 0.03,
        "schedule": "cosine",
        "validation_split": 0.3,
        "metrics": ["mae"],
        "seed": 3,
        "split_seed": 4,
        "shuffle": False,
        "verbose": False,
        "engine": "oracle",
    }
    networks = [Network(Dense(4), ReLU(), Dense(3), input_shape=(5,), dtype="float64") for _ in range(2)]
    assert networks[0].fit(x, y, **settings).figures == fit(networks[1], x, y, **settings).figures
    for name, array in networks[0].parameters.items():
        assert np.array_equal(array, networks[1].parameters[name])


def test_what_is_read_is_of_the_kind_that_is_asked_for(tmp_path: Path) -> None:
    network = Network(Dense(2), input_shape=(3,))
    network.initialize(1)
    save(network, tmp_path / "saved")
    assert type(convgrad.load(tmp_path / "saved")) is Network
    assert type(read(tmp_path / "saved", PlainNetwork)) is PlainNetwork
    assert type(PlainNetwork.from_config(network.to_config())) is PlainNetwork


def test_what_trains_reads_images_and_explains_is_not_loaded_with_it() -> None:
    code = "import sys; from convgrad import Network; print(*(name for name in sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "convgrad.models.network" in loaded
    late = ("convgrad.training", "convgrad.explain", "convgrad.data", "convgrad.network.step", "PIL", "rich", "halide")
    assert not {*late, "matplotlib", "safetensors"} & {*loaded}
