"""The dashboard in a browser: accessible in both colours, with tables, and without scripts."""

from datetime import timedelta

import pytest
from judged_images import JudgedImages
from panel_site import PHONE, screenshot

from cloud.clock import utc_now
from cloud.moderation.items import State
from server.storage.sqlite.database import SqliteDatabase


@pytest.fixture(scope="module")
def busy(site):
    """Twenty days of work."""
    ids = {user["username"]: user["objectId"] for user in site.rows("_User")}
    database, now = SqliteDatabase(site.data_dir), utc_now()
    images = JudgedImages(database)
    for n in range(120):
        porn, at = (n % 24) / 24, now - timedelta(hours=4 * n)
        after = State.APPROVED if porn < 0.6 else State.REVIEW if porn < 0.9 else State.REJECTED
        item_id = images.image(after, at=at, waited=0.1 + n % 5, porn=porn)
        if after is State.REVIEW and n > 10:
            who = f"user:{ids['alice' if n % 3 else 'bob']}"
            verdict = State.REJECTED if porn > 0.7 else State.APPROVED
            images.decide(item_id, verdict, who, at=at + timedelta(minutes=n % 90))
    database.close()
    return site


def open_dashboard(site, page, query=""):
    page.goto(f"{site.url}/admin/dashboard{query}")
    page.wait_for_selector(".chart.columns", timeout=60_000)


def test_dashboard_is_accessible_and_fits_in_both_colours(busy, page, accessible):
    busy.sign_in(page, "alice")
    open_dashboard(busy, page)
    name, wide = ("phone", 360) if page.is_phone else ("desktop", 1280)
    for details in page.query_selector_all("details"):
        details.evaluate("element => element.open = true")
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth") == wide
    for details in page.query_selector_all("details"):
        details.evaluate("element => element.open = false")
    screenshot(page, f"panel-dashboard-{name}")
    page.emulate_media(color_scheme="dark")
    screenshot(page, f"panel-dashboard-dark-{name}")
    page.click("text=90 days")
    page.wait_for_selector("a[aria-current=true]:has-text('90 days')")
    accessible(page)


@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
def test_tables_lie_wholly_in_their_cards(busy, page):
    busy.sign_in(page, "alice")
    open_dashboard(busy, page)
    cells = page.locator("section.card > table, section.card > .table-scroll").locator(
        "tbody > tr > *"
    )
    assert cells.count() > 20
    for cell in cells.all():
        box = cell.bounding_box()
        card = cell.locator("xpath=ancestor::section[1]").bounding_box()
        assert box["x"] >= card["x"]
        assert box["x"] + box["width"] <= card["x"] + card["width"], cell.inner_text()
        assert cell.evaluate("cell => cell.scrollWidth <= cell.clientWidth + 1")
    hidden = page.eval_on_selector_all(
        "section > .table-scroll", "all => all.filter((e) => e.scrollWidth > e.clientWidth).length"
    )
    assert hidden == 0
    decisions = page.locator(".people tbody td").first.inner_text()
    assert (not decisions[0].isdigit()) == page.is_phone, "on a card its name stands beside it"
    page.locator(".people").scroll_into_view_if_needed()
    screenshot(page, f"panel-dashboard-people-{'phone' if page.is_phone else 'desktop'}")


def test_names_are_hidden_by_a_switch_and_from_moderators_always(busy, page):
    busy.sign_in(page, "alice")
    open_dashboard(busy, page)
    assert "bob" in page.inner_text("main")
    page.click("text=Hide names")
    page.wait_for_selector("text=Show names")
    assert "bob" not in page.inner_text("main")
    page.click("text=14 days")
    page.wait_for_selector("a[aria-current=true]:has-text('14 days')")
    assert "bob" not in page.inner_text("main"), "the switch stays as it is"


def test_dashboard_needs_no_scripts(busy, chromium):
    context = chromium.new_context(viewport=PHONE, java_script_enabled=False)
    page = context.new_page()
    busy.sign_in(page, "bob")
    open_dashboard(busy, page)
    page.click("main summary >> nth=0")
    assert page.locator("details[open] tbody tr").count() == 30
    assert "alice" not in page.inner_text("main")
    context.close()
