"""A network at a glance: its layers, what they return, how many numbers they learn, and their equations."""

from __future__ import annotations

import io
from html import escape
from math import prod
from typing import TYPE_CHECKING

from convgrad.network.plain import PlainNetwork
from convgrad.network.plan import PlacedLayer

if TYPE_CHECKING:
    from rich.console import RenderableType


class Summary:
    """Shows a network as a table, wherever it is printed: `print(network.summary())`, a rich console, a notebook."""

    def __init__(self, network: PlainNetwork):
        self.network = network

    def __rich__(self) -> RenderableType:
        from rich import box  # only what is printed as a table needs it
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, title=Text(self.network.name or "Network"), title_justify="left")
        branches = not self._is_chain()
        table.add_column("layer", overflow="fold")
        if branches:
            table.add_column("reads", overflow="fold")
        table.add_column("output", no_wrap=True)
        table.add_column("parameters", justify="right", no_wrap=True)
        table.add_column("equation", overflow="fold", ratio=1)
        table.add_row("input", *([""] if branches else []), _shape(self.network.input_shape), "", "")
        for placed in self.network.layers:
            reads = [", ".join(placed.sources)] if branches else []
            row = (_shape(placed.built.output_shape), f"{_count(placed):,}", Text(str(placed.built.equation)))
            table.add_row(placed.name, *reads, *row)
        table.caption = f"{self.network.parameter_count:,} parameters, {self.network.dtype}"
        table.caption_justify = "left"
        return table

    def _is_chain(self) -> bool:
        names = ["input", *(placed.name for placed in self.network.layers)]
        return all(placed.sources == (names[place],) for place, placed in enumerate(self.network.layers))

    def text(self, width: int = 80) -> str:
        """The table in plain characters, `width` columns at the most."""
        from rich.console import Console

        page = io.StringIO()
        Console(file=page, width=width, color_system=None, force_terminal=False).print(self)
        return "\n".join(line.rstrip() for line in page.getvalue().splitlines())

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return self.text()


def network_html(network: PlainNetwork) -> str:
    """The table for a notebook."""
    left = "style='text-align:left'"
    head = "".join(f"<th {left}>{title}</th>" for title in ("layer", "reads", "output", "parameters", "equation"))
    rows = "".join(
        f"<tr><td {left}>{placed.name}</td><td {left}>{', '.join(placed.sources)}</td>"
        f"<td {left}>{_shape(placed.built.output_shape)}</td><td>{_count(placed):,}</td>"
        f"<td {left}><code>{escape(str(placed.built.equation))}</code></td></tr>"
        for placed in network.layers
    )
    caption = f"{escape(network.name or 'Network')}: {network.parameter_count:,} parameters, {network.dtype}"
    return f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _count(placed: PlacedLayer) -> int:
    return sum(prod(parameter.shape) for parameter in placed.built.parameters.values())
