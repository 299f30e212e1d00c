"""A network that names classes, as an estimator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels
from sklearn.utils.validation import column_or_1d, validate_data

from convgrad.arguments import POSITIVE
from convgrad.data import Augment
from convgrad.errors import EstimatorError
from convgrad.estimators.base import FLOATS, Array, Builder, NetworkEstimator
from convgrad.losses import Loss
from convgrad.optimizers import Optimizer
from convgrad.training.events import Callback
from convgrad.training.probabilities import probabilities
from convgrad.training.schedules import Schedule
from convgrad.training.weighing import BALANCED


class ConvgradClassifier(ClassifierMixin, NetworkEstimator):  # type: ignore[misc]
    """A network that is trained to name the class of each row, or to say yes or no to several labels.

    p[k] = exp(y[k]) / sum[k](exp(y[k])), with y the network's outputs, and the loss -log(p[t]) for a class t; with
    several labels for a row p[k] = 1 / (1 + exp(-y[k])), and binary cross-entropy.

    Args:
        network: None for Dense layers with ReLU between them; the name of a model, such as "lenet"; or a function
            `network(input_shape, outputs)` that returns a `Network`.
        hidden_layer_sizes: units of the layers between input and output, where network is None.
        input_shape: of one example, such as (28, 28, 1), where X holds rows of numbers; by default that of X. Images
            are (rows, columns, channels).
        epochs: how often `fit` goes over all examples. batch_size: examples in one update of the weights, or all
            where there are fewer.
        optimizer, learning_rate, loss, schedule, augment, callbacks, shuffle, engine, verbose, validation_split: as
            `Network.fit` takes them. loss None: by what y is, see above. Callbacks are copied for each training.
        class_weight: "balanced", or a table from classes to weights above 0, as `Network.fit` takes it.
        warm_start: `fit` goes on with the weights of the last one, where the shapes are the same.
        random_state: of initial weights, order and all else that is random. The same number gives the same bits.

    Numbers in X are taken as they are, bytes (uint8) as well: `Network.fit` makes 0..1 of them, but here tools such as
    `StandardScaler` may come before.

    Attributes:
        classes_: (K,) what y holds, sorted; of several labels their numbers 0..K-1.
        network_: the trained `Network`, which can be explained, saved and trained on.
        history_: the loss of each epoch, and more (`History`); of the last call of `fit`.
        n_features_in_, feature_names_in_: as scikit-learn has them.

    Raises:
        EstimatorError: a single class; an input_shape or network that does not fit the data.
        ConvgradError: others, as `Network.fit` raises them.

    Example:
        >>> from sklearn.datasets import load_digits
        >>> from sklearn.model_selection import cross_val_score
        >>> x, y = load_digits(return_X_y=True)
        >>> model = ConvgradClassifier("lenet", input_shape=(8, 8, 1), epochs=5, learning_rate=0.003, random_state=0)
        >>> bool(cross_val_score(model, x / 16, y, cv=2).min() > 0.9)
        True
    """

    classes_: npt.NDArray[Any]

    def __init__(  # scikit-learn asks a constructor for the names of all arguments
        self,
        network: str | Builder | None = None,
        *,
        hidden_layer_sizes: Sequence[int] = (100,),
        input_shape: Sequence[int] | None = None,
        epochs: int = 50,
        batch_size: int = 32,
        optimizer: str | Optimizer = "adam",
        learning_rate: float | None = None,
        loss: str | Loss | None = None,
        class_weight: str | Mapping[Any, float] | None = None,
        schedule: str | Schedule | None = None,
        validation_split: float = 0.0,
        augment: Augment | None = None,
        callbacks: Sequence[Callback] = (),
        shuffle: bool = True,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
        engine: str = "auto",
    ):
        super().__init__(
            network,
            hidden_layer_sizes=hidden_layer_sizes,
            input_shape=input_shape,
            epochs=epochs,
            batch_size=batch_size,
            optimizer=optimizer,
            learning_rate=learning_rate,
            loss=loss,
            schedule=schedule,
            validation_split=validation_split,
            augment=augment,
            callbacks=callbacks,
            shuffle=shuffle,
            warm_start=warm_start,
            random_state=random_state,
            verbose=verbose,
            engine=engine,
        )
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any) -> ConvgradClassifier:
        """Train.

        Args:
            X: (N, features) numbers, or (N, *shape). y: (N,) classes of any type, or (N, K) of 0 and 1, several labels
                for a row.

        Returns: the estimator.
        """
        self._forget_step()
        x, targets = self._checked(X, y, reset=True)
        self.classes_ = np.arange(targets.shape[1]) if targets.ndim == 2 else unique_labels(targets)
        weights = self.class_weight
        if weights is not None and weights != BALANCED:
            weights = dict(enumerate(self._weights()))
        return self._train(x, self._targets(targets), len(self.classes_), self._loss, weights)

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> ConvgradClassifier:
        """Go once over these examples, with the weights and the optimizer's memory of the calls before.

        Args:
            X, y: as `fit` takes them. classes: (K,) all that y will ever hold; needed in the first call.

        Returns: the estimator.

        Raises:
            EstimatorError: the first call does not say the classes, or a later one others; y holds another.
        """
        first = not hasattr(self, "classes_")
        x, targets = self._checked(X, y, reset=first)
        if first:
            if classes is None:
                raise EstimatorError(
                    "partial_fit: the first call has to say all classes, of which later ones may bring new ones: "
                    "partial_fit(X, y, classes=np.unique(all_y))."
                )
            self.classes_ = unique_labels(classes)
        elif classes is not None and not np.array_equal(self.classes_, unique_labels(classes)):
            raise EstimatorError(
                f"partial_fit: classes are {unique_labels(classes)}, but were {self.classes_} in the first call. Leave "
                "them out, or make a new estimator with clone."
            )
        if self.class_weight == BALANCED:
            raise EstimatorError(
                "partial_fit: class_weight='balanced' would count the classes of each call by itself. Give a weight "
                "for each class: class_weight={...}."
            )
        weights = None if self.class_weight is None else self._weights()
        return self._train_on(x, self._targets(targets), len(self.classes_), self._loss, weights)

    def _weights(self) -> npt.NDArray[np.float64]:
        """(K,): the weight of each class, 1 for those that were given none."""
        if not isinstance(self.class_weight, Mapping) or self._several:
            whose = "of one class a row" if self._several else "'balanced', or a table from classes to weights"
            raise EstimatorError(f"{type(self).__name__}: class_weight is {whose}, not {self.class_weight!r}.")
        known = self.classes_.tolist()
        for key, weight in self.class_weight.items():
            if key not in known:
                raise EstimatorError(
                    f"{type(self).__name__}: class_weight has {key!r}, which is none of the classes {known}."
                )
            if not POSITIVE.accepts(weight):
                raise EstimatorError(
                    f"{type(self).__name__}: class_weight of {key!r} is {weight!r}, but weights are above 0."
                )
        return np.array([float(self.class_weight.get(each, 1.0)) for each in known])

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """(N, K): the probability of each of `classes_`, in their order."""
        return probabilities(self._outputs(X), self.network_.loss_of_one)

    def predict(self, X: Any) -> Array:
        """(N,): the most probable class of each row; with several labels (N, K) of 0 and 1."""
        outputs = self._outputs(X)
        if self._several:
            return np.asarray(probabilities(outputs, self.network_.loss_of_one) > 0.5, np.int64)
        return np.asarray(self.classes_[outputs.argmax(axis=1)])

    @property
    def _loss(self) -> str | Loss:
        if self.loss is not None:
            return self.loss
        return "binary_cross_entropy" if self._several else "softmax_cross_entropy"

    def _checked(self, X: Any, y: Any, reset: bool) -> tuple[Array, Array]:
        """X and y as arrays; classes as they were given, or rows of 0 and 1."""
        x, given = validate_data(self, X, y, reset=reset, allow_nd=True, dtype=FLOATS, multi_output=True)
        check_classification_targets(given)
        several = type_of_target(given) == "multilabel-indicator"
        if reset:
            self._several = several
        return x, np.asarray(given) if several else column_or_1d(given, warn=True)

    def _targets(self, given: Array) -> Array:
        """Labels 0..K-1, or rows of 0 and 1."""
        if self._several:
            return given
        if len(self.classes_) < 2:
            raise EstimatorError(
                f"{type(self).__name__}: y holds one class only, {self.classes_.tolist()[0]!r}. To tell classes "
                "apart there have to be two."
            )
        places = np.searchsorted(self.classes_, given).clip(max=len(self.classes_) - 1)
        strange = self.classes_[places] != given
        if strange.any():
            found = given.tolist()[int(strange.argmax())]
            raise EstimatorError(
                f"partial_fit: y holds {found!r}, which is none of the classes of the first call, {self.classes_}."
            )
        return np.asarray(places, np.int64)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
