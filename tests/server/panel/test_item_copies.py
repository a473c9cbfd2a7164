"""Items of the same image and of near copies, on each database."""

from datetime import timedelta

import pytest
from item_rows import DAY, NOON, ItemRows

from admin.ports.history import ImagePrint, Search
from cloud.moderation.items import State
from ml_models.types import Fingerprint
from server.moderation.items import ITEM
from server.panel.item_copies import ItemCopies
from server.storage.port import Equals

SHA, PDQ = "ab" * 32, "0f" * 32


def differing(bits):
    """PDQ with its lowest bits turned."""
    return f"{int(PDQ, 16) ^ (1 << bits) - 1:064x}"


@pytest.fixture
def rows(database):
    made = ItemRows(database)
    made.item("same", at=NOON, sha256=SHA, pdq=PDQ)
    made.item("near", State.REJECTED, at=NOON, sha256="1" * 64, pdq=differing(5), uploader="bob")
    made.item("edge", at=NOON, sha256="2" * 64, pdq=differing(31))
    made.item("beyond", at=NOON, sha256="3" * 64, pdq=differing(32))
    made.item("unread", State.REVIEW, at=NOON, sha256="4" * 64)
    return made


@pytest.fixture
def copies(rows):
    return ItemCopies(rows.objects, max_distance=31, min_quality=50)


def found(copies, *, limit=50, sha256=SHA, pdq=PDQ, **search):
    wanted = ImagePrint(sha256, pdq)
    return [
        (each.item.item_id, each.distance) for each in copies.of(wanted, Search(**search), limit)
    ]


def test_the_same_image_comes_first_then_near_copies_up_to_the_distance(copies):
    assert found(copies) == [("same", 0), ("near", 5), ("edge", 31)]


def test_the_same_bytes_are_found_without_a_picture(copies):
    assert found(copies, sha256="4" * 64, pdq=None) == [("unread", 0)]


def test_near_copies_are_found_of_bytes_that_never_came(copies):
    assert found(copies, sha256="9" * 64) == [("same", 0), ("near", 5), ("edge", 31)]


def test_an_image_that_was_never_here_finds_nothing(copies):
    assert found(copies, sha256="9" * 64, pdq=differing(128)) == []


def test_other_filters_hold_as_well(copies):
    assert found(copies, uploader="bob") == [("near", 5)]
    assert found(copies, state=State.APPROVED) == [("same", 0), ("edge", 31)]


def test_only_the_nearest_come_if_there_are_many(copies):
    assert found(copies, limit=2) == [("same", 0), ("near", 5)]


def test_what_was_decided_after_the_first_search_is_found_by_the_next(rows, copies):
    assert len(found(copies)) == 3
    rows.item("new", at=NOON + 10_000 * DAY, sha256="5" * 64, pdq=differing(2))
    assert ("new", 2) in found(copies)
    assert found(copies).count(("new", 2)) == 1


@pytest.mark.parametrize("idle_s", [1, 3600])
def test_what_is_decided_after_the_clock_was_set_back_is_found(rows, idle_s):
    clock = {"wall": NOON, "measured_s": 0.0}
    copies = ItemCopies(
        rows.objects,
        max_distance=31,
        min_quality=50,
        now=lambda: clock["wall"],
        measure_s=lambda: clock["measured_s"],
    )
    assert len(found(copies)) == 3
    clock["wall"] -= DAY
    rows.item("new", at=clock["wall"], sha256="5" * 64, pdq=differing(2))
    clock["wall"] += timedelta(seconds=idle_s)
    clock["measured_s"] += idle_s
    assert ("new", 2) in found(copies)
    rows.item("newer", at=clock["wall"], sha256="6" * 64, pdq=differing(3))
    assert found(copies).count(("newer", 3)) == 1


def test_what_was_removed_is_found_no_longer(rows, copies):
    assert ("near", 5) in found(copies)
    rows.objects.delete(ITEM, Equals("objectId", "near"))
    assert ("near", 5) not in found(copies)


def test_pictures_that_say_too_little_are_not_kept(rows):
    copies = ItemCopies(rows.objects, max_distance=31, min_quality=95)
    assert not copies.tells(Fingerprint(PDQ, 90))
    assert found(copies, sha256="9" * 64) == []
