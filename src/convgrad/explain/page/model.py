"""What a page shows, as data that JSON can hold: a trace's tensors with their definitions, its layers with derivations.

The numbers that are given are in it; all others are computed in the browser, from the definitions.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from convgrad.calculus.steps import Derivation
from convgrad.compute.contract import root
from convgrad.errors import ModelError
from convgrad.explain.page.definitions import definition_data, number_data
from convgrad.explain.trace.element import OfTrace
from convgrad.explain.trace.given import Array
from convgrad.explain.trace.tensor import Tensor
from convgrad.explain.trace.trace import Trace
from convgrad.explain.words.layers import derivations, gradient_sentences, size_sentences, sum_sentence
from convgrad.network.placed import PlacedLayer
from convgrad.network.plan import INPUT, LOSS_MEAN, LOSS_OF_EXAMPLE, LOSS_WEIGHTS, TARGET
from convgrad.network.step import step_seed
from convgrad.notation.printing.latex import latex, name_text
from convgrad.notation.terms import accesses, gradient_name

Derived = dict[str, Derivation]
"""Gradient -> how it follows, for each of a layer's."""
MOST_NUMBERS = 500_000
"""Weights and inputs of a network that is built on a page: a server answers with all that follows from them."""
MOST_HELD = 2_000_000
"""Numbers that a page holds, weights above all: about 11 MB of text for a network in float32."""
PACKED_FROM = 1000
"""Numbers of a tensor from which on they are written as bytes: 5 characters a number in place of 11 to 20."""
MOST_WORK = 200_000_000
"""Terms that are added up in one step, which a browser does in a few seconds."""
STEPS = 500
"""Steps for which a page has random numbers and the optimizer's scalars, where these change from step to step."""


def page_model(trace: Trace, name: str, title: str = "", text: str = "", served: bool = False) -> dict[str, Any]:
    """The trace for a page.

    name: of the example or file. title: one line; text: paragraphs with an empty line between. served: whether a server
    answers the page's questions.

    Returns: {"name", "title", "text", "served", "loss", "learning_rate", "layers", "tensors", ...}; the loss and the
    learning rate are names of tensors.

    Raises: ModelError where the network is too large for a browser.
    """
    _check_size(trace)
    start = trace.start
    loss = start.plan.loss
    derived = {placed.name: derivations(placed) for placed in trace.network.layers}
    learning_rate = start.plan.scalars.get("eta")
    return {
        "name": name,
        "title": title or name,
        "text": [" ".join(paragraph.split()) for paragraph in text.split("\n\n") if paragraph.strip()],
        "served": served,
        "loss": loss if loss in trace else None,
        "learning_rate": learning_rate if learning_rate in trace else None,
        "tolerance": start.tolerance,
        "layers": [_layer(trace, placed, derived[placed.name]) for placed in trace.network.layers],
        "tensors": [_tensor(trace[name], derived) for name in trace],
        "updates": [[new, old] for new, old in start.plan.in_place.items() if new in trace and old in trace],
        "each_step": _each_step(trace),
        "digits": [],
    }


def _check_size(trace: Trace) -> None:
    numbers = sum(prod(trace.shapes[name]) for name in (*trace.start.given, *trace.start.replaced))
    work = sum(prod(size for _, size in definition.ranges) for definition in trace.definitions.values())
    if numbers > MOST_HELD:
        raise ModelError(
            f"The network has {numbers:,} weights and other given numbers, too many for a page, which holds "
            f"{MOST_HELD:,}. `convgrad explain` without --html and --serve explains it in the terminal."
        )
    if work > MOST_WORK:
        raise ModelError(
            f"One step of the network adds up {work:,} terms, too many for a page, which takes {MOST_WORK:,}. "
            "Make the input smaller, or explain it in the terminal, without --html and --serve."
        )


def _layer(trace: Trace, placed: PlacedLayer, derived: Derived) -> dict[str, Any]:
    passed_back = {*map(gradient_name, placed.built.inputs)}
    sentences = size_sentences(trace, placed) if placed.output in trace else []
    for derivation in derived.values():
        sentences += gradient_sentences(derivation)
    for name in placed.built.parameters:
        gradient = trace.definitions.get(placed.tensor(gradient_name(name)))
        total = None if gradient is None else sum_sentence(gradient)
        sentences += [total] if total else []
    return {
        "name": placed.name,
        "type": type(placed.layer).__name__,
        "equation": str(placed.built.equation),
        "latex": latex(placed.built.equation),
        "sentences": list(dict.fromkeys(sentences)),
        "derivations": [
            {"gradient": name, "of": "input" if name in passed_back else "parameter", "steps": _steps(derivation)}
            for name, derivation in derived.items()
        ],
    }


def _steps(derivation: Derivation) -> list[dict[str, Any]]:
    return [
        {
            "kind": step.kind.value,
            "rule": step.rule,
            "sentence": step.sentence,
            "text": step.equation,
            "latex": step.latex,
        }
        for step in derivation.steps
    ]


def _tensor(tensor: Tensor, derived: Mapping[str, Derived]) -> dict[str, Any]:
    trace, name = tensor.trace, tensor.name
    role, definition = _role(tensor), tensor.definition
    layer = next((placed.name for placed in trace.network.layers if placed.owns(name)), None)
    lens = _lens(tensor, role)
    found: dict[str, Any] = {
        "name": name,
        "shape": list(tensor.shape),
        "lens": lens,
        "role": role,
        "layer": layer,
        "block": layer or _block(tensor),
        "derivation": _derivation(tensor, lens, derived),
        "equation": tensor.equation,
        "latex": _latex(tensor),
        "indices": list(definition.indices) if definition else [f"i{n + 1}" for n in range(len(tensor.shape))],
        "letters": _letters(tensor),
        "pinned": tensor.pinned,
        "delta": name in trace.start.deltas,
        "shows": tensor.shows,
        "editable": tensor.shows is None and name not in trace.start.plan.seeds,
        "classes": trace.network.output_shape[0] if name == TARGET and _takes_labels(trace) else None,
        "definition": None if definition is None else definition_data(definition),
    }
    if tensor.pinned or tensor.role == "given":
        found |= _numbers(tensor.values.ravel())
    return found


def _numbers(values: Array) -> dict[str, Any]:
    """As numbers, or many of them as base64 of their bytes, in the shortest type that loses nothing."""
    if values.size < PACKED_FROM:
        return {"values": [number_data(float(value)) for value in values]}
    with np.errstate(over="ignore"):
        single = values.astype("<f4")
    kind, content = ("float32", single) if np.array_equal(single, values, equal_nan=True) else ("float64", values)
    return {
        "packed": {
            "type": kind,
            "bytes": base64.b64encode(content.astype(f"<{content.dtype.str[1:]}").tobytes()).decode(),
        }
    }


def _takes_labels(trace: OfTrace) -> bool:
    return trace.start.loss is not None and trace.start.loss.takes_labels


def _latex(tensor: Tensor) -> str | None:
    if tensor.definition is not None:
        return latex(tensor.definition)
    return None if tensor.shows is None else f"{name_text(tensor.name)} = {name_text(tensor.shows)}"


def _role(tensor: Tensor) -> str:
    """What a tensor is for those who look at a step; "helper" is what only the calculation needs."""
    trace, name = tensor.trace, tensor.name
    network, plan = trace.network, trace.start.plan
    if name in (INPUT, TARGET):
        return "given" if name == INPUT else "target"
    if name in network.parameters:
        return "parameter"
    if name in network.state or name in plan.state:
        return "state"
    if name in plan.scalars.values():
        return "given"
    if name in plan.in_place:
        return "update"
    results = {placed.output for placed in network.layers}
    if name in results or name in (LOSS_OF_EXAMPLE, LOSS_MEAN):
        return "forward" if name in results else "loss"
    if name in {gradient_name(parameter) for parameter in network.parameters}:
        return "gradient"
    if name in {gradient_name(result) for result in (*results, INPUT)}:
        return "delta"
    return "helper"


def _lens(tensor: Tensor, role: str) -> str:
    """The part of a step that a tensor is looked at in; a view where what it shows is."""
    trace, name = tensor.trace, tensor.name
    plan = trace.start.plan
    during = plan.passes.get(root(name, plan.views))
    if "update" in (role, during) or name in plan.state or name in plan.scalars.values():
        return "update"
    return "backward" if during == "backward" or role == "delta" or name == LOSS_WEIGHTS else "forward"


def _block(tensor: Tensor) -> str:
    """The part of the page for a tensor that is no layer's."""
    if tensor.name in (INPUT, gradient_name(INPUT)):
        return "input"
    return "step" if tensor.name == tensor.trace.start.plan.scalars.get("eta") else "loss"


def _letters(tensor: Tensor) -> list[str] | None:
    """For its axes, where no equation of its own says them: those of its gradient, of what it is the gradient of, or
    of what it shows.
    """
    trace, name = tensor.trace, tensor.name
    if tensor.definition is not None:
        return list(tensor.definition.indices)
    primal = next((other for other in trace.shapes if gradient_name(other) == name), None)
    for other in (gradient_name(name), primal, tensor.shows):
        definition = trace.definitions.get(other) if other is not None and other in trace else None
        if definition is not None and len(definition.indices) == len(tensor.shape):
            return list(definition.indices)
    return None


def _derivation(tensor: Tensor, lens: str, derived: Mapping[str, Derived]) -> dict[str, str] | None:
    """The layer's derivation that says how a tensor's equation came about: of a gradient its own, of a parameter's new
    value that of its gradient, of what comes in between that of the gradient it is made from.
    """
    trace, plan = tensor.trace, tensor.trace.start.plan
    name = gradient_name(plan.in_place.get(tensor.name, "")) if lens == "update" else tensor.name
    for placed in trace.network.layers:
        own = {placed.tensor(gradient_name(n)): gradient_name(n) for n in placed.built.parameters}
        own |= {plan.arriving.get((placed.name, n), ""): gradient_name(n) for n in placed.built.inputs}
        if name in own and own[name] in derived[placed.name]:
            return {"layer": placed.name, "gradient": own[name]}
    if lens != "backward":
        return None
    made_from = [a.tensor for a in accesses(tensor.definition.term)] if tensor.definition else [tensor.shows or ""]
    sent = [n for n in made_from if plan.passes.get(root(n, plan.views)) == "backward"]
    for placed in (p for n in sent for p in trace.network.layers if p.owns(n)):
        back = next((gradient_name(n) for n in placed.built.inputs if gradient_name(n) in derived[placed.name]), None)
        if back is not None:
            return {"layer": placed.name, "gradient": back}
    return None


def _each_step(trace: Trace) -> dict[str, list[float]]:
    """Scalars that change from step to step: seeds of random numbers, and what the optimizer works out."""
    plan, optimizer = trace.start.plan, trace.start.optimizer
    found: dict[str, list[float]] = {
        name: [step_seed(trace.start.seed, step, place) for step in range(STEPS)]
        for place, name in enumerate(plan.seeds)
        if name in trace
    }
    if optimizer is None:
        return found
    steps = [optimizer.all_scalars(step, optimizer.learning_rate) for step in range(STEPS)]
    for own, name in plan.scalars.items():
        values = [scalars[own] for scalars in steps]
        if name in trace and len(set(values)) > 1:
            found[name] = values
    return found
