"""Convolutional networks whose layers are equations in index notation: derived, checked and compiled.

    >>> import convgrad
    >>> equation = convgrad.parse("x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n]) + b")
    >>> print(convgrad.derivation(equation, "w").result)
    dw[m,n] = sum[i,j](dx[i,j] * o[i+m,j+n])

The map, in the order of the data's way: `notation` (text to terms), `calculus` (gradients), `oracle` (float64, NumPy),
`engine` (Halide), `layers`, `losses`, `optimizers`, `network`, `explain`, `data`, `training`, `check`, `cli`.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

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
from convgrad.notation import batched, bind, latex, mathml, parse

if TYPE_CHECKING:
    from convgrad.calculus.derive import derivation, gradients
    from convgrad.check import assert_gradient_correct, check
    from convgrad.data import Dataset
    from convgrad.data import load as load_data
    from convgrad.network import Network
    from convgrad.oracle import evaluate
    from convgrad.training.checkpoint import load, save

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

HOMES = {
    "Dataset": "data.Dataset",
    "Network": "network.Network",
    "assert_gradient_correct": "check.assert_gradient_correct",
    "derivation": "calculus.derive.derivation",
    "evaluate": "oracle.evaluate",
    "gradients": "calculus.derive.gradients",
    "load": "training.checkpoint.load",
    "load_data": "data.load",
    "save": "training.checkpoint.save",
}
"""Names that are imported when they are first asked for, and from where: processes that compile need none of them."""


def __getattr__(name: str) -> Any:
    if name in HOMES:
        module, _, attribute = HOMES[name].rpartition(".")
        value = getattr(import_module(f"convgrad.{module}"), attribute)
    elif not name.startswith("_") and find_spec(f"convgrad.{name}") is not None:
        return import_module(f"convgrad.{name}")  # `check`, too, is a module; it can be called
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value
