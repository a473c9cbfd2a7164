"""The review lane by keyboard and mouse: every action, and every way back."""

import pytest
from lane_page import LanePage
from panel_site import picture


@pytest.fixture(autouse=True)
def enough_images(site):
    """At least ten images wait in front of each test."""
    waiting = site.count("ModerationItem", {"state": "review"})
    if waiting < 14:
        site.fill(14 - waiting, first=site.count("ModerationItem", {}))


@pytest.fixture
def lane(site, page):
    lane = LanePage(site, page)
    lane.wait_until_warm()
    return lane


def test_keys_decide_and_the_next_image_is_there(lane):
    approved = lane.press("l")
    rejected = lane.press("d")
    also_approved = lane.press("ArrowRight")
    also_rejected = lane.press("ArrowLeft")
    assert len({approved, rejected, also_approved, also_rejected, lane.item}) == 5
    lane.wait_until_sent()
    states = lane.states(approved, rejected, also_approved, also_rejected)
    assert states == ["approved", "rejected", "approved", "rejected"]
    assert len(lane.decisions(approved)) == 1


def test_a_digit_rejects_with_that_reason_and_a_note_goes_with_it(lane):
    lane.press("n")
    lane.page.keyboard.type("loud, l and d are letters")
    item = lane.item
    lane.page.keyboard.press("Escape")
    lane.press("5")
    lane.wait_until_sent()
    (decision,) = lane.decisions(item)
    assert (decision["after"], decision["category"]) == ("rejected", "spam")
    assert decision["note"] == "loud, l and d are letters"
    assert lane.page.input_value("#note") == ""


def test_the_last_decision_stands_beside_undo(lane):
    page = lane.page
    assert not page.is_visible("#last")
    lane.press("5")
    assert page.inner_text("#last") == "The last one: Rejected: Spam"
    lane.press("l")
    assert page.inner_text("#last") == "The last one: Approved"
    lane.press("e")
    assert page.inner_text("#last") == "The last one: Escalated"
    page.reload()
    assert page.inner_text("#last") == "The last one: Escalated"
    for told in ("Approved", "Rejected: Spam"):
        lane.press("u")
        assert page.inner_text("#last") == f"The last one: {told}"
    lane.press("u")
    assert not page.is_visible("#last")
    lane.wait_until_sent()


def test_a_key_that_stays_down_decides_one_image(lane):
    item = lane.item
    for _ in range(4):
        lane.page.keyboard.down("l")  # the second and later ones repeat
    lane.page.keyboard.up("l")
    lane.wait_until_sent()
    assert lane.states(item) == ["approved"]
    assert len(lane.page.evaluate("lane.memory.undo")) == 1


def test_undo_goes_back_ten_images_one_by_one(lane):
    done = []
    for key in "ldldldldld":
        done.append(lane.press(key))
        lane.page.wait_for_function("() => lane.ahead.length > 0")
    assert len(set(done)) == 10
    lane.wait_until_sent()
    for expected in reversed(done):
        lane.page.keyboard.press("u")
        assert lane.item == expected
    lane.wait_until_sent()
    assert set(lane.states(*done)) == {"review"}
    lane.press("u")
    assert "nothing to undo" in lane.said()
    lane.press("l")  # what was taken back can be decided again
    lane.wait_until_sent()
    assert lane.states(done[0]) == ["approved"]


def test_who_skipped_everything_is_told_so_and_gets_it_again(lane):
    while lane.item:
        lane.press("s")
        lane.page.wait_for_function("() => !lane.filling")
    skipped = lane.page.evaluate("lane.memory.skipped.size")
    shown = lane.page.inner_text("#empty")
    assert lane.page.inner_text("#empty h2") == f"You skipped {skipped} images"
    assert lane.said() == f"Skipped. You skipped {skipped} images"
    assert "elsewhere" not in shown
    assert "reviewing" not in shown
    lane.page.reload()
    lane.page.wait_for_function("() => !lane.filling")
    assert lane.page.inner_text("#empty h2") == f"You skipped {skipped} images"
    lane.page.get_by_role("button", name="Show again").click()
    lane.page.wait_for_function("() => lane.item !== null")


def test_undo_of_what_was_not_sent_yet_sends_nothing(lane):
    before = lane.decisions(lane.item)
    lane.page.evaluate("lane.queue.busy = true")  # as while another decision is on its way
    item = lane.press("d")
    lane.press("Control+z")
    assert lane.item == item
    assert lane.page.evaluate("lane.queue.entries.length") == 0
    assert lane.decisions(item) == before


def test_undo_survives_a_reload(lane):
    item = lane.press("d")
    lane.wait_until_sent()
    lane.page.reload()
    lane.page.wait_for_function("() => globalThis.lane?.queue")
    lane.press("Backspace")
    assert lane.item == item
    lane.wait_until_sent()
    assert lane.states(item) == ["review"]


def test_a_skipped_image_does_not_come_again_until_undone(lane):
    skipped = lane.press("s")
    lane.wait_for_other_than(skipped)
    lane.page.reload()
    lane.wait_until_warm(5)
    at_hand = lane.page.evaluate("[lane.item, ...lane.ahead].map(item => item.id)")
    assert skipped not in at_hand
    lane.press("u")
    assert lane.item == skipped
    lane.press("l")
    lane.wait_until_sent()
    assert lane.states(skipped) == ["approved"]


def test_a_skip_is_taken_back_while_the_next_images_are_asked_for(lane):
    with lane.page.expect_response("**/review/renew"):
        skipped = lane.press("s")
        lane.press("u")
    assert lane.item == skipped
    assert lane.page.locator("#lane.is-lost").count() == 0
    assert lane.toasts() == []


def test_an_escalated_image_waits_for_admins_and_can_be_taken_back(lane):
    item = lane.press("e")
    lane.wait_until_sent()
    page = lane.page
    (row,) = [each for each in lane.site.rows("ModerationItem") if each["objectId"] == item]
    assert row["lane"] == "escalated"
    page.goto(f"{lane.site.url}/admin/review?lane=escalated")
    page.wait_for_function("() => lane.item")
    assert lane.item == item
    assert "Escalated by alice" in page.inner_text("#facts")
    page.goto(f"{lane.site.url}/admin/review")
    page.wait_for_function("() => globalThis.lane?.queue")
    lane.press("u")
    assert lane.item == item
    lane.wait_until_sent()
    (row,) = [each for each in lane.site.rows("ModerationItem") if each["objectId"] == item]
    assert row["lane"] == "review"


def test_a_key_that_bounces_and_a_second_tap_decide_one_image(lane):
    first, page = lane.item, lane.page
    lane.wait_until_seen()
    for _ in range(3):
        page.evaluate("dispatchEvent(new KeyboardEvent('keydown', { key: 'l', code: 'KeyL' }))")
    second = lane.wait_for_other_than(first)
    lane.wait_until_seen()
    page.dblclick("[data-act=reject]", delay=1)
    third = lane.wait_for_other_than(second)
    lane.wait_until_sent()
    assert lane.states(first, second, third) == ["approved", "rejected", "review"]


def test_a_click_leaves_no_button_that_a_space_would_press_again(lane):
    item = lane.item
    lane.wait_until_seen()
    lane.page.click("[data-act=approve]")
    following = lane.wait_for_other_than(item)
    lane.page.keyboard.press(" ")
    lane.wait_until_sent()
    assert lane.item == following
    assert lane.states(item, following) == ["approved", "review"]


def test_buttons_work_by_keyboard_alone(lane):
    item = lane.item
    lane.wait_until_seen()
    lane.page.focus("[data-act=reject]")
    lane.page.keyboard.press("Enter")
    lane.wait_for_other_than(item)
    lane.wait_until_sent()
    assert lane.states(item) == ["rejected"]


def test_letters_can_be_switched_off(lane):
    page, item = lane.page, lane.item
    page.evaluate("document.getElementById('keys-dialog').showModal()")
    page.check("#no-letters")
    page.keyboard.press("Escape")
    for key in "ld5su":
        lane.press(key)
    assert lane.item == item
    page.reload()
    lane.wait_until_warm()
    lane.press("l")
    assert lane.item == item
    lane.press("ArrowRight")
    lane.wait_until_sent()
    assert lane.states(item) == ["approved"]


def test_undo_goes_back_after_a_sweep_image_by_image(lane):
    page = lane.page
    page.goto(f"{lane.site.url}/admin/sweep?size=12")
    page.keyboard.press("l")
    if page.is_visible("#sweep-problem"):  # some were not looked at
        page.wait_for_timeout(200)  # at once it would be a key that bounces
        page.keyboard.press("l")
    page.locator("#sweep-done").wait_for()
    swept = page.eval_on_selector_all(".cell", "all => all.map(cell => cell.dataset.item)")
    assert set(lane.states(*swept)) == {"approved"}
    page.goto(f"{lane.site.url}/admin/review")
    page.wait_for_function("() => globalThis.lane?.queue")
    for expected in reversed(swept[-2:]):
        lane.press("u")
        assert lane.item == expected
        page.wait_for_function("() => document.querySelector('#facts .bars')")
    lane.wait_until_sent()
    assert lane.states(*swept[-3:]) == ["approved", "review", "review"]
    assert page.get_attribute("#frame img", "alt") == "The image to decide on, blurred"


def test_messages_leave_and_never_cover_buttons_or_reasons(site, page):
    page.clock.install()
    lane = LanePage(site, page)
    page.evaluate("""() => {
      for (let n = 0; n < 6; n++) lane.view.toast("Already decided by bob: rejected. ".repeat(3));
      lane.view.prompt("Press once more.");
    }""")
    if page.is_phone:
        page.click("#show-reasons")
    covered = page.evaluate("""() =>
      [...document.querySelectorAll(".deck button, .because button, #note")].filter((button) => {
        const box = button.getBoundingClientRect();
        if (!box.width) return false;
        const middle = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
        return middle?.closest(".toast") ?? false;
      }).map((button) => button.textContent)""")
    assert covered == []
    assert len(lane.toasts()) == 3
    page.mouse.move(5, page.viewport_size["height"] - 5)
    page.clock.run_for(15_000)
    (question,) = lane.toasts()
    assert "Press once more." in question


def test_what_could_not_be_classified_is_approved_by_two_presses(site, page):
    uploaded = site.upload(picture(site.count("ModerationItem", {}))[:-900], name="cut.jpg")
    site.wait_until_judged()
    rows = site.rows("ModerationItem")
    (cut,) = [row["objectId"] for row in rows if uploaded in map(str, row.values())]
    lane = LanePage(site, page, query="?order=riskiest")
    lane.wait_for(cut)
    lane.press("l")
    assert lane.item == cut
    assert "Press once more" in lane.toasts()[-1]
    lane.press("s")
    lane.wait_for_other_than(cut)
    assert lane.toasts() == [], "the question leaves with its image"
    lane.press("u")
    lane.press("l")
    assert lane.item == cut, "and is asked anew with it"
    lane.press("l")
    lane.wait_for_other_than(cut)
    assert lane.toasts() == []
    lane.wait_until_sent()
    (row,) = [r for r in site.rows("ModerationItem") if r["objectId"] == cut]
    assert row["state"] == "approved"


def test_what_is_not_on_the_screen_yet_is_not_approved(site, page):
    lane = LanePage(site, page)
    lane.wait_until_warm(2)
    late = page.evaluate("lane.ahead[0].id")
    page.evaluate("lane.pictures.loads.clear()")
    on_its_way = []
    page.route(f"**/items/{late}/*.jpg", lambda route: on_its_way.append(route))
    lane.press("s")
    assert lane.item == late
    lane.wait_until_seen()
    for _ in range(3):
        page.keyboard.press("l")
    assert lane.item == late
    assert "not here yet" in lane.toasts()[-1]
    while on_its_way:
        on_its_way.pop().continue_()
    page.wait_for_function("() => lane.view.showsPicture")
    assert lane.toasts() == []
    lane.press("l")
    lane.wait_for_other_than(late)
    lane.wait_until_sent()
    assert lane.states(late) == ["approved"]


def test_what_there_is_no_picture_of_just_now_is_approved_by_two_presses(site, page):
    lane = LanePage(site, page)
    lane.wait_until_warm(2)
    busy = page.evaluate("lane.ahead[0].id")
    page.evaluate("lane.pictures.loads.clear()")
    drawing = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>'
    page.route(
        f"**/items/{busy}/*.jpg",
        lambda route: route.fulfill(status=503, content_type="image/svg+xml", body=drawing),
    )
    lane.press("s")
    page.wait_for_function("() => !lane.view.awaitsPicture")
    lane.press("l")
    assert lane.item == busy
    assert "There is no picture of it here" in lane.toasts()[-1]
    lane.press("l")
    lane.wait_for_other_than(busy)
