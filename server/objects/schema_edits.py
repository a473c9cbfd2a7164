"""Classes made, changed and taken away by the master key; and emptied.

What of a class is the server's own stays as the server needs it: the columns and indexes of its
system classes and of moderated ones, and the whole of the classes that moderation keeps its record
in.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from cloud.operations import Delete
from server.objects.purging import pages, purge
from server.objects.save import ClassRules, SpecialClass
from server.objects.schema_rules import (
    ColumnEdits,
    IndexEdits,
    class_exists,
    columns_of_parse,
    invalid_class_name,
    no_such_class,
    read_columns,
    read_indexes,
    read_permissions,
)
from server.objects.schemas import Schemas
from server.objects.system_classes import SYSTEM_CLASSES, is_servers_own
from server.parse.errors import (
    INCORRECT_TYPE,
    INVALID_QUERY,
    INVALID_SCHEMA_OPERATION,
    OPERATION_FORBIDDEN,
    ParseError,
)
from server.parse.operations import is_class_name
from server.storage.port import (
    ClassExists,
    ClassSchema,
    ColumnConflict,
    ColumnType,
    Database,
    Either,
    Exists,
    Index,
    Join,
    OneOf,
    Refused,
    SchemaChange,
)


class SchemaEditor:
    """Edits schemas; thread-safe. Raises ParseError, and StoreUnavailable.

    Everything is checked before anything is written. Other processes go by the change within about
    a second; what they write until then by the schema before stays.
    """

    def __init__(
        self,
        database: Database,
        schemas: Schemas,
        special: Sequence[SpecialClass],
        rules: Mapping[str, ClassRules],
    ) -> None:
        self._database, self._schemas, self._rules = database, schemas, rules
        self._special: dict[str, ClassSchema] = {}
        self._kept_indexes: dict[str, list[str]] = {}
        for one in special:
            name = one.schema.class_name
            earlier = self._special.get(name) or SYSTEM_CLASSES.get(name) or ClassSchema(name)
            self._special[name] = replace(
                one.schema, columns={**earlier.columns, **one.schema.columns}
            )
            self._kept_indexes.setdefault(name, []).extend(i.name for i in one.indexes)

    def create(self, class_name: str, asked: Mapping[str, Any]) -> ClassSchema:
        """Make a class of `fields`, `classLevelPermissions` and `indexes`, and return it.

        One that only this server made for itself, before anybody said more of it, counts as new.
        """
        stored = self._schemas.find_now(class_name)
        if stored is not None:
            if class_name.startswith("_") or not self._is_as_we_made_it(stored):
                raise class_exists(class_name)
            return self.update(class_name, asked)
        if not is_class_name(class_name):
            raise invalid_class_name(class_name)
        _refuse_own(class_name)
        ours = self._special.get(class_name) or SYSTEM_CLASSES.get(class_name)
        schema = ClassSchema(class_name, ours.columns if ours else {})
        # Parse's own columns cannot be named; those of a moderated class can, as they are.
        before = ClassSchema(class_name) if class_name.startswith("_") else schema
        kept = columns_of_parse(class_name)
        edits = read_columns(asked.get("fields", {}), before, kept=kept, creating=True)
        schema = replace(
            schema,
            columns={**schema.columns, **edits.added},
            options={name: options for name, options in edits.options.items() if options},
        )
        self._refuse_ruled(class_name, schema.options)
        if "classLevelPermissions" in asked:
            permissions = read_permissions(asked["classLevelPermissions"], schema.columns)
            schema = replace(schema, permissions=permissions)
        indexes = read_indexes(asked.get("indexes", {}), schema, kept=())
        try:
            self._schemas.create(schema)
        except ClassExists:
            raise class_exists(class_name) from None
        return self._with_indexes(schema, indexes) if indexes.added else schema

    def update(self, class_name: str, asked: Mapping[str, Any]) -> ClassSchema:
        """Change a class as asked, and return it as it is then."""
        schema = self._existing(class_name)
        ours = self._special.get(class_name, ClassSchema(class_name)).columns
        kept = {**columns_of_parse(class_name), **ours}
        edits = read_columns(asked.get("fields", {}), schema, kept=kept)
        change = SchemaChange(options=_changed_options(schema, edits))
        self._refuse_ruled(class_name, change.options)
        then = replace(schema, columns=_columns_after(schema, edits))
        if "classLevelPermissions" in asked:
            permissions = read_permissions(asked["classLevelPermissions"], then.columns)
            change = replace(change, permissions=permissions)
        kept_indexes = self._kept_indexes.get(class_name, ())
        indexes = read_indexes(asked.get("indexes", {}), then, kept=kept_indexes)
        self._delete_columns(schema, edits.deleted)
        self._add_columns(class_name, edits.added)
        self._schemas.change(class_name, change)
        if indexes.added or indexes.deleted:
            self._with_indexes(then, indexes)
        found = self._schemas.find_now(class_name)
        if found is None:
            raise no_such_class(class_name)
        return found

    def delete(self, class_name: str) -> None:
        """Take an empty class away, with its relations; fine if there is none.

        A class that is there from the start comes back, as it was then, with the next save.
        """
        if not is_class_name(class_name):
            raise invalid_class_name(class_name)
        _refuse_own(class_name)
        schema = self._schemas.find_now(class_name) or ClassSchema(class_name)
        in_the_way = self._database.objects.drop(schema)
        if in_the_way:
            contains = f"contains {in_the_way} objects, cannot drop schema."
            message = f"Class {class_name} is not empty, {contains}"
            raise ParseError(INVALID_SCHEMA_OPERATION, message)
        self._drop_relations(schema, schema.columns)
        self._schemas.drop(class_name)

    def purge(self, class_name: str) -> None:
        """Delete all objects of a class, without triggers; fine if there is no such class.

        Their relations go too, and what the server knows of them ends as if each had been deleted.
        """
        _refuse_own(class_name)
        schema = self._schemas.find_now(class_name)
        if schema is not None:
            purge(self._database.objects, schema, self._rules.get(class_name))
            self._drop_relations(schema, schema.columns)

    def _existing(self, class_name: str) -> ClassSchema:
        schema = self._schemas.find_now(class_name)
        if schema is None and class_name in self._special:
            schema = self._schemas.declare(self._special[class_name])
        if schema is None:
            raise no_such_class(class_name)
        _refuse_own(class_name)
        return schema

    def _refuse_ruled(self, class_name: str, options: Mapping[str, Mapping[str, Any]]) -> None:
        """Refuse defaults for what a class's rules fill, such as the verdict on an image."""
        rules = self._rules.get(class_name)
        ruled = rules.ruled_columns(class_name) if rules is not None else frozenset()
        for name in sorted(name for name, given in options.items() if given and name in ruled):
            why = "it has no default value and is not required."
            message = f"{name} is filled by moderation alone: {why}"
            raise ParseError(OPERATION_FORBIDDEN, message)

    def _is_as_we_made_it(self, stored: ClassSchema) -> bool:
        ours = self._special.get(stored.class_name)
        return ours is not None and stored == ours

    def _add_columns(self, class_name: str, added: Mapping[str, ColumnType]) -> None:
        if not added:
            return
        try:
            self._schemas.declare(ClassSchema(class_name, added))
        except ColumnConflict as conflict:  # a save was faster
            raise ParseError(INCORRECT_TYPE, f"schema mismatch: {conflict}") from None

    def _delete_columns(self, schema: ClassSchema, names: Sequence[str]) -> None:
        """Forget the columns first: who looks now writes no more values to be deleted."""
        if not names:
            return
        self._schemas.change(schema.class_name, SchemaChange(tuple(names)))
        holds_one = Either(tuple(Exists(name, exists=True) for name in names))
        nothing = dict.fromkeys(names, Delete())
        objects = self._database.objects
        for page in pages(objects, schema, holds_one):
            ids = tuple(each["objectId"] for each in page)
            objects.update_all(schema, OneOf("objectId", ids), nothing)
        self._drop_relations(schema, names)

    def _drop_relations(self, schema: ClassSchema, names: Iterable[str]) -> None:
        for name in names:
            if schema.columns[name].kind == "Relation":
                self._database.relations.drop(Join(name, schema.class_name))

    def _with_indexes(self, schema: ClassSchema, edits: IndexEdits) -> ClassSchema:
        """Make and drop indexes, then record them: one that cannot be made is not recorded."""
        objects = self._database.objects
        for name, keys in edits.deleted.items():
            objects.drop_index(schema, Index.asked_for(name, keys))
        try:
            for name, keys in edits.added.items():
                objects.ensure_index(schema, Index.asked_for(name, keys))
        except Refused as error:
            raise ParseError(INVALID_QUERY, str(error)) from error
        self._schemas.change(schema.class_name, SchemaChange(indexes=edits.all))
        return replace(schema, indexes=edits.all)


def _columns_after(schema: ClassSchema, edits: ColumnEdits) -> dict[str, ColumnType]:
    columns = {**schema.columns, **edits.added}
    return {name: column for name, column in columns.items() if name not in edits.deleted}


def _changed_options(schema: ClassSchema, edits: ColumnEdits) -> dict[str, Mapping[str, Any]]:
    """Those that differ from before: Parse's dashboards name a column with all its options."""
    return {
        name: options
        for name, options in edits.options.items()
        if options != schema.options.get(name, {})
    }


def _refuse_own(class_name: str) -> None:
    if is_servers_own(class_name):
        message = f"{class_name} is a class of the server's own, and stays as it is."
        raise ParseError(OPERATION_FORBIDDEN, message)
