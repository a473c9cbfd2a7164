"""Drawn scenes for `python -m server demo`: landscapes, patterns, cartoons, posters. Pure.

Each is made of a random generator alone, so no picture comes from anywhere, and each number gives
another one of its kind.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from server.commands.demo_canvas import Canvas, Colour, Points, mix

_COLOURS: tuple[Colour, ...] = (
    (201, 76, 66), (226, 135, 67), (236, 188, 84), (120, 158, 86), (62, 130, 104), (72, 150, 170),
    (58, 100, 160), (96, 84, 150), (168, 92, 140), (214, 130, 140), (140, 96, 72), (90, 104, 120),
)  # fmt: skip
# A hull and two sails.
_BOAT: tuple[tuple[Points, Colour], ...] = (
    ([(-0.13, 0), (0.14, 0), (0.1, 0.05), (-0.1, 0.05)], (110, 50, 40)),
    ([(0, -0.01), (0, -0.3), (0.13, -0.02)], (250, 248, 240)),
    ([(-0.01, -0.02), (-0.01, -0.24), (-0.1, -0.02)], (205, 80, 60)),
)
_SIGNS = (
    ("WIN A PHONE!", "50 % OFF", "www.example.com"),
    ("FREE COINS", "tap here", "www.example.net"),
    ("LOST CAT", "answers to Ada", "call 555 0100"),
    ("OPEN DAY", "Saturday, 10 to 4", "all are welcome"),
)


def _grid(canvas: Canvas, side: int = 260) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates of pixels in shares of the shorter side, for scenes made of formulas."""
    down, across = int(side * canvas.bottom), int(side * canvas.right)
    y, x = np.mgrid[0:down, 0:across] / side
    return x, y


def _ramp(canvas: Canvas, shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares in 0..1 as colours on the way from dark through two of the palette's to light."""
    stops = np.array([(24, 28, 48), _colour(canvas), _colour(canvas), (250, 244, 230)]) / 255
    at = np.linspace(0, 1, len(stops))
    return np.stack([np.interp(shares, at, stops[:, channel]) for channel in range(3)], axis=-1)


# --- landscapes -----------------------------------------------------------------------------------


def mountains(canvas: Canvas) -> None:
    """Ridges that fade into the distance below a low sun."""
    evening: Colour = (250, 180, 120) if canvas.between(0, 1) < 0.5 else (190, 215, 240)
    canvas.shade((70, 90, 150), evening)
    canvas.disc(canvas.between(0.2, canvas.right - 0.2), 0.42, 0.07, (255, 240, 205))
    near = (24, 42, 58)
    for layer in range(5):
        height = 0.45 + layer * (canvas.bottom - 0.45) / 5.5
        canvas.ridge(height, 0.12 - layer * 0.012, mix(evening, near, 0.3 + layer * 0.17))


def dunes(canvas: Canvas) -> None:
    """Sand, in whose soft curves classifiers see skin."""
    canvas.shade((222, 205, 190), (240, 220, 200))
    light, dark = (232, 184, 148), (176, 118, 84)
    for layer in range(4):
        top = 0.3 + layer * 0.17 * canvas.bottom
        canvas.ridge(top, 0.1, mix(light, dark, canvas.between(0.1, 0.8)))
        canvas.ridge(top + 0.05, 0.07, mix(light, dark, canvas.between(0, 0.3)))


def seaside(canvas: Canvas) -> None:
    """Water, a sun in it, and a boat."""
    canvas.shade((110, 170, 225), (225, 235, 240))
    level, sun = 0.45 * canvas.bottom, canvas.between(0.2, canvas.right - 0.2)
    canvas.disc(sun, level - 0.16, 0.08, (255, 236, 170))
    canvas.shade((60, 130, 170), (16, 52, 88), level)
    for _ in range(70):
        depth = canvas.between(0, 1) ** 1.6
        y, width = level + 0.02 + depth * (canvas.bottom - level), 0.02 + 0.1 * depth
        x = sun + canvas.between(-0.3, 0.3) * (0.3 + depth)
        canvas.line([(x, y), (x + width, y)], 0.004, mix((90, 150, 185), (255, 240, 200), 0.6))
    x, hull = canvas.between(0.25, canvas.right - 0.25), level + 0.12
    for points, fill in _BOAT:
        canvas.shape([(x + across, hull + down) for across, down in points], fill)


def skyline(canvas: Canvas) -> None:
    """Houses at night, some windows lit."""
    canvas.shade((14, 18, 46), (88, 62, 110))
    for _ in range(90):
        x, y = canvas.point()
        canvas.disc(x, y * 0.7, canvas.between(0.0008, 0.0022), (230, 230, 250))
    moon = canvas.between(0.15, canvas.right - 0.15)
    canvas.disc(moon, 0.17, 0.065, (245, 238, 205))
    for _ in range(4):
        x, y = canvas.between(-0.035, 0.035), canvas.between(-0.035, 0.035)
        canvas.disc(moon + x, 0.17 + y, canvas.between(0.005, 0.013), (226, 216, 178))
    x = -0.02
    while x < canvas.right:
        width, top = canvas.between(0.08, 0.16), canvas.bottom - canvas.between(0.2, 0.62)
        _house(canvas, x, top, width)
        x += width + canvas.between(0.0, 0.012)


def _house(canvas: Canvas, x: float, top: float, width: float) -> None:
    wall = mix((22, 26, 48), (46, 44, 74), canvas.between(0, 1))
    canvas.box(x, top, width, 2, wall)
    for row in np.arange(top + 0.03, canvas.bottom, 0.042):
        for column in np.arange(x + 0.016, x + width - 0.02, 0.03):
            is_lit = canvas.between(0, 1) < 0.4
            canvas.box(column, row, 0.014, 0.022, (250, 214, 130) if is_lit else (34, 38, 66))


def meadow(canvas: Canvas) -> None:
    """Flowers, the near ones larger."""
    canvas.shade((150, 205, 240), (225, 240, 245))
    canvas.ridge(0.34 * canvas.bottom, 0.05, (120, 165, 110))
    canvas.shade((110, 165, 80), (45, 100, 40), 0.42 * canvas.bottom)
    petals: list[Colour] = [(235, 90, 110), (250, 205, 80), (245, 245, 250), (150, 110, 220)]
    for depth in np.sort(canvas.rng.uniform(0, 1, 60) ** 1.4):
        x, y = canvas.between(0, canvas.right), 0.46 * canvas.bottom + depth * 0.55 * canvas.bottom
        _flower(canvas, x, y, 0.008 + 0.035 * depth, petals[canvas.rng.integers(4)])


def _flower(canvas: Canvas, x: float, y: float, size: float, petal: Colour) -> None:
    canvas.line([(x, y), (x + size * 0.3, y + size * 4)], size * 0.25, (40, 95, 35))
    for turn in np.arange(0, 2 * np.pi, np.pi / 3):
        canvas.disc(x + size * np.cos(turn), y + size * np.sin(turn), size * 0.62, petal)
    canvas.disc(x, y, size * 0.55, (240, 175, 50))


def winter(canvas: Canvas) -> None:
    """Firs in snow."""
    canvas.shade((120, 150, 190), (225, 230, 240))
    canvas.ridge(0.45 * canvas.bottom, 0.06, (205, 215, 230))
    canvas.ridge(0.6 * canvas.bottom, 0.04, (240, 244, 250))
    for depth in np.sort(canvas.rng.uniform(0.15, 1, 14)):
        x, foot, size = canvas.between(0, canvas.right), (0.5 + 0.45 * depth) * canvas.bottom, depth
        green = mix((150, 175, 175), (22, 66, 48), depth)
        for tier in range(4):
            y, half = foot - size * 0.09 * (tier + 1), size * (0.11 - tier * 0.022)
            canvas.shape([(x - half, y + size * 0.09), (x + half, y + size * 0.09),
                          (x, y - size * 0.06)], green)  # fmt: skip
    for _ in range(160):
        canvas.disc(*canvas.point(), canvas.between(0.001, 0.005), (255, 255, 255))


# --- patterns -------------------------------------------------------------------------------------


def circles(canvas: Canvas) -> None:
    """Rings within rings, a field for each, as Kandinsky studied colours."""
    columns = 4 if canvas.right > canvas.bottom else 3
    side = canvas.right / columns
    for row in range(int(canvas.bottom / side) + 1):
        for column in range(columns):
            canvas.box(column * side, row * side, side, side, _colour(canvas))
            for radius in (0.47, 0.36, 0.25, 0.13):
                middle = ((column + 0.5) * side, (row + 0.5) * side)
                canvas.disc(*middle, side * canvas.between(0.9, 1.05) * radius, _colour(canvas))


def tiles(canvas: Canvas) -> None:
    """White fields and a few in primary colours between black bars, as Mondrian painted."""
    canvas.box(0, 0, 2, 2, (244, 242, 236))
    across = np.sort(canvas.rng.uniform(0, canvas.right, 5)).tolist()
    down = np.sort(canvas.rng.uniform(0, canvas.bottom, 5)).tolist()
    paints: list[Colour] = [(208, 38, 32), (26, 66, 150), (246, 206, 58), (208, 38, 32)]
    for paint in paints:
        column, row = canvas.rng.integers(4), canvas.rng.integers(4)
        x, y = across[column], down[row]
        canvas.box(x, y, across[column + 1] - x, down[row + 1] - y, paint)
    for x, y in zip(across, down, strict=True):
        canvas.box(x - 0.012, 0, 0.024, 2, (16, 16, 18))
        canvas.box(0, y - 0.012, 2, 0.024, (16, 16, 18))


def marble(canvas: Canvas) -> None:
    """Coloured veins: waves that bend each other."""
    x, y = _grid(canvas)
    waves = np.zeros_like(x)
    for _ in range(5):
        turn, pitch = canvas.between(0, np.pi), canvas.between(5, 14)
        waves = waves + np.sin(pitch * (x * np.cos(turn) + y * np.sin(turn)) + 1.6 * waves)
    canvas.paint(_ramp(canvas, 0.5 + 0.5 * np.sin(1.4 * waves)))


def mosaic(canvas: Canvas) -> None:
    """Each place has the colour of the nearest of some stones."""
    x, y = _grid(canvas, 180)
    stones = [canvas.point() for _ in range(50)]
    distances = np.stack([(x - sx) ** 2 + (y - sy) ** 2 for sx, sy in stones])
    nearest, second = np.partition(distances, 1, axis=0)[:2]
    base, other = (np.array(_colour(canvas)) / 255 for _ in range(2))
    paints = base + (other - base) * canvas.rng.uniform(0, 1, (len(stones), 1))
    joint = np.clip((np.sqrt(second) - np.sqrt(nearest)) * 60, 0.15, 1)
    canvas.paint(paints[distances.argmin(axis=0)] * joint[..., np.newaxis])


def fractal(canvas: Canvas) -> None:
    """A Julia set."""
    x, y = _grid(canvas)
    z = (x - canvas.right / 2) * 2.6 + 1j * (y - canvas.bottom / 2) * 2.6
    turn = canvas.between(0, 2 * np.pi)
    c = 0.7885 * np.exp(1j * turn)
    steps = np.zeros(z.shape)
    for _ in range(48):
        inside = np.abs(z) < 4
        z = np.where(inside, z * z + c, z)
        steps += inside
    canvas.paint(_ramp(canvas, 0.5 - 0.5 * np.cos(0.16 * steps)))


def tartan(canvas: Canvas) -> None:
    """Woven stripes: the same colours along and across, over and under each other."""
    x, y = _grid(canvas)
    ends = np.cumsum(canvas.rng.uniform(0.02, 0.12, 8))
    threads = np.array([_colour(canvas) for _ in ends]) / 255
    along, across = (
        threads[np.searchsorted(ends, place % ends[-1])] for place in (x, y)
    )  # fmt: skip
    is_over = ((x - y) * 65 % 1 < 0.5)[..., np.newaxis]
    canvas.paint(np.where(is_over, along, across) * 0.6 + (along + across) * 0.2)


def clay(canvas: Canvas) -> None:
    """Lumps of clay, in whose round shades classifiers see more than there is."""
    x, y = _grid(canvas)
    height = np.zeros_like(x)
    for _ in range(7):
        (mid_x, mid_y), turn = canvas.point(), canvas.between(0, np.pi)
        length, width = canvas.between(0.15, 0.45), canvas.between(0.15, 0.45)
        along = ((x - mid_x) * np.cos(turn) + (y - mid_y) * np.sin(turn)) / length
        across = ((y - mid_y) * np.cos(turn) - (x - mid_x) * np.sin(turn)) / width
        lump = np.sqrt(np.clip(1 - along**2 - across**2, 0, 1)) * min(length, width)
        height = np.maximum(height, lump)
    fall_y, fall_x = np.gradient(height, x[0, 1])
    light = (0.9 + 0.5 * fall_x + 0.6 * fall_y) / np.sqrt(1 + fall_x**2 + fall_y**2)
    colour = np.array(mix((255, 214, 180), (150, 95, 65), canvas.between(0, 0.8))) / 255
    shaded = colour * (0.25 + 0.8 * np.clip(light, 0, 1.2)[..., np.newaxis])
    canvas.paint(np.where((height > 0)[..., np.newaxis], shaded, 0.24))


# --- drawings and posters -------------------------------------------------------------------------


def face(canvas: Canvas) -> None:
    """Somebody out of a comic strip."""
    canvas.box(0, 0, 2, 2, _colour(canvas))
    x, y, ink = canvas.right / 2, canvas.bottom / 2, (30, 26, 30)
    skin = mix((255, 224, 189), (120, 74, 50), canvas.between(0, 1))
    canvas.disc(x, y - 0.05, 0.34, _colour(canvas))
    canvas.oval(x, y, 0.285, 0.335, ink)
    canvas.oval(x, y, 0.275, 0.325, skin)
    for side in (-1, 1):
        canvas.oval(x + side * 0.11, y - 0.05, 0.062, 0.08, ink)
        canvas.oval(x + side * 0.11, y - 0.05, 0.054, 0.072, (252, 252, 252))
        canvas.disc(x + side * 0.11 + canvas.between(-0.02, 0.02), y - 0.04, 0.032, ink)
        canvas.oval(x + side * 0.17, y + 0.1, 0.045, 0.03, mix(skin, (230, 80, 90), 0.45))
    smile = np.linspace(-0.12, 0.12, 30)
    curve = canvas.between(4, 9)
    canvas.line([(x + s, y + 0.19 - curve * s * s) for s in smile.tolist()], 0.014, ink)


def robot(canvas: Canvas) -> None:
    """A friendly machine."""
    canvas.shade(mix(_colour(canvas), (255, 255, 255), 0.6), (235, 238, 245))
    x, y, metal = canvas.right / 2, canvas.bottom / 2, mix(_colour(canvas), (200, 205, 215), 0.6)
    dark = mix(metal, (0, 0, 0), 0.65)
    canvas.line([(x, y - 0.24), (x, y - 0.36)], 0.012, dark)
    canvas.disc(x, y - 0.37, 0.028, (230, 70, 60))
    for left, top, width, height in [(-0.2, -0.25, 0.4, 0.28), (-0.26, 0.06, 0.52, 0.34)]:
        canvas.box(x + left - 0.01, y + top - 0.01, width + 0.02, height + 0.02, dark)
        canvas.box(x + left, y + top, width, height, metal)
    for side in (-1, 1):
        canvas.disc(x + side * 0.09, y - 0.14, 0.055, dark)
        canvas.disc(x + side * 0.09, y - 0.14, 0.042, (250, 230, 120))
        canvas.line([(x + side * 0.27, y + 0.14), (x + side * 0.36, y + 0.3)], 0.03, dark)
    for bar in range(5):
        canvas.box(x - 0.11 + bar * 0.046, y - 0.04, 0.034, 0.03, dark)
    for button in range(3):
        canvas.disc(x - 0.12 + button * 0.12, y + 0.22, 0.035, _colour(canvas))


def planets(canvas: Canvas) -> None:
    """Round worlds, lit from one side."""
    canvas.shade((6, 6, 18), (26, 14, 48))
    for _ in range(220):
        canvas.disc(*canvas.point(), canvas.between(0.0006, 0.0028), (235, 235, 255))
    for _ in range(3):
        (x, y), radius = canvas.point(), canvas.between(0.07, 0.24)
        colour = _colour(canvas)
        canvas.disc(x, y, radius * 1.004, (12, 10, 30))
        for ring in np.linspace(1, 0, 40):
            shade = mix(mix(colour, (255, 255, 255), 0.35), mix(colour, (0, 0, 0), 0.75), ring)
            shift = (1 - ring) * radius * 0.35
            canvas.disc(x - shift, y - shift, radius * (0.12 + 0.88 * ring), shade)


def sign(canvas: Canvas) -> None:
    """Words, as spammers and neighbours hang them up."""
    paper = mix(_colour(canvas), (255, 255, 255), 0.35)
    canvas.box(0, 0, 2, 2, paper)
    lines = _SIGNS[canvas.rng.integers(len(_SIGNS))]
    middle = canvas.right / 2
    canvas.box(
        0.06, 0.08, canvas.right - 0.12, canvas.bottom - 0.16, mix(paper, (255, 255, 255), 0.7)
    )
    for size, share, text in zip((0.12, 0.08, 0.06), (0.3, 0.54, 0.74), lines, strict=True):
        canvas.words(
            text, middle, share * canvas.bottom, size, mix(_colour(canvas), (0, 0, 0), 0.6)
        )


def _colour(canvas: Canvas) -> Colour:
    """A colour that is neither pale nor dark."""
    return _COLOURS[canvas.rng.integers(len(_COLOURS))]


SCENES: tuple[Callable[[Canvas], None], ...] = (
    mountains, face, circles, clay, dunes, skyline, marble, sign, seaside, robot, mosaic, meadow,
    tiles, planets, tartan, winter, fractal,
)  # fmt: skip
