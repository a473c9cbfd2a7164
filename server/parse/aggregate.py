"""`/aggregate`'s parameters, to a pipeline of typed stages. Pure.

Names are Parse's or, as the REST guide has them, those of rows in MongoDB: `owner` and `_p_owner`,
`createdAt` and `_created_at` are the same. After a stage that makes new rows, such as `$group`, a
name means what stands there.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from server.parse.errors import INVALID_JSON, ParseError
from server.parse.expressions import read_expression
from server.parse.query import (
    read_comment,
    read_explain,
    read_hint,
    read_preference,
)
from server.parse.request import read_json_text
from server.parse.row_conditions import read_match
from server.parse.row_names import RowNames, bad_pipeline, is_row_path
from server.parse.where import read_where_json
from server.storage.pipeline import (
    ACCUMULATORS,
    AddFields,
    Count,
    Expression,
    Field,
    Group,
    Limit,
    Literal,
    Match,
    MatchExpression,
    Project,
    ReplaceRow,
    Skip,
    Sort,
    Stage,
    Unset,
    Unwind,
)
from server.storage.port import ClassSchema, Hint, SortKey

_MAX_STAGES = 100
_MAX_SORT_KEYS = 32
_MAX_COUNT = 2**31 - 1

_OPTIONS = ("distinct", "where", "hint", "explain", "comment", "readPreference")
_RAW = ("rawValues", "rawFieldNames")


@dataclass(frozen=True, slots=True)
class AggregateRequest:
    """What `/aggregate` is asked: the values of a column that fulfil `where`, or a pipeline."""

    stages: tuple[Stage, ...] = ()
    distinct: str | None = None
    where: Mapping[str, Any] = field(default_factory=dict)
    hint: Hint | None = None
    explain: str | None = None
    comment: str | None = None
    read_preference: str | None = None


def read_aggregate(params: Mapping[str, Any], schema: ClassSchema) -> AggregateRequest:
    """Read the parameters; they may be text, as query strings have them.

    Raises ParseError 102 with Parse Server's sentences, and for every stage and operator that is
    not supported one that names it.
    """
    found = {name: _from_text(name, value) for name, value in params.items()}
    for name in _RAW:
        if found.pop(name, None):
            raise bad_pipeline(f"{name} is not supported yet.")
    options = {name: found.pop(name) for name in _OPTIONS if name in found}
    names = RowNames(schema)
    distinct = options.get("distinct")
    if distinct:
        distinct = names.stored(_path(distinct, "distinct"))
    return AggregateRequest(
        stages=() if distinct else _PipelineReader(names).read(_stages(found)),
        distinct=distinct or None,
        where=read_where_json(options.get("where")),
        hint=read_hint(options.get("hint")),
        explain=read_explain(options.get("explain")),
        comment=read_comment(options.get("comment")),
        read_preference=read_preference(options.get("readPreference")),
    )


def _from_text(name: str, value: Any) -> Any:
    if not isinstance(value, str) or name == "where":
        return value
    try:
        return read_json_text(value)
    except ParseError:
        return value


def _stages(params: Mapping[str, Any]) -> Sequence[tuple[str, Any]]:
    """Name and operand of each stage, out of any of the forms that Parse Server takes."""
    pipeline = params.get("pipeline") or params
    if isinstance(pipeline, Mapping) and pipeline and all(key.isdecimal() for key in pipeline):
        pipeline = list(pipeline.values())  # a body that is an array
    if isinstance(pipeline, Mapping):
        pipeline = [{name: operand} for name, operand in pipeline.items() if name != "pipeline"]
    if not isinstance(pipeline, list | tuple):
        raise ParseError(INVALID_JSON, "pipeline must be an array or an object")
    if len(pipeline) > _MAX_STAGES:
        raise bad_pipeline(f"A pipeline may have {_MAX_STAGES} stages.")
    return [_stage(stage) for stage in pipeline]


def _stage(stage: Any) -> tuple[str, Any]:
    if not isinstance(stage, Mapping) or len(stage) != 1:
        keys = ", ".join(stage) if isinstance(stage, Mapping) else ""
        raise bad_pipeline(f"Pipeline stages should only have one key but found {keys}.")
    ((name, operand),) = stage.items()
    if not name.startswith("$"):
        raise bad_pipeline(f"Invalid aggregate stage '{name}'.")
    return name, operand


class _PipelineReader:
    """Reads one pipeline, stage by stage."""

    def __init__(self, names: RowNames) -> None:
        self._names = names

    def read(self, stages: Sequence[tuple[str, Any]]) -> tuple[Stage, ...]:
        found: list[Stage] = []
        for name, operand in stages:
            if name not in self._readers:
                raise bad_pipeline(f"The stage {name} is not supported.")
            read = self._readers[name]
            made = read(self, name, operand)
            found += made if isinstance(made, list) else [made]
            if name in _MAKES_NEW_ROWS:
                self._names = self._names.of_new_rows()
        return tuple(found)

    def _match(self, name: str, operand: Any) -> list[Stage]:
        where, tests = read_match(operand, self._names)
        return [Match(where), *(MatchExpression(test) for test in tests)]

    def _project(self, name: str, operand: Any) -> Stage:
        kept: list[str] = []
        dropped: list[str] = []
        computed: dict[str, Expression] = {}
        for path, value in self._fields(name, operand).items():
            if not isinstance(value, bool | int | float):
                computed[path] = read_expression(value, self._names)
            elif value:
                kept.append(path)
            else:
                dropped.append(path)
        with_id = "_id" not in dropped
        others = [path for path in dropped if path != "_id"]
        if not kept and not computed:
            return Unset(tuple(dropped))
        if others and (set(kept) != {"_id"} or computed):
            message = f"Cannot do exclusion on field {others[0]} in inclusion projection"
            raise bad_pipeline(f"Invalid $project :: caused by :: {message}")
        if others:
            return Unset(tuple(others))
        return Project(tuple(path for path in kept if path != "_id"), computed, with_id)

    def _add_fields(self, name: str, operand: Any) -> Stage:
        fields = self._fields(name, operand)
        return AddFields(
            {path: read_expression(value, self._names) for path, value in fields.items()}
        )

    def _fields(self, name: str, operand: Any) -> dict[str, Any]:
        """What a stage says of each path; members of objects in it are paths of their own."""
        fields = dict(_flat(_object(operand, name), "", name))
        if not fields:
            raise bad_pipeline(f"{name} needs at least one field")
        stored = {self._names.stored(path): value for path, value in fields.items()}
        for path in stored:
            for other in stored:
                if path.startswith(other + "."):
                    raise bad_pipeline(f"Invalid {name}: path collision at {path}")
        return stored

    def _unset(self, name: str, operand: Any) -> Stage:
        paths = operand if isinstance(operand, list | tuple) else [operand]
        if not paths:
            raise bad_pipeline(f"{name} needs at least one field")
        return Unset(tuple(self._names.stored(_path(path, name)) for path in paths))

    def _group(self, name: str, operand: Any) -> Stage:
        fields = dict(_object(operand, name))
        if "objectId" in fields:
            raise bad_pipeline("Cannot use 'objectId' in aggregation stage $group.")
        if "_id" not in fields:
            raise bad_pipeline("Invalid parameter for query: group. Missing key _id")
        key = read_expression(fields.pop("_id"), self._names)
        new_names = self._names.of_new_rows()
        return Group(
            key,
            {
                new_names.stored(_name(field, name)): self._accumulator(field, taken)
                for field, taken in fields.items()
            },
        )

    def _accumulator(self, name: str, operand: Any) -> tuple[str, Expression]:
        if not isinstance(operand, Mapping) or len(operand) != 1:
            raise bad_pipeline(f"The field '{name}' must be an accumulator object")
        ((operator, argument),) = operand.items()
        if operator == "$count" and argument == {}:
            return "$sum", Literal(1)
        if operator not in ACCUMULATORS:
            raise bad_pipeline(f"The accumulator {operator} is not supported.")
        return operator, read_expression(argument, self._names)

    def _sort(self, name: str, operand: Any) -> Stage:
        keys = []
        for path, direction in _object(operand, name).items():
            if direction not in (1, -1) or isinstance(direction, bool):
                raise bad_pipeline("$sort key ordering must be 1 (for ascending) or -1")
            keys.append(SortKey(self._names.stored(_path(path, name)), direction == -1))
        if not 0 < len(keys) <= _MAX_SORT_KEYS:
            raise bad_pipeline(f"$sort needs between 1 and {_MAX_SORT_KEYS} keys")
        return Sort(tuple(keys))

    def _sort_by_count(self, name: str, operand: Any) -> list[Stage]:
        key = read_expression(operand, self._names)
        group = Group(key, {"count": ("$sum", Literal(1))})
        return [group, Sort((SortKey("count", descending=True),))]

    def _skip(self, name: str, operand: Any) -> Stage:
        return Skip(_whole(operand, name, 0))

    def _limit(self, name: str, operand: Any) -> Stage:
        return Limit(_whole(operand, name, 1))

    def _count(self, name: str, operand: Any) -> Stage:
        return Count(self._names.of_new_rows().stored(_name(operand, name)))

    def _unwind(self, name: str, operand: Any) -> Stage:
        options = operand if isinstance(operand, Mapping) else {"path": operand}
        unknown = options.keys() - {"path", "includeArrayIndex", "preserveNullAndEmptyArrays"}
        if unknown:
            raise bad_pipeline(f"unrecognized option to $unwind stage: {sorted(unknown)[0]}")
        path = read_expression(options.get("path"), self._names)
        if not isinstance(path, Field):
            raise bad_pipeline("$unwind needs a path that starts with '$'")
        index, keeps = options.get("includeArrayIndex"), options.get("preserveNullAndEmptyArrays")
        if not isinstance(keeps, bool | None):
            raise bad_pipeline("preserveNullAndEmptyArrays must be true or false")
        return Unwind(path.path, bool(keeps), None if index is None else _name(index, name))

    def _replace_root(self, name: str, operand: Any) -> Stage:
        if name == "$replaceRoot":
            if not isinstance(operand, Mapping) or operand.keys() != {"newRoot"}:
                raise bad_pipeline("$replaceRoot needs newRoot, and nothing else")
            operand = operand["newRoot"]
        return ReplaceRow(read_expression(operand, self._names))

    _readers: Mapping[str, Callable[["_PipelineReader", str, Any], Stage | list[Stage]]] = {
        "$match": _match,
        "$project": _project,
        "$addFields": _add_fields,
        "$set": _add_fields,
        "$unset": _unset,
        "$group": _group,
        "$sort": _sort,
        "$sortByCount": _sort_by_count,
        "$skip": _skip,
        "$limit": _limit,
        "$count": _count,
        "$unwind": _unwind,
        "$replaceRoot": _replace_root,
        "$replaceWith": _replace_root,
    }


STAGES = frozenset(_PipelineReader._readers)
"""The stages that can be asked for."""

_MAKES_NEW_ROWS = frozenset(["$group", "$sortByCount", "$count", "$replaceRoot", "$replaceWith"])


def _flat(fields: Mapping[str, Any], prefix: str, stage: str) -> list[tuple[str, Any]]:
    """Paths and what is said of each; an object without an operator leads on."""
    found: list[tuple[str, Any]] = []
    for name, value in fields.items():
        path = f"{prefix}{_path(name, stage)}"
        is_object = isinstance(value, Mapping) and value and "__type" not in value
        if is_object and not any(key.startswith("$") for key in value):
            found += _flat(value, f"{path}.", stage)
        else:
            found.append((path, value))
    return found


def _object(operand: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(operand, Mapping):
        raise bad_pipeline(f"the {name} stage specification must be an object")
    return operand


def _path(value: Any, name: str) -> str:
    if not isinstance(value, str) or not is_row_path(value):
        raise bad_pipeline(f"{name}: {str(value)[:200]!r} is no path to a field")
    return value


def _name(value: Any, name: str) -> str:
    if "." in _path(value, name):
        raise bad_pipeline(f"{name}: a name may have no dots: {value}")
    return str(value)


def _whole(value: Any, name: str, least: int) -> int:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not least <= value <= _MAX_COUNT or value != int(value):
        raise bad_pipeline(f"{name} must be a whole number from {least} to {_MAX_COUNT}")
    return int(value)
