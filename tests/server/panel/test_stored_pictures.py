"""The panel's pictures show what was classified, or say why there is none."""

import hashlib
import io

import pytest
from moderation_parts import Moderation
from PIL import Image
from skimage import data

from admin.ports.pictures import FileChanged, FileGone, NotDecodable, NotNow, PictureKind
from cloud.moderation.items import State
from cloud.operations import Set
from ml_models import pretrained
from ml_models.classifier import NsfwClassifier
from server.moderation.items import ITEM
from server.panel.pictures import KeptPictures, StoredPictures
from server.storage.port import Equals

ALL = list(PictureKind)
MADE = [kind for kind in PictureKind if kind is not PictureKind.ORIGINAL]
MAX_BYTES = 1_000_000


def encoded(picture, image_format="JPEG", **options):
    buffer = io.BytesIO()
    picture.save(buffer, image_format, **options)
    return buffer.getvalue()


PHOTO = encoded(Image.fromarray(data.astronaut()).resize((1600, 1200)))
OTHER = encoded(Image.fromarray(data.rocket()))


@pytest.fixture(scope="module")
def classifier(models_dir):
    made = NsfwClassifier(
        lambda: pretrained.load("MobileNetV2", models_dir),
        permits=1,
        max_waiting=1,
        max_wait_s=10,
        max_pixels=10_000_000,
    )
    yield made
    made.close()


class Counted:
    """A classifier that counts the pictures it makes."""

    def __init__(self, classifier):
        self._classifier, self.made = classifier, 0

    def picture(self, data, rendering):
        self.made += 1
        return self._classifier.picture(data, rendering)


class Gallery:
    """Items whose files were classified, and their pictures."""

    def __init__(self, database, classifier):
        self.moderation = Moderation(database)
        self.files, self.classifier = database.files, Counted(classifier)
        self.pictures = StoredPictures(
            self.moderation.items, database.files, self.classifier, MAX_BYTES
        )

    def item(self, data=PHOTO, sha256="its own", state=State.REVIEW, **subject):
        item = self.moderation.image(data, **subject)
        if sha256 == "its own":
            sha256 = hashlib.sha256(data).hexdigest()
        known = {} if sha256 is None else {"contentSha256": Set(sha256)}
        changes = {"state": Set(state.value), **known}
        self.moderation.objects.update(ITEM, Equals("objectId", item.item_id), changes)
        return item

    def of(self, item, kind=PictureKind.SCREEN):
        return self.pictures.of(item.item_id, kind)


@pytest.fixture
def gallery(database, classifier):
    return Gallery(database, classifier)


def opened(picture):
    return Image.open(io.BytesIO(picture.data))


def test_each_kind_has_its_size_and_the_original_is_the_file(gallery):
    item = gallery.item()
    sizes = {kind: opened(gallery.of(item, kind)).size for kind in ALL}
    assert sizes == {
        PictureKind.PREVIEW: (128, 96),
        PictureKind.THUMBNAIL: (320, 240),
        PictureKind.SCREEN: (1024, 768),
        PictureKind.DETAIL: (1600, 1200),
        PictureKind.ORIGINAL: (1600, 1200),
    }
    assert gallery.of(item, PictureKind.ORIGINAL).data == PHOTO
    assert {gallery.of(item, kind).content_type for kind in ALL} == {"image/jpeg"}


def test_the_preview_is_grey(gallery):
    preview = opened(gallery.of(gallery.item(), PictureKind.PREVIEW))
    red, green, blue = preview.split()
    assert red.tobytes() == green.tobytes() == blue.tobytes()


def test_a_picture_is_made_once_while_it_is_kept(gallery):
    item = gallery.item()
    first = {kind: gallery.of(item, kind) for kind in MADE}
    assert {kind: gallery.of(item, kind) for kind in MADE} == first
    assert gallery.classifier.made == len(MADE)


@pytest.mark.parametrize("kind", ALL)
def test_another_file_than_was_classified_is_not_shown(gallery, kind):
    item = gallery.item()
    assert gallery.of(item, kind)
    gallery.files.put(item.subject.file_name, OTHER, {})
    with pytest.raises(FileChanged):
        gallery.of(item, kind)


def test_another_file_of_the_same_length_is_not_shown_anew(gallery):
    item = gallery.item(sha256=hashlib.sha256(b"x").hexdigest())
    for kind in ALL:
        with pytest.raises(FileChanged):
            gallery.of(item, kind)


@pytest.mark.parametrize("kind", ALL)
def test_a_file_that_was_deleted_is_gone_at_once(gallery, kind):
    item = gallery.item()
    assert gallery.of(item, kind)
    gallery.files.delete(item.subject.file_name)
    with pytest.raises(FileGone):
        gallery.of(item, kind)


@pytest.mark.parametrize("kind", ALL)
def test_an_ended_item_and_an_unknown_one_have_none(gallery, kind):
    assert gallery.of(gallery.item(state=State.ENDED), kind) is None
    assert gallery.pictures.of("nothing", kind) is None


def test_what_nobody_classified_yet_is_shown_as_it_is_stored(gallery):
    item = gallery.item(sha256=None, state=State.PENDING)
    assert opened(gallery.of(item)).size == (1024, 768)
    gallery.files.put(item.subject.file_name, OTHER, {})
    assert opened(gallery.of(item)).size == (640, 427)


@pytest.mark.parametrize("stored", [b"no image", PHOTO[:5000], b""])
@pytest.mark.parametrize("kind", MADE)
def test_what_cannot_be_decoded_has_no_picture(gallery, stored, kind):
    with pytest.raises(NotDecodable):
        gallery.of(gallery.item(stored), kind)


def test_the_original_of_a_damaged_image_is_there_but_nothing_else_passes_for_one(gallery):
    assert gallery.of(gallery.item(PHOTO[:5000]), PictureKind.ORIGINAL).data == PHOTO[:5000]
    for stored in (b"<svg onload='alert(1)'/>", b"<html>", b"%PDF-1.4", b""):
        with pytest.raises(NotDecodable):
            gallery.of(gallery.item(stored), PictureKind.ORIGINAL)


@pytest.mark.parametrize("image_format", ["PNG", "WEBP", "GIF", "AVIF", "HEIF", "TIFF", "BMP"])
def test_the_original_has_the_type_that_its_bytes_say(gallery, image_format):
    stored = encoded(Image.new("RGB", (16, 16)), image_format)
    found = gallery.of(gallery.item(stored, name="claims-to-be.html"), PictureKind.ORIGINAL)
    expected = "heic" if image_format == "HEIF" else image_format.lower()
    assert (found.data, found.content_type) == (stored, f"image/{expected}")


def test_a_file_that_is_too_large_is_not_even_read(gallery):
    item = gallery.item(bytes(MAX_BYTES + 1), sha256=None)
    for kind in ALL:
        with pytest.raises(NotDecodable, match="too many"):
            gallery.of(item, kind)


def test_a_model_that_is_missing_is_said_to_be_so_for_now(database, tmp_path):
    nothing = NsfwClassifier(
        lambda: pretrained.load("MobileNetV2", tmp_path / "empty"),
        permits=1,
        max_waiting=1,
        max_wait_s=1,
        max_pixels=1,
    )
    gallery = Gallery(database, nothing)
    with pytest.raises(NotNow):
        gallery.of(gallery.item())
    assert gallery.of(gallery.item(), PictureKind.ORIGINAL).data == PHOTO


def key(n):
    return (f"{n}.jpg", 1, None, PictureKind.SCREEN)


def test_what_nobody_asked_for_the_longest_makes_room():
    kept = KeptPictures(max_bytes=30)
    for n in range(3):
        kept.keep(key(n), bytes(10))
    assert kept.get(key(0)) == bytes(10)
    kept.keep(key(3), bytes(10))
    assert [kept.get(key(n)) is None for n in range(4)] == [False, True, False, False]
    kept.keep(key(0), bytes(20))
    assert [kept.get(key(n)) is None for n in range(4)] == [False, True, True, False]
    kept.keep(key(4), bytes(31))
    assert [kept.get(key(n)) is None for n in range(5)] == [True] * 5
