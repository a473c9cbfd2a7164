"""How long the review desk takes with a long queue of which the first hundreds are claimed.

PYTHONPATH=. .venv/bin/python bench/desk.py [MONGODB_URI]

On the embedded database and, if a URI is given or BENCH_DATABASE_URI names one, on a MongoDB that
is empty. Ends with 1 if a p95 is above the bound.
"""

import os
import random
import statistics
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from bulk import insert_all

from cloud.clock import utc_now
from cloud.moderation.items import Claim, Lane, Subject
from server.moderation.claims import StoredClaims, StoredRecords
from server.moderation.item_columns import claim_columns, subject_columns
from server.moderation.items import ITEM
from server.objects.schemas import Schemas
from server.storage.mongo.database import MongoDatabase
from server.storage.sqlite.database import SqliteDatabase

ITEMS, CLAIMED, REPEATS = 100_000, 600, 41
MOST_MS = 50


def main():
    uri = sys.argv[1] if sys.argv[1:] else os.environ.get("BENCH_DATABASE_URI", "")
    slow = []
    for each in dict.fromkeys(["", uri]):
        print("MongoDB" if each else "embedded database")
        slow += slow_ones(each)
    if slow:
        raise SystemExit(f"p95 above {MOST_MS} ms: {', '.join(slow)}")


def slow_ones(uri):
    """Measure all on a database; return the names of what takes too long."""
    with tempfile.TemporaryDirectory() as folder:
        database = MongoDatabase(uri) if uri else SqliteDatabase(Path(folder))
        schemas = Schemas(database.schemas, clients_make_classes=False)
        claims, records = StoredClaims(database, schemas), StoredRecords(database, schemas)
        records.oldest(Lane.REVIEW)
        insert_all(database.objects, ITEM, rows())
        slow = [name for name, call in calls(claims, records) if measured(name, call) > MOST_MS]
        database.close()
    return slow


def rows():
    now, rng = utc_now(), random.Random(1)
    claim = claim_columns(Claim("eve", "another session", now + timedelta(minutes=5)))
    for number in range(ITEMS):
        name = f"item{number:06}"
        row = {"objectId": name, "createdAt": now + timedelta(seconds=number - ITEMS), "ACL": {}}
        row |= subject_columns(Subject("UserImage", name, "image", f"{name}.jpg"))
        row |= {"updatedAt": now, "state": "review", "lane": "review", "attempts": 1}
        row |= {"transitions": 1, "risk": rng.random() * 0.9, "uploader": f"user{number % 500}"}
        yield row | ({**claim, "risk": 1 - number / ITEMS} if number < CLAIMED else {})


def calls(claims, records):
    def take(count, riskiest_first):
        now = utc_now()
        options = {"riskiest_first": riskiest_first, "skipping": ()}
        found = claims.free(Lane.REVIEW, now, count, **options)
        claim = Claim("bob", "the session", now + timedelta(minutes=5))
        if len(claims.take(found, Lane.REVIEW, claim, now)) != count:
            raise SystemExit("too few images were claimed")
        claims.release("the session")

    def count_anew():
        records._counted.clear()
        return records.waiting(Lane.REVIEW)

    yield "count the lane", count_anew
    yield "age of the oldest", lambda: records.oldest(Lane.REVIEW)
    yield "an uploader's record", lambda: records.record_of("user7")
    yield "claim 1 of the oldest, release it", lambda: take(1, False)
    yield "claim 48 of the oldest, release them", lambda: take(48, False)
    yield "claim 48 of the riskiest, release them", lambda: take(48, True)


def measured(name, call):
    milliseconds = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        call()
        milliseconds.append((time.perf_counter() - started) * 1000)
    milliseconds.sort()
    median, p95 = statistics.median(milliseconds), milliseconds[int(REPEATS * 0.95)]
    print(f"{name}: {median:.1f} ms (p95 {p95:.1f})", flush=True)
    return p95


if __name__ == "__main__":
    main()
