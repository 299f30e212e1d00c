"""Networks that are too large are told so before any array is made."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from convgrad import Network
from convgrad.errors import DataError, ModelError
from convgrad.examples import load_example, read_example
from convgrad.explain.trace import element
from convgrad.layers import BatchNorm, Dense, ReLU
from convgrad.models import read_model
from convgrad.models.saved import load
from convgrad.network import bounds
from convgrad.network.bounds import COPIES, TooManyWeights, most_weights


def test_weights_are_counted_before_they_are_made() -> None:
    layers = (Dense(7), BatchNorm())  # 3 * 7 + 7, and 4 * 7
    message = r"would have 56 weights, of 8 bytes each; the limit here is 55\. Layer `dense1` has 28\.$"
    with pytest.raises(TooManyWeights, match=message):
        Network(*layers, input_shape=(3,), dtype="float64", most_weights=55)
    assert len(Network(*layers, input_shape=(3,), most_weights=56).get_weights()) == 6


@pytest.mark.parametrize(("digits", "figure"), [(8, "10,000,000,000"), (5000, "more than 1,000,000,000,000,000,000")])
def test_absurd_sizes(digits: int, figure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "memory_limit", lambda: 8 << 30)
    with pytest.raises(TooManyWeights, match=rf"would have {figure}.*; the limit here is 536,870,912") as raised:
        Network(Dense(10**digits, bias=None), input_shape=(100,))
    assert ("or write Network(..., most_weights=10000000000) to try it." in str(raised.value)) == (digits == 8)
    assert most_weights(8) == (8 << 30) // COPIES // 8


def test_unknown_memory_is_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "memory_limit", lambda: None)
    assert most_weights(4) is None
    assert Network(Dense(3), input_shape=(2,)).parameter_count == 9


def test_too_many_layers(tmp_path: Path) -> None:
    message = r"A network of 10,001 layers is too deep; the limit is 10,000"
    with pytest.raises(ModelError, match=message):
        Network(*(ReLU() for _ in range(10_001)), input_shape=(3,))
    with pytest.raises(ModelError, match=message):
        Network.from_config({"input_shape": [3], "layers": [{}] * 10_001})
    path = tmp_path / "deep.toml"
    path.write_text('[[layer]]\ntype = "ReLU"\n' * 10_001)
    with pytest.raises(ModelError, match=message):
        read_model(path, (3,), 2)


def test_the_file_of_too_large_a_model_is_named(tmp_path: Path) -> None:
    path = tmp_path / "wide.toml"
    path.write_text('[[layer]]\ntype = "Dense"\nunits = 1000000000000\n')
    message = r"^\S*wide\.toml: The network would have 4,000,000,000,000 weights, of 4 bytes each; "
    with pytest.raises(TooManyWeights, match=message) as raised:
        read_model(path, (3,), 2)
    assert raised.value.weights == 4 * 10**12


def test_a_small_file_takes_little_memory(tmp_path: Path) -> None:
    layer = {"class": "Dense", "name": "d", "inputs": ["input"], "arguments": {"units": 1000}}
    config = {"format": 1, "network": {"input_shape": [500_000], "layers": [layer]}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file({"d.w": np.zeros(2, np.float32)}, tmp_path / "weights.safetensors")
    message = r"would have 500,001,000 weights, .* the limit here is 1,000,002.*weights\.safetensors holds 2\.$"
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=message):
            load(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


def test_an_example_is_of_a_size_that_can_be_explained(tmp_path: Path) -> None:
    path = tmp_path / "large.toml"
    path.write_text('[model]\ninput_shape = [4000, 4000]\n[[layer]]\ntype = "ReLU"\n')
    with pytest.raises(ModelError, match=r"has 16,000,000 weights and inputs; the limit here is 10,000,000"):
        read_example(path)
    with pytest.raises(ModelError, match="must be a whole number of at least 0"):
        read_example(path, most=-1)
    path.write_text('[model]\ninput_shape = [3]\n[[layer]]\ntype = "ReLU"\n')
    with pytest.raises(ModelError, match=r"has 3 weights and inputs; the limit here is 2"):
        read_example(path, most=2)
    assert read_example(path, most=3).network.input_shape == (3,)


def test_explanations_of_explanations_are_counted_first(monkeypatch: pytest.MonkeyPatch) -> None:
    explanation = load_example("two-convolutions").trace().at("conv1.dw[0,0]").explain()
    message = r"conv1\.dw\[0,0\] to depth 9 needs 1,071 explanations; the limit is 1,000\. Write depth 8, and"
    for depth in (9, 20, 2**31 - 1):
        with pytest.raises(DataError, match=message):
            explanation.text(depth)
    shown = explanation.text(8)
    blocks = shown.split("\n\n")
    monkeypatch.setattr(element, "MOST_EXPLAINED", 1071)
    assert len([line for line in explanation.text(9).split("\n") if line.lstrip().startswith("equation ")]) == 1071
    assert blocks[0].startswith("conv1.dw[0,0]")
