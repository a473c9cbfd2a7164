"""Every error as Parse says it: a code, a sentence, and the HTTP status that fits the code."""

from cloud.errors import SCRIPT_FAILED, VALIDATION_ERROR, CloudError
from cloud.moderation.errors import (
    FetchTimedOut,
    InvalidSource,
    ModerationError,
    StoreUnavailable,
)
from cloud.moderation.policy import InvalidPolicy
from ml_models.errors import ClassifierBusy, MlModelsError, ModelError
from server.storage.port import Refused, RefusedQuery

# Parse's codes by number (PARSE_PROTOCOL.md 3.14); 141 and 142 are in cloud.errors.
OTHER_CAUSE = -1
INTERNAL_SERVER_ERROR = 1
CONNECTION_FAILED = 100
OBJECT_NOT_FOUND = 101
INVALID_QUERY = 102
INVALID_CLASS_NAME = 103
INVALID_KEY_NAME = 105
INVALID_JSON = 107
COMMAND_UNAVAILABLE = 108
INCORRECT_TYPE = 111
PUSH_MISCONFIGURED = 115
OPERATION_FORBIDDEN = 119
INVALID_NESTED_KEY = 121
INVALID_FILE_NAME = 122
INVALID_ACL = 123
TIMEOUT = 124
INVALID_EMAIL_ADDRESS = 125
FILE_SAVE_ERROR = 130
MISSING_INSTALLATION_ID = 132
MISSING_NAME = 135
FIELD_CANNOT_BE_CHANGED = 136
DUPLICATE_VALUE = 137
FILE_DELETE_ERROR = 153
REQUEST_LIMIT_EXCEEDED = 155
DUPLICATE_REQUEST = 159
INVALID_VALUE = 162
USERNAME_MISSING = 200
PASSWORD_MISSING = 201
USERNAME_TAKEN = 202
EMAIL_TAKEN = 203
EMAIL_MISSING = 204
EMAIL_NOT_FOUND = 205
SESSION_MISSING = 206
ACCOUNT_ALREADY_LINKED = 208
INVALID_SESSION_TOKEN = 209
UNSUPPORTED_SERVICE = 252
INVALID_SCHEMA_OPERATION = 255


class ParseError(CloudError):
    """An answer of `{"code", "error"}`; without a code, of `{"error"}` and a status of its own.

    Cloud code can catch it as a CloudError, for instance where it saves objects.
    """

    def __init__(self, code: int | None, message: str, status: int | None = None) -> None:
        self.message = message
        self.status = status or _STATUS_BY_CODE.get(code or 0, 400)
        super().__init__(message, code)


_STATUS_BY_CODE = {INTERNAL_SERVER_ERROR: 500, OBJECT_NOT_FOUND: 404}


class _Unauthorized(ParseError):
    def __init__(self, why: str) -> None:
        self._why = why
        super().__init__(None, "unauthorized", 403)

    def __str__(self) -> str:
        return f"{self.message}: {self._why}"


def unauthorized(why: str) -> ParseError:
    """The answer to a wrong or missing key; why, for the log alone, and without what was sent."""
    return _Unauthorized(why)


def master_key_required() -> ParseError:
    """The answer to a call of the master key's routes without it."""
    return ParseError(None, "unauthorized: master key is required", 403)


def duplicate_value() -> ParseError:
    """The answer when a column that is unique has the value already."""
    message = "A duplicate value for a field with unique values was provided"
    return ParseError(DUPLICATE_VALUE, message)


def object_not_found() -> ParseError:
    """The answer for what is not there, and for what the caller may not know to be there."""
    return ParseError(OBJECT_NOT_FOUND, "Object not found.")


# The first class that fits counts, so the special stand before the general. Overload, a sleeping
# database and slow hosts are 4xx as well: SDKs repeat every 5xx up to five times.
_CODES: list[tuple[type[Exception], int]] = [
    (ClassifierBusy, REQUEST_LIMIT_EXCEEDED),
    (ModelError, REQUEST_LIMIT_EXCEEDED),
    (StoreUnavailable, REQUEST_LIMIT_EXCEEDED),
    (FetchTimedOut, TIMEOUT),
    (InvalidPolicy, VALIDATION_ERROR),
    (InvalidSource, VALIDATION_ERROR),
    (ModerationError, SCRIPT_FAILED),
    (MlModelsError, SCRIPT_FAILED),
]


def as_parse_error(error: Exception) -> ParseError | None:
    """Translate an error that we raise on purpose; None for any other."""
    if isinstance(error, ParseError):
        return error
    if isinstance(error, CloudError):
        return ParseError(error.code, str(error))
    if isinstance(error, Refused):
        code = INVALID_QUERY if isinstance(error, RefusedQuery) else INCORRECT_TYPE
        return ParseError(code, str(error))
    if isinstance(error, ModerationError | MlModelsError):
        code = next(code for kind, code in _CODES if isinstance(error, kind))
        return ParseError(code, error.public_message)
    return None
