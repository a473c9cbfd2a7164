"""The dashboard's figures as the page shows them: sentences, charts, names."""

import base64
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

from babel.dates import format_date
from babel.numbers import format_decimal
from markupsafe import Markup

from admin.charts import Bar, Column, Range, bar_chart, columns_chart, ranges_chart
from admin.ports.figures import Overview
from admin.shares import NONE, count, percent
from admin.texts import language, locale, t
from cloud.moderation.figures import DayFigures, Waits, automation
from cloud.moderation.items import State
from cloud.moderation.people_figures import Agreement, ModeratorFigures
from cloud.moderation.policy_quality import Proportion
from cloud.moderation.types import Outcome

FILLS = ("approved", "approved-people", "rejected", "rejected-people", "review")
"""The parts of a day's column, from below; each has a pattern and a sentence of this name."""

_TICKS_S = (
    (0.1, "0.1 s"), (1, "1 s"), (10, "10 s"), (60, "1 min"), (600, "10 min"), (3600, "1 h"),
    (6 * 3600, "6 h"), (86_400, "1 d"), (7 * 86_400, "7 d"), (77 * 86_400, "77 d"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class DayLine:
    """One day's numbers, as the chart and the table have them."""

    name: str
    arrived: int
    parts: tuple[int, ...]
    """As FILLS."""
    automation: Proportion


def day_lines(days: Sequence[DayFigures]) -> list[DayLine]:
    """Count what a day's column shows."""
    return [
        DayLine(
            _day(day.day),
            day.arrived,
            (
                day.count(State.APPROVED, by_people=False),
                day.count(State.APPROVED, by_people=True),
                day.count(State.REJECTED, by_people=False),
                day.count(State.REJECTED, by_people=True),
                day.sent_to_review,
            ),
            automation([day]),
        )
        for day in days
    ]


def _day(day: date) -> str:
    return _day_in(language(), day)


@lru_cache(maxsize=500)
def _day_in(language: str, day: date) -> str:
    return format_date(day, "d MMM", locale=language)


def outcomes_chart(lines: Sequence[DayLine]) -> Markup:
    """Draw what came in as a line, and what was decided as columns."""
    columns = [
        Column(
            line.name,
            _sentence(line),
            [Bar(n, f"fill-{fill}") for n, fill in zip(line.parts, FILLS, strict=True)],
            line.arrived,
        )
        for line in lines
    ]
    return columns_chart(columns, label=t("dashboard.outcomes_label"))


def _sentence(line: DayLine) -> str:
    parts = [f"{t('dashboard.arrived')} {line.arrived}"]
    parts += [
        f"{t(f'dashboard.{fill}')} {n}" for n, fill in zip(line.parts, FILLS, strict=True) if n
    ]
    return f"{line.name}: {', '.join(parts)}"


def automation_chart(lines: Sequence[DayLine]) -> Markup:
    """Draw the share of new images that nobody had to see."""
    columns = [
        Column(
            line.name,
            f"{line.name}: {percent(line.automation)}",
            dot=None if line.automation.value is None else line.automation.value * 100,
        )
        for line in lines
    ]
    label = t("dashboard.automation_label")
    return columns_chart(columns, label=label, most=100, unit=" %")


def waits_chart(overview: Overview) -> Markup:
    """Draw how long images wait for the rules and for people."""
    ranges = [
        Range(
            t(f"dashboard.{key}"),
            waits.median.total_seconds(),
            waits.p95.total_seconds(),
            wait_sentence(waits),
        )
        for key, waits in (("by_rules", overview.rules), ("by_people", overview.people))
        if waits.median is not None and waits.p95 is not None
    ]
    slowest = max((one.high for one in ranges), default=0)
    ends = [n for n, (seconds, _) in enumerate(_TICKS_S) if seconds >= slowest]
    ticks = _TICKS_S[: max((ends or [len(_TICKS_S) - 1])[0], 3) + 1]
    return ranges_chart(ranges, ticks, label=t("dashboard.waits_label"))


def wait_sentence(waits: Waits) -> str:
    """`half of 1,200 within 3 s, 95 % within 12 min`."""
    return t(
        "dashboard.wait_sentence",
        count=count(waits.count),
        median=duration(waits.median),
        p95=duration(waits.p95),
    )


def share_bar(share: Proportion) -> Markup:
    """Draw a share, with its number as its name."""
    return bar_chart(share.value or 0.0, percent(share))


# --- people ---------------------------------------------------------------------------------------


def pseudonyms(decided_by: Sequence[str], key: bytes) -> Mapping[str, str]:
    """Names that tell nobody who it is, the same ones every day."""
    return {
        name: t("dashboard.pseudonym", code=_code(key, name)) if name.startswith("user:") else name
        for name in decided_by
    }


def _code(key: bytes, name: str) -> str:
    digest = hmac.digest(key, b"pseudonym " + name.encode(), "sha256")
    return base64.b32encode(digest)[:5].decode()


@dataclass(frozen=True, slots=True)
class ModeratorLine:
    """One moderator's figures, under the name that the reader may know."""

    name: str
    is_reader: bool
    figures: ModeratorFigures
    seen_today: int
    looked_at: int | None
    """How many images she unveiled today, for whom that is to be seen."""


def moderator_lines(
    overview: Overview,
    reader: str,
    name_of: Callable[[str], str],
    looked_at: Mapping[str, int],
) -> list[ModeratorLine]:
    """Put names to figures."""
    return [
        ModeratorLine(
            name_of(one.decided_by),
            one.decided_by == reader,
            one,
            overview.seen_today.get(one.decided_by, 0),
            looked_at.get(one.decided_by),
        )
        for one in overview.moderators
    ]


@dataclass(frozen=True, slots=True)
class AgreementLine:
    """What became of images of which the rules said the same."""

    key: str
    """`approved`, `review`, `rejected` or `nothing`."""
    approved: int
    rejected: int


def agreement_lines(counts: Agreement) -> list[AgreementLine]:
    """What people said, by what the rules said."""
    rows: tuple[tuple[Outcome | None, str], ...] = (
        (Outcome.APPROVED, "approved"), (Outcome.REVIEW, "review"),
        (Outcome.REJECTED, "rejected"), (None, "nothing"),
    )  # fmt: skip
    return [
        AgreementLine(
            key, counts.get((rules, State.APPROVED), 0), counts.get((rules, State.REJECTED), 0)
        )
        for rules, key in rows
    ]


# --- words ----------------------------------------------------------------------------------------


_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def duration(time: timedelta | None) -> str:
    """Two figures of it: `0.3 s`, `12 s`, `3.5 min`, `26 h`, `4.1 d`; a dash for none."""
    if time is None:
        return NONE
    seconds = time.total_seconds()
    # 90 s are told better than 1.5 min.
    size, unit = next(((n, u) for n, u in _UNITS if seconds >= 2 * n), _UNITS[-1])
    value = seconds / size
    return f"{format_decimal(value, '0.#' if value < 10 else '0', locale=locale())} {unit}"


def milliseconds(time: timedelta) -> str:
    """`0.4 ms`, `12 ms`."""
    value = time / timedelta(milliseconds=1)
    return f"{format_decimal(value, '0.#' if value < 10 else '0', locale=locale())} ms"
