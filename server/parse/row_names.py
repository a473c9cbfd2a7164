"""Where a pipeline's names lead to in rows, as Parse Server lays them out. Pure."""

import re
from dataclasses import dataclass
from typing import Any

from server.parse.decode import decode, mappings_in, parse_date
from server.parse.errors import INVALID_QUERY, ParseError
from server.storage.mongo.columns import stored_path
from server.storage.mongo.values import stored_value
from server.storage.pipeline import HIDDEN_KEYS
from server.storage.port import ClassSchema, ColumnType

_MAX_STEPS = 20
_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*")


def bad_pipeline(message: str) -> ParseError:
    """The error for what is wrong with a pipeline."""
    return ParseError(INVALID_QUERY, message)


def is_row_path(path: str) -> bool:
    """Whether this may be a path in rows: names with dots between, and none of the hidden ones."""
    is_path = _PATH.fullmatch(path) is not None and path.count(".") < _MAX_STEPS
    return is_path and path.partition(".")[0] not in HIDDEN_KEYS


@dataclass(frozen=True, slots=True)
class RowNames:
    """The names at one stage of a pipeline."""

    schema: ClassSchema
    are_columns: bool = True
    """Whether rows are still the class's own."""

    def of_new_rows(self) -> "RowNames":
        """The names once rows are no objects any more; only Parse's own stay what they are."""
        return RowNames(self.schema, are_columns=False)

    def stored(self, path: str) -> str:
        """Return where it stands in a row."""
        return stored_path(self.schema if self.are_columns else _NO_COLUMNS, path)

    def value(self, path: str, value: Any) -> Any:
        """Return what equals this JSON where the path leads to: dates may be text on a Date column,
        a Pointer is its objectId, `Class$id` or a Pointer. Raises ParseError 102."""
        match value:
            case {"$date": str(text), **rest} if not rest:
                return parse_date(text)
        for mapping in mappings_in(value):
            if any("$" in key or "." in key for key in mapping):
                raise bad_pipeline("a value to compare with cannot have operators in it")
        found = decode(value)
        column = self._column(path)
        if column is None or not isinstance(found, str):
            return stored_value(column, found)
        if column.kind == "Date":
            try:
                return parse_date(found)
            except ParseError:
                return found
        is_whole = column.kind == "Pointer" and found.startswith(f"{column.target_class}$")
        return found if is_whole else stored_value(column, found)

    def _column(self, path: str) -> ColumnType | None:
        if not self.are_columns:
            return None
        if path in ("createdAt", "updatedAt", "_created_at", "_updated_at"):
            return ColumnType("Date")
        return self.schema.columns.get(path.removeprefix("_p_"))


_NO_COLUMNS = ClassSchema("")
