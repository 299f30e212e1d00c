"""Runs `convgrad` in a terminal of so many columns, as a person sees it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

CODE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def in_terminal(*arguments: Any, columns: int = 80, folder: Path | None = None, **environment: str) -> tuple[str, int]:
    """What the command writes to a terminal, control codes included, and its exit code."""
    import fcntl  # neither is there on Windows
    import pty
    import struct
    import termios

    own, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 60, columns, 0, 0))
    kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES")}
    command = [sys.executable, "-m", "convgrad.commands.cli", *map(str, arguments)]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=its,
        stderr=its,
        cwd=folder,
        env={**kept, "TERM": "xterm-256color", **environment},
    )
    os.close(its)
    found = bytearray()
    while True:
        try:
            part = os.read(own, 65536)
        except OSError:  # how a terminal ends on Linux
            break
        if not part:
            break
        found += part
    os.close(own)
    return found.decode().replace("\r\n", "\n"), process.wait()


def plain(text: str) -> str:
    """Without control codes."""
    return CODE.sub("", text)
