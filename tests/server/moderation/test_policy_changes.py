"""The history of policies in force: who put which one there, whichever way it came."""

import threading
from datetime import timedelta

import pytest

from cloud.clock import utc_now
from cloud.moderation.policy import InvalidPolicy, read_policy
from cloud.moderation.policy_changes import BY_DATABASE, BY_MASTER_KEY, PolicyChangedMeanwhile
from cloud.operations import Add, Set
from server.moderation.policies import PolicyVersions
from server.moderation.policy_changes import SCHEMA, PolicyChanges
from server.objects.schemas import Schemas
from server.objects.system_classes import NOBODY, SYSTEM_CLASSES
from server.parse_config import ParseConfig
from server.storage.port import Equals, Query

CONFIG = SYSTEM_CLASSES["_GlobalConfig"]
ROW = Equals("objectId", 1)


def scores(minimum):
    return {"Porn": {"min": minimum, "max": 0.9}}


class Process:
    """One process's Parse.Config."""

    def __init__(self, database):
        self.database = database
        schemas = Schemas(database.schemas, clients_make_classes=False)
        self.changes = PolicyChanges(database, schemas)
        self.versions = PolicyVersions(database, schemas)
        self.config = ParseConfig(database.objects, self.versions, self.changes, 0)

    def put(self, minimum, **author):
        self.config.write({"moderationScores": Set(scores(minimum))}, {}, **author)

    def write_past_us(self, stored):
        """As another program on the same database may."""
        change = {"params.moderationScores": Set(stored)}
        self.database.objects.update(CONFIG, ROW, change, upsert=True)

    def announce(self, minimum):
        """The first half of a change by `user:alice`, who knows of one change."""
        policy = self.versions.numbered(read_policy(scores(minimum)))
        self.changes.announce(policy.version, "user:alice", None, since=1)

    def history(self):
        """Oldest first: number, version, author, note."""
        listed = self.changes.list(100)[::-1]
        return [(change.number, change.version, change.by, change.note) for change in listed]

    def age(self, number):
        """Have a change be two minutes old."""
        long_ago = {"createdAt": Set(utc_now() - timedelta(minutes=2))}
        self.database.objects.update(SCHEMA, Equals("objectId", str(number)), long_ago)


@pytest.fixture
def start(database):
    """Make further processes on the same database."""
    return lambda: Process(database)


@pytest.fixture
def process(start):
    return start()


def test_change_goes_down_with_author_and_note(process):
    process.put(0.4, by="user:alice", note="as agreed on Monday", since=0)
    assert process.history() == [(1, 1, "user:alice", "as agreed on Monday")]
    assert process.config.current().version == 1


def test_history_is_the_master_keys_alone(process, database):
    process.put(0.4)
    (row,) = database.objects.find(SCHEMA, Query())
    assert row["ACL"] == {}
    (schema,) = [s for s in database.schemas.all() if s.class_name == SCHEMA.class_name]
    assert schema.permissions == NOBODY


def test_change_by_rest_goes_down_as_the_master_keys(process):
    process.put(0.4)
    process.put(0.5)
    assert process.history() == [(1, 1, BY_MASTER_KEY, None), (2, 2, BY_MASTER_KEY, None)]


def test_version_that_comes_back_is_a_change_of_its_own(process):
    for minimum in (0.4, 0.5, 0.4):
        process.put(minimum)
    assert [version for _, version, _, _ in process.history()] == [1, 2, 1]


def test_same_policy_again_is_no_change(process):
    process.put(0.4)
    process.put(0.4)
    process.config.write({"other": Set(1)}, {})
    assert len(process.history()) == 1


def test_second_of_two_admins_is_told_who_was_faster(process, start):
    process.put(0.4, by="user:alice", since=0)
    bob = start()
    process.put(0.5, by="user:alice", since=1)
    with pytest.raises(PolicyChangedMeanwhile) as refused:
        bob.put(0.6, by="user:bob", since=1)
    assert (refused.value.change.by, refused.value.change.number) == ("user:alice", 2)
    assert process.config.current().thresholds == process.versions.policy(2).thresholds
    bob.put(0.6, by="user:bob", since=2)
    assert process.history()[-1] == (3, 3, "user:bob", None)


def test_of_admins_who_save_at_once_one_wins(database, process, start):
    process.put(0.4)
    outcomes, barrier = [], threading.Barrier(4)

    def save(number):
        mine = start()
        barrier.wait()
        try:
            mine.put(number / 10, by=f"user:{number}", since=1)
            outcomes.append(number)
        except PolicyChangedMeanwhile as error:
            outcomes.append(error.change.by)

    threads = [threading.Thread(target=save, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [outcome for outcome in outcomes if isinstance(outcome, int)]
    assert outcomes.count(f"user:{winner}") == 3
    assert [by for _, _, by, _ in process.history()] == [BY_MASTER_KEY, f"user:{winner}"]
    stored, _ = process.config.read()
    assert stored["moderationScores"] == scores(winner / 10)


def test_invalid_policy_leaves_no_trace(process):
    with pytest.raises(InvalidPolicy):
        process.config.write({"moderationScores": Set({"Porn": 1})}, {}, since=0)
    assert process.history() == []


def test_refused_write_is_no_change(process, needs):
    needs("an operation that does not fit what is stored is refused")
    process.config.write({"words": Set("text"), "moderationScores": Set(scores(0.4))}, {})
    with pytest.raises(ValueError, match="array"):
        process.config.write({"words": Add([1]), "moderationScores": Set(scores(0.5))}, {})
    assert process.history() == [(1, 1, BY_MASTER_KEY, None)]
    assert process.config.current().version == 1


def test_policy_written_past_us_is_found(process):
    process.put(0.4)
    process.age(1)
    process.write_past_us(scores(0.5))
    assert process.config.current().version == 2
    assert process.history()[1:] == [(2, 2, BY_DATABASE, None)]
    assert not process.changes.newest().is_beginning
    process.config.current()
    assert len(process.history()) == 2


def test_change_that_is_just_being_written_is_not_taken_for_another(process, start):
    process.put(0.4)
    process.age(1)
    process.announce(0.5)
    other = start()
    assert other.config.current().version == 1, "it is not written yet"
    assert len(other.history()) == 2
    process.write_past_us(scores(0.5))
    assert other.config.current().version == 2
    assert [by for _, _, by, _ in other.history()] == [BY_MASTER_KEY, "user:alice"]


def test_change_that_was_announced_and_never_written_is_corrected(process, start):
    process.put(0.4)
    process.announce(0.5)
    process.age(1)
    process.age(2)
    assert start().config.current().version == 1
    assert process.history()[2:] == [(3, 1, BY_DATABASE, None)]


def test_last_valid_policy_stays_in_force_across_a_restart(process, start):
    process.put(0.4)
    process.write_past_us("broken")
    assert start().config.current().version == 1


def test_without_any_valid_policy_there_is_none(process):
    process.write_past_us("broken")
    policy = process.config.current()
    assert (policy.thresholds, policy.version) == ({}, None)


def test_first_policy_that_is_found_begins_the_history(process):
    assert process.config.current().version == 1
    assert process.history() == [(1, 1, BY_DATABASE, None)]
    assert process.changes.newest().is_beginning


def test_version_is_read_back(process):
    process.put(0.4)
    found = process.versions.policy(1)
    assert found == process.config.current()
    assert process.versions.policy(2) is None
