"""Charts as SVG that reads without colour: patterns, marks, and a title on everything.

Drawn in percent of their width, so that text keeps its size on any screen. Nothing here is inline
style: what things look like is `charts.css` and `chart_patterns.html`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log10

from markupsafe import Markup, escape

_ROOM_ABOVE, _ROOM_BELOW = 8, 10
"""Percent of the height for the uppermost line's number, and for the names below."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A part of a column. `fill` is the name of a pattern."""

    value: int
    fill: str


@dataclass(frozen=True, slots=True)
class Column:
    """What stands over one name: bars on one another, a dot, and all of it in a sentence."""

    name: str
    sentence: str
    bars: Sequence[Bar] = ()
    dot: float | None = None


@dataclass(frozen=True, slots=True)
class Range:
    """From a usual value to one that few exceed, on one line."""

    name: str
    low: float
    high: float
    sentence: str


def columns_chart(
    columns: Sequence[Column], *, label: str, most: float | None = None, unit: str = ""
) -> Markup:
    """Draw columns of bars, and a line through the dots. `most` is the top of the scale."""
    highest = max((max(sum(bar.value for bar in c.bars), c.dot or 0) for c in columns), default=0)
    top = most or _round_up(highest)
    parts = [_grid(top, unit), _names(columns)]
    step = 100 / max(len(columns), 1)
    for number, column in enumerate(columns):
        parts.append(_column(column, number * step, step, top))
    parts.append(_line(columns, step, top))
    parts.extend(_hover(column, number * step, step) for number, column in enumerate(columns))
    return _svg("columns", "224", label, parts)


def ranges_chart(
    ranges: Sequence[Range], ticks: Sequence[tuple[float, str]], *, label: str
) -> Markup:
    """Draw each range as a line from a circle to a diamond, on a logarithmic scale.

    All values lie between the first tick and the last.
    """
    first, last = log10(ticks[0][0]), log10(ticks[-1][0])

    def place(value: float) -> float:
        wanted = (log10(max(value, ticks[0][0])) - first) / (last - first)
        return 2 + 96 * min(wanted, 1.0)

    height, parts = 40 * len(ranges) + 24, []
    for value, name in ticks:
        x = place(value)
        parts.append(f'<line class="grid" x1="{x:.2f}%" x2="{x:.2f}%" y1="0" y2="{height - 20}"/>')
        anchor = "start" if x < 10 else "end" if x > 90 else "middle"
        parts.append(_text(f"{x:.2f}%", str(height - 5), name, anchor))
    for number, one in enumerate(ranges):
        parts.append(_range(one, place(one.low), place(one.high), 40 * number))
    return _svg("ranges", str(height), label, parts)


def bar_chart(share: float, sentence: str) -> Markup:
    """Draw one share of a whole."""
    width = f"{share * 100:.2f}%"
    bar = f'<rect class="series" width="{width}" height="100%" fill="url(#fill-approved)"/>'
    edge = f'<line class="line" x1="{width}" x2="{width}" y1="0" y2="100%"/>'
    return _svg("share", "16", sentence, [bar, edge])


# --- pieces ---------------------------------------------------------------------------------------


def _svg(kind: str, height: str, label: str, parts: Sequence[str]) -> Markup:
    opened = f'<svg class="chart {kind}" width="100%" height="{height}" role="img" aria-label="'
    return Markup(opened + str(escape(label)) + '">' + "".join(parts) + "</svg>")  # noqa: S704


def _text(x: str, y: str, text: str, anchor: str = "start") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'


def _y(value: float, top: float) -> float:
    """Where a value stands, in percent from above."""
    share = value / top if top else 0.0
    return 100 - _ROOM_BELOW - share * (100 - _ROOM_ABOVE - _ROOM_BELOW)


def _grid(top: float, unit: str) -> str:
    lines = []
    for value in (top, top / 2):
        y = _y(value, top)
        lines.append(f'<line class="grid" x1="0" x2="100%" y1="{y:.2f}%" y2="{y:.2f}%"/>')
        lines.append(_text("2", f"{y - 1.5:.2f}%", f"{value:g}{unit}"))
    ground = _y(0, top)
    lines.append(f'<line class="axis" x1="0" x2="100%" y1="{ground:.2f}%" y2="{ground:.2f}%"/>')
    return "".join(lines)


def _names(columns: Sequence[Column]) -> str:
    """The first name, the middle one and the last."""
    if not columns:
        return ""
    ends = [("0", columns[0].name, "start"), ("100%", columns[-1].name, "end")]
    if len(columns) > 2:
        ends.append(("50%", columns[len(columns) // 2].name, "middle"))
    return "".join(_text(x, "99%", name, anchor) for x, name, anchor in ends)


def _column(column: Column, x: float, width: float, top: float) -> str:
    parts, reached = [], 0
    for bar in column.bars:
        if bar.value:
            y, below = _y(reached + bar.value, top), _y(reached, top)
            parts.append(
                f'<rect class="series" x="{x + width * 0.1:.2f}%" y="{y:.2f}%" '
                f'width="{width * 0.8:.2f}%" height="{below - y:.2f}%" fill="url(#{bar.fill})"/>'
            )
        reached += bar.value
    return "".join(parts)


def _line(columns: Sequence[Column], step: float, top: float) -> str:
    """Join the dots of neighbours; a column without one leaves a gap."""
    lines, dots = [], []
    before: tuple[float, float] | None = None
    radius = 3 if len(columns) <= 31 else 1.5
    for number, column in enumerate(columns):
        if column.dot is None:
            before = None
            continue
        here = ((number + 0.5) * step, _y(column.dot, top))
        if before is not None:
            lines.append(
                f'<line class="line" x1="{before[0]:.2f}%" y1="{before[1]:.2f}%" '
                f'x2="{here[0]:.2f}%" y2="{here[1]:.2f}%"/>'
            )
        dots.append(f'<circle class="dot" cx="{here[0]:.2f}%" cy="{here[1]:.2f}%" r="{radius}"/>')
        before = here
    return "".join(lines + dots)


def _hover(column: Column, x: float, width: float) -> str:
    return (
        f'<rect class="hover" x="{x:.2f}%" y="0" width="{width:.2f}%" height="100%">'
        f"<title>{escape(column.sentence)}</title></rect>"
    )


def _range(one: Range, low: float, high: float, y: int) -> str:
    middle = y + 26
    return (
        f"<g><title>{escape(one.sentence)}</title>"
        + _text("2%", str(y + 13), one.name)
        + f'<line class="line" x1="{low:.2f}%" x2="{high:.2f}%" y1="{middle}" y2="{middle}"/>'
        + f'<circle class="dot" cx="{low:.2f}%" cy="{middle}" r="5"/>'
        + f'<svg x="{high:.2f}%" y="{middle}" overflow="visible">'
        + '<path class="diamond" d="M-6 0L0 -6L6 0L0 6Z"/></svg></g>'
    )


def _round_up(value: float) -> float:
    """The next number that halves well: 2, 4, 6, 8, 10, 20, 30, 40, 60, 80, 100, 200, ..."""
    if value <= 10:
        return max(2.0, 2.0 * ceil(value / 2))
    power = 10 ** (ceil(log10(value)) - 1)
    return next(float(n * power) for n in (1, 2, 3, 4, 6, 8, 10) if n * power >= value)
