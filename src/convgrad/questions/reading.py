"""What questions have in common: how messages call what comes from the page, and how long it may be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convgrad.errors import ModelError

PASTED = Path("what you pasted")
LONGEST_TEXT = 100_000
"""Characters of a derivation, or of a program."""
MOST_LAYERS = 40


def check_depth(content: Mapping[str, Any]) -> None:
    """Raises: ModelError where a network has too many layers for a page."""
    tables = content.get("layer", [])
    if isinstance(tables, list) and len(tables) > MOST_LAYERS:
        raise ModelError(f"The network has {len(tables)} layers; a page shows at most {MOST_LAYERS}.")
