"""Images from before moderation: which are taken, what becomes of them, and begun again."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from moderation_parts import Moderation, predictions

from cloud.moderation.errors import StoreUnavailable
from cloud.moderation.items import State
from cloud.moderation.pipeline import utc_now
from cloud.moderation.predictions import to_objects
from cloud.operations import Set
from cloud.values import File
from server.moderation import backlog as backlog_module
from server.moderation.backlog import Backlog, Fate
from server.moderation.items import ITEM
from server.moderation.subjects import StoredSubjects, subject_schema
from server.objects.identity import new_object_id
from server.parse.errors import ParseError
from server.storage.port import EVERYTHING, Equals, Query

SCHEMA = subject_schema("UserImage", "image")
BY_ORIGINAL = {"isSafe": True, "NSFWPredictions": to_objects(predictions(0.0))}


class Collection:
    """A database as the Node original left it, and runs over it."""

    def __init__(self, parse):
        self.services = parse.services
        self.database = parse.services.database
        self.moderation = Moderation(self.database, clock=utc_now)
        self.stored_items, self.pipeline = self.moderation.items, self.moderation.pipeline
        self.services.objects.prepare()

    def image(self, data=b"0.1 a", **columns):
        """Write an object without an item; `data` None: its file is missing."""
        object_id, now = new_object_id(), utc_now()
        name = f"{object_id}.jpg"
        if data is not None:
            self.database.files.put(name, data, {})
        document = {"objectId": object_id, "createdAt": now, "updatedAt": now}
        self.database.objects.insert(SCHEMA, {**document, "image": File(name), **columns})
        return object_id

    def backlog(self, where=None, *, rejudge=False):
        return Backlog(
            self.database,
            self.services.objects,
            self.stored_items,
            self.pipeline,
            class_name="UserImage",
            column="image",
            where=where or {},
            rejudge=rejudge,
        )

    def run(self, where=None, *, rejudge=False):
        return Counter(self.backlog(where, rejudge=rejudge).moderate(2))

    def survey(self, where=None, *, rejudge=False):
        return Counter(self.backlog(where, rejudge=rejudge).survey(2))

    def row(self, object_id):
        return self.database.objects.get(SCHEMA, object_id)

    def columns(self, object_id):
        row = self.row(object_id)
        return tuple(row.get(name) for name in ("isSafe", "deleted", "moderationRequired"))

    def items(self):
        return self.database.objects.find(ITEM, Query())


@pytest.fixture
def on_each(parse_on_each):
    return Collection(parse_on_each)


@pytest.fixture
def collection(parse):
    return Collection(parse)


def test_what_was_there_is_judged_and_explained(on_each):
    cases = [(b"0.1", (True, False, False)), (b"0.9", (False, True, False))]
    cases += [(b"0.5", (False, False, True))]
    ids = [on_each.image(data, imageAuthor="alice") for data, _ in cases]
    assert on_each.run() == {Fate.APPROVED: 1, Fate.REJECTED: 1, Fate.REVIEW: 1}
    for object_id, (data, columns) in zip(ids, cases, strict=True):
        row = on_each.row(object_id)
        assert on_each.columns(object_id) == columns
        assert row["NSFWPredictions"] == to_objects(predictions(float(data)))
    log = on_each.moderation.decisions()
    assert sorted(row["subjectId"] for row in log) == sorted(ids)
    assert len(on_each.moderation.announced) == 3


def test_nothing_but_moderations_columns_is_touched(collection):
    object_id = collection.image(imageAuthor="alice", ACL={"*": {"read": True}})
    before = collection.row(object_id)
    collection.run()
    after = collection.row(object_id)
    changed = {name for name in after if after[name] != before.get(name)}
    moderations = {"isSafe", "deleted", "moderationRequired", "NSFWPredictions", "_imageDecision"}
    assert changed == moderations | {"updatedAt"}


def test_a_second_run_finds_nothing_to_do(on_each):
    for _ in range(3):
        on_each.image()
    on_each.run()
    assert on_each.run() == {Fate.MODERATED: 3}
    assert len(on_each.items()) == 3


@pytest.mark.parametrize(
    ("columns", "taken_by_default"),
    [
        ({}, True),
        ({"isSafe": False}, True),
        ({"isSafe": True}, True),  # the original's word for what it could not classify
        ({"NSFWPredictions": None}, True),
        (BY_ORIGINAL, False),
        ({"isSafe": False, "NSFWPredictions": []}, False),
        ({"deleted": True}, False),  # somebody took it down
    ],
)
def test_what_was_judged_before_is_taken_only_if_asked_for(collection, columns, taken_by_default):
    object_id = collection.image(b"0.5", **columns)
    before = collection.row(object_id)
    assert collection.run() == {Fate.REVIEW if taken_by_default else Fate.JUDGED_BEFORE: 1}
    assert (collection.row(object_id) == before) is not taken_by_default
    again = collection.run(rejudge=True)
    assert again == {Fate.MODERATED if taken_by_default else Fate.REVIEW: 1}
    assert collection.columns(object_id) == (False, False, True)


def test_a_moderators_decision_is_not_judged_again(collection):
    object_id = collection.image(b"0.9")
    collection.run()
    (row,) = collection.items()
    item = collection.moderation.items.get(row["objectId"])
    collection.pipeline.decide(item, State.APPROVED, decided_by="user:bob", reasons=("seen",))
    assert collection.run(rejudge=True) == {Fate.MODERATED: 1}
    assert collection.columns(object_id) == (True, False, False)


def test_where_chooses(on_each):
    chosen, other = on_each.image(imageAuthor="alice"), on_each.image(imageAuthor="bob")
    where = {"imageAuthor": "alice", "isSafe": {"$ne": True}}  # which the run changes
    assert on_each.backlog(where).count() == 1
    assert on_each.run(where) == {Fate.APPROVED: 1}
    assert on_each.columns(chosen) == (True, False, False)
    assert on_each.columns(other) == (None, None, None)


def test_a_bad_where_is_refused(collection):
    with pytest.raises(ParseError):
        collection.backlog({"$nonsense": 1}).count()


def test_objects_without_a_file_are_passed_over(collection):
    collection.image(image=None)
    assert collection.run() == {}


def test_a_missing_file_leaves_the_object_as_it_is(collection):
    object_id = collection.image(None, isSafe=True)
    before = collection.row(object_id)
    assert collection.survey() == collection.run() == {Fate.MISSING: 1}
    assert collection.row(object_id) == before
    assert collection.items() == []


def test_a_survey_says_what_a_run_would_do_and_does_nothing(collection):
    for data, columns in [(b"0.1", {}), (b"0.9", {}), (None, {}), (b"0.1", BY_ORIGINAL)]:
        collection.image(data, **columns)
    rows = collection.database.objects.find(SCHEMA, Query())
    expected = {Fate.TO_CLASSIFY: 2, Fate.MISSING: 1, Fate.JUDGED_BEFORE: 1}
    assert collection.survey() == expected
    assert collection.survey(rejudge=True) == {Fate.TO_CLASSIFY: 3, Fate.MISSING: 1}
    assert collection.database.objects.find(SCHEMA, Query()) == rows
    assert collection.items() == []


def test_pages_follow_one_another(collection, monkeypatch):
    monkeypatch.setattr(backlog_module, "_PAGE", 2)
    for _ in range(5):
        collection.image()
    assert collection.run() == {Fate.APPROVED: 5}
    assert collection.run() == {Fate.MODERATED: 5}


@pytest.mark.parametrize("done", ["item", "object", "lease", "decision"])
def test_an_interrupted_run_is_taken_up(collection, done, monkeypatch):
    """Interrupted right after each step that writes."""

    class Interrupted(BaseException):
        pass

    def then_interrupted(step):
        def stepped(*arguments, **keywords):
            step(*arguments, **keywords)
            raise Interrupted

        return stepped

    object_id = collection.image(b"0.9")
    items, objects = collection.moderation.items, collection.database.objects
    places = {
        "item": (items, "add"),
        "object": (objects, "update"),
        "lease": (items, "lease"),
        "decision": (items, "decide"),
    }
    place, name = places[done]
    with monkeypatch.context() as patch:
        patch.setattr(place, name, then_interrupted(getattr(place, name)))
        with pytest.raises(Interrupted):
            collection.run()
    if done == "lease":  # it runs out
        objects.update(ITEM, Equals("state", "pending"), {"dueAt": Set(utc_now())})
    assert collection.columns(object_id) in {(None, None, None), (False, False, False)}
    assert collection.survey() == {Fate.TO_CLASSIFY: 1}
    assert collection.run() == {Fate.REJECTED: 1}
    assert collection.columns(object_id) == (False, True, False)
    assert len(collection.moderation.decisions()) == 1


def test_a_file_that_is_replaced_meanwhile_is_left_to_its_save(collection):
    object_id = collection.image(b"0.1")
    backlog = collection.backlog()
    (documents,) = backlog._pages()
    (image,) = backlog._images(documents)
    collection.database.files.put("new.jpg", b"0.9", {})
    new = {"image": Set(File("new.jpg"))}
    collection.database.objects.update(SCHEMA, Equals("objectId", object_id), new)
    assert backlog._judge(image) is Fate.CHANGED
    assert collection.columns(object_id) == (None, None, None)
    (item,) = collection.items()
    assert item["state"] == "ended"


def test_what_another_server_replaced_is_judged_anew(collection):
    """A Parse Server on the same database knows nothing of items."""
    object_id = collection.image(b"0.1")
    collection.run()
    collection.database.files.put("new.jpg", b"0.9", {})
    new = {"image": Set(File("new.jpg"))}
    collection.database.objects.update(SCHEMA, Equals("objectId", object_id), new)
    assert collection.run() == {Fate.REJECTED: 1}
    assert collection.columns(object_id) == (False, True, False)


def test_two_runs_at_once_make_one_item_for_each_image(collection):
    for _ in range(10):
        collection.image()
    first, second = collection.backlog().moderate(2), collection.backlog().moderate(2)
    fates = Counter(fate for pair in zip(first, second, strict=True) for fate in pair)
    assert set(fates) <= {Fate.APPROVED, Fate.CHANGED, Fate.MODERATED}
    assert len(collection.moderation.decisions()) >= 10
    assert sum(item["state"] == "approved" for item in collection.items()) == 10
    assert all(item["state"] in {"approved", "ended"} for item in collection.items())


def test_one_image_that_fails_does_not_end_the_run(collection):
    bad, good = collection.image(b"no number"), collection.image()
    assert collection.run() == {Fate.PENDING: 1, Fate.APPROVED: 1}
    assert collection.columns(bad) == (False, False, False)
    assert collection.columns(good) == (True, False, False)


def test_object_that_is_written_after_its_item_ended_is_judged_by_a_new_one(collection):
    moderation = collection.moderation

    class Stalled:
        """Items after the first of which the process stands still, so that others end it."""

        is_over = False

        def add(self, item):
            created_at = item.created_at
            if not self.is_over:
                created_at -= timedelta(minutes=11)
            moderation.items.add(replace(item, created_at=created_at))
            if not self.is_over:
                self.is_over = True
                moderation.process_all()

        def __getattr__(self, name):
            return getattr(moderation.items, name)

    image = collection.image()
    collection.stored_items = Stalled()
    assert collection.run() == {Fate.APPROVED: 1}
    assert collection.columns(image) == (True, False, False)


def test_a_database_that_is_gone_ends_the_run(collection):
    class Gone(StoredSubjects):
        def find(self, item):
            raise StoreUnavailable("away")

    collection.image()
    moderation = collection.moderation
    collection.pipeline = moderation.pipeline_of(
        moderation.items, Gone(collection.database), moderation.announced
    )
    with pytest.raises(StoreUnavailable):
        collection.run()
    assert collection.database.objects.count(ITEM, EVERYTHING) == 1
