"""Password hashes that Parse Server reads too: bcrypt, of the first 72 bytes, cost 10."""

import bcrypt

# Parse Server's; each step up doubles the time of a login, there as well.
_COST = 10
# bcrypt looks at no more. Other libraries cut silently; ours refuses, so we cut.
_MAX_BYTES = 72

# A hash that no password is known to have, to be slow by when there is no user.
_NOBODYS = f"$2b${_COST}${53 * '.'}"


def hash_password(password: str) -> str:
    """Hash a new password."""
    return bcrypt.hashpw(_bytes(password), bcrypt.gensalt(_COST)).decode("ascii")


def is_password(password: str, hashed: str | None) -> bool:
    """Whether the password fits the hash; as slow without a hash as with one."""
    try:
        fits = bcrypt.checkpw(_bytes(password), (hashed or _NOBODYS).encode("ascii"))
    except ValueError:  # a damaged hash fits nothing
        return False
    return fits and bool(hashed)


def _bytes(password: str) -> bytes:
    return password.encode("utf-8")[:_MAX_BYTES]
