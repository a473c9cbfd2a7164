"""How calls end: pymongo's errors become those of the port, and nothing is waited for long."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pymongo
from bson.errors import BSONError
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, OperationFailure, PyMongoError

from cloud.moderation.errors import StoreFull, StoreUnavailable
from server.storage.mongo.columns import parse_path
from server.storage.port import DuplicateObject, Refused, RefusedQuery

# What MongoDB says of a call that it will never carry out, however often it is repeated:
# BadValue, TypeMismatch, Overflow (nested too deep), PathNotViable, ConflictingUpdateOperators,
# DollarPrefixedFieldName, BSONObjectTooLarge (as it came, after the update), no regular expression.
_MISFITS = frozenset({2, 14, 15, 28, 40, 52, 10334, 17419, 51091})

_OUT_OF_DISK_SPACE = 14031

# Not authorised, out of time, not the primary, shutting down, interrupted, out of memory or disk.
_ABOUT_ITSELF = frozenset(
    {
        13, 18, 24, 43, 50, 89, 91, 136, 189, 237, 262, 292, 10107, 11600, 11601, 11602, 13388,
        13435, 13436, _OUT_OF_DISK_SPACE,
    }
)  # fmt: skip

INDEX_TIMEOUT_S = 60  # large collections are read through

# In pymongo's texts: where what nobody reads begins, what stands between, and the system's errors.
_AT_LENGTH = re.compile(r", (?:Timeout: [\d.]+s|Topology Description: |full error: )")
_TIMEOUTS = re.compile(r" \(configured timeouts: [^)]*\)")
_HOST = re.compile(r"(\S),(\S+:\d+: )")
_ERRNO = re.compile(r"\[Errno -?\d+\] (\w)")

_INDEX_NAME = re.compile(r"index: (?:\S+\.\$)?(\S+?)_?1?\s+(?:collation .*)?dup key")


@contextmanager
def translated_errors() -> Iterator[None]:
    """Raise DuplicateObject, Refused for what cannot be stored or asked, or StoreUnavailable."""
    try:
        yield
    except DuplicateKeyError as error:
        raise DuplicateObject(str(error), _duplicated_column(error)) from error
    except OperationFailure as error:
        if error.code in _MISFITS:
            raise Refused(f"MongoDB: {in_short(error)}") from error
        if error.code == _OUT_OF_DISK_SPACE:
            raise StoreFull(f"MongoDB: {in_short(error)}") from error
        raise StoreUnavailable(f"MongoDB: {in_short(error)}") from error
    except PyMongoError as error:
        raise StoreUnavailable(f"MongoDB: {in_short(error)}") from error
    except (BSONError, OverflowError) as error:  # such as a document of more than 16 MB
        raise Refused(f"MongoDB: {in_short(error)}") from error


def in_short(error: Exception) -> str:
    """What an operator can act on: `localhost:27017: connection refused`. Bears no credentials.

    pymongo adds its timeouts, the server's whole answer and the state of every server it knows of,
    the first and the last once for each of them.
    """
    text = _AT_LENGTH.split(str(error), maxsplit=1)[0]
    text = _TIMEOUTS.sub("", text)
    text = _HOST.sub(r"\1, \2", text)
    return _ERRNO.sub(lambda match: match[1].lower(), text)


@contextmanager
def refused_queries() -> Iterator[None]:
    """Raise RefusedQuery for what MongoDB says of a question rather than of itself: a pipeline's
    expressions have hundreds of codes."""
    try:
        yield
    except OperationFailure as error:
        if error.code in _ABOUT_ITSELF:
            raise
        raise RefusedQuery(f"MongoDB: {in_short(error)}") from error


@contextmanager
def more_time(database: Database[Any], seconds: float) -> Iterator[None]:
    """Allow calls more than the client's timeout, after one that must still keep to it: so a
    database that is away is found out as fast as ever."""
    database.command("ping")
    with pymongo.timeout(seconds):
        yield


def _duplicated_column(error: DuplicateKeyError) -> str | None:
    pattern = (error.details or {}).get("keyPattern")  # since MongoDB 4.2
    if pattern:
        return parse_path(next(iter(pattern)))
    named = _INDEX_NAME.search(str(error))
    return parse_path(named[1]) if named else None
