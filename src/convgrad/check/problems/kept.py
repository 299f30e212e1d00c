"""Problems that were made before: a function gets the same inputs in many ways, and a class has many functions."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any

from convgrad.check.problems.course_subject import WrittenSubject
from convgrad.check.problems.problem import Problem
from convgrad.check.problems.subject import LayerSubject, LossSubject, Sizes, Subject

MOST = 512
"""Problems that are kept."""
LARGEST = 20_000
"""Numbers of one that is."""

_kept: OrderedDict[tuple[str, str, Sizes, str], Problem] = OrderedDict()
_lock = Lock()


def kept(subject: Subject, sizes: Sizes, kind: str, make: Callable[[], Problem]) -> Problem:
    """The problem that `make` makes of a subject, sizes and a kind of numbers; a problem never changes."""
    said = _said(subject)
    if said is None:
        return make()
    key = (type(subject).__name__, said, sizes, kind)
    with _lock:
        if key in _kept:
            _kept.move_to_end(key)
            return _kept[key]
    problem = make()
    if sum(a.size for a in problem.arrays.values()) <= LARGEST:
        with _lock:
            _kept[key] = problem
            if len(_kept) > MOST:
                _kept.popitem(last=False)
    return problem


def _said(subject: Subject) -> str | None:
    """Everything that a subject is, in words; None where it holds what words don't tell."""
    if isinstance(subject, LossSubject):
        return repr(subject)
    if isinstance(subject, WrittenSubject):
        return repr((str(subject), subject.batch, subject.steps, subject.written.wrt))
    if not isinstance(subject, LayerSubject) or not _plain(tuple(subject.given.values())):
        return None
    after = None if subject.then is None else subject.then.config()
    if after is not None and not _plain(tuple(after.values())):
        return None
    sizes = (subject.input_shape, subject.batch, subject.image, subject.channels)
    return repr((subject.name, sorted(subject.given.items()), type(subject.then).__name__, after, sizes))


def _plain(value: Any) -> bool:
    if isinstance(value, tuple):
        return all(_plain(v) for v in value)
    return value is None or type(value) in (bool, int, float, str)
