"""The mistakes that are looked for."""

from convgrad.check.mistakes import (
    courses,
    derivatives,
    functions,
    kernels,
    logarithms,
    norms,
    orders,
    parts,
    pooling,
    sums,
    windows,
)
from convgrad.check.mistakes.base import Given, Mistake, Predicted, Prediction, changed_by, predict

MISTAKES: tuple[Mistake, ...] = (
    *kernels.MISTAKES,
    *functions.MISTAKES,
    *logarithms.MISTAKES,
    *derivatives.MISTAKES,
    *norms.MISTAKES,
    *windows.MISTAKES,
    *pooling.MISTAKES,
    *sums.MISTAKES,
    *parts.MISTAKES,
    *orders.MISTAKES,
    *courses.MISTAKES,
)

__all__ = ["MISTAKES", "Given", "Mistake", "Predicted", "Prediction", "changed_by", "predict"]
