"""What is recorded of webhooks, sent, repeated and given up, on each database."""

import itertools
import logging
from datetime import timedelta

import pytest
from running_server import free_port
from webhook_receiver import SECRET, decision

from cloud.moderation.webhooks import MAX_ATTEMPTS
from server.objects.system_classes import NOBODY
from server.webhooks.deliveries import SCHEMA
from server.webhooks.failures import failures
from server.webhooks.receivers import parse_receivers


def test_a_decision_is_delivered_once_with_a_signature_that_verifies(office, receive):
    receiver = receive()
    post = office(receiver.url)
    made = decision()
    post.deliveries.announce(made)
    assert post.deliver() == 1
    assert post.deliver() == 0
    (body,) = receiver.bodies  # verified by the receiver with the library's verifier
    assert body["data"]["decision"] == made.decision_id
    assert (body["data"]["from"], body["data"]["to"]) == ("pending", "approved")
    row = post.row()
    assert (row["state"], row["attempts"], row["lastStatus"]) == ("delivered", 1, 204)
    assert row["deliveredAt"] >= made.decided_at
    assert "nextAttemptAt" not in row
    assert row["decision"].object_id == made.decision_id


def test_announcing_again_adds_nothing(office, receive):
    receiver = receive()
    post = office(receiver.url)
    for _ in range(3):
        post.deliveries.announce(decision())
    post.deliver()
    post.deliveries.announce(decision())
    post.deliver()
    assert len(receiver.received) == len(post.rows()) == 1


def test_every_url_and_every_decision_has_a_delivery_of_its_own(office, receive):
    one, other = receive(), receive()
    post = office(one.url, other.url)
    for number in (1, 2):
        post.deliveries.announce(decision(number))
    post.deliver()
    assert len(set(one.ids) | set(other.ids)) == 4
    assert len(one.ids) == len(other.ids) == 2


def test_without_urls_nothing_is_recorded_and_no_class_made(office, database):
    post = office()
    post.deliveries.announce(decision())
    assert SCHEMA.class_name not in {schema.class_name for schema in database.schemas.all()}


def test_who_does_not_take_posts_is_told_until_he_does(office, receive, database):
    receiver, other = receive(404, 404, 204, 204), receive()
    post = office(f"{receiver.url}?token=secret", other.url)
    receivers = parse_receivers([f"{receiver.url}?token=secret", other.url])

    def told():
        return list(failures(database.objects, receivers))

    assert told() == []
    for number in (1, 2):
        post.deliveries.announce(decision(number))
    assert told() == []
    post.deliver()
    (failure,) = told()
    assert (failure.url, failure.posts) == (receiver.url, 2)
    assert "404" in failure.problem
    post.clock.skip(minutes=1)
    post.deliver()
    assert told() == []


def test_the_log_is_for_the_master_key_alone(office, receive):
    post = office(receive().url)
    post.deliveries.announce(decision())
    assert SCHEMA.permissions == NOBODY
    assert post.row()["ACL"] == {}


def test_the_same_id_and_body_and_a_new_time_come_with_every_attempt(office, receive, clock):
    receiver = receive(500, 204)
    post = office(receiver.url)
    post.deliveries.announce(decision())
    post.deliver()
    clock.skip(seconds=6)
    post.deliver()
    (_, first, body), (_, second, same_body) = receiver.received
    assert first["webhook-id"] == second["webhook-id"] == post.row()["objectId"]
    assert body == same_body
    assert int(second["webhook-timestamp"]) >= int(first["webhook-timestamp"]) + 5
    assert first["webhook-signature"] != second["webhook-signature"]


def test_what_was_signed_long_ago_is_refused_by_receivers(office, receive, clock):
    receiver = receive()
    post = office(receiver.url)
    clock.skip(minutes=-7)
    post.deliveries.announce(decision(decided_at=clock()))
    post.deliver()
    assert post.row()["lastStatus"] == 401
    assert receiver.received == []


@pytest.mark.parametrize("status", [301, 307, 400, 401, 404, 410, 429, 500, 503])
def test_whatever_is_not_2xx_is_tried_again(office, receive, clock, status):
    receiver = receive(status, 200)
    post = office(receiver.url)
    post.deliveries.announce(decision())
    post.deliver()
    row = post.row()
    assert (row["state"], row["lastStatus"]) == ("waiting", status)
    assert f"answered {status}" in row["lastError"]
    clock.skip(seconds=5)
    post.deliver()
    row = post.row()
    assert (row["state"], row["lastStatus"], row["attempts"]) == ("delivered", 200, 2)
    assert "lastError" not in row


def test_redirects_are_not_followed(office, receive):
    elsewhere = receive()
    receiver = receive(302, location=elsewhere.url)
    post = office(receiver.url)
    post.deliveries.announce(decision())
    post.deliver()
    assert elsewhere.received == []
    assert "redirects are not followed" in post.row()["lastError"]


def test_a_refused_connection_is_tried_again(office, receive, clock):
    port = free_port()
    post = office(f"http://127.0.0.1:{port}/hook")
    post.deliveries.announce(decision())
    post.deliver()
    row = post.row()
    assert (row["state"], row["attempts"]) == ("waiting", 1)
    assert "lastStatus" not in row
    assert "refused" in row["lastError"].lower()
    receiver = receive(port=port)
    clock.skip(seconds=6)
    post.deliver()
    assert post.row()["state"] == "delivered"
    assert len(receiver.received) == 1


def test_a_slow_receiver_is_ended_by_the_deadline_and_tried_again(office, receive):
    post = office(receive(delay_s=0.5).url, timeout_s=0.1)
    post.deliveries.announce(decision())
    post.deliver()
    row = post.row()
    assert row["state"] == "waiting"
    assert "deadline" in row["lastError"]


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "10.0.0.1", "169.254.169.254"])
def test_private_addresses_are_refused_unless_allowed(office, host):
    post = office(f"http://{host}/hook?token=hunter2", allow="")
    post.deliveries.announce(decision())
    post.deliver()
    row = post.row()
    assert row["state"] == "waiting"
    assert row["lastError"].endswith("; see WEBHOOK_ALLOW")
    assert "hunter2" not in str(row)


def test_attempts_follow_their_backoff_for_a_day_and_the_log_says_that_it_was_in_vain(
    office, receive, clock
):
    receiver = receive(500, verifies=False)  # whose clock stands still
    post = office(receiver.url)
    made = decision()
    post.deliveries.announce(made)
    waits = []
    for attempt in itertools.count(1):
        assert post.deliver() == 1
        row = post.row()
        if row["state"] != "waiting":
            break
        wait = row["nextAttemptAt"] - clock()
        waits.append(round(wait.total_seconds()))
        clock.skip(seconds=wait.total_seconds() - 1)  # nx compares no finer
        assert post.deliver() == 0, "not before its time"
        clock.skip(seconds=1)
        assert attempt < 100
    assert waits[:5] == [5, 10, 20, 40, 80]
    assert clock() - made.decided_at >= timedelta(hours=24)
    assert row["state"] == "given up"
    assert row["lastError"] == f"given up after {MAX_ATTEMPTS} attempts: the receiver answered 500"
    assert row["lastStatus"] == 500
    assert "nextAttemptAt" not in row
    clock.skip(days=2)
    assert post.deliver() == 0


def test_what_a_process_announced_and_did_not_send_another_one_sends(office, receive):
    receiver = receive()
    office(receiver.url).deliveries.announce(decision())  # and is killed
    office(receiver.url).deliver()
    assert len(receiver.received) == 1


def test_what_a_process_was_killed_in_the_middle_of_is_sent_after_its_lease(office, receive, clock):
    receiver = receive()
    post = office(receiver.url)
    post.deliveries.announce(decision())
    (delivery_id,) = post.deliveries.due(receiver.url, clock(), 10)
    post.deliveries.lease(delivery_id, clock(), clock() + timedelta(seconds=60))
    another = office(receiver.url)
    assert another.deliver() == 0
    clock.skip(seconds=61)
    assert another.deliver() == 1
    row = post.row()
    assert (row["state"], row["attempts"]) == ("delivered", 2)


def test_a_late_failure_does_not_touch_the_attempt_of_another(office, receive, clock):
    receiver = receive()
    post = office(receiver.url)
    post.deliveries.announce(decision())
    (delivery_id,) = post.deliveries.due(receiver.url, clock(), 10)
    late = post.deliveries.lease(delivery_id, clock(), clock() + timedelta(seconds=1))
    clock.skip(seconds=2)
    post.deliveries.lease(delivery_id, clock(), clock() + timedelta(seconds=60))
    post.deliveries.failed(late, 500, "late", clock(), None)
    assert post.row()["state"] == "waiting"
    assert "lastError" not in post.row()
    post.deliveries.delivered(late, 200, clock())
    assert post.row()["state"] == "delivered"
    post.deliveries.failed(late, 500, "later still", clock(), None)
    assert post.row()["state"] == "delivered"


def test_what_was_written_while_the_clock_was_wrong_is_due(office, receive, clock):
    receiver = receive()
    clock.skip(days=30)
    post = office(receiver.url)
    post.deliveries.announce(decision(decided_at=clock()))
    clock.skip(days=-30)
    assert post.deliver() == 1
    assert post.row()["state"] == "delivered"


def test_a_replaced_token_finds_what_was_announced_with_the_old_one(office, receive):
    receiver = receive()
    office(f"{receiver.url}?token=old").deliveries.announce(decision())
    office(f"{receiver.url}?token=new").deliver()
    assert receiver.received[0][0] == "/hook?token=new"


def test_query_and_secret_are_neither_logged_nor_stored(office, receive, clock, caplog):
    caplog.set_level(logging.DEBUG)
    receiver = receive(500, 302, location="/elsewhere?token=hunter2")
    refused = f"http://127.0.0.1:{free_port()}/hook?token=hunter2"
    post = office(f"{receiver.url}?token=hunter2", refused)
    post.deliveries.announce(decision())
    for _ in range(3):
        post.deliver()
        clock.skip(seconds=60)
    assert receiver.received[0][0] == "/hook?token=hunter2"
    said = caplog.text + str(post.rows())
    assert "answered 500" in said
    assert "hunter2" not in said
    assert SECRET.removeprefix("whsec_") not in said
