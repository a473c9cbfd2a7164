"""Host names to addresses, with a deadline that the system's resolver does not have.

getaddrinfo cannot be interrupted, so it runs in threads that may be left behind: daemons, few, and
made when the first name is looked up, because a forked child does not inherit its parent's threads.
"""

import os
import queue
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future

# From a normalised ASCII host name to address literals; may block, raises OSError when not found.
Resolve = Callable[[str], Sequence[str]]

# So many lookups may hang in slow name servers before further ones wait for a free thread.
_MAX_THREADS = 32

_Lookup = tuple["Future[Sequence[str]]", str]


def system_resolve(host: str) -> Sequence[str]:
    """Look a host name up as the system does: hosts file, then DNS. Blocks; raises OSError."""
    # As bytes, the name passes by Python's own "idna" codec, which is older than ours.
    answers = socket.getaddrinfo(host.encode("ascii"), None, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in answers]


class Resolver:
    """Runs a blocking `Resolve` and waits no longer than told. Thread-safe, also after a fork."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._threads: _Threads | None = None

    def resolve(self, host: str, timeout_s: float) -> Sequence[str]:
        """Return the addresses of `host`. Raises TimeoutError, or what the `Resolve` raised."""
        lookup = self._threads_of_this_process().submit(host)
        try:
            return lookup.result(timeout_s)
        finally:
            lookup.cancel()  # one that still waits for a thread need not run any more

    def _threads_of_this_process(self) -> "_Threads":
        # Two threads may get here at once and make two pools; the loser's serves one lookup.
        threads = self._threads
        if threads is None or threads.pid != os.getpid():
            threads = self._threads = _Threads(self._resolve)
        return threads


class _Threads:
    """Daemon threads, one more whenever none is idle (concurrent.futures makes no daemons)."""

    def __init__(self, resolve: Resolve) -> None:
        self.pid = os.getpid()
        self._resolve = resolve
        self._lookups: queue.SimpleQueue[_Lookup] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0
        self._started = 0

    def submit(self, host: str) -> "Future[Sequence[str]]":
        lookup: Future[Sequence[str]] = Future()
        with self._lock:
            self._lookups.put((lookup, host))
            if self._idle > 0:
                self._idle -= 1
            elif self._started < _MAX_THREADS:
                self._started += 1
                threading.Thread(target=self._work, name="resolver", daemon=True).start()
        return lookup

    def _work(self) -> None:
        while True:
            lookup, host = self._lookups.get()
            if lookup.set_running_or_notify_cancel():
                self._run(lookup, host)
            with self._lock:
                self._idle += 1

    def _run(self, lookup: "Future[Sequence[str]]", host: str) -> None:
        try:
            lookup.set_result(self._resolve(host))
        except Exception as error:  # handed to the caller, whose thread raises it
            lookup.set_exception(error)
