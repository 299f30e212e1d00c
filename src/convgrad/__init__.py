"""Convolutional networks whose layers are equations in index notation: derived, checked and compiled.

    >>> import convgrad
    >>> equation = convgrad.parse("x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n]) + b")
    >>> print(convgrad.derivation(equation, "w").result)
    dw[m,n] = sum[i,j](dx[i,j] * o[i+m,j+n])

The map, in the order of the data's way: `notation` (text to terms), `calculus` (gradients), `oracle` (float64, NumPy),
`engine` (Halide), `layers`, `losses`, `optimizers`, `network`, `data`, `training`, `cli`.
"""

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
    "batched",
    "bind",
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
