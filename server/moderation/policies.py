"""Every policy that was ever in force, numbered: objects of class ModerationPolicy."""

import hashlib
import json
from dataclasses import replace
from typing import Any

from cloud.clock import utc_now
from cloud.moderation.policy import read_policy
from cloud.moderation.types import Policy
from server.objects.declaration import Declaration
from server.objects.schemas import Schemas
from server.objects.system_classes import NOBODY
from server.storage.port import (
    ClassSchema,
    ColumnType,
    Database,
    DuplicateObject,
    Equals,
    Index,
    Query,
    SortKey,
)

SCHEMA = ClassSchema(
    "ModerationPolicy",
    {
        "version": ColumnType("Number"),
        "moderationScores": ColumnType("Object"),
        "moderationAutomation": ColumnType("Boolean"),
    },
    permissions=NOBODY,
)
_INDEX = Index("version_1", ("version",), unique=True)


class PolicyVersions:
    """Numbers policies from 1; the same thresholds and switch have the same number for ever."""

    def __init__(self, database: Database, schemas: Schemas) -> None:
        self._objects = database.objects
        self._known: dict[str, int] = {}
        self._by_version: dict[int, Policy] = {}
        self._declare = Declaration(database.objects, schemas, (SCHEMA, [_INDEX]))

    def numbered(self, policy: Policy) -> Policy:
        """Return the policy with its number, recorded by now. Raises StoreUnavailable."""
        row = _row(policy)
        version = self._known.get(row["objectId"]) or self._find_or_add(row)
        self._known[row["objectId"]] = version
        return replace(policy, version=version)

    def policy(self, version: int) -> Policy | None:
        """Return the policy of this number, or None. Raises StoreUnavailable."""
        policy = self._by_version.get(version)
        if policy is None:
            self._declare()
            found = self._objects.find(SCHEMA, Query(Equals("version", version), limit=1))
            for row in found:
                stored = read_policy(row["moderationScores"], row["moderationAutomation"])
                policy = self._by_version[version] = replace(stored, version=version)
        return policy

    def _find_or_add(self, row: dict[str, Any]) -> int:
        self._declare()
        while True:
            found = self._objects.get(SCHEMA, row["objectId"])
            if found is not None:
                return int(found["version"])
            newest = self._objects.find(
                SCHEMA, Query(order=(SortKey("version", descending=True),), limit=1)
            )
            version = int(newest[0]["version"]) + 1 if newest else 1
            now = utc_now()
            try:
                self._objects.insert(
                    SCHEMA, {**row, "createdAt": now, "updatedAt": now, "version": version}
                )
            except DuplicateObject:  # another process was faster, with this policy or another
                continue
            return version


def scores_of(policy: Policy) -> dict[str, dict[str, float]]:
    """Write thresholds as `moderationScores`."""
    return {
        label.value: {"min": threshold.min, "max": threshold.max}
        for label, threshold in sorted(policy.thresholds.items())
    }


def _row(policy: Policy) -> dict[str, Any]:
    scores = scores_of(policy)
    identity = json.dumps([scores, policy.automation_enabled])
    return {
        "objectId": hashlib.sha256(identity.encode()).hexdigest()[:24],
        "ACL": {},
        "moderationScores": scores,
        "moderationAutomation": policy.automation_enabled,
    }
