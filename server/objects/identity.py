"""What every new object gets: an id and a time."""

import secrets
import string

from cloud.clock import utc_now

__all__ = ["new_object_id", "utc_now"]

_ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits


def new_object_id(length: int = 10) -> str:
    """A random objectId as Parse makes them: ten of A-Z, a-z, 0-9."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
