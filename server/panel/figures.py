"""The Figures role: counted in the background, a minute old at the most while somebody looks."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time

from admin.ports.figures import SPANS, Now, Overview, Queue, Waiting
from cloud.clock import utc_now
from cloud.moderation.figures import DayFigures, automation, automation_by_class, waits
from cloud.moderation.items import Lane, State
from cloud.moderation.people_figures import (
    PersonsDecision,
    agreement,
    last_words,
    moderator_figures,
)
from server.moderation.items import ITEM
from server.moderation.policies import PolicyVersions
from server.panel.day_figures import StoredDays
from server.panel.health import health_of
from server.panel.judged_images import DECISIONS_BY_PEOPLE
from server.panel.newest import Newest
from server.panel.refreshed import Refreshed
from server.services import Services
from server.storage.port import Condition, Equals, Query, SortKey

_QUEUES: Mapping[Queue, Condition] = {
    Queue.PENDING: Equals("state", State.PENDING.value),
    Queue.REVIEW: Equals("lane", Lane.REVIEW.value),
    Queue.ESCALATED: Equals("lane", Lane.ESCALATED.value),
}


class StoredFigures:
    """The Figures role; see there for its contract."""

    def __init__(self, services: Services) -> None:
        self._services, self._objects = services, services.database.objects
        self._versions = PolicyVersions(services.database, services.schemas)
        self._days = StoredDays(services.database.tallies, max(SPANS))
        self._decisions = Newest(self._objects, DECISIONS_BY_PEOPLE)
        self._now = Refreshed(self._look, max_age_s=5.0, patience_s=0.02, first_patience_s=2.0)
        self._overviews = Refreshed(
            self._count, max_age_s=30.0, patience_s=0.02, first_patience_s=2.0
        )

    def now(self) -> Now | None:
        return self._now.get()

    def overview(self, days: int) -> Overview | None:
        overviews = self._overviews.get()
        return None if overviews is None else overviews[days]

    # --- in the background ---------------------------------------------------------------------

    def _look(self) -> Now:
        waiting = {queue: self._waiting(where) for queue, where in _QUEUES.items()}
        return Now(waiting, health_of(self._services), utc_now())

    def _waiting(self, where: Condition) -> Waiting:
        query = Query(where, order=(SortKey("createdAt"),), limit=1, columns=frozenset(["state"]))
        oldest = self._objects.find(ITEM, query)
        count = self._objects.count(ITEM, where) if oldest else 0
        return Waiting(count, oldest[0]["createdAt"] if oldest else None)

    def _count(self) -> Mapping[int, Overview]:
        days, decisions = self._days.last(), self._decisions.rows()
        return {span: self._overview(days[-span:], decisions) for span in SPANS}

    def _overview(
        self, days: Sequence[DayFigures], decisions: Sequence[PersonsDecision]
    ) -> Overview:
        begin, today = (datetime.combine(day, time(), UTC) for day in (days[0].day, days[-1].day))
        theirs = [decision for decision in decisions if decision.decided_at >= begin]
        is_cut = len(theirs) == DECISIONS_BY_PEOPLE.limit
        return Overview(
            days=days,
            rules=waits(day.waits_for_rules for day in days),
            people=waits(day.waits_for_people for day in days),
            automation=automation(days),
            automation_by_class=automation_by_class(days),
            agreement=agreement(last_words(theirs), self._versions.policy),
            moderators=moderator_figures(theirs),
            moderators_since=theirs[-1].decided_at if is_cut else None,
            seen_today=_seen(theirs, today),
            as_of=utc_now(),
        )


def _seen(decisions: Sequence[PersonsDecision], since: datetime) -> Mapping[str, int]:
    seen: dict[str, set[str]] = defaultdict(set)
    for decision in decisions:
        if decision.decided_at >= since:
            seen[decision.decided_by].add(decision.item_id)
    return {decided_by: len(items) for decided_by, items in seen.items()}
