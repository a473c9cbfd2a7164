"""What classes have from the start: the columns of all, those of Parse's classes, and our own."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from server.storage.port import ClassSchema, ColumnType

BUILT_IN_COLUMNS: Mapping[str, ColumnType] = {
    "objectId": ColumnType("String"),
    "createdAt": ColumnType("Date"),
    "updatedAt": ColumnType("Date"),
    "ACL": ColumnType("ACL"),
}


def column_types(**kinds: str) -> dict[str, ColumnType]:
    """`name="String"`, with a target as in `user="Pointer _User"`."""
    parts = {name: kind.partition(" ") for name, kind in kinds.items()}
    return {name: ColumnType(kind, target or None) for name, (kind, _, target) in parts.items()}


NOBODY: Mapping[str, Any] = {
    operation: {}
    for operation in ("find", "count", "get", "create", "update", "delete", "addField")
} | {"protectedFields": {}}
"""Class-level permissions that leave a class to the master key."""

SYSTEM_CLASSES: Mapping[str, ClassSchema] = {
    schema.class_name: schema
    for schema in [
        ClassSchema(
            "_User",
            column_types(
                username="String", email="String", emailVerified="Boolean", authData="Object"
            ),
        ),
        ClassSchema(
            "_Role", column_types(name="String", users="Relation _User", roles="Relation _Role")
        ),
        ClassSchema(
            "_Session",
            column_types(
                user="Pointer _User",
                installationId="String",
                sessionToken="String",
                expiresAt="Date",
                createdWith="Object",
            ),
        ),
        ClassSchema(
            "_Installation",
            column_types(
                installationId="String", deviceToken="String", channels="Array",
                deviceType="String", pushType="String", GCMSenderId="String", timeZone="String",
                localeIdentifier="String", badge="Number", appVersion="String", appName="String",
                appIdentifier="String", parseVersion="String",
            ),
        ),
        ClassSchema(
            "_JobStatus",
            column_types(
                jobName="String", source="String", status="String", message="String",
                params="Object", finishedAt="Date",
            ),
        ),
        ClassSchema("_Idempotency", column_types(reqId="String", expire="Date")),
        ClassSchema(
            "_JobSchedule",
            column_types(
                jobName="String", description="String", params="String", startAfter="String",
                daysOfWeek="Array", timeOfDay="String", lastRun="Number", repeatMinutes="Number",
            ),
        ),
        ClassSchema("_GlobalConfig", column_types(params="Object", masterKeyOnly="Object")),
        # Nobody makes these classes, open to all, before we write the first object.
        ClassSchema("ImageClassification", permissions=NOBODY),
        ClassSchema("ModerationCheck", permissions=NOBODY),
        ClassSchema("ModerationDecision", permissions=NOBODY),
        ClassSchema("ModerationHold", permissions=NOBODY),
        ClassSchema("ModerationItem", permissions=NOBODY),
        ClassSchema("ModerationMemory", permissions=NOBODY),
        ClassSchema("ModerationMemoryMatch", permissions=NOBODY),
        ClassSchema("ModerationPanelAccount", permissions=NOBODY),
        ClassSchema("ModerationPanelSession", permissions=NOBODY),
        ClassSchema("ModerationPanelTries", permissions=NOBODY),
        ClassSchema("ModerationPanelViews", permissions=NOBODY),
        ClassSchema("ModerationPolicy", permissions=NOBODY),
        ClassSchema("ModerationPolicyChange", permissions=NOBODY),
        ClassSchema("ModerationPurge", permissions=NOBODY),
        ClassSchema("ModerationTeamLog", permissions=NOBODY),
        ClassSchema("ModerationWebhookDelivery", permissions=NOBODY),
        ClassSchema("ModerationWorker", permissions=NOBODY),
        ClassSchema(
            "UserImage",
            column_types(
                image="File", imageAuthor="String", isSafe="Boolean", deleted="Boolean",
                moderationRequired="Boolean", NSFWPredictions="Array",
            ),
        ),
    ]
}  # fmt: skip
"""The classes whose first columns Parse defines, and the one that the Node original did."""


def is_servers_own(class_name: str) -> bool:
    """Whether moderation keeps its record in the class, which nobody's schema or object changes."""
    ours = SYSTEM_CLASSES.get(class_name)
    return ours is not None and ours.permissions is not None


_TOKENS = dict.fromkeys(
    ("_email_verify_token", "_perishable_token", "sessionToken"), ColumnType("String")
)


def with_tokens(schema: ClassSchema) -> ClassSchema:
    """Return the schema with what _User is searched by and no client sees: no columns of a class,
    but to be found by an index their type has to be known."""
    if schema.class_name != "_User":
        return schema
    return replace(schema, columns={**schema.columns, **_TOKENS})
