"""What a call gave: which array that comes back is what, and how well it fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.check.functions.convention import Convention
from convgrad.check.functions.objects import ObjectReading
from convgrad.check.functions.roles import Reading
from convgrad.check.functions.vocabulary import is_gradient, plain
from convgrad.check.problems.probabilities import loss_of_logits, probabilities
from convgrad.check.problems.problem import Array, Problem
from convgrad.check.submissions.answers import Outcome

AnyArray = npt.NDArray[Any]


@dataclass
class Attempt:
    """A convention that was tried: what came back, and which output is what.

    extra: arrays that are no output. places: the output that each array is, "" for none. other_total: what came back in
    place of the value of a loss. other_padding: that it pads in a way of its own.
    """

    convention: Convention
    problem: Problem
    values: Mapping[str, Array]
    outcome: Outcome
    roles: dict[str, AnyArray] = field(default_factory=dict)
    again: Outcome | None = None
    score: tuple[float, ...] = (0.0,)
    strange: str = ""
    extra: tuple[int, ...] = ()
    places: tuple[str, ...] = ()
    forward_differs: str = ""
    other_total: str = ""
    other_padding: str = ""

    @property
    def words(self) -> str:
        """How it was read, and what was found where it is a class."""
        how = self.outcome.how
        return ", ".join(w for w in (self.convention.words, how.words if how is not None else "") if w)

    @property
    def shapes_fit(self) -> bool:
        """Whether every output has the shape that it should have."""
        return (
            not self.strange
            and bool(self.roles)
            and all(np.squeeze(a).shape == np.squeeze(self.expected(n)).shape for n, a in self.roles.items())
        )

    @property
    def tells(self) -> bool:
        """Whether what came back says that it was called as it should be: outputs that fit, or more beside some.

        Nothing but arrays that are no output, as empty ones of a layout that is not meant, says nothing.
        """
        return not self.lacks_gradients and (self.shapes_fit or (bool(self.roles) and bool(self.extra or self.strange)))

    @property
    def lacks_gradients(self) -> bool:
        """Whether it is of an object that was sent forward and backward, and no gradient was found."""
        reading = self.convention.reading
        called = isinstance(reading, ObjectReading) and reading.backward is not None
        return called and not {*self.roles} & {*self.problem.gradients}

    @property
    def is_exact(self) -> bool:
        """Whether the input's gradient, or all that a forward pass gives, has the right numbers."""
        reading = self.convention.reading
        forward = {*self.roles} == {*self.problem.results} and not reading.has_any(self.problem.upstreams)
        if forward and reading.guessed:  # a gradient may look like the forward pass of a turned kernel
            return False
        first = set(self.problem.gradients[:1])
        return self.shapes_fit and self.score[3] == 0 and (forward or set(self.roles) >= first)

    @property
    def is_right_on_batches(self) -> bool:
        """Whether it is the loss of a batch whose value is right, whatever its gradient is."""
        return not self.convention.sizes.one and self.shapes_fit and self.problem.total and self.total_is_right

    @property
    def total_is_right(self) -> bool:
        """Whether the value of a loss was returned, and is right."""
        value = self.roles.get(self.problem.of)
        return value is not None and value.size == 1 and bool(np.allclose(value, self.expected(self.problem.of), 1e-4))

    def taken_off(self, output: str) -> AnyArray:
        """The magnitude of further terms of a gradient that is told from a change, (w - (w - rate*dw)) / rate."""
        how = self.outcome.how
        if how is None or output not in how.recovered:
            return np.zeros(())
        rate = how.rate or 1.0
        changed = np.abs(self.convention.laid_out(output[1:], self.values[output[1:]], self.problem))
        return 2 * changed / rate + np.abs(self.expected(output))

    def expected(self, output: str) -> AnyArray:
        """The right value of an output, as the person lays it out."""
        return self.convention.laid_out(output, self.values[output], self.problem)


def name_outputs(result: Attempt, function: str) -> None:
    """Say which output is what: by its key, by its shape, by its place."""
    problem, outcome = result.problem, result.outcome
    named_gradient = is_gradient(function)
    reading = result.convention.reading
    results = problem.results
    backward = reading.has_any(problem.upstreams) or reading.local or (problem.total and len(outcome.arrays) > 0)
    gradients = list(problem.gradients)
    if not backward and np.ndim(problem.arrays[problem.upstreams[0]]):
        gradients = []  # there are none without the gradient from above
    if reading.local:
        gradients = [g for g in gradients if g == "do"]
    order = _argument_order(reading, problem)
    expected = sorted(gradients, key=lambda n: order.get(n[1:], 9)) if backward else []
    expected = [*expected, *results] if backward else [*results, *gradients]
    told = any(_by_key(key, results, problem) for key in outcome.keys)  # by a class, say
    if not told and not problem.total:  # what a function gets it does not give
        expected = [n for n in expected if n not in results or not reading.has(n)]
    if named_gradient and not told and not (problem.total and len(outcome.arrays) > 1):
        expected = [n for n in expected if n not in results]
    left = list(range(len(outcome.arrays)))
    known = result.convention.places
    if known and len(known) == len(left):
        result.places = known
        result.roles = {role: outcome.arrays[place] for place, role in enumerate(known) if role in expected}
        result.extra = tuple(place for place in left if not known[place])
        return
    forward_too = not backward or len(left) > len(gradients)
    taken: dict[str, int] = {}
    for place in list(left):
        role = _by_key(outcome.keys[place], expected, problem)
        if role is not None and role not in taken:
            taken[role] = place
            left.remove(place)
    value = _place_of_value(result, left, gradients) if problem.total and problem.of not in taken else None
    if value is not None and not named_gradient:
        taken[problem.of] = value
        left.remove(value)
    for place in list(left):
        shape = np.squeeze(outcome.arrays[place]).shape
        for role in expected:
            if role in results and not (forward_too or problem.total):
                continue
            if role not in taken and np.squeeze(result.expected(role)).shape == shape:
                taken[role] = place
                left.remove(place)
                break
    for place in list(left):
        free = [r for r in expected if r not in taken and r not in results] or [r for r in expected if r not in taken]
        same_rank = [r for r in free if result.expected(r).ndim == outcome.arrays[place].ndim]
        if (same_rank or free) and (backward or len(left) == 1):
            taken[(same_rank or free)[0]] = place
            left.remove(place)
    result.roles = {role: outcome.arrays[place] for role, place in sorted(taken.items(), key=lambda one: one[1])}
    if not outcome.arrays:
        result.strange = "it returns nothing"
    elif not expected:
        said = "its name says that it is a gradient" if named_gradient else "it gets the result of the layer"
        result.strange = f"{said}, but none of its arguments is the gradient from above"
    elif left and not (_is_loss_with_more(problem, taken) if backward else {*results} <= {*taken}):
        result.strange = f"it returns {len(outcome.arrays)} arrays; there are {len(expected)}: {', '.join(expected)}"
    result.extra = tuple(left)
    named = {place: role for role, place in taken.items()}
    result.places = tuple(named.get(place, "") for place in range(len(outcome.arrays)))


def with_total(result: Attempt) -> None:
    """Of a loss that comes back before it is added up the sum, or the mean over the batch; where probabilities come
    back in its place, the gradient alone.
    """
    problem, of = result.problem, result.problem.of
    value = result.roles.get(of)
    if not problem.total or problem.origin.written or value is None or value.size == 1 or len(result.roles) < 2:
        return
    array = problem.arrays["y"]
    whole = result.convention.laid_out("y", array, problem)
    if loss_of_logits(problem) is not None and value.shape == whole.shape:
        given = result.convention.laid_out("y", np.asarray(probabilities(problem)), problem)
        if np.allclose(value, given, 1e-6, 1e-9):
            del result.roles[of]
            result.other_total = (
                f"The forward pass gives the probabilities, and not {of}: the gradient alone was checked."
            )
            return
    if np.squeeze(value).shape not in (np.squeeze(whole).shape, array.shape[:1]):
        return
    for word, total in (("sum", value.sum()), ("mean over the batch", value.sum() / len(array))):
        if np.isclose(total, float(result.expected(of)), 1e-4):
            result.roles[of] = np.asarray(total)
            result.other_total = (
                f"{of} comes back as {value.size} numbers, and not added up: their {word} was compared."
            )
            return


def _place_of_value(result: Attempt, left: Sequence[int], gradients: Sequence[str]) -> int | None:
    """Where the value of a loss is, among single numbers that are gradients, too: the first one or the last."""
    single = [place for place in left if result.outcome.arrays[place].size == 1]
    others = [g for g in gradients if result.expected(g).size == 1]
    if not others or not single or (len(single) <= len(others) and len(result.outcome.arrays) > 1):
        return None
    right = float(result.expected(result.problem.of))
    near = [place for place in (single[0], single[-1]) if np.isclose(result.outcome.arrays[place].item(), right)]
    return next(iter([*near, single[0]]))


def _is_loss_with_more(problem: Problem, taken: Mapping[str, int]) -> bool:
    """Whether there are the value of a loss and its gradient, so that what else comes back is neither."""
    return problem.total and problem.of in taken and len(taken) > 1


def _argument_order(reading: Reading, problem: Problem) -> dict[str, int]:
    order = {role: n for n, (_, role) in enumerate(reading.roles) if role not in problem.results}
    usual = {name: 10 + n for n, name in enumerate(problem.wrt)}
    return order if set(problem.wrt) <= set(order) else usual


def _by_key(key: str | None, expected: Sequence[str], problem: Problem) -> str | None:
    if key is None:
        return None
    name = plain(key)
    also = {
        "do": ("do", "dx", "dinput", "gradinput", "dimage", "dimg", "daprev", "input", "o"),
        "dw": ("dw", "dweight", "dweights", "gradweight", "dkernel", "dfilter", "dfilters", "weight", "w"),
        "db": ("db", "dbias", "gradbias", "bias", "b"),
        "dgamma": ("dgamma", "gamma"),
        "dbeta": ("dbeta", "beta"),
        "dy": ("dy", "dx", "dz", "dlogits", "dscores", "grad", "gradient"),
        problem.of: (plain(problem.of), "y", "out", "output", "result", "loss", "z"),
    }
    if problem.origin.written:
        also = _keys_in_courses(problem)
    return next((r for r in expected if name in also.get(r, (plain(r),))), None)


def _keys_in_courses(problem: Problem) -> dict[str, tuple[str, ...]]:
    """Names of gradients and results: that of the parameter, too, since gradients often go by it."""
    further = problem.origin.names
    known = {r: (plain(r), *further.get(r, ()), *(("loss", "cost") if problem.total else ())) for r in problem.results}
    for gradient, name in zip(problem.gradients, problem.wrt, strict=True):
        own = (plain(name), *further.get(name, ()))
        known[gradient] = tuple(form.format(n) for form in ("d{}", "{}", "grad{}", "djd{}", "dld{}") for n in own)
    return known


def score(result: Attempt) -> tuple[float, ...]:
    """How well it fits, the smaller the better: wrong shapes, then one example, entries that differ, distance."""
    misfits = wrong = distance = 0.0
    for name, found in result.roles.items():
        if name in result.problem.results and result.convention.forward is not None:
            continue  # of the forward function that made the cache, and not of this one
        right = np.squeeze(result.expected(name))
        value = np.squeeze(np.asarray(found, np.float64))
        if value.shape != right.shape:
            misfits += 1 + 0.01 * _axes_apart(np.shape(found), result.expected(name).shape)
            continue
        with np.errstate(all="ignore"):
            near = np.abs(value - right) <= 1e-4 * (np.abs(right).max(initial=0) + 1e-9)
            wrong += 1 - float(np.mean(near))
            distance += float(np.nan_to_num(np.linalg.norm(value - right), nan=1e9))
    exact = wrong == 0 and misfits == 0 and set(result.roles) != {"db"}
    one = result.convention.sizes.one and not exact  # a batch is what most functions take
    return (float(bool(result.strange)), misfits, float(one), wrong, distance)


def _axes_apart(found: tuple[int, ...], right: tuple[int, ...]) -> int:
    """How many axes differ in size, so that of layouts that all don't fit the likeliest is told."""
    return sum(a != b for a, b in zip(found, right, strict=True)) if len(found) == len(right) else 9
