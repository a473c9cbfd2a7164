"""What every new object gets: an id and a time."""

import secrets
import string
from datetime import UTC, datetime

_ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits


def new_object_id(length: int = 10) -> str:
    """A random objectId as Parse makes them: ten of A-Z, a-z, 0-9."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def utc_now() -> datetime:
    """Now, as Parse keeps time: in whole milliseconds."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
