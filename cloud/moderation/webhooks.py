"""What a webhook says about a decision, and when a failed one is tried again. Pure."""

from datetime import datetime, timedelta
from typing import Any

from cloud.moderation.items import Decision

# The n-th failed attempt is followed by a wait of 5, 10, 20, ... seconds, at most an hour.
_FIRST_WAIT = timedelta(seconds=5)
_LONGEST_WAIT = timedelta(hours=1)
# With these waits the last attempt is made 24 hours and 25 minutes after the first.
MAX_ATTEMPTS = 34


def is_news(decision: Decision) -> bool:
    """Whether others are told: not where an image stays in review, only for other moderators."""
    return decision.before is not decision.after


def announcement(decision: Decision) -> dict[str, Any]:
    """Describe a decision as JSON, in the shape that Standard Webhooks recommends."""
    subject, evidence = decision.subject, decision.evidence
    return {
        "type": "moderation.decided",
        "timestamp": _iso(decision.decided_at),
        "data": {
            "decision": decision.decision_id,
            "item": decision.item_id,
            "number": decision.number,
            "object": {
                "className": subject.class_name,
                "objectId": subject.object_id,
                "column": subject.column,
                "file": subject.file_name,
            },
            "from": decision.before.value,
            "to": decision.after.value,
            "decidedBy": decision.decided_by,
            "reasons": list(decision.reasons),
            "category": decision.remark.category,
            "appealed": decision.remark.appeal is not None,
            "scores": {p.label.value: p.probability for p in evidence.predictions},
            "policyVersion": evidence.policy_version,
            "model": {"name": evidence.model_name, "version": evidence.model_version},
        },
    }


def wait_after(attempts: int) -> timedelta | None:
    """Say how long to wait after so many failed attempts; None: that was the last one."""
    if attempts >= MAX_ATTEMPTS:
        return None
    doubled: timedelta = _FIRST_WAIT * 2 ** (attempts - 1)
    return min(doubled, _LONGEST_WAIT)


def _iso(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03}Z"
