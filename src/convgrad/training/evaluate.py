"""How good a network is on given examples, its weights as they are."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.arguments import an, at_least, takes
from convgrad.compute.oracle.program import compile_program
from convgrad.compute.several import Several, each, named
from convgrad.data.ahead import read_ahead, rows_at_once
from convgrad.data.data import Data, data_from
from convgrad.errors import TrainingError
from convgrad.losses import Loss
from convgrad.network.losses import AnyLoss, Losses, loss_for
from convgrad.network.plain import NETWORK, PlainNetwork
from convgrad.network.precision import PRECISION
from convgrad.training.chosen_metrics import Metrics, meanings_of, metrics_for
from convgrad.training.examples import Array, Examples, inputs_for
from convgrad.training.metrics import Metric

DEFAULT_ROWS = 256
"""Examples at once, where nobody says how many."""
LOSS_ROWS = 1024
"""Examples whose loss is computed at once."""


@takes(TrainingError, network=NETWORK, batch_size=at_least(1), precision=PRECISION)
def evaluate(
    network: PlainNetwork,
    x: Any,
    y: Any = None,
    *,
    loss: AnyLoss | None = None,
    metrics: Metrics = None,
    batch_size: int = DEFAULT_ROWS,
    engine: str = "auto",
    precision: str | None = None,
) -> dict[str, float]:
    """The loss and the metrics, each the mean over all examples.

    Args:
        x: (N, *input_shape) floats, or bytes (uint8) of 0..255, which become 0..1; of several inputs, a table by name
            or a list in their order. Or a `Data`, without y.
        y: labels (N,), or an array like the outputs, (N, *output_shape); of several outputs, a table or list of them.
        loss: name or object, of several outputs a table or list of them; by default the one that the network was last
            trained with, else softmax_cross_entropy.
        metrics: names or objects; by default accuracy, or `mae` where the targets are numbers. Accuracy is the share
            of examples whose class is right, or with binary cross-entropy and an array y, of right answers.
        batch_size: examples at once at most; the figures do not depend on it.
        engine: "halide", "oracle" or "auto".
        precision: as `predict` takes it.

    Returns:
        Name -> mean: `loss` and each metric; of several outputs also `class_loss`, and `class_accuracy` and so on.

    Raises:
        DataError: the arrays can't be meant like this.
        TrainingError: a metric that there is not, or that has no meaning for such targets.
    """
    function = loss_for(network.ends.output_names, network.loss if loss is None else loss)
    data, names = data_for(network, x, y, "test data"), network.preparation.class_names
    examples = checked_examples(network, function, data, "test data", names)
    chosen = metrics_for(network, metrics, function, meanings_of(network, function, examples.given))
    return figures(network, examples, function, chosen, batch_size, engine, precision)


def data_for(network: PlainNetwork, x: Any, y: Any, where: str) -> Data:
    """What a function was given as x and y, as one object: several inputs and outputs by name.

    Raises:
        DataError: y is missing, or there beside a `Data`; an input or output is missing or unknown.
    """
    ends = network.ends
    if not isinstance(x, Data):
        x = named(x, ends.input_names, where, "x", "inputs")
        y = None if y is None else named(y, ends.output_names, where, "y", "outputs")
    return data_from(x, y, where)


def checked_examples(
    network: PlainNetwork, loss: Loss | Losses, data: Data, where: str, names: tuple[str, ...] = ()
) -> Examples:
    """Inputs and targets as network and loss take them.

    Args:
        where: what a message calls the data. names: of the network's classes, where they are known: those of the data
            are numbered alike.

    Raises:
        DataError: the data can't be meant like this.
    """
    return Examples(network, loss, data.with_classes(names, where) if names else data, where)


def figures(
    network: PlainNetwork,
    examples: Examples,
    loss: Loss | Losses,
    metrics: Iterable[Metric],
    batch_size: int = DEFAULT_ROWS,
    engine: str = "auto",
    precision: str | None = None,
) -> dict[str, float]:
    """`evaluate` for examples that were checked already.

    Of those that are not in memory, one block is looked at after the other, and values of each example are kept, or
    all outputs and targets where a metric is of all together: the figures are the same to the bit.
    """
    chosen = tuple(metrics)
    names = ["loss", *(f"{output}_loss" for output in network.ends.output_names)]
    values: dict[str, list[Array]] = {name: [] for name in names}
    values |= {metric.name: [] for metric in chosen if metric.of_each}
    kept: list[tuple[Any, Any]] = []
    for inputs, targets in (examples.counted(*block) for block in examples.blocks(batch_size)):
        if not len(inputs):
            continue
        outputs: Any = network.predict(inputs, batch_size=batch_size, engine=engine, precision=precision)
        if network.ends.output_names:
            outputs = Several(outputs)
        for name, found in zip(names, losses_of(loss, outputs, targets), strict=True):
            values[name].append(found)
        if not all(metric.of_each for metric in chosen):
            kept.append((outputs, targets))
        for metric in chosen:
            if metric.of_each:
                values[metric.name].append(np.asarray(metric.each(outputs, targets)))
    if not values["loss"]:
        raise examples.none_counts()
    means = {name: float(np.average(np.concatenate(parts))) for name, parts in values.items()}
    whole = [each(lambda *blocks: np.concatenate(blocks), *parts) for parts in zip(*kept, strict=True)]
    means |= {metric.name: metric(*whole) for metric in chosen if not metric.of_each}
    return {name: means[name] for name in (*names, *(metric.name for metric in chosen))}


@takes(TrainingError, network=NETWORK, data=an(Data, "a Data"), batch_size=at_least(1))
def predict(
    network: PlainNetwork,
    data: Data,
    batch_size: int = DEFAULT_ROWS,
    engine: str = "auto",
    precision: str | None = None,
) -> Any:
    """The network's results (N, *output_shape) for the examples of a `Data`, which are read while it computes; of
    several outputs, a table by name.

    Raises:
        DataError: an example can't be read, or does not fit.
    """
    size = rows_at_once(batch_size, network.ends.input_size * np.dtype(network.dtype).itemsize, data.threads)
    starts = range(0, len(data), size)

    def block(start: int) -> Any:
        rows = np.arange(start, min(start + size, len(data)))
        return inputs_for(network, data.take(rows)[0], "x", rows)

    with closing(read_ahead(starts, block, data.threads)) as blocks:  # type: ignore[type-var]
        results = [network.predict(inputs, size, engine, precision) for inputs in blocks]
    if not network.ends.output_names:
        return np.concatenate(results)
    return {name: np.concatenate([one[name] for one in results]) for name in network.ends.output_names}


def losses_of(loss: Loss | Losses, outputs: Any, targets: Any) -> list[npt.NDArray[np.float64]]:
    """The loss of each example (N,); of several outputs, their weighted sum, and those of each."""
    if not isinstance(loss, Losses):
        return [losses(loss, outputs, targets)]
    parts = {name: losses(one, outputs.parts[name], targets.parts[name]) for name, one in loss.of.items()}
    total = sum(loss.weights[name] * found for name, found in parts.items())
    return [np.asarray(total), *parts.values()]


def losses(loss: Loss, outputs: Array, targets: Array) -> npt.NDArray[np.float64]:
    """The loss of each example (N,), by the loss's equation in float64.

    Args:
        outputs: (N, *output_shape). targets: as the loss takes them.
    """
    rows = min(len(outputs), LOSS_ROWS)
    built = loss.build(outputs.shape[1:])
    program = compile_program(built.bound(rows), ["E"], dtype="float64")
    result = np.empty(len(outputs))
    for start in range(0, len(outputs), rows):
        count = min(rows, len(outputs) - start)
        for name, source, shape in (("y", outputs, built.prediction_shape), ("t", targets, built.target_shape)):
            program.arrays[name][:count] = source[start : start + count].reshape(count, *shape)
        program.run()
        result[start : start + count] = program.arrays["E"][:count]
    return result
