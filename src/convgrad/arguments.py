"""What public functions accept: rules for arguments, and one style of message where one is not kept.

>>> @takes(epochs=at_least(1))
... def train(network, epochs=5): ...
>>> train("lenet", epochs=0)
Traceback (most recent call last):
convgrad.errors.ArgumentError: train: epochs must be a whole number of at least 1, not 0.
>>> train("lenet", epoch=3)
Traceback (most recent call last):
convgrad.errors.ArgumentError: train has no argument 'epoch'. Did you mean 'epochs'?
"""

from __future__ import annotations

import math
import operator
import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from numbers import Real
from os import PathLike
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from convgrad.errors import ArgumentError, ConvgradError, suggestion

if TYPE_CHECKING:
    import numpy.typing as npt

# NumPy is imported in functions: processes that compile kernels import this file, and start in half the time without.
P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C", bound=type)
BY_PLACE = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
BY_NAME = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
OWN = ("self", "cls")
SHOWN = 60
"""Characters of a value that a message quotes."""
DIGITS = 18
"""Of a whole number that somebody wrote, the most that always fit into 64 bits."""


@dataclass(frozen=True)
class Rule:
    """What an argument must be, in words that go on after `must be`, and whether a value is that.

    hint: a sentence about the value that was given, beginning with a space.
    """

    must: str
    accepts: Callable[[Any], bool]
    hint: Callable[[Any], str] = lambda value: ""

    def keep(self, label: str, argument: str, value: Any, error: type[ConvgradError] = ArgumentError) -> None:
        """Raises: `error` where the value of the argument of `label` is something else."""
        try:
            accepted = self.accepts(value)
        except (TypeError, ValueError, OverflowError, AttributeError):  # odd objects: no truth, no order, no hash
            accepted = False
        if not accepted:
            raise error(f"{label}: {argument} must be {self.must}, not {shown(value)}.{self.hint(value)}")


def shown(value: Any) -> str:
    """How a message quotes a value: short, and never failing.

    >>> import numpy as np
    >>> shown(2.5), shown(np.zeros((2, 3))), shown("a" * 100)
    ('2.5', 'an array of float64 with shape (2, 3)', "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...'")
    """
    if isinstance(value, (str, bytes)) and len(value) > SHOWN:
        return f"{value[: SHOWN - 1]!r}"[:-1] + f"...{repr(value)[-1]}"
    text = quoted(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


def quoted(value: Any) -> str:
    """`repr(value)` of any object: on one line, never failing, and short for arrays."""
    import numpy as np

    if isinstance(value, np.ndarray) and value.ndim:
        return f"an array of {value.dtype} with shape {value.shape}"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    try:
        text = str(value) if isinstance(value, np.generic) else repr(value)
    except Exception:  # a repr of somebody else's, or a number of more digits than Python writes
        return f"a value of type {type(value).__name__}"
    return text if text.isprintable() else text.encode("ascii", "backslashreplace").decode().replace("\n", " ")


def whole(value: Any) -> int | None:
    """`value` as an int if it is a whole number of any integer type, else None."""
    if type(value) is int:
        return value
    import numpy as np

    if isinstance(value, (bool, np.bool_, np.ndarray)):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def _number(value: Any) -> float:
    """`value` as a float, NaN where it is not a real number."""
    return float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan


def whole_number(text: str) -> int | None:
    """The number that a text of digits is; None where it has other signs, or more digits than 64 bits hold."""
    return int(text) if re.fullmatch(rf"[0-9]{{1,{DIGITS}}}", text.strip()) else None


def at_least(least: int, most: float = math.inf) -> Rule:
    """A whole number; `most` is a limit that nobody reaches on purpose, and is told only to who does."""

    def accepts(value: Any) -> bool:
        number = whole(value)
        return number is not None and least <= number <= most

    def hint(value: Any) -> str:
        number = whole(value)
        return f" The limit is {most:,}." if number is not None and number > most else ""

    return Rule(f"a whole number of at least {least}", accepts, hint)


def between(low: float, high: float) -> Rule:
    """A number from `low` up to, and not including, `high`."""
    bounds = f"of at least {low:g}" + (f" and below {high:g}" if math.isfinite(high) else "")
    return Rule(f"a number {bounds}", lambda value: low <= _number(value) < high)


POSITIVE = Rule("a number above 0", lambda value: 0 < _number(value) < math.inf)
NOT_NEGATIVE = between(0, math.inf)
NUMBER = Rule("a number", lambda value: value != value or not math.isnan(_number(value)))
FINITE = Rule("a finite number", lambda value: math.isfinite(_number(value)))
FLAG = Rule("True or False", lambda value: isinstance(value, bool) or _is_numpy_flag(value))
TEXT = Rule("a text", lambda value: isinstance(value, str))
LARGEST = 2**31 - 1
COUNT = at_least(1, LARGEST)
SEED = at_least(0)
SIZE = Rule("a pair of whole numbers of at least 1, rows and columns", lambda value: _is_size(value))
SIZES = Rule(
    "a tuple of whole numbers of at least 0",
    lambda value: isinstance(value, (tuple, list)) and all(SEED.accepts(size) for size in value),
)
DTYPE = Rule("a type of numbers, such as 'float32'", lambda value: _is_dtype(value))
PATH = Rule("a path", lambda value: isinstance(value, (str, PathLike)) and "\0" not in os.fsdecode(os.fsencode(value)))
SHAPE = Rule(
    "a tuple of whole numbers of at least 1",
    lambda value: isinstance(value, (tuple, list)) and all((whole(size) or 0) > 0 for size in value),
)
FUNCTION = Rule("a function", callable)
TABLE = Rule(
    "a table from names to values",
    lambda value: isinstance(value, Mapping) and all(isinstance(name, str) for name in value),
)
PAIR = Rule("a pair", lambda value: isinstance(value, (tuple, list)) and len(value) == 2)
FRACTION = between(0, 1)
NEW_NAMES = Rule(
    "a table from names to names",
    lambda value: TABLE.accepts(value) and all(isinstance(name, str) for name in value.values()),
)
NAMES = Rule(
    "a collection of names",
    lambda value: isinstance(value, Collection) and not isinstance(value, (str, bytes)) and _are_texts(value),
    lambda value: f" Write [{value!r}]." if isinstance(value, str) and value.isidentifier() else "",
)


def _is_size(value: Any) -> bool:
    return PAIR.accepts(value) and all(COUNT.accepts(number) for number in value)


def _is_numpy_flag(value: Any) -> bool:
    import numpy as np

    return isinstance(value, np.bool_)


def _is_dtype(value: Any) -> bool:
    import numpy as np

    return isinstance(value, (str, type, np.dtype)) and np.dtype(value).kind in "fiub"


def _are_texts(values: Collection[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def one_of(*choices: str | None) -> Rule:
    """One of these texts (or None)."""

    def accepts(value: Any) -> bool:
        return (value is None or isinstance(value, str)) and value in choices

    def hint(value: Any) -> str:
        near = suggestion(value, [c for c in choices if c]) if isinstance(value, str) else ""
        return near if "mean" in near else ""

    return Rule(" or ".join(repr(choice) for choice in choices), accepts, hint)


def an(kind: type | tuple[type, ...], what: str) -> Rule:
    """An object of a class; `what` says it in words."""

    def hint(value: Any) -> str:
        return f" Make one: {value.__name__}(...)." if isinstance(value, type) and issubclass(value, kind) else ""

    return Rule(what, lambda value: isinstance(value, kind), hint)


def optional(rule: Rule) -> Rule:
    """What the rule says, or None."""
    return Rule(f"{rule.must}, or None", lambda value: value is None or rule.accepts(value), rule.hint)


def reals(value: Any) -> npt.NDArray[Any] | None:
    """`value` as an array of real numbers, of whatever type it has; None where it is none: ragged lists, text, objects,
    complex numbers, dates.
    """
    import numpy as np

    try:
        array = np.asarray(value)
    except (TypeError, ValueError, OverflowError, RuntimeError, AttributeError, KeyError):
        return None
    return array if array.dtype.kind in "fiub" else None


def real_array(label: str, argument: str, value: Any, error: type[ConvgradError]) -> npt.NDArray[Any]:
    """`reals`. Raises: `error` where there are none, or where values are masked."""
    import numpy as np

    array = reals(value)
    if array is None:
        rule = "an array of real numbers, or lists of one length"
        raise error(f"{label}: {argument} must be {rule}, not {shown(value)}.")
    # (asking for `np.ma` loads it, which takes 15 ms)
    if type(value) is not np.ndarray and isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        raise error(f"{label}: {argument} has masked values. Fill them, or leave their examples out.")
    return array


def takes(
    error: type[ConvgradError] = ArgumentError, called: str | None = None, /, **rules: Rule
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A function whose arguments keep `rules`, and whose callers are told about arguments that it does not have.

    Defaults are not looked at. called: what messages call the function, where people know it by another name.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        label = called or function.__qualname__.rpartition("<locals>.")[2].removesuffix(".__init__")
        places = tuple(p.name for p in signature(function).parameters.values() if p.kind in BY_PLACE)
        by_place = tuple((place, name, rules[name]) for place, name in enumerate(places) if name in rules)

        @wraps(function)
        def checked(*arguments: P.args, **named: P.kwargs) -> R:
            for place, argument, rule in by_place:  # what a step of a small network calls must not look at all
                if place < len(arguments):
                    rule.keep(label, argument, arguments[place], error)
            if rules:
                for argument, value in named.items():
                    if argument in rules:
                        rules[argument].keep(label, argument, value, error)
            try:
                return function(*arguments, **named)
            except TypeError:
                refuse_misfit(signature(function), label, error, arguments, named)
                raise

        return checked

    return decorate


def made_from(error: type[ConvgradError] = ArgumentError, /, **rules: Rule) -> Callable[[C], C]:
    """`takes` for the constructor of a class."""

    def decorate(kind: C) -> C:
        kind.__init__ = takes(error, **rules)(kind.__init__)  # type: ignore[misc]
        return kind

    return decorate


class Explained(type):
    """The type of classes whose callers are told about arguments that the constructor does not have.

    Subclasses, which get their constructors as dataclasses, are so, too.
    """

    error: type[ConvgradError] = ArgumentError

    def __call__(cls, *arguments: Any, **named: Any) -> Any:
        try:
            return super().__call__(*arguments, **named)
        except TypeError:
            refuse_misfit(cls.__signature__, cls.__name__, cls.error, arguments, named)
            raise

    @property
    def __signature__(cls) -> Signature:
        """What `help` and editors show: the constructor's arguments."""
        own = signature(cls.__init__)  # type: ignore[misc]
        return own.replace(parameters=list(own.parameters.values())[1:], return_annotation=Signature.empty)


def refuse_misfit(
    call: Signature, label: str, error: type[ConvgradError], arguments: Collection[Any], named: Collection[str]
) -> None:
    """Raises: `error` where arguments of these numbers and names can't be passed to a call of this signature."""
    parameters = [p for p in call.parameters.values() if p.name not in OWN]
    kinds = {p.kind for p in parameters}
    by_name = [p.name for p in parameters if p.kind in BY_NAME]
    by_place = [p.name for p in parameters if p.kind in BY_PLACE]
    for name in named if Parameter.VAR_KEYWORD not in kinds else ():
        if name not in by_name:
            known = suggestion(name, by_name) if by_name else " It takes no arguments by name."
            raise error(f"{label} has no argument {name!r}.{known}")
    given = max(0, len(arguments) - len(call.parameters) + len(parameters))
    placed = by_place[:given]
    for name in placed:
        if name in named:
            raise error(f"{label}: {name} is given twice, by position and by name.")
    if given > len(by_place) and Parameter.VAR_POSITIONAL not in kinds:
        rest = ", ".join(f"{name}=..." for name in by_name if name not in by_place)
        remedy = f" Write the others with their names: {rest}." if rest else ""
        places = "argument" if len(by_place) == 1 else "arguments"
        raise error(f"{label} takes {len(by_place)} positional {places}, but got {given}.{remedy}")
    needed = [p.name for p in parameters if p.default is Parameter.empty and p.kind in (*BY_PLACE, *BY_NAME)]
    missing = [name for name in needed if name not in named and name not in placed]
    if missing:
        raise error(f"{label} needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} missing.")
