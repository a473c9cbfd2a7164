"""Rows of moderation as the pipeline writes them, made at once: for searches among many."""

from datetime import UTC, datetime, timedelta

from cloud.moderation.items import (
    Decision,
    Evidence,
    Item,
    Remark,
    State,
    Subject,
)
from cloud.operations import Set
from ml_models.types import Fingerprint, Label, Prediction
from server.moderation.items import ITEM, StoredItems
from server.objects.schemas import Schemas
from server.storage.port import Equals

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def predictions(**scores):
    """`porn=0.9`: the rest is shared out."""
    given = {Label(name.capitalize()): value for name, value in scores.items()}
    others = [label for label in Label if label not in given]
    rest = (1 - sum(given.values())) / len(others)
    made = [Prediction(label, given.get(label, rest)) for label in Label]
    return tuple(sorted(made, key=lambda p: p.probability, reverse=True))


class ItemRows:
    """Makes items and decisions in a database, by the ports of the pipeline."""

    def __init__(self, database):
        self.database, self.objects = database, database.objects
        self.schemas = Schemas(database.schemas, clients_make_classes=False)
        self.items = StoredItems(database, self.schemas)

    def pending(self, name, *, uploaded=NOON, uploader=None, object_id=None, **subject):
        """An item that nobody has judged."""
        object_id = object_id or f"of-{name}"
        of = Subject("UserImage", object_id, "image", f"{name}.jpg")
        if subject:
            of = Subject(**subject)
        item = Item(name, of, State.PENDING, uploaded, uploader=uploader)
        self.items.add(item)
        return item

    def decide(self, item_id, after=State.APPROVED, by="rules", at=NOON, **details):
        """The item's next decision, settled; returns it."""
        item = self.items.get(item_id)
        decision = Decision(
            item_id=item_id,
            number=item.transitions + 1,
            subject=item.subject,
            before=item.state,
            after=after,
            decided_by=by,
            reasons=details.get("reasons", ("seen",)),
            evidence=details.get("evidence") or item.evidence,
            decided_at=at,
            remark=Remark(details.get("category"), details.get("note")),
            undoes=details.get("undoes"),
        )
        assert self.items.decide(decision)
        self.items.log(decision)
        self.items.settled(decision)
        return decision

    def item(self, name, after=State.APPROVED, *, by="rules", at=NOON, scores=None, **rest):
        """A decided item."""
        columns = {k: rest.pop(k) for k in ("uploaded", "uploader", "object_id") if k in rest}
        self.pending(name, **columns)
        evidence = Evidence(
            predictions=predictions(**scores) if scores else (),
            content_sha256=rest.pop("sha256", None),
            fingerprint=Fingerprint(rest.pop("pdq"), 90) if "pdq" in rest else None,
            model_name="Scripted",
            model_version="1",
            policy_version=rest.pop("policy", None),
        )
        return self.decide(name, after, by, at, evidence=evidence, **rest)

    def flag(self, item_id):
        """A legal hold, without its log."""
        self.objects.update(ITEM, Equals("objectId", item_id), {"legalHold": Set(True)})
