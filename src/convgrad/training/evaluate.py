"""How good a network is on given examples, its weights as they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.arguments import at_least, takes
from convgrad.compute.oracle.program import compile_program
from convgrad.errors import TrainingError
from convgrad.losses import Loss, loss_from
from convgrad.network.plain import NETWORK, PlainNetwork
from convgrad.network.targets import Targets
from convgrad.training.chosen_metrics import Chosen, metrics_from
from convgrad.training.examples import Array, checked_inputs
from convgrad.training.metrics import Metric, meaning_of

LOSS_ROWS = 1024
"""Examples whose loss is computed at once."""


@takes(TrainingError, network=NETWORK, batch_size=at_least(1))
def evaluate(
    network: PlainNetwork,
    x: Any,
    y: Any,
    *,
    loss: str | Loss | None = None,
    metrics: Chosen | Iterable[Chosen] | None = None,
    batch_size: int = 256,
    engine: str = "auto",
) -> dict[str, float]:
    """The loss and the metrics, each the mean over all examples.

    Args:
        x: (N, *input_shape) floats, or bytes (uint8) of 0..255, which become 0..1.
        y: labels (N,), or an array like the outputs, (N, *output_shape).
        loss: name or object; by default the one that the network was last trained with, else softmax_cross_entropy.
        metrics: names or objects; by default accuracy, or `mae` where the targets are numbers. Accuracy is the share
            of examples whose class is right, or with binary cross-entropy and an array y, of right answers.
        batch_size: examples at once at most; the figures do not depend on it.
        engine: "halide", "oracle" or "auto".

    Returns:
        Name -> mean: `loss` and each metric.

    Raises:
        DataError: the arrays can't be meant like this.
        TrainingError: a metric that there is not, or that has no meaning for such targets.
    """
    function = loss_from(network.loss if loss is None else loss)
    inputs, targets = checked_examples(network, function, x, y, "test data")
    chosen = metrics_from(metrics, function, meaning_of(y, function, network.output_shape))
    return figures(network, inputs, targets, function, chosen, batch_size, engine)


def checked_examples(network: PlainNetwork, loss: Loss, x: Any, y: Any, where: str) -> tuple[Array, Array]:
    """Inputs and targets as network and loss take them.

    Raises:
        DataError: the arrays can't be meant like this; `where` is what the message calls them.
    """
    targets = Targets(loss, network.output_shape)
    inputs = checked_inputs(x, network.input_shape, where, network.dtype)
    return inputs, targets.of(y, len(inputs), where, network.dtype)


def figures(
    network: PlainNetwork,
    inputs: Array,
    targets: Array,
    loss: Loss,
    metrics: Iterable[Metric],
    batch_size: int = 256,
    engine: str = "auto",
) -> dict[str, float]:
    """`evaluate` for arrays that were checked already."""
    outputs = network.predict(inputs, batch_size=batch_size, engine=engine)
    means = {"loss": float(losses(loss, outputs, targets).mean())}
    return means | {metric.name: metric(outputs, targets) for metric in metrics}


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
