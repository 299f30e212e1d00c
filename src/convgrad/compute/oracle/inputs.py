"""What both evaluators ask of their caller: a bound equation, and an array of the right shape for each input."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from convgrad.arguments import real_array
from convgrad.compute.contract import check_bound
from convgrad.errors import DataError
from convgrad.notation.terms import Equation

Array = npt.NDArray[np.float64]


def checked_inputs(equation: Equation, arrays: Mapping[str, npt.ArrayLike]) -> dict[str, Array]:
    """The inputs of a bound equation as float64 arrays; other entries of `arrays` are left out.

    Raises:
        ShapeError: the equation is not bound.
        DataError: an input is missing, is not an array of real numbers, or has another shape than the equation says.
    """
    check_bound(equation)
    shapes = equation.shape_of
    return {name: _checked(name, arrays, shapes[name]) for name in equation.inputs}


def _checked(name: str, arrays: Mapping[str, npt.ArrayLike], shape: tuple[int, ...]) -> Array:
    if name not in arrays:
        raise DataError(f"No array is given for `{name}`; the equation reads it with shape {shape}.")
    array = real_array("evaluate", name, arrays[name], DataError)
    if array.shape != shape:
        raise DataError(f"The array for `{name}` has shape {array.shape}; the equation reads it with shape {shape}.")
    return array.astype(np.float64, copy=False)
