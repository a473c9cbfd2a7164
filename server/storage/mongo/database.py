"""One MongoDB database, as Parse Server lays it out."""

import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pymongo
from pymongo import MongoClient
from pymongo.errors import ConfigurationError, InvalidURI
from pymongo.write_concern import WriteConcern

from server.storage.mongo.errors import translated_errors
from server.storage.mongo.files import MongoFiles
from server.storage.mongo.objects import MongoObjects
from server.storage.mongo.pipelines import MongoPipelines
from server.storage.mongo.relations import MongoRelations
from server.storage.mongo.schemas import MongoSchemas
from server.storage.mongo.tallies import MongoTallies
from server.storage.port import FileStore

# A request answers "busy" rather than wait for a database that is away or stands still. Options in
# the URI come first.
_DEFAULT_OPTIONS = {"timeoutMS": 2000, "connectTimeoutMS": 2000}
_PING_TIMEOUT_S = 1
_DEFAULT_DATABASE = "parse"


class MongoDatabase:
    """The Database for production; see the port for its contract."""

    def __init__(self, uri: str) -> None:
        """Connect lazily. Raises ValueError for a URI that pymongo cannot read."""
        try:
            self._client: MongoClient[dict[str, Any]] = MongoClient(
                uri,
                tz_aware=True,
                datetime_conversion="DATETIME_CLAMP",  # dates beyond Python's are its last
                **_defaults_for(uri),
            )
        except (ConfigurationError, InvalidURI, ValueError) as error:
            raise ValueError(f"DATABASE_URI cannot be used: {_without_parts(error)}") from None
        database = self._client.get_default_database(_DEFAULT_DATABASE).with_options(
            write_concern=WriteConcern(w="majority", j=True)
        )
        self.objects = MongoObjects(database)
        self.tallies = MongoTallies(database)
        self.pipelines = MongoPipelines(database)
        self.schemas = MongoSchemas(database)
        self.relations = MongoRelations(database)
        self.files: FileStore = MongoFiles(database)

    def ping(self) -> None:
        with translated_errors(), pymongo.timeout(_PING_TIMEOUT_S):
            self._client.admin.command("ping")

    def now(self) -> datetime:
        with translated_errors(), pymongo.timeout(_PING_TIMEOUT_S):
            told = self._client.admin.command("hello").get("localTime")
        if not isinstance(told, datetime):  # not every server that speaks MongoDB's protocol has it
            return datetime.now(UTC)
        return told if told.tzinfo else told.replace(tzinfo=UTC)

    def damages(self) -> list[str]:
        return []  # MongoDB checks its own files

    def close(self) -> None:
        self._client.close()


def _without_parts(error: Exception) -> str:
    """pymongo's sentence without what it quotes: an unescaped password is taken for a name."""
    return re.sub(r""" (?:"[^"]*@.*"|'[^']*@.*')""", "", str(error))


def _defaults_for(uri: str) -> dict[str, Any]:
    given = {name.lower() for name, _ in parse_qsl(urlsplit(uri).query)}
    return {name: value for name, value in _DEFAULT_OPTIONS.items() if name.lower() not in given}
