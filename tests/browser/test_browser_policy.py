"""The policy page in a browser: sliders by keyboard and mouse, a trial that follows, saving."""

import random

import pytest
from judged_images import JudgedImages, policy_params
from panel_site import PHONE, screenshot

from cloud.moderation.items import State
from server.storage.sqlite.database import SqliteDatabase

THRESHOLDS = {"Porn": (0.4, 0.8), "Sexy": (0.6, 0.9), "Hentai": (0.4, 0.8)}


@pytest.fixture(scope="module")
def judged(site):
    """A policy, images of every kind, some with a picture, and people's verdicts."""
    site.fill(4)
    database = SqliteDatabase(site.data_dir)
    images, chance = JudgedImages(database), random.Random(1)
    for _ in range(120):
        porn = chance.betavariate(0.5, 2.0)
        after = State.REVIEW if 0.4 <= porn <= 0.8 else State.REJECTED
        item_id = images.image(State.APPROVED if porn < 0.4 else after, porn=porn)
        if after is State.REVIEW and porn >= 0.4:
            verdict = State.REJECTED if chance.random() < porn else State.APPROVED
            images.decide(item_id, verdict, "user:somebody")
    database.close()
    return site


@pytest.fixture
def policy(judged, page):
    """The page, open, with a policy in force that is the same at each test's beginning."""
    judged.parse("PUT", "/config", {"params": policy_params(THRESHOLDS)})
    judged.sign_in(page, "alice")
    page.goto(f"{judged.url}/admin/policy")
    return page


def slider(page, label, which):
    return page.locator(f'input[type=range][data-bound="{which}-{label}"]')


def effect_after(page, act):
    """Do something, and wait for the trial that follows."""
    act()
    page.wait_for_selector("#effect:not([aria-busy])")
    return page.inner_text("#effect")


def test_page_is_accessible_and_fits_in_both_colours(policy, accessible):
    effect_after(policy, lambda: slider(policy, "Porn", "min").fill("0.3"))
    name, wide = ("phone", 360) if policy.is_phone else ("desktop", 1280)
    for scheme, part in [("dark", "-dark"), ("light", "")]:
        policy.emulate_media(color_scheme=scheme)
        accessible(policy)
        assert policy.evaluate("document.documentElement.scrollWidth") == wide
        screenshot(policy, f"panel-policy{part}-{name}")


def test_what_saves_is_always_in_sight(policy):
    height = policy.viewport_size["height"]
    for where in (0, 10_000):
        policy.evaluate("y => scrollTo(0, y)", where)
        if where:  # below the form comes the history
            policy.locator(".outcomes").scroll_into_view_if_needed()
        for name in ("#note", "button[value=save]"):
            box = policy.locator(name).bounding_box()
            assert 0 <= box["y"] <= height - box["height"]
    assert policy.evaluate("!document.querySelector('.effect-column').contains(note)")
    assert policy.locator(".policy-foot").bounding_box()["height"] <= height / 5


def test_the_history_lies_wholly_on_the_screen(policy, judged):
    judged.parse("PUT", "/config", {"params": policy_params({"Porn": (0.45, 0.85)})})
    policy.reload()
    width = policy.viewport_size["width"]
    for cell in policy.locator(".history td:visible").all():
        box = cell.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    when, act = (
        policy.locator(f".history .{name}").nth(1).bounding_box() for name in ("when", "act")
    )
    assert act["y"] + act["height"] <= when["y"] or act["x"] >= when["x"] + when["width"]
    assert policy.locator("#note").bounding_box()["width"] >= 150
    line = policy.locator(".history tbody tr").nth(1)
    assert line.get_by_text("Restore").is_visible()
    assert ("Version" in line.inner_text()) == policy.is_phone
    policy.locator(".history").scroll_into_view_if_needed()
    screenshot(policy, f"panel-policy-history-{'phone' if policy.is_phone else 'desktop'}")


@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
def test_the_trials_tables_are_no_wider_than_its_text(policy):
    effect_after(policy, lambda: slider(policy, "Porn", "min").fill("0.3"))
    for details in policy.locator("#effect > details").all():
        details.evaluate("element => element.open = true")
    tables = policy.locator("#effect table")
    assert tables.count() == 3
    widest = policy.evaluate("document.getElementById('effect').clientWidth")
    for table in tables.all():
        assert table.bounding_box()["width"] <= widest + 0.5


def test_what_was_not_saved_is_told_apart_from_what_follows(policy):
    policy.fill("#min-Porn", "0.9")
    policy.fill("#max-Porn", "0.8")
    policy.click("button[value=save]")
    told = policy.locator("#problems").bounding_box()
    standing = policy.locator(".standing").bounding_box()
    assert standing["y"] - (told["y"] + told["height"]) >= 8


def test_a_trial_of_earlier_numbers_is_marked(policy):
    assert not policy.is_visible("#effect-stale")
    effect_after(policy, lambda: policy.fill("#min-Porn", "2"))
    assert policy.is_visible("#effect-stale")
    assert policy.locator("#effect.stale").count() == 1
    effect_after(policy, lambda: policy.fill("#min-Porn", "0.2"))
    assert not policy.is_visible("#effect-stale")
    assert policy.locator("#effect.stale").count() == 0


def test_a_finger_sets_a_switch_and_saves(policy, judged):
    if not policy.is_phone:
        pytest.skip("desktops have no touch screen here")
    policy.locator("#on-Hentai").tap()
    policy.wait_for_function("() => !document.getElementById('effect').ariaBusy")
    policy.locator("button[value=save]").tap()
    policy.get_by_text("is in force").first.wait_for()
    assert "Hentai" not in judged.parse("GET", "/config")["params"]["moderationScores"]


def test_trial_follows_keys_mouse_and_numbers(policy):
    assert "None of" in policy.inner_text("#effect")
    slider(policy, "Porn", "min").focus()
    shown = effect_after(policy, lambda: [policy.keyboard.press("ArrowLeft") for _ in range(5)])
    assert policy.input_value("#min-Porn") == "0.35"
    assert "would go elsewhere" in shown
    assert "None of" not in shown
    assert policy.locator(".move img").count() > 0
    assert policy.inner_text("#effect-status").split(".")[0] in shown

    effect_after(policy, lambda: drag(policy, "Porn", "max", by=-60))
    assert 0.5 < float(policy.input_value("#max-Porn")) < 0.8

    effect_after(policy, lambda: slider(policy, "Porn", "min").fill("0.95"))
    assert policy.input_value("#max-Porn") == "0.95", "one thumb pushes the other along"
    assert policy.get_attribute("[data-class=Porn] [data-zone=reject]", "x") == "95%"

    effect_after(policy, lambda: policy.fill("#max-Porn", "1.5"))
    assert policy.inner_text("#max-Porn-problem") == "The number must be from 0 to 1."
    assert policy.get_attribute("#max-Porn", "aria-invalid") == "true"
    effect_after(policy, lambda: policy.fill("#max-Porn", "0.96"))
    assert not policy.is_visible("#max-Porn-problem")

    assert not policy.is_visible("#min-Drawing")
    effect_after(policy, lambda: policy.check("#on-Drawing"))
    assert policy.is_visible("#min-Drawing")


def drag(page, label, which, by):
    """Take a thumb with the mouse, or a finger, and let go elsewhere."""
    box, thumb = slider(page, label, which).bounding_box(), 28
    at = float(page.input_value(f"#{which}-{label}"))
    x, y = box["x"] + thumb / 2 + at * (box["width"] - thumb), box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + by, y, steps=4)
    page.mouse.up()


def test_saving_makes_a_version_that_parse_clients_see_and_any_is_restored(policy, judged):
    before = policy.inner_text(".standing").split()[1]
    low = "0.31" if policy.is_phone else "0.32"
    effect_after(policy, lambda: policy.fill("#min-Porn", low))
    policy.fill("#note", "too much came through")
    policy.click("button[value=save]")
    policy.wait_for_selector(".notice.good")
    assert limits(judged, "Porn")["min"] == float(low)
    first_line = policy.inner_text(".history tbody tr >> nth=0")
    assert "alice" in first_line
    assert "too much came through" in first_line
    policy.click(f"a[aria-label='Restore version {before}'] >> nth=0")
    policy.wait_for_selector(f"text=The form shows version {before}")
    assert policy.input_value("#min-Porn") == "0.4"

    judged.parse("PUT", "/config", {"params": policy_params({"Porn": (0.5, 0.9)})})
    policy.click("button[value=save]")
    policy.wait_for_selector(".notice.error")
    assert "Not saved: the master key put version" in policy.inner_text(".notice.error")
    assert limits(judged, "Porn")["min"] == 0.5
    policy.click("button[value=save]")
    policy.wait_for_selector(f"text=Version {before} is in force")
    assert limits(judged, "Porn")["min"] == 0.4


def limits(site, label):
    return site.parse("GET", "/config")["params"]["moderationScores"][label]


def test_page_works_without_scripts(judged, chromium):
    judged.parse("PUT", "/config", {"params": policy_params(THRESHOLDS)})
    context = chromium.new_context(viewport=PHONE, java_script_enabled=False, locale="de-DE")
    page = context.new_page()
    judged.sign_in(page, "alice")
    page.goto(f"{judged.url}/admin/policy")
    assert not page.is_visible("input[type=range] >> nth=0")
    page.check("#on-Drawing")
    page.fill("#min-Drawing", "0.2")
    page.fill("#min-Porn", "0.3")
    page.click("button[value=preview]")
    assert "kämen woandershin" in page.inner_text("#effect")
    assert page.input_value("#min-Drawing") == "0.2"
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    page.fill("#min-Porn", "0.95")
    page.click("button[value=save]")
    assert page.is_visible("#min-Porn-problem")
    page.fill("#min-Porn", "0.33")
    page.click("button[value=save]")
    assert page.is_visible(".notice.good")
    assert limits(judged, "Drawing") == {"min": 0.2, "max": 0.8}
    assert limits(judged, "Porn")["min"] == 0.33
    context.close()
