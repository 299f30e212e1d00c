"""A network at a glance: its layers, what they return, how many numbers they learn, and their equations."""

from __future__ import annotations

import io
import textwrap
from html import escape
from math import prod
from typing import TYPE_CHECKING

from convgrad.network.placed import PlacedLayer
from convgrad.network.plain import PlainNetwork

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

NARROW = 72
"""Columns from which on a table has one for equations."""


class Summary:
    """Shows a network as a table, wherever it is printed: `print(network.summary())`, a rich console, a notebook."""

    def __init__(self, network: PlainNetwork):
        self.network = network

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._table() if options.max_width >= NARROW else self._narrow(options.max_width)

    def _narrow(self, width: int) -> RenderableType:
        """The equations below their layers, where columns of equations would be too narrow to be read."""
        from rich.text import Text

        layers: list[tuple[str, list[str], str, str, str]] = [
            (name, [], _shape(shape), "", "") for name, shape in self.network.ends.input_tensors.items()
        ]
        for placed in self.network.layers:
            reads = [] if self._is_chain() else list(placed.sources)
            shape, equation = _shape(placed.built.output_shape), str(placed.built.equation)
            layers.append((placed.name, reads, shape, _count(placed), equation))
        wide, sizes, counts = (max(len(layer[n]) for layer in layers) for n in (0, 2, 3))
        lines = [Text(self.network.name or "Network", style="italic"), Text()]
        for layer in layers:
            row = Text(f"{layer[0]:{wide}}  {layer[2]:{sizes}}  {layer[3]:>{counts}}".rstrip())
            row.stylize("bold", 0, len(layer[0]))
            below = [f"reads {', '.join(layer[1])}"] if layer[1] else []
            below += layer[4].split("\n") if layer[4] else []
            lines.append(row)
            for text in below:
                lines += map(Text, textwrap.wrap(text, width, initial_indent="    ", subsequent_indent="        "))
        return Text("\n").join([*lines, Text(), Text(self._caption, style="dim italic")])

    @property
    def _caption(self) -> str:
        return _caption(self.network)

    def _table(self) -> RenderableType:
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
        for name, shape in self.network.ends.input_tensors.items():
            table.add_row(name, *([""] if branches else []), _shape(shape), "", "")
        for placed in self.network.layers:
            reads = [", ".join(placed.sources)] if branches else []
            row = (_shape(placed.built.output_shape), _count(placed), Text(str(placed.built.equation)))
            table.add_row(placed.name, *reads, *row)
        table.caption = self._caption
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
        f"<td {left}>{_shape(placed.built.output_shape)}</td><td>{_count(placed)}</td>"
        f"<td {left}><code>{escape(str(placed.built.equation))}</code></td></tr>"
        for placed in network.layers
    )
    caption = f"{escape(network.name or 'Network')}: {escape(_caption(network))}"
    return f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _shape(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _caption(network: PlainNetwork) -> str:
    """How many parameters there are, and what the outputs are called, where there are several."""
    ends = [name if name == layer else f"{name} (of {layer})" for name, layer in network.ends.outputs.items() if name]
    outputs = f", outputs {', '.join(ends)}" if ends else ""
    return f"{network.parameter_count:,} parameters, {network.dtype}{outputs}"


def _count(placed: PlacedLayer) -> str:
    """How many numbers the layer learns; whose they are, where a layer before has them, too."""
    if placed.before:
        return f"of {placed.shared}"
    return f"{sum(prod(parameter.shape) for parameter in placed.built.parameters.values()):,}"
