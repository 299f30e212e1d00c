"""How well numbers with a mistake made in them agree with a person's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.check.functions.comparison import FINEST, Comparison, distance, machine_epsilon
from convgrad.check.functions.layouts import fits
from convgrad.check.functions.reading import Attempt
from convgrad.check.mistakes import Predicted, Prediction
from convgrad.check.problems.bound import error_bounds
from convgrad.check.problems.problem import Array

AnyArray = npt.NDArray[Any]


@dataclass
class _Measured:
    """Of one prediction, by output: how far it is from the person's numbers, and whether it is other than right."""

    gaps: dict[str, float] = field(default_factory=dict)
    effects: dict[str, bool] = field(default_factory=dict)


class Agreement:
    """A call's outputs, which predictions are held against.

    right: output -> the right numbers, as the equation has them. terms: how many were added up for one entry.
    tolerance: what the rounding of a calculation may do to an entry.
    """

    def __init__(self, attempt: Attempt, comparisons: Mapping[str, Comparison], outputs: Iterable[str]):
        self.attempt, self.comparisons, self.problem = attempt, comparisons, attempt.problem
        self.right: dict[str, Array] = {n: attempt.values[n] for n in outputs}
        bounds = error_bounds(self.problem, attempt.values)
        self.terms = {n: bounds[n][1] for n in self.right}
        self.tolerance = {
            n: 4
            * self.terms[n]
            * min(machine_epsilon(comparisons[n].found), FINEST)
            * (float(bounds[n][0].max()) + float(np.max(np.abs(a), initial=0.0)))
            for n, a in self.right.items()
        }
        self._asked_often: dict[int, _Measured] = {}

    def keep(self, predictions: Iterable[Prediction]) -> None:
        """Measure these once only; they have to live as long as this does."""
        self._asked_often = {id(p): _Measured() for p in predictions}

    def gap(self, output: str, prediction: Prediction) -> float:
        """How far the person's output is from that with the mistakes made."""
        known = self._asked_often.get(id(prediction), _Measured()).gaps
        if output not in known:
            known[output] = self._gap(output, prediction)
        return known[output]

    def effect(self, output: str, prediction: Prediction) -> bool:
        """Whether the mistakes change the output at all."""
        known = self._asked_often.get(id(prediction), _Measured()).effects
        if output not in known:
            known[output] = self._effect(output, prediction)
        return known[output]

    def matches(self, output: str, prediction: Prediction) -> bool:
        """Whether the person's output is that with the mistakes made."""
        return self.gap(output, prediction) <= self.tolerance[output]

    def laid_out(self, output: str, predicted: Predicted) -> AnyArray | None:
        """As the person would have it; None where it has an axis that the person's layout has no place for."""
        if self.problem.total and output == self.problem.of:
            return predicted.array
        convention = self.attempt.convention
        if convention.reading.jacobian and predicted.array.shape == self.right[output].shape:
            return convention.laid_out(output, predicted.array, self.problem)
        names = output if predicted.labels == self.problem.labels[output] else self.problem.of
        pattern = convention.pattern(names, self.problem)
        fitting = fits(predicted.labels, predicted.array.shape, pattern)
        return convention.arranged(predicted.array, predicted.labels, pattern) if fitting else None

    def _gap(self, output: str, prediction: Prediction) -> float:
        predicted = prediction.outputs.get(output)
        laid = None if predicted is None else self.laid_out(output, predicted)
        return float("inf") if laid is None else distance(self.comparisons[output].found, laid)

    def _effect(self, output: str, prediction: Prediction) -> bool:
        predicted = prediction.outputs.get(output)
        if predicted is None or not predicted.array.any():
            return False
        return distance(predicted.array, self.right[output]) > self.tolerance[output]
