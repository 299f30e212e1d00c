"""What the passes hand on: definitions in running order, and what must be there when they are through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from convgrad.compute.contract import Request, root
from convgrad.notation.terms import Definition

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """Definitions in running order.

    Attributes:
        views: name -> tensor whose memory it is, row-major, in another shape.
        shapes: of all tensors and views.
        kept: defined tensors with arrays of their own, which keep their names and shapes.
        in_place: defined tensor -> input that it replaces in memory.
    """

    definitions: tuple[Definition, ...]
    views: Mapping[str, str]
    shapes: Mapping[str, Shape]
    kept: frozenset[str]
    in_place: Mapping[str, str]

    @classmethod
    def of(cls, request: Request) -> Plan:
        """What is asked, before any pass. Raises: EngineError where no order lets a tensor be computed in place."""
        kept = frozenset((*(root(name, request.views) for name in request.outputs), *request.in_place))
        return cls(request.in_order(), request.views, request.equation.shape_of, kept, request.in_place)
