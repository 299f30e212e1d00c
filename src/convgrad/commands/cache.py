"""`convgrad cache`: the compiled code that is kept on disk."""

from __future__ import annotations

from typing import Annotated

import typer

from convgrad.commands.terminal import output, print_json


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove all entries.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show or clear the compiled code that is kept on disk.

    Networks that were compiled before start at once. The environment variable CONVGRAD_CACHE names another folder, or
    "off" to keep nothing.
    """
    from convgrad.compute.halide.runtime.cache import current, distrusted

    kept = current()
    entries, size = kept.count_and_size()
    removed = kept.clear() if clear else 0
    if clear:
        entries, size = kept.count_and_size()
    folder = None if kept.folder is None else str(kept.folder)
    if as_json:
        print_json({"folder": folder, "entries": entries, "bytes": size, "limit": kept.limit, "removed": removed})
        return
    console = output()
    if kept.folder is None:
        console.print("Compiled code is not kept on disk.")
        return
    console.print(f"folder   {folder}", soft_wrap=True)
    if clear:
        console.print(f"removed  {removed:,}")
    console.print(f"entries  {entries:,}")
    console.print(f"size     {size / 1e6:,.1f} MB of at most {kept.limit / 1e6:,.0f} MB")
    if doubt := distrusted(kept.folder):
        console.print(f"It is not used: {doubt}.", soft_wrap=True)
