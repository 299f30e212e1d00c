"""Networks saved and loaded, and files that are cut off, damaged or of another network."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from convgrad.errors import DataError, ModelError, TrainingError
from convgrad.layers import BatchNorm, Conv2D, Dense, Flatten, MaxPool2D, ReLU
from convgrad.losses import MeanSquaredError, SoftmaxCrossEntropy
from convgrad.models.network import Network
from convgrad.models.saved import load
from convgrad.network.preparation import Preparation
from convgrad.system.files import write_file
from convgrad.training import save
from convgrad.training.checkpoint import load_config, make_folder

READ_ONLY_MATTERS = os.name == "posix" and os.geteuid() != 0


def network() -> Network:
    net = Network(
        Conv2D(2, (3, 2)), BatchNorm(), ReLU(), MaxPool2D(2), Flatten(), Dense(3), input_shape=(7, 5, 1), name="tiny"
    )
    net.initialize(4)
    for array in net.state.values():
        array += np.arange(array.size)
    return net


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save(network(), tmp_path / "a" / "run", {"dataset": {"class_names": ["ä", "b", "c"]}})


def tensors() -> dict[str, np.ndarray]:
    return network().get_weights()


def test_what_is_loaded_is_what_was_saved(folder: Path) -> None:
    loaded, original = load(folder), network()
    weights = original.get_weights()
    assert loaded.get_weights().keys() == weights.keys()
    assert all((array == weights[name]).all() for name, array in loaded.get_weights().items())
    x = np.random.default_rng(0).random((5, 7, 5, 1), dtype=np.float32)
    assert (loaded.predict(x, engine="oracle") == original.predict(x, engine="oracle")).all()
    assert loaded.name == "tiny"
    assert load_config(folder)["dataset"]["class_names"] == ["ä", "b", "c"]


def test_no_temporary_files_are_left(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "weights.safetensors"]


def test_saving_again_replaces(folder: Path) -> None:
    other = network()
    other.parameters["dense1.b"][...] = 7
    save(other, folder)
    assert (load(folder).parameters["dense1.b"] == 7).all()


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()
    with pytest.raises(DataError, match=r"Can't write .*file: "):
        write_file(tmp_path / "file", b"content")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_weights_that_were_cut_off(folder: Path, share: float) -> None:
    path = folder / "weights.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DataError, match=r"weights\.safetensors is not a safetensors file, or was cut off or damaged"):
        load(folder)


def test_weights_of_another_network(folder: Path) -> None:
    path = folder / "weights.safetensors"
    weights = tensors()
    save_file({**weights, "dense1.b": np.zeros(4, np.float32)}, path)
    with pytest.raises(
        DataError, match=r"safetensors: tensor 'dense1.b' has shape \(4,\), but the network needs \(3,\)"
    ):
        load(folder)
    save_file({name: array for name, array in weights.items() if name != "dense1.b"}, path)
    with pytest.raises(DataError, match=r"has no tensor 'dense1.b', which the network needs with shape \(3,\)"):
        load(folder)
    save_file({**weights, "dense2.b": np.zeros(4, np.float32)}, path)
    with pytest.raises(DataError, match=r"has a tensor 'dense2.b' that the network does not have"):
        load(folder)
    save_file({**weights, "dense1.b": np.zeros(3, np.int32)}, path)
    with pytest.raises(DataError, match=r"tensor 'dense1.b' has dtype int32, but weights are floats"):
        load(folder)


def test_config_that_was_cut_off_or_changed(folder: Path) -> None:
    path = folder / "config.json"
    content = path.read_text()
    path.write_text(content[:-30])
    with pytest.raises(DataError, match=r"config\.json is not a JSON file, or was cut off"):
        load(folder)
    for other in ("{}", "[]", '{"network": 3}'):
        path.write_text(other)
        with pytest.raises(DataError, match=r"config\.json has no entry `network`"):
            load(folder)
    path.write_text(json.dumps({**json.loads(content), "format": 99}))
    with pytest.raises(DataError, match="has format 99; this version of convgrad reads 1"):
        load(folder)
    path.write_text(content.replace('"Dense"', '"Dence"'))
    with pytest.raises(DataError, match=r"config\.json does not describe a network that can be built: .*Dence"):
        load(folder)


def test_missing_files(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Can't read .*nothing.*config\.json: No such file"):
        load(tmp_path / "nothing")
    (folder / "weights.safetensors").unlink()
    with pytest.raises(DataError, match=r"Can't read .*weights\.safetensors: No such file"):
        load(folder)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"Can't write to the folder .*file"):
        make_folder(tmp_path / "file" / "run")


@pytest.mark.skipif(not READ_ONLY_MATTERS, reason="this user may write everywhere")
def test_a_folder_that_is_read_only(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(DataError, match="Permission denied"):
        make_folder(tmp_path)


def test_loss_past_and_preparation_are_saved(tmp_path: Path) -> None:
    net = Network(Flatten(), Dense(3), input_shape=(4, 3, 1))
    x = np.random.default_rng(0).random((30, 4, 3, 1), dtype=np.float32)
    y, smooth = np.arange(30) % 3, SoftmaxCrossEntropy(label_smoothing=0.2)
    net.fit(x, y, loss=smooth, epochs=2, validation_split=0.2, verbose=False, engine="oracle")
    net.preparation = Preparation((0.5,), (0.25,), ("a", "b", "c"))
    again = load(save(net, tmp_path / "run"))
    assert again.loss == smooth
    assert again.evaluate(x, y, engine="oracle") == net.evaluate(x, y, engine="oracle")
    assert (again.past.epochs, again.past.updates) == (2, 2)
    assert (again.past.low, again.past.high) == (x.min(), x.max())
    assert again.preparation == net.preparation
    options: dict[str, Any] = {"loss": smooth, "epochs": 1, "verbose": False, "engine": "oracle"}
    net.fit(x, y, validation_split=0.2, **options)
    again.fit(x, y, validation_split=0.2, **options)
    assert all((array == net.get_weights()[name]).all() for name, array in again.get_weights().items())
    with pytest.raises(TrainingError, match="were trained on before"):
        load(tmp_path / "run").fit(x, y, validation_split=0.4, **options)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["data"]["input_shape"] == [4, 3, 1]


def test_a_loss_of_ones_own_is_known_by_its_name(tmp_path: Path) -> None:
    class Cubed(MeanSquaredError):
        text = "E = mean[k](abs(t[k] - y[k])^3)"

    net = Network(Dense(3), input_shape=(4,))
    net.initialize(0)
    net.loss = Cubed()
    again = load(save(net, tmp_path / "run"))
    x, y = np.zeros((2, 4), np.float32), np.zeros((2, 3), np.float32)
    with pytest.raises(ModelError, match="There is no loss called 'Cubed'"):
        again.evaluate(x, y, engine="oracle")
    assert again.evaluate(x, y, loss=Cubed(), engine="oracle")["loss"] == 0


@pytest.mark.parametrize(
    "entries",
    [
        {"loss": 3},
        {"loss": {"name": 3}},
        {"loss": {"name": "softmax_cross_entropy", "arguments": {"smoothing": 1}}},
        {"loss": {"name": "softmax_cross_entropy", "arguments": {"label_smoothing": 7}}},
        {"loss": None, "training": 3},
        {"past": []},
        {"past": {"epochs": "many"}},
        {"data": []},
        {"data": {"mean": [1], "deviation": [0]}},
        {"data": {"mean": 3}},
        {"data": {"class_names": [1, 2]}},
    ],
)
def test_records_that_were_changed(folder: Path, entries: dict[str, object]) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))
    with pytest.raises(DataError, match=r"run: config\.json was changed or is damaged: "):
        load(folder)
