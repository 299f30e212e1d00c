"""Which group a training is done by."""

from __future__ import annotations

from convgrad.arguments import shown
from convgrad.errors import TrainingError
from convgrad.parallel.group import Alone, Group

DEFAULT_SHARDS = 8
KINDS = ("mpi",)


def group_from(parallel: str | None) -> Group:
    """The group that `fit(parallel=...)` means. Raises: TrainingError where there is none."""
    if parallel is None:
        return Alone()
    if parallel not in KINDS:
        raise TrainingError(f"parallel is {' or '.join(map(repr, KINDS))} or None, not {shown(parallel)}.")
    from convgrad.parallel.mpi import world  # starts MPI, which only those want who ask for it

    return world()
