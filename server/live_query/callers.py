"""Whose rights count: a session token's user and roles, looked up anew every few seconds."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from server.auth import Caller
from server.storage.port import Document

# So long a session that has ended, or a role that was taken away, still counts.
_CACHE_S = 2.0
_MAX_CACHED = 10_000
_ASKED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class _Known:
    user: Document
    roles: tuple[str, ...]
    until: float


class Callers:
    """Makes callers of session tokens; thread-safe."""

    def __init__(
        self,
        user_of: Callable[[str], Document],
        roles_of: Callable[[str], tuple[str, ...]],
        lasting: Callable[[Sequence[str]], set[str]],
        *,
        cache_s: float = _CACHE_S,
    ) -> None:
        self._user_of, self._roles_of, self._lasting = user_of, roles_of, lasting
        self._cache_s = cache_s
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}

    def with_session(self, caller: Caller, token: str | None) -> Caller:
        """Return the caller as the user of a session; the master key has none.

        Raises ParseError 209 for a token that stands for nobody, or no longer.
        """
        if caller.master or token is None:
            return caller
        known = self._known.get(token)
        if known is None or known.until <= time.monotonic():
            known = self._look_up(token)
        roles = known.roles
        return replace(
            caller, user=known.user, session_token=token, find_role_names=lambda _user_id: roles
        )

    def ended(self, tokens: Iterable[str]) -> set[str]:
        """Return which of the tokens stand for nobody, or no longer; a question for hundreds."""
        asked = list(set(tokens))
        parts = (
            asked[first : first + _ASKED_AT_ONCE] for first in range(0, len(asked), _ASKED_AT_ONCE)
        )
        return set(asked).difference(*(self._lasting(part) for part in parts))

    def _look_up(self, token: str) -> _Known:
        until = time.monotonic() + self._cache_s
        user = self._user_of(token)
        known = _Known(user, self._roles_of(user["objectId"]), until)
        with self._lock:
            if len(self._known) >= _MAX_CACHED:
                self._known.clear()
            self._known[token] = known
        return known
