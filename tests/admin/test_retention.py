"""The page of retention: what would go, having it go, and what went."""

import re
from datetime import timedelta

import pytest
from item_rows import ItemRows
from panel_client import notices

from cloud.clock import utc_now
from cloud.moderation.items import State
from server.moderation.items import ITEM
from server.storage.port import Query


@pytest.fixture
def rows(panel):
    made = ItemRows(panel.services.database)
    old = utc_now() - timedelta(days=400)
    made.item("old", State.REJECTED, at=old)
    made.item("held", at=old)
    made.flag("held")
    made.item("new", at=utc_now())
    return made


@pytest.fixture
def alice(panel):
    return panel.browser("alice")


def text_of(page):
    return re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", page.text))


def ids(rows):
    return {row["objectId"] for row in rows.objects.find(ITEM, Query())}


def test_it_is_for_admins(panel):
    bob = panel.browser("bob")
    assert bob.get("/retention").status_code == 403
    assert bob.post("/retention", of="/history", days="1", confirmed="yes").status_code == 403


def test_it_says_what_the_setting_does(alice):
    assert "No decision is removed by itself" in alice.get("/retention").text


def test_it_shows_what_would_go_before_it_goes(rows, alice):
    text = text_of(alice.get("/retention?days=365"))
    assert "1 image decided more than 365 days ago would go" in text
    assert "1 of them stays under a legal hold" in text
    assert ids(rows) == {"old", "held", "new"}


@pytest.mark.parametrize(
    ("language", "days", "words"),
    [
        ("en", 1, "images decided more than a day ago would go"),
        ("en", 2, "images decided more than 2 days ago would go"),
        ("de", 1, "Bilder, vor mehr als einem Tag entschieden, würden entfernt"),
        ("de", 2, "Bilder, vor mehr als 2 Tagen entschieden, würden entfernt"),
        ("de", 365, "1 Bild, vor mehr als 365 Tagen entschieden, würde entfernt"),
    ],
)
def test_one_is_not_said_as_many(rows, alice, language, days, words):
    rows.item("older", at=utc_now() - timedelta(days=3))
    page = alice.get(f"/retention?days={days}", **{"Accept-Language": language})
    assert words in text_of(page)


def test_a_purge_of_what_is_older_than_a_day_says_so(panel, rows, alice):
    alice.post("/retention", days="1", confirmed="yes")
    panel.services.retention.close()
    assert "alice 1 day 1 " in text_of(alice.get("/retention"))


def test_nothing_goes_without_a_word(rows, alice):
    answer = alice.post("/retention", days="365")
    assert notices(alice.follow(answer)) == ["Tick the box to purge."]
    assert ids(rows) == {"old", "held", "new"}


def test_a_purge_is_begun_and_on_record(panel, rows, alice):
    answer = alice.post("/retention", days="365", confirmed="yes")
    panel.services.retention.close()  # waits for it
    assert ids(rows) == {"held", "new"}
    page = alice.follow(answer)
    assert notices(page)[0].startswith("The purge has begun.")
    text = text_of(page)
    assert re.search(r"alice 365 days 1 1 0 0", text), text


@pytest.mark.parametrize("days", ["0", "-1", "36501", "x", ""])
def test_days_that_make_no_sense_are_said(rows, alice, days):
    assert alice.get(f"/retention?days={days}").status_code == 400
    answer = alice.post("/retention", days=days, confirmed="yes")
    assert notices(alice.follow(answer)) == ["Give a number of days from 1 to 36500."]
    assert ids(rows) == {"old", "held", "new"}


def test_purging_needs_this_sites_form(rows, alice):
    answer = alice.client.post("/admin/retention", data={"days": "365", "confirmed": "yes"})
    assert answer.status_code == 400
    assert ids(rows) == {"old", "held", "new"}
