"""ONNX files read back: networks that predict the same, and train on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convgrad import DataError, ModelError, Network, from_onnx
from convgrad.interop import library
from convgrad.models import load_model
from onnx_files import close, graph, onnx
from optional import large_module
from torch_cases import CASES

RNG = np.random.default_rng(7)
NOT_READ = {"equation": "Gather"}
"""Layers whose operators are written and not read -> the one that is named."""


@pytest.mark.parametrize("layout", ["channels_first", "channels_last"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_layer(tmp_path: Path, case: Any, layout: Any) -> None:
    network = Network(case.layer, input_shape=case.shape)
    network.initialize(3)
    network.set_weights({n: RNG.uniform(0.5, 1.5, a.shape) for n, a in network.get_weights().items()})
    network.to_onnx(tmp_path / "net.onnx", layout=layout, check=False)
    if case.name in NOT_READ:
        with pytest.raises(ModelError, match=rf"node `.*`, {NOT_READ[case.name]}, can't be read"):
            from_onnx(tmp_path / "net.onnx")
        return
    x = RNG.uniform(0.1, 1, (3, *case.shape)).astype(np.float32)
    close(from_onnx(tmp_path / "net.onnx").predict(x), network.predict(x))


@pytest.mark.parametrize("name", ["lenet5", "resnet8", "autoencoder", "mobilenet-v2"])
def test_whole_networks_predict_the_same_and_train_on(tmp_path: Path, name: str) -> None:
    shape = (32, 32, 3) if name == "mobilenet-v2" else (28, 28, 1)
    network = load_model(name, shape, 10).network
    network.initialize(4)
    network.to_onnx(tmp_path / "net.onnx", check=False)
    found = from_onnx(tmp_path / "net.onnx")
    x = RNG.uniform(size=(3, *shape)).astype(np.float32)
    close(found.predict(x), network.predict(x), 4096)
    if name == "lenet5":
        t = np.array([1, 5, 8])
        before = found.evaluate(x, t)["loss"]
        found.fit(x, t, epochs=5, batch_size=3)
        assert found.evaluate(x, t)["loss"] < before


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the exporter itself
def test_what_pytorch_writes(tmp_path: Path) -> None:
    torch: Any = large_module("torch")
    nn = torch.nn

    class Residual(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.first, self.norm = nn.Conv2d(3, 6, 3, padding=1, stride=2, bias=False), nn.BatchNorm2d(6)
            self.deep = nn.Conv2d(6, 6, (3, 1), padding=(1, 0), groups=6)
            self.head = nn.Sequential(nn.Flatten(), nn.Linear(6 * 4 * 2, 7), nn.Dropout(0.2), nn.Linear(7, 5))

        def forward(self, x: Any) -> Any:
            x = nn.functional.relu6(self.norm(self.first(x)))
            return self.head(nn.functional.max_pool2d(x + self.deep(x), (1, 2), ceil_mode=True))

    model = Residual()
    model.norm.running_mean.uniform_(-1, 1)
    model.norm.running_var.uniform_(0.5, 2)
    model.eval()
    x = torch.randn(3, 3, 7, 6)
    torch.onnx.export(model, (x,), tmp_path / "net.onnx", dynamo=False, dynamic_axes={"x": {0: "N"}}, input_names=["x"])
    found = from_onnx(tmp_path / "net.onnx")
    close(found.predict(np.moveaxis(x.numpy(), 1, -1)), model(x).detach().numpy())


def test_a_dense_layer_behind_flatten_has_its_rows_in_our_order() -> None:
    w, b = RNG.normal(size=(7, 60)).astype(np.float32), RNG.normal(size=7).astype(np.float32)
    node = onnx.helper.make_node
    model = graph(node("Flatten", ["x"], ["f"]), node("Gemm", ["f", "w", "b"], ["y"], transB=1), w=w, b=b)
    x = RNG.normal(size=(2, 3, 5, 4)).astype(np.float32)
    close(from_onnx(model).predict(np.moveaxis(x, 1, -1)), x.reshape(2, -1) @ w.T + b)


def test_files_of_old_operators_and_other_numbers() -> None:
    relu = onnx.helper.make_node("Relu", ["x"], ["y"])
    with pytest.raises(ModelError, match="the file is of opset 9; from 13 on they can be read"):
        from_onnx(graph(relu, opset=9))
    with pytest.raises(
        ModelError, match=r"input `x` can't be read: it must hold floats.* Export it with these sizes given"
    ):
        from_onnx(graph(relu, kind=7))


def test_refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"none.onnx can't be read as ONNX"):
        from_onnx(tmp_path / "none.onnx")
    with pytest.raises(DataError, match=r"from_onnx takes a path or a ModelProto of onnx, not int"):
        from_onnx(3)

    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(library, "import_module", missing)
    with pytest.raises(DataError, match=r"from_onnx needs the package onnx: pip install 'convgrad\[onnx\]'"):
        from_onnx(tmp_path / "net.onnx")
