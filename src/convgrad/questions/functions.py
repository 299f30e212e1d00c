"""Is my function correct? A function or class of Python that is pasted into the page, against a layer."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from convgrad.check.functions.checking import check
from convgrad.check.problems.families import FAMILIES, LOSSES, named
from convgrad.check.submissions.submissions import copied
from convgrad.errors import DataError
from convgrad.questions.reading import LONGEST_TEXT, PASTED
from convgrad.questions.rights import Rights

FILE = "pasted.py"
"""How a report calls what was pasted, where it names a line."""
SECONDS = 5.0
"""For one call on small inputs; all of them may take three times as long."""
NOT_RUN = (
    "This server runs no programs, so it can't check a function. Start it with "
    "`convgrad explain --serve --run-programs`, or use `convgrad check` in a terminal."
)
TAKES = 'A check of a function takes {"text": "...", "layer": "...", "options": {..}}.'
OURS = ("seconds", "megabytes", "folder", "sandbox", "explain", "binding")
"""What is not for the page to say."""
BACKWARD = re.compile(r"backward|backprop|bprop|bwd|grad|deriv|prime|delta", re.IGNORECASE)
NEUTRAL = re.compile(
    r"backwards?|backprop|bprop|bwd|forwards?|fwd|pass|grad(ient)?s?|deriv(ative)?|prime|naive|fast|loops?|layer|my",
    re.IGNORECASE,
)
"""What a function's name may say beside the layer."""


def checkable() -> list[str]:
    """The names of the layers and losses that a function can be checked against."""
    return [*FAMILIES, *LOSSES]


def function(asked: Mapping[str, Any], rights: Rights) -> dict[str, Any]:
    """{"text": Python, "layer": a name or an equation, "function": a name, "options": the layer's arguments} -> the
    report of `convgrad check`: {"verdict", "ok", "causes", ..., "text": as it is printed}.

    Without "function" the one that computes a gradient is taken, without "layer" the one that its name says.

    Raises: ConvgradError where there is nothing to check, or where the rights don't say that programs are run. What the
    function does never raises.
    """
    if not rights.runs_programs:
        raise DataError(NOT_RUN)
    text, options = asked.get("text"), asked.get("options") or {}
    name, layer = asked.get("function") or "", asked.get("layer") or ""
    if not (
        isinstance(text, str) and isinstance(name, str) and isinstance(layer, str) and isinstance(options, Mapping)
    ):
        raise DataError(TAKES)
    if len(text) > LONGEST_TEXT:
        raise DataError(f"The program has {len(text):,} characters; a page checks at most {LONGEST_TEXT:,}.")
    for key in options:
        if key in OURS:
            raise DataError(f"A page can't set {key!r}; use `convgrad check` in a terminal.")
    name = name or found_function(text)
    layer = layer or found_layer(name)
    settings: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in options.items()}
    with copied(FILE, text.encode("utf-8", "replace")) as file:
        report = check(f"{file}:{name}", layer, seconds=SECONDS, folder=file.parent, **settings)
    return report.to_json() | {"layer": layer, "text": str(report)}


def found_function(text: str) -> str:
    """The function or class that a program is about: the only one, or the one that computes a gradient.

    >>> found_function("def forward(x): return 2 * x\\ndef backward(dx): return 2 * dx")
    'backward'

    Raises: DataError where there is none, or several.
    """
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise DataError(f"{PASTED}, line {error.lineno}, is not Python: {error.msg}.") from None
    except (ValueError, RecursionError, MemoryError):
        raise DataError(f"{str(PASTED).capitalize()} is not Python that can be read.") from None
    left: Sequence[ast.stmt] = [n for n in tree.body if isinstance(n, (ast.FunctionDef, ast.ClassDef))]
    if not left:
        raise DataError(
            "There is no function and no class at the top of the program: paste one that begins with `def`."
        )
    called = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    tests: tuple[Callable[[Any], bool], ...] = (
        lambda node: isinstance(node, ast.ClassDef) and any(_is_backward(own) for own in node.body),
        _is_backward,
        lambda node: node.name not in called,
    )
    for test in tests:
        if len(left) > 1:
            left = [node for node in left if test(node)] or left
    names = list(dict.fromkeys(str(getattr(node, "name", "")) for node in left))
    if len(names) > 1:
        raise DataError(f"The program has several: {', '.join(names)}. Say which one is checked.")
    return names[0]


def _is_backward(node: Any) -> bool:
    return isinstance(node, (ast.FunctionDef, ast.ClassDef)) and BACKWARD.search(node.name) is not None


def found_layer(name: str) -> str:
    """The layer that the name of a function says, where it says nothing else beside the direction.

    >>> found_layer("max_pool_backward_naive"), found_layer("Conv2D")
    ('max_pool2d', 'conv2d')

    Raises: DataError where it names none.
    """
    parts = [p for p in re.split(r"_+|(?<=[a-z])(?=[A-Z])", name) if p and not NEUTRAL.fullmatch(p)]
    found = named("".join(parts)) if parts else ""
    if found not in checkable():
        raise DataError(f"The name {name} does not say which layer it belongs to. Choose the layer.")
    return found
