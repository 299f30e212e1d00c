"""Tables of commands that print them whole, as the page shows them: what a run printed, kept as it was.

python -m benchmarks.runtimes > docs/measured/runtimes.txt

What another processor gave has a file of its own, such as runtimes-zen3.txt.
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
        files = sorted((docs / FOLDER).glob(f"{name}*.txt"), key=lambda file: file.stem)
        texts = [file.read_text(encoding="utf-8").rstrip("\n") for file in files]
        if texts:
            blocks = [f"`python -m benchmarks.{name}` printed:", *(f"```measured\n{text}\n```" for text in texts)]
            found.append("\n\n".join([f"## {title}", *blocks]))
    return found
