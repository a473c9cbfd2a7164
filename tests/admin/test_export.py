"""Taking decisions away: who may, what the files hold, and how much memory that takes."""

import csv
import io
import json

import pytest
from item_rows import DAY, NOON, ItemRows

from admin.history.exporting import Export, as_csv, as_json
from cloud.moderation.items import State
from cloud.moderation.statements import FIELDS

BOB = "user:b0bB0bb0b0"


@pytest.fixture
def rows(panel):
    """Two rejections, one of them by bob with a note, and an approval."""
    made = ItemRows(panel.services.database)
    made.item(
        "a", State.REJECTED, at=NOON, uploader="carol1", scores={"porn": 0.9}, policy=1,
        reasons=("Porn 0.9000 is above 0.8",),
    )  # fmt: skip
    made.item("b", State.REVIEW, at=NOON + DAY, scores={"sexy": 0.7}, uploader="dave1")
    made.decide("b", State.REJECTED, BOB, NOON + 2 * DAY, category="spam", note="=HYPERLINK(1)")
    made.item("c", State.APPROVED, at=NOON + 3 * DAY, scores={"neutral": 0.9})
    return made


@pytest.fixture
def alice(panel):
    return panel.browser("alice")


def download(browser, kind="json", **asked):
    query = "&".join(f"{name}={value}" for name, value in asked.items())
    answer = browser.get(f"/export/decisions.{kind}?{query}")
    assert answer.status_code == 200
    return answer


def csv_rows(answer):
    return list(csv.DictReader(io.StringIO(answer.text)))


@pytest.mark.parametrize("path", ["/export", "/export/decisions.csv", "/export/decisions.json"])
def test_moderators_may_not(panel, path):
    assert panel.browser("bob").get(path).status_code == 403


def test_statements_are_the_rejections_with_the_commissions_fields_alone(rows, alice):
    answer = download(alice)
    assert answer.content_type == "application/json"
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=statements-")
    made = json.loads(answer.text)["statements"]
    assert [each["puid"] for each in made] == ["a-1", "b-2"]
    assert all(tuple(each) == FIELDS for each in made)
    assert made[1]["category_specification_other"] == "Spam"


def test_csv_holds_the_same_with_lists_as_json(rows, alice):
    answer = download(alice, "csv")
    assert answer.content_type == "text/csv; charset=utf-8"
    first, second = csv_rows(answer)
    assert tuple(first) == FIELDS
    assert json.loads(first["content_type"]) == ["CONTENT_TYPE_IMAGE"]
    assert first["decision_monetary"] == ""
    assert second["puid"] == "b-2"


def test_all_decisions_come_with_columns_of_our_own(rows, alice):
    made = json.loads(download(alice, what="all").text)["decisions"]
    assert [each["puid"] for each in made] == ["a-1", "b-1", "b-2", "c-1"]
    assert [each["parsewarden_to"] for each in made] == [
        "rejected", "review", "rejected", "approved",
    ]  # fmt: skip
    assert made[0]["parsewarden_scores"]["Porn"] == 0.9
    assert made[2]["parsewarden_decided_by"] == "moderator"
    assert made[3]["decision_visibility"] is None


def test_personal_data_come_only_if_asked_for(rows, alice):
    for kind in ("csv", "json"):
        for asked in ({}, {"what": "all"}, {"personal": "1"}):
            text = download(alice, kind, **asked).text
            assert not any(word in text for word in ("HYPERLINK", "b0bB0", "carol1", "dave1"))
    made = json.loads(download(alice, what="all", personal="1").text)["decisions"]
    assert made[2]["parsewarden_note"] == "=HYPERLINK(1)"
    assert made[2]["parsewarden_decided_by_id"] == BOB
    assert made[2]["parsewarden_uploader"] == "dave1"


def test_a_cell_of_csv_is_never_a_formula(rows, alice):
    found = csv_rows(download(alice, "csv", what="all", personal="1"))
    assert found[2]["parsewarden_note"] == "'=HYPERLINK(1)"


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1"]
)
def test_whatever_begins_a_formula_is_defused(text):
    written = "".join(as_csv([{"a": text}], ["a"]))
    (row,) = csv.DictReader(io.StringIO(written, newline=""))
    assert row["a"] == "'" + text


@pytest.mark.parametrize("text", ["1=1", "a,b", 'say "hi"', "two\nlines", "über", ""])
def test_other_text_is_left_as_it_is(text):
    written = "".join(as_csv([{"a": text}], ["a"]))
    (row,) = csv.DictReader(io.StringIO(written, newline="")) if text else [{"a": ""}]
    assert row["a"] == text


def test_no_decisions_make_a_whole_file_too(panel, alice):
    assert json.loads(download(alice).text) == {"statements": []}
    assert csv_rows(download(alice, "csv")) == []


def test_the_filters_of_the_search_hold(rows, alice):
    for asked, expected in [
        ({"decided_from": "2026-11-23"}, ["b-2"]),
        ({"decided_until": "2026-11-22"}, ["a-1"]),
        ({"uploader": "carol1"}, ["a-1"]),
        ({"by": BOB}, ["b-2"]),
        ({"category": "spam"}, ["b-2"]),
        ({"label": "Porn", "least": "80"}, ["a-1"]),
        ({"name": "of-b"}, ["b-2"]),
    ]:
        made = json.loads(download(alice, **asked).text)["statements"]
        assert [each["puid"] for each in made] == expected, asked


def test_filters_that_make_no_sense_export_nothing(rows, alice):
    assert alice.get("/export/decisions.csv?state=odd").status_code == 400
    assert "This cannot be exported" in alice.get("/export?state=odd").text


def test_the_page_carries_the_search_over(rows, alice):
    page = alice.get("/export?uploader=carol1&decided_from=2026-11-01")
    assert '<input type="hidden" name="uploader" value="carol1">' in page.text
    assert 'value="2026-11-01"' in page.text
    assert "Only what fulfils the search" in page.text


def test_rows_are_written_as_they_come():
    """What is written does not wait for the last row, so memory does not grow with their number."""
    taken = []

    def endless():
        number = 0
        while True:
            number += 1
            taken.append(number)
            yield {"a": number}

    for written in (as_csv(endless(), ["a"]), as_json(endless(), "rows")):
        taken.clear()
        for _ in range(5):
            next(written)
        assert 0 < len(taken) <= 1000


def test_columns_name_every_value_of_a_row():
    assert Export(statements_only=True, personal=True).columns == FIELDS
    assert len(set(Export(statements_only=False, personal=True).columns)) == len(FIELDS) + 19
