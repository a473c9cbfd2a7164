"""`/schemas` and `/purge`: the classes, for the master key."""

from typing import Any

from server.objects.access import DEFAULT_PROTECTED
from server.objects.schema_rules import invalid_class_name, no_such_class
from server.objects.system_classes import BUILT_IN_COLUMNS, SYSTEM_CLASSES
from server.parse.errors import (
    INVALID_CLASS_NAME,
    MISSING_NAME,
    OPERATION_FORBIDDEN,
    ParseError,
)
from server.routes.router import Call, ParseRouter
from server.services import Services
from server.storage.port import ClassSchema, ColumnType

_OPERATIONS = ("find", "count", "get", "create", "update", "delete", "addField")


def add_routes(router: ParseRouter, services: Services) -> None:
    """Read schemas, and make, change, delete and empty classes."""
    classes = services.objects.classes

    def read_all(call: Call) -> Any:
        call.caller.require_master()
        return {"results": [_schema_json(schema) for schema in services.schemas.all()]}

    def read_one(call: Call) -> Any:
        call.caller.require_master()
        name = call.path["class_name"]
        schema = services.schemas.find_now(name) or SYSTEM_CLASSES.get(name)
        if schema is None:
            raise no_such_class(name)
        return _schema_json(schema)

    def create(call: Call) -> Any:
        _require_write(call, "create a schema")
        return _schema_json(classes.create(_class_name(call), call.body))

    def update(call: Call) -> Any:
        _require_write(call, "update a schema")
        return _schema_json(classes.update(_class_name(call), call.body))

    def delete(call: Call) -> Any:
        _require_write(call, "delete a schema")
        classes.delete(call.path["class_name"])
        return {}

    def purge(call: Call) -> Any:
        _require_write(call, "purge a schema")
        classes.purge(call.path["class_name"])
        return {}

    router.add("GET", "/schemas", read_all)
    router.add("POST", "/schemas", create)
    router.add("GET", "/schemas/<class_name>", read_one)
    router.add("POST", "/schemas/<class_name>", create)
    router.add("PUT", "/schemas/<class_name>", update)
    router.add("DELETE", "/schemas/<class_name>", delete)
    router.add("DELETE", "/purge/<class_name>", purge)


def _require_write(call: Call, what: str) -> None:
    call.caller.require_master()
    if call.caller.read_only:
        message = f"read-only masterKey isn't allowed to {what}."
        raise ParseError(OPERATION_FORBIDDEN, message)


def _class_name(call: Call) -> str:
    """The class that path and body name, which must be the same one."""
    in_path, in_body = call.path.get("class_name"), call.body.get("className")
    if in_path and in_body and in_path != in_body:
        message = f"Class name mismatch between {in_body} and {in_path}."
        raise ParseError(INVALID_CLASS_NAME, message)
    name = in_path or in_body
    if not name:
        raise ParseError(MISSING_NAME, "POST /schemas needs a class name.")
    if not isinstance(name, str):
        raise invalid_class_name(str(name))
    return name


def _schema_json(schema: ClassSchema) -> dict[str, Any]:
    columns = {**BUILT_IN_COLUMNS, **schema.columns}
    if schema.class_name == "_User":
        columns["password"] = ColumnType("String")
    fields = {
        name: _column_json(column) | dict(schema.options.get(name, {}))
        for name, column in columns.items()
        if not name.startswith("_")
    }
    answer = {
        "className": schema.class_name,
        "fields": fields,
        "classLevelPermissions": _permissions_json(schema),
    }
    return answer | ({"indexes": schema.indexes} if schema.indexes else {})


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
