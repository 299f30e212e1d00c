"""From what a person gives (an input, deltas, pinned values) to a trace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod

import numpy as np
import numpy.typing as npt

from convgrad.arguments import TABLE, at_least, optional, reals, shown, takes
from convgrad.compute.samples import shares_of_bytes
from convgrad.errors import DataError, DerivationError, ModelError, suggestion
from convgrad.explain.trace.given import Array, Start
from convgrad.explain.trace.numbers import TOLERANCE
from convgrad.explain.trace.trace import Trace
from convgrad.losses import Loss, loss_from
from convgrad.network.plain import NETWORK, PlainNetwork
from convgrad.network.plan import INPUT, LOSS_WEIGHTS, TARGET, Plan, training_plan
from convgrad.network.step import step_seed
from convgrad.network.targets import Targets
from convgrad.notation.terms import gradient_name
from convgrad.optimizers import Optimizer, optimizer_from

Values = Mapping[str, npt.ArrayLike]


@takes(DataError, network=NETWORK, deltas=optional(TABLE), pins=optional(TABLE), seed=at_least(0))
def trace(
    network: PlainNetwork,
    x: npt.ArrayLike | None = None,
    target: npt.ArrayLike | None = None,
    *,
    loss: str | Loss | None = None,
    optimizer: str | Optimizer = "sgd",
    deltas: Values | None = None,
    pins: Values | None = None,
    seed: int = 0,
) -> Trace:
    """Every tensor of one training step, computed when it is asked for.

    Args:
        x: one example, of the network's input shape, or a batch (N, *input_shape), axes of length 1 left out or not;
            None where deltas and pins are enough.
        target: of the example, or one for each of the batch; None where deltas are given, or nothing behind the forward
            pass is asked for.
        loss: half_squared_error where None, or the one that the network was trained with. Not needed, and free to be
            of another shape, where no target is given.
        optimizer: of the update; its state is that of the first step.
        deltas: tensor, such as "dense1.x", layer or gradient, "dense1.dx" -> the gradient of the error with respect to
            it. Whatever the equations say it is, all that reads it goes on from there.
        pins: tensor -> values to go on from in place of what its equation says.
        seed: of initial weights, where the network has none yet, and of the random numbers of Dropout.

    Values have the tensor's shape, or are as many in one row; axes of length 1 need not be written.

    Raises:
        DataError: a tensor is not there, or values have the wrong shape or are not numbers.
        ModelError: the loss does not fit the network.
    """
    if not network.initialized and not any(array.any() for array in network.parameters.values()):
        network.initialize(seed)
    _check_traced(network)
    deltas, pins = deltas or {}, pins or {}
    batch, inputs = _example(network, x)
    chosen = optimizer_from(optimizer)
    measured = _loss(network, loss, needed=target is not None)
    plan = _plan(network, batch, measured, chosen)
    replaced = dict(_delta(network, plan, name, value, batch) for name, value in deltas.items())
    # A given delta is a tensor of its own, even where it would be another gradient seen in its shape.
    plan = replace(plan, views={name: source for name, source in plan.views.items() if name not in replaced})
    shapes = plan.equation.shape_of
    given: dict[str, npt.ArrayLike] = {**network.get_weights()}
    given |= {name: np.full(shapes[name], value) for name, value in plan.state.items()}
    given |= {plan.scalars[n]: v for n, v in chosen.all_scalars(0, chosen.learning_rate).items() if n in plan.scalars}
    given |= {name: step_seed(seed, 0, place) for place, name in enumerate(plan.seeds)}
    if batch is not None:
        given[LOSS_WEIGHTS] = np.full(batch, 1 / batch)
    if inputs is not None:
        given[INPUT] = inputs
    if target is not None and TARGET in shapes:
        taken = Targets(measured, network.output_shape)
        given[TARGET] = _target(target, shapes[TARGET], batch, taken)
        if batch is not None:
            given[LOSS_WEIGHTS] = taken.shares(np.asarray(given[TARGET]))
    known = {name: _values(name, value, shapes[name]) for name, value in given.items() if name in shapes}
    pinned = {name: _pin(plan, name, value, batch) for name, value in pins.items()}
    defined = {d.name for d in plan.definitions}
    precision = TOLERANCE if network.dtype == "float64" else 4 * float(np.finfo(np.float32).eps)
    return Trace(
        Start(
            network=network,
            plan=plan,
            given={**known, **{name: value for name, value in pinned.items() if name not in defined}},
            deltas=replaced,
            pins={name: value for name, value in pinned.items() if name in defined},
            batch=batch,
            loss=measured,
            optimizer=chosen,
            seed=seed,
            tolerance=precision,
        )
    )


def _check_traced(network: PlainNetwork) -> None:
    """Raises: ModelError for a network of several inputs or outputs, or with a layer in several places."""
    network.ends.check_only()
    shared = [placed for placed in network.layers if placed.before]
    if shared:
        raise ModelError(
            f"Layer `{shared[0].shared}` stands in several places, `{shared[0].shared}` and `{shared[0].name}`, and a "
            "trace is of a network whose layers have one each. Put a second layer there, of the same weights."
        )


def _example(network: PlainNetwork, x: npt.ArrayLike | None) -> tuple[int | None, Array | None]:
    """The number of examples, None where there is one without a batch axis, and the input."""
    mixes = any(placed.built.batch_index for placed in network.layers)
    if x is None:
        return (1 if mixes else None), None
    inputs = _numbers("The input", shares_of_bytes(x, "float64"))
    shape = network.input_shape
    if inputs.shape == shape:
        return (1, inputs[None]) if mixes else (None, inputs)
    if inputs.ndim == len(shape) + 1 and inputs.shape[1:] == shape and len(inputs):
        return len(inputs), inputs
    if without_ones(inputs.shape) == without_ones(shape) or inputs.shape == (prod(shape),):
        one = inputs.reshape(shape)
        return (1, one[None]) if mixes else (None, one)
    if inputs.ndim > 1 and inputs.shape[1:] == without_ones(shape) and len(inputs):
        return len(inputs), inputs.reshape(len(inputs), *shape)
    raise DataError(
        f"The network takes an example of shape {shape}, or a batch of shape (N, {', '.join(map(str, shape))}), "
        f"but x has shape {inputs.shape}."
    )


def _loss(network: PlainNetwork, loss: str | Loss | None, needed: bool) -> Loss:
    """The loss; where nothing needs it, one that fits every result in place of one that does not fit this one."""
    default = loss_from("half_squared_error")
    found = loss_from(loss) if loss is not None else network.loss if isinstance(network.loss, Loss) else default
    try:
        found.build(network.output_shape)
    except ModelError:
        if needed:
            raise
        return default
    return found


def _plan(network: PlainNetwork, batch: int | None, loss: Loss, optimizer: Optimizer) -> Plan:
    """With the gradient of the input, where it has one: that is what a layer before the first would get."""
    try:
        return training_plan(network.layers, network.ends, batch, loss, optimizer, input_gradient=True)
    except DerivationError:
        return training_plan(network.layers, network.ends, batch, loss, optimizer)


def _target(target: npt.ArrayLike, shape: tuple[int, ...], batch: int | None, taken: Targets) -> Array:
    """In the shape that the loss sees it in: a prediction's elements in a row, or a label."""
    found = _numbers("The target", target)
    count, classes = batch or 1, taken.classes
    sizes = {int(np.prod(shape)), count, count * classes} if classes else {int(np.prod(shape))}
    if found.size not in sizes:
        taken_words = f"{_by(shape)} numbers" if shape else "a label for each example, a whole number"
        raise DataError(f"The target has shape {found.shape}, but the loss takes {taken_words}.")
    if found.size == count and np.isfinite(found).all() and (found == np.floor(found)).all():  # labels
        found = found.astype(np.int64)
    rows = found.reshape(count) if found.size == count else found.reshape(count, -1)
    return np.asarray(taken.of(rows, count, "trace", np.float64, name="target").reshape(shape), np.float64)


def _delta(network: PlainNetwork, plan: Plan, name: str, value: npt.ArrayLike, batch: int | None) -> tuple[str, Array]:
    """The gradient that a delta stands for, and its values."""
    layer = next((p for p in network.layers if name in (p.name, p.output, gradient_name(p.output))), None)
    tensor = layer.output if layer else next((n for n in plan.shapes if gradient_name(n) == name), name)
    gradient = gradient_name(tensor)
    if tensor not in plan.shapes or gradient not in plan.shapes:
        known = [n for n in plan.shapes if gradient_name(n) in plan.shapes]
        raise DataError(f"There is no delta for `{name}`.{suggestion(name, known)}")
    shape = plan.shapes[gradient]
    found = _numbers(f"The deltas of {tensor}", value)
    # As the next layer sees it, or as the layer's own equation does: channels in groups, say.
    seen = shape if layer is None else (*(() if batch is None else (batch,)), *layer.built.output_shape)
    if _fits(found, shape, batch) or _fits(found, seen, batch):
        return gradient, _shaped(found, shape)
    raise DataError(f"{tensor} has {_by(shape)} = {np.prod(shape)} deltas, but {found.size} were given.")


def _pin(plan: Plan, name: str, value: npt.ArrayLike, batch: int | None) -> Array:
    known = [n for n in plan.shapes if n not in plan.views]
    if name in plan.views:
        raise DataError(f"`{name}` shows the numbers of `{plan.views[name]}`; pin that.")
    if name not in known:
        raise DataError(f"There is no tensor `{name}` to pin.{suggestion(name, known)}")
    return _values(name, value, plan.shapes[name], batch)


def _values(name: str, value: npt.ArrayLike, shape: tuple[int, ...], batch: int | None = None) -> Array:
    found = _numbers(f"`{name}`", value)
    if not _fits(found, shape, batch):
        raise DataError(f"`{name}` has shape {shape}, but the values given for it have shape {found.shape}.")
    return _shaped(found, shape)


def _numbers(what: str, value: npt.ArrayLike) -> Array:
    found = reals(value)
    if found is None or np.ma.is_masked(value):
        raise DataError(f"{what} must be numbers, in lists of one length, but got {shown(value)}.")
    return found.astype(np.float64)


def _fits(found: Array, shape: tuple[int, ...], batch: int | None) -> bool:
    """Whether the values have the shape, axes of length 1 apart, or are as many in a row; for a batch of one, with or
    without its axis.
    """
    rows = [shape, (int(np.prod(shape)),)]
    if batch == 1:
        rows.append(shape[1:])
    return found.shape in rows or without_ones(found.shape) == without_ones(shape)


def without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The axes that people write."""
    return tuple(size for size in shape if size != 1)


def _shaped(found: Array, shape: tuple[int, ...]) -> Array:
    result = np.array(found.reshape(shape))
    result.flags.writeable = False
    return result


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "1"
