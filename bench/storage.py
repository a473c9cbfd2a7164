"""Time the moderators' queue in the embedded database: the oldest 12 of 100,000 images that wait.

Run `PYTHONPATH=. .venv/bin/python bench/storage.py`; the database is made in a temporary folder.
"""

import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from server.storage.port import (
    All,
    ClassSchema,
    ColumnType,
    Equals,
    Index,
    Permits,
    Query,
    SortKey,
)
from server.storage.sqlite.database import SqliteDatabase

OBJECTS = 100_000
ROUNDS = 200
START = datetime(2026, 1, 1, tzinfo=UTC)
USER_IMAGE = ClassSchema(
    "UserImage", {"moderationRequired": ColumnType("Boolean"), "n": ColumnType("Number")}
)
QUEUE = Query(
    All((Equals("moderationRequired", True), Permits("read", ("*", "bob", "role:Moderators")))),
    (SortKey("createdAt"),),
    limit=12,
)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = SqliteDatabase(Path(folder))
        fill(database)
        database.objects.ensure_index(
            USER_IMAGE, Index("queue", ("moderationRequired", "createdAt"))
        )
        times_ms = [time_once(database) for _ in range(ROUNDS)]
        database.close()
    median, worst = statistics.median(times_ms), max(times_ms)
    print(f"{OBJECTS:,} images, the first 12 of the queue: {median:.2f} ms, worst {worst:.2f} ms")


def fill(database: SqliteDatabase) -> None:
    for number in range(OBJECTS):
        database.objects.insert(USER_IMAGE, image(number))


def image(number: int) -> dict[str, object]:
    moment = START + timedelta(seconds=number)
    readers = ["*", "bob", "role:Moderators", "charlie"]
    return {
        "objectId": f"image{number}",
        "createdAt": moment,
        "updatedAt": moment,
        "moderationRequired": number % 10 == 0,
        "n": number,
        "NSFWPredictions": [{"className": "Neutral", "probability": 0.9}] * 5,
        "ACL": {readers[number // 10 % 4]: {"read": True}},
    }


def time_once(database: SqliteDatabase) -> float:
    started = time.perf_counter()
    found = database.objects.find(USER_IMAGE, QUEUE)
    assert len(found) == QUEUE.limit  # noqa: S101 - a benchmark of nothing would be fast
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    main()
