"""Find out how a person's function is to be called: what each argument is, how arrays are laid out, what comes back.

Names and the function's text come first, then trials on the same small inputs; sizes differ on every axis, so that a
wrong way rarely runs through, and where several do, the one nearest to the right values is taken, and reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache

import numpy as np

from convgrad.check.functions.caches import with_forward
from convgrad.check.functions.convention import STATISTIC, Convention, Unsayable
from convgrad.check.functions.half_padding import SAME, of_its_own_kind
from convgrad.check.functions.layouts import fits
from convgrad.check.functions.objects import ObjectReading, object_readings
from convgrad.check.functions.person import Person
from convgrad.check.functions.rates import with_own_rate, with_own_weights
from convgrad.check.functions.returned import Attempt, name_outputs, score, with_total
from convgrad.check.functions.roles import Reading, jacobians, readings
from convgrad.check.functions.signature import Signature, signature
from convgrad.check.functions.source import Source
from convgrad.check.functions.statistics import KEPT, VARIANCE, statistic_forms, with_epsilons
from convgrad.check.functions.vocabulary import SETTINGS, is_gradient
from convgrad.check.problems.course_subject import WrittenSubject
from convgrad.check.problems.families import PLACES_IN_ROWS, RARE
from convgrad.check.problems.problem import Array, Problem
from convgrad.check.problems.subject import LayerSubject, LossSubject, Sizes, Subject
from convgrad.check.submissions.answers import Argument, Outcome, Trouble
from convgrad.errors import ConvgradError
from convgrad.layers.activation import Elementwise

__all__ = [
    "Attempt",
    "Convention",
    "Found",
    "accumulated",
    "answered",
    "attempt",
    "conventions",
    "find",
    "second",
]

MOST = 240
"""Ways to call that are tried where the usual ones gave nothing."""
NEAR = 1e-4
"""Of the largest right number: what is nearer is taken for right while it is not yet known how to call a function."""
EMPTY = Reading(())
"""Of a convention that is yet to be read."""
SINGLE = ("HW", "L", "DHW")
"""Layouts of one image of one channel."""


@lru_cache(maxsize=64)
def _signature(arguments: tuple[Argument, ...], source: str, name: str) -> Signature:
    return signature(arguments, Source(source, name, [a.name for a in arguments]))


def conventions(
    subjects: Sequence[Subject],
    sizes: Sizes,
    person: Person,
    roles: Mapping[str, str],
    dtype: str,
    rare: bool = False,
) -> Iterator[Convention]:
    """Ways to call, the likeliest first; `rare`: those that are seldom meant, in place of the usual ones."""
    frameworks = [True, False] if person.torch else [False]
    called = _signature(person.arguments or (), person.source, person.name)
    for subject in subjects:
        local = is_gradient(person.name) and _is_elementwise(subject)
        said = Source(person.source, "", []).strings if person.methods is not None and subject.pools else ()
        for image, images in subject.images.items():
            if image in RARE and not rare:
                continue
            own = _sizes_for(image, images, sizes)
            try:
                problem = subject.problem(own)
            except ConvgradError:
                if own == sizes:
                    raise
                continue  # the layer's arguments don't allow one channel
            read: Sequence[Reading]
            if person.methods is not None:
                read = object_readings(person.methods, problem, roles, elementwise=_is_elementwise(subject), said=said)
            else:
                read = readings(called, problem, subject.settings(own), roles, local=local)
                read = [*(jacobians(read, problem) if _has_jacobian(subject, image) else ()), *read]
            pairs = with_forward(person, problem, subject.settings(own), roles)
            ways: list[tuple[Reading, Reading | None]] = [*pairs, *((r, None) for r in read)]
            for kernel, kernels in subject.kernels.items():
                if kernels and kernel and (own.channel, own.several) != _single_kernel(kernel):
                    continue
                patterns = _patterns(image, images, kernels, problem)
                if patterns is None:
                    continue
                for base in _bases(
                    subject, ways, problem, Convention(subject, own, image, kernel, patterns, EMPTY), person
                ):
                    for one_hot in (False, True) if _has_labels(problem) else (False,):
                        for torch in frameworks:
                            usual = _led(replace(base, torch=torch, one_hot=one_hot, dtype=dtype))
                            if image in RARE or not rare:
                                yield usual
                            if rare and person.methods is None:
                                yield from _forms(usual, problem)


def _bases(
    subject: Subject,
    ways: Sequence[tuple[Reading, Reading | None]],
    problem: Problem,
    plain: Convention,
    person: Person,
) -> Iterator[Convention]:
    """Each way to read, with the layer that it is of; statistics of a normalization in each form."""
    for reading, forward in ways:
        told = _without_bias(subject, forward or reading, problem, person.both)
        base = replace(plain, subject=told, reading=reading, forward=forward)
        if forward is not None and person.forward is not None:
            base = replace(base, maker=person.forward.name)
        if isinstance(reading, ObjectReading) or forward is not None or not any(reading.has(k) for k in KEPT):
            yield base
            continue
        own = Source(person.source, person.name, [a.name for a in person.arguments or ()])
        doubtful = reading.has(VARIANCE) and not reading.has("epsilon")
        subjects = with_epsilons(told, own) if doubtful else [told]
        for of in subjects:
            for form in statistic_forms(problem, plain.patterns[problem.of]):
                yield replace(base, subject=of, patterns={**plain.patterns, STATISTIC: form})


def _sizes_for(image: str, images: Mapping[str, str], sizes: Sizes) -> Sizes:
    one = bool(images) and not any("batch" in p for p in images.values()) and not image.startswith("[batch")
    several = image.startswith("HW to ")
    return replace(sizes, one=one or sizes.one, channel=image in SINGLE or sizes.channel, several=several)


def _single_kernel(kernel: str) -> tuple[bool, bool]:
    """Whether a kernel's layout is for one channel in and out, and for one in and several out."""
    return kernel in ("[h,w]", "[l]", "[d,h,w]"), kernel in ("[out,h,w]", "[h,w,out]")


def _patterns(
    image: str, images: Mapping[str, str], kernels: Mapping[str, str], problem: Problem
) -> dict[str, str] | None:
    """The layouts of all tensors; None where they don't fit the sizes."""
    patterns = {**images, **kernels}
    if "x" in patterns and "z" in problem.labels and not problem.origin.written:
        patterns["z"] = patterns["x"]
    if problem.origin.written:
        pass  # each layout says all of it
    elif problem.labels.get("b", ())[:1] == ("i",) or problem.labels.get("b", ())[:1] == ("batch",):
        patterns["b"] = patterns["x"].replace("batch", "")
    elif image.startswith("[features, "):  # columns
        patterns |= {n: f"{p} 1" for n, p in kernels.items() if n in ("b", "gamma", "beta")}
    known = {n: p for n, p in patterns.items() if n in problem.arrays}
    return patterns if all(fits(problem.labels[n], problem.arrays[n].shape, p) for n, p in known.items()) else None


def _without_bias(subject: Subject, reading: Reading, problem: Problem, both: bool) -> Subject:
    """The layer without a bias, where a forward pass does not get one. both: what that gives comes back in any case."""
    needs = not reading.has_any(problem.upstreams) or "z" in problem.labels or both
    if (
        isinstance(reading, ObjectReading)
        or not isinstance(subject, LayerSubject)
        or "b" not in problem.labels
        or not needs
        or reading.guessed
        or "bias" in subject.given
    ):
        return subject
    has_bias = any(f.name == "bias" for f in fields(subject.layer(Sizes())))
    if not has_bias or reading.has("b") or reading.has("cache") or reading.has("z"):
        return subject
    return replace(subject, given={**subject.given, "bias": None})


def _forms(usual: Convention, problem: Problem) -> Iterator[Convention]:
    """The same call with vectors as columns or rows, or with axes of length one; with settings as tuples."""
    reading = usual.forward or usual.reading
    known = (n for n in ("b", "gamma", "beta") if n in usual.patterns and reading.has(n))
    vectors = [n for n in known if "batch" not in problem.labels[n]]
    if vectors:
        own = [usual.patterns.get(n, "").removesuffix(" 1") for n in vectors]
        for form in ("{}", "{} 1", "1 {}", "{} 1 1", "1 {} 1 1", "1 1 1 {}"):
            laid = {n: form.format(p) for n, p in zip(vectors, own, strict=True)}
            if any(usual.patterns[n] != p for n, p in laid.items()):
                yield replace(usual, patterns={**usual.patterns, **laid})
    if any(role in SETTINGS and not leaf.pair for leaf, role in usual.reading.roles):
        yield replace(usual, pairs=True)


def _has_labels(problem: Problem) -> bool:
    """Whether classes are told by numbers, which may come as rows of ones and zeros, too."""
    return problem.total and any(problem.labels.get(n) == ("batch",) for n in problem.origin.whole or ("t",))


def _is_elementwise(subject: Subject) -> bool:
    return (
        isinstance(subject, LayerSubject) and subject.then is None and isinstance(subject.layer(Sizes()), Elementwise)
    )


def _has_jacobian(subject: Subject, image: str) -> bool:
    """Whether people write its derivative as a matrix, one for each example."""
    vectors = image in ("[batch, features]", "[features]", "[features, 1]", "[1, features]")
    return vectors and (_is_elementwise(subject) or (isinstance(subject, LayerSubject) and subject.name == "softmax"))


def _led(convention: Convention) -> Convention:
    """With the batch written as two axes, where the layout has them."""
    if convention.image != PLACES_IN_ROWS or not isinstance(convention.subject, LayerSubject):
        return convention
    return replace(convention, subject=replace(convention.subject, batch=6), leading=(2, 3))


def attempt(convention: Convention, person: Person, sizes: Sizes | None = None) -> Attempt:
    """Call the function once, and say which output is what."""
    convention = convention if sizes is None else replace(convention, sizes=sizes)
    problem = convention.problem()
    values = {**problem.arrays, **problem.values()}
    try:
        call = convention.call(problem, values)
    except Unsayable as error:
        return Attempt(convention, problem, values, Outcome(trouble=Trouble("NotImplementedError", str(error))))
    outcome = person.call(call)
    result = answered(convention, problem, values, outcome, person.name)
    result = of_its_own_kind(result) if SAME in person.source.lower() else result
    if result.shapes_fit and result.score[3] and not any(outcome.keys) and not convention.places:
        return min([result, *_by_their_names(result, outcome, person)], key=lambda tried: tried.score)
    return result


def _by_their_names(result: Attempt, outcome: Outcome, person: Person) -> Iterator[Attempt]:
    """What came back, each array taken for what the function calls it: some may be left out, or in another order."""
    names = Source(person.source, person.name, [a.name for a in person.arguments or ()]).returned
    if names and len(names) == len(outcome.arrays):
        called, problem = replace(outcome, keys=names), result.convention.problem()
        named = answered(result.convention, problem, result.values, called, person.name)
        forward_only = not named.roles.keys() & {*named.problem.gradients}
        if len(named.roles) == len(result.roles) and not (forward_only and result.roles.keys() & {*problem.gradients}):
            yield named  # whoever gets the gradient from above gives gradients, whatever they are called


def answered(
    convention: Convention, problem: Problem, values: Mapping[str, Array], outcome: Outcome, function: str
) -> Attempt:
    """An attempt with its answer: which output is what, and how well it fits."""
    problem, outcome = with_own_weights(convention, problem, outcome)
    if problem.arrays is not values and any(problem.arrays[n] is not values[n] for n in problem.arrays):
        values = {**problem.arrays, **problem.values()}
    result = Attempt(convention, problem, values, outcome)
    if outcome.trouble is None:
        name_outputs(result, function)
        with_total(result)
        right = {name: result.expected(name) for name in result.roles}
        result.outcome, result.roles = with_own_rate(outcome, result.roles, right)
        result.score = score(result)
    return result


@dataclass
class Found:
    """What trying gave: ways that ran through, best first, and, where none did, what went wrong.

    otherwise: a likelier layout of images, in which the function runs, too, but is wrong. failed: of the ways that did
    not run through the likeliest, as far as one can tell; `trouble` is what went wrong there.
    """

    attempts: list[Attempt]
    trouble: Trouble | None = None
    hung: bool = False
    otherwise: Attempt | None = None
    failed: Convention | None = None
    tried: int = 0


def find(subjects: Sequence[Subject], sizes: Sizes, person: Person, roles: Mapping[str, str], dtype: str) -> Found:
    """Try all ways to call; those that ran, best first."""
    ran: list[Attempt] = []
    failed: list[tuple[Convention, Trouble]] = []
    for rare in (False, True):
        candidates = list(conventions(subjects, sizes, person, roles, dtype, rare))
        # Of several programs under one name that one is likelier whose tensors the arguments are named after.
        candidates.sort(key=lambda c: isinstance(c.subject, WrittenSubject) and c.reading.unnamed)
        candidates = [*_pairs_first(candidates)]
        # With one example a sum and a mean over the batch are the same.
        candidates.sort(key=lambda c: isinstance(c.subject, LossSubject) and c.sizes.one)
        for torch in (None, True):
            for candidate in candidates:
                if torch and candidate.torch:
                    continue
                tried = attempt(replace(candidate, torch=True) if torch else candidate, person)
                if person.hangs or (person.exhausted and not ran):
                    return Found([], person.trouble or tried.outcome.trouble, True)
                if person.exhausted:
                    break
                if tried.outcome.trouble is not None:
                    failed.append((tried.convention, tried.outcome.trouble))
                    continue
                less = _depends_on_the_batch, _is_wrong_with_labels, _leaves_a_matrix_out, _contradicts_its_forward
                if tried.is_exact and (any(tells(tried, ran) for tells in less) or _is_for_batches(tried, ran, person)):
                    continue
                ran.append(tried)
                if tried.is_exact and not (tried.convention.sizes.one and any(a.is_right_on_batches for a in ran)):
                    return Found([tried], otherwise=_otherwise(tried, ran))
            if ran or not any("numpy" in str(t) or "Tensor" in str(t) or "ndarray" in str(t) for _, t in failed):
                break
        told = any(a.tells or _is_partly_right(a) or _is_right_but_turned(a) for a in ran)
        if told or person.exhausted or person.trouble is not None:
            break
    convention, trouble = _furthest(failed)
    return Found(_likeliest_first(ran), trouble, failed=convention, tried=len(failed))


def _pairs_first(candidates: Sequence[Convention]) -> Iterator[Convention]:
    """Those whose cache the person's own forward pass makes come before others: it says how arrays are laid out."""
    pairs = [c for c in candidates if c.forward is not None]
    yield from pairs[:MOST]
    yield from (c for c in candidates[: MOST + len(pairs)] if c.forward is None)


def _is_partly_right(tried: Attempt) -> bool:
    """Whether one of several results is right for a batch, so that it takes batches, whatever the others are."""
    if tried.convention.sizes.one or len(tried.roles) < 2:
        return False
    for name, found in tried.roles.items():
        right, value = np.squeeze(tried.expected(name)), np.squeeze(np.asarray(found, np.float64))
        if right.size > 1 and value.shape == right.shape:
            largest = float(np.abs(right).max())
            if largest and float(np.abs(value - right).max()) <= NEAR * largest:
                return True
    return False


def _depends_on_the_batch(one: Attempt, ran: Sequence[Attempt]) -> bool:
    """Whether the same call takes batches, too, and is wrong there: with one example a missing or second 1/m, or a sum
    over the first example alone, can't be seen.

    What is written for one column gives other shapes for several. Elsewhere it has to be wrong by a factor.
    """
    own = one.convention
    for other in ran if own.sizes.one else ():
        same = other.convention
        if same.sizes.one or (same.kernel, same.reading) != (own.kernel, own.reading):
            continue
        if _is_right_but_turned(other):
            return True
        if not other.shapes_fit:
            continue
        column = (own.image, same.image) == ("[features, 1]", "[features, batch]") and "w" in other.problem.labels
        if column or (other.problem.total and _is_a_multiple(other)):
            return True
    return False


def _contradicts_its_forward(one: Attempt, ran: Sequence[Attempt]) -> bool:
    """Whether it is right for another layout or order than that in which the person's own forward pass is right, where
    its gradients are wrong. Of a class, for one example where it takes batches.
    """
    if isinstance(one.convention.reading, ObjectReading):
        own = one.convention
        batches = (a for a in ran if own.sizes.one and own.image == "[features]" and not a.convention.sizes.one)
        pairs = [a for a in batches if a.convention.reading == own.reading and a.convention.kernel == own.kernel]
    elif one.convention.forward is None:
        pairs = [a for a in ran if a.convention.forward is not None]
    else:
        return False
    both = (a for a in pairs if a.shapes_fit and {*a.roles} - {*a.problem.results})
    return any(not a.is_exact and _has_right_results(a) for a in both)


def _has_right_results(tried: Attempt) -> bool:
    """Whether what goes forward came back, and has the right numbers."""
    results = [(tried.expected(n), tried.roles.get(n)) for n in tried.problem.results]
    return all(a is not None and np.shape(a) == r.shape and np.allclose(a, r, NEAR, NEAR) for r, a in results)


def _is_for_batches(one: Attempt, ran: Sequence[Attempt], person: Person) -> bool:
    """Whether it is right for a single vector, but its text says that it is for batches, where it runs and is wrong."""
    if one.convention.image != "[features]":
        return False
    same = (a.convention for a in ran if a.shapes_fit and not a.convention.sizes.one)
    batches = any(c.reading == one.convention.reading for c in same)
    return batches and Source(person.source, person.name, [a.name for a in person.arguments or ()]).keeps_axes


def _is_right_but_turned(tried: Attempt) -> bool:
    """Whether everything comes back transposed: (features, batch) for (batch, features), where others come in so."""
    for name, found in tried.roles.items():
        right, value = np.asarray(tried.expected(name)), np.asarray(found, np.float64)
        if right.ndim != 2 or value.shape != right.T.shape or 1 in right.shape:
            return False
        if float(np.abs(value - right.T).max()) > NEAR * float(np.abs(right).max()):
            return False
    return bool(tried.roles)


def _is_wrong_with_labels(one_hot: Attempt, ran: Sequence[Attempt]) -> bool:
    """Whether a loss takes labels as well as one-hot targets, and is wrong by a factor with them."""
    own = one_hot.convention
    others = (a for a in ran if own.one_hot and a.shapes_fit and replace(a.convention, one_hot=True) == own)
    return any(_is_a_multiple(a) for a in others)


def _leaves_a_matrix_out(forward: Attempt, ran: Sequence[Attempt]) -> bool:
    """Whether a matrix comes back beside the result, which a forward pass alone does not have."""
    image, roles = forward.convention.image, set(forward.roles)
    matrices = (a for a in ran if a.convention.reading.jacobian and a.convention.image == image)
    return bool(forward.extra) and any(a.shapes_fit and set(a.roles) > roles for a in matrices)


def _is_a_multiple(tried: Attempt) -> bool:
    """Whether each gradient is the right one but for a constant factor."""
    for name, found in tried.roles.items():
        right, value = np.ravel(tried.expected(name)), np.ravel(np.asarray(found, np.float64))
        size = float(right @ right)
        factor = float(right @ value) / size if size else 0.0
        if not factor or not np.allclose(value, factor * right, rtol=0, atol=1e-9 * np.abs(value).max(initial=0.0)):
            return False
    return True


def _furthest(failed: Sequence[tuple[Convention, Trouble]]) -> tuple[Convention | None, Trouble | None]:
    """Of the ways to call that failed the likeliest: with the first reading, what ran furthest down the text."""
    if not failed:
        return None, None

    def line(trouble: Trouble) -> float:
        if trouble.message.startswith("the result") or trouble.kind == "Overwritten":  # it ran to its end
            return float("inf")
        digits = trouble.place.rpartition("line ")[2]
        return int(digits) if digits.isdecimal() else 0

    first = failed[0][0].reading.words
    same = [(c, t) for c, t in failed if c.reading.words == first]
    return max(same, key=lambda one: line(one[1]))  # of equals the first


def _likeliest_first(ran: Sequence[Attempt]) -> list[Attempt]:
    """By score; of layouts that fit one call equally the usual one, however near the numbers of another are."""

    def call(a: Attempt) -> tuple[str, ...]:
        own = a.convention
        return str(own.subject), own.kernel, own.reading.words, str(own.torch)

    best: dict[tuple[str, ...], tuple[float, ...]] = {}
    for a in ran:
        best[call(a)] = min(a.score, best.get(call(a), a.score))
    return sorted(ran, key=lambda a: (a.score[:3], best[call(a)]))


def _otherwise(right: Attempt, ran: Sequence[Attempt]) -> Attempt | None:
    """The likelier layout in which the same call gives results of the right shape that are wrong."""
    own = right.convention
    for other in (a for a in ran if a is not right and a.shapes_fit):
        same = other.convention
        if (same.subject, same.kernel, same.reading.words) == (own.subject, own.kernel, own.reading.words):
            return other if same.image != own.image else None
    return None


def accumulated(first: Attempt, person: Person) -> Attempt | None:
    """The second of two equal calls, where it gives something else; of a class on the same object."""
    return second(first, person, "the same")


def second(first: Attempt, person: Person, before: str) -> Attempt | None:
    """A call after another, where it does not give what the first one gave. `before`: of a class, see `ObjectCall`."""
    again = person.call(first.convention.call(first.problem, first.values, before))
    if again.trouble is not None or len(again.arrays) != len(first.outcome.arrays):
        return None
    if all(np.array_equal(a, b, equal_nan=True) for a, b in zip(first.outcome.arrays, again.arrays, strict=True)):
        return None
    other = replace(first, outcome=again)
    name_outputs(other, person.name)
    return other
