"""Values to Parse's JSON, exactly as SDKs expect it."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from math import isfinite
from typing import Any


def to_json(value: Any) -> str:
    """Encode for the wire: compact, UTF-8, Dates typed, whole floats without `.0`, no NaN.

    Integer decoders in .NET, Android and Dart stumble over `1.0`; JSON knows no NaN, and
    JavaScript writes null for it. Raises TypeError for what Parse has no form for.
    """
    return json.dumps(_wire(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def iso_date(moment: datetime) -> str:
    """Format as Parse does: UTC, exactly three fractional digits, `Z`."""
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z"


def _wire(value: Any) -> Any:
    match value:
        case float():
            return _number(value)
        case str() | int() | None:
            return value
        case datetime():
            return {"__type": "Date", "iso": iso_date(value)}
        case Mapping():
            return {str(key): _wire(member) for key, member in value.items()}
        case list() | tuple():
            return [_wire(member) for member in value]
    raise TypeError(f"a {type(value).__name__} has no form in Parse's JSON")


def _number(value: float) -> float | int | None:
    if not isfinite(value):
        return None
    if not value.is_integer() or abs(value) >= 1e21:  # where JavaScript goes over to exponents
        return value
    return int(Decimal(repr(value)))  # the shortest digits that mean this double, then zeros
