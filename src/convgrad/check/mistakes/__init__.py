"""The mistakes that are looked for."""

from convgrad.check.mistakes import (
    attention,
    averages,
    borders,
    courses,
    derivatives,
    epsilons,
    formulas,
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
    states,
    sums,
    targets,
    windows,
)
from convgrad.check.mistakes.base import Given, Kept, Mistake, Predicted, Prediction, changed_by, predict

MISTAKES: tuple[Mistake, ...] = (
    *kernels.MISTAKES,
    *functions.MISTAKES,
    *logarithms.MISTAKES,
    *derivatives.MISTAKES,
    *gelu.MISTAKES,
    *epsilons.MISTAKES,
    *norms.MISTAKES,
    *paths.MISTAKES,
    *formulas.MISTAKES,
    *targets.MISTAKES,
    *windows.MISTAKES,
    *borders.MISTAKES,
    *pooling.MISTAKES,
    *averages.MISTAKES,
    *sums.MISTAKES,
    *parts.MISTAKES,
    *repeated.MISTAKES,
    *orders.MISTAKES,
    *courses.MISTAKES,
    *attention.MISTAKES,
    *states.MISTAKES,
)

__all__ = ["MISTAKES", "Given", "Kept", "Mistake", "Predicted", "Prediction", "changed_by", "predict"]
