"""The records of classifications, kept as Parse objects of class ImageClassification."""

import hashlib
from dataclasses import replace
from datetime import datetime
from typing import Any

from cloud.moderation.predictions import from_objects, to_objects
from cloud.moderation.types import Classification, Outcome, Verdict
from cloud.operations import Increment, Operation, Set
from ml_models.types import Fingerprint, ModelSpec
from server.moderation import fingerprints
from server.objects.declaration import Declaration
from server.objects.schemas import Schemas
from server.objects.system_classes import NOBODY
from server.storage.port import (
    ClassSchema,
    ColumnType,
    Document,
    DuplicateObject,
    Equals,
    Index,
    ObjectStore,
)

_COLUMNS = {
    "contentSha256": "String",
    "byteCount": "Number",
    "modelName": "String",
    "modelVersion": "String",
    "modelInputSize": "Number",
    "predictions": "Array",
    "predictionsOnBlack": "Array",
    "pdqHash": "String",
    "pdqQuality": "Number",
    "outcome": "String",
    "reasons": "Array",
    "policyVersion": "Number",
    "sourceUrl": "String",
    "seenCount": "Number",
    "lastSeenAt": "Date",
}
SCHEMA = ClassSchema(
    "ImageClassification",
    {name: ColumnType(kind) for name, kind in _COLUMNS.items()},
    permissions=NOBODY,
)
_NEWEST = Index("created", ("createdAt",))


class StoredClassifications:
    """The ClassificationRecords port on an ObjectStore.

    The objectId follows from content and model, so that two processes that classify the same
    image at the same moment make one record.
    """

    def __init__(self, store: ObjectStore, schemas: Schemas) -> None:
        self._store = store
        self._declare = Declaration(store, schemas, (SCHEMA, [_NEWEST]))

    def find(self, content_sha256: str, model: ModelSpec) -> Classification | None:
        """See the port."""
        document = self._store.get(SCHEMA, record_id(content_sha256, model))
        # Earlier versions took no fingerprint; such an image is classified once more.
        if document is None or fingerprints.HASH not in document:
            return None
        return _classification(document)

    def add(self, classification: Classification) -> Classification:
        """See the port."""
        self._declare()
        try:
            self._store.insert(SCHEMA, _document(classification))
        except DuplicateObject:
            return self.seen_again(
                classification,
                classification.verdict,
                classification.source_url,
                classification.last_seen_at,
            )
        return classification

    def seen_again(
        self, recorded: Classification, verdict: Verdict, source_url: str | None, at: datetime
    ) -> Classification:
        """See the port."""
        columns = _verdict_columns(verdict) | fingerprints.to_columns(recorded.fingerprint)
        columns |= _on_black_columns(recorded)
        operations: dict[str, Operation] = {name: Set(value) for name, value in columns.items()}
        operations |= {"lastSeenAt": Set(at), "updatedAt": Set(at)}
        if source_url is not None:
            operations["sourceUrl"] = Set(source_url)
        same = Equals("objectId", record_id(recorded.content_sha256, recorded.model))
        operations["seenCount"] = Increment(1)
        document = self._store.update(SCHEMA, same, operations)
        if document is None:  # deleted with the master key since we found it
            anew = replace(recorded, verdict=verdict, source_url=source_url, last_seen_at=at)
            return self.add(replace(anew, seen_count=1, first_seen_at=at))
        return _classification(document)


def record_id(content_sha256: str, model: ModelSpec) -> str:
    """Name the record of a content and a model."""
    identity = f"{content_sha256} {model.name} {model.version} {model.input_size_px}"
    return hashlib.sha256(identity.encode()).hexdigest()[:24]


def _document(classification: Classification) -> Document:
    document: Document = {
        "objectId": record_id(classification.content_sha256, classification.model),
        "createdAt": classification.first_seen_at,
        "updatedAt": classification.last_seen_at,
        "ACL": {},
        "contentSha256": classification.content_sha256,
        "byteCount": classification.byte_count,
        "modelName": classification.model.name,
        "modelVersion": classification.model.version,
        "modelInputSize": classification.model.input_size_px,
        "predictions": to_objects(classification.predictions),
        **_on_black_columns(classification),
        **fingerprints.to_columns(classification.fingerprint),
        "seenCount": classification.seen_count,
        "lastSeenAt": classification.last_seen_at,
    }
    if classification.source_url is not None:
        document["sourceUrl"] = classification.source_url
    return document | _verdict_columns(classification.verdict)


def _on_black_columns(classification: Classification) -> dict[str, Any]:
    """No column for a picture that nothing is seen through, as in rows of earlier versions."""
    on_black = classification.on_black
    return {} if on_black is None else {"predictionsOnBlack": to_objects(on_black)}


def _verdict_columns(verdict: Verdict) -> dict[str, Any]:
    columns = {"outcome": verdict.outcome.value, "reasons": list(verdict.reasons)}
    if verdict.policy_version is None:
        return columns
    return {**columns, "policyVersion": verdict.policy_version}


def _classification(document: Document) -> Classification:
    version, on_black = document.get("policyVersion"), document.get("predictionsOnBlack")
    return Classification(
        content_sha256=document["contentSha256"],
        byte_count=int(document["byteCount"]),
        model=ModelSpec(
            document["modelName"], document["modelVersion"], int(document["modelInputSize"])
        ),
        predictions=from_objects(document["predictions"]),
        fingerprint=Fingerprint(document[fingerprints.HASH], int(document[fingerprints.QUALITY])),
        verdict=Verdict(
            Outcome(document["outcome"]),
            tuple(document["reasons"]),
            None if version is None else int(version),
        ),
        source_url=document.get("sourceUrl"),
        seen_count=int(document["seenCount"]),
        first_seen_at=document["createdAt"],
        last_seen_at=document["lastSeenAt"],
        on_black=None if on_black is None else from_objects(on_black),
    )
