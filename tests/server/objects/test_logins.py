"""Logins: how many wrong passwords there may be, through whatever door, and what they tell."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from statistics import median

import bcrypt
import pytest
import time_machine
from image_host import KEYS, MASTER
from parse_app import error

from admin.people import Device
from admin.ports.sign_ins import LockedOut, Wrong
from cloud.clock import utc_now
from server.objects.lockout import TRIES, Limits
from server.panel.people import join_people
from server.panel.tables import PanelTables
from server.panel.wiring import panel_secret
from server.storage.port import Query

LIMIT = Limits().account
INVALID = (101, "Invalid username/password.")
LOCKED = (
    101,
    "Your account is locked due to multiple failed login attempts. "
    "Please try again after 15 minute(s)",
)
HASHED = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
ELSEWHERE = {"REMOTE_ADDR": "198.51.100.7"}
RIGHT, WRONG = (
    {"username": "alice", "password": "secret"},
    {"username": "alice", "password": "guess"},
)


def alice_in(parse, **columns):
    """Alice, whose password is hashed more cheaply than real ones."""
    return parse.person("alice", _hashed_password=HASHED, email="alice@example.org", **columns)


def log_in(parse, body, environ=None, path="/parse/login", method="POST"):
    return parse.client.open(
        path, method=method, json=body, headers=KEYS, environ_overrides=environ or {}
    )


def from_address(number):
    return {"REMOTE_ADDR": f"192.0.2.{number}"}


def test_after_eight_wrong_passwords_even_the_right_one_is_refused(parse_on_each):
    parse = parse_on_each
    alice_in(parse)
    for number in range(LIMIT):
        assert error(log_in(parse, WRONG, from_address(number))) == INVALID
    for body in (WRONG, RIGHT):
        answer = log_in(parse, body, from_address(99))
        assert (answer.status_code, error(answer)) == (404, LOCKED)
    with time_machine.travel(utc_now() + timedelta(minutes=10, seconds=5), tick=False):
        told = error(log_in(parse, RIGHT, from_address(99)))[1]
        assert told.endswith("after 5 minute(s)")
    with time_machine.travel(utc_now() + timedelta(minutes=15, seconds=1), tick=False):
        assert log_in(parse, RIGHT, from_address(99)).status_code == 200


def test_an_address_is_locked_whatever_names_it_tries(parse_on_each):
    parse = parse_on_each
    alice_in(parse)
    for number in range(LIMIT):
        body = {"username": f"user{number}", "password": "guess"}
        assert error(log_in(parse, body)) == INVALID
    assert error(log_in(parse, RIGHT)) == LOCKED
    assert log_in(parse, RIGHT, ELSEWHERE).status_code == 200


def test_a_name_that_nobody_has_is_locked_alike(parse):
    for number in range(LIMIT):
        body = {"username": "nobody", "password": "guess"}
        assert error(log_in(parse, body, from_address(number))) == INVALID
    assert error(log_in(parse, body, ELSEWHERE)) == LOCKED


def test_every_door_and_every_name_of_an_account_share_one_count(parse):
    alice_in(parse)
    by_email = {"email": "alice@example.org", "password": "guess"}
    both = {**by_email, "username": "alice"}
    doors = [
        lambda at: log_in(parse, WRONG, at),
        lambda at: log_in(parse, by_email, at, "/1/login"),
        lambda at: log_in(parse, both, at, "/parse/verifyPassword"),
        lambda at: log_in(parse, {**WRONG, "_method": "GET"}, at, "/parse/VERIFYPASSWORD/"),
        lambda at: log_in(parse, {**WRONG, "challengeData": {"x": 1}}, at, "/parse/challenge"),
        lambda at: log_in(parse, None, at, "/parse/login?username=alice&password=x", "GET"),
    ]
    for number, door in enumerate(doors):
        assert error(door(from_address(number))) == INVALID, number
    requests = [{"method": "POST", "path": "/parse/login", "body": WRONG}] * 5
    answers = log_in(parse, {"requests": requests}, from_address(50), "/parse/batch").json
    told = [(one["error"]["code"], one["error"]["error"]) for one in answers]
    assert told == [INVALID] * 2 + [LOCKED] * 3
    for number, door in enumerate(doors):
        assert error(door(from_address(60 + number))) == LOCKED, number


def test_the_panels_sign_in_shares_the_count(parse):
    alice_in(parse, isModerator=True)
    services = parse.services
    tables = PanelTables(services.database, services.schemas, services.objects)
    people = join_people(services.settings, tables, panel_secret(services.settings))
    for number in range(LIMIT // 2):
        assert error(log_in(parse, WRONG, from_address(number))) == INVALID
        with pytest.raises((Wrong, LockedOut)):
            people.sign_ins.sign_in("alice", "guess", Device(f"192.0.2.{100 + number}"))
    assert error(log_in(parse, RIGHT, ELSEWHERE)) == LOCKED
    with pytest.raises(LockedOut):
        people.sign_ins.sign_in("alice", "secret", Device("198.51.100.8"))


def test_of_many_guesses_at_once_no_more_than_eight_are_looked_at(parse_on_each):
    parse = parse_on_each
    alice_in(parse)
    parse.services.objects.prepare()
    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda _: error(log_in(parse, WRONG)), range(24)))
    assert sorted(set(answers)) == sorted({INVALID, LOCKED})
    assert answers.count(INVALID) == LIMIT


def test_right_passwords_at_once_lock_nobody(parse_on_each):
    parse = parse_on_each
    alice_in(parse)
    parse.services.objects.prepare()
    with ThreadPoolExecutor(2 * LIMIT) as threads:
        statuses = threads.map(lambda _: log_in(parse, RIGHT).status_code, range(3 * LIMIT))
        assert set(statuses) == {200}
    rows = parse.services.database.objects.find(TRIES, Query())
    assert [row["count"] for row in rows] == [0, 0]


def test_a_try_that_never_ended_does_not_lock_for_its_own_sake(parse):
    """Its process was killed in between: it counts, and seven more may be wrong."""
    alice_in(parse)
    assert error(log_in(parse, WRONG)) == INVALID
    (row, other) = parse.services.database.objects.find(TRIES, Query())
    assert row["count"] == row["wrong"] == other["wrong"] == 1
    assert log_in(parse, RIGHT).status_code == 200


def test_the_settings_say_how_many_and_how_long(make_parse):
    parse = make_parse(
        account_lockout_threshold=2,
        account_lockout_duration=3,
        account_lockout_address_threshold=0,
    )
    alice_in(parse)
    for number in range(10):  # the address is not counted
        body = {"username": f"user{number}", "password": "guess"}
        assert error(log_in(parse, body)) == INVALID
    assert [error(log_in(parse, WRONG)) for _ in range(2)] == [INVALID] * 2
    assert error(log_in(parse, RIGHT))[1].endswith("Please try again after 3 minute(s)")


@pytest.mark.parametrize("value", [{"$ne": None}, ["secret"], 5, True, {"__type": "Date"}])
def test_what_is_no_text_is_a_wrong_password(parse, value):
    alice_in(parse)
    for body in (
        {"username": "alice", "password": value},
        {"username": value, "password": "secret"},
        {"email": value, "password": "secret"},
        {"username": "alice", "email": value, "password": "secret"},
    ):
        assert error(parse.post("/login", body)) == INVALID
        assert error(parse.post("/verifyPassword", body)) == INVALID


@pytest.mark.real_passwords
def test_an_unknown_user_takes_as_long_as_a_wrong_password(make_parse):
    parse = make_parse(account_lockout_threshold=99, account_lockout_address_threshold=0)
    parse.post("/users", RIGHT)

    def seconds(name):  # of the processor: others that wait for it make no difference
        started = time.thread_time()
        assert error(log_in(parse, {"username": name, "password": "guess"})) == INVALID
        return time.thread_time() - started

    seconds("alice")
    pairs = [(seconds("alice"), seconds("nobody")) for _ in range(9)]
    known, unknown = (median(times) for times in zip(*pairs, strict=True))
    assert 0.7 < known / unknown < 1.4


def test_who_is_locked_out_by_an_empty_acl_is_told_of_a_wrong_password(parse):
    alice_in(parse, ACL={})
    assert error(log_in(parse, RIGHT)) == INVALID
    assert error(parse.post("/verifyPassword", RIGHT, MASTER)) == INVALID
