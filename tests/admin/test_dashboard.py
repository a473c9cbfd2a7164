"""The dashboard: figures with their charts and tables, for whom names, and never in the way."""

import re
import time
from dataclasses import replace
from datetime import timedelta
from html import unescape
from xml.etree import ElementTree as ET

import pytest
from flask import Flask
from judged_images import JudgedImages
from panel_app import panel_app

from admin.charts import Bar, Column, Range, bar_chart, columns_chart, ranges_chart
from admin.figures_shown import pseudonyms
from admin.panel import add_panel
from cloud.clock import utc_now
from cloud.moderation.errors import StoreUnavailable
from cloud.moderation.items import State
from cloud.operations import Set
from server.dispatch.workers import WorkerBook
from server.panel.wiring import make_panel_services, panel_secret

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def panel(tmp_path, models_dir):
    with panel_app(tmp_path, models_dir) as panel:
        yield panel


def look(panel, name="alice", language="en", **query):
    """The page once everything is counted."""
    client = panel.signed_in(name).client
    deadline = time.monotonic() + 60
    while True:
        page = client.get(
            "/admin/dashboard", query_string=query, headers={"Accept-Language": language}
        )
        assert page.status_code == 200, page.text
        if 'http-equiv="refresh"' not in page.text:
            return page.text
        assert time.monotonic() < deadline
        time.sleep(0.02)


def words(html):
    return re.sub(r"\s+", " ", unescape(re.sub("<[^>]*>", " ", html))).strip()


def section(page, heading):
    """A part of the page by its heading's id."""
    return page.split(f'id="{heading}-heading"')[1].split("</section>")[0]


def rows(html):
    """The cells of a table's body, row by row."""
    body = html.split("<tbody>")[1].split("</tbody>")[0]
    return [
        [words(cell) for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S)]
        for row in re.findall(r"<tr[^>]*>(.*?)</tr>", body, re.S)
    ]


@pytest.fixture
def busy(panel):
    """A day of work: bob and alice decide what the rules left open."""
    changes = {"moderationScores": {"Porn": {"min": 0.4, "max": 0.8}}, "moderationAutomation": True}
    panel.services.parse_config.write({name: Set(v) for name, v in changes.items()}, {})
    images, now = JudgedImages(panel.database), utc_now()
    bob, alice = (f"user:{panel.ids[name]}" for name in ("bob", "alice"))
    for n in range(6):
        images.image(State.APPROVED, at=now - timedelta(days=1), porn=0.1)
        at = now - timedelta(minutes=30, seconds=-10 * n)
        seen = images.image(State.REVIEW, at=at - timedelta(seconds=60), porn=0.5)
        images.decide(seen, State.REJECTED, bob, at=at)
    images.decide(seen, State.APPROVED, alice, at=now)
    wrong = images.image(State.REJECTED, at=now - timedelta(hours=1), porn=0.9)
    images.decide(wrong, State.APPROVED, alice, at=now)
    images.decide(images.image(State.REVIEW, porn=0.5), State.REJECTED, "master key", at=now)
    for _ in range(3):
        images.image(State.REVIEW, at=now - timedelta(hours=2), waited=0, porn=0.6)
    return panel


# --- the page -------------------------------------------------------------------------------------


def test_new_installation_has_a_dashboard_too(panel):
    page = look(panel)
    assert "Nothing waits." in page
    assert "No moderator has decided anything in these days." in page


def test_queues_and_health_are_told(busy):
    now = words(section(look(busy), "now"))
    assert re.search(r"Waiting for moderators 3 The oldest came 2 hours ago\.", now)
    assert "Not judged yet 0 Nothing waits." in now
    assert "✓ fine Model MobileNetV2Mid nsfwjs-4.4.0" in now
    assert "No broker" in now


def test_why_there_is_no_model_is_said_in_german(tmp_path):
    with panel_app(tmp_path, tmp_path / "empty") as panel:
        assert "Das Modell ist noch nicht bereit." in words(look(panel, language="de"))


@pytest.mark.parametrize(
    ("workers", "told"),
    [
        (0, "✗ away Workers: 0 none was heard of in a day Nobody judges images"),
        (2, "✓ fine Workers: 2 one was heard of"),
    ],
)
def test_workers_are_counted_and_missed(tmp_path, models_dir, workers, told):
    nobody_listens = "redis://127.0.0.1:1/0"
    with panel_app(tmp_path, models_dir, celery_broker_url=nobody_listens) as panel:
        book = WorkerBook(panel.database, panel.services.schemas)
        for n in range(workers):
            book.tell(f"worker{n}", 2)
        assert told in words(section(look(panel), "now"))


def test_every_day_stands_in_a_table(busy):
    html = section(look(busy, days="14"), "outcomes")
    assert html.count('<span class="on-cards muted">came in</span>') == 14
    assert html.count('class="is-quiet"') == 12
    table = rows(re.sub('<span class="on-cards.*?</span>', "", html))
    assert len(table) == 14
    total = [sum(int(row[column]) for row in table) for column in range(1, 7)]
    assert total == [17, 6, 2, 1, 7, 10]


def test_automation_waits_and_agreement_are_told(busy):
    page = look(busy)
    assert "41 % (22–64 %) of 17 images" in words(section(page, "automation"))  # noqa: RUF001
    assert rows(section(page, "automation"))[0][0] in ("Porn", "Drawing")
    waits = {row[0]: row[1:] for row in rows(section(page, "waits"))}
    assert waits["People"][0] in ("1 min", "58 s", "59 s", "60 s", "61 s", "62 s")
    assert (waits["Rules"][2], waits["People"][2]) == ("17", "7")
    agreement = section(page, "agreement")
    assert "shared it: 0 % (0–79 %), 0 of 1" in words(agreement)  # noqa: RUF001
    assert rows(agreement)[1] == ["goes to people", "1", "6"]
    assert rows(agreement)[2] == ["rejected", "1", "0"]


def test_moderators_figures_are_told(busy):
    table = section(look(busy), "people")
    assert table.count('<span class="on-cards muted">Decisions</span>') == 3
    wide = re.sub('<span class="on-cards.*?</span>', "", table)
    people = {row[0]: row[1:] for row in rows(wide)}
    assert people["bob"][:3] == ["6", "10 s", "17 %, 1 of 6"]
    assert people["alice (you)"][0] == "2"
    assert people["the master key"][0] == "1"


@pytest.mark.parametrize("wanted", ["7", "", "x", "-14", "14.0"])
def test_other_spans_are_the_usual_one(panel, wanted):
    assert 'days=30" aria-current="true"' in look(panel, days=wanted)


def test_page_in_german(busy):
    page = look(busy, language="de")
    assert "Wartet auf Moderation" in page
    assert "dashboard." not in re.sub(r'(?:src|href)="[^"]*"', "", page)


# --- names ----------------------------------------------------------------------------------------


def test_names_can_be_hidden_behind_pseudonyms_that_stay_the_same(busy):
    hidden = [section(look(busy, names="hidden"), "people") for _ in range(2)]
    names = [[row[0] for row in rows(part)] for part in hidden]
    assert names[0] == names[1]
    assert re.fullmatch(r"Moderator [A-Z2-7]{5}", names[0][0])
    assert "the master key" in names[0], "nobody in particular"
    assert "bob" not in hidden[0]
    assert "Show names" in hidden[0]


def test_moderators_see_the_others_by_pseudonym_alone(busy):
    for query in ({}, {"names": "shown"}):
        people = section(look(busy, "bob", **query), "people")
        assert "alice" not in people
        assert "Show names" not in people
        assert rows(people)[0][0].endswith("(you)")


def test_pseudonyms_need_the_key(panel):
    with panel.app.test_request_context():
        one, other = (pseudonyms(["user:a"], key)["user:a"] for key in (b"k1", b"k2"))
        assert one != other
        assert pseudonyms(["master key"], b"k1") == {"master key": "master key"}


# --- while it is counted --------------------------------------------------------------------------


class Counting:
    """Figures that are not there yet."""

    def now(self):
        return None

    def overview(self, days):
        return None


class Away(Counting):
    """Figures of a database that does not answer."""

    def now(self):
        raise StoreUnavailable("away")


def page_with(panel, figures):
    """The page of an app whose figures are these."""
    app = Flask("other", static_folder=None)
    services = replace(make_panel_services(panel.services, app), figures=figures)
    add_panel(app, services, panel_secret(panel.services.settings))
    client = app.test_client()
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/admin/sign-in").text)[1]
    signing_in = {"csrf_token": token, "name": "alice", "password": "correct horse"}
    assert client.post("/admin/sign-in", data=signing_in).status_code == 303
    return client.get("/admin/dashboard")


def test_page_that_waits_for_figures_says_so_and_asks_again(panel):
    page = page_with(panel, Counting())
    assert page.status_code == 200
    assert page.text.count("The figures are being counted for the first time.") == 2
    assert '<meta http-equiv="refresh" content="3">' in page.text


def test_database_that_is_away_is_told(panel):
    page = page_with(panel, Away())
    assert page.status_code == 503
    assert "The database does not answer." in page.text


# --- charts ---------------------------------------------------------------------------------------


def drawn(markup):
    """A chart's elements, after a check of what the content security policy and people need."""
    named = str(markup).replace("<svg ", f'<svg xmlns="{SVG[1:-1]}" ', 1)
    root = ET.fromstring(named)  # noqa: S314 - our own
    assert root.get("role") == "img"
    assert root.get("aria-label")
    assert not [element for element in root.iter() if element.get("style") or element.get("onload")]
    return root


def number(text):
    return float(text.removesuffix("%"))


def test_columns_stand_on_one_another_in_proportion():
    columns = [
        Column("1 Nov", "1 Nov: 30", [Bar(10, "fill-a"), Bar(0, "fill-b"), Bar(20, "fill-c")], 15),
        Column("2 Nov", "2 Nov: none"),
        Column("3 Nov", "3 Nov: 5", [Bar(5, "fill-a")], 60),
    ]
    root = drawn(columns_chart(columns, label="outcomes"))
    bars = [e for e in root.iter(f"{SVG}rect") if e.get("class") == "series"]
    assert [bar.get("fill") for bar in bars] == ["url(#fill-a)", "url(#fill-c)", "url(#fill-a)"]
    first, second, third = ({k: number(b.get(k)) for k in ("y", "height")} for b in bars)
    assert second["height"] == pytest.approx(2 * first["height"], abs=0.02)
    assert third["height"] == pytest.approx(first["height"] / 2, abs=0.02)
    assert second["y"] + second["height"] == pytest.approx(first["y"], abs=0.02)
    assert [e.text for e in root.iter(f"{SVG}title")] == [c.sentence for c in columns]
    assert len(list(root.iter(f"{SVG}circle"))) == 2
    lines = [e for e in root.iter(f"{SVG}line") if e.get("class") == "line"]
    assert lines == [], "there is no dot between the two, so nothing joins them"
    assert [e.text for e in root.iter(f"{SVG}text")][:2] == ["60", "30"]


def test_text_in_charts_is_escaped():
    column = Column('<b>"&', '<script>"&')
    root = drawn(columns_chart([column], label='<i>"&'))
    assert root.get("aria-label") == '<i>"&'
    assert root.find(f".//{SVG}title").text == '<script>"&'


def test_chart_of_nothing_can_be_drawn():
    drawn(columns_chart([], label="nothing"))
    drawn(ranges_chart([], ((1, "1 s"), (10, "10 s")), label="nothing"))


def test_ranges_run_from_the_usual_to_the_rare():
    ticks = ((0.1, "0.1 s"), (1, "1 s"), (10, "10 s"))
    root = drawn(ranges_chart([Range("Rules", 0.1, 1, "half")], ticks, label="waits"))
    (line,) = [e for e in root.iter(f"{SVG}line") if e.get("class") == "line"]
    assert (number(line.get("x1")), number(line.get("x2"))) == (2, 50)


def test_share_is_as_wide_as_it_is():
    root = drawn(bar_chart(0.25, "25 %"))
    assert root.find(f"{SVG}rect").get("width") == "25.00%"
    assert root.get("aria-label") == "25 %"


@pytest.mark.parametrize(
    ("highest", "top"), [(0, "2"), (3, "4"), (10, "10"), (11, "20"), (24, "30"), (99, "100")]
)
def test_scale_ends_at_a_round_number(highest, top):
    root = drawn(columns_chart([Column("a", "a", [Bar(highest, "fill-a")])], label="scale"))
    assert next(root.iter(f"{SVG}text")).text == top
