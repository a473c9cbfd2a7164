"""The history of policies in force: objects of class ModerationPolicyChange, only ever added to."""

from datetime import timedelta

from cloud.clock import utc_now
from cloud.moderation.policy_changes import BY_DATABASE, PolicyChange, PolicyChangedMeanwhile
from server.objects.declaration import Declaration
from server.objects.schemas import Schemas
from server.objects.system_classes import NOBODY
from server.storage.port import (
    ClassSchema,
    ColumnType,
    Database,
    Document,
    DuplicateObject,
    Equals,
    Index,
    Query,
    SortKey,
)

SCHEMA = ClassSchema(
    "ModerationPolicyChange",
    {
        "number": ColumnType("Number"),
        "version": ColumnType("Number"),
        "changedBy": ColumnType("String"),
        "note": ColumnType("String"),
    },
    permissions=NOBODY,
)
_INDEX = Index("number", ("number",))

# A change is announced here just before it is written. What is read meanwhile is the policy before.
_WRITTEN_WITHIN = timedelta(minutes=1)


class PolicyChanges:
    """Numbers changes from 1; a change's objectId is its number, so there is one of each."""

    def __init__(self, database: Database, schemas: Schemas) -> None:
        self._objects = database.objects
        self._declare = Declaration(database.objects, schemas, (SCHEMA, [_INDEX]))

    def newest(self) -> PolicyChange | None:
        """Return the last change; None before the first."""
        found = self.list(1)
        return found[0] if found else None

    def list(self, limit: int) -> list[PolicyChange]:
        """Return changes, newest first."""
        self._declare()
        query = Query(order=(SortKey("number", descending=True),), limit=limit)
        return [_change(row) for row in self._objects.find(SCHEMA, query)]

    def announce(self, version: int, by: str, note: str | None, *, since: int | None) -> int | None:
        """Record what is about to be written; return the change's number, None if it is none.

        With `since`, the number of the newest change that its author knew of: raises
        PolicyChangedMeanwhile when there is a newer one. Without, a version that is in force
        already is no change.
        """
        while True:
            newest = self.newest()
            if since is None and newest is not None and newest.version == version:
                return None
            number = newest.number if newest else 0
            if since is not None and newest is not None and number != since:
                raise PolicyChangedMeanwhile(newest)
            if self._add(number + 1, version, by, note):
                return number + 1

    def withdraw(self, number: int) -> None:
        """Take back a change that was announced and refused: it was never in force."""
        self._objects.delete(SCHEMA, Equals("objectId", str(number)))

    def found(self, version: int) -> bool:
        """Note that a version was read as the one in force: a change that nobody announced.

        False: another one is just being written, and it has to be looked at again.
        """
        newest = self.newest()
        if newest is not None:
            if newest.version == version:
                return True
            if abs(utc_now() - newest.at) < _WRITTEN_WITHIN:
                return False
        return self._add(newest.number + 1 if newest else 1, version, BY_DATABASE, None)

    def _add(self, number: int, version: int, by: str, note: str | None) -> bool:
        now = utc_now()
        row: Document = {"objectId": str(number), "createdAt": now, "updatedAt": now, "ACL": {}}
        row |= {"number": number, "version": version, "changedBy": by}
        try:
            self._objects.insert(SCHEMA, row | ({} if note is None else {"note": note}))
        except DuplicateObject:  # somebody was faster
            return False
        return True


def _change(row: Document) -> PolicyChange:
    return PolicyChange(
        int(row["number"]), int(row["version"]), row["changedBy"], row.get("note"), row["createdAt"]
    )
