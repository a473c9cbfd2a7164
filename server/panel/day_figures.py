"""The figures of each day, counted by the database; finished days once, the last two each time."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from cloud.clock import utc_now
from cloud.moderation.figures import WAIT_STEPS_MS, DayFigures, Transition
from cloud.moderation.items import State
from server.moderation.items import DECISION, ITEM
from server.storage.port import All, ClassSchema, Compares, Condition, Exists, OneOf, Order
from server.storage.tally_port import DayOf, StepOf, TallyKey, TallyStore

_DAY = DayOf("createdAt")
_ANY_STATE = tuple(state.value for state in State)
_STILL_ANYBODYS = tuple(state.value for state in State if state is not State.ENDED)
_WAITING = (State.PENDING.value, State.REVIEW.value)


class StoredDays:
    """Keeps the figures of the last days. For one thread at a time. Raises StoreUnavailable."""

    def __init__(
        self, tallies: TallyStore, count: int, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._tallies, self._count, self._now = tallies, count, now
        self._days: dict[date, DayFigures] = {}

    def last(self) -> Sequence[DayFigures]:
        """Return them as they are now, oldest first; the last one is today.

        When a day has begun all are counted anew, since decisions may have come late.
        """
        today = self._now().date()
        wanted = [today - timedelta(days=ago) for ago in reversed(range(self._count))]
        since = today - timedelta(days=1) if today in self._days else wanted[0]
        counted = self._counted(since, today)
        self._days = {day: counted.get(day) or self._days[day] for day in wanted}
        return [self._days[day] for day in wanted]

    def _counted(self, first: date, last: date) -> dict[date, DayFigures]:
        arrived = self._arrived(first, last)
        transitions = self._transitions(first, last)
        for_rules, for_people = self._waits(first, last)
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        return {
            day: DayFigures(day, arrived[day], transitions[day], for_rules[day], for_people[day])
            for day in days
        }

    def _arrived(self, first: date, last: date) -> Counter[date]:
        any_state = OneOf("state", _ANY_STATE)  # which the index begins with
        found = self._tally(ITEM, first, last, [], any_state)
        return Counter({day: count for (day,), count in found.items()})

    def _transitions(self, first: date, last: date) -> Mapping[date, Counter[Transition]]:
        days: dict[date, Counter[Transition]] = defaultdict(Counter)
        by = ["before", "after", "decidedBy", "topClass"]
        after = OneOf("after", _STILL_ANYBODYS)
        found = self._tally(DECISION, first, last, by, after, Exists("undoes", exists=False))
        for (day, before, state, decided_by, top_class), count in found.items():
            transition = Transition(State(before), State(state), decided_by, top_class)
            days[day][transition] += count
        return days

    def _waits(
        self, first: date, last: date
    ) -> tuple[Mapping[date, Counter[int]], Mapping[date, Counter[int]]]:
        """For the rules, and for people: counts by the step that a wait reached."""
        for_rules: dict[date, Counter[int]] = defaultdict(Counter)
        for_people: dict[date, Counter[int]] = defaultdict(Counter)
        by: list[TallyKey] = ["before", "byPerson", StepOf("waitedMs", WAIT_STEPS_MS)]
        where = (OneOf("before", _WAITING), OneOf("after", _STILL_ANYBODYS))
        found = self._tally(DECISION, first, last, by, *where, Exists("undoes", exists=False))
        for (day, before, by_person, step), count in found.items():
            if step is not None and by_person is not None:
                if before == State.PENDING and not by_person:
                    for_rules[day][step] += count
                elif before == State.REVIEW and by_person:
                    for_people[day][step] += count
        return for_rules, for_people

    def _tally(
        self,
        schema: ClassSchema,
        first: date,
        last: date,
        by: Sequence[TallyKey],
        *where: Condition,
    ) -> dict[tuple[Any, ...], int]:
        """Count by day and further keys, within these days."""
        begin, end = (_midnight(day) for day in (first, last + timedelta(days=1)))
        during = (
            Compares("createdAt", Order.GREATER_OR_EQUAL, begin),
            Compares("createdAt", Order.LESS, end),
        )
        found = self._tallies.tally(schema, All((*during, *where)), [_DAY, *by])
        return {
            (date.fromisoformat(str(day)), *rest): count for (day, *rest), count in found.items()
        }


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
