"""How a trace, a tensor and an element show themselves in a notebook: grids of numbers, mathematics as MathML."""

from __future__ import annotations

from html import escape
from math import isfinite, prod

import numpy as np

from convgrad.explain.trace.element import Explanation
from convgrad.explain.trace.grids import is_drawn, planes_of, summary
from convgrad.explain.trace.showing import as_html
from convgrad.explain.trace.tensor import Tensor
from convgrad.explain.trace.trace import Trace
from convgrad.notation.printing.mathml import mathml

CELL = "padding:0 .5em;text-align:right;border:1px solid rgba(128,128,128,.35)"
ROW = "display:flex;flex-wrap:wrap;gap:.8em 1.6em;align-items:flex-start;margin:.4em 0 1em"
FIGURE = "max-width:100%;overflow-x:auto"
TITLES = {"given": "Given", "forward": "Forward", "loss": "Loss", "backward": "Backward", "update": "Update"}
"""Role of tensors -> the title above them."""
OPEN = ("given", "forward", "loss", "backward")
"""What is unfolded at first."""
OPENED = " open='open'"
"""An attribute that XML takes, too."""
MOST_COMPUTED = 20_000
"""Numbers of a trace that are all computed to be shown: a moment's work."""
POSITIVE, NEGATIVE, STRONGEST = "31,95,191", "214,109,0", 0.55
"""Colours of the numbers of a grid, and how much of them the largest has; 0 has none."""


@as_html.register
def trace_html(trace: Trace) -> str:
    """The tensors of each pass as grids of numbers, each with its equation to be unfolded; of large ones the shape.

    Of a network with more than `MOST_COMPUTED` numbers nothing is computed for it.
    """
    small = sum(prod(trace[name].shape) for name in trace) <= MOST_COMPUTED
    shown: dict[str, list[str]] = {}
    for name in trace:
        if trace[name].shows is None:
            shown.setdefault(trace[name].role, []).append(_figure(trace[name], small))
    parts = (
        f"<details{OPENED if role in OPEN else ''}><summary><b>{TITLES.get(role, role)}</b></summary>"
        f"<div style='{ROW}'>{''.join(shown[role])}</div></details>"
        for role in sorted(shown, key=[*TITLES].index)
    )
    return f"<div>{''.join(parts)}</div>"


def _figure(tensor: Tensor, computed: bool) -> str:
    """Name and grids, or the shape; the equation is folded in."""
    about = f", {tensor[(0,) * len(tensor.shape)].status}" if tensor.pinned else ""
    head = f"<div><code>{escape(tensor.name)}</code>{escape(about)}</div>"
    if not tensor.shape and computed:
        body = f"<div>{tensor.written(float(tensor.values))}</div>"
    elif computed and is_drawn(tensor):
        body = "".join(
            (f"<div><small>{escape(label)}</small></div>" if label else "") + _table(tensor, tensor.values[index])
            for index, label in planes_of(tensor)
        )
    else:
        body = f"<div>{' × '.join(map(str, tensor.shape)) or 'a number'}</div>"
    folded = ""
    if tensor.equation:
        folded = f"<details><summary>equation</summary>{_equation(tensor)}</details>"
    return f"<div style='{FIGURE}'>{head}{body}{folded}</div>"


def _equation(tensor: Tensor) -> str:
    """As mathematics; of a tensor that shows another one, which."""
    if tensor.definition is None:
        return f"<code>{escape(str(tensor.equation))}</code>"
    return mathml(tensor.definition, display="inline").replace("<math ", '<math displaystyle="true" ', 1)


@as_html.register
def tensor_html(tensor: Tensor) -> str:
    """The equation above the numbers."""
    head = f"<p><code>{escape(tensor.name)}</code></p>" + (f"<p>{_equation(tensor)}</p>" if tensor.equation else "")
    if not is_drawn(tensor):
        return f"{head}<p>{escape(summary(tensor))}</p>"
    return head + "".join(
        (f"<p><code>{escape(tensor.name + label)}</code></p>" if label else "") + _table(tensor, tensor.values[index])
        for index, label in planes_of(tensor)
    )


@as_html.register
def explanation_html(explanation: Explanation) -> str:
    """Equation, indices and numbers as mathematics, with the notes below."""
    notes = "".join(f"<p>{escape(note)}</p>" for note in explanation.notes)
    made_from = ", ".join(f"<code>{escape(str(element))}</code>" for element in explanation.made_from[:32])
    below = f"<p>made of {made_from}</p>" if made_from else ""
    return f"<div>{explanation.mathml}</div>{notes}{below}"


def _table(tensor: Tensor, values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> str:
    """Numbers on the colour of their sign, the stronger the larger."""
    largest = float(np.abs(tensor.values, where=np.isfinite(tensor.values), out=np.zeros(tensor.shape)).max(initial=0))
    rows = "".join(
        "<tr>" + "".join(_cell(tensor, float(v), largest) for v in row) + "</tr>" for row in np.atleast_2d(values)
    )
    return f"<table style='border-collapse:collapse'>{rows}</table>"


def _cell(tensor: Tensor, value: float, largest: float) -> str:
    share = abs(value) / largest * STRONGEST if largest and isfinite(value) else 0.0
    color = POSITIVE if value > 0 else NEGATIVE
    background = f";background:rgba({color},{share:.2f})" if share >= 0.005 else ""
    return f"<td style='{CELL}{background}'>{tensor.written(value)}</td>"
