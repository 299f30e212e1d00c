"""The training loop: batches in, updates of the weights, figures out; and all that it takes to go on with it later."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass, field

from convgrad.data import Batch, Batches
from convgrad.errors import DataError
from convgrad.losses import Loss
from convgrad.network.losses import Losses
from convgrad.network.past import Past
from convgrad.network.plain import PlainNetwork
from convgrad.parallel.group import Alone, Group
from convgrad.system.interruption import Interruption
from convgrad.training.averaging import Averaging
from convgrad.training.evaluate import DEFAULT_ROWS, figures
from convgrad.training.events import Callback, Event, Training, tell
from convgrad.training.examples import Examples
from convgrad.training.history import History
from convgrad.training.metrics import Metric, RunningMeans, of_each
from convgrad.training.resuming import Keeper, State
from convgrad.training.safeguard import Diverged, WeightKeeper
from convgrad.training.schedules import Schedule
from convgrad.training.stepping import Stepping


@dataclass
class Loop:
    """Epochs of a training, told to `listeners`."""

    training: Training
    stepping: Stepping
    batches: Batches
    loss: Loss | Losses
    metrics: tuple[Metric, ...]
    learning_rate: float
    factor: Schedule
    listeners: list[Callback]
    keeper: WeightKeeper
    validation: Examples | None
    engine: str
    precision: str | None
    keeping: Keeper | None = None
    averaging: Averaging | None = None
    group: Group = field(default_factory=Alone)

    def run(self, state: State | None = None) -> None:
        """Run all epochs, until one of the listeners or Ctrl-C stops them. state: `_state` of where to go on."""
        training = self.training
        self._first, self._means, self._asked = 0, RunningMeans(), False
        self._tell("on_train_begin")
        if state is not None:
            try:
                self._restore(state)
            except (LookupError, TypeError, ValueError, AttributeError) as error:
                raise DataError(f"The checkpoint was changed or is damaged: {error}.") from error
        else:
            self._keep(0, always=True)  # from here on it can be resumed
        over = state is not None and training.stop
        sound = False
        try:
            with Interruption() as interruption:
                for epoch in range(training.epoch, 0 if over else training.epochs):
                    training.epoch = epoch
                    if not self._epoch(interruption) or training.stop:
                        break
                training.history.interrupted = self._is_asked(interruption)
            sound = True
        except KeyboardInterrupt:
            if self.group.size > 1:
                raise  # the others can't go on without this one
            training.history.interrupted = sound = True
        finally:
            if self.averaging is not None and sound:
                self.averaging.put()
            self._tell("on_train_end")
        if self.keeping is not None and self.group.leads and not training.history.interrupted:
            self.keeping.write(self._state(0, ended=True))

    def _tell(self, event: Event) -> None:
        self.training.leads = self.group.leads
        tell(self.listeners, event, self.training)

    def _is_asked(self, interruption: Interruption) -> bool:
        """Whether the training shall stop; of several ranks, whether all know that one of them was asked."""
        return self._asked if self.group.size > 1 else interruption.requested

    def _epoch(self, interruption: Interruption) -> bool:
        """One pass over all batches, then validation; False where Ctrl-C ended it early."""
        training = self.training
        if not self._first:
            training.logs, training.seconds, training.waited = {}, 0.0, 0.0
            self._means = RunningMeans()
        self._tell("on_epoch_begin")
        began = time.perf_counter() - training.seconds
        with closing(self.batches.epoch(training.network.past.epochs, self._first)) as batches:  # type: ignore[type-var]
            for number, batch in enumerate(self._timed(batches), self._first):
                if self._is_asked(interruption):
                    self._keep(number, always=True)
                    return False
                training.batch = number
                self._update(batch, self._means, interruption.requested)
                training.logs, training.seconds = self._means.values(), time.perf_counter() - began
                self._tell("on_batch_end")
                if training.stop:
                    break
                self._keep(number + 1)
        self._first = 0
        if not self.keeper.keep():
            raise self._diverged("weights")
        if self.averaging is not None:
            self.averaging.after_epoch(training.epoch, training.epochs)
        with nullcontext() if self.averaging is None else self.averaging.in_place():
            training.logs |= self._validated()
            training.network.past.epochs += 1
            training.history.add_epoch(training.logs, training.seconds, training.waited)
            self._tell("on_epoch_end")
        training.stop, self._asked = self.group.any(training.stop, self._asked or interruption.requested)
        training.epoch += 1
        self._keep(0, always=self._is_asked(interruption))
        training.epoch -= 1
        return True

    def _timed(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """The batches; the time that passes until each is there is counted."""
        while True:
            began = time.perf_counter()
            batch = next(batches, None)
            if batch is None:  # after the epoch's time was taken
                return
            self.training.waited += time.perf_counter() - began
            yield batch

    def _update(self, batch: Batch, means: RunningMeans, asked: bool) -> None:
        """One step, and its figures taken into the means. asked: whether this process was asked to stop."""
        training, step = self.training, self.stepping.step
        updates = -(-training.batches // step.accumulate)
        done = (training.epoch + training.batch // step.accumulate / updates) / training.epochs
        training.learning_rate = self.learning_rate * self.factor(done) * training.factor
        last = training.batch + 1 == training.batches
        told = self.stepping.run(batch, training.learning_rate, last, asked)
        self._asked = self._asked or told.stopping
        if not training.held:
            training.network.past.widen(told.inputs)
        if not self.keeper.check(step.loss):
            raise self._diverged("loss")
        if self.averaging is not None and not step.pending[0]:
            self.averaging.after_update()
        shares = float(batch.weights[told.counts].sum())
        means.add("loss", step.loss, shares)
        for name, loss in step.losses.items():
            means.add(f"{name}_loss", loss, shares)
        values, counted = told.measured()
        for metric, value in zip(of_each(self.metrics), values, strict=True):
            means.add(metric.name, value, counted)

    def _diverged(self, what: str) -> Diverged:
        training = self.training
        return Diverged(what, training.epoch, training.batch, self.learning_rate, training.history)

    def _validated(self) -> dict[str, float]:
        """Loss and metrics on the validation examples, named `val_loss` and so on."""
        if self.validation is None:
            return {}
        size = DEFAULT_ROWS if self.validation.held else self.training.batch_size  # what is read must find room
        found = figures(
            self.training.network, self.validation, self.loss, self.metrics, size, self.engine, self.precision
        )
        return {f"val_{name}": value for name, value in found.items()}

    def _keep(self, batch: int, always: bool = False) -> None:
        """Write a checkpoint where one is due; `batch` is the next one."""
        if self.keeping is not None and self.group.leads and (always or self.keeping.due):
            self.keeping.write(self._state(batch))

    def _state(self, batch: int, ended: bool = False) -> State:
        """All that the rest of the training depends on; `batch` is the next one of epoch `training.epoch`."""
        training, network = self.training, self.training.network
        history = training.history
        return {
            "ended": ended,
            "epoch": training.epoch,
            "batch": batch,
            "stop": training.stop,
            "seconds": training.seconds,
            "waited": training.waited,
            "learning_rate": training.learning_rate,
            "factor": training.factor,
            "logs": training.logs,
            "means": self._means.state(),
            "history": {
                "figures": history.figures,
                "seconds": history.epoch_seconds,
                "waited": history.waiting_seconds,
                "images": history.images,
            },
            "past": network.past.to_config(),
            "weights": network.get_weights(),
            "steps": self.stepping.step.steps,
            "pending": [*self.stepping.step.pending],
            "optimizer": self.stepping.step.optimizer_state,
            "keeper": self.keeper.state(),
            "average": {} if self.averaging is None else self.averaging.state(),
            "callbacks": [own for listener in self.listeners if (own := listener.state())],
        }

    def _restore(self, state: State) -> None:
        """Go on from what `_state` gave."""
        training, network = self.training, self.training.network
        network.set_weights(state["weights"])
        network.past = Past.from_config(state["past"])
        self.stepping.step.restore(state["optimizer"], state["steps"], *state["pending"])
        self.keeper.restore(state["keeper"])
        if self.averaging is not None:
            self.averaging.restore(state["average"])
        training.epoch, self._first, training.stop = state["epoch"], state["batch"], state["stop"]
        training.batch = max(self._first - 1, 0)
        training.seconds, training.waited = state["seconds"], state["waited"]
        training.learning_rate, training.factor = state["learning_rate"], state["factor"]
        training.logs, self._means = dict(state["logs"]), RunningMeans(state["means"])
        training.history.figures = {name: list(values) for name, values in state["history"]["figures"].items()}
        training.history.epoch_seconds = list(state["history"]["seconds"])
        training.history.waiting_seconds = list(state["history"]["waited"])
        remembering = [listener for listener in self.listeners if listener.state()]
        for listener, own in zip(remembering, state["callbacks"], strict=True):
            listener.restore(own)


def ended(network: PlainNetwork, state: State) -> History:
    """Give a network the weights of a training that is over, and return what it gave."""
    if not network.initialized:
        network.initialize()
    network.set_weights(state["weights"])
    network.past = Past.from_config(state["past"])
    history = state["history"]
    figures = {name: list(values) for name, values in history["figures"].items()}
    return History(figures, history["seconds"], history["images"], waiting_seconds=history["waited"])
