"""/users, /login, /logout and /sessions/me: how Parse answers on the wire."""

import pytest
from image_host import KEYS, MASTER
from parse_app import error, outcome

ALICE = {"username": "alice", "password": "secret", "email": "alice@example.org"}


@pytest.fixture
def alice(parse):
    """What a sign-up answered."""
    return parse.post("/users", ALICE).json


def with_token(token):
    return {**KEYS, "X-Parse-Session-Token": token}


def test_a_sign_up_answers_id_time_and_session(parse_on_each):
    answer = parse_on_each.post("/users", {**ALICE, "phone": "1"})
    assert answer.status_code == 201
    assert answer.json.keys() == {"objectId", "createdAt", "sessionToken"}
    user_id = answer.json["objectId"]
    assert answer.headers["Location"] == f"http://localhost/parse/users/{user_id}"
    me = parse_on_each.get("/users/me", with_token(answer.json["sessionToken"])).json
    assert me == {
        "objectId": user_id,
        "createdAt": answer.json["createdAt"],
        "updatedAt": answer.json["createdAt"],
        "username": "alice",
        "email": "alice@example.org",
        "phone": "1",
        "ACL": {user_id: {"read": True, "write": True}},
        "sessionToken": answer.json["sessionToken"],
        "__type": "Object",
        "className": "_User",
    }


def test_the_class_route_signs_up_as_well(parse):
    """As the .NET SDK does."""
    answer = parse.post("/classes/_User", ALICE)
    assert answer.json.keys() == {"objectId", "createdAt", "sessionToken"}
    assert parse.post("/login", ALICE).status_code == 200


def test_the_life_of_a_user(parse_on_each):
    parse = parse_on_each
    user_id = parse.post("/users", ALICE).json["objectId"]
    alice = with_token(parse.post("/login", ALICE).json["sessionToken"])
    path = f"/users/{user_id}"
    assert parse.get("/users").json == {"results": []}
    [row] = parse.get("/users", alice).json["results"]
    assert (row["objectId"], row["username"]) == (user_id, "alice")
    assert parse.put(path, {"phone": "1"}, alice).json.keys() == {"updatedAt"}
    assert parse.get(path, alice).json["phone"] == "1"
    for by in (None, parse.person("charlie")):
        assert outcome(parse.get(path, by)) == (404, 101)
        assert outcome(parse.put(path, {"phone": "2"}, by)) == (400, 206)
        assert outcome(parse.delete(path, by)) == (400, 206)
    assert parse.delete(path, alice).json == {}
    assert outcome(parse.get(path, MASTER)) == (404, 101)
    assert outcome(parse.post("/login", ALICE)) == (404, 101)


def test_a_sign_up_that_is_repeated_is_refused(parse, alice):
    assert error(parse.post("/users", ALICE)) == (
        202,
        "Account already exists for this username.",
    )


def test_an_anonymous_user_signs_up_once_and_logs_in_after(parse_on_each):
    parse = parse_on_each
    body = {"authData": {"anonymous": {"id": "a1"}}}
    first, second = parse.post("/users", body), parse.post("/users", body)
    assert (first.status_code, second.status_code) == (201, 200)
    news = {"objectId", "createdAt", "sessionToken", "username", "authDataResponse"}
    assert first.json.keys() == news
    assert len(first.json["username"]) == 25
    assert second.json["objectId"] == first.json["objectId"]
    assert second.json["sessionToken"] != first.json["sessionToken"]
    assert second.json["username"] == first.json["username"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_login_answers_the_whole_user_and_a_session(parse_on_each, method):
    parse = parse_on_each
    alice = parse.post("/users", ALICE).json
    params = {"username": "alice", "password": "secret"}
    answer = parse.get("/login", **params) if method == "GET" else parse.post("/login", params)
    assert answer.status_code == 200
    assert answer.json.keys() == {
        "objectId", "createdAt", "updatedAt", "username", "email", "ACL", "sessionToken",
    }  # fmt: skip
    assert answer.json["sessionToken"] != alice["sessionToken"]


def test_a_stale_session_does_not_keep_anybody_from_logging_in(parse, alice):
    answer = parse.post("/login", ALICE, with_token("r:stale"))
    assert answer.status_code == 200


def test_a_login_notes_the_installation(parse, alice):
    answer = parse.post("/login", ALICE, **{"X-Parse-Installation-Id": "phone"})
    session = parse.get("/sessions/me", with_token(answer.json["sessionToken"])).json
    assert session["installationId"] == "phone"
    assert session["createdWith"] == {"action": "login", "authProvider": "password"}


def test_a_logout_ends_this_session_alone(parse_on_each):
    parse = parse_on_each
    alice = parse.post("/users", ALICE).json
    other = parse.post("/login", ALICE).json["sessionToken"]
    token = with_token(alice["sessionToken"])
    assert parse.post("/logout", {}, token).json == {}
    assert error(parse.get("/users/me", token)) == (209, "Invalid session token")
    assert error(parse.post("/logout", {}, token)) == (209, "Invalid session token")
    assert parse.get("/users/me", with_token(other)).status_code == 200
    assert parse.post("/logout", {}).json == {}


@pytest.mark.parametrize("path", ["/users/me", "/sessions/me"])
def test_who_is_not_logged_in_is_nobody(parse, path):
    assert outcome(parse.get(path)) == (400, 209)
    assert outcome(parse.get(path, MASTER)) == (400, 209)


def test_the_own_row_brings_the_session_token(parse, alice):
    path = f"/users/{alice['objectId']}"
    token = alice["sessionToken"]
    assert parse.get(path, with_token(token)).json["sessionToken"] == token
    assert "sessionToken" not in parse.get(path, MASTER).json
    assert parse.get(f"/classes{path.replace('users', '_User')}", with_token(token)).json[
        "sessionToken"
    ] == (token)


def test_others_do_not_see_a_private_user_and_no_email_of_a_public_one(parse, alice):
    charlie = parse.person("charlie")
    path = f"/users/{alice['objectId']}"
    assert outcome(parse.get(path, charlie)) == (404, 101)
    parse.put(path, {"ACL": {"*": {"read": True}}}, with_token(alice["sessionToken"]))
    row = parse.get(path, charlie).json
    assert row["username"] == "alice"
    assert row.keys().isdisjoint({"email", "sessionToken", "authData"})
    assert parse.get(path, MASTER).json["email"] == "alice@example.org"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/users"),
        ("DELETE", "/users"),
        ("PUT", "/login"),
        ("DELETE", "/login"),
        ("GET", "/logout"),
        ("POST", "/users/x"),
        ("POST", "/sessions/me"),
    ],
)
def test_other_methods_are_not_routed(parse, method, path):
    assert parse.call(method, path, {}).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/users"),
        ("GET", "/users"),
        ("POST", "/login"),
        ("POST", "/logout"),
        ("GET", "/users/me"),
        ("PUT", "/users/x"),
        ("GET", "/sessions/me"),
    ],
)
@pytest.mark.parametrize("keys", [{}, {**KEYS, "X-Parse-Application-Id": "wrong"}])
def test_without_the_right_keys_nothing_is_said(parse, method, path, keys):
    answer = parse.client.open(f"/parse{path}", method=method, json=ALICE, headers=keys)
    assert (answer.status_code, answer.json) == (403, {"error": "unauthorized"})


@pytest.mark.parametrize("path", ["/users", "/login", "/logout"])
def test_a_body_that_is_no_json_is_refused(parse, path):
    answer = parse.client.post(f"/parse{path}", data="nonsense", headers=KEYS)
    assert outcome(answer) == (400, 107)


def test_a_missing_user_is_not_told_from_anothers(parse):
    charlie = parse.person("charlie")
    assert outcome(parse.get("/users/gone", charlie)) == (404, 101)
    assert outcome(parse.put("/users/gone", {}, charlie)) == (400, 206)
    assert outcome(parse.put("/users/gone", {}, MASTER)) == (404, 101)
    assert outcome(parse.delete("/users/gone", MASTER)) == (404, 101)
