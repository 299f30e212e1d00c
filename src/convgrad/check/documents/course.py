"""The course of checking a document: one part after the other, each with what was said before it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from convgrad.check.derivations.functions_of import calls_of
from convgrad.check.derivations.labelled import example_and_label, without_examples
from convgrad.check.derivations.labels import labels_of, marked
from convgrad.check.documents.agreement import Agreement, agreements, explained
from convgrad.check.documents.axes import axes_told, matrices_told, names_defined
from convgrad.check.documents.equations import judge_equation
from convgrad.check.documents.identities import is_calculation, judge_identity, number_in
from convgrad.check.documents.judged import Judged, Mark
from convgrad.check.documents.ledger import Ledger
from convgrad.check.documents.matrices import matrix_of
from convgrad.check.documents.numbers import Programs, judge_numbers, judge_output
from convgrad.check.documents.operators import LIMITS, condition_of, judge_condition, unequal_of
from convgrad.check.documents.programs import SECONDS, Ran, is_python, run_program
from convgrad.check.documents.quantities import quantities
from convgrad.check.documents.reading import tensor_on_left
from convgrad.check.documents.runs import Kind, Place, Run
from convgrad.check.documents.sizes import judge_sizes, sentences
from convgrad.check.documents.slips import idle_numbers
from convgrad.check.documents.statements import Statement, has_equality, relation_of, statements_of
from convgrad.check.sheets.numbers import Written
from convgrad.errors import ConvgradError
from convgrad.notation.parsing.parser import parse

NOTATION = re.compile(r"^[A-Za-z_][\w.]*(?:\[[\w\s,]*\])?\s*=\s*\S.*\[.*\].*$")
"""A line of a text that may be an equation in our notation."""
RANGE = re.compile(r"\\[lcd]?dots|\\ldots|\u2026|\.\.\.")
"""In `l = 1, 2, \\ldots, L`."""
FUNCTIONS = "exp|log|ln|tanh|sum|max|min|sigmoid|softmax|relu|sqrt|rot180|diag|tr|sin|cos|abs|sign"
PLAIN = re.compile(
    rf"(?=.*(?:[\u0370-\u03ff\u2200-\u22ff]|\\[a-z]|[A-Za-z]_\w))[^\s=<>]{{1,60}}\s*=(?!.*(?<![\w\\])(?!(?:{FUNCTIONS})\b)"
    r"[A-Za-z]{3,}(?![\w(\[]))\s*\S.*"
)
"""A line of a text that is an equation without marks: no words on its right side, and something of a formula in it."""
ERROR = re.compile(r"\s*(?:\\math\w+\s*\{?\s*)?(?:[ELJC]|\\ell)\s*\}?\s*(?:\(.*\))?\s*", re.DOTALL)
"""A left side that is an error."""
SHORT = re.compile(
    rf"[A-Za-z]\d?\s*=(?=(?:[^A-Za-z]*[A-Za-z]){{2}})(?=.*[-+*/^@(])\s*(?:(?:(?:{FUNCTIONS})(?![A-Za-z])|[A-Za-z]{{1,2}}(?![A-Za-z])|[\d.]+|[-+*/^@()])\s*)+"
)
"""A line of a text such as `y = W x + b`: letters and signs, and no words."""
OUTPUT = re.compile(r"\d")
"""What a block without a language has that is taken as what the program before it prints."""
NOT_HERE = "program: not run here"
"""Where whoever runs the check has not allowed it."""


@dataclass(frozen=True)
class Options:
    """How programs are run: `run` False where they are not, with the words that are then said."""

    run: bool = True
    seconds: float = SECONDS
    sandbox: bool = False
    tell: Callable[[str], None] | None = None
    not_run: str = NOT_HERE


class NotAsWanted(Exception):
    """A part that had to be right is not."""


SUM = re.compile(r"\\sum|\\Sigma\s*_|\u2211|\bsum\s*[\[_(]")


@dataclass
class Course:
    """Where the check of a document is. instead: texts of statements that are read in place of their own.

    wanted: parts that have to be right, by place and text; where one is not, the check ends there.
    """

    options: Options
    known_runs: dict[Place, Ran] = field(default_factory=dict)
    instead: Mapping[tuple[Place, str], str] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    programs: Programs = field(default_factory=Programs)
    parts: list[Judged] = field(default_factory=list)
    before: list[Judged] = field(default_factory=list)
    wanted: Collection[tuple[Place, str, str]] = ()

    def check(self, runs: Sequence[Run]) -> list[Judged]:
        """The verdicts on all parts, in order."""
        formulas = [run for run in runs if run.kind is Kind.FORMULA]
        self.ledger.labels = labels_of(run.text for run in formulas)
        texts = [marked(run.text, self.ledger.labels) for run in formulas]
        self.ledger.label = example_and_label(" ; ".join(texts))
        if self.ledger.label[0]:
            texts = [without_examples(text, *self.ledger.label) for text in texts]
        self.ledger.axes = axes_told(texts)
        self.ledger.calls = calls_of(" ; ".join(texts))
        self.ledger.matrices = matrices_told(map(self.ledger.calls.spelled, texts), self.ledger.axes)
        self.ledger.recurrent = names_defined(texts)
        said = [statement for run in formulas for statement in statements_of(run.text, run.place)]
        self.ledger.later_errors = [statement for statement in said if ERROR.fullmatch(statement.left)]
        self.ledger.einstein = not any(SUM.search(run.text) for run in runs if run.kind is not Kind.PROGRAM)
        self.ledger.prose = " ".join(run.text for run in runs if run.kind is Kind.PROSE)
        self.ledger.einstein |= bool(re.search(r"\bEinstein|summation convention|repeated ind", self.ledger.prose))
        sources: list[Run] = []
        paragraph: list[Run] = []
        for number, run in enumerate([*runs, None]):
            if run is not None and run.kind in (Kind.PROSE, Kind.SPAN, Kind.FORMULA) and not run.display:
                paragraph.append(run)
                continue
            self._paragraph(paragraph)
            paragraph = []
            if run is None:
                break
            if run.kind is Kind.FORMULA:
                self._limited(runs[number + 1 : number + 4])
                self._formula(run, "")
                self.ledger.conditions.clear()
            elif run.kind is Kind.PROGRAM:
                self._program(run, sources)
            elif run.kind is Kind.OUTPUT:
                last = self.programs.ran[-1] if self.programs.ran else None
                self.parts.append(judge_output(run, last))
            else:
                words = ("It is MathML without the LaTeX that it was made from.",)
                self.parts.append(Judged(run.place, "equation", run.text, Mark.NOT_UNDERSTOOD, words))
        return self.parts

    def _paragraph(self, runs: list[Run]) -> None:
        judged: list[Judged] = []
        self.before, self.parts = self.parts, judged
        prose = ""
        for run in runs:
            if run.kind is Kind.FORMULA:
                self._formula(run, prose)
                prose += " "
            elif run.kind is Kind.SPAN:
                self._notation(run)
            else:
                prose = (prose + run.text)[-200:]
                self._notation(run)
        for sentence in sentences(runs) if runs else ():
            judged += judge_sizes(sentence, self.ledger)
        self.parts = [*self.before, *sorted(judged, key=lambda part: part.place)]

    def _notation(self, run: Run) -> None:
        """Equations in our notation, each on a line of its own, or as code in a sentence."""
        lines = [(n, part) for n, line in enumerate(run.text.split("\n")) for part in line.split("\x1d")]
        for number, line in lines:
            text = line.strip().rstrip(".,;")
            if run.kind is Kind.PROSE and not NOTATION.match(text):
                clauses = (
                    [text] if PLAIN.fullmatch(text) or SHORT.fullmatch(text) else re.split(r"(?<=[.:,;])\s+", text)
                )
                for clause in clauses:
                    plain = clause.rstrip(".,;:")
                    if PLAIN.fullmatch(plain) or (len(clauses) == 1 and SHORT.fullmatch(plain)):
                        left, _, right = plain.partition("=")
                        self._statement(Statement(left.strip(), right.strip(), run.place.later("\n" * number)))
                continue
            if NOTATION.match(text) and "\\" not in text:
                try:
                    parse(text)
                except ConvgradError:
                    continue
                left, _, right = text.partition("=")
                self._statement(Statement(left.strip(), right.strip(), run.place.later("\n" * number)))

    def _formula(self, run: Run, prose: str) -> None:
        if not has_equality(run.text):
            unequal = unequal_of(run.text, self.ledger)
            if unequal is not None:
                self._hold_where(unequal)
            else:
                self._alone(run)
            return
        for statement in statements_of(run.text, run.place):
            condition = condition_of(statement, self.ledger)
            if condition is not None:
                judged = judge_condition(statement, condition, prose, self.ledger)
                self._hold_where(condition)
                if judged is not None:
                    self.parts.append(judged)
                continue
            self._statement(statement)

    def _hold_where(self, condition: tuple[str, str, str]) -> None:
        """What follows is said for such indices, and no longer for those that were spoken of before."""
        pair = {condition[0], condition[2]}
        self.ledger.conditions[:] = [one for one in self.ledger.conditions if {one[0], one[2]} != pair]
        self.ledger.conditions.append(condition)

    def _limited(self, behind: Sequence[Run]) -> None:
        """With the condition that stands behind an equation: `..., for $i \\ne j$`."""
        if len(behind) < 2 or behind[0].kind is not Kind.PROSE or not LIMITS.fullmatch(behind[0].text):
            return
        ends = len(behind) == 2 or bool(re.match(r"\s*(?:[.,;]|\n\s*\n|$)", behind[2].text))
        unequal = unequal_of(behind[1].text, self.ledger) if behind[1].kind is Kind.FORMULA and ends else None
        if unequal is not None:
            self._hold_where(unequal)

    def _statement(self, statement: Statement) -> None:
        written = matrix_of(statement.right)
        text = self.instead.get((statement.place, statement.text))
        if text is not None:
            left, _, right = text.partition("=")
            statement = Statement(left.strip(), right.strip(), statement.place, statement.before)
        if written is not None and number_in(statement.before) is not None and is_calculation(statement.before):
            judged = judge_identity(Statement(statement.before, statement.right, statement.place))
            self.parts += [] if judged is None else [judged]
            return
        if written is not None and (written.values.ndim or re.search(r"[\d.]", statement.right)):
            name = tensor_on_left(statement.left, self.ledger)
            if name:
                self._numbers(statement.place, statement.text, written, name)
                return
        if RANGE.search(statement.right):
            words = ("a range, of which nothing is claimed",)
            self.parts.append(Judged(statement.place, "equation", statement.text, Mark.GIVEN, words))
            return
        if number_in(statement.right) is not None and is_calculation(statement.right):
            if is_calculation(statement.before) and number_in(statement.before) is not None:
                judged = judge_identity(Statement(statement.before, statement.right, statement.place))
                self.parts += [] if judged is None else [judged]
            else:  # with numbers put in, which may be rounded
                words = ("numbers put in: the next `=` is checked against it",)
                self.parts.append(Judged(statement.place, "numbers", statement.text, Mark.GIVEN, words))
            return
        judged = _guarded(statement, self.ledger)
        self.parts.append(judged)
        if judged.key in self.wanted and not judged.mark.is_right:
            raise NotAsWanted

    def _alone(self, run: Run) -> None:
        """A formula without `=`: numbers, or a relation that nobody can check; all else claims nothing."""
        written = matrix_of(run.text)
        if written is not None and (written.values.ndim or run.display):
            self._numbers(run.place, run.text, written, "")
        elif run.display:
            relation = relation_of(run.text)
            words = f"`{relation}` is not checked." if relation else "It states nothing of anything: it has no `=`."
            self.parts.append(Judged(run.place, "equation", run.text.strip(), Mark.NOT_UNDERSTOOD, (words,)))

    def _numbers(self, place: Place, text: str, written: Written, name: str) -> None:
        judged, slip = judge_numbers(place, text, written, name, self.ledger, self.programs)
        self.parts.append(judged)
        if slip is not None:
            words = f"{slip} the numbers of {place} come out."
            self._mark_program(slip.literal.place, words)

    def _mark_program(self, place: Place, words: str) -> None:
        """A program that has a wrong number at a place."""
        for parts in (self.parts, self.before):
            for number, part in reversed(list(enumerate(parts))):
                if part.what == "program" and part.place <= place and part.place.cell == place.cell:
                    parts[number] = replace(part, mark=Mark.WRONG, words=(words, *part.words))
                    return

    # Programs

    def _program(self, run: Run, sources: list[Run]) -> None:
        if not is_python(run):
            self._not_python(run)
            return
        if not self.options.run:
            self.parts.append(Judged(run.place, "program", run.text, Mark.NOT_UNDERSTOOD, (self.options.not_run,)))
            return
        ran = self.known_runs.get(run.place)
        if ran is None:
            options = self.options
            ran = run_program(sources, run, seconds=options.seconds, sandbox=options.sandbox, tell=options.tell)
            self.known_runs[run.place] = ran
        sources.append(run)
        found = agreements(ran, quantities(self.ledger)) if not ran.trouble else []
        before = {agreement.array for other, agreement in self.programs.found}
        new = [one for one in found if one.array not in before or not one.agrees]
        self.programs = Programs((*self.programs.ran, ran), (*self.programs.found, *((ran, one) for one in new)))
        self.parts.append(_judged_program(run, ran, new))

    def _not_python(self, run: Run) -> None:
        lines = [line for line in run.text.split("\n") if line.strip()]
        equations = [line for line in lines if NOTATION.match(line.strip()) or "\\" in line]
        if not run.language and lines and len(equations) == len(lines):
            if "\\" in run.text:
                self._formula(Run(Kind.FORMULA, run.text, run.place, display=True), "")
            else:
                self._notation(run)
            return
        if not run.language and self.programs.ran and OUTPUT.search(run.text):
            self.parts.append(judge_output(run, self.programs.ran[-1]))
            return
        words = f"A program in {run.language} is not run." if run.language else "It is no program of Python."
        self.parts.append(Judged(run.place, "program", run.text, Mark.NOT_UNDERSTOOD, (words,)))


def _guarded(statement: Statement, ledger: Ledger) -> Judged:
    """The verdict on an equation; where convgrad itself fails at it, it is not understood, and the rest goes on."""
    try:
        return judge_equation(statement, ledger)
    except (
        ConvgradError,
        ArithmeticError,
        LookupError,
        ValueError,
        TypeError,
        AssertionError,
        RecursionError,
    ) as error:
        told = str(error) if isinstance(error, ConvgradError) else f"{type(error).__name__}: {error}"
        fault = "" if isinstance(error, ConvgradError) else "This is a fault of convgrad: "
        words = f"{fault}{' '.join(told.split())[:300]}"
        return Judged(statement.place, "equation", statement.text, Mark.NOT_UNDERSTOOD, (words,))


def _judged_program(run: Run, ran: Ran, found: list[Agreement]) -> Judged:
    def told(mark: Mark, *words: str) -> Judged:
        return Judged(run.place, "program", run.text, mark, words)

    if ran.trouble:
        return told(Mark.NOT_UNDERSTOOD, f"It can't be run to its end: {ran.trouble}.")
    if not ran.computed:
        if ran.written:
            return told(Mark.GIVEN, f"numbers of {', '.join(sorted(ran.written))}")
        functions = re.findall(r"^def (\w+)", run.text, re.MULTILINE)
        if functions:
            how = f"`convgrad check LAYER FILE.py:{functions[0]}`"
            return told(Mark.NOT_UNDERSTOOD, f"It calls no function: check {functions[0]} by {how}.")
        return told(Mark.NOT_UNDERSTOOD, "It computes no array that could be compared.")
    wrong = [one for one in found if not one.agrees]
    words = []
    for one in wrong:
        line = (ran.lines or {}).get(one.array, ran.place)
        if one.expected is not None:
            words += [f"{line}: {one.words}, but has other numbers than the equations give."]
        else:
            shape, right = ("x".join(map(str, s or ())) for s in (ran.arrays[one.array].shape, one.shape))
            words += [f"{line}: {one.words}, but has {shape} numbers, and not {right}."]
        words += [cause] if (cause := explained(one, ran)) else []
    words += [f"{one.words}, as the equations give it." for one in found if one.agrees]
    for array, count in idle_numbers(ran, [one for one in found if one.agrees]).items():
        number, enter = ("number", "enters") if count == 1 else ("numbers", "enter")
        words += [f"{count} {number} of {array} {enter} nothing that is compared, so nothing is said of them."]
    if wrong:
        return told(Mark.WRONG, *words)
    if not found:
        names = ", ".join(ran.computed)
        return told(
            Mark.NOT_UNDERSTOOD,
            f"None of the arrays that it computes ({names}) is what an equation of the document gives.",
        )
    return told(Mark.RIGHT, *words)
