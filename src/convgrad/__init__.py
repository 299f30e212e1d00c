"""Convolutional networks whose layers are equations in index notation: derived, checked and compiled.

    >>> import convgrad
    >>> equation = convgrad.parse("x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n]) + b")
    >>> print(convgrad.derivation(equation, "w").result)
    dw[m,n] = sum[i,j](dx[i,j] * o[i+m,j+n])

The map, in the order of the data's way: `notation` (text to terms), `calculus` (gradients), `oracle` (float64, NumPy),
`engine` (Halide), `layers`, `losses`, `optimizers`, `network`, `explain`, `data`, `training`, `check`, `cli`.
"""

from typing import TYPE_CHECKING, Any

from convgrad.calculus.derive import derivation, gradients
from convgrad.data import Dataset
from convgrad.data import load as load_data
from convgrad.errors import (
    ConvgradError,
    DataError,
    DerivationError,
    EngineError,
    EquationError,
    EquationSyntaxError,
    ModelError,
    ShapeError,
    TrainingError,
)
from convgrad.network import Network
from convgrad.notation import batched, bind, latex, mathml, parse
from convgrad.oracle import evaluate
from convgrad.training.checkpoint import load, save

if TYPE_CHECKING:
    from convgrad.check import assert_gradient_correct, check

__version__ = "0.1.0"

__all__ = [
    "ConvgradError",
    "DataError",
    "Dataset",
    "DerivationError",
    "EngineError",
    "EquationError",
    "EquationSyntaxError",
    "ModelError",
    "Network",
    "ShapeError",
    "TrainingError",
    "assert_gradient_correct",
    "batched",
    "bind",
    "check",
    "derivation",
    "evaluate",
    "gradients",
    "latex",
    "load",
    "load_data",
    "mathml",
    "parse",
    "save",
]


def __getattr__(name: str) -> Any:
    """What is imported when it is first asked for: checking, which nothing else needs."""
    if name in ("assert_gradient_correct", "check"):
        import convgrad.check as module  # `check` is the module, which can be called

        return module if name == "check" else getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
