"""The connections of the server: a limited number, among which slow clients make room for others."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

MOST = 64
"""At a time; a browser has 6 or so."""


class Connections:
    """Those that the server waits for, by the time that it has done so, and those that wait for the server."""

    def __init__(self, most: int = MOST):
        self.most = most
        self._lock = threading.Lock()
        self._slow: dict[socket.socket, float] = {}
        self._busy: set[socket.socket] = set()

    def add(self, connection: socket.socket) -> bool:
        """Whether there is room, if need be that of the one that the server has waited for longest."""
        with self._lock:
            if len(self._slow) + len(self._busy) >= self.most:
                slowest = min(self._slow, key=self._slow.__getitem__, default=None)
                if slowest is None:
                    return False
                del self._slow[slowest]
                with contextlib.suppress(OSError):
                    slowest.shutdown(socket.SHUT_RDWR)  # its thread ends by that
            self._slow[connection] = time.monotonic()
            return True

    def remove(self, connection: socket.socket) -> None:
        """It is closed."""
        with self._lock:
            self._slow.pop(connection, None)
            self._busy.discard(connection)

    @contextlib.contextmanager
    def busy(self, connection: socket.socket) -> Iterator[None]:
        """The server computes for it: it makes room for nobody meanwhile. Raises: ConnectionError where it has."""
        with self._lock:
            if connection not in self._slow:
                raise ConnectionAbortedError("The connection made room for another.")
            del self._slow[connection]
            self._busy.add(connection)
        try:
            yield
        finally:
            with self._lock:
                self._busy.discard(connection)
                self._slow[connection] = time.monotonic()
