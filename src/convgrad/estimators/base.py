"""What a classifier and a regressor have in common: a network that is built when the data is known, and trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from math import prod
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from convgrad.data import Augment, Batches
from convgrad.data.changes import augment_from
from convgrad.errors import EstimatorError, suggestion
from convgrad.layers import Dense, Flatten, Layer, ReLU
from convgrad.losses import Loss
from convgrad.models.named import NAMED
from convgrad.models.network import Network
from convgrad.network.step import TrainingStep
from convgrad.optimizers import Optimizer
from convgrad.training.events import Callback, Training
from convgrad.training.examples import checked_inputs
from convgrad.training.history import History
from convgrad.training.loop import Loop
from convgrad.training.safeguard import WeightKeeper
from convgrad.training.schedules import Schedule, constant
from convgrad.training.stepping import Whole
from convgrad.training.weighing import ClassWeight, Weighing

Array = npt.NDArray[Any]
Shape = tuple[int, ...]
Builder = Callable[[Shape, int], Network]
E = TypeVar("E", bound="NetworkEstimator")


class NetworkEstimator(BaseEstimator):  # type: ignore[misc]
    """Arguments, training and results that all estimators share; see `ConvgradClassifier`."""

    n_features_in_: int
    network_: Network
    history_: Any

    def __init__(
        self,
        network: str | Builder | None = None,
        *,
        hidden_layer_sizes: Sequence[int] = (100,),
        input_shape: Sequence[int] | None = None,
        epochs: int = 50,
        batch_size: int = 32,
        optimizer: str | Optimizer = "adam",
        learning_rate: float | None = None,
        loss: str | Loss | None = None,
        schedule: str | Schedule | None = None,
        validation_split: float = 0.0,
        augment: Augment | None = None,
        callbacks: Sequence[Callback] = (),
        shuffle: bool = True,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
        engine: str = "auto",
    ):
        self.network = network
        self.hidden_layer_sizes = hidden_layer_sizes
        self.input_shape = input_shape
        self.epochs = epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.loss = loss
        self.schedule = schedule
        self.validation_split = validation_split
        self.augment = augment
        self.callbacks = callbacks
        self.shuffle = shuffle
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose
        self.engine = engine

    def _train(
        self: E, x: Array, targets: Array, outputs: int, loss: str | Loss, class_weight: ClassWeight | None = None
    ) -> E:
        """Build the network, unless a warm start has one that fits, and train it."""
        examples = self._examples(x)
        goes_on = self.warm_start and hasattr(self, "network_") and self._fits(examples, outputs)
        seed = self._start(examples, outputs, goes_on)
        self.history_ = self.network_.fit(
            examples,
            targets,
            epochs=self.epochs,
            batch_size=min(self.batch_size, len(examples)),
            optimizer=self.optimizer,
            loss=loss,
            learning_rate=self.learning_rate,
            schedule=self.schedule,
            validation_split=self.validation_split,
            metrics=(),
            class_weight=class_weight,
            callbacks=[deepcopy(callback) for callback in self.callbacks],  # they remember, and a clone shares them
            augment=self.augment,
            seed=seed,
            shuffle=self.shuffle,
            verbose=self.verbose,
            engine=self.engine,
        )
        return self

    def _train_on(
        self: E, x: Array, targets: Array, outputs: int, loss: str | Loss, by_class: Array | None = None
    ) -> E:
        """One more pass over these examples; the optimizer remembers the passes before."""
        examples = self._examples(x)
        if not hasattr(self, "_step"):
            seed = self._start(examples, outputs, hasattr(self, "network_") and self._fits(examples, outputs))
            self._step = TrainingStep(
                self.network_, loss, self.optimizer, self.batch_size, seed=seed, engine=self.engine
            )
        step, network = self._step, self.network_
        inputs = checked_inputs(examples, network.input_shape, "partial_fit", network.dtype)
        weighing = None if by_class is None else Weighing(by_class=by_class)
        batches = Batches(
            inputs, targets, self.batch_size, step.seed, self.shuffle, augment_from(self.augment), weigh=weighing
        )
        history = History(images=len(inputs))
        rate = step.optimizer.learning_rate if self.learning_rate is None else self.learning_rate
        Loop(
            training=Training(network, 1, len(batches), self.batch_size, len(inputs), history),
            stepping=Whole(step, lambda outputs, labels: ()),
            batches=batches,
            loss=step.loss_function,
            metrics=(),
            learning_rate=rate,
            factor=constant(),
            listeners=[],
            keeper=WeightKeeper(network),
            validation=None,
            engine=self.engine,
            precision=None,
        ).run()
        if history.interrupted:
            raise KeyboardInterrupt
        return self

    def _outputs(self, x: Any) -> Array:
        """(N, outputs): what the trained network returns."""
        check_is_fitted(self, "network_")
        inputs = self._examples(validate_data(self, x, reset=False, allow_nd=True, dtype=FLOATS))
        return np.asarray(self.network_.predict(inputs, engine=self.engine))

    def _examples(self, x: Array) -> Array:
        """Rows of numbers as examples of the network's shape."""
        shape = x.shape[1:] if self.input_shape is None else tuple(self.input_shape)
        if prod(shape) != prod(x.shape[1:]):
            raise EstimatorError(
                f"{type(self).__name__}: input_shape is {shape}, which is {prod(shape)} numbers, but an example of X "
                f"has {prod(x.shape[1:])}. Give the shape of one example."
            )
        return x.reshape(len(x), *shape)

    def _fits(self, examples: Array, outputs: int) -> bool:
        return self.network_.input_shape == examples.shape[1:] and self.network_.output_shape == (outputs,)

    def _start(self, examples: Array, outputs: int, goes_on: bool) -> int:
        """Have a network with weights; returns the seed of what is random."""
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        if not goes_on:
            self.network_ = self._built(examples.shape[1:], outputs)
            self.network_.initialize(seed)
        return seed

    def _built(self, shape: Shape, outputs: int) -> Network:
        if self.network is None:
            hidden = [layer for size in self.hidden_layer_sizes for layer in (Dense(size), ReLU())]
            first: list[Layer] = [Flatten()] if len(shape) > 1 else []
            return Network(*first, *hidden, Dense(outputs), input_shape=shape)
        network = self._builder()(shape, outputs)
        if not isinstance(network, Network) or network.input_shape != shape or network.output_shape != (outputs,):
            made = (
                f"one from {network.input_shape} to {network.output_shape}"
                if isinstance(network, Network)
                else (f"a {type(network).__name__}")
            )
            raise EstimatorError(
                f"{type(self).__name__}: network(input_shape, outputs) has to return a Network from {shape} to "
                f"({outputs},), but returned {made}."
            )
        return network

    def _builder(self) -> Builder:
        if callable(self.network):
            return self.network
        if self.network not in NAMED:
            raise EstimatorError(
                f"{type(self).__name__}: network is None, a function of (input_shape, outputs), or the name of a "
                f"model, not {self.network!r}.{suggestion(str(self.network), NAMED)}"
            )
        return NAMED[self.network].make

    def _forget_step(self) -> None:
        """Before a training from the beginning, so that `partial_fit` goes on from what it gives."""
        self.__dict__.pop("_step", None)

    def __getstate__(self) -> dict[str, Any]:
        kept = dict(super().__getstate__())
        kept.pop("_step", None)  # compiled code
        return kept


FLOATS = (np.float32, np.float64)
"""What other numbers become the last of. Bytes are taken as they are: tools of scikit-learn turn them into floats on
their way, and 0..255 is not 0..1 then."""
