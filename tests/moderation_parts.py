"""The moderation pipeline on a real database, with a clock and a classifier that tests set."""

import threading
from datetime import UTC, datetime, timedelta

from cloud.moderation.classification import ClassificationService
from cloud.moderation.items import Item, State, Subject, mirror_columns
from cloud.moderation.pipeline import ModerationPipeline
from cloud.moderation.policy import read_policy
from cloud.moderation.review import ReviewDesk, Reviewer
from cloud.values import File
from ml_models.types import Fingerprint, Inspection, Label, ModelSpec, Prediction
from server.moderation.checks import StoredChecks
from server.moderation.claims import StoredClaims, StoredRecords
from server.moderation.classifications import StoredClassifications
from server.moderation.items import DECISION, ITEM, StoredItems
from server.moderation.subjects import StoredSubjects, shown_column, shows, subject_schema
from server.moderation.unowned import UnownedImages
from server.objects.identity import new_object_id
from server.objects.schemas import Schemas
from server.storage.port import Equals, Query, SortKey

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SCORES = {"Porn": {"min": 0.4, "max": 0.8}}
POLICY = read_policy(SCORES, True)
MODEL = ModelSpec("Scripted", "1", 224)
BOB, EVE = Reviewer("bob", "Bob", "bobs phone"), Reviewer("eve", "Eve", "eves desktop")
ADA = Reviewer("ada", "Ada", "adas laptop", is_admin=True)


def predictions(porn):
    """All five, most probable first."""
    rest = (1 - porn) / 4
    found = [Prediction(label, porn if label is Label.PORN else rest) for label in Label]
    return tuple(sorted(found, key=lambda p: p.probability, reverse=True))


class Clock:
    """Stands still until told otherwise."""

    def __init__(self):
        self.time = NOON

    def __call__(self):
        return self.time

    def advance(self, seconds):
        self.time += timedelta(seconds=seconds)


class ScriptedClassifier:
    """Finds in the bytes `b"0.9 anything"` porn with probability 0.9."""

    def __init__(self):
        self.model = MODEL
        self.inferred = []
        self.error = None
        self.started, self.gate = threading.Event(), None
        self.meanwhile = lambda: None

    def classify(self, data):
        self.inferred.append(data)
        self.started.set()
        self.meanwhile()
        if self.gate is not None:
            assert self.gate.wait(10)
        if self.error is not None:
            raise self.error
        return Inspection(predictions(float(data.split()[0])), Fingerprint("0" * 64, 0))


class Policies:
    """A PolicySource that tells what it is set to."""

    def __init__(self):
        self.policy = POLICY

    def current(self):
        return self.policy


class Announced(list):
    """A Notifier that remembers."""

    def announce(self, decision):
        self.append(decision)


class Forgetful:
    """A Memory that knows nothing again."""

    def recall(self, evidence, item_id, now):
        return None

    def learn(self, decision, content_sha256):
        pass

    def unlearn(self, decision):
        pass

    def restore(self, decision):
        pass


class Killed(BaseException):
    """The process ends here: nothing catches it."""


class Mortal:
    """Ends the process before its n-th call of any port."""

    def __init__(self, part, life):
        self.part, self.life = part, life

    def __getattr__(self, name):
        def call(*arguments, **options):
            if self.life["calls left"] == 0:
                raise Killed
            self.life["calls left"] -= 1
            return getattr(self.part, name)(*arguments, **options)

        return call


class Moderation:
    """One process's pipeline; several may share a database, a clock and a classifier."""

    def __init__(self, database, *, clock=None, classifier=None, memory=None):
        self.database, self.objects = database, database.objects
        self.clock, self.classifier = clock or Clock(), classifier or ScriptedClassifier()
        self.policies, self.announced = Policies(), Announced()
        schemas = Schemas(database.schemas, clients_make_classes=False)
        self.items = StoredItems(database, schemas)
        self.subjects = StoredSubjects(database)
        self.memory = memory or Forgetful()
        self.checks = StoredChecks(database, schemas)
        self.records = StoredClassifications(database.objects, schemas)
        self.reviews = UnownedImages(database, schemas, self.items)
        self.pipeline = self.pipeline_of(self.items, self.subjects, self.announced)

    def pipeline_of(self, items, subjects, notifier, *, memory=None, records=None, checks=None):
        """A pipeline on other ports where they are given."""
        return ModerationPipeline(
            items,
            subjects,
            ClassificationService(
                None,
                self.classifier,
                records or self.records,
                self.policies,
                self.reviews,
                max_in_flight=8,
                max_image_bytes=100,
            ),
            self.policies,
            notifier,
            memory or self.memory,
            checks or self.checks,
            max_matches_per_hour=3,
            now=self.clock,
        )

    def desk(self, *, items=None, claims=None, subjects=None, notifier=None, undo_window_s=30):
        """A review desk, on other ports where they are given."""
        schemas = Schemas(self.database.schemas, clients_make_classes=False)
        items = items or self.items
        return ReviewDesk(
            items,
            claims or StoredClaims(self.database, schemas),
            StoredRecords(self.database, schemas),
            self.pipeline_of(items, subjects or self.subjects, notifier or self.announced),
            undo_window=timedelta(seconds=undo_window_s),
            now=self.clock,
        )

    # --- what a save does -------------------------------------------------------------------

    def item(self, data=b"0.1 a", *, name=None, object_id="object1", column="image"):
        """Record an item whose object is not written yet; `data` None: the file is missing."""
        name = name or f"{new_object_id()}.jpg"
        if data is not None:
            self.database.files.put(name, data, {})
        subject = Subject("UserImage", object_id, column, name)
        item = Item(new_object_id(), subject, State.PENDING, self.clock())
        self.items.add(item)
        return item

    def show(self, item):
        """Write the object, new or replaced, as pending."""
        subject = item.subject
        schema = subject_schema(subject.class_name, subject.column)
        columns = mirror_columns(subject.class_name, subject.column)
        document = {"objectId": subject.object_id, "createdAt": NOON, "updatedAt": NOON}
        document |= dict.fromkeys(columns[:3], False)
        document |= {subject.column: File(subject.file_name)}
        document |= {shown_column(subject.column): shows(item.item_id, 0)}
        self.objects.delete(schema, Equals("objectId", subject.object_id))
        self.objects.insert(schema, document)
        return item

    def image(self, data=b"0.1 a", **subject):
        return self.show(self.item(data, **subject))

    def queue(self, *porns):
        """Images of objects of their own, a second apart, that the rules leave to review."""
        items = []
        for number, porn in enumerate(porns):
            self.clock.advance(1)
            name = f"queued{number}"
            items.append(self.image(f"{porn} {name}".encode(), object_id=name))
        self.process_all()
        return items

    def remove(self, item):
        schema = subject_schema("UserImage", item.subject.column)
        self.objects.delete(schema, Equals("objectId", item.subject.object_id))

    def delete(self, item):
        """Remove the object as a save's way does, with all that follows."""
        self.remove(item)
        self.pipeline.loose_ends.tie("deleted", "UserImage", item.subject.object_id)

    # --- what became of it ------------------------------------------------------------------

    def state(self, item):
        return self.items.get(item.item_id).state

    def shown(self, item):
        """The object's columns: safe, deleted, review, predictions."""
        subject = item.subject
        schema = subject_schema(subject.class_name, subject.column)
        document = self.objects.get(schema, subject.object_id)
        names = mirror_columns(subject.class_name, subject.column)
        return tuple(document.get(name) for name in names)

    def decisions(self, item=None):
        """The log's rows, of an item in order of their numbers."""
        query = Query(order=(SortKey("number"),))
        rows = self.objects.find(DECISION, query)
        return [r for r in rows if item is None or r["item"].object_id == item.item_id]

    def path(self, item):
        """The states that an item went through."""
        rows = self.decisions(item)
        assert [row["number"] for row in rows] == list(range(1, len(rows) + 1))
        return [row["after"] for row in rows]

    def row(self, item):
        return self.objects.get(ITEM, item.item_id)

    def process_all(self):
        """Sweep and process what is due, once."""
        for item_id in self.pipeline.sweep(100):
            self.pipeline.process(item_id)

    def decide(self, item, after, by="user:bob"):
        """A moderator's decision on the item as it stands."""
        return self.pipeline.decide(
            self.items.get(item.item_id), after, decided_by=by, reasons=("seen",)
        )
