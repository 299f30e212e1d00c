"""The programs of a document: run in a process of their own, with their arrays and the numbers that stand in them."""

from __future__ import annotations

import ast
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np

from convgrad.check.documents.runs import Place, Run
from convgrad.check.functions.person import Call, Person
from convgrad.check.problems.problem import Array

SECONDS = 30.0
FILE, FUNCTION = "program.py", "arrays_of_the_program"
MOST_ARRAYS, LARGEST = 60, 100_000
ASK = '''

def {function}():
    """All arrays and numbers, for the check."""
    import numpy
    found = {{}}
    for name, value in list(globals().items()):
        if name.startswith("_") or isinstance(value, (bool, str, bytes, type)) or callable(value):
            continue
        if hasattr(value, "detach"):
            value = value.detach().cpu().numpy()
        if not isinstance(value, (int, float, list, tuple, numpy.ndarray, numpy.generic)):
            continue
        try:
            array = numpy.asarray(value, dtype=numpy.float64)
        except (TypeError, ValueError, OverflowError):
            continue
        if array.size and array.size <= {largest} and len(found) < {most}:
            found[name] = array
    return found
'''
SHOW = "None if _shown is None else print(repr(_shown))"
NUMPY = "import numpy as np\n"


@dataclass(frozen=True)
class Literal:
    """A number in a program: of which array, at which place in it, and where it stands."""

    array: str
    index: tuple[int, ...]
    text: str
    place: Place


@dataclass(frozen=True)
class Ran:
    """A program that was run.

    arrays: by name, in the order of their assignments. literals: the numbers of arrays that are written out. trouble:
    why there are no arrays. printed: what it printed.
    """

    place: Place
    arrays: dict[str, Array]
    literals: tuple[Literal, ...] = ()
    lines: dict[str, Place] | None = None
    trouble: str = ""
    printed: str = ""

    @property
    def written(self) -> set[str]:
        """Arrays that are written out in it."""
        return {literal.array for literal in self.literals}

    @property
    def computed(self) -> list[str]:
        """Arrays that it computes."""
        return [name for name in self.arrays if name not in self.written]


def is_python(run: Run) -> bool:
    """Whether a block holds a program of Python."""
    if run.language not in ("", "python", "py", "python3", "ipython", "ipython3", "numpy"):
        return False
    tree = _tree(run.text)
    if tree is None or all(isinstance(node, ast.Expr) and _is_literal(node.value) for node in tree.body):
        return False
    return bool(re.search(r"=|\(", run.text))


def _is_literal(node: ast.expr) -> bool:
    """Whether it is numbers, texts, or lists of them, which is no program."""
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return False
    return True


def run_program(
    earlier: list[Run],
    run: Run,
    *,
    seconds: float = SECONDS,
    sandbox: bool = False,
    tell: Callable[[str], None] | None = None,
) -> Ran:
    """Run a program after those before it, which it may build on."""
    if tell is not None:
        tell(f"Running the program of {run.place} (at most {seconds:g} s)...")
    before = "\n".join(_plain(r.text) for r in earlier)
    own = _shows(run)
    source = (before + "\n" if before else "") + own
    needs_numpy = bool(re.search(r"(?<![\w.])np\.", source)) and not re.search(r"import\s+numpy\s+as\s+np", source)
    source = (NUMPY if needs_numpy else "") + source
    ahead = source.count("\n") - own.count("\n")
    with tempfile.TemporaryDirectory(prefix="convgrad-") as folder:
        file = Path(folder) / FILE
        file.write_text(source + ASK.format(function=FUNCTION, largest=LARGEST, most=MOST_ARRAYS), encoding="utf-8")
        with Person(f"{file}:{FUNCTION}", seconds=seconds, folder=Path(folder), sandbox=sandbox) as person:
            printed = person.printed
            outcome = person.call(Call(largest=MOST_ARRAYS * LARGEST))
    if outcome.trouble is not None:
        place = re.match(rf"{FILE}, line (\d+)", outcome.trouble.place)
        line = Place(run.place.line + int(place[1]) - ahead - 1, run.place.cell) if place else run.place
        said = f"{outcome.trouble.kind}: {outcome.trouble.message}" if outcome.trouble.message else outcome.trouble.kind
        return Ran(run.place, {}, trouble=f"{said} ({line})", printed=printed)
    found = {
        str(k): np.asarray(a, np.float64) for k, a in zip(outcome.keys, outcome.arrays, strict=True) if k is not None
    }
    lines = {name: run.place.later("\n" * (n - 1)) for name, n in _assigned(run.text)}
    for r in earlier:
        lines = {**{name: r.place.later("\n" * (n - 1)) for name, n in _assigned(r.text)}, **lines}
    ordered = {name: found[name] for name in lines if name in found}
    literals = tuple(l for r in (*earlier, run) for l in _literals(r) if l.array in ordered)
    kept = {l.array for l in literals if ordered[l.array].shape == _shape(literals, l.array)}
    return Ran(run.place, ordered, tuple(l for l in literals if l.array in kept), lines, "", printed)


def _plain(text: str) -> str:
    """Without what only notebooks and consoles understand."""
    lines = text.split("\n")
    if any(line.startswith(">>> ") for line in lines):
        lines = [line[4:] if line.startswith((">>> ", "... ")) else "" for line in lines]
    return "\n".join("" if re.match(r"\s*[%!]", line) else line for line in lines)


def _shows(run: Run) -> str:
    """A notebook's cell so that it prints its last expression, as notebooks do."""
    text, tree = _plain(run.text), _tree(run.text)
    last = tree.body[-1] if tree is not None and tree.body else None
    if not run.place.cell or not isinstance(last, ast.Expr) or text.rstrip().endswith(";"):
        return text
    lines = text.split("\n")
    first, stop = last.lineno - 1, last.end_lineno or last.lineno
    if last.col_offset:
        return text
    return "\n".join([*lines[:first], f"_shown = ({lines[first]}", *lines[first + 1 : stop], ")", SHOW, *lines[stop:]])


def _tree(text: str) -> ast.Module | None:
    try:
        return ast.parse(_plain(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _assigned(text: str) -> Iterator[tuple[str, int]]:
    """Names that are assigned at the top of a program, and their lines."""
    tree = _tree(text)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, (ast.AugAssign, ast.AnnAssign)):
            targets = [node.target]
        else:
            continue
        for name in (one for target in targets for one in ast.walk(target)):
            if isinstance(name, ast.Name):
                yield name.id, node.lineno


def _literals(run: Run) -> Iterator[Literal]:
    """The numbers of arrays that are written out."""
    tree = _tree(run.text)
    source = _plain(run.text)
    for node in tree.body if tree is not None else ():
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            yield from _numbers(node.targets[0].id, _content(node.value), (), source, run.place)


def _content(value: ast.expr) -> ast.expr:
    """The list in np.array([...]) and the like."""
    if isinstance(value, ast.Call) and value.args and isinstance(value.func, (ast.Attribute, ast.Name)):
        name = value.func.attr if isinstance(value.func, ast.Attribute) else value.func.id
        if name in ("array", "asarray", "tensor", "matrix", "float64", "Tensor"):
            return value.args[0]
    return value


def _numbers(array: str, node: ast.expr, index: tuple[int, ...], source: str, place: Place) -> Iterator[Literal]:
    if isinstance(node, (ast.List, ast.Tuple)):
        for number, element in enumerate(node.elts):
            yield from _numbers(array, element, (*index, number), source, place)
        return
    inner = node.operand if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)) else node
    if isinstance(inner, ast.Constant) and isinstance(inner.value, (int, float)) and not isinstance(inner.value, bool):
        text = ast.get_source_segment(source, node) or repr(inner.value)
        yield Literal(array, index, text.replace(" ", ""), place.later("\n" * (node.lineno - 1)))


def _shape(literals: tuple[Literal, ...], array: str) -> tuple[int, ...]:
    indices = [literal.index for literal in literals if literal.array == array]
    axes = {len(index) for index in indices}
    if len(axes) != 1:
        return (-1,)
    shape = tuple(max(i[axis] for i in indices) + 1 for axis in range(axes.pop()))
    return shape if len(indices) == int(np.prod(shape)) else (-1,)


def number_of(text: str) -> Decimal:
    """A number as it is written in a program."""
    return Decimal(text.replace("_", "").rstrip("."))
