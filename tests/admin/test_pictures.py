"""Pictures of items: from the bytes that were classified, for moderators alone, and harmless."""

import io

import pytest
from panel_app import panel_app
from PIL import Image

from cloud.moderation.items import State


@pytest.fixture(scope="module")
def panel(tmp_path_factory, models_dir):
    with panel_app(tmp_path_factory.mktemp("pictures"), models_dir) as panel:
        yield panel


@pytest.fixture(scope="module")
def bob(panel):
    return panel.signed_in("bob")


def image(kind, size=(1600, 1200)):
    output = io.BytesIO()
    Image.new("RGB", size, (200, 30, 30)).save(output, kind)
    return output.getvalue()


@pytest.mark.parametrize(
    ("kind", "longest_side"),
    [("preview", 128), ("thumbnail", 320), ("screen", 1024), ("detail", 1600)],
)
def test_pictures_are_small_jpegs_that_nobody_keeps(panel, bob, kind, longest_side):
    item_id = panel.waits(data=image("JPEG"))
    answer = bob.get(f"/items/{item_id}/{kind}.jpg")
    assert (answer.status_code, answer.content_type) == (200, "image/jpeg")
    assert max(Image.open(io.BytesIO(answer.data)).size) == longest_side
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert (
        answer.headers["Content-Security-Policy"]
        == "sandbox; default-src 'none'; frame-ancestors 'none'"
    )


def test_what_a_long_screenshot_says_can_be_read(panel, bob):
    item_id = panel.waits(data=image("PNG", (1080, 8000)))
    answer = bob.get(f"/items/{item_id}/detail.jpg")
    assert Image.open(io.BytesIO(answer.data)).size == (520, 3849)


def test_the_preview_has_no_colour(panel, bob):
    item_id = panel.waits(data=image("JPEG"))
    answer = bob.get(f"/items/{item_id}/preview.jpg")
    red, green, blue = Image.open(io.BytesIO(answer.data)).getpixel((60, 40))
    assert max(red, green, blue) - min(red, green, blue) <= 4


@pytest.mark.parametrize(
    ("kind", "content_type", "is_shown"),
    [("PNG", "image/png", True), ("GIF", "image/gif", True), ("TIFF", "image/tiff", False)],
)
def test_the_original_is_shown_or_kept_as_what_it_is(panel, bob, kind, content_type, is_shown):
    data = image(kind, (40, 30))
    item_id = panel.waits(data=data)
    answer = bob.get(f"/items/{item_id}/original.jpg")
    assert (answer.status_code, answer.content_type, answer.data) == (200, content_type, data)
    disposition = answer.headers.get("Content-Disposition")
    assert disposition == (None if is_shown else f"attachment; filename={item_id}")


@pytest.mark.parametrize("kind", ["preview", "original"])
def test_what_is_no_image_is_never_sent_but_a_picture_that_says_so(panel, bob, kind):
    item_id = panel.waits(data=b"<script>alert(1)</script>")
    answer = bob.get(f"/items/{item_id}/{kind}.jpg")
    assert (answer.status_code, answer.content_type) == (404, "image/svg+xml")
    assert answer.text.startswith("<svg")
    assert "alert" not in answer.text
    assert (
        answer.headers["Content-Security-Policy"]
        == "sandbox; default-src 'none'; frame-ancestors 'none'"
    )


def test_an_image_that_is_gone_is_told_so(panel, bob):
    item = panel.moderation.item(None)
    for item_id in ("NoSuchItem", item.item_id):
        answer = bob.get(f"/items/{item_id}/screen.jpg")
        assert (answer.status_code, answer.content_type) == (404, "image/svg+xml")


def test_an_item_that_has_ended_has_no_picture_any_more(panel, bob):
    item_id = panel.waits(data=image("JPEG"))
    panel.moderation.pipeline.decide(
        panel.item(item_id), State.ENDED, decided_by="system", reasons=("the file was replaced",)
    )
    assert bob.get(f"/items/{item_id}/screen.jpg").status_code == 404


def test_there_are_no_other_kinds(panel, bob):
    item_id = panel.waits(data=image("JPEG"))
    assert bob.get(f"/items/{item_id}/huge.jpg").status_code == 404


def test_strangers_see_nothing(panel):
    item_id = panel.waits(data=image("JPEG"))
    for kind in ("preview", "original"):
        answer = panel.app.test_client().get(f"/admin/items/{item_id}/{kind}.jpg")
        assert answer.status_code == 302
        assert not answer.content_type.startswith("image/")
