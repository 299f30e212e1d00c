"""Networks that were trained and saved."""

from __future__ import annotations

from os import PathLike

from convgrad.arguments import PATH, takes
from convgrad.errors import DataError
from convgrad.models.network import Network
from convgrad.training.checkpoint import read


@takes(DataError, folder=PATH)
def load(folder: str | PathLike[str]) -> Network:
    """The network that `save` wrote to `folder`.

    Raises:
        DataError: a file is missing, cut off, or does not fit the other one.
    """
    return read(folder, Network)
