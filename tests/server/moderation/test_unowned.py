"""Images that no object holds, on both stores, and through the plain route."""

import hashlib
import threading
from datetime import UTC, datetime

import pytest
from image_host import MASTER, noise

from cloud.moderation.items import State
from cloud.moderation.types import Classification, Outcome, Verdict
from ml_models.types import Fingerprint, Label, ModelSpec, Prediction
from server.moderation.classifications import StoredClassifications, record_id
from server.moderation.items import StoredItems
from server.moderation.unowned import SCHEMA, UnownedImages
from server.objects.schemas import Schemas

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
DATA = b"the bytes that were classified"
RECORD = Classification(
    content_sha256=hashlib.sha256(DATA).hexdigest(),
    byte_count=len(DATA),
    model=ModelSpec("m", "1", 224),
    predictions=tuple(Prediction(label, 0.2) for label in Label),
    fingerprint=Fingerprint("cd" * 32, 87),
    verdict=Verdict(Outcome.REVIEW, ("Porn 0.2000 is from 0.1 to 0.5",)),
    source_url=None,
    seen_count=1,
    first_seen_at=NOON,
    last_seen_at=NOON,
)
ID = record_id(RECORD.content_sha256, RECORD.model)


class Site:
    def __init__(self, database):
        self.database = database
        schemas = Schemas(database.schemas, clients_make_classes=False)
        self.items = StoredItems(database, schemas)
        self.unowned = UnownedImages(database, schemas, self.items)
        StoredClassifications(database.objects, schemas).add(RECORD)

    def offer(self):
        self.unowned.offer(RECORD, DATA)

    def record(self):
        return self.database.objects.get(SCHEMA, ID)


@pytest.fixture
def site(database):
    return Site(database)


def test_image_gets_an_item_and_its_bytes_are_kept(site):
    site.offer()
    item = site.items.get(ID)
    assert (item.state, item.subject.class_name) == (State.PENDING, "ImageClassification")
    assert site.database.files.read(item.subject.file_name) == DATA
    record = site.record()
    assert record["image"].name == item.subject.file_name
    assert (record["imageIsSafe"], record["imageModerationRequired"]) == (False, False)


def test_same_image_is_offered_once(site):
    for _ in range(3):
        site.offer()
    assert len(list(site.database.files.names())) == 1
    assert site.items.due(datetime.now(UTC), 10) == [ID]


def test_eight_callers_at_once_make_one_item(site):
    callers = [threading.Thread(target=site.offer) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    item = site.items.get(ID)
    assert list(site.database.files.names()) == [item.subject.file_name]
    assert site.record()["image"].name == item.subject.file_name


@pytest.mark.parametrize("step", ["update", "put", "stat", "add"])
@pytest.mark.parametrize("is_done", [False, True])
def test_what_a_killed_process_left_out_is_made_good_by_the_next_call(
    site, monkeypatch, step, is_done
):
    """The process ends before or after a step; there is one file in the end, and the item's."""

    class Killed(Exception):
        pass

    parts = {"update": site.database.objects, "add": site.items}
    part = parts.get(step, site.database.files)
    call = getattr(part, step)

    def die(_self, *arguments):
        if is_done:
            call(*arguments)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(type(part), step, die)
        with pytest.raises(Killed):
            site.offer()
    site.offer()
    item = site.items.get(ID)
    assert site.database.files.read(item.subject.file_name) == DATA
    assert list(site.database.files.names()) == [item.subject.file_name]
    assert site.record()["image"].name == item.subject.file_name


def test_an_image_sent_to_the_plain_route_reaches_the_moderators(parse_on_each):
    parse = parse_on_each
    limits = {str(label): {"min": 0, "max": 1} for label in Label}
    params = {"moderationScores": limits, "moderationAutomation": True}
    parse.put("/config", {"params": params}, MASTER)
    for _ in range(2):
        answer = parse.client.post("/api/image/is_safe", data=noise(7))
        assert (answer.json["isSafe"], answer.json["isToxic"]) == (False, False)
    pipeline = parse.services.pipeline
    for item_id in pipeline.sweep(10):
        pipeline.process(item_id)
    (item,) = parse.find("ModerationItem", by=MASTER)
    assert (item["state"], item["lane"]) == ("review", "review")
    assert item["contentSha256"] == hashlib.sha256(noise(7)).hexdigest()
    (record,) = parse.find("ImageClassification", by=MASTER)
    assert record["imageModerationRequired"] is True
