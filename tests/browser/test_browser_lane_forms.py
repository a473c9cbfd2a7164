"""The review lane without JavaScript: every decision is a form."""

import pytest
from panel_site import DESKTOP, PHONE, sign_out


@pytest.fixture(params=["phone", "desktop"])
def plain(request, chromium, site):
    """Alice's lane in a browser without JavaScript."""
    waiting = site.count("ModerationItem", {"state": "review"})
    site.fill(max(0, 6 - waiting), first=site.count("ModerationItem", {}))
    viewport = PHONE if request.param == "phone" else DESKTOP
    context = chromium.new_context(viewport=viewport, java_script_enabled=False, locale="en-GB")
    page = context.new_page()
    site.sign_in(page, "alice")
    page.goto(f"{site.url}/admin/review")
    yield page
    sign_out(page)  # lets go of the image in hand
    context.close()


def item_of(page):
    return page.input_value("#decide [name=item_id]")


def press(page, selector):
    """Press a button; returns the image that it was about."""
    item = item_of(page)
    page.locator(selector).click()
    page.wait_for_load_state()
    return item


def state(site, item):
    return next(r["state"] for r in site.rows("ModerationItem") if r["objectId"] == item)


def notice(page):
    return page.locator(".notice").first.inner_text()


def test_forms_decide(site, plain):
    approved = press(plain, "[value=approved]")
    assert notice(plain) == "Approved."
    rejected = press(plain, "[value=rejected]")
    assert notice(plain) == "Rejected."
    plain.fill("#note", "a note\nof two lines")
    with_reason = press(plain, ".reason[value=violence]")
    assert len({approved, rejected, with_reason, item_of(plain)}) == 4
    assert [state(site, each) for each in (approved, rejected)] == ["approved", "rejected"]
    rows = site.rows("ModerationDecision")
    (row,) = [r for r in rows if r["item"]["objectId"] == with_reason and "category" in r]
    assert (row["after"], row["category"]) == ("rejected", "violence")
    assert row["note"].split() == ["a", "note", "of", "two", "lines"]


def test_nothing_is_promised_that_needs_scripts(plain):
    assert not plain.is_visible("#hint")
    assert plain.locator("#lane kbd:visible").count() == 0


def test_forms_undo_several_decisions(site, plain):
    first, second = press(plain, "[value=approved]"), press(plain, "[value=rejected]")
    press(plain, "[value=undo]")
    assert item_of(plain) == second
    press(plain, "[value=undo]")
    assert item_of(plain) == first
    assert [state(site, each) for each in (first, second)] == ["review", "review"]
    press(plain, "[value=undo]")
    assert notice(plain) == "There is nothing to undo."


def test_a_skipped_image_is_passed_over_until_all_are_asked_for_again(site, plain):
    skipped = press(plain, "[value=skip]")
    assert item_of(plain) != skipped
    while plain.is_visible("#stage"):
        press(plain, "[value=skip]")
    press(plain, "#unskip")
    assert item_of(plain) == skipped


def test_an_escalated_image_goes_to_the_admins(site, plain):
    item = press(plain, "[value=escalate]")
    plain.goto(f"{site.url}/admin/review?lane=escalated")
    seen = {item_of(plain)}
    while item not in seen:
        press(plain, "[value=skip]")
        seen.add(item_of(plain))
    press(plain, "[value=approved]")
    assert "lane=escalated" in plain.url
    assert state(site, item) == "approved"


def test_an_image_is_revealed_and_coloured_on_request(plain):
    item = item_of(plain)
    assert plain.get_attribute("#frame img", "src").endswith("preview.jpg")
    press(plain, "[data-act=keep_revealed]")
    assert item_of(plain) == item
    assert plain.get_attribute("#frame img", "src").endswith("screen.jpg")
    grey = "#lane.in-grey"
    assert plain.locator(grey).count() == 1
    press(plain, "[data-act=colour]")
    assert plain.locator(grey).count() == 0
    assert plain.get_attribute("#frame img", "src").endswith("screen.jpg")
    press(plain, "[data-act=keep_revealed]")
    assert plain.get_attribute("#frame img", "src").endswith("preview.jpg")
