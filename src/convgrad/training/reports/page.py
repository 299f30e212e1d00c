"""One page that sums a run up: for any browser, light and dark, without anything else to load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from convgrad.training.progress import figure_text
from convgrad.training.reports.confusion import shares

WIDTH, HEIGHT, EDGE = 420, 220, 44
MOST_CLASSES = 30
"""Classes that are shown as a table of counts; of more, those that are mixed up most are named."""
NAMED = 10
STYLE = """
:root{color-scheme:light dark;--text:#1c2430;--soft:#5b6675;--line:#d7dce3;--back:#fff;--first:#1f5fbf;--second:#b4530a}
@media(prefers-color-scheme:dark){:root{--text:#e6eaf0;--soft:#9aa5b5;--line:#38414e;--back:#14181f;--first:#7db1ff;
--second:#f0a35e}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--text);background:var(--back);max-width:60rem;margin:2rem auto;
padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}.soft{color:var(--soft)}.wide{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}td,th{padding:.2rem .6rem;text-align:right;
border-bottom:1px solid var(--line)}th{font-weight:600}td:first-child,th:first-child{text-align:left}
.counts td{border:1px solid var(--line)}figure{display:inline-block;margin:0 1rem 1rem 0}svg{max-width:100%;height:auto}
svg text{fill:var(--soft);font-size:12px}.axis{stroke:var(--line)}.first{stroke:var(--first)}
.second{stroke:var(--second);stroke-dasharray:5 3}.curve{fill:none;stroke-width:2}
code,pre{font-size:.9rem}pre{overflow-x:auto}
"""


def page(
    report: Mapping[str, Any],
    figures: Mapping[str, Sequence[float]],
    options: str,
    summary: str,
    counts: npt.NDArray[np.int64] | None,
    names: Sequence[str],
) -> bytes:
    """The page as UTF-8.

    Args:
        report: what the run gave. figures: of each epoch. options: the content of run.toml, empty for none.
        summary: the network's layers, as HTML. counts: the confusion matrix, None for none. names: of the classes.
    """
    title = f"{report['model']} on {report['dataset']}"
    parts = [f"<h1>{escape(title)}</h1>", f"<p>{escape(_headline(report))}</p>"]
    if report["interrupted"]:
        parts.append("<p><strong>It was interrupted.</strong></p>")
    parts.append(_table([(name, _text(value)) for name, value in _told(report)]))
    curves = [name for name in figures if not name.startswith("val_")]
    if report["epochs"]:
        parts.append("<h2>Curves</h2>")
        parts += [_curve(name, figures[name], figures.get(f"val_{name}", ())) for name in curves]
        parts.append("<h2>Epochs</h2>" + _epochs(figures))
    if counts is not None:
        parts.append("<h2>Which class was taken for which</h2>" + _confusion(counts, names))
    parts.append(f'<h2>Network</h2><div class="wide">{summary}</div>')
    if options:
        parts.append(f"<h2>Options</h2><pre>{escape(options)}</pre>")
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    body = "\n".join(parts)
    whole = (
        f'<!doctype html>\n<html lang="en"><head>{head}<style>{STYLE}</style></head>\n<body>\n{body}\n</body></html>\n'
    )
    return whole.encode("utf-8", "replace")


def _headline(report: Mapping[str, Any]) -> str:
    part, figures = last_figures(report)
    if not any(name == "loss" for name, _ in figures):
        return "Nothing was tested."
    told = ", ".join(f"{part} {name.replace('_', ' ')} {text}" for name, text in figures)
    return told[:1].upper() + told[1:]


def last_figures(report: Mapping[str, Any]) -> tuple[str, list[tuple[str, str]]]:
    """What a run ended with: the part that it was tested on, in words, and names and values of figures."""
    part, words = ("test", "test") if report["test_loss"] is not None else ("val", "validation")
    names = [name for name in report if name.startswith(f"{part}_") and isinstance(report[name], float)]
    plain = {name: name.removeprefix(f"{part}_") for name in names}
    return words, [(plain[name], figure_text(plain[name], report[name])) for name in names]


def _told(report: Mapping[str, Any]) -> list[tuple[str, Any]]:
    names = ("train_images", "validation_images", "test_images", "classes", "parameters", "epochs", "best_epoch")
    times = ("seconds", "compile_seconds", "images_per_second")
    return [(name.replace("_", " "), report[name]) for name in (*names, *times) if report.get(name) is not None]


def _text(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def _table(rows: Sequence[tuple[str, str]]) -> str:
    lines = (f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows)
    return f"<table>{''.join(lines)}</table>"


def _epochs(figures: Mapping[str, Sequence[float]]) -> str:
    names = list(figures)
    head = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in ("epoch", *names))
    rows = (
        f"<tr><td>{n}</td>" + "".join(f"<td>{figure_text(name, figures[name][n - 1])}</td>" for name in names) + "</tr>"
        for n in range(1, max(map(len, figures.values()), default=0) + 1)
        if all(len(figures[name]) >= n for name in names)
    )
    return f'<div class="wide"><table><tr>{head}</tr>{"".join(rows)}</table></div>'


def _curve(name: str, trained: Sequence[float], validated: Sequence[float]) -> str:
    """Two curves over the epochs, as a picture."""
    values = [value for value in (*trained, *validated) if isfinite(value)]
    if not values:
        return ""
    low, high = min(values), max(values)
    spread = (high - low) or 1.0
    count = max(len(trained), len(validated))

    def points(curve: Sequence[float]) -> str:
        return " ".join(
            f"{EDGE + (WIDTH - 2 * EDGE) * (n / max(count - 1, 1)):.1f},"
            f"{HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * (value - low) / spread:.1f}"
            for n, value in enumerate(curve)
            if isfinite(value)
        )

    plain, bottom = escape(name.replace("_", " ")), HEIGHT - EDGE
    lines = [f'<line class="axis" x1="{EDGE}" y1="{y}" x2="{WIDTH - EDGE}" y2="{y}"/>' for y in (EDGE, bottom)]
    for kind, curve in (("first", trained), ("second", validated)):
        if curve:
            dots = points(curve)
            lines.append(
                f'<polyline class="curve {kind}" stroke-linecap="round" points="{dots} {dots.split(" ")[-1]}"/>'
            )
    marks = [
        f'<text x="{EDGE}" y="{EDGE - 6}">{figure_text(name, high)}</text>',
        f'<text x="{EDGE}" y="{bottom + 16}">{figure_text(name, low)}</text>',
        f'<text x="{WIDTH - EDGE}" y="{bottom + 16}" text-anchor="end">epoch {count}</text>',
        f'<text x="{WIDTH / 2:.0f}" y="18" text-anchor="middle">{plain}: training'
        + (", validation dashed" if validated else "")
        + "</text>",
    ]
    told = f"{plain} from {figure_text(name, trained[0])} to {figure_text(name, trained[-1])}"
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    return f'<figure><svg role="img" aria-label="{told}" {size}>{"".join(lines + marks)}</svg></figure>'


def _confusion(counts: npt.NDArray[np.int64], names: Sequence[str]) -> str:
    part = shares(counts)
    pairs = sorted(
        ((int(counts[a, b]), a, b) for a, b in zip(*np.nonzero(counts), strict=True) if a != b), reverse=True
    )[:NAMED]
    mixed = [f"{escape(names[a])} for {escape(names[b])}: {count:,}" for count, a, b in pairs]
    below = f"<p>Most often {'; '.join(mixed)}.</p>" if mixed else "<p>None was taken for another one.</p>"
    if len(names) > MOST_CLASSES:
        return below
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    rows = []
    for a, name in enumerate(names):
        cells = "".join(
            f'<td style="background:color-mix(in srgb,var({"--first" if a == b else "--second"}) {45 * part[a, b]:.0f}%'
            f',transparent)">{counts[a, b]:,}</td>'
            for b in range(len(names))
        )
        rows.append(f"<tr><th>{escape(name)}</th>{cells}<td>{part[a, a]:.1%}</td></tr>")
    table = f'<table class="counts"><tr><th>is \\ taken for</th>{head}<th>right</th></tr>{"".join(rows)}</table>'
    return f'<div class="wide">{table}</div>{below}'
