"""What a moderator holds: given back when she leaves, hers on another device, told to others."""

import pytest
from lane_page import LanePage
from panel_site import DESKTOP, PHONE


@pytest.fixture
def second(chromium):
    """Another browser."""
    context = chromium.new_context(viewport=DESKTOP, locale="en-GB")
    yield context.new_page()
    context.close()


@pytest.fixture(autouse=True)
def images(site):
    for object_id in [row["objectId"] for row in site.rows("UserImage")]:
        site.parse("DELETE", f"/classes/UserImage/{object_id}")
    site.fill(8, first=site.count("ModerationItem", {}))


def claimed(site):
    return [row for row in site.rows("ModerationItem") if "claimedUntil" in row]


def wait_until_claimed(site, page, count):
    for _ in range(100):
        if len(claimed(site)) == count:
            return
        page.wait_for_timeout(50)
    pytest.fail(f"{len(claimed(site))} are claimed, not {count}")


def sign_in(site, page):
    """Open the lane, and leave it when it has what it wants."""
    LanePage(site, page).wait_until_warm(6)
    page.wait_for_function("() => !lane.filling")


@pytest.mark.parametrize("path", ["review", "sweep?size=12"])
def test_whoever_closes_the_tab_gives_back_what_she_holds(site, page, second, path):
    sign_in(site, page)
    with page.expect_response("**/review/claim" if path == "review" else "**/sweep/renew"):
        page.goto(f"{site.url}/admin/{path}")
    wait_until_claimed(site, page, 8 if "sweep" in path else 6)
    if path == "review":
        page.wait_for_function("() => lane.ahead.length === 5 && !lane.filling")
    page.close(run_before_unload=True)
    wait_until_claimed(site, second, 0)


@pytest.mark.parametrize("path", ["review", "sweep?size=12"])
def test_a_page_that_is_loaded_again_keeps_what_it_shows(site, page, path):
    sign_in(site, page)
    page.goto(f"{site.url}/admin/{path}")
    wait_until_claimed(site, page, 8 if "sweep" in path else 6)
    for _ in range(3):
        page.reload()
        page.wait_for_timeout(300)
    wait_until_claimed(site, page, 8 if "sweep" in path else 6)
    renewed = page.evaluate("() => document.querySelectorAll('.is-lost, .lost').length")
    assert renewed == 0


def test_on_another_device_one_goes_on_with_ones_own_images(site, page, chromium):
    alice = LanePage(site, page)
    alice.wait_until_warm(6)
    item = alice.item
    context = chromium.new_context(viewport=PHONE, locale="en-GB")  # where she signs in anew
    phone = context.new_page()
    site.sign_in(phone, "alice")
    phone.goto(f"{site.url}/admin/review")
    assert phone.input_value("#decide [name=item_id]") == item
    context.close()


def test_what_is_open_elsewhere_is_said_while_there_are_images(site, page, second):
    bob = LanePage(site, second, "bob")
    bob.wait_until_warm(6)
    alice = LanePage(site, page)
    assert page.locator(".status p").first.inner_text() == "8 waiting, 6 elsewhere"
    second.goto(f"{site.url}/admin/account")
    alice.press("s")
    page.wait_for_function("() => document.getElementById('held').hidden")


def test_undoing_a_skip_gets_the_image_back_while_a_sweep_is_open(site, page):
    site.fill(5, first=site.count("ModerationItem", {}))
    alice = LanePage(site, page)
    alice.wait_until_warm(6)
    sweep = page.context.new_page()
    sweep.goto(f"{site.url}/admin/sweep?size=12")
    wait_until_claimed(site, page, 12)
    skipped = alice.press("s")
    page.wait_for_function("() => !lane.filling")
    alice.press("u")
    page.wait_for_function("() => !lane.filling")
    page.wait_for_timeout(500)  # a renewal follows, which would say that it is lost
    assert alice.item == skipped
    assert alice.toasts() == []
    assert skipped in [row["objectId"] for row in claimed(site)]
    sweep.close()


# --- how many wait --------------------------------------------------------------------------------


def test_the_number_that_waits_goes_down_with_the_key_press_and_stays_right(site, page):
    alice = LanePage(site, page)
    alice.wait_until_warm(6)
    numbers = "() => document.getElementById('waiting').textContent"
    assert page.evaluate(numbers) == "8"
    assert press_and_read(page, "l") == "7"
    assert press_and_read(page, "d") == "6"
    assert press_and_read(page, "s") == "6", "what is skipped still waits"
    assert press_and_read(page, "u") == "6"
    assert press_and_read(page, "u") == "7"
    assert press_and_read(page, "e") == "6"
    page.wait_for_function(
        "() => document.getElementById('other-lane').textContent.includes('(1)')"
    )
    seen = page.evaluate_handle(
        """() => {
          const seen = [];
          new MutationObserver(() => seen.push(document.getElementById('waiting').textContent))
            .observe(document.getElementById('waiting'), { childList: true });
          return seen;
        }"""
    )
    alice.wait_until_sent()
    page.wait_for_function("() => !lane.filling")
    page.wait_for_timeout(300)
    assert set(seen.json_value()) <= {"6"}, "no answer of the server made it jump"
    assert site.count("ModerationItem", {"lane": "review"}) == 6


def test_what_others_do_is_counted_with_the_next_claim(site, page):
    alice = LanePage(site, page)
    alice.wait_until_warm(6)
    site.fill(2, first=site.count("ModerationItem", {}))
    alice.press("l")
    page.wait_for_function("() => document.getElementById('waiting').textContent === '9'")


def press_and_read(page, key):
    """The number in the very moment after a key was pressed."""
    page.wait_for_function("() => !lane.isTooSoon")
    return page.evaluate(
        """(key) => {
          dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
          dispatchEvent(new KeyboardEvent('keyup', { key, bubbles: true }));
          return document.getElementById('waiting').textContent;
        }""",
        key,
    )
