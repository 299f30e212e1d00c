"""A cache that the person's own forward function makes, which stands beside the backward one in the file.

`batchnorm_backward(dout, cache)` gets what `batchnorm_forward(x, gamma, beta, bn_param)` has kept; what the forward
function returns is compared, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convgrad.check.functions.roles import Reading, readings
from convgrad.check.functions.signature import Leaf, Signature
from convgrad.check.functions.vocabulary import DICTIONARY, plain
from convgrad.check.problems.problem import Problem


def forward_readings(signature: Signature, problem: Problem, settings: Mapping[str, Any]) -> list[Reading]:
    """Ways to read the signature of a forward function; none where it needs a gradient."""
    given = {leaf.path: "settings" for leaf in signature.leaves if _is_dictionary(leaf)}
    found = readings(signature, problem, settings, given)
    return [r for r in found if not r.has(problem.upstream) and not r.has(problem.of) and not r.has("cache")]


def _is_dictionary(leaf: Leaf) -> bool:
    name = plain(leaf.name)
    own = name in DICTIONARY or name.endswith(("param", "params", "parameters", "config"))
    return leaf.required and leaf.path == leaf.name and own


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
