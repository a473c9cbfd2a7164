"""The FileStore in MongoDB: GridFS, as Parse Server's default adapter uses it."""

from collections.abc import Iterator, Mapping
from typing import Any

from gridfs import GridFSBucket, NoFile
from pymongo.database import Database

from cloud.moderation.errors import StoreUnavailable
from server.storage.mongo.errors import more_time, translated_errors
from server.storage.port import StoredFile

_CHUNK_BYTES = 261_120  # as the driver of Parse Server cuts them
_TIMEOUT_S = 30  # for many megabytes


class MongoFiles:
    """The FileStore; see the port for its contract."""

    reads_parts = True

    def __init__(self, database: Database[dict[str, Any]]) -> None:
        self._database = database
        self._bucket = GridFSBucket(database, chunk_size_bytes=_CHUNK_BYTES)
        self._files = database["fs.files"]
        self._chunks = database["fs.chunks"]

    def put(self, name: str, data: bytes, metadata: Mapping[str, Any]) -> None:
        with translated_errors(), more_time(self._database, _TIMEOUT_S):
            self._bucket.upload_from_stream(name, data, metadata=dict(metadata))

    def stat(self, name: str) -> StoredFile | None:
        with translated_errors():
            row = self._newest(name)
        return None if row is None else StoredFile(name, row["length"], row.get("metadata") or {})

    def read(self, name: str, start: int = 0, end: int | None = None) -> bytes | None:
        with translated_errors(), more_time(self._database, _TIMEOUT_S):
            row = self._newest(name)
            if row is None:
                return None
            end = row["length"] if end is None else min(end, row["length"])
            return self._bytes(row, start, end) if start < end else b""

    def delete(self, name: str) -> bool:
        with translated_errors():
            versions = list(self._files.find({"filename": name}, {"_id": 1}))
            deleted = [self._delete(version["_id"]) for version in versions]
        return any(deleted)

    def names(self) -> Iterator[str]:
        last = None
        with translated_errors():
            for row in self._files.find({}, {"filename": 1}).sort("filename"):
                if row["filename"] != last:  # versions follow each other
                    yield row["filename"]
                last = row["filename"]

    def _newest(self, name: str) -> dict[str, Any] | None:
        return self._files.find_one({"filename": name}, sort=[("uploadDate", -1), ("_id", -1)])

    def _bytes(self, row: Mapping[str, Any], start: int, end: int) -> bytes:
        """Return a part of a file out of the chunks that hold it and no others."""
        size = row["chunkSize"]
        first = start // size
        wanted = {"$gte": first, "$lt": -(-end // size)}
        chunks = self._chunks.find({"files_id": row["_id"], "n": wanted}, {"data": 1}).sort("n")
        data = b"".join(chunk["data"] for chunk in chunks)
        part = data[start - first * size : end - first * size]
        if len(part) != end - start:
            raise StoreUnavailable(f"MongoDB: file {row['filename']} lacks chunks")
        return part

    def _delete(self, file_id: Any) -> bool:
        try:
            self._bucket.delete(file_id)
        except NoFile:  # another call was faster
            return False
        return True
