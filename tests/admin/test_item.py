"""One image's page: what it shows, deciding anew, and legal holds."""

import re
from html import unescape

import pytest
from item_rows import DAY, NOON, ItemRows
from panel_client import notices, value_of

from cloud.moderation.items import State
from cloud.values import File
from server.moderation.holds import HOLD
from server.moderation.items import DECISION
from server.moderation.subjects import shown_column, shows, subject_schema
from server.storage.port import Query, SortKey
from server.webhooks.deliveries import StoredDeliveries
from server.webhooks.receivers import parse_receivers

USER_IMAGE = subject_schema("UserImage", "image")


@pytest.fixture
def rows(panel):
    return ItemRows(panel.services.database)


@pytest.fixture
def image(panel, rows):
    """A photo of alice's that the rules sent to review, shown by its object."""
    alice = panel.tables.user_named("alice")["objectId"]
    rows.item(
        "a", State.REVIEW, at=NOON, object_id="photo", uploader=alice, scores={"porn": 0.55},
        policy=3, sha256="ab" * 32, reasons=("Porn 0.5500 is from 0.4 to 0.8",),
    )  # fmt: skip
    document = {
        "objectId": "photo", "createdAt": NOON, "updatedAt": NOON, "ACL": {},
        "image": File("a.jpg"), "isSafe": False, "deleted": False, "moderationRequired": True,
        "NSFWPredictions": [], shown_column("image"): shows("a", 1),
    }  # fmt: skip
    rows.objects.insert(USER_IMAGE, document)
    return rows


@pytest.fixture
def bob(panel):
    return panel.browser("bob")


def text_of(page):
    assert page.status_code == 200, page.text
    return re.sub(r"\s+", " ", unescape(re.sub("<[^>]*>", " ", page.text)))


def decide(browser, item_id="a", **form):
    page = browser.get(f"/items/{item_id}")
    given = {name: value_of(page, name) for name in ("request_key", "seen")}
    return browser.post(f"/items/{item_id}/decide", of=f"/items/{item_id}", **{**given, **form})


def log(rows):
    found = rows.objects.find(DECISION, Query(order=(SortKey("number"),)))
    return [(row["before"], row["after"], row["decidedBy"]) for row in found]


# --- what it shows --------------------------------------------------------------------------------


def test_it_shows_scores_object_uploader_and_the_log(image, bob):
    text = text_of(bob.get("/items/a"))
    for words in (
        "Image photo", "in review", "Porn 55.0 %", "moderationRequired true", "isSafe false",
        "a.jpg", "by the rules", "Porn 55 % is from 40 % to 80 %", "ab" * 32, "Scripted 1",
        "Policy version 3", "1 in review", "alice",
    ):  # fmt: skip
        assert words in text, words


def test_the_log_is_a_timeline_with_notes_reasons_and_names(image, panel, bob):
    me = f"user:{panel.tables.user_named('bob')['objectId']}"
    image.decide("a", State.REJECTED, me, NOON + DAY, category="nudity", note="quite <clear>")
    image.decide("a", State.REVIEW, me, NOON + 2 * DAY, undoes=2)
    page = bob.get("/items/a")
    text = text_of(page)
    assert "quite &lt;clear&gt;" in page.text
    assert "Nudity" in text
    assert "undone" in text
    assert re.findall(r'id="decision-(\d)"', page.text) == ["3", "2", "1"]


def test_the_log_is_german_in_german(image, panel, bob):
    for by in ("memory", "system", "master key", f"owner:{'x' * 10}", "rules"):
        image.decide("a", State.REVIEW, by, NOON + DAY)
    page = bob.get("/items/a", **{"Accept-Language": "de"})
    text = text_of(page)
    for words in (
        "vom Gedächtnis", "vom System", "vom Master-Key", "vom Besitzer", "von den Regeln",
    ):  # fmt: skip
        assert words in text, words
    assert "von dem" not in text
    assert '<span class="visually-hidden">dann</span>' in page.text
    assert ">Bis<" not in page.text


def test_a_reason_from_memory_links_to_the_earlier_image(image, rows, bob):
    reason = "the same bytes: rejected by user:zed in decision old1-2, remembered as 9f"
    rows.item("b", State.REJECTED, by="memory", at=NOON, reasons=(reason,))
    page = bob.get("/items/b")
    assert 'href="/admin/items/old1"' in page.text
    assert "See that image" in page.text


def test_webhooks_are_told_with_their_decision(image, bob):
    receivers = parse_receivers(["https://hooks.example/x?token=secret"])
    deliveries = StoredDeliveries(image.database, image.schemas, receivers)
    deliveries.announce(image.decide("a", State.REJECTED, "user:zed", NOON + DAY))
    (due,) = deliveries.due(receivers[0].shown, NOON + DAY, 9)
    leased = deliveries.lease(due, NOON + DAY, NOON + 2 * DAY)
    deliveries.failed(leased, 500, "the receiver answered 500", NOON + DAY, NOON + 2 * DAY)
    text = text_of(bob.get("/items/a"))
    assert "https://hooks.example/x : waiting, attempts so far: 1" in text
    assert "the receiver answered 500" in text
    german = text_of(bob.get("/items/a", **{"Accept-Language": "de"}))
    assert "der Empfänger antwortete 500" in german
    assert "secret" not in text


def test_the_picture_is_veiled_until_it_is_asked_for(image, bob):
    page = bob.get("/items/a")
    assert "/items/a/preview.jpg" in page.text
    assert "screen.jpg" not in page.text
    assert "original.jpg" not in page.text
    revealed = bob.get("/items/a?look=reveal")
    assert "/items/a/screen.jpg" in revealed.text
    assert 'class="shown grey"' in revealed.text
    assert 'class="shown grey"' not in bob.get("/items/a?look=reveal+colour").text


def test_an_ended_image_has_a_log_and_no_picture_and_is_not_decided(image, bob):
    image.decide("a", State.ENDED, "system", NOON + DAY, reasons=("the file was replaced",))
    page = bob.get("/items/a")
    assert "There is no picture any more." in page.text
    assert "<img width" not in page.text
    assert 'name="after"' not in page.text


def test_of_what_is_no_item_there_is_no_page(bob):
    assert bob.get("/items/nothing").status_code == 404


def test_it_says_when_the_object_is_gone(rows, bob):
    rows.item("a", at=NOON)
    assert "There is no such object any more." in bob.get("/items/a").text


# --- deciding anew --------------------------------------------------------------------------------


def test_a_decision_is_made_and_logged_with_reason_and_note(image, panel, bob):
    answer = decide(bob, after="rejected", category="nudity", note=" too much ")
    assert notices(bob.follow(answer)) == ["The image is rejected."]
    me = f"user:{panel.tables.user_named('bob')['objectId']}"
    assert log(image)[1] == ("review", "rejected", me)
    item = image.items.get("a")
    assert (item.remark.category, item.remark.note) == ("nudity", "too much")
    assert image.objects.get(USER_IMAGE, "photo")["deleted"] is True


def test_a_decision_is_reversed_and_sent_back_to_review(image, bob):
    decide(bob, after="rejected")
    decide(bob, after="approved", category="nudity")
    assert image.items.get("a").remark.category is None  # a reason is for rejecting
    assert notices(bob.follow(decide(bob, after="review"))) == ["The image is back in review."]
    assert [after for _, after, _ in log(image)] == ["review", "rejected", "approved", "review"]


def test_what_was_decided_meanwhile_is_told_and_not_overruled(image, panel, bob):
    page = bob.get("/items/a")
    form = {name: value_of(page, name) for name in ("request_key", "seen")}
    decide(panel.browser("alice"), after="rejected")
    answer = bob.post("/items/a/decide", of="/items/a", after="approved", **form)
    (told,) = notices(bob.follow(answer))
    assert "alice" in told
    assert image.items.get("a").state is State.REJECTED
    assert len(log(image)) == 2


def test_the_same_form_sent_twice_decides_once(image, bob):
    page = bob.get("/items/a")
    form = {name: value_of(page, name) for name in ("request_key", "seen")}
    for _ in range(2):
        answer = bob.post("/items/a/decide", of="/items/a", after="rejected", **form)
        assert notices(bob.follow(answer)) == ["The image is rejected."]
    assert len(log(image)) == 2


def test_an_image_that_somebody_is_looking_at_is_hers(image, panel, bob):
    alice = panel.browser("alice")
    assert alice.get("/review").status_code == 200
    assert "alice is looking at it" in text_of(bob.get("/items/a"))
    assert "You have it open for review" in text_of(alice.get("/items/a"))
    refused, _ = notices(bob.follow(decide(bob, after="approved")))
    assert "alice" in refused
    assert image.items.get("a").state is State.REVIEW


@pytest.mark.parametrize(
    "form",
    [
        {"after": "ended"}, {"after": ""}, {"after": "rejected", "seen": "x"},
        {"after": "rejected", "request_key": "short"}, {"after": "rejected", "note": "x" * 2001},
    ],
)  # fmt: skip
def test_a_form_that_is_not_whole_decides_nothing(image, bob, form):
    assert notices(bob.follow(decide(bob, **form))) == [
        "This form was not complete. Nothing was decided."
    ]
    assert len(log(image)) == 1


def test_deciding_needs_this_sites_form(image, bob):
    answer = bob.client.post("/admin/items/a/decide", data={"after": "approved"})
    assert answer.status_code == 400
    assert image.items.get("a").state is State.REVIEW


def test_a_forms_page_loaded_again_leads_back(image, bob):
    assert bob.get("/items/a/decide").headers["Location"] == "/admin/items/a"


# --- legal holds ----------------------------------------------------------------------------------


def hold(browser, what="set", reason="case 12"):
    return browser.post("/items/a/hold", of="/items/a", hold=what, reason=reason)


def test_an_admin_sets_and_lifts_a_hold_and_the_log_says_why(image, panel):
    alice = panel.browser("alice")
    assert notices(alice.follow(hold(alice))) == ["The legal hold is set."]
    assert "legal hold" in text_of(alice.get("/history?held=1"))
    assert notices(alice.follow(hold(alice, "lift", "case closed"))) == [
        "The legal hold is lifted."
    ]
    text = text_of(alice.get("/items/a"))
    assert "Legal hold set by alice" in text
    assert "case closed" in text


def test_a_hold_needs_a_reason(image, panel):
    alice = panel.browser("alice")
    assert notices(alice.follow(hold(alice, reason=" "))) == ["Say why."]
    assert panel.rows(HOLD) == []


def test_moderators_see_a_hold_and_cannot_change_it(image, panel, bob):
    hold(panel.browser("alice"))
    page = bob.get("/items/a")
    assert "No purge removes this image" in page.text
    assert "Lift the hold" not in page.text
    assert hold(bob, "lift").status_code == 403
    assert len(panel.rows(HOLD)) == 1


def test_no_hold_on_what_is_no_item(panel, rows):
    alice = panel.browser("alice")
    answer = alice.post("/items/nothing/hold", of="/history", hold="set", reason="x")
    assert answer.status_code == 404
