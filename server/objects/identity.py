"""The id that every new object gets."""

import secrets
import string

_ALPHABET = string.ascii_uppercase + string.ascii_lowercase + string.digits


def new_object_id(length: int = 10) -> str:
    """A random objectId as Parse makes them: ten of A-Z, a-z, 0-9."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
