"""What outputs mean as probabilities, by the loss that taught them."""

from __future__ import annotations

import numpy as np
import pytest

from convgrad.errors import DataError
from convgrad.losses import registry
from convgrad.training.probabilities import probabilities

LOGITS = np.array([[0.3, -2.0, 1.2], [1000.0, 0.0, -1000.0]])
SHARES = np.array([[0.2, 0.7, 0.1], [1.0, 0.0, 0.0]])


def test_each_loss_says_what_outputs_mean() -> None:
    """A loss is least where outputs say the truth: each of these gives back the probabilities that it was made of."""
    with np.errstate(divide="ignore"):
        logarithms, odds = np.log(SHARES), np.log(SHARES / (1 - SHARES))
    outputs = {
        "half_squared_error": SHARES,
        "mse": SHARES,
        "mae": SHARES,
        "huber": SHARES,
        "softmax_cross_entropy": logarithms + 7,
        "pixel_cross_entropy": logarithms + 7,
        "negative_log_likelihood": logarithms,
        "kl_divergence": logarithms,
        "binary_cross_entropy": odds,
        "dice": odds,
    }
    assert registry.keys() - outputs.keys() == {"multi_margin"}
    for loss, given in outputs.items():
        np.testing.assert_allclose(probabilities(given, loss), SHARES, rtol=0, atol=1e-15, err_msg=loss)


def test_large_outputs_do_not_overflow() -> None:
    rows = probabilities(LOGITS, "softmax_cross_entropy")
    np.testing.assert_allclose(rows.sum(axis=1), 1, rtol=1e-15)
    assert rows[1].tolist() == [1, 0, 0]


def test_one_output_is_yes() -> None:
    np.testing.assert_array_equal(probabilities(np.array([[0.25]]), "mse"), [[0.75, 0.25]])


def test_margins_are_no_probabilities() -> None:
    with pytest.raises(DataError, match=r"trained with multi_margin, .* no probability of it\."):
        probabilities(LOGITS, "multi_margin")
