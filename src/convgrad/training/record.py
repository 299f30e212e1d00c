"""What is saved with a network beside layers and weights: its loss, its past, and how its data were prepared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from convgrad.errors import ConvgradError, DataError
from convgrad.losses import Loss, loss_from
from convgrad.losses import registry as losses
from convgrad.network.losses import Losses, loss_for
from convgrad.network.past import Past
from convgrad.network.plain import PlainNetwork
from convgrad.network.preparation import Preparation

RECORDED = ("loss", "past", "data")
"""What training makes of a network, beside its weights."""


def record(network: PlainNetwork) -> dict[str, Any]:
    """The entries `loss`, `past` and `data` of config.json."""
    loss: Any = network.loss
    if isinstance(loss, Losses):
        entry = {"outputs": {name: _entry(one) for name, one in loss.of.items()}, "weights": dict(loss.weights)}
    else:
        entry = _entry(loss)
    shape = {} if network.ends.input_names else {"input_shape": list(network.input_shape)}
    data = {**shape, **network.preparation.to_config()}
    return {"loss": entry, "past": network.past.to_config(), "data": data}


def _entry(loss: str | Loss) -> dict[str, Any]:
    if isinstance(loss, str):
        return {"name": loss, "arguments": {}}
    known = next((name for name, kind in losses.items() if kind is type(loss)), None)
    return {"name": known or type(loss).__name__, "arguments": asdict(loss) if known else {}}


def _loss(entry: Mapping[str, Any]) -> str | Loss:
    """What `_entry` noted."""
    name, arguments = entry["name"], entry.get("arguments", {})
    if not isinstance(name, str):
        raise TypeError(f"a loss is called {name!r}")
    return losses[name](**arguments) if arguments else (loss_from(name) if name in losses else name)


def restore(network: PlainNetwork, config: Mapping[str, Any]) -> None:
    """Put what `record` noted back; folders of earlier versions have less, or nothing, of it.

    A loss of one's own is known by name only: `evaluate` has to be given it.

    Raises:
        DataError: an entry is not what `record` wrote.
    """
    try:
        entry = config.get("loss")
        if entry is None:  # written before losses were noted
            entry = {"name": _part(config, "training").get("loss", network.loss)}
        if "outputs" in entry:
            parts = {name: _loss(one) for name, one in entry["outputs"].items()}
            known = all(isinstance(one, Loss) for one in parts.values())
            network.loss = loss_for(network.ends.output_names, Losses(parts, entry["weights"])) if known else parts
        else:
            network.loss = _loss(entry)
        if "past" in config:
            network.past = Past.from_config(config["past"])
        data = config.get("data", {"class_names": _part(config, "dataset").get("class_names") or ()})
        network.preparation = Preparation.from_config(data)
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, ConvgradError) as error:
        raise DataError(f"config.json was changed or is damaged: {error}") from error


def _part(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = config.get(name, {})
    if not isinstance(found, Mapping):
        raise TypeError(f"`{name}` is {found!r}")
    return found
