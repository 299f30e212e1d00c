"""What a class has built in: channels, filters or a kernel of its own, a bias for each place or none.

An object is built and looked at; where no order of its kernel's axes has the sizes that were asked for, the problem
gets those that it has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from convgrad.check.functions.layouts import groups
from convgrad.check.functions.person import Person
from convgrad.check.functions.reading import Convention, conventions
from convgrad.check.functions.vocabulary import BIAS, KERNEL, plain
from convgrad.check.problems.subject import LayerSubject, Sizes, Subject
from convgrad.errors import ConvgradError

Shape = tuple[int, ...]
Held = Sequence[tuple[str, Shape]]
LOOKS = 60
"""Ways to build an object that are looked at."""


@dataclass(frozen=True)
class Own:
    """Sizes of a class's own, by label of the kernel's axes, in one order of these axes.

    spare: whether it has a vector that is no bias in that order, and may be one in another.
    """

    sizes: Mapping[str, int]
    bias: str | None
    spare: bool = False

    def subject(self, asked: LayerSubject) -> LayerSubject:
        """The subject with these sizes."""
        given = dict(asked.given)
        if "k" in self.sizes:
            given |= {key: self.sizes["k"] for key in ("filters", "units") if key in asked.family.defaults}
        window = [self.sizes[n] for n in ("m", "n", "r") if n in self.sizes]
        if window:
            given["kernel_size"] = tuple(window)
        if self.bias != "channel" and "bias" not in asked.given:
            given["bias"] = self.bias
        return replace(asked, given=given, channels=self.sizes.get("c"))


def fitted(subject: Subject, person: Person, roles: Mapping[str, str]) -> Subject:
    """The subject with what the class has built in."""
    if not isinstance(subject, LayerSubject) or "w" not in subject.family.labels:
        return subject
    best: Own | None = None
    for own in _looked_at(subject, person, roles):
        if not own.sizes and not own.spare:
            return own.subject(subject)
        if best is None or (len(own.sizes), own.spare) < (len(best.sizes), best.spare):
            best = own
    return subject if best is None else best.subject(subject)


def _looked_at(subject: LayerSubject, person: Person, roles: Mapping[str, str]) -> Iterator[Own]:
    """For each way to build an object, what differs."""
    sizes = Sizes(window=subject.family.slides)
    ways = (c for rare in (False, True) for c in conventions([subject], sizes, person, roles, "float64", rare))
    for count, convention in enumerate(ways):
        if count == LOOKS or person.hangs:
            return
        try:
            problem = convention.problem()
        except ConvgradError:
            continue
        values = {**problem.arrays, **problem.values([problem.of])}
        held = person.call(convention.call(problem, values, look=True)).holds
        found = _own(convention, held, subject)
        if found is not None:
            yield found


def _own(convention: Convention, held: Held, subject: LayerSubject) -> Own | None:
    """What an object has instead of what was asked for; None where nothing in it is a kernel in this order."""
    problem = convention.problem()
    labels = problem.labels["w"]
    size_of = dict(zip(labels, problem.arrays["w"].shape, strict=True))
    wanted = groups(convention.pattern("w", problem), labels)
    named = [(n, s) for n, s in held if plain(n.split(".")[-1]) in KERNEL] or list(held)
    for _, shape in named:
        if len(shape) != len(wanted):
            continue
        differing: dict[str, int] = {}
        for group, size in zip(wanted, shape, strict=True):
            if int(np.prod([size_of[n] for n in group])) != size:
                differing |= {group[-1]: size} if group else {"": size}
        if "" in differing:
            continue
        bias = _bias(convention, held, subject, differing, shape)
        vectors = [s for s in (_squeezed(s) for _, s in held if s != shape) if len(s) == 1]
        return Own(differing, bias, bias is None and bool(vectors))
    return None


def _bias(
    convention: Convention, held: Held, subject: LayerSubject, differing: Mapping[str, int], kernel: Shape
) -> str | None:
    """Which bias it has: one for each filter, for each place, or none."""
    problem = convention.problem()
    of = problem.labels[problem.of]
    sizes = dict(zip(of, (problem.values([problem.of])[problem.of]).shape, strict=True))
    filters = differing.get("k", sizes.get("k", 1))
    others = [(n, _squeezed(s)) for n, s in held if s != kernel]
    if any(s == _squeezed((filters,)) for _, s in others):
        return "channel"
    if any(plain(n.split(".")[-1]) in BIAS and len(s) == 3 for n, s in others):
        return "position"
    return "channel" if any(plain(n.split(".")[-1]) in BIAS for n, _ in others) else None


def _squeezed(shape: Shape) -> Shape:
    return tuple(n for n in shape if n != 1)
