"""Records of classifications, on every store, and as Parse Server's MongoDB layout."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pymongo import MongoClient

from cloud.moderation.types import Classification, Outcome, Verdict
from cloud.operations import Delete
from ml_models.types import Fingerprint, Label, ModelSpec, Prediction
from server.moderation.classifications import SCHEMA, StoredClassifications
from server.objects.schemas import Schemas
from server.storage.port import EVERYTHING

MOMENT = datetime(2026, 11, 22, 18, 27, 49, 690000, UTC)
LATER = MOMENT + timedelta(hours=1)
MODEL = ModelSpec("MobileNetV2Mid", "nsfwjs-4.4.0", 224)
RECORD = Classification(
    content_sha256="ab" * 32,
    byte_count=791555,
    model=MODEL,
    predictions=tuple(
        Prediction(label, probability)
        for label, probability in zip(Label, (0.9, 0.05, 1e-09, 0.0, 0.049999), strict=True)
    ),
    fingerprint=Fingerprint("cd" * 32, 87),
    verdict=Verdict(Outcome.REVIEW, ("Drawing 0.9000 is from 0.5 to 1",)),
    source_url="https://a.example/x.jpg",
    seen_count=1,
    first_seen_at=MOMENT,
    last_seen_at=MOMENT,
)


@pytest.fixture
def records(database):
    return records_on(database)


def records_on(database):
    """The records as one process sees them."""
    schemas = Schemas(database.schemas, clients_make_classes=False)
    return StoredClassifications(database.objects, schemas)


def test_record_comes_back_as_it_was_added(records):
    assert records.find(RECORD.content_sha256, MODEL) is None
    assert records.add(RECORD) == RECORD
    assert records.find(RECORD.content_sha256, MODEL) == RECORD


def test_what_is_seen_through_comes_back_with_its_predictions_on_black(database, records):
    seen_through = replace(RECORD, on_black=RECORD.predictions[::-1])
    assert records.add(seen_through) == seen_through
    assert records.find(RECORD.content_sha256, MODEL) == seen_through
    database.objects.update(SCHEMA, EVERYTHING, {"predictionsOnBlack": Delete()})
    assert records.find(RECORD.content_sha256, MODEL) == RECORD
    assert records.add(seen_through).on_black == seen_through.on_black


def test_record_belongs_to_its_model_and_size(records):
    records.add(RECORD)
    for other in [
        ModelSpec("MobileNetV2", "nsfwjs-4.4.0", 224),
        ModelSpec("MobileNetV2Mid", "nsfwjs-4.5.0", 224),
        ModelSpec("MobileNetV2Mid", "nsfwjs-4.4.0", 299),
    ]:
        assert records.find(RECORD.content_sha256, other) is None


def test_image_seen_again_is_counted_with_its_newest_verdict(records):
    records.add(RECORD)
    verdict = Verdict(Outcome.APPROVED, ())
    again = records.seen_again(RECORD, verdict, "https://b.example/y.jpg", LATER)
    assert again == replace(
        RECORD,
        verdict=verdict,
        seen_count=2,
        source_url="https://b.example/y.jpg",
        last_seen_at=LATER,
    )
    assert records.find(RECORD.content_sha256, MODEL) == again


def test_source_stays_known_when_the_bytes_come_without_one(records):
    records.add(RECORD)
    again = records.seen_again(RECORD, RECORD.verdict, None, LATER)
    assert again.source_url == RECORD.source_url


def test_record_of_an_earlier_version_is_completed(database, records):
    records.add(RECORD)
    only_fingerprint = {"pdqHash": Delete(), "pdqQuality": Delete()}
    database.objects.update(SCHEMA, EVERYTHING, only_fingerprint)
    assert records.find(RECORD.content_sha256, MODEL) is None
    assert records.add(RECORD).seen_count == 2
    assert records.find(RECORD.content_sha256, MODEL).fingerprint == RECORD.fingerprint


def test_two_processes_that_add_the_same_image_make_one_record(database, records):
    records.add(RECORD)
    assert records_on(database).add(RECORD).seen_count == 2


def test_record_that_was_deleted_meanwhile_is_made_anew(records):
    verdict = Verdict(Outcome.APPROVED, ())
    anew = records.seen_again(replace(RECORD, seen_count=5), verdict, None, LATER)
    assert (anew.seen_count, anew.verdict, anew.first_seen_at) == (1, verdict, LATER)
    assert records.find(RECORD.content_sha256, MODEL) == anew


def test_row_in_mongodb_is_as_parse_server_lays_it_out(records, database_uri):
    if not database_uri:
        pytest.skip("this is about MongoDB")
    records.add(RECORD)
    with MongoClient(database_uri, tz_aware=True) as client:
        database = client.get_default_database()
        row = database["ImageClassification"].find_one()
        schema = database["_SCHEMA"].find_one({"_id": "ImageClassification"})
    assert isinstance(row["_id"], str)
    assert (row["_created_at"], row["_updated_at"]) == (MOMENT, MOMENT)
    assert (row["_rperm"], row["_wperm"], row["_acl"]) == ([], [], {})
    assert row["predictions"][0] == {"className": "Drawing", "probability": 0.9}
    assert {name for name in row if not name.startswith("_")} < schema.keys()
    assert not {"objectId", "createdAt", "updatedAt", "ACL"} & row.keys()
    assert (schema["contentSha256"], schema["seenCount"]) == ("string", "number")
    assert (schema["lastSeenAt"], schema["predictions"]) == ("date", "array")
    permissions = schema["_metadata"]["class_permissions"]
    assert permissions["find"] == permissions["create"] == permissions["addField"] == {}
