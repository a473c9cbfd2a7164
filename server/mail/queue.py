"""Mails off the request's thread: one thread that composes and sends, and a log of what became."""

import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

from cloud.moderation.errors import StoreUnavailable
from server.mail.port import Mail, Mailer, MailNotSent

logger = logging.getLogger(__name__)

_MAX_WAITING = 1_000
# Waits between tries, in seconds: through a greylist's first refusal, or a restart.
_WAITS_S = (5.0, 60.0, 300.0)
_CLOSE_S = 10.0


class MailQueueFull(Exception):
    """More mails wait than are kept."""


Compose = Callable[[], Mail | None]
"""Makes the mail when its turn has come; None if there is none to send."""


@dataclass(slots=True)
class _Letter:
    what: str
    compose: Compose
    tries: int = 0
    mail: Mail | None = None


class MailQueue:
    """Sends one process's mails; thread-safe. Begins with the first one; close it.

    What waits is in memory: a process that is killed loses it, and its user asks again. What is
    given up, and what is left when it closes, stands in the log.
    """

    def __init__(self, mailer: Mailer, *, waits_s: tuple[float, ...] = _WAITS_S) -> None:
        self._mailer, self._waits_s = mailer, waits_s
        self._waiting: queue.Queue[_Letter | None] = queue.Queue(_MAX_WAITING)
        self._later: set[threading.Timer] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closing = False

    def post(self, what: str, compose: Compose) -> None:
        """Have a mail composed and sent soon; `what` says in the log which.

        Raises MailQueueFull.
        """
        with self._lock:
            if self._closing:
                raise MailQueueFull
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="mails", daemon=True)
                self._thread.start()
        try:
            self._waiting.put_nowait(_Letter(what, compose))
        except queue.Full:
            logger.error("no room for a mail (%s): %d wait already", what, _MAX_WAITING)
            raise MailQueueFull from None

    def close(self) -> None:
        """Take nothing more, and give what waits ten seconds."""
        with self._lock:
            self._closing = True
            later, self._later = self._later, set()
        for timer in later:
            timer.cancel()
        if later:
            logger.error("%d mails that were to be tried again are given up", len(later))
        if self._thread is None:
            return
        try:
            self._waiting.put(None, timeout=_CLOSE_S)
            self._thread.join(_CLOSE_S)
        except queue.Full:
            pass
        if self._thread.is_alive():
            logger.error("%d mails are not sent: the server ends", self._waiting.qsize())

    def _work(self) -> None:
        while (letter := self._waiting.get()) is not None:
            try:
                self._send(letter)
            except (MailNotSent, StoreUnavailable) as error:
                self._not_sent(letter, error)
            except Exception:  # the worker loop: others' mails go on
                logger.exception("a mail (%s) could not be made", letter.what)

    def _send(self, letter: _Letter) -> None:
        letter.tries += 1
        letter.mail = letter.mail or letter.compose()
        if letter.mail is not None:
            place = self._mailer.send(letter.mail)
            logger.info("a mail (%s) went to %s", letter.what, place)

    def _not_sent(self, letter: _Letter, error: MailNotSent | StoreUnavailable) -> None:
        is_final = isinstance(error, MailNotSent) and error.is_final
        if is_final or letter.tries > len(self._waits_s):
            logger.error("a mail (%s) is given up: %s", letter.what, error)
            return
        wait_s = self._waits_s[letter.tries - 1]
        logger.warning("a mail (%s) is tried again in %d s: %s", letter.what, wait_s, error)
        timer = threading.Timer(wait_s, lambda: self._again(timer, letter))
        timer.daemon = True
        with self._lock:
            if not self._closing:
                self._later.add(timer)
                timer.start()
                return
        logger.error("a mail (%s) is given up: the server ends", letter.what)

    def _again(self, timer: threading.Timer, letter: _Letter) -> None:
        with self._lock:
            if timer not in self._later:  # closed meanwhile
                return
            self._later.discard(timer)
        try:
            self._waiting.put_nowait(letter)
        except queue.Full:
            logger.error("a mail (%s) is given up: no room", letter.what)
