"""Find out how a person's function is to be called: what each argument is, how arrays are laid out, what comes back.

Every way that makes sense is tried on the same small inputs; sizes differ on every axis, so that a wrong way rarely
runs through, and where several do, the one nearest to the right values is taken, and reported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.check.functions.caches import dictionary, forward_readings, without_bias
from convgrad.check.functions.families import PLACES_IN_ROWS
from convgrad.check.functions.layouts import fits, groups, place_in_equation, present
from convgrad.check.functions.objects import ObjectCall, ObjectReading, object_readings
from convgrad.check.functions.person import CACHE, Call, Person
from convgrad.check.functions.rates import with_own_rate
from convgrad.check.functions.roles import Reading, plain, readings
from convgrad.check.problems.kept import kept
from convgrad.check.problems.problem import Array, Problem
from convgrad.check.problems.subject import LayerSubject, LossSubject, Sizes, Subject
from convgrad.check.submissions.answers import Outcome, Trouble
from convgrad.check.submissions.process import LARGEST
from convgrad.errors import ConvgradError

AnyArray = npt.NDArray[Any]


@dataclass(frozen=True)
class Convention:
    """One way to call a function. image, kernel: names of layouts; patterns: tensor -> pattern of its layout.

    leading: of arrays that begin with the batch, the axes that stand in its place; none where it is one axis.
    forward, maker: how the function is called that makes the cache, and its name.
    """

    subject: Subject
    sizes: Sizes
    image: str
    kernel: str
    patterns: Mapping[str, str]
    reading: Reading
    torch: bool = False
    one_hot: bool = False
    dtype: str = "float64"
    leading: tuple[int, ...] = ()
    forward: Reading | None = None
    maker: str = ""

    @property
    def words(self) -> str:
        """How the function was read, for the report."""
        parts = [f"{self.image} arrays" if self.image else "", f"kernel {self.kernel}" if self.kernel else ""]
        parts += ["one example" if self.sizes.one else "", "targets one-hot" if self.one_hot else ""]
        if isinstance(self.subject, LossSubject):
            parts.append("mean over the batch" if self.subject.mean else "sum over the batch")
        own = isinstance(self.reading, ObjectReading)
        parts += [
            "PyTorch tensors" if self.torch else "",
            self.reading.words if own else f"arguments ({self.reading.words})",
            f"its cache was made by {self.maker}({self.forward.words})" if self.forward is not None else "",
        ]
        return ", ".join(p for p in parts if p)

    def problem(self) -> Problem:
        """What it is called with."""
        return kept(self.subject, self.sizes, self.dtype, self._made)

    def _made(self) -> Problem:
        problem = self.subject.problem(self.sizes)
        if self.dtype == "float32":
            arrays = {n: a.astype(np.float32).astype(np.float64) for n, a in problem.arrays.items()}
            return replace(problem, arrays=arrays)
        return problem

    def pattern(self, tensor: str, problem: Problem) -> str:
        """The layout of a tensor or of the gradient with respect to it."""
        name = tensor if tensor in self.patterns else tensor[1:] if tensor[1:] in self.patterns else ""
        return self.patterns.get(name) or " ".join(problem.labels.get(tensor, ()))

    def laid_out(self, tensor: str, array: Array, problem: Problem) -> AnyArray:
        """An array as the person has it."""
        if problem.total and tensor == problem.of:
            return array
        labels = problem.labels[tensor]
        if tensor == "t" and not labels[1:] and problem.origin.layer is None and problem.total:
            return self._target(array, problem)
        return self.arranged(array, labels, self.pattern(tensor, problem))

    def arranged(self, array: Array, labels: Sequence[str], pattern: str) -> AnyArray:
        """An array with these axes in a layout."""
        laid = present(array, tuple(labels), pattern)
        return laid.reshape(*self.leading, *laid.shape[1:]) if self._is_led(labels, pattern) else laid

    def _is_led(self, labels: Sequence[str], pattern: str) -> bool:
        return bool(self.leading) and groups(pattern, labels)[:1] == [("batch",)]

    def place_in_equation(
        self, place: Sequence[int], tensor: str, shape: Sequence[int], problem: Problem
    ) -> tuple[int, ...]:
        """Where an element of the array that the person has stands in the equation's tensor."""
        labels, pattern = problem.labels[tensor], self.pattern(tensor, problem)
        if self._is_led(labels, pattern):
            count = len(self.leading)
            place = (int(np.ravel_multi_index(tuple(place[:count]), self.leading)), *place[count:])
        return place_in_equation(place, labels, shape, pattern)

    def _target(self, array: Array, problem: Problem) -> AnyArray:
        whole = array.astype(np.int64)
        if not self.one_hot:
            return whole
        classes = problem.arrays["y"].shape[1]
        return present((whole[:, None] == np.arange(classes)).astype(np.float64), ("batch", "k"), self.patterns["y"])

    def call(self, problem: Problem, values: Mapping[str, Array], before: str = "", look: bool = False) -> Call:
        """The call on a problem's inputs; `values` has the forward pass. `before`, `look`: see `ObjectCall`."""
        settings = self.subject.settings(self.sizes)
        known = {**values, **problem.arrays}
        call = Call(torch=self.torch, largest=max(LARGEST, 2 * sum(a.size for a in known.values())))

        def tensor(name: str) -> AnyArray:
            array = self.laid_out(name, known[name], problem)
            return array.astype(self.dtype) if array.dtype == np.float64 else array

        if isinstance(self.reading, ObjectReading):
            then = getattr(self.subject, "then", None)
            then = "" if then is None else type(then).__name__.lower()
            call.plan = ObjectCall(self.reading, problem, tensor, settings, before, then, look).plan
            return call

        made = self.forward is not None

        def value(role: str) -> Any:
            if role == "cache" and made:
                return CACHE
            if role == "cache":
                inputs = [tensor(n) for n in problem.given if n in problem.labels]
                return (*inputs, cs231n(settings)) if settings else tuple(inputs)
            if role == "settings":
                return dictionary(settings, cs231n(settings)) if made else cs231n(settings)
            if role in settings:
                return _plain_setting(settings[role])
            return tensor(role)

        if self.forward is not None:
            maker = Call()
            _fill(maker, self.forward, value)
            call.forward = (maker, problem.of)
        _fill(call, self.reading, value)
        return call


def _fill(call: Call, reading: Reading, value: Callable[[str], Any]) -> None:
    """Give a call its arguments, by place where that is possible."""
    skipped = False
    for argument, role in reading.roles:
        if argument.keyword or skipped or not argument.required:
            call.named[argument.name] = value(role)
            skipped = True
        else:
            call.positional.append(value(role))


def cs231n(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as a dict, under the names that courses use."""
    result: dict[str, Any] = {}
    if "strides" in settings:
        result["stride"] = _plain_setting(settings["strides"])
    if "padding" in settings:
        result["pad"] = _plain_setting(settings["padding"])
    if "pool_size" in settings:
        height, width = settings["kernel_size"]
        result |= {"pool_height": height, "pool_width": width}
    return result


def _plain_setting(value: Any) -> Any:
    """One number where all axes are alike."""
    if isinstance(value, tuple) and value and all(v == value[0] for v in value) and not isinstance(value[0], tuple):
        return value[0]
    return value


@dataclass
class Attempt:
    """A convention that was tried: what came back, and which output is what."""

    convention: Convention
    problem: Problem
    values: Mapping[str, Array]
    outcome: Outcome
    roles: dict[str, AnyArray] = field(default_factory=dict)
    again: Outcome | None = None
    score: tuple[float, ...] = (0.0,)
    strange: str = ""
    forward_differs: str = ""

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


def conventions(
    subjects: Sequence[Subject], sizes: Sizes, person: Person, roles: Mapping[str, str], dtype: str
) -> Iterator[Convention]:
    """All ways to call, the likeliest first."""
    frameworks = [True, False] if person.torch else [False]
    for subject in subjects:
        for image, images in subject.images.items():
            one = bool(images) and not any("batch" in p for p in images.values())
            channel = image in ("HW", "L", "DHW")
            own = replace(sizes, one=one or sizes.one, channel=channel or sizes.channel)
            try:
                problem = subject.problem(own)
            except ConvgradError:
                if own == sizes:
                    raise
                continue  # the layer's arguments don't allow one channel
            read: Sequence[Reading]
            if person.methods is not None:
                read = object_readings(person.methods, problem, roles)
            else:
                read = readings(person.arguments or (), problem, subject.settings(own), roles)
            for kernel, kernels in subject.kernels.items():
                patterns = {**images, **kernels}
                if "x" in patterns and "z" in problem.labels:
                    patterns["z"] = patterns["x"]
                if problem.labels.get("b", ())[:1] == ("i",) or problem.labels.get("b", ())[:1] == ("batch",):
                    patterns["b"] = patterns["x"].replace("batch", "")
                if not all(
                    fits(problem.labels[n], problem.arrays[n].shape, p)
                    for n, p in patterns.items()
                    if n in problem.arrays
                ):
                    continue
                if channel != (kernel in ("[h,w]", "[l]", "[d,h,w]")) and kernel:
                    continue
                for reading in read:
                    for torch in frameworks:
                        for one_hot in (
                            (False, True) if problem.total and problem.labels["t"] == ("batch",) else (False,)
                        ):
                            usual = _led(
                                Convention(subject, own, image, kernel, patterns, reading, torch, one_hot, dtype)
                            )
                            yield from _with_own_cache(usual, person, problem)
                            yield usual


def _with_own_cache(usual: Convention, person: Person, problem: Problem) -> Iterator[Convention]:
    """The same call with the cache that the person's forward function makes."""
    subject = usual.subject
    if not usual.reading.has("cache") or person.forward is None:
        return
    for made in forward_readings(person.forward, problem, subject.settings(usual.sizes)):
        if isinstance(subject, LayerSubject):
            subject = replace(subject, given=without_bias(subject.given, made, problem))
        yield replace(usual, subject=subject, forward=made, maker=person.forward.name)


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
    return answered(convention, problem, values, person.call(convention.call(problem, values)))


def answered(convention: Convention, problem: Problem, values: Mapping[str, Array], outcome: Outcome) -> Attempt:
    """An attempt with its answer: which output is what, and how well it fits."""
    result = Attempt(convention, problem, values, outcome)
    if outcome.trouble is None:
        _name_outputs(result)
        right = {name: result.expected(name) for name in result.roles}
        result.outcome, result.roles = with_own_rate(outcome, result.roles, right)
        result.score = _score(result)
    return result


def _name_outputs(result: Attempt) -> None:
    problem, outcome = result.problem, result.outcome
    backward = result.convention.reading.has(problem.upstream) or (problem.total and len(outcome.arrays) > 0)
    gradients = list(problem.outputs[1:])
    order = _argument_order(result.convention.reading, problem)
    expected = sorted(gradients, key=lambda n: order.get(n[1:], 9)) if backward else []
    expected = [*expected, problem.of] if backward else [problem.of, *gradients]
    left = list(range(len(outcome.arrays)))
    forward_too = not backward or len(left) > len(gradients)
    taken: dict[str, int] = {}
    for place in list(left):
        role = _by_key(outcome.keys[place], expected, problem)
        if role is not None and role not in taken:
            taken[role] = place
            left.remove(place)
    for place in list(left):
        shape = np.squeeze(outcome.arrays[place]).shape
        for role in expected:
            if role == problem.of and not (forward_too or problem.total):
                continue
            if role not in taken and np.squeeze(result.expected(role)).shape == shape:
                taken[role] = place
                left.remove(place)
                break
    for place in list(left):
        free = [r for r in expected if r not in taken and r != problem.of] or [r for r in expected if r not in taken]
        same_rank = [r for r in free if result.expected(r).ndim == outcome.arrays[place].ndim]
        if (same_rank or free) and (backward or len(left) == 1):
            taken[(same_rank or free)[0]] = place
            left.remove(place)
    result.roles = {role: outcome.arrays[taken[role]] for role in expected if role in taken}
    if not outcome.arrays:
        result.strange = "it returns nothing"
    elif left and not (not backward and problem.of in taken):
        result.strange = f"it returns {len(outcome.arrays)} arrays; there are {len(expected)}: {', '.join(expected)}"


def _argument_order(reading: Reading, problem: Problem) -> dict[str, int]:
    order = {role: n for n, (_, role) in enumerate(reading.roles) if role != problem.of}
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
    return next((r for r in expected if name in also.get(r, (plain(r),))), None)


def _score(result: Attempt) -> tuple[float, ...]:
    """How well it fits, the smaller the better: wrong shapes, then one example, entries that differ, distance."""
    misfits = wrong = distance = 0.0
    for name, found in result.roles.items():
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


@dataclass
class Found:
    """What trying gave: ways that ran through, best first, and, where none did, what went wrong.

    otherwise: a likelier layout of images, in which the function runs, too, but is wrong.
    """

    attempts: list[Attempt]
    trouble: Trouble | None = None
    hung: bool = False
    otherwise: Attempt | None = None


def find(subjects: Sequence[Subject], sizes: Sizes, person: Person, roles: Mapping[str, str], dtype: str) -> Found:
    """Try all ways to call; those that ran, best first."""
    ran: list[Attempt] = []
    troubles: list[Trouble] = []
    candidates = list(conventions(subjects, sizes, person, roles, dtype))
    if not candidates:
        return Found([], None)
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
                troubles.append(tried.outcome.trouble)
                continue
            ran.append(tried)
            exact = tried.shapes_fit and tried.score[3] == 0 and set(tried.roles) >= set(tried.problem.outputs[1:2])
            if exact and not (tried.convention.sizes.one and any(a.is_right_on_batches for a in ran)):
                return Found([tried], otherwise=_otherwise(tried, ran))
        if ran or not any("numpy" in str(t) or "Tensor" in str(t) or "ndarray" in str(t) for t in troubles):
            break
    ran = _likeliest_first(ran)
    usual = max(troubles, key=lambda t: sum(t == other for other in troubles)) if troubles else None
    return Found(ran, usual)


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
    _name_outputs(other)
    return other
