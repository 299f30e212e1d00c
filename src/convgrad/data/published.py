"""What is known of a published dataset, apart from the libraries that download it, which take long to import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """A dataset as its authors published it.

    files: each file's name and MD5, as published.
    mirrors: addresses that a file's name is appended to, the first one preferred.
    """

    name: str
    files: Mapping[str, str]
    mirrors: tuple[str, ...]
