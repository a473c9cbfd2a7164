"""Parse.Config: its one stored row, and the moderation policy read from it."""

import logging
import time
from collections.abc import Mapping
from typing import Any

from cloud.moderation.policy import InvalidPolicy, read_policy
from cloud.moderation.policy_changes import BY_MASTER_KEY
from cloud.moderation.types import Policy
from cloud.operations import Delete, Operation, Set
from server.moderation.policies import PolicyVersions
from server.moderation.policy_changes import PolicyChanges
from server.objects.system_classes import SYSTEM_CLASSES
from server.storage.port import Equals, ObjectStore

logger = logging.getLogger(__name__)

_SCHEMA = SYSTEM_CLASSES["_GlobalConfig"]
_OBJECT_ID = 1  # the number, as Parse Server has it
_SCORES, _AUTOMATION = "moderationScores", "moderationAutomation"


class ParseConfig:
    """The app's Parse.Config; thread-safe. Reads are cached for `cache_s` in this process."""

    def __init__(
        self,
        store: ObjectStore,
        versions: PolicyVersions,
        policy_changes: PolicyChanges,
        cache_s: float,
    ) -> None:
        self._store, self._versions, self._policy_changes = store, versions, policy_changes
        self._cache_s = cache_s
        self._cached: tuple[float, Policy] | None = None
        self._version_in_force: int | None = None

    def read(self) -> tuple[dict[str, Any], dict[str, bool]]:
        """Return the stored `params` and, by the same keys, `masterKeyOnly`; not cached."""
        row = self._store.get(_SCHEMA, _OBJECT_ID) or {}
        return row.get("params", {}), row.get("masterKeyOnly", {})

    def write(
        self,
        changes: Mapping[str, Operation],
        master_key_only: Mapping[str, bool],
        *,
        by: str = BY_MASTER_KEY,
        note: str | None = None,
        since: int | None = None,
    ) -> None:
        """Change keys one by one; `masterKeyOnly` of a changed key is false unless given.

        A policy that this puts in force goes down in history with its author and note; `since` is
        the number of the newest change that the author knew of. Raises PolicyChangedMeanwhile,
        InvalidPolicy, and ValueError for an operation that does not fit what is stored; then
        nothing is written.
        """
        _check_policy(changes)
        announced = self._announce(changes, by, note, since)
        operations: dict[str, Operation] = {}
        for key, change in changes.items():
            is_removal = isinstance(change, Delete)
            hidden = Delete() if is_removal else Set(master_key_only.get(key, False))
            operations |= {f"params.{key}": change, f"masterKeyOnly.{key}": hidden}
        try:
            self._store.update(_SCHEMA, Equals("objectId", _OBJECT_ID), operations, upsert=True)
        except ValueError:
            if announced is not None:
                self._policy_changes.withdraw(announced)
            raise
        finally:
            self._cached = self._version_in_force = None  # whatever it is, it is to be read again

    def _announce(
        self, changes: Mapping[str, Operation], by: str, note: str | None, since: int | None
    ) -> int | None:
        """Put down in history which policy comes into force; return the change's number."""
        coming = self._coming_policy(changes)
        if coming is None or coming.version is None:
            return None
        return self._policy_changes.announce(coming.version, by, note, since=since)

    def current(self) -> Policy:
        """Return the policy in force: the PolicySource port."""
        now, cached = time.monotonic(), self._cached
        if cached is not None and now - cached[0] < self._cache_s:
            return cached[1]
        policy, _ = self.policy_now()
        return policy

    def policy_now(self) -> tuple[Policy, InvalidPolicy | None]:
        """Return the policy in force by what is stored now, and what is wrong with that; not
        cached. Where something is, the last valid policy stays in force."""
        now = time.monotonic()
        policy, problem = self._stored_policy()
        self._cached = (now, policy)
        return policy, problem

    def _stored_policy(self) -> tuple[Policy, InvalidPolicy | None]:
        params, _ = self.read()
        try:
            policy = read_policy(params.get(_SCORES), params.get(_AUTOMATION))
        except InvalidPolicy as error:
            logger.error("the stored policy is invalid, the last valid one stays: %s", error)
            return self._last_valid(), error
        policy = self._versions.numbered(policy)
        self._note_in_force(policy)
        return policy, None

    def _last_valid(self) -> Policy:
        """The policy that history ends with: the same one for all processes, whenever begun."""
        newest = self._policy_changes.newest()
        return (newest and self._versions.policy(newest.version)) or Policy({})

    def _note_in_force(self, policy: Policy) -> None:
        """See that history tells of it, whoever wrote it."""
        version = policy.version
        if version is not None and version != self._version_in_force:
            self._version_in_force = version if self._policy_changes.found(version) else None

    def _coming_policy(self, changes: Mapping[str, Operation]) -> Policy | None:
        """The policy that will be in force after these changes; None if they concern none."""
        if not changes.keys() & {_SCORES, _AUTOMATION}:
            return None
        params, _ = self.read()
        for key in (_SCORES, _AUTOMATION):
            match changes.get(key):
                case Set(value):
                    params[key] = value
                case Delete():
                    params.pop(key, None)
        try:
            return self._versions.numbered(
                read_policy(params.get(_SCORES), params.get(_AUTOMATION))
            )
        except InvalidPolicy:  # the other of the two is invalid, and stays so
            return None


def _check_policy(changes: Mapping[str, Operation]) -> None:
    """Raise InvalidPolicy for changes that would leave no valid policy."""
    values = {}
    for key in (_SCORES, _AUTOMATION):
        change = changes.get(key, Delete())
        if not isinstance(change, Set | Delete):
            raise InvalidPolicy(key, "can only be set as a whole")
        values[key] = change.value if isinstance(change, Set) else None
    read_policy(values[_SCORES], values[_AUTOMATION])
