"""The network that people build: layers with weights, with methods that train, measure, show and explain it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from convgrad.arguments import COUNT, takes
from convgrad.errors import ArgumentError, DataError, ModelError, TrainingError
from convgrad.network.plain import Array, PlainNetwork
from convgrad.network.precision import PRECISION

# What trains and explains is loaded by the methods that need it: all of it, with tables for terminals and readers of
# images, takes half as long again to import as the network itself, and most processes only predict.
if TYPE_CHECKING:
    from convgrad.data import Data
    from convgrad.data.changes import Augmenting
    from convgrad.explain.trace.trace import Trace
    from convgrad.export import Exported
    from convgrad.interop import OnnxFile
    from convgrad.losses import Loss
    from convgrad.network.chosen import Names
    from convgrad.network.losses import AnyLoss
    from convgrad.network.step import TrainingStep
    from convgrad.network.summary import Summary
    from convgrad.optimizers import Optimizer
    from convgrad.training.averaging import Average
    from convgrad.training.chosen_metrics import Metrics
    from convgrad.training.events import Callback
    from convgrad.training.history import History
    from convgrad.training.resuming import Checkpoint
    from convgrad.training.schedules import Schedule
    from convgrad.training.weighing import ClassWeight


class Network(PlainNetwork):
    """Layers whose equations are compiled together.

    A list of layers, each reading the one before it:

    >>> from convgrad.layers import Conv2D, Dense, Flatten, MaxPool2D, ReLU
    >>> network = Network(Conv2D(4, (3, 2)), ReLU(), MaxPool2D(2), Flatten(), Dense(3), input_shape=(8, 7, 1))
    >>> network.output_shape
    (3,)

    or a graph: `Network(inputs=image, outputs=node)` with an `Input` and what layers return when called on it. Both may
    be several, in a list or a table from names; a layer that is called twice has the same weights in both places:

    >>> from convgrad.layers import Concatenate, Input
    >>> image, meta = Input((8, 7, 1)), Input((5,))
    >>> hidden = Concatenate()(Flatten()(Conv2D(2, 3)(image)), meta)
    >>> ends = {"class": Dense(3)(hidden), "box": Dense(4)(hidden)}
    >>> Network(inputs={"image": image, "meta": meta}, outputs=ends).output_shapes
    {'class': (3,), 'box': (4,)}

    Threads may share a network. What reads or writes its weights holds its `lock` meanwhile, so that every result is
    that of weights between two steps of training; two calls of `fit` at once are refused. `copy.deepcopy` and `pickle`
    make networks with weights of their own, and compile when they are needed.

    Args:
        layers: in order. input_shape: of one example, (rows, columns, channels) for an image.
        inputs, outputs: of a graph, instead of layers. Several inputs of a list are called after their `Input`, else
            `input1`, `input2`, ..., several outputs of a list after their layers.
        dtype: "float32" or "float64", of parameters and arithmetic.
        most_weights: of which larger networks are refused; None for as many as fit in memory four times.

    Attributes:
        layers: the layers in their places, each with a name that no other has.
        loss: the one that the network was last trained with; `evaluate` takes it unless told otherwise.
        preparation: what was done to pixels of 0..1 before, and the names of the classes; `convgrad predict` does it.
        past: how long and on which examples it was trained; training goes on from there.
        parameters, state: tensor's name (`conv1.w`) -> its array, the very one that compiled code works on.
        lock: `with network.lock:` other threads neither train nor read it; for several accesses to weights in one go.

    Raises: ModelError, ShapeError where layers don't fit together, or are too many or too large.
    """

    @takes(TrainingError)
    def training_step(
        self,
        loss: AnyLoss,
        optimizer: str | Optimizer,
        batch_size: int,
        *,
        seed: int = 0,
        engine: str = "auto",
        frozen: Names = (),
        accumulate: int = 1,
        precision: str | None = None,
    ) -> TrainingStep:
        """Forward, loss, backward and update on `batch_size` examples, compiled as one."""
        from convgrad.network.step import TrainingStep

        return TrainingStep(
            self,
            loss,
            optimizer,
            batch_size,
            seed=seed,
            engine=engine,
            frozen=frozen,
            accumulate=accumulate,
            precision=precision,
        )

    @takes(TrainingError)
    def gradients(
        self,
        x: Any,
        t: Any,
        loss: AnyLoss,
        *,
        training: bool = True,
        engine: str = "auto",
    ) -> dict[str, Array]:
        """What back-propagation computes, without an update.

        Args:
            x: (N, *input_shape) inputs. t: their targets, as `fit` takes them. loss: the mean over the examples is
                taken.
            training: True for the gradients that a training step follows (BatchNorm by the batch's own statistics,
                Dropout at random, the same elements each time); False for those of what `predict` computes (moving
                statistics, nothing left out), as a saliency map needs them.

        Returns: the gradients of the parameters under their names, `conv1.dw` for `conv1.w`, of results, `conv1.dx`,
        and of the input, `dinput`, or of each of several, `input.dimage`. Those of a shared layer's parameters are sums
        over its places.

        Raises: DataError where inputs or targets don't fit.
        """
        from convgrad.network.step import gradients

        with self.lock:
            return gradients(self, x, t, loss, training=training, engine=engine)

    @takes(DataError)
    def activations(
        self,
        x: Any,
        *names: str,
        training: bool = False,
        batch_size: int = 64,
        engine: str = "auto",
    ) -> dict[str, Array]:
        """What layers compute, by the names of their results.

        >>> from convgrad.layers import Dense, ReLU
        >>> network = Network(Dense(3), ReLU(), Dense(2), input_shape=(4,))
        >>> network.initialize(seed=0)
        >>> {name: found.shape for name, found in network.activations(np.ones((5, 4)), "relu1", "dense*").items()}
        {'dense1.x': (5, 3), 'relu1.x': (5, 3), 'dense2.x': (5, 2)}

        Args:
            x: (N, *input_shape) inputs, N at least 1, as `predict` takes them.
            names: of layers (`conv1`) or of their results (`conv1.x`), or patterns of them (`conv*`); all layers where
                none is given.
            training: False for what `predict` computes on the way to its result; True for what a training step does
                (BatchNorm by the statistics of all of x, Dropout at random, the same elements each time).
            batch_size: how many examples are computed at once at most, where training is False.

        Returns: result's name -> (N, *shape of the layer's output), of the network's dtype.

        Raises: DataError for inputs that don't fit or a name that no layer has; ModelError before there are weights.
        """
        from convgrad.network.activations import activations

        with self.lock:
            return activations(self, x, *names, training=training, batch_size=batch_size, engine=engine)

    @takes(TrainingError)
    def fit(
        self,
        x: Any,
        y: Any = None,
        *,
        epochs: int = 5,
        batch_size: int = 64,
        optimizer: str | Optimizer = "sgd",
        loss: AnyLoss = "softmax_cross_entropy",
        loss_weights: Mapping[str, float] | Sequence[float] | None = None,
        learning_rate: float | None = None,
        schedule: str | Schedule | None = None,
        validation_split: float = 0.0,
        validation_data: tuple[Any, Any] | Data | None = None,
        metrics: Metrics = None,
        sample_weight: npt.ArrayLike | None = None,
        class_weight: ClassWeight | None = None,
        frozen: Names = (),
        accumulate: int = 1,
        average: str | Average | None = None,
        callbacks: Iterable[Callback] = (),
        augment: Augmenting | None = None,
        seed: int = 0,
        split_seed: int = 0,
        shuffle: bool = True,
        verbose: bool = True,
        engine: str = "auto",
        precision: str | None = None,
        checkpoint: str | PathLike[str] | Checkpoint | None = None,
        resume: bool = False,
        shards: int | None = None,
        parallel: str | None = None,
    ) -> History:
        """Train; see `convgrad.training.fit.fit` for the arguments."""
        from convgrad.training.fit import fit

        return fit(
            self,
            x,
            y,
            epochs=epochs,
            batch_size=batch_size,
            optimizer=optimizer,
            loss=loss,
            loss_weights=loss_weights,
            learning_rate=learning_rate,
            schedule=schedule,
            validation_split=validation_split,
            validation_data=validation_data,
            metrics=metrics,
            sample_weight=sample_weight,
            class_weight=class_weight,
            frozen=frozen,
            accumulate=accumulate,
            average=average,
            callbacks=callbacks,
            augment=augment,
            seed=seed,
            split_seed=split_seed,
            shuffle=shuffle,
            verbose=verbose,
            engine=engine,
            precision=precision,
            checkpoint=checkpoint,
            resume=resume,
            shards=shards,
            parallel=parallel,
        )

    @takes(TrainingError)
    def evaluate(
        self,
        x: Any,
        y: Any = None,
        *,
        loss: AnyLoss | None = None,
        metrics: Metrics = None,
        batch_size: int = 256,
        engine: str = "auto",
        precision: str | None = None,
    ) -> dict[str, float]:
        """Loss and metrics on given examples; see `convgrad.training.evaluate.evaluate` for the arguments."""
        from convgrad.training.evaluate import evaluate

        return evaluate(
            self, x, y, loss=loss, metrics=metrics, batch_size=batch_size, engine=engine, precision=precision
        )

    @takes(DataError, batch_size=COUNT, precision=PRECISION)
    def predict(self, x: Any, batch_size: int = 256, engine: str = "auto", precision: str | None = None) -> Any:
        if isinstance(x, (np.ndarray, list, tuple)):
            return self._predicted(x, batch_size, engine, precision)
        from convgrad.data import Data

        if not isinstance(x, Data):
            return self._predicted(x, batch_size, engine, precision)
        from convgrad.training.evaluate import predict

        return predict(self, x, batch_size, engine, precision)

    @takes(DataError)
    def trace(
        self,
        x: npt.ArrayLike | None = None,
        target: npt.ArrayLike | None = None,
        *,
        loss: str | Loss | None = None,
        optimizer: str | Optimizer = "sgd",
        deltas: Mapping[str, npt.ArrayLike] | None = None,
        pins: Mapping[str, npt.ArrayLike] | None = None,
        seed: int = 0,
    ) -> Trace:
        """Every number of one training step, each explained; see `explain.trace.start.trace` for the arguments."""
        from convgrad.explain.trace.start import trace

        with self.lock:
            return trace(self, x, target, loss=loss, optimizer=optimizer, deltas=deltas, pins=pins, seed=seed)

    @takes(ArgumentError)
    def export(
        self,
        path: str | PathLike[str],
        *,
        to: Literal["c", "wasm"] = "c",
        name: str = "net",
        batch_size: int = 1,
        target: str = "host",
        weights: Literal["inside", "beside"] = "inside",
        optimizer: str | Optimizer | None = None,
        loss: str | Loss | None = None,
        seed: int = 0,
        examples: tuple[npt.ArrayLike, npt.ArrayLike | None] | None = None,
        quantize: bool = False,
    ) -> Exported:
        """Write the network as C or WebAssembly that needs neither Python nor Halide.

        Args, returns, raises: as `convgrad.export.export`.
        """
        from convgrad.export import export

        given: dict[str, Any] = {"optimizer": optimizer, "loss": loss, "seed": seed, "examples": examples}
        given |= {"to": to, "name": name, "batch_size": batch_size, "target": target, "weights": weights}
        return export(self, path, quantize=quantize, **given)

    @takes(ArgumentError)
    def to_onnx(
        self,
        path: str | PathLike[str],
        *,
        opset: int = 21,
        fold_batch_norm: bool = False,
        layout: Literal["channels_first", "channels_last"] = "channels_first",
        check: bool = True,
        quantize: bool = False,
    ) -> OnnxFile:
        """Write the network as an ONNX file, and compare it with onnxruntime, where that is installed.

        Args, returns, raises: as `convgrad.interop.to_onnx`.
        """
        from convgrad.interop import to_onnx

        given: dict[str, Any] = {"opset": opset, "fold_batch_norm": fold_batch_norm, "layout": layout}
        return to_onnx(self, path, check=check, quantize=quantize, **given)

    @takes(ModelError)
    def quantized(self) -> Network:
        """A copy whose weights are those of an export with `quantize=True`, so that it can be measured.

        Each weight w becomes s * q, with whole numbers q of -127 to 127 and a scale s = max(abs(w)) / 127 for each
        output channel, which its equation says; it is off by s/2 at most. Weights of which fewer than 4 numbers would
        share a scale, such as biases, stay as they are, as do moving statistics.

        >>> from convgrad.layers import Dense
        >>> network = Network(Dense(2, bias=None), input_shape=(4,))
        >>> network.set_weights({"dense1.w": [[12.7, 254], [6.34, 31.1], [-1.26, 20.8], [0.32, 10]]})
        >>> print(network.quantized().parameters["dense1.w"].astype(float).round(6))  # multiples of 0.1, and of 2
        [[ 12.7 254. ]
         [  6.3  32. ]
         [ -1.3  20. ]
         [  0.3  10. ]]

        Raises: ModelError before there are weights.
        """
        from convgrad.network.quantizing import quantized

        return quantized(self).network

    @takes()
    def summary(self) -> Summary:
        """A table of the layers: output shapes, parameters, equations. Printing it shows it."""
        from convgrad.network.summary import Summary

        return Summary(self)

    def __str__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        from convgrad.network.summary import network_html

        return network_html(self)
