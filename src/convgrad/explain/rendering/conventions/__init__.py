"""The same network and numbers as other tools write them, so that a person can compare what these print.

print(as_written_by(trace, "pytorch"))
"""

from __future__ import annotations

from collections.abc import Callable

from convgrad.errors import ModelError, suggestion
from convgrad.explain.rendering.conventions.keras import keras
from convgrad.explain.rendering.conventions.matlab import matlab
from convgrad.explain.rendering.conventions.pytorch import pytorch
from convgrad.explain.rendering.conventions.scipy import scipy
from convgrad.explain.trace.trace import Trace

TOOLS: dict[str, Callable[[Trace], str]] = {"keras": keras, "pytorch": pytorch, "scipy": scipy, "matlab": matlab}


def as_written_by(trace: Trace, tool: str) -> str:
    """A program for the tool that computes the trace's numbers, each layout and convention as the tool has it. Behind
    each `print` stands what is printed. Pins, for which other tools have no place, are left out.

    Raises: ModelError where there is no such tool, or it has no equivalent of a layer or the loss.
    """
    if tool not in TOOLS:
        raise ModelError(f"There is no tool {tool!r} to write for.{suggestion(tool, TOOLS)}")
    return TOOLS[tool](trace.without_pins())
