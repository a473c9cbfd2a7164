"""How the review lane shows images: veiled until asked, on one screen, and open to everybody."""

import io
import itertools
import subprocess
import sys

import pytest
from lane_page import LanePage
from panel_site import picture, screenshot
from PIL import Image
from running_server import bare_environment

_numbers = itertools.count(9000)


@pytest.fixture(scope="module", autouse=True)
def images(site, models_dir):
    """Those of the demo, under a policy."""
    scores = {"Sexy": {"min": 0.05, "max": 0.9}, "Drawing": {"min": 0.3, "max": 1}}
    site.parse("PUT", "/config", {"params": {"moderationScores": scores}})
    folders = {"DATA_DIR": str(site.data_dir), "MODELS_DIR": str(models_dir)}
    subprocess.run(
        [sys.executable, "-m", "server", "demo", "--count", "36"],
        check=True, capture_output=True, cwd=site.data_dir, env=bare_environment() | folders,
    )  # fmt: skip


@pytest.fixture
def lane(site, page):
    lane = LanePage(site, page)
    lane.wait_until_warm()
    return lane


def test_only_the_preview_is_sent_until_the_image_is_revealed(lane):
    page, item = lane.page, lane.item
    seen = page.evaluate("lane.exposure.count")
    assert page.get_attribute("#frame img", "alt") == "The image to decide on, blurred"
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    with page.expect_response(lambda answer: f"/items/{item}/screen.jpg" in answer.url) as answer:
        page.keyboard.down(" ")
    assert answer.value.headers["cache-control"] == "no-store"
    page.wait_for_selector("#frame img[alt='The image to decide on']")
    page.keyboard.up(" ")
    page.wait_for_selector("#frame img[alt='The image to decide on, blurred']")
    assert [url for url in asked if "screen.jpg" in url and item not in url] == []
    assert page.inner_text("#exposure") == f"{seen + 1} looked at today"


def test_what_is_shown_stays_until_the_next_image(lane):
    page = lane.page
    page.click("[data-act=keep_revealed]")
    page.wait_for_selector("#frame img[alt='The image to decide on']")
    assert page.get_attribute("[data-act=keep_revealed]", "aria-pressed") == "true"
    lane.press("l")
    assert page.get_attribute("#frame img", "alt") == "The image to decide on, blurred"
    lane.press("r")
    page.wait_for_selector("#frame img[alt='The image to decide on']")


def test_a_long_screenshot_can_be_read_and_is_moved_by_arrows(site, page):
    object_id = site.upload(picture(next(_numbers), (720, 5400)), "long.jpg")
    site.wait_until_judged()
    rows = site.rows("ModerationItem")
    (item,) = [row["objectId"] for row in rows if row["subjectId"] == object_id]
    lane = LanePage(site, page, query=f"?item={item}")
    assert lane.item == item
    lane.press("r")
    lane.press("z")
    page.wait_for_function(
        "() => document.querySelector('#frame img') === lane.pictures.ready(lane.item.detail)"
    )
    shown = "(f => [f.firstElementChild.clientWidth - f.clientWidth, f.scrollTop])(lane.view.frame)"
    assert page.eval_on_selector("#frame img", "picture => picture.naturalWidth") > 500
    assert page.evaluate(shown) == [0, 0]
    for key in ("ArrowDown", "ArrowRight", "ArrowLeft"):
        lane.press(key)
    width, down = page.evaluate(shown)
    assert (lane.item, width, down > 0) == (item, 0, True)
    screenshot(page, f"panel-review-long-{'phone' if page.is_phone else 'desktop'}")
    lane.press("z")
    lane.press("ArrowLeft")
    lane.wait_until_sent()
    assert lane.states(item) == ["rejected"]


def test_long_reasons_and_names_stay_in_their_places(site, page):
    words = "Donaudampfschifffahrtsgesellschaftskapitänsmützen " * 2
    reasons = [{"code": f"long{n}", "label": words[: 80 - n]} for n in range(12)]
    site.parse("PUT", "/config", {"params": {"moderationReasons": reasons}})
    lane = LanePage(site, page)
    if page.is_phone:
        page.click("#show-reasons")
    assert page.locator(".reason").count() == 12
    wide = "all => all.filter((e) => e.scrollWidth > e.clientWidth + 1).length"
    assert page.eval_on_selector_all(".reason, .reasons, .because", wide) == 0
    page.evaluate("lane.view.openReasons(false)")
    page.evaluate("""() => {
      const name = document.createElement("bdi");
      name.textContent = "W".repeat(200);
      document.querySelector(".about dd:nth-of-type(2)").replaceChildren(name);
    }""")
    assert page.locator(".about bdi").bounding_box()["height"] < 60
    page.goto(f"{site.url}/admin/sweep?size=12")
    page.evaluate("document.getElementById('sweep-reasons').showModal()")
    assert page.eval_on_selector_all(".reason-list button, .sweep-options", wide) == 0
    site.parse("PUT", "/config", {"params": {"moderationReasons": {"__op": "Delete"}}})
    page.goto(f"{site.url}/admin/review")
    assert lane.page.locator(".reason").first.inner_text().endswith("Sexual content")


def test_images_are_grey_until_colour_is_asked_for(lane):
    page = lane.page
    grey = "getComputedStyle(document.querySelector('#frame img')).filter"
    assert page.evaluate(grey) == "grayscale(1)"
    lane.press("c")
    assert page.evaluate(grey) == "none"
    assert page.get_attribute("[data-act=colour]", "aria-pressed") == "true"


def test_the_dialog_of_keys_is_accessible_and_decides_nothing(lane, accessible):
    page, item = lane.page, lane.item
    page.keyboard.press("?")
    page.wait_for_selector("#keys-dialog[open]")
    accessible(page)
    lane.press("l")
    lane.press("d")
    page.keyboard.press("Escape")
    assert lane.item == item


def test_a_break_is_suggested_once_in_a_while(lane, accessible):
    page = lane.page
    page.evaluate("lane.exposure.breakSuggested(), lane.exposure.breakAfter = 2")
    seen = page.evaluate("lane.exposure.count")
    for _ in range(2):
        page.wait_for_function("() => !lane.filling")  # after that, the dialog may come
        lane.press("r")
        item = lane.press("l")
        if lane.item == item:  # one that could not be classified
            lane.press("l")
    page.wait_for_selector("#break-dialog[open]")
    accessible(page)
    item = lane.press("l")  # nothing is decided by somebody who did not see the dialog come
    assert lane.item == item
    page.click("#break-dialog button")
    lane.press("r")
    assert not page.is_visible("#break-dialog")
    assert page.inner_text("#exposure") == f"{seen + 3} looked at today"


def test_an_image_is_accessible_in_both_lights(lane, accessible):
    page = lane.page
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        accessible(page)
    page.emulate_media(color_scheme="light")
    if page.is_phone:
        page.click("#show-reasons")
        accessible(page)
        page.click("#show-reasons")
    lane.press("r")
    page.wait_for_selector("#frame img[alt='The image to decide on']")
    screenshot(page, f"panel-review-{'phone' if page.is_phone else 'desktop'}")


@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
def test_all_of_it_is_on_one_screen(lane):
    page = lane.page
    for act in ("approve", "reject", "skip", "undo", "keep_revealed", "escalate"):
        button = page.locator(f".deck [data-act={act}]")
        box = button.bounding_box()
        assert box["height"] >= 48
        assert box["y"] + box["height"] <= page.viewport_size["height"]
        assert button.evaluate("button => button.scrollWidth <= button.clientWidth"), act
    assert page.locator("#stage").bounding_box()["height"] >= 300


@pytest.mark.parametrize("page", ["phone"], indirect=True)
@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
def test_nothing_is_cut_off_on_small_phones(lane):
    page = lane.page
    lane.press("5")  # so that there is a last decision
    for width in (320, 360):
        page.set_viewport_size({"width": width, "height": 740})
        page.reload()
        for button in page.locator(".deck button:visible, .status a:visible").all():
            assert words_inside(button) >= 2, (width, button.inner_text())
        deck = page.locator(".deck").bounding_box()
        for bar in page.locator(".bar").all():
            box = bar.bounding_box()
            assert box["y"] + box["height"] <= deck["y"], "a score lies below the buttons"
        assert page.locator(".bar").count() in (0, 5)
        assert page.evaluate("document.documentElement.scrollWidth") == width


def words_inside(button):
    """How far a button's words stay away from its border, in pixels."""
    return button.evaluate(
        """(button) => {
          const range = document.createRange(), outer = button.getBoundingClientRect();
          range.selectNodeContents(button.querySelector("span") ?? button);
          const inner = range.getBoundingClientRect();
          return Math.min(inner.left - outer.left, outer.right - inner.right)
            - (button.matches("a") ? -2 : 0);
        }"""
    )


@pytest.mark.parametrize("page", ["phone"], indirect=True)
@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
def test_a_phone_on_its_side_has_image_and_buttons_beside_each_other(lane, accessible):
    page = lane.page
    page.set_viewport_size({"width": 740, "height": 360})
    page.reload()
    stage = page.locator("#stage").bounding_box()
    assert stage["height"] >= 240
    for button in page.locator(".deck button:visible").all():
        box = button.bounding_box()
        assert box["x"] >= stage["x"] + stage["width"]
        assert box["y"] + box["height"] <= 360
        assert words_inside(button) >= 2, button.inner_text()
    accessible(page)


def test_nothing_to_look_closer_with_is_offered_where_there_is_no_picture(site, page):
    uploaded = site.upload(b"GIF89a and then nothing", "broken.gif")
    site.wait_until_judged()
    (item,) = [
        row["objectId"] for row in site.rows("ModerationItem") if row["subjectId"] == uploaded
    ]
    offered = [page.locator(each) for each in ("#hint", "[data-act=colour]", "[data-act=zoom]")]
    lane = LanePage(site, page, query=f"?item={item}")
    lane.wait_for(item)
    page.wait_for_selector("#lane.no-picture")
    assert not any(each.is_visible() for each in offered)
    page.wait_for_function("() => !lane.filling")
    page.evaluate("lane.unskip()")
    lane.wait_until_warm(2)
    lane.press("s")
    page.wait_for_selector("#lane:not(.no-picture)")
    assert all(each.is_visible() for each in offered)
    lane.press("u")
    page.wait_for_selector("#lane.no-picture")
    page.wait_for_function("() => !lane.filling")
    page.goto(f"{site.url}/admin/review?item={item}")
    assert lane.item == item, "the first one of a page"
    page.wait_for_selector("#lane.no-picture")


def test_an_animation_moves_when_it_is_asked_to(site, page):
    item = animation_of(site)
    lane = LanePage(site, page, query=f"?item={item}")
    lane.wait_for(item)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    lane.press("r")
    page.wait_for_selector("#frame img[alt='The image to decide on']")
    assert page.get_attribute("#play", "aria-pressed") == "false"
    assert not [url for url in asked if "original" in url], "it stands still until it is started"
    with page.expect_response(lambda answer: f"/items/{item}/original.jpg" in answer.url) as answer:
        lane.press("p")
    assert answer.value.headers["content-type"] == "image/gif"
    page.wait_for_selector("#play[aria-pressed=true]")
    assert_moves(page)
    page.click("#play")
    page.wait_for_selector("#play[aria-pressed=false]")
    lane.press("s")
    assert lane.item is None or page.is_visible("#play") == page.evaluate("lane.item.moves")


def test_an_animation_moves_at_once_for_who_likes_that(site, page):
    item = animation_of(site)
    lane = LanePage(site, page, query=f"?item={item}")
    lane.wait_for(item)
    page.evaluate("lane.data.muted = false, lane.view.show(lane.item)")
    assert page.get_attribute("#frame img", "alt") == "The image to decide on, blurred"
    lane.press("r")
    page.wait_for_selector("#play[aria-pressed=true]")
    assert_moves(page)


def animation_of(site):
    """Upload an animation that nobody has seen, in place of all images; returns its item."""
    for row in site.rows("UserImage"):
        site.parse("DELETE", f"/classes/UserImage/{row['objectId']}")
    frames = [Image.open(io.BytesIO(picture(next(_numbers)))) for _ in range(4)]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=80, loop=0)
    object_id = site.upload(file.getvalue(), "moves.gif")
    site.wait_until_judged()
    rows = site.rows("ModerationItem")
    return next(row["objectId"] for row in rows if row["subjectId"] == object_id)


def assert_moves(page):
    page.wait_for_function(
        "() => document.querySelector('#frame img') === lane.pictures.ready(lane.item.original)"
    )
    first = page.locator("#frame").screenshot()
    for _ in range(40):
        if page.locator("#frame").screenshot() != first:
            return
        page.wait_for_timeout(50)
    pytest.fail("it stands still")


@pytest.mark.parametrize("locale", ["de-DE"])
def test_what_an_animation_is_looked_at_with_is_whole(site, page):
    item = animation_of(site)
    lane = LanePage(site, page, query=f"?item={item}")
    for width in (320, 360) if page.is_phone else (1280,):
        page.set_viewport_size({"width": width, "height": page.viewport_size["height"]})
        page.reload()
        lane.wait_for(item)
        stage, buttons = page.locator("#stage").bounding_box(), page.locator(".looks button")
        assert [button.is_visible() for button in buttons.all()] == [True] * 3
        for button in buttons.all():
            box = button.bounding_box()
            assert box["height"] >= 44
            assert box["x"] >= stage["x"]
            assert words_inside(button) >= 2
        assert page.evaluate("document.querySelector('.looks').offsetHeight") < 60, "one row"
