"""Objects that show their items: what is written to them, and what comes too late to be."""

from dataclasses import replace

import pytest
from moderation_parts import Moderation, predictions

from cloud.moderation.item_ports import Mirrored
from cloud.moderation.items import Evidence, State, next_decision
from cloud.moderation.predictions import to_objects
from cloud.operations import Set
from cloud.values import File
from server.moderation.subjects import subject_schema
from server.storage.port import Equals

EVIDENCE = Evidence(predictions(0.25))
SCHEMA = subject_schema("UserImage", "image")


@pytest.fixture
def moderation(database):
    return Moderation(database)


def decided(item, *states):
    """The last of decisions that follow one another."""
    decision = None
    for after in states:
        begins = item if decision is None else moved(item, decision)
        decision = next_decision(
            begins, after, decided_by="rules", reasons=(), evidence=EVIDENCE, now=item.created_at
        )
    return decision


def moved(item, decision):
    return replace(item, state=decision.after, transitions=decision.number)


def test_a_decision_is_written_however_often(moderation):
    item = moderation.image()
    decision = decided(item, State.APPROVED)
    for _ in range(2):
        assert moderation.subjects.mirror(decision) is Mirrored.WRITTEN
        assert moderation.shown(item) == (True, False, False, to_objects(EVIDENCE.predictions))


def test_an_earlier_decision_does_not_undo_a_later_one(moderation):
    item = moderation.image()
    earlier, later = decided(item, State.APPROVED), decided(item, State.APPROVED, State.REJECTED)
    assert moderation.subjects.mirror(later) is Mirrored.WRITTEN
    assert moderation.subjects.mirror(earlier) is Mirrored.WRITTEN
    assert moderation.shown(item)[:3] == (False, True, False)


def test_a_decision_for_an_earlier_file_is_not_written(moderation):
    old, new = moderation.image(name="a.jpg"), moderation.image(name="b.jpg")
    assert moderation.subjects.mirror(decided(old, State.APPROVED)) is Mirrored.REPLACED
    assert moderation.shown(new) == (False, False, False, None)
    assert moderation.subjects.find(old) is Mirrored.REPLACED
    assert moderation.subjects.find(new) is Mirrored.WRITTEN


def test_a_decision_for_the_same_file_set_anew_is_not_written(moderation):
    old, new = moderation.image(name="a.jpg"), moderation.image(name="a.jpg")
    assert moderation.subjects.mirror(decided(old, State.APPROVED)) is Mirrored.REPLACED
    assert moderation.shown(new) == (False, False, False, None)


def test_a_file_that_another_server_put_there_gets_no_verdict(moderation):
    """A Parse Server on the same database sets the file and knows of no item."""
    item = moderation.image()
    changes = {"image": Set(File("other.jpg"))}
    moderation.objects.update(SCHEMA, Equals("objectId", "object1"), changes)
    assert moderation.subjects.find(item) is Mirrored.REPLACED
    assert moderation.subjects.mirror(decided(item, State.APPROVED)) is Mirrored.REPLACED
    assert moderation.shown(item) == (False, False, False, None)


def test_an_object_may_be_gone(moderation):
    item = moderation.image()
    moderation.remove(item)
    assert moderation.subjects.find(item) is Mirrored.GONE
    assert moderation.subjects.mirror(decided(item, State.APPROVED)) is Mirrored.GONE


def test_stored_files_are_read(moderation):
    item = moderation.image(b"0.5 x")
    assert moderation.subjects.read_file(item.subject.file_name) == b"0.5 x"
    assert moderation.subjects.read_file("nosuch.jpg") is None
