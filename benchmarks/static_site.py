"""A web server for a folder, as those that publish pages are: types by the names of files, text packed by gzip."""

from __future__ import annotations

import functools
import gzip
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PACKED = (".html", ".js", ".css", ".json", ".wasm")


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files of one folder; nothing is written about it."""

    extensions_map = {
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".wasm": "application/wasm",
        ".whl": "application/octet-stream",
    }

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path.partition("?")[0]))
        path = path / "index.html" if path.is_dir() else path
        if path.suffix not in PACKED or not path.is_file():
            super().do_GET()
            return
        content = packed(path, path.stat().st_mtime_ns)
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Nothing is written, but it is counted."""
        getattr(self.server, "seen", []).append(arguments)


@functools.lru_cache(maxsize=64)
def packed(path: Path, changed: int) -> bytes:
    """A file as it is sent."""
    return gzip.compress(path.read_bytes(), 6)


@contextmanager
def published(folder: Path, seen: list[object] | None = None) -> Iterator[str]:
    """The address of a folder on this machine. seen: gets an entry for each request."""
    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.seen = [] if seen is None else seen  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()
