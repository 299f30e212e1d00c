"""What comes from a person's process, read and checked: it may be anything, whatever the worker would send.

A message is a line of JSON and the bytes of arrays. Its size is limited before it is read, and types before they are
used. A number in it can be wrong, and says then that the person's function is wrong; it can't be anything else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from convgrad.check.submissions.texts import printable
from convgrad.check.submissions.worker import ARRAYS, NAME, PRINTED, SOURCE, TUPLE

Array = npt.NDArray[Any]
HEAD = 2**18
"""Bytes of a message's line of JSON: texts of `PRINTED` characters, written as escapes, take less."""
AXES = 16
KINDS = {np.dtype(code).str: np.dtype(code) for code in "efdbhilqBHILQ"}
"""Types of numbers that are taken."""


class NoAnswer(Exception):
    """What came is not an answer to what was asked."""


@dataclass(frozen=True)
class Trouble:
    """A call that gave no result: what happened, in words, and where."""

    kind: str
    message: str
    place: str = ""
    line: str = ""

    def __str__(self) -> str:
        where = f" ({self.place}: {self.line})" if self.place else ""
        return f"{self.kind}: {self.message}{where}" if self.message else f"{self.kind}{where}"


@dataclass(frozen=True)
class How:
    """What was found where a class was called.

    built: how its object was made. places: role of a parameter or a gradient -> attribute. recovered: gradients that
    were told from how parameters changed, with `rate`; 0 where it is not known. own: it is written in the code, and is
    the one that fits.
    """

    built: str = ""
    places: Mapping[str, str] = field(default_factory=dict)
    recovered: tuple[str, ...] = ()
    rate: float = 0.0
    own: bool = False

    @property
    def words(self) -> str:
        """In a sentence's part: how it was built, and where things are."""
        own = ", ".join(f"{role} in self.{place}" for role, place in self.places.items())
        told = " and ".join(self.recovered)
        by = f"divided by {self.rate:g}" if self.rate else "as they are"
        by += ", the rate that fits (one factor in all of them can't be seen)" if self.own else ""
        changes = f"{told} from how the parameters change, {by}" if told else ""
        return ", ".join(part for part in (self.built, own, changes) if part)


@dataclass(frozen=True)
class Outcome:
    """What a call returned. `keys`: the name of each array where it has one. `changed`: arguments that differ after.
    `how`: of a class. `holds`: the arrays of an object that could not be used, with their shapes. `compiling`: seconds
    of a call that compiled something.
    """

    arrays: tuple[Array, ...] = ()
    keys: tuple[str | None, ...] = ()
    changed: tuple[int, ...] = ()
    printed: str = ""
    warnings: tuple[str, ...] = ()
    trouble: Trouble | None = None
    how: How | None = None
    holds: tuple[tuple[str, tuple[int, ...]], ...] = ()
    compiling: float = 0.0


@dataclass(frozen=True)
class Argument:
    """An argument of the function, as its signature says it."""

    name: str
    required: bool
    default: Any = None
    keyword: bool = False


@dataclass(frozen=True)
class Method:
    """A method of a class, with its arguments but `self`."""

    name: str
    arguments: tuple[Argument, ...] = ()


@dataclass(frozen=True)
class Methods:
    """Of a class. `build`: the arguments of its constructor; None for an object that is there already."""

    build: tuple[Argument, ...] | None
    forward: Method | None
    backward: Method | None

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """All of them."""
        own = (m.arguments for m in (self.forward, self.backward) if m is not None)
        return (*(self.build or ()), *(a for arguments in own for a in arguments))


@dataclass(frozen=True)
class Engine:
    """A class whose objects know how they were made: its methods, and whether an object holds a whole array."""

    names: tuple[str, ...]
    arrays: bool


@dataclass(frozen=True)
class About:
    """What a process says of its function. `arguments` is None where there is no signature to read.

    source: the text that it stands in. methods: of a class. forward: the function beside a backward one that makes its
    cache. compiles: a first call with arguments of other types takes long. both: what the forward pass gives comes back
    beside the gradients. engine: of a class as in micrograd.
    """

    arguments: tuple[Argument, ...] | None = None
    torch: bool = False
    source: str = ""
    printed: str = ""
    trouble: Trouble | None = None
    methods: Methods | None = None
    forward: Method | None = None
    compiles: bool = False
    both: bool = False
    engine: Engine | None = None


def read_answer(stream: BinaryIO, largest: int) -> tuple[dict[str, Any], list[Array]]:
    """The next message. `largest`: numbers that its arrays may have together.

    Raises: EOFError where the process has ended, NoAnswer where it sent something else.
    """
    line = stream.readline(HEAD)
    if not line:
        raise EOFError
    if not line.endswith(b"\n"):
        raise NoAnswer
    try:
        head = json.loads(line)
    except (ValueError, RecursionError):
        raise NoAnswer from None
    content = _is(head, dict)
    forms = [_form(f) for f in _list(content.get("arrays"), ARRAYS)]
    if sum(prod(shape) for _, shape in forms) > largest:
        raise NoAnswer
    arrays: list[Array] = []
    for dtype, shape in forms:
        size = dtype.itemsize * prod(shape)
        numbers = stream.read(size)
        if len(numbers) != size:
            raise EOFError
        arrays.append(np.frombuffer(bytearray(numbers), dtype).reshape(shape))
    return _is(content.get("tree"), dict), arrays


def _form(content: Any) -> tuple[np.dtype[Any], tuple[int, ...]]:
    kind, shape = _list(content, 2) if len(_list(content, 2)) == 2 else (None, None)
    sizes = tuple(_is(s, int) for s in _list(shape, AXES))
    if not isinstance(kind, str) or kind not in KINDS or any(not 0 <= s <= 2**40 for s in sizes):
        raise NoAnswer
    return KINDS[kind], sizes


def about(tree: Mapping[str, Any]) -> About:
    """The answer to the first question. Raises: NoAnswer."""
    if "error" in tree:
        return About(trouble=_trouble(tree["error"]), printed=_text(tree.get("printed", "")))
    arguments = tree.get("arguments")
    read = None if arguments is None else tuple(_argument(a) for a in _list(arguments, ARRAYS))
    methods = None if tree.get("object") is None else _methods(tree["object"])
    read = read if methods is None else methods.arguments
    source = _is(tree.get("source", ""), str)
    if len(source) > SOURCE:
        raise NoAnswer
    return About(
        read,
        _is(tree.get("torch"), bool),
        source,
        _text(tree.get("printed", "")),
        methods=methods,
        forward=_method(tree.get("forward")),
        compiles=_is(tree.get("compiles", False), bool),
        both=_is(tree.get("both", False), bool),
        engine=None if tree.get("engine") is None else _engine(tree["engine"]),
    )


def outcome(tree: Mapping[str, Any], arrays: list[Array], given: int) -> Outcome:
    """The answer to a call with so many arrays. Raises: NoAnswer."""
    printed = _text(tree.get("printed", ""))
    if "error" in tree:
        holds = tuple(_shape(h) for h in _list(tree.get("holds", []), ARRAYS))
        return Outcome(printed=printed, trouble=_trouble(tree["error"]), holds=holds)
    keys = tuple(None if k is None else printable(_is(k, str), NAME) for k in _list(tree.get("keys"), ARRAYS))
    changed = tuple(_is(n, int) for n in _list(tree.get("changed"), given))
    said = tuple(_text(w) for w in _list(tree.get("warnings"), 3))
    if len(keys) != len(arrays) or any(not 0 <= n < given for n in changed):
        raise NoAnswer
    how = None if tree.get("how") is None else _how(tree["how"])
    return Outcome(
        tuple(arrays), keys, changed, printed, said, how=how, compiling=_is(tree.get("compiling", 0.0), float)
    )


def _engine(content: Any) -> Engine:
    told = _is(content, dict)
    names = tuple(printable(_is(n, str), NAME) for n in _list(told.get("names"), ARRAYS))
    return Engine(names, _is(told.get("arrays"), bool))


def _methods(content: Any) -> Methods:
    told = _is(content, dict)
    build = told.get("build")
    arguments = None if build is None else tuple(_argument(a) for a in _list(build, ARRAYS))
    return Methods(arguments, _method(told.get("forward")), _method(told.get("backward")))


def _method(content: Any) -> Method | None:
    if content is None:
        return None
    name = printable(_is(_is(content, dict).get("name"), str), NAME)
    return Method(name, tuple(_argument(a) for a in _list(content.get("arguments"), ARRAYS)))


def _how(content: Any) -> How:
    told = _is(content, dict)
    places = _is(told.get("places"), dict)
    if len(places) > ARRAYS:
        raise NoAnswer
    named = {printable(_is(k, str), NAME): printable(_is(v, str), NAME) for k, v in places.items()}
    recovered = tuple(printable(_is(r, str), NAME) for r in _list(told.get("recovered"), ARRAYS))
    return How(printable(_is(told.get("built"), str), PRINTED), named, recovered, _is(told.get("rate"), float))


def _shape(content: Any) -> tuple[str, tuple[int, ...]]:
    name, shape = _list(content, 2) if len(_list(content, 2)) == 2 else ("", None)
    return printable(_is(name, str), NAME), tuple(_is(n, int) for n in _list(shape, AXES))


def _trouble(content: Any) -> Trouble:
    told = _is(content, dict)
    kind, place = (printable(_is(told.get(n), str), NAME) for n in ("kind", "place"))
    message, line = (printable(_is(told.get(n), str), PRINTED) for n in ("message", "line"))
    return Trouble(kind, message, place, line)


def _argument(content: Any) -> Argument:
    told = _is(content, dict)
    name, default = _is(told.get("name"), str), told.get("default")
    if isinstance(default, list):
        default = tuple(_is(v, int) for v in _list(default, TUPLE))
    if not name.isidentifier() or len(name) > NAME or not isinstance(default, (str, int, float, tuple, type(None))):
        raise NoAnswer
    return Argument(name, _is(told.get("required"), bool), default, _is(told.get("keyword"), bool))


def _text(content: Any) -> str:
    return printable(_is(content, str), PRINTED, keep="\n")


def _list(content: Any, most: int) -> list[Any]:
    if len(_is(content, list)) > most:
        raise NoAnswer
    return content  # type: ignore[no-any-return]


def _is(content: Any, kind: Callable[..., Any]) -> Any:
    """Of exactly this type: true and false are not numbers."""
    if type(content) is not kind:
        raise NoAnswer
    return content
