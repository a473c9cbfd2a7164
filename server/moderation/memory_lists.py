"""Lists of images by hand: entries of the memory that the master key, or the operator, writes.

A row that nobody could use would be found out when an image should have been known by it, so rows
are checked when they are saved.
"""

import hashlib
import logging
import re
from collections.abc import Callable, Sequence
from typing import Any

from cloud.clock import utc_now
from cloud.errors import VALIDATION_ERROR
from cloud.operations import Operation, Set
from ml_models.types import Fingerprint
from server.moderation import fingerprints
from server.moderation.memory import (
    ENTRY,
    ENTRY_INDEXES,
    FROM_DECISION,
    FROM_LIST,
    HOLDING,
    OUTCOMES,
    forgetting,
)
from server.objects.declaration import Declaration
from server.objects.save import ClassRules, Save, SpecialClass
from server.objects.schemas import Schemas
from server.parse.errors import OPERATION_FORBIDDEN, ParseError
from server.storage.port import All, Database, Document, Equals, Query, SortKey

logger = logging.getLogger(__name__)

_OPERATOR = "operator"
_MASTER_KEY = "master key"


def memory_class() -> SpecialClass:
    """The class of what is remembered, and what its saves must fulfil."""
    return SpecialClass(ENTRY, ENTRY_INDEXES, ListRules())


class ListRules(ClassRules):
    """The ClassRules of ModerationMemory, which the master key alone may write."""

    def check(self, save: Save) -> None:
        """Refuse what is no use, and what tampers with an entry of a decision."""
        is_decision = (save.original or {}).get("source") == FROM_DECISION
        writable = {"active"} if is_decision else _CHECKS.keys()
        for name, change in save.changes.items():
            if name not in writable:
                raise ParseError(OPERATION_FORBIDDEN, f"{name} cannot be written by hand.")
            is_fit, form = _CHECKS[name]
            if not isinstance(change, Set) or not is_fit(change.value):
                raise ParseError(VALIDATION_ERROR, f"{name} must be {form}.")
        if save.creates:
            _require_something_to_know_by(save)

    def finish(self, save: Save) -> None:
        """Write who did it, and hashes as they are looked for."""
        for name in ("contentSha256", fingerprints.HASH):
            if name in save.changes:
                save.changes[name] = Set(save.value(name).lower())
        if save.creates:
            save.changes |= {"active": Set(True), **save.changes, **_of_list(_MASTER_KEY)}
            save.changes["ACL"] = Set({})
        if save.value("active") is True:
            save.changes |= HOLDING
        elif save.value("active") is False:
            save.changes |= forgetting(_MASTER_KEY)


def _require_something_to_know_by(save: Save) -> None:
    if save.value("outcome") is None:
        raise ParseError(VALIDATION_ERROR, f"outcome must be {_CHECKS['outcome'][1]}.")
    if save.value("contentSha256") is None and save.value(fingerprints.HASH) is None:
        message = f"contentSha256 or {fingerprints.HASH} must be given."
        raise ParseError(VALIDATION_ERROR, message)


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9A-Fa-f]{64}", value) is not None


def _is_quality(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 100


_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "outcome": (lambda value: value in OUTCOMES, '"approved" or "rejected"'),
    "contentSha256": (_is_hash, "64 hexadecimal digits"),
    fingerprints.HASH: (_is_hash, "64 hexadecimal digits"),
    fingerprints.QUALITY: (_is_quality, "a number from 0 to 100"),
    "note": (lambda value: isinstance(value, str), "a text"),
    "active": (lambda value: isinstance(value, bool), "true or false"),
}


class MemoryLists:
    """The lists in the operator's hands. Raises StoreUnavailable."""

    def __init__(self, database: Database, schemas: Schemas) -> None:
        self._objects = database.objects
        Declaration(database.objects, schemas, (ENTRY, ENTRY_INDEXES))()

    def add(
        self,
        outcome: str,
        content_sha256: str | None,
        fingerprint: Fingerprint | None,
        note: str | None,
    ) -> str:
        """Put an image on a list and return the entry's id; listed again it is the same entry."""
        known_by = {"contentSha256": content_sha256, **fingerprints.to_columns(fingerprint)}
        values = known_by | {"outcome": outcome, "note": note}
        identity = f"list {content_sha256} {fingerprint and fingerprint.pdq}"
        entry_id = hashlib.sha256(identity.encode()).hexdigest()[:24]
        now = utc_now()
        operations = _of_list(_OPERATOR) | HOLDING | {"updatedAt": Set(now)}
        operations |= {name: Set(value) for name, value in values.items() if value is not None}
        if self._objects.update(ENTRY, Equals("objectId", entry_id), operations) is None:
            operations = operations | {"createdAt": Set(now), "ACL": Set({})}
            self._objects.update(ENTRY, Equals("objectId", entry_id), operations, upsert=True)
        logger.info("listed as %s: %s", outcome, entry_id)
        return entry_id

    def forget(self, entry_id: str) -> bool:
        """Make an entry hold no longer. False: there is none that holds."""
        where = All((Equals("objectId", entry_id), Equals("active", True)))
        operations = forgetting(_OPERATOR) | {"updatedAt": Set(utc_now())}
        forgotten = self._objects.update(ENTRY, where, operations)
        if forgotten is not None:
            logger.info("forgot %s", entry_id)
        return forgotten is not None

    def newest(self, limit: int) -> Sequence[Document]:
        """Return the newest entries that hold."""
        newest_first = (SortKey("createdAt", descending=True),)
        return self._objects.find(
            ENTRY, Query(Equals("active", True), order=newest_first, limit=limit)
        )


def _of_list(by: str) -> dict[str, Operation]:
    return {"source": Set(FROM_LIST), "decidedBy": Set(by), "decidedAt": Set(utc_now())}
