"""When a scheduled job is due, by a row of `_JobSchedule`. Pure.

Parse Server keeps schedules and runs none; what they mean is what Parse Dashboard says of them. All
times are UTC.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from server.parse.decode import decode_column

_DAY = timedelta(days=1)
_TIME_OF_DAY = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:\.\d+)?)?Z?", re.ASCII)
_MOST_MINUTES = 366 * 24 * 60
_EVERY_DAY = (1,) * 7
_NO_DAYS = "daysOfWeek are not seven of 0 or 1, from Sunday on"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a job runs: once, from `starts_at` on; with `repeat` again and again.

    Less than a day apart, it runs on each of `days` (0 is Sunday) from `time_of_day` on until the
    day ends; otherwise `repeat` apart, at `time_of_day`, where that falls on one of `days`.
    """

    job_name: str
    params: dict[str, Any]
    starts_at: datetime
    repeat: timedelta | None
    time_of_day: timedelta
    days: frozenset[int]

    def latest(self, now: datetime) -> datetime | None:
        """Return the latest moment up to now at which the job is to run; None before the first."""
        if self.repeat is None or now < self.starts_at:
            return self.starts_at if self.starts_at <= now else None
        moment = self._on_its_day(now) if self.repeat < _DAY else self._days_apart(now)
        return None if moment is None or moment < self.starts_at else moment

    def _on_its_day(self, now: datetime) -> datetime | None:
        repeat = self.repeat or _DAY
        for days_ago in range(8):
            midnight = _midnight(now) - days_ago * _DAY
            first = midnight + self.time_of_day
            last = min(now, midnight + _DAY - timedelta(microseconds=1))
            if first <= last and _weekday(midnight) in self.days:
                return first + (last - first) // repeat * repeat
        return None

    def _days_apart(self, now: datetime) -> datetime | None:
        repeat = self.repeat or _DAY
        first = _midnight(self.starts_at) + self.time_of_day
        first += _DAY if first < self.starts_at else timedelta()
        if now < first:
            return None
        latest = (now - first) // repeat
        for number in range(latest, max(-1, latest - 366), -1):
            moment = first + number * repeat
            if _weekday(moment) in self.days:
                return moment
        return None


def read_schedule(row: Mapping[str, Any]) -> Schedule:
    """Read the columns of a row.

    Raises ValueError, which says what cannot be read, and ParseError for values in `params`.
    """
    name = row.get("jobName")
    if not isinstance(name, str) or not name:
        raise ValueError("jobName is missing")
    starts_at = _moment(row.get("startAfter"))
    return Schedule(
        job_name=name,
        params=_params(row.get("params")),
        starts_at=starts_at,
        repeat=_repeat(row.get("repeatMinutes")),
        time_of_day=_time_of_day(row.get("timeOfDay"), starts_at),
        days=_days(row.get("daysOfWeek")),
    )


def _moment(text: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("startAfter is no moment in ISO 8601") from None


def _params(text: Any) -> dict[str, Any]:
    try:
        params = decode_column("params", json.loads(text)) if text else {}
    except (TypeError, ValueError, RecursionError):
        params = None
    if not isinstance(params, dict):
        raise ValueError("params is no JSON object in a text")
    return params


def _repeat(minutes: Any) -> timedelta | None:
    if minutes in (None, 0) and not isinstance(minutes, bool):
        return None
    is_number = isinstance(minutes, int | float) and not isinstance(minutes, bool)
    if not is_number or not 1 <= minutes <= _MOST_MINUTES:
        raise ValueError(f"repeatMinutes is no number of 1 to {_MOST_MINUTES}")
    return timedelta(minutes=minutes)


def _time_of_day(text: Any, starts_at: datetime) -> timedelta:
    if text in (None, ""):
        return starts_at - _midnight(starts_at)
    match = _TIME_OF_DAY.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError("timeOfDay is no time such as 09:30:00.000Z")
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def _days(flags: Any) -> frozenset[int]:
    flags = _EVERY_DAY if flags in (None, []) else flags
    if not isinstance(flags, list | tuple) or len(flags) != 7:
        raise ValueError(_NO_DAYS)
    if any(flag not in (0, 1) for flag in flags):
        raise ValueError(_NO_DAYS)
    return frozenset(day for day, flag in enumerate(flags) if flag)


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _weekday(moment: datetime) -> int:
    return moment.isoweekday() % 7
