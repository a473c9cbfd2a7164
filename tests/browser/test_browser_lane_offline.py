"""The review lane through a lost connection and a lost session: no decision is lost or doubled, and
none is sent as somebody else's."""

import pytest
from lane_page import LanePage
from panel_site import sign_out


@pytest.fixture
def lane(site, page):
    site.have_free(12)
    lane = LanePage(site, page)
    lane.wait_until_warm()
    return lane


def banner(lane):
    return lane.page.inner_text("#banner")


def test_decisions_wait_for_the_connection_and_are_sent_in_order(lane):
    page, context = lane.page, lane.page.context
    context.set_offline(True)
    first, second = lane.press("l"), lane.press("3")
    page.wait_for_function("() => lane.queue.state === 'offline'")
    assert banner(lane) == "There is no connection. 2 decisions wait for the connection."
    third = lane.press("d")
    lane.press("u")  # never sent: it is as if it had not been
    assert lane.item == third
    assert "2 decisions wait" in banner(lane)
    context.set_offline(False)  # the browser tells the page
    lane.wait_until_sent()
    assert not page.is_visible("#banner")
    assert lane.states(first, second, third) == ["approved", "rejected", "review"]
    assert [len(lane.decisions(each)) for each in (first, second, third)] == [1, 1, 0]
    assert lane.decisions(second)[0]["category"] == "minor"
    assert lane.decisions(first)[0]["createdAt"] < lane.decisions(second)[0]["createdAt"]


def test_what_waits_survives_a_reload_and_an_undo_follows_what_it_undoes(lane):
    page, context = lane.page, lane.page.context
    first = lane.press("l")
    lane.wait_until_sent()
    context.set_offline(True)
    lane.press("u")
    assert lane.item == first
    lane.press("d")
    kept = lane.press("l")
    page.wait_for_function("() => lane.queue.state === 'offline'")
    page.route("**/review/*", lambda route: route.abort())  # reachable, but for calls
    context.set_offline(False)
    page.goto(f"{lane.site.url}/admin/review")
    page.wait_for_function("() => lane.queue.entries.length === 3")
    assert lane.item not in (first, kept)
    page.unroute("**/review/*")
    page.evaluate("lane.queue.flush()")
    lane.wait_until_sent()
    assert lane.states(first, kept) == ["rejected", "approved"]
    assert [each["after"] for each in lane.decisions(first)] == ["approved", "review", "rejected"]


def test_a_decision_whose_answer_was_lost_is_made_once(lane):
    page = lane.page

    def lose_the_answer(route):
        route.fetch()  # the server decides
        route.abort()

    page.route("**/review/decide", lose_the_answer, times=1)
    item = lane.press("l")
    page.wait_for_function("() => lane.queue.state === 'offline'")
    lane.press("u")  # it may have been sent, so the undo is sent after it
    lane.press("d")
    lane.wait_until_sent()
    assert [each["after"] for each in lane.decisions(item)] == ["approved", "review", "rejected"]
    assert lane.toasts() == []


def test_a_decision_whose_answer_was_cut_off_can_be_undone(lane):
    """As by a page that is left while the answer arrives: its head said that all was well."""
    page = lane.page

    def cut_the_answer(route):
        answer = route.fetch()  # the server decides
        route.fulfill(response=answer, body=answer.text()[:-8])

    page.route("**/review/escalate", cut_the_answer, times=1)
    before = len(lane.decisions(lane.item))
    item = lane.press("e")
    page.wait_for_function("() => lane.queue.state === 'offline'")
    lane.press("u")
    lane.wait_until_sent()
    made = lane.decisions(item)[before:]
    assert [each.get("lane") for each in made] == ["escalated", None]
    assert lane.states(item) == ["review"]
    assert lane.toasts() == []


def test_an_answer_of_trouble_is_no_answer(lane):
    page = lane.page
    page.route("**/review/decide", lambda route: route.fulfill(status=503, json={}), times=1)
    item = lane.press("l")
    page.wait_for_function("() => lane.queue.state === 'offline'")
    lane.wait_until_sent()  # tried again after a second
    assert lane.states(item) == ["approved"]


def test_without_images_at_hand_the_lane_says_that_it_waits(lane):
    page = lane.page
    page.context.set_offline(True)
    while lane.item is not None:
        lane.press("l")
    assert "6 decisions wait" in banner(lane)
    assert page.is_visible("#empty")
    page.context.set_offline(False)
    page.wait_for_function("() => lane.item !== null")
    lane.wait_until_sent()


def test_decisions_wait_for_the_same_moderator_to_sign_in_again(site, page, accessible):
    site.fill(4, first=site.count("ModerationItem", {}))
    site.moderator(who := f"carol{page.is_phone}")
    carol = LanePage(site, page, who)
    carol.wait_until_warm(4)
    page.request.get(f"{site.url}/admin/review/me")
    # Her session ends elsewhere: an admin ends it, or she signs out in another tab.
    other_tab = page.context.new_page()
    other_tab.goto(f"{site.url}/admin/account")
    sign_out(other_tab)
    other_tab.wait_for_url("**/sign-in**")
    item = carol.press("d")
    page.wait_for_function("() => lane.queue.state === 'signed_out'")
    assert f"One decision waits until {who} signs in again." in banner(carol)
    accessible(page)

    # Somebody else signs in with this browser: nothing of carol's is sent.
    site.sign_in(other_tab, "bob")
    page.evaluate("lane.queue.flush()")
    page.wait_for_function("() => lane.queue.state === 'other'")
    other_tab.goto(f"{site.url}/admin/review")
    other_tab.wait_for_function("() => globalThis.lane?.queue")
    assert f"Decisions of {who} that wait" in other_tab.inner_text("#banner")
    assert carol.decisions(item) == []
    sign_out(other_tab)
    other_tab.wait_for_url("**/sign-in**")
    other_tab.close()

    page.click("#banner a")
    page.wait_for_url("**/sign-in**")
    site.sign_in(page, who)
    page.goto(f"{site.url}/admin/review")
    carol.wait_until_sent()
    (decision,) = carol.decisions(item)
    assert decision["after"] == "rejected"
    assert not page.is_visible("#banner")


def test_a_page_goes_on_after_a_sign_in_in_another_tab(site, page):
    site.fill(4, first=site.count("ModerationItem", {}))
    site.moderator(who := f"dave{page.is_phone}")
    dave = LanePage(site, page, who)
    dave.wait_until_warm(4)
    other_tab = page.context.new_page()
    other_tab.goto(f"{site.url}/admin/account")
    sign_out(other_tab)
    other_tab.wait_for_url("**/sign-in**")
    item = dave.press("l")
    page.wait_for_function("() => lane.queue.state === 'signed_out'")
    site.sign_in(other_tab, who)
    page.evaluate("lane.queue.flush()")  # as when the tab gets the focus
    dave.wait_until_sent()
    assert dave.states(item) == ["approved"]


def test_keys_for_requests_are_made_without_a_secure_context(lane):
    page = lane.page
    page.evaluate("Object.defineProperty(crypto, 'randomUUID', {value: undefined})")
    item = lane.press("l")
    lane.wait_until_sent()
    assert len(lane.decisions(item)[0]["requestKey"]) == 32
