"""How the learning rate changes in the course of a training.

A schedule is a function from the fraction f of the training that is done, 0 <= f < 1, to the factor that the learning
rate is multiplied by. Any function of that kind will do; `schedule_from` knows the usual ones by name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from convgrad.arguments import FRACTION, NOT_NEGATIVE, Rule, shown, takes
from convgrad.errors import TrainingError, suggestion

Schedule = Callable[[float], float]


SHARE = Rule("a number from 0 to 1", lambda value: value == 1 or FRACTION.accepts(value))
INSIDE = Rule("a number above 0 and below 1", lambda value: FRACTION.accepts(value) and value > 0)
SHARES = Rule(
    "a list of numbers from 0 to 1",
    lambda value: isinstance(value, (tuple, list)) and all(SHARE.accepts(share) for share in value),
)


@takes(TrainingError)
def constant() -> Schedule:
    """factor(f) = 1."""
    return lambda fraction: 1.0


@takes(TrainingError, warmup=FRACTION, floor=SHARE)
def cosine(warmup: float = 0.0, floor: float = 0.0) -> Schedule:
    """Rise linearly to 1 over the first `warmup`, then fall as half a cosine to `floor`.

    factor(f) = floor + (1 - floor) * (1 + cos(pi * g)) / 2 with g = (f - warmup) / (1 - warmup)

    Reference: Loshchilov and Hutter, SGDR, 2017, eq. 5, without restarts.

    >>> halfway = cosine()(0.5)
    >>> round(halfway, 6)
    0.5
    """

    def factor(fraction: float) -> float:
        if fraction < warmup:
            return fraction / warmup
        fallen = (fraction - warmup) / (1 - warmup)
        return floor + (1 - floor) * (1 + math.cos(math.pi * fallen)) / 2

    return factor


@takes(TrainingError, rise=INSIDE, start=SHARE, end=SHARE)
def one_cycle(rise: float = 0.25, start: float = 0.1, end: float = 0.001) -> Schedule:
    """From `start` up to 1 over the first `rise`, then down to `end`, both as half a cosine.

    Reference: Smith and Topin, Super-Convergence, 2018, section 3.
    """

    def factor(fraction: float) -> float:
        if fraction < rise:
            return start + (1 - start) * (1 - math.cos(math.pi * fraction / rise)) / 2
        return end + (1 - end) * (1 + math.cos(math.pi * (fraction - rise) / (1 - rise))) / 2

    return factor


@takes(TrainingError, at=SHARES, factor=NOT_NEGATIVE)
def steps(at: Sequence[float] = (0.5, 0.75), factor: float = 0.1) -> Schedule:
    """Multiply by `factor` at each of the fractions `at` of the training.

    >>> [steps(at=(0.5,), factor=0.5)(f) for f in (0.0, 0.5)]
    [1.0, 0.5]
    """
    return lambda fraction: math.prod(factor for place in at if fraction >= place) * 1.0


@takes(TrainingError, share=INSIDE, start=SHARE)
def warm_up(then: str | Schedule | None = None, share: float = 0.05, start: float = 0.0) -> Schedule:
    """Rise linearly from `start` to 1 over the first `share` of the training, and go on with another schedule.

    factor(f) = start + (1 - start) * f / share    for f < share
    factor(f) = then((f - share) / (1 - share))    after it

    then: a name or a function, as `fit(schedule=...)` takes it; constant by default.

    Reference: Goyal et al., Accurate, large minibatch SGD, 2017, section 2.2.

    >>> rising = warm_up("steps", share=0.5)
    >>> [rising(f) for f in (0.0, 0.25, 0.5)]
    [0.0, 0.5, 1.0]
    """
    following = schedule_from(then)

    def factor(fraction: float) -> float:
        if fraction < share:
            return start + (1 - start) * fraction / share
        return following((fraction - share) / (1 - share))

    return factor


SCHEDULES: dict[str, Callable[[], Schedule]] = {
    "constant": constant,
    "cosine": cosine,
    "one-cycle": one_cycle,
    "steps": steps,
    "warm-up": warm_up,
}


def schedule_from(chosen: str | Schedule | None) -> Schedule:
    """The schedule of that name, or `chosen` itself where it is a function; None is `constant`.

    Raises:
        TrainingError: there is no such schedule.
    """
    if chosen is None:
        return constant()
    if callable(chosen):
        return chosen
    if not isinstance(chosen, str):
        raise TrainingError(f"schedule must be a name or a function from the fraction done, not {shown(chosen)}.")
    if chosen not in SCHEDULES:
        raise TrainingError(f"There is no learning-rate schedule {shown(chosen)}.{suggestion(chosen, SCHEDULES)}")
    return SCHEDULES[chosen]()
