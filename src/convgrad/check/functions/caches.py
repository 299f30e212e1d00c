"""A cache that the person's own forward function makes, which stands beside the backward one in the file.

`batchnorm_backward(dout, cache)` gets what `batchnorm_forward(x, gamma, beta, bn_param)` has kept; what the forward
function returns is compared, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convgrad.check.functions.person import Person
from convgrad.check.functions.roles import Reading, readings
from convgrad.check.functions.signature import Signature, signature
from convgrad.check.functions.source import Source
from convgrad.check.functions.vocabulary import CACHE, DICTIONARY, WINNERS, plain
from convgrad.check.problems.problem import Problem
from convgrad.check.submissions.answers import Argument


def with_forward(
    person: Person, problem: Problem, settings: Mapping[str, Any], given: Mapping[str, str]
) -> list[tuple[Reading, Reading]]:
    """Ways to read a backward function and the forward one that makes its cache; none where there is no such pair."""
    kept = [a for a in person.arguments or () if _is_cache(a) or ("pool_size" in settings and _is_of_winners(a))]
    if person.forward is None or not kept:
        return []
    roles = {**{a.name: "cache" for a in kept}, **given}
    backward = [
        r for r in readings(_plain(person.arguments or (), person.source), problem, settings, roles) if r.has("cache")
    ]
    arguments = person.forward.arguments
    text = signature(arguments, Source(person.source, person.forward.name, [a.name for a in arguments]))
    dictionaries = {a.name: "settings" for a in arguments if _is_dictionary(a)}
    found = readings(text, problem, settings, {}) + readings(
        _plain(arguments, person.source), problem, settings, dictionaries
    )
    forward = [r for r in found if not any(r.has(role) for role in (*problem.upstreams, *problem.results, "cache"))]
    return [(b, f) for b in backward[:2] for f in dict.fromkeys(forward)]


def _plain(arguments: tuple[Argument, ...], text: str) -> Signature:
    """The arguments as they stand, whatever the text does with them."""
    return signature(arguments, Source(text, "", []))


def _is_cache(argument: Argument) -> bool:
    name = plain(argument.name)
    return argument.required and (name in CACHE or name.endswith("cache"))


def _is_of_winners(argument: Argument) -> bool:
    """Whether it says which elements of windows are the greatest."""
    return argument.required and plain(argument.name) in WINNERS


def _is_dictionary(argument: Argument) -> bool:
    name = plain(argument.name)
    return argument.required and (name in DICTIONARY or name.endswith(("param", "params", "parameters", "config")))
