"""Files and folders written whole: killed at any step, on a full disk, with other files beside them."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from convgrad.errors import DataError
from convgrad.system import files
from convgrad.system.files import read_folder, remove_abandoned, temporary_folder, write_file, write_folder, write_text

posix = pytest.mark.skipif(os.name != "posix", reason="pipes, links and permissions are others there")
NAMES = ("a", "b", "c")
OLD = {"a": b"old a", "b": b"old b", "c": b"old c"}
NEW = {"a": b"the new a", "b": b"the new b"}


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: b"" if path.is_dir() else path.read_bytes() for path in folder.iterdir()}


def no_exchange(*_: object) -> None:
    raise OSError(errno.EINVAL, "this file system can't")


@pytest.fixture(params=["exchange", "move"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of replacing a folder; where it can't be exchanged, the first is the second once more."""
    if request.param == "move":
        monkeypatch.setattr(files, "_exchange", no_exchange)
    return str(request.param)


# Files


def test_a_file_is_replaced_and_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    write_text(path, "first")
    path.chmod(0o640)
    write_text(path, "zweite Fassung: ä")
    assert path.read_text(encoding="utf-8") == "zweite Fassung: ä"
    assert path.stat().st_mode & 0o777 == (0o640 if os.name == "posix" else 0o666)
    assert [entry.name for entry in tmp_path.iterdir()] == ["page.html"]


def test_a_new_file_has_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "usual").write_bytes(b"")
    write_file(tmp_path / "ours", b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_half_a_character_is_written_as_a_question_mark(tmp_path: Path) -> None:
    write_text(tmp_path / "page", "a\udcffb")
    assert (tmp_path / "page").read_bytes() == b"a?b"


@posix
def test_a_link_leads_to_the_new_file(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    write_file(tmp_path / "there" / "target", b"old")
    (tmp_path / "link").symlink_to("there/target")
    write_file(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there" / "target").read_bytes() == b"new"


@posix
def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    write_file(tmp_path / "pipe", b"content")
    reader.join()
    assert found == [b"content"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no such device")
def test_a_full_device_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"Can't write /dev/full: No space left on device\."):
        write_file("/dev/full", b"content")


@pytest.mark.parametrize("when", ["_fill", "os.replace"])
def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    path = tmp_path / "page.html"
    write_file(path, b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files if when == "_fill" else os, when.rpartition(".")[2], full)
    with pytest.raises(DataError, match=r"Can't write .*page\.html: No space left on device\."):
        write_file(path, b"new")
    assert content(tmp_path) == {"page.html": b"old"}


def test_what_can_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match=r"Can't write .*none.page: No such file or directory"):
        write_file(tmp_path / "none" / "page", b"")
    with pytest.raises(DataError, match=r"Can't write .*: Is a directory"):
        write_file(tmp_path, b"")
    write_file(tmp_path / "protected", b"old")
    monkeypatch.setattr(os, "access", lambda *_: False)  # for a superuser nothing is protected
    with pytest.raises(DataError, match=r"Can't write .*protected: Permission denied"):
        write_file(tmp_path / "protected", b"new")
    assert content(tmp_path) == {"protected": b"old"}


# Folders


def test_a_folder_is_made_filled_and_replaced(tmp_path: Path, way: str) -> None:
    folder = tmp_path / "deep" / "run"
    write_folder(folder, OLD, NAMES)
    assert content(folder) == OLD
    write_folder(folder, NEW, NAMES)
    assert content(folder) == NEW  # c is gone
    assert [path.name for path in folder.parent.iterdir()] == ["run"]
    assert read_folder(folder, ("b", "a")) == NEW


def test_an_empty_folder_is_filled(tmp_path: Path, way: str) -> None:
    (tmp_path / "run").mkdir(0o750)
    write_folder(tmp_path / "run", OLD, NAMES)
    assert content(tmp_path / "run") == OLD
    assert (tmp_path / "run").stat().st_mode & 0o777 == (0o750 if os.name == "posix" else 0o777)


def test_other_files_stay(tmp_path: Path, way: str) -> None:
    write_folder(tmp_path, OLD, NAMES)
    (tmp_path / "notes").write_bytes(b"mine")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a").write_bytes(b"mine, too")
    write_folder(tmp_path, NEW, NAMES)
    assert (tmp_path / "more" / "a").read_bytes() == b"mine, too"
    (tmp_path / "more" / "a").unlink()
    (tmp_path / "more").rmdir()
    assert content(tmp_path) == {**NEW, "notes": b"mine"}


def test_a_folder_in_the_place_of_a_file_is_left_alone(tmp_path: Path, way: str) -> None:
    (tmp_path / "run" / "b").mkdir(parents=True)
    (tmp_path / "run" / "b" / "mine").write_bytes(b"mine")
    with pytest.raises(DataError, match=r"Can't write to the folder .*run: b is a folder"):
        write_folder(tmp_path / "run", NEW, NAMES)
    assert content(tmp_path / "run" / "b") == {"mine": b"mine"}
    assert [path.name for path in tmp_path.rglob("*")] == ["run", "b", "mine"]


def test_the_folder_that_one_works_in_stays_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path, OLD, NAMES)
    monkeypatch.chdir(tmp_path)
    write_folder(".", NEW, NAMES)
    assert {name: Path(name).read_bytes() for name in os.listdir()} == NEW


@posix
def test_a_link_to_a_folder_stays(tmp_path: Path, way: str) -> None:
    (tmp_path / "run").symlink_to("big/disk")
    (tmp_path / "big").mkdir()
    write_folder(tmp_path / "run", OLD, NAMES)
    write_folder(tmp_path / "run", NEW, NAMES)
    assert (tmp_path / "run").is_symlink()
    assert content(tmp_path / "big" / "disk") == NEW


def test_a_full_disk_leaves_the_old_folder(tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path / "run", OLD, NAMES)
    original = files._fill

    def full(path: Path, content: bytes) -> None:
        if path.name == "b":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        original(path, content)

    monkeypatch.setattr(files, "_fill", full)
    with pytest.raises(DataError, match=r"Can't write to the folder .*run: No space left on device\."):
        write_folder(tmp_path / "run", NEW, NAMES)
    assert content(tmp_path / "run") == OLD
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_protected_files_are_not_replaced(tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path / "run", OLD, NAMES)
    monkeypatch.setattr(os, "access", lambda path, _: Path(path).name != "b")
    with pytest.raises(DataError, match=r"Can't write to the folder .*run: Permission denied"):
        write_folder(tmp_path / "run", NEW, NAMES)
    assert content(tmp_path / "run") == OLD


def test_files_that_can_not_be_read(tmp_path: Path) -> None:
    write_folder(tmp_path / "run", NEW, NAMES)
    with pytest.raises(DataError, match=r"Can't read .*run.c: No such file or directory"):
        read_folder(tmp_path / "run", NAMES)
    with pytest.raises(DataError, match=r"Can't read .*none.a: No such file or directory"):
        read_folder(tmp_path / "none", NAMES)


@posix
def test_a_pipe_is_no_file_to_be_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a")
    with pytest.raises(DataError, match=r"Can't read .*a: it is not a regular file"):
        read_folder(tmp_path, "a")


# Killed

STEPS = ("mkdir", "open", "fsync", "chmod", "rename", "replace", "unlink", "rmdir")
KILLED = """
    import os, signal, sys
    from pathlib import Path
    from convgrad.system import files
    at, way, folder = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    count = 0
    def watched(original):
        def step(*arguments, **options):
            global count
            count += 1
            if count == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **options)
        return step
    def no_exchange(*_):
        raise OSError(22, "this file system can't")
    files._exchange = watched(no_exchange if way == "move" else files._exchange)
    for name in {steps}:
        setattr(os, name, watched(getattr(os, name)))
    files.write_folder(folder, {new}, {names})
    print(count)
"""


@posix
@pytest.mark.parametrize("how", ["exchange", "move"])
def test_killed_at_each_step_a_folder_is_the_old_or_the_new_one(tmp_path: Path, how: str) -> None:
    """The steps are the calls of the system by which names and contents change."""
    program = textwrap.dedent(KILLED).format(steps=STEPS, new=NEW, names=NAMES)

    def replace(folder: Path, at: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", program, str(at), how, str(folder)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    write_folder(tmp_path / "whole" / "run", OLD, NAMES)
    steps = int(replace(tmp_path / "whole" / "run", 0).stdout)
    assert steps > 12  # 14 on Python 3.10, which removes folders by fewer calls
    seen = []
    for at in range(1, steps + 1):
        folder = tmp_path / str(at) / "run"
        write_folder(folder, OLD, NAMES)
        assert replace(folder, at).returncode == -signal.SIGKILL
        if how == "exchange" and files_are_exchanged(tmp_path):
            assert content(folder) in (OLD, NEW)  # for every program that looks
        seen.append(read_folder(folder, ("a", "b")))
        there = {name: part for name, part in content(folder).items() if not name.endswith(files.UNFINISHED)}
        assert there in (OLD, NEW)
        assert seen[-1].items() <= there.items()
        write_folder(folder, NEW, NAMES)
        assert content(folder) == NEW
        assert [path.name for path in folder.parent.iterdir()] == ["run"]
    assert NEW in seen
    assert any(found["a"] == OLD["a"] for found in seen)


def files_are_exchanged(folder: Path) -> bool:
    """Whether the file system can exchange two folders."""
    for name in ("one", "two"):
        (folder / name).mkdir(exist_ok=True)
    try:
        files._exchange(folder / "one", folder / "two")
    except OSError:
        return False
    return True


def test_who_may_only_read_finds_the_new_files_before_they_are_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path, OLD, NAMES)
    (tmp_path / files.COMPLETE).mkdir()
    (tmp_path / files.COMPLETE / "b").write_bytes(NEW["b"])  # a is in its place already

    def read_only(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    (tmp_path / "a").write_bytes(NEW["a"])
    with monkeypatch.context() as patch:
        patch.setattr(files, "settle", read_only)
        assert read_folder(tmp_path, NEW) == NEW
    assert read_folder(tmp_path, NEW) == NEW
    assert not (tmp_path / files.COMPLETE).exists()


def test_who_reads_while_another_one_writes_finds_files_of_one_time(tmp_path: Path, way: str) -> None:
    folder = tmp_path / "run"
    versions = [{name: f"{n} {name}".encode() for name in NAMES} for n in range(20)]
    write_folder(folder, versions[0], NAMES)
    stop, mixed, reads = threading.Event(), [], []

    def read() -> None:
        while not stop.is_set():
            found = read_folder(folder, NAMES)
            reads.append(found["a"])
            if found not in versions:
                mixed.append(found)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for version in versions:
        write_folder(folder, version, NAMES)
    stop.set()
    for reader in readers:
        reader.join()
    assert mixed == []
    assert len(set(reads)) > 1


# What dead processes leave

LEFT = """
    import os, signal, sys
    from pathlib import Path
    from convgrad.system import files
    with files.{context} as path:
        (path / "inside").write_bytes(b"some") if path.is_dir() else path.write_bytes(b"half")
        print("there", flush=True)
        sys.stdin.read() if sys.argv[1] == "waits" else os.kill(os.getpid(), signal.SIGKILL)
"""


@posix
@pytest.mark.parametrize(
    "context",
    ["temporary_folder()", '_unfinished(Path("."), is_folder=True)', '_unfinished(Path("."), is_folder=False)'],
)
def test_what_a_dead_process_left_is_removed_and_a_living_one_s_is_not(tmp_path: Path, context: str) -> None:
    def start(how: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", textwrap.dedent(LEFT).format(context=context), how]
        return subprocess.Popen(
            command,
            cwd=tmp_path,
            env={**os.environ, "TMPDIR": str(tmp_path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    with start("waits") as living:
        assert living.stdout is not None
        assert living.stdout.readline() == b"there\n"
        with start("dies") as dying:
            dying.wait()
        assert len(list(tmp_path.iterdir())) == 2
        remove_abandoned(tmp_path)
        (left,) = tmp_path.iterdir()
        assert (left / "inside").exists() or left.read_bytes() == b"half"
        living.communicate(b"")
    assert list(tmp_path.iterdir()) == []


def test_without_locks_only_what_is_old_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows, and on some disks of a network."""
    monkeypatch.setattr(files, "fcntl", None)
    old, new = (tmp_path / f"{files.PREFIX}{name}{files.UNFINISHED}" for name in ("old", "new"))
    for folder in (old, new):
        folder.mkdir()
    os.utime(old, (1e9, 1e9))
    other = tmp_path / "other"
    other.mkdir()
    os.utime(other, (1e9, 1e9))
    remove_abandoned(tmp_path)
    assert sorted(tmp_path.iterdir()) == [new, other]
    write_folder(other, OLD, NAMES)
    assert content(other) == OLD


@posix
def test_nobody_else_may_look_into_a_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with temporary_folder() as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert folder.parent == tmp_path
    assert list(tmp_path.iterdir()) == []


BELOW = ("a", "w/best", "w/last")


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("way")
def test_files_of_a_folder_within_are_replaced_with_the_others(tmp_path: Path) -> None:
    place = tmp_path / "run"
    write_folder(place, {"a": b"1", "w/best": b"2", "w/last": b"3"}, BELOW)
    assert tree(place) == {"a": b"1", "w/best": b"2", "w/last": b"3"}
    write_folder(place, {"a": b"4", "w/last": b"5"}, BELOW)
    assert tree(place) == {"a": b"4", "w/last": b"5"}
    assert read_folder(place, ("a", "w/last")) == {"a": b"4", "w/last": b"5"}
    write_folder(place, {"a": b"6"}, BELOW)
    assert tree(place) == {"a": b"6"}
    assert not (place / "w").exists()


@pytest.mark.usefixtures("way")
def test_other_files_of_a_folder_within_stay(tmp_path: Path) -> None:
    place = tmp_path / "run"
    write_folder(place, {"a": b"1", "w/best": b"2"}, BELOW)
    (place / "w" / "mine").write_bytes(b"mine")
    write_folder(place, {"a": b"3", "w/last": b"4"}, BELOW)
    assert tree(place) == {"a": b"3", "w/last": b"4", "w/mine": b"mine"}
    write_folder(place, {"a": b"5"}, BELOW)
    assert tree(place) == {"a": b"5", "w/mine": b"mine"}


def test_what_a_dead_process_had_written_whole_is_settled_in_folders_within(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_exchange", no_exchange)
    place = tmp_path / "run"
    write_folder(place, {"a": b"1", "w/best": b"2"}, BELOW)
    with monkeypatch.context() as patch:
        patch.setattr(files, "settle", lambda folder: None)  # it died before
        write_folder(place, {"a": b"3", "w/last": b"4"}, BELOW)
        assert tree(place)["w/best"] == b"2"
        assert read_folder(place, ("w/last",)) == {"w/last": b"4"}  # which is there, complete
    assert read_folder(place, ("a", "w/last")) == {"a": b"3", "w/last": b"4"}
    assert tree(place) == {"a": b"3", "w/last": b"4"}
