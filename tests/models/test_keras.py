"""Weights from files as Keras writes them, made here by h5py: each network's results are those of the same layers.

Layouts and names are those that Keras 3.15 wrote for such models (and 2 for `.h5`).
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import convgrad.layers as L
from convgrad import DataError, Network, from_keras
from convgrad.models import keras_file

RNG = np.random.default_rng(2)


def network(dtype: str = "float64", epsilon: float = 1e-3) -> Network:
    """Two layers of one kind, kernels that are not square, a norm with moving statistics, an image in a row."""
    return Network(
        L.Conv2D(4, (3, 2), strides=(1, 2)),
        L.BatchNorm(epsilon=epsilon),
        L.DepthwiseConv2D((2, 1), depth_multiplier=2),
        L.ConvTranspose2D(5, (3, 2), strides=2),
        L.PReLU(),
        L.Conv2D(3, 3, bias=None),
        L.Flatten(),
        L.Dense(7),
        L.Dense(5),
        input_shape=(8, 7, 3),
        dtype=dtype,
    )


KINDS = {
    "first": ("Conv2D", "conv1"),
    "norm": ("BatchNormalization", "batchnorm1"),
    "each": ("DepthwiseConv2D", "depthwiseconv1"),
    "larger": ("Conv2DTranspose", "convtranspose1"),
    "slopes": ("PReLU", "prelu1"),
    "second": ("Conv2D", "conv2"),
    "row": ("Flatten", ""),
    "hidden": ("Dense", "dense1"),
    "scores": ("Dense", "dense2"),
}
"""Layer's name there -> its kind there, and its name here."""
PARTS = {"w": "kernel", "b": "bias", "alpha": "alpha"}


def arrays(net: Network) -> dict[str, dict[str, np.ndarray]]:
    """Layer's name there -> its arrays, in Keras' order and shapes."""
    own = {placed.name: placed for placed in net.layers}
    found: dict[str, dict[str, np.ndarray]] = {}
    weights = net.get_weights()
    placed_names = [name for name in own if own[name].built.parameters]
    theirs = [name for name in KINDS if name != "row"]
    for name, ours in zip(theirs, placed_names, strict=True):
        keys = [*own[ours].built.parameters, *own[ours].built.state]
        found[name] = {PARTS.get(key, key): weights[f"{ours}.{key}"] for key in keys}
    kernel = found["each"]["kernel"]
    found["each"]["kernel"] = kernel.reshape(*kernel.shape[:2], 4, 2)
    found["slopes"]["alpha"] = found["slopes"]["alpha"].reshape(1, 1, -1)
    return found


@pytest.fixture
def trained() -> Network:
    net = network()
    net.initialize(3)
    net.set_weights({name: RNG.uniform(0.2, 1.2, array.shape) for name, array in net.get_weights().items()})
    return net


def snake_case(kind: str) -> str:
    return {"PReLU": "p_re_lu", "BatchNormalization": "batch_normalization", "DepthwiseConv2D": "depthwise_conv2d"}.get(
        kind, {"Conv2DTranspose": "conv2d_transpose"}.get(kind, kind.lower())
    )


def put_by_kinds(model: Any, net: Network) -> None:
    """`layers/conv2d_1/vars/0`: the layout of Keras 3; `row` has a group without arrays."""
    counts: dict[str, int] = {}
    found = arrays(net)
    for name, (kind, _) in KINDS.items():
        plain = snake_case(kind)
        number = counts[plain] = counts.get(plain, -1) + 1
        group = model.create_group(f"layers/{plain}_{number}/vars" if number else f"layers/{plain}/vars")
        for place, array in enumerate(found.get(name, {}).values()):
            group[str(place)] = array.astype(np.float32)


def config(epsilon: float = 1e-3) -> dict[str, Any]:
    layers: list[dict[str, Any]] = [{"class_name": "InputLayer", "config": {"name": "input_layer"}}]
    layers += [{"class_name": kind, "config": {"name": name}} for name, (kind, _) in KINDS.items()]
    layers[2]["config"]["epsilon"] = epsilon
    return {"layers": layers}


def weights_file(path: Path, net: Network) -> Path:
    with h5py.File(path, "w") as file:
        put_by_kinds(file, net)
    return path


def keras_file_of(
    path: Path, net: Network, about: Any = None, put: Callable[[Any, Network], None] = put_by_kinds
) -> Path:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        put(file, net)
    with zipfile.ZipFile(path, "w") as whole:
        whole.writestr("config.json", json.dumps({"class_name": "Functional", "config": about or config()}))
        whole.writestr("model.weights.h5", content.getvalue())
    return path


def older_file(path: Path, net: Network) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps({"config": config()})
        group, found = file.create_group("model_weights"), arrays(net)
        group.attrs["layer_names"] = [name.encode() for name in KINDS]
        for name in KINDS:
            own = group.create_group(name)
            own.attrs["weight_names"] = [f"{name}/{part}:0".encode() for part in found.get(name, {})]
            for part, array in found.get(name, {}).items():
                own[f"{name}/{part}:0"] = array.astype(np.float32)
    return path


FILES = {"m.keras": keras_file_of, "m.h5": older_file, "m.weights.h5": weights_file}


def expected(net: Network) -> Network:
    """The same weights, as float32 keeps them."""
    again = network()
    again.set_weights({name: array.astype(np.float32) for name, array in net.get_weights().items()})
    return again


@pytest.mark.parametrize("name", FILES)
def test_results_are_those_of_the_model(name: str, tmp_path: Path, trained: Network) -> None:
    path, net = FILES[name](tmp_path / name, trained), network()
    x = RNG.normal(size=(3, 8, 7, 3))
    y = expected(trained).predict(x, engine="oracle")
    told = from_keras(path, net, results=(x, y))
    np.testing.assert_array_equal(net.predict(x, engine="oracle"), y)
    assert told.difference is not None
    assert (told.left, told.unused) == ((), ())
    assert len(told.taken) == 8
    if name != "m.weights.h5":
        assert list(told.taken.values()) == [theirs for theirs in KINDS if theirs != "row"]
        assert from_keras(path, net).notes == ()
    else:
        assert told.taken["conv2"] == "conv2d_1"
        assert "found by their shapes" in from_keras(path, net).notes[0]


def test_another_epsilon_is_told(tmp_path: Path, trained: Network) -> None:
    path = keras_file_of(tmp_path / "m.keras", trained, config(epsilon=0.01))
    assert from_keras(path, network()).notes == ("batchnorm1 has epsilon=0.001, but `norm` has 0.01.",)
    (tmp_path / "w").mkdir()
    bare = weights_file(tmp_path / "w" / "m.weights.h5", trained)
    said = from_keras(bare, network(epsilon=1e-5)).notes
    assert said[1] == "batchnorm1 has epsilon=1e-05, but `batch_normalization` has, where it was not given, 0.001."


def test_a_model_within_a_model(tmp_path: Path, trained: Network) -> None:
    """All layers in a `Functional` inside, whose layers are counted by themselves."""

    def put(file: Any, net: Network) -> None:
        put_by_kinds(file.create_group("layers/functional"), net)
        file.create_group("layers/conv2d/vars")["0"] = np.ones((1, 1, 3, 3), np.float32)

    about = {
        "layers": [
            {"class_name": "Conv2D", "config": {"name": "outer"}},
            {"class_name": "Functional", "config": {"name": "inner", **config()}},
        ]
    }
    path, net = keras_file_of(tmp_path / "m.keras", trained, about, put), network()
    told = from_keras(path, net, partial=True, names={"first": "conv1", "second": "conv2"})
    assert told.unused == ("outer",)
    x = RNG.normal(size=(3, 8, 7, 3))
    np.testing.assert_array_equal(net.predict(x, engine="oracle"), expected(trained).predict(x, engine="oracle"))


def test_a_part_of_it(tmp_path: Path, trained: Network) -> None:
    path = keras_file_of(tmp_path / "m.keras", trained)
    other = Network(L.Conv2D(4, (3, 2)), L.GlobalAvgPool2D(), L.Dense(9), input_shape=(8, 7, 3))
    told = from_keras(path, other, partial=True)
    assert (told.taken, told.left) == ({"conv1": "first"}, ("dense1",))
    with pytest.raises(
        DataError, match=r"from_keras: the network has 2 layers with weights \(conv1, dense1\), and the"
    ):
        from_keras(path, other)
    message = r"from_keras: `scores` does not fit `dense1`: an array has shape \(7, 5\), and `dense1\.w` \(4, 9\)\. Say"
    with pytest.raises(DataError, match=message):
        from_keras(path, other, partial=True, names={"scores": "dense1"})
    with pytest.raises(DataError, match=r"`norm` does not fit `dense1`: it has 4 arrays, and the layer 2 \(w, b\)"):
        from_keras(path, other, partial=True, names={"norm": "dense1"})
    with pytest.raises(DataError, match=r"from_keras: names: the file has no `firts`\. Did you mean `?'?first"):
        from_keras(path, other, partial=True, names={"firts": "conv1"})


def test_other_results_are_refused(tmp_path: Path, trained: Network) -> None:
    path, net = keras_file_of(tmp_path / "m.keras", trained), network()
    net.initialize(9)
    before, x = net.get_weights(), RNG.normal(size=(3, 8, 7, 3))
    with pytest.raises(
        DataError, match="from_keras: with these weights the results differ from the given ones by up to"
    ):
        from_keras(path, net, results=(x, np.zeros((3, 5))))
    for name, array in net.get_weights().items():
        np.testing.assert_array_equal(array, before[name])


def zipped(path: Path, content: bytes) -> None:
    with zipfile.ZipFile(path, "w") as whole:
        whole.writestr("config.json", content)


def with_nan(file: Any, net: Network) -> None:
    put_by_kinds(file, net)
    file["layers/dense/vars/1"][0] = np.nan


def with_link(file: Any, net: Network) -> None:
    put_by_kinds(file, net)
    del file["layers/dense/vars/1"]
    file["layers/dense/vars/1"] = h5py.SoftLink("/layers/dense/vars/0")


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("m.pt", lambda path, net: path.write_bytes(b""), r"m\.pt must be a file \.keras, \.weights\.h5 or \.h5"),
        ("m.keras", lambda path, net: path.write_bytes(b"no"), r"m\.keras is not a whole file of Keras: File is not a"),
        ("m.keras", lambda path, net: zipped(path, b"{}"), r"m\.keras is not a whole file of Keras: .*model\.weights"),
        ("m.h5", lambda path, net: path.write_bytes(b"no"), r"m\.h5 can't be read: "),
        ("none.h5", lambda path, net: None, r"none\.h5 can't be read: "),
        ("m.h5", lambda path, net: h5py.File(path, "w").close(), "from_keras: the file has no layers with weights"),
        ("m.keras", lambda path, net: keras_file_of(path, net, put=with_nan), "dense/vars/1` holds NaN or infinity"),
        ("m.keras", lambda path, net: keras_file_of(path, net, put=with_link), "is not in the file itself but in ano"),
    ],
)
def test_files_that_are_refused(
    name: str, make: Callable[[Path, Network], Any], message: str, tmp_path: Path, trained: Network
) -> None:
    make(tmp_path / name, trained)
    with pytest.raises(DataError, match=message):
        from_keras(tmp_path / name, network())


def test_files_that_claim_to_be_huge(tmp_path: Path, trained: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    path = keras_file_of(tmp_path / "m.keras", trained)
    monkeypatch.setattr(keras_file, "LARGEST", 100)
    with pytest.raises(DataError, match=re.escape("config.json in") + ".* claims to have more than 100 bytes"):
        from_keras(path, network())
    with pytest.raises(DataError, match="claims to have more than 100 bytes"):
        from_keras(older_file(tmp_path / "m.h5", trained), network())


def test_without_h5py(tmp_path: Path, trained: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    path = keras_file_of(tmp_path / "m.keras", trained)

    def missing(name: str) -> Any:
        raise ImportError(f"No module named {name!r}")

    monkeypatch.setattr(keras_file, "import_module", missing)
    with pytest.raises(DataError, match=r"from_keras needs the package h5py: pip install 'convgrad\[keras\]'"):
        from_keras(path, network())
