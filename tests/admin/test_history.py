"""The search among past decisions: what it shows, what its address says, and searching by image."""

import hashlib
import io
import re
from html import unescape

import pytest
from item_rows import DAY, NOON, ItemRows
from panel_client import notices
from PIL import Image
from skimage import data as pictures

from cloud.moderation.items import State


@pytest.fixture
def rows(panel):
    return ItemRows(panel.services.database)


@pytest.fixture
def bob(panel):
    return panel.browser("bob")


def found(page):
    """The objects of the results, in order."""
    assert page.status_code == 200, page.text
    listed = page.text.partition('<ol class="results')[2]
    return re.findall(r"</bdi> <code>(.*?)</code></a>", listed)


def link(page, words):
    """Where the link with these words leads, below /admin."""
    links = re.findall(r'<a [^>]*href="/admin([^"]*)"[^>]*>(.*?)</a>', page.text, re.DOTALL)
    plain = {unescape(re.sub("<[^>]*>", "", text)).strip(): url for url, text in links}
    return unescape(plain[words]) if words in plain else None


GONE = "\u00d7(take away)"


def user_id(panel, name):
    return panel.tables.user_named(name)["objectId"]


def test_it_lists_the_newest_decision_first_with_who_when_and_why(panel, rows, bob):
    alice = user_id(panel, "alice")
    rows.item(
        "a", State.REVIEW, at=NOON, object_id="photo1", scores={"porn": 0.55},
        reasons=("Porn 0.5500 is from 0.4 to 0.8",),
    )  # fmt: skip
    rows.item(
        "b", State.REJECTED, by=f"user:{alice}", at=NOON + DAY, object_id="photo2",
        category="nudity", uploader=alice,
    )  # fmt: skip
    page = bob.get("/history")
    assert found(page) == ["photo2", "photo1"]
    text = re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", page.text))
    for words in ("by alice", "by the rules", "Nudity", "Porn 55.0 %", "in review"):
        assert words in text, words
    assert "Porn 55 % is from 40 % to 80 %" in text


def test_pictures_arrive_veiled_unless_the_moderator_wants_them_clear(panel, rows, bob):
    rows.item("a", at=NOON)
    assert "/items/a/preview.jpg" in bob.get("/history").text
    bob.post("/account/preferences", of="/account", break_after="100")  # neither blurred nor grey
    page = bob.get("/history")
    if "/items/a/preview.jpg" in page.text:
        pytest.fail("the preference was not kept, or not heeded")
    assert "/items/a/thumbnail.jpg" in page.text


def test_a_search_is_its_address(rows, bob):
    rows.item("a", State.REJECTED, at=NOON, object_id="one", scores={"porn": 0.9})
    rows.item("b", State.REJECTED, at=NOON, object_id="two", scores={"porn": 0.5})
    page = bob.get("/history?state=rejected&label=Porn&least=80")
    assert found(page) == ["one"]
    assert 'value="80"' in page.text
    assert '<option value="rejected" selected>' in page.text
    assert link(page, "State: rejected " + GONE) == "/history?label=Porn&least=80"
    assert link(page, "Score: Porn 80 % to 100 % " + GONE) == "/history?state=rejected"


def test_days_are_whole_and_both_belong_to_the_range(rows, bob):
    for number in range(4):
        rows.item(f"i{number}", at=NOON + number * DAY, object_id=f"o{number}")
    assert found(bob.get("/history?decided_from=2026-11-23&decided_until=2026-11-24")) == [
        "o2",
        "o1",
    ]


@pytest.mark.parametrize(
    "asked",
    [
        "state=odd", "policy=-1", "policy=x", "label=Cats", "label=Porn&least=101",
        "label=Porn&most=x", "decided_from=yesterday", "uploaded_until=2026-13-01",
        "decided_until=9999-12-31", "uploaded_from=0001-01-01",
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_said_and_nothing_is_sought(rows, bob, asked):
    rows.item("a", at=NOON)
    page = bob.get(f"/history?{asked}")
    assert page.status_code == 400
    assert "This cannot be sought" in page.text
    assert 'class="results' not in page.text


@pytest.mark.parametrize("asked", ["after=x", "after=d.1.", "after=d.999999999999999.a", "x=1"])
def test_an_address_that_was_cut_off_shows_the_first_page(rows, bob, asked):
    rows.item("a", at=NOON, object_id="one")
    assert found(bob.get(f"/history?{asked}")) == ["one"]


def test_pages_of_fifty_together_hold_every_item_once(rows, bob):
    for number in range(52):
        rows.pending(f"i{number}", uploaded=NOON + number * DAY, object_id=f"o{number}")
    first = bob.get("/history?state=pending")
    assert found(first) == [f"o{number}" for number in range(51, 1, -1)]
    assert link(first, "Newest") is None
    second = bob.get(link(first, "Older"))
    assert found(second) == ["o1", "o0"]
    assert link(second, "Older") is None
    assert link(second, "Newest") == "/history?state=pending"


def test_what_strangers_wrote_is_text_and_no_markup(rows, bob):
    rows.item("a", at=NOON, uploader="<b>x</b>", object_id="<i>o</i>", reasons=("<script>1",))
    page = bob.get("/history?uploader=<b>x</b>")
    assert "<script>1" not in page.text
    assert "<b>x" not in page.text
    assert "&lt;i&gt;o" in page.text


def test_an_empty_history_says_so(bob):
    assert "Nothing was found." in bob.get("/history").text


def test_it_speaks_german(bob):
    page = bob.get("/history", **{"Accept-Language": "de"})
    assert "Weitere Filter" in page.text
    assert "Nichts gefunden." in page.text


def test_only_admins_see_the_way_to_export_and_retention(panel, bob):
    assert "/admin/export" not in bob.get("/history").text
    assert "/admin/export" in panel.browser("alice").get("/history").text


# --- by image -------------------------------------------------------------------------------------


def jpeg(pixels, quality=90, size=None):
    image = Image.fromarray(pixels)
    buffer = io.BytesIO()
    (image if size is None else image.resize(size)).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


PHOTO, OTHER = jpeg(pictures.astronaut()), jpeg(pictures.rocket())


@pytest.fixture
def by_image(make_panel, models_dir):
    """An installation with a model, and an item that was judged by it."""
    installation = make_panel(models_dir=models_dir, tf_model_url="MobileNetV2")
    installation.moderator("bob")
    rows = ItemRows(installation.services.database)
    taken = installation.services.classifier.classify(PHOTO).fingerprint
    digest = hashlib.sha256(PHOTO).hexdigest()
    rows.item("a", State.REJECTED, at=NOON, object_id="photo", sha256=digest, pdq=taken.pdq)
    rows.item("b", at=NOON, object_id="unlike", sha256="0" * 64, pdq="0f" * 32)
    return installation


def search_by(browser, data, **fields):
    file = (io.BytesIO(data), "x.jpg")
    return browser.post("/history/image", of="/history", image=file, **fields)


def test_an_image_finds_itself_and_its_near_copies_by_an_address(by_image):
    browser = by_image.browser("bob")
    answer = search_by(browser, PHOTO)
    assert answer.status_code == 303
    assert re.search(r"sha256=[0-9a-f]{64}&pdq=[0-9a-f]{64}$", answer.headers["Location"])
    page = browser.follow(answer)
    assert found(page) == ["photo"]
    assert "The same image" in page.text
    copy = jpeg(pictures.astronaut(), quality=60, size=(300, 300))
    page = browser.follow(search_by(browser, copy))
    assert found(page) == ["photo"]
    assert re.search(r"A near copy: \d+ of 256 bits differ", page.text)


def test_other_filters_go_with_an_image(by_image):
    browser = by_image.browser("bob")
    page = browser.follow(search_by(browser, PHOTO, state="approved"))
    assert found(page) == []
    assert "Neither this image nor a near copy of it was found." in page.text
    taken_away = link(page, "State: approved " + GONE)
    assert found(browser.get(taken_away)) == ["photo"]


def test_an_image_that_was_never_here_is_not_found(by_image):
    browser = by_image.browser("bob")
    assert found(browser.follow(search_by(browser, OTHER))) == []


def test_what_is_no_image_is_sought_by_its_bytes_alone(by_image):
    browser = by_image.browser("bob")
    damaged = b"no image at all"
    rows = ItemRows(by_image.services.database)
    digest = hashlib.sha256(damaged).hexdigest()
    rows.item("c", State.REVIEW, at=NOON, object_id="damaged", sha256=digest)
    page = browser.follow(search_by(browser, damaged))
    assert found(page) == ["damaged"]
    assert notices(page) == [
        "The picture shows too little to be known again, or cannot be read. Only the very same "
        "file was sought."
    ]


def test_the_search_records_nothing_of_the_image(by_image):
    before = sorted(by_image.services.database.files.names())
    classes = [schema.class_name for schema in by_image.services.database.schemas.all()]
    search_by(by_image.browser("bob"), OTHER)
    assert sorted(by_image.services.database.files.names()) == before
    assert "ImageClassification" not in classes


def test_a_form_without_an_image_says_so(bob):
    page = bob.follow(bob.post("/history/image", of="/history", state="rejected"))
    assert notices(page) == ["Choose an image first."]


def test_without_a_model_it_says_so(panel, bob):
    page = bob.follow(search_by(bob, PHOTO))
    assert notices(page) == ["Images cannot be looked at just now: there is no model."]
