"""The training loop: batches in, updates of the weights, figures out."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from convgrad.arguments import COUNT, FLAG, PAIR, POSITIVE, SEED, an, between, optional, takes
from convgrad.data import Augment, Batch, Batches
from convgrad.errors import TrainingError
from convgrad.losses import Loss, loss_from
from convgrad.network.plain import NETWORK, PlainNetwork
from convgrad.network.step import TrainingStep
from convgrad.optimizers import Optimizer, optimizer_from
from convgrad.system.interruption import Interruption
from convgrad.training.advice import warn_of_two_activations
from convgrad.training.alone import trains_alone
from convgrad.training.evaluate import checked_examples, figures
from convgrad.training.events import Callback, Training, checked_callbacks, tell
from convgrad.training.examples import Array
from convgrad.training.history import History
from convgrad.training.metrics import Metric, RunningMeans, meaning_of, metrics_from
from convgrad.training.progress import ProgressTable
from convgrad.training.safeguard import Diverged, WeightKeeper
from convgrad.training.schedules import Schedule, schedule_from
from convgrad.training.splitting import check_unseen, split_rows, warn_of_held_out


@takes(
    TrainingError,
    network=NETWORK,
    epochs=COUNT,
    batch_size=COUNT,
    learning_rate=optional(POSITIVE),
    validation_split=between(0, 1),
    validation_data=optional(PAIR),
    augment=optional(an(Augment, "an Augment")),
    seed=SEED,
    split_seed=SEED,
    shuffle=FLAG,
    verbose=FLAG,
)
@trains_alone
def fit(
    network: PlainNetwork,
    x: Any,
    y: Any,
    *,
    epochs: int = 5,
    batch_size: int = 64,
    optimizer: str | Optimizer = "sgd",
    loss: str | Loss = "softmax_cross_entropy",
    learning_rate: float | None = None,
    schedule: str | Schedule | None = None,
    validation_split: float = 0.0,
    validation_data: tuple[Any, Any] | None = None,
    metrics: str | Metric | Iterable[str | Metric] | None = None,
    callbacks: Iterable[Callback] = (),
    augment: Augment | None = None,
    seed: int = 0,
    split_seed: int = 0,
    shuffle: bool = True,
    verbose: bool = True,
    engine: str = "auto",
) -> History:
    """Train a network on examples x with targets y.

    Args:
        x: (N, *input_shape) floats, or bytes (uint8) of 0..255, which become 0..1; images are (N, rows, columns,
            channels).
        y: labels (N,) of 0 .. classes-1, or an array like the outputs, (N, *output_shape).
        epochs: how often all examples are seen, after those of earlier calls (`network.past.epochs`).
        batch_size: examples in one update of the weights.
        optimizer, loss: names or objects.
        learning_rate: the highest one; by default the optimizer's.
        schedule: how it changes in the course of the training: a name in `schedules.SCHEDULES` or a function from the
            fraction done to a factor; constant by default.
        validation_split: share of the examples to hold out and validate with after each epoch, drawn by `split_seed`
            from every class alike.
        validation_data: (x, y) to validate with instead.
        metrics: figures beside the loss, by name or as `Metric`; by default as in `evaluate`.
        callbacks: told of what happens; may stop the training.
        augment: random changes of the training images, new ones in every epoch; targets that are images of the same
            rows and columns change with them.
        seed: of the initial weights, order, augmentation and dropout: the same seed gives the same bits.
        split_seed: of the split alone, so that a network that is trained on, with whatever seed, keeps its split.
        verbose: show a table, and on a terminal a progress bar.
        engine: "halide", "oracle" or "auto".

    Returns:
        The figures per epoch. After Ctrl-C `history.interrupted` is True and the weights are those of the last whole
        batch.

    Raises:
        DataError: the arrays can't be meant like this; found before anything is compiled.
        TrainingError: options that can't work, or the network is in training by another call.
        Diverged: the loss became NaN or infinite. The network has its last good weights again.
    """
    loss, optimizer = loss_from(loss), optimizer_from(optimizer)
    factor = schedule_from(schedule)
    listeners = [*checked_callbacks(callbacks), *([ProgressTable()] if verbose else [])]

    inputs, targets = checked_examples(network, loss, x, y, "training data")
    meaning = meaning_of(y, loss, network.output_shape)
    chosen = metrics_from(metrics, loss, meaning)
    together = augment is not None and augment.moves(
        network.input_shape, targets.shape[1:], classes=meaning == "classes", tags=meaning == "answers"
    )
    validation, rows = None, np.arange(len(inputs))
    if validation_data is not None:
        validation = checked_examples(network, loss, *validation_data, "validation data")
    if validation_split:
        if validation is not None:
            raise TrainingError("validation_split and validation_data are both given. Give one of them.")
        rows, held_out = split_rows(y, validation_split, split_seed)
        check_unseen(network, inputs, held_out)
        validation = inputs[held_out], targets[held_out]
    warn_of_held_out(network, inputs, rows, stacklevel=4)
    warn_of_two_activations(network, loss, stacklevel=4)

    step = TrainingStep(network, loss, optimizer, batch_size, seed=seed, engine=engine)
    step.prepare(len(rows) % batch_size or batch_size)
    history = History(images=len(rows), compile_seconds=step.compile_seconds)
    batches = Batches(inputs, targets, batch_size, seed, shuffle, augment, rows, move_labels=together)
    loop = _Loop(
        training=Training(network, epochs, len(batches), batch_size, len(rows), history, metrics=chosen),
        step=step,
        batches=batches,
        loss=loss,
        metrics=chosen,
        learning_rate=optimizer.learning_rate if learning_rate is None else learning_rate,
        factor=factor,
        listeners=listeners,
        keeper=WeightKeeper(network),
        validation=validation,
        engine=engine,
    )
    network.past.add(inputs, rows)
    loop.run()
    return history


@dataclass
class _Loop:
    """Epochs of a training, told to `listeners`."""

    training: Training
    step: TrainingStep
    batches: Batches
    loss: Loss
    metrics: tuple[Metric, ...]
    learning_rate: float
    factor: Schedule
    listeners: list[Callback]
    keeper: WeightKeeper
    validation: tuple[Array, Array] | None
    engine: str

    def run(self) -> None:
        """Run all epochs, until one of the listeners or Ctrl-C stops them."""
        training = self.training
        tell(self.listeners, "on_train_begin", training)
        try:
            with Interruption() as interruption:
                for epoch in range(training.epochs):
                    training.epoch = epoch
                    if not self._epoch(interruption) or training.stop:
                        break
                training.history.interrupted = interruption.requested
        except KeyboardInterrupt:
            training.history.interrupted = True
        finally:
            tell(self.listeners, "on_train_end", training)

    def _epoch(self, interruption: Interruption) -> bool:
        """One pass over all batches, then validation; False where Ctrl-C ended it early."""
        training = self.training
        training.logs, training.seconds = {}, 0.0
        tell(self.listeners, "on_epoch_begin", training)
        means = RunningMeans()
        began = time.perf_counter()
        for number, batch in enumerate(self.batches.epoch(training.network.past.epochs)):
            if interruption.requested:
                return False
            training.batch = number
            self._update(batch, means)
            training.logs, training.seconds = means.values(), time.perf_counter() - began
            tell(self.listeners, "on_batch_end", training)
            if training.stop:
                break
        if not self.keeper.keep():
            raise self._diverged("weights")
        training.logs |= self._validated()
        training.network.past.epochs += 1
        training.history.add_epoch(training.logs, training.seconds)
        tell(self.listeners, "on_epoch_end", training)
        return True

    def _update(self, batch: Batch, means: RunningMeans) -> None:
        """One step, and its figures taken into the means."""
        training, step, count = self.training, self.step, batch.real_count
        done = (training.epoch + training.batch / training.batches) / training.epochs
        training.learning_rate = self.learning_rate * self.factor(done)
        step.run(batch.images, batch.labels, training.learning_rate, batch.weights)
        if not self.keeper.check(step.loss):
            raise self._diverged("loss")
        means.add("loss", step.loss, count)
        for metric in self.metrics:
            means.add(metric.name, metric(step.output[:count], batch.labels[:count]), count)

    def _diverged(self, what: str) -> Diverged:
        training = self.training
        return Diverged(what, training.epoch, training.batch, self.learning_rate, training.history)

    def _validated(self) -> dict[str, float]:
        """Loss and metrics on the validation examples, named `val_loss` and so on."""
        if self.validation is None:
            return {}
        found = figures(self.training.network, *self.validation, self.loss, self.metrics, engine=self.engine)
        return {f"val_{name}": value for name, value in found.items()}
