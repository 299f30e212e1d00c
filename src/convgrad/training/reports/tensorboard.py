"""Trainings told to TensorBoard, whose package is imported when a training begins, and only then."""

from __future__ import annotations

import time
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.arguments import FLAG, PATH, takes
from convgrad.errors import TrainingError
from convgrad.network.plain import PlainNetwork
from convgrad.notation.printing.text import text
from convgrad.training.events import Callback, Training
from convgrad.training.reports.kernels import first_kernels, kernel_pixels
from convgrad.training.reports.needed import needed

VALIDATION, TRAINING = "validation", "training"
MODULES = {
    "writer": "summary.writer.event_file_writer",
    "events": "compat.proto.event_pb2",
    "graphs": "compat.proto.graph_pb2",
    "summaries": "compat.proto.summary_pb2",
    "tensors": "util.tensor_util",
    "scalar": "plugins.scalar.summary_v2",
    "histogram": "plugins.histogram.summary_v2",
    "image": "plugins.image.metadata",
}
PRODUCER = 22
"""The version of graphs that TensorBoard's own converters write."""
ENLARGED = 8
"""Pixels on each side of a number of a kernel, since TensorBoard smooths small pictures."""


class TensorBoard(Callback):
    """Write event files that `tensorboard --logdir FOLDER` shows: figures, weights, kernels, and a graph of layers.

    Before the first epoch: the graph of layers, each with its equation, the shape of its result and the number of its
    parameters. After each epoch: `loss`, `accuracy` and so on of `training` and `validation` beside one another, the
    learning rate, the values of each weight as a histogram, and the kernels (rows, columns, channels, filters) of the
    first convolution as pictures. A training that is resumed goes on in a new file; what the first one had written
    after the checkpoint is not shown any more.

    Args:
        folder: of the event files, made if need be.
        histograms: whether weights are told. images: whether kernels are. graph: whether layers are.

    Example:
        >>> TensorBoard("events", graph=False).folder.name
        'events'
    """

    writes = True

    @takes(TrainingError, folder=PATH, histograms=FLAG, images=FLAG, graph=FLAG)
    def __init__(self, folder: str | Path, histograms: bool = True, images: bool = True, graph: bool = True):
        self.folder, self.histograms, self.images, self.graph = Path(folder), histograms, images, graph
        self._writers: dict[str, Any] = {}

    def on_train_begin(self, training: Training) -> None:
        self._with = {
            name: needed(f"tensorboard.{module}", "tensorboard", "TensorBoard") for name, module in MODULES.items()
        }
        self._writers = {}

    def on_epoch_end(self, training: Training) -> None:
        step = training.epoch + 1
        if self.graph and TRAINING not in self._writers:
            self._begin(TRAINING, step)
            self._tell(TRAINING, step, graph_def=self._graph_of(training.network))
        for name, value in {**training.logs, "learning_rate": training.learning_rate}.items():
            part = VALIDATION if name.startswith("val_") else TRAINING
            self._add(part, self._with["scalar"].scalar_pb(name.removeprefix("val_"), value), step)
        weights = training.network.get_weights()
        if self.histograms:
            for name, array in weights.items():
                self._add(TRAINING, self._with["histogram"].histogram_pb(name, np.asarray(array, np.float64)), step)
        found = first_kernels(weights) if self.images else None
        if found is not None:
            self._add(TRAINING, self._pictures(f"{found[0]} as pictures", kernel_pixels(found[1])), step)
        for writer in self._writers.values():
            writer.flush()

    def on_train_end(self, training: Training) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers = {}

    def _add(self, part: str, summary: Any, step: int) -> None:
        self._begin(part, step)
        self._tell(part, step, summary=summary)

    def _begin(self, part: str, step: int) -> None:
        if part not in self._writers:
            self._writers[part] = self._with["writer"].EventFileWriter(str(self.folder / part))
            log = self._with["events"].SessionLog
            self._tell(part, step, session_log=log(status=log.START))

    def _tell(self, part: str, step: int, **content: Any) -> None:
        self._writers[part].add_event(self._with["events"].Event(step=step, wall_time=time.time(), **content))

    def _pictures(self, tag: str, pictures: npt.NDArray[np.uint8]) -> Any:
        """(K, rows, columns, 3) as a summary."""
        large = pictures.repeat(ENLARGED, axis=1).repeat(ENLARGED, axis=2)
        rows, columns = (str(size).encode() for size in large.shape[1:3])
        summary = self._with["summaries"].Summary()
        value = summary.value.add(tag=tag, metadata=self._with["image"].create_summary_metadata(None, ""))
        content = np.array([columns, rows, *map(_png, large)], object)
        value.tensor.CopyFrom(self._with["tensors"].make_tensor_proto(content))
        return summary

    def _graph_of(self, network: PlainNetwork) -> bytes:
        """Layers and inputs as nodes; each input of a layer is an edge."""
        graph = self._with["graphs"].GraphDef()
        graph.versions.producer = PRODUCER
        for name, shape in network.ends.input_tensors.items():
            _shape(graph.node.add(name=name, op="Placeholder"), shape)
        for placed in network.layers:
            node = graph.node.add(name=placed.name, op=type(placed.layer).__name__, input=placed.sources)
            _shape(node, placed.built.output_shape)
            node.attr["equation"].s = text(placed.built.equation).encode()
            node.attr["parameters"].i = sum(int(np.prod(one.shape)) for one in placed.own_parameters.values())
        found: bytes = graph.SerializeToString()
        return found


def _shape(node: Any, shape: tuple[int, ...]) -> None:
    """TensorBoard writes it beside the edge; the axis of examples has any length."""
    told = node.attr["_output_shapes"].list.shape.add()
    for size in (-1, *shape):
        told.dim.add(size=size)


def _png(pixels: npt.NDArray[np.uint8]) -> bytes:
    from PIL import Image

    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
