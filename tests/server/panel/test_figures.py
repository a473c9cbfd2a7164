"""The dashboard's figures on each database: days, queues, people, health."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from time import monotonic, sleep

import pytest
from judged_images import JudgedImages

from admin.ports.figures import SPANS, Queue
from cloud.clock import utc_now
from cloud.moderation.figures import WAIT_STEPS_MS, Transition
from cloud.moderation.items import Lane, State, next_decision
from cloud.moderation.policy_quality import Proportion
from cloud.moderation.types import Outcome
from cloud.operations import Set
from server.dispatch.workers import WorkerBook
from server.moderation.items import ITEM
from server.panel.day_figures import StoredDays
from server.panel.figures import StoredFigures
from server.panel.health import health_of
from server.panel.judged_images import DECISIONS_BY_PEOPLE
from server.panel.newest import Newest
from server.storage.port import Equals

NOON = datetime.combine(utc_now().date(), time(12), UTC)
DAY = timedelta(days=1)
BOB, ALICE = "user:bob", "user:alice"


@pytest.fixture
def waits_counted(needs):
    """Mark what needs the counts of waits by their length."""
    needs("`$type` and `$cond` in pipelines")


@pytest.fixture
def images(database):
    return JudgedImages(database)


def days_of(database, count=3, now=lambda: NOON):
    return StoredDays(database.tallies, count, now)


class Counted:
    """A TallyStore of which it is known what it was asked."""

    def __init__(self, tallies):
        self._tallies, self.spans = tallies, []

    def tally(self, schema, where, by):
        begin, end = (part.value for part in where.parts[:2])
        self.spans.append((end - begin) // DAY)
        return self._tallies.tally(schema, where, by)


# --- days -----------------------------------------------------------------------------------------


def test_days_are_those_of_utc_up_to_today(database):
    found = days_of(database).last()
    assert [day.day for day in found] == [(NOON - n * DAY).date() for n in (2, 1, 0)]
    assert all(day.arrived == 0 and not day.transitions for day in found)


@pytest.mark.usefixtures("waits_counted")
def test_images_and_decisions_count_on_the_day_of_each(database, images):
    midnight = NOON.replace(hour=0)
    images.image(State.APPROVED, at=midnight, waited=10, porn=0.1)  # came the day before
    seen = images.image(State.REVIEW, at=midnight - timedelta(seconds=5), porn=0.5)
    images.decide(seen, State.REJECTED, BOB, at=midnight + timedelta(hours=1))
    images.image(State.REVIEW, at=NOON - 3 * DAY)  # longer ago than is asked for
    before, yesterday, today = days_of(database).last()
    assert (before.arrived, yesterday.arrived, today.arrived) == (0, 2, 0)
    assert yesterday.transitions == {
        Transition(State.PENDING, State.REVIEW, "rules", "Porn"): 1,
    }
    assert today.transitions == {
        Transition(State.PENDING, State.APPROVED, "rules", "Drawing"): 1,
        Transition(State.REVIEW, State.REJECTED, BOB, "Porn"): 1,
    }


def told_s(counts):
    """The waits in seconds, as they can be told from their steps."""
    return sorted(WAIT_STEPS_MS[step - 1] / 1000 for step in Counter(counts).elements())


@pytest.mark.usefixtures("waits_counted")
def test_waits_are_counted_for_rules_and_for_people(database, images):
    judged = NOON - timedelta(hours=1)
    seen = images.image(State.REVIEW, at=judged, waited=2, porn=0.5)
    images.decide(seen, State.REJECTED, BOB, at=judged + timedelta(minutes=10))
    images.decide(seen, State.APPROVED, ALICE, at=judged + timedelta(minutes=30))
    images.decide(images.image(at=judged, waited=3), State.ENDED, "system", at=NOON)
    *_, today = days_of(database).last()

    assert told_s(today.waits_for_rules) == pytest.approx([2, 3], rel=0.1)
    assert told_s(today.waits_for_people) == pytest.approx([600], rel=0.1)


@pytest.mark.usefixtures("waits_counted")
def test_undoing_is_no_decision(database, images):
    seen = images.image(State.REVIEW, at=NOON - timedelta(hours=1), porn=0.5)
    images.decide(seen, State.REJECTED, BOB, at=NOON)
    item = images.items.get(seen)
    undo = next_decision(
        item, State.REVIEW, decided_by=BOB, reasons=("undone",), evidence=None, now=NOON
    )
    undo = replace(undo, undoes=2)
    assert images.items.decide(undo)
    images.items.log(undo)
    *_, today = days_of(database).last()
    assert {t.after for t in today.transitions} == {State.REVIEW, State.REJECTED}


@pytest.mark.usefixtures("waits_counted")
def test_finished_days_are_counted_once_and_anew_when_a_day_begins(database, images):
    tallies, clock = Counted(database.tallies), [NOON]
    days = StoredDays(tallies, 10, lambda: clock[0])
    images.image(at=NOON - 5 * DAY, porn=0.1)
    first = days.last()
    assert set(tallies.spans) == {10}
    tallies.spans.clear()
    images.image(at=NOON, porn=0.1)
    second = days.last()
    assert set(tallies.spans) == {2}
    assert second[:-1] == first[:-1]
    assert sum(second[-1].transitions.values()) == 1
    tallies.spans.clear()
    clock[0] += DAY
    third = days.last()
    assert set(tallies.spans) == {10}
    assert third[:-1] == second[1:]


# --- the whole ------------------------------------------------------------------------------------


@pytest.fixture
def services(parse_on_each):
    return parse_on_each.services


class Patient:
    """Figures that are waited for, however slow the machine."""

    def __init__(self, services):
        self._figures = StoredFigures(
            services, Newest(services.database.objects, DECISIONS_BY_PEOPLE)
        )

    def __getattr__(self, name):
        def ask(*arguments):
            deadline = monotonic() + 60
            while (found := getattr(self._figures, name)(*arguments)) is None:
                assert monotonic() < deadline
                sleep(0.02)
            return found

        return ask


@pytest.fixture
def figures(services):
    return Patient(services)


@pytest.fixture
def here(services):
    return JudgedImages(services.database)


def put_policy(services, low=0.4, high=0.8):
    scores = {"Porn": {"min": low, "max": high}}
    changes = {"moderationScores": Set(scores), "moderationAutomation": Set(True)}
    services.parse_config.write(changes, {})
    return services.parse_config.current().version


def test_overview_of_a_database_without_images(figures):
    for span in SPANS:
        overview = figures.overview(span)
        assert len(overview.days) == span
        assert overview.automation == Proportion(0, 0)
        assert (overview.moderators, overview.seen_today) == ([], {})


@pytest.mark.usefixtures("waits_counted")
def test_overview_sums_up_its_days(figures, services, here):
    version, now = put_policy(services), utc_now()
    for n in range(4):
        here.image(State.APPROVED, at=now - 20 * DAY, porn=0.1, version=version)
        here.image(State.REVIEW, at=now - n * timedelta(minutes=1), porn=0.5, version=version)
    wrong = here.image(State.REJECTED, at=now - DAY, porn=0.9, version=version)
    here.decide(wrong, State.APPROVED, BOB, at=now)
    month, fortnight = figures.overview(30), figures.overview(14)
    assert month.automation == Proportion(5, 9)
    assert fortnight.automation == Proportion(1, 5)
    assert month.automation_by_class["Porn"] == Proportion(1, 5)
    assert month.agreement == {(Outcome.REJECTED, State.APPROVED): 1}
    (bob,) = month.moderators
    assert (bob.decided_by, bob.decided) == (BOB, 1)
    assert month.seen_today == {BOB: 1}
    assert (month.rules.count, month.people.count) == (9, 0)


@pytest.mark.usefixtures("waits_counted")
def test_only_todays_images_were_seen_today(figures, here):
    now = utc_now()
    for at in (now, now - DAY):
        item = here.image(State.REVIEW, at=at - timedelta(seconds=1), porn=0.5)
        here.decide(item, State.APPROVED, BOB, at=at)
        here.decide(item, State.REJECTED, BOB, at=at)
    overview = figures.overview(14)
    assert overview.seen_today == {BOB: 1}
    assert overview.moderators[0].decided == 4


def test_queues_tell_how_many_wait_and_since_when(figures, services, here):
    now = utc_now()
    for hours in (3, 2, 1):
        item = here.image(State.REVIEW, at=now - timedelta(hours=hours), waited=0, porn=0.5)
    services.database.objects.update(
        ITEM, Equals("objectId", item), {"lane": Set(Lane.ESCALATED.value)}
    )
    waiting = figures.now().waiting
    assert waiting[Queue.REVIEW].count == 2
    assert waiting[Queue.REVIEW].oldest == now - timedelta(hours=3)
    assert waiting[Queue.ESCALATED].count == 1
    assert (waiting[Queue.PENDING].count, waiting[Queue.PENDING].oldest) == (0, None)


# --- health ---------------------------------------------------------------------------------------


def test_health_of_one_process(services):
    health = health_of(services)
    assert health.model == "MobileNetV2Mid nsfwjs-4.4.0"
    assert health.database_took < timedelta(seconds=1)
    assert health.broker is None


def test_missing_model_is_told(make_app, tmp_path):
    services = make_app(models_dir=tmp_path / "nowhere").extensions["parsewarden"]
    health = health_of(services)
    assert health.model is None
    assert health.model_problem


def test_broker_tells_how_much_it_carries(make_app, redis):
    services = make_app(celery_broker_url=redis.url).extensions["parsewarden"]
    assert health_of(services).broker.messages == 0
    redis.ask("RPUSH", "parsewarden.moderation", "one")
    assert health_of(services).broker.messages == 1


def test_workers_that_live_are_counted(make_app, redis):
    services = make_app(celery_broker_url=redis.url).extensions["parsewarden"]
    assert health_of(services).broker.workers == 0
    WorkerBook(services.database, services.schemas).tell("a-worker", 2)
    broker = health_of(services).broker
    assert broker.workers == 1
    assert utc_now() - broker.heard_at < timedelta(seconds=10)


def test_broker_that_is_away_is_told_within_seconds(make_app, redis):
    services = make_app(celery_broker_url=redis.url).extensions["parsewarden"]
    redis.stop()
    assert health_of(services).broker.messages is None
