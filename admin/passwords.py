"""What a moderator's password must be."""

MIN_LENGTH = 10
# bcrypt looks at no more, and whoever typed the rest should not think that it counts.
MAX_BYTES = 72

# Those of the longer ones that everybody tries first.
_COMMON = frozenset(
    {
        "1234567890", "12345678910", "0123456789", "0987654321", "1q2w3e4r5t", "1qaz2wsx3edc",
        "abcdefghij", "administrator", "changeme123", "iloveyou123", "letmein123", "moderator1",
        "moderator123", "p@ssw0rd123", "parsewarden", "password12", "password123", "password1234",
        "passwordpassword", "qwerty12345", "qwertyuiop", "qwertzuiop", "welcome123",
    }
)  # fmt: skip


class WeakPassword(ValueError):
    """A password that is refused; `reason` is what the panel explains by `account.<reason>`."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def check_password(password: str, name: str) -> None:
    """Raise WeakPassword for a password that does not do for the moderator of this name."""
    if len(password) < MIN_LENGTH:
        raise WeakPassword("password_too_short")
    if len(password.encode()) > MAX_BYTES:
        raise WeakPassword("password_too_long")
    folded = password.casefold()
    if len(set(folded)) < 4 or folded in _COMMON:
        raise WeakPassword("password_common")
    if folded.strip() == name.casefold().strip():
        raise WeakPassword("password_is_name")
