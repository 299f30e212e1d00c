"""A class read as a function of its input, its parameters and the gradient from above.

What arguments of a constructor can mean is found by their names, and several meanings are tried; the worker takes the
first object whose arrays have the shapes of the parameters (`convgrad.check.submissions.objects`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.check.functions.roles import FROM_ABOVE, Reading, known_names
from convgrad.check.functions.signature import Leaf
from convgrad.check.functions.vocabulary import BIAS, INPUT, KERNEL, POOLING, RESULT, UPSTREAM, plain, pooling_words
from convgrad.check.problems.inputs import RATE
from convgrad.check.problems.probabilities import loss_of_logits
from convgrad.check.problems.problem import Problem
from convgrad.check.submissions.answers import Argument, Method, Methods

AnyArray = npt.NDArray[Any]
RATES = ["learningrate", "lr", "eta", "alpha", "learnrate", "rate", "stepsize"]
TRAINING = ["training", "train", "istraining", "istrain", "trainflg", "trainmode", "trainable"]
KEEPS = ("save", "keep", "store", "cache", "remember", "retain")
"""How flags begin that say whether a forward pass keeps what the backward pass reads, as `save_cache=False` does."""
OPTIMIZER = object()
"""An optimizer that takes one step against the gradient, which the worker has."""
NO_TENSOR = ("rate", "flag", "cache", "one")
"""Roles of arguments of methods that are no tensors of the problem."""
LOCAL = ("gradient", "grad", "derivative", "deriv", "prime")
"""Methods that may be a derivative, without the gradient from above."""
UNKNOWN = 24
"""Meanings that are tried where the names of a constructor's arguments say nothing."""

MEANINGS: dict[str, str] = {
    "out": "filters numfilters nfilters nbfilters outchannels outch nout cout channelsout outputchannels noutchannels "
    "outputdepth kernels numkernels nkernels outplanes noutputs depth f units outputs outdim outputsize outputdim "
    "outfeatures outsize fanout neurons nneurons numneurons numoutputs hidden hiddensize nodes numunits nunits "
    "outputlen sizeout outputdims outputnodes outputunits numoutputchannels numfilter nfilter filternum outputlayers k "
    "hiddendim hiddenunits numhidden nhidden classes numclasses nclasses",
    "in": "inchannels inch cin nin channelsin inputchannels inputdepth nchannels numchannels indepth ninchannels "
    "inplanes sizein inputdims channels c ninputs inputs indim inputsize inputdim infeatures insize fanin inputunits "
    "numinputs inputlen "
    "nfeatures numfeatures features dim d size depth inputnodes numinputchannels inputshape shape normalizedshape "
    "prevchannels previouschannels channel input ndim",
    "kernel": "kernelsize kernel k size filtersize f ksize kernelshape filtershape windowsize fsize poolsize pool "
    "window poolshape kshape kernelsizes poolingsize filter filterdim kerneldim pooldim ks",
    "kernel_h": "kernelheight kh fh filterheight kernelh filterh hfilter hh poolheight poolh ph hf kernelrows",
    "kernel_w": "kernelwidth kw fw filterwidth kernelw filterw wfilter ww poolwidth poolw pw wf kernelcols",
    "strides": "stride strides s step steps poolstride stridesize",
    "padding": "pad padding paddings p pads padsize paddingsize zeropad zeropadding",
    "dilation": "dilation dilations dilate rate",
    "groups": "group groups g numgroups ngroups",
    "image": "inputshape inshape inputsize inputdim xshape xdim shape imageshape imgshape imagesize imgsize insize "
    "indim dim",
    "height": "inputheight h height imageheight imgheight inputh imgh",
    "width": "inputwidth w width imagewidth imgwidth inputw imgw",
    "batch": "batchsize batch n m nexamples numexamples",
    "rate": " ".join(RATES),
    "epsilon": "eps epsilon",
    "flag": " ".join(TRAINING),
    "bias": "bias usebias hasbias withbias",
    "slope": "slope alpha negativeslope leak",
    "activation": "activation act actfn activationfunction activationfn nonlinearity",
    "name": "name layername",
    "optimizer": "optimizer opt optim",
    "pooling": " ".join(POOLING),
}
"""What an argument of a constructor may be, by its plain name; several where the name may mean several."""


SETTING_OF = {
    "kernel": "pool_size",
    "kernel_h": "pool_size",
    "strides": "strides",
    "padding": "padding",
    "dilation": "dilation",
    "groups": "groups",
    "epsilon": "epsilon",
    "slope": "negative_slope",
}
"""The settings of a layer that meanings stand for."""


@dataclass(frozen=True)
class ObjectReading(Reading):
    """Which role each argument of a class's methods has. `parameters`: roles that its object holds. said: words in the
    text.
    """

    methods: Methods | None = None
    parameters: tuple[str, ...] = ()
    forward: tuple[tuple[Argument, str], ...] = ()
    backward: tuple[tuple[Argument, str], ...] | None = None
    said: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """Both methods with their arguments and roles."""
        assert self.methods is not None
        parts = []
        for method, roles in ((self.methods.forward, self.forward), (self.methods.backward, self.backward)):
            if method is not None and roles is not None:
                parts.append(f"{method.name}({', '.join(_argument_words(a, r) for a, r in roles)})")
        return ", ".join(parts)

    @property
    def passed(self) -> list[str]:
        """The names of the arrays that its methods get, in order."""
        return [a.name for a, role in (*self.forward, *(self.backward or ())) if role not in NO_TENSOR]


def _argument_words(argument: Argument, role: str) -> str:
    if role in NO_TENSOR or argument.name == role:
        return argument.name
    return f"{argument.name} = {role}"


def object_readings(
    methods: Methods, problem: Problem, given: Mapping[str, str], *, elementwise: bool = False, said: Sequence[str] = ()
) -> list[ObjectReading]:
    """Ways to read the signatures of its two methods, the likeliest first.

    given: argument -> role, by the caller. elementwise: of single numbers, so that `gradient(x)` may be the derivative
    without the gradient from above. said: words in the text of the class.
    """
    inputs = [n for n in problem.given if n in problem.recipe.examples or problem.total]
    if problem.origin.written:
        inputs = [n for n in problem.given if n not in problem.origin.parameters]
    parameters = tuple(n for n in problem.wrt if n not in inputs)
    if not _can_say(methods, problem):
        return []
    held = tuple((Leaf(n, n), n) for n in parameters)
    settings = tuple(
        (Leaf(a.name, a.name, default=a.default), role) for a in methods.build or () for role in _settings(a, problem)
    )
    names = known_names(problem)
    found = []
    above = [] if problem.total else [*problem.upstreams]
    local = [((a, role),) for a in _taken_of(methods.backward) if elementwise for role in ("o", problem.of)]
    free = [*above, *inputs, *problem.results]
    usual = _read(methods.backward, free, names, given, above, total=problem.total)
    ways = [*((backward, True) for backward in local), *((backward, False) for backward in usual)]
    further = {n for name in inputs for n in names.get(name, ())} if problem.origin.written else set()
    for forward in _read(methods.forward, inputs, names, given, further=further):
        for backward, is_local in ways:
            both = [*(forward or ()), *(backward or ())]
            roles = dict.fromkeys((Leaf(a.name, a.name), r) for a, r in both if r in problem.arrays or r == problem.of)
            own = (*roles, *held, *settings)
            found.append(
                ObjectReading(own, False, methods, parameters, forward or (), backward, tuple(said), local=is_local)
            )
    if loss_of_logits(problem) is not None:
        found += _of_probabilities(found)
    return found[:UNKNOWN]


def _can_say(methods: Methods, problem: Problem) -> bool:
    """Whether an argument of a method or of the constructor is each number, as a penalty is, and none is too many."""
    own = [m.arguments for m in (methods.forward, methods.backward) if m is not None]
    said = {plain(a.name) for arguments in (*own, methods.build or ()) for a in arguments}
    numbers = ({plain(n), *problem.origin.names.get(n, ())} for n in problem.origin.numbers)
    return not said & {*problem.origin.absent} and all(said & names for names in numbers)


def _of_probabilities(found: Sequence[ObjectReading]) -> list[ObjectReading]:
    """The same with what the sigmoid or softmax gave: for both methods, or for the backward one alone."""

    def told(roles: Sequence[tuple[Argument, str]]) -> tuple[tuple[Argument, str], ...]:
        return tuple((a, "p" if r == "y" else r) for a, r in roles)

    more = []
    for reading in found:
        backward = None if reading.backward is None else told(reading.backward)
        if backward != reading.backward:
            more.append(replace(reading, backward=backward))
        more.append(replace(reading, forward=told(reading.forward), backward=backward))
    return [r for r in dict.fromkeys(more) if r not in found]


def _taken_of(method: Method | None) -> list[Argument]:
    """The argument of `gradient(x)`, where its name does not say that it is the gradient from above."""
    if method is None or plain(method.name) not in LOCAL:
        return []
    required = [a for a in method.arguments if a.required]
    return required if len(required) == 1 and plain(required[0].name) not in UPSTREAM else []


def _settings(argument: Argument, problem: Problem) -> list[str]:
    """The layer's settings that an argument of the constructor can say."""
    name = plain(argument.name)
    slope = "alpha" if hasattr(problem.origin.layer, "alpha") else SETTING_OF["slope"]
    own = SETTING_OF | {"slope": slope}
    return [setting for meaning, setting in own.items() if name in MEANINGS[meaning].split()]


def _read(
    method: Method | None,
    free: Sequence[str],
    names: Mapping[str, Sequence[str]],
    given: Mapping[str, str],
    above: Sequence[str] = (),
    further: Collection[str] = (),
    total: bool = False,
) -> Iterator[Any]:
    """Roles of the arguments of one method; None where there is no method. further: of arguments with a default. total:
    it is the backward method of a loss, on which the gradient from above is 1.
    """
    if method is None:
        yield None
        return
    fixed: dict[str, str] = {}
    arrays: list[Argument] = []
    for argument in method.arguments:
        name = plain(argument.name)
        if argument.name in given:
            fixed[argument.name] = given[argument.name]
        elif name in RATES:
            fixed[argument.name] = "rate"
        elif name in TRAINING or (isinstance(argument.default, bool) and name.startswith(KEEPS)):
            fixed[argument.name] = "flag"
        elif argument.required and total and name in FROM_ABOVE:
            fixed[argument.name] = "one"
        elif argument.required and name in ("cache", "ctx", "saved", "memory"):
            fixed[argument.name] = "cache"
        elif (
            argument.required
            or name in further
            or (above and not arrays and argument.default is None and name in UPSTREAM)
        ):
            arrays.append(argument)
    if len(arrays) == 1 and (above or len(free) == 1):
        fixed[arrays[0].name] = (above or free)[0]
    else:
        fixed |= _named(arrays, {n: others for n, others in names.items() if n in free})
    rest = [a for a in arrays if a.name not in fixed]
    unused = [n for n in free if n not in fixed.values()]
    for choice in permutations(unused, len(rest)):
        roles = {**fixed, **{a.name: r for a, r in zip(rest, choice, strict=True)}}
        yield tuple((a, roles[a.name]) for a in method.arguments if a.name in roles)


def _named(arrays: Sequence[Argument], names: Mapping[str, Sequence[str]]) -> dict[str, str]:
    result: dict[str, str] = {}
    for role, others in names.items():
        for other in others:
            match = next((a for a in arrays if plain(a.name) == other and a.name not in result), None)
            if match is not None:
                result[match.name] = role
                break
    return result


@dataclass(frozen=True)
class ObjectCall:
    """How an object of a class is made and used with a problem's inputs.

    tensor: a tensor's array, as the person lays it out. settings: of the layer. look: only build one, and tell which
    arrays it holds. before: what the same object goes through first, "the same" or "other numbers". activation: of the
    layer, where it has one.
    """

    reading: ObjectReading
    problem: Problem
    tensor: Callable[[str], AnyArray]
    settings: Mapping[str, Any]
    before: str = ""
    activation: str = ""
    look: bool = False

    def plan(self, tree: Callable[[Any], Any]) -> dict[str, Any]:
        """For the worker. `tree`: how a value is written."""
        problem, methods = self.problem, self.reading.methods
        assert methods is not None
        names = known_names(problem)
        inputs = [n for n in problem.wrt if n not in self.reading.parameters]
        of, known_slope = problem.of, _has_slope(self.settings)
        return {  # arrays are numbered in this order: first those whose change is told
            **self._methods(methods, tree),
            "look": self.look,
            "before": [self._methods(methods, tree, self.before == "other numbers")] if self.before else [],
            "rate": RATE,
            "rate_names": [
                n for n in RATES if self.reading.parameters and not (known_slope and n in MEANINGS["slope"].split())
            ],
            "rated": any(role == "rate" for _, role in (*self.reading.forward, *(self.reading.backward or ()))),
            "build": self._build(tree),
            "parameters": [
                {"role": n, "value": tree(self.tensor(n)), "names": [plain(n), *names.get(n, ())]}
                for n in self.reading.parameters
            ],
            "input_shapes": [list(shape) for shape in self._meanings()["image"][:2]],
            "result": of,
            "result_names": [*RESULT, *("outputs", "activations", "o", "h", "pred", "yhat")],
            "result_shape": [] if problem.total else list(self.tensor(of).shape),
            "input_gradient": f"d{inputs[0]}" if inputs else "",
            "gradients": {
                f"d{n}": {
                    "names": [plain(n), *names.get(n, ()), *(INPUT if n in inputs else ())],
                    "shape": list(self.tensor(n).shape),
                }
                for n in problem.wrt
            },
        }

    def _methods(self, methods: Methods, tree: Callable[[Any], Any], others: bool = False) -> dict[str, Any]:
        """Both calls; `others`: with the numbers of each tensor in another order."""
        return {
            "forward": self._method(methods.forward, self.reading.forward, tree, others),
            "backward": self._method(methods.backward, self.reading.backward, tree, others),
        }

    def _method(
        self,
        method: Method | None,
        roles: Sequence[tuple[Argument, str]] | None,
        tree: Callable[[Any], Any],
        others: bool,
    ) -> Any:
        if method is None or roles is None:
            return None
        positional: list[Any] = []
        named: dict[str, Any] = {}
        for argument, role in roles:
            value = {"cache": True} if role == "cache" else tree(self._value(role, others))
            if argument.keyword or named or not argument.required:
                named[argument.name] = value
            else:
                positional.append(value)
        return {"name": method.name, "positional": positional, "named": named}

    def _value(self, role: str, others: bool) -> Any:
        if role == "rate":
            return RATE
        if role == "flag":
            return True
        if role == "one":
            return 1.0
        return np.flip(self.tensor(role)).copy() if others else self.tensor(role)

    def _build(self, tree: Callable[[Any], Any]) -> list[dict[str, Any]] | None:
        assert self.reading.methods is not None
        if self.reading.methods.build is None:
            return None
        known = self._meanings()
        built = []
        for argument in self.reading.methods.build:
            values = self._values(argument, known)
            if values or argument.required or self._must_be_told(argument):
                told = [{"optimizer": True} if v is OPTIMIZER else tree(v) for v in values]
                built.append({"name": argument.name, "values": told})
        return built

    def _must_be_told(self, argument: Argument) -> bool:
        """Whether a padding can't be left as it is: a word, where the layer has numbers."""
        return isinstance(argument.default, str) and plain(argument.name) in MEANINGS["padding"].split()

    def _values(self, argument: Argument, known: Mapping[str, list[Any]]) -> list[Any]:
        """What it may be; nothing for one that keeps its default."""
        name = plain(argument.name)
        values: list[Any] = []
        if type(argument.default) is int and argument.default < 0:
            return []  # an axis, counted from the last one
        for meaning, names in MEANINGS.items():
            if name in names.split() and not self._means_another(name, meaning, known):
                inserted = meaning == "dilation" and argument.default == 0
                values += [v - 1 for v in known["dilation"][:1]] if inserted else known.get(meaning, [])
        origin = self.problem.origin
        for role in (*origin.parameters, *origin.numbers):
            if name in (plain(role), *origin.names.get(role, ())):
                own = self.tensor(role)
                values.insert(0, own if np.ndim(own) else float(own))
        arrays = {"w": KERNEL, "b": BIAS, "gamma": ["gamma", "g", "scale"], "beta": ["beta", "shift"]}
        for role in self.reading.parameters:
            if name in arrays.get(role, []) and not isinstance(argument.default, bool):
                values.append(self.tensor(role))
        if not argument.required:
            values = [v for v in values if v is not OPTIMIZER and _like(v, argument.default)]
            if isinstance(argument.default, str) and argument.default.isupper():
                values = [v.upper() for v in values]
        elif not values:
            values = list(dict.fromkeys(known["any"]))
        return values

    def _means_another(self, name: str, meaning: str, known: Mapping[str, list[Any]]) -> bool:
        """Whether the layer has something else that this name stands for: alpha a slope, the size of a pooling."""
        if meaning == "rate":
            return bool(known["slope"]) and name in MEANINGS["slope"].split()
        return meaning in ("in", "out") and "pool_size" in self.settings and name in MEANINGS["kernel"].split()

    def _meanings(self) -> dict[str, list[Any]]:
        """Each meaning with the values that it may have here."""
        own, problem = self.settings, self.problem
        input_name = next((n for n in problem.wrt if n not in self.reading.parameters), problem.wrt[0])
        labels = problem.labels.get(input_name, ())
        sizes = dict(zip(labels, problem.arrays[input_name].shape, strict=True))
        results = problem.labels.get(problem.of, ())
        if "w" in problem.arrays:
            sizes |= dict(zip(problem.labels["w"], problem.arrays["w"].shape, strict=True))
        image = [sizes[n] for n in labels if n in problem.origin.space and n in sizes and n not in ("m", "n", "r")]
        channels = prod(sizes[n] for n in labels if n in ("g", "c", "k", "f"))
        laid = self.tensor(input_name).shape
        without = laid[1:] if labels[:1] == ("batch",) and laid[0] == sizes["batch"] else laid
        known: dict[str, list[Any]] = {
            "in": [channels],
            "image": [without, laid, *([tuple(image)] if image else []), *image[:1]],
            "batch": [sizes.get("batch", 1)],
            "rate": [RATE] if self.reading.parameters else [],
            "flag": [True],
            "bias": [own.get("bias") is not None or "b" in problem.wrt],
            "activation": [self.activation] if self.activation else [None, "linear", "identity", "none"],
            "name": ["layer"],
            "optimizer": [OPTIMIZER],
        }
        if "w" in problem.arrays and not problem.total:
            known["out"] = [prod(sizes.get(n, 1) for n in results if n in ("g", "k", "q"))]
        if problem.origin.written:
            own_sizes = dict.fromkeys(s for n in self.reading.parameters for s in problem.arrays[n].shape)
            known |= {"in": [*own_sizes], "out": [*own_sizes]}
        for key, meaning in (("kernel_size", "kernel"), ("pool_size", "kernel"), ("strides", "strides")):
            if own.get(key) is not None:
                known[meaning] = _spread(own[key])
        for key in ("padding", "dilation"):
            if key in own:
                known[key] = _spread(own[key])
        if "kernel" in known:
            whole = [v for v in known["kernel"] if isinstance(v, tuple)]
            if whole:
                known["kernel_h"], known["kernel_w"] = [whole[0][0]], [whole[0][-1]]
            if "w" in self.reading.parameters:
                known["kernel"] = [*known["kernel"], tuple(self.tensor("w").shape)]
        if "padding" in known and not np.any(own["padding"]):
            known["padding"].append("valid")
        if getattr(problem.origin.layer, "padding", None) == "same":
            known["padding"].append("same")
        known |= {m: [own[k]] for k, m in (("groups", "groups"), ("epsilon", "epsilon")) if k in own}
        known["slope"] = [own[k] for k in ("alpha", "negative_slope") if k in own]
        if len(image) == 2:
            known["height"], known["width"] = [image[0]], [image[1]]
        if "pool_size" in own:
            known["pooling"] = pooling_words(problem.pooling, None, self.reading.said)
        known["any"] = [*known.get("out", []), *known["in"], *known.get("kernel", [])]
        return known


def _has_slope(settings: Mapping[str, Any]) -> bool:
    """Whether alpha is a number of the layer, and no learning rate."""
    return bool({"alpha", "negative_slope"} & {*settings})


def _spread(value: Any) -> list[Any]:
    """One number for all axes where they are alike, and one for each."""
    if not isinstance(value, tuple):
        return [value, (value, value)]
    alike = all(v == value[0] for v in value) and not isinstance(value[0], tuple)
    return [value[0], value] if alike else [value]


def _like(value: Any, default: Any) -> bool:
    """Whether an argument with this default may be this."""
    if isinstance(default, bool) or isinstance(value, bool):
        return isinstance(default, bool) and isinstance(value, bool)
    if isinstance(default, str):
        return isinstance(value, str)
    if isinstance(default, tuple):
        return isinstance(value, tuple) and len(value) == len(default)
    if isinstance(default, (int, float)):
        return isinstance(value, (int, float, tuple))
    return not isinstance(value, (str, type(None)))
