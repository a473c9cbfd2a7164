"""Policies on each database: what holds, saving, and what others are tried on."""

import threading
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from image_host import MASTER, noise
from judged_images import JudgedImages, policy_params, scores

from cloud.clock import utc_now
from cloud.moderation.errors import StoreUnavailable
from cloud.moderation.items import State
from cloud.moderation.policy import read_policy
from cloud.moderation.policy_changes import PolicyChangedMeanwhile
from cloud.operations import Set
from ml_models.types import Label
from server.objects.system_classes import SYSTEM_CLASSES
from server.panel.judged_images import DECISIONS_BY_PEOPLE, UPLOADS
from server.panel.newest import Newest
from server.panel.policies import StoredPolicies
from server.panel.refreshed import Refreshed
from server.storage.port import Equals

NOW = utc_now()
ALICE = "user:alice"


def policy(low, high=0.9, *, automation=True):
    return read_policy({"Porn": {"min": low, "max": high}}, automation)


@pytest.fixture
def services(parse_on_each):
    return parse_on_each.services


@pytest.fixture
def policies(services):
    return StoredPolicies(services, Newest(services.database.objects, DECISIONS_BY_PEOPLE))


@pytest.fixture
def images(services):
    return JudgedImages(services.database)


def write_past_us(services, stored):
    services.database.objects.update(
        SYSTEM_CLASSES["_GlobalConfig"],
        Equals("objectId", 1),
        {"params.moderationScores": Set(stored)},
        upsert=True,
    )


# --- what holds -----------------------------------------------------------------------------------


def test_saved_policy_is_in_force_and_in_parse_config(policies, services):
    since = policies.standing().change.number
    change = policies.save(policy(0.4), by=ALICE, note="why", since=since)
    standing = policies.standing()
    assert (standing.policy.version, standing.problem) == (change.version, None)
    assert standing.change == change
    assert (change.by, change.note) == (ALICE, "why")
    params, _ = services.parse_config.read()
    assert params == policy_params({"Porn": (0.4, 0.9)})
    assert services.parse_config.current() == policies.current() == standing.policy


def test_saving_hides_and_shows_nothing(policies, services):
    changes = {"moderationScores": Set({}), "other": Set(1)}
    services.parse_config.write(changes, {"moderationScores": True})
    since = policies.standing().change.number
    policies.save(policy(0.4), by=ALICE, note=None, since=since)
    _, hidden = services.parse_config.read()
    assert hidden == {"moderationScores": True, "moderationAutomation": False, "other": False}


def test_second_admin_is_told(policies):
    since = policies.standing().change.number
    policies.save(policy(0.4), by=ALICE, note=None, since=since)
    with pytest.raises(PolicyChangedMeanwhile) as refused:
        policies.save(policy(0.5), by="user:carol", note=None, since=since)
    assert refused.value.change.by == ALICE
    assert policies.standing().policy.thresholds == policy(0.4).thresholds


def test_versions_and_changes_can_be_read_again(policies):
    for low in (0.4, 0.5, 0.4):
        since = policies.standing().change.number
        policies.save(policy(low), by=ALICE, note=None, since=since)
    changes = policies.changes(3)
    assert [change.version for change in changes] == [2, 3, 2]
    assert policies.version(3).thresholds == policy(0.5).thresholds
    assert policies.version(99) is None


def test_invalid_stored_policy_is_told_with_the_one_in_force(policies, services):
    since = policies.standing().change.number
    policies.save(policy(0.4), by=ALICE, note=None, since=since)
    write_past_us(services, {"Porn": {"min": 2, "max": 3}})
    standing = policies.standing()
    assert standing.problem == "moderationScores.Porn.min: must be a number from 0 to 1."
    assert standing.policy.thresholds == policy(0.4).thresholds


def test_change_by_rest_stands_in_the_history(policies, parse_on_each):
    parse_on_each.put("/config", {"params": policy_params({"Porn": (0.1, 0.2)})}, MASTER)
    assert policies.changes(1)[0].by == "master key"


def tried(policies):
    """What there is to try on, however slow the machine."""
    deadline = time.monotonic() + 60
    while (trial := policies.trial()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return trial


# --- what policies are tried on -------------------------------------------------------------------


def test_trial_is_on_the_newest_uploads_and_on_what_people_said(policies, images):
    ids = [images.image(State.REVIEW, porn=n / 10) for n in range(1, 6)]
    images.decide(ids[0], State.REJECTED, ALICE)
    images.decide(ids[1], State.APPROVED, "master key")
    images.decide(ids[2], State.REJECTED, ALICE)
    images.decide(ids[2], State.REVIEW, ALICE)
    images.image(State.REVIEW)  # it could not be classified
    trial = tried(policies)
    assert [image.name for image in trial.images] == ids[::-1]
    assert trial.images[-1].predictions == scores(porn=0.1)
    assert trial.are_items
    assert [(one.rejected, one.predictions) for one in trial.judged] == [
        (False, scores(porn=0.2)),
        (True, scores(porn=0.1)),
    ]
    assert trial.per_day == 6
    assert sum(trial.histograms[Label.PORN]) == 5
    assert trial.histograms[Label.PORN][5] == 1


def test_rules_and_memory_say_no_truth(policies, images):
    images.image(State.APPROVED, porn=0.1)
    images.decide(images.image(State.REVIEW, porn=0.5), State.APPROVED, "memory")
    images.decide(images.image(State.REJECTED, porn=0.9), State.REVIEW, "owner:carol")
    assert tried(policies).judged == []


def test_uploads_of_a_day_are_those_of_the_last_fourteen(policies, images):
    for days in (20, 13, 7, 1):
        images.image(State.APPROVED, at=NOW - timedelta(days=days), porn=0.1)
    assert tried(policies).per_day == pytest.approx(3 / 14)


def test_without_uploads_it_is_on_what_calls_classified(policies, services, parse_on_each):
    answer = parse_on_each.client.post("/api/image/classify", data=noise(1), headers=MASTER)
    assert answer.status_code == 200
    trial = tried(policies)
    assert (len(trial.images), trial.are_items, trial.per_day) == (1, False, None)
    assert {p.label for p in trial.images[0].predictions} == set(Label)


def test_without_anything_there_is_nothing_to_try_on(policies):
    trial = tried(policies)
    assert (trial.images, trial.judged, trial.per_day) == ([], [], None)


# --- what is kept in memory -----------------------------------------------------------------------


class Counted:
    """An ObjectStore of which it is known how many rows were read."""

    def __init__(self, objects):
        self._objects, self.read = objects, 0

    def find(self, schema, query):
        found = self._objects.find(schema, query)
        self.read += len(found)
        return found


def test_only_new_rows_are_read(services, images):
    counted = Counted(services.database.objects)
    newest = Newest(counted, UPLOADS)
    for minutes in (30, 20, 10):
        images.image(at=NOW - timedelta(minutes=minutes), porn=0.1)
    assert len(newest.rows()) == 3
    images.image(at=NOW, porn=0.2)
    images.image(at=NOW - timedelta(minutes=11), porn=0.3)  # written late
    read = counted.read
    rows = newest.rows()
    assert counted.read - read <= 3
    assert [row.predictions for row in rows] == [
        scores(porn=0.2), scores(porn=0.1), scores(porn=0.3), scores(porn=0.1), scores(porn=0.1),
    ]  # fmt: skip
    assert newest.rows() == rows


def test_no_more_rows_are_kept_than_the_limit(services, images):
    newest = Newest(services.database.objects, replace(UPLOADS, limit=2))
    ids = [images.image(at=NOW - timedelta(minutes=9 - n), porn=0.1) for n in range(3)]
    assert [row.name for row in newest.rows()] == ids[:0:-1]
    ids.append(images.image(at=NOW, porn=0.1))
    assert [row.name for row in newest.rows()] == ids[:1:-1]


# --- what is made in the background ---------------------------------------------------------------


def refreshed(make, *, max_age_s=60.0, patience_s=5.0):
    return Refreshed(make, max_age_s=max_age_s, patience_s=patience_s, first_patience_s=patience_s)


def test_value_is_made_once_while_it_is_fresh():
    made = []
    value = refreshed(lambda: made.append(1) or len(made))
    assert [value.get() for _ in range(3)] == [1, 1, 1]


def test_old_value_is_shown_while_a_new_one_takes_its_time():
    gate, made = threading.Event(), []

    def make():
        if made:
            assert gate.wait(5)
        made.append(1)
        return len(made)

    value = Refreshed(make, max_age_s=0.0, patience_s=0.001, first_patience_s=5.0)
    assert value.get() == 1
    assert value.get() == 1, "the second is being made"
    gate.set()
    deadline = time.monotonic() + 5
    while value.get() == 1:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_many_who_ask_have_it_made_once():
    gate, made = threading.Event(), []

    def make():
        made.append(1)
        assert gate.wait(5)
        return "value"

    value, found = refreshed(make), []
    threads = [threading.Thread(target=lambda: found.append(value.get())) for _ in range(8)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join()
    assert (found, made) == (["value"] * 8, [1])


def test_nobody_waits_for_the_first_value_without_end():
    gate = threading.Event()
    value = Refreshed(gate.wait, max_age_s=1.0, patience_s=0.0, first_patience_s=1.0)
    started = time.monotonic()
    assert value.get() is None
    waited = time.monotonic() - started
    assert waited >= 1
    assert value.get() is None, "and whoever comes next waits no more than for any other"
    assert time.monotonic() - started - waited < 1
    gate.set()


def test_database_that_is_away_is_told_and_tried_again():
    outcomes = [StoreUnavailable("away"), "value"]

    def make():
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    value = refreshed(make)
    with pytest.raises(StoreUnavailable):
        value.get()
    assert value.get() == "value"


def test_value_outlives_a_failure(caplog):
    outcomes = ["value", RuntimeError("broken")]

    def make():
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    value = refreshed(make, max_age_s=0.0)
    assert value.get() == "value"
    assert value.get() == "value"
    assert "broken" in caplog.text
