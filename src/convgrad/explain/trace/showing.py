"""How traces and their parts show themselves. What draws them imports them, so they can't import it: it registers here
what it draws, and `convgrad.explain` loads it.
"""

from __future__ import annotations

from functools import singledispatch


@singledispatch
def as_text(part: object) -> str:
    """For a terminal."""
    raise NotImplementedError(f"{type(part).__name__} can't be shown as text.")


@singledispatch
def as_latex(part: object) -> str:
    """For mathematics mode."""
    raise NotImplementedError(f"{type(part).__name__} can't be shown as LaTeX.")


@singledispatch
def as_html(part: object) -> str:
    """For a notebook."""
    raise NotImplementedError(f"{type(part).__name__} can't be shown as HTML.")
