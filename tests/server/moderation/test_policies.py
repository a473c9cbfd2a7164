"""Policy versions: numbered once, whoever sees a policy first, and never again otherwise."""

import itertools
import threading

import pytest

from cloud.moderation.policy import read_policy
from server.moderation.policies import SCHEMA, PolicyVersions
from server.objects.schemas import Schemas
from server.objects.system_classes import NOBODY
from server.storage.port import Query, SortKey

POLICIES = [
    read_policy({"Porn": {"min": n / 10, "max": 0.9}}, automation)
    for n, automation in itertools.product(range(4), (False, True))
]


@pytest.fixture
def process(database):
    """Make the versions as another process sees them."""

    def make():
        schemas = Schemas(database.schemas, clients_make_classes=False)
        return PolicyVersions(database, schemas)

    return make


def rows(database):
    return database.objects.find(SCHEMA, Query(order=(SortKey("version"),)))


def test_policies_are_numbered_as_they_come_into_force(process):
    versions = process()
    assert [versions.numbered(policy).version for policy in POLICIES[:3]] == [1, 2, 3]
    assert versions.numbered(POLICIES[1]).version == 2


def test_a_number_outlives_its_process(process):
    assert process().numbered(POLICIES[0]).version == 1
    assert process().numbered(POLICIES[1]).version == 2
    assert process().numbered(POLICIES[0]).version == 1


def test_a_version_keeps_what_was_in_force(process, database):
    process().numbered(POLICIES[1])
    (row,) = rows(database)
    assert row["moderationScores"] == {"Porn": {"min": 0, "max": 0.9}}
    assert (row["moderationAutomation"], row["ACL"]) == (True, {})
    (schema,) = [s for s in database.schemas.all() if s.class_name == "ModerationPolicy"]
    assert schema.permissions == NOBODY


def test_no_policy_has_a_number_too(process):
    versions = process()
    assert versions.numbered(read_policy(None)).version == 1
    assert versions.numbered(read_policy({})).version == 1
    assert versions.numbered(read_policy(None, True)).version == 2


def test_equal_thresholds_in_another_order_are_the_same_policy(process):
    one = {"Porn": {"min": 0.1, "max": 1}, "Sexy": {"min": 0.2, "max": 1.0}}
    other = dict(reversed(one.items()))
    assert process().numbered(read_policy(one)).version == 1
    assert process().numbered(read_policy(other)).version == 1


def test_several_processes_number_each_policy_once(process, database):
    numbers, barrier = [], threading.Barrier(4)

    def run(turn):
        versions = process()
        barrier.wait()
        mine = POLICIES[turn:] + POLICIES[:turn]
        numbers.append({str(policy): versions.numbered(policy).version for policy in mine})

    threads = [threading.Thread(target=run, args=(turn,)) for turn in (0, 0, 3, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert numbers == [numbers[0]] * 4
    versions = [row["version"] for row in rows(database)]
    assert versions == list(range(1, len(POLICIES) + 1))
