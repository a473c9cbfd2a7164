"""What a pipeline's expressions come to for one row, with MongoDB's semantics. Pure."""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

from server.storage.matching import comparable
from server.storage.pipeline import (
    Apply,
    DateText,
    Elements,
    Expression,
    Field,
    Literal,
    Members,
    Row,
    WholeRow,
)
from server.storage.port import RefusedQuery

MISSING: Any = object()
"""What stands at a path that leads nowhere; to most operators it is null."""

Evaluate = Callable[[Row], Any]

# No row has more bytes in MongoDB, nor an array's element less than this.
_MOST_MADE, _LEAST_ELEMENT = 16 * 1024 * 1024, 8


def compiled(expression: Expression) -> Evaluate:
    """Prepare an expression for many rows. What it comes to may be MISSING.

    Raises RefusedQuery, as does the function, for values that an operator does not take.
    """
    match expression:
        case Literal(value):
            return lambda row: value
        case Field(path):
            names = tuple(path.split("."))
            return lambda row: at_path(row, names)
        case WholeRow():
            return dict
        case Members(members):
            parts = {name: compiled(member) for name, member in members.items()}
            return lambda row: {
                name: value for name, part in parts.items() if (value := part(row)) is not MISSING
            }
        case Elements(elements):
            each = [compiled(element) for element in elements]
            return lambda row: [or_none(one(row)) for one in each]
        case DateText(date, text_format):
            moment = compiled(date)
            return lambda row: _date_text(or_none(moment(row)), text_format)
        case Apply("$cond", (test, then, otherwise)):
            if_true, if_false, decide = compiled(then), compiled(otherwise), compiled(test)
            return lambda row: (if_true if is_true(decide(row)) else if_false)(row)
        case Apply(name, arguments):
            function = within_numbers(name, FUNCTIONS[name])
            operands = [compiled(argument) for argument in arguments]
            return lambda row: function(*(operand(row) for operand in operands))


def within_numbers(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which refuses what leads beyond the numbers there are."""

    def computed(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except (OverflowError, ArithmeticError) as error:
            raise RefusedQuery(f"{name}: {error}") from None

    return computed


def at_path(value: Any, names: Sequence[str]) -> Any:
    """Return what a path leads to; from an array, an array of what it leads to from each object."""
    if not names:
        return value
    if isinstance(value, dict):
        return at_path(value.get(names[0], MISSING), names[1:])
    if isinstance(value, list):
        found = (at_path(element, names) for element in value if isinstance(element, dict | list))
        return [one for one in found if one is not MISSING]
    return MISSING


def is_true(value: Any) -> bool:
    """Whether an expression's value counts as true: all but null, false and 0 does."""
    return not (value is MISSING or value is None or value is False or _is_zero(value))


def or_none(value: Any) -> Any:
    """The value, null for what is missing."""
    return None if value is MISSING else value


def is_number(value: Any) -> bool:
    """Whether arithmetic takes it."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_zero(value: Any) -> bool:
    return is_number(value) and value == 0


def refused(name: str, value: Any) -> RefusedQuery:
    """The error for a value that an operator does not take."""
    kind = "object" if isinstance(value, dict) else type(value).__name__
    return RefusedQuery(f"{name} cannot take a value of the type {kind}")


# --- operators ------------------------------------------------------------------------------------


def _nullable(name: str, takes: Callable[[Any], bool], compute: Callable[..., Any]) -> Any:
    """Make an operator that is null where any argument is, and refuses what it does not take."""

    def function(*arguments: Any) -> Any:
        if any(argument is None or argument is MISSING for argument in arguments):
            return None
        for argument in arguments:
            if not takes(argument):
                raise refused(name, argument)
        return compute(*arguments)

    return function


def _is_number_or_date(value: Any) -> bool:
    return is_number(value) or isinstance(value, datetime)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_array(value: Any) -> bool:
    return isinstance(value, list)


def _is_date(value: Any) -> bool:
    return isinstance(value, datetime)


def _add(*values: Any) -> Any:
    dates = [value for value in values if isinstance(value, datetime)]
    total = sum(value for value in values if not isinstance(value, datetime))
    if len(dates) > 1:
        raise RefusedQuery("only one date allowed in an $add expression")
    return _moved(dates[0], total) if dates else total


def _subtract(value: Any, other: Any) -> Any:
    if isinstance(value, datetime) and isinstance(other, datetime):
        return (value - other) // timedelta(milliseconds=1)
    if isinstance(other, datetime):
        raise refused("$subtract", other)
    return _moved(value, -other) if isinstance(value, datetime) else value - other


def _moved(moment: datetime, milliseconds: float) -> datetime:
    try:
        return moment + timedelta(milliseconds=round(milliseconds))
    except (OverflowError, ValueError):
        raise RefusedQuery("date overflow") from None


def _divide(value: Any, other: Any) -> Any:
    if other == 0:
        raise RefusedQuery("can't $divide by zero")
    return value / other


def _mod(value: Any, other: Any) -> Any:
    """The rest has the sign of the value, as in C."""
    if other == 0:
        raise RefusedQuery("can't $mod by zero")
    if isinstance(value, int) and isinstance(other, int):
        rest = abs(value) % abs(other)
        return rest if value >= 0 else -rest
    return math.fmod(value, other) if math.isfinite(value) else math.nan


def _whole(rounded: Callable[[Any], int]) -> Callable[[Any], Any]:
    return lambda value: rounded(value) if math.isfinite(value) else value


def _round(value: Any, places: Any = 0) -> Any:
    if not isinstance(places, int) or not -20 <= places <= 100:
        raise refused("$round", places)
    return round(value, places) if places else _whole(round)(value)


def _element_at(array: Any, index: Any) -> Any:
    if array in (None, MISSING) or index in (None, MISSING):
        return None
    if not isinstance(array, list):
        raise refused("$arrayElemAt", array)
    if not is_number(index) or index != int(index):
        raise refused("$arrayElemAt", index)
    position = int(index)
    return array[position] if -len(array) <= position < len(array) else MISSING


def _at_end(name: str, index: int) -> Callable[[Any], Any]:
    def function(array: Any) -> Any:
        if array in (None, MISSING):
            return None
        if not isinstance(array, list):
            raise refused(name, array)
        return array[index] if array else MISSING

    return function


def _is_in(value: Any, array: Any) -> bool:
    if not isinstance(array, list):
        raise refused("$in", or_none(array))
    return _key(value) in {_key(element) for element in array}


def _size(array: Any) -> int:
    if not isinstance(array, list):
        raise refused("$size", or_none(array))
    return len(array)


def _lower(value: Any) -> str:
    return _plain_text("$toLower", value).lower()


def _upper(value: Any) -> str:
    return _plain_text("$toUpper", value).upper()


def _plain_text(name: str, value: Any) -> str:
    if value in (None, MISSING):
        return ""
    if isinstance(value, datetime):
        return _date_text(value, "%Y-%m-%dT%H:%M:%S.%LZ") or ""
    if isinstance(value, str | int) and not isinstance(value, bool):
        return str(value)
    raise refused(name, value)


def _substring(name: str, code_points: bool) -> Callable[[Any, Any, Any], str]:
    """A length below zero means all the rest, but for code points, where it is refused."""

    def function(value: Any, start: Any, length: Any) -> str:
        text = _plain_text(name, value)
        for number in (start, length):
            if not is_number(number) or number != int(number):
                raise refused(name, or_none(number))
        first, count = int(start), int(length)
        if first < 0 or (code_points and count < 0):
            raise RefusedQuery(f"{name}: starting index and length must be non-negative")
        if code_points:
            return text[first : first + count]
        data = text.encode()
        end = None if count < 0 else first + count
        try:
            return data[first:end].decode()
        except UnicodeDecodeError:
            raise RefusedQuery(f"{name}: Invalid range, inside a UTF-8 character") from None

    return function


def _joined(*texts: str) -> str:
    if sum(map(len, texts)) > _MOST_MADE:
        raise RefusedQuery("$concat makes a text of more than 16 MB")
    return "".join(texts)


def _chained(*arrays: list[Any]) -> list[Any]:
    if sum(map(len, arrays)) > _MOST_MADE // _LEAST_ELEMENT:
        raise RefusedQuery("$concatArrays makes an array of more than 16 MB")
    return list(chain(*arrays))


def _split(text: str, separator: str) -> list[str]:
    if not separator:
        raise RefusedQuery("$split requires a non-empty separator")
    return text.split(separator)


def _key(value: Any) -> Any:
    return (-2, 0) if value is MISSING else comparable(value)


def _comparison(holds: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda value, other: holds(_key(value), _key(other))


def _compare(one: Any, other: Any) -> int:
    return int(one > other) - int(one < other)


def _if_null(*values: Any) -> Any:
    for value in values[:-1]:
        if value is not None and value is not MISSING:
            return value
    return values[-1]


def _members_of(arguments: Sequence[Any]) -> Sequence[Any]:
    """The values to take together: those of the one array, or the arguments."""
    if len(arguments) == 1 and isinstance(arguments[0], list):
        return arguments[0]
    return arguments


def total(values: Sequence[Any]) -> Any:
    """The sum of the numbers among them."""
    return _sum([value for value in values if is_number(value)])


def mean(values: Sequence[Any]) -> float | None:
    """The mean of the numbers among them; None if there are none."""
    numbers = [value for value in values if is_number(value)]
    return _sum(numbers) / len(numbers) if numbers else None


def _sum(numbers: Sequence[Any]) -> Any:
    """Add up without the errors of rounding that add up too, as MongoDB does."""
    if not any(isinstance(number, float) for number in numbers):
        return sum(numbers)
    try:
        return math.fsum(numbers)
    except (OverflowError, ValueError):  # infinite on the way, or both ways
        return sum(numbers)


def least(values: Sequence[Any]) -> Any:
    """The least of them in MongoDB's order, null and missing aside."""
    return min(_there(values), key=comparable, default=None)


def greatest(values: Sequence[Any]) -> Any:
    """The greatest of them."""
    return max(_there(values), key=comparable, default=None)


def _there(values: Sequence[Any]) -> list[Any]:
    return [value for value in values if value is not None and value is not MISSING]


# --- dates ----------------------------------------------------------------------------------------


def _date_part(name: str, part: Callable[[datetime], int]) -> Any:
    return _nullable(name, _is_date, lambda moment: part(moment.astimezone(UTC)))


def _day_of_week(moment: datetime) -> int:
    return moment.isoweekday() % 7 + 1  # Sunday is 1


def _day_of_year(moment: datetime) -> int:
    return moment.timetuple().tm_yday


def _date_text(value: Any, text_format: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, datetime):
        raise refused("$dateToString", value)
    moment = value.astimezone(UTC)
    parts = iter(text_format)
    return "".join(
        _DATE_TEXTS[next(parts, "%")](moment) if letter == "%" else letter for letter in parts
    )


_DATE_TEXTS: Mapping[str, Callable[[datetime], str]] = {
    "Y": lambda moment: f"{moment.year:04}",
    "m": lambda moment: f"{moment.month:02}",
    "d": lambda moment: f"{moment.day:02}",
    "H": lambda moment: f"{moment.hour:02}",
    "M": lambda moment: f"{moment.minute:02}",
    "S": lambda moment: f"{moment.second:02}",
    "L": lambda moment: f"{moment.microsecond // 1000:03}",
    "j": lambda moment: f"{_day_of_year(moment):03}",
    "u": lambda moment: str(moment.isoweekday()),
    "w": lambda moment: str(_day_of_week(moment)),
    "%": lambda moment: "%",
}

FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "$add": _nullable("$add", _is_number_or_date, _add),
    "$subtract": _nullable("$subtract", _is_number_or_date, _subtract),
    "$multiply": _nullable("$multiply", is_number, lambda *values: math.prod(values)),
    "$divide": _nullable("$divide", is_number, _divide),
    "$mod": _nullable("$mod", is_number, _mod),
    "$abs": _nullable("$abs", is_number, abs),
    "$ceil": _nullable("$ceil", is_number, _whole(math.ceil)),
    "$floor": _nullable("$floor", is_number, _whole(math.floor)),
    "$round": _nullable("$round", is_number, _round),
    "$sum": lambda *values: total(_members_of(values)),
    "$avg": lambda *values: mean(_members_of(values)),
    "$min": lambda *values: least(_members_of(values)),
    "$max": lambda *values: greatest(_members_of(values)),
    "$and": lambda *values: all(map(is_true, values)),
    "$or": lambda *values: any(map(is_true, values)),
    "$not": lambda value: not is_true(value),
    "$eq": _comparison(operator.eq),
    "$ne": _comparison(operator.ne),
    "$gt": _comparison(operator.gt),
    "$gte": _comparison(operator.ge),
    "$lt": _comparison(operator.lt),
    "$lte": _comparison(operator.le),
    "$cmp": _comparison(_compare),
    "$ifNull": _if_null,
    "$concat": _nullable("$concat", _is_text, _joined),
    "$toLower": _lower,
    "$toUpper": _upper,
    "$substr": _substring("$substr", code_points=False),
    "$substrBytes": _substring("$substrBytes", code_points=False),
    "$substrCP": _substring("$substrCP", code_points=True),
    "$strLenCP": lambda value: len(_required_text("$strLenCP", value)),
    "$split": _nullable("$split", _is_text, _split),
    "$size": _size,
    "$isArray": lambda value: isinstance(value, list),
    "$arrayElemAt": _element_at,
    "$first": _at_end("$first", 0),
    "$last": _at_end("$last", -1),
    "$in": _is_in,
    "$concatArrays": _nullable("$concatArrays", _is_array, _chained),
    "$year": _date_part("$year", lambda moment: moment.year),
    "$month": _date_part("$month", lambda moment: moment.month),
    "$dayOfMonth": _date_part("$dayOfMonth", lambda moment: moment.day),
    "$dayOfWeek": _date_part("$dayOfWeek", _day_of_week),
    "$dayOfYear": _date_part("$dayOfYear", _day_of_year),
    "$hour": _date_part("$hour", lambda moment: moment.hour),
    "$minute": _date_part("$minute", lambda moment: moment.minute),
    "$second": _date_part("$second", lambda moment: moment.second),
    "$millisecond": _date_part("$millisecond", lambda moment: moment.microsecond // 1000),
}
"""What each operator computes, but for `$cond`, which looks at one branch alone."""


def _required_text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise refused(name, or_none(value))
    return value
