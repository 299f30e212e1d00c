"""Downloads from a real server on this machine that hangs up, ignores Range, sends wrong files or nothing."""

import gzip
import hashlib
import http.server
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from convgrad.data import download, named
from convgrad.data.download import ResumingDownloader, fetch
from convgrad.data.idx import read_idx, write_idx
from convgrad.data.idx_folder import FILE_NAMES
from convgrad.data.published import Published
from convgrad.errors import DataError

CONTENT = np.random.default_rng(0).bytes(500_000)
MD5 = hashlib.md5(CONTENT).hexdigest()


@dataclass
class Behaviour:
    """What the server does.

    cuts: after how many bytes it hangs up, one number a request; then no more.
    shift: by how many bytes too far it continues. piece: how many bytes it gives at most where a range is asked for.
    """

    contents: dict[str, bytes] = field(default_factory=lambda: {"/file": CONTENT})
    cuts: list[int] = field(default_factory=list)
    honours_range: bool = True
    status: int = 0
    shift: int = 0
    piece: int = 0
    tells_length: bool = True
    requests: list[str] = field(default_factory=list)


class Handler(http.server.BaseHTTPRequestHandler):
    behaviour: Behaviour

    def do_GET(self) -> None:
        behaviour = self.behaviour
        wanted = self.headers.get("Range", "")
        behaviour.requests.append(wanted)
        assert self.headers["Accept-Encoding"] == "identity"
        content = behaviour.contents.get(self.path)
        if behaviour.status or content is None:
            self.send_error(behaviour.status or 404)
            return
        start = 0
        if wanted and behaviour.honours_range:
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) + behaviour.shift  # type: ignore[index]
            if start >= len(content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            stop = min(len(content), start + behaviour.piece) if behaviour.piece else len(content)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(content)}")
            content = content[:stop]
        else:
            self.send_response(200)
        if behaviour.tells_length:
            self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        rest = content[start:]
        self.wfile.write(rest[: behaviour.cuts.pop(0)] if behaviour.cuts else rest)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[tuple[str, Behaviour]]:
    behaviour = Behaviour()
    handler = type("BehavingHandler", (Handler,), {"behaviour": behaviour})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/", behaviour
        running.shutdown()
        thread.join()


@pytest.fixture
def dead() -> str:
    """An address that nothing listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/"


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def published(*mirrors: str, md5: str = MD5) -> Published:
    return Published("toy", {"file": md5}, mirrors)


def test_a_cut_connection_is_continued(tmp_path: Path, server: tuple[str, Behaviour]) -> None:
    address, behaviour = server
    behaviour.cuts = [200_000, 100_000, 90_000]
    seen: list[tuple[int, int]] = []
    folder = fetch(published(address), tmp_path, lambda done, total: seen.append((done, total)))
    assert (folder / "file").read_bytes() == CONTENT
    assert [path.name for path in folder.iterdir()] == ["file"]
    assert behaviour.requests[0] == ""
    starts = [int(wanted[6:-1]) for wanted in behaviour.requests[1:]]
    assert len(starts) == 3
    assert 0 < starts[0] < starts[1] < starts[2]  # each request asks only for what is missing
    assert seen[-1] == (500_000, 500_000)
    assert all(total == 500_000 for _, total in seen)


def test_a_later_run_continues_and_a_third_downloads_nothing(tmp_path: Path, server: tuple[str, Behaviour]) -> None:
    address, behaviour = server
    behaviour.cuts = [200_000, 0, 0, 0]
    with pytest.raises(DataError, match=r"can't download toy: http.*/file: the connection failed"):
        fetch(published(address), tmp_path)
    kept = (tmp_path / "toy" / "file.part").stat().st_size
    assert 100_000 < kept <= 200_000
    behaviour.requests.clear()
    fetch(published(address), tmp_path)
    assert behaviour.requests == [f"bytes={kept}-"]
    fetch(published(address), tmp_path)
    assert len(behaviour.requests) == 1
    assert (tmp_path / "toy" / "file").read_bytes() == CONTENT


def test_a_server_without_range_begins_anew(tmp_path: Path, server: tuple[str, Behaviour]) -> None:
    address, behaviour = server
    behaviour.honours_range, behaviour.cuts = False, [200_000]
    fetch(published(address), tmp_path)
    assert len(behaviour.requests) == 2
    assert (tmp_path / "toy" / "file").read_bytes() == CONTENT


def test_a_server_that_gives_pieces_is_asked_again(tmp_path: Path, server: tuple[str, Behaviour]) -> None:
    address, behaviour = server
    behaviour.cuts, behaviour.piece = [200_000], 90_000
    fetch(published(address), tmp_path)
    assert len(behaviour.requests) in (5, 6)  # 300 or up to 366 thousand bytes are left, in pieces of 90
    assert (tmp_path / "toy" / "file").read_bytes() == CONTENT


def test_a_server_without_length_is_trusted_by_hash(tmp_path: Path, server: tuple[str, Behaviour]) -> None:
    address, behaviour = server
    behaviour.tells_length = False
    fetch(published(address), tmp_path)
    assert (tmp_path / "toy" / "file").read_bytes() == CONTENT


def test_a_server_that_continues_elsewhere_begins_anew(tmp_path: Path, server: tuple[str, Behaviour]) -> None:
    address, behaviour = server
    behaviour.shift, behaviour.cuts = 5, [200_000]
    fetch(published(address), tmp_path)
    assert behaviour.requests[0] == behaviour.requests[2] == ""
    assert (tmp_path / "toy" / "file").read_bytes() == CONTENT


@pytest.mark.parametrize(("kept", "requests"), [(CONTENT, 1), (CONTENT + b"more", 2)])
def test_a_part_that_is_whole_or_too_long(
    tmp_path: Path, server: tuple[str, Behaviour], kept: bytes, requests: int
) -> None:
    address, behaviour = server
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "file.part").write_bytes(kept)
    fetch(published(address), tmp_path)
    assert len(behaviour.requests) == requests
    assert (tmp_path / "toy" / "file").read_bytes() == CONTENT


def test_the_next_mirror_helps(tmp_path: Path, server: tuple[str, Behaviour], dead: str) -> None:
    address, behaviour = server
    behaviour.contents["/other/file"] = b"something else"
    folder = fetch(published(dead, address + "missing/", address + "other/", address), tmp_path)
    assert (folder / "file").read_bytes() == CONTENT
    assert [path.name for path in folder.iterdir()] == ["file"]


def test_a_wrong_file_is_removed(tmp_path: Path, server: tuple[str, Behaviour]) -> None:
    address, _ = server
    wrong = "0" * 32
    with pytest.raises(
        DataError, match=rf"/file: what arrived does not have the published MD5 {wrong}, and was removed"
    ):
        fetch(published(address, md5=wrong), tmp_path)
    assert list((tmp_path / "toy").iterdir()) == []


def test_a_file_changed_in_the_cache_is_downloaded_anew(tmp_path: Path, server: tuple[str, Behaviour]) -> None:
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "file").write_bytes(b"changed")
    fetch(published(server[0]), tmp_path)
    assert (tmp_path / "toy" / "file").read_bytes() == CONTENT


def test_refusals_and_no_network_are_told(tmp_path: Path, server: tuple[str, Behaviour], dead: str) -> None:
    address, behaviour = server
    behaviour.status = 503
    with pytest.raises(DataError) as caught:
        fetch(published(address, dead), tmp_path)
    message = str(caught.value)
    assert (
        f"can't download toy: {address}file: the server answers 503 Service Unavailable; {dead}file: the conn"
        in message
    )
    assert "refused" in message
    assert message.endswith("or put file into a folder and pass --data-dir FOLDER (in Python: data_dir=FOLDER).")
    assert len(behaviour.requests) == 1  # a refusal is not asked for again
    files = Published("toy", {"a": MD5, "b": MD5}, (dead,))
    with pytest.raises(DataError, match=r"put the 2 files a, b into a folder"):
        fetch(files, tmp_path)


def test_a_server_that_says_nothing_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: tuple[str, Behaviour]
) -> None:
    monkeypatch.setattr(download, "_SECONDS_BETWEEN_BYTES", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mirror = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(DataError, match=r"/file: no answer in time"):
            fetch(published(mirror), tmp_path)
        fetch(published(mirror, server[0]), tmp_path)


def test_a_folder_that_can_not_be_written(tmp_path: Path, server: tuple[str, Behaviour]) -> None:
    (tmp_path / "toy").write_bytes(b"a file where a folder should be")
    with pytest.raises(DataError, match=r"can't keep toy in .*toy: "):
        fetch(published(server[0]), tmp_path)


def test_a_known_dataset_is_downloaded_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: tuple[str, Behaviour]
) -> None:
    address, behaviour = server
    arrays = [np.zeros((7, 2, 3), np.uint8), np.arange(7, dtype=np.uint8), np.ones((5, 2, 3), np.uint8)]
    hashes = {}
    for file, array in zip(FILE_NAMES, [*arrays, np.arange(5, dtype=np.uint8)], strict=True):
        write_idx(tmp_path / f"{file}.gz", array)
        behaviour.contents[f"/{file}.gz"] = content = (tmp_path / f"{file}.gz").read_bytes()
        hashes[f"{file}.gz"] = hashlib.md5(content).hexdigest()
    small = replace(named._KNOWN["mnist"], published=Published("mnist", hashes, (address,)))
    monkeypatch.setitem(named._KNOWN, "mnist", small)
    for _ in range(2):
        mnist = named.load_named("mnist", cache=tmp_path / "cache")
        assert mnist.train_images.shape == (7, 2, 3, 1)
        assert mnist.test_images is not None
        assert mnist.test_images.shape == (5, 2, 3, 1)
    assert len(behaviour.requests) == 4


def test_a_packed_file_is_kept_packed(tmp_path: Path, server: tuple[str, Behaviour]) -> None:
    array = np.arange(105, dtype=np.uint8).reshape(3, 5, 7)
    write_idx(tmp_path / "a.gz", array)
    server[1].contents["/a.gz"] = (tmp_path / "a.gz").read_bytes()
    ResumingDownloader(tmp_path / "b.part")(server[0] + "a.gz", str(tmp_path / "b.gz"), None)
    assert gzip.decompress((tmp_path / "b.gz").read_bytes())[-105:] == array.tobytes()
    np.testing.assert_array_equal(read_idx(tmp_path / "b.gz"), array)
