"""What every subject of a check has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from convgrad.check.problems.families import Family
from convgrad.check.problems.problem import Problem
from convgrad.check.problems.sizes import USUAL, Sizes


@dataclass(frozen=True)
class Subject:
    """Base of what can be checked."""

    def described(self, sizes: Sizes) -> str:
        """What it is, for a report."""
        return str(self)

    def problem(self, sizes: Sizes = USUAL) -> Problem:
        """The equation with sizes and inputs."""
        raise NotImplementedError

    @property
    def family(self) -> Family | None:
        """What is known of its layouts."""
        return None

    @property
    def pools(self) -> bool:
        """Whether it takes the maximum or the mean of windows."""
        return self.family is not None and "pool_size" in self.family.defaults

    @property
    def images(self) -> Mapping[str, Mapping[str, str]]:
        """Layouts of tensors that have a batch, by name."""
        return {"": {}}

    @property
    def kernels(self) -> Mapping[str, Mapping[str, str]]:
        """Layouts of the others, by name."""
        return {"": {}}

    def settings(self, sizes: Sizes = USUAL) -> dict[str, Any]:
        """Arguments that a function may take beside arrays: strides, padding, ..."""
        return {}
