"""The folder in which compiled code is kept: which one, how large it grows, and that nobody else can put code there."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from convgrad.compute.halide.runtime import cache
from convgrad.compute.halide.runtime.cache import Cache, using


def test_entries_used_least_recently_make_room(tmp_path: Path) -> None:
    kept = Cache(tmp_path, limit=5 * (32 + 10))
    for number in range(6):
        kept.write(str(number), bytes(10))
        os.utime(tmp_path / f"{number}.kept", (1000 + number, 1000 + number))
    assert kept.read("0") == bytes(10)  # used just now
    kept.make_room()
    assert [name for name in "012345" if kept.read(name) is not None] == ["0", "3", "4", "5"]
    kept.make_room()
    assert kept.count_and_size()[0] == 4


def test_what_a_dead_process_left_is_removed_after_an_hour(tmp_path: Path) -> None:
    old, new = tmp_path / "old.unfinished", tmp_path / "new.unfinished"
    for file in (old, new):
        file.write_bytes(b"half")
    os.utime(old, (time.time() - 4000,) * 2)
    Cache(tmp_path).make_room()
    assert list(tmp_path.iterdir()) == [new]
    Cache(tmp_path).clear()
    assert list(tmp_path.iterdir()) == []


def test_folders_that_can_not_be_used(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("no folder")
    for kept in (Cache(None), Cache(file), Cache(file / "inside")):
        kept.write("a", b"content")
        kept.make_room()
        assert kept.read("a") is None
        assert (kept.clear(), kept.count_and_size()) == (0, (0, 0))
    assert file.read_text() == "no folder"


def written_by_others(folder: Path) -> None:
    folder.chmod(0o777)


def written_by_the_group(folder: Path) -> None:
    folder.chmod(0o770)


def below_one_that_others_may_write_to(folder: Path) -> None:
    folder.parent.chmod(0o777)


def of_another_user(folder: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    os.chown(folder, 12345, 12345)


def below_one_of_another_user(folder: Path) -> None:
    of_another_user(folder.parent)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are others there")
@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (written_by_others, "open may be written to by others"),
        (written_by_the_group, "open may be written to by others"),
        (below_one_that_others_may_write_to, "above may be written to by others"),
        (of_another_user, "open belongs to another user"),
        (below_one_of_another_user, "above belongs to another user"),
    ],
)
def test_a_folder_in_which_others_could_put_code_is_not_used(
    tmp_path: Path, spoil: Callable[[Path], None], reason: str
) -> None:
    kept = Cache(tmp_path / "above" / "open")
    kept.write("a", b"content")
    assert kept.folder is not None
    assert kept.folder.stat().st_mode & 0o077 == 0
    assert kept.folder.parent.stat().st_mode & 0o077 == 0
    spoil(kept.folder)
    with pytest.warns(UserWarning, match=rf"Compiled code is not kept in .*open: .*{reason}, so others could put"):
        assert kept.read("a") is None
    kept.write("b", b"content")  # said once
    assert [file.name for file in kept.folder.iterdir()] == ["a.kept"]


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are others there")
def test_a_folder_below_one_for_all_that_lets_nobody_move_others_things_is_used(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o1777)
    kept = Cache(tmp_path / "shared" / "own")
    kept.write("a", b"content")
    assert kept.read("a") == b"content"


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are others there")
def test_an_entry_that_others_could_have_written_is_not_used(tmp_path: Path) -> None:
    kept = Cache(tmp_path)
    kept.write("a", b"content")
    entry = tmp_path / "a.kept"
    for mode in (0o620, 0o602):
        entry.chmod(mode)
        assert kept.read("a") is None
    entry.chmod(0o600)
    assert kept.read("a") == b"content"
    (tmp_path / "b.kept").symlink_to(entry)
    assert kept.read("b") is None
    os.mkfifo(tmp_path / "c.kept")
    assert kept.read("c") is None  # and does not wait for somebody to write
    (tmp_path / "d.kept").mkdir()
    assert kept.read("d") is None
    kept.write("d", b"content")
    assert kept.read("d") is None


def test_which_folder_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVGRAD_CACHE", str(tmp_path))
    assert cache.current() == Cache(tmp_path)
    monkeypatch.setenv("CONVGRAD_CACHE", "off")
    assert cache.current() == Cache(None)
    monkeypatch.delenv("CONVGRAD_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = cache.current().folder
    assert folder is not None
    assert folder.parts[-2:] == ("convgrad", "kernels")
    with using(Cache(tmp_path / "inner")) as inner:
        assert cache.current() is inner
    assert cache.current().folder == folder
