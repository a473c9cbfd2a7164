"""Searches as they stand in a page's address, checked once; and back again."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from admin.ports.history import ImagePrint, Place, ScoreRange, Search, Span
from cloud.moderation.items import State
from ml_models.types import Label

TEXTS = ("name", "uploader", "category", "by")
DATES = ("decided_from", "decided_until", "uploaded_from", "uploaded_until")
SCORES = ("label", "least", "most")
FIELDS = (*TEXTS, "state", "policy", "held", *SCORES, *DATES)
"""What a search is made of, as forms and addresses name it; `sha256`, `pdq` and `after` beside."""

_MAX_TEXT = 200
_PLACE = re.compile(r"([dp])\.(\d{1,15})\.([A-Za-z0-9_-]{1,64})")
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Query:
    """What somebody asked for. `values` are the search's fields as they were given, where they were
    not empty; `problems` are the fields that make no sense."""

    search: Search
    values: Mapping[str, str]
    problems: tuple[str, ...] = ()
    image: ImagePrint | None = None
    place: Place | None = None

    @property
    def address(self) -> dict[str, str]:
        """What leads to the first page of the same search."""
        image = self.image or ImagePrint()
        given = {"sha256": image.content_sha256, "pdq": image.pdq}
        return dict(self.values) | {name: value for name, value in given.items() if value}

    def without(self, *names: str) -> dict[str, str]:
        """What leads to the search without some of its fields."""
        return {name: value for name, value in self.address.items() if name not in names}


def read_query(values: Mapping[str, str]) -> Query:
    """Read a search out of a page's address."""
    given = {name: values.get(name, "").strip()[:_MAX_TEXT] for name in FIELDS}
    given = {name: value for name, value in given.items() if value}
    if "label" not in given:
        given = {name: value for name, value in given.items() if name not in SCORES}
    reader = _Reader(given)
    search = Search(
        name=given.get("name"),
        uploader=given.get("uploader"),
        state=reader.read("state", State),
        scores=_scores(reader),
        category=given.get("category"),
        decided_by=given.get("by"),
        policy_version=reader.read("policy", _count),
        decided=_span(reader, "decided"),
        uploaded=_span(reader, "uploaded"),
        held="held" in given,
    )
    image = ImagePrint(_digest(values.get("sha256")), _digest(values.get("pdq")))
    return Query(
        search=search,
        values=given,
        problems=tuple(reader.problems),
        image=None if image == ImagePrint() else image,
        place=read_place(values.get("after", "")),
    )


def write_place(place: Place) -> str:
    """Write where a page begins."""
    milliseconds = round(place.time.timestamp() * 1000)
    return f"{'d' if place.is_decided else 'p'}.{milliseconds}.{place.item_id}"


def read_place(text: str) -> Place | None:
    """Read where a page begins; what cannot be read is the beginning."""
    found = _PLACE.fullmatch(text)
    if found is None:
        return None
    kind, milliseconds, item_id = found.groups()
    try:
        time = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=int(milliseconds))
    except OverflowError:
        return None
    return Place(item_id, time, kind == "d")


def write_day(time: datetime) -> str:
    """Write a day as date fields have it."""
    return time.strftime("%Y-%m-%d")


class _Reader:
    """Reads fields, and remembers which of them make no sense."""

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = given
        self.problems: list[str] = []

    def read(self, name: str, convert: Callable[[str], _Value]) -> _Value | None:
        if name not in self._given:
            return None
        try:
            return convert(self._given[name])
        except (ValueError, OverflowError):
            self.problems.append(name)
            return None


def _scores(reader: _Reader) -> ScoreRange | None:
    label = reader.read("label", Label)
    least, most = reader.read("least", _percent), reader.read("most", _percent)
    if label is None:
        return None
    return ScoreRange(label, 0.0 if least is None else least, 1.0 if most is None else most)


def _span(reader: _Reader, what: str) -> Span:
    """Both days belong to it."""
    return Span(reader.read(f"{what}_from", _day), reader.read(f"{what}_until", _day_after))


def _day(text: str) -> datetime:
    day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    if day.year < 1970:
        raise ValueError("before all clocks")
    return day


def _day_after(text: str) -> datetime:
    return _day(text) + timedelta(days=1)


def _count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise ValueError("no number")
    return int(text)


def _percent(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,3}([.,][0-9]{1,6})?", text):
        raise ValueError("no number")
    percent = float(text.replace(",", "."))
    if percent > 100:
        raise ValueError("more than all")
    return round(percent / 100, 8)


def _digest(text: str | None) -> str | None:
    return text if text is not None and re.fullmatch(r"[0-9a-f]{64}", text) else None
