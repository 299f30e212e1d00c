"""Networks that were trained and saved."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from convgrad.arguments import PATH, one_of, takes
from convgrad.errors import DataError
from convgrad.models.network import Network
from convgrad.training.checkpoint import BEST_FILE, LAST_FILE, read, replace_weights


@takes(DataError, folder=PATH, weights=one_of("best", "last", None))
def load(folder: str | PathLike[str], weights: str | None = None) -> Network:
    """The network that `save` or `convgrad train` wrote to `folder`.

    Args:
        weights: of a run, "best" for those of the best epoch, "last" for those of the last one; by default those that
            it ended with, which are the best ones after early stopping, else the last ones.

    Raises:
        DataError: a file is missing, cut off, or does not fit the other one.
    """
    network = read(folder, Network)
    if weights is not None:
        replace_weights(network, Path(folder) / {"best": BEST_FILE, "last": LAST_FILE}[weights])
    return network
