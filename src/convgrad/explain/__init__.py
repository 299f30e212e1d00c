"""Explanations: every number of a training step, with the numbers that it was made from.

network.trace(x, target)["conv1.dw"][0, 0].explain()
"""

# These two say how what is explained shows itself, see `trace/showing.py`.
import convgrad.explain.rendering.html
import convgrad.explain.words.walk  # noqa: F401
from convgrad.explain.trace.element import Element, Explanation
from convgrad.explain.trace.tensor import Tensor
from convgrad.explain.trace.trace import Trace

__all__ = ["Element", "Explanation", "Tensor", "Trace"]
