"""What people call what an image shows, as numbers: a name, several names, or numbers of any kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.arguments import real_array, shown
from convgrad.data.layout import natural
from convgrad.errors import DataError, suggestion

Array = npt.NDArray[Any]
SEVERAL = (list, tuple, set, frozenset)


def names_in(y: Any) -> list[Any] | None:
    """Targets that are names, or several names each, as a list; None where they are numbers.

    >>> names_in(["cat", "dog"]), names_in([["cat"], []]), names_in([[1.5], [2]])
    (['cat', 'dog'], [['cat'], []], None)
    """
    if hasattr(type(y), "__array__"):  # NumPy's, or a column of a table
        y = np.asarray(y)
        found = y.tolist() if y.dtype.kind in "USO" and y.ndim else []
    else:
        found = list(y) if isinstance(y, (list, tuple)) else []
    if all(isinstance(each, str) for each in found):
        return found or None
    several = [each for each in found if isinstance(each, SEVERAL)]
    texts = [name for each in several for name in each]
    return (
        found
        if found and len(several) == len(found) and texts and all(isinstance(name, str) for name in texts)
        else None
    )


def class_names_of(names: Sequence[Any]) -> tuple[str, ...]:
    """All names that occur, in natural order.

    >>> class_names_of(["b10", "a", "b9"]), class_names_of([{"x"}, ["x", "w"]])
    (('a', 'b9', 'b10'), ('w', 'x'))
    """
    every = {name for each in names for name in ([each] if isinstance(each, str) else each)}
    return tuple(sorted(every, key=natural))


def numbered(y: Any, class_names: tuple[str, ...], where: str, positions: Array | None = None) -> Array:
    """Targets as numbers: a name as the number of its class (N,), several names as a row of 0 and 1 (N, K).

    Numbers stay as they are.

    Args:
        where: what a message calls the data. positions: those of the examples, where they are not 0, 1, 2, ...

    Raises:
        DataError: a name that is not among `class_names`, or neither names nor real numbers.

    >>> numbered(["b", "a"], ("a", "b"), "data"), numbered([["b"], ["a", "b"]], ("a", "b"), "data").tolist()
    (array([1, 0]), [[0.0, 1.0], [1.0, 1.0]])
    """
    names = names_in(y)
    if names is None:
        return real_array(where, "y", y, DataError)
    if not class_names:
        raise DataError(
            f"{where}: targets are names ({shown(names[0])}), and nothing says which number each has. Give all of "
            "them, in the order of the network's outputs: class_names=('cat', 'dog')."
        )
    numbers = {name: number for number, name in enumerate(class_names)}
    for position, each in enumerate(names):
        for name in [each] if isinstance(each, str) else each:
            if name not in numbers:
                example = position if positions is None else positions[position]
                raise DataError(
                    f"{where}: example {example} is called {shown(name)}, which is none of the "
                    f"{len(class_names)} classes.{suggestion(name, class_names)}"
                )
    if isinstance(names[0], str):
        return np.array([numbers[name] for name in names], np.int64)
    rows = np.zeros((len(names), len(class_names)), np.float32)
    for position, each in enumerate(names):
        rows[position, [numbers[name] for name in each]] = 1
    return rows
