"""A training that ends without warning, to be resumed."""

from __future__ import annotations

from convgrad.training import Callback, Training


class Killed(Exception):
    """What a test raises in place of a signal that nobody can catch."""


class Killer(Callback):
    """Ends a training without warning after so many batches."""

    def __init__(self, after: int):
        self.left = after

    def on_batch_end(self, training: Training) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed
