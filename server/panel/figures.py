"""The Figures role: counted in the background, a minute old at the most while somebody looks."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time

from admin.ports.figures import SPANS, Now, Overview, Queue
from cloud.clock import utc_now
from cloud.moderation.figures import DayFigures, automation, automation_by_class, waits
from cloud.moderation.people_figures import (
    Agreement,
    ModeratorFigures,
    PersonsDecision,
    agreement,
    last_words,
    moderator_figures,
    rules_said,
)
from cloud.moderation.types import Outcome
from server.moderation.policies import PolicyVersions
from server.moderation.queues import waiting
from server.panel.day_figures import StoredDays
from server.panel.health import health_of
from server.panel.judged_images import DECISIONS_BY_PEOPLE
from server.panel.newest import Newest
from server.panel.refreshed import Refreshed
from server.services import Services


@dataclass(frozen=True, slots=True)
class _People:
    """What some decisions of people sum up to."""

    agreement: Agreement
    moderators: Sequence[ModeratorFigures]
    seen_today: Mapping[str, int]


class StoredFigures:
    """The Figures role; see there for its contract."""

    def __init__(self, services: Services, decisions: Newest[PersonsDecision]) -> None:
        self._services, self._objects = services, services.database.objects
        self._versions = PolicyVersions(services.database, services.schemas)
        self._days = StoredDays(services.database.tallies, max(SPANS))
        self._decisions = decisions
        self._summed: tuple[object, _People] | None = None
        self._said: dict[tuple[str, int | None], Outcome | None] = {}
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
        waits = {queue: waiting(self._objects, queue.value) for queue in Queue}
        return Now(waits, health_of(self._services), utc_now())

    def _count(self) -> Mapping[int, Overview]:
        days, decisions = self._days.last(), self._decisions.rows()
        return {span: self._overview(days[-span:], decisions) for span in SPANS}

    def _overview(
        self, days: Sequence[DayFigures], decisions: Sequence[PersonsDecision]
    ) -> Overview:
        begin = _midnight(days[0])
        theirs = [decision for decision in decisions if decision.decided_at >= begin]
        people = self._figures_of(theirs, _midnight(days[-1]))
        is_cut = len(theirs) == DECISIONS_BY_PEOPLE.limit
        return Overview(
            days=days,
            rules=waits(day.waits_for_rules for day in days),
            people=waits(day.waits_for_people for day in days),
            automation=automation(days),
            automation_by_class=automation_by_class(days),
            agreement=people.agreement,
            moderators=people.moderators,
            moderators_since=theirs[-1].decided_at if is_cut else None,
            seen_today=people.seen_today,
            as_of=utc_now(),
        )

    def _figures_of(self, decisions: Sequence[PersonsDecision], today: datetime) -> _People:
        """Sum up the newest decisions, unless the same ones were summed up last."""
        newest = (decisions[0].item_id, decisions[0].number) if decisions else None
        which = (newest, len(decisions), today)
        if self._summed is None or self._summed[0] != which:
            people = _People(
                agreement(last_words(decisions), self._rules_said),
                moderator_figures(decisions),
                _seen(decisions, today),
            )
            self._summed = (which, people)
        return self._summed[1]

    def _rules_said(self, word: PersonsDecision) -> Outcome | None:
        """Judge each image once, however often it is counted."""
        key = (word.item_id, word.policy_version)
        if key not in self._said:
            if len(self._said) > 2 * DECISIONS_BY_PEOPLE.limit:
                self._said.clear()
            self._said[key] = rules_said(word, self._versions.policy)
        return self._said[key]


def _midnight(day: DayFigures) -> datetime:
    return datetime.combine(day.day, time(), UTC)


def _seen(decisions: Sequence[PersonsDecision], since: datetime) -> Mapping[str, int]:
    seen: dict[str, set[str]] = defaultdict(set)
    for decision in decisions:
        if decision.decided_at >= since:
            seen[decision.decided_by].add(decision.item_id)
    return {decided_by: len(items) for decided_by, items in seen.items()}
