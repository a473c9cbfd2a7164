"""Decisions as statements of reasons, in the words of the EU's Digital Services Act. Pure.

Article 17 has providers tell whoever uploaded an image why it was restricted, Article 24(5) has
platforms send that to the Commission's Transparency Database. Fields, values and limits are those
of its API, github.com/digital-services-act/transparency-database at 69e80a0bc8eb,
`StatementStoreRequest` and `Statement`. Nothing in a statement names a person.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cloud.moderation.items import BY_MEMORY, BY_RULES, BY_SYSTEM, Decision, State, is_person
from ml_models.types import Label

Statement = dict[str, Any]


@dataclass(frozen=True, slots=True)
class LoggedDecision:
    """A decision, and what there is to know of the item that it was made on."""

    decision: Decision
    uploaded_at: datetime
    uploader: str | None = None
    log: tuple[Decision, ...] = ()
    """All decisions on the item, this one among them."""

    def was_undone(self) -> bool:
        """Whether whoever made the decision took it back within the minutes for that."""
        return self.decision.number in {each.undoes for each in self.log}

    def earlier(self) -> Decision | None:
        """The decision before."""
        return next((d for d in self.log if d.number == self.decision.number - 1), None)

    def approved_at(self) -> datetime | None:
        """When a later decision that stood approved the image."""
        undone = {each.undoes for each in self.log}
        later = [d for d in self.log if d.number > self.decision.number]
        approving = [d for d in later if d.after is State.APPROVED and d.number not in undone]
        return min((d.decided_at for d in approving), default=None)


FIELDS = (
    "decision_visibility", "decision_visibility_other", "end_date_visibility_restriction",
    "decision_monetary", "decision_monetary_other", "end_date_monetary_restriction",
    "decision_provision", "end_date_service_restriction",
    "decision_account", "end_date_account_restriction", "account_type",
    "decision_ground", "decision_ground_reference_url",
    "illegal_content_legal_ground", "illegal_content_explanation",
    "incompatible_content_ground", "incompatible_content_explanation",
    "incompatible_content_illegal",
    "category", "category_addition", "category_specification", "category_specification_other",
    "content_type", "content_type_other", "content_language", "content_date",
    "territorial_scope", "application_date", "decision_facts",
    "source_type", "source_identity", "automated_detection", "automated_decision", "puid",
)  # fmt: skip
"""Every field, in the order of the Commission's own export."""

_EUROPEAN_ECONOMIC_AREA = [
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IS",
    "IT", "LI", "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK",
]  # fmt: skip
_TERMS = "STATEMENT_CATEGORY_OTHER_VIOLATION_TC"
_ADULT, _NUDITY, _OTHER = "KEYWORD_ADULT_SEXUAL_MATERIAL", "KEYWORD_NUDITY", "KEYWORD_OTHER"

# The usual reasons of moderators; an owner's own are "other", in the owner's words.
_OF_REASONS: Mapping[str, tuple[str, str | None]] = {
    "sexual": (_TERMS, _ADULT),
    "nudity": (_TERMS, _NUDITY),
    "minor": ("STATEMENT_CATEGORY_PROTECTION_OF_MINORS", None),
    "violence": ("STATEMENT_CATEGORY_VIOLENCE", None),
}
_OF_CLASSES: Mapping[Label, tuple[str, str | None]] = {
    Label.PORN: (_TERMS, _ADULT),
    Label.HENTAI: (_TERMS, _ADULT),
    Label.SEXY: (_TERMS, _NUDITY),
}
_OUTCOMES = {
    State.PENDING: "left pending",
    State.APPROVED: "approved",
    State.REJECTED: "rejected",
    State.REVIEW: "sent to review",
    State.ENDED: "taken out of moderation",
}
_MACHINES = {
    BY_RULES: "automatic rules",
    BY_MEMORY: "memory of an earlier decision",
    BY_SYSTEM: "the system",
}
_MAX_GROUND, _MAX_EXPLANATION, _MAX_FACTS, _MAX_OTHER = 500, 2000, 5000, 500
_PERSON = re.compile(r"\b(?:user|owner):\S+|\bmaster key\b")
# So the rules say that a score, and not the want of a policy, had an image reviewed.
_FOUND_BY_SCORE = re.compile(r"\w+ [\d.]+ is (?:from|above) ")


def is_statement(logged: LoggedDecision) -> bool:
    """Whether a decision restricted an image, and was not taken back within the minutes of undo."""
    decision = logged.decision
    is_rejection = decision.after is State.REJECTED and decision.before is not State.REJECTED
    return is_rejection and decision.undoes is None and not logged.was_undone()


def statement(logged: LoggedDecision, reasons: Mapping[str, str]) -> Statement:
    """Write all fields; those of a restriction are None where a decision is none.

    `reasons` are the house's words for the codes of reasons.
    """
    filled = _of_any(logged) | (_of_restriction(logged, reasons) if is_statement(logged) else {})
    return dict.fromkeys(FIELDS) | filled


def _of_any(logged: LoggedDecision) -> Statement:
    decision = logged.decision
    return {
        "content_type": ["CONTENT_TYPE_IMAGE"],
        "content_date": _day(logged.uploaded_at),
        "application_date": _day(decision.decided_at),
        "decision_facts": _facts(logged)[:_MAX_FACTS],
        "source_type": "SOURCE_VOLUNTARY",
        "automated_detection": "Yes" if _was_found_by_machine(logged) else "No",
        "automated_decision": (
            "AUTOMATED_DECISION_NOT_AUTOMATED"
            if is_person(decision.decided_by)
            else "AUTOMATED_DECISION_FULLY"
        ),
        "puid": decision.decision_id,
    }


def _of_restriction(logged: LoggedDecision, reasons: Mapping[str, str]) -> Statement:
    decision, approved_at = logged.decision, logged.approved_at()
    category, keyword, words = _classed(decision, reasons)
    return {
        # The file stays where it is; apps do not show it any more.
        "decision_visibility": ["DECISION_VISIBILITY_CONTENT_DISABLED"],
        "end_date_visibility_restriction": None if approved_at is None else _day(approved_at),
        "decision_ground": "DECISION_GROUND_INCOMPATIBLE_CONTENT",
        "incompatible_content_ground": f"House rules on images: {words}"[:_MAX_GROUND],
        "incompatible_content_explanation": _explanation(decision, words)[:_MAX_EXPLANATION],
        "category": category,
        "category_specification": None if keyword is None else [keyword],
        "category_specification_other": words[:_MAX_OTHER] if keyword == _OTHER else None,
        "territorial_scope": _EUROPEAN_ECONOMIC_AREA,
    }


def _classed(decision: Decision, reasons: Mapping[str, str]) -> tuple[str, str | None, str]:
    """The Commission's category and keyword, and the house's words."""
    code = decision.remark.category
    if code is not None:
        category, keyword = _OF_REASONS.get(code, (_TERMS, _OTHER))
        return category, keyword, reasons.get(code, code)
    for prediction in decision.evidence.predictions:  # most probable first
        if prediction.label in _OF_CLASSES:
            category, keyword = _OF_CLASSES[prediction.label]
            return category, keyword, "sexual content" if keyword == _ADULT else "nudity"
    return _TERMS, _OTHER, "unsuitable image"


def _explanation(decision: Decision, words: str) -> str:
    if is_person(decision.decided_by):
        return f"A moderator looked at the image and rejected it: {words}."
    if decision.decided_by == BY_MEMORY:
        return "The image was recognised as one that was rejected before, or as a near copy of it."
    found = "; ".join(_anonymous(reason) for reason in decision.reasons)
    return f"The image was rejected by rules on what a classifier found in it: {found}."


def _facts(logged: LoggedDecision) -> str:
    decision = logged.decision
    evidence = decision.evidence
    facts = [f"The image was {_OUTCOMES[decision.after]} by {_kind(decision.decided_by)}."]
    if not is_person(decision.decided_by) and decision.decided_by != BY_MEMORY:
        facts += [f"{_anonymous(reason)}." for reason in decision.reasons]
    elif decision.decided_by == BY_MEMORY:
        facts += [f"It was known again: {_likeness(decision)}."]
    if evidence.predictions:
        scores = ", ".join(f"{p.label} {p.probability:.4f}" for p in evidence.predictions)
        facts.append(f"Classified by {evidence.model_name} {evidence.model_version}: {scores}.")
    if evidence.policy_version is not None:
        facts.append(f"Policy version {evidence.policy_version} was in force.")
    return " ".join(facts)


def _likeness(decision: Decision) -> str:
    """`the same bytes`, or how near a copy; not who decided before, on what."""
    return decision.reasons[0].partition(":")[0] if decision.reasons else "the same image"


def _kind(decided_by: str) -> str:
    if decided_by.startswith("owner:"):
        return "its owner's appeal"
    return "a moderator" if is_person(decided_by) else _MACHINES[decided_by]


def _anonymous(reason: str) -> str:
    return _PERSON.sub("a person", reason)


def _was_found_by_machine(logged: LoggedDecision) -> bool:
    """Whether scores or memory singled the image out; not where people look at all of them."""
    decision = logged.decision
    if not is_person(decision.decided_by):
        return True
    earlier = logged.earlier()
    if earlier is None or is_person(earlier.decided_by) or decision.before is not State.REVIEW:
        return False
    by_memory = earlier.decided_by == BY_MEMORY
    automated = "moderationAutomation is not switched on" not in earlier.reasons
    return by_memory or (automated and any(map(_FOUND_BY_SCORE.match, earlier.reasons)))


def _day(time: datetime) -> str:
    return time.strftime("%Y-%m-%d")
