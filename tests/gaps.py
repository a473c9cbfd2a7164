"""What the MongoDB servers of the tests cannot do: none of the three is MongoDB.

A feature a row, and what becomes of it on each server that lacks it; docs/databases.md shows the
same table. A test that needs a feature says so with the fixture `needs`.
"""

NX, JAVA, FERRETDB = "nx", "java", "ferretdb"
"""nx-27017, mongo-java-server, and FerretDB on SQLite."""

NAMES = {NX: "nx-27017", JAVA: "mongo-java-server", FERRETDB: "FerretDB"}

GAPS: dict[str, dict[str, str]] = {
    "texts in any case of letters (collations)": {
        NX: "ignored", JAVA: "ignored", FERRETDB: "refused; our front drops it",
    },
    "collations of indexes are told": {NX: "no", FERRETDB: "none there"},
    "finds by place (geometry)": {NX: "none", JAVA: "none", FERRETDB: "none"},
    "a `hint` of an index that is not there is refused": {
        NX: "taken", JAVA: "taken", FERRETDB: "taken",
    },
    "`explain`": {JAVA: "nothing", FERRETDB: "takes no 32-bit `skip`"},
    "text search": {JAVA: "none", FERRETDB: "none"},
    "scores and counts of text search": {NX: "none", JAVA: "none", FERRETDB: "none"},
    "what a text index covers is told": {NX: "no", JAVA: "none there", FERRETDB: "none there"},
    "rows that remove themselves (TTL)": {NX: "they stay", FERRETDB: "refused; our front drops it"},
    "a duplicate names its column": {NX: "no", FERRETDB: "no"},
    "a change to a unique value that is taken is refused": {
        NX: "not reported", FERRETDB: "as a fault of its own",
    },
    "an operation that does not fit what is stored is refused": {NX: "not reported"},
    "paths make the objects on their way": {NX: "no"},
    "numbers inside objects are incremented": {NX: "no"},
    "a change to no bytes": {NX: "no"},
    "GridFS as collections of its own": {NX: "in tables of its own"},
    "regular expressions in `$all`": {NX: "no", FERRETDB: "no"},
    "regular expressions with the option `x`": {FERRETDB: "no"},
    "arrays in arrays": {FERRETDB: "refused"},
    "finds by null, by other types, and into arrays as MongoDB's": {
        NX: "in part", JAVA: "in part", FERRETDB: "in part",
    },
    "`$containedBy` (`$nin` in `$elemMatch`)": {FERRETDB: "finds more"},
    "names with dots inside objects": {FERRETDB: "refused"},
    "an object inside an object is replaced": {FERRETDB: "left as it was"},
    "more than 99 changes in one call": {FERRETDB: "stands still"},
    "`distinct` of ids": {NX: "nothing found"},
    "a count of nothing is no row": {NX: "a row that says 0"},
    "division by zero is refused": {NX: "null"},
    "`$type` and `$cond` in pipelines": {JAVA: "no `$type`", FERRETDB: "neither"},
    "days in pipelines (`$dateToString`)": {FERRETDB: "none"},
    "`/aggregate`: plain stages, operators and accumulators": {
        FERRETDB: "few stages, `$sum`, `$count` and `$type` alone",
    },
    "`/aggregate`: all of it": {NX: "in part", JAVA: "in part", FERRETDB: "in part"},
}  # fmt: skip
