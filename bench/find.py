"""Time finds among 1,000 to 1,000,000 objects, with an index for what they ask and without.

PYTHONPATH=. .venv/bin/python bench/find.py

Prints one Markdown table for the embedded database, and for the MongoDB that BENCH_DATABASE_URI
names, in whose database `bench_find` the objects are made and dropped. BENCH_FIND_SIZES limits
the sizes: `BENCH_FIND_SIZES=1000,10000`. Every find answers 20 objects that anybody may read, and
is asked for something else each time.
"""

import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bulk import insert_all
from pymongo import MongoClient

from server.storage.mongo.database import MongoDatabase
from server.storage.port import (
    All,
    ClassSchema,
    ColumnType,
    Compares,
    Condition,
    Database,
    Document,
    Equals,
    Index,
    Order,
    Permits,
    Query,
    SortKey,
)
from server.storage.sqlite.database import SqliteDatabase

SIZES = [int(n) for n in os.environ.get("BENCH_FIND_SIZES", "1000,10000,100000,1000000").split(",")]
FOUND = 20
ROUNDS, ROUNDS_WITHOUT_INDEX = 200, 3
START = datetime(2026, 1, 1, tzinfo=UTC)
POST = ClassSchema(
    "Post",
    {
        "author": ColumnType("String"),
        "likes": ColumnType("Number"),
        "topic": ColumnType("String"),
        "text": ColumnType("String"),
    },
)
INDEXES = [Index("by_author", ("author", "createdAt")), Index("by_likes", ("likes",))]
NEWEST = (SortKey("createdAt", descending=True),)


@dataclass(frozen=True, slots=True)
class Find:
    """One line of the table; `query` makes it for a random choice among so many objects."""

    name: str
    query: Callable[[random.Random, int], Query]
    rounds: int = ROUNDS


FINDS = [
    Find("an author's newest, indexed", lambda rng, size: asked("author", one_of(rng, size))),
    Find("likes from a number on, indexed", lambda rng, _: next_likes(rng.random())),
    Find(
        "a topic's newest, no index",
        lambda rng, size: asked("topic", one_of(rng, size)),
        ROUNDS_WITHOUT_INDEX,
    ),
]


def one_of(rng: random.Random, size: int) -> str:
    return f"name{rng.randrange(size // FOUND)}"


def asked(column: str, value: str) -> Query:
    return Query(readable(Equals(column, value)), NEWEST, limit=FOUND)


def next_likes(least: float) -> Query:
    where = readable(Compares("likes", Order.GREATER_OR_EQUAL, least * 0.9))
    return Query(where, (SortKey("likes"),), limit=FOUND)


def readable(where: Condition) -> Condition:
    return All((where, Permits("read", ("*", "alice", "role:Readers"))))


def main() -> None:
    print(f"\nFinds of {FOUND} objects, median ms, by the number of objects in the class.\n")
    print(f"| database | find | {' | '.join(f'{size:,}' for size in SIZES)} | last : first |")
    print(f"|---|---|{'--:|' * (len(SIZES) + 1)}")
    with tempfile.TemporaryDirectory(prefix="parsewarden-bench-") as folder:
        report("embedded", SqliteDatabase(Path(folder)))
    uri = os.environ.get("BENCH_DATABASE_URI")
    if uri:
        with MongoClient(uri) as client:
            name = "bench_find"
            client.drop_database(name)
            report(client.server_info()["version"], mongo_database(uri, name))
            client.drop_database(name)


def mongo_database(uri: str, name: str) -> MongoDatabase:
    server, _, options = uri.partition("?")
    scheme, _, rest = server.partition("://")
    host = rest.split("/")[0]
    slow_scans = "timeoutMS=60000"
    return MongoDatabase(
        f"{scheme}://{host}/{name}?{'&'.join(filter(None, (options, slow_scans)))}"
    )


def report(name: str, database: Database) -> None:
    """Fill the database step by step; print the lines once all is measured."""
    times_ms: dict[str, list[float]] = {find.name: [] for find in FINDS}
    there = 0
    for size in SIZES:
        for index in INDEXES:
            database.objects.drop_index(POST, index)  # so that filling takes a minute, not five
        insert_all(database.objects, POST, posts(there, size))
        for index in INDEXES:
            database.objects.ensure_index(POST, index)
        there = size
        for find in FINDS:
            times_ms[find.name].append(median_ms(database, find, size))
    database.close()
    for line, times in times_ms.items():
        cells = " | ".join(f"{one:.2f}" for one in times)
        print(f"| {name} | {line} | {cells} | {times[-1] / times[0]:.1f} |", flush=True)


def posts(start: int, end: int) -> Iterator[Document]:
    """The objects from one size to the next; every author and topic has as many as are found,
    lying scattered among them."""
    rng = random.Random(start)
    names = [number // FOUND for number in range(start, end)]
    rng.shuffle(names)
    for number, name in zip(range(start, end), names, strict=True):
        moment = START + timedelta(seconds=number)
        yield {
            "objectId": f"post{number:07}",
            "createdAt": moment,
            "updatedAt": moment,
            "author": f"name{name}",
            "likes": rng.random(),
            "topic": f"name{name}",
            "text": "Lorem ipsum dolor sit amet, consectetur adipiscing elit.",
            "ACL": {"*": {"read": True}, f"user{number % 1000}": {"read": True, "write": True}},
        }


def median_ms(database: Database, find: Find, size: int) -> float:
    rng, times = random.Random(size), []
    for _ in range(find.rounds):
        query = find.query(rng, size)
        started = time.perf_counter()
        found = database.objects.find(POST, query)
        times.append((time.perf_counter() - started) * 1000)
        assert len(found) == FOUND, query  # noqa: S101 - a find of nothing would be fast
    return statistics.median(times)


if __name__ == "__main__":
    main()
