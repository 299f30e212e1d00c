"""The mistakes that are looked for."""

from convgrad.check.mistakes import functions, kernels, pooling, sums, windows
from convgrad.check.mistakes.base import Given, Mistake, Predicted, Prediction, changed_by, predict

MISTAKES: tuple[Mistake, ...] = (
    *kernels.MISTAKES,
    *functions.MISTAKES,
    *windows.MISTAKES,
    *pooling.MISTAKES,
    *sums.MISTAKES,
)

__all__ = ["MISTAKES", "Given", "Mistake", "Predicted", "Prediction", "changed_by", "predict"]
