"""How many images moderators looked at, on each database."""

from datetime import date, timedelta

import pytest
from panel_people import Clock

from admin.ports.exposure import Seen, Views
from cloud.operations import Set
from server.objects.schemas import Schemas
from server.panel import exposure as stored
from server.panel.exposure import SCHEMA, StoredExposure
from server.storage.port import Equals, Query

DAY = timedelta(days=1)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def exposure(database, clock):
    return another(database, clock)


def another(database, clock):
    """One process's view."""
    return StoredExposure(
        database, Schemas(database.schemas, clients_make_classes=False), now=clock
    )


def views(clock, count, source="p1", *, rested=0, days_ago=0):
    return Views(source, clock.time.date() - days_ago * DAY, count, rested)


def test_nobody_has_looked_at_anything_yet(exposure, clock):
    assert exposure.today("bob") == Seen(clock.time.date())
    assert [each.count for each in exposure.days("bob", 3)] == [0, 0, 0]
    assert exposure.today_of_all(["bob"]) == {"bob": 0}


def test_totals_of_pages_add_up_over_devices_and_processes(database, exposure, clock):
    exposure.note("bob", [views(clock, 3), views(clock, 4, "p2")])
    another(database, clock).note("bob", [views(clock, 5)])
    exposure.note("alice", [views(clock, 1)])
    assert exposure.today("bob").count == 9
    assert exposure.today_of_all(["alice", "bob", "carol"]) == {"alice": 1, "bob": 9, "carol": 0}


def test_a_total_that_is_told_again_or_late_counts_once(exposure, clock):
    for count in (7, 7, 5, 1):
        exposure.note("bob", [views(clock, count)])
    assert exposure.today("bob").count == 7


def test_each_moderator_and_day_has_one_row(database, exposure, clock):
    exposure.note("bob", [views(clock, 2, days_ago=1), views(clock, 3), views(clock, 1, "p2")])
    exposure.note("bob", [views(clock, 4)])
    rows = database.objects.find(SCHEMA, Query())
    today = clock.time.date()
    assert {row["objectId"] for row in rows} == {f"bob-{today}", f"bob-{today - DAY}"}
    assert [each.count for each in exposure.days("bob", 3)] == [5, 2, 0]


def test_what_waited_offline_counts_for_its_day_and_at_most_a_month(exposure, clock):
    exposure.note("bob", [views(clock, 2, days_ago=31), views(clock, 9, days_ago=32)])
    assert sum(each.count for each in exposure.days("bob", 40)) == 2


def test_a_day_to_come_is_today(exposure, clock):
    exposure.note("bob", [views(clock, 2, days_ago=-1), Views("p2", date.max, 1)])
    assert exposure.today("bob").count == 3


def test_a_break_on_one_device_is_one_on_all(database, exposure, clock):
    exposure.note("bob", [views(clock, 6), views(clock, 4, "p2")])
    assert exposure.today("bob").break_is_due(10)
    assert not exposure.today("bob").break_is_due(11)
    assert not exposure.today("bob").break_is_due(0)
    another(database, clock).note("bob", [views(clock, 4, "p2", rested=10)])
    exposure.note("bob", [views(clock, 7, rested=3)])  # told late
    assert exposure.today("bob") == Seen(clock.time.date(), 11, 10)
    assert not exposure.today("bob").break_is_due(10)
    assert exposure.today("bob").break_is_due(1)


def test_a_new_day_begins_at_nothing(exposure, clock):
    exposure.note("bob", [views(clock, 6, rested=5)])
    clock.go_on(days=1)
    assert exposure.today("bob") == Seen(clock.time.date())


def test_a_row_stays_small(exposure, clock, monkeypatch):
    monkeypatch.setattr(stored, "_MOST_PAGES", 3)
    exposure.note("bob", [views(clock, 1, f"p{n}") for n in range(5)])
    exposure.note("bob", [views(clock, 2, "p0")])
    assert exposure.today("bob").count == 4


def test_what_cannot_be_read_counts_for_nothing(database, exposure, clock):
    exposure.note("bob", [views(clock, 1)])
    for pages in ({"p1": 2, "p2": "many", "p3": -5, "p4": 1e300}, {"p1": 2}):
        where = Equals("objectId", f"bob-{clock.time.date()}")
        database.objects.update(SCHEMA, where, {"pages": Set(pages)})
        assert exposure.today("bob").count == 2
