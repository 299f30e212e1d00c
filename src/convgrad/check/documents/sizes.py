r"""Sizes in sentences: "for $5 \times 5$ and $2 \times 2$ that is $4 \times 4$", "the output is (H-k1+1)x(W-k2+1)"."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor

from convgrad.check.derivations.bounds import OPERATIONS
from convgrad.check.documents.judged import Judged, Mark
from convgrad.check.documents.ledger import Ledger
from convgrad.check.documents.runs import Kind, Place, Run
from convgrad.check.documents.statements import has_equality, product_parts, relation_of

SENTENCE_END = re.compile(r"[.;:?!](?=\s|$)|\n\s*\n|\x1d")
PLAIN_SIZE = re.compile(
    r"(?<![\w.])(?P<size>(?:\d+|\([^()]{1,30}\)|[A-Za-z]_?\d?)(?:\s*[x\u00d7]\s*(?:\d+|\([^()]{1,30}\)|[A-Za-z]_?\d?))+|\d+(?:-by-|\s+by\s+)\d+)"
    r"(?![\w.]*\w)"
)
NOUNS = {
    "kernel": r"kernels?|filters?|windows?|masks?|weights?|pool(?:s|ing)?|receptive field",
    "input": r"inputs?|images?|pictures?|photos?|previous layer",
    "output": r"outputs?|results?|feature maps?|deltas?|error maps?|elements|entries",
}
VERBS = (
    r"gives?|makes?|yields?|becomes?|produces?|leads? to|that is|is then|are then|obtain\w*|returns?|we get|to|"
    r"\u2192|->|="
)
"""Before the size of a result."""
PERHAPS = "output, if it can be one"
"""What a size is of after `is` alone."""
SETTING = re.compile(r"\b(?P<name>stride|strides|padding|pad)s?\b(?:\s+(?:of|is|=|with))*\s*\$?\s*(?P<value>\d+)")
AFTER = re.compile(
    r"\s*-?\s*(?:(?!(?:on|an?|the|of|in|with|and|is|are|gives?|for|that|by|to|over)\b)[a-z]+\s+)?"
    rf"(?P<word>{'|'.join(NOUNS.values())})(?!\w)",
    re.IGNORECASE,
)
"""The word after a size that says what it is of, perhaps with another one before it: `a 3x3 sharpening kernel`."""
TRIED = ((11, 13, 3, 4), (17, 12, 5, 2), (9, 23, 2, 7), (31, 19, 6, 3))


@dataclass(frozen=True)
class Size:
    """Axes of a tensor as they were written, and what the words around it say that it is."""

    axes: tuple[str, ...]
    role: str
    place: Place
    text: str
    start: int


Marked = tuple[int, tuple[str, ...], Place, str]
"""Where a size stands in a text, its axes, its place, and how it was written."""


@dataclass(frozen=True)
class Sentence:
    """A part of a paragraph, with its formulas in it."""

    text: str
    place: Place
    sizes: tuple[Size, ...]


def sentences(paragraph: Sequence[Run]) -> Iterator[Sentence]:
    """The sentences of a paragraph; formulas of sizes are sizes, others stay as they are."""
    text = ""
    marks: list[Marked] = []
    for run in paragraph:
        if run.kind is Kind.FORMULA and not has_equality(run.text) and not relation_of(run.text):
            axes = tuple(part for part in product_parts(run.text) if part)
            if len(axes) > 1 and all(_parsed(axis) is not None for axis in axes):
                marks.append((len(text), axes, run.place, run.text))
                text += "\x00"
                continue
        text += run.text if run.kind is not Kind.FORMULA else f" \x01 {run.text} \x02 "
    text, marks = _with_plain_sizes(text, marks, paragraph)
    start = line = first = 0
    for end in [*(m.end() for m in SENTENCE_END.finditer(text)), len(text)]:
        until = first
        while until < len(marks) and marks[until][0] < end:
            until += 1
        inside = marks[first:until]
        if inside or SETTING.search(text, start, end):
            sizes = tuple(_sized(text, start, end, mark) for mark in inside)
            place = inside[0][2] if inside else paragraph[0].place.later("\n" * line)
            yield Sentence(text[start:end], place, sizes)
        line += text.count("\n", start, end)
        start, first = end, until


def _with_plain_sizes(text: str, marks: list[Marked], paragraph: Sequence[Run]) -> tuple[str, list[Marked]]:
    """A text with a mark for each size that is no formula, too; in one pass, for paragraphs may be long."""
    words = re.sub("\x01.*?\x02", lambda m: " " * len(m[0]), text, flags=re.DOTALL)
    pieces: list[str] = []
    found: list[Marked] = []
    waiting = list(marks)
    done = gone = line = 0
    for match in PLAIN_SIZE.finditer(words):
        parts = tuple(p.strip() for p in re.split(r"\s*[x\u00d7]\s*|-by-|\s+by\s+", match["size"]))
        if any(_parsed(part) is None for part in parts):
            continue
        while waiting and waiting[0][0] <= match.start():
            found.append(_moved(waiting.pop(0), gone))
        line += text.count("\n", done, match.start())
        found.append((match.start() - gone, parts, paragraph[0].place.later("\n" * line), match[0]))
        pieces += [text[done : match.start()], "\x00"]
        line += text.count("\n", match.start(), match.end())
        done = match.end()
        gone += len(match[0]) - 1
    return "".join(pieces) + text[done:], [*found, *(_moved(mark, gone) for mark in waiting)]


def _moved(mark: Marked, back: int) -> Marked:
    return mark[0] - back, *mark[1:]


def _sized(text: str, start: int, end: int, mark: Marked) -> Size:
    at, axes, place, written = mark
    parts = text[start:at].split("\x00")
    of_other = AFTER.match(parts[-1]) if len(parts) > 1 else None  # a word after a size is that size's
    before = parts[-1][of_other.end() :] if of_other else parts[-1]
    before = re.sub("\x01.*?(?:\x02|$)", "", before, flags=re.DOTALL)  # without formulas
    after = re.split("[\x00,.;:]", text[at + 1 : end])[0]
    return Size(axes, _role(before, after, "full" in text[start:end]), place, " ".join(written.split()), at)


def _role(before: str, after: str, full: bool) -> str:
    """What a size is of: the word after it, as in `a 5x5 image`, else the last before it, as in `an input of 5x5`."""
    close = AFTER.match(after)
    if close:
        role = _named(close["word"])
        return "input" if full and role == "output" and re.match("delta|error", close["word"]) else role
    found = [(m.start(), role) for role in NOUNS for m in _words(NOUNS[role], before)]
    found += [(match.start(), "output") for match in _words(VERBS, before)]
    return max(found)[1] if found else PERHAPS if re.search(r"\b(?:is|are|has)\s*$", before) else ""


def _words(words: str, text: str) -> Iterator[re.Match[str]]:
    return re.finditer(rf"(?<!\w)(?:{words})(?!\w)", text, re.IGNORECASE)


def _named(word: str) -> str:
    return next((role for role, words in NOUNS.items() if re.fullmatch(words, word, re.IGNORECASE)), "")


def judge_sizes(sentence: Sentence, ledger: Ledger) -> list[Judged]:
    """The verdict on each size of a sentence. Sizes of inputs and kernels are given; those of outputs are claims."""
    mode = next((m[1] for m in re.finditer(r"\b(full|same|valid)\b", sentence.text)), "")
    said = {"stride" if m["name"][0] == "s" else "padding": int(m["value"]) for m in SETTING.finditer(sentence.text)}
    window = _Window(mode, **{**ledger.settings, **said})
    given: dict[str, tuple[str, ...]] = {}
    plain: list[Size] = []
    found: list[Judged] = []
    for size in sentence.sizes:
        if size.role in ("input", "kernel"):
            given[size.role] = size.axes
            found.append(Judged(size.place, "size", size.text, Mark.GIVEN, (f"of the {size.role}",)))
        elif size.role == "output" or (size.role == PERHAPS and _is_known(size, given, ledger)):
            found += [Judged(p.place, "size", p.text, Mark.GIVEN, (f"of the {r}",)) for p, r in _in_order(plain, given)]
            plain = []
            letters = "letters" if any(_names(axis) for axis in size.axes) else "numbers"
            known = {role: axes for (kind, role), axes in ledger.sizes.items() if kind == letters}
            judged = _judged(size, {**known, **given}, window)
            if judged.mark is not Mark.RIGHT and letters == "numbers" and len(given) < 2:
                judged = _from_before(size, judged, {**known, **given}, window, ledger)
            if letters == "numbers":
                ledger.outputs.append(size.axes)
            found.append(judged)
        else:
            plain.append(size)
    claims = any(size.role == "output" for size in sentence.sizes)
    mark = Mark.NOT_UNDERSTOOD if claims else Mark.GIVEN
    words = ("The sentence does not say what this is the size of.",)
    found += [Judged(p.place, "size", p.text, mark, words) for p in plain]
    for role, axes in given.items():
        ledger.sizes["letters" if any(_names(axis) for axis in axes) else "numbers", role] = axes
    if not any(size.role == "output" for size in sentence.sizes):
        ledger.settings |= said
    return found


def _is_known(size: Size, given: Mapping[str, tuple[str, ...]], ledger: Ledger) -> bool:
    """Whether the sizes of an input and of a kernel are known, so that `is 4x4` may be of a result."""
    kind = "letters" if any(_names(axis) for axis in size.axes) else "numbers"
    return all(role in given or (kind, role) in ledger.sizes for role in ("input", "kernel"))


@dataclass(frozen=True)
class _Window:
    """How what slides does it."""

    mode: str
    stride: int = 1
    padding: int = 0

    def outputs(self, n: Fraction, k: Fraction, values: Mapping[str, int], exact: bool) -> Fraction:
        """The number of places; exact: where the stride does not divide, a fraction."""
        if self.mode == "full":
            return n + k - 1
        if self.mode == "same":
            return n
        stride, padding = values.get("s", self.stride), values.get("p", self.padding)
        places = (n + 2 * padding - k) / stride
        return (places if exact else Fraction(floor(places))) + 1

    def words(self, n: str, k: str, letters: Collection[str]) -> str:
        """The same as a formula."""
        n, k = (re.sub(r"[\\{}_\s]", "", text) for text in (n, k))
        if self.mode == "full":
            return f"{n}+{k}-1"
        if self.mode == "same":
            return n
        padding = "+2p" if "p" in letters else f"+2*{self.padding}" if self.padding else ""
        stride = "s" if "s" in letters else str(self.stride)
        return f"{n}{padding}-{k}+1" if stride == "1" else f"({n}{padding}-{k})/{stride}+1"


def _from_before(
    size: Size, judged: Judged, known: Mapping[str, tuple[str, ...]], window: _Window, ledger: Ledger
) -> Judged:
    """Of a sentence that leaves the input or the kernel to others: right where an earlier result fits, else unclear."""
    for axes in reversed(ledger.outputs):
        other = _judged(size, {**known, "input": axes}, window)
        if other.mark is Mark.RIGHT:
            return other
    if judged.mark is not Mark.WRONG:
        return judged
    earlier = " and ".join(" x ".join(known[role]) for role in ("input", "kernel"))
    words = f"It does not fit the sizes of an earlier sentence, {earlier}: say in this one which it is about."
    return replace(judged, mark=Mark.NOT_UNDERSTOOD, words=(words,))


def _in_order(plain: list[Size], given: dict[str, tuple[str, ...]]) -> list[tuple[Size, str]]:
    """Sizes without a word of their own before a result: the input, then the kernel, which is the smaller one."""
    missing = [role for role in ("input", "kernel") if role not in given]
    if len(plain) == 2 and len(missing) == 2:
        one, two = ([_value(axis, {}) or 0 for axis in size.axes] for size in plain)
        plain = plain[::-1] if all(a < b for a, b in zip(one, two, strict=False)) else plain
    told = list(zip(plain, missing, strict=False))
    given |= {role: size.axes for size, role in told}
    return sorted(told, key=lambda pair: pair[0].start)


def _judged(size: Size, given: Mapping[str, tuple[str, ...]], window: _Window) -> Judged:
    def told(mark: Mark, *words: str) -> Judged:
        return Judged(size.place, "size", size.text, mark, words)

    if "input" not in given or "kernel" not in given:
        missing = next(role for role in ("input", "kernel") if role not in given)
        return told(Mark.NOT_UNDERSTOOD, f"The document does not say which size the {missing} has.")
    axes = min(len(given["input"]), len(given["kernel"]))
    if len(size.axes) < axes:
        return told(Mark.NOT_UNDERSTOOD, f"It has {len(size.axes)} axes, the input {len(given['input'])}.")
    known = {n for part in (*given["input"], *given["kernel"]) for n in _names(part)}
    own = {n for part in size.axes for n in _names(part)}
    unknown = sorted(own - known - {"s", "p", "S", "P"})
    if unknown:
        return told(Mark.NOT_UNDERSTOOD, f"{', '.join(unknown)} is no size of the input or the kernel.")
    letters = {n.lower() for n in own - known}
    for draw in TRIED:
        values = _chosen(sorted(known), given, draw) | {
            n: v for n, v in (("s", draw[3]), ("p", draw[2])) if n in letters
        }
        values |= {n.upper(): v for n, v in values.items() if n in ("s", "p")}
        for axis in range(axes):
            parts = given["input"][axis], given["kernel"][axis], size.axes[axis]
            n, k, mine = (_value(part, values) for part in parts)
            if n is None or k is None or mine is None:
                return told(Mark.NOT_UNDERSTOOD, "It can't be evaluated.")
            right = window.outputs(n, k, values, "s" in letters and "floor" not in size.axes[axis])
            if right != mine:
                formula = window.words(*parts[:2], letters)
                is_that = formula if known | letters else f"{formula} = {right}"
                return told(Mark.WRONG, f"Axis {axis}: it is {is_that}, and not {parts[2]}.")
    return told(
        Mark.RIGHT,
        f"It is {' x '.join(window.words(given['input'][a], given['kernel'][a], letters) for a in range(axes))}.",
    )


def _chosen(letters: list[str], given: Mapping[str, tuple[str, ...]], draw: tuple[int, ...]) -> dict[str, int]:
    """Values of letters: large ones for the input, small ones for the kernel."""
    kernel = {n for part in given["kernel"] for n in _names(part)}
    large, small = iter((*draw[:2], 29, 37)), iter((*draw[2:], 3, 5))
    return {letter: next(small) if letter in kernel else next(large) for letter in letters[:4]}


def _parsed(text: str) -> ast.expr | None:
    r"""The arithmetic of a size: H-k_1+1, or LaTeX of it; None for something else."""
    plain = re.sub(r"\\(?:left|right)\s*", "", text.replace("\\lfloor", "(").replace("\\rfloor", ")"))
    plain = re.sub(r"\\[dt]?frac\s*\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}\s*\{([^{}]*)\}", r"((\1)/(\2))", plain)
    plain = re.sub(r"\\cdot|\\times", "*", _short_names(plain))
    plain = re.sub(r"(?<=\d)(?=[A-Za-z(])", "*", plain)
    if not re.fullmatch(r"[\w\s()+*/-]+", plain):
        return None
    try:
        return ast.parse(plain.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _short_names(text: str) -> str:
    return re.sub(r"([A-Za-z])_\{?(\w)\}?", r"\1\2", text).replace("{", "(").replace("}", ")")


def _names(text: str) -> set[str]:
    tree = _parsed(text)
    return set() if tree is None else {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _value(text: str, values: Mapping[str, int]) -> Fraction | None:
    def of(node: ast.expr | None) -> Fraction | None:
        match node:
            case ast.Constant(value=int(value)):
                return Fraction(value)
            case ast.Name(id=name):
                return Fraction(values[name]) if name in values else None
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                inner = of(operand)
                return None if inner is None else -inner
            case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATIONS:
                one, two = of(left), of(right)
                if one is None or two is None or (isinstance(op, ast.Div) and not two):
                    return None
                return OPERATIONS[type(op)](one, two)
        return None

    found = of(_parsed(text))
    return None if found is None else Fraction(floor(found)) if "floor" in text else found
