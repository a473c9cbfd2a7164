"""Every error as Parse says it: a code, a sentence, and the HTTP status that fits the code."""

from cloud.code import SCRIPT_FAILED, VALIDATION_ERROR, CloudError
from cloud.moderation.errors import (
    FetchError,
    FetchTimedOut,
    ImageTooManyBytes,
    InvalidSource,
    ModerationError,
    StoreUnavailable,
)
from cloud.moderation.policy import InvalidPolicy
from ml_models.errors import ClassifierBusy, ImageError, MlModelsError, ModelError

INTERNAL_SERVER_ERROR = 1
OBJECT_NOT_FOUND = 101
INVALID_JSON = 107
COMMAND_UNAVAILABLE = 108
INVALID_KEY_NAME = 105
INVALID_NESTED_KEY = 121
TIMEOUT = 124
REQUEST_LIMIT_EXCEEDED = 155


class ParseError(Exception):
    """An answer of `{"code", "error"}`; without a code, of `{"error"}` and a status of its own."""

    def __init__(self, code: int | None, message: str, status: int | None = None) -> None:
        self.code = code
        self.message = message
        self.status = status or _STATUS_BY_CODE.get(code or 0, 400)
        super().__init__(message)


_STATUS_BY_CODE = {INTERNAL_SERVER_ERROR: 500, OBJECT_NOT_FOUND: 404}


def unauthorized() -> ParseError:
    """The answer to a wrong or missing key."""
    return ParseError(None, "unauthorized", 403)


# The first class that fits counts, so the special stand before the general. Overload, a sleeping
# database and slow hosts are 4xx as well: SDKs repeat every 5xx up to five times.
_CODES: list[tuple[type[Exception], int]] = [
    (ClassifierBusy, REQUEST_LIMIT_EXCEEDED),
    (ModelError, REQUEST_LIMIT_EXCEEDED),
    (StoreUnavailable, REQUEST_LIMIT_EXCEEDED),
    (FetchTimedOut, TIMEOUT),
    (InvalidPolicy, VALIDATION_ERROR),
    (InvalidSource, VALIDATION_ERROR),
    (FetchError, SCRIPT_FAILED),
    (ImageTooManyBytes, SCRIPT_FAILED),
    (ImageError, SCRIPT_FAILED),
    (ModerationError, SCRIPT_FAILED),
    (MlModelsError, SCRIPT_FAILED),
]


def as_parse_error(error: Exception) -> ParseError | None:
    """Translate an error that we raise on purpose; None for any other."""
    if isinstance(error, ParseError):
        return error
    if isinstance(error, CloudError):
        return ParseError(error.code, str(error))
    if isinstance(error, ModerationError | MlModelsError):
        code = next(code for kind, code in _CODES if isinstance(error, kind))
        return ParseError(code, error.public_message)
    return None
