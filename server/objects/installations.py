"""Installations: an app on a device, known by installationId, by deviceToken, or by both.

Which row a save is meant for, and which others are the same device's from before, follows Parse
Server's `RestWrite.handleInstallation`. Other than there, old rows go when the save has succeeded:
one that is refused removes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from cloud.operations import Change, Set
from server.auth import Caller
from server.objects.access import both
from server.objects.schemas import Schemas
from server.objects.system_classes import SYSTEM_CLASSES
from server.parse.errors import (
    FIELD_CANNOT_BE_CHANGED,
    MISSING_INSTALLATION_ID,
    MISSING_NAME,
    OBJECT_NOT_FOUND,
    ParseError,
)
from server.storage.port import (
    ClassSchema,
    Condition,
    Database,
    Differs,
    Document,
    Either,
    Equals,
    Index,
    Query,
)

INDEXES = [
    Index("installationId_1", ("installationId",)),
    Index("deviceToken_1", ("deviceToken",)),
]

_APPLE_TOKEN_LENGTH = 64
_KEPT_COLUMNS = ("installationId", "deviceToken", "deviceType")


@dataclass(frozen=True, slots=True)
class Plan:
    """What a save of an installation comes to: `target` is the row to change, None for a new one;
    `obsolete` are rows to be removed afterwards."""

    changes: Mapping[str, Change]
    target: str | None = None
    obsolete: Condition | None = None


class Installations:
    """Finds the rows that a save of an installation is about; thread-safe."""

    def __init__(self, database: Database, schemas: Schemas) -> None:
        self._objects, self._schemas = database.objects, schemas

    def plan(
        self, caller: Caller, changes: Mapping[str, Change], object_id: str | None = None
    ) -> Plan:
        """Say what is to be done; `object_id` is that of an update.

        Raises ParseError 132, 135, 136, and 101 for an update of what is not there.
        """
        changes = _normalised(changes)
        device = _Device(changes, caller)
        if object_id is None and not (device.token or device.installation_id):
            message = (
                "at least one ID field (deviceToken, installationId) must be specified in this "
                "operation"
            )
            raise ParseError(MISSING_NAME, message)
        says_which = device.installation_id or any(_said(changes, name) for name in _KEPT_COLUMNS)
        if object_id is not None and not says_which:
            return Plan(changes, object_id)
        rows = self._rows_of(device, object_id)
        match = rows.by_installation
        if object_id is not None:
            _refuse_changes(changes, rows.by_object)
            match = match or rows.by_object
        if match is not None:
            return _change_known(changes, device, rows, match)
        if not _said(changes, "deviceType"):
            raise ParseError(MISSING_NAME, "deviceType must be specified in this operation")
        return _adopt_or_create(changes, device, rows)

    def clean_up(self, plan: Plan) -> None:
        """Remove what the save has made obsolete."""
        if plan.obsolete is not None:
            self._objects.delete(self._schema, plan.obsolete)

    def _rows_of(self, device: "_Device", object_id: str | None) -> "_Rows":
        wanted = {
            "objectId": object_id,
            "installationId": device.installation_id,
            "deviceToken": device.token,
        }
        any_of = tuple(Equals(name, value) for name, value in wanted.items() if value)
        found = self._objects.find(self._schema, Query(Either(any_of)))

        def with_value(name: str) -> list[Document]:
            return [row for row in found if wanted[name] and row.get(name) == wanted[name]]

        by_object, by_installation = with_value("objectId"), with_value("installationId")
        if object_id is not None and not by_object:
            raise ParseError(OBJECT_NOT_FOUND, "Object not found for update.")
        return _Rows(
            by_object[-1] if by_object else None,
            by_installation[-1] if by_installation else None,
            with_value("deviceToken"),
        )

    @property
    def _schema(self) -> ClassSchema:
        return self._schemas.find("_Installation") or SYSTEM_CLASSES["_Installation"]


class _Device:
    """What a save says of the device that it is about."""

    def __init__(self, changes: Mapping[str, Change], caller: Caller) -> None:
        self.token = _text(changes, "deviceToken")
        self.said_id = _text(changes, "installationId")
        by_header = None if caller.master else caller.installation_id
        self.installation_id = self.said_id or (by_header.lower() if by_header else None)
        self.app = _text(changes, "appIdentifier")

    def others(self, installation_id: str) -> Condition:
        """Rows of the same device by another installation, of the same app if it is said."""
        same_app = [Equals("appIdentifier", self.app)] if self.app else []
        others = (Equals("deviceToken", self.token), Differs("installationId", installation_id))
        return both(*others, *same_app)


@dataclass(frozen=True, slots=True)
class _Rows:
    by_object: Document | None
    by_installation: Document | None
    by_token: list[Document]


def _normalised(changes: Mapping[str, Change]) -> dict[str, Change]:
    """Ids are the same in any case of letters, and Apple's tokens, which are 64 hex digits."""
    changes = dict(changes)
    token, installation_id = _text(changes, "deviceToken"), _text(changes, "installationId")
    if token and len(token) == _APPLE_TOKEN_LENGTH:
        changes["deviceToken"] = Set(token.lower())
    if installation_id:
        changes["installationId"] = Set(installation_id.lower())
    return changes


def _said(changes: Mapping[str, Change], name: str) -> bool:
    return name in changes and changes[name] not in (Set(None), Set(""))


def _text(changes: Mapping[str, Change], name: str) -> str | None:
    change = changes.get(name)
    is_text = isinstance(change, Set) and isinstance(change.value, str)
    return change.value or None if is_text else None  # type: ignore[union-attr]


def _refuse_changes(changes: Mapping[str, Change], row: Document | None) -> None:
    """What tells a device from others stays; a token may change where there is an id besides."""
    row = row or {}
    has_id = _said(changes, "installationId") or row.get("installationId")
    for name in _KEPT_COLUMNS:
        change, kept = changes.get(name), row.get(name)
        if not _said(changes, name) or change == Set(kept) or (name == "deviceToken" and has_id):
            continue
        if kept or name == "deviceType":
            message = f"{name} may not be changed in this operation"
            raise ParseError(FIELD_CANNOT_BE_CHANGED, message)


def _change_known(
    changes: Mapping[str, Change], device: _Device, rows: _Rows, match: Document
) -> Plan:
    """Change the row that is known by its id."""
    target: str = match["objectId"]
    if len(rows.by_token) == 1 and not rows.by_token[0].get("installationId"):
        older: str = rows.by_token[0]["objectId"]
        if older != target:  # the device as it was before it had an id
            return Plan(changes, older, Equals("objectId", target))
    if device.token and device.said_id and match.get("deviceToken") != device.token:
        return Plan(changes, target, device.others(device.said_id))
    return Plan(changes, target)


def _adopt_or_create(changes: Mapping[str, Change], device: _Device, rows: _Rows) -> Plan:
    """Where no row has the id, one with the token alone is meant; others make room."""
    if not rows.by_token:
        return Plan(changes)
    only = rows.by_token[0] if len(rows.by_token) == 1 else None
    if only and not (only.get("installationId") and device.installation_id):
        return Plan(changes, only["objectId"])
    if not device.said_id:
        message = (
            "Must specify installationId when deviceToken matches multiple Installation objects"
        )
        raise ParseError(MISSING_INSTALLATION_ID, message)
    return Plan(changes, None, device.others(device.said_id))
