"""Requests that must arrive in time: a client that drips its bytes shall not hold a thread.

gunicorn limits how long a client may pause, not how long its whole request may take.
"""

import logging
import socket
import threading
import time

logger = logging.getLogger(__name__)

# For a request's line and headers, and on top of the time that its body may take.
HEAD_S = 15.0
# Slower than any mobile network that can show a picture.
_MIN_BYTES_PER_S = 8 * 1024
_CHECK_EVERY_S = 0.5


class ReadDeadlines:
    """Ends the receiving side of connections whose request is overdue; thread-safe.

    Whoever reads from such a connection then finds its end.
    """

    def __init__(self) -> None:
        # Single steps on a dict need no lock, which eight busy threads would queue for.
        self._due: dict[socket.socket, float] = {}
        self._starting = threading.Lock()
        self._watcher: threading.Thread | None = None

    def begin(self, connection: socket.socket, seconds: float = HEAD_S) -> None:
        """Expect what is being read from this connection within so many seconds from now."""
        self._due[connection] = time.monotonic() + seconds
        if self._watcher is None:
            self._start_watching()

    def expect_body(self, connection: socket.socket, length: int) -> None:
        """Allow for a body of so many bytes."""
        self.begin(connection, HEAD_S + length / _MIN_BYTES_PER_S)

    def end(self, connection: socket.socket) -> None:
        """The request is there, or nobody waits for it any more."""
        self._due.pop(connection, None)

    def _start_watching(self) -> None:
        with self._starting:
            if self._watcher is None:
                self._watcher = threading.Thread(target=self._watch, name="deadlines", daemon=True)
                self._watcher.start()

    def _watch(self) -> None:
        while True:
            time.sleep(_CHECK_EVERY_S)
            now = time.monotonic()
            for connection, due in self._due.copy().items():
                if due <= now and self._due.get(connection) == due:
                    self.end(connection)
                    _stop_reading(connection)


def _stop_reading(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RD)
    except OSError:  # it is closed already
        return
    logger.warning("a request did not arrive in time; its connection is closed")


read_deadlines = ReadDeadlines()
"""The process's own: its web worker begins, whoever reads a body ends."""
