"""The files of a class: listed, read and copied so that none of them can do harm."""

from __future__ import annotations

import contextlib
import importlib.machinery
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from convgrad.check.submissions.texts import printable
from convgrad.errors import DataError

LARGEST = 2**20
"""Bytes of a submission."""
NAME = 200
"""Characters of a file's name that are shown."""
OTHER_NAME = "submission.py"
"""Name of a copy whose own name is odd, or that of a module that others import."""


def submissions(folder: Path, ending: str, specification: Path) -> list[Path]:
    """What is to be marked, in the order of its names, whatever kind of file it is. Raises: DataError."""
    own = os.path.realpath(specification)
    try:
        found = sorted(p for p in folder.iterdir() if p.suffix.lower() == ending and os.path.realpath(p) != own)
    except NotADirectoryError:
        raise DataError(f"{folder} is not a folder.") from None
    except FileNotFoundError:
        raise DataError(f"{folder} is not a folder.") from None
    except OSError as error:
        raise DataError(f"{folder} can't be read: {error.strerror}.") from None
    if not found:
        raise DataError(f"{folder} has no submission, that is, no file *{ending}.")
    return found


def shown_name(path: Path) -> str:
    """The file's name as it may be shown."""
    return printable(path.name, NAME)


def read_submission(path: Path) -> bytes:
    """The content of a file; of nothing else. Raises: DataError."""
    try:
        kind = path.lstat().st_mode
        if stat.S_ISLNK(kind):
            raise DataError("it is a link; put the file itself in its place")
        if not stat.S_ISREG(kind):
            raise DataError(f"it is {_kind(kind)}, not a file")
        flags = ("O_NONBLOCK", "O_NOFOLLOW", "O_CLOEXEC", "O_NOCTTY", "O_BINARY")  # it may be exchanged meanwhile
        place = os.open(path, os.O_RDONLY | sum(getattr(os, name, 0) for name in flags))
        with os.fdopen(place, "rb") as stream:
            if not stat.S_ISREG(os.fstat(place).st_mode):
                raise DataError("it is not a file")
            content = stream.read(LARGEST + 1)
    except OSError as error:
        raise DataError(f"it can't be read: {error.strerror}") from None
    if len(content) > LARGEST:
        raise DataError(f"it is larger than {LARGEST} bytes")
    return content


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


@contextlib.contextmanager
def copied(name: str, content: bytes) -> Iterator[Path]:
    """A copy of a submission in a folder of its own, which goes in the end with all that was put there."""
    folder = Path(tempfile.mkdtemp(prefix="convgrad-check-"))
    try:
        path = folder / _copy_name(name)
        path.write_bytes(content)
        yield path
    finally:
        _remove(folder)


def _copy_name(name: str) -> str:
    """Its own, where it is a plain one and that of no module, so that it stands in for none."""
    stem = name.removesuffix(".py")
    installed = [p for p in sys.path if os.path.basename(p) in ("site-packages", "dist-packages")]
    if not re.fullmatch(r"[\w +()=-]{1,100}\.py", name) or stem in sys.stdlib_module_names:
        return OTHER_NAME
    return name if importlib.machinery.PathFinder.find_spec(stem, installed) is None else OTHER_NAME


def _remove(folder: Path) -> None:
    """Whatever a submission has made of it: folders that can't be entered, or deeper ones than Python can walk."""
    remove = shutil.which("rm") if os.name == "posix" else None
    if remove and _ran([remove, "-rf", "--", str(folder)]) and not folder.exists():
        return
    with contextlib.suppress(OSError, RecursionError):
        for place, folders, _ in os.walk(folder):
            for name in folders:
                if not os.path.islink(os.path.join(place, name)):
                    os.chmod(os.path.join(place, name), stat.S_IRWXU)
    with contextlib.suppress(RecursionError):
        shutil.rmtree(folder, ignore_errors=True)


def _ran(command: list[str]) -> bool:
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0
    return False
