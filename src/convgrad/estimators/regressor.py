"""A network that returns numbers, as an estimator."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import column_or_1d, validate_data

from convgrad.estimators.base import FLOATS, Array, NetworkEstimator
from convgrad.losses import Loss


class ConvgradRegressor(RegressorMixin, NetworkEstimator):  # type: ignore[misc]
    """A network that is trained to return the numbers that belong to each row.

    E = sum[k]((y[k] - t[k])^2) / K, with y the network's outputs and t the row's numbers.

    Args: as for `ConvgradClassifier`; loss None: "mse".

    Attributes:
        network_, history_, n_features_in_, feature_names_in_: as for `ConvgradClassifier`.

    Targets are best of about the size of 1: see `sklearn.compose.TransformedTargetRegressor`.

    Example:
        >>> from sklearn.datasets import make_regression
        >>> x, y = make_regression(200, 5, random_state=0)
        >>> model = ConvgradRegressor(random_state=0).fit(x, y / y.std())
        >>> bool(model.score(x, y / y.std()) > 0.9)
        True
    """

    def fit(self, X: Any, y: Any) -> ConvgradRegressor:
        """Train.

        Args:
            X: (N, features) numbers, or (N, *shape). y: (N,) or (N, K) numbers.

        Returns: the estimator.
        """
        self._forget_step()
        x, targets = self._checked(X, y, reset=True)
        return self._train(x, targets, targets.shape[1], self._loss)

    def partial_fit(self, X: Any, y: Any) -> ConvgradRegressor:
        """Go once over these examples, with the weights and the optimizer's memory of the calls before.

        X, y: as `fit` takes them. Returns: the estimator.
        """
        x, targets = self._checked(X, y, reset=not hasattr(self, "network_"))
        return self._train_on(x, targets, targets.shape[1], self._loss)

    def predict(self, X: Any) -> Array:
        """(N,) or (N, K), as y was."""
        outputs = self._outputs(X).astype(np.float64)
        return outputs[:, 0] if self._one_number else outputs

    @property
    def _loss(self) -> str | Loss:
        return "mse" if self.loss is None else self.loss

    def _checked(self, X: Any, y: Any, reset: bool) -> tuple[Array, Array]:
        x, given = validate_data(
            self, X, y, reset=reset, allow_nd=True, dtype=FLOATS, multi_output=True, y_numeric=True
        )
        given = np.asarray(given, np.float64)
        one = given.ndim == 1 or given.shape[1] == 1
        if one:
            given = column_or_1d(given, warn=True)[:, np.newaxis]
        if reset:
            self._one_number = one
        return x, given

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
