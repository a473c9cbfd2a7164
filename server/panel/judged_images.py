"""What the log of decisions and the records of classifications tell of images, newest first."""

from cloud.moderation.items import State
from cloud.moderation.people_figures import PersonsDecision
from cloud.moderation.policy_check import Recorded
from cloud.moderation.predictions import from_objects
from server.moderation.classifications import SCHEMA as CLASSIFICATION
from server.moderation.items import DECISION
from server.panel.newest import Log
from server.storage.port import EVERYTHING, Document, Equals

_MOST = 10_000


def _first_judgement(row: Document) -> Recorded:
    return Recorded(row["item"].object_id, from_objects(row.get("predictions", ())))


def _persons_decision(row: Document) -> PersonsDecision:
    version, undoes = row.get("policyVersion"), row.get("undoes")
    return PersonsDecision(
        item_id=row["item"].object_id,
        number=int(row["number"]),
        after=State(row["after"]),
        decided_by=row["decidedBy"],
        decided_at=row["createdAt"],
        predictions=from_objects(row.get("predictions", ())),
        policy_version=None if version is None else int(version),
        undoes=None if undoes is None else int(undoes),
    )


UPLOADS = Log(
    DECISION,
    Equals("before", State.PENDING.value),
    frozenset(["item", "predictions"]),
    _MOST,
    _first_judgement,
)
"""What new images were judged on; with no predictions where they could not be classified."""

CLASSIFICATIONS = Log(
    CLASSIFICATION,
    EVERYTHING,
    frozenset(["predictions"]),
    _MOST,
    lambda row: Recorded("", from_objects(row["predictions"])),
)
"""Contents and their predictions, whoever asked."""

DECISIONS_BY_PEOPLE = Log(
    DECISION,
    Equals("byPerson", True),
    frozenset(["item", "number", "after", "decidedBy", "predictions", "policyVersion", "undoes"]),
    _MOST,
    _persons_decision,
)
"""What moderators decided."""
