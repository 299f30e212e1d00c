"""What each value that a person's function gets is: found by its name, or else to be tried.

A role is the name of a tensor of the problem, `dx` for the gradient that comes from above; `strides` and the like for
settings, `strides[0]` for one axis; `o.shape`, `batch`; `p` for the probabilities in a loss; "winners" for a mask of
the elements that are greatest in their windows; "cache" for a tuple of what the forward pass had and "settings" for a
dict of settings, where nothing is known of what they hold.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import permutations
from typing import Any

from convgrad.check.functions.signature import Group, Leaf, Signature
from convgrad.check.functions.statistics import other_kinds, statistic
from convgrad.check.functions.vocabulary import (
    BIAS,
    CACHE,
    DICTIONARY,
    INPUT,
    KERNEL,
    POOLING,
    PREDICTION,
    PROBABILITIES,
    RESULT,
    SETTINGS,
    SPECIAL,
    TARGET,
    UPSTREAM,
    axis_setting,
    plain,
)
from convgrad.check.functions.vocabulary import WINNERS as OF_WINNERS
from convgrad.check.problems.probabilities import loss_of_logits
from convgrad.check.problems.problem import Problem

MOST = 30
"""Readings of one signature."""
WINNERS, TRUE_WINNERS = "winners", "winners, true or false"
"""The roles of a mask of the elements that are greatest in their windows."""
KIND = "pooling"
"""The role of a word that says whether a pooling takes the maximum or the mean."""
UNUSED = "nothing"
"""The role of a value that is unpacked and never read."""
ONE = "1"
"""The role of the gradient from above that a loss gets."""
FROM_ABOVE = {
    "gradoutput",
    "dout",
    "doutput",
    "upstream",
    "upstreamgrad",
    "dloss",
    "dl",
    "gout",
    "g",
    "grad",
    "gradout",
}
LOSS_TAKES = 2
"""Arrays."""
BATCH = ("m", "n", "batchsize", "nsamples", "numsamples", "nexamples", "numexamples")
NUMBERED = ("w", "b", "a", "z", "x", "h")
"""Letters that are numbered by the layer."""


@dataclass(frozen=True)
class Reading:
    """Which role each value has; those that keep their defaults are left out.

    guessed: not all were named. unnamed: a value has no name that says what it is. signature: the arguments that hold
    them. local: it is the derivative of a function of single numbers, without the gradient from above. jacobian: the
    same as a matrix, with a row for each result.
    """

    roles: tuple[tuple[Leaf, str], ...]
    guessed: bool = False
    signature: Signature = field(default_factory=Signature, kw_only=True)
    local: bool = field(default=False, kw_only=True)
    jacobian: bool = field(default=False, kw_only=True)
    unnamed: bool = field(default=False, kw_only=True)

    @property
    def words(self) -> str:
        """The arguments in order, with their roles where the name alone does not say it."""
        own = {leaf.path: role for leaf, role in self.roles}
        return ", ".join(w for p in self.signature.parameters if (w := _words(p.argument.name, p.holds, own)))

    def has(self, role: str) -> bool:
        """Whether a value has this role."""
        return any(r == role for _, r in self.roles)

    def has_any(self, roles: Sequence[str]) -> bool:
        """Whether a value has one of these roles."""
        return any(self.has(role) for role in roles)

    def role(self, leaf: Leaf) -> str | None:
        """The role of a value; None where it keeps its default."""
        return next((role for own, role in self.roles if own.path == leaf.path), None)


def _words(name: str, holds: Leaf | Group, own: Mapping[str, str]) -> str:
    if isinstance(holds, Group):
        names = holds.keys or [item.name if isinstance(item, Leaf) else "" for item in holds.items]
        inner = [w for n, item in zip(names, holds.items, strict=True) if (w := _words(n, item, own))]
        whole = f"({', '.join(inner)})"
        return f"{name} = {whole}" if name else whole
    role = own.get(holds.path)
    if role is None:
        return ""
    return name if name == role else f"{name} = {role}" if name else role


def inputs_of(problem: Problem) -> list[str]:
    """The inputs that a function may get; those that a layer keeps, such as moving means, have no layout."""
    return [name for name in problem.given if name in problem.labels]


def has_activation(problem: Problem) -> bool:
    """Whether an activation follows the layer, so that z goes into it; softmax has a z of its own, which is none."""
    layer = problem.origin.layer
    return layer is not None and "z" in problem.recipe.equation.defined and "z" not in layer.equation.defined


def known_names(problem: Problem) -> dict[str, list[str]]:
    """Role -> names that stand for it, the likelier role first."""
    of, inputs = problem.of, inputs_of(problem)
    names: dict[str, list[str]] = {}
    if problem.origin.written:
        return _names_in_courses(problem)
    if problem.total:
        further = problem.origin.names
        return {"t": [*TARGET, *further.get("t", ())], "y": [*further.get("y", ()), *PREDICTION]}
    if problem.origin.layer is None:
        own = {n: [plain(n)] for n in inputs} | {of: [plain(of)]}
        usual = [n for n in UPSTREAM if [n] not in own.values()]
        return {problem.upstream: [plain(problem.upstream), *usual]} | own
    names[problem.upstream] = UPSTREAM
    if has_activation(problem):  # what goes into the activation after a layer
        names["z"] = ["z", "activationcache", "preactivation", "zcache"]
    for name in inputs:
        names[name] = {"o": INPUT, "w": KERNEL, "b": BIAS}.get(name, [plain(name)])
        if name == "gamma":
            names[name] = ["gamma", "g", "scale", "weight", "w"]
        if name == "beta":
            names[name] = ["beta", "b", "shift", "bias"]
    names[of] = RESULT
    return names


def _names_in_courses(problem: Problem) -> dict[str, list[str]]:
    """Of what a course asks for: all gradients from above, inputs, results, and what is kept for the way back."""
    further = problem.origin.names
    above = () if problem.total else problem.upstreams
    kept = [n for n in further if n in problem.labels and n not in (*above, *problem.given, *problem.outputs)]
    results = () if problem.total else problem.results
    told: dict[str, list[str]] = {}
    for name in (*above, *inputs_of(problem), *results, *kept):
        plainly = plain(name).replace("above", "d", 1) if name in above else plain(name)
        told[name] = list(dict.fromkeys([plainly, *further.get(name, ())]))
    return told


def readings(
    signature: Signature,
    problem: Problem,
    settings: Mapping[str, Any],
    given: Mapping[str, str],
    *,
    local: bool = False,
) -> list[Reading]:
    """Ways to read a signature, the likeliest first.

    given: argument -> role where the caller says it. local: the function's name says that it is a derivative, and it is
    one of single numbers, so that there may be no gradient from above.
    """
    names = known_names(problem)
    leaves = signature.leaves
    told = (leaf for leaf in leaves if leaf.used or leaf.path == leaf.name)  # a cache may hold what is never read
    if any({*leaf.names} & {*problem.origin.absent} for leaf in told):
        return []
    fixed: dict[str, str] = {}
    for leaf in leaves:
        role = given.get(leaf.name) or given.get(leaf.path) or _setting(leaf, settings, problem)
        if role is not None:
            fixed[leaf.path] = role
    of_scores = problem.total and not problem.origin.written
    if of_scores and len([leaf for leaf in leaves if leaf.required and leaf.path not in fixed]) > LOSS_TAKES:
        fixed |= {leaf.path: ONE for leaf in leaves if leaf.required and {*leaf.names} & FROM_ABOVE}
    arrays = [leaf for leaf in leaves if leaf.path not in fixed and (leaf.required or leaf.default is None)]
    arrays += [leaf for leaf in leaves if leaf not in arrays and leaf.path not in fixed and _is_number(leaf, problem)]
    named = _by_name(arrays, names, problem, len(leaves))
    optional = {leaf.path for leaf in arrays if not leaf.required}
    named = {path: role for path, role in named.items() if path not in optional or role in inputs_of(problem)}
    fixed |= named
    rest = [leaf for leaf in arrays if leaf.path not in fixed and leaf.required]
    for leaf in [r for r in rest if not r.used and r.path != r.name]:
        fixed[leaf.path] = UNUSED
        rest.remove(leaf)
    too_many = len(rest) > len([n for n in _in_order(problem) if n not in fixed.values()])
    if too_many and any(not leaf.used for leaf in arrays):  # then what is never read may be anything
        idle = {leaf.name: UNUSED for leaf in arrays if not leaf.used and leaf.path == leaf.name} | {**given}
        known = readings(signature, problem, settings, idle, local=local) if len(idle) > len(given) else []
        return [r for r in known if not r.unnamed]
    free = [n for n in _in_order(problem) if n not in fixed.values()]
    found: list[Reading] = []
    for choice in permutations(free, len(rest)):
        roles = {**fixed, **{leaf.path: r for leaf, r in zip(rest, choice, strict=True)}}
        own = tuple((leaf, roles[leaf.path]) for leaf in leaves if leaf.path in roles)
        found.append(Reading(own, bool(rest), signature=signature, unnamed=bool(rest)))
        if len(found) == MOST:
            break
    if "dx" in names and not rest:
        found += _exchanged(found, problem, given)
    if problem.origin.written:
        found += _weights_exchanged(found, given)
    found += _as_probabilities(found, problem, given)
    if WINNERS in fixed.values():
        found = _of_winners(found)
    found += [replace(r, roles=roles) for r in found for roles in other_kinds(r.roles)]
    if problem.origin.written:
        found = [r for r in found if _is_whole(r, problem)]
    if local and len([leaf for leaf in leaves if leaf.required and leaf.path not in fixed]) <= 1:
        found = _local(found, arrays, fixed, problem, signature) or found
    return found[:MOST]


def _is_number(leaf: Leaf, problem: Problem) -> bool:
    """Whether an argument with a default is a number of the problem, as a penalty is."""
    own = (n for name in problem.origin.numbers for n in (plain(name), *problem.origin.names.get(name, ())))
    return isinstance(leaf.default, (int, float)) and bool({*own} & {*leaf.names})


def _is_whole(reading: Reading, problem: Problem) -> bool:
    """Whether there is all that a loss is made of; of several gradients from above all or none."""
    if problem.total:
        return all(reading.has(name) for name in inputs_of(problem))
    return len({reading.has(name) for name in problem.upstreams}) == 1


def _local(
    found: Sequence[Reading], arrays: Sequence[Leaf], fixed: Mapping[str, str], problem: Problem, signature: Signature
) -> list[Reading]:
    """One array alone is what the function is taken of, or what came out of it; the gradient from above is 1."""
    required = [leaf for leaf in arrays if leaf.required and fixed.get(leaf.path) != UNUSED]
    if len(required) != 1 or any(r.has(problem.upstream) and len(r.roles) > 1 for r in found if not r.guessed):
        return []
    (array,) = required
    settings = {path: role for path, role in fixed.items() if path != array.path}
    roles = [{**settings, array.path: role} for role in ("o", problem.of)]
    leaves = signature.leaves
    return [
        Reading(
            tuple((leaf, own[leaf.path]) for leaf in leaves if leaf.path in own), n > 0, signature=signature, local=True
        )
        for n, own in enumerate(roles)
    ]


def jacobians(found: Sequence[Reading], problem: Problem) -> list[Reading]:
    """What gets one array alone may return a matrix of derivatives, of its input or of its result."""
    tensors = ("o", problem.of)
    for reading in found:
        arrays = [leaf for leaf, role in reading.roles if role in (*tensors, problem.upstream)]
        others = [leaf for leaf in reading.signature.leaves if leaf.required and reading.role(leaf) is None]
        if len(arrays) == 1 and not others:
            own = [tuple((f, role if f is arrays[0] else r) for f, r in reading.roles) for role in tensors]
            return [replace(reading, roles=r, local=True, jacobian=True, guessed=True, unnamed=False) for r in own]
    return []


def _as_probabilities(found: Sequence[Reading], problem: Problem, given: Mapping[str, str]) -> list[Reading]:
    """A loss may get what the sigmoid or softmax in it gave, whatever the argument is called."""
    if loss_of_logits(problem) is None:
        return []
    more = []
    for reading in found:
        predicted = [leaf for leaf, role in reading.roles if role == "y"]
        if len(predicted) != 1 or predicted[0].name in given or {"logits", "scores"} & {*predicted[0].names}:
            continue
        roles = tuple((leaf, "p" if leaf is predicted[0] else role) for leaf, role in reading.roles)
        more.append(replace(reading, roles=roles))
    return more


def _of_winners(found: Sequence[Reading]) -> list[Reading]:
    """A mask of numbers, or of true and false; there are other forms, so that none is sure."""
    forms = []
    for kind in (WINNERS, TRUE_WINNERS):
        for reading in found:
            roles = tuple((leaf, kind if role == WINNERS else role) for leaf, role in reading.roles)
            forms.append(replace(reading, roles=roles, unnamed=True))
    return forms


UNCLEAR = ("a", "z", "y", "s", "h", "p", "act", "activation", "activationcache", "cache")
"""Names of what goes into a function of single numbers or comes out of it."""


def _exchanged(found: Sequence[Reading], problem: Problem, given: Mapping[str, str]) -> list[Reading]:
    """`x` may be the layer's result or its input, and upstream may stand anywhere, but for what the caller says."""
    other = {"o": problem.of, problem.of: "o"}
    swapped = []
    for reading in found:
        ours = any(leaf.name == problem.upstream for leaf, _ in reading.roles)  # then `x` may be our x, the result
        unclear = ("x", *UNCLEAR) if ours else UNCLEAR
        open_ones = [leaf for leaf, r in reading.roles if r in other and not {leaf.name, leaf.path} & {*given}]
        ambiguous = [leaf for leaf in open_ones if any(n in unclear for n in _said(leaf))]
        if ambiguous:
            swap = {leaf.path for leaf in ambiguous}
            roles = tuple((leaf, other[r] if leaf.path in swap else r) for leaf, r in reading.roles)
            if len({r for _, r in roles}) == len(roles):
                swapped.append(replace(reading, roles=roles, guessed=True))
    return swapped


def _weights_exchanged(found: Sequence[Reading], given: Mapping[str, str]) -> list[Reading]:
    """Of W and U the one acts on what goes into a cell and the other on its state; which one, people differ in."""
    other = {"Wx": "Wh", "Wh": "Wx"}
    swapped = []
    for reading in found:
        open_ones = [leaf for leaf, role in reading.roles if role in other and leaf.name not in given]
        if sorted(plain(leaf.name) for leaf in open_ones) == ["u", "w"]:
            roles = tuple((leaf, other[r] if leaf in open_ones else r) for leaf, r in reading.roles)
            swapped.append(replace(reading, roles=roles))
    return swapped


def _said(leaf: Leaf) -> tuple[str, ...]:
    """What it is called: where its own name says what it is, a second one inside the function tells nothing new."""
    known = {*INPUT, *KERNEL, *BIAS, *UPSTREAM}
    return leaf.names[:1] if leaf.names and leaf.names[0] in known else leaf.names


def _setting(leaf: Leaf, settings: Mapping[str, Any], problem: Problem) -> str | None:
    names = leaf.names
    if leaf.required and leaf.whole and any(n in CACHE for n in names):
        return "cache"
    if leaf.whole and any(n in DICTIONARY for n in names):
        return "settings"
    along = axis_setting(leaf.name, {*settings}) or (axis_setting(leaf.also[0], {*settings}) if leaf.also else None)
    if along is not None:
        return f"{along[0]}[{along[1]}]"
    if "pool_size" in settings and plain(leaf.name) in POOLING and (leaf.required or isinstance(leaf.default, str)):
        return KIND
    tensors = {plain(n) for n in (*inputs_of(problem), problem.upstream)} if leaf.required else set()
    for key, others in SETTINGS.items():
        if key not in settings or (key == "kernel_size" and "pool_size" in settings):
            continue
        for name in _said(leaf):
            if name == plain(key) or (name in others.split() and name not in tensors):
                if leaf.required and name in ("k", "f", "kernel") and "w" in problem.arrays:
                    continue
                if leaf.required and name == "g" and settings.get("groups", 1) == 1:
                    continue
                if isinstance(leaf.default, str) and key != "padding":
                    continue
                return key
    return _told(leaf, problem)


def _told(leaf: Leaf, problem: Problem) -> str | None:
    """Of a value that is no tensor: a shape, a number of examples, a word."""
    if leaf.required and {*leaf.names[:1]} & {plain(n) for n in inputs_of(problem)}:
        return None
    for name in leaf.names:
        if name.endswith(("shape", "dims")) and leaf.required:
            if problem.origin.written:
                return f"{problem.wrt[0]}.shape"
            return "w.shape" if name[:1] in "wkf" and "w" in problem.arrays else "o.shape"
        if leaf.required and name in OF_WINNERS and problem.pooling == "max" and problem.origin.window:
            return WINNERS
        told = SPECIAL.get(name)
        if told == "activation" and has_activation(problem) and name != "act":
            return told
        if told == "train" and leaf.required:
            return told
    if leaf.required and {*leaf.names[:1]} & {*BATCH}:
        return "batch"
    return statistic(_said(leaf), problem) if leaf.required and leaf.used else None


def _by_name(
    arrays: Sequence[Leaf], names: Mapping[str, Sequence[str]], problem: Problem, count: int
) -> dict[str, str]:
    """Roles by name: a value gets the first role, in the order of arguments, whose names it is among."""
    result: dict[str, str] = {}
    if problem.total and not problem.origin.written:
        beside_q = any("q" in leaf.names for leaf in arrays) and "q" in names["y"]
        for leaf in arrays:
            if any(n in PROBABILITIES and not (beside_q and n == "p") for n in leaf.names) and "y" not in leaf.names:
                result[leaf.path] = "y"
                break
    taken = set(result.values())
    for own in (_said, _loosely):
        for role, others in names.items():
            if role in taken:
                continue
            for other in others:
                match = next((leaf for leaf in arrays if other in own(leaf) and leaf.path not in result), None)
                if match is None:
                    continue
                if role in problem.upstreams and other in ("g", "do", "error", "grad") and count == 1:
                    continue
                result[match.path] = role
                taken.add(role)
                break
    return result


def _loosely(leaf: Leaf) -> tuple[str, ...]:
    """Names without the number of a layer, and parts of names: `W1`, `conv_weights`."""
    found = [n for n in (re.sub(r"\d+$", "", n) for n in _said(leaf)) if len(n) > 1 or n in NUMBERED]
    for name in (leaf.name, *leaf.also):
        found += [part.lower() for part in re.split(r"_|(?<=[a-z])(?=[A-Z])", name) if len(part) > 2]
    return tuple(dict.fromkeys(n for n in found if n))


def _in_order(problem: Problem) -> list[str]:
    """Tensors that arguments may be, upstream first, as most backward functions have it."""
    if problem.total:
        return inputs_of(problem)
    return [*problem.upstreams, *inputs_of(problem), *problem.results]
