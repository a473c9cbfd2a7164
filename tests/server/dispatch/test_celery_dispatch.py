"""Items sent through a real Redis: at once, once, never more than it should hold, never in vain."""

import json
import os
import signal
import ssl
import time

import pytest
from image_host import MASTER, noise

from config import SettingsError, load_settings
from server.dispatch.celery import CeleryDispatch, broker_app

QUEUE = "parsewarden.moderation"


def waiting(redis):
    return redis.ask("LLEN", QUEUE)


def eventually(condition, timeout_s=60):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Pending:
    """The pipeline's side of sweeping: these items are due."""

    def __init__(self, *item_ids):
        self.item_ids = list(item_ids)
        self.sweeps = 0

    def sweep(self, limit):
        self.sweeps += 1
        return self.item_ids[:limit]


@pytest.fixture
def make_dispatch():
    made = []

    def make(url, pipeline=None):
        made.append(CeleryDispatch(pipeline or Pending(), url, sweep_every_s=0.05))
        return made[-1]

    yield make
    for dispatch in made:
        dispatch.close()


def test_item_is_sent_as_json_that_names_it_alone(make_dispatch, redis):
    make_dispatch(redis.url).submit("item1")
    eventually(lambda: waiting(redis) == 1)
    message = json.loads(redis.ask("LPOP", QUEUE))
    assert message["content-type"] == "application/json"
    assert message["headers"]["task"] == "parsewarden.process_item"
    assert message["headers"]["argsrepr"] == "('item1',)"


def test_item_that_waits_is_not_sent_again(make_dispatch, redis):
    dispatch = make_dispatch(redis.url)
    for item_id in ["a", "b", "a", "b", "a"]:
        dispatch.submit(item_id)
    eventually(lambda: waiting(redis) == 2)
    dispatch.start_sweeping()
    time.sleep(0.3)
    dispatch.submit("a")
    dispatch.close()
    assert waiting(redis) == 2


def test_due_items_are_sent_again_once_the_queue_was_seen_empty(make_dispatch, redis):
    dispatch = make_dispatch(redis.url, Pending("a", "b"))
    dispatch.submit("a")
    dispatch.submit("b")
    eventually(lambda: waiting(redis) == 2)
    redis.ask("FLUSHALL")
    dispatch.start_sweeping()
    eventually(lambda: waiting(redis) == 2)


def test_broker_holds_a_bounded_number_however_many_are_due(make_dispatch, redis):
    due = Pending(*(f"item{n}" for n in range(3000)))
    dispatch = make_dispatch(redis.url, due)
    for n in range(3000):
        dispatch.submit(f"save{n}")
    eventually(lambda: waiting(redis) == 1000)
    dispatch.start_sweeping()
    eventually(lambda: due.sweeps >= 3)
    assert waiting(redis) == 1000
    redis.ask("LTRIM", QUEUE, "0", "899")
    eventually(lambda: waiting(redis) == 1000)


def test_submit_is_quick_and_silent_while_the_broker_is_away(make_dispatch, redis):
    redis.stop()
    dispatch = make_dispatch(redis.url)
    dispatch.start_sweeping()
    before = time.monotonic()
    for n in range(500):
        dispatch.submit(f"item{n}")
    assert time.monotonic() - before < 2


def test_broker_that_hangs_holds_nobody_up(make_dispatch, redis):
    dispatch = make_dispatch(redis.url)
    os.kill(redis.process.pid, signal.SIGSTOP)
    try:
        before = time.monotonic()
        for n in range(500):
            dispatch.submit(f"item{n}")
        assert time.monotonic() - before < 2  # waiting for Redis would take 3 s
    finally:
        os.kill(redis.process.pid, signal.SIGCONT)


def test_due_items_are_sent_when_the_broker_comes_back(make_dispatch, redis, caplog):
    redis.stop()
    dispatch = make_dispatch(redis.url, Pending("a"))
    dispatch.submit("a")
    dispatch.start_sweeping()
    eventually(lambda: "the broker is away" in caplog.text)
    caplog.set_level("INFO")
    redis.start()
    eventually(lambda: waiting(redis) == 1)
    assert caplog.text.count("the broker is away") == 1
    assert "the broker is back" in caplog.text


def test_closed_dispatch_sends_nothing(make_dispatch, redis):
    dispatch = make_dispatch(redis.url)
    dispatch.close()
    dispatch.submit("a")
    dispatch.start_sweeping()
    assert waiting(redis) == 0


def test_save_is_told_to_the_broker_where_there_is_one(make_parse, redis):
    parse = make_parse(celery_broker_url=redis.url)
    uploaded = parse.client.post("/parse/files/a.jpg", data=noise(1), headers=MASTER).json
    image = {"__type": "File", "name": uploaded["name"]}
    object_id = parse.create("UserImage", {"image": image})
    eventually(lambda: waiting(redis) == 1)
    saved = parse.get(f"/classes/UserImage/{object_id}", by=MASTER).json
    assert (saved["isSafe"], saved["deleted"]) == (False, False)


@pytest.mark.parametrize(
    "url",
    [
        "redis",
        "redis://",
        "localhost:6379",
        "http://localhost",
        "redis://h:port",
        "redis://h/name",
        "sqs://x",
        "//h",
    ],
)
def test_broker_that_cannot_be_used_is_refused_in_a_sentence(url):
    with pytest.raises(SettingsError, match="CELERY_BROKER_URL: must be a URL such as redis://"):
        load_settings(_env_file=None, celery_broker_url=url)


@pytest.mark.parametrize(
    "url", ["redis://h", "rediss://:pass@h:6380/1", "amqp://user:pass@h:5672//", "amqps://h/vhost"]
)
def test_redis_and_rabbitmq_can_be_used(url):
    settings = load_settings(_env_file=None, celery_broker_url=url)
    assert settings.celery_broker_url == url
    assert "pass@" not in repr(settings)


def test_encrypted_brokers_must_prove_who_they_are():
    with broker_app("rediss://h/0").connection_for_write() as redis:
        assert redis.ssl == {"ssl_cert_reqs": ssl.CERT_REQUIRED}
    with broker_app("amqps://h//").connection_for_write() as rabbitmq:
        assert rabbitmq.ssl == {"server_hostname": "h"}  # which is checked, as its certificate is
