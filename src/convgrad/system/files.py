"""Files and folders written whole: who looks, at whatever moment, finds the old ones or the new ones.

A file is written beside its place and moved there. A folder of files is written beside its place, too, and exchanged
with it in one step. Where that can't be done (other file systems, other files in it, no right to write beside it), all
new files are written into it first, and then moved to their places; what a crash leaves undone then, `settle` does.

What is unfinished is locked by the process that writes it. So the next one knows, and removes, what a dead one left.
"""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path

from convgrad.errors import DataError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PREFIX, UNFINISHED = ".convgrad-", ".unfinished"
COMPLETE = f"{PREFIX}complete"
"""In a folder: new files that are all there, and yet to be moved to their places."""
BELOW = "%2F"
"""In a name in `COMPLETE`, in place of the `/` of a file in a folder."""
GONE = ".gone"
"""Ending of an empty file in `COMPLETE`: the file of that name is to go."""
ABANDONED_SECONDS = 86_400
"""After which something unfinished is nobody's any more, where files can't be locked."""
NO_EXCHANGE = {
    *(errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EXDEV),  # on this system, or this file system
    *(errno.EACCES, errno.EPERM, errno.EROFS),  # in the folder that it lies in
    *(errno.EBUSY, errno.ENOTEMPTY, errno.EEXIST),  # a disk is mounted there; somebody was quicker
}
"""Reasons why a folder can't be replaced in one step, though its files may be."""
ATTEMPTS = 100  # to read a folder that is replaced meanwhile


def write_file(path: str | PathLike[str], content: bytes) -> None:
    """Write `content` to `path`, all or nothing. A link stays, and leads to the new file.

    Raises:
        DataError: it can't be written; what was there before is still there.
    """
    path = Path(path)
    try:
        status = _status(path)
        if status is not None and not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            with path.open("wb") as stream:  # a device or a pipe, which keeps nothing
                stream.write(content)
            return
        if status is not None and stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if status is not None and not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        place = Path(os.path.realpath(path))
        remove_abandoned(place.parent)
        with _unfinished(place.parent, is_folder=False) as unfinished:
            _fill(unfinished, content)
            if status is not None:
                os.chmod(unfinished, stat.S_IMODE(status.st_mode))
            os.replace(unfinished, place)
        _flush_folder(place.parent)
    except OSError as error:
        raise DataError(f"Can't write {path}: {reason(error)}.") from error


def write_text(path: str | PathLike[str], content: str) -> None:
    """Write text as UTF-8, all or nothing; what UTF-8 can't hold (half a character, in a name) becomes `?`.

    Raises:
        DataError: it can't be written; what was there before is still there.
    """
    write_file(path, content.encode("utf-8", "replace"))


def write_folder(folder: str | PathLike[str], files: Mapping[str, bytes], names: Collection[str]) -> None:
    """Write `files` into `folder` in place of all that it holds of `names`, all or nothing. Other files stay.

    Args:
        names: of files in the folder; `weights/best` is one in a folder of its own.

    Raises:
        DataError: it can't be written; what was there before is still there.
    """
    place = Path(os.path.realpath(folder))
    try:
        settle(place)
        place.parent.mkdir(parents=True, exist_ok=True)
        protected = [path for path in (place, *(place / name for name in names)) if path.exists()]
        if not all(os.access(path, os.W_OK) for path in protected):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if not _replaced(place, files, names):
            _moved_into(place, files, names)
    except OSError as error:
        raise DataError(f"Can't write to the folder {folder}: {reason(error)}.") from error


def read_folder(folder: str | PathLike[str], names: Collection[str]) -> dict[str, bytes]:
    """The content of files that were written together, even if the folder is replaced meanwhile.

    Raises:
        DataError: one is missing, can't be read or is not a file.
    """
    place = Path(folder)
    for attempt in range(ATTEMPTS):
        with suppress(OSError):  # one who may only read takes the files from where they are
            settle(place)
        before = _version(place)
        found = {}
        problem = None
        for name in names:
            complete = place / COMPLETE / name.replace("/", BELOW)
            try:
                found[name] = read_regular(complete if complete.exists() else place / name)
            except OSError as error:
                problem = DataError(f"Can't read {place / name}: {reason(error)}.")
                problem.__cause__ = error
                break
        if _version(place) == before or attempt == ATTEMPTS - 1:
            break
    if problem is not None:
        raise problem
    return found


def settle(folder: Path) -> None:
    """Move files to their places that a process had written whole before it died. Raises OSError."""
    complete = folder / COMPLETE
    try:
        names = os.listdir(complete)
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        with suppress(FileNotFoundError):  # another process was quicker
            own = folder / name.removesuffix(GONE).replace(BELOW, "/")
            if name.endswith(GONE):
                own.unlink(missing_ok=True)
                (complete / name).unlink()
                if BELOW in name:
                    with suppress(OSError):  # others are in it
                        own.parent.rmdir()
            else:
                own.parent.mkdir(exist_ok=True)
                os.replace(complete / name, own)
    _flush_folder(folder)
    with suppress(FileNotFoundError):
        complete.rmdir()


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that nobody else may look into, removed at the end; if the process dies, by the next one."""
    parent = Path(tempfile.gettempdir())
    remove_abandoned(parent)
    with _unfinished(parent, is_folder=True, mode=0o700) as folder:
        yield folder


def read_regular(path: Path) -> bytes:
    """A file's content. Raises: OSError where it can't be read, or is a pipe or a device, which might never end."""
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        return stream.read()


def check_regular(path: Path) -> None:
    """Refuse pipes and devices, which might never end; what is missing is for others to refuse.

    Raises:
        DataError: `path` is one, or a folder.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return
    if not stat.S_ISREG(mode):
        raise DataError(f"{path} can't be read: it is {'a folder' if stat.S_ISDIR(mode) else 'not a regular file'}.")


def reason(error: OSError) -> str:
    """Why the system refused something, in its own words."""
    return error.strerror or str(error)


def remove_abandoned(parent: Path) -> None:
    """Remove what dead processes of ours have left unfinished in a folder, as far as that is possible."""
    found = []
    with suppress(OSError), os.scandir(parent) as entries:
        found = [Path(e.path) for e in entries if e.name.startswith(PREFIX) and e.name.endswith(UNFINISHED)]
    for path in found:
        with suppress(OSError):
            _remove_if_abandoned(path)


def _remove_if_abandoned(path: Path) -> None:
    status = path.lstat()
    if hasattr(os, "geteuid") and status.st_uid != os.geteuid():
        return
    handle = None if fcntl is None else os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        locked = None if handle is None else _lock(handle)
        if locked or (locked is None and status.st_mtime < time.time() - ABANDONED_SECONDS):
            _remove(path)
    finally:
        if handle is not None:
            os.close(handle)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


@contextmanager
def _unfinished(parent: Path, *, is_folder: bool, mode: int = 0o777) -> Iterator[Path]:
    """A new file or folder in `parent`, locked by this process, and removed at the end if it is still there."""
    while True:
        path = parent / f"{PREFIX}{secrets.token_hex(6)}{UNFINISHED}"
        if is_folder:
            path.mkdir(mode)
        else:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        if fcntl is None:
            handle = None
            break
        try:
            handle = os.open(path, os.O_RDONLY)
        except FileNotFoundError:  # taken for a dead process's
            continue
        _lock(handle, wait=True)
        if path.exists() and os.path.samestat(path.stat(), os.fstat(handle)):
            break
        os.close(handle)
    try:
        yield path
    finally:
        with suppress(OSError):
            _remove(path)
        if handle is not None:
            os.close(handle)


def _lock(handle: int, wait: bool = False) -> bool | None:
    """Whether a file or folder could be locked; None where that can't be done at all."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _replaced(place: Path, files: Mapping[str, bytes], names: Collection[str]) -> bool:
    """Whether the whole folder could be replaced in one step. Raises OSError."""
    old = _status(place)
    if _others(place, names) or place == place.parent or _is_current(place):
        return False
    mode = 0o777 if old is None else stat.S_IMODE(old.st_mode)
    remove_abandoned(place.parent)
    try:
        with _unfinished(place.parent, is_folder=True) as new:
            for name, content in files.items():
                _fill(new / name, content)
            if old is not None:
                os.chmod(new, mode)
            _flush_folder(new)
            if old is None or not os.listdir(place):
                os.rename(new, place)
            else:
                _exchange(new, place)
                for name in _others(new, names):  # came a moment ago
                    os.rename(new / name, place / name)
            _flush_folder(place.parent)
    except OSError as error:
        if error.errno in NO_EXCHANGE:
            return False
        raise
    return True


def _moved_into(place: Path, files: Mapping[str, bytes], names: Collection[str]) -> None:
    """Write all files into the folder, and move them to their places when all of them are there. Raises OSError."""
    place.mkdir(exist_ok=True)
    for name in names:
        if (place / name).is_dir():
            raise IsADirectoryError(errno.EISDIR, f"{name} is a folder")
    remove_abandoned(place)
    with _unfinished(place, is_folder=True) as new:
        for name in names:
            flat = name.replace("/", BELOW)
            if name in files:
                _fill(new / flat, files[name])
            elif (place / name).exists():
                _fill(new / f"{flat}{GONE}", b"")
        _flush_folder(new)
        os.rename(new, place / COMPLETE)
        _flush_folder(place)
    settle(place)


def _others(place: Path, names: Collection[str]) -> list[str]:
    """What else is in a folder; folders in it whatever their name, but for those that hold nothing but `names`."""
    try:
        found = os.listdir(place)
    except FileNotFoundError:
        return []
    return [name for name in found if not _is_of(place, name, names)]


def _is_of(place: Path, name: str, names: Collection[str]) -> bool:
    path = place / name
    if not path.is_dir():
        return name in names
    below = [f"{name}/{one}" for one in os.listdir(path)] if any(n.startswith(f"{name}/") for n in names) else []
    return bool(below) and all(one in names and not (place / one).is_dir() for one in below)


def _is_current(place: Path) -> bool:
    """Whether somebody works in the folder, who would find himself in the one that was removed."""
    try:
        return os.path.samefile(place, os.getcwd())
    except OSError:
        return False


def _exchange(first: Path, second: Path) -> None:
    """Give each of two folders the other's name, in one step. Raises OSError, and where the system can't do it."""
    library = ctypes.CDLL(None, use_errno=True) if sys.platform in ("linux", "darwin") else None
    here, swap = -100 if sys.platform == "linux" else -2, 2  # AT_FDCWD; RENAME_EXCHANGE and RENAME_SWAP are both 2
    function = getattr(library, "renameat2" if sys.platform == "linux" else "renameatx_np", None)
    if function is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    if function(here, os.fsencode(first), here, os.fsencode(second), swap):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _fill(path: Path, content: bytes) -> None:
    """Write a new file down to the disk, in a new folder where it is to be in one."""
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _flush_folder(folder: Path) -> None:
    """Names in a folder down to the disk, where the system can."""
    if sys.platform != "win32":
        with suppress(OSError):
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _version(folder: Path) -> tuple[int, ...]:
    """Differs if a folder was replaced, or files in it were."""
    try:
        status = folder.stat()
    except OSError:
        return ()
    return status.st_dev, status.st_ino, status.st_mtime_ns
