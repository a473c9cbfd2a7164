"""Items whose object is gone, and objects whose item has ended: found again, whoever left them."""

from datetime import timedelta

import pytest
from moderation_parts import NOON, Moderation

from cloud.moderation.item_ports import Check
from cloud.moderation.items import State
from cloud.moderation.loose_ends import LooseEnds
from cloud.operations import Delete, Set
from server.moderation.checks import SCHEMA
from server.moderation.items import ITEM
from server.moderation.subjects import shown_column, subject_schema
from server.storage.port import EVERYTHING, Equals

OBJECT = ("UserImage", "object1")
DAY_S = 24 * 3600


@pytest.fixture
def moderation(database):
    return Moderation(database)


@pytest.fixture
def ends(moderation):
    return moderation.pipeline.loose_ends


def notes(moderation):
    return moderation.objects.count(SCHEMA, EVERYTHING)


def later(moderation, seconds):
    moderation.clock.advance(seconds)
    moderation.process_all()


def take_file_away(moderation, item):
    """What a save that unsets the file writes to the object."""
    column = item.subject.column
    gone = {column: Delete(), shown_column(column): Delete()}
    schema = subject_schema("UserImage", column)
    moderation.objects.update(schema, Equals("objectId", item.subject.object_id), gone)


def judged(moderation, data=b"0.5", **subject):
    item = moderation.image(data, **subject)
    moderation.process_all()
    return item


def test_item_of_an_object_deleted_by_who_then_died_ends(moderation, ends):
    item = judged(moderation)
    ends.note("note", *OBJECT)
    moderation.remove(item)
    later(moderation, 9)
    assert moderation.path(item) == ["review"]
    later(moderation, 1)
    assert moderation.path(item) == ["review", "ended"]
    assert moderation.decisions(item)[-1]["reasons"] == ["the object was deleted"]


def test_item_of_a_file_taken_away_by_who_then_died_ends(moderation, ends):
    item, other = judged(moderation), judged(moderation, object_id="object2")
    ends.note("note", *OBJECT)
    take_file_away(moderation, item)
    later(moderation, 10)
    assert moderation.path(item) == ["review", "ended"]
    assert moderation.path(other) == ["review"]


def test_every_item_ends_that_was_shown_before_the_file_was_taken_away(moderation, ends):
    """A save that set a file, and read the object before the one that unset it wrote."""
    ends.note("note", *OBJECT)
    between = judged(moderation)
    take_file_away(moderation, between)
    ends.tie("note", *OBJECT)
    assert moderation.path(between) == ["review", "ended"]


def test_item_whose_object_is_about_to_be_written_is_left_alone(moderation, ends):
    shown = judged(moderation)
    coming = moderation.item(b"0.1 c")
    ends.note("note", *OBJECT)
    later(moderation, 10)
    assert moderation.path(shown) == ["review"]
    moderation.show(coming)
    later(moderation, 10)
    assert moderation.path(coming) == ["approved"]


def test_object_that_is_still_there_is_looked_at_three_times_in_a_day(moderation, ends):
    item = judged(moderation)
    ends.note("note", *OBJECT)
    for seconds in (10, 600):
        later(moderation, seconds)
        assert notes(moderation) == 1
    later(moderation, DAY_S)
    assert notes(moderation) == 0
    assert moderation.path(item) == ["review"]


@pytest.mark.parametrize("seconds", [300, DAY_S - 60])
def test_write_that_hung_is_found_by_a_later_look(moderation, ends, seconds):
    item = judged(moderation)
    ends.note("note", *OBJECT)
    later(moderation, 10)
    later(moderation, seconds)
    moderation.remove(item)
    later(moderation, DAY_S)
    assert moderation.path(item) == ["review", "ended"]


def test_write_that_came_to_its_end_leaves_no_note(moderation, ends):
    item = judged(moderation)
    for _ in range(2):  # of two deletions at once, both are noted under one name
        ends.note("note", *OBJECT)
    moderation.remove(item)
    ends.tie("note", *OBJECT)
    assert (moderation.path(item), notes(moderation)) == (["review", "ended"], 0)


def test_object_that_came_after_its_item_ended_gets_a_new_one(moderation):
    late = moderation.item(b"0.9 late")
    later(moderation, 601)
    assert moderation.path(late) == ["ended"]
    moderation.show(late)  # and its process ends here
    later(moderation, 10)
    later(moderation, 1)
    assert moderation.shown(late)[:3] == (False, True, False)
    (again,) = moderation.items.of_object(*OBJECT)
    assert (again.state, again.subject) == (State.REJECTED, late.subject)


def test_uploader_of_a_late_object_is_kept(moderation, ends):
    late = moderation.item()
    alices = {"uploader": Set("alice")}
    moderation.objects.update(ITEM, Equals("objectId", late.item_id), alices)
    later(moderation, 601)
    moderation.show(late)
    assert ends.revived(late).uploader == "alice"


def test_item_is_revived_once_however_many_see_that_it_ended(moderation, ends):
    late = moderation.item()
    later(moderation, 601)
    moderation.show(late)
    first = ends.revived(late)
    assert first != late
    assert ends.revived(late) == late
    ends.look(10)
    assert moderation.items.of_object(*OBJECT) == [first]


def test_item_that_ended_for_good_is_not_revived(moderation, ends):
    old = judged(moderation)
    new = moderation.image(b"0.1 new")
    moderation.pipeline.end_replaced(old.item_id)
    assert ends.revived(old) == old
    assert ends.revived(new) == new
    moderation.delete(new)
    assert ends.revived(new) == new
    assert moderation.items.of_object(*OBJECT) == []


def test_object_that_changes_while_an_item_is_revived_ends_the_new_one(moderation):
    late = moderation.item()
    later(moderation, 601)
    moderation.show(late)

    class Changed:
        """Subjects that are changed once the item was found to be shown."""

        def find(self, item):
            found = moderation.subjects.find(item)
            moderation.image(b"0.1 other")
            return found

        def __getattr__(self, name):
            return getattr(moderation.subjects, name)

    ends = moderation.pipeline_of(moderation.items, Changed(), moderation.announced).loose_ends
    assert ends.revived(late) == late
    (current,) = moderation.items.of_object(*OBJECT)
    assert current.subject.file_name != late.subject.file_name


def test_object_that_cannot_be_looked_at_does_not_keep_others_waiting(moderation):
    items = [judged(moderation, object_id=f"o{n}") for n in range(3)]

    class Refuses:
        def of_object(self, class_name, object_id):
            if object_id == "o0":
                raise ValueError("scripted")
            return moderation.items.of_object(class_name, object_id)

        def __getattr__(self, name):
            return getattr(moderation.items, name)

    ends = moderation.pipeline_of(Refuses(), moderation.subjects, moderation.announced).loose_ends
    for item in items:
        ends.note(item.item_id, "UserImage", item.subject.object_id)
        moderation.remove(item)
        moderation.clock.advance(1)
    moderation.clock.advance(10)
    for _ in items:
        ends.look(1)
    assert [moderation.state(item) for item in items] == [State.REVIEW, State.ENDED, State.ENDED]


def test_note_of_a_wrong_clock_is_looked_at_at_once(moderation):
    item = judged(moderation)
    moderation.checks.add(Check("note", *OBJECT, NOON + timedelta(days=3650)))
    moderation.remove(item)
    moderation.process_all()
    assert moderation.path(item) == ["review", "ended"]


def test_checks_come_back_as_they_were_added(moderation):
    checks = [Check("a", *OBJECT, NOON), Check("b", *OBJECT, NOON - timedelta(1), "item1", 2)]
    for check in checks:
        moderation.checks.add(check)
    assert moderation.checks.due(NOON, 10) == checks[::-1]
    assert moderation.checks.due(NOON, 1) == checks[1:]
    assert moderation.checks.due(NOON - timedelta(seconds=1), 10) == checks[1:]
    assert isinstance(moderation.pipeline.loose_ends, LooseEnds)
