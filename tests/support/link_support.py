"""What tests of links and undo share: a page's state, its numbers to the last bit, and a person who does anything."""

from __future__ import annotations

from typing import Any

import numpy as np

from browser_support import Looker

BITS = """() => Object.fromEntries(convgrad.page.app.trace.names.map((name) =>
    [name, [...new Uint32Array(Float64Array.from(convgrad.page.app.trace.tensor(name).values).buffer)].join()]))"""
VALUES = (0.0, -0.0, 0.5, 1 / 3, -1.25, 1e-300, 5e-324, 1234.5678, 0.1 + 0.2, -7.0)
TENSORS = """() => { const { trace } = convgrad.page.app; return trace.names.map((name) => {
    const { size, editable, classes, pinned, lens } = trace.tensor(name);
    return { name, size, editable, classes, pinned, lens }; }); }"""
DO = """([what, ...given]) => {
    const { app } = convgrad.page;
    const { trace } = app;
    const acts = {
        set: (name, place, value) => trace.set(name, place, value),
        setAll: (name, values) => trace.setAll(name, values),
        unpin: (name) => trace.unpin(name),
        pin: (on) => trace.pin(on),
        step: (count) => app.training.step(count),
        reset: () => app.training.reset(),
        undo: () => trace.history.undo(),
        redo: () => trace.history.redo(),
        together: (...all) => trace.together(() => all.forEach(([name, ...rest]) => acts[name](...rest))),
        look: (lens) => app.look(lens),
        explain: (name, flat) => app.explain(name, flat),
        follow: (name, flat) => app.chosen && app.follow(name, flat),
        layer: (name) => app.showLayer(name),
        theme: () => document.getElementById('theme').click(),
    };
    acts[what](...given);
}"""


def state(looker: Looker) -> dict[str, Any]:
    """What the page says that it shows, once its address says so, too."""
    looker.page.evaluate("() => convgrad.page.app.links.settled()")
    return dict(looker.page.evaluate("() => convgrad.page.app.links.state()"))


def bits(looker: Looker) -> dict[str, str]:
    """Of all numbers."""
    return dict(looker.page.evaluate(BITS))


def do(looker: Looker, *action: Any) -> None:
    """Something that a person can do."""
    looker.page.evaluate(DO, list(action))


def travel(looker: Looker, way: str) -> None:
    """Back or forward, as the browser's own buttons go."""
    looker.page.evaluate(
        """(way) => new Promise((done) => {
            addEventListener('popstate', done, { once: true });
            history[way]();
        }).then(() => null)""",
        way,
    )


def random_change(looker: Looker, rng: np.random.Generator) -> list[Any]:
    """Something that changes numbers."""
    tensors = looker.page.evaluate(TENSORS)
    kind = rng.choice(["set", "set", "set", "setAll", "together", "step", "pin", "unpin", "reset"])
    if kind == "unpin" and not any(tensor["pinned"] for tensor in tensors):
        kind = "set"
    if kind == "unpin":
        return ["unpin", str(rng.choice([tensor["name"] for tensor in tensors if tensor["pinned"]]))]
    if kind == "together":
        return ["together", _set(rng, tensors), _set(rng, tensors)]
    if kind == "setAll":
        tensor = _editable(rng, tensors)
        return ["setAll", tensor["name"], [_value(rng, tensor) for _ in range(tensor["size"])]]
    others: dict[str, list[Any]] = {
        "set": _set(rng, tensors),
        "step": ["step", int(rng.integers(1, 11))],
        "pin": ["pin", bool(rng.integers(2))],
        "reset": ["reset"],
    }
    return others[kind]


def random_look(looker: Looker, rng: np.random.Generator) -> list[Any]:
    """Something that changes what is shown."""
    tensors = looker.page.evaluate(TENSORS)
    kind = rng.choice(["look", "explain", "explain", "follow", "layer", "theme"])
    tensor = tensors[int(rng.integers(len(tensors)))]
    if kind in ("explain", "follow"):
        return [str(kind), tensor["name"], int(rng.integers(tensor["size"]))]
    layers = looker.page.evaluate("() => convgrad.page.app.trace.model.layers.map(({ name }) => name)")
    return {
        "look": ["look", str(rng.choice(["forward", "backward", "update"]))],
        "layer": ["layer", str(rng.choice(layers))],
        "theme": ["theme"],
    }[str(kind)]


def _editable(rng: np.random.Generator, tensors: list[dict[str, Any]]) -> dict[str, Any]:
    chosen = [tensor for tensor in tensors if tensor["editable"]]
    return chosen[int(rng.integers(len(chosen)))]


def _set(rng: np.random.Generator, tensors: list[dict[str, Any]]) -> list[Any]:
    tensor = _editable(rng, tensors)
    return ["set", tensor["name"], int(rng.integers(tensor["size"])), _value(rng, tensor)]


def _value(rng: np.random.Generator, tensor: dict[str, Any]) -> float:
    if tensor["classes"]:
        return int(rng.integers(tensor["classes"]))
    value = float(rng.choice(VALUES)) if rng.integers(2) else float(rng.normal())
    return abs(value) if tensor["name"] == "optimizer.eta" else value
