"""Cloud code: the functions that an app calls by name, defined with `@cloud.define`.

The registry is the process's, as `Parse.Cloud` is: a process serves one app.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cloud.moderation.classification import ClassificationService

SCRIPT_FAILED = 141
VALIDATION_ERROR = 142


class CloudError(Exception):
    """What cloud code raises to answer with a Parse error: its message and code reach the client.

    Any other exception is logged, and the client learns only that the function failed.
    """

    def __init__(self, message: str, code: int = SCRIPT_FAILED) -> None:
        self.code = code
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class CloudRequest:
    """One call of a cloud function: what was sent, and who sent it from where."""

    function_name: str
    params: Mapping[str, Any]
    master: bool
    ip: str
    moderation: ClassificationService
    headers: Mapping[str, str] = field(default_factory=dict)
    installation_id: str | None = None
    context: Mapping[str, Any] = field(default_factory=dict)


CloudFunction = Callable[[CloudRequest], Any]


class CloudCode:
    """The named functions of an app."""

    def __init__(self) -> None:
        self._functions: dict[str, CloudFunction] = {}

    def define(self, name: str) -> Callable[[CloudFunction], CloudFunction]:
        """Make the decorated function callable as `POST {mount}/functions/<name>`.

        What it returns is the answer's `result`. A later definition replaces an earlier one, so
        that an app can bring its own `nsfwImageClassify`.
        """

        def register(function: CloudFunction) -> CloudFunction:
            self._functions[name] = function
            return function

        return register

    def function(self, name: str) -> CloudFunction | None:
        """Return the function of that name, case-sensitive as in Parse."""
        return self._functions.get(name)


cloud = CloudCode()
