"""What the server asks of a database, in Parse's words.

A document is a dict with `objectId`, `createdAt` and `updatedAt` (aware datetimes, whole
milliseconds) beside its columns; values are those of `cloud.values`. A column of Pointer, File,
GeoPoint or Polygon holds that class's instances, and so do arrays and objects that contain them.
`ACL` is `{principal: {"read": True, "write": True}}`; `{}` leaves the object to the master key,
and without it everybody may. A relation's members are no part of a document. Columns that start
with `_` (`_hashed_password`, ...) belong to the server and never reach a client.

Methods take a `ClassSchema`, because where and how a value is stored follows from its column's
type. Every method raises StoreUnavailable when the database cannot be reached or refuses.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from cloud.operations import Operation
from server.storage.geo import GeoCondition

if TYPE_CHECKING:
    from server.storage.budget import Budget
    from server.storage.pipeline import PipelineStore
    from server.storage.tally_port import TallyStore

Document = dict[str, Any]
ObjectId = str | int
"""Parse's objectIds are strings; the one row of _GlobalConfig has the number 1."""


class DuplicateObject(Exception):
    """There is an object with this objectId, or this value of a unique column; nothing was written.

    `column` is the unique column's name where the database tells, `objectId` included.
    """

    def __init__(self, detail: str, column: str | None = None) -> None:
        self.column = column
        super().__init__(detail)


class Refused(ValueError):
    """A value, a path or a pattern that the database cannot take; nothing was written."""


class RefusedQuery(Refused):
    """A question that the database cannot answer as it stands."""


class ClassExists(Exception):
    """Another call made this class first; read its schema again."""


class ColumnConflict(Exception):
    """A column exists already, with another type."""


# --- schemas ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ColumnType:
    """Parse's type of a column: `kind` is String, Number, Boolean, Date, Object, Array, GeoPoint,
    File, Bytes, Polygon, Pointer, Relation or ACL. Pointer and Relation have a target."""

    kind: str
    target_class: str | None = None


@dataclass(frozen=True, slots=True)
class ClassSchema:
    """A class: its own columns (not objectId, createdAt, updatedAt, ACL), who may do what with
    it (`classLevelPermissions` as stored, None when never set), options by column (`required`,
    `defaultValue`), and by name the indexes that somebody asked for, as `IndexKeys`."""

    class_name: str
    columns: Mapping[str, ColumnType] = field(default_factory=dict)
    permissions: Mapping[str, Any] | None = None
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    indexes: Mapping[str, "IndexKeys"] = field(default_factory=dict)


IndexKeys = Mapping[str, int | str]
"""An index as Parse Server's schemas say it: `{"title": 1, "_p_owner": -1}`, in order; the kind
may also be one of MongoDB's, such as "text"."""


@dataclass(frozen=True, slots=True)
class Index:
    """An index over columns of one class, in order. `ignore_case` compares text without case.

    `kinds` are those of the columns where somebody asked for the index, as in `IndexKeys`; it then
    holds every object, and the database may refuse kinds that it does not have. Our own have none:
    they ascend, and leave out objects without the columns. With `expires` each object is removed
    when the Date in the one column has passed, by a database that sees to such things itself.
    """

    name: str
    columns: tuple[str, ...]
    unique: bool = False
    ignore_case: bool = False
    kinds: tuple[int | str, ...] = ()
    expires: bool = False

    @classmethod
    def asked_for(cls, name: str, keys: IndexKeys) -> "Index":
        """Read what a schema says of an index."""
        columns = tuple(key.removeprefix("_p_") for key in keys)
        return cls(name, columns, kinds=tuple(keys.values()))


@dataclass(frozen=True, slots=True)
class SchemaChange:
    """What is to become of a class's schema; what is None or empty stays as it is.

    `options` replace those that each of these columns has. Removed columns lose theirs; what
    stands in their objects is not touched. `indexes` are all there are then.
    """

    removed_columns: tuple[str, ...] = ()
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    permissions: Mapping[str, Any] | None = None
    indexes: Mapping[str, IndexKeys] | None = None


# --- conditions, with MongoDB's meaning ---------------------------------------------------------
# `path` is a column's name, `objectId`, `createdAt` or `updatedAt`, or leads into an Object column
# with dots. Where an array stands, a condition on a plain value holds if any element fulfils it.


class Order(StrEnum):
    """How two values of one type compare."""

    LESS = "$lt"
    LESS_OR_EQUAL = "$lte"
    GREATER = "$gt"
    GREATER_OR_EQUAL = "$gte"


@dataclass(frozen=True, slots=True)
class Equals:
    """Equal in value and type; None: null or missing."""

    path: str
    value: Any


@dataclass(frozen=True, slots=True)
class Differs:
    """The opposite of Equals: so missing differs from every value but None."""

    path: str
    value: Any


@dataclass(frozen=True, slots=True)
class Compares:
    """A value of the same type as `value` that stands in this order to it."""

    path: str
    order: Order
    value: Any


@dataclass(frozen=True, slots=True)
class OneOf:
    """Equals any of `values`; never true when there are none."""

    path: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class NoneOf:
    """The opposite of OneOf."""

    path: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Exists:
    """The column is there (a stored null is), or with `exists=False` is not."""

    path: str
    exists: bool


@dataclass(frozen=True, slots=True)
class Regex:
    r"""A PCRE pattern, `\Q...\E` included, and its options out of `imxs`. Databases differ in what
    they refuse of PCRE."""

    pattern: str
    options: str = ""


@dataclass(frozen=True, slots=True)
class Matches:
    """A text, or an array's element, in which the pattern is found."""

    path: str
    regex: Regex


@dataclass(frozen=True, slots=True)
class ContainsAll:
    """An array with every one of `values`, or a plain value equal to all of them; never true when
    there are none. The values may be Regex, all or none of them."""

    path: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ContainedBy:
    """No element that is not among `values`; so also true of what is missing, or no array."""

    path: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds; with no part, always."""

    parts: tuple["Condition", ...] = ()


@dataclass(frozen=True, slots=True)
class Either:
    """At least one part holds."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Neither:
    """No part holds."""

    parts: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Permits:
    """The ACL grants `right`, "read" or "write", to one of `principals`, or there is no ACL."""

    right: str
    principals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FindsText:
    """Words, found by a text index over the column; at the top of a query or within All, once.

    Words, phrases in quotes and words behind a minus are as in MongoDB's `$search`, `language` one
    of its languages. A database whose index also covers one of the `hidden` columns refuses, and
    so does one that has no such indexes.
    """

    path: str
    term: str
    language: str | None = None
    case_sensitive: bool = False
    diacritic_sensitive: bool = False
    hidden: frozenset[str] = frozenset()


Condition = (
    Equals | Differs | Compares | OneOf | NoneOf | Exists | Matches | ContainsAll | ContainedBy
    | All | Either | Neither | Permits | FindsText
    | GeoCondition
)  # fmt: skip

EVERYTHING = All()


SCORE = "$score"
"""The path that orders by how well a FindsText found, the best first."""


@dataclass(frozen=True, slots=True)
class SortKey:
    """One path to sort by, in MongoDB's order of values and types; missing sorts as null."""

    path: str
    descending: bool = False


Hint = str | tuple[tuple[str, int | str], ...]
"""The index to go by: its name, or its keys as they stand in rows, with their directions."""

READ_PREFERENCES = (
    "PRIMARY", "PRIMARY_PREFERRED", "SECONDARY", "SECONDARY_PREFERRED", "NEAREST"
)  # fmt: skip
"""Which members of a replica set may answer."""


@dataclass(frozen=True, slots=True)
class Query:
    """Which objects, in which order, and how many of them.

    Without `order` they come as they were inserted, as far as the database keeps that, or the
    nearest first where the condition has a Near.
    `columns` limits what is read (objectId, createdAt, updatedAt and ACL always are); None is all.
    With `ignore_case` texts compare without regard to case. `index` names the one to go by, for
    whoever knows better than the database; it has to be there. `hint` does so for a client: without
    such an index the query is refused. `comment` is for the database's log, `read_preference` one
    of READ_PREFERENCES; a database that has neither leaves them be. `with_score` puts into `score`
    how well a FindsText found. What is found is taken out of the `budget` while it is read.
    """

    where: Condition = EVERYTHING
    order: tuple[SortKey, ...] = ()
    skip: int = 0
    limit: int | None = None
    columns: frozenset[str] | None = None
    ignore_case: bool = False
    index: Index | None = None
    hint: Hint | None = None
    comment: str | None = None
    read_preference: str | None = None
    with_score: bool = False
    budget: "Budget | None" = field(default=None, compare=False, repr=False)


# --- the port -----------------------------------------------------------------------------------


class ObjectStore(Protocol):
    """Keeps Parse objects; thread-safe.

    A write that returned survives `kill -9` of this process and of the database.
    """

    def get(self, schema: ClassSchema, object_id: ObjectId) -> Document | None:
        """Return the object, or None."""

    def find(self, schema: ClassSchema, query: Query) -> list[Document]:
        """Return the objects that fulfil the query. Raises RefusedQuery; as TooMuchData when they
        are more than the budget."""

    def explain(self, schema: ClassSchema, query: Query, verbosity: str) -> Any:
        """Return what the database says of how it would find them, as JSON of its own.

        `verbosity` is `queryPlanner`, `queryPlannerExtended`, `executionStats` or
        `allPlansExecution`.
        """

    def values(
        self, schema: ClassSchema, columns: Sequence[str], where: Condition
    ) -> Iterator[tuple[Any, ...]]:
        """Yield these columns of every object that fulfils the condition, in no order.

        For reading a little of very many objects: `objectId`, or columns of String or Number; what
        is missing, or of another type, is None.
        """

    def count(self, schema: ClassSchema, where: Condition, index: Index | None = None) -> int:
        """Count the objects that fulfil the condition, by an index as `Query` has it."""

    def insert(self, schema: ClassSchema, document: Document) -> None:
        """Write a new object. Raises DuplicateObject."""

    def update(
        self,
        schema: ClassSchema,
        where: Condition,
        operations: Mapping[str, Operation],
        *,
        upsert: bool = False,
    ) -> Document | None:
        """Apply all operations to one object that fulfils `where`, at once, and return it as it
        is then. The condition is checked in the same step, so it can guard the change.

        Without such an object the answer is None; with `upsert`, where the condition is an Equals
        on objectId, it is made from the operations alone. Raises DuplicateObject; ValueError for
        an operation that does not fit what is stored, such as Add to a text.
        """

    def update_all(
        self, schema: ClassSchema, where: Condition, operations: Mapping[str, Operation]
    ) -> int:
        """Apply all operations to every object that fulfils `where`; return how many did.

        Of each object the condition is checked in the same step as it is changed; others may see
        some of them changed before the rest. Raises as `update` does, after it changed none or
        some.
        """

    def delete(self, schema: ClassSchema, where: Condition) -> int:
        """Delete every object that fulfils the condition; return how many did."""

    def ensure_index(self, schema: ClassSchema, index: Index) -> None:
        """Make the index if it is not there yet. Raises Refused for kinds that the database does
        not have, and for columns that it cannot index."""

    def drop_index(self, schema: ClassSchema, index: Index) -> None:
        """Take an index away; fine if it is not there."""

    def drop(self, schema: ClassSchema) -> int:
        """Take away an empty class and its indexes; return how many objects are in the way.

        If there are any, nothing happens. An object that is inserted at this very moment may be
        lost.
        """


class SchemaStore(Protocol):
    """Keeps the classes' schemas; thread-safe."""

    def all(self) -> list[ClassSchema]:
        """Return every class there is."""

    def create(self, schema: ClassSchema) -> None:
        """Record a new class. Raises ClassExists, and then changes nothing."""

    def add_columns(self, class_name: str, columns: Mapping[str, ColumnType]) -> None:
        """Add columns to an existing class; fine if some are there with the same type.

        Raises ColumnConflict when one has another type, also if another call was faster; whether
        the others are there then is not said.
        """

    def change(self, class_name: str, change: SchemaChange) -> None:
        """Change an existing class, in one step; nothing happens if there is none."""

    def drop(self, class_name: str) -> None:
        """Forget a class; fine if there is none."""


@dataclass(frozen=True, slots=True)
class Join:
    """The relation `key` of class `class_name`."""

    key: str
    class_name: str


class RelationStore(Protocol):
    """Keeps who relates to whom; thread-safe. Adding or removing twice is fine."""

    def add(self, join: Join, owning_id: str, related_ids: Sequence[str]) -> None:
        """Relate all of them to the owner."""

    def remove(self, join: Join, owning_id: str, related_ids: Sequence[str]) -> None:
        """End the relation of each of them with the owner."""

    def related_ids(self, join: Join, owning_ids: Sequence[str]) -> list[str]:
        """Return the objectIds that any of the owners relates to, each once."""

    def owning_ids(self, join: Join, related_ids: Sequence[str]) -> list[str]:
        """Return the owners that relate to any of these, each once."""

    def all(self, join: Join) -> Iterator[tuple[str, str]]:
        """Yield every (owning_id, related_id)."""

    def drop(self, join: Join) -> None:
        """End the relation of everybody with everybody."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """What is known of a stored file before its bytes are read."""

    name: str
    length: int
    metadata: Mapping[str, Any] = field(default_factory=dict)


class FileStore(Protocol):
    """Keeps files by name; thread-safe. A file that `put` returned from survives `kill -9`."""

    @property
    def reads_parts(self) -> bool:
        """Whether a part of a file is read without reading the whole."""

    def put(self, name: str, data: bytes, metadata: Mapping[str, Any]) -> None:
        """Keep a file; a reader sees all of it or nothing. A newer one of the same name wins."""

    def stat(self, name: str) -> StoredFile | None:
        """Return what is known of the file, or None."""

    def read(self, name: str, start: int = 0, end: int | None = None) -> bytes | None:
        """Return the bytes from `start` up to but without `end`, or None if there is no file."""

    def delete(self, name: str) -> bool:
        """Delete every version of the file; False if there is none."""

    def names(self) -> Iterator[str]:
        """Yield the name of every file."""


class Database(Protocol):
    """One database, opened lazily: one that is away now may be back at the first call."""

    @property
    def objects(self) -> ObjectStore:
        """Its objects."""

    @property
    def tallies(self) -> "TallyStore":
        """Its objects, counted."""

    @property
    def pipelines(self) -> "PipelineStore":
        """Its objects, through pipelines."""

    @property
    def schemas(self) -> SchemaStore:
        """Its classes."""

    @property
    def relations(self) -> RelationStore:
        """Its relations."""

    @property
    def files(self) -> FileStore:
        """Its files."""

    def ping(self) -> None:
        """Do the least that shows that the database answers, within about a second."""

    def now(self) -> datetime:
        """Return the time by the database's own clock."""

    def damages(self) -> list[str]:
        """Look whether what is stored can be read, as far as the database does that by itself; may
        take long. Empty: all is well."""

    def close(self) -> None:
        """Let go of connections and files; the database is not used again."""
