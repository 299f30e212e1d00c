"""Pictures of the docs: every guide has one, they are small, and one command makes them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
GUIDES = (
    "backpropagation",
    "derivation",
    "how-to",
    "explaining",
    "checking",
    "worksheets",
    "site",
    "training",
    "network",
)
"""What the site calls back-propagation and guides."""
TABLES = ("week",)
"""Guides that are nothing but lines to copy."""
ELSEWHERE = re.compile(r"roofline(-\d+)?\.png")
"""One for each processor that was measured, made by another command (`python -m benchmarks report`)."""
MOST, MOST_MOVING = 100_000, 1_000_000
"""Bytes."""


@pytest.mark.parametrize("guide", GUIDES)
def test_every_guide_has_a_small_picture(guide: str) -> None:
    shown = re.findall(r"!\[([^\]]+)\]\(([\w-]+\.png)\)", (DOCS / f"{guide}.md").read_text(encoding="utf-8"))
    assert shown
    for alternative, name in shown:
        assert len(alternative) > 20
        assert (DOCS / name).stat().st_size < MOST
        with Image.open(DOCS / name) as picture:
            assert picture.width <= 1200


def test_the_navigation_has_the_same_guides() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    part = navigation[navigation.index("- Back-propagation:") : navigation.index("- Reference:")]
    assert sorted(re.findall(r"(\S+)\.md", part)) == sorted((*GUIDES, *TABLES))


def test_the_moving_picture_moves_and_is_small() -> None:
    path = DOCS / "moving.gif"
    assert path.stat().st_size < MOST_MOVING
    with Image.open(path) as picture:
        frames = int(getattr(picture, "n_frames", 1))
        assert frames > 40
        assert "duration" in picture.info
        first = picture.convert("RGB").tobytes()
        picture.seek(frames // 4)
        assert picture.convert("RGB").tobytes() != first


def test_one_command_makes_them() -> None:
    tool = (ROOT / "tools" / "pictures.py").read_text(encoding="utf-8")
    for path in [*DOCS.glob("*.png"), *DOCS.glob("*.gif")]:
        assert ELSEWHERE.fullmatch(path.name) or f'"{path.stem}"' in tool, path.name
