"""Images whose record was purged, in the running app: they are as from before moderation."""

from collections import Counter
from datetime import timedelta

import pytest
from image_host import MASTER

from cloud.clock import utc_now
from server.moderation.backlog import Backlog, Fate
from server.moderation.items import StoredItems
from server.panel.retention import RecordedPurges

LATER = utc_now() + timedelta(days=100)


@pytest.fixture
def image(parse_on_each):
    """An approved image whose record is gone: its object's path."""
    parse = parse_on_each
    parse.services.objects.prepare()
    parse.services.database.files.put("a.jpg", b"no image", {})
    name = parse.create("UserImage", {"image": {"__type": "File", "name": "a.jpg"}})
    path = f"/classes/UserImage/{name}"
    assert parse.put(path, {"isSafe": True}, MASTER).status_code == 200
    services = parse.services
    purges = RecordedPurges(services.database, services.schemas, now=lambda: LATER)
    assert purges.run(30, "test").items == 1
    return parse, path


def states(parse):
    return [row["state"] for row in parse.find("ModerationItem", by=MASTER)]


def test_it_looks_to_apps_as_it_did(image):
    parse, path = image
    shown = parse.get(path, MASTER).json
    assert (shown["isSafe"], shown["deleted"], shown["image"]["name"]) == (True, False, "a.jpg")
    assert states(parse) == []


def test_a_moderators_save_gives_it_a_record_again(image):
    parse, path = image
    assert parse.put(path, {"deleted": True}, MASTER).status_code == 200
    shown = parse.get(path, MASTER).json
    assert (shown["isSafe"], shown["deleted"]) == (False, True)
    assert states(parse) == ["rejected"]


def test_a_save_of_something_else_changes_nothing(image):
    parse, path = image
    assert parse.put(path, {"caption": "x"}, MASTER).status_code == 200
    assert parse.get(path, MASTER).json["isSafe"] is True
    assert states(parse) == []


def test_working_off_a_collection_takes_it_for_judged(image):
    parse, _ = image
    services = parse.services
    backlog = Backlog(
        services.database,
        services.objects,
        StoredItems(services.database, services.schemas),
        services.pipeline,
        class_name="UserImage",
        column="image",
        where={},
        rejudge=False,
    )
    assert Counter(backlog.survey(1)) == {Fate.JUDGED_BEFORE: 1}


def test_deleting_the_object_is_fine(image):
    parse, path = image
    assert parse.delete(path, MASTER).status_code == 200
    assert states(parse) == []
