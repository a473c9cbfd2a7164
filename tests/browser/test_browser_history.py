"""Past decisions in a browser: found, looked at, decided anew, taken away."""

import json
import re

import pytest
from panel_site import picture, screenshot


@pytest.fixture(scope="module")
def images(site):
    """Objects of the gallery: four in review; one that alice rejected and one she approved."""
    made = site.fill(6, first=100)
    site.parse("PUT", f"/classes/UserImage/{made[0]}", {"deleted": True})
    site.parse("PUT", f"/classes/UserImage/{made[1]}", {"isSafe": True})
    return made


_COOKIES = {}


def go(site, page, path, who="alice"):
    """Open a page of the panel as somebody; signing in takes longer than most tests."""
    known = _COOKIES.setdefault((site.url, who), [])
    if known:
        page.context.add_cookies(known)
    else:
        site.sign_in(page, who)
        known.extend(page.context.cookies())
    page.goto(f"{site.url}/admin{path}")


def item_of(site, object_id):
    (row,) = [r for r in site.rows("ModerationItem") if r["subjectId"] == object_id]
    return row["objectId"]


def results(page):
    return page.locator(".results code").all_inner_texts()


def test_the_search_is_found_by_keyboard_and_its_results_by_touch(site, images, page, accessible):
    go(site, page, "/history")
    assert sorted(results(page)) == sorted(images)
    accessible(page)
    screenshot(page, f"panel-history-{'phone' if page.is_phone else 'desktop'}")
    page.get_by_label("Id of an image or its object").fill(images[0])
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(f"name={images[0]}"))
    assert results(page) == [images[0]]
    head = page.locator(".results .head a")
    head.tap() if page.is_phone else head.click()
    page.wait_for_url(re.compile("/admin/items/"))
    assert page.locator("h1").inner_text() == f"Image {images[0]}"


def test_filters_combine_and_are_taken_away_one_by_one(site, images, page, accessible):
    go(site, page, "/history")
    page.get_by_text("More filters").click()
    page.get_by_label("Decided by").select_option("master key")
    page.get_by_label("State").select_option("rejected")
    accessible(page)
    page.locator("details.more button").click()
    page.wait_for_url(re.compile("state=rejected"))
    assert results(page) == [images[0]]
    page.get_by_role("link", name="State: rejected").click()
    page.wait_for_url(lambda url: "state=rejected" not in url)
    assert sorted(results(page)) == sorted(images[:2])


def test_an_image_finds_itself(site, images, page):
    go(site, page, "/history")
    page.get_by_text("Search by image").click()
    file = {"name": "x.jpg", "mimeType": "image/jpeg", "buffer": picture(102)}
    page.get_by_label("An image", exact=True).set_input_files(file)
    page.get_by_role("button", name="Find copies").click()
    page.wait_for_url(re.compile("sha256="))
    assert results(page)[0] == images[2]
    assert page.locator(".distance").first.inner_text() == "The same image"


def test_the_picture_is_not_sent_before_it_is_asked_for(site, images, page, accessible):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    go(site, page, f"/items/{item_of(site, images[3])}")
    accessible(page)
    screenshot(page, f"panel-item-{'phone' if page.is_phone else 'desktop'}")
    assert not [url for url in asked if re.search(r"(screen|original|thumbnail)\.jpg", url)]
    page.get_by_role("link", name="Show", exact=True).click()
    page.wait_for_url(re.compile("look=reveal"))
    assert page.evaluate(
        "document.querySelector('.shown img').decode().then(() => true)"
    )  # what came is a picture
    assert [url for url in asked if "screen.jpg" in url]


def test_an_image_is_decided_anew_and_the_log_tells_it(site, images, page, accessible):
    name = images[4] if page.is_phone else images[5]
    go(site, page, f"/items/{item_of(site, name)}", who="bob")
    page.get_by_label("rejected", exact=True).check()
    page.get_by_label("Reason").select_option("nudity")
    page.get_by_label("Note").fill("clear enough")
    page.get_by_role("button", name="Decide").click()
    page.get_by_text("The image is rejected.").wait_for()
    newest = page.locator(".timeline .entry").first
    assert "by bob" in newest.inner_text()
    assert "clear enough" in newest.inner_text()
    accessible(page)
    assert site.parse("GET", f"/classes/UserImage/{name}")["deleted"] is True


def test_without_scripts_search_decision_and_hold_work(site, images, chromium, page):
    context = chromium.new_context(java_script_enabled=False, viewport=page.viewport_size)
    bare = context.new_page()
    site.sign_in(bare, "alice")
    bare.goto(f"{site.url}/admin/history")
    bare.fill("#f-name", images[1])
    bare.click(".search-first button")
    bare.click(".results .head a")
    bare.check("#after-review" if page.is_phone else "#after-approved")
    bare.click(".decide button")
    assert "The image is" in bare.inner_text(".notice")
    held = bare.locator(".hold button").inner_text()
    bare.fill("#reason", "case 12")
    bare.click(".hold button")
    assert bare.locator(".hold button").inner_text() != held
    bare.click("#picture a >> nth=0")
    assert "screen.jpg" in bare.get_attribute(".shown img", "src")
    context.close()


def test_decisions_are_taken_away_as_a_file(site, images, page, accessible):
    go(site, page, "/export?state=rejected")
    accessible(page)
    screenshot(page, f"panel-export-{'phone' if page.is_phone else 'desktop'}")
    page.get_by_label("All decisions").check()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download JSON").click()
    with open(download.value.path()) as file:
        made = json.load(file)["decisions"]
    assert made
    assert {each["parsewarden_to"] for each in made} == {"rejected"}


def test_pages_of_the_history_are_marked_as_such(site, images, page):
    for path in (f"/items/{item_of(site, images[0])}", "/export", "/retention"):
        go(site, page, path)
        if page.is_phone:
            assert page.inner_text(".menu summary") == "History"
        current = page.locator("header [aria-current]").first
        assert current.text_content() == "History"
        assert current.get_attribute("aria-current") == "true", "but it is not this very page"


def test_a_digest_has_the_width_of_a_phone(site, images, page):
    go(site, page, f"/items/{item_of(site, images[0])}")
    digest = page.locator("dd.digest", has_text=re.compile("^[0-9a-f]{64}$"))
    assert digest.bounding_box()["width"] >= 270
    digest.scroll_into_view_if_needed()
    screenshot(page, f"panel-item-about-{'phone' if page.is_phone else 'desktop'}")


def test_what_a_purge_would_remove_is_seen_first(site, images, page, accessible):
    go(site, page, "/retention")
    page.get_by_label("Older than, in days").fill("30")
    page.get_by_role("button", name="Look what would go").click()
    page.get_by_text("images decided more than 30 days ago would go").wait_for()
    accessible(page)
    screenshot(page, f"panel-retention-{'phone' if page.is_phone else 'desktop'}")


def test_every_page_is_accessible_in_the_dark_too(site, images, page, accessible):
    page.emulate_media(color_scheme="dark")
    item = item_of(site, images[0])
    for path in ("/history?state=rejected", f"/items/{item}?look=reveal", "/export", "/retention"):
        go(site, page, path)
        accessible(page)


def test_words_without_end_stay_on_the_page(site, page, accessible):
    name = site.upload(picture(180 + page.is_phone))
    site.wait_until_judged()
    site.parse("PUT", f"/classes/UserImage/{name}", {"deleted": True})
    site.parse("POST", "/functions/moderationAppeal", {"objectId": name, "text": "x" * 120})
    go(site, page, f"/items/{item_of(site, name)}")
    page.get_by_label("approved", exact=True).check()
    page.get_by_label("Note").fill("y" * 120)
    page.get_by_role("button", name="Decide").click()
    page.get_by_text("The image is approved.").wait_for()
    page.fill("#reason", "z" * 120)
    page.locator(".hold button").click()
    page.locator(".state.held").first.wait_for()
    accessible(page)
    said = page.locator("blockquote")
    assert sorted({text[0] for text in said.all_inner_texts()}) == ["x", "y", "z"]
    for quote in said.all():
        box = quote.bounding_box()
        around = quote.locator("..").bounding_box()
        assert box["x"] - around["x"] <= 20, "no margin but the card's own"
        assert box["x"] + box["width"] <= around["x"] + around["width"]
