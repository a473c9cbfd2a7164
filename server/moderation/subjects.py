"""The objects whose images are moderated: their columns mirror their items."""

from cloud.moderation.item_ports import Mirrored
from cloud.moderation.items import Decision, Subject, mirror
from cloud.operations import Delete, Operation, Set
from cloud.values import File
from server.objects.identity import utc_now
from server.objects.schemas import Schemas
from server.storage.port import All, ClassSchema, Condition, Database, Equals


class StoredSubjects:
    """The Subjects port on a Database; see there for its contract."""

    def __init__(self, database: Database, schemas: Schemas) -> None:
        self._database, self._schemas = database, schemas

    def find(self, subject: Subject) -> Mirrored:
        schema = self._schema(subject)
        if self._database.objects.count(schema, _holds_file(subject)):
            return Mirrored.WRITTEN
        return self._gone_or_replaced(schema, subject)

    def mirror(self, decision: Decision) -> Mirrored:
        subject, schema = decision.subject, self._schema(decision.subject)
        operations: dict[str, Operation] = {
            name: Delete() if value is None else Set(value)
            for name, value in mirror(subject, decision.after, decision.evidence).items()
        }
        operations["updatedAt"] = Set(utc_now())
        where = _holds_file(subject)
        if self._database.objects.update(schema, where, operations) is not None:
            return Mirrored.WRITTEN
        return self._gone_or_replaced(schema, subject)

    def read_file(self, name: str) -> bytes | None:
        return self._database.files.read(name)

    def _gone_or_replaced(self, schema: ClassSchema, subject: Subject) -> Mirrored:
        is_there = self._database.objects.get(schema, subject.object_id) is not None
        return Mirrored.REPLACED if is_there else Mirrored.GONE

    def _schema(self, subject: Subject) -> ClassSchema:
        return self._schemas.find(subject.class_name) or ClassSchema(subject.class_name)


def _holds_file(subject: Subject) -> Condition:
    return All(
        (
            Equals("objectId", subject.object_id),
            Equals(subject.column, File(subject.file_name)),
        )
    )
