"""Nobody hears of what they may not read: ACLs, permissions, protected columns, sessions."""

import time

import pytest
from image_host import MASTER
from parse_app import relate

NOBODY = {"*": {}}
READ_WRITE = {"read": True, "write": True}


@pytest.fixture
def live_on_each(make_live, parse_on_each):
    return make_live(parse_on_each)


def refusal(answer):
    assert answer["op"] == "error", answer
    assert answer["reconnect"] is False
    return answer["code"]


# --- ACLs -----------------------------------------------------------------------------------------


def test_only_whom_the_acl_names_hears_of_an_object(live_on_each, parse_on_each):
    parse, live = parse_on_each, live_on_each
    alice, bob, carol = (parse.person(name) for name in ("alice", "bob", "carol"))
    role = parse.create("_Role", {"name": "Moderators", "ACL": {"*": {"read": True}}})
    parse.put(f"/roles/{role}", {"users": relate(bob.pointer)}, MASTER)
    nobody, stranger = live.connect(), live.connect(carol)
    listeners = [live.connect(alice), live.connect(bob), live.connect(masterKey="myMasterKey")]
    for client in (nobody, stranger, *listeners):
        client.subscribe("Note")
    acl = {alice.id: READ_WRITE, "role:Moderators": {"read": True}}
    note = parse.create("Note", {"text": "private", "ACL": acl})
    parse.put(f"/classes/Note/{note}", {"text": "still private"}, MASTER)
    parse.delete(f"/classes/Note/{note}", MASTER)
    for client in listeners:
        assert [kind for kind, _ in client.events(3)] == ["create", "update", "delete"]
    assert nobody.hears_nothing()
    assert stranger.hears_nothing()


def test_who_loses_sight_of_an_object_hears_what_could_be_seen_before(live_on_each, parse_on_each):
    client = live_on_each.connect()
    client.subscribe("Note")
    note = parse_on_each.create("Note", {"text": "public"})
    client.hear()
    parse_on_each.put(f"/classes/Note/{note}", {"text": "private", "ACL": {}}, MASTER)
    event = client.hear()
    assert event["op"] == "leave"
    assert event["object"]["text"] == event["original"]["text"] == "public"
    parse_on_each.put(f"/classes/Note/{note}", {"text": "more private"}, MASTER)
    assert client.hears_nothing()


def test_who_gains_sight_of_an_object_does_not_hear_what_it_was(live, parse):
    client = live.connect()
    client.subscribe("Note")
    note = parse.create("Note", {"text": "private", "ACL": {}})
    acl = {"*": {"read": True}}
    parse.put(f"/classes/Note/{note}", {"text": "public", "ACL": acl}, MASTER)
    event = client.hear()
    assert (event["op"], event["object"]["text"]) == ("enter", "public")
    assert "original" not in event


def test_a_subscription_s_session_counts_before_the_connection_s(live, parse):
    alice, bob = parse.person("alice"), parse.person("bob")
    client = live.connect(alice)
    client.subscribe("Note", sessionToken=bob.token)
    parse.create("Note", {"ACL": {alice.id: READ_WRITE}})
    parse.create("Note", {"ACL": {bob.id: READ_WRITE}})
    assert client.hear()["object"]["ACL"] == {bob.id: READ_WRITE}
    assert client.hears_nothing()


# --- class-level permissions ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("permission", "nobody", "alice"),
    [
        ({"*": True}, None, None),
        ({}, 119, 119),
        ({"requiresAuthentication": True}, 101, None),
        ({"role:Moderators": True}, 119, 119),
    ],
)
def test_a_class_that_may_not_be_searched_cannot_be_subscribed_to(
    live, parse, permission, nobody, alice
):
    parse.declare("Note", {"find": permission, "get": {"*": True}, "create": {"*": True}})
    for client, code in ((live.connect(), nobody), (live.connect(parse.person("a")), alice)):
        answer = client.subscribe("Note")
        assert (refusal(answer) if code else answer.get("code")) == code
        assert client.subscribe("Note", {"objectId": "abc"})["op"] == "subscribed"


def test_one_object_can_be_subscribed_to_only_where_it_can_be_got(live, parse):
    parse.declare("Note", {"find": {"*": True}, "get": {}})
    client = live.connect()
    assert refusal(client.subscribe("Note", {"objectId": "abc"})) == 119
    assert client.subscribe("Note", {"objectId": "abc", "a": 1})["op"] == "subscribed"


@pytest.mark.parametrize("form", ["readUserFields", "pointerFields"])
def test_a_permission_by_column_tells_only_whom_it_points_to(live_on_each, parse_on_each, form):
    parse, live = parse_on_each, live_on_each
    alice, bob = parse.person("alice"), parse.person("bob")
    by_column = {"find": {"pointerFields": ["owner"]}}
    permissions = by_column if form == "pointerFields" else {"find": {}, form: ["owner"]}
    parse.declare("Note", {**permissions, "create": {"*": True}}, owner="Pointer _User")
    nobody, hers, his = live.connect(), live.connect(alice), live.connect(bob)
    for client in (nobody, hers, his):
        client.subscribe("Note")
    note = parse.create("Note", {"owner": alice.pointer})
    assert hers.hear()["op"] == "create"
    parse.put(f"/classes/Note/{note}", {"owner": bob.pointer}, MASTER)
    left, entered = hers.hear(), his.hear()
    assert (left["op"], entered["op"]) == ("leave", "enter")
    assert left["object"]["owner"] == alice.pointer
    assert "original" not in entered
    assert nobody.hears_nothing()


@pytest.mark.parametrize("class_name", ["_GlobalConfig", "_JobStatus", "_Installation"])
def test_the_server_s_own_classes_are_the_master_key_s(live, class_name):
    assert refusal(live.connect().subscribe(class_name)) == 119
    master = live.connect(masterKey="myMasterKey")
    assert master.subscribe(class_name)["op"] == "subscribed"


@pytest.mark.parametrize("kind", ["before_find", "after_find"])
def test_what_an_app_s_trigger_hides_from_finds_is_not_told(live, parse, cloud_code, kind):
    @getattr(cloud_code, kind)("Note")
    def hide(request):
        return []

    assert refusal(live.connect().subscribe("Note")) == 119
    assert live.connect(masterKey="myMasterKey").subscribe("Note")["op"] == "subscribed"


@pytest.fixture
def owned(parse_on_each):
    """A class whose owners alone see what their objects cost."""
    permissions = {name: {"*": True} for name in ("find", "get", "create", "update")}
    permissions["protectedFields"] = {"*": ["cost"], "userField:owner": []}
    parse_on_each.declare("Thing", permissions, cost="Number", owner="Pointer _User")
    return parse_on_each


def test_columns_that_only_an_object_s_owner_sees(live_on_each, owned):
    alice, bob = owned.person("alice"), owned.person("bob")
    hers, his = live_on_each.connect(alice), live_on_each.connect(bob)
    for client in (hers, his):
        client.subscribe("Thing")
        assert refusal(client.subscribe("Thing", {"cost": 1})) == 119
    thing = owned.create("Thing", {"owner": alice.pointer, "cost": 1})
    owned.put(f"/classes/Thing/{thing}", {"owner": bob.pointer}, MASTER)
    for client, columns in ((hers, [{"cost"}, set(), {"cost"}]), (his, [set(), {"cost"}, set()])):
        created, updated = client.hear(), client.hear()
        states = [created["object"], updated["object"], updated["original"]]
        assert [state.keys() & {"cost"} for state in states] == columns


# --- protected columns ----------------------------------------------------------------------------


@pytest.fixture
def guarded(parse_on_each):
    """A class whose `salary` only its managers see."""
    permissions = {name: {"*": True} for name in ("find", "get", "create", "update", "delete")}
    permissions["protectedFields"] = {"*": ["salary"], "role:Managers": []}
    parse_on_each.declare("Person", permissions, salary="Number", name="String")
    return parse_on_each


def test_protected_columns_are_in_no_event(live_on_each, guarded):
    client, master = live_on_each.connect(), live_on_each.connect(masterKey="myMasterKey")
    client.subscribe("Person", keys=["salary", "name"])
    client.subscribe("Person")
    master.subscribe("Person")
    person = guarded.create("Person", {"name": "a", "salary": 1})
    guarded.put(f"/classes/Person/{person}", {"salary": 2}, MASTER)
    guarded.delete(f"/classes/Person/{person}", MASTER)
    for _ in range(6):
        event = client.hear()
        assert event["object"]["name"] == "a"
        assert "salary" not in event["object"]
        assert "salary" not in event.get("original", {})
    assert [shown["salary"] for _, shown in master.events(3)] == [1, 2, 2]


def test_protected_columns_cannot_be_asked_for_in_a_query(live_on_each, guarded):
    client, master = live_on_each.connect(), live_on_each.connect(masterKey="myMasterKey")
    for where in (
        {"salary": 1},
        {"salary": {"$gt": 1}},
        {"salary": {"$exists": True}},
        {"salary.a": 1},
        {"$or": [{"name": "a"}, {"$and": [{"salary": 1}]}]},
        {"$nor": [{"salary": 1}]},
    ):
        assert refusal(client.subscribe("Person", where)) == 119
        assert master.subscribe("Person", where)["op"] == "subscribed"


def test_protected_columns_cannot_be_watched(live_on_each, guarded):
    client = live_on_each.connect()
    for watch in (["salary"], ["name", "salary"], ["salary.a"]):
        assert refusal(client.subscribe("Person", watch=watch)) == 119


def test_a_user_is_told_without_what_only_the_user_may_see(live_on_each, parse_on_each):
    parse, live = parse_on_each, live_on_each
    alice = parse.person("alice", email="alice@example.com", _hashed_password="hash")
    own, other = live.connect(alice), live.connect()
    for client in (own, other):
        assert client.subscribe("_User")["op"] == "subscribed"
    for where in ({"email": "alice@example.com"}, {"authData.x.id": "1"}, {"sessionToken": "r:"}):
        assert refusal(other.subscribe("_User", where)) == 119
    acl = {alice.id: READ_WRITE, "*": {"read": True}}
    parse.put(f"/users/{alice.id}", {"ACL": acl}, MASTER)
    parse.put(f"/users/{alice.id}", {"phone": "1"}, MASTER)
    entered, updated = other.hear(), other.hear()
    assert (entered["op"], updated["op"]) == ("enter", "update")
    for shown in (entered["object"], updated["object"], updated["original"]):
        assert not shown.keys() & {"email", "authData", "sessionToken", "_hashed_password"}
    assert own.hear()["object"]["email"] == "alice@example.com"


# --- queries that ask more than they may ----------------------------------------------------------


_UNANSWERABLE = [
    ({"ACL": {"$exists": True}}, 102),
    ({"_rperm": "*"}, 105),
    ({"_hashed_password": {"$regex": "^a"}}, 105),
    ({"a": {"$inQuery": {"className": "Person", "where": {"salary": 1}}}}, 102),
    ({"a": {"$notInQuery": {"className": "Person", "where": {"salary": 1}}}}, 102),
    ({"a": {"$select": {"query": {"className": "B", "where": {}}, "key": "c"}}}, 102),
    ({"a": {"$dontSelect": {"query": {"className": "B", "where": {}}, "key": "c"}}}, 102),
    (
        {
            "$relatedTo": {
                "object": {"__type": "Pointer", "className": "B", "objectId": "1"},
                "key": "c",
            }
        },
        102,
    ),
    ({"a": {"$where": "1"}}, 107),
    ({"a": {"$regex": "("}}, 102),
    ({"a": {"$regex": "a" * 10_001}}, 107),
    ({"$or": []}, 102),
    ({"a": {"$text": {"$search": {"$term": "x"}}}}, 102),
]


def test_queries_that_a_live_query_cannot_answer_are_refused(live):
    client = live.connect()
    for where, code in _UNANSWERABLE:
        assert refusal(client.subscribe("Note", where)) == code, where


def test_a_relation_cannot_be_asked_for(live, parse):
    parse.declare("Note", readers="Relation _User")
    reader = {"__type": "Pointer", "className": "_User", "objectId": "1"}
    assert refusal(live.connect().subscribe("Note", {"readers": reader})) == 102


# --- sessions -------------------------------------------------------------------------------------


def test_an_unknown_session_cannot_subscribe(live, parse):
    client = live.connect(sessionToken="r:unknown")
    assert refusal(client.subscribe("Note")) == 209
    assert refusal(live.connect().subscribe("Note", sessionToken="r:unknown")) == 209


def test_a_logout_ends_what_the_session_hears_within_seconds(live_on_each, parse_on_each):
    alice = parse_on_each.person("alice")
    client = live_on_each.connect(alice)
    client.subscribe("Note")
    assert parse_on_each.post("/logout", by=alice).status_code == 200
    ended = client.hear(timeout_s=9)
    assert (refusal(ended), ended["requestId"]) == (209, 1)
    parse_on_each.create("Note", {"ACL": {alice.id: READ_WRITE}})
    assert client.hears_nothing()


def test_a_role_that_is_taken_away_counts_no_more_after_seconds(live, parse):
    bob = parse.person("bob")
    role = parse.create("_Role", {"name": "Moderators", "ACL": {"*": {"read": True}}})
    parse.put(f"/roles/{role}", {"users": relate(bob.pointer)}, MASTER)
    client = live.connect(bob)
    client.subscribe("Note")
    body = {"ACL": {"role:Moderators": {"read": True}}}
    parse.create("Note", body)
    assert client.hear()["op"] == "create"
    unrelate = {"__op": "RemoveRelation", "objects": [bob.pointer]}
    parse.put(f"/roles/{role}", {"users": unrelate}, MASTER)
    time.sleep(2.1)
    parse.create("Note", body)
    assert client.hears_nothing()


def test_sessions_are_told_to_their_own_user_alone_and_without_tokens(live_on_each, parse_on_each):
    parse, live = parse_on_each, live_on_each
    alice, bob = parse.person("alice"), parse.person("bob")
    assert refusal(live.connect().subscribe("_Session")) == 209
    hers = live.connect(alice)
    assert hers.subscribe("_Session")["op"] == "subscribed"
    parse.session_of(bob.id)
    parse.session_of(alice.id)
    kind, shown = hers.events(1)[0]
    assert (kind, shown["user"]) == ("create", alice.pointer)
    assert "sessionToken" not in shown
    assert hers.hears_nothing()


# --- keys -----------------------------------------------------------------------------------------


def test_wrong_keys_connect_nobody(live):
    for keys in (
        {},
        {"applicationId": "other", "javascriptKey": "myJsKey"},
        {"applicationId": "myAppId"},
        {"applicationId": "myAppId", "javascriptKey": "wrong"},
        {"applicationId": "myAppId", "masterKey": "wrong"},
        {"applicationId": "myAppId", "clientKey": "myJsKey"},
    ):
        client = live.open()
        answer = client.ask({"op": "connect", **keys})
        assert (answer["op"], answer["code"]) == ("error", 4)
        assert answer["error"] == "Key in request is not valid"
        assert client.subscribe("Note")["code"] == 2


def test_each_of_the_keys_connects(live):
    for keys in (
        {"javascriptKey": "myJsKey"},
        {"clientKey": "myClientKey"},
        {"restAPIKey": "myRestKey"},
        {"masterKey": "myMasterKey"},
        {"javascriptKey": "myJsKey", "masterKey": None, "sessionToken": None, "extra": 1},
    ):
        answer = live.open().ask({"op": "connect", "applicationId": "myAppId", **keys})
        assert answer["op"] == "connected"


def test_the_master_key_counts_from_its_addresses_alone(make_parse, make_live):
    live = make_live(make_parse(master_key_ips="10.0.0.1", live_query_classes=(".*",)))
    said = {"op": "connect", "applicationId": "myAppId", "masterKey": "myMasterKey"}
    assert live.open().ask(said)["code"] == 4


def test_a_client_cannot_make_up_its_address(make_parse, make_live):
    settings = {"master_key_ips": "10.0.0.1", "live_query_classes": (".*",)}
    said = {"op": "connect", "applicationId": "myAppId", "masterKey": "myMasterKey"}
    forged = [("X-Forwarded-For", "10.0.0.1")]
    live = make_live(make_parse(**settings), proxy_headers=False)
    assert live.open(additional_headers=forged).ask(said)["code"] == 4
