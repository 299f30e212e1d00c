"""TensorBoard and MLflow: what was written is read back; neither is imported unless it is asked for."""

from __future__ import annotations

import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from command_runs import convgrad
from convgrad.errors import TrainingError
from convgrad.layers import Add, Conv2D, Dense, Flatten, Input, ReLU
from convgrad.models.network import Network
from convgrad.notation.printing.text import text
from convgrad.training import CSVLogger, MLflow, TensorBoard
from convgrad.training.reports.kernels import kernel_pixels
from convgrad.training.safeguard import Diverged
from killed import Killed, Killer
from optional import large_module, optional_module

RNG = np.random.default_rng(1)
GRAPH = "__run_graph__"
"""Where TensorBoard shows a network."""
X, Y = RNG.normal(size=(40, 6)).astype(np.float32), np.arange(40) % 3


def fit(callbacks: list[Any], epochs: int = 3, **more: Any) -> tuple[Network, Any]:
    network = Network(Dense(3), input_shape=(6,), name="small")
    options = {"batch_size": 8, "validation_split": 0.25, "engine": "oracle", "verbose": False, **more}
    return network, network.fit(X, Y, epochs=epochs, callbacks=callbacks, **options)


def events(folder: Path) -> dict[str, list[Any]]:
    """Tag -> its events, as TensorBoard itself reads them."""
    accumulator = optional_module("tensorboard.backend.event_processing.plugin_event_accumulator")
    reader = accumulator.EventAccumulator(str(folder), tensor_size_guidance={"scalars": 0, "histograms": 0})
    reader.Reload()
    return {tag: reader.Tensors(tag) for tag in reader.Tags()["tensors"]}


def numbers(found: list[Any]) -> list[float]:
    from tensorboard.util import tensor_util

    return [float(tensor_util.make_ndarray(event.tensor_proto)) for event in found]


def test_tensorboard_reads_figures_and_weights(tmp_path: Path) -> None:
    optional_module("tensorboard")
    from tensorboard.util import tensor_util

    network, history = fit([TensorBoard(tmp_path)])
    trained, validated = events(tmp_path / "training"), events(tmp_path / "validation")
    assert sorted(trained) == [GRAPH, "accuracy", "dense1.b", "dense1.w", "learning_rate", "loss"]
    assert sorted(validated) == ["accuracy", "loss"]
    for tags, prefix in ((trained, ""), (validated, "val_")):
        for name in ("loss", "accuracy"):
            assert numbers(tags[name]) == pytest.approx(history[f"{prefix}{name}"], rel=1e-6)
            assert [event.step for event in tags[name]] == [1, 2, 3]
    weights = network.get_weights()["dense1.w"]
    buckets = tensor_util.make_ndarray(trained["dense1.w"][-1].tensor_proto)
    assert buckets[:, 2].sum() == weights.size
    assert (buckets[0, 0], buckets[-1, 1]) == pytest.approx((weights.min(), weights.max()), rel=1e-6)


def test_the_command_writes_events(tmp_path: Path) -> None:
    optional_module("tensorboard")
    np.savez(tmp_path / "data.npz", x=np.random.default_rng(0).random((20, 4, 5, 1), np.float32), y=Y[:20])
    (tmp_path / "tiny.toml").write_text('[[layer]]\ntype = "Flatten"\n[[layer]]\ntype = "Dense"\nunits = "classes"\n')
    options = ["--model", tmp_path / "tiny.toml", "--engine", "oracle", "--epochs", 2, "--out", tmp_path / "run"]
    convgrad("train", tmp_path / "data.npz", *options, "--tensorboard", tmp_path / "events")
    assert [event.step for event in events(tmp_path / "events" / "training")["loss"]] == [1, 2]


def test_histograms_may_be_left_out(tmp_path: Path) -> None:
    optional_module("tensorboard")
    fit([TensorBoard(tmp_path, histograms=False)])
    assert sorted(events(tmp_path / "training")) == [GRAPH, "accuracy", "learning_rate", "loss"]


IMAGES = RNG.random((12, 6, 5, 3), dtype=np.float32)


def seen(**more: Any) -> Network:
    """A network of two branches, trained for two epochs."""
    image = Input((6, 5, 3))
    first = Conv2D(4, (3, 2), name="conv")(image)
    both = Add(name="both")(ReLU(name="relu")(first), first)
    network = Network(inputs=image, outputs=Dense(3, name="scores")(Flatten(name="flat")(both)))
    network.fit(IMAGES, Y[:12], epochs=2, engine="oracle", verbose=False, **more)
    return network


def test_the_network_is_a_graph_of_its_layers(tmp_path: Path) -> None:
    accumulator = optional_module("tensorboard.backend.event_processing.plugin_event_accumulator")
    network = seen(callbacks=[TensorBoard(tmp_path)])
    reader = accumulator.EventAccumulator(str(tmp_path / "training"))
    reader.Reload()
    nodes = {node.name: node for node in reader.Graph().node}
    assert {name: (node.op, [*node.input]) for name, node in nodes.items()} == {
        "input": ("Placeholder", []),
        "conv": ("Conv2D", ["input"]),
        "relu": ("ReLU", ["conv"]),
        "both": ("Add", ["relu", "conv"]),
        "flat": ("Flatten", ["both"]),
        "scores": ("Dense", ["flat"]),
    }
    shapes = {name: [dim.size for dim in node.attr["_output_shapes"].list.shape[0].dim] for name, node in nodes.items()}
    assert shapes == {
        "input": [-1, 6, 5, 3],
        **{name: [-1, 4, 4, 4] for name in ("conv", "relu", "both")},
        "flat": [-1, 64],
        "scores": [-1, 3],
    }
    assert sum(node.attr["parameters"].i for node in nodes.values()) == network.parameter_count
    equation = nodes["scores"].attr["equation"].s.decode()
    assert equation == text(next(placed for placed in network.layers if placed.name == "scores").built.equation)


def test_kernels_are_pictures(tmp_path: Path) -> None:
    optional_module("tensorboard")
    from tensorboard.util import tensor_util

    network = seen(callbacks=[TensorBoard(tmp_path)])
    found = events(tmp_path / "training")["conv.w as pictures"]
    assert [event.step for event in found] == [1, 2]
    columns, rows, *files = tensor_util.make_ndarray(found[-1].tensor_proto)
    expected = kernel_pixels(network.get_weights()["conv.w"])
    assert (int(columns), int(rows), len(files)) == (16, 24, 4)
    for file, picture in zip(files, expected, strict=True):
        pixels = np.asarray(Image.open(BytesIO(file)))
        assert (pixels == picture.repeat(8, axis=0).repeat(8, axis=1)).all()


def test_graph_and_pictures_may_be_left_out_or_have_nothing_to_show(tmp_path: Path) -> None:
    accumulator = optional_module("tensorboard.backend.event_processing.plugin_event_accumulator")
    seen(callbacks=[TensorBoard(tmp_path / "left", images=False, graph=False)])
    reader = accumulator.EventAccumulator(str(tmp_path / "left" / "training"))
    reader.Reload()
    assert not reader.Tags()["graph"]
    assert "conv.w as pictures" not in events(tmp_path / "left" / "training")
    fit([TensorBoard(tmp_path / "flat")])  # no kernels
    assert not [tag for tag in events(tmp_path / "flat" / "training") if "pictures" in tag]


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_pixels_of_kernels_have_one_scale_and_zero_in_the_middle(channels: int) -> None:
    kernels = np.zeros((2, 3, channels, 70))
    kernels[1, 2, :, 0], kernels[0, 1, :, 1] = 4.0, -4.0
    pictures = kernel_pixels(kernels)
    assert pictures.shape == (64, 2, 3, 3)
    middle, above, below = pictures[0, 0, 0].tolist(), pictures[0, 1, 2].tolist(), pictures[1, 0, 1].tolist()
    expected = ([128] * 3, [255] * 3, [0] * 3) if channels == 3 else ([255] * 3, [178, 24, 43], [33, 102, 172])
    assert (middle, above, below) == expected
    assert (kernel_pixels(0 * kernels) == middle[0]).all()


def test_tensorboard_shows_each_epoch_once_after_a_resume(tmp_path: Path) -> None:
    """The checkpoint is of the beginning; the killed process had told of two epochs."""
    optional_module("tensorboard")
    logger = TensorBoard(tmp_path / "events")
    with pytest.raises(Killed):
        fit([logger, Killer(9)], checkpoint=tmp_path / "kept")
    _, history = fit([logger, Killer(1000)], checkpoint=tmp_path / "kept", resume=True)
    found = events(tmp_path / "events" / "training")["loss"]
    assert [event.step for event in found] == [1, 2, 3]
    assert numbers(found) == pytest.approx(history["loss"], rel=1e-6)


def mlflow_client(folder: Path) -> Any:
    mlflow = large_module("mlflow")
    return mlflow.MlflowClient(tracking_uri=f"file:{folder}")


@pytest.mark.filterwarnings("ignore")  # of MLflow's own libraries
class TestMLflow:
    @pytest.fixture(autouse=True)
    def _there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        large_module("mlflow")

    def test_a_run_has_sizes_and_figures(self, tmp_path: Path) -> None:
        logger = MLflow("trials", address=f"file:{tmp_path}")
        _, history = fit([logger])
        client = mlflow_client(tmp_path)
        run = client.get_run(logger.run)
        assert run.info.status == "FINISHED"
        assert run.info.run_name == "small"
        assert run.data.params == {"epochs": "3", "batch_size": "8", "images": "30", "parameters": "21"}
        for name in history:
            found = sorted(client.get_metric_history(logger.run, name), key=lambda metric: metric.step)
            assert [metric.value for metric in found] == history[name]
        fit([again := MLflow("trials", address=f"file:{tmp_path}", name="second")], epochs=1)
        second = client.get_run(again.run)
        assert second.info.experiment_id == run.info.experiment_id
        assert second.info.run_name == "second"

    def test_a_resumed_training_goes_on_in_its_run(self, tmp_path: Path) -> None:
        logger = MLflow(address=f"file:{tmp_path / 'runs'}")
        with pytest.raises(Killed):
            fit([logger, Killer(6)], checkpoint=_often(tmp_path / "kept"))
        first = logger.run
        client = mlflow_client(tmp_path / "runs")
        assert client.get_run(first).info.status == "FAILED"
        fit([logger, Killer(1000)], checkpoint=_often(tmp_path / "kept"), resume=True)
        assert logger.run == first
        assert client.get_run(first).info.status == "FINISHED"
        assert {metric.step for metric in client.get_metric_history(first, "loss")} == {1, 2, 3}

    def test_a_training_that_diverges_has_failed(self, tmp_path: Path) -> None:
        logger = MLflow(address=f"file:{tmp_path}")
        with pytest.raises(Diverged):
            fit([logger, Breaking()])
        assert mlflow_client(tmp_path).get_run(logger.run).info.status == "FAILED"


def _often(folder: Path) -> Any:
    from convgrad.training import Checkpoint

    return Checkpoint(folder, seconds=0)


class Breaking(CSVLogger):
    """Makes weights infinite after the first epoch."""

    def __init__(self) -> None:
        super().__init__("unused.csv")

    def on_epoch_end(self, training: Any) -> None:
        training.network.set_weights({n: a * np.inf for n, a in training.network.get_weights().items()})


@pytest.mark.parametrize(("kind", "module"), [(TensorBoard, "tensorboard"), (MLflow, "mlflow")])
def test_a_package_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type, module: str) -> None:
    for name in [*(name for name in sys.modules if name.split(".")[0] == module), module]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(TrainingError, match=f"{kind.__name__} needs the package {module}: pip install {module}"):
        fit([kind(str(tmp_path))])


def test_neither_is_imported_unless_asked_for() -> None:
    code = """
import sys
import convgrad.training
from convgrad.training import MLflow, TensorBoard, CSVLogger
TensorBoard("here"), MLflow("there")
assert not {"tensorboard", "mlflow", "tensorflow"} & {name.split(".")[0] for name in sys.modules}
"""
    subprocess.run([sys.executable, "-c", code], check=True)
