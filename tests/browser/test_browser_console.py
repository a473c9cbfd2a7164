"""The API console in a browser: answers in place, code that follows, and the clipboard."""

import pytest
from panel_site import PHONE, screenshot
from playwright.sync_api import expect
from running_server import REPOSITORY

PICTURE = REPOSITORY / "docs" / "astronaut.jpg"


@pytest.fixture(scope="module")
def cookies(site, chromium):
    """Alice's, who signs in once."""
    context = chromium.new_context()
    site.sign_in(context.new_page(), "alice")
    yield context.cookies()
    context.close()


@pytest.fixture
def console(site, page, cookies):
    page.context.add_cookies(cookies)
    page.goto(f"{site.url}/admin/console")
    return page


def code(page, language):
    return page.locator(".snippet", has=page.get_by_role("heading", name=language)).locator("code")


def send(page):
    page.click("#console-form button")
    return page.locator("#console-answer")


def test_an_upload_is_answered_in_place(console):
    console.check("#console-file")
    console.set_input_files("#console-picture", PICTURE)
    answer = send(console)
    expect(answer.locator(".state")).to_have_text("200 OK")
    expect(answer.locator("tr")).to_have_count(5)
    expect(answer.locator("tr").first).to_contain_text("Neutral")
    expect(answer.locator("pre")).to_contain_text('"probability": 0.93')
    expect(console.locator("#console-said")).to_have_text("200 OK")
    expect(console.locator("#console-picture")).to_have_value("C:\\fakepath\\astronaut.jpg")
    screenshot(console, f"panel-console-{'phone' if console.is_phone else 'desktop'}")


def test_what_goes_wrong_is_shown_as_apps_see_it(console):
    console.fill("#console-address", "http://127.0.0.1/picture.jpg")
    answer = send(console)
    expect(answer.locator(".state")).to_have_text("400 Bad Request")
    expect(answer.locator("pre")).to_contain_text('"code"')
    console.fill("#console-address", "")
    send(console)
    expect(answer.locator("[role=alert]")).to_have_text("Fill in the address of an image.")


def test_a_lost_connection_is_told(console):
    console.fill("#console-address", "http://127.0.0.1/picture.jpg")
    console.context.set_offline(True)
    expect(send(console)).to_have_text("No connection to the server.")
    console.context.set_offline(False)
    expect(send(console).locator(".state")).to_have_text("400 Bad Request")


def test_the_form_shows_what_the_call_needs(console):
    expect(console.locator("#console-address")).to_be_visible()
    expect(console.locator("#console-object")).to_be_hidden()
    console.check("#console-file")
    expect(console.locator("#console-address")).to_be_hidden()
    expect(console.locator("#console-picture")).to_be_visible()
    console.select_option("#console-route", "moderationStatus")
    expect(console.locator("#console-picture")).to_be_hidden()
    expect(console.locator("#console-object")).to_be_visible()


def test_the_code_follows_what_is_filled_in(console):
    console.fill("#console-address", "https://example.com/it's.jpg")
    expect(code(console, "JavaScript")).to_contain_text('{ url: "https://example.com/it\'s.jpg" }')
    console.select_option("#console-route", "/api/image/is_safe")
    expect(code(console, "cURL")).to_contain_text("/api/image/is_safe")
    console.select_option("#console-route", "moderationStatus")
    console.fill("#console-object", "abc")
    expect(code(console, "Swift")).to_contain_text('ModerationStatus(objectId: "abc")')


def test_code_is_copied_as_it_stands(console):
    console.context.grant_permissions(["clipboard-read", "clipboard-write"])
    shown = code(console, "Kotlin").text_content()
    console.get_by_role("button", name="Copy Kotlin").click()
    expect(console.locator("#console-said")).to_have_text("Copied")
    assert console.evaluate("navigator.clipboard.readText()") == shown
    assert "YOUR_CLIENT_KEY" in shown
    assert "myClientKey" not in console.content()


def test_it_works_without_scripts(site, chromium, cookies):
    context = chromium.new_context(java_script_enabled=False, viewport=PHONE, locale="en-GB")
    context.add_cookies(cookies)
    page = context.new_page()
    page.goto(f"{site.url}/admin/console")
    page.check("#console-file")
    page.set_input_files("#console-picture", PICTURE)
    page.select_option("#console-route", "/api/image/classify")
    expect(send(page).locator(".state")).to_have_text("200 OK")
    expect(code(page, "cURL")).to_contain_text("curl -F file=@picture.jpg")
    expect(page.locator(".copy").first).to_be_hidden()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_hinders_anybody(console, accessible, scheme):
    console.emulate_media(color_scheme=scheme)
    console.check("#console-file")
    console.set_input_files("#console-picture", PICTURE)
    expect(send(console).locator(".state")).to_have_text("200 OK")
    console.click("#console-answer summary")
    accessible(console)
