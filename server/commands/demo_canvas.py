"""What the demo's scenes are drawn on. Pure."""

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
Points = list[tuple[float, float]]

_SIZES = ((800, 600), (720, 720), (600, 800), (960, 540))


class Canvas:
    """A drawing, twice as large as it will be, so that its edges come out smooth.

    Lengths are shares of the shorter side; (0, 0) is the upper left corner.
    """

    def __init__(self, rng: Generator) -> None:
        self.rng = rng
        self.width, self.height = rng.choice(_SIZES)
        self.unit = 2 * min(self.width, self.height)
        self.image = Image.new("RGB", (2 * self.width, 2 * self.height))
        self.draw = ImageDraw.Draw(self.image)

    @property
    def right(self) -> float:
        """How far it is to the right edge."""
        return float(self.image.width / self.unit)

    @property
    def bottom(self) -> float:
        """How far it is to the lower edge."""
        return float(self.image.height / self.unit)

    def between(self, low: float, high: float) -> float:
        """A random number."""
        return float(self.rng.uniform(low, high))

    def point(self) -> tuple[float, float]:
        """A random place."""
        return self.between(0, self.right), self.between(0, self.bottom)

    def shade(self, top: Colour, bottom: Colour, start: float = 0.0) -> None:
        """Fill from `start` down to the lower edge, from one colour to the other."""
        first = round(start * self.unit)
        rows = max(1, self.image.height - first)
        share = np.linspace(0, 1, rows)[:, np.newaxis]
        colours = np.array(top) * (1 - share) + np.array(bottom) * share
        column = Image.fromarray(colours.astype(np.uint8)[:, np.newaxis, :])
        self.image.paste(column.resize((self.image.width, rows)), (0, first))

    def disc(self, x: float, y: float, radius: float, fill: Colour) -> None:
        """Fill a circle."""
        self.oval(x, y, radius, radius, fill)

    def oval(self, x: float, y: float, across: float, down: float, fill: Colour) -> None:
        """Fill an ellipse."""
        box = (x - across, y - down, x + across, y + down)
        self.draw.ellipse([value * self.unit for value in box], fill=fill)

    def box(self, x: float, y: float, width: float, height: float, fill: Colour) -> None:
        """Fill a rectangle."""
        corners = (x, y, x + width, y + height)
        self.draw.rectangle([value * self.unit for value in corners], fill=fill)

    def shape(self, points: Points, fill: Colour) -> None:
        """Fill a polygon."""
        self.draw.polygon([(x * self.unit, y * self.unit) for x, y in points], fill=fill)

    def line(self, points: Points, width: float, fill: Colour) -> None:
        """Draw along points."""
        scaled = [(x * self.unit, y * self.unit) for x, y in points]
        self.draw.line(scaled, fill=fill, width=max(1, round(width * self.unit)), joint="curve")

    def words(self, text: str, x: float, y: float, size: float, fill: Colour) -> None:
        """Write a line around its middle."""
        font = ImageFont.load_default(size * self.unit)
        self.draw.text((x * self.unit, y * self.unit), text, fill=fill, font=font, anchor="mm")

    def ridge(self, height: float, roughness: float, fill: Colour) -> None:
        """Fill what is below a line of hills."""
        steps = np.linspace(0, self.right, 160)
        heights = np.full(steps.size, height)
        for octave in range(1, 6):
            phase, pitch = self.between(0, 7), self.between(1.2, 2.4) * 2**octave
            heights = heights + roughness / 1.7**octave * np.sin(pitch * steps + phase)
        line = list(zip(steps.tolist(), heights.tolist(), strict=True))
        self.shape([(0, 2), *line, (self.right, 2)], fill)

    def paint(self, pixels: NDArray[np.float64]) -> None:
        """Cover everything with float [H, W, 3] in 0..1, of any size."""
        image = Image.fromarray((np.clip(pixels, 0, 1) * 255).astype(np.uint8))
        self.image.paste(image.resize(self.image.size, Image.Resampling.BICUBIC))

    def finished(self) -> Image.Image:
        """The picture in its own size."""
        return self.image.reduce(2)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """A colour between two."""
    red, green, blue = (round(a * (1 - share) + b * share) for a, b in zip(one, other, strict=True))
    return red, green, blue
