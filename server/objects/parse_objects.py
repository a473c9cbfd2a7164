"""Documents as cloud code sees them, and back: with what they include, wherever that stands."""

from collections.abc import Callable
from typing import Any

from cloud.objects import ParseObject
from server.parse.encode import IncludedObject
from server.storage.port import ClassSchema, Document

SchemaOf = Callable[[str], ClassSchema]


def to_parse_object(class_name: str, document: Document) -> ParseObject:
    """Make a ParseObject; included objects become ParseObjects as well."""
    return ParseObject(class_name, {name: _to_cloud(value) for name, value in document.items()}, {})


def to_document(obj: ParseObject, schema_of: SchemaOf) -> Document:
    """Make the document that shows a ParseObject, what was changed in it included."""
    return {name: _from_cloud(value, schema_of) for name, value in obj.values.items()}


def _to_cloud(value: Any) -> Any:
    match value:
        case IncludedObject():
            return to_parse_object(value.schema.class_name, value.document)
        case list():
            return [_to_cloud(member) for member in value]
        case dict():
            return {name: _to_cloud(member) for name, member in value.items()}
    return value


def _from_cloud(value: Any, schema_of: SchemaOf) -> Any:
    match value:
        case ParseObject():
            return IncludedObject(to_document(value, schema_of), schema_of(value.class_name))
        case list():
            return [_from_cloud(member, schema_of) for member in value]
        case dict():
            return {name: _from_cloud(member, schema_of) for name, member in value.items()}
    return value
