"""The process that runs a person's function: a script of its own, which knows nothing of convgrad.

    python worker.py TARGET MEGABYTES

TARGET is `package.module:function` or `file.py:function`. Requests come on standard input and answers go to standard
output, each as one line of JSON (a value's tree, with arrays by number) followed by the arrays' bytes; nothing is
unpickled on either side. What the function itself prints is caught and sent along.
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
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np

PRINTED = 2000
"""Characters of what a function prints that are kept."""
LARGEST = 2**20
"""Numbers that a result may have: inputs are small, so that a larger one is wrong in any case, and slow to send."""
NAMED = 8
"""Functions of a module that are named where the wanted one is not there."""


def write_message(stream: BinaryIO, tree: Mapping[str, Any], arrays: list[np.ndarray]) -> None:
    """One message: a line of JSON that also tells the arrays' types and shapes, then the arrays."""
    kept = [np.ascontiguousarray(a).reshape(a.shape) for a in arrays]
    head = {"tree": tree, "arrays": [[a.dtype.str, list(a.shape)] for a in kept]}
    stream.write(json.dumps(head).encode() + b"\n")
    for array in kept:
        stream.write(array.tobytes())
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
    if place.endswith(".py"):
        sys.path.insert(0, os.path.dirname(os.path.abspath(place)))
        spec = importlib.util.spec_from_file_location("checked_" + os.path.basename(place)[:-3], place)
        if spec is None or spec.loader is None or not os.path.exists(place):
            raise ModuleNotFoundError(f"there is no file {place}")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(place)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            others = [n for n, v in vars(module).items() if inspect.isfunction(v) and not n.startswith("_")]
            near = difflib.get_close_matches(name, others, NAMED) or others[:NAMED]
            more = f" and {len(others) - len(near)} more" if len(others) > len(near) else ""
            raise AttributeError(f"{place} has no {name}; it has {', '.join(near) or 'no function'}{more}")
        found = getattr(found, part)
    if inspect.isclass(found):
        found = found()
    if not callable(found):
        raise TypeError(f"{name} in {place} is {_a(type(found).__name__)} and can't be called")
    return found  # type: ignore[no-any-return]


def described(function: Callable[..., Any]) -> dict[str, Any]:
    """Its arguments: name, whether it must be given, and its default where that is a plain number or text."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return {"arguments": None, "torch": False}
    arguments = []
    for p in parameters:
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            continue
        plain = isinstance(p.default, (int, float, str, bool)) or p.default is None
        arguments.append(
            {
                "name": p.name,
                "required": p.default is p.empty,
                "default": p.default if plain and p.default is not p.empty else None,
                "keyword": p.kind is p.KEYWORD_ONLY,
            }
        )
    module = inspect.getmodule(function)
    uses_torch = module is not None and any(getattr(v, "__name__", "") == "torch" for v in vars(module).values())
    return {"arguments": arguments, "torch": uses_torch or "torch" in str(inspect.signature(function))}


def run(function: Callable[..., Any], tree: Mapping[str, Any], arrays: list[np.ndarray]) -> dict[str, Any]:
    """Call the function; its results as arrays, or what went wrong."""
    torch = importlib.import_module("torch") if tree["torch"] else None
    given: list[Any] = [np.array(a) if torch is None else torch.from_numpy(np.array(a)) for a in arrays]
    positional = [_value(v, given) for v in tree["positional"]]
    named = {name: _value(v, given) for name, v in tree["named"].items()}
    started = time.perf_counter()
    try:
        with warnings.catch_warnings(record=True) as caught, np.errstate(all="warn"):
            warnings.simplefilter("always")
            result = function(*positional, **named)
        seconds = time.perf_counter() - started
        results: list[np.ndarray] = []
        keys = _flatten(result, results)
    except SystemExit as error:
        return {"error": _told(error) | {"message": "it ends the program"}, "arrays": []}
    except BaseException as error:
        return {"error": _told(error), "arrays": []}
    changed = [n for n, (a, g) in enumerate(zip(arrays, given, strict=True)) if not _same(a, g)]
    said = list(dict.fromkeys(str(w.message) for w in caught))[:3]
    return {"keys": keys, "arrays": results, "changed": changed, "seconds": seconds, "warnings": said}


def _value(tree: Any, arrays: list[Any]) -> Any:
    if isinstance(tree, dict):
        if "array" in tree:
            return arrays[tree["array"]]
        if "tuple" in tree:
            return tuple(_value(v, arrays) for v in tree["tuple"])
        return {k: _value(v, arrays) for k, v in tree["dict"].items()}
    return tree


def _flatten(result: Any, into: list[np.ndarray]) -> list[str | None]:
    """Append the arrays of a result; the name of each, where it has one."""
    if result is None:
        return []
    if isinstance(result, Mapping):
        keys: list[str | None] = []
        for key, value in result.items():
            if value is not None:
                keys += [str(key)] * len(_flatten(value, into))
        return keys
    if isinstance(result, (tuple, list)) and not _is_numbers(result):
        fields = getattr(result, "_fields", [None] * len(result))
        keys = []
        for key, value in zip(fields, result, strict=True):
            if value is None:
                continue
            inner = _flatten(value, into)
            keys += inner if key is None else [key] * len(inner)
        return keys
    into.append(_array(result))
    return [None]


def _is_numbers(result: tuple[Any, ...] | list[Any]) -> bool:
    """Whether nested lists stand for one array."""
    return isinstance(result, list) and len(result) > 0 and all(isinstance(r, (int, float, list)) for r in result)


def _array(value: Any) -> np.ndarray:
    if hasattr(value, "detach"):
        value = value.detach().cpu().resolve_conj().numpy()
    array = np.array(value)
    if not np.can_cast(array.dtype, np.float64, "same_kind"):
        kind = f"array of {array.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
        raise TypeError(
            f"the result holds {'nothing' if value is None else _a(kind)}, which is no array of real numbers"
        )
    if array.size > LARGEST:
        raise ValueError(
            f"the result has {array.size} numbers, shape {array.shape}: far too many for such small inputs"
        )
    return array.astype(np.float64) if array.dtype == np.bool_ else array


def _a(noun: str) -> str:
    return f"an {noun}" if noun[:1] in "aeiou" else f"a {noun}"


def _same(before: np.ndarray, after: Any) -> bool:
    value = after if isinstance(after, np.ndarray) else after.detach().numpy()
    return before.shape == value.shape and np.array_equal(before, value, equal_nan=True)


def _told(error: BaseException) -> dict[str, Any]:
    """An error of the person's code: its kind, its message, and the last line of their own file that it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, SyntaxError) and error.filename:
        place = f"{os.path.basename(error.filename)}, line {error.lineno}"
        return {"kind": type(error).__name__, "message": error.msg, "place": place, "line": (error.text or "").strip()}
    here = (os.path.abspath(__file__), os.path.abspath(importlib.__file__))
    own = [f for f in frames if os.path.abspath(f.filename) not in here and "<" not in f.filename]
    outside = [f for f in own if "site-packages" not in f.filename] or own
    place = f"{os.path.basename(outside[-1].filename)}, line {outside[-1].lineno}" if outside else ""
    line = (outside[-1].line or "") if outside else ""
    return {"kind": type(error).__name__, "message": str(error)[:PRINTED], "place": place, "line": line}


@contextlib.contextmanager
def caught_output() -> Iterator[io.StringIO]:
    """What Python code prints inside."""
    caught = io.StringIO()
    with contextlib.redirect_stdout(caught), contextlib.redirect_stderr(caught):
        yield caught


def text_of(caught: io.StringIO) -> str:
    """The end of what was printed; nothing where the stream was closed."""
    return "" if caught.closed else caught.getvalue()[-PRINTED:]


def _limit_memory(megabytes: int) -> None:
    """Of data, not of addresses: libraries for graphics cards reserve far more of these than they use."""
    try:
        import resource
    except ImportError:  # not there on Windows
        return
    limit = megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def main() -> None:
    """Answer requests until the other side closes."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # what compiled code prints must not get between the answers
        os.dup2(nothing, stream)
    _limit_memory(int(sys.argv[2]))
    sys.path.insert(0, os.getcwd())
    with caught_output() as printed:
        try:
            function = find_function(sys.argv[1])
            about = described(function)
        except (Exception, SystemExit) as error:
            write_message(answers, {"error": _told(error)}, [])
            return
    write_message(answers, about | {"printed": text_of(printed)}, [])
    while True:
        try:
            tree, arrays = read_message(requests)
        except EOFError:
            return
        with caught_output() as printed:
            answer = run(function, tree, arrays)
        results = answer.pop("arrays")
        write_message(answers, answer | {"printed": text_of(printed)}, results)


if __name__ == "__main__":
    main()
