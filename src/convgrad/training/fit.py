"""Training: what is asked for, checked, and handed to the loop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from os import PathLike
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.arguments import COUNT, FLAG, PAIR, POSITIVE, SEED, Rule, between, optional, takes
from convgrad.compute.choose import name_of, processor
from convgrad.data import Batches, Data
from convgrad.data.changes import Augmenting
from convgrad.data.changes_of_several import OfInputs, Target, changes_for
from convgrad.errors import DataError, TrainingError
from convgrad.network.chosen import Names
from convgrad.network.frozen import frozen_from
from convgrad.network.losses import AnyLoss, loss_for
from convgrad.network.plain import NETWORK, PlainNetwork
from convgrad.network.precision import PRECISION, is_mixed
from convgrad.network.sharded import ShardedStep
from convgrad.network.statistics import statistics_of
from convgrad.network.step import TrainingStep
from convgrad.optimizers import Optimizer, optimizer_from
from convgrad.parallel.start import DEFAULT_SHARDS, group_from
from convgrad.training.advice import warn_of_small_shards, warn_of_small_statistics, warn_of_two_activations
from convgrad.training.alone import in_group, trains_alone
from convgrad.training.averaging import Average, Averaging, average_from
from convgrad.training.checkpoint import as_json
from convgrad.training.chosen_metrics import Metrics, meanings_of, metrics_for
from convgrad.training.evaluate import checked_examples, data_for
from convgrad.training.events import Callback, Training, checked_callbacks
from convgrad.training.examples import Examples, Rows
from convgrad.training.history import History
from convgrad.training.loop import Loop, ended
from convgrad.training.metrics import of_each
from convgrad.training.progress import ProgressTable
from convgrad.training.resuming import Checkpoint, Keeper, checkpoint_from, data_digest, described, digest
from convgrad.training.safeguard import WeightKeeper
from convgrad.training.schedules import Schedule, schedule_from
from convgrad.training.splitting import check_unseen, split_rows, warn_of_held_out
from convgrad.training.stepping import InShards, Stepping, Whole
from convgrad.training.weighing import ClassWeight, weighing_from
from convgrad.training.whole_metrics import check_validated

VALIDATION = Rule("a pair (x, y) or a Data", lambda value: PAIR.accepts(value) or isinstance(value, Data))


@takes(
    TrainingError,
    network=NETWORK,
    epochs=COUNT,
    batch_size=COUNT,
    accumulate=COUNT,
    learning_rate=optional(POSITIVE),
    validation_split=between(0, 1),
    validation_data=optional(VALIDATION),
    seed=SEED,
    split_seed=SEED,
    shuffle=FLAG,
    verbose=FLAG,
    resume=FLAG,
    shards=optional(COUNT),
    precision=PRECISION,
)
@in_group
@trains_alone
def fit(
    network: PlainNetwork,
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
    augment: Augmenting | OfInputs | None = None,
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
    """Train a network on examples x with targets y.

    Args:
        x: (N, *input_shape) floats, or bytes (uint8) of 0..255, which become 0..1; images are (N, rows, columns,
            channels). Of several inputs, a table of arrays by name, or a list in the inputs' order. Or a `Data` for
            examples that are elsewhere than in memory, without y.
        y: labels (N,) of 0 .. classes-1, or an array like the outputs, (N, *output_shape). Of several outputs, a table
            of them by name, or a list in the outputs' order.
        epochs: how often all examples are seen, after those of earlier calls (`network.past.epochs`).
        batch_size: examples in one update of the weights.
        optimizer, loss: names or objects. Of several outputs, `loss` is a table of losses by output, a list, or one for
            all; the history then has `class_loss` beside `loss`, for an output `class`.
        loss_weights: what the loss of each output counts in their sum, above 0; 1 where nothing is said.
        learning_rate: the highest one; by default the optimizer's.
        schedule: how it changes in the course of the training: a name in `schedules.SCHEDULES` or a function from the
            fraction done to a factor; constant by default.
        validation_split: share of the examples to hold out and validate with after each epoch, drawn by `split_seed`
            from every class alike.
        validation_data: (x, y), or a `Data`, to validate with instead.
        metrics: figures beside the loss, by name, as `Metric` or as a function (targets, predictions); by default as in
            `evaluate`. Of several outputs, a table from their names to such or lists of such, or what all of them get.
            Those of all examples together, such as "f1", are of validation examples only.
        sample_weight: (N,) how much each example counts, at least 0. The loss of a batch, and of an epoch, is then the
            weighted mean: sum[n](u[n] * E[n]) / sum[n](u[n]). Validation and metrics count each example once.
        class_weight: the same by class: "balanced" for N / (K * N[k]), with N[k] examples of class k of K classes; a
            table from numbers or names of classes to weights above 0, 1 for those that it lacks; or K weights.
        frozen: layers and weights that stay as they are, to the bit, and for which no gradients are computed: names
            such as "conv1" and "conv2.w", or patterns of names, "conv*". A frozen BatchNorm uses its moving statistics.
        accumulate: batches whose gradients make one update, but for rounding that of one batch of all their examples.
            Where examples of a batch meet (BatchNorm), they still meet in batches of `batch_size` only.
        average: "ema", "swa", `EMA(decay)` or `SWA(start)`: a mean of the weights, which is validated after each epoch
            as soon as there is one, and which the network has at the end.
        callbacks: told of what happens; may stop the training.
        augment: random changes of the training images, new ones in every epoch: an `Augment`, or a list of changes
            (`Flip()`, `Crop(4)`, `Colour()`, `RandAugment()`, `MixUp()`, functions of your own, as `Changes` says).
            Targets that are images of the same rows and columns move with them. Of several inputs, a table of such by
            input, {"image": [Flip(), Crop(4)]}; those that are changed alike stand in brackets, ("left", "right").
        seed: of the initial weights, order, augmentation and dropout: the same seed gives the same bits.
        split_seed: of the split alone, so that a network that is trained on, with whatever seed, keeps its split.
        verbose: show a table, and on a terminal a progress bar.
        engine: "halide", "oracle" or "auto".
        precision: "mixed_bfloat16" rounds the factors of products in dense layers and convolutions, and the results
            that layers pass on, to bfloat16, and validates so; sums, weights, statistics and losses stay float32. By
            default all of it is in the network's dtype. Whoever predicts says it again: the network does not keep it.
        checkpoint: a folder to keep the training in while it goes on, or a `Checkpoint` that says how often.
        resume: go on from the folder's checkpoint, where there is one; the weights at the end are those of a training
            that was never interrupted, to the bit. One that had ended gives its weights and figures at once.
        shards: parts that each batch is cut into, whose gradients are added up in one order. Where the examples of a
            batch meet (BatchNorm), those of a part do. It belongs to the training: the same shards give the same bits,
            however many processes compute them. Batches stay whole by default, and with `parallel` there are 8.
        parallel: "mpi" where `mpirun` or the like has started this program several times: the processes share the
            shards, and each has the weights and figures at the end. One of them writes.

    Returns:
        The figures per epoch. After Ctrl-C `history.interrupted` is True and the weights are those of the last whole
        batch.

    Raises:
        DataError: the arrays can't be meant like this; found before anything is compiled.
        TrainingError: options that can't work, or the network is in training by another call; a checkpoint of another
            training, or one that `resume` was not asked for.
        Diverged: the loss became NaN or infinite. The network has its last good weights again.
        EndedElsewhere: another one of several processes raised an error.
    """
    group = group_from(parallel)
    if shards is None:
        shards = 1 if parallel is None else DEFAULT_SHARDS
    function, optimizer = loss_for(network.ends.output_names, loss, loss_weights), optimizer_from(optimizer)
    factor = schedule_from(schedule)
    keeping = checkpoint_from(checkpoint, resume)
    listeners = [*checked_callbacks(callbacks), *([ProgressTable()] if verbose else [])]

    data = data_for(network, x, y, "training data")
    names = network.preparation.class_names if network.past.updates else data.class_names
    examples = checked_examples(network, function, data, "training data", names)
    meanings = meanings_of(network, function, examples.given)
    chosen = metrics_for(network, metrics, function, meanings)
    targets = {
        name: Target(shape, classes=meanings[name] == "classes", tags=meanings[name] == "answers")
        for name, shape in examples.target_shapes.items()
    }
    changing, together = changes_for(augment, network.ends.inputs, targets)
    if validation_split and validation_data is not None:
        raise TrainingError("validation_split and validation_data are both given. Give one of them.")
    validation, rows = None, np.arange(len(examples))
    if validation_data is not None:
        xv, yv = (validation_data, None) if isinstance(validation_data, Data) else validation_data
        given = data_for(network, xv, yv, "validation data")
        validation = checked_examples(network, function, given, "validation data", names)
    elif validation_split:
        validation, rows = _held_out(network, examples, validation_split, split_seed)
    check_validated(chosen, validation is not None, None if validation is None else validation.targets)
    if examples.ordered:
        warn_of_held_out(network, examples.inputs, rows, stacklevel=4)
    if group.size > 1 and not examples.ordered:
        raise TrainingError(
            "Processes that train together can't share a stream: each would get examples of its own. Use a source with "
            "positions, such as Data.items(...)."
        )
    if keeping is not None and not all(part.ordered for part in (examples, validation) if part is not None):
        raise TrainingError(
            "A training on a stream can't be kept in a checkpoint: a generator can't be put back to where it was. Use "
            "a source with positions, such as Data.items(...), or leave checkpoint out and save the network afterwards."
        )
    if names:
        _check_names(names, network.output_shape[-1])
        network.preparation = replace(network.preparation, class_names=tuple(names))
    rows = examples.rows_that_count(rows)
    if validation is not None:
        validation.rows_that_count(np.arange(len(validation)))
    weighing, rows = weighing_from(
        sample_weight,
        class_weight,
        examples,
        rows,
        meanings.get("", "several"),
        max(2, *(shape[-1] for shape in network.output_shapes.values())),
        names,
    )
    kept, mean = frozen_from(network.layers, frozen), average_from(average)
    if group.leads:
        warn_of_two_activations(network, function, stacklevel=4)

    rate = optimizer.learning_rate if learning_rate is None else learning_rate
    found = writer = None
    asked: dict[str, Any] = {}
    if keeping is not None or group.size > 1:
        asked = {
            "network": network.to_config(),
            "data": _digest_of(examples),
            "validation": _digest_of(validation),
            "epochs": epochs,
            "batch_size": batch_size,
            "optimizer": described(optimizer),
            "loss": described(function),
            "learning_rate": float(rate),
            "schedule": described(schedule or "constant"),
            "metrics": [metric.name for metric in chosen],
            "callbacks": [listener.described() for listener in listeners if listener.state()],
            "augment": described(changing),
            "seed": seed,
            "shuffle": shuffle,
            "engine": name_of(engine),
            **({} if weighing is None else weighing.described()),
            **({"accumulate": accumulate} if accumulate > 1 else {}),
            **({} if mean is None else {"average": described(mean)}),
            **({"frozen": sorted(kept.tensors)} if kept.tensors else {}),
            **({"shards": shards} if shards > 1 else {}),
            **({"precision": precision} if is_mixed(precision, network.dtype) else {}),
        }
    if group.size > 1:
        group.agree(_everything(network, asked, engine))
    if keeping is not None:
        found = group.first(lambda: keeping.found(asked, resume))
        if found is not None and found["state"]["ended"]:
            return ended(network, found["state"])
        writer = Keeper(keeping, asked)

    each = of_each(chosen)
    options: dict[str, Any] = {
        "seed": seed,
        "engine": engine,
        "frozen": kept.tensors,
        "accumulate": accumulate,
        "precision": precision,
    }

    def measured(outputs: Any, labels: Any) -> list[float]:
        return [metric(outputs, labels) for metric in each]

    stepping: Stepping
    if shards > 1:
        options |= {"measure": measured, "measures": len(each)}
        stepping = InShards(ShardedStep(network, function, optimizer, batch_size, shards, group, **options))
    else:
        group.check_shards(shards)
        stepping = Whole(TrainingStep(network, function, optimizer, batch_size, **options), measured)
    step = stepping.step
    step.prepare(len(rows) % batch_size or batch_size)
    if group.leads and shards > 1 and step.examples_meet:
        warn_of_small_shards(network, batch_size // shards, stacklevel=4)
    if group.leads and accumulate > 1 and step.examples_meet:
        warn_of_small_statistics(network, batch_size, stacklevel=4)
    history = History(images=len(rows), compile_seconds=step.compile_seconds)
    batches = Batches(examples, None, batch_size, seed, shuffle, changing, rows, together, weighing)
    if group.size > 1:
        batches = replace(batches, own=lambda: stepping.own_rows)
    averaging = None
    if mean is not None:
        layers = [kept.apply(placed) for placed in network.layers]

        def statistics() -> dict[str, npt.NDArray[Any]]:
            own = (batch.images[: batch.real_count] for batch in batches.epoch(network.past.epochs))
            return statistics_of(network, layers, own, seed, engine)

        averaging = Averaging(mean, network, frozenset(network.parameters) - kept.tensors, statistics)
    loop = Loop(
        training=Training(
            network, epochs, len(batches), batch_size, len(rows), history, metrics=chosen, held=examples.held
        ),
        stepping=stepping,
        batches=batches,
        loss=function,
        metrics=chosen,
        learning_rate=rate,
        factor=factor,
        listeners=listeners,
        keeper=WeightKeeper(network),
        validation=validation,
        engine=engine,
        precision=precision,
        keeping=writer,
        averaging=averaging,
        group=group,
    )
    if examples.ordered:
        network.past.add(examples.inputs, rows)
    loop.run(None if found is None else found["state"])
    return history


def _held_out(network: PlainNetwork, examples: Examples, share: float, seed: int) -> tuple[Examples, Rows]:
    """A share of the examples to validate with, drawn from each class alike, and the positions of the others."""
    if not examples.ordered:
        raise TrainingError(
            "validation_split can't hold examples of a stream out: which ones come is its own affair. Give "
            "validation_data, or a source with positions: Data.items(...)."
        )
    known = examples.data.targets_to_split()
    rows, held_out = split_rows(np.zeros(len(examples)) if known is None else known, share, seed)
    check_unseen(network, examples.inputs, held_out)
    return examples.at(held_out), rows


def _digest_of(examples: Examples | None) -> str | None:
    return None if examples is None else data_digest(examples.inputs, examples.some_targets())


def _everything(network: PlainNetwork, asked: Mapping[str, Any], engine: str) -> dict[str, Any]:
    """What processes that train together must have in common."""
    weights = digest(np.concatenate([array.reshape(-1) for array in network.get_weights().values()]))
    return {
        "convgrad": version("convgrad"),
        "the processor that is compiled for": processor(engine),
        **{f"`{name}`": value for name, value in asked.items() if name != "network"},
        "`network`": digest(np.frombuffer(as_json(asked["network"]), np.uint8)),
        "its weights before": weights if network.initialized else "drawn by the seed",
    }


def _check_names(names: Sequence[str], outputs: int) -> None:
    """Each output is of one class; a single one is no or yes."""
    classes = max(2, outputs)
    if len(names) != classes:
        found = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
        raise DataError(
            f"training data: there are {len(names)} class names ({found}), but the network has {outputs} outputs, so "
            f"{classes} classes. Build it for {len(names)}, or give all names: Data(x, y, class_names=[...])."
        )
