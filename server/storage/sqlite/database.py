"""The embedded Database: its parts, and where under the data folder they lie."""

from datetime import UTC, datetime
from pathlib import Path

from server.storage.port import FileStore
from server.storage.sqlite.connections import Connections
from server.storage.sqlite.files import SqliteFiles
from server.storage.sqlite.objects import SqliteObjects
from server.storage.sqlite.pipelines import SqlitePipelines
from server.storage.sqlite.relations import SqliteRelations
from server.storage.sqlite.schemas import SqliteSchemas
from server.storage.sqlite.tallies import SqliteTallies

FILE_NAME = "parsewarden.sqlite3"
FILES_FOLDER = "files"


class SqliteDatabase:
    """The Database for one machine; see the port for its contract."""

    def __init__(self, data_dir: Path) -> None:
        """Open or create it at the first use; the folder must exist by then."""
        self._connections = Connections(data_dir / FILE_NAME)
        self.objects = SqliteObjects(self._connections)
        self.tallies = SqliteTallies(self._connections)
        self.pipelines = SqlitePipelines(self._connections)
        self.schemas = SqliteSchemas(self._connections)
        self.relations = SqliteRelations(self._connections)
        self.files: FileStore = SqliteFiles(self._connections, data_dir / FILES_FOLDER)

    def ping(self) -> None:
        with self._connections.reading() as connection:
            connection.execute("SELECT 1 FROM objects LIMIT 1").fetchone()

    def now(self) -> datetime:
        return datetime.now(UTC)  # this machine's is its own

    def damages(self) -> list[str]:
        with self._connections.reading() as connection:
            found = [line for (line,) in connection.execute("PRAGMA quick_check").fetchall()]
        return [] if found == ["ok"] else found

    def close(self) -> None:
        self._connections.close()
