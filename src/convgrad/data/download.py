"""Downloading a published dataset: mirrors in order, hashes checked, a broken download continued where it broke off."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pooch
import requests
import urllib3

from convgrad.arguments import whole_number
from convgrad.data.folders import Progress
from convgrad.data.published import Published
from convgrad.errors import DataError

_SECONDS_TO_CONNECT, _SECONDS_BETWEEN_BYTES = 10, 60
# How often in a row a download may bring nothing new before the next mirror is tried.
_FRUITLESS_ATTEMPTS = 3
_PAUSE = 1.0
"""Seconds before the next attempt."""
_BLOCK = 1 << 16


def fetch(published: Published, cache: Path | None = None, progress: Progress | None = None) -> Path:
    """The folder that holds all files of a published dataset, downloaded where they are not there yet.

    Args:
        cache: the folder of folders to keep them in; the user's cache folder without it.
        progress: called with bytes there and bytes in all, file by file.

    Raises:
        DataError: no mirror gives the right file, or the folder can't be written.
    """
    folder = (Path(pooch.os_cache("convgrad")) if cache is None else cache) / published.name
    for file, md5 in published.files.items():
        _fetch_file(published, file, md5, folder, progress)
    return folder


def _fetch_file(published: Published, file: str, md5: str, folder: Path, progress: Progress | None) -> None:
    failures = []
    for mirror in published.mirrors:
        downloader = ResumingDownloader(folder / f"{file}.part", progress)
        try:
            pooch.retrieve(mirror + file, f"md5:{md5}", fname=file, path=folder, downloader=downloader)
            return
        except requests.RequestException as error:
            failures.append(f"{mirror}{file}: {_reason(error)}")
        except OSError as error:
            raise DataError(f"can't keep {published.name} in {folder}: {error.strerror or error}.") from error
        except ValueError:  # pooch has deleted the file
            failures.append(f"{mirror}{file}: what arrived does not have the published MD5 {md5}, and was removed")
    files = f"the {len(published.files)} files {', '.join(published.files)}" if len(published.files) > 1 else file
    raise DataError(
        f"can't download {published.name}: {'; '.join(failures)}. Try again later (what has arrived is kept), or put "
        f"{files} into a folder and pass --data-dir FOLDER (in Python: data_dir=FOLDER)."
    )


def _reason(error: requests.RequestException) -> str:
    """What went wrong, without the addresses and object names that requests puts into it."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the server answers {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    text = str(error).rpartition("Caused by ")[2]
    text = re.sub(r"<[^>]*>:? ?|\w+Error\(|\w+Connection\([^)]*\): ?|[()'\"]", "", text)
    return f"the connection failed ({text})"


class ResumingDownloader:
    """A downloader for pooch that keeps what has arrived in a `.part` file and continues it, even in a later run.

    Continuing needs a server that honours HTTP's `Range` (RFC 9110, section 14.2); with any other it begins anew. What
    was put together from pieces is trusted only by its hash, which pooch compares.
    """

    def __init__(self, part: Path, progress: Progress | None = None):
        self.part, self.progress = part, progress

    def __call__(self, url: str, output_file: str, _pooch: object) -> None:
        most, fruitless = self._arrived(), 0
        while True:
            try:
                self._continue(url)
                break
            except requests.HTTPError:
                raise
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                fruitless = 0 if self._arrived() > most else fruitless + 1
                most = max(most, self._arrived())
                if fruitless == _FRUITLESS_ATTEMPTS:
                    if isinstance(error, requests.RequestException):
                        raise
                    raise requests.ConnectionError(str(error)) from error
                time.sleep(_PAUSE)
        os.replace(self.part, output_file)

    def _arrived(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _continue(self, url: str) -> None:
        """Ask for what is missing and append it until the file is whole or the connection breaks."""
        start = self._arrived()
        # Without `identity` a server may pack a file that is packed already, and its hash would differ.
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
        timeout = (_SECONDS_TO_CONNECT, _SECONDS_BETWEEN_BYTES)
        with requests.get(url, headers=headers, stream=True, timeout=timeout) as response:
            first, total = _range(response)
            if response.status_code == 416 and total == start:
                return  # nothing is missing: the last run broke off between the last byte and the renaming
            if response.status_code == 416 or (response.status_code == 206 and first != start):
                self.part.unlink(missing_ok=True)
                raise requests.ConnectionError(f"the server does not continue at byte {start}")
            response.raise_for_status()
            if response.status_code != 206:
                start = 0
            with self.part.open("ab" if start else "wb") as file:
                while block := response.raw.read(_BLOCK, decode_content=False):
                    file.write(block)
                    start += len(block)
                    if self.progress is not None:
                        self.progress(start, total or start)
        if total is not None and start != total:
            raise requests.ConnectionError(f"the connection broke after {start:,} of {total:,} bytes")


def _range(response: requests.Response) -> tuple[int | None, int | None]:
    """The position of the answer's first byte and the whole file's size, as far as the server tells them."""
    found = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", response.headers.get("Content-Range", ""))
    if found:
        first, total = found.groups()
        return (None if first is None else whole_number(first)), whole_number(total)
    length = response.headers.get("Content-Length", "")
    return None, (whole_number(length) if response.status_code == 200 else None)
