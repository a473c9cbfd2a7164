"""`GET /schemas`: the classes, for the master key."""

from typing import Any

from server.objects.access import DEFAULT_PROTECTED
from server.objects.schemas import BUILT_IN_COLUMNS
from server.parse.errors import INVALID_CLASS_NAME, ParseError
from server.routes.router import Call, ParseRouter
from server.services import Services
from server.storage.port import ClassSchema, ColumnType

_OPERATIONS = ("find", "count", "get", "create", "update", "delete", "addField")


def add_routes(router: ParseRouter, services: Services) -> None:
    """Read one schema or all of them."""

    def read_all(call: Call) -> Any:
        call.caller.require_master()
        return {"results": [_schema_json(schema) for schema in services.schemas.all()]}

    def read_one(call: Call) -> Any:
        call.caller.require_master()
        name = call.path["class_name"]
        schema = services.schemas.find(name)
        if schema is None:
            raise ParseError(INVALID_CLASS_NAME, f"Class {name} does not exist.")
        return _schema_json(schema)

    router.add("GET", "/schemas", read_all)
    router.add("GET", "/schemas/<class_name>", read_one)


def _schema_json(schema: ClassSchema) -> dict[str, Any]:
    columns = {**BUILT_IN_COLUMNS, **schema.columns}
    if schema.class_name == "_User":
        columns["password"] = ColumnType("String")
    fields = {
        name: _column_json(column) | dict(schema.options.get(name, {}))
        for name, column in columns.items()
        if not name.startswith("_")
    }
    return {
        "className": schema.class_name,
        "fields": fields,
        "classLevelPermissions": _permissions_json(schema),
    }


def _column_json(column: ColumnType) -> dict[str, Any]:
    if column.target_class is None:
        return {"type": column.kind}
    return {"type": column.kind, "targetClass": column.target_class}


def _permissions_json(schema: ClassSchema) -> dict[str, Any]:
    protected = {"protectedFields": DEFAULT_PROTECTED.get(schema.class_name, {"*": []})}
    if schema.permissions is None:
        return {operation: {"*": True} for operation in _OPERATIONS} | protected
    nobody: dict[str, Any] = {operation: {} for operation in _OPERATIONS}
    return nobody | protected | dict(schema.permissions)
