"""What passwords must be, where an app says so: every door that sets one asks the same."""

from datetime import timedelta

import bcrypt
import pytest
import time_machine
from image_host import MASTER
from parse_app import error

from cloud.clock import utc_now
from config import SettingsError, load_settings

TOO_WEAK = (142, "Password does not meet the Password Policy requirements.")
EXPIRED = (101, "Your password has expired. Please reset your password.")


def hashed(password):
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


def sign_up(parse, password, username="alice"):
    return parse.post("/users", {"username": username, "password": password})


def change(parse, person, password, by=None):
    return parse.put(f"/users/{person.id}", {"password": password}, by or person)


def log_in(parse, password):
    return parse.post("/login", {"username": "alice", "password": password})


def test_by_default_any_password_will_do(parse):
    assert sign_up(parse, "x").status_code == 201


def test_a_password_is_as_long_as_the_policy_asks(make_parse):
    parse = make_parse(password_policy_min_length=8)
    assert error(sign_up(parse, "1234567")) == TOO_WEAK
    assert sign_up(parse, "12345678").status_code == 201


@pytest.mark.parametrize("password", ["password1", "PASSWORD1", "Password", ""])
def test_a_password_matches_the_policys_pattern(make_parse, password):
    parse = make_parse(
        password_policy_pattern="^(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9])",
        password_policy_validation_error="Letters of both kinds, and a digit, please.",
    )
    refusal = (142, "Letters of both kinds, and a digit, please.")
    missing = (201, "password is required")
    assert error(sign_up(parse, password)) == (refusal if password else missing)
    assert sign_up(parse, "Password1").status_code == 201


def test_whoever_sets_a_password_is_asked_the_same(make_parse):
    parse = make_parse(password_policy_min_length=8)
    alice = parse.person("alice", _hashed_password=hashed("longer secret"))
    assert error(change(parse, alice, "short")) == TOO_WEAK
    assert error(change(parse, alice, "short", MASTER)) == TOO_WEAK
    body = {"username": "bob", "password": "short"}
    assert error(parse.post("/classes/_User", body)) == TOO_WEAK
    batch = {"requests": [{"method": "POST", "path": "/parse/users", "body": body}]}
    assert parse.post("/batch", batch).json == [{"error": {"code": 142, "error": TOO_WEAK[1]}}]
    assert parse.get("/users/me", alice).status_code == 200
    assert change(parse, alice, "longer still").status_code == 200


@pytest.mark.parametrize("password", ["alice", "xxALICExx", "1alice"])
def test_a_password_does_not_hold_its_users_name(make_parse, password):
    parse = make_parse(password_policy_do_not_allow_username=True)
    refusal = (142, "Password cannot contain your username.")
    assert error(sign_up(parse, password)) == refusal
    alice = parse.person("alice")
    assert error(change(parse, alice, password)) == refusal
    answer = parse.put(f"/users/{alice.id}", {"username": "bob", "password": password}, alice)
    assert answer.status_code == 200


def test_a_password_that_was_used_lately_is_not_used_again(make_parse, database_uri):
    parse = make_parse(database_uri=database_uri, password_policy_max_history=3)
    alice = parse.person("alice", _hashed_password=hashed("one"))
    refusal = (142, "New password should not be the same as last 3 passwords.")

    def set_to(password):
        return change(parse, alice, password, MASTER)

    assert error(set_to("one")) == refusal
    assert set_to("two").status_code == 200
    assert set_to("three").status_code == 200
    for used in ("one", "two", "three"):
        assert error(set_to(used)) == refusal
    row = parse.stored("_User", alice.id)
    assert len(row["_password_history"]) == 2
    assert bcrypt.checkpw(b"two", row["_password_history"][-1].encode())
    assert set_to("four").status_code == 200
    assert set_to("one").status_code == 200
    assert "_password_history" not in parse.get(f"/users/{alice.id}", MASTER).text


def test_a_history_of_one_is_the_present_password(make_parse):
    parse = make_parse(password_policy_max_history=1)
    alice = parse.person("alice", _hashed_password=hashed("one"))
    assert error(change(parse, alice, "one", MASTER))[0] == 142
    assert change(parse, alice, "two", MASTER).status_code == 200
    assert change(parse, alice, "one", MASTER).status_code == 200


def test_a_password_that_is_too_old_lets_nobody_log_in(make_parse, database_uri):
    parse = make_parse(database_uri=database_uri, password_policy_max_age=30)
    user_id = sign_up(parse, "secret").json["objectId"]
    assert utc_now() - parse.stored("_User", user_id)["_password_changed_at"] < timedelta(minutes=1)
    assert log_in(parse, "secret").status_code == 200
    with time_machine.travel(utc_now() + timedelta(days=29, hours=23), tick=False):
        assert log_in(parse, "secret").status_code == 200
    with time_machine.travel(utc_now() + timedelta(days=30, minutes=1), tick=False):
        answer = log_in(parse, "secret")
        assert (answer.status_code, error(answer)) == (404, EXPIRED)
        assert error(log_in(parse, "guess")) == (101, "Invalid username/password.")
        parse.put(f"/users/{user_id}", {"password": "fresh"}, MASTER)
        assert log_in(parse, "fresh").status_code == 200


def test_a_password_of_unknown_age_ages_from_its_next_login(make_parse):
    parse = make_parse(password_policy_max_age=30)
    alice = parse.person("alice", _hashed_password=hashed("secret"))
    assert log_in(parse, "secret").status_code == 200
    noted = parse.stored("_User", alice.id)["_password_changed_at"]
    with time_machine.travel(utc_now() + timedelta(days=31), tick=False):
        assert error(log_in(parse, "secret")) == EXPIRED
    assert parse.stored("_User", alice.id)["_password_changed_at"] == noted


def test_a_very_long_password_costs_no_more_than_another(make_parse):
    parse = make_parse(password_policy_pattern="(?=.*[0-9])x", password_policy_max_history=2)
    alice = parse.person("alice")
    assert error(change(parse, alice, "y" * 900_000)) == TOO_WEAK


@pytest.mark.parametrize(
    "settings",
    [
        {"password_policy_pattern": "("},
        {"password_policy_min_length": 73},
        {"password_policy_max_history": 21},
        {"password_policy_max_age": -1},
    ],
)
def test_a_policy_that_nobody_can_follow_ends_the_start(settings):
    (name,) = settings
    with pytest.raises(SettingsError, match=name.upper()):
        load_settings(_env_file=None, **settings)
