"""The metrics of a training or an evaluation, from what somebody wrote: names, objects, functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from convgrad.arguments import shown
from convgrad.compute.several import listed
from convgrad.errors import TrainingError, suggestion
from convgrad.losses import Loss
from convgrad.network.losses import Losses
from convgrad.network.plain import PlainNetwork
from convgrad.training.metrics import (
    LOGITS,
    Meaning,
    Metric,
    accuracy,
    accuracy_above,
    answers_right,
    meaning_of,
    places_right,
    registry,
)
from convgrad.training.whole_metrics import NAMES, MetricOf, whole_metric

Chosen = str | Metric | MetricOf | Callable[..., Any]
Metrics = Chosen | Iterable[Chosen] | Mapping[str, Chosen | Iterable[Chosen]] | None
"""What `metrics=` may be."""
_OF_CLASSES = ("accuracy", "top3", "top5")


def _listed(chosen: Any) -> tuple[Chosen, ...]:
    try:
        return tuple(chosen)
    except TypeError:
        raise TrainingError(f"metrics must be a list of names or Metric objects, not {shown(chosen)}.") from None


def meanings_of(network: PlainNetwork, loss: Loss | Losses, given: Any) -> dict[str, Meaning]:
    """What the targets of each output mean, as they were given; of an only output, under "".

    Raises:
        TrainingError: targets that fit no meaning.
    """
    if not isinstance(loss, Losses):
        return {"": meaning_of(given, loss, network.output_shape)}
    return {name: meaning_of(given.parts[name], one, network.output_shapes[name]) for name, one in loss.of.items()}


def metrics_for(
    network: PlainNetwork, chosen: Metrics, loss: Loss | Losses, meanings: Mapping[str, Meaning]
) -> tuple[Metric, ...]:
    """The metrics of a network's outputs. Of several, one is called `class_accuracy`, after the output that it is of.

    Args:
        chosen: of several outputs, a table from their names to what each gets, which may be a list; or what all get.
        meanings: what `meanings_of` found.

    Raises:
        TrainingError: a metric that there is not, that has no meaning for such targets, or of no output.
    """
    if not isinstance(loss, Losses):
        if isinstance(chosen, Mapping):
            raise TrainingError(
                "metrics is a table, but the network has one output. Give a list: metrics=['accuracy']."
            )
        return metrics_from(chosen, loss, meanings[""])
    names = network.ends.output_names
    table = chosen if isinstance(chosen, Mapping) else dict.fromkeys(names, chosen)
    for name in table:
        if name not in names:
            raise TrainingError(f"metrics has {shown(name)}, but the network's outputs are {listed(names)}.")
    found: list[Metric] = []
    for name, one in loss.of.items():
        found += [_of_output(metric, name) for metric in metrics_from(table.get(name, ()), one, meanings[name])]
    return tuple(found)


def _of_output(metric: Metric, output: str) -> Metric:
    """The metric of one of several outputs."""

    def figure(outputs: Any, targets: Any) -> Any:
        return metric.each(outputs.parts[output], targets.parts[output])

    return replace(metric, name=f"{output}_{metric.name}", each=figure)


def metrics_from(
    chosen: Chosen | Iterable[Chosen] | None, loss: Loss | None = None, meaning: Meaning = "classes"
) -> tuple[Metric, ...]:
    """The metrics of these names; a `Metric` stands for itself, a function for `MetricOf(function)`.

    None: accuracy, and `mae` where targets are numbers.

    `accuracy` is the share of examples whose class is named; where targets are `answers`, the share of answers that
    are right, over all outputs of all examples; where they are `places`, the mean over examples of the share of places.

    Args:
        loss: tells what outputs mean: with binary cross-entropy they are logits, and yes is above 0, not above 0.5.
        meaning: what the targets are, by `meaning_of`.

    Raises:
        TrainingError: there is no metric of that name, or it has no meaning for such targets.
    """
    if chosen is None:
        chosen = ("mae",) if meaning == "numbers" else ("accuracy",)
    alone = isinstance(chosen, (str, Metric, MetricOf)) or callable(chosen)
    return tuple(_metric(one, loss, meaning) for one in ((chosen,) if alone else _listed(chosen)))


def _metric(chosen: Any, loss: Loss | None, meaning: Meaning) -> Metric:
    if isinstance(chosen, Metric):
        return chosen
    if isinstance(chosen, MetricOf) or (callable(chosen) and not isinstance(chosen, type)):
        return (chosen if isinstance(chosen, MetricOf) else MetricOf(chosen)).metric(meaning, loss)
    if isinstance(chosen, str) and chosen in NAMES:
        return whole_metric(chosen, meaning, loss)
    if not isinstance(chosen, str) or chosen not in registry:
        raise TrainingError(f"There is no metric {shown(chosen)}.{suggestion(chosen, (*registry, *NAMES))}")
    if chosen in _OF_CLASSES and (meaning == "numbers" or (meaning in ("answers", "places") and chosen != "accuracy")):
        raise TrainingError(_refusal(chosen, meaning))
    if chosen == "accuracy":
        of_outputs = {"answers": answers_right, "places": places_right}
        return of_outputs.get(meaning) or (accuracy_above(0.0) if isinstance(loss, LOGITS) else accuracy)
    return registry[chosen]


def _refusal(metric: str, meaning: Meaning) -> str:
    if meaning == "places":
        return (
            f"The metric {metric!r} is for one class an example, but these targets have one for each place. Use "
            "'accuracy', the share of places that are right, or 'iou'."
        )
    if meaning == "answers":
        return (
            f"The metric {metric!r} is for one class of several, but these targets are answers of yes or no. Use "
            "'accuracy', the share of answers that are right, or give labels."
        )
    return (
        f"The metric {metric!r} counts right classes, but these targets are numbers. Use 'mae' or "
        "'mean_squared_error', or a Metric of your own. Where classes are meant, give labels (whole numbers) or "
        "one-hot rows; for answers of yes or no take the loss 'binary_cross_entropy'."
    )
