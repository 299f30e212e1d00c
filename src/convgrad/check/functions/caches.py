"""A cache that the person's own forward function makes, which stands beside the backward one in the file.

`batchnorm_backward(dout, cache)` gets what `batchnorm_forward(x, gamma, beta, bn_param)` has kept; what the forward
function returns is compared, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convgrad.check.functions.roles import DICTIONARY, Reading, plain, readings
from convgrad.check.problems.problem import Problem
from convgrad.check.submissions.answers import Argument, Method


def forward_readings(method: Method | None, problem: Problem, settings: Mapping[str, Any]) -> list[Reading]:
    """Ways to read the signature of a forward function; none where there is none, or where it needs a gradient."""
    if method is None:
        return []
    given = {a.name: "settings" for a in method.arguments if _is_dictionary(a)}
    found = readings(method.arguments, problem, settings, given)
    return [r for r in found if not r.has(problem.upstream) and not r.has(problem.of) and not r.has("cache")]


def _is_dictionary(argument: Argument) -> bool:
    name = plain(argument.name)
    return argument.required and (name in DICTIONARY or name.endswith(("param", "params", "parameters", "config")))


def dictionary(settings: Mapping[str, Any], plainly: Mapping[str, Any]) -> dict[str, Any]:
    """Settings under the names that forward functions look for. `plainly`: those that all courses have alike."""
    also: dict[str, Any] = {"mode": "train", "momentum": 0.9}
    if "epsilon" in settings:
        also |= {"eps": settings["epsilon"], "epsilon": settings["epsilon"]}
    if "kernel_size" in settings:
        rows, columns = (*settings["kernel_size"], *settings["kernel_size"])[:2]
        also |= {"kernel_size": settings["kernel_size"], "f": rows} if rows == columns else {}
    named = {"strides": "stride", "padding": "pad"}
    return {**also, **plainly, **{name: plainly[key] for name, key in named.items() if key in plainly}}


def without_bias(given: Mapping[str, Any], reading: Reading, problem: Problem) -> dict[str, Any]:
    """A layer's arguments for a forward function that gets no bias."""
    return {**given, "bias": None} if "b" in problem.wrt and not reading.has("b") else dict(given)
