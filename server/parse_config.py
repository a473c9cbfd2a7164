"""Parse.Config: its one stored row, and the moderation policy read from it."""

import logging
import time
from collections.abc import Mapping
from typing import Any

from cloud.moderation.policy import InvalidPolicy, policy_from_scores
from cloud.moderation.types import Policy
from server.storage.port import Delete, ObjectStore, Operation, Set

logger = logging.getLogger(__name__)

_CLASS_NAME = "_GlobalConfig"
_OBJECT_ID = 1  # the number, as Parse Server has it

REMOVED = object()
"""In place of a value: the key is removed."""


class ParseConfig:
    """The app's Parse.Config; thread-safe. Reads are cached for `cache_s` in this process."""

    def __init__(self, store: ObjectStore, cache_s: float) -> None:
        self._store = store
        self._cache_s = cache_s
        self._cached: tuple[float, Policy] | None = None
        self._last_valid = Policy({})

    def read(self) -> tuple[dict[str, Any], dict[str, bool]]:
        """Return the stored `params` and, by the same keys, `masterKeyOnly`; not cached."""
        row = self._store.get(_CLASS_NAME, _OBJECT_ID) or {}
        return row.get("params", {}), row.get("masterKeyOnly", {})

    def write(self, params: Mapping[str, Any], master_key_only: Mapping[str, bool]) -> None:
        """Set or remove keys one by one; `masterKeyOnly` of a set key is false unless given.

        Raises InvalidPolicy, and then nothing is written.
        """
        if params.get("moderationScores", REMOVED) is not REMOVED:
            policy_from_scores(params["moderationScores"])
        operations: dict[str, Operation] = {}
        for key, value in params.items():
            if value is REMOVED:
                operations |= {f"params.{key}": Delete(), f"masterKeyOnly.{key}": Delete()}
            else:
                hidden = master_key_only.get(key, False)
                operations |= {f"params.{key}": Set(value), f"masterKeyOnly.{key}": Set(hidden)}
        self._store.update(_CLASS_NAME, _OBJECT_ID, operations, upsert=True)
        self._cached = None

    def current(self) -> Policy:
        """Return the policy in force: the PolicySource port."""
        now, cached = time.monotonic(), self._cached
        if cached is None or now - cached[0] >= self._cache_s:
            cached = self._cached = (now, self._stored_policy())
        return cached[1]

    def _stored_policy(self) -> Policy:
        params, _ = self.read()
        try:
            self._last_valid = policy_from_scores(params.get("moderationScores"))
        except InvalidPolicy as error:
            logger.error("the stored policy is invalid, the last valid one stays: %s", error)
        return self._last_valid
