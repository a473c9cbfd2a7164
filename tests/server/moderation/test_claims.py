"""Claims and counts on each database: one claim has one winner, and no call reads a whole queue."""

import threading
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta

import pymongo.monitoring
import pytest
from moderation_parts import ADA, BOB, NOON, Moderation

from cloud.moderation.items import LONGEST_CLAIM, Claim, Item, Lane, State, Subject
from cloud.moderation.pipeline import AlreadyDecided
from cloud.moderation.review import ClaimedByAnother, Reviewer, ReviewOrder, Ruling
from server.moderation.claims import StoredClaims, StoredRecords
from server.moderation.item_columns import claim_columns, subject_columns
from server.moderation.items import ITEM
from server.objects.schemas import Schemas
from server.storage.mongo.database import MongoDatabase
from server.storage.sqlite.database import SqliteDatabase

APPROVE = Ruling(State.APPROVED)
FOREVER = timedelta(days=365)
BOB1 = Reviewer("bob", "Bob", "s1")


class Queue(Moderation):
    """One process's claims; items are put into the queue without being judged."""

    def __init__(self, database, **parts):
        super().__init__(database, **parts)
        schemas = Schemas(database.schemas, clients_make_classes=False)
        self.claims = StoredClaims(database, schemas)
        self.records = StoredRecords(database, schemas)

    def wait(self, *names, lane=Lane.REVIEW, state=State.REVIEW, claim=None, **columns):
        """Have items wait, each a second younger than the one before; `claim` is on all."""
        self.records.oldest(lane)  # which makes the indexes
        for name in names:
            self.clock.advance(1)
            subject = Subject("UserImage", name, "image", f"{name}.jpg")
            row = {"objectId": name, "createdAt": self.clock(), "updatedAt": NOON, "ACL": {}}
            row |= {**subject_columns(subject), "attempts": 1, "transitions": 1}
            row |= {"state": state.value, "decidedBy": "rules", "decidedAt": NOON}
            if state is State.REVIEW:
                row |= {"lane": lane.value}
            self.objects.insert(ITEM, row | (claim_columns(claim) if claim else {}) | columns)

    def wait_with_object(self, *names):
        self.wait(*names)
        for name in names:
            subject = Subject("UserImage", name, "image", f"{name}.jpg")
            self.show(Item(name, subject, State.REVIEW, NOON))

    def free(self, limit=9, lane=Lane.REVIEW, **options):
        given = {"riskiest_first": False, "skipping": (), **options}
        return self.claims.free(lane, self.clock(), limit, **given)

    def take(self, names, session="s1", lane=Lane.REVIEW, moderator="bob"):
        claim = Claim(moderator, session, self.clock() + timedelta(minutes=5))
        taken = self.claims.take(names, lane, claim, self.clock())
        assert all(item.claim == claim for item in taken)
        return [item.item_id for item in taken]

    def held(self, session="s1", lane=Lane.REVIEW, **options):
        given = {"riskiest_first": False, **options}
        items = self.claims.held(session, lane, self.clock(), **given)
        return [item.item_id for item in items]


@pytest.fixture
def queue(database):
    return Queue(database)


@pytest.fixture
def close_at_end():
    """Have databases closed when the test is over."""
    with ExitStack() as stack:
        yield lambda database: stack.enter_context(closing(database))


def at_once(*calls):
    """Call all at the same moment; returns what they returned."""
    results, barrier = [None] * len(calls), threading.Barrier(len(calls))

    def run(number):
        barrier.wait()
        results[number] = calls[number]()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


# --- what is to be had ----------------------------------------------------------------------------


def test_free_are_those_that_nobody_holds_oldest_first(queue):
    queue.wait("a", "b", "c", "d")
    queue.take(["b"])
    assert queue.free() == ["a", "c", "d"]
    assert queue.free(2) == ["a", "c"]
    assert queue.free(skipping=["a", "d"]) == ["c"]
    assert queue.free(lane=Lane.ESCALATED) == []


def test_free_are_the_riskiest_first_and_those_without_scores_last(queue):
    for name, risk in (("a", 0.2), ("b", 0.9), ("c", 0.5)):
        queue.wait(name, risk=risk)
    queue.wait("unknown")
    queue.take(["c"])
    assert queue.free(riskiest_first=True) == ["b", "a", "unknown"]


def test_what_is_not_in_review_is_never_free(queue):
    for state in State:
        if state is not State.REVIEW:
            queue.wait(state.value, state=state)
    assert queue.free() == []
    assert queue.take([state.value for state in State]) == []


@pytest.mark.parametrize(
    ("until", "is_free"),
    [
        (timedelta(seconds=-1), True),
        (timedelta(0), True),
        (timedelta(seconds=1), False),
        (LONGEST_CLAIM, False),
        (LONGEST_CLAIM + timedelta(seconds=1), True),
        (FOREVER, True),
    ],
)
def test_a_claim_holds_from_now_on_but_not_for_ever(queue, until, is_free):
    queue.wait("a")
    claim = Claim("eve", "s2", queue.clock() + until)
    queue.wait("b", claim=claim)
    queue.clock.advance(-1)  # which the second took
    assert claim.holds(queue.clock()) is not is_free
    assert ("b" in queue.free()) is is_free
    assert (queue.take(["a", "b"]) == ["a", "b"]) is is_free
    assert (queue.held("s2") == ["b"]) is not is_free


# --- one claim, one winner ------------------------------------------------------------------------


def test_taking_gives_what_is_free_in_the_given_order(queue):
    queue.wait("a", "b", "c")
    queue.take(["b"], "s2", moderator="eve")
    assert queue.take(["c", "nothing", "b", "a"]) == ["c", "a"]
    assert queue.held() == ["a", "c"]
    assert queue.held("s2") == ["b"]
    assert queue.row(queue.items.get("a"))["shownTo"] == ["bob"]


def test_taking_what_one_holds_renews_it(queue):
    queue.wait("a")
    queue.take(["a"])
    queue.clock.advance(200)
    assert queue.take(["a"]) == ["a"]
    queue.clock.advance(200)
    assert queue.take(["a"], "s2") == []


def test_an_item_is_taken_in_its_lane_only(queue):
    queue.wait("a", lane=Lane.ESCALATED)
    assert queue.take(["a"]) == []
    assert queue.take(["a"], lane=Lane.ESCALATED) == ["a"]
    assert (queue.held(), queue.held(lane=Lane.ESCALATED)) == ([], ["a"])


def test_each_item_is_taken_by_one_of_many(queue):
    names = [f"{number}" for number in range(10)]
    queue.wait(*names)
    takers = [lambda n=n: queue.take(names, f"s{n}") for n in range(6)]
    taken = [name for each in at_once(*takers) for name in each]
    assert sorted(taken) == names


def test_renewing_tells_what_is_still_the_session_s(queue):
    queue.wait("a", "b", "c")
    queue.take(["a", "b"])
    queue.clock.advance(301)
    queue.take(["b"], "s2")
    assert queue.desk().renew(BOB1, ["a", "b", "nothing"]) == ["a"]
    until = queue.clock() + timedelta(minutes=5)
    assert queue.items.get("a").claim == Claim("bob", "s1", until)
    assert queue.items.get("b").claim.session_id == "s2"


def test_what_the_page_before_let_go_of_is_taken_up_again_unless_somebody_else_was_faster(queue):
    queue.wait("a", "b", "c")
    queue.wait("d", lane=Lane.ESCALATED)
    queue.take(["a", "b", "c"])
    queue.desk().release(BOB1, ["a", "b"])
    queue.take(["b"], "s2", moderator="eve")
    assert queue.desk().renew(BOB1, ["a", "b", "c", "d"]) == ["a", "c"]


def test_releasing_ends_the_session_s_claims_and_no_other(queue):
    queue.wait("a", "b", "c", "d")
    queue.take(["a", "b", "c"])
    queue.take(["d"], "s2", moderator="eve")
    queue.claims.release("s1", ["a", "d"])
    assert queue.free() == ["a"]
    queue.claims.release("s1")
    assert queue.free() == ["a", "b", "c"]
    assert queue.items.get("a").claim is None
    assert queue.items.get("a").shown_to == ("bob",)


def test_a_page_that_is_left_lets_go_of_nothing_that_the_next_one_has_renewed(queue):
    queue.wait("a", "b")
    queue.take(["a", "b"])
    left_at = queue.clock()
    queue.clock.advance(1)
    queue.desk().renew(BOB1, ["b"])
    queue.desk().release(BOB1, ["a", "b"], as_of=left_at)
    assert queue.items.get("a").claim is None
    assert queue.items.get("b").claim is not None


def test_whoever_arrives_gets_what_her_other_sessions_hold_and_nobody_else_s(queue):
    queue.wait("a", "b", "c", "d")
    queue.take(["a"])
    queue.take(["b"], "s2")
    queue.take(["c"], "s3", moderator="eve")
    queue.desk().arrive(BOB1)
    assert queue.free() == ["b", "d"]
    assert queue.items.get("a").claim.session_id == "s1"
    assert [each.item_id for each in queue.desk().claim(BOB1, count=4)] == ["a", "b", "d"]


def test_a_decision_ends_the_claim_and_may_begin_one(queue):
    queue.wait_with_object("a")
    queue.take(["a"])
    queue.desk().rule(BOB, "a", APPROVE)
    item = queue.items.get("a")
    assert (item.claim, item.lane, item.shown_to) == (None, None, ("bob",))
    queue.desk().undo(BOB, "a-2")
    item = queue.items.get("a")
    assert (item.claim.session_id, item.lane) == (BOB.session_id, Lane.REVIEW)


# --- counts ---------------------------------------------------------------------------------------


def test_a_lane_is_counted_with_what_is_claimed(queue):
    assert (queue.records.waiting(Lane.REVIEW), queue.records.oldest(Lane.REVIEW)) == (0, None)
    queue.wait("a", "b", "c")
    queue.wait("d", lane=Lane.ESCALATED)
    queue.wait("e", state=State.APPROVED)
    queue.take(["a"])
    assert queue.records.waiting(Lane.REVIEW) == 3
    assert queue.records.waiting(Lane.ESCALATED) == 1
    assert queue.records.oldest(Lane.REVIEW) == NOON + timedelta(seconds=1)


def test_an_uploader_s_record_counts_every_state(queue):
    queue.wait("a", "b", uploader="alice")
    queue.wait("c", uploader="alice", state=State.REJECTED)
    queue.wait("d", uploader="charlie")
    none = dict.fromkeys(State, 0)
    assert queue.records.record_of("alice") == none | {State.REVIEW: 2, State.REJECTED: 1}
    assert queue.records.record_of("nobody") == none


def test_the_log_comes_back_as_it_was_decided(queue):
    queue.wait_with_object("a")
    desk = queue.desk()
    made = [desk.rule(BOB, "a", APPROVE)]
    made.append(desk.undo(BOB, made[0].decision_id))
    desk.escalate(BOB, "a", "?")
    made.append(desk.rule(ADA, "a", Ruling(State.REJECTED)))
    log = queue.records.decisions("a")
    assert [log[0], log[1], log[3]] == made
    assert (log[2].lane, log[2].remark.note) == (Lane.ESCALATED, "?")


# --- many moderators, two processes ---------------------------------------------------------------


class Table:
    """Who has which image before her; says when two have the same one."""

    def __init__(self):
        self.lock, self.seen_by, self.problems, self.ruled = threading.Lock(), {}, [], []

    def show(self, reviewer, items):
        with self.lock:
            for item in items:
                other = self.seen_by.setdefault(item.item_id, reviewer.session_id)
                if other != reviewer.session_id:
                    self.problems.append(f"{item.item_id}: {other}, {reviewer.session_id}")

    def clear(self, item_id):
        with self.lock:
            self.ruled.append(item_id)


def work_off(desk, reviewer, table, count):
    """Claim and rule until there is nothing left."""
    while items := desk.claim(reviewer, count=count, order=ReviewOrder.OLDEST):
        table.show(reviewer, items)
        try:
            desk.rule(reviewer, items[0].item_id, APPROVE)
        except (AlreadyDecided, ClaimedByAnother) as error:
            table.problems.append(repr(error))
        table.clear(items[0].item_id)


def test_eight_moderators_on_two_processes_rule_each_of_many_images_once(
    database_uri, tmp_path, close_at_end
):
    def opened():
        return MongoDatabase(database_uri) if database_uri else SqliteDatabase(tmp_path)

    queues = [Queue(close_at_end(opened())) for _ in range(2)]
    # nx-27017 reads all there is at every step.
    names = [f"image{number:03}" for number in range(50 if database_uri else 200)]
    queues[0].wait_with_object(*names)
    queues[1].clock.time = queues[0].clock()
    table = Table()

    def moderator(number):
        reviewer = Reviewer(f"m{number}", "M", f"s{number}")
        return lambda: work_off(queues[number % 2].desk(), reviewer, table, 1 + number % 3)

    at_once(*[moderator(number) for number in range(8)])
    assert table.problems == []
    assert sorted(table.ruled) == names
    decided = [row["item"].object_id for row in queues[0].decisions()]
    assert sorted(decided) == names
    assert {row["state"] for row in map(queues[0].row, map(queues[0].items.get, names))} == {
        "approved"
    }


# --- by index -------------------------------------------------------------------------------------

CALLS = {
    "waiting": lambda queue: queue.records.waiting(Lane.REVIEW),
    "oldest": lambda queue: queue.records.oldest(Lane.REVIEW),
    "record_of": lambda queue: queue.records.record_of("alice"),
    "decisions": lambda queue: queue.records.decisions("a"),
    "free": lambda queue: queue.free(skipping=["a"]),
    "free, riskiest": lambda queue: queue.free(skipping=["a"], riskiest_first=True),
    "take": lambda queue: queue.take(["a", "b"]),
    "held": lambda queue: queue.held(),
    "release": lambda queue: queue.claims.release("s1"),
    "release some": lambda queue: queue.claims.release("s1", ["a", "b"]),
    "release old ones": lambda queue: queue.claims.release("s1", ["a", "b"], until=NOON),
    "release elsewhere": lambda queue: queue.claims.release_elsewhere("bob", "s1", NOON),
}
# What may serve each: never an index of which a call would have to read a whole lane or state.
LANE = {"lane_created", "lane_risk"}
BY_ID_OR_SESSION = {"sqlite_autoindex_objects_1", "claim_session"}
SERVED_BY = {
    "waiting": LANE,
    "oldest": {"lane_created"},
    "record_of": {"uploader_state"},
    "decisions": {"item"},
    "free": {"lane_created"},
    "free, riskiest": {"lane_risk"},
    "take": BY_ID_OR_SESSION,
    "held": {"claim_session"},
    "release": {"claim_session"},
    "release some": BY_ID_OR_SESSION,
    "release old ones": BY_ID_OR_SESSION,
    "release elsewhere": {"claimed_until"},
}


@contextmanager
def statements(database):
    """The statements that SQLite is given meanwhile."""
    said = []
    with database.objects._connections.reading() as connection:
        connection.set_trace_callback(said.append)
    yield said
    with database.objects._connections.reading() as connection:
        connection.set_trace_callback(None)


@pytest.mark.parametrize("call", CALLS)
def test_every_call_is_served_by_an_index_of_sqlite(tmp_path, close_at_end, call):
    database = close_at_end(SqliteDatabase(tmp_path))
    queue = Queue(database)
    queue.wait("a", "b", uploader="alice")
    with statements(database) as said:
        CALLS[call](queue)
    selects = [text for text in said if text.startswith("SELECT") and " FROM objects " in text]
    assert selects
    for text in selects:
        with database.objects._connections.reading() as connection:
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}")]
        (search,) = [line for line in plan if "objects" in line]
        index = search.partition(" INDEX ")[2].partition(" (")[0]
        assert any(name in index.split() for name in SERVED_BY[call]), plan
        if call.startswith("free"):
            assert not [line for line in plan if "B-TREE" in line], plan


class Commands(pymongo.monitoring.CommandListener):
    """Keeps what is sent to MongoDB."""

    def __init__(self):
        self.sent = None

    def started(self, event):
        if self.sent is not None:
            self.sent.append(event.command)

    def succeeded(self, event):
        pass

    def failed(self, event):
        pass


COMMANDS = Commands()
pymongo.monitoring.register(COMMANDS)


def asked(command):
    """The filter and the keys that a command sorts by; None where it asks for no documents."""
    match command:
        case {"find": "ModerationItem" | "ModerationDecision", "filter": where}:
            return where, list(command.get("sort", {}))
        case {"aggregate": "ModerationItem", "pipeline": [{"$match": where}, *_]}:
            return where, []
        case {"update": "ModerationItem", "updates": [{"q": where}]}:
            return where, []
    return None


def is_served(where, order, index):
    """Whether the index leads to the documents, in their order."""
    if list(index["key"]) == ["claimedUntil"] and _is_for_minutes(where):
        return not order
    equal = {key for key, value in where.items() if not isinstance(value, dict)}
    if "_id" in equal or "$in" in where.get("_id", ()):
        return not order
    keys = list(index["key"])
    while keys and keys[0] in equal:
        keys.pop(0)
    return len(keys) < len(index["key"]) and keys[: len(order)] == order


def _is_for_minutes(where):
    """Whether it asks for claims that hold now, which are few."""
    bounds = [part["claimedUntil"] for part in where.get("$and", ()) if "claimedUntil" in part]
    return {key for each in bounds for key in each} == {"$gt", "$lte"}


@pytest.mark.parametrize("call", CALLS)
def test_every_call_has_an_index_of_mongodb(mongo_uri, tmp_path, close_at_end, call):
    database = close_at_end(MongoDatabase(mongo_uri("nx", tmp_path.name)))
    queue = Queue(database)
    queue.wait("a", "b", uploader="alice")
    COMMANDS.sent = []
    CALLS[call](queue)
    sent, COMMANDS.sent = COMMANDS.sent, None
    questions = [question for question in map(asked, sent) if question is not None]
    assert questions
    for where, order in questions:
        name = "ModerationDecision" if "_p_item" in where else "ModerationItem"
        indexes = database.objects._database[name].list_indexes()
        serving = [index["name"] for index in indexes if is_served(where, order, index)]
        assert serving, (where, order)
