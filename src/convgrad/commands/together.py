"""A command that several processes run together: one of them speaks, and all end alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import typer

from convgrad.commands.configured import worded
from convgrad.commands.terminal import EXIT_UNUSABLE
from convgrad.errors import ConvgradError

if TYPE_CHECKING:
    from convgrad.parallel.group import Group

T = TypeVar("T")


@contextmanager
def together(parallel: str | None) -> Iterator[Group]:
    """The group that --parallel means. What one of them raises ends all of them, and is said once."""
    from convgrad.parallel.group import EndedElsewhere
    from convgrad.parallel.start import group_from

    with worded():
        group = group_from(parallel)
    try:
        with group.guarded():
            yield group
    except EndedElsewhere:
        group.endings("")
        raise typer.Exit(EXIT_UNUSABLE) from None
    except (ConvgradError, typer.BadParameter) as error:
        text = str(error)
        texts = group.endings(text)
        if texts.index(text) < group.rank:  # another one says it
            raise typer.Exit(EXIT_UNUSABLE) from None
        if set(texts) != {text} and isinstance(error, ConvgradError):
            error.args = (f"On rank {group.rank}: {text}",)
        raise
    except BaseException as error:
        group.endings(str(error))
        raise
    group.endings("")


def one_first(group: Group, function: Callable[[], T]) -> T:
    """What a function gives, called by the one that leads before all others: it may download what they read."""
    found: list[T] = []
    group.first(lambda: found.append(function()))
    return found[0] if found else function()
