"""IDX files: the round trip, the published files' facts, and every way in which a file can be wrong."""

import gzip
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from convgrad.data.idx import TYPES, read_idx, write_idx
from convgrad.errors import DataError

CODES = sorted(TYPES)
# tmp_path is shared by the examples of one test; each example overwrites its file.
shared_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def header(code: int, *sizes: int) -> bytes:
    return bytes([0, 0, code, len(sizes)]) + b"".join(struct.pack(">I", size) for size in sizes)


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("name", ["a-idx", "a-idx.gz"])
def test_a_file_written_by_hand_is_read(tmp_path: Path, code: int, name: str) -> None:
    letter = {0x08: "B", 0x09: "b", 0x0B: "h", 0x0C: "i", 0x0D: "f", 0x0E: "d"}[code]
    content = header(code, 2, 3) + struct.pack(f">6{letter}", 1, 2, 3, 4, 5, 100)
    (tmp_path / name).write_bytes(gzip.compress(content, mtime=0) if name.endswith(".gz") else content)
    array = read_idx(tmp_path / name)
    assert array.dtype == TYPES[code].newbyteorder("=")
    assert array.dtype.isnative
    np.testing.assert_array_equal(array, [[1, 2, 3], [4, 5, 100]])


@shared_folder
@given(
    array=st.sampled_from(CODES).flatmap(
        lambda code: hnp.arrays(TYPES[code], hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=7))
    ),
    ending=st.sampled_from(["", ".gz"]),
)
def test_round_trip(tmp_path: Path, array: np.ndarray, ending: str) -> None:
    path = tmp_path / f"array{ending}"
    write_idx(path, array)
    back = read_idx(path)
    assert back.shape == array.shape
    assert back.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(back, array)
    back[...] = 0  # the array is the reader's own


@shared_folder
@given(content=st.binary(max_size=40), start=st.sampled_from([b"", b"\0\0", b"\x1f\x8b", b"\x1f\x8b\x08\0\0\0\0\0"]))
def test_any_bytes_give_an_array_or_a_data_error(tmp_path: Path, content: bytes, start: bytes) -> None:
    path = tmp_path / "any"
    path.write_bytes(start + content)
    try:
        array = read_idx(path)
    except DataError:
        return
    # Whatever was read is all that the file says.
    assert path.read_bytes().endswith(array.astype(array.dtype.newbyteorder(">")).tobytes())


@shared_folder
@given(
    code=st.sampled_from(CODES),
    sizes=st.lists(st.one_of(st.integers(0, 3), st.integers(0, 2**32 - 1)), max_size=40),
    content=st.binary(max_size=30),
    packed=st.booleans(),
)
def test_any_header_gives_an_array_or_a_data_error(
    tmp_path: Path, code: int, sizes: list[int], content: bytes, packed: bool
) -> None:
    whole = header(code, *sizes) + content
    (tmp_path / "any").write_bytes(gzip.compress(whole, mtime=0) if packed else whole)
    try:
        array = read_idx(tmp_path / "any")
    except DataError:
        return
    assert array.shape == tuple(sizes)
    assert array.nbytes == len(content)


@shared_folder
@given(data=st.data())
def test_a_packed_file_with_changed_bytes_is_read_right_or_refused(tmp_path: Path, data: st.DataObject) -> None:
    array = np.arange(210, dtype=np.int16).reshape(5, 2, 3, 7)
    path = tmp_path / "array.gz"
    write_idx(path, array)
    content = bytearray(path.read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content[: data.draw(st.sampled_from([len(content), position]))])
    try:
        back = read_idx(path)
    except DataError:
        return
    np.testing.assert_array_equal(back, array)  # the checksum lets only the header's time, system and the like differ


def test_writing_twice_gives_equal_bytes_without_a_time(tmp_path: Path) -> None:
    array = np.arange(15, dtype=np.uint8).reshape(3, 5)
    write_idx(tmp_path / "a.gz", array)
    write_idx(tmp_path / "b.gz", array)
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()
    assert (tmp_path / "a.gz").read_bytes()[3:8] == bytes(5)  # no name, time 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is cut short: 0 bytes, but an IDX file begins with 4"),
        (b"\0\0\x08", "is cut short: 3 bytes"),
        (b"\x89PNG\r\n", "is not an IDX file: it begins with the bytes 89 50 4e 47, but IDX begins with 00 00"),
        (b"\0\0\x0a\x01\0\0\0\0", "is not an IDX file: it begins with the bytes 00 00 0a 01"),
        (header(8, *[1] * 33) + b"1", "declares 33 axes, but at most 32 can be read"),
        (header(8, 2, 3)[:-1], "declares 2 axes, that is 8 bytes for their sizes, but 7 follow"),
        (
            header(12, 2, 3) + bytes(23),
            r"declares int32 elements of shape \(2, 3\), that is 24 bytes after the header",
        ),
        (header(12, 2, 3) + bytes(23), "but has 23. Get a new copy of it"),
        (
            header(12, 2, 3) + bytes(25),
            r"is too long: its header declares int32 elements of shape \(2, 3\), that is 24",
        ),
        (header(8, 0, 2**32 - 1, 2**32 - 1), "has a wrong header"),
        (gzip.compress(header(8, 3, 5) + bytes(14), mtime=0), "that is 15 bytes, but 14 follow. Get a new copy of it"),
        (gzip.compress(header(8, 3, 5) + bytes(16), mtime=0), "is too long: .* but more follow"),
        (
            gzip.compress(header(8, 3, 5) + bytes(15), mtime=0)[:-9],
            "the gzip packing is damaged .* Get a new copy of it",
        ),
        (gzip.compress(header(8, 3, 5) + bytes(15), mtime=0)[:-8] + bytes(8), "the gzip packing is damaged .*CRC"),
        (gzip.compress(header(8, 3, 5) + bytes(15), mtime=0) + b"more", "the gzip packing is damaged"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_idx(path)
    assert str(caught.value).startswith(str(path))


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing can't be read: No such file"):
        read_idx(tmp_path / "nothing")
    with pytest.raises(DataError, match=r"can't be read: "):
        read_idx(tmp_path)


@pytest.mark.parametrize("packed", [False, True])
def test_a_header_that_lies_takes_no_memory(tmp_path: Path, packed: bool) -> None:
    """A terabyte is announced; the packed file really unpacks to 100 MB, of which only 5 bytes were announced."""
    bomb = header(8, 5) + bytes(100_000_000)
    (tmp_path / "small").write_bytes(header(14, 1000, 1000, 125_000) + bytes(1000))
    (tmp_path / "bomb").write_bytes(gzip.compress(bomb, 6, mtime=0) if packed else bomb)
    del bomb
    tracemalloc.start()
    try:
        for name in ("small", "bomb"):
            with pytest.raises(DataError, match=r"is cut short or has a wrong header|is too long"):
                read_idx(tmp_path / name)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_what_idx_can_not_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"IDX has no type int64. Convert with `array.astype\(...\)` to one of uint8"):
        write_idx(tmp_path / "a", np.arange(3))
    with pytest.raises(DataError, match=r"an array of shape \(4294967296,\) does not fit"):
        write_idx(tmp_path / "a", np.broadcast_to(np.uint8(0), 1 << 32))
    with pytest.raises(DataError, match=r"Can't write .*b: No such file"):
        write_idx(tmp_path / "a" / "b", np.zeros(3, np.uint8))
