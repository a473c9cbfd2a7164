"""The Policies role: Parse.Config's policy with its history, and images to try others on."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from admin.ports.policies import MOST_IMAGES, Standing, Trial
from cloud.clock import utc_now
from cloud.moderation.items import State
from cloud.moderation.people_figures import PersonsDecision, last_words
from cloud.moderation.policy_changes import PolicyChange
from cloud.moderation.policy_check import Recorded
from cloud.moderation.policy_quality import Judged
from cloud.moderation.score_histogram import score_histograms
from cloud.moderation.types import Policy
from cloud.operations import Set
from server.moderation.items import DECISION
from server.moderation.policies import PolicyVersions, scores_of
from server.moderation.policy_changes import PolicyChanges
from server.panel.judged_images import CLASSIFICATIONS, UPLOADS
from server.panel.newest import Newest
from server.panel.refreshed import Refreshed
from server.services import Services
from server.storage.port import All, Compares, Equals, Order, Query, SortKey

_INFLOW_DAYS = 14
# So many people's verdicts give intervals of two per cent, and are compared within milliseconds.
_MOST_JUDGED = 2_000


class StoredPolicies:
    """The Policies role; see there for its contract."""

    def __init__(self, services: Services, decisions: Newest[PersonsDecision]) -> None:
        database, schemas = services.database, services.schemas
        self._objects, self._config = database.objects, services.parse_config
        self._versions = PolicyVersions(database, schemas)
        self._changes = PolicyChanges(database, schemas)
        self._uploads = Newest(database.objects, UPLOADS)
        self._classifications = Newest(database.objects, CLASSIFICATIONS)
        self._decisions = decisions
        self._gathered: tuple[Sequence[Recorded], Sequence[PersonsDecision], Trial] | None = None
        self._trial = Refreshed(self._gather, max_age_s=10.0, patience_s=0.02, first_patience_s=3.0)

    def current(self) -> Policy:
        return self._config.current()

    def standing(self) -> Standing:
        policy, problem = self._config.policy_now()
        return Standing(policy, str(problem) if problem else None, self._changes.newest())

    def version(self, version: int) -> Policy | None:
        return self._versions.policy(version)

    def changes(self, limit: int) -> Sequence[PolicyChange]:
        return self._changes.list(limit)

    def save(self, policy: Policy, *, by: str, note: str | None, since: int) -> PolicyChange:
        _, hidden = self._config.read()
        values = {
            "moderationScores": scores_of(policy),
            "moderationAutomation": policy.automation_enabled,
        }
        self._config.write(
            {key: Set(value) for key, value in values.items()},
            {key: hidden.get(key, False) for key in values},
            by=by,
            note=note,
            since=since,
        )
        (newest,) = self._changes.list(1)
        return newest

    def trial(self) -> Trial | None:
        return self._trial.get()

    # --- gathered in the background ------------------------------------------------------------

    def _gather(self) -> Trial:
        uploads = [image for image in self._uploads.rows() if image.predictions]
        images = (uploads or self._classifications.rows())[:MOST_IMAGES]
        decisions = self._decisions.rows()
        if self._gathered is None or self._gathered[:2] != (images, decisions):
            trial = _tried_on(images, decisions, are_items=bool(uploads))
            self._gathered = (images, decisions, trial)
        return replace(self._gathered[2], per_day=self._uploads_per_day(), as_of=utc_now())

    def _uploads_per_day(self) -> float | None:
        """Count what was judged first in the last fourteen days, or since there are images."""
        now = utc_now()
        new = Equals("before", State.PENDING.value)
        first = self._objects.find(
            DECISION,
            Query(new, order=(SortKey("createdAt"),), limit=1, columns=frozenset(["before"])),
        )
        if not first:
            return None
        since_first: timedelta = now - first[0]["createdAt"]
        span = min(timedelta(days=_INFLOW_DAYS), since_first)
        days = max(span / timedelta(days=1), 1.0)
        since = Compares("createdAt", Order.GREATER_OR_EQUAL, now - span)
        return self._objects.count(DECISION, All((new, since))) / days


def _tried_on(
    images: Sequence[Recorded], decisions: Sequence[PersonsDecision], *, are_items: bool
) -> Trial:
    words = [word for word in last_words(decisions) if word.predictions]
    words.sort(key=lambda word: word.decided_at, reverse=True)
    return Trial(
        images=images,
        are_items=are_items,
        histograms=score_histograms(image.predictions for image in images),
        judged=[
            Judged(word.predictions, word.after is State.REJECTED) for word in words[:_MOST_JUDGED]
        ],
        per_day=None,
        as_of=utc_now(),
    )
