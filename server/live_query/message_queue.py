"""What waits to be sent to one client, in order and bounded."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from server.live_query.limits import Limits

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class Backlog:
    """What waits for all clients of one process; too much, and who has been behind longest goes.

    Belongs to the event loop.
    """

    def __init__(self, most_characters: int) -> None:
        self._most, self._characters = most_characters, 0
        self._behind: dict[MessageQueue, int] = {}  # longest first

    def note(self, queue: "MessageQueue", characters: int) -> None:
        """Note how much waits in a queue now."""
        self._characters += characters - self._behind.get(queue, 0)
        if characters:
            self._behind[queue] = characters
        else:
            self._behind.pop(queue, None)
        while self._characters > self._most:
            longest = next(iter(self._behind))
            self._characters -= self._behind.pop(longest)
            longest.give_up()


class MessageQueue:
    """What waits to be sent to one client. `put` and `end` may be called from any thread."""

    def __init__(self, limits: Limits, backlog: Backlog) -> None:
        self._limits, self._backlog = limits, backlog
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Queue[str | None] = asyncio.Queue()
        self._characters = 0
        self._close: tuple[int, str] = (1000, "")
        self._given_up = asyncio.Event()

    def put(self, text: str) -> None:
        """Send a message after those before, or disconnect a client that does not read."""
        self._in_loop(self._put, text)

    def end(self, code: int, reason: str) -> None:
        """Send what waits, then end the connection."""
        self._in_loop(self._end, code, reason)

    def finish(self) -> None:
        """Send what waits, and no more; in the loop's thread."""
        self._waiting.put_nowait(None)

    async def write(self, send: Send) -> None:
        """Send until the end, or until the client has fallen too far behind."""
        sending = asyncio.create_task(self._send_all(send))
        giving_up = asyncio.create_task(self._given_up.wait())
        try:
            await asyncio.wait({sending, giving_up}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sending.cancel()
            giving_up.cancel()
            self.give_up()
            self._backlog.note(self, 0)

    def give_up(self) -> None:
        """Disconnect the client; what comes for it from now on is dropped."""
        self._given_up.set()

    async def _send_all(self, send: Send) -> None:
        try:
            while (text := await self._waiting.get()) is not None:
                await send({"type": "websocket.send", "text": text})
                self._count(-len(text))
            code, reason = self._close
            await send({"type": "websocket.close", "code": code, "reason": reason})
        except (OSError, RuntimeError):  # the client has gone
            return

    def _put(self, text: str) -> None:
        self._count(len(text))
        is_full = self._characters > self._limits.waiting_characters
        if is_full or self._waiting.qsize() >= self._limits.waiting_messages:
            self.give_up()
        elif not self._given_up.is_set():
            self._waiting.put_nowait(text)

    def _count(self, characters: int) -> None:
        if not self._given_up.is_set():
            self._characters += characters
            self._backlog.note(self, self._characters)

    def _end(self, code: int, reason: str) -> None:
        self._close = code, reason
        self.finish()

    def _in_loop(self, call: Callable[..., None], *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:  # the loop is closed, and with it the connection
            return
