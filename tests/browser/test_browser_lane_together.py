"""Several moderators in the review lane: an empty one, one that is all somebody's, and races."""

import pytest
from lane_page import LanePage
from panel_site import DESKTOP, screenshot


@pytest.fixture
def second_page(chromium):
    """Another person's browser."""
    context = chromium.new_context(viewport=DESKTOP, locale="en-GB")
    yield context.new_page()
    context.close()


def fill(site, count):
    """Upload pictures that nobody has decided on, which would be remembered."""
    site.fill(count, first=site.count("ModerationItem", {}))


@pytest.fixture(autouse=True)
def no_images(site):
    """Nothing waits in front of each test."""
    for object_id in [row["objectId"] for row in site.rows("UserImage")]:
        site.parse("DELETE", f"/classes/UserImage/{object_id}")


def test_an_empty_lane_is_calm_and_fills_by_itself(site, page, accessible):
    page.clock.install()
    lane = LanePage(site, page)
    assert page.inner_text("#empty h2") == "Nothing is waiting"
    assert not page.is_visible(".decisions")
    accessible(page)
    screenshot(page, f"panel-review-empty-{'phone' if page.is_phone else 'desktop'}")
    fill(site, 1)
    assert lane.item is None
    page.clock.run_for(15_000)
    page.wait_for_function("() => lane.item !== null")
    assert page.is_visible("#stage")


def test_nobody_gets_what_another_moderator_looks_at(site, page, second_page):
    fill(site, 3)
    alice = LanePage(site, page)
    alice.wait_until_warm(3)
    bob = LanePage(site, second_page, "bob")
    assert bob.item is None
    assert "One other moderator is reviewing." in second_page.inner_text("#empty")
    skipped = alice.press("s")
    page.wait_for_function("() => !lane.filling")
    second_page.evaluate("lane.unskip()")  # looks at once, which it does every 15 seconds
    second_page.wait_for_function("() => lane.item !== null")
    assert bob.item == skipped
    page.goto(f"{site.url}/admin/account")  # whoever leaves the lane lets go of the images
    second_page.wait_for_function("() => lane.ahead.length > 0 || (lane.unskip(), false)")


def test_the_second_of_two_who_decide_is_told_who_was_first(site, page, second_page):
    fill(site, 2)
    alice = LanePage(site, page)
    alice.wait_until_warm(2)
    item = alice.item
    # Her claim runs out while she looks: here she lets go of it without noticing.
    page.evaluate("lane.calls.release([lane.item.id])")
    bob = LanePage(site, second_page, "bob")
    bob.wait_for(item)
    bob.press("d")
    bob.wait_until_sent()
    following = alice.wait_for_other_than(alice.press("l"))
    page.wait_for_selector(".toast")
    (toast,) = alice.toasts()
    assert "Already decided by bob: rejected." in toast
    assert page.is_visible(".toast img")
    assert alice.item == following
    assert [each["after"] for each in alice.decisions(item)] == ["rejected"]
    alice.press("u")  # there is nothing of hers to take back
    assert "nothing to undo" in alice.said()
    page.click(".toast button")
    assert alice.toasts() == []


def test_an_image_that_is_lost_while_one_looks_is_marked_and_replaced(site, page, second_page):
    fill(site, 2)
    alice = LanePage(site, page)
    alice.wait_until_warm(2)
    item = alice.item
    page.evaluate("lane.calls.release([lane.item.id])")
    bob = LanePage(site, second_page, "bob")
    bob.wait_for(item)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # renews at once
    page.wait_for_selector("#lane.is-lost")
    alice.press("l")
    alice.wait_for_other_than(item)
    assert "no longer yours" in alice.toasts()[0]
    assert "What you just pressed decided nothing." in alice.toasts()[1]
    assert "What you just pressed decided nothing. Next image." in alice.said()
    assert alice.states(item) == ["review"]
    assert alice.decisions(item) == []


def test_claims_are_renewed_every_minute(site, page):
    fill(site, 2)
    page.clock.install()
    alice = LanePage(site, page)
    alice.wait_until_warm(2)
    item = alice.item
    until = {r["objectId"]: r.get("claimedUntil") for r in site.rows("ModerationItem")}[item]
    with page.expect_response("**/review/renew"):
        page.clock.run_for(60_000)
    renewed = {r["objectId"]: r.get("claimedUntil") for r in site.rows("ModerationItem")}[item]
    assert renewed["iso"] > until["iso"]
