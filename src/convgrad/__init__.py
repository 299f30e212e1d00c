"""Convolutional networks whose layers are equations in index notation: derived, checked and compiled.

    >>> import convgrad
    >>> equation = convgrad.parse("x[i,j] = sum[m,n](w[m,n] * o[i+m,j+n]) + b")
    >>> print(convgrad.derivation(equation, "w").result)
    dw[m,n] = sum[i,j](dx[i,j] * o[i+m,j+n])

The map, in the order of the data's way: `notation` (text to terms), `calculus` (gradients), `compute` (NumPy, and
Halide), `layers`, `losses`, `optimizers`, `network`, `data`, `training`, `explain`, `models`, `check`, `commands`.
"""

TYPE_CHECKING = False  # checkers take it for true; `typing` takes longer to load than all else here
if TYPE_CHECKING:
    from convgrad.calculus.derive import derivation, gradients
    from convgrad.check import assert_gradient_correct, check
    from convgrad.compute.oracle import evaluate
    from convgrad.data import Dataset
    from convgrad.data import load as load_data
    from convgrad.errors import (
        ArgumentError,
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
    from convgrad.gradient_function import value_and_grad
    from convgrad.models.network import Network
    from convgrad.models.onnx_file import from_onnx
    from convgrad.models.saved import load
    from convgrad.models.transfer import from_keras, from_torch
    from convgrad.notation import batched, bind, latex, mathml, parse
    from convgrad.training.checkpoint import save

__version__ = "0.1.0"

__all__ = [
    "ArgumentError",
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
    "from_keras",
    "from_onnx",
    "from_torch",
    "gradients",
    "latex",
    "load",
    "load_data",
    "mathml",
    "parse",
    "save",
    "value_and_grad",
]

HOMES = {
    "ArgumentError": "errors.ArgumentError",
    "ConvgradError": "errors.ConvgradError",
    "DataError": "errors.DataError",
    "Dataset": "data.Dataset",
    "DerivationError": "errors.DerivationError",
    "EngineError": "errors.EngineError",
    "EquationError": "errors.EquationError",
    "EquationSyntaxError": "errors.EquationSyntaxError",
    "ModelError": "errors.ModelError",
    "Network": "models.network.Network",
    "ShapeError": "errors.ShapeError",
    "TrainingError": "errors.TrainingError",
    "assert_gradient_correct": "check.assert_gradient_correct",
    "batched": "notation.batched",
    "bind": "notation.bind",
    "derivation": "calculus.derive.derivation",
    "evaluate": "compute.oracle.evaluate",
    "from_keras": "models.transfer.from_keras",
    "from_onnx": "models.onnx_file.from_onnx",
    "from_torch": "models.transfer.from_torch",
    "gradients": "calculus.derive.gradients",
    "latex": "notation.latex",
    "load": "models.saved.load",
    "load_data": "data.load",
    "mathml": "notation.mathml",
    "parse": "notation.parse",
    "save": "training.checkpoint.save",
    "value_and_grad": "gradient_function.value_and_grad",
}
"""Names that are imported when they are first asked for, and from where: processes that compile need none of them, and
until the command has taken over Ctrl-C, nothing is loaded that takes time."""


def __getattr__(name: str) -> object:
    from importlib import import_module
    from importlib.util import find_spec

    if name in HOMES:
        module, _, attribute = HOMES[name].rpartition(".")
        value = getattr(import_module(f"convgrad.{module}"), attribute)
    elif not name.startswith("_") and find_spec(f"convgrad.{name}") is not None:
        return import_module(f"convgrad.{name}")  # `check`, too, is a module; it can be called
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
