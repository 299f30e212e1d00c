"""The process that runs a person's function: a script of its own, which knows nothing of convgrad.

    python worker.py TARGET MEGABYTES

TARGET is `package.module:function` or `file.py:function`. Requests come on standard input and answers go to standard
output, each as one line of JSON (a value's tree, with arrays by number) followed by the arrays' bytes; nothing is
unpickled on either side. The first request asks about the function, all others for a call. An answer repeats the `id`
of its request, so that one that was not asked for is told apart. What the function itself prints is caught and sent
along. What comes from here is the word of the person's code: `answers.py` reads it and believes nothing.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    del sys.path[0]  # this file's folder: whatever is imported must not find the modules beside this one

import contextlib
import difflib
import importlib
import importlib.util
import inspect
import io
import json
import os
import queue
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np


def _beside(name: str) -> Any:
    """A script in this one's folder, which is not where whatever is imported is looked for."""
    place = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"convgrad_worker_{name}", place)
    assert spec is not None
    assert spec.loader is not None
    sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if TYPE_CHECKING:
    from convgrad.check.submissions import adapted, engines, held, objects, packages, special
else:
    held, objects, special = _beside("held"), _beside("objects"), _beside("special")
    adapted, engines, packages = _beside("adapted"), _beside("engines"), _beside("packages")

PRINTED = 2000
"""Characters of what a function prints that are kept, the first ones."""
SOURCE = 30_000
"""Characters of a source text that are sent: of the whole file, or else of the function alone."""
TUPLE = 8
"""Numbers of a default that is a tuple."""
NAME = 100
"""Characters of a name of a result that are kept."""
ARRAYS = 64
"""Arrays that a result may have."""
NAMED = 8
"""Functions of a module that are named where the wanted one is not there."""
LIMITS = {"RLIMIT_CORE": 0, "RLIMIT_FSIZE": 64 * 2**20, "RLIMIT_NOFILE": 256}
"""Of each process, beside that of memory: bytes of a file that it writes, and files that are open at a time."""
UNSET = -(2.0**-60)
"""Of the largest number of a type: what memory holds that nobody has set."""


def packed(tree: Mapping[str, Any], arrays: list[np.ndarray]) -> bytes:
    """One message: a line of JSON that also tells the arrays' types and shapes, then the arrays."""
    kept = [np.ascontiguousarray(a, a.dtype.newbyteorder("=")).reshape(a.shape) for a in arrays]
    head = {"tree": tree, "arrays": [[a.dtype.str, list(a.shape)] for a in kept]}
    return b"".join([json.dumps(head).encode(), b"\n", *(a.tobytes() for a in kept)])


def write_message(stream: BinaryIO, tree: Mapping[str, Any], arrays: list[np.ndarray]) -> None:
    """Send a message."""
    stream.write(packed(tree, arrays))
    stream.flush()


def read_message(stream: BinaryIO) -> tuple[dict[str, Any], list[np.ndarray]]:
    """The next message. Raises: EOFError where the other side has ended, ValueError where it sent something else."""
    line = stream.readline()
    if not line:
        raise EOFError
    head = json.loads(line)
    arrays = []
    for kind, shape in head["arrays"]:
        dtype = np.dtype(kind)
        if dtype.hasobject:
            raise ValueError("arrays of objects are not sent")
        size = dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        content = stream.read(size)
        if len(content) != size:
            raise EOFError
        arrays.append(np.frombuffer(bytearray(content), dtype).reshape(shape))
    return head["tree"], arrays


def find_function(target: str) -> Callable[..., Any]:
    """The function that `module:name` or `file.py:name` names; the name may have dots."""
    place, _, name = target.rpartition(":")
    module = packages.loaded(place) if place.endswith(".py") else importlib.import_module(place)
    found: Any = module
    holder: Any = None
    for part in name.split("."):
        if not hasattr(found, part):
            others = [n for n, v in vars(module).items() if inspect.isfunction(v) and not n.startswith("_")]
            near = difflib.get_close_matches(name, others, NAMED) or others[:NAMED]
            more = f" and {len(others) - len(near)} more" if len(others) > len(near) else ""
            raise AttributeError(f"{place} has no {name}; it has {', '.join(near) or 'no function'}{more}")
        holder, found = found, getattr(found, part)
    if engines.is_engine(holder) and inspect.isfunction(found):
        return engines.operation(holder, part)
    if engines.is_engine(found):
        return found  # type: ignore[no-any-return]
    found = adapted.plain_function(found)
    if inspect.isclass(found) and not special.is_layer(found):
        found = found()
    if not callable(found) and not special.is_layer(found):
        raise TypeError(f"{name} in {place} is {_a(type(found).__name__)} and can't be called")
    return found  # type: ignore[no-any-return]


def described(function: Callable[..., Any]) -> dict[str, Any]:
    """Its arguments, or those of its methods where it is a class or an object with a backward pass.

    forward: the function beside it that makes its cache. compiles: whether a first call may take long. source: the text
    that it stands in, from which the check reads what it does with each argument.
    """
    if engines.is_engine(function):
        told = {"names": engines.operations(function)[:ARRAYS], "arrays": engines.takes_arrays(function)}
        return {"arguments": [], "torch": False, "engine": told}
    thing = function() if special.factory(function) else function
    module = inspect.getmodule(special.readable(function))
    uses_torch = module is not None and any(getattr(v, "__name__", "") == "torch" for v in vars(module).values())
    if special.is_layer(thing):
        text = _source(thing if inspect.isclass(thing) else type(thing))
        return {
            "arguments": [],
            "torch": uses_torch,
            "object": special.described(thing, arguments_of),
            "source": text,
        }
    arguments = arguments_of(special.readable(function))
    if arguments is None:
        return {"arguments": None, "torch": False}
    own = special.own_forward(function)
    return {
        "arguments": arguments,
        "torch": uses_torch or "torch" in str(inspect.signature(special.readable(function))),
        "source": _source(special.readable(function)),
        "both": hasattr(function, "applied"),
        "compiles": special.compiled(function) >= 0,
        "forward": None if own is None else {"name": own.__name__, "arguments": arguments_of(own) or []},
    }


def arguments_of(function: Callable[..., Any]) -> list[dict[str, Any]] | None:
    """Each argument: name, whether it must be given, and its default where that is a number, a text, or whole
    numbers in a tuple.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    arguments = []
    for p in parameters:
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            continue
        arguments.append(
            {
                "name": p.name,
                "required": p.default is p.empty,
                "default": _default(p.default),
                "keyword": p.kind is p.KEYWORD_ONLY,
            }
        )
    return arguments


def _default(value: Any) -> Any:
    if isinstance(value, tuple) and 0 < len(value) <= TUPLE and all(type(v) is int for v in value):
        return list(value)
    return value if isinstance(value, (int, float, str)) else None


def _source(function: Callable[..., Any]) -> str:
    """The text of the file that it stands in, or of the function where that is too long; empty where there is none."""
    for of in (inspect.getmodule(function), inspect.unwrap(function)):
        try:
            text = inspect.getsource(of)  # type: ignore[arg-type]
        except (OSError, TypeError):
            continue
        if len(text) <= SOURCE:
            return text
    return ""


def run(function: Callable[..., Any], tree: Mapping[str, Any], arrays: list[np.ndarray]) -> dict[str, Any]:
    """Call the function; its results as arrays, or what went wrong."""
    try:
        torch = importlib.import_module("torch") if tree["torch"] else None
        copies = [np.array(a, order="C") for a in arrays]  # PyTorch has errors of its own with other orders
        given: list[Any] = copies if torch is None else [torch.from_numpy(a) for a in copies]
        plan, own = tree.get("object"), tree.get("forward")
        function = engines.operation(function, tree["operation"]) if "operation" in tree else function
        compiled = special.compiled(function)
        started = time.perf_counter()
        made = None if plan is None else objects.Run(function, plan, lambda v: _value(v, given), special.method)
        with warnings.catch_warnings(record=True) as caught, np.errstate(all="warn"):
            warnings.simplefilter("always")
            if made is not None:
                result = made.results()
            elif own is not None:
                made_by, cache = special.cache_of(function, *_arguments(own, given, None), len(own["results"]))
                before = {name: np.array(out) for name, out in zip(own["results"], made_by, strict=True)}
                positional, named = _arguments(tree, given, cache)
                result = before, function(*positional, **named)
            else:
                positional, named = _arguments(tree, given, None)
                result = function(*positional, **named)
        grown = special.compiled(function) > compiled
        compiling = {"compiling": time.perf_counter() - started} if grown else {}
        results: list[np.ndarray] = []
        keys = _flatten(result, results, tree["largest"])
        changed = [n for n, (a, g) in enumerate(zip(arrays, given, strict=True)) if not _same(a, g)]
        said = list(dict.fromkeys(str(w.message)[:PRINTED] for w in caught[:ARRAYS]))[:3]
    except objects.Unbuilt as error:
        told = _told(error.reason)
        words = f"{error.tried} raises {told['kind']}: {told['message']}"[:PRINTED]
        return {"error": told | {"kind": "Unbuilt", "message": words}, "arrays": []}
    except held.Misfit as error:
        return {"error": _told(error), "holds": [[str(n)[:NAME], [*s]] for n, s in error.holds[:ARRAYS]], "arrays": []}
    except SystemExit as error:
        return {"error": _told(error) | {"message": "it ends the program"}, "arrays": []}
    except BaseException as error:
        return {"error": _told(error), "arrays": []}
    how = {} if made is None else {"how": made.how}
    return {"keys": keys, "arrays": results, "changed": changed, "warnings": said} | how | compiling


def _arguments(tree: Mapping[str, Any], arrays: list[Any], cache: Any) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a call, by place and by name; the cache of its own forward pass among them."""

    def value(part: Any) -> Any:
        return cache if part == {"cache": True} else _value(part, arrays)

    return [value(v) for v in tree["positional"]], {name: value(v) for name, v in tree["named"].items()}


def _value(tree: Any, arrays: list[Any]) -> Any:
    if isinstance(tree, dict):
        if "array" in tree:
            return arrays[tree["array"]]
        if "tuple" in tree:
            return tuple(_value(v, arrays) for v in tree["tuple"])
        return {k: _value(v, arrays) for k, v in tree["dict"].items()}
    return tree


def _flatten(result: Any, into: list[np.ndarray], largest: int) -> list[str | None]:
    """Append the arrays of a result; the name of each, where it has one."""
    if result is None:
        return []
    if isinstance(result, Mapping):
        keys: list[str | None] = []
        for key, value in result.items():
            if value is not None:
                keys += [str(key)[:NAME]] * len(_flatten(value, into, largest))
        return keys
    if isinstance(result, (tuple, list)) and not _is_numbers(result):
        fields = getattr(result, "_fields", [None] * len(result))
        keys = []
        for key, value in zip(fields, result, strict=True):
            if value is None:
                continue
            inner = _flatten(value, into, largest)
            keys += inner if key is None else [str(key)[:NAME]] * len(inner)
        return keys
    if len(into) == ARRAYS:
        raise ValueError(f"the result has more than {ARRAYS} arrays")
    into.append(_array(result, largest - sum(a.size for a in into)))
    return [None]


def _is_numbers(result: tuple[Any, ...] | list[Any]) -> bool:
    """Whether nested lists stand for one array."""
    return isinstance(result, list) and len(result) > 0 and all(isinstance(r, (int, float, list)) for r in result)


def _array(value: Any, largest: int) -> np.ndarray:
    if hasattr(value, "detach"):
        value = value.detach().cpu().resolve_conj().numpy()
    array = np.array(value)
    if not np.can_cast(array.dtype, np.float64, "same_kind"):
        kind = f"array of {array.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
        raise TypeError(
            f"the result holds {'nothing' if value is None else _a(kind)}, which is not an array of real numbers"
        )
    if array.size > largest:
        raise ValueError(
            f"the result has {array.size} numbers, shape {array.shape}: far too many for such small inputs"
        )
    kept = array.dtype.kind in "iu" or array.dtype in (np.float16, np.float32)
    return array if kept else array.astype(np.float64)


def _a(noun: str) -> str:
    return f"an {noun}" if noun[:1] in "aeiou" else f"a {noun}"


def _same(before: np.ndarray, after: Any) -> bool:
    value = after if isinstance(after, np.ndarray) else after.detach().numpy()
    return before.shape == value.shape and np.array_equal(before, value, equal_nan=True)


def _told(error: BaseException) -> dict[str, Any]:
    """An error of the person's code: its kind, its message, and the last line of their own file that it came from."""
    kind = type.__getattribute__(type(error), "__name__")[:NAME]
    try:
        return {"kind": kind} | _message_and_place(error)
    except BaseException:  # an error's own methods are the person's code, too
        return {"kind": kind, "message": "its message can't be shown", "place": "", "line": ""}


def _message_and_place(error: BaseException) -> dict[str, str]:
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, SyntaxError) and error.filename:
        place = f"{os.path.basename(error.filename)}, line {error.lineno}"
        return {"message": str(error.msg)[:PRINTED], "place": place, "line": (error.text or "").strip()[:PRINTED]}
    scripts = (
        __file__,
        *(module.__file__ or "" for module in (adapted, engines, held, objects, special, importlib, inspect)),
    )
    here = tuple(os.path.abspath(f) for f in scripts)
    own = [f for f in frames if os.path.abspath(f.filename) not in here and _is_written(f)]
    outside = [f for f in own if "site-packages" not in f.filename] or own
    place = f"{os.path.basename(outside[-1].filename)}, line {outside[-1].lineno}" if outside else ""
    line = (outside[-1].line or "") if outside else ""
    return {"message": str(error)[:PRINTED], "place": place, "line": line[:PRINTED]}


def _is_written(frame: traceback.FrameSummary) -> bool:
    """Whether somebody wrote the line in a file, or where its text can be read as one: a cell of a notebook."""
    return "<" not in frame.filename or (bool(frame.line) and not frame.filename.startswith("<frozen"))


class Printed(io.RawIOBase):
    """A stream that keeps the beginning of what is written to it, however much that is."""

    def __init__(self) -> None:
        self.content = b""

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, content: Any) -> int:
        """All is taken, little kept."""
        size = memoryview(content).nbytes
        if len(self.content) < PRINTED:
            self.content += bytes(content[: PRINTED - len(self.content)])
        return size

    @property
    def text(self) -> str:
        """What was kept."""
        return self.content.decode("utf-8", "replace")


@contextlib.contextmanager
def caught_output() -> Iterator[Printed]:
    """What Python code prints inside."""
    caught = Printed()
    stream = io.TextIOWrapper(caught, encoding="utf-8", errors="backslashreplace", write_through=True)  # type: ignore[type-var]
    with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
        yield caught


@contextlib.contextmanager
def unset_memory() -> Iterator[None]:
    """What np.empty gives is told by its numbers: else it is now zeros, as was hoped, and now anything.

    Functions that are compiled know np.empty by its name, and get it as it is.
    """
    if "numba" in sys.modules:
        yield
        return
    empty, like = np.empty, np.empty_like

    def unset(array: np.ndarray) -> np.ndarray:
        if type(array) is np.ndarray and array.dtype.kind == "f" and array.dtype != np.float16:
            array.fill(UNSET * float(np.finfo(array.dtype).max))
        return array

    def put(first: Callable[..., Any], second: Callable[..., Any]) -> None:
        for name, value in (("empty", first), ("empty_like", second)):
            setattr(np, name, value)

    put(lambda *a, **named: unset(empty(*a, **named)), lambda *a, **named: unset(like(*a, **named)))
    try:
        yield
    finally:
        put(empty, like)


def _limit(megabytes: int) -> None:
    """Of memory that of data, not of addresses: libraries for graphics cards reserve far more than they use."""
    try:
        import resource
    except ImportError:  # not there on Windows
        return
    for name, limit in (LIMITS | {"RLIMIT_DATA": megabytes * 2**20}).items():
        kind = getattr(resource, name)
        _, hard = resource.getrlimit(kind)
        most = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(kind, (most, most))


def _listen(stream: BinaryIO, requests: queue.Queue[tuple[dict[str, Any], list[np.ndarray]]]) -> None:
    """Take requests until the other side has ended; then end, whatever the person's code does."""
    try:
        while True:
            requests.put(read_message(stream))
    finally:
        os._exit(0)


def about(target: str) -> tuple[Callable[..., Any] | None, dict[str, Any]]:
    """What is named so, and what is told of it; or why there is nothing."""
    try:
        function = find_function(target)
        return function, described(function)
    except BaseException as error:
        return None, {"error": _told(error)}


def main() -> None:
    """Answer requests until the other side closes."""
    stream, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for place in (0, 1, 2):  # what compiled code prints must not get between the answers
        os.dup2(nothing, place)
    _limit(int(sys.argv[2]))
    sys.path.insert(0, os.getcwd())
    requests: queue.Queue[tuple[dict[str, Any], list[np.ndarray]]] = queue.Queue()
    threading.Thread(target=_listen, args=(stream, requests), daemon=True).start()
    process, function = os.getpid(), None
    while True:
        tree, arrays = requests.get()
        with caught_output() as printed:
            if function is None:
                function, answer = about(sys.argv[1])
            else:
                with unset_memory():
                    answer = run(function, tree, arrays)
        if os.getpid() != process:  # a copy that the person's code made of this process answers nothing
            os._exit(0)
        results = answer.pop("arrays", [])
        write_message(answers, answer | {"id": tree["id"], "printed": printed.text}, results)
        if function is None:
            os._exit(0)


if __name__ == "__main__":
    main()
