"""The reference: equations evaluated in float64 straight from their terms, and derivatives by differences.

Everything that convgrad derives or compiles is checked against this. `loops` checks the reference itself.
"""

from convgrad.compute.oracle.differences import (
    Difference,
    central_difference,
    central_difference_with_error,
    directional_difference,
)
from convgrad.compute.oracle.grid import evaluate
from convgrad.compute.oracle.program import Program, SlowEngineWarning, compile_program

__all__ = [
    "Difference",
    "Program",
    "SlowEngineWarning",
    "central_difference",
    "central_difference_with_error",
    "compile_program",
    "directional_difference",
    "evaluate",
]
