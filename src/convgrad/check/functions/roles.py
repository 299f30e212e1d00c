"""What each argument of a person's function is: found by its name, or else to be tried.

A role is the name of a tensor of the problem, `dx` for the gradient that comes from above; `strides` and the like for
settings; "cache" for a tuple of what the forward pass had; "settings" for a dict of settings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

from convgrad.check.problems.problem import Problem
from convgrad.check.submissions.answers import Argument

UPSTREAM = [
    "dx",
    "dy",
    "dz",
    "da",
    "dout",
    "do",
    "gradoutput",
    "gradout",
    "gradoutputs",
    "gradients",
    "outputgrad",
    "gradz",
    "grady",
    "gradx",
    "grad",
    "g",
    "gy",
    "gz",
    "delta",
    "deltas",
    "upstream",
    "dldout",
    "dldy",
    "dldx",
    "dldz",
    "dldo",
    "gout",
    "error",
    "doutput",
    "topdiff",
    "dh",
    "ds",
    "dscores",
    "dnext",
    "dlogits",
]
INPUT = [
    "o",
    "x",
    "input",
    "inputs",
    "inp",
    "ain",
    "aprev",
    "prev",
    "image",
    "images",
    "img",
    "imgs",
    "data",
    "features",
    "a",
    "xin",
    "h",
    "hprev",
    "z",
    "logits",
    "scores",
    "v",
    "signal",
    "src",
]
RESULT = ["x", "y", "out", "output", "outputs", "result", "a", "z", "act", "activation", "probs", "p", "s", "yhat"]
KERNEL = [
    "w",
    "weight",
    "weights",
    "kernel",
    "kernels",
    "filter",
    "filters",
    "filt",
    "f",
    "k",
    "theta",
    "wt",
    "weightmatrix",
]
BIAS = ["b", "bias", "biases", "beta", "b0", "bvec"]
TARGET = ["t", "y", "target", "targets", "label", "labels", "ytrue", "truth", "true", "onehot", "classes"]
PREDICTION = [
    "y",
    "ypred",
    "pred",
    "prediction",
    "predictions",
    "yhat",
    "logits",
    "scores",
    "x",
    "z",
    "o",
    "output",
    "out",
    "a",
]
SETTINGS = {
    "strides": "stride strides s step",
    "padding": "pad padding paddings p pads",
    "dilation": "dilation dilations dilate d rate",
    "groups": "group groups g numgroups ngroups",
    "pool_size": "poolsize size pool window kernelsize ksize k windowsize filtersize kernel f",
    "kernel_size": "kernelsize ksize filtersize size",
    "epsilon": "eps epsilon",
    "negative_slope": "slope alpha negativeslope leak",
    "alpha": "alpha",
}
CACHE = ["cache", "ctx", "saved", "memory"]
DICTIONARY = ["convparam", "poolparam", "params", "param", "settings", "config", "hparams", "hparameters"]


@dataclass(frozen=True)
class Reading:
    """Which role each argument has; those that keep their defaults are left out. `guessed`: not all were named."""

    roles: tuple[tuple[Argument, str], ...]
    guessed: bool = False

    @property
    def words(self) -> str:
        """The arguments in order, with their roles where the name alone does not say it."""
        return ", ".join(a.name if a.name == role else f"{a.name} = {role}" for a, role in self.roles)

    def has(self, role: str) -> bool:
        """Whether an argument has this role."""
        return any(r == role for _, r in self.roles)


def plain(name: str) -> str:
    """A name without case and underscores."""
    return name.lower().replace("_", "")


def known_names(problem: Problem) -> dict[str, list[str]]:
    """Role -> names that stand for it, the likelier role first."""
    of, inputs = problem.of, problem.given
    names: dict[str, list[str]] = {}
    if problem.total:
        return {"t": TARGET, "y": PREDICTION}
    if problem.origin.layer is None:
        names[problem.upstream] = [plain(problem.upstream), *UPSTREAM]
        return names | {n: [plain(n)] for n in inputs} | {of: [plain(of)]}
    names[problem.upstream] = UPSTREAM
    for name in inputs:
        names[name] = {"o": INPUT, "w": KERNEL, "b": BIAS}.get(name, [plain(name)])
        if name == "gamma":
            names[name] = ["gamma", "g", "scale", "weight", "w"]
        if name == "beta":
            names[name] = ["beta", "b", "shift", "bias"]
    names[of] = RESULT
    return names


def readings(
    arguments: Sequence[Argument], problem: Problem, settings: Mapping[str, Any], given: Mapping[str, str]
) -> list[Reading]:
    """Ways to read a signature, the likeliest first. `given`: argument -> role where the caller says it."""
    names = known_names(problem)
    fixed: dict[str, str] = {}
    for argument in arguments:
        role = given.get(argument.name) or _setting(argument, settings, problem)
        if role is not None:
            fixed[argument.name] = role
    arrays = [a for a in arguments if a.name not in fixed and a.required]
    named = _by_name(arrays, names, problem)
    fixed |= named
    rest = [a for a in arrays if a.name not in named]
    found: list[Reading] = []
    free = [n for n in _in_order(problem, arguments) if n not in fixed.values()]
    for choice in permutations(free, len(rest)):
        roles = {**fixed, **{a.name: r for a, r in zip(rest, choice, strict=True)}}
        found.append(Reading(tuple((a, roles[a.name]) for a in arguments if a.name in roles), bool(rest)))
    if "dx" in names and not rest:
        found += _exchanged(found, arrays, problem)
    return found[:30]


def _exchanged(found: Sequence[Reading], arrays: Sequence[Argument], problem: Problem) -> list[Reading]:
    """`x` may be the layer's result or its input, and upstream may stand anywhere."""
    other = {"o": problem.of, problem.of: "o"}
    swapped = []
    for reading in found:
        ours = any(a.name == problem.upstream for a, _ in reading.roles)  # then `x` may be our x, the result
        unclear = ("x", "a", "z", "y") if ours else ("a", "z", "y")
        ambiguous = [a for a, r in reading.roles if r in other and plain(a.name) in unclear]
        if ambiguous:
            swap = {a.name for a in ambiguous}
            roles = tuple((a, other[r] if a.name in swap else r) for a, r in reading.roles)
            if len({r for _, r in roles}) == len(roles):
                swapped.append(Reading(roles, True))
    return swapped


def _setting(argument: Argument, settings: Mapping[str, Any], problem: Problem) -> str | None:
    name = plain(argument.name)
    if argument.required and name in CACHE:
        return "cache"
    if name in DICTIONARY:
        return "settings"
    tensors = {plain(n) for n in (*problem.recipe.equation.inputs, problem.upstream)} if argument.required else set()
    for key, others in SETTINGS.items():
        if key in settings and (name == plain(key) or (name in others.split() and name not in tensors)):
            if argument.required and name in ("k", "f", "kernel") and "w" in problem.arrays:
                continue
            if argument.required and name == "g" and settings.get("groups", 1) == 1:
                continue
            return key
    return None


def _by_name(arrays: Sequence[Argument], names: Mapping[str, Sequence[str]], problem: Problem) -> dict[str, str]:
    """Roles by name: an argument gets the first role, in the order of arguments, whose names it is among."""
    result: dict[str, str] = {}
    wanted = {plain(a.name) for a in arrays}
    for role, others in names.items():
        for other in others:
            match = next((a for a in arrays if plain(a.name) == other and a.name not in result), None)
            if match is None:
                continue
            if role == problem.upstream and other in ("g", "do", "error", "grad") and len(wanted) == 1:
                continue
            result[match.name] = role
            break
    return result


def _in_order(problem: Problem, arguments: Sequence[Argument]) -> list[str]:
    """Tensors that arguments may be, upstream first, as most backward functions have it."""
    if problem.total:
        return list(problem.given)
    return [problem.upstream, *problem.given, problem.of]
