"""From layers in a graph to one equation: everything that a training step or a prediction computes, in order.

Each layer's equation gets its sizes and its batch axis, its gradients are derived, and all tensors get the layer's
name in front. Where a layer reads its predecessor's result in another shape (Flatten, channels in groups), it reads a
view: the same memory in row-major order under another name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from math import prod

from convgrad.calculus.derive import gradients
from convgrad.calculus.simplify import simplify
from convgrad.compute.several import tensor
from convgrad.layers.base import Built
from convgrad.losses import Loss
from convgrad.network.accumulation import sums
from convgrad.network.ends import INPUT as INPUT  # one of the names of tensors, as those below
from convgrad.network.ends import Ends, Shape
from convgrad.network.losses import Losses
from convgrad.network.placed import PlacedLayer
from convgrad.network.updates import Updates, name_taken, updates
from convgrad.notation.batch import batched
from convgrad.notation.binding.bind import bind
from convgrad.notation.polynomial import Position
from convgrad.notation.rename import rename
from convgrad.notation.spread import can_spread, spread
from convgrad.notation.terms import (
    Access,
    Add,
    Definition,
    Equation,
    Multiply,
    Number,
    Reduce,
    Term,
    accesses,
    gradient_name,
    rebuild,
)
from convgrad.optimizers import Optimizer

TARGET = "target"
LOSS = "loss"
LOSS_OF_EXAMPLE = f"{LOSS}.E"
LOSS_MEAN = f"{LOSS}.mean"
LOSS_WEIGHTS = f"{LOSS}.dE"
"""What each example of a batch counts: the gradient of its loss."""


@dataclass
class Plan:
    """A bound equation with what belongs to it.

    views: tensor -> the tensor whose memory it reads under another shape, row-major.
    in_place: defined tensor -> the input that it replaces.
    seeds: scalar inputs that get a fresh whole number at each step.
    scalars: name in the optimizer -> scalar input.
    state: optimizer's tensors -> initial value.
    passes: defined tensor -> the part of the step that computes it: forward, loss, backward or update.
    arriving: layer, and the name that it has for an input -> the gradient that it sends back for it.
    outputs: name -> the tensor of a result; the only one has the name "".
    layer_results: the tensors that are results of layers, in order.
    loss: the one number that a step makes smaller, of a batch the mean.
    """

    definitions: list[Definition] = field(default_factory=list)
    shapes: dict[str, Shape] = field(default_factory=dict)
    views: dict[str, str] = field(default_factory=dict)
    in_place: dict[str, str] = field(default_factory=dict)
    seeds: list[str] = field(default_factory=list)
    scalars: dict[str, str] = field(default_factory=dict)
    state: dict[str, float] = field(default_factory=dict)
    passes: dict[str, str] = field(default_factory=dict)
    arriving: dict[tuple[str, str], str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    layer_results: list[str] = field(default_factory=list)
    loss: str = ""

    @property
    def output(self) -> str:
        """The tensor of the only result."""
        return self.outputs[""]

    @property
    def equation(self) -> Equation:
        """All definitions as one bound equation. Views of tensors are among its inputs."""
        known = {d.name for d in self.definitions} | {a.tensor for d in self.definitions for a in accesses(d.term)}
        known |= {*self.views, *self.views.values()}
        shapes = tuple((name, shape) for name, shape in self.shapes.items() if name in known)
        return Equation(tuple(self.definitions), shapes=shapes)

    def add(self, equation: Equation, during: str = "forward") -> None:
        self.definitions += equation.definitions
        self.shapes.update(equation.shapes)
        self.passes.update(dict.fromkeys(equation.defined, during))

    def update(self, found: Updates) -> None:
        """Let updates of the weights follow. Raises: ModelError where a name of theirs is another tensor's."""
        self.claim(found.names.difference(self.scalars.values()), "the optimizer")
        self.in_place |= found.in_place
        self.scalars |= found.scalars
        self.state |= found.state
        for equation in found.equations:
            self.add(equation, "update")

    def claim(self, names: Iterable[str], whose: str) -> None:
        """Raises: ModelError where one of the names stands for something else already."""
        for name in names:
            if name in self.shapes:
                raise name_taken(name, whose)

    def view(self, name: str, shape: Shape, source: str, taken: Container[str] = ()) -> str:
        """`source` seen in another shape; `source` itself where the shape is the same, unless it is taken."""
        if self.shapes[source] == shape and source not in taken:
            return source
        self.shapes[name] = shape
        self.views[name] = source
        return name


def examples_meet(built: Built) -> bool:
    """Whether training makes an example's numbers from those of others in its batch, as a mean over the batch does."""
    example, equation = built.batch_index, built.equation
    if example is None:
        return False
    axes = dict.fromkeys(built.inputs, 0)
    for definition in equation.definitions:
        own = definition.indices
        for access in accesses(definition.term):
            axis = axes.get(access.tensor)
            if axis is not None and (example not in own or access.positions[axis].as_name != example):
                return True
        if example in own:
            axes[definition.name] = own.index(example)
    return False


def prediction_plan(layers: Sequence[PlacedLayer], ends: Ends, batch: int) -> Plan:
    """The results of all layers as they are in predictions, for a batch of inputs."""
    return forward_plan([placed.predicting for placed in layers], ends, batch)


def forward_plan(layers: Sequence[PlacedLayer], ends: Ends, batch: int) -> Plan:
    """The results of layers as they are in training, for a batch of inputs."""
    plan = Plan(shapes={name: (batch, *shape) for name, shape in ends.input_tensors.items()})
    forward = _Forward(plan, layers, batch)
    for placed in layers:
        bound = forward.bound(placed, placed.built.equation)
        plan.add(rename(bound, forward.names(placed, bound)))
        plan.seeds += [placed.tensor(name) for name in placed.built.seeds]
    plan.outputs = {name: forward.results[layer] for name, layer in ends.outputs.items()}
    return plan


def training_plan(
    layers: Sequence[PlacedLayer],
    ends: Ends,
    batch: int | None,
    loss: Loss | Losses,
    optimizer: Optimizer | None,
    input_gradient: bool = False,
    frozen: Container[str] = (),
    accumulates: bool = False,
) -> Plan:
    """One whole step: results, loss, gradients from the last layer to the first, update of the parameters.

    Without an optimizer it ends with the gradients; `input_gradient` adds the one of the input, `dinput`. `batch` is
    None for one example without a batch axis, as people write it; no layer may then name that axis itself. `frozen`:
    parameters that stay as they are. Neither their gradients are there, nor what only those need. `accumulates`: end
    with sums of gradients, which `AccumulatedUpdate` goes on with.
    """
    plan = Plan(shapes={name: (*_front(batch), *shape) for name, shape in ends.input_tensors.items()})
    forward = _Forward(plan, layers, batch)
    trained = {
        placed.name: [name for name in placed.built.parameters if placed.tensor(name) not in frozen]
        for placed in layers
    }
    reached = _reached(layers, trained, dict.fromkeys(ends.input_tensors, input_gradient))
    backward: list[_Backward] = []
    derived = cache(gradients)  # layers of equal equation and sizes are derived once
    for placed in layers:
        bound = forward.bound(placed, placed.built.equation)
        wanted = [name for name, source in zip(placed.built.inputs, placed.sources, strict=True) if reached[source]]
        adjoint = derived(bound, (*trained[placed.name], *wanted), of=placed.built.output)
        names = forward.names(placed, adjoint.forward)
        plan.add(rename(adjoint.forward, names))
        backward.append(_Backward(placed, adjoint.backward, names, tuple(wanted)))
        plan.in_place |= {
            placed.next(name): placed.tensor(name)
            for name in placed.built.state
            if f"{name}_next" in bound.defined and placed.last
        }
        plan.seeds += [placed.tensor(name) for name in placed.built.seeds]
    plan.outputs = {name: forward.results[layer] for name, layer in ends.outputs.items()}
    learned_from = [layer for layer in ends.outputs.values() if reached[layer] or len(ends.outputs) == 1]
    readers = Counter(source for step in backward for source in step.reads) + Counter(learned_from)
    arriving = _Arriving(plan, forward, readers)
    _add_loss(plan, loss, ends.outputs, arriving, batch, layers, learned_from)
    for step in reversed(backward):
        if not step.backward.definitions:
            continue
        arriving.finish(step.placed.name, step.placed.output)
        output_gradient = gradient_name(step.placed.built.output)
        names = step.names | {name: step.placed.tensor(name) for name in (output_gradient, *step.backward.defined)}
        if step.placed.shared:
            parts = {gradient_name(name) for name in trained[step.placed.name]}
            names |= {name: f"{names[name]}.part" for name in parts}
        for name, source in zip(step.wanted, step.reads, strict=True):
            gradient = gradient_name(name)
            names[gradient] = arriving.send(source, names[gradient], step.backward.shape_of[gradient])
            plan.arriving[step.placed.name, name] = names[gradient]
        plan.add(rename(step.backward, names), "backward")
        if step.placed.shared and not step.placed.before:
            _add_up(plan, step.placed, trained[step.placed.name], layers)
        if accumulates and not step.placed.before:  # at once: ranks send them while the rest is computed
            own = trained_shapes([step.placed], frozen)
            plan.update(sums({name: gradient_name(name) for name in own}, own))
    for name in ends.input_tensors if input_gradient else ():
        arriving.finish(name, name)
    if optimizer is not None and not accumulates:
        learning = trained_shapes(layers, frozen)
        learned = {name: gradient_name(name) for name in learning}
        plan.update(updates(optimizer, parameters_of(layers), learned, learning))
    return plan


def parameters_of(layers: Iterable[PlacedLayer]) -> dict[str, list[str]]:
    """Layer's name -> its parameters."""
    return {placed.name: [placed.tensor(name) for name in placed.own_parameters] for placed in layers}


def trained_shapes(layers: Iterable[PlacedLayer], frozen: Container[str]) -> dict[str, Shape]:
    """Parameter -> its shape, of those that are trained."""
    found = {p.tensor(name): parameter.shape for p in layers for name, parameter in p.own_parameters.items()}
    return {name: shape for name, shape in found.items() if name not in frozen}


def _front(batch: int | None) -> Shape:
    """The batch axis, where there is one."""
    return () if batch is None else (batch,)


@dataclass(frozen=True)
class _Backward:
    placed: PlacedLayer
    backward: Equation
    names: dict[str, str]
    wanted: tuple[str, ...]

    @property
    def reads(self) -> tuple[str, ...]:
        """The layers (or `input`) that the wanted gradients go to."""
        return tuple(self.placed.sources[self.placed.built.inputs.index(name)] for name in self.wanted)


class _Forward:
    """Equations of layers with sizes, batch axis and names in the network."""

    def __init__(self, plan: Plan, layers: Sequence[PlacedLayer], batch: int | None):
        self.plan, self.batch = plan, batch
        self.results = {name: name for name in plan.shapes} | {placed.name: placed.output for placed in layers}
        plan.layer_results = [placed.output for placed in layers]

    def bound(self, placed: PlacedLayer, equation: Equation) -> Equation:
        built = placed.built
        front = _front(self.batch) if built.batch_index else ()
        shapes: dict[str, Shape] = {
            name: (*front, *shape) for name, shape in zip(built.inputs, built.input_shapes, strict=True)
        }
        shapes |= {name: parameter.shape for name, parameter in built.parameters.items()}
        shapes |= {name: shape for name, (shape, _) in built.state.items()}
        shapes |= dict.fromkeys(built.seeds, ())
        read = {*equation.inputs}
        sizes = dict(built.sizes)
        if built.batch_index and self.batch is not None:
            sizes[built.batch_index.upper()] = self.batch
        bound = bind(
            equation,
            shapes={name: shape for name, shape in shapes.items() if name in read},
            sizes=sizes,
            integers=built.integers,
            numbers=built.numbers,
        )
        if not built.batch_index and self.batch is not None:
            bound = batched(bound, set(built.inputs) & read, self.batch)
        flat = _flat_index(bound, built)
        return bound if flat is None else spread(bound, flat, built.output_shape)

    def names(self, placed: PlacedLayer, equation: Equation) -> dict[str, str]:
        """The network's names for the tensors of a layer's equation."""
        names = {name: placed.tensor(name) for name in (*equation.inputs, *equation.defined)}
        for name in placed.built.state if placed.shared else ():
            if f"{name}_next" in equation.defined:  # each place goes on from what the one before it made
                names[f"{name}_next"] = placed.next(name)
                names[name] = f"{placed.before}.{name}_next.part" if placed.before else names[name]
        shapes = equation.shape_of
        seen: set[str] = set()  # a layer may take one result twice, as a square does: o1[f] * o2[f]
        for name, source in zip(placed.built.inputs, placed.sources, strict=True):
            if name in shapes:
                names[name] = self.plan.view(placed.tensor(name), shapes[name], self.results[source], seen)
                seen.add(names[name])
        return names


def _flat_index(equation: Equation, built: Built) -> str | None:
    """The index over all elements in a row of a layer that works element by element, on inputs of one shape."""
    flat = prod(built.output_shape)
    index = equation.result.indices[-1] if equation.result.indices else ""
    elementwise = len(built.output_shape) > 1 and set(built.input_shapes) == {(flat,)} and not built.parameters
    return index if elementwise and can_spread(equation, index) else None


class _Arriving:
    """Gradients on their way back: what every reader of a layer's result has sent."""

    def __init__(self, plan: Plan, forward: _Forward, readers: Counter[str]):
        self.plan, self.forward, self.readers = plan, forward, readers
        self.sent: dict[str, list[str]] = {}

    def send(self, layer: str, name: str, shape: Shape) -> str:
        """Announce a gradient `name` for a layer's result; returns the name that it goes by in the network.

        Where it is the only one and has the result's shape, it is the gradient of the result: `pool1.dx`.
        """
        output = self.forward.results[layer]
        if self.readers[layer] == 1 and shape == self.plan.shapes[output]:
            name = gradient_name(output)
        self.sent.setdefault(layer, []).append(name)
        return name

    def finish(self, layer: str, output: str) -> None:
        """Define the gradient of a layer's result, `layer.dx`, from all that has arrived."""
        name, shape = gradient_name(output), self.plan.shapes[output]
        sent = self.sent[layer]
        if sent == [name]:
            return
        if len(sent) == 1:
            self.plan.view(name, shape, sent[0])
            return
        parts = [self.plan.view(f"{part}.view", shape, part) for part in sent]
        self.plan.add(_sum_of(name, shape, parts), "backward")


def _sum_of(name: str, shape: Shape, parts: Sequence[str]) -> Equation:
    """A tensor as the sum of others of its shape."""
    indices = tuple(f"i{axis}" for axis in range(len(shape)))
    element = tuple(Position.name(i) for i in indices)
    term = Add(tuple(Access(part, element) for part in parts))
    definition = Definition(name, indices, term, tuple(zip(indices, shape, strict=True)))
    return Equation((definition,), shapes=((name, shape),))


def _add_up(plan: Plan, first: PlacedLayer, trained: Sequence[str], layers: Sequence[PlacedLayer]) -> None:
    """The gradients of a shared layer's parameters: the sums over its places."""
    places = [placed for placed in layers if placed.shared == first.name]
    for name in trained:
        gradient = first.tensor(gradient_name(name))
        parts = [f"{placed.tensor(gradient_name(name))}.part" for placed in places]
        plan.add(_sum_of(gradient, first.built.parameters[name].shape, parts), "backward")


def _reached(
    layers: Iterable[PlacedLayer], trained: Mapping[str, Sequence[str]], inputs: Mapping[str, bool]
) -> dict[str, bool]:
    """Layer -> whether gradients have to reach it: it is trained, or it reads a result that they have to reach."""
    reached = {**inputs}
    for placed in layers:
        reached[placed.name] = bool(trained[placed.name]) or any(reached[s] for s in placed.sources)
    return reached


def _add_loss(
    plan: Plan,
    loss: Loss | Losses,
    outputs: Mapping[str, str],
    arriving: _Arriving,
    batch: int | None,
    layers: Sequence[PlacedLayer],
    learned_from: Container[str],
) -> None:
    """The loss of every example, their weighted sum, and the gradients that set off on the way back.

    The weights of the examples, dE, are an input: 1/batch each for the mean, 0 for rows that only fill up a batch.
    Without a batch the loss is E itself, and its weight is 1. Of several outputs each has a loss, and E is their sum
    with the weights of the outputs.
    """
    parts = loss.of if isinstance(loss, Losses) else {"": loss}
    plan.loss = LOSS_OF_EXAMPLE if batch is None else LOSS_MEAN
    shapes = {placed.name: placed.built.output_shape for placed in layers}
    after: list[Equation] = []
    for name, one in parts.items():
        whole, layer = tensor(LOSS, name), outputs[name]
        built = one.build(shapes[layer])
        adjoint = gradients(built.bound(batch), ["y"], of="E")
        backward = adjoint.backward if batch is not None else _with_weight_one(adjoint.backward)
        own = (*adjoint.forward.inputs, *adjoint.forward.defined, *adjoint.backward.defined, "dE")
        names = {n: f"{whole}.{n}" for n in own} | {"t": tensor(TARGET, name)}
        plan.claim([*names.values(), f"{whole}.mean"], "the loss")
        row = (*_front(batch), *built.prediction_shape)
        names["y"] = plan.view(f"{whole}.y", row, plan.outputs[name])
        plan.add(rename(adjoint.forward, names), "loss")
        if batch is not None:
            plan.add(_mean_loss(whole, batch), "loss")
        if layer in learned_from:
            names["dy"] = arriving.send(layer, f"{whole}.dy", row)
            after.append(rename(backward, names))
    if isinstance(loss, Losses):
        assert batch is not None, "networks of several outputs are not explained"
        equation = loss.equation
        total = gradients(batched(equation, {*equation.inputs}, batch), equation.inputs, of="E")
        names = {
            n: f"{LOSS}.{n}" for n in (*total.forward.inputs, *total.forward.defined, *total.backward.defined, "dE")
        }
        plan.add(rename(total.forward, names), "loss")
        plan.add(_mean_loss(LOSS, batch), "loss")
        after.insert(0, rename(total.backward, names))
    for equation in after:
        plan.add(equation, "backward")


def _with_weight_one(backward: Equation) -> Equation:
    """The gradients of a loss E where dE is 1."""

    def change(term: Term) -> Term:
        return Number(1.0) if term == Access("dE") else term

    definitions = (replace(d, term=simplify(rebuild(d.term, change), d.sizes)) for d in backward.definitions)
    shapes = tuple((name, shape) for name, shape in backward.shapes if name != "dE")
    return replace(backward, definitions=tuple(definitions), shapes=shapes)


def _mean_loss(whole: str, batch: int) -> Equation:
    """The mean over a batch of the loss of each example, `whole.E`."""
    error, weight = (Access(name, (Position.name("e"),)) for name in (f"{whole}.E", LOSS_WEIGHTS))
    total = Reduce("sum", ("e",), Multiply((error, weight)))
    definition = Definition(f"{whole}.mean", (), total, (("e", batch),))
    shapes = ((error.tensor, (batch,)), (weight.tensor, (batch,)), (definition.name, ()))
    return Equation((definition,), shapes=shapes)
