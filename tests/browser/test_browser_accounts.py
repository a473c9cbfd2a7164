"""Signing in, the own account and the team, as they are seen and used on a phone and a desktop."""

import itertools
import re

import pyotp
import pytest
from panel_site import DESKTOP, PHONE, screenshot, sign_out

PASSWORD = "correct horse"  # noqa: S105
NEW = "another horse"
_numbers = itertools.count()


@pytest.fixture
def carl(site):
    """A moderator of the test's own."""
    name = f"carl{next(_numbers)}"
    site.parse("POST", "/users", {"username": name, "password": PASSWORD, "isModerator": True})
    return name


def shot(page, name):
    """A screenshot of the whole page, on either screen."""
    screenshot(page, f"panel-{name}-{'phone' if page.is_phone else 'desktop'}")


def in_the_dark(page, accessible):
    page.emulate_media(color_scheme="dark")
    accessible(page)
    page.emulate_media(color_scheme="light")


def code_of(page):
    """What an authenticator shows for the secret on the page."""
    return pyotp.parse_uri(page.get_attribute("a[href^=otpauth]", "href"))


# --- the door -------------------------------------------------------------------------------------


def test_the_door_opens_for_the_right_password_alone(site, page, accessible):
    page.goto(f"{site.url}/admin/account")
    accessible(page)
    assert page.evaluate("document.activeElement.id") == "name"
    shot(page, "sign-in")
    page.keyboard.type("bob")
    page.keyboard.press("Tab")
    page.keyboard.type("wrong horse")
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=alert]")
    assert "do not let you in" in page.inner_text("[role=alert]")
    accessible(page)
    assert page.evaluate("document.activeElement.id") == "password"
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{site.url}/admin/account")
    sign_out(page)
    page.wait_for_selector(".notice.good")
    assert "You are signed out" in page.inner_text(".notice.good")
    accessible(page)
    page.goto(f"{site.url}/admin/account")
    assert "/admin/sign-in" in page.url


@pytest.mark.parametrize("screen", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_everything_works_without_javascript(site, chromium, carl, screen):
    context = chromium.new_context(viewport=screen, java_script_enabled=False, locale="en-GB")
    page = context.new_page()
    site.sign_in(page, carl)
    page.goto(f"{site.url}/admin/account")
    page.uncheck("#blur")
    page.select_option("#language", "de")
    page.click("section[aria-labelledby=h-preferences] button")
    assert page.inner_text("h1") == "Dein Konto"
    assert not page.is_checked("#blur")
    page.fill("#key_approve", "Space")
    page.fill("#key_reveal", "j")
    page.click("#keys button >> nth=0")
    assert page.input_value("#key_approve") == "Leertaste"
    page.fill("#factor-password", PASSWORD)
    page.click("section[aria-labelledby=h-factor] button")
    page.fill("#code", code_of(page).now())
    page.click(".doorway button")
    code = page.inner_text(".codes li >> nth=0")
    page.click("a.button")
    sign_out(page)
    site.sign_in(page, carl)
    page.click("summary")
    page.fill("#recovery", code)
    page.click("details button")
    page.wait_for_url("**/admin/review")
    context.close()


# --- the second factor ----------------------------------------------------------------------------


def test_a_second_factor_is_set_up_and_asked_for(site, page, accessible, carl):
    site.sign_in(page, carl)
    page.goto(f"{site.url}/admin/account")
    page.fill("#factor-password", PASSWORD)
    page.click("section[aria-labelledby=h-factor] button")
    page.wait_for_selector(".qr svg")
    in_the_dark(page, accessible)
    shot(page, "second-factor-setup")
    totp = code_of(page)
    box = page.locator(".qr svg").bounding_box()
    assert box["width"] >= 200
    page.fill("#code", "000000")
    page.press("#code", "Enter")
    page.wait_for_selector("[role=alert]")
    assert code_of(page).secret == totp.secret
    page.fill("#code", totp.now())
    page.press("#code", "Enter")
    page.wait_for_selector(".codes")
    accessible(page)
    shot(page, "recovery-codes")
    codes = page.locator(".codes li").all_inner_texts()
    assert len(codes) == 10
    page.click("a.button")
    page.wait_for_url("**/admin/account")
    sign_out(page)
    site.sign_in(page, carl)
    accessible(page)
    shot(page, "second-factor")
    assert page.evaluate("document.activeElement.id") == "code"
    page.keyboard.type("123456")
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=alert]")
    page.click("summary")
    accessible(page)
    page.fill("#recovery", codes[4])
    page.press("#recovery", "Enter")
    page.wait_for_url("**/admin/review")


# --- the account ----------------------------------------------------------------------------------


def test_the_account_page_is_usable_by_everybody(site, page, accessible, carl):
    site.sign_in(page, carl)
    page.goto(f"{site.url}/admin/account")
    accessible(page)
    in_the_dark(page, accessible)
    shot(page, "account")
    small = page.evaluate(
        "[...document.querySelectorAll('main button, main input:not([type=hidden]), main select')]"
        ".filter(e => e.type !== 'checkbox' && e.getBoundingClientRect().height < 44)"
        ".map(e => e.outerHTML)"
    )
    assert small == []


def test_keys_are_chosen_by_pressing_them(site, page, accessible, carl):
    site.sign_in(page, carl)
    page.goto(f"{site.url}/admin/account")
    page.focus("#key_approve")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Space")
    assert page.input_value("#key_approve") == "Space"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "key_reject"
    page.keyboard.press("k")
    page.click("#keys button >> nth=0")
    page.wait_for_selector("[role=alert]")
    assert "Space cannot be both “Approve” and “Reveal" in page.inner_text("[role=alert]")
    assert page.input_value("#key_reject") == "k"  # nothing has to be typed again
    accessible(page)
    page.focus("#key_reveal")
    page.keyboard.press("Backspace")
    assert page.input_value("#key_reveal") == ""
    page.keyboard.press("v")
    page.click("#keys button >> nth=0")
    page.wait_for_selector(".notice.good")
    chosen = [page.input_value(f"#key_{action}") for action in ("approve", "reject", "reveal")]
    assert chosen == ["Space", "k", "v"]


def test_sessions_and_password_are_in_ones_own_hands(site, page, chromium, accessible, carl):
    elsewhere = chromium.new_context(locale="en-GB").new_page()
    site.sign_in(elsewhere, carl)
    site.sign_in(page, carl)
    page.goto(f"{site.url}/admin/account")
    sessions = page.locator("section[aria-labelledby=h-sessions] li")
    assert sessions.count() == 2
    assert "Chrome on Linux" in sessions.all_inner_texts()[0]
    sessions.get_by_role("button").click()
    page.wait_for_selector(".notice.good")
    assert sessions.count() == 1
    elsewhere.reload()
    assert "Your session has ended" in elsewhere.inner_text(".notice")
    page.fill("#current", PASSWORD)
    page.fill("#new", NEW)
    page.fill("#again", NEW)
    page.press("#again", "Enter")
    page.wait_for_selector(".notice.good")
    site.sign_in(elsewhere, carl, NEW)
    elsewhere.context.close()


# --- the team -------------------------------------------------------------------------------------


def member(page, name):
    return page.locator(".member", has=page.get_by_role("heading", name=re.compile(f"^{name}")))


def test_the_team_page_is_usable_by_everybody(site, page, accessible):
    site.sign_in(page, "alice")
    page.goto(f"{site.url}/admin/team")
    accessible(page)
    in_the_dark(page, accessible)
    page.click(".member summary >> nth=0")
    accessible(page)
    shot(page, "team")


def test_somebody_is_invited_comes_and_is_disabled(site, page, chromium, accessible):
    name = f"dora{next(_numbers)}"
    site.sign_in(page, "alice")
    page.goto(f"{site.url}/admin/team")
    page.fill("#name", name)
    page.select_option("#role", "moderator")
    page.click(".invite button")
    page.wait_for_selector(".one-time")
    accessible(page)
    password = page.inner_text(".one-time")
    page.reload()  # asks the browser to send the form again
    dora = chromium.new_context(viewport=PHONE, locale="en-GB").new_page()
    site.sign_in(dora, name, password)
    assert "/admin/new-password" in dora.url
    accessible(dora)
    dora.fill("#new", NEW)
    dora.fill("#again", NEW)
    dora.press("#again", "Enter")
    dora.wait_for_url("**/admin/review")
    page.goto(f"{site.url}/admin/team")
    card = member(page, name)
    assert "no second factor" in card.inner_text()
    card.locator("summary").click()
    card.get_by_role("link", name=f"Disable: {name}").click()
    page.wait_for_selector(f"text=Disable {name}?")
    accessible(page)
    in_the_dark(page, accessible)
    page.get_by_role("link", name="Cancel").click()
    page.wait_for_url("**/admin/team")
    dora.reload()
    assert "/admin/review" in dora.url, "nothing was done yet"
    member(page, name).locator("summary").click()
    card.get_by_role("link", name=f"Disable: {name}").click()
    page.get_by_role("button", name="Disable").click()
    page.wait_for_selector(".notice.good")
    dora.reload()
    assert "Your session has ended" in dora.inner_text(".notice")
    assert page.locator(".rows .what").first.inner_text() == f"{name} was disabled by alice"
    member(page, name).locator("summary").click()
    accessible(page)
    dora.context.close()


def test_a_moderator_finds_no_team_page(site, page, accessible):
    site.sign_in(page, "bob")
    assert page.locator("nav >> text=Team").count() == 0
    page.goto(f"{site.url}/admin/team")
    assert "This is for admins." in page.inner_text("main")
    accessible(page)
