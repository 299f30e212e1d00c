"""Networks saved and loaded, and files that are cut off, damaged or of another network."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from convgrad.errors import DataError
from convgrad.files import write_file
from convgrad.layers import BatchNorm, Conv2D, Dense, Flatten, MaxPool2D, ReLU
from convgrad.network import Network
from convgrad.training import load, save
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
    with pytest.raises(DataError, match=r"weights\.safetensors is no safetensors file, or was cut off or damaged"):
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
    with pytest.raises(DataError, match=r"config\.json is no JSON file, or was cut off"):
        load(folder)
    for other in ("{}", "[]", '{"network": 3}'):
        path.write_text(other)
        with pytest.raises(DataError, match=r"config\.json has no entry `network`"):
            load(folder)
    path.write_text(json.dumps({**json.loads(content), "format": 99}))
    with pytest.raises(DataError, match="has format 99; this version of convgrad reads 1"):
        load(folder)
    path.write_text(content.replace('"Dense"', '"Dence"'))
    with pytest.raises(DataError, match=r"config\.json describes no network that can be built: .*Dence"):
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
