"""`$text` of a `where`, to a condition. Pure."""

from collections.abc import Mapping
from typing import Any

from server.parse.errors import INVALID_JSON, INVALID_QUERY, ParseError
from server.storage.port import All, Condition, Either, FindsText, Neither

_MAX_TERM = 1_000


def read_text(path: str, operand: Any) -> Condition:
    """Read what to search for. Raises ParseError 107, with Parse Server's sentences."""
    search = operand.get("$search") if isinstance(operand, Mapping) else None
    if not isinstance(search, Mapping):
        raise _bad("$search, should be object")
    term = search.get("$term")
    if not isinstance(term, str) or not term or "\0" in term or len(term) > _MAX_TERM:
        raise _bad("$term, should be string")
    language = search.get("$language")
    if not isinstance(language, str | None) or "\0" in (language or ""):
        raise _bad("$language, should be string")
    return FindsText(
        path,
        term,
        language or None,
        _flag(search, "$caseSensitive"),
        _flag(search, "$diacriticSensitive"),
    )


def check_text(condition: Condition) -> None:
    """Refuse `$text` where a text index cannot help. Raises ParseError 102."""
    if _searches(condition, is_at_top=True) > 1:
        raise ParseError(INVALID_QUERY, "Too many text expressions")


def _searches(condition: Condition, *, is_at_top: bool) -> int:
    match condition:
        case All(parts):
            return sum(_searches(part, is_at_top=is_at_top) for part in parts)
        case Either(parts) | Neither(parts):
            return sum(_searches(part, is_at_top=False) for part in parts)
        case FindsText():
            if not is_at_top:
                raise ParseError(INVALID_QUERY, "$text must be top-level or inside $and")
            return 1
    return 0


def _flag(search: Mapping[str, Any], name: str) -> bool:
    value = search.get(name)
    if not isinstance(value, bool | None):
        raise _bad(f"{name}, should be boolean")
    return bool(value)


def _bad(what: str) -> ParseError:
    return ParseError(INVALID_JSON, f"bad $text: {what}")
