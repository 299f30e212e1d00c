"""Weights that were trained elsewhere, for a network of the same layers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.arguments import FLAG, NEW_NAMES, PAIR, PATH, an, optional, real_array, shown, takes
from convgrad.errors import DataError, suggestion
from convgrad.models.keras_file import read_keras
from convgrad.models.keras_order import KERAS_EPSILON, converted_from_keras
from convgrad.models.torch_order import PARTS, Array, Flattened, converted, said_elsewhere
from convgrad.network.placed import PlacedLayer
from convgrad.network.plain import PlainNetwork
from convgrad.training.checkpoint import read_tensors

Modules = dict[str, dict[str, Array]]
Pairs = dict[str, str]
COUNTERS = ("num_batches_tracked",)
"""Tensors of modules that no result depends on."""


@dataclass(frozen=True)
class Transfer:
    """What came of it. Printing it shows it.

    taken: layer's name -> module's name there. left: layers with weights of their own that none were found for.
    unused: modules that no layer took. notes: what the weights don't say, and results depend on.
    difference: the largest difference from the results that were given to compare with; None without them.
    """

    taken: dict[str, str] = field(default_factory=dict)
    left: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    difference: float | None = None

    def __str__(self) -> str:
        width = max(map(len, self.taken), default=0)
        lines = [f"{ours:{width}}  from {theirs}" for ours, theirs in self.taken.items()]
        lines += [f"{ours} keeps its own weights" for ours in self.left]
        lines += [f"{theirs} is not used" for theirs in self.unused]
        lines += list(self.notes)
        if self.difference is not None:
            lines.append(f"Largest difference of results: {self.difference:.3g}")
        return "\n".join(lines)


@takes(
    DataError,
    network=an(PlainNetwork, "a Network"),
    names=optional(NEW_NAMES),
    partial=FLAG,
    results=optional(PAIR),
)
def from_torch(
    weights: Any,
    network: PlainNetwork,
    *,
    names: Mapping[str, str] | None = None,
    partial: bool = False,
    results: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
) -> Transfer:
    """Give a network the weights of a PyTorch model of the same layers.

    w[m,n,c,k] here is weight[k,c,m,n] there, a dense w[c,k] weight[k,c]; where a dense layer reads an image in a row,
    its rows are put from PyTorch's order (c, i, j) into ours (i, j, c).

    Args:
        weights: a state dict, names to tensors or arrays; or the path of a .safetensors file of one.
        network: whose layers with weights are in the order of the model's modules, or have their names. Where the order
            does not fit, as in a file, which keeps none, the first module of fitting shapes is taken, and that is told.
        names: module's name there -> layer's name here, for those that stand in another order.
        partial: take what fits, and leave the others as they are. Without it everything has to fit.
        results: (x, y) to compare with: inputs (N, *input_shape), and what the model returns for them in evaluation
            mode, (N, *output_shape), images with their channels last.

    Returns: what was taken from where.

    Raises:
        DataError: no state dict; what does not fit, by name; or results that differ by more than rounding explains
            (then the network has its old weights again).

    Example:
        >>> from convgrad import Network
        >>> from convgrad.layers import Conv2D, Flatten, Dense
        >>> network = Network(Conv2D(2, 3), Flatten(), Dense(5), input_shape=(4, 6, 1))
        >>> state = {
        ...     "features.0.weight": np.ones((2, 1, 3, 3)), "features.0.bias": np.zeros(2),
        ...     "head.weight": np.ones((5, 16)), "head.bias": np.zeros(5),
        ... }
        >>> print(from_torch(state, network))
        conv1   from features.0
        dense1  from head
    """
    modules = _modules(_state(weights))
    flattened = Flattened(network)
    return _transferred(
        Source(
            "from_torch",
            "state dict",
            modules,
            lambda placed, theirs: converted(placed, modules[theirs], flattened),
            lambda placed, _: said_elsewhere(placed),
        ),
        network,
        names or {},
        partial,
        results,
    )


@takes(
    DataError,
    path=PATH,
    network=an(PlainNetwork, "a Network"),
    names=optional(NEW_NAMES),
    partial=FLAG,
    results=optional(PAIR),
)
def from_keras(
    path: str | PathLike[str],
    network: PlainNetwork,
    *,
    names: Mapping[str, str] | None = None,
    partial: bool = False,
    results: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
) -> Transfer:
    """Give a network the weights of a Keras model of the same layers, from a file of it.

    w[m,n,c,k] here is kernel[m,n,c,k] there, a depthwise w[m,n,c*Q+q] depthwise_kernel[m,n,c,q], and a dense w[c,k]
    kernel[c,k]; all other arrays are the same. Needs h5py (`pip install 'convgrad[keras]'`), and no Keras.

    Args:
        path: of a .keras file, or of .weights.h5 or .h5, as `model.save` and `model.save_weights` of Keras 2 and 3
            write them. No code in it is run. A .weights.h5 of Keras 3 keeps no order of its layers.
        network, names, partial, results: as `from_torch` takes them; names are those of layers there.

    Returns: what was taken from where.

    Raises:
        DataError: a file of something else, h5py is missing, and all that `from_torch` raises.
    """
    found = read_keras(Path(path))

    def note(placed: PlacedLayer, theirs: str) -> str:
        own = getattr(placed.layer, "epsilon", None)
        if own is None or "gamma" not in placed.built.parameters:
            return ""
        said = found.epsilons.get(theirs, KERAS_EPSILON)
        kept = "has" if theirs in found.epsilons else "has, where it was not given,"
        return "" if own == said else f"{placed.name} has epsilon={own:g}, but `{theirs}` {kept} {said:g}."

    return _transferred(
        Source(
            "from_keras",
            "file",
            found.layers,
            lambda placed, theirs: converted_from_keras(placed, found.layers[theirs]),
            note,
            found.ordered,
        ),
        network,
        names or {},
        partial,
        results,
    )


@dataclass(frozen=True)
class Source:
    """Where weights come from, whose modules `_transferred` matches with layers.

    call, kind: what messages call the function, and what it was given. convert: from a layer and a module's name to the
    layer's tensors, or why they can't be these. note: what the weights don't say. ordered: whether the modules' order
    means anything.
    """

    call: str
    kind: str
    modules: Mapping[str, Any]
    convert: Callable[[PlacedLayer, str], dict[str, Array] | str]
    note: Callable[[PlacedLayer, str], str]
    ordered: bool = True


def _transferred(
    source: Source,
    network: PlainNetwork,
    names: Mapping[str, str],
    partial: bool,
    results: tuple[npt.ArrayLike, npt.ArrayLike] | None,
) -> Transfer:
    modules = source.modules
    if results is not None:
        network.ends.check_one_output()
    by_name = {placed.name: placed for placed in network.layers if placed.own_parameters or placed.own_state}
    pairs, guessed = _pairs(source, by_name, names, partial)
    before = network.get_weights() if network.initialized else None
    if before is None:
        network.initialize()
    found = network.get_weights()
    for ours, theirs in pairs.items():
        arrays = source.convert(by_name[ours], theirs)
        if isinstance(arrays, str):
            raise DataError(f"{source.call}: `{theirs}` does not fit `{ours}`: {arrays}.{_REMEDY}")
        found |= {by_name[ours].tensor(key): array for key, array in arrays.items()}
    network.set_weights(found)
    notes = tuple(note for ours, theirs in pairs.items() if (note := source.note(by_name[ours], theirs)))
    difference = None
    if results is not None:
        difference = _difference(source.call, network, *results)
        if difference > _rounding(network, results[1]):
            if before is not None:
                network.set_weights(before)
            raise DataError(
                f"{source.call}: with these weights the results differ from the given ones by up to {difference:.3g}, "
                f"more than rounding explains. {' '.join(notes) or 'Is a layer another one there?'}"
            )
    return Transfer(
        taken=pairs,
        left=tuple(name for name in by_name if name not in pairs),
        unused=tuple(theirs for theirs in modules if theirs not in pairs.values()),
        notes=() if results is not None else (*([GUESSED] if guessed else []), *notes),
        difference=difference,
    )


GUESSED = "Modules were found by their shapes; give results=(x, y) to be sure that none is another's."
_REMEDY = " Say which belongs to which with names={'module there': 'layer here'}, or take what fits with partial=True."


def _state(weights: Any) -> Mapping[str, Any]:
    if isinstance(weights, (str, PathLike)):
        path = Path(weights)
        if path.suffix != ".safetensors":
            raise DataError(
                f"from_torch: {path} is no .safetensors file. Files of pickles are not opened here: load it with "
                "torch.load(path, weights_only=True), and give the state dict."
            )
        # The file keeps no order, so that of the numbers in the names has to do.
        return dict(sorted(read_tensors(path).items(), key=lambda entry: _natural(entry[0])))
    if not isinstance(weights, Mapping) and callable(getattr(weights, "state_dict", None)):
        weights = weights.state_dict()
    if isinstance(weights, Mapping) and isinstance(weights.get("state_dict"), Mapping):
        weights = weights["state_dict"]
    if not isinstance(weights, Mapping) or not weights or not all(isinstance(name, str) for name in weights):
        raise DataError(f"from_torch: weights must be a state dict, names to tensors, not {shown(weights)}.")
    return weights


def _natural(name: str) -> list[tuple[int, str]]:
    """What names are sorted by, `conv2` before `conv10`."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _modules(state: Mapping[str, Any]) -> Modules:
    """Module's name -> its tensors by their last names, in the order of the state dict."""
    modules: Modules = {}
    for name, value in state.items():
        module, _, part = name.rpartition(".")
        if part in COUNTERS:
            continue
        if part not in PARTS:
            raise DataError(
                f"from_torch: `{name}` is nothing that layers here have; known are {', '.join(PARTS)}. Leave it out of "
                "the state dict, if it does not matter."
            )
        modules.setdefault(module, {})[part] = _array(name, value)
    return modules


def _array(name: str, value: Any) -> Array:
    if callable(getattr(value, "detach", None)):
        value = value.detach().cpu().double().numpy()  # NumPy has no bfloat16
    array = real_array("from_torch", name, value, DataError)
    if not np.isfinite(array).all():
        raise DataError(f"from_torch: `{name}` holds NaN or infinity.")
    return array


def _pairs(
    source: Source, by_name: Mapping[str, PlacedLayer], names: Mapping[str, str], partial: bool
) -> tuple[Pairs, bool]:
    """Layer's name -> module's name, and whether that was guessed: as said, else of the same names, else in order, else
    the first module whose shapes fit."""
    modules = source.modules
    for theirs, own in names.items():
        for name, known, whose in ((theirs, list(modules), source.kind), (own, list(by_name), "network")):
            if name not in known:
                raise DataError(f"{source.call}: names: the {whose} has no `{name}`.{suggestion(name, known)}")
    pairs = {own: theirs for theirs, own in names.items()}
    if len(pairs) < len(names):
        raise DataError(f"{source.call}: names give one layer two modules. Each layer has one.")
    theirs_left = [theirs for theirs in modules if theirs not in names]
    ours_left = [own for own in by_name if own not in pairs]
    if set(theirs_left) == set(ours_left):
        return pairs | {name: name for name in ours_left}, False

    def fits(own: str, theirs: str) -> bool:
        return not isinstance(source.convert(by_name[own], theirs), str)

    if not partial and len(theirs_left) != len(ours_left):
        raise DataError(
            f"{source.call}: the network has {len(ours_left)} layers with weights ({_listed(ours_left)}), and the "
            f"{source.kind} {len(theirs_left)} modules ({_listed(theirs_left)}).{_REMEDY}"
        )
    in_order = dict(zip(ours_left, theirs_left, strict=False))
    if source.ordered and len(theirs_left) == len(ours_left) and all(fits(*pair) for pair in in_order.items()):
        return pairs | in_order, False
    by_shapes: Pairs = {}
    for own in ours_left:
        found = next((theirs for theirs in theirs_left if theirs not in by_shapes.values() and fits(own, theirs)), None)
        if found is not None:
            by_shapes[own] = found
    # Where that leaves some, what comes first in order is told, and why it does not fit.
    return pairs | (by_shapes if partial or len(by_shapes) == len(ours_left) else in_order), True


def _listed(names: list[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")


def _difference(call: str, network: PlainNetwork, x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    own = network.predict(x)
    theirs = real_array(call, "results", y, DataError)
    if theirs.shape != own.shape:
        raise DataError(f"{call}: results have shape {theirs.shape}, but the network's {own.shape}.")
    return float(np.abs(own.astype(np.float64) - theirs).max(initial=0.0))


def _rounding(network: PlainNetwork, y: npt.ArrayLike) -> float:
    """What two orders of the same sums may differ by at most: each rounds to half a unit, and there are as many as
    numbers go into a result."""
    given = np.asarray(y)
    largest = max(1.0, float(np.abs(given.astype(np.float64)).max(initial=0.0)))
    numbers = max((array.size for array in network.parameters.values()), default=1)
    kinds = (network.dtype, given.dtype if given.dtype.kind == "f" else "float64")  # the less exact one decides
    eps = max(float(np.finfo(kind).eps) for kind in kinds)
    return float(eps * largest * np.sqrt(numbers) * len(network.layers))
