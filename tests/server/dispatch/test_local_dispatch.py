"""Items processed by threads: soon, each once, none lost for lack of room, and an orderly end."""

import threading
import time

import pytest
from moderation_parts import Moderation

from cloud.moderation.errors import StoreUnavailable
from cloud.moderation.items import State
from cloud.moderation.pipeline import utc_now
from server.dispatch import local
from server.dispatch.local import LocalDispatch
from server.storage.sqlite.database import SqliteDatabase


@pytest.fixture
def moderation(tmp_path):
    database = SqliteDatabase(tmp_path)
    yield Moderation(database, clock=utc_now)
    database.close()


@pytest.fixture
def dispatch_on():
    made = []

    def make(pipeline, **options):
        made.append(LocalDispatch(pipeline, **{"threads": 2, "sweep_every_s": 0.02, **options}))
        return made[-1]

    yield make
    for dispatch in made:
        dispatch.close()


def eventually(holds, timeout_s=10):
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def images(moderation, count):
    return [moderation.image(b"0.1 %d" % n, object_id=f"o{n}") for n in range(count)]


def all_approved(moderation, items):
    return lambda: all(moderation.state(item) is State.APPROVED for item in items)


def test_what_is_submitted_is_processed(moderation, dispatch_on):
    dispatch, (item,) = dispatch_on(moderation.pipeline), images(moderation, 1)
    dispatch.submit(item.item_id)
    eventually(all_approved(moderation, [item]))


def test_what_nobody_submitted_is_swept_up(moderation, dispatch_on):
    items = images(moderation, 3)
    dispatch_on(moderation.pipeline).start_sweeping()
    eventually(all_approved(moderation, items))


def test_an_item_submitted_twice_waits_once(moderation, dispatch_on):
    moderation.classifier.gate = threading.Event()
    dispatch, (item,) = dispatch_on(moderation.pipeline), images(moderation, 1)
    for _ in range(5):
        dispatch.submit(item.item_id)
    moderation.classifier.gate.set()
    eventually(all_approved(moderation, [item]))
    assert len(moderation.classifier.inferred) == 1


def test_more_than_there_is_room_for_is_processed_without_a_pause(
    moderation, dispatch_on, monkeypatch
):
    monkeypatch.setattr(local, "_MAX_QUEUED", 4)
    items = images(moderation, 25)
    dispatch = dispatch_on(moderation.pipeline, sweep_every_s=3600)
    for item in items:
        dispatch.submit(item.item_id)
    eventually(all_approved(moderation, items))


def test_threads_of_two_processes_judge_each_image_once(moderation, dispatch_on):
    items = images(moderation, 20)
    other = Moderation(moderation.database, clock=utc_now, classifier=moderation.classifier)
    for pipeline in (moderation.pipeline, other.pipeline):
        dispatch_on(pipeline).start_sweeping()
    # An item is approved a moment before its decision is logged.
    eventually(lambda: [moderation.path(item) for item in items] == [["approved"]] * 20)
    assert len(moderation.classifier.inferred) == 20


def test_an_orderly_end_finishes_what_runs_and_leaves_the_rest_pending(moderation, dispatch_on):
    moderation.classifier.gate = threading.Event()
    dispatch, items = dispatch_on(moderation.pipeline, threads=1), images(moderation, 3)
    for item in items:
        dispatch.submit(item.item_id)
    assert moderation.classifier.started.wait(5)
    closing = threading.Thread(target=dispatch.close)
    closing.start()
    closing.join(0.1)
    assert closing.is_alive()  # it waits for the image that is being classified
    moderation.classifier.gate.set()
    closing.join()
    assert [moderation.state(i) for i in items] == [State.APPROVED, State.PENDING, State.PENDING]
    dispatch.submit(items[1].item_id)
    dispatch_on(moderation.pipeline).start_sweeping()  # the next process
    eventually(all_approved(moderation, items))


def test_neither_a_fault_nor_an_absent_database_ends_the_threads(moderation, dispatch_on):
    class Failing:
        """A pipeline that fails with each error once, wherever it is called."""

        errors = [RuntimeError("scripted"), StoreUnavailable("scripted")] * 2

        def __getattr__(self, name):
            if self.errors:
                raise self.errors.pop()
            return getattr(moderation.pipeline, name)

    (item,) = images(moderation, 1)
    dispatch = dispatch_on(Failing(), threads=1)
    for _ in range(2):
        dispatch.submit(item.item_id)
        eventually(lambda: not dispatch._queued)
    dispatch.start_sweeping()
    eventually(all_approved(moderation, [item]))
