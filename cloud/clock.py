"""Time, as Parse keeps it."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Now, in UTC and whole milliseconds."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
