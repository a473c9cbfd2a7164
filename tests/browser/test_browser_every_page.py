"""What holds for every page: open to everybody in both languages, and nobody else's business."""

from urllib.parse import urlsplit

import pytest
from panel_site import PHONE, sign_out

PAGES = (
    "review", "review?lane=escalated", "sweep", "history", "dashboard", "policy", "team", "console",
    "account", "export", "retention", "retention?days=30", "nowhere",
)  # fmt: skip
_COOKIES = {}


@pytest.fixture(scope="module", autouse=True)
def images(site):
    site.fill(4)


@pytest.fixture
def alice(site, page):
    """Alice's browser."""
    if not _COOKIES:
        site.sign_in(page, "alice")
        _COOKIES[site.url] = page.context.cookies()
    page.context.add_cookies(_COOKIES[site.url])
    return page


@pytest.mark.parametrize("locale", ["de-DE"])
@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_accessible_in_german(site, alice, accessible, path):
    open_page(site, alice, path)
    assert alice.get_attribute("html", "lang") == "de"
    for scheme in ("light", "dark"):
        alice.emulate_media(color_scheme=scheme)
        accessible(alice)


@pytest.mark.parametrize("page", ["desktop"], indirect=True)
@pytest.mark.parametrize("locale", ["de-DE"])
def test_nothing_lies_beyond_the_edge_of_a_phone_with_letters_of_twice_the_size(site, alice):
    # Laid out as one of 360 px whose browser magnifies twice.
    alice.set_viewport_size({"width": 180, "height": 370})
    for path in PAGES:
        open_page(site, alice, path)
        assert alice.evaluate("document.documentElement.scrollWidth") <= 180, path
        menu = alice.locator("details.menu > summary").bounding_box()
        assert menu["x"] + menu["width"] <= 180, path


def test_no_page_asks_another_host_for_anything(site, alice):
    asked = []
    alice.context.on("request", lambda request: asked.append(request.url))
    for path in PAGES:
        open_page(site, alice, path)
        alice.wait_for_load_state("networkidle")
    item = site.rows("ModerationItem")[0]["objectId"]
    open_page(site, alice, f"items/{item}?look=reveal")
    hosts = {urlsplit(url).netloc for url in asked if not url.startswith(("blob:", "data:"))}
    assert hosts == {urlsplit(site.url).netloc}
    assert len(asked) > len(PAGES)


@pytest.mark.parametrize("page", ["phone"], indirect=True)
@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
@pytest.mark.parametrize("width", [320, 360])
def test_the_phones_menu_holds_what_does_not_fit(site, alice, accessible, locale, width):
    language = locale[:2]
    alice.set_viewport_size({"width": width, "height": PHONE["height"]})
    open_page(site, alice, "nowhere")
    cut = alice.evaluate(
        "[...document.querySelectorAll('.top *')].filter(e => e.scrollWidth > e.clientWidth + 1"
        " && getComputedStyle(e).display !== 'inline').length"
    )
    assert cut == 0
    summary = alice.locator("details.menu > summary")
    assert summary.inner_text() == {"en": "Menu", "de": "Menü"}[language]
    summary.tap()
    accessible(alice)
    links = alice.locator("details.menu a")
    for box in [link.bounding_box() for link in links.all()]:
        assert box["height"] >= 44
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    alice.keyboard.press("Escape")
    assert not links.first.is_visible()
    summary.tap()
    alice.touchscreen.tap(20, 300)
    assert not links.first.is_visible()
    summary.tap()
    links.filter(has_text={"en": "Account", "de": "Konto"}[language]).tap()
    alice.wait_for_url("**/admin/account")
    assert summary.inner_text() == {"en": "Account", "de": "Konto"}[language]


@pytest.mark.parametrize("page", ["phone"], indirect=True)
@pytest.mark.parametrize("locale", ["en-GB", "de-DE"])
@pytest.mark.parametrize("width", [320, 360])
def test_the_phones_header_is_one_line_on_every_page(site, alice, locale, width):
    alice.set_viewport_size({"width": width, "height": PHONE["height"]})
    for path in ("history", "dashboard", "policy", "team", "console", "account"):
        open_page(site, alice, path)
        assert alice.locator(".top").bounding_box()["height"] <= 46, path
        for part in alice.locator(".top a:visible, .top summary").all():
            box = part.bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width, part.inner_text()


def test_without_scripts_team_export_and_retention_work(site, chromium, page):
    context = chromium.new_context(
        java_script_enabled=False, viewport=page.viewport_size, locale="en-GB",
        is_mobile=page.is_phone, has_touch=page.is_phone, accept_downloads=True,
    )  # fmt: skip
    plain, name = context.new_page(), f"eve-{'phone' if page.is_phone else 'desktop'}"
    site.sign_in(plain, "alice")
    plain.goto(f"{site.url}/admin/team")
    plain.fill("#name", name)
    plain.click(".invite button")
    assert plain.inner_text(".one-time")
    card = plain.locator(".member", has=plain.get_by_role("heading", name=name))
    card.locator("summary").click()
    card.get_by_role("link", name=f"Disable: {name}").click()
    assert plain.inner_text("h1") == f"Disable {name}?"
    plain.get_by_role("button", name="Disable").click()
    assert name in plain.inner_text(".notice.good")
    plain.goto(f"{site.url}/admin/export")
    plain.get_by_label("All decisions").check()
    with plain.expect_download() as download:
        plain.get_by_role("button", name="Download CSV").click()
    assert download.value.suggested_filename.endswith(".csv")
    plain.goto(f"{site.url}/admin/retention")
    plain.get_by_label("Older than, in days").fill("30")
    plain.get_by_role("button", name="Look what would go").click()
    assert "would go" in plain.inner_text(".counts")
    assert plain.locator("button.danger").count() == 0, "there is nothing to remove"
    sign_out(plain)
    context.close()


def open_page(site, page, path):
    page.goto(f"{site.url}/admin/{path}")
    if path == "dashboard":
        page.wait_for_selector(".chart.columns", timeout=60_000)
