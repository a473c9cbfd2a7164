"""How a client wants MongoDB to read: from which members, by which index; how it would."""

from collections.abc import Iterable, Iterator
from typing import Any

import bson
from bson import CodecOptions, Timestamp
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.read_preferences import (
    Nearest,
    Primary,
    PrimaryPreferred,
    Secondary,
    SecondaryPreferred,
)

from server.storage.budget import Budget
from server.storage.mongo.rows import Row
from server.storage.mongo.weighing import weight_of_bson
from server.storage.port import ClassSchema, Hint

_PREFERENCES = {
    "PRIMARY": Primary,
    "PRIMARY_PREFERRED": PrimaryPreferred,
    "SECONDARY": Secondary,
    "SECONDARY_PREFERRED": SecondaryPreferred,
    "NEAREST": Nearest,
}


def collection(
    database: Database[Row], schema: ClassSchema, read_preference: str | None
) -> Collection[Row]:
    """Return a class's collection, read from the members that are preferred."""
    if read_preference is None:
        return database[schema.class_name]
    preference = _PREFERENCES[read_preference]()
    return database.get_collection(schema.class_name, read_preference=preference)


def rows_within(batches: Iterable[Any], codec: CodecOptions[Row], budget: Budget) -> Iterator[Row]:
    """Unpack raw batches one after the other. Raises TooMuchData before it is in memory."""
    for batch in batches:
        if budget.takes_unseen(len(batch)):
            yield from bson.decode_all(batch, codec)
            continue
        position = 0
        while position < len(batch):
            end = position + int.from_bytes(batch[position : position + 4], "little")
            raw = batch[position:end]
            budget.take(weight_of_bson(raw))
            yield bson.decode(raw, codec)
            position = end


def keyed_hint(hint: Hint) -> str | dict[str, Any]:
    """Translate a hint to what a command takes."""
    return hint if isinstance(hint, str) else dict(hint)


def explained(database: Database[Row], command: Row, verbosity: str) -> Any:
    """Return what MongoDB says of how it would carry out a command, without what is not JSON."""
    found = database.command({"explain": command, "verbosity": verbosity})
    return _as_json({name: part for name, part in found.items() if name[:1] not in ("$", "_")})


def _as_json(value: Any) -> Any:
    match value:
        case dict():
            return {key: _as_json(member) for key, member in value.items()}
        case list():
            return [_as_json(member) for member in value]
        case Timestamp():
            return value.time
        case bool() | int() | float() | str() | None:
            return value
    return str(value)
