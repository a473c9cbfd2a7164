"""Users: what they may do to themselves, and what nobody does to others."""

import threading
import time

import pytest
from image_host import KEYS, MASTER
from mongo_commands import Commands
from parse_app import error, outcome, pointer

from cloud.operations import Delete, Set
from server.auth import Caller
from server.objects.passwords import hash_password
from server.storage.port import Equals

HASH = hash_password("secret")


def with_password(parse, name, hashed=HASH, **columns):
    return parse.person(name, _hashed_password=hashed, **columns)


def log_in(parse, given="secret", **names):
    return parse.post("/login", {**names, "password": given})


def status_with(parse, token):
    """The status of a call with this token."""
    return parse.get("/users/me", {**KEYS, "X-Parse-Session-Token": token}).status_code


# --- nobody makes himself a moderator -------------------------------------------------------------

MODERATOR = [
    {"isModerator": True},
    {"isModerator": {"__op": "Increment", "amount": 1}},
    {"isModerator": {"__op": "Add", "objects": [1]}},
    {"isModerator": {"__op": "Delete"}},
    {"isModerator": None},
    {"isModerator.x": True},
    {"isModerator.x": {"__op": "Increment", "amount": 1}},
]


@pytest.mark.parametrize("change", MODERATOR)
@pytest.mark.parametrize("column_exists", [True, False])
def test_nobody_makes_himself_a_moderator(parse, change, column_exists):
    charlie = parse.person("charlie")
    if column_exists:
        parse.person("bob")
        bob = parse.person("bobby")
        parse.put(f"/users/{bob.id}", {"isModerator": True}, MASTER)
    for path in (f"/users/{charlie.id}", f"/classes/_User/{charlie.id}"):
        assert outcome(parse.put(path, change, charlie)) == (400, 119)
    batch = {"method": "PUT", "path": f"/parse/users/{charlie.id}", "body": change}
    answer = parse.post("/batch", {"requests": [batch]}, charlie)
    assert answer.json[0]["error"]["code"] == 119
    assert "isModerator" not in parse.stored("_User", charlie.id)


@pytest.mark.parametrize("path", ["/users", "/classes/_User"])
@pytest.mark.parametrize("identity", ["password", "anonymous"])
def test_nobody_signs_up_as_a_moderator(parse, path, identity):
    body = {"isModerator": True}
    body |= (
        {"username": "charlie", "password": "p"}
        if identity == "password"
        else {"authData": {"anonymous": {"id": "c"}}}
    )
    answer = parse.post(path, body)
    assert error(answer) == (119, "isModerator can only be changed with the master key.")
    assert parse.find("_User", by=MASTER) == []


def test_a_login_by_auth_data_changes_nothing(parse):
    parse.post("/users", {"authData": {"anonymous": {"id": "c"}}})
    again = {"authData": {"anonymous": {"id": "c"}}, "isModerator": True, "phone": "1"}
    assert parse.post("/users", again).status_code == 200
    assert "isModerator" not in parse.find("_User", by=MASTER)[0]


def test_the_master_key_makes_moderators(parse):
    bob = parse.person("bob")
    assert parse.put(f"/users/{bob.id}", {"isModerator": True}, MASTER).status_code == 200
    assert parse.get("/users/me", bob).json["isModerator"] is True


def test_cloud_code_makes_moderators_but_never_by_the_clients_word(parse, cloud_code):
    @cloud_code.before_save("_User")
    def promote(request):
        if request.object.get("username") == "bob":
            request.object["isModerator"] = True

    bob, charlie = parse.person("bob"), parse.person("charlie")
    assert parse.put(f"/users/{bob.id}", {"phone": "1"}, bob).json["isModerator"] is True
    assert outcome(parse.put(f"/users/{bob.id}", {"isModerator": False}, bob)) == (400, 119)
    parse.put(f"/users/{charlie.id}", {"phone": "1"}, charlie)
    assert "isModerator" not in parse.stored("_User", charlie.id)


@pytest.mark.parametrize("path", ["emailVerified", "emailVerified.x"])
def test_nobody_verifies_the_own_email(parse, path):
    charlie = parse.person("charlie")
    sentence = "Clients aren't allowed to manually update email verification."
    assert error(parse.put(f"/users/{charlie.id}", {path: True}, charlie)) == (119, sentence)


# --- secrets --------------------------------------------------------------------------------------

SECRETS = ["_hashed_password", "_session_token", "_auth_data_anonymous", "_perishable_token"]
HIDDEN = ["authData", "authData.anonymous.id", "sessionToken", "email"]


@pytest.mark.parametrize("name", SECRETS)
def test_nobody_asks_for_a_column_of_the_server(parse, name):
    alice = with_password(parse, "alice")
    for params in (
        {"where": {name: {"$exists": True}}},
        {"where": {"$or": [{name: {"$regex": "^.2"}}]}},
        {"order": name},
        {"keys": name},
        {"excludeKeys": name},
        {"include": name},
        {"redirectClassNameForKey": name},
    ):
        answer = parse.get("/users", alice, **params)
        assert outcome(answer) == (400, 105), params
    select = {"query": {"className": "_User", "where": {}}, "key": name}
    where = {"username": {"$select": select}}
    assert outcome(parse.get("/users", alice, where=where)) == (400, 102)


@pytest.mark.parametrize("name", SECRETS)
def test_nobody_writes_a_column_of_the_server(parse, name):
    alice = with_password(parse, "alice")
    for body in ({name: "x"}, {f"{name}.x": "x"}, {name: {"__op": "Delete"}}):
        for by in (alice, MASTER):
            assert outcome(parse.put(f"/users/{alice.id}", body, by)) == (400, 105)


@pytest.mark.parametrize("name", HIDDEN)
def test_nobody_searches_or_sorts_users_by_what_he_cannot_see(parse, name):
    alice = parse.person("alice")
    assert outcome(parse.get("/users", alice, where={name: "x"})) == (400, 119)
    assert outcome(parse.get("/users", alice, where={"$nor": [{name: "x"}]})) == (400, 119)
    assert outcome(parse.get("/users", alice, order=name)) == (400, 119)
    in_query = {"owner": {"$inQuery": {"className": "_User", "where": {name: "x"}}}}
    assert outcome(parse.get("/classes/Post", alice, where=in_query)) == (400, 119)


def test_no_answer_holds_a_hash_or_anothers_secrets(parse, cloud_code):
    @cloud_code.after_save("Post")
    def tell(request):
        return {"user": request.user, "values": request.user.values}

    public = {"ACL": {"*": {"read": True}}}
    alice = with_password(
        parse, "alice", email="a@b", authData={"anonymous": {"id": "anon1"}}, **public
    )
    charlie = parse.person("charlie")
    parse.create("Post", {"owner": alice.pointer})
    everything = [
        parse.get("/users", charlie),
        parse.get(f"/users/{alice.id}", charlie),
        parse.get("/classes/Post", charlie, include="owner"),
        parse.get("/classes/Post", charlie, includeAll="1", keys="owner.email,owner.authData"),
        parse.get("/users", charlie, keys="email,authData,sessionToken"),
    ]
    for answer in everything:
        assert answer.status_code == 200
        text = answer.get_data(as_text=True)
        assert HASH not in text
        assert "a@b" not in text
        assert "anon1" not in text
        assert alice.token not in text
    for answer in (
        parse.get("/users/me", alice),
        parse.get("/users", MASTER),
        parse.get(f"/users/{alice.id}", alice),
        parse.post("/classes/Post", {"n": 1}, alice),
    ):
        assert "$2b$" not in answer.get_data(as_text=True)


def test_no_column_shadows_a_password(parse):
    alice = with_password(parse, "alice")
    assert outcome(parse.put(f"/users/{alice.id}", {"password.x": "p"}, alice)) == (400, 201)
    assert "password" not in parse.stored("_User", alice.id)


def test_a_session_token_that_a_client_sends_along_is_not_kept(parse):
    alice = parse.person("alice")
    assert parse.put(f"/users/{alice.id}", {"sessionToken": "r:x"}, alice).status_code == 200
    assert "sessionToken" not in parse.stored("_User", alice.id)


# --- logging in -----------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["$2a$", "$2b$", "$2y$"])
def test_a_hash_of_parse_server_logs_in(parse_on_each, prefix):
    parse = parse_on_each
    alice = with_password(parse, "alice", prefix + HASH[4:])
    answer = log_in(parse, username="alice")
    assert answer.json["objectId"] == alice.id
    assert status_with(parse, answer.json["sessionToken"]) == 200


@pytest.mark.parametrize("value", [{"$ne": None}, {"$gt": ""}, ["alice"], 1, True, {"$regex": "a"}])
@pytest.mark.parametrize("name", ["username", "email", "password"])
def test_an_operator_is_no_name_and_no_password(parse, name, value):
    with_password(parse, "alice", email="a@b")
    params = {"username": "alice", "password": "secret"}
    params |= {name: value}
    assert outcome(parse.post("/login", params)) == (404, 101)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"username": "alice", "password": "wrong"}, (101, "Invalid username/password.")),
        ({"username": "Alice", "password": "secret"}, (101, "Invalid username/password.")),
        ({"username": "nobody", "password": "secret"}, (101, "Invalid username/password.")),
        ({"email": "A@B", "password": "secret"}, (101, "Invalid username/password.")),
        (
            {"username": "alice", "email": "x@y", "password": "secret"},
            (101, "Invalid username/password."),
        ),
        ({"username": "alice"}, (201, "password is required.")),
        ({"username": "alice", "password": ""}, (201, "password is required.")),
        ({"password": "secret"}, (200, "username/email is required.")),
        ({}, (200, "username/email is required.")),
    ],
)
def test_a_login_that_fails_says_little(parse, params, expected):
    with_password(parse, "alice", email="a@b")
    assert error(parse.post("/login", params)) == expected


@pytest.mark.parametrize(
    "params",
    [
        {"username": "alice"},
        {"email": "a@b"},
        {"username": "a@b"},
        {"username": "alice", "email": "a@b"},
    ],
)
def test_name_or_email_log_in(parse, params):
    alice = with_password(parse, "alice", email="a@b")
    assert log_in(parse, **params).json["objectId"] == alice.id


def test_a_username_wins_over_anothers_email(parse):
    with_password(parse, "alice", email="x@y")
    bob = with_password(parse, "x@y")
    assert log_in(parse, username="x@y").json["objectId"] == bob.id


def test_a_user_without_a_password_has_no_password(parse):
    parse.person("alice")
    for password in ("secret", "None", "null"):
        assert outcome(log_in(parse, username="alice", given=password)) == (404, 101)


def test_a_user_who_is_locked_out_does_not_log_in(parse):
    with_password(parse, "alice", ACL={})
    assert outcome(log_in(parse, username="alice")) == (404, 101)
    parse.person("anon", ACL={}, authData={"anonymous": {"id": "a1"}})
    answer = parse.post("/users", {"authData": {"anonymous": {"id": "a1"}}})
    assert outcome(answer) == (400, 208)


# --- signing up -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, 200),
        ({"username": "", "password": "p"}, 200),
        ({"username": None, "password": "p"}, 200),
        ({"username": 5, "password": "p"}, 200),
        ({"username": {"$ne": 1}, "password": "p"}, 121),
        ({"username": "x"}, 201),
        ({"username": "x", "password": ""}, 201),
        ({"username": "x", "password": None}, 201),
        ({"username": "x", "password": 5}, 201),
        ({"username": "x", "password": "p", "email": "nonsense"}, 125),
        ({"username": "x", "password": "p", "email": 5}, 125),
        ({"username": "x", "password": "p", "emailVerified": True}, 119),
        ({"username": "x", "password": "p", "objectId": "chosen"}, 105),
        ({"username": "x", "password": "p", "authData": {"facebook": {"id": "1"}}}, 252),
        ({"username": "x", "password": "p", "authData": "anonymous"}, 252),
        ({"authData": {"anonymous": {"id": ""}}}, 252),
        ({"authData": {"anonymous": {"id": 1}}}, 252),
        ({"authData": {"anonymous": {"id": {"$ne": 1}}}}, 121),
        ({"authData": {"anonymous": {}}}, 252),
        ({"authData": {"anonymous": None}}, 200),
        ({"authData": {}}, 200),
    ],
)
def test_a_sign_up_that_lacks_something_is_refused(parse, body, code):
    answer = parse.post("/users", body)
    assert outcome(answer) == (400, code), answer.json
    assert parse.find("_User", by=MASTER) == []


def test_an_empty_email_is_none(parse):
    for name in ("alice", "bob"):
        body = {"username": name, "password": "p", "email": ""}
        assert parse.post("/users", body).status_code == 201
    assert all("email" not in row for row in parse.find("_User", by=MASTER))
    carol = parse.person("carol", email="c@d")
    assert parse.put(f"/users/{carol.id}", {"email": ""}, carol).status_code == 200
    assert "email" not in parse.get(f"/users/{carol.id}", carol).json


@pytest.mark.parametrize(("column", "code"), [("username", 200), ("password", 201)])
def test_what_a_user_logs_in_with_is_not_taken_away(parse, column, code):
    alice = parse.person("alice")
    gone = {column: {"__op": "Delete"}}
    for by in (alice, MASTER):
        assert outcome(parse.put(f"/users/{alice.id}", gone, by)) == (400, code)
    assert parse.get("/users/me", alice).status_code == 200


@pytest.mark.parametrize("name", ["alice", "ALICE", "Alice"])
def test_a_name_is_taken_in_whatever_case(parse, name):
    parse.person("alice", email="a@b")
    answer = parse.post("/users", {"username": name, "password": "p"})
    assert error(answer) == (202, "Account already exists for this username.")


@pytest.mark.parametrize("email", ["a@b", "A@B"])
def test_an_email_is_taken_in_whatever_case(parse, email):
    parse.person("alice", email="a@b")
    bob = parse.person("bob")
    sentence = "Account already exists for this email address."
    answer = parse.post("/users", {"username": "x", "password": "p", "email": email})
    assert error(answer) == (203, sentence)
    assert error(parse.put(f"/users/{bob.id}", {"email": email}, bob)) == (203, sentence)


def test_users_and_roles_get_the_indexes_of_parse_server(make_parse, mongo_uri, tmp_path):
    commands = Commands()
    parse = make_parse(database_uri=mongo_uri("nx", tmp_path.name))
    parse.post("/users", {"username": "alice", "password": "p"})
    parse.create("_Role", {"name": "Mods", "ACL": {}})
    once = {"unique": True, "sparse": True}
    plain = {"unique": False, "sparse": True}
    in_any_case = {**plain, "collation": {"locale": "en_US", "strength": 2}}
    expected = {
        ("_User", "username_1"): {"key": {"username": 1}, **once},
        ("_User", "email_1"): {"key": {"email": 1}, **once},
        ("_User", "case_insensitive_username"): {"key": {"username": 1}, **in_any_case},
        ("_User", "case_insensitive_email"): {"key": {"email": 1}, **in_any_case},
        ("_User", "_email_verify_token"): {"key": {"_email_verify_token": 1}, **plain},
        ("_User", "_perishable_token"): {"key": {"_perishable_token": 1}, **plain},
        ("_Role", "name_1"): {"key": {"name": 1}, **once},
    }
    made = commands.indexes()
    assert {name: made[name] for name in expected} == expected


def test_a_name_with_wildcards_is_only_itself(parse):
    parse.person("alice")
    for name in ("a%", "_lice", ".*", "^alice$"):
        assert parse.post("/users", {"username": name, "password": "p"}).status_code == 201


def test_users_without_email_do_not_collide(parse_on_each):
    parse = parse_on_each
    for name in ("alice", "bob"):
        answer = parse.post("/users", {"username": name, "password": "p", "email": None})
        assert answer.status_code == 201, answer.json
        path = f"/users/{answer.json['objectId']}"
        assert parse.put(path, {"email": None}, MASTER).status_code == 200
        assert "email" not in parse.stored("_User", answer.json["objectId"])


@pytest.mark.parametrize(
    "bodies",
    [
        [{"username": "alice"}] * 4,
        [{"username": name} for name in ("alice", "ALICE", "Alice", "aLICE")],
        [{"username": f"user{n}", "email": e} for n, e in enumerate(["a@b", "A@b", "a@B", "A@B"])],
    ],
    ids=["name", "case", "email"],
)
def test_of_sign_ups_at_the_same_moment_no_two_succeed(parse, bodies):
    answers = together(lambda body: parse.post("/users", {**body, "password": "p"}), bodies)
    assert [a.status_code for a in answers].count(201) <= 1
    assert {a.status_code for a in answers} <= {201, 400}
    assert {a.json["code"] for a in answers if a.status_code == 400} <= {202, 203}
    assert len(parse.find("_User", by=MASTER)) <= 1


def test_of_anonymous_sign_ups_at_the_same_moment_one_user_comes(parse):
    body = {"authData": {"anonymous": {"id": "a1"}}}
    answers = together(lambda body: parse.post("/users", body), [body] * 4)
    assert {a.status_code for a in answers} <= {200, 201, 400}
    assert len(parse.find("_User", by=MASTER)) <= 1


def together(step, arguments):
    results = [None] * len(arguments)
    barrier = threading.Barrier(len(arguments))

    def run(number):
        barrier.wait()
        results[number] = step(arguments[number])

    threads = [threading.Thread(target=run, args=(n,)) for n in range(len(arguments))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


# --- authData -------------------------------------------------------------------------------------


def test_nobody_takes_over_anothers_anonymous_account(parse_on_each):
    parse = parse_on_each
    first = parse.post("/users", {"authData": {"anonymous": {"id": "a1"}}})
    assert first.status_code == 201
    charlie = parse.person("charlie")
    path = f"/users/{charlie.id}"
    linked = {"authData": {"anonymous": {"id": "a1"}}}
    assert error(parse.put(path, linked, charlie)) == (208, "this auth is already used")
    new = {"username": "x", "password": "p", **linked}
    again = parse.post("/users", new)  # a login of who knows the id; the name is not changed
    assert again.status_code == 200
    assert again.json["objectId"] == first.json["objectId"]
    assert again.json["username"] == first.json.get("username")


@pytest.mark.parametrize(
    "change",
    [
        {"authData.anonymous": {"id": "a1"}},
        {"authData.anonymous.id": "a1"},
        {"authData": {"__op": "Delete"}},
        {"authData": [1]},
        {"authData": {"anonymous": {"id": "x"}, "google": {"id": "y"}}},
    ],
)
def test_auth_data_comes_as_a_whole_of_known_providers(parse, change):
    charlie = parse.person("charlie")
    assert outcome(parse.put(f"/users/{charlie.id}", change, charlie)) == (400, 252)


def test_a_user_links_and_unlinks_himself(parse_on_each):
    parse = parse_on_each
    alice = parse.person("alice")
    path = f"/users/{alice.id}"
    assert parse.put(path, {"authData": {"anonymous": {"id": "a1"}}}, alice).status_code == 200
    assert parse.get(path, alice).json["authData"] == {"anonymous": {"id": "a1"}}
    assert parse.post("/users", {"authData": {"anonymous": {"id": "a1"}}}).status_code == 200
    assert parse.put(path, {"authData": {"anonymous": None}}, alice).status_code == 200
    assert parse.post("/users", {"authData": {"anonymous": {"id": "a1"}}}).status_code == 201


# --- changing users -------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["nobody", "charlie"])
def test_nobody_changes_or_deletes_another_user(parse, by):
    everybody = {"ACL": {"*": {"read": True, "write": True}}}
    alice, charlie = parse.person("alice", **everybody), parse.person("charlie")
    stranger = charlie if by == "charlie" else None
    for folder in ("/users", "/classes/_User"):
        path = f"{folder}/{alice.id}"
        assert outcome(parse.put(path, {"phone": "1"}, stranger)) == (400, 206)
        assert outcome(parse.delete(path, stranger)) == (400, 206)
    sentence = "Insufficient auth." if stranger else f"Cannot modify user {alice.id}."
    assert error(parse.put(f"/users/{alice.id}", {"phone": "1"}, stranger)) == (206, sentence)


def test_cloud_code_acting_for_a_user_changes_no_other(parse, cloud_code):
    @cloud_code.define("rename")
    def rename(request):
        user = request.objects.get("_User", request.params["id"])
        user["phone"] = "1"
        request.objects.save(user)

    alice = parse.person("alice", ACL={"*": {"read": True, "write": True}})
    charlie = parse.person("charlie")
    assert outcome(parse.post("/functions/rename", {"id": alice.id}, charlie)) == (400, 206)


def test_a_user_keeps_the_right_to_the_own_row(parse):
    alice = parse.person("alice")
    path = f"/users/{alice.id}"
    for acl in ({}, {alice.id: {"read": True}}, {"*": {"read": True}}):
        assert parse.put(path, {"ACL": acl}, alice).status_code == 200
        assert parse.get(path, alice).json["ACL"][alice.id] == {"read": True, "write": True}
    parse.put(path, {"ACL": {}}, MASTER)
    assert parse.stored("_User", alice.id)["ACL"] == {}


def test_a_new_user_is_private_unless_he_says_otherwise(parse_on_each):
    parse = parse_on_each
    own = {"read": True, "write": True}
    private = parse.post("/users", {"username": "alice", "password": "p"}).json["objectId"]
    assert parse.stored("_User", private)["ACL"] == {private: own}
    acl = {"*": {"read": True}}
    public = parse.post("/users", {"username": "bob", "password": "p", "ACL": acl}).json["objectId"]
    assert parse.stored("_User", public)["ACL"] == {public: own, "*": {"read": True}}


def test_a_change_of_password_ends_every_session_and_begins_one(parse_on_each):
    parse = parse_on_each
    alice = with_password(parse, "alice")
    other = parse.session_of(alice.id, "phone")
    answer = parse.put(f"/users/{alice.id}", {"password": "new"}, alice)
    assert answer.json.keys() == {"updatedAt", "sessionToken"}
    tokens = [alice.token, other, answer.json["sessionToken"]]
    assert [status_with(parse, token) for token in tokens] == [400, 400, 200]
    assert outcome(log_in(parse, username="alice")) == (404, 101)
    assert log_in(parse, username="alice", given="new").status_code == 200


def test_no_login_with_the_old_password_outlives_its_change(parse):
    alice = with_password(parse, "alice")

    def change(_):
        return parse.put(f"/users/{alice.id}", {"password": "new"}, alice)

    def log_in_later(wait_s):
        time.sleep(wait_s)
        return log_in(parse, username="alice")

    steps = [(change, None), *((log_in_later, n / 100) for n in range(6))]
    answers = together(lambda step: step[0](step[1]), steps)
    tokens = [answer.json["sessionToken"] for answer in answers if answer.status_code == 200]
    valid = [token for token in tokens if status_with(parse, token) == 200]
    assert valid == [answers[0].json["sessionToken"]]


def test_the_master_key_changes_a_password_and_is_given_no_session(parse):
    alice = with_password(parse, "alice")
    answer = parse.put(f"/users/{alice.id}", {"password": "new"}, MASTER)
    assert answer.json.keys() == {"updatedAt"}
    assert status_with(parse, alice.token) == 400


def test_a_change_of_password_in_cloud_code_ends_every_session(parse, cloud_code):
    @cloud_code.define("reset")
    def reset(request):
        user = request.as_master.get("_User", request.params["id"])
        user["password"] = request.params["new"]
        request.as_master.save(user)

    @cloud_code.before_save("_User")
    def unchanged(request):
        pass

    alice = with_password(parse, "alice")
    assert parse.post("/functions/reset", {"id": alice.id, "new": "new"}).status_code == 200
    assert status_with(parse, alice.token) == 400
    assert log_in(parse, username="alice", given="new").status_code == 200


def test_a_trigger_that_sets_a_password_to_a_number_is_refused(parse, cloud_code):
    @cloud_code.before_save("_User")
    def spoil(request):
        request.object["password"] = 5

    alice = parse.person("alice")
    assert outcome(parse.put(f"/users/{alice.id}", {"phone": "1"}, alice)) == (400, 201)


def test_a_trigger_sees_the_password_and_no_answer_does(parse, cloud_code):
    seen = []

    @cloud_code.before_save("_User")
    def look(request):
        seen.append(request.object.get("password"))
        request.object["phone"] = "1"

    answer = parse.post("/users", {"username": "alice", "password": "secret"})
    assert seen == ["secret"]
    assert answer.json.keys() == {"objectId", "createdAt", "sessionToken", "phone"}


@pytest.mark.parametrize("password", ["", 5, {"$ne": 1}, {"__op": "Increment", "amount": 1}])
def test_a_password_is_a_text(parse, password):
    alice = with_password(parse, "alice")
    answer = parse.put(f"/users/{alice.id}", {"password": password}, alice)
    assert answer.status_code == 400
    assert parse.stored("_User", alice.id)["_hashed_password"] == HASH


def test_a_deleted_user_has_no_session(parse):
    alice = parse.person("alice")
    assert parse.delete(f"/users/{alice.id}", alice).status_code == 200
    assert status_with(parse, alice.token) == 400
    assert parse.find("_Session", by=MASTER) == []


def test_whoever_names_another_user_in_a_session_gets_one_of_his_own(parse):
    alice, charlie = parse.person("alice"), parse.person("charlie")
    made = parse.post("/sessions", {"user": pointer("_User", alice.id)}, charlie).json
    assert made["user"] == charlie.pointer


def test_a_user_row_that_went_meanwhile_is_nobody(parse):
    alice = parse.person("alice")
    schema = parse.services.schemas.find("_User")
    parse.services.database.objects.delete(schema, Equals("objectId", alice.id))
    assert outcome(parse.get("/classes/Post", alice)) == (400, 209)


def test_removing_what_is_not_there_is_fine(parse):
    alice = parse.person("alice")
    operations = {"phone": Delete(), "email": Set(None)}
    saved = parse.services.objects.update(
        caller_of(parse, alice), "_User", alice.id, operations, {}
    )
    assert "email" not in saved.document


def caller_of(parse, person):
    user = parse.services.objects.sessions.user_of(person.token)
    return Caller(master=False, ip="127.0.0.1", user=user)
