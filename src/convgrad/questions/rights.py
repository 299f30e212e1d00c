"""What may happen where questions are answered."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rights:
    """runs_programs: whether a person's programs and functions are run."""

    runs_programs: bool = False
