"""Compiled code kept on disk between processes: a folder of entries, each with a checksum.

Any number of processes may use the folder at once. An entry appears whole or not at all; one that is damaged is
removed and counts as missing; those used least recently make room for new ones. Where nothing can be written, nothing
is kept, and all else works.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from convgrad.system.files import read_regular

VARIABLE = "CONVGRAD_CACHE"
"""The environment variable that names the folder; `off`: nothing is kept."""
OFF = "off"
LIMIT = 512 << 20
"""Bytes of all entries: a kernel takes some 20,000, a network 22 to 100 kernels, so a few hundred networks."""
ROOM = 0.8  # share of the limit that is left after making room, so that it isn't made at every entry
SUFFIX = ".kept"
UNFINISHED = ".unfinished"
ABANDONED_SECONDS = 3600  # after which an unfinished file is one that a process left behind when it died


@dataclass(frozen=True)
class Cache:
    """Entries of bytes by name, in one folder.

    Args:
        folder: where; made when the first entry is written. None: nothing is kept.
        limit: bytes of all entries together.
    """

    folder: Path | None
    limit: int = LIMIT

    def read(self, key: str) -> bytes | None:
        """The content of an entry, or None where there is none, or a damaged one. It counts as used now."""
        if self.folder is None:
            return None
        path = self._path(key)
        stored = _own_file(path)
        # What is missing, as most entries of slow kernels are, is seen at once.
        if stored is None or not self._usable():
            return None
        content = stored[hashlib.sha256().digest_size :]
        if stored != _sealed(content):
            self.discard(key)
            return None
        with suppress(OSError):
            os.utime(path)
        return content

    def write(self, key: str, content: bytes) -> None:
        """Keep an entry; one of that name is replaced."""
        if self.folder is None:
            return
        unfinished = None
        try:
            _make(self.folder)
            if not self._usable():
                return
            handle, unfinished = tempfile.mkstemp(suffix=UNFINISHED, dir=self.folder)
            with os.fdopen(handle, "wb") as file:
                file.write(_sealed(content))
            os.replace(unfinished, self._path(key))
        except OSError:
            if unfinished is not None:
                with suppress(OSError):
                    os.unlink(unfinished)

    def discard(self, key: str) -> None:
        """Remove an entry, if it is there."""
        if self.folder is not None:
            with suppress(OSError):
                self._path(key).unlink()

    def make_room(self) -> None:
        """Remove the entries used least recently until the rest is well within the limit, and what dead processes
        left."""
        entries = sorted(self._entries(), key=lambda entry: entry.used)
        total = sum(entry.size for entry in entries)
        if total > self.limit:
            for entry in entries:
                if total <= ROOM * self.limit:
                    break
                with suppress(OSError):
                    entry.path.unlink()
                total -= entry.size
        for entry in self._entries(UNFINISHED):
            if entry.used < time.time() - ABANDONED_SECONDS:
                with suppress(OSError):
                    entry.path.unlink()

    def count_and_size(self) -> tuple[int, int]:
        """How many entries there are, and their bytes."""
        sizes = [entry.size for entry in self._entries()]
        return len(sizes), sum(sizes)

    def clear(self) -> int:
        """Remove all entries; returns how many."""
        removed = 0
        for entry in [*self._entries(), *self._entries(UNFINISHED)]:
            with suppress(OSError):
                entry.path.unlink()
                removed += entry.path.suffix == SUFFIX
        return removed

    def _usable(self) -> bool:
        """Whether the folder is there, and trusted; where it is not trusted, that is said once."""
        assert self.folder is not None
        doubt = distrusted(self.folder)
        if doubt and self.folder not in _told:
            _told.add(self.folder)
            warnings.warn(
                f"Compiled code is not kept in {self.folder}: {doubt}, so others could put code of theirs there. "
                f"Set {VARIABLE} to another folder.",
                stacklevel=2,
            )
        return not doubt and os.path.isdir(self.folder)

    def _path(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{key}{SUFFIX}"

    def _entries(self, suffix: str = SUFFIX) -> list[_Entry]:
        found = []
        with suppress(OSError), os.scandir(self.folder or "") as files:
            for file in files:
                if file.name.endswith(suffix):
                    with suppress(OSError):  # gone meanwhile
                        status = file.stat(follow_symlinks=False)
                        found.append(_Entry(Path(file.path), status.st_size, status.st_mtime))
        return found


@dataclass(frozen=True)
class _Entry:
    path: Path
    size: int
    used: float


def _sealed(content: bytes) -> bytes:
    """As an entry is stored: its checksum, and the content."""
    return hashlib.sha256(content).digest() + content


def distrusted(folder: Path) -> str:
    """Why others can have put code there for us to run, in words; empty where they can't, or there is no such folder.

    The folder must be ours, and for nobody else to write to. Who may write to a folder above it can put another one in
    its place: these must be ours or the system's, and shared ones let nobody move what is not his (as /tmp).
    """
    if not hasattr(os, "geteuid") or not os.path.isdir(folder):
        return ""
    place = Path(os.path.realpath(folder))
    for above in (place, *place.parents):
        try:
            status = above.stat()
        except OSError:
            return f"{above} can't be looked at"
        if status.st_uid not in (os.geteuid(), *(() if above == place else (0,))):
            return f"{above} belongs to another user"
        if above != place and status.st_mode & stat.S_ISVTX:
            continue
        if status.st_mode & 0o002 or (status.st_mode & 0o020 and not (above != place and _is_own_group(status.st_gid))):
            return f"{above} may be written to by others"
    return ""


def _is_own_group(group: int) -> bool:
    """Whether this is the group that some systems make for each user, with nobody else in it."""
    import grp
    import pwd

    try:
        name, found = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(group)
    except KeyError:
        return False
    return found.gr_name == name and not set(found.gr_mem) - {name}


def _own_file(path: Path) -> bytes | None:
    """What a file holds that is ours, and for nobody else to write to; None for everything else."""
    try:
        status = path.lstat()
        own = not hasattr(os, "geteuid") or (status.st_uid == os.geteuid() and not status.st_mode & 0o022)
        return read_regular(path) if own and stat.S_ISREG(status.st_mode) else None
    except OSError:
        return None


def _make(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for nobody else to look into. Raises OSError."""
    for above in (*reversed(folder.parents), folder):
        if not os.path.isdir(above):
            above.mkdir(mode=0o700, exist_ok=True)


def digest(text: str) -> str:
    """A name for what a text says."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def current() -> Cache:
    """The cache in use: of the innermost `using`, else of the environment variable, else in the user's cache folder."""
    if _chosen:
        return _chosen[-1]
    named = os.environ.get(VARIABLE, "")
    if named:
        return Cache(None if named == OFF else Path(named))
    return Cache(user_folder())


def user_folder() -> Path | None:
    """The folder for caches of programs, by the customs of the system; None where there is no home."""
    import platformdirs

    try:
        return Path(platformdirs.user_cache_dir("convgrad")) / "kernels"
    except (OSError, RuntimeError):
        return None


@contextmanager
def using(cache: Cache) -> Iterator[Cache]:
    """Use this cache inside of a `with`."""
    _chosen.append(cache)
    try:
        yield cache
    finally:
        _chosen.remove(cache)


_chosen: list[Cache] = []
_told: set[Path] = set()
