"""The demo's pictures by number: drawn scenes, views of a photograph, and what goes wrong."""

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance

from server.commands.demo_canvas import Canvas
from server.commands.demo_scenes import SCENES, robot

# What goes wrong, by the place within each round of 40, and the photograph's views.
_ROUND = 40
_BROKEN, _ANIMATED, _NEAR_COPY, _APPEALED = 4, 9, 14, 19
_PHOTOGRAPHS = (3, 12, 22, 35, 38)
_COPIED = 2
# What each view of the photograph shows, as shares of its sides: left, top, right, bottom.
_VIEWS = (
    (0.0, 0.0, 1.0, 1.0), (0.2, 0.0, 0.72, 0.5), (0.55, 0.0, 1.0, 0.6), (0.0, 0.35, 0.62, 1.0),
    (0.1, 0.15, 0.95, 0.8),
)  # fmt: skip
_ASTRONAUT = Path(__file__).parents[2] / "docs" / "astronaut.jpg"


@dataclass(frozen=True, slots=True)
class DemoPicture:
    """One picture; the same number has the same file name each time."""

    number: int
    title: str
    extension: str
    make: Callable[[], bytes]
    """Draws it: some 50 ms, which a picture that is there already is spared."""

    @property
    def file_name(self) -> str:
        """How its file is stored: with a beginning as uploads have it, that is no secret here."""
        start = hashlib.sha256(f"parsewarden demo {self.number}".encode()).hexdigest()[:32]
        return f"{start}_demo-{self.number:03}-{self.title}.{self.extension}"

    @property
    def is_appealed(self) -> bool:
        """Whether its owner does not agree with its rejection."""
        return self.number % _ROUND == _APPEALED


def photograph() -> Image.Image | None:
    """NASA's photograph of Eileen Collins, where the repository is at hand."""
    if not _ASTRONAUT.is_file():
        return None
    with Image.open(_ASTRONAUT) as picture:
        return picture.convert("RGB")


def demo_pictures(count: int, photo: Image.Image | None) -> Iterator[DemoPicture]:
    """Yield the pictures from 1 to `count`; without a photograph scenes stand in for it."""
    special = {_BROKEN: _broken, _ANIMATED: _animated, _NEAR_COPY: _near_copy}
    for number in range(1, count + 1):
        if number in _PHOTOGRAPHS and photo is not None:
            yield _view(number, photo)
        else:
            yield special.get(number % _ROUND, _scene)(number)


def _scene(number: int) -> DemoPicture:
    title = SCENES[number % len(SCENES)].__name__
    if title in ("tiles", "sign"):
        return DemoPicture(number, title, "png", lambda: _encoded(_drawn(number), "PNG"))
    return DemoPicture(number, title, "jpg", lambda: _jpeg(_drawn(number)))


def _drawn(number: int) -> Image.Image:
    canvas = Canvas(np.random.default_rng(number))
    SCENES[number % len(SCENES)](canvas)
    return canvas.finished()


def _view(number: int, photo: Image.Image) -> DemoPicture:
    left, top, right, bottom = _VIEWS[_PHOTOGRAPHS.index(number)]
    width, height = photo.size
    box = (int(left * width), int(top * height), int(right * width), int(bottom * height))
    return DemoPicture(number, "astronaut", "jpg", lambda: _jpeg(photo.crop(box)))


def _broken(number: int) -> DemoPicture:
    """Begins as a picture and ends too soon."""

    def make() -> bytes:
        data = _jpeg(_drawn(number))
        return data[: len(data) // 3]

    return DemoPicture(number, "broken", "jpg", make)


def _near_copy(number: int) -> DemoPicture:
    """An earlier picture, smaller, brighter and compressed again."""

    def make() -> bytes:
        copied = _drawn(number - _NEAR_COPY + _COPIED)
        small = copied.resize((copied.width * 2 // 3, copied.height * 2 // 3))
        return _jpeg(ImageEnhance.Brightness(small).enhance(1.08), quality=60)

    return DemoPicture(number, "near-copy", "jpg", make)


def _animated(number: int) -> DemoPicture:
    """A robot whose lamp swells."""

    def frame(turn: int) -> Image.Image:
        canvas = Canvas(np.random.default_rng(number))
        robot(canvas)
        lamp = (canvas.right / 2, canvas.bottom / 2 - 0.37)
        canvas.disc(*lamp, 0.028 + 0.008 * turn, (250, 60, 50))
        return canvas.finished().reduce(2)

    def make() -> bytes:
        first, *others = map(frame, range(6))
        return _encoded(first, "GIF", save_all=True, append_images=others, duration=120, loop=0)

    return DemoPicture(number, "animation", "gif", make)


def _jpeg(picture: Image.Image, quality: int = 88) -> bytes:
    return _encoded(picture, "JPEG", quality=quality)


def _encoded(picture: Image.Image, form: str, **options: Any) -> bytes:
    output = io.BytesIO()
    picture.save(output, form, **options)
    return output.getvalue()
