"""Check a person's forward or backward function against an equation, and say what is wrong with it.

report = check(my_backward, "conv2d")
print(report)
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from convgrad.arguments import COUNT, FLAG, NEW_NAMES, PATH, POSITIVE, SHAPE, TABLE, Rule, an, one_of, optional, takes
from convgrad.check.functions.diagnosis import Cause, Diagnosis, diagnose, tell_apart
from convgrad.check.functions.person import MEGABYTES, SECONDS, Person
from convgrad.check.functions.reading import Attempt, Convention, Found, accumulated, attempt, find
from convgrad.check.functions.report import Finding, Report
from convgrad.check.functions.roles import SETTINGS, plain
from convgrad.check.functions.smallest import smallest_failure
from convgrad.check.problems.subject import LayerSubject, Sizes, Subject, subject_of
from convgrad.check.submissions.sandbox import require_sandbox
from convgrad.check.submissions.submissions import copied, read_submission
from convgrad.dtypes import FLOATS
from convgrad.errors import ConvgradError, DataError, ModelError, SandboxError
from convgrad.functions import FUNCTIONS
from convgrad.layers.base import Layer

LOOKED_AT = 6
"""Ways to call whose numbers are looked at where none gives the right ones."""
VERDICT = 1.7
"""Seconds of computing after which nothing further is tried; of computing, so that a busy machine finds as much."""
SEARCH = 1.0
"""Seconds for the search for pairs of mistakes, in all attempts together."""
SLOW = 2
"""Calls of the longest that are made before a right function is tried on fewer inputs."""
OTHER_SIZES = (
    Sizes(),
    Sizes(window=True),
    Sizes(square=True),
    Sizes(equal=True),
    Sizes(square=True, equal=True),
)


@takes(
    ModelError,
    function=Rule(
        "a function or a text such as file.py:function", lambda value: callable(value) or PATH.accepts(value)
    ),
    layer=an((str, Layer), "a layer, its name or an equation"),
    input_shape=optional(SHAPE),
    roles=optional(NEW_NAMES),
    dtype=one_of(*reversed(FLOATS)),
    seconds=POSITIVE,
    megabytes=COUNT,
    folder=optional(PATH),
    sandbox=FLAG,
    binding=optional(TABLE),
)
def check(
    function: Callable[..., Any] | str,
    layer: str | Layer,
    *,
    input_shape: Sequence[int] | None = None,
    roles: Mapping[str, str] | None = None,
    dtype: str = "float64",
    seconds: float = SECONDS,
    megabytes: int = MEGABYTES,
    folder: Path | None = None,
    sandbox: bool = False,
    binding: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Report:
    """Whether a function computes what an equation says; if not, what is probably wrong, with proof.

    Args:
        function: forward, backward or both: `module:function`, `file.py:function`, or the function itself, of NumPy
            arrays or PyTorch tensors. It returns an array, a tuple or a dict. One that stands at the top of a file is
            run in a process of its own.
        layer: a name ("conv2d", "max_pool2d", "dense+sigmoid", "softmax_cross_entropy"), a layer with its arguments,
            or the text of an equation.
        input_shape: one example's shape, where the function works with one only; else sizes are chosen.
        roles: argument -> tensor of the equation, or `dx` for the gradient from above, where names don't tell.
        dtype: of the arrays that it is called with, "float64" or "float32".
        seconds: what one call may take, and a third of what all may take.
        megabytes: what its process may use of memory.
        folder: where its process runs, as that of another person's code: without variables of your environment.
        sandbox: whether its process is shut in by bubblewrap (Linux): a copy of the one file, without network, and
            with nothing to write to but a folder of its own.
        binding: sizes, integers, numbers, shapes, inputs and wrt, for the text of an equation.
        settings: arguments of the layer: strides, padding, kernel_size, ...

    Raises:
        ModelError: there is no such layer, or it has no such argument. What the function does never raises.
        SandboxError: there is no bubblewrap, or it can't work here, or the function is in no file.

    >>> def gradient(dx, o):
    ...     return dx * (o >= 0.5)
    >>> check(gradient, "relu").ok
    False
    """
    started = time.perf_counter()
    subjects = subject_of(layer, settings, input_shape, binding or {})
    with contextlib.ExitStack() as stack:
        if sandbox and folder is None:
            function = stack.enter_context(_alone(function))
            folder = Path(function).parent
        person = stack.enter_context(
            Person(function, seconds=seconds, megabytes=megabytes, folder=folder, sandbox=sandbox)
        )
        report = _Check(person, subjects, dict(roles or {}), dtype, settings).run()
    report.seconds = time.perf_counter() - started
    return report


@contextlib.contextmanager
def _alone(function: Callable[..., Any] | str) -> Iterator[str]:
    """The same function in a copy of its file, in a folder of its own, which may be shut in."""
    file, _, name = (function if isinstance(function, str) else "").rpartition(":")
    if not file.endswith(".py"):
        raise SandboxError("A sandbox holds one file: name the function as file.py:function.")
    require_sandbox()
    try:
        content = read_submission(Path(file))
    except DataError as error:
        raise DataError(f"{file}: {error}.") from None
    with copied(Path(file).name, content) as copy:
        yield f"{copy}:{name}"


def assert_gradient_correct(
    function: Callable[..., Any] | str,
    layer: str | Layer,
    *,
    input_shape: Sequence[int] | None = None,
    roles: Mapping[str, str] | None = None,
    dtype: str = "float64",
    seconds: float = SECONDS,
    megabytes: int = MEGABYTES,
    folder: Path | None = None,
    sandbox: bool = False,
    binding: Mapping[str, Any] | None = None,
    **settings: Any,
) -> None:
    """For tests: fail with the whole report where `check` finds a fault. Arguments are those of `check`.

    Raises: AssertionError.
    """
    __tracebackhide__ = True
    report = check(
        function,
        layer,
        input_shape=input_shape,
        roles=roles,
        dtype=dtype,
        seconds=seconds,
        megabytes=megabytes,
        folder=folder,
        sandbox=sandbox,
        binding=binding,
        **settings,
    )
    if not report.ok:
        raise AssertionError(f"the gradient is {str(report.verdict).lower()}\n{report}")


def _combined(tried: Attempt, sizes: Sizes) -> Sizes:
    """Other sizes, with one example or one channel as before."""
    own = tried.convention.sizes
    return replace(sizes, one=own.one, channel=own.channel)


def _with_right_total(attempts: list[Attempt]) -> list[Attempt]:
    """Of a loss's readings (sum or mean over the batch) those whose value is right, where there are any."""
    right = [a for a in attempts if a.problem.total and a.total_is_right]
    batches = [a for a in right if a.is_right_on_batches]
    return batches or right or attempts


class _Check:
    def __init__(
        self,
        person: Person,
        subjects: list[Subject],
        roles: Mapping[str, str],
        dtype: str,
        settings: Mapping[str, Any],
    ):
        self.person, self.subjects, self.roles, self.dtype, self.given = person, subjects, roles, dtype, settings
        self.report = Report(person.name, str(subjects[0]))
        self.started = time.process_time()

    def run(self) -> Report:
        if self.person.trouble is not None:
            self._unchecked("not-found", f"The function can't be loaded: {self.person.trouble}.")
            return self.report
        if not self.person.arguments:
            words = "can't be read" if self.person.arguments is None else "are none, or *args or **kwargs"
            self._unchecked(
                "no-arguments", f"Its arguments {words}.", "Wrap it in a plain function with named arguments."
            )
            return self.report
        chosen, troubles = self._chosen()
        if chosen is None:
            self._explain_failure(troubles)
            return self.report
        self._describe(chosen)
        if chosen.right:
            self._probe(chosen)
        elif self.report.diagnosis is not None and chosen.unexplained:
            self._shrink(chosen)
        return self.report

    def _chosen(self) -> tuple[Diagnosis | None, list[Found]]:
        """The best diagnosis over all ways to call and all kinds of sizes: single mistakes first, then pairs."""
        found_all: list[Found] = []
        ends: list[tuple[Attempt, Sizes]] = []
        for sizes in self._sizes():
            if ends and (self._left() <= 0 or self.person.exhausted):
                break
            fitting = [a for a, _ in ends if a.shapes_fit][:2]
            if fitting:  # how to call it is known
                found = Found([attempt(a.convention, self.person, _combined(a, sizes)) for a in fitting])
            else:
                found = find(self.subjects, sizes, self.person, self.roles, self.dtype)
            found_all.append(found)
            if found.hung:
                return None, found_all
            usable = _with_right_total([a for a in found.attempts[:LOOKED_AT] if a.roles and not a.strange])
            chosen = self._explained(((a, sizes) for a in usable), 0)
            if chosen is not None:
                if chosen.right and found.otherwise is not None:
                    self._note_layout(found.otherwise)
                return chosen, found_all
            ends += [(a, sizes) for a in usable]
        if not ends:
            return None, found_all
        ends.sort(key=lambda end: not end[0].shapes_fit)
        chosen = self._explained(iter(ends[:4]), SEARCH / min(len(ends), 4))
        if chosen is None:
            chosen = self._diagnosed(ends[0][0], 0)
            self._tell_sizes(chosen, ends[0][1])
            if all(c.differs is None for c in chosen.comparisons.values()):
                self._add("wrong-shape", "No result has the shape that it should have.")
        return chosen, found_all

    def _explained(self, ends: Iterator[tuple[Attempt, Sizes]], seconds: float) -> Diagnosis | None:
        """The first of the attempts that is right or can be explained."""
        for tried, sizes in ends:
            diagnosis = self._diagnosed(tried, min(seconds, self._left()))
            if diagnosis.right or not diagnosis.unexplained:
                self._tell_sizes(diagnosis, sizes)
                return diagnosis
        return None

    def _sizes(self) -> tuple[Sizes, ...]:
        first = self.subjects[0]
        if not isinstance(first, LayerSubject) or first.input_shape is not None:
            return (Sizes(),)
        if not first.family.slides:
            return (Sizes(), Sizes(equal=True)) if first.name == "dense" else (Sizes(),)
        return OTHER_SIZES if "filters" in first.family.defaults else OTHER_SIZES[:3]

    def _diagnosed(self, tried: Attempt, seconds: float) -> Diagnosis:
        """With what a call adds to the one before taken away, where the function keeps something."""
        second = accumulated(tried, self.person)
        if second is None:
            return diagnose(tried, seconds)
        roles = dict(tried.roles)
        for name, before in tried.roles.items():
            after = second.roles.get(name)
            if after is not None and after.shape == before.shape and not np.array_equal(after, before, equal_nan=True):
                roles[name] = after - before
        return diagnose(replace(tried, roles=roles, again=second.outcome), seconds)

    def _left(self) -> float:
        """Seconds that are left for the verdict."""
        return max(0.0, VERDICT - (time.process_time() - self.started))

    def _tell_sizes(self, diagnosis: Diagnosis, sizes: Sizes) -> None:
        if not (sizes.square or sizes.equal):
            return
        words = f"It gives results of the right shape with {sizes.words} only."
        if not diagnosis.right:
            self.report.findings.append(Finding("special-sizes", words, wrong=False))
            return
        name = "channels-swapped" if sizes.equal and not sizes.square else "height-width-swapped"
        what = "input and output channels" if sizes.equal and not sizes.square else "height and width"
        self._add(name, f"{words} So {what} are mixed up somewhere.", "Check each shape and loop bound for the two.")

    def _note_layout(self, otherwise: Attempt) -> None:
        layout = otherwise.convention.image
        words = f"It is right for the layout that it was read with; on {layout} arrays it runs, too, but is wrong."
        self.report.findings.append(Finding("layout", words, wrong=False))

    def _describe(self, diagnosis: Diagnosis) -> None:
        tried = diagnosis.attempt
        report = self.report
        report.against = str(tried.convention.subject)
        report.reading, report.returned = tried.convention.words, tuple(tried.roles)
        report.diagnosis = diagnosis
        self._causes_apart(diagnosis)
        if tried.again is not None:
            self._add(
                "accumulated",
                "It gives a different result when it is called a second time with the same arguments: something is "
                "added to and not reset.",
                "Start each call with zeros: dw = np.zeros_like(w) inside the function.",
            )
        self._look_at(tried)

    def _look_at(self, tried: Attempt) -> None:
        """What one call tells beside its numbers."""
        outcome = tried.outcome
        if outcome.changed:
            names = self._array_names(tried)
            changed = [names[n] if n < len(names) else f"array {n}" for n in outcome.changed]
            self._add(
                "argument-changed",
                f"It changes its argument{'s' if len(changed) > 1 else ''} {', '.join(changed)} in place.",
                "Work on a copy: the caller still needs the values.",
            )
        for output, array in tried.roles.items():
            if array.dtype.kind in "iu" and not np.array_equal(
                tried.expected(output), np.round(tried.expected(output))
            ):
                words = f"{output} comes back as whole numbers ({array.dtype}): fractions are cut off."
                self.report.findings.append(Finding("whole-numbers", words, "Make it of floats.", wrong=False))
            if not np.isfinite(array).all() and np.isfinite(tried.expected(output)).all():
                bad = int(np.count_nonzero(~np.isfinite(array)))
                self._add("not-a-number", f"{output} holds {bad} entries that are infinite or no number.")
        for text in outcome.warnings:
            self.report.findings.append(Finding("warning", f"It warns: {text}", wrong=False))
        if outcome.printed.strip():
            first = outcome.printed.strip().splitlines()[0][:60]
            self.report.findings.append(Finding("prints", f"It prints: {first}", wrong=False))

    def _array_names(self, tried: Attempt) -> list[str]:
        names: list[str] = []
        for argument, role in tried.convention.reading.roles:
            if role == "cache":
                names += [f"{argument.name}[{n}]" for n in range(len(tried.problem.given))]
            elif role in tried.values:
                names.append(argument.name)
        return names

    def _causes_apart(self, diagnosis: Diagnosis) -> None:
        subject = diagnosis.attempt.convention.subject
        other = replace(subject, input_shape=None, batch=5) if isinstance(subject, LayerSubject) else subject
        elsewhere = other.problem(Sizes(seed=3))
        told: list[Cause] = []
        for cause in diagnosis.causes:
            told.append(replace(cause, hint=tell_apart(cause, diagnosis, elsewhere)))
        diagnosis.causes[:] = told

    def _probe(self, diagnosis: Diagnosis) -> None:
        """More inputs for a function that has been right so far."""
        convention = diagnosis.attempt.convention
        for seed in (1, 2):
            if self._too_slow():
                return
            again = attempt(convention, self.person, replace(convention.sizes, seed=seed))
            if self._fails(again):
                return
        for subject in self._other_settings(convention.subject):
            if self._too_slow():
                return
            again = attempt(replace(convention, subject=subject), self.person)
            if self._fails(again):
                self.report.against = str(subject)
                return
        self._note_overlaps(convention)
        self._overflow(diagnosis)

    def _note_overlaps(self, convention: Convention) -> None:
        """Windows side by side can't tell whether a function adds up where windows overlap."""
        subject = convention.subject
        window = getattr(subject.layer(convention.sizes), "window", None) if isinstance(subject, LayerSubject) else None
        if window is None or "pool_size" not in subject.settings() or self._other_settings(subject):
            return
        if all(s >= k for s, k in zip(window.strides, window.kernel, strict=True)):
            words = (
                "Its windows lie side by side: whether it adds up where windows overlap is not distinguishable with "
                "these shapes; it would be with strides=1."
            )
            self.report.findings.append(Finding("overlaps", words, wrong=False))

    def _too_slow(self) -> bool:
        """Whether one more call may take more time than there is; then a note says so."""
        if self.person.spent < SLOW * self.person.seconds:
            return False
        words = f"Its calls took {self.person.spent:.1f} s, so fewer inputs were tried than usual."
        self.report.findings.append(Finding("slow", words, wrong=False))
        return True

    def _fails(self, again: Attempt) -> bool:
        """Take over the diagnosis of a further call where it finds something."""
        if again.outcome.trouble is not None:
            self._add("raises", f"On other inputs it fails: {again.outcome.trouble}.")
            return True
        found = self._diagnosed(again, self._left())
        if found.right:
            return False
        self.report.diagnosis = found
        self._causes_apart(found)
        return True

    def _other_settings(self, subject: Subject) -> list[Subject]:
        """Other strides and paddings, where the function takes them and the caller has not chosen."""
        if not isinstance(subject, LayerSubject) or subject.input_shape is not None or self.person.arguments is None:
            return []
        names = {plain(a.name) for a in self.person.arguments}
        more: dict[str, Any] = {}
        known = {f.name for f in fields(subject.family.layer)}
        stride = 1 if "pool_size" in known else 2  # windows overlap, or leave a rest
        for key, value in (("strides", stride), ("padding", 1), ("dilation", 2), ("groups", 2)):
            accepted = {plain(key), *SETTINGS[key].split()} - {"s", "p", "d", "g"}
            takes = names & accepted or (key in ("strides", "padding") and names & {"convparam", "poolparam", "cache"})
            if takes and key in known and key not in subject.given:
                more[key] = value
        if not more:
            return []
        return [replace(subject, given={**subject.given, **more})]

    def _overflow(self, diagnosis: Diagnosis) -> None:
        """Large values, where exp overflows if the greatest is not taken off first."""
        convention, problem = diagnosis.attempt.convention, diagnosis.attempt.problem
        text = str(problem.recipe.equation)
        if not any(f"{row.name}(" in text for row in FUNCTIONS.values() if row.by_exp):
            return
        name = "y" if problem.total else "z" if "z" in problem.labels else "o"
        if name not in problem.arrays:
            return
        large = problem.with_arrays(**{name: np.round(problem.arrays[name] * 800)})
        values = {**large.arrays, **large.values()}
        for given in reversed(FLOATS):
            outcome = self.person.call(replace(convention, dtype=given).call(large, values))
            if outcome.trouble is not None:
                continue
            for output, array in zip(diagnosis.attempt.roles, outcome.arrays, strict=False):
                if not np.isfinite(array).all() and np.isfinite(values[output]).all():
                    self._add(
                        "overflow",
                        f"With values of a few hundred {output} is infinite or not a number: exp overflows in {given}.",
                        "Subtract the greatest value before exp: exp(z - z.max()) / sum.",
                    )
                    return

    def _shrink(self, diagnosis: Diagnosis) -> None:
        try:
            self.report.smallest = smallest_failure(diagnosis, self.person)
        except ConvgradError:
            self.report.smallest = ""

    def _explain_failure(self, found: Sequence[Found]) -> None:
        """No way to call it has given anything to compare."""
        for one in found:
            for tried in one.attempts:
                self.report.reading = tried.convention.words
                self._unchecked(
                    "wrong-count", f"What it returns can't be compared: {tried.strange or 'no output fits'}."
                )
                return
        trouble = next((f.trouble for f in found if f.trouble is not None), None)
        if any(f.hung for f in found):
            self._unchecked("hangs", f"{self.person.trouble or trouble}.")
        elif self.person.crashes:
            self._unchecked("crashes", f"{self.person.trouble or trouble}.")
        elif trouble is not None and trouble.kind == "Time limit":
            self._unchecked("hangs", f"{trouble}.")
        elif trouble is not None:
            self._unchecked("raises", f"It fails on every way to call it that was tried; the first: {trouble}.")
        else:
            names = ", ".join(a.name for a in self.person.arguments or ())
            self._unchecked(
                "not-understood",
                f"It is not clear what its arguments are: ({names}).",
                "Name them: roles={'argument': 'tensor'} with the equation's names, dx for the gradient from above.",
            )

    def _add(self, name: str, words: str, change: str = "") -> None:
        self.report.findings.append(Finding(name, words, change))

    def _unchecked(self, name: str, words: str, change: str = "") -> None:
        self.report.findings.append(Finding(name, words, change, checked=False))
