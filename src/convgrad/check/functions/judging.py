"""The verdict on one function: how it is called, whether it is right, on further inputs too, and what is wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from convgrad.check.functions.apart import tell_apart
from convgrad.check.functions.causes import Cause
from convgrad.check.functions.comparison import compared
from convgrad.check.functions.coverage import (
    Coverage,
    Variation,
    dividing,
    has_to_fill,
    not_returned,
    refuses,
    variations,
)
from convgrad.check.functions.diagnosis import Diagnosis, diagnose
from convgrad.check.functions.fitting import fitted
from convgrad.check.functions.maps import summary
from convgrad.check.functions.person import Person
from convgrad.check.functions.reading import Attempt, Convention, Found, accumulated, attempt, find, second
from convgrad.check.functions.remarks import overflow, overlaps, remarks
from convgrad.check.functions.report import Finding, Report
from convgrad.check.functions.smallest import smallest_failure
from convgrad.check.functions.special import special
from convgrad.check.functions.uncalled import MASK, function_to_write, is_mask, is_unsure, what_to_write, why_not_called
from convgrad.check.problems.subject import LayerSubject, Sizes, Subject
from convgrad.errors import ConvgradError

LOOKED_AT = 6
"""Ways to call whose numbers are looked at where none gives the right ones."""
BATCHES = 2
"""Ways to call with several examples that are looked at where one example explained the numbers."""
VERDICT = 6.0
"""Seconds of computing after which nothing further is tried; of computing, so that a busy machine finds as much."""
PAIRS = 2000
"""Pairs of mistakes that are tried in all attempts together."""
SLOW = 2
"""Calls of the longest that are made before a right function is tried on fewer inputs."""
CALLING = 5.0
"""Seconds of its calls after which no further input is tried."""
COMPUTING = 2.5
"""Seconds of our own computing, for large inputs, after which no further one is tried."""
OTHER_SIZES = (
    Sizes(),
    Sizes(window=True),
    Sizes(window=True, divides=True),
    Sizes(square=True),
    Sizes(equal=True),
    Sizes(square=True, equal=True),
)


def _combined(tried: Attempt, sizes: Sizes) -> Sizes:
    """Other sizes, with one example or one channel as before."""
    own = tried.convention.sizes
    return replace(sizes, one=own.one, channel=own.channel, several=own.several)


def _is_zero_for_one(found: Diagnosis) -> bool:
    """Whether all that is told is that one example gives zeros, as where its only number has no other beside it."""
    own = found.attempt.convention.sizes.one
    return own and not found.right and all(cause.names == ("zeros",) for cause in found.causes)


def _with_right_total(attempts: list[Attempt]) -> list[Attempt]:
    """Of a loss's readings (sum or mean over the batch) those whose value is right, where there are any."""
    right = [a for a in attempts if a.problem.total and a.total_is_right]
    batches = [a for a in right if a.is_right_on_batches]
    return batches or right or attempts


def _with_right_forward(attempts: list[Attempt]) -> list[Attempt]:
    """Without readings by other equations than that which the person's own forward pass computes, results and all."""
    for tried in attempts:
        results = tried.problem.results
        if tried.convention.forward is None or not all(n in tried.roles for n in results):
            continue
        comparisons = compared(tried)
        if all(comparisons[n].right for n in results):
            equation = tried.problem.recipe.equation
            return [a for a in attempts if a.problem.recipe.equation == equation]
    return attempts


def _with_gradients(attempts: list[Attempt]) -> list[Attempt]:
    """Without objects of which no gradient was found, where one was in another way: with several filters, say."""
    return [a for a in attempts if not a.lacks_gradients] or attempts


class Judge:
    """Everything that one verdict needs: the person's function, what to check it against, and the time that is left."""

    def __init__(
        self,
        person: Person,
        subjects: list[Subject],
        roles: Mapping[str, str],
        dtype: str,
        settings: Mapping[str, Any],
        explain: bool = True,
    ):
        self.person, self.subjects, self.roles, self.dtype, self.given = person, subjects, roles, dtype, settings
        self.explain = explain
        self.report = Report(person.name, str(subjects[0]))
        self.started = time.process_time()

    def run(self) -> Report:
        """The report."""
        if self.person.trouble is not None:
            self._unchecked("not-found", f"The function can't be loaded: {self.person.trouble}.")
            return self.report
        if self.person.engine is not None:
            target = f"FILE.py:{self.person.name}"
            self._unchecked(
                "engine",
                "It is a class of values with a backward() of its own, and has no method for this layer.",
                f"Check one operation, as in {target}.__mul__, or all: convgrad check autograd {target}.",
            )
            return self.report
        if not self.person.arguments:
            words = "can't be read" if self.person.arguments is None else "are none, or *args or **kwargs"
            self._unchecked("no-arguments", f"Its arguments {words}.", self._wrapped())
            return self.report
        if self.person.methods is not None:
            self.subjects = [fitted(s, self.person, self.roles) for s in self.subjects]
        chosen, troubles = self._chosen()
        if chosen is None:
            if not self.report.findings:
                self._explain_failure(troubles)
            return self.report
        self._describe(chosen)
        if is_unsure(chosen):
            self._unchecked(
                "unsure",
                "What its arguments are is guessed, and nothing that it returns is right or explained: it may have to "
                "be called in another way.",
                what_to_write(chosen.attempt.convention),
            )
        if chosen.right and chosen.attempt.lacks_gradients and self.person.methods is not None:
            backward = self.person.methods.backward
            name = "backward" if backward is None else backward.name
            self._unchecked(
                "no-gradient",
                f"Its forward pass is right, but no gradient was found: {name} returns none, and changes no parameter.",
                f"Return the gradients from {name}, or keep them in the object: self.dw = ...",
            )
        if chosen.right:
            self._probe(chosen)
        elif self.report.diagnosis is not None and chosen.unexplained and self.explain:
            self._shrink(chosen)
        return self.report

    def _chosen(self) -> tuple[Diagnosis | None, list[Found]]:
        """The best diagnosis over all ways to call and all kinds of sizes: single mistakes first, then pairs."""
        found_all: list[Found] = []
        ends: list[tuple[Attempt, Sizes]] = []
        for sizes in self._sizes():
            if ends and (not self._has_time or self.person.exhausted):
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
            usable = _with_gradients(_with_right_forward(usable))
            chosen, _ = self._explained(((a, sizes) for a in usable), 0)
            if chosen is not None and chosen.right and fitting:  # it ran with sizes that are not special, and was wrong
                words = f"It is right with {sizes.words or 'square kernels'} only."
                self.report.findings[:] = [Finding("special-sizes", words, wrong=False)]
                break
            if chosen is not None:
                if chosen.right and found.otherwise is not None:
                    self._note_layout(found.otherwise)
                return self._on_a_batch(chosen, found.attempts), found_all
            ends += [(a, sizes) for a in usable]
        if not ends:
            return None, found_all
        ends.sort(key=lambda end: not end[0].shapes_fit)
        chosen, first = self._explained(iter(ends[:4]), PAIRS // min(len(ends), 4))
        if chosen is None:
            chosen = first or self._diagnosed(ends[0][0], 0)
            self.report.findings += special(chosen, ends[0][1], self.person)
            if all(c.differs is None for c in chosen.comparisons.values()):
                if is_mask(chosen):
                    self.report.reading = chosen.attempt.convention.words
                    self._unchecked("mask", MASK, self._wrapped())
                    return None, []
                self._add("wrong-shape", "No result has the shape that it should have.")
            elif ends[0][1].equal:
                self._unknown_layout(chosen.attempt)
                return None, []
        return chosen, found_all

    def _unknown_layout(self, tried: Attempt) -> None:
        """What runs where two axes have one size only, and gives other numbers there, may order its axes otherwise."""
        self.report.reading = tried.convention.words
        self._unchecked(
            "unknown-layout",
            f"With {tried.convention.sizes.words} only it gives results of the right shape, with other numbers. It may "
            "order the axes of its arrays in a way that is not known.",
            "Wrap it: transpose its arguments, as in lambda dx, o, w: f(dx, o, w.transpose(3, 0, 1, 2)).",
        )

    def _explained(
        self, ends: Iterator[tuple[Attempt, Sizes]], couples: int
    ) -> tuple[Diagnosis | None, Diagnosis | None]:
        """The first of the attempts that is right or can be explained, where nothing but zeros say least; and the
        first of all.
        """
        chosen: tuple[Diagnosis, Sizes] | None = None
        first: Diagnosis | None = None
        takes_batches = False
        for tried, sizes in ends:
            takes_batches |= tried.shapes_fit and not tried.convention.sizes.one
            if chosen is not None and tried.convention.reading == chosen[0].attempt.convention.reading:
                continue
            diagnosis = self._diagnosed(tried, couples if self._has_time else 0)
            first = first or diagnosis
            if diagnosis.right or not diagnosis.unexplained:
                says_more = diagnosis.right or any(cause.names != ("zeros",) for cause in diagnosis.causes)
                chosen = (diagnosis, sizes) if says_more or chosen is None else chosen
                if says_more:
                    break
        if chosen is None or (takes_batches and _is_zero_for_one(chosen[0])):
            return None, first
        found, sizes = self._right_where_shapes_fit(*chosen) or chosen
        self.report.findings += special(found, sizes, self.person)
        return found, first

    def _on_a_batch(self, found: Diagnosis, attempts: Sequence[Attempt]) -> Diagnosis:
        """What is explained with one example, with several where that explains more: a missing sum over them, say."""
        own = found.attempt.convention
        if found.right or not own.sizes.one:
            return found
        several = [a for a in attempts if not a.convention.sizes.one and a.convention.reading == own.reading]
        for tried in [a for a in several if a.roles and not a.strange][:BATCHES]:
            batch = self._diagnosed(tried, PAIRS // BATCHES if self._has_time else 0)
            known, more = ({name for cause in d.causes for name in cause.names} for d in (found, batch))
            if not batch.unexplained and not batch.broken and known < more:
                return batch
        return found

    def _right_where_shapes_fit(self, diagnosis: Diagnosis, sizes: Sizes) -> tuple[Diagnosis, Sizes] | None:
        """Of results that are too small or too large: whether they are right with square kernels.

        Many read one size for both axes of a kernel.
        """
        fit = all(c.differs is not None for c in diagnosis.comparisons.values())
        if fit or sizes != Sizes() or "w" not in diagnosis.attempt.problem.labels:
            return None
        square = Sizes(window=True)
        tried = attempt(diagnosis.attempt.convention, self.person, _combined(diagnosis.attempt, square))
        if tried.outcome.trouble is not None or not tried.shapes_fit:
            return None
        found = diagnose(tried, 0, self.explain)
        return (found, square) if found.right else None

    def _sizes(self) -> tuple[Sizes, ...]:
        first = self.subjects[0]
        if not isinstance(first, LayerSubject) or first.input_shape is not None:
            return (Sizes(),)
        if not first.family.slides:
            others = [Sizes(equal=True)] * (first.name == "dense") + [Sizes(window=True)] * bool(first.family.square)
            return (Sizes(), *others)
        return tuple(s for s in OTHER_SIZES if "filters" in first.family.defaults or not s.equal)

    def _diagnosed(self, tried: Attempt, couples: int) -> Diagnosis:
        """With what a call adds to the one before taken away, where the function keeps something."""
        second = accumulated(tried, self.person)
        if second is None:
            return self._of_gradients(diagnose(tried, couples, self.explain))
        roles = dict(tried.roles)
        for name, before in tried.roles.items():
            after = second.roles.get(name)
            if after is not None and after.shape == before.shape and not np.array_equal(after, before, equal_nan=True):
                roles[name] = after - before
        return self._of_gradients(diagnose(replace(tried, roles=roles, again=second.outcome), couples, self.explain))

    def _of_gradients(self, found: Diagnosis) -> Diagnosis:
        """Without what the forward function returned that makes the cache, where that alone is wrong."""
        tried, results = found.attempt, found.attempt.problem.results
        wrong = [
            (n, found.comparisons[n]) for n in results if n in found.comparisons and not found.comparisons[n].right
        ]
        others = {n: a for n, a in tried.roles.items() if n not in results}
        if tried.convention.forward is None or not wrong or not others:
            return found
        if not all(c.right for n, c in found.comparisons.items() if n not in results):
            return found
        of, comparison = wrong[0]
        maker = tried.convention.maker
        words = (
            f"The gradients are right, but {maker}, which made the cache, does not return {of} of this layer: "
            f"{summary(comparison.differs)} differ."
            if comparison.differs is not None
            else f"The gradients are right, but {of}, which {maker} returns, has shape {comparison.found.shape}."
        )
        return diagnose(replace(tried, roles=others, forward_differs=words), 0)

    @property
    def _has_time(self) -> bool:
        """Whether more may be computed for the verdict."""
        return time.process_time() - self.started < VERDICT

    def _note_layout(self, otherwise: Attempt) -> None:
        layout = otherwise.convention.image
        words = f"It is right for the layout that it was read with; on {layout} arrays it runs, too, but is wrong."
        self.report.findings.append(Finding("layout", words, wrong=False))

    def _describe(self, diagnosis: Diagnosis) -> None:
        tried = diagnosis.attempt
        report = self.report
        report.against = tried.convention.subject.described(tried.convention.sizes)
        report.reading, report.returned = tried.words, tuple(tried.roles)
        report.diagnosis = diagnosis
        self._causes_apart(diagnosis)
        if tried.again is not None and self.person.methods is not None:
            self._add(
                "accumulated",
                "It gives a different result when the same object goes forward and backward again with the same "
                "arguments: something is added to and not reset.",
                "Start each backward pass with zeros, as in self.dw = np.zeros_like(self.w), or give the class a "
                "method zero_grad that does it.",
            )
        elif tried.again is not None:
            self._add(
                "accumulated",
                "It gives a different result when it is called a second time with the same arguments: something is "
                "added to and not reset.",
                "Start each call with zeros: dw = np.zeros_like(w) inside the function.",
            )
        self._note_differences(tried)
        report.findings += [f for f in remarks(diagnosis) if f.name not in report.causes]  # told as a cause

    def _note_differences(self, tried: Attempt) -> None:
        if tried.forward_differs and not any(f.name == "forward-differs" for f in self.report.findings):
            self.report.findings.append(Finding("forward-differs", tried.forward_differs, wrong=False))
        if tried.other_padding and not any(f.name == "other-padding" for f in self.report.findings):
            self.report.findings.append(Finding("other-padding", tried.other_padding, wrong=False))

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
        tried = diagnosis.attempt
        convention = replace(tried.convention, places=tried.places)
        coverage = Coverage(left_out=not_returned(tried.roles, tried.problem.results, tried.problem.gradients))
        self.report.coverage = coverage
        if self.person.methods is not None and second(tried, self.person, "other numbers") is not None:
            self._add(
                "stale",
                "It gives a different result when the same object has worked on other numbers before: something of the "
                "first call is kept.",
                "Set everything that backward reads in each forward pass.",
            )
        for variation, changed in variations(convention):
            if self._too_slow():
                break
            if self._fails(variation, changed, coverage):
                return
        for finding in (overlaps(convention), overflow(diagnosis, self.person)):
            self.report.findings += [finding] if finding is not None else []

    def _fails(self, variation: Variation, convention: Convention, coverage: Coverage) -> bool:
        """Take over the diagnosis of a further input where it finds something."""
        again = attempt(convention, self.person)
        trouble = again.outcome.trouble
        if trouble is not None:
            other = dividing(variation, convention) if has_to_fill(trouble) else None
            if variation.optional or variation.shape or other is not None or refuses(trouble):
                how = (
                    f"refuses: {trouble.message}" if refuses(trouble) and trouble.message else f"fails: {trouble.kind}"
                )
                coverage.left_out.append(f"{variation.words} (it {how})")
                return other is not None and self._fails(*other, coverage)
            self._add("raises", f"It is right on the first input, but with {variation.words} it fails: {trouble}.")
            return True
        couples = 0 if variation.optional or not self._has_time else PAIRS
        first = self.report.diagnosis
        keeps = first is not None and first.attempt.again is not None
        followed = [] if first is None else first.followed
        found = self._diagnosed(again, couples) if keeps else diagnose(again, couples, self.explain, followed)
        found = self._of_gradients(found)
        self._note_differences(found.attempt)
        if found.right:
            coverage.right.append(variation.words)
            self._note_precision(variation, found)
            return False
        if variation.optional or (variation.shape and not again.shapes_fit):
            what = "is wrong there" if again.shapes_fit else "gives other shapes"
            coverage.left_out.append(f"{variation.words} (it runs, but {what})")
            return False
        words = f"It is right on the first input, and wrong with {variation.words}."
        self.report.findings.append(Finding("where", words, wrong=False))
        self.report.against = convention.subject.described(convention.sizes)
        self.report.diagnosis = found
        self._causes_apart(found)
        return True

    def _note_precision(self, variation: Variation, found: Diagnosis) -> None:
        first = self.report.diagnosis
        near = [n for n, c in found.comparisons.items() if c.single and first and not first.comparisons[n].single]
        if near and not any(f.name == "precision" for f in self.report.findings):
            largest = max(found.comparisons[n].largest for n in near)
            words = (
                f"With {variation.words} {' and '.join(near)} is equal to single precision only, off by {largest:.1g}."
            )
            self.report.findings.append(Finding("precision", words, wrong=False))

    def _too_slow(self) -> bool:
        """Whether one more call may take more time than there is; then a note says so."""
        spent, patience = self.person.spent, min(SLOW * self.person.seconds, CALLING)
        if spent < patience and time.process_time() - self.started < COMPUTING:
            return False
        took = f"Its calls took {spent:.1f} s" if spent >= patience else "Its inputs so far took long to compute"
        words = f"{took}, so fewer inputs were tried than usual."
        self.report.findings.append(Finding("slow", words, wrong=False))
        return True

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
                    "wrong-count",
                    f"What it returns can't be compared: {tried.strange or 'no output fits'}.",
                    what_to_write(tried.convention),
                )
                return
        trouble = next((f.trouble for f in found if f.trouble is not None), None)
        if any(f.hung for f in found):
            self._unchecked("hangs", f"{self.person.trouble or trouble}.")
        elif self.person.crashes:
            self._unchecked("crashes", f"{self.person.trouble or trouble}.")
        elif trouble is not None and trouble.kind == "Time limit":
            self._unchecked("hangs", f"{trouble}.")
        elif trouble is not None and trouble.kind in ("Unbuilt", "Misfit", "Overwritten"):
            name = self.person.name.rpartition(".")[2]
            self._unchecked(
                "not-built",
                f"No object of {name} could be used: {trouble.message}.",
                f"Write a function without arguments that makes one, def layer(): return {name}(...), and check that "
                f"function in place of the class.",
            )
        elif trouble is not None:
            best = next(f for f in found if f.trouble is not None)
            words = why_not_called(best.failed, trouble, best.tried)
            self._unchecked("raises", words, what_to_write(best.failed, trouble))
        else:
            names = ", ".join(a.name for a in self.person.arguments or ())
            self._unchecked(
                "not-understood",
                f"It is not clear what its arguments are: ({names}).",
                self._wrapped(),
            )

    def _wrapped(self) -> str:
        """The line that makes a function of the equation's tensors of this one."""
        problem = self.subjects[0].problem()
        return function_to_write(problem, self.person.name, [a.name for a in self.person.arguments or ()])

    def _add(self, name: str, words: str, change: str = "") -> None:
        self.report.findings.append(Finding(name, words, change))

    def _unchecked(self, name: str, words: str, change: str = "") -> None:
        self.report.findings.append(Finding(name, words, change, checked=False))
