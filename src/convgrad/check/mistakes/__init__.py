"""The mistakes that are looked for."""

from convgrad.check.mistakes import (
    courses,
    derivatives,
    functions,
    gelu,
    kernels,
    logarithms,
    norms,
    orders,
    parts,
    paths,
    pooling,
    repeated,
    sums,
    targets,
    windows,
)
from convgrad.check.mistakes.base import Given, Mistake, Predicted, Prediction, changed_by, predict

MISTAKES: tuple[Mistake, ...] = (
    *kernels.MISTAKES,
    *functions.MISTAKES,
    *logarithms.MISTAKES,
    *derivatives.MISTAKES,
    *gelu.MISTAKES,
    *norms.MISTAKES,
    *paths.MISTAKES,
    *targets.MISTAKES,
    *windows.MISTAKES,
    *pooling.MISTAKES,
    *sums.MISTAKES,
    *parts.MISTAKES,
    *repeated.MISTAKES,
    *orders.MISTAKES,
    *courses.MISTAKES,
)

__all__ = ["MISTAKES", "Given", "Mistake", "Predicted", "Prediction", "changed_by", "predict"]
