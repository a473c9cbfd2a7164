"""/loginAs, /verifyPassword, /upgradeToRevocableSession, /challenge: how they answer."""

import pytest
from image_host import KEYS, MASTER
from parse_app import error, outcome

from server.storage.port import Equals

ALICE = {"username": "alice", "password": "secret", "email": "alice@example.org"}
READ_ONLY = {**KEYS, "X-Parse-Master-Key": "readOnly"}


def with_token(token):
    return {**KEYS, "X-Parse-Session-Token": token}


def test_the_master_key_logs_in_as_anybody(parse_on_each):
    parse = parse_on_each
    alice = parse.person("alice", email="alice@example.org", _hashed_password="x")
    answer = parse.post("/loginAs", {"userId": alice.id}, MASTER)
    assert answer.status_code == 200
    assert answer.json.keys() == {
        "objectId", "createdAt", "updatedAt", "username", "email", "ACL", "sessionToken",
    }  # fmt: skip
    token = answer.json["sessionToken"]
    assert token != alice.token
    session = parse.get("/sessions/me", with_token(token)).json
    assert session["createdWith"] == {"action": "login", "authProvider": "masterkey"}
    assert parse.get("/users/me", alice).status_code == 200


def test_nobody_else_logs_in_as_anybody(make_parse):
    parse = make_parse(read_only_master_key="readOnly")
    alice = parse.person("alice")
    body = {"userId": alice.id}
    assert error(parse.post("/loginAs", body)) == (119, "master key is required")
    assert error(parse.post("/loginAs", body, alice)) == (119, "master key is required")
    assert outcome(parse.post("/loginAs", body, READ_ONLY)) == (400, 119)


@pytest.mark.parametrize("user_id", [None, "", 0])
def test_to_log_in_as_somebody_an_id_is_needed(parse, user_id):
    answer = parse.post("/loginAs", {"userId": user_id}, MASTER)
    assert error(answer) == (162, "userId must not be empty, null, or undefined")


@pytest.mark.parametrize("user_id", ["gone", {"$ne": None}, ["x"], 5])
def test_nobody_logs_in_as_somebody_unknown(parse, user_id):
    parse.person("alice")
    answer = parse.post("/loginAs", {"userId": user_id}, MASTER)
    assert (answer.status_code, error(answer)) == (404, (101, "user not found"))


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_password_is_verified_without_a_session(parse_on_each, method):
    parse = parse_on_each
    parse.post("/users", ALICE)
    before = len(parse.find("_Session", by=MASTER))
    params = {"username": "alice", "password": "secret"}
    answer = (
        parse.get("/verifyPassword", **params)
        if method == "GET"
        else parse.post("/verifyPassword", params)
    )
    assert answer.status_code == 200
    assert answer.json.keys() == {
        "objectId", "createdAt", "updatedAt", "username", "email", "ACL",
    }  # fmt: skip
    assert len(parse.find("_Session", by=MASTER)) == before


def test_a_password_to_verify_needs_a_name(parse):
    assert error(parse.post("/verifyPassword", {})) == (200, "username/email is required.")
    answer = parse.post("/verifyPassword", {"username": "alice"})
    assert error(answer) == (201, "password is required.")
    answer = parse.post("/verifyPassword", {"username": "alice", "password": "x"})
    assert error(answer) == (101, "Invalid username/password.")


def test_a_session_is_upgraded_to_another(parse_on_each):
    parse = parse_on_each
    alice = parse.person("alice")
    answer = parse.post("/upgradeToRevocableSession", {}, alice)
    assert answer.status_code == 200
    assert answer.json["createdWith"] == {"action": "upgrade"}
    assert answer.json["user"] == alice.pointer
    assert parse.get("/users/me", with_token(answer.json["sessionToken"])).status_code == 200
    assert error(parse.post("/upgradeToRevocableSession", {})) == (101, "invalid session")


def test_a_token_of_before_sessions_is_good_for_the_upgrade_alone_and_once(parse_on_each):
    parse = parse_on_each
    alice = parse.person("alice", sessionToken="legacytoken")
    legacy = with_token("legacytoken")
    assert outcome(parse.get("/users/me", legacy)) == (400, 209)
    answer = parse.post("/upgradeToRevocableSession", {}, legacy)
    assert answer.json["user"] == alice.pointer
    assert error(parse.post("/upgradeToRevocableSession", {}, legacy)) == (
        209,
        "Invalid session token",
    )


def test_a_legacy_token_is_found_by_no_query(parse):
    parse.person("alice", sessionToken="legacytoken", ACL={"*": {"read": True}})
    answers = [
        parse.get("/users", where={"sessionToken": "legacytoken"}),
        parse.get("/users", where={"sessionToken": {"$regex": "^leg"}}),
        parse.get("/users", where={"$or": [{"sessionToken": "legacytoken"}]}),
        parse.get("/users", where={"_session_token": "legacytoken"}),
    ]
    for answer in answers:
        assert not answer.json.get("results"), answer.json
    assert "legacytoken" not in parse.get("/users").get_data(as_text=True)


def test_the_columns_of_passwords_and_tokens_are_found_by_no_query(parse):
    parse.person("alice", _perishable_token="perish", ACL={"*": {"read": True}})
    for where in ({"_perishable_token": "perish"}, {"$or": [{"_perishable_token": "perish"}]}):
        assert outcome(parse.get("/users", where=where)) == (400, 105)
    for by in (None, MASTER):  # which may search by it, as in Parse Server
        assert "perish" not in parse.get("/users", by).get_data(as_text=True)


def test_a_second_factor_that_nobody_would_check_is_refused(parse):
    parse.post("/users", ALICE)
    body = {**ALICE, "authData": {"mfa": {"token": "123456"}}}
    refusal = (252, "This authentication method is unsupported.")
    assert error(parse.post("/login", body)) == refusal


def test_there_is_no_challenge_to_take(parse_on_each):
    parse = parse_on_each
    parse.post("/users", ALICE)
    anonymous = {"anonymous": {"id": "a1"}}
    parse.post("/users", {"authData": anonymous})
    name = {"username": "alice"}
    named = {**name, "password": "secret"}
    challenged = {"challengeData": {"mfa": True}}
    refusals = [
        (name, -1, "You provided username or email, you need to also provide password."),
        ({**name, "password": "guess", **challenged}, 101, "Invalid username/password."),
        ({}, -1, "Nothing to challenge."),
        (named, -1, "Nothing to challenge."),
        ({"challengeData": "x"}, -1, "challengeData should be an object."),
        ({**challenged, "authData": "x"}, -1, "authData should be an object."),
        (
            {**challenged, **named, "authData": anonymous},
            -1,
            "You cannot provide username/email and authData, only use one identification method.",
        ),
        ({**challenged, "authData": {"anonymous": {"id": "a2"}}}, 101, "User not found."),
        (
            {**challenged, "authData": {"facebook": {"id": "1"}}},
            252,
            "This authentication method is unsupported.",
        ),
    ]
    for body, code, message in refusals:
        assert error(parse.post("/challenge", body)) == (code, message), body
    for body in (challenged, {**challenged, **named}, {**challenged, "authData": anonymous}):
        assert parse.post("/challenge", body).json == {"challengeData": {}}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/loginAs"),
        ("PUT", "/verifyPassword"),
        ("GET", "/upgradeToRevocableSession"),
        ("GET", "/challenge"),
    ],
)
def test_other_methods_are_not_routed(parse, method, path):
    assert parse.call(method, path, {}).status_code == 404


@pytest.mark.parametrize(
    "path", ["/loginAs", "/verifyPassword", "/upgradeToRevocableSession", "/challenge"]
)
def test_without_the_right_keys_nothing_is_said(parse, path):
    answer = parse.client.post(f"/parse{path}", json=ALICE)
    assert (answer.status_code, answer.json) == (403, {"error": "unauthorized"})


def test_a_legacy_token_is_in_the_users_row_as_parse_server_has_it(parse):
    alice = parse.person("alice", sessionToken="legacytoken")
    objects, schema = parse.services.database.objects, parse.services.objects.user_schema()
    found = objects.update(schema, Equals("sessionToken", "legacytoken"), {})
    assert found["objectId"] == alice.id
