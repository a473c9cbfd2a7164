"""A moderator's save through an SDK decides on the picture that he was shown, and on no other.

Old panels send no more than `isSafe: true`. Whoever changes the file while a moderator looks must
not have the new one approved by it.
"""

from datetime import timedelta

import pytest
from image_host import MASTER
from parse_app import error, outcome
from test_saves import APPROVED, PENDING, REJECTED, REVIEW, ModeratedApp

from cloud.operations import Delete, Set
from server.moderation.items import ITEM
from server.moderation.subjects import shown_column, subject_schema
from server.storage.port import EVERYTHING, Equals

APPROVAL = {"isSafe": True, "moderationRequired": False}


class SwappedApp(ModeratedApp):
    """bob was shown alice's picture a.jpg, and she has put b.jpg in its place."""

    def __init__(self, parse, data=b"0.9"):
        super().__init__(parse)
        self.alice, self.bob = parse.person("alice"), parse.person("bob", isModerator=True)
        self.path = self.image("a.jpg", b"0.5", self.alice)
        self.judge()
        self.swap("b.jpg", data)

    def swap(self, name, data):
        body = {"image": self.file(name, data)}
        assert self.parse.put(self.path, body, self.alice).status_code == 200
        self.judge()

    def ruling(self, body, by=None):
        return self.parse.put(self.path, body, by or self.bob)


@pytest.mark.parametrize(("data", "columns"), [(b"0.9", REJECTED), (b"0.5", REVIEW)])
def test_a_picture_that_took_anothers_place_is_not_approved_unseen(parse_on_each, data, columns):
    app = SwappedApp(parse_on_each, data)
    refused = app.ruling({**APPROVAL, "imageAuthor": "ann"})
    assert outcome(refused) == (400, 141)
    assert "took another's place" in error(refused)[1]
    assert app.columns(app.path, PENDING) == columns
    assert "imageAuthor" not in app.parse.get(app.path).json


def test_nor_before_it_is_judged(parse):
    app = SwappedApp(parse)
    assert app.parse.put(app.path, {"image": app.file("c.jpg")}, app.alice).status_code == 200
    assert outcome(app.ruling(APPROVAL)) == (400, 141)
    assert app.columns(app.path) == PENDING


def test_nor_with_nothing_in_between(parse):
    app = SwappedApp(parse)
    for image in ({"__op": "Delete"}, app.file("c.jpg", b"0.5")):
        assert app.parse.put(app.path, {"image": image}, app.alice).status_code == 200
    assert outcome(app.ruling(APPROVAL)) == (400, 141)


def test_whoever_names_the_file_approves_it(parse_on_each):
    app = SwappedApp(parse_on_each)
    answer = app.ruling({**APPROVAL, "image": {"__type": "File", "name": "b.jpg"}})
    assert answer.status_code == 200, answer.json
    assert app.columns(app.path, PENDING) == APPROVED
    assert app.log(app.path)[-1][1] == "ended"  # the first picture
    assert ("rejected", "approved", f"user:{app.bob.id}") in app.log(app.path)


def test_whoever_names_the_file_that_he_saw_gets_that_one_back(parse):
    app = SwappedApp(parse)
    app.ruling({**APPROVAL, "image": {"__type": "File", "name": "a.jpg"}})
    assert app.parse.get(app.path).json["image"]["name"] == "a.jpg"
    assert app.columns(app.path, PENDING) == APPROVED


def test_it_can_be_rejected_and_reviewed_unseen_and_the_master_key_may_anything(parse):
    app = SwappedApp(parse, b"0.5")
    assert app.ruling({"deleted": True}).status_code == 200
    assert app.ruling({"deleted": False}).status_code == 200
    assert app.columns(app.path, PENDING) == REVIEW
    assert app.ruling(APPROVAL, MASTER).status_code == 200
    assert app.columns(app.path, PENDING) == APPROVED
    assert app.ruling(APPROVAL).status_code == 200  # which is what stands


def test_after_a_day_nobody_looks_at_what_was_there_before(parse):
    app = SwappedApp(parse)
    ((item,), _) = app.items()
    for age, status in ((timedelta(hours=23), 400), (timedelta(hours=25), 200)):
        earlier = {"createdAt": Set(item["createdAt"] - age)}
        app.moderation.objects.update(ITEM, Equals("objectId", item["objectId"]), earlier)
        assert app.ruling(APPROVAL).status_code == status


def test_pictures_of_other_columns_and_the_same_one_set_again_are_no_matter(make_parse):
    app = SwappedApp(make_parse(moderated_files="UserImage.image, UserImage.thumb"))
    answer = app.parse.put(app.path, {"thumb": app.file("t.jpg", b"0.5")}, app.alice)
    assert answer.status_code == 200
    app.judge()
    for image in ({"__op": "Delete"}, {"__type": "File", "name": "t.jpg"}):
        app.parse.put(app.path, {"thumb": image}, app.alice)
    assert app.ruling({"thumbIsSafe": True}).status_code == 200


@pytest.mark.parametrize("is_removed_first", [False, True])
def test_a_picture_that_took_the_place_of_one_from_before_moderation_is_not_approved_unseen(
    parse_on_each, is_removed_first
):
    app = ModeratedApp(parse_on_each)
    alice, bob = (app.parse.person(n, isModerator=n == "bob") for n in ("alice", "bob"))
    path = as_from_before_moderation(app, app.image("a.jpg", by=alice))
    taken_away = [{"__op": "Delete"}] * is_removed_first
    for image in (*taken_away, app.file("b.jpg", b"0.9")):
        assert app.parse.put(path, {"image": image}, alice).status_code == 200
    app.judge()
    assert outcome(app.parse.put(path, APPROVAL, bob)) == (400, 141)
    assert app.columns(path, PENDING) == REJECTED
    assert ("pending", "ended", "system") in app.log(path)  # of the picture that was there


def test_a_picture_from_before_moderation_that_stayed_is_approved(parse):
    app = ModeratedApp(parse)
    path = as_from_before_moderation(app, app.image("a.jpg"))
    app.parse.put(path, {"image": {"__type": "File", "name": "a.jpg"}})
    assert app.parse.put(path, APPROVAL, app.parse.person("bob", isModerator=True)).json
    assert app.columns(path, PENDING) == APPROVED


def as_from_before_moderation(app, path):
    """Have an object's picture wait for a moderator of the Node original's; returns the path."""
    schema, is_it = subject_schema("UserImage", "image"), Equals("objectId", path.split("/")[-1])
    as_it_was = {shown_column("image"): Delete(), "moderationRequired": Set(True)}
    app.moderation.objects.update(schema, is_it, as_it_was)
    app.moderation.objects.delete(ITEM, EVERYTHING)
    return path


@pytest.mark.parametrize("who", ["bob", "master"])
def test_a_file_changed_between_a_decisions_reading_and_writing_is_not_decided(
    parse_on_each, monkeypatch, who
):
    app = ModeratedApp(parse_on_each)
    bob = app.parse.person("bob", isModerator=True)
    path = app.image("a.jpg", b"0.5")
    app.judge()
    objects = type(app.services.database.objects)
    update = objects.update

    def swapped_first(store, schema, where, operations, **options):
        if schema.class_name == "UserImage":
            monkeypatch.setattr(objects, "update", update)
            swapped = app.parse.put(path, {"image": app.file("b.jpg", b"0.9")})
            assert swapped.status_code == 200
        return update(store, schema, where, operations, **options)

    monkeypatch.setattr(objects, "update", swapped_first)
    refused = app.parse.put(path, APPROVAL, bob if who == "bob" else MASTER)
    assert outcome(refused) == (400, 141)
    assert "replaced" in error(refused)[1]
    assert app.columns(path) == PENDING
    app.judge()
    assert app.columns(path, PENDING) == REJECTED
