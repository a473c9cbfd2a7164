"""What the lane's forms and scripts ask for, checked once and typed."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from admin.json_body import json_of, json_of_request
from cloud.moderation.items import Lane, Remark, State
from cloud.moderation.review import ReviewOrder, Ruling

MAX_NOTE = 2000
_MOST_IDS = 500
_MOST_CLAIMED = 40
_ITEM_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_REQUEST_KEY = re.compile(r"[A-Za-z0-9-]{16,64}")
# Any well-formed code, also one that left the owner's list while a decision waited offline.
_CATEGORY = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_RULINGS = {"approved": State.APPROVED, "rejected": State.REJECTED}


class BadLaneRequest(ValueError):
    """A request that neither the page nor its scripts make."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which images somebody reviews, in which order."""

    lane: Lane = Lane.REVIEW
    order: ReviewOrder = ReviewOrder.OLDEST

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Read a place; what is not understood is the usual one."""
        lane, order = values.get("lane"), values.get("order")
        return cls(
            Lane.ESCALATED if lane == Lane.ESCALATED else Lane.REVIEW,
            ReviewOrder.RISKIEST if order == ReviewOrder.RISKIEST else ReviewOrder.OLDEST,
        )

    @property
    def query(self) -> dict[str, str]:
        """What leads to the place, in the page's address."""
        query = {} if self.lane is Lane.REVIEW else {"lane": str(self.lane)}
        return query if self.order is ReviewOrder.OLDEST else {**query, "order": str(self.order)}

    def in_lane(self, lane: str) -> dict[str, str]:
        """The query of another lane in the same order."""
        return type(self)(Lane(lane), self.order).query

    def in_order(self, order: str) -> dict[str, str]:
        """The query of the same lane in another order."""
        return type(self)(self.lane, ReviewOrder(order)).query


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """How many images a script wants at hand, those that it has included; `asked` by name."""

    place: Place
    count: int
    skipping: tuple[str, ...]
    asked: tuple[str, ...]


def new_request_key() -> str:
    """Name a request that a form will make."""
    return secrets.token_hex(16)


def json_body() -> dict[str, Any]:
    """Return the request's JSON object."""
    body = json_of_request()
    if not isinstance(body, dict):
        raise BadLaneRequest("the body must be a JSON object")
    return body


def read_json(text: str | None) -> Any:
    """Return the JSON in a form's field; None for none, and for what is no JSON."""
    return None if text is None else json_of(text)


def read_claim(body: Mapping[str, Any]) -> ClaimRequest:
    """Read which images a script wants."""
    count = body.get("count")
    if type(count) is not int or not 1 <= count <= _MOST_CLAIMED:
        raise BadLaneRequest(f"count must be a whole number from 1 to {_MOST_CLAIMED}")
    skipping, asked = (read_ids(body.get(name, [])) for name in ("skipping", "asked"))
    return ClaimRequest(Place.of(body), count, skipping, asked)


def read_ruling(values: Mapping[str, Any]) -> Ruling:
    """Read a decision out of a form or a script's JSON."""
    after = _RULINGS.get(str(values.get("after")))
    if after is None:
        raise BadLaneRequest("after must be approved or rejected")
    category = read_category(values) if after is State.REJECTED else None
    remark = Remark(category, read_note(values), read_key(values))
    return Ruling(after, remark, _read_seen(values))


def read_note(values: Mapping[str, Any]) -> str | None:
    """Return what somebody wrote beside a decision."""
    note = values.get("note") or ""
    if not isinstance(note, str) or len(note) > MAX_NOTE:
        raise BadLaneRequest(f"note must be a text of at most {MAX_NOTE} characters")
    # Half a surrogate pair, which JavaScript can send, no database takes.
    return note.encode("utf-8", "replace").decode().strip() or None


def read_key(values: Mapping[str, Any]) -> str:
    """Return what names the request, so that it can be repeated."""
    return _matching(_REQUEST_KEY, values.get("request_key"), "request_key")


def read_id(values: Mapping[str, Any], name: str = "item_id") -> str:
    """Return the id of the item or decision that a request is about."""
    return _matching(_ITEM_ID, values.get(name), name)


def read_ids(value: Any) -> tuple[str, ...]:
    """Return ids of items."""
    if not isinstance(value, list) or len(value) > _MOST_IDS:
        raise BadLaneRequest(f"ids must be a list of at most {_MOST_IDS}")
    return tuple(read_id({"item_id": each}) for each in value)


def read_time(value: Any) -> datetime | None:
    """Return a time in milliseconds, if one was given."""
    if value in (None, ""):
        return None
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{1,14}", value):
        raise BadLaneRequest("at must be a time in milliseconds")
    return datetime.fromtimestamp(int(value) / 1000, UTC)


def read_category(values: Mapping[str, Any]) -> str | None:
    """Return the code of the reason that was chosen, if one was."""
    category = values.get("category")
    return None if category in (None, "") else _matching(_CATEGORY, category, "category")


def _read_seen(values: Mapping[str, Any]) -> int:
    """Return which decision on the item was the last when it was shown."""
    seen = values.get("seen")
    if isinstance(seen, str) and re.fullmatch(r"[0-9]{1,6}", seen):
        return int(seen)
    if type(seen) is not int or seen < 0:
        raise BadLaneRequest("seen must be a whole number")
    return seen


def _matching(form: re.Pattern[str], value: Any, name: str) -> str:
    if not isinstance(value, str) or not form.fullmatch(value):
        raise BadLaneRequest(f"{name} is not valid")
    return value
