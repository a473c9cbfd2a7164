"""How many images somebody looked at: on all devices, through lost connections, once each."""

import pytest
from lane_page import LanePage
from panel_site import DESKTOP

pytestmark = pytest.mark.parametrize("page", ["phone"], indirect=True)


@pytest.fixture
def lane(site, page):
    waiting = site.count("ModerationItem", {"state": "review"})
    site.fill(max(0, 16 - waiting), first=site.count("ModerationItem", {}))
    lane = LanePage(site, page)
    lane.wait_until_warm()
    return lane


def look_and_decide(lane, count):
    for _ in range(count):
        lane.press("r")
        lane.press("l")


def kept(site):
    """What the server counts of all moderators and days."""
    rows = site.rows("ModerationPanelViews")
    return sum(sum(row["pages"].values()) for row in rows)


def wait_until_told(lane):
    lane.page.wait_for_function("() => lane.exposure.report().length === 0")


def test_another_device_counts_on_and_a_break_there_is_one_here(site, lane, chromium):
    before = kept(site)
    look_and_decide(lane, 3)
    wait_until_told(lane)
    assert kept(site) == before + 3
    context = chromium.new_context(viewport=DESKTOP, locale="en-GB")
    desktop = LanePage(site, context.new_page())
    desktop.wait_until_warm()
    assert desktop.page.inner_text("#exposure") == f"{before + 3} looked at today"
    due = before + 4 - desktop.page.evaluate("lane.exposure.seen.rested")
    for one in (lane, desktop):
        one.page.evaluate("due => (lane.exposure.breakAfter = due)", due)
    look_and_decide(desktop, 1)
    desktop.page.wait_for_selector("#break-dialog[open]")
    assert f"looked at {before + 4} images" in desktop.page.inner_text("#break-text")
    desktop.page.click("#break-dialog button")
    desktop.press("s")  # claims, which tells of the break
    wait_until_told(desktop)
    context.close()
    look_and_decide(lane, 1)
    wait_until_told(lane)
    assert not lane.page.is_visible("#break-dialog")
    assert lane.page.inner_text("#exposure") == f"{before + 5} looked at today"


def test_what_was_seen_offline_is_told_once_also_over_a_reload_and_by_another_tab(site, lane):
    page, before = lane.page, kept(site)
    page.route("**/review/claim", lambda route: route.abort())
    look_and_decide(lane, 2)
    page.wait_for_function("() => lane.queue.state === 'offline'")
    shown = page.inner_text("#exposure")
    assert shown == f"{before + 2} looked at today"
    page.reload()
    assert page.inner_text("#exposure") == shown
    other = page.context.new_page()
    other.goto(f"{site.url}/admin/review")
    other.wait_for_function("() => lane.exposure.report().length === 0")
    page.unroute("**/review/claim")
    lane.press("s")
    wait_until_told(lane)
    assert kept(site) == before + 2


def test_an_answer_that_was_lost_doubles_nothing(site, lane):
    page, before = lane.page, kept(site)

    def reach_but_lose(route):
        route.fetch()
        route.abort()

    page.route("**/review/claim", reach_but_lose)
    look_and_decide(lane, 2)
    page.wait_for_function("() => lane.queue.state === 'offline'")
    page.unroute_all(behavior="wait")  # one may be on its way
    page.evaluate("lane.queue.flush()")
    look_and_decide(lane, 1)
    wait_until_told(lane)
    assert kept(site) == before + 3
    assert page.inner_text("#exposure") == f"{before + 3} looked at today"


def test_views_make_no_request_of_their_own(site, lane):
    page, calls = lane.page, []
    page.on("request", lambda each: calls.append(each.url) if each.method == "POST" else None)
    lane.press("r")
    page.wait_for_selector("#frame img[alt='The image to decide on']")
    page.wait_for_timeout(300)
    assert calls == []
    assert page.evaluate("lane.exposure.report().length") == 1


def test_a_sweep_counts_on(site, lane):
    page, before = lane.page, kept(site)
    page.goto(f"{site.url}/admin/sweep?size=12")
    page.click("#sweep-reveal")
    page.wait_for_function("() => JSON.stringify(localStorage).includes('views')")
    for _ in range(3):
        page.mouse.wheel(0, 600)
        page.wait_for_timeout(300)
    page.press("body", "l")
    page.wait_for_selector("#sweep-done:not([hidden])")
    assert before + 3 <= kept(site) <= before + 12
    waiting = site.count("ModerationItem", {"lane": "review"})
    assert page.inner_text("#sweep-waiting") == f"Still waiting: {waiting}"
    seen = kept(site)
    page.goto(f"{site.url}/admin/review")
    assert page.inner_text("#exposure") == f"{seen} looked at today"
