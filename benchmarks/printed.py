"""Tables of commands that print them whole, as the page shows them: what a run printed, kept as it was.

python -m benchmarks.runtimes > docs/measured/runtimes.txt
"""

from __future__ import annotations

from pathlib import Path

FOLDER = "measured"
TITLES = {
    "runtimes": "Predictions beside other runtimes",
    "half": "Steps in mixed precision",
    "mixed": "What trainings reach in mixed precision",
    "cifar94": "CIFAR-10 by the recipe of airbench94",
    "shapes": "Random shapes",
}
"""Module in benchmarks -> heading. Their order is the page's."""
MISSED = "missed.txt"
"""What was tried where targets are not met: written by hand, with figures that runs printed."""


def sections(docs: Path) -> list[str]:
    """A section of the page for each of these files that there is in `docs`."""
    missed = docs / FOLDER / MISSED
    found = [f"## What is not met\n\n{missed.read_text(encoding='utf-8').rstrip()}"] if missed.is_file() else []
    for name, title in TITLES.items():
        file = docs / FOLDER / f"{name}.txt"
        if file.is_file():
            text = file.read_text(encoding="utf-8").rstrip("\n")
            found.append(f"## {title}\n\n`python -m benchmarks.{name}` printed:\n\n```measured\n{text}\n```")
    return found
