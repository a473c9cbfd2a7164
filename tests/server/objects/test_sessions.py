"""Sessions: whose they are, how they end, and what nobody does with another's."""

from datetime import datetime, timedelta

import pytest
from image_host import KEYS, MASTER
from parse_app import error, outcome

from cloud.clock import utc_now
from cloud.operations import Set
from config import SettingsError, load_settings
from server.storage.port import Equals


def me(parse, token):
    return parse.get("/users/me", {**KEYS, "X-Parse-Session-Token": token})


def own_session(parse, person):
    (session,) = parse.find("_Session", by=person)
    return session


def expire(parse, person, seconds):
    schema = parse.services.schemas.find("_Session")
    expires = Set(utc_now() - timedelta(seconds=seconds))
    where = Equals("sessionToken", person.token)
    parse.services.database.objects.update(schema, where, {"expiresAt": expires})


def test_a_session_is_as_parse_server_writes_it(parse_on_each):
    parse = parse_on_each
    alice = parse.person("alice")
    session = own_session(parse, alice)
    assert session["user"] == alice.pointer
    assert session["sessionToken"] == alice.token
    assert session["createdWith"] == {"action": "login", "authProvider": "password"}
    assert session["expiresAt"]["__type"] == "Date"
    assert len(alice.token) == 34
    assert "ACL" not in session


def test_each_sees_the_own_sessions_alone(parse_on_each):
    parse = parse_on_each
    alice, bob = parse.person("alice"), parse.person("bob")
    alices, bobs = own_session(parse, alice), own_session(parse, bob)
    for where in ({}, {"user": bob.pointer}, {"sessionToken": bob.token}, {"$or": [{}, {}]}):
        rows = parse.find("_Session", where, by=alice)
        assert bob.token not in str(rows)
    assert outcome(parse.get(f"/sessions/{bobs['objectId']}", alice)) == (404, 101)
    assert parse.get(f"/sessions/{alices['objectId']}", alice).status_code == 200
    listed = parse.get("/sessions", alice, count="1").json
    assert (listed["results"], listed["count"]) == ([alices], 1)
    assert len(parse.get("/sessions", MASTER).json["results"]) == 2


def test_nobody_changes_or_ends_anothers_session(parse_on_each):
    parse = parse_on_each
    alice, bob = parse.person("alice"), parse.person("bob")
    path = f"/sessions/{own_session(parse, bob)['objectId']}"
    assert outcome(parse.delete(path, alice)) == (404, 101)
    assert outcome(parse.put(path, {"note": 1}, alice)) == (404, 101)
    assert outcome(parse.put(path, {"note": 1})) == (404, 101)
    assert me(parse, bob.token).status_code == 200
    assert parse.delete(path, bob).status_code == 200
    assert me(parse, bob.token).status_code == 400


def test_without_a_login_there_are_no_sessions(parse):
    parse.person("alice")
    refusal = (209, "Invalid session token")
    assert error(parse.get("/sessions")) == refusal
    assert error(parse.get("/classes/_Session/x")) == refusal
    assert error(parse.get("/classes/_Session", count="1", limit="0")) == refusal
    assert error(parse.delete("/sessions/x")) == refusal
    assert outcome(parse.post("/sessions", {})) == (400, 209)


@pytest.mark.parametrize(
    "column", ["user", "sessionToken", "installationId", "expiresAt", "createdWith"]
)
def test_what_makes_a_session_is_the_servers(parse, column):
    alice, bob = parse.person("alice"), parse.person("bob")
    value = {"user": bob.pointer, "createdWith": {}}.get(column, "r:chosen")
    if column == "expiresAt":
        value = {"__type": "Date", "iso": "2999-01-01T00:00:00.000Z"}
    path = f"/sessions/{own_session(parse, alice)['objectId']}"
    assert error(parse.put(path, {column: value}, alice)) == (105, f"Invalid key name: {column}")
    assert outcome(parse.put(path, {column: {"__op": "Delete"}}, alice)) == (400, 105)
    assert outcome(parse.put(path, {f"{column}.x": 1}, alice)) == (400, 105)
    made = parse.post("/sessions", {column: value}, alice)
    assert made.status_code == 201
    row = parse.stored("_Session", made.json["objectId"])
    assert row["user"].object_id == alice.id
    assert row["createdWith"] == {"action": "create"}
    assert row["sessionToken"] != "r:chosen"
    assert row["expiresAt"] < utc_now() + timedelta(days=31)


def test_a_session_that_is_saved_with_its_own_user_is_saved(parse_on_each):
    parse = parse_on_each
    alice = parse.person("alice")
    path = f"/sessions/{own_session(parse, alice)['objectId']}"
    assert parse.put(path, {"user": alice.pointer, "note": 1}, alice).status_code == 200
    assert own_session(parse, alice)["note"] == 1


@pytest.mark.parametrize("column", ["sessionToken", "installationId"])
def test_not_even_the_master_key_gives_a_session_another_token(parse, column):
    alice = parse.person("alice")
    path = f"/sessions/{own_session(parse, alice)['objectId']}"
    refusal = (105, f"Invalid key name: {column}")
    assert error(parse.put(path, {column: "r:chosen"}, MASTER)) == refusal
    later = {"__type": "Date", "iso": "2999-01-01T00:00:00.000Z"}
    assert parse.put(path, {"expiresAt": later}, MASTER).status_code == 200
    assert me(parse, alice.token).status_code == 200


def test_a_session_lasts_thirty_days(parse):
    answer = parse.post("/users", {"username": "alice", "password": "secret"}).json
    token = {**KEYS, "X-Parse-Session-Token": answer["sessionToken"]}
    expires = parse.get("/sessions/me", token).json["expiresAt"]["iso"]
    left = datetime.fromisoformat(expires) - utc_now()
    assert timedelta(days=30) - timedelta(minutes=1) < left <= timedelta(days=30)


def test_a_restricted_session_is_a_column_of_the_apps_own(parse):
    """As in Parse Server, where the word restricts nothing any more."""
    alice = parse.person("alice")
    made = parse.post("/sessions", {"restricted": True, "installationId": "tv"}, alice).json
    row = parse.get(f"/sessions/{made['objectId']}", alice).json
    assert (row["restricted"], row["installationId"]) == (True, "tv")


def test_a_session_has_no_acl(parse):
    alice = parse.person("alice")
    path = f"/sessions/{own_session(parse, alice)['objectId']}"
    refusal = (105, "Cannot set ACL on a Session.")
    assert error(parse.put(path, {"ACL": {}}, alice)) == refusal
    assert error(parse.post("/sessions", {"ACL": {"*": {"read": True}}}, alice)) == refusal


def test_a_user_makes_another_session_of_his_own(parse_on_each):
    parse = parse_on_each
    alice = parse.person("alice")
    answer = parse.post("/sessions", {"note": "second"}, alice)
    assert answer.status_code == 201
    row = parse.get(f"/sessions/{answer.json['objectId']}", alice).json
    assert row["user"] == alice.pointer
    assert row["note"] == "second"
    assert row["createdWith"]["action"] == "create"
    assert me(parse, row["sessionToken"]).json["objectId"] == alice.id


@pytest.mark.parametrize(("seconds_ago", "status"), [(1, 400), (-60, 200)])
def test_a_session_ends_in_time(parse_on_each, seconds_ago, status):
    parse = parse_on_each
    alice = parse.person("alice")
    expire(parse, alice, seconds_ago)
    answer = me(parse, alice.token)
    assert answer.status_code == status
    if status == 400:
        assert error(answer) == (209, "Session token is expired.")


@pytest.mark.parametrize(
    "token", ["r:unknown", "x", " ", "{'$ne': 1}", '{"$ne": null}', "r:" + "0" * 10_000]
)
@pytest.mark.parametrize("path", ["/users/me", "/classes/Post", "/config", "/sessions/me"])
def test_an_unknown_token_is_refused_on_every_route(parse, path, token):
    parse.person("alice")
    answer = parse.get(path, {**KEYS, "X-Parse-Session-Token": token})
    assert error(answer) == (209, "Invalid session token")


@pytest.mark.parametrize("token", [{"$ne": None}, ["r:x"], 5, True])
def test_a_token_in_the_body_is_a_text(parse, token):
    parse.person("alice")
    body = {"_ApplicationId": "myAppId", "_JavaScriptKey": "myJsKey", "_SessionToken": token}
    answer = parse.client.post("/parse/users/me", json={**body, "_method": "GET"})
    assert answer.status_code in (400, 403)


def test_a_new_login_of_an_installation_ends_its_older_ones(parse_on_each):
    parse = parse_on_each
    alice, bob = parse.person("alice"), parse.person("bob")
    first = parse.session_of(alice.id, "phone")
    other_phone = parse.session_of(alice.id, "tablet")
    bobs = parse.session_of(bob.id, "phone")
    second = parse.session_of(alice.id, "phone")
    statuses = [
        me(parse, token).status_code
        for token in (first, second, other_phone, bobs, alice.token, bob.token)
    ]
    assert statuses == [400, 200, 200, 200, 200, 200]


def test_read_only_master_key_sees_no_token_with_which_it_could_write(make_parse):
    parse = make_parse(read_only_master_key="look")
    parse.post("/users", {"username": "alice", "password": "pw"})
    rows = parse.get("/sessions", {**MASTER, "X-Parse-Master-Key": "look"}).json["results"]
    assert len(rows) == 1
    assert "sessionToken" not in rows[0]


@pytest.mark.parametrize(
    ("path", "where"),
    [
        ("/sessions", {"sessionToken": {"$regex": "^r:"}}),
        ("/sessions", {"$or": [{"sessionToken": {"$gt": "r:8"}}]}),
        ("/users", {"sessionToken": {"$exists": True}}),
        ("/users", {"_perishable_token": {"$regex": "^t"}}),
        ("/users", {"$nor": [{"_hashed_password": {"$regex": "^.2b"}}]}),
        ("/users", {"objectId": {"$inQuery": {
            "className": "_User", "where": {"_email_verify_token": "t"}}}}),
    ],
)  # fmt: skip
def test_nor_does_it_find_one_out_letter_by_letter(make_parse, path, where):
    parse = make_parse(read_only_master_key="look")
    parse.person("alice", _perishable_token="t", _hashed_password="$2b$")
    look = {**MASTER, "X-Parse-Master-Key": "look"}
    assert outcome(parse.get(path, look, where=where)) in ((400, 105), (400, 119))
    assert outcome(parse.get("/sessions", look, order="sessionToken")) == (400, 119)


@pytest.mark.parametrize(
    "name",
    ["session_length", "panel_session_length", "idempotency_ttl", "password_reset_token_validity"],
)
def test_nothing_may_last_beyond_the_calendar(name):
    """Who is let in would be answered by an overflow."""
    with pytest.raises(SettingsError, match=name.upper()):
        load_settings(_env_file=None, **{name: 10**14})
