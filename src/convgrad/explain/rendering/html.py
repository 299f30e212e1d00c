"""How a trace, a tensor and an element show themselves in a notebook: plain HTML, mathematics as MathML."""

from __future__ import annotations

from html import escape

import numpy as np

from convgrad.explain.trace.element import Explanation
from convgrad.explain.trace.grids import is_drawn, planes_of, summary
from convgrad.explain.trace.showing import as_html
from convgrad.explain.trace.tensor import Tensor
from convgrad.explain.trace.trace import Trace

CELL = "padding:0 .5em;text-align:right;border:none"


@as_html.register
def trace_html(trace: Trace) -> str:
    """A table of all tensors, with shapes and equations. Nothing is computed for it."""
    rows = "".join(
        f"<tr><td style='text-align:left'><code>{escape(name)}</code></td>"
        f"<td style='text-align:left'>{' × '.join(map(str, trace[name].shape)) or 'a number'}</td>"
        f"<td style='text-align:left'>{escape(trace[name].role)}{', pinned' if trace[name].pinned else ''}</td>"
        f"<td style='text-align:left'><code>{escape(trace[name].equation or '')}</code></td></tr>"
        for name in trace
    )
    head = "".join(f"<th style='text-align:left'>{title}</th>" for title in ("tensor", "shape", "", "equation"))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


@as_html.register
def tensor_html(tensor: Tensor) -> str:
    """The equation above the numbers."""
    head = f"<p><code>{escape(tensor.equation or tensor.name)}</code></p>"
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
    rows = "".join(
        "<tr>" + "".join(f"<td style='{CELL}'>{tensor.written(float(v))}</td>" for v in row) + "</tr>"
        for row in np.atleast_2d(values)
    )
    return f"<table>{rows}</table>"
