"""Lines of the log: one for each event, as text or JSON, with the id of the request they belong to.

Nobody's input can forge a line: control characters are escaped.
"""

import logging
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

from gunicorn.glogging import Logger as GunicornLogger
from pythonjsonlogger.json import JsonFormatter

Format = Literal["text", "json"]

_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
_USABLE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_ID_FIELD = "request_id"
_JSON = ["timestamp", "levelname", "name", "message", _ID_FIELD]


def request_id_of(given: str | None) -> str:
    """The id that a proxy or client gave a request, if it can be used, or a new one."""
    return given if given and _USABLE_ID.fullmatch(given) else secrets.token_hex(16)


def current_request_id() -> str | None:
    """The id of the request that this thread works for."""
    return _request_id.get()


@contextmanager
def working_for(request_id: str | None) -> Iterator[None]:
    """Let the log's lines from within this block bear the id."""
    token = _request_id.set(request_id)
    try:
        yield
    finally:
        _request_id.reset(token)


class _Belonging(logging.Filter):
    """Gives every record the id of the request that it belongs to."""

    def filter(self, record: logging.LogRecord) -> bool:
        setattr(record, _ID_FIELD, _request_id.get())
        return True


class _OneLine(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:
        if not record.message.isprintable():
            escaped = (c if c.isprintable() else repr(c)[1:-1] for c in record.message)
            record.message = "".join(escaped)
        request_id = getattr(record, _ID_FIELD)
        return super().formatMessage(record) + (f" request={request_id}" if request_id else "")


def set_up(form: Format) -> None:
    """Send the log to standard error in this form, unless somebody else has taken it over."""
    root = logging.getLogger()
    if any(handler is not _handler for handler in root.handlers):
        return
    _handler.setFormatter(_json() if form == "json" else _OneLine(_TEXT))
    _handler.addFilter(_belonging)
    root.addHandler(_handler)
    root.setLevel(logging.INFO)
    # It counts a bad line of .env at each reading; see server.env_file, which names the file.
    logging.getLogger("dotenv").setLevel(logging.ERROR)


def _json() -> logging.Formatter:
    names = {"levelname": "level", "name": "logger"}
    return JsonFormatter(_JSON, style=",", timestamp=True, rename_fields=names)


_handler, _belonging = logging.StreamHandler(), _Belonging()


class ServersLog(GunicornLogger):  # type: ignore[misc]  # gunicorn carries no types
    """gunicorn's own lines, in the form of all others."""

    def setup(self, _config: object) -> None:
        self.error_log.setLevel(logging.WARNING)
        self.error_log.propagate = True
