"""Rules for arguments: what they accept, and what a caller is told where one is not kept."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convgrad.arguments import (
    FINITE,
    FLAG,
    FUNCTION,
    NAMES,
    PATH,
    POSITIVE,
    SHAPE,
    TABLE,
    TEXT,
    Rule,
    an,
    at_least,
    between,
    made_from,
    one_of,
    optional,
    real_array,
    shown,
    takes,
)
from convgrad.errors import ArgumentError, DataError, ModelError, TrainingError, suggestion
from convgrad.layers import Conv2D, Dense, Dropout, ReLU
from convgrad.losses import MeanSquaredError, loss_from
from convgrad.optimizers import SGD, Adam
from odd_values import Unfriendly

NO_NUMBER: tuple[object, ...] = (None, "3", b"3", True, 1j, [], (3,), np.zeros(2), int, Unfriendly(), float("nan"))


@pytest.mark.parametrize(
    ("rule", "accepted", "refused"),
    [
        (at_least(2), (2, np.int64(3), 10**30), (1, -2, 2.0, np.float64(2), *NO_NUMBER)),
        (between(0, 1), (0, 0.5, np.float32(0.25)), (1, -0.1, float("inf"), *NO_NUMBER)),
        (POSITIVE, (1, 1e-300, np.float32(0.5)), (0, -1, float("inf"), *NO_NUMBER)),
        (FINITE, (0, -1.5, np.float16(2)), (float("-inf"), *NO_NUMBER)),
        (FLAG, (True, np.False_), (None, 0, 1, "yes", np.zeros(1, bool), Unfriendly())),
        (TEXT, ("", "a"), (None, b"a", 3, Unfriendly())),
        (PATH, ("a", Path("a")), (None, b"a", 3, "a\0b", Unfriendly())),
        (SHAPE, ((), (3,), [2, np.int64(5)]), (3, (0,), (2.0,), (True,), "23", None, np.ones(2), Unfriendly())),
        (FUNCTION, (len, Unfriendly), (None, "len", Unfriendly())),
        (TABLE, ({}, {"a": 1}), ({1: 2}, [], None, "a", Unfriendly())),
        (NAMES, ((), ["a"], {"a": 1}), ("a", b"a", [1], None, 3, Unfriendly())),
        (one_of("same", None), ("same", None, np.str_("same")), ("other", 3, [], Unfriendly())),
        (an(Rule, "a rule"), (TEXT,), (None, Rule, "a", Unfriendly())),
        (optional(at_least(1)), (None, 1), (0, "a", Unfriendly())),
    ],
    ids=lambda value: value.must if isinstance(value, Rule) else "",
)
def test_rules(rule: Rule, accepted: tuple[Any, ...], refused: tuple[Any, ...]) -> None:
    for value in accepted:
        rule.keep("here", "it", value)
    for value in refused:
        with pytest.raises(ArgumentError, match=r"^here: it must be ") as found:
            rule.keep("here", "it", value)
        assert rule.must in str(found.value)


@takes(TrainingError, epochs=at_least(1), padding=one_of("valid", "same"), names=NAMES, rule=an(Rule, "a rule"))
def example(x: Any, epochs: int = 5, *, padding: str = "valid", names: Any = (), rule: Any = TEXT) -> tuple[Any, int]:
    """A function to be called wrongly."""
    return x + 0, epochs


@made_from(DataError, size=at_least(1))
class Made:
    """A class to be made wrongly."""

    def __init__(self, size: int) -> None:
        self.size = size

    @takes(DataError, by=POSITIVE)
    def scaled(self, by: float) -> float:
        return self.size * by


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [  # A type checker refuses most of these as well, and is told to let them pass.
        (lambda: example(1, 0), TrainingError, r"example: epochs must be a whole number of at least 1, not 0\."),
        (lambda: example(1, epochs="3"), TrainingError, r"not '3'\."),  # type: ignore[arg-type]
        (lambda: example(1, padding="sane"), TrainingError, r"'valid' or 'same', not 'sane'\. Did you mean 'same'\?"),
        (lambda: example(1, names="w"), TrainingError, r"names must be a collection of names, not 'w'\. Write \['w'\]"),
        (
            lambda: example(1, rule=Rule),
            TrainingError,
            r"must be a rule, not the class Rule\. Make one: Rule\(\.\.\.\)",
        ),
        (lambda: example(1, epoch=3), TrainingError, r"example has no argument 'epoch'\. Did you mean 'epochs'\?"),  # type: ignore[call-arg]
        (lambda: example(1, stride=3), TrainingError, r"no argument 'stride'\. Available: epochs, names, padding"),  # type: ignore[call-arg]
        (lambda: example(), TrainingError, r"example needs x, which is missing\."),  # type: ignore[call-arg]
        (lambda: example(1, 2, 3), TrainingError, r"takes 2 positional arguments, but got 3\. .*: padding=\.\.\."),  # type: ignore[call-arg, arg-type]
        (lambda: example(1, x=2), TrainingError, r"example: x is given twice, by position and by name\."),  # type: ignore[misc]
        (lambda: Made(0), DataError, r"Made: size must be a whole number of at least 1, not 0\."),
        (lambda: Made(), DataError, r"Made needs size, which is missing\."),  # type: ignore[call-arg]
        (lambda: Made(sise=3), DataError, r"Made has no argument 'sise'\. Did you mean 'size'\?"),  # type: ignore[call-arg]
        (lambda: Made(2).scaled(0), DataError, r"Made\.scaled: by must be a number above 0, not 0\."),
        (lambda: Made(2).scaled(), DataError, r"Made\.scaled needs by, which is missing\."),  # type: ignore[call-arg]
        (lambda: Conv2D(8, 3, stride=2), ModelError, r"Conv2D has no argument 'stride'\. Did you mean 'strides'\?"),  # type: ignore[call-arg]
        (lambda: Conv2D(8), ModelError, r"Conv2D needs kernel_size, which is missing\."),  # type: ignore[call-arg]
        (lambda: Conv2D(), ModelError, r"Conv2D needs filters and kernel_size, which are missing\."),  # type: ignore[call-arg]
        (
            lambda: Dense(3, activation="relu"),  # type: ignore[call-arg]
            ModelError,
            r"no argument 'activation'\. An activation is a layer of its own",
        ),
        (lambda: Dropout(p=0.5), ModelError, r"Dropout has no argument 'p'\. Did you mean 'rate'\?"),  # type: ignore[call-arg]
        (lambda: ReLU(3), ModelError, r"ReLU takes 0 positional arguments, but got 1"),  # type: ignore[call-arg, arg-type]
        (lambda: SGD(lr=0.1), ModelError, r"SGD has no argument 'lr'\. Did you mean 'learning_rate'\?"),  # type: ignore[call-arg]
        (lambda: Adam(epsilon=1), ModelError, r"Adam has no argument 'epsilon'\. Did you mean 'eps'\?"),  # type: ignore[call-arg]
        (lambda: MeanSquaredError(3), ModelError, r"takes 0 positional arguments, but got 1\.$"),  # type: ignore[call-arg]
        (lambda: MeanSquaredError(a=3), ModelError, r"has no argument 'a'\. It takes no arguments by name\.$"),  # type: ignore[call-arg]
    ],
)
def test_callers_are_told(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_what_a_function_raises_itself_stays() -> None:
    with pytest.raises(TypeError, match="can only concatenate str"):
        example("a")


def test_signatures_stay() -> None:
    assert str(inspect.signature(example)).startswith("(x: 'Any', epochs: 'int' = 5, *, padding")
    assert list(inspect.signature(Made).parameters) == ["size"]
    assert list(inspect.signature(Conv2D).parameters)[:3] == ["filters", "kernel_size", "strides"]
    assert example.__doc__ == "A function to be called wrongly."


@pytest.mark.parametrize(
    "value", [None, "abc", [[1], [2, 3]], [None], 1j, b"ab", Unfriendly(), np.array([{}]), np.array(["2020"], "M8[D]")]
)
def test_arrays_of_other_things_are_refused(value: Any) -> None:
    with pytest.raises(DataError, match=r"^fit: x must be an array of real numbers, or lists of one length, not "):
        real_array("fit", "x", value, DataError)


def test_masked_values_are_refused() -> None:
    with pytest.raises(DataError, match=r"fit: x has masked values\. Fill them"):
        real_array("fit", "x", np.ma.masked_array([1.0, 2.0], mask=[False, True]), DataError)
    assert real_array("fit", "x", np.ma.masked_array([1.0, 2.0], mask=False), DataError).tolist() == [1, 2]


def test_quotes_are_short_and_never_fail() -> None:
    assert shown(np.float32(0.5)) == "0.5"
    assert shown(np.zeros((2, 3))) == "an array of float64 with shape (2, 3)"
    assert shown(Unfriendly()) == "a value of type Unfriendly"
    assert shown(10**5000) == "a value of type int"
    for value in ("a" * 10_000, b"a" * 10_000, list(range(10_000)), "\ud800" * 100):
        text = shown(value)
        assert len(text) < 500
        assert text.isprintable()


@pytest.mark.parametrize(
    ("name", "known", "told"),
    [
        ("cross_entropy", "softmax_cross_entropy binary_cross_entropy mse", "Available: binary_cross_entropy, softmax"),
        ("nll_loss", "softmax_cross_entropy negative_log_likelihood", "Did you mean 'negative_log_likelihood'?"),
        ("MSELoss", "mse half_squared_error", "Did you mean 'mse'?"),
        ("mae", "mse half_squared_error", "Available: half_squared_error, mse."),
        ("Conv2d", "Conv1D Conv2D Conv3D", "Did you mean 'Conv2D'?"),
        ("MaxPool3D", "MaxPool2D AvgPool2D", "Available: AvgPool2D, MaxPool2D."),
        ("BatchNorm2d", "BatchNorm LayerNorm", "Did you mean 'BatchNorm'?"),
        ("relu6", "ReLU ELU", "Available: ELU, ReLU."),
        ("PReLU", "ReLU LeakyReLU", "Available: ReLU, LeakyReLU."),
        ("emnist", "mnist digits", "Available: digits, mnist."),
        ("cifar100", "cifar10 mnist", "Available: cifar10, mnist."),
        ("adamax", "adam adamw sgd", "Available: adam, adamw, sgd."),
        ("sdg", "adam sgd", "Did you mean 'sgd'?"),
        ("conv2.w", "conv1.w conv1.b", "Available: conv1.b, conv1.w."),
        ("conv1.ww", "conv1.w conv1.b dense1.w", "Did you mean 'conv1.w'?"),
        ("hidden", "hidde hiden", "Did you mean 'hidde' or 'hiden'?"),
        ("x", "", "There are none."),
    ],
)
def test_suggestions_do_not_mislead(name: str, known: str, told: str) -> None:
    assert suggestion(name, known.split()).strip().startswith(told)


def test_suggestions_of_many_names_are_short() -> None:
    assert suggestion("x", (f"layer{n}.w" for n in range(1000))).endswith(" and 970 more.")


def test_an_unknown_loss_is_not_taken_for_another() -> None:
    with pytest.raises(
        ModelError, match=r"no loss called 'cross_entropy'\. Available: .*binary_cross_entropy, softmax_"
    ):
        loss_from("cross_entropy")
