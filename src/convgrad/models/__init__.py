"""Networks by name and from TOML files, each with how it is best trained."""

from __future__ import annotations

from pathlib import Path

from convgrad.arguments import COUNT, PATH, SHAPE, TEXT, Rule, optional, takes
from convgrad.errors import ModelError, suggestion
from convgrad.layers.base import Shape
from convgrad.models.model import Model
from convgrad.models.named import NAMED
from convgrad.models.network import Network
from convgrad.models.toml_file import read_model

__all__ = ["NAMED", "Model", "build", "load_model", "read_model"]


IMAGE = Rule("the shape of an image, such as (28, 28, 1)", lambda value: SHAPE.accepts(value) and len(value) > 0)


@takes(ModelError, name=TEXT, input_shape=IMAGE, classes=COUNT)
def build(name: str, input_shape: Shape, classes: int) -> Network:
    """The network of that name for images of `input_shape` and that many classes.

    >>> build("lenet", (28, 28, 1), 10).parameter_count
    431080

    Raises:
        ModelError: there is no network of that name, or the images are too small for it.
    """
    if name not in NAMED:
        raise ModelError(f"There is no model {name!r}.{suggestion(name, NAMED)}")
    return NAMED[name].make(tuple(input_shape), classes)


@takes(ModelError, source=PATH, input_shape=optional(IMAGE), classes=COUNT)
def load_model(source: str | Path, input_shape: Shape | None, classes: int) -> Model:
    """The model of a name, or of a file whose name ends in `.toml`.

    Args:
        input_shape: of one image; None for the one that the model is made for.

    Raises:
        ModelError: there is no such model or file, or it does not fit the images.
    """
    name = str(source)
    if name in NAMED:
        named = NAMED[name]
        network = build(name, input_shape or named.input_shape, classes)
        return Model(network, name, named.loss, named.optimizer, named.learning_rate, named.schedule)
    if Path(name).suffix.lower() == ".toml":
        return read_model(name, input_shape, classes)
    raise ModelError(f"There is no model {name!r}, and a model file ends in .toml.{suggestion(name, NAMED)}")
