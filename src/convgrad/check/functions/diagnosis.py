"""Which mistakes explain the numbers: each one is made in the right calculation and compared entry by entry.

One mistake first, then two. A mistake is named where its numbers agree with the person's within the rounding of their
arithmetic; of several that agree, the likelier ones come first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.check.functions.agreement import Agreement
from convgrad.check.functions.causes import Cause
from convgrad.check.functions.comparison import Comparison, compared, distance
from convgrad.check.functions.epsilons import fitted_epsilon
from convgrad.check.functions.predictions import Made, made
from convgrad.check.functions.reading import Attempt
from convgrad.check.functions.structure import as_mistake, seen_in
from convgrad.check.mistakes import MISTAKES, Given, Kept, Mistake, Predicted, Prediction, changed_by, predict
from convgrad.check.mistakes.epsilons import OF_EPSILON, OWN_EPSILON, OwnEpsilon
from convgrad.check.mistakes.norms import is_normalization
from convgrad.check.problems.problem import Array, Problem
from convgrad.check.structures import LOOKS, NO_MISTAKE, WITH_ANOTHER, Look, Seen, described, structures

AnyArray = npt.NDArray[Any]
COUPLES = 1000
"""Pairs of mistakes that are tried at most: a number and no time, so that every machine finds the same."""
OF_A_COURSE = "mean-over-batch"
"""Of the gradients of weights and bias, all of them and nothing else, it is a choice."""
CONVENTIONS = tuple(m for m in MISTAKES if m.choice or m.name == OF_A_COURSE)
"""Of the mistakes those that are, or may be, none but choices."""


Explained = tuple[str, Prediction, float, tuple[Mistake, ...]]
"""An output, the mistakes that explain it, the largest difference that is left, and others that give the same."""
OF_TWO = ("constant-factor", "reversed", "axes-exchanged")
"""Structures that two mistakes of the table may have made, which then say more."""


@dataclass
class Diagnosis:
    """All outputs of one call, compared and explained.

    unexplained: outputs that no mistake fits. broken: outputs that hold no numbers, or too coarse ones. not_examined:
    names of mistakes that could not be looked for, because their rule failed, and how it did. seen: what the difference
    of an unexplained output looks like. couples: how many pairs of mistakes were tried where not all were.
    """

    attempt: Attempt
    comparisons: dict[str, Comparison]
    causes: list[Cause] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    choices: list[Cause] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    not_examined: dict[str, str] = field(default_factory=dict)
    seen: dict[str, list[str]] = field(default_factory=dict)
    couples: dict[str, int] = field(default_factory=dict)

    def predicted(
        self,
        problem: Problem,
        mistakes: tuple[Mistake, ...],
        outputs: Sequence[str],
        given: Callable[[], Given | None],
        kept: Kept | None = None,
    ) -> Prediction | None:
        """The outputs with the mistakes made; None where their rules say that they can't be made here.

        A rule that fails has not said so. That is a fault of ours, which the verdict outlives, but which it tells.
        """
        try:
            made = given()
            return None if made is None else predict(problem, mistakes, outputs, made, kept)
        except Exception as error:
            self.fault(" + ".join(m.name for m in mistakes), error)
            return None

    def fault(self, name: str, error: Exception) -> None:
        """Note that the rule of a mistake failed; tests let none pass."""
        self.not_examined.setdefault(name, f"{type(error).__name__}: {error}".split("\n")[0])

    @property
    def faults(self) -> str:
        """What could not be looked for, in a sentence; empty where all was."""
        if not self.not_examined:
            return ""
        named = "; ".join(f"{name} ({error})" for name, error in self.not_examined.items())
        return f"Not examined, by a mistake in convgrad, which you may report: {named}."

    @property
    def followed(self) -> list[Mistake]:
        """The conventions that it follows."""
        return [m for cause in self.choices for m in cause.mistakes]

    @property
    def right(self) -> bool:
        """Whether every output is right, but for a choice of convention."""
        return not (self.causes or self.unexplained or self.broken) and bool(self.comparisons)


def _usable(comparison: Comparison) -> bool:
    """Whether it holds only numbers, where it should."""
    return bool(np.isfinite(comparison.found).all()) or not np.isfinite(comparison.expected).all()


def diagnose(
    attempt: Attempt, couples: int = COUPLES, explain: bool = True, followed: Sequence[Mistake] = ()
) -> Diagnosis:
    """Compare a call's outputs, and explain those that differ; `couples`: how many pairs of mistakes may be tried;
    `explain`: whether causes are looked for, and not only conventions; `followed`:
    conventions that other inputs have shown, which say enough where they explain everything.
    """
    if followed:
        found = _diagnosed(attempt, 0, False, tuple(followed))
        if found.right:
            return found
    return _diagnosed(attempt, couples, explain, MISTAKES if explain else CONVENTIONS)


def _diagnosed(attempt: Attempt, couples: int, explain: bool, table: Sequence[Mistake]) -> Diagnosis:
    comparisons = compared(attempt)
    result = Diagnosis(attempt, comparisons)
    result.broken = [n for n, c in comparisons.items() if not _usable(c)]
    wrong = [n for n, c in comparisons.items() if not c.right and n not in result.broken]
    doubtful = [n for n, c in comparisons.items() if c.single and not _is_single(c.found)]
    if wrong or doubtful:
        mistakes = MISTAKES if doubtful else table  # a doubt is part of the verdict
        _Search(result, wrong, couples if explain else 0, mistakes, explain).run(doubtful)
    return result


def _is_single(found: AnyArray) -> bool:
    """Whether float32 holds these numbers, so that it is what they come from."""
    with np.errstate(all="ignore"):
        return bool((found.astype(np.float32) == found).all())


def _likelihood(mistakes: Sequence[Mistake]) -> int:
    return sum(m.likelihood for m in mistakes)


class _Search:
    def __init__(
        self,
        result: Diagnosis,
        wrong: Sequence[str],
        couples: int,
        mistakes: Sequence[Mistake],
        explains: bool,
    ):
        self.mistakes, self.explains = mistakes, explains
        self.result, self.wrong, self.couples = result, list(wrong), couples
        attempt, comparisons = result.attempt, result.comparisons
        self.attempt, self.comparisons = attempt, comparisons
        self.known: dict[tuple[Any, ...], Given | None] = {}
        self.kept: Kept = {}
        self.seen: dict[str, Seen] = {}
        self.outputs = [n for n, c in comparisons.items() if _usable(c)]
        self.problem = attempt.problem
        self.agreement = Agreement(attempt, comparisons, self.outputs)
        self.tolerance = self.agreement.tolerance

    def run(self, doubtful: Sequence[str]) -> None:
        """Explain what is wrong; and what is right in single precision, where a mistake gives these very numbers."""
        result = self.result
        one_by_one = made(self.problem, self.mistakes, self.outputs, self.one_by_one)
        result.not_examined |= one_by_one.failed
        singles = [*one_by_one.predictions, *self.with_own_epsilon(one_by_one.predictions)]
        self.alone = {p.mistakes: p for p in singles}
        self.agreement.keep(singles)
        whole = self.whole(singles)
        if whole is not None:
            result.causes.append(whole)
            return
        left = []
        found: list[Explained] = []
        alone = {output: self.fitting(output, singles) for output in self.wrong}
        for output in sorted(self.wrong, key=lambda output: not alone[output]):
            beside = [m for _, p, _, _ in found for m in p.mistakes]
            fitting = alone[output] or self.explained(output, singles, beside)
            if not fitting and self.comparisons[output].found.dtype == np.float16:
                result.broken.append(output)  # three digits, of which nothing more can be said
                continue
            if not fitting:
                left.append(output)
                continue
            best, difference = fitting[0]
            also = self.others(best, [p for p, _ in fitting[1:]])
            found.append((output, best, difference, also))
        for output in doubtful:
            for best, difference in self.fitting(output, singles)[:1]:
                found.append((output, best, difference, ()))
                result.comparisons[output] = self.exact(output)
        found.sort(key=lambda one: self.outputs.index(one[0]))
        for cause in self.of_one(found, left, singles) or self.merged(found):
            self.tell(self.as_in_a_course(cause, left))
        for output, best, _, _ in found:
            if not any(output in c.outputs for c in result.causes):
                self.compare_as_chosen(output, best)
        result.unexplained = left
        result.seen = {n: lines for n in left if n in self.seen and (lines := described(self.seen[n]))}

    def tell(self, cause: Cause) -> None:
        """As a cause, or as a choice of convention; of both together each by itself."""
        chosen = tuple(m for m in cause.mistakes if m.choice)
        faults = tuple(m for m in cause.mistakes if not m.choice)
        if chosen:
            self.result.choices.append(replace(cause, mistakes=chosen))
        if faults:
            self.result.causes.append(replace(cause, mistakes=faults, chosen=chosen))

    def as_in_a_course(self, cause: Cause, left: Sequence[str]) -> Cause:
        """A choice where weights and bias, all of them and nothing else, are means over the batch.

        A course divides there and not in the loss. Of one gradient among several it is a mistake.
        """
        trained = [n for n in self.outputs if n != self.problem.of and n[1:] in ("w", "b")]
        (mistake, *more) = cause.mistakes
        passed_on = self.comparisons.get("do")
        whole = sorted(cause.outputs) == sorted(trained) and len(trained) == len(self.problem.wrt) - 1
        if mistake.name != OF_A_COURSE or more or left or not whole or passed_on is None or not passed_on.right:
            return cause
        words = "{output} are means over the batch, as where a course writes 1/m; here they are sums"
        change = "Leave out the division, if the loss is a mean already."
        return replace(cause, mistakes=(replace(mistake, choice=True, cause=words, change=change),))

    def compare_as_chosen(self, output: str, prediction: Prediction) -> None:
        """What is right in another convention is compared with that."""
        laid = self.agreement.laid_out(output, prediction.outputs[output])
        comparison = self.comparisons[output]
        if laid is not None:
            right = np.zeros(np.squeeze(laid).shape, bool)
            self.result.comparisons[output] = replace(comparison, expected=laid, differs=right, convention=True)

    def one_by_one(self) -> Made:
        """Each mistake of the table by itself."""
        predictions = [p for m in self.mistakes if (p := self.predicted((m,))) is not None]
        return Made(self.problem, self.mistakes, predictions, dict(self.result.not_examined))

    def with_own_epsilon(self, singles: Sequence[Prediction]) -> list[Prediction]:
        """All outputs of a normalization with the epsilon that explains one of them, where it is not in the table.

        That of the input is fitted only where nothing else has an epsilon: it has most ways to be wrong.
        """
        start = self.problem.recipe.numbers.get("eps") if is_normalization(self.problem) else None
        others = [n for n in self.outputs if n in ("dgamma", self.problem.of)]
        output = next((n for n in self.wrong if n in (others or self.outputs)), None)
        usual = (p for p in singles if p.mistakes[0].name in OF_EPSILON)
        if (
            start is None
            or output is None
            or any(self.agreement.effect(output, p) and self.agreement.matches(output, p) for p in usual)
        ):
            return []
        for form in OWN_EPSILON if self.explains else OWN_EPSILON[:1]:

            def at(value: float, form: OwnEpsilon = form) -> AnyArray | None:
                array = form.changed(self.problem, value).values({output})[output]
                return self.agreement.laid_out(output, Predicted(array, self.problem.labels[output]))

            found = self.comparisons[output].found
            value = fitted_epsilon(found, at, start, self.tolerance[output])
            if value is not None:
                prediction = self.predicted((form.mistake(value),))
                return [] if prediction is None else [prediction]
        return []

    def predicted(self, mistakes: tuple[Mistake, ...], output: str | None = None) -> Prediction | None:
        """All outputs with the mistakes made, or one; None where they can't be made with these sizes."""
        outputs = self.outputs if output is None else [output]
        return self.result.predicted(self.problem, mistakes, outputs, lambda: self.given(mistakes, output), self.kept)

    def given(self, mistakes: tuple[Mistake, ...], output: str | None) -> Given | None:
        """What the mistakes make of the problem; those that change only what comes out share it."""
        made = tuple(m for m in mistakes if m.before is not None)
        key = (*(id(m) for m in made), output)
        if key not in self.known:
            problem = self.problem
            if output in problem.gradients and "dz" not in self.attempt.values:
                problem = replace(problem, wrt=(output[1:],))
            self.known[key] = changed_by(problem, made, self.outputs if output is None else [output])
        return self.known[key]

    def whole(self, singles: Sequence[Prediction]) -> Cause | None:
        """One mistake in all outputs at once."""
        fitting = []
        for p in singles:
            (mistake,) = p.mistakes
            touched = [n for n in self.outputs if self.agreement.effect(n, p)]
            enough = len(touched) > 1 or touched == [self.problem.of]
            complete = all(self.agreement.matches(n, p) for n in self.outputs)
            if mistake.whole and enough and complete:
                fitting.append((-mistake.likelihood, p, touched))
        if not fitting:
            return None
        _, best, touched = min(fitting, key=lambda f: f[0])
        return Cause(best.mistakes, tuple(touched), max(self.agreement.gap(n, best) for n in touched))

    def fitting(self, output: str, predictions: Sequence[Prediction]) -> list[tuple[Prediction, float]]:
        found = []
        for p in predictions:
            if any(m.whole for m in p.mistakes) or not self.agreement.effect(output, p):
                continue
            gap = self.agreement.gap(output, p)
            if gap <= self.tolerance[output]:
                found.append((p, gap))
        others = [n for n in self.wrong if n != output]

        def order(item: tuple[Prediction, float]) -> tuple[int, int]:
            shared = sum(1 for n in others if self.agreement.effect(n, item[0]) and self.agreement.matches(n, item[0]))
            return -sum(m.likelihood for m in item[0].mistakes), -shared

        return sorted(found, key=order)

    def exact(self, output: str) -> Comparison:
        """Compared in double precision."""
        comparison = self.comparisons[output]
        found, expected = (np.squeeze(np.asarray(a, np.float64)) for a in (comparison.found, comparison.expected))
        bound = np.full_like(found, self.tolerance[output])
        return replace(comparison, bound=bound, differs=np.abs(found - expected) > bound, single="")

    def explained(
        self, output: str, singles: Sequence[Prediction], beside: Sequence[Mistake]
    ) -> list[tuple[Prediction, float]]:
        """By what is seen of the numbers alone, by two mistakes, or by a mistake and what is seen then.

        beside: what explains other outputs, which is soonest one of two here.
        """
        seen = self.structured(output) if self.explains else []
        if seen and seen[0][0].mistakes[0].name not in OF_TWO:
            return seen
        if self.couples <= 0:
            self.result.couples[output] = 0
            return []
        for mistake in dict.fromkeys(m for m in beside if m in [p.mistakes[0] for p in singles]):
            both = self.pairs(output, singles, mistake)
            if both:
                return self.fitting(output, both)
        if not seen:
            seen = self.structured(output, singles, NO_MISTAKE)
        if seen and seen[0][0].mistakes[-1].name not in OF_TWO:
            return seen
        near = [] if seen else self.structured(output, singles, WITH_ANOTHER)
        known = near[0][0].mistakes[0] if near else None  # then the other one is soon found
        pairs = self.pairs(output, singles, known) if known is not None else []
        likelier = self.pairs(output, singles, above=_likelihood(pairs[0].mistakes) if pairs else 0)
        return self.fitting(output, likelier or pairs) or seen or near

    def structured(
        self, output: str, singles: Sequence[Prediction] = (), looks: Sequence[Look] = LOOKS
    ) -> list[tuple[Prediction, float]]:
        """How the numbers come from the right ones, whatever the layer; or from those with one mistake made."""
        comparison = self.comparisons[output]
        if output not in self.seen:
            self.seen[output] = seen_in(
                self.attempt, output, self.tolerance[output], self.agreement.terms[output], comparison.found
            )
        seen = self.seen[output]
        if not singles:
            found = next(structures(seen, looks), None)
            return [] if found is None else [(Prediction((as_mistake(found),)), found.difference)]
        looked_at = set()
        for p in sorted(singles, key=lambda p: -p.mistakes[0].likelihood):
            (mistake,) = p.mistakes
            if mistake.whole or not self.agreement.effect(output, p):
                continue
            laid = self.agreement.laid_out(output, p.outputs[output])
            if laid is None or (laid.size > 1 and (laid == laid.flat[0]).all()):
                continue  # any numbers that are all alike come from those by a factor
            numbers = laid.shape, laid.tobytes()
            if numbers in looked_at:
                continue
            looked_at.add(numbers)
            found = next(structures(replace(seen, expected=laid), looks), None)
            if found is not None:
                return [(Prediction((mistake, as_mistake(found))), found.difference)]
        return []

    def pairs(
        self, output: str, singles: Sequence[Prediction], one: Mistake | None = None, above: int = 0
    ) -> list[Prediction]:
        """Two mistakes together, the likeliest first, as many as may be tried.

        one: one of them, where it is known. above: the likelihood of two that are found, which others must surpass, in
        a quarter of the tries.
        """
        useful = [p.mistakes[0] for p in singles if not p.mistakes[0].whole and self.agreement.effect(output, p)]
        useful = self.different(output, useful)
        all_couples = combinations(useful, 2) if one is None else ((one, m) for m in useful)
        unlike = (c for c in all_couples if c[0].name != c[1].name and not (c[0].anew and c[1].anew))
        couples = sorted(unlike, key=lambda c: -_likelihood(c))
        most, found = self.couples // len(self.wrong) // (4 if above else 1), list[Prediction]()
        if one is None and len(couples) > most:
            self.result.couples[output] = most
        for couple in couples[:most]:
            least = _likelihood(found[0].mistakes) if found else above + 1
            if _likelihood(couple) < least:
                break  # the likeliest are found
            both = self.predicted(couple, output)
            if both is not None and self.agreement.effect(output, both) and self.agreement.matches(output, both):
                found.append(both)
        return found

    def different(self, output: str, mistakes: Sequence[Mistake]) -> list[Mistake]:
        """Without those that give the same numbers as a likelier one here."""
        kept: list[tuple[Mistake, Array]] = []
        for mistake in sorted(mistakes, key=lambda m: -m.likelihood):
            prediction = self.alone.get((mistake,)) or self.predicted((mistake,))
            if prediction is None:
                continue
            array = prediction.outputs[output].array
            if all(distance(array, other) > self.tolerance[output] for _, other in kept):
                kept.append((mistake, array))
        return [mistake for mistake, _ in kept]

    def others(self, best: Prediction, fitting: Sequence[Prediction]) -> tuple[Mistake, ...]:
        names = {m.name for m in best.mistakes}
        if len(best.mistakes) > 1:
            return ()
        return tuple({p.mistakes[0].name: p.mistakes[0] for p in fitting if p.mistakes[0].name not in names}.values())

    def of_one(self, found: Sequence[Explained], left: Sequence[str], singles: Sequence[Prediction]) -> list[Cause]:
        """One mistake in all outputs together with the rest of what was found, where that makes fewer; else nothing."""
        told = {m.name for _, p, _, _ in found for m in p.mistakes}
        known = {output: p.mistakes for output, p, _, _ in found}
        for p in singles if not left and len(told) > 1 else ():
            (whole,) = p.mistakes
            ways = {n: self.with_one(n, whole, known.get(n, ())) for n in self.outputs} if whole.whole else {}
            if not ways or None in ways.values():
                continue
            made = {n: w for n, w in ways.items() if w is not None and (n in known or self.agreement.effect(n, p))}
            more = {m.name for both, _ in made.values() for m in both[1:]}
            if len(more) + 1 < len(told) or (len(more) + 1 == len(told) and more < told):
                touched = [n for n in made if self.agreement.effect(n, p)]
                causes = [Cause((whole,), tuple(touched), max(made[n][1] for n in touched))]
                rest = ((n, Prediction(both[1:]), gap, ()) for n, (both, gap) in made.items() if both[1:])
                return causes + [replace(c, chosen=(whole,)) for c in self.merged([*rest])]
        return []

    def with_one(
        self, output: str, whole: Mistake, others: Sequence[Mistake]
    ) -> tuple[tuple[Mistake, ...], float] | None:
        """A mistake in all outputs, alone or with one of the others, where that explains this output."""
        for mistakes in ((whole,), *((whole, m) for m in others)):
            made = self.predicted(mistakes, output)
            if made is not None and self.agreement.matches(output, made):
                return mistakes, self.agreement.gap(output, made)
        return None

    def merged(self, found: Sequence[Explained]) -> list[Cause]:
        causes: dict[tuple[str, ...], Cause] = {}
        for output, prediction, difference, also in found:
            key = tuple(f"{m.name} {m.change}" for m in prediction.mistakes)
            if key in causes:
                old = causes[key]
                causes[key] = replace(old, outputs=(*old.outputs, output), difference=max(old.difference, difference))
            else:
                causes[key] = Cause(prediction.mistakes, (output,), difference, also)
        return sorted(causes.values(), key=lambda c: (-len(c.outputs), -sum(m.likelihood for m in c.mistakes)))
