"""What a purge removes, and what it never does, on each database; and that it may be cut short."""

from datetime import timedelta

import pytest
from item_rows import DAY, NOON, ItemRows, predictions

from admin.ports.exposure import Views
from admin.ports.retention import PurgeCounts
from cloud.moderation.errors import StoreUnavailable
from cloud.moderation.items import Evidence, State
from cloud.moderation.memory import Recollection
from cloud.moderation.types import Classification, Outcome, Verdict
from cloud.values import File, Pointer
from ml_models.types import Fingerprint, ModelSpec
from server.moderation.classifications import StoredClassifications
from server.moderation.holds import HOLD, LegalHolds
from server.moderation.items import DECISION, ITEM
from server.moderation.memory import ENTRY, MATCH, StoredMemory
from server.moderation.near_copies import NearCopies
from server.moderation.purge import Purge
from server.moderation.subjects import shown_column, shows, subject_schema
from server.moderation.unowned import SCHEMA as RECORD
from server.moderation.unowned import UnownedImages
from server.panel.exposure import SCHEMA as VIEWS
from server.panel.exposure import StoredExposure
from server.panel.retention import BY_SETTING, RecordedPurges, RetentionKeeper
from server.storage.port import Equals, Query, SortKey
from server.storage.sqlite.database import SqliteDatabase
from server.webhooks.deliveries import SCHEMA as DELIVERY
from server.webhooks.deliveries import StoredDeliveries
from server.webhooks.receivers import parse_receivers

NOW = NOON + 400 * DAY
CUTOFF = NOW - 365 * DAY
OLD = NOON  # 35 days before the cutoff
MODEL = ModelSpec("Scripted", "1", 224)
USER_IMAGE = subject_schema("UserImage", "image")
HOOK = parse_receivers(["https://hooks.example/"])


@pytest.fixture
def rows(database):
    return ItemRows(database)


def purge(rows, cutoff=CUTOFF, **options):
    run = Purge(rows.database, rows.schemas, cutoff, **options)
    *_, counts = run.steps()
    return counts


def ids(rows, schema, order="objectId"):
    return [row["objectId"] for row in rows.objects.find(schema, Query(order=(SortKey(order),)))]


@pytest.mark.parametrize("state", [State.APPROVED, State.REJECTED, State.ENDED])
def test_what_was_decided_before_goes_with_its_log(rows, state):
    rows.item("old", State.REVIEW, at=OLD - DAY)
    rows.decide("old", state, "user:bob", OLD)
    rows.item("new", state, at=CUTOFF)
    counts = purge(rows)
    assert (counts.items, counts.decisions) == (1, 2)
    assert ids(rows, ITEM) == ["new"]
    assert ids(rows, DECISION) == ["new-1"]


def test_what_waits_to_be_judged_stays_however_old(rows):
    rows.pending("pending", uploaded=OLD)
    rows.item("review", State.REVIEW, at=OLD)
    rows.item("back", State.REJECTED, at=OLD)
    rows.decide("back", State.REVIEW, "user:bob", OLD + DAY)
    assert purge(rows) == PurgeCounts()
    assert ids(rows, ITEM) == ["back", "pending", "review"]
    assert len(ids(rows, DECISION)) == 3


def test_a_decision_that_is_not_settled_stays(rows):
    rows.pending("a", uploaded=OLD)
    decided = rows.decide("a", State.APPROVED, at=OLD)
    rows.objects.update(ITEM, Equals("objectId", "a"), unsettled(decided))
    assert purge(rows).items == 0


def unsettled(decision):
    from cloud.operations import Set
    from server.moderation.item_columns import decision_columns

    return {"unsettled": Set(decision_columns(decision)), "unsettledSince": Set(OLD)}


def test_an_image_that_was_decided_again_lately_keeps_all_of_its_log(rows):
    rows.item("a", State.REJECTED, at=OLD)
    rows.decide("a", State.APPROVED, "user:bob", CUTOFF + DAY)
    assert purge(rows) == PurgeCounts()
    assert ids(rows, DECISION) == ["a-1", "a-2"]


def test_a_legal_hold_keeps_item_log_and_deliveries(rows):
    deliveries = StoredDeliveries(rows.database, rows.schemas, HOOK)
    for name in ("held", "free"):
        deliveries.announce(rows.item(name, State.REJECTED, at=OLD))
    for due in deliveries.due(HOOK[0].shown, OLD, 9):
        deliveries.delivered(deliveries.lease(due, OLD, OLD + DAY), 204, OLD)
    holds = LegalHolds(rows.database, rows.schemas)
    holds.change("held", "user:alice", "case 12", OLD, is_held=True)
    counts = purge(rows)
    assert (counts.items, counts.decisions, counts.deliveries, counts.held) == (1, 1, 1, 1)
    assert ids(rows, ITEM) == ["held"]
    assert ids(rows, DECISION) == ["held-1"]
    (left,) = rows.objects.find(DELIVERY, Query())
    assert left["decision"].object_id == "held-1"


def test_after_the_hold_was_lifted_the_item_goes_and_the_log_of_holds_with_it(rows):
    rows.item("a", State.REJECTED, at=OLD)
    holds = LegalHolds(rows.database, rows.schemas)
    holds.change("a", "user:alice", "case 12", OLD, is_held=True)
    holds.change("a", "user:alice", "closed", OLD, is_held=False)
    assert purge(rows).items == 1
    assert ids(rows, HOLD) == []


# --- what hangs on an item ------------------------------------------------------------------------


def show(rows, name, object_id, number=1):
    document = {
        "objectId": object_id, "createdAt": OLD, "updatedAt": OLD, "image": File(f"{name}.jpg"),
        "isSafe": True, "deleted": False, "moderationRequired": False,
        shown_column("image"): shows(name, number),
    }  # fmt: skip
    rows.objects.insert(USER_IMAGE, document)


def test_the_object_keeps_its_file_and_columns_and_is_as_from_before_moderation(rows):
    rows.item("a", at=OLD, object_id="photo")
    show(rows, "a", "photo")
    purge(rows)
    document = rows.objects.get(USER_IMAGE, "photo")
    assert (document["isSafe"], document["image"]) == (True, File("a.jpg"))
    assert shown_column("image") not in document
    assert document["updatedAt"] == OLD


def test_an_object_that_shows_a_newer_item_goes_on_showing_it(rows):
    rows.item("a", State.ENDED, at=OLD, object_id="photo")
    rows.item("b", at=CUTOFF + DAY, object_id="photo")
    show(rows, "b", "photo")
    purge(rows)
    assert rows.objects.get(USER_IMAGE, "photo")[shown_column("image")] == shows("b", 1)


def classification(data_sha, seen_at=OLD):
    return Classification(
        content_sha256=data_sha,
        byte_count=3,
        model=MODEL,
        predictions=predictions(porn=0.6),
        fingerprint=Fingerprint("0" * 64, 0),
        verdict=Verdict(Outcome.REVIEW, ("seen",), 1),
        source_url=None,
        seen_count=1,
        first_seen_at=seen_at,
        last_seen_at=seen_at,
    )


def offered(rows, sha):
    """An image known only by its bytes, in review; returns the item's id and its file's name."""
    made = classification(sha)
    StoredClassifications(rows.objects, rows.schemas).add(made)
    UnownedImages(rows.database, rows.schemas, rows.items).offer(made, b"abc")
    (row,) = rows.objects.find(ITEM, Query(Equals("subjectClass", RECORD.class_name)))
    return row["objectId"], row["fileName"]


def test_the_bytes_of_an_image_that_is_no_objects_go_and_then_its_record(rows):
    item_id, name = offered(rows, "a" * 64)
    rows.decide(item_id, State.REJECTED, "user:bob", OLD)
    assert rows.database.files.read(name) == b"abc"
    counts = purge(rows)
    assert (counts.items, counts.classifications) == (1, 1)
    assert rows.database.files.read(name) is None
    assert ids(rows, RECORD) == []


def test_a_record_whose_image_waits_stays(rows):
    _, name = offered(rows, "a" * 64)
    assert purge(rows) == PurgeCounts()
    assert rows.database.files.read(name) == b"abc"
    assert len(ids(rows, RECORD)) == 1


def test_classifications_not_asked_for_since_go(rows):
    records = StoredClassifications(rows.objects, rows.schemas)
    records.add(classification("a" * 64, OLD))
    records.add(classification("b" * 64, CUTOFF))
    assert purge(rows).classifications == 1
    assert [row["contentSha256"] for row in rows.objects.find(RECORD, Query())] == ["b" * 64]


def test_deliveries_that_wait_stay_unless_nobody_has_come_for_them(rows):
    deliveries = StoredDeliveries(rows.database, rows.schemas, HOOK)
    deliveries.announce(rows.item("in vain", State.REVIEW, at=OLD))
    deliveries.announce(rows.item("tried", State.REVIEW, at=OLD))
    waiting = {row["decision"].object_id: row for row in rows.objects.find(DELIVERY, Query())}
    leased = deliveries.lease(waiting["tried-1"]["objectId"], OLD, OLD + DAY)
    deliveries.failed(leased, 500, "no", CUTOFF, CUTOFF + timedelta(hours=1))
    deliveries.announce(rows.item("new", at=CUTOFF))
    assert purge(rows).deliveries == 1
    left = {row["decision"].object_id for row in rows.objects.find(DELIVERY, Query())}
    assert left == {"tried-1", "new-1"}


def test_the_memory_stays_and_what_counted_its_matches_goes(rows):
    near = NearCopies(rows.objects, ENTRY, max_distance=31, min_quality=50)
    memory = StoredMemory(rows.database, rows.schemas, near)
    rows.pending("a", uploaded=OLD)
    evidence = Evidence(content_sha256="a" * 64)
    decision = rows.decide("a", State.REJECTED, "user:bob", OLD, evidence=evidence)
    memory.learn(decision, "a" * 64)
    assert memory.recall(evidence, "b", OLD).matches == 1
    counts = purge(rows)
    assert (counts.items, counts.matches) == (1, 1)
    assert ids(rows, MATCH) == []
    assert isinstance(memory.recall(evidence, "c", NOW), Recollection)


def looked_at(rows, *ages):
    """Days on which somebody looked at images."""
    for age in ages:
        at = NOW - age * DAY
        exposure = StoredExposure(rows.database, rows.schemas, now=lambda at=at: at)
        exposure.note("bob", [Views("p1", at.date(), 7)])


def test_what_moderators_looked_at_before_goes(rows):
    looked_at(rows, 366, 367, 364)
    assert purge(rows, dry_run=True).views == 2
    assert purge(rows).views == 2
    assert ids(rows, VIEWS) == [f"bob-{(NOW - 364 * DAY).date()}"]


# --- interruptions --------------------------------------------------------------------------------


class FailsAt:
    """A store whose n-th write, and every one after it, fails: as if the process had ended there.

    Whether the n-th itself took place makes a difference of its own.
    """

    def __init__(self, store, at, *, after):
        self._store, self._left, self._after = store, at, after

    def __getattr__(self, name):
        method = getattr(self._store, name)
        if name not in ("insert", "update", "delete"):
            return method

        def writing(*arguments, **options):
            self._left -= 1
            if self._left == 0 and self._after:
                method(*arguments, **options)
            if self._left <= 0:
                raise StoreUnavailable("cut")
            return method(*arguments, **options)

        return writing


class CutDatabase:
    """A Database whose objects and files fail from the n-th write on, each counting for itself."""

    def __init__(self, database, at, *, after):
        self.objects = FailsAt(database.objects, at, after=after)
        self.files = FailsAt(database.files, at, after=after)
        self.schemas, self.relations = database.schemas, database.relations


def filled(database):
    rows = ItemRows(database)
    item_id, _ = offered(rows, "a" * 64)
    rows.decide(item_id, State.REJECTED, "user:bob", OLD)
    deliveries = StoredDeliveries(database, rows.schemas, HOOK)
    for number in range(3):
        name = f"old{number}"
        deliveries.announce(rows.item(name, at=OLD + number * DAY, object_id=f"photo{number}"))
        show(rows, name, f"photo{number}")
    for due in deliveries.due(HOOK[0].shown, OLD + 9 * DAY, 9):
        deliveries.delivered(deliveries.lease(due, OLD + 9 * DAY, NOW), 204, OLD)
    rows.item("review", State.REVIEW, at=OLD)
    rows.item("held", at=OLD)
    rows.flag("held")
    return rows


def everything(rows):
    classes = (ITEM, DECISION, DELIVERY, RECORD, HOLD, USER_IMAGE)
    found = {schema.class_name: rows.objects.find(schema, Query()) for schema in classes}
    return found | {"files": sorted(rows.database.files.names())}


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """What is left where nothing cut the purge short."""
    rows = filled(SqliteDatabase(tmp_path_factory.mktemp("whole")))
    purge(rows)
    yield everything(rows)
    rows.database.close()


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 10))
def test_cut_short_anywhere_and_run_again_it_has_removed_the_same(tmp_path, expected, at, after):
    cut = filled(SqliteDatabase(tmp_path))
    broken = ItemRows.__new__(ItemRows)
    broken.database = CutDatabase(cut.database, at, after=after)
    broken.objects, broken.schemas = broken.database.objects, cut.schemas
    with pytest.raises(StoreUnavailable):
        purge(broken)
    purge(cut)
    left = everything(cut)
    assert [row["objectId"] for row in expected["ModerationItem"]] == ["review", "held"]
    assert left.keys() == expected.keys()
    for name in expected:
        assert strip(left[name]) == strip(expected[name]), name
    cut.database.close()


def strip(found):
    """What is random in an unowned image's file name is not compared."""
    return [row if isinstance(row, dict) else len(row) for row in found]


def test_nothing_is_left_to_do_for_a_second_run(rows):
    rows.item("a", at=OLD)
    purge(rows)
    assert purge(rows) == PurgeCounts()


def test_more_than_a_page_goes_and_what_stays_between_is_passed(rows):
    for number in range(8):
        rows.item(f"item{number}", State.REVIEW if number in (1, 4) else State.APPROVED, at=OLD)
    assert purge(rows, page_size=2).items == 6
    assert ids(rows, ITEM) == ["item1", "item4"]


def test_a_dry_run_counts_the_same_and_removes_nothing(tmp_path):
    rows = filled(SqliteDatabase(tmp_path))
    before = everything(rows)
    expected = purge(rows, dry_run=True)
    assert everything(rows) == before
    # The record of an image that waits for its item's removal counts only once that is gone.
    done = purge(rows)
    assert (done.items, done.decisions, done.deliveries) == (4, 4, 3)
    assert (expected.items, expected.decisions, expected.deliveries) == (4, 4, 3)
    assert (expected.held, done.held) == (1, 1)
    rows.database.close()


# --- runs -----------------------------------------------------------------------------------------


def test_each_run_is_on_record(rows):
    purges = RecordedPurges(rows.database, rows.schemas, now=lambda: NOW)
    rows.item("a", at=OLD)
    assert purges.run(365, "user:alice").items == 1
    (run,) = purges.last(9)
    assert (run.by, run.older_than_days, run.started_at, run.finished_at) == (
        "user:alice", 365, NOW, NOW,
    )  # fmt: skip
    assert (run.counts.items, run.counts.decisions) == (1, 1)


def test_of_all_processes_one_purges_a_day(rows):
    keepers = [RetentionKeeper(rows.database, rows.schemas, 365, now=lambda: NOW) for _ in range(3)]
    rows.item("a", at=OLD)
    for keeper in keepers:
        keeper.purge_today()
    (run,) = keepers[0].runs(9)
    assert (run.by, run.counts.items) == (BY_SETTING, 1)


def test_the_next_day_it_purges_again(rows):
    time = [NOW]
    keeper = RetentionKeeper(rows.database, rows.schemas, 365, now=lambda: time[0])
    keeper.purge_today()
    time[0] += DAY
    keeper.purge_today()
    assert len(keeper.runs(9)) == 2


def test_a_keeper_purges_in_the_background_as_soon_as_it_starts(tmp_path):
    rows = ItemRows(SqliteDatabase(tmp_path))
    rows.item("a", at=OLD)
    keeper = RetentionKeeper(rows.database, rows.schemas, 365, now=lambda: NOW)
    keeper.start()
    keeper.close()
    assert ids(rows, ITEM) == []
    rows.database.close()


def test_without_a_number_of_days_nothing_is_ever_purged(tmp_path):
    rows = ItemRows(SqliteDatabase(tmp_path))
    rows.item("a", at=OLD)
    keeper = RetentionKeeper(rows.database, rows.schemas, 0, now=lambda: NOW)
    keeper.start()
    keeper.close()
    assert ids(rows, ITEM) == ["a"]
    rows.database.close()


# --- upkeep, whatever is purged -------------------------------------------------------------------


def delivery_of(rows, name, at, finish):
    """A delivery of a decision that was announced then, finished or not."""
    deliveries = StoredDeliveries(rows.database, rows.schemas, HOOK)
    deliveries.announce(rows.item(name, State.REJECTED, at=at))
    (due,) = deliveries.due(HOOK[0].shown, at, 9)
    delivery = deliveries.lease(due, at, at + DAY)
    if finish == "delivered":
        deliveries.delivered(delivery, 204, at)
    elif finish == "given up":
        deliveries.failed(delivery, 500, "scripted", at, None)
    else:
        deliveries.failed(delivery, 500, "scripted", at, NOW + DAY)


def keep_up(rows, **options):
    RetentionKeeper(rows.database, rows.schemas, 0, now=lambda: NOW, **options).keep_up()


def test_finished_deliveries_go_after_so_many_days_and_waiting_ones_never(rows):
    at = NOW - 31 * DAY
    delivery_of(rows, "new", NOW - 29 * DAY, "delivered")
    for name, finish in (("done", "delivered"), ("lost", "given up"), ("waits", "waiting")):
        delivery_of(rows, name, at, finish)
    keep_up(rows)
    left = {row["decision"].object_id for row in rows.objects.find(DELIVERY, Query())}
    assert left == {"waits-1", "new-1"}
    assert ids(rows, ITEM) == ["done", "lost", "new", "waits"]
    keep_up(rows, webhook_log_days=20)
    left = {row["decision"].object_id for row in rows.objects.find(DELIVERY, Query())}
    assert left == {"waits-1"}


def test_deliveries_of_what_is_under_a_legal_hold_stay(rows):
    for name in ("held", "free"):
        delivery_of(rows, name, OLD, "delivered")
    LegalHolds(rows.database, rows.schemas).change("held", "user:alice", "12", OLD, is_held=True)
    keep_up(rows)
    (left,) = rows.objects.find(DELIVERY, Query())
    assert left["decision"].object_id == "held-1"


def test_matches_go_after_a_day(rows):
    near = NearCopies(rows.objects, ENTRY, max_distance=31, min_quality=50)
    memory = StoredMemory(rows.database, rows.schemas, near)
    memory.learn(rows.item("a", State.REJECTED, by="user:bob", at=OLD), "ab" * 32)
    evidence = Evidence(content_sha256="ab" * 32)
    memory.recall(evidence, "b", NOW - DAY - timedelta(seconds=1))
    memory.recall(evidence, "c", NOW - timedelta(minutes=59))
    keep_up(rows)
    assert [row["item"].object_id for row in rows.objects.find(MATCH, Query())] == ["c"]
    assert memory.recall(evidence, "d", NOW).matches == 2
    assert len(ids(rows, ENTRY)) == 1


def test_what_moderators_looked_at_goes_after_three_months(rows):
    looked_at(rows, 89, 91)
    keep_up(rows)
    assert ids(rows, VIEWS) == [f"bob-{(NOW - 89 * DAY).date()}"]


def test_who_has_nothing_to_keep_up_gets_no_classes_for_it(tmp_path):
    rows = ItemRows(SqliteDatabase(tmp_path))
    keep_up(rows)
    made = {schema.class_name for schema in rows.database.schemas.all()}
    assert made.isdisjoint({MATCH.class_name, DELIVERY.class_name, VIEWS.class_name})
    rows.database.close()


def test_a_keeper_sees_to_upkeep_in_the_background_without_a_number_of_days(tmp_path):
    rows = ItemRows(SqliteDatabase(tmp_path))
    delivery_of(rows, "a", OLD, "delivered")
    keeper = RetentionKeeper(rows.database, rows.schemas, 0, now=lambda: NOW)
    keeper.start()
    keeper.close()
    assert (ids(rows, ITEM), ids(rows, DELIVERY)) == (["a"], [])
    rows.database.close()


def test_an_admin_has_it_purge_now_and_sees_what_would_go_before(tmp_path):
    rows = ItemRows(SqliteDatabase(tmp_path))
    for name in ("a", "held"):
        rows.item(name, at=OLD)
    rows.flag("held")
    keeper = RetentionKeeper(rows.database, rows.schemas, 0, now=lambda: NOW)
    preview = keeper.preview(365)
    assert (preview.items, preview.held) == (1, 1)
    assert keeper.begin(365, "user:alice")
    keeper.close()
    assert ids(rows, ITEM) == ["held"]
    assert not keeper.begin(365, "user:alice")  # it is closed
    rows.database.close()


def test_a_row_that_nobody_can_read_does_not_stop_the_purge(rows):
    rows.item("old", State.REJECTED, at=OLD)
    stamps = {"createdAt": OLD, "updatedAt": OLD, "ACL": {}}
    rows.objects.insert(DECISION, {"objectId": "bad-1", **stamps, "number": 1})
    of_old = {"item": Pointer(ITEM.class_name, "old"), "subjectClass": "UserImage"}
    rows.objects.insert(DECISION, {"objectId": "old-9", **stamps, **of_old})
    StoredDeliveries(rows.database, rows.schemas, HOOK).announce(
        rows.item("new", State.REJECTED, at=CUTOFF)
    )
    rows.objects.insert(DELIVERY, {"objectId": "bad", **stamps, "state": "delivered"})
    counts = purge(rows)
    assert (counts.items, counts.decisions, counts.deliveries) == (1, 2, 1)
    assert ids(rows, ITEM) == ["new"]
    assert ids(rows, DECISION) == ["bad-1", "new-1"], "whose it was cannot be known"
