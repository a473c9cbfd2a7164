"""The review lane under a finger: hold to look, swipe to decide, with something to see."""

import pytest
from lane_page import LanePage
from panel_site import screenshot


@pytest.fixture
def lane(site, page):
    if not page.is_phone:
        pytest.skip("desktops have no touch screen here")
    site.fill(8, first=site.count("ModerationItem", {}))
    lane = LanePage(site, page)
    lane.wait_until_warm()
    return lane


class Finger:
    """One finger on the image, by the browser's own touch events."""

    def __init__(self, page):
        self.page = page
        self.cdp = page.context.new_cdp_session(page)
        box = page.locator("#stage").bounding_box()
        self.x, self.y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def _send(self, kind, *points):
        touches = [{"x": x, "y": y} for x, y in points]
        self.cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    def down(self):
        self._send("touchStart", (self.x, self.y))

    def move(self, right=0, down=0):
        for step in range(1, 6):
            self._send("touchMove", (self.x + right * step / 5, self.y + down * step / 5))

    def up(self):
        self._send("touchEnd")

    def swipe(self, right=0, down=0):
        self.down()
        self.move(right, down)
        self.up()


@pytest.mark.parametrize(
    ("right", "down", "state"),
    [(160, 10, "approved"), (-160, -20, "rejected"), (5, -160, "review")],
)
def test_a_swipe_decides(lane, right, down, state):
    item = lane.item
    lane.wait_until_seen()
    Finger(lane.page).swipe(right, down)
    lane.wait_for_other_than(item)
    lane.wait_until_sent()
    assert lane.states(item) == [state]
    if state == "review":
        assert lane.said().startswith("Skipped.")


def test_a_swipe_down_brings_the_last_image_back(lane):
    item = lane.press("l")
    lane.wait_until_sent()
    finger = Finger(lane.page)
    finger.down()
    finger.move(down=60)
    assert lane.page.is_visible(".sign-down")
    finger.move(down=160)
    finger.up()
    assert lane.item == item
    lane.wait_until_sent()
    assert lane.states(item) == ["review"]


def test_a_swipe_shows_where_it_leads_and_can_be_taken_back(lane):
    page, item, finger = lane.page, lane.item, Finger(lane.page)
    finger.down()
    finger.move(right=50)
    assert page.is_visible(".sign-right")
    assert not page.is_visible(".sign-left")
    assert page.locator("#stage.sure").count() == 0
    finger.move(right=150)
    assert page.locator("#stage.sure").count() == 1
    screenshot(page, "panel-review-swipe-phone")
    finger.move(right=20)
    finger.up()
    assert lane.item == item
    assert not page.is_visible(".sign-right")
    assert page.evaluate("document.getElementById('card').style.transform") == ""


def test_holding_the_image_reveals_it_while_it_is_held(lane):
    page, finger = lane.page, Finger(lane.page)
    finger.down()
    page.wait_for_selector("#frame img[alt='The image to decide on']")
    finger.up()
    page.wait_for_selector("#frame img[alt='The image to decide on, blurred']")
    finger.down()  # held and then swiped, in one go
    page.wait_for_selector("#frame img[alt='The image to decide on']")
    item = lane.item
    finger.move(right=-160)
    finger.up()
    lane.wait_for_other_than(item)
    lane.wait_until_sent()
    assert lane.states(item) == ["rejected"]


def test_a_tap_decides_nothing(lane):
    item = lane.item
    lane.page.touchscreen.tap(180, 300)
    assert lane.item == item


def test_a_zoomed_image_is_moved_not_decided(lane):
    page, item = lane.page, lane.item
    page.tap("[data-act=zoom]")
    assert page.evaluate("(f => f.scrollWidth > f.clientWidth)(document.getElementById('frame'))")
    Finger(page).swipe(right=160)
    assert lane.item == item
    page.tap("[data-act=zoom]")


def test_buttons_and_reasons_are_within_reach_of_the_thumb(lane):
    page, item = lane.page, lane.item
    page.tap("#show-reasons")
    reasons = page.locator(".reason")
    for n in range(reasons.count()):
        box = reasons.nth(n).bounding_box()
        assert box["height"] >= 44
        assert box["y"] > page.viewport_size["height"] * 0.4
    page.tap(".reason[value=nudity]")
    lane.wait_for_other_than(item)
    lane.wait_until_sent()
    assert lane.decisions(item)[-1]["category"] == "nudity"  # it may have come and gone before
    assert not page.is_visible("#because")
    following = lane.item
    lane.wait_until_seen()
    page.tap("[data-act=approve]")
    lane.wait_for_other_than(following)
    page.tap("[data-act=undo]")
    assert lane.item == following
