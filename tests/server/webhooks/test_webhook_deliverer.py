"""Webhooks in the background: processes side by side, dead receivers, an app that decides."""

import json
import threading
import time
from datetime import timedelta

import pytest
from image_host import ASTRONAUT, KEYS, MASTER, noise
from parse_app import outcome
from running_server import free_port
from webhook_receiver import SECRET, decision

from cloud.clock import utc_now
from cloud.moderation.errors import StoreUnavailable
from config import SettingsError
from server.webhooks.deliverer import Deliverer
from server.webhooks.sender import SignedSender


@pytest.fixture
def deliverer():
    """Start deliverers that look often; they stop with the test."""
    started = []

    def start(*offices):
        queues = [queue for office in offices for queue in office.queues]
        started.append(Deliverer(queues, look_every_s=0.02))
        started[-1].start()
        return started[-1]

    yield start
    for each in started:
        each.close()


def wait_until(condition, timeout_s=15.0):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it has not come true"
        time.sleep(0.02)


def test_two_deliverers_at_once_send_each_delivery_once(office, receive, deliverer):
    receiver = receive(delay_s=0.02)
    one, other = office(receiver.url), office(receiver.url)
    for number in range(20):
        one.deliveries.announce(decision(number))
    deliverer(one)
    deliverer(other)
    receiver.wait_for(20)
    wait_until(lambda: all(row["state"] == "delivered" for row in one.rows()))
    assert len(receiver.ids) == len(set(receiver.ids)) == 20
    assert {row["attempts"] for row in one.rows()} == {1}


def test_a_slow_receiver_delays_no_other(office, receive, deliverer):
    slow, quick = receive(delay_s=0.5), receive()
    post = office(slow.url, quick.url)
    for number in range(30):
        post.deliveries.announce(decision(number))
    started = time.monotonic()
    deliverer(post)
    quick.wait_for(30)
    assert time.monotonic() - started < 3.0  # slow takes 30 x 0.5 s / 4 senders
    assert len(slow.ids) < 30


def test_closing_waits_for_what_is_on_its_way_and_leaves_the_rest(office, receive, deliverer):
    receiver = receive(delay_s=0.2)
    post = office(receiver.url)
    for number in range(30):
        post.deliveries.announce(decision(number))
    background = deliverer(post)
    receiver.wait_for(1)
    background.close()
    states = [row["state"] for row in post.rows()]
    assert 1 <= states.count("delivered") == len(receiver.ids) < 30
    assert states.count("waiting") == 30 - len(receiver.ids)


def test_the_deliverer_goes_on_after_the_database_was_away(office, receive, deliverer, monkeypatch):
    receiver = receive()
    post = office(receiver.url)
    away = threading.Event()
    away.set()
    find = post.deliveries.due

    def due(*args):
        if away.is_set():
            raise StoreUnavailable("the database is away")
        return find(*args)

    monkeypatch.setattr(post.deliveries, "due", due)
    post.deliveries.announce(decision())
    deliverer(post)
    time.sleep(0.1)
    away.clear()
    receiver.wait_for(1)


def test_whatever_goes_wrong_counts_as_a_failure_and_says_no_more_than_its_kind(
    office, receive, clock, monkeypatch, caplog
):
    post, token = office(receive().url), "secret"

    def broken(_self, delivery, now):
        raise UnicodeError(f"https://hooks.example/?token={token}")

    monkeypatch.setattr(SignedSender, "send", broken)
    post.deliveries.announce(decision())
    (row,) = post.rows()
    for attempts in range(1, 35):
        post.queues[0].deliver(row["objectId"])
        (row,) = post.rows()
        assert row["attempts"] == attempts
        clock.skip(hours=2)
    assert row["state"] == "given up"
    assert row["lastError"] == "given up after 34 attempts: it could not be sent: UnicodeError"
    assert "nextAttemptAt" not in row
    assert f"token={token}" not in caplog.text


def test_without_receivers_no_thread_runs(make_parse):
    before = set(threading.enumerate())
    webhooks = make_parse().services.webhooks
    webhooks.start()
    assert not [t for t in set(threading.enumerate()) - before if "webhook" in t.name]
    webhooks.close()


# --- an app that decides --------------------------------------------------------------------------


@pytest.fixture
def hooked(make_parse):
    """Make a ParseApp that tells these URLs of its decisions."""
    made = []

    def make(*urls):
        made.append(
            make_parse(
                moderation_webhook_urls=",".join(urls),
                moderation_webhook_secret=SECRET,
                webhook_allow="127.0.0.1",
                file_upload_from="public",
            )
        )
        return made[-1]

    yield make
    for parse in made:
        parse.services.webhooks.close()


def save_image(parse, data=ASTRONAUT):
    """Save a UserImage and wait for its decision; its id."""
    answer = parse.client.post(
        "/parse/files/a.jpg", data=data, headers={**KEYS, "Content-Type": "image/jpeg"}
    )
    file = {"__type": "File", **answer.json}
    image_id = parse.create("UserImage", {"image": file}, by=KEYS)
    wait_until(lambda: parse.stored("UserImage", image_id)["moderationRequired"])
    return image_id


def test_a_saved_image_s_decision_reaches_its_receiver(hooked, receive):
    receiver = receive()
    parse = hooked(f"{receiver.url}?token=t")
    image_id = save_image(parse)
    parse.services.webhooks.start()
    (body,) = receiver.wait_for(1)
    data = body["data"]
    (logged,) = parse.find("ModerationDecision", by=MASTER)
    assert data["decision"] == logged["objectId"]
    assert data["item"] == logged["item"]["objectId"]
    assert (data["from"], data["to"], data["decidedBy"]) == ("pending", "review", "rules")
    assert data["reasons"] == logged["reasons"]
    assert data["object"]["objectId"] == image_id
    assert data["object"]["file"] == logged["fileName"]
    scores = {p["className"]: p["probability"] for p in logged["predictions"]}
    assert data["scores"] == scores
    assert data["policyVersion"] == logged.get("policyVersion")
    assert data["model"]["version"] == logged["modelVersion"]

    def log():
        return parse.find("ModerationWebhookDelivery", by=MASTER)[0]

    wait_until(lambda: log()["state"] == "delivered")
    assert log()["url"] == receiver.url
    assert log()["decision"]["objectId"] == logged["objectId"]
    assert outcome(parse.get("/classes/ModerationWebhookDelivery")) == (400, 119)


def test_a_decision_is_never_held_up_by_a_dead_receiver(hooked, receive):
    hanging = receive(delay_s=2.0)
    parse = hooked(hanging.url, f"http://127.0.0.1:{free_port()}/hook")
    parse.services.webhooks.start()
    save_image(parse, noise(601))
    hanging.wait_for(1)
    for seed in range(602, 605):
        started = time.monotonic()
        save_image(parse, noise(seed))
        assert time.monotonic() - started < 1.5
    wait_until(lambda: len(parse.find("ModerationDecision", by=MASTER)) == 4)
    wait_until(lambda: len(parse.find("ModerationWebhookDelivery", by=MASTER)) == 8)


class Interrupted:
    """A Notifier whose process ends before it has written anything."""

    def announce(self, decision):
        raise StoreUnavailable("killed")


def test_what_a_kill_left_unannounced_the_sweeper_announces(hooked, receive, monkeypatch):
    parse = hooked(receive().url)
    pipeline = parse.services.pipeline
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "_notifier", Interrupted())
        save_image(parse, noise(611))
        wait_until(lambda: parse.find("ModerationDecision", by=MASTER))
    assert parse.get("/classes/ModerationWebhookDelivery", by=MASTER).json["results"] == []
    later = utc_now() + timedelta(seconds=30)
    monkeypatch.setattr(pipeline, "_now", lambda: later)
    for _ in range(2):
        pipeline.sweep(10)
    (row,) = parse.find("ModerationWebhookDelivery", by=MASTER)
    (made,) = parse.find("ModerationDecision", by=MASTER)
    assert row["decision"]["objectId"] == made["objectId"]


# --- a server that is killed ----------------------------------------------------------------------


@pytest.mark.slow
def test_a_killed_server_s_webhooks_are_sent_by_the_next_one(start_server, receive):
    port = free_port()
    settings = {
        "MODERATION_WEBHOOK_URLS": f"http://127.0.0.1:{port}/hook",
        "MODERATION_WEBHOOK_SECRET": SECRET,
        "WEBHOOK_ALLOW": f"127.0.0.1:{port}",
        "FILE_UPLOAD_FROM": "public",
    }
    server = start_server(**settings).wait_until_healthy()
    _, file = server.request(
        "POST", "/parse/files/a.jpg", ASTRONAUT, {**KEYS, "Content-Type": "image/jpeg"}
    )
    body = json.dumps({"image": {"__type": "File", **file}})
    assert server.request("POST", "/parse/classes/UserImage", body, KEYS)[0] == 201

    def announced():
        status, found = server.request(
            "GET", "/parse/classes/ModerationWebhookDelivery", headers=MASTER
        )
        return status == 200 and found["results"]

    wait_until(announced)
    server.stop()  # kill -9, all of its processes
    receiver = receive(port=port)
    start_server(**settings).wait_until_healthy()
    (told,) = receiver.wait_for(1, timeout_s=90)
    assert (told["data"]["from"], told["data"]["to"]) == ("pending", "review")


# --- settings -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"moderation_webhook_secret": ""}, "MODERATION_WEBHOOK_SECRET is not set"),
        ({"moderation_webhook_secret": "hunter2"}, "must be 24 to 64 bytes in base64"),
        ({"moderation_webhook_secret": "whsec_" + "A" * 31}, "must be 24 to 64 bytes in base64"),
        ({"moderation_webhook_secret": "not base64, but long enough for it"}, "base64"),
        ({"moderation_webhook_urls": "https://a.example/x,ftp://b.example"}, "URL 2 is not acc"),
        ({"moderation_webhook_urls": "https://me:hunter2@a.example/"}, "a user or password"),
        (
            {"moderation_webhook_urls": "https://a.example/?a,https://A.example/?b"},
            "differ in nothing but the query",
        ),
        ({"webhook_allow": "http://x"}, "WEBHOOK_ALLOW has a bad entry 'http://x'"),
    ],
)
def test_settings_that_cannot_work_are_refused_without_repeating_secrets(
    make_app, settings, sentence
):
    usual = {
        "moderation_webhook_urls": "https://a.example/",
        "moderation_webhook_secret": SECRET,
    }
    with pytest.raises(SettingsError, match=sentence) as caught:
        make_app(**{**usual, **settings})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("secret", [SECRET, SECRET.removeprefix("whsec_"), SECRET.rstrip("=")])
def test_secrets_come_with_or_without_prefix_and_padding(make_app, secret):
    make_app(moderation_webhook_urls="https://a.example/", moderation_webhook_secret=secret)
