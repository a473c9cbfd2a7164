"""A log of images as the pipeline and moderators leave it, written at once."""

from dataclasses import replace
from datetime import timedelta

from cloud.clock import utc_now
from cloud.moderation.items import (
    BY_RULES,
    Evidence,
    Item,
    State,
    Subject,
    next_decision,
)
from cloud.operations import Set
from ml_models.types import Label, Prediction
from server.moderation.items import ITEM, ITEM_CLASSES, StoredItems
from server.objects.declaration import Declaration
from server.objects.schemas import Schemas
from server.storage.port import Equals


def scores(**given):
    """`porn=0.9`: all five classes, the rest shared out, most probable first."""
    given = {Label(name.capitalize()): share for name, share in given.items()}
    others = [label for label in Label if label not in given]
    rest = (1 - sum(given.values())) / max(len(others), 1)
    found = [Prediction(label, given.get(label, rest)) for label in Label]
    return tuple(sorted(found, key=lambda p: p.probability, reverse=True))


def policy_params(thresholds, automation=True):
    """Parse.Config's params for `{"Porn": (0.4, 0.8)}`."""
    wanted = {name: {"min": low, "max": high} for name, (low, high) in thresholds.items()}
    return {"moderationScores": wanted, "moderationAutomation": automation}


class JudgedImages:
    """Writes items and decisions into a database."""

    def __init__(self, database):
        schemas = Schemas(database.schemas, clients_make_classes=False)
        self.objects, self.items = database.objects, StoredItems(database, schemas)
        Declaration(database.objects, schemas, *ITEM_CLASSES)()
        self.count = 0

    def image(self, after=State.APPROVED, *, by=BY_RULES, at=None, waited=1.0, version=1, **given):
        """An image that was judged `waited` seconds after it came; returns its item's id."""
        self.count += 1
        at, wait = at or utc_now(), timedelta(seconds=waited)
        item_id = f"item{self.count:05d}"
        subject = Subject("UserImage", f"of{item_id}", "image", f"{item_id}.jpg")
        # Were it old at once, a server's sweeper would end it: there is no such object.
        self.items.add(Item(item_id, subject, State.PENDING, utc_now()))
        evidence = Evidence(
            predictions=scores(**given) if given else (),
            content_sha256=f"{self.count:064x}",
            policy_version=version if given else None,
        )
        self.decide(item_id, after, by, at=at, evidence=evidence, waited=wait)
        came = {"createdAt": Set(at - wait)}
        assert self.objects.update(ITEM, Equals("objectId", item_id), came)
        return item_id

    def decide(self, item_id, after, by, *, at=None, evidence=None, waited=None):
        """The item's next decision."""
        item, now = self.items.get(item_id), at or utc_now()
        decision = next_decision(
            item, after, decided_by=by, reasons=("seen",), evidence=evidence, now=now
        )
        decision = decision if waited is None else replace(decision, waited=waited)
        assert self.items.decide(decision)
        self.items.log(decision)
        self.items.settled(decision)
        return decision
