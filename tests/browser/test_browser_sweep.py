"""The sweep grid by keyboard, mouse and fingers, with and without scripts."""

import io
import re
from collections import Counter

import pytest
from panel_site import PHONE, picture, screenshot
from PIL import Image
from playwright.sync_api import expect

from server.commands.demo_pictures import demo_pictures, photograph

WAITING = 30


@pytest.fixture(scope="module")
def cookies():
    """Of who signed in already: it takes longer than most tests."""
    return {}


@pytest.fixture(scope="module", autouse=True)
def drawn_pictures(site):
    """What the screenshots show: the demo's pictures, but for those that arrive marked."""
    for each in demo_pictures(WAITING + 2, photograph()):
        if each.title not in ("broken", "animation"):
            site.upload(each.make(), f"{each.title}.jpg")
    site.wait_until_judged()


@pytest.fixture(autouse=True)
def enough_images(site):
    waiting = site.count("ModerationItem", {"state": "review"})
    if waiting < WAITING:
        site.fill(WAITING - waiting, first=site.count("ModerationItem", {}))


@pytest.fixture
def sweep(site, page, cookies):
    return SweepPage(site, page, cookies)


class SweepPage:
    """A moderator's sweep of 12 images, revealed."""

    def __init__(self, site, page, cookies, who="alice"):
        self.site, self.page, self.cookies = site, page, cookies
        self.sign_in(page, who)
        self.open()

    def sign_in(self, page, who):
        if who in self.cookies:
            page.context.add_cookies(self.cookies[who])
        else:
            self.site.sign_in(page, who)
            self.cookies[who] = page.context.cookies()

    def open(self, query="size=12"):
        self.page.goto(f"{self.site.url}/admin/sweep?{query}")
        self.items = self.page.eval_on_selector_all(".cell", "all => all.map(c => c.dataset.item)")

    def reveal(self):
        """Show all, and wait until each has been on the screen."""
        self.page.click("#sweep-reveal")
        for cell in self.page.locator(".cell").all():
            cell.scroll_into_view_if_needed()
            self.page.wait_for_function(
                "c => c.querySelector('img').complete && c.querySelector('img').naturalWidth > 0",
                arg=cell.element_handle(),
            )
        self.page.evaluate("scrollTo(0, 0)")

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)

    def press_again(self, key):
        """Answer a question, no sooner than people can: at once is a key that bounces."""
        self.page.wait_for_timeout(200)
        self.press(key)

    def focus(self, n=0):
        self.page.locator(".mark").nth(n).focus()

    @property
    def marked(self):
        """Which places are marked."""
        return self.page.eval_on_selector_all(
            ".mark", "all => all.flatMap((mark, n) => mark.checked ? [n] : [])"
        )

    @property
    def focused(self):
        return self.page.evaluate(
            "[...document.querySelectorAll('.mark')].indexOf(document.activeElement)"
        )

    def decide(self, key="l"):
        """Press the key, once more if some were not looked at; returns the summary."""
        self.press(key)
        if self.page.locator("#sweep-problem").is_visible():
            self.press_again(key)
        return self.summary()

    def summary(self):
        self.page.locator("#sweep-done").wait_for()
        return self.page.inner_text("#sweep-summary")

    def states(self, items=None):
        rows = {row["objectId"]: row["state"] for row in self.site.rows("ModerationItem")}
        return [rows[each] for each in (items or self.items)]

    def results(self):
        return self.page.locator(".result").all_inner_texts()


def test_nothing_hinders_anybody(sweep, accessible):
    page = sweep.page
    page.click(".sweep-view summary")
    sweep.reveal()
    page.locator(".mark").nth(4).check()
    accessible(page)
    page.click(".sweep-view summary")
    page.click("#sweep-colours")
    screenshot(page, f"panel-sweep-{'phone' if page.is_phone else 'desktop'}")
    sweep.press("d")
    page.locator("#sweep-reasons").wait_for()
    accessible(page)
    sweep.press("Escape", "?")
    page.locator("#sweep-keys").wait_for()
    accessible(page)
    sweep.press("Escape")
    sweep.decide("l")
    accessible(page)
    sweep.press("u")
    page.locator("#sweep-bar").wait_for()


def test_one_key_decides_the_rest_and_another_takes_it_back(sweep):
    sweep.reveal()
    sweep.page.click("#sweep-colours")
    sweep.focus()
    sweep.press(" ", "ArrowRight", "ArrowRight", "Enter")
    assert sweep.marked == [0, 2]
    assert "Approve 10" in sweep.page.inner_text("button.approve")
    assert sweep.decide("l") == "10 approved, 2 left"
    expected = ["review", "approved", "review", *["approved"] * 9]
    assert sweep.states() == expected
    assert sweep.results()[:3] == ["left", "approved", "left"]
    screenshot(sweep.page, f"panel-sweep-done-{'phone' if sweep.page.is_phone else 'desktop'}")
    sweep.press("u")
    sweep.page.locator("#sweep-bar").wait_for()
    assert sweep.states() == ["review"] * 12
    assert sweep.marked == [0, 2]
    assert sweep.decide("l") == "10 approved, 2 left"  # and decided again
    assert sweep.states() == expected


def test_what_is_said_to_be_here_is_what_can_be_decided(sweep):
    def head():
        return sweep.page.inner_text("#sweep-waiting")

    def waiting():
        return sweep.site.count("ModerationItem", {"state": "review"})

    before = waiting()
    assert head() == f"12 here, {before} waiting"
    sweep.decide("l")
    assert head() == f"Still waiting: {before - 12}"
    assert waiting() == before - 12
    sweep.press("u")
    sweep.page.locator("#sweep-bar").wait_for()
    expect(sweep.page.locator("#sweep-waiting")).to_have_text(f"12 here, {before} waiting")


def test_next_brings_other_images_and_none_that_was_left(sweep):
    sweep.page.locator(".mark").first.check()
    first = sweep.items
    sweep.decide("l")
    sweep.press("n")
    sweep.page.wait_for_function(
        "id => !document.querySelector(`[data-item='${id}']`)", arg=first[0]
    )
    sweep.open()
    assert not set(first) & set(sweep.items)


def test_rejecting_asks_for_the_reason(sweep):
    sweep.reveal()
    sweep.press("d")
    sweep.page.locator("#sweep-reasons").wait_for()
    sweep.press("Escape")
    assert sweep.states() == ["review"] * 12
    sweep.press("d")
    sweep.page.locator("#sweep-reasons").wait_for()
    sweep.press("5")
    assert sweep.summary() == "12 rejected"
    last = sweep.site.rows("ModerationDecision")[-12:]
    assert {row["category"] for row in last} == {"spam"}
    sweep.press("u")
    sweep.page.locator("#sweep-bar").wait_for()


def test_marked_ones_get_the_opposite_where_that_is_chosen(sweep):
    sweep.page.locator(".mark").nth(3).check()
    sweep.page.select_option("#sweep-fate", "opposite")
    sweep.press("l")
    sweep.page.locator("#sweep-reasons button", has_text="Violence").click()
    sweep.page.locator("#sweep-problem", has_text="veiled").wait_for()
    sweep.press_again("l")
    assert sweep.summary() == "11 approved, 1 rejected"
    assert sweep.states()[3] == "rejected"
    sweep.press("u")
    sweep.page.locator("#sweep-bar").wait_for()


def test_arrows_move_and_shift_marks_what_lies_between(sweep):
    if sweep.page.is_phone:
        columns = 3
    else:
        top = "c => c.offsetTop"
        tops = sweep.page.eval_on_selector_all(".cell", f"all => all.map({top})")
        columns = tops.count(tops[0])
    sweep.focus()
    sweep.press("ArrowRight", "ArrowDown")
    assert sweep.focused == 1 + columns
    sweep.press("ArrowUp", "ArrowLeft", "ArrowLeft")
    assert sweep.focused == 0
    sweep.press("End")
    assert sweep.focused == 11
    assert sweep.page.locator(".mark[tabindex='0']").count() == 1
    sweep.press("Home", "Shift+ArrowRight", "Shift+ArrowRight")
    assert sweep.marked == [0, 1, 2]


def test_keys_work_at_once_and_take_nothing_from_others(sweep):
    page = sweep.page
    assert page.evaluate("document.activeElement === document.body"), "nothing was taken"
    sweep.press(" ", "Shift+ArrowRight")
    assert sweep.marked == [0, 1]
    assert sweep.focused == 1
    assert page.evaluate("scrollY") == 0
    page.reload()
    sweep.press("?", "ArrowRight")
    assert sweep.focused == -1, "a dialog keeps its keys"
    sweep.press("Escape", "ArrowRight")
    assert sweep.focused == 1
    page.focus("#sweep-fate")
    sweep.press("End")
    assert page.input_value("#sweep-fate") == "opposite"
    assert sweep.focused == -1
    page.focus("#sweep-colours")
    sweep.press(" ")
    assert page.get_attribute("#sweep-colours", "aria-pressed") == "true"
    assert sweep.marked == []
    sweep.press("ArrowLeft")
    assert sweep.focused == 0


def test_keys_work_after_next_images_too(sweep):
    first = sweep.items[0]
    sweep.decide("l")
    sweep.press("n")
    sweep.page.wait_for_function("id => !document.querySelector(`[data-item='${id}']`)", arg=first)
    sweep.page.wait_for_load_state()
    sweep.press("ArrowRight", " ")
    assert sweep.marked == [1]


def test_a_picture_that_cannot_be_shown_says_so_and_stays_as_high_as_others(sweep):
    page = sweep.page
    page.route(f"**/items/{sweep.items[1]}/preview.jpg", lambda route: route.fulfill(status=404))
    sweep.open()
    page.wait_for_selector(".aside")
    place = sweep.marked[0]
    words = page.locator(".cell").nth(place).locator(".aside")
    assert words.inner_text() == "cannot be shown"
    heights = page.eval_on_selector_all(".cell", "all => all.map((c) => c.offsetHeight)")
    assert max(heights) - min(heights) <= 1
    screenshot(page, f"panel-sweep-aside-{'phone' if page.is_phone else 'desktop'}")
    sweep.decide("l")
    sweep.press("u")
    page.locator("#sweep-bar").wait_for()
    assert words.inner_text() == "cannot be shown"


@pytest.fixture
def badged(site):
    """An animation and an appeal, until the test ends: they arrive marked."""
    frames = [Image.open(io.BytesIO(picture(8000 + n))) for n in range(3)]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=80, loop=0)
    animation, appealed = site.upload(file.getvalue(), "moves.gif"), site.upload(picture(8010))
    site.wait_until_judged()
    site.parse("PUT", f"/classes/UserImage/{appealed}", {"deleted": True})
    site.parse("POST", "/functions/moderationAppeal", {"objectId": appealed, "text": "It is art."})
    yield
    for name in (animation, appealed):
        site.parse("DELETE", f"/classes/UserImage/{name}")


@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
def test_badges_lie_clear_of_the_check_box_and_are_whole(sweep, badged, locale):
    page = sweep.page
    for width in (320, 360) if page.is_phone else (1280,):
        page.set_viewport_size({"width": width, "height": page.viewport_size["height"]})
        sweep.open("size=48")
        words = page.locator(".badge:not(.aside)").all_inner_texts()
        appeal = {"en": "Appeal", "de": "Einspruch"}[locale[:2]]
        assert sorted(words) == sorted(["Animation", appeal])
        page.evaluate("""() => document.querySelectorAll(".picture:has(.badge) img").forEach(
            (picture) => { picture.loading = "eager"; picture.src = "/admin/nowhere.jpg"; })""")
        expect(page.locator(".badge.aside")).to_have_count(2)
        assert page.eval_on_selector_all(".picture:has(.badge)", SPOILT_BADGES) == []


SPOILT_BADGES = """
(pictures) => pictures.flatMap((picture) => {
  const box = (e) => e.getBoundingClientRect();
  const around = box(picture), parts = [...picture.querySelectorAll(".badge, .mark")];
  const overlap = (a, b, from, to) => a[from] < b[to] && b[from] < a[to];
  const meet = (a, b) => overlap(a, b, "left", "right") && overlap(a, b, "top", "bottom");
  const wrong = parts.filter((part, n) =>
    part.scrollWidth > part.clientWidth || box(part).left < around.left
    || box(part).right > around.right || box(part).bottom > around.bottom
    || parts.slice(n + 1).some((other) => meet(box(part), box(other))));
  const broken = [...picture.querySelectorAll(".badge")].filter((badge) => {
    const range = document.createRange();
    range.selectNodeContents(badge);
    const lines = new Set([...range.getClientRects()].map((line) => line.top));
    return lines.size > badge.textContent.split(" ").length; // but between words
  });
  return [...wrong, ...broken].map((part) => part.outerHTML);
})
"""
"""Which badges lie on another thing, outside of their picture, or are broken within a word."""


def test_the_buttons_stand_as_in_the_lane_and_own_keys_hold(sweep, site):
    page = sweep.page
    left, right = (
        page.locator(f"#sweep-bar .{kind}").bounding_box() for kind in ("reject", "approve")
    )
    assert left["x"] < right["x"]
    page.goto(f"{site.url}/admin/account")
    page.fill("#key_approve", "j")
    page.click("#keys button >> nth=0")
    page.wait_for_selector(".notice.good")
    sweep.open()
    sweep.press("l")
    assert not page.is_visible("#sweep-problem"), "the usual key is no longer approve's"
    assert sweep.decide("j") == "12 approved"
    sweep.press("u")
    page.locator("#sweep-bar").wait_for()
    page.goto(f"{site.url}/admin/account")
    page.click("#keys button[value=usual]")
    page.wait_for_selector(".notice.good")


def test_what_was_not_looked_at_is_asked_for_first(sweep):
    sweep.page.evaluate("""() => {
      const press = () => new KeyboardEvent("keydown", { key: "l", bubbles: true });
      for (let n = 0; n < 3; n++) document.body.dispatchEvent(press());
    }""")  # a key that bounces
    warning = sweep.page.inner_text("#sweep-problem")
    assert "12 images were only veiled on your screen" in warning
    assert sweep.states() == ["review"] * 12
    sweep.press_again("l")
    assert sweep.summary() == "12 approved"
    sweep.press("u")
    sweep.page.locator("#sweep-bar").wait_for()


def test_the_warning_leaves_once_all_is_revealed(sweep):
    problem = sweep.page.locator("#sweep-problem")
    sweep.press("l")
    expect(problem).to_contain_text("only veiled")
    sweep.press("r")
    expect(problem).to_be_hidden()
    assert sweep.states() == ["review"] * 12


def test_the_warning_leaves_once_all_was_looked_at(sweep):
    page = sweep.page
    page.set_viewport_size({"width": page.viewport_size["width"], "height": 480})
    problem = page.locator("#sweep-problem")
    problem.evaluate(
        """element => {
          globalThis.told = [];
          const note = () => told.push(element.textContent);
          new MutationObserver(note).observe(element, { childList: true, characterData: true });
        }"""
    )
    sweep.press("r", "l")  # what it scrolls to may be all that was missing
    page.wait_for_function("() => told.join().includes('have not been on your screen yet')")
    for cell in page.locator(".cell").all():
        cell.evaluate("cell => cell.scrollIntoView({ block: 'center' })")
        page.wait_for_function(
            "cell => cell.querySelector('img').naturalWidth > 0", arg=cell.element_handle()
        )
    expect(problem).to_be_hidden()
    sweep.press("l")
    assert sweep.summary() == "12 approved"
    sweep.press("u")
    page.locator("#sweep-bar").wait_for()


def test_the_choice_of_no_reason_says_what_happens(sweep):
    sweep.reveal()
    none = sweep.page.locator("#sweep-reason option").first
    expect(none).to_have_text("Ask me")
    sweep.press("d")
    sweep.page.locator("#sweep-reasons button", has_text="Without a reason").click()
    assert sweep.summary() == "12 rejected"
    expect(none).to_have_text("Without a reason")
    sweep.press("u")
    sweep.page.locator("#sweep-bar").wait_for()
    expect(none).to_have_text("Ask me")
    sweep.press("d")
    sweep.page.locator("#sweep-reasons").wait_for()
    sweep.press("Escape")


def test_the_list_of_keys_is_whole(sweep):
    sweep.press("?")
    keys = sweep.page.locator("#sweep-keys dt kbd").all_inner_texts()
    assert set(keys) >= {"←", "→", "↑", "↓", "Home", "End", "Space", "Enter", "Shift", "?"}
    assert set(keys) >= {"l", "d", "u", "n", "h", "r", "o"}
    sweep.press("Escape")


def test_pictures_are_veiled_until_held_and_only_then_sent(sweep):
    page = sweep.page
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    picture, clear, veiled = page.locator(".cell img").first, re.compile("thumb"), re.compile("pre")
    expect(picture).to_have_attribute("src", veiled)
    assert not [url for url in asked if "thumbnail" in url]
    box = picture.bounding_box()
    if page.is_phone:
        point = {"x": box["x"] + 20, "y": box["y"] + 20, "id": 0}
        session = page.context.new_cdp_session(page)
        touch = "Input.dispatchTouchEvent"
        session.send(touch, {"type": "touchStart", "touchPoints": [point]})
        expect(picture).to_have_attribute("src", clear)
        session.send(touch, {"type": "touchEnd", "touchPoints": []})
    else:
        page.mouse.move(box["x"] + 20, box["y"] + 20)
        page.mouse.down()
        expect(picture).to_have_attribute("src", clear)
        page.mouse.up()
    expect(picture).to_have_attribute("src", veiled)
    assert sweep.marked == []  # to look is not to mark
    sweep.focus(1)
    page.keyboard.down("h")
    expect(page.locator(".cell img").nth(1)).to_have_attribute("src", clear)
    page.keyboard.up("h")
    expect(page.locator(".cell img").nth(1)).to_have_attribute("src", veiled)
    assert not [url for url in asked if "original" in url or "screen" in url]


def test_a_tap_marks_and_another_unmarks(sweep):
    cell = sweep.page.locator(".cell .picture").nth(1)
    for expected in ([1], []):
        cell.tap(position={"x": 30, "y": 60}) if sweep.page.is_phone else cell.click(
            position={"x": 30, "y": 60}
        )
        assert sweep.marked == expected


def test_two_moderators_are_told_of_each_other(sweep, chromium, site, cookies):
    sweep.reveal()
    taken = sweep.items[4]
    subject = next(row for row in site.rows("ModerationItem") if row["objectId"] == taken)
    site.parse("PUT", f"/classes/UserImage/{subject['subjectId']}", {"deleted": True})
    other = chromium.new_context(viewport=PHONE, locale="en-GB")
    bob = SweepPage(site, other.new_page(), cookies, "bob")
    assert not set(bob.items) & set(sweep.items)
    other.close()
    assert sweep.decide("l") == "11 approved, 1 not decided"
    assert "master key" in sweep.results()[4]
    assert sweep.states()[4] == "rejected"


def test_a_lost_connection_loses_nothing(sweep):
    def decisions():
        rows = sweep.site.rows("ModerationDecision")
        return Counter(row["item"]["objectId"] for row in rows)

    before = decisions()
    sweep.reveal()
    sweep.page.context.set_offline(True)
    sweep.press("l")
    sweep.page.locator("#sweep-problem", has_text="No connection").wait_for()
    sweep.page.context.set_offline(False)
    sweep.press("l")
    assert sweep.summary() == "12 approved"
    assert decisions() - before == Counter(sweep.items)


def test_it_works_without_scripts(site, chromium, page, cookies):
    SweepPage(site, page, cookies)
    context = chromium.new_context(java_script_enabled=False, viewport=PHONE, locale="en-GB")
    context.add_cookies(cookies["alice"])
    plain = context.new_page()
    plain.goto(f"{site.url}/admin/sweep?size=12&reveal=1")
    plain.locator(".mark").nth(2).focus()
    plain.keyboard.press("Enter")  # decides nothing
    expect(plain.locator("main > [role=alert]")).to_contain_text("Press one of the buttons")
    plain.locator(".mark").nth(2).check()
    expect(plain.locator("#sweep-reason option").first).to_have_text("Without a reason")
    plain.select_option("#sweep-reason", "nudity")
    plain.click("button.reject")
    expect(plain.locator("#sweep-summary")).to_have_text("11 rejected, 1 left")
    plain.click("#sweep-undo-button")
    expect(plain.locator("main")).to_contain_text("11 decisions undone.")
    context.close()


def test_nor_in_the_dark(sweep, accessible):
    sweep.page.emulate_media(color_scheme="dark")
    sweep.press("l")  # so that the warning is there
    sweep.page.locator(".mark").nth(4).check()
    accessible(sweep.page)
    sweep.decide("l")
    accessible(sweep.page)
    sweep.press("u")
    sweep.page.locator("#sweep-bar").wait_for()


def test_targets_are_large_enough_for_fingers(sweep):
    sizes = sweep.page.eval_on_selector_all(
        ".picture, .sweep-bar button, .sweep-bar select, .sweep-view summary",
        """all => all.filter((e) => e.offsetParent).map((e) => {
             const box = e.getBoundingClientRect(); return Math.min(box.width, box.height); })""",
    )
    assert sizes
    assert min(sizes) >= 44
    if sweep.page.is_phone:
        tops = sweep.page.eval_on_selector_all(".cell", "all => all.map((c) => c.offsetTop)")
        assert tops.count(tops[0]) == 3
        bar = sweep.page.locator("#sweep-bar").bounding_box()
        assert bar["y"] + bar["height"] == pytest.approx(PHONE["height"], abs=1)
        assert bar["height"] < PHONE["height"] / 4
