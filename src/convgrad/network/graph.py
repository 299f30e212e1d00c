"""From nodes of a graph to layers in their places, each after those that it reads, with names and sizes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from convgrad.arguments import shown
from convgrad.compute.several import tensor
from convgrad.errors import ModelError, ShapeError
from convgrad.layers.base import NAME, Input, Layer, Node
from convgrad.network.bounds import check_layers
from convgrad.network.ends import INPUT, Ends, Shape
from convgrad.network.placed import PlacedLayer

Inputs = Input | Sequence[Input] | Mapping[str, Input]
Outputs = Node | Sequence[Node] | Mapping[str, Node]


def placed_graph(inputs: Inputs, outputs: Outputs) -> tuple[tuple[PlacedLayer, ...], Ends]:
    """The layers between inputs and outputs, and where these are.

    Raises: ModelError, ShapeError where this is no graph, or layers don't fit together.
    """
    given, wanted = _inputs(inputs), _outputs(outputs)
    order = _in_order([node for _, node in wanted], given)
    check_layers(len(order))
    uses: dict[int, list[Node]] = {}
    for node in order:
        uses.setdefault(id(node.layer), []).append(node)
    names = _names(uses.values())
    shapes: dict[int, Shape] = {id(one): one.shape for one in given.values()}
    known = {id(one): tensor(INPUT, name) for name, one in given.items()}
    placed: dict[int, PlacedLayer] = {}
    for node in order:
        own = uses[id(node.layer)]
        number = next(place for place, use in enumerate(own) if use is node)
        built = node.layer.build(*(shapes[id(source)] for source in node.inputs))
        one = PlacedLayer(
            names[id(node)],
            node.layer,
            built,
            tuple(known[id(source)] for source in node.inputs),
            shared=names[id(own[0])] if len(own) > 1 else "",
            before=names[id(own[number - 1])] if number else "",
            last=number == len(own) - 1,
        )
        if number:
            _check_same_weights(placed[id(own[0])], one)
        shapes[id(node)], known[id(node)], placed[id(node)] = built.output_shape, one.name, one
    ends: dict[str, str] = {}
    for wished, node in wanted:
        name = placed[id(node)].name if wished is None else wished
        if name in ends:
            raise ModelError(f"Two outputs are called `{name}`. Name them: outputs={{'one': node, 'other': node}}.")
        ends[name] = placed[id(node)].name
    return tuple(placed.values()), Ends({name: one.shape for name, one in given.items()}, ends)


def _inputs(given: Any) -> dict[str, Input]:
    """By name; an only one, by itself or in a list, has the name ""."""
    if isinstance(given, Input):
        return {"": given}
    if isinstance(given, (list, tuple)):
        if len(given) == 1 and isinstance(given[0], Input):
            return {"": given[0]}
        entries = [(getattr(one, "name", None) or f"input{place}", one) for place, one in enumerate(given, 1)]
    elif isinstance(given, Mapping):
        entries = list(given.items())
    else:
        entries = []
    if not entries or not all(isinstance(one, Input) for _, one in entries):
        raise ModelError(
            f"inputs must be the Input of a graph, or several in a list or a table from names, not {shown(given)}. "
            "Write Network(inputs={'image': image, 'meta': meta}, outputs=node), with image = Input((28, 28, 1))."
        )
    found: dict[str, Input] = {}
    for name, one in entries:
        _check_name(name, "input")
        if name in found or any(one is other for other in found.values()):
            raise ModelError(f"Two inputs are called `{name}`, or are one Input. Each needs an Input and a name.")
        found[name] = one
    return found


def _outputs(given: Any) -> list[tuple[str | None, Node]]:
    """Names and nodes: "" for an only one, by itself or in a list, and None for what is called after its layer."""
    if isinstance(given, Node):
        return [("", given)]
    entries: list[tuple[str | None, Node]] = []
    if isinstance(given, (list, tuple)):
        entries = [("" if len(given) == 1 else None, node) for node in given]
    elif isinstance(given, Mapping):
        entries = list(given.items())
        for name in given:
            _check_name(name, "output")
    if not entries or not all(isinstance(node, Node) for _, node in entries):
        raise ModelError(
            f"outputs must be the node of a graph that is its result, as a layer returns it, or several in a list or a "
            f"table from names, not {shown(given)}. Write Network(inputs=image, outputs={{'class': a, 'box': b}})."
        )
    return entries


def _check_name(name: object, end: str) -> None:
    if not (isinstance(name, str) and re.fullmatch(NAME, name, re.ASCII)):
        raise ModelError(
            f"An {end} can't be called {shown(name)}: its name is part of those of its tensors. Use letters, digits "
            "and `_`, no digit first."
        )


def _in_order(wanted: Sequence[Node], inputs: Mapping[str, Input]) -> list[Node]:
    """The nodes that are needed, each after its inputs. Raises: ModelError where an Input is missing, or not read."""
    order: list[Node] = []
    pending: list[tuple[Node, bool]] = [(node, False) for node in reversed(wanted)]
    seen: set[int] = set()
    read: set[int] = set()
    known = {id(one) for one in inputs.values()}
    while pending:
        node, ready = pending.pop()
        if ready:
            order.append(node)
            continue
        if id(node) in seen:
            continue
        seen.add(id(node))
        pending.append((node, True))
        for source in reversed(node.inputs):
            if isinstance(source, Node):
                pending.append((source, False))
            elif id(source) not in known:
                raise ModelError("The graph reads an Input that is not the one given as inputs=, or among those.")
            else:
                read.add(id(source))
    for name, one in inputs.items():
        if id(one) not in read:
            raise ModelError(f"No output depends on the input `{name}`. Leave it out of inputs=.")
    return order


def _names(uses: Iterable[list[Node]]) -> dict[int, str]:
    """Node -> its layer's name; the second use of a shared layer `conv1` is `conv1_2`."""
    every = list(uses)
    taken = {INPUT} | {own[0].layer.name for own in every if own[0].layer.name}
    used, numbers = {INPUT}, dict[str, int]()
    found: dict[int, str] = {}
    for own in every:
        layer: Layer = own[0].layer
        name = layer.name or free_name(type(layer).__name__, taken, numbers)
        if name in used:
            raise ModelError(f"Two layers (or a layer and the input) are called `{name}`. Give one another name.")
        taken.add(name)
        used.add(name)
        found[id(own[0])] = name
    for own in every:
        number = 1
        for node in own[1:]:
            number += 1
            while f"{found[id(own[0])]}_{number}" in taken:
                number += 1
            found[id(node)] = f"{found[id(own[0])]}_{number}"
            taken.add(found[id(node)])
    return found


def _check_same_weights(first: PlacedLayer, other: PlacedLayer) -> None:
    """Raises: ShapeError where a shared layer would need other weights for another input."""
    wanted, found = ({key: p.shape for key, p in one.built.parameters.items()} for one in (first, other))
    if wanted != found or first.built.state != other.built.state:
        key = next((key for key in wanted if wanted[key] != found.get(key)), "")
        shapes = f": `{first.tensor(key)}` has shape {wanted[key]}, and here {found.get(key)}" if key else ""
        raise ShapeError(
            f"Layer `{first.name}` is shared, but its inputs of shape {_shapes(first)} and {_shapes(other)} "
            f"need different weights{shapes}.",
            remedy="Bring both inputs to one shape before it, or make a second layer object.",
        )


def _shapes(placed: PlacedLayer) -> str:
    return ", ".join(map(str, placed.built.input_shapes))


def free_name(kind: str, taken: set[str], numbers: dict[str, int]) -> str:
    """conv1, conv2, ...: the class's name in lower case, without the dimension, and a number.

    numbers: the latest of each class, which the next one is looked for from.
    """
    base = re.sub(r"\d+d$", "", kind.lower())
    number = numbers.get(base, 0) + 1
    while f"{base}{number}" in taken:
        number += 1
    numbers[base] = number
    return f"{base}{number}"
