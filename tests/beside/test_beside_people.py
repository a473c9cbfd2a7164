"""Users, sessions, ACLs and roles are the same people and rights to both servers."""

import pytest
from parse_client import code, pointer


def sign_up(client, fresh, name):
    """Make a user; return username, id and session token."""
    username = fresh(name)
    user, token = client.sign_up(username, f"secret of {username}")
    return username, user, token


def test_user_logs_in_on_both_with_one_password(writer, reader, fresh):
    username, user, _ = sign_up(writer, fresh, "alice")
    status, row = reader.log_in(username, f"secret of {username}")
    assert (status, row["objectId"]) == (200, user)
    assert code(reader.log_in(username, "wrong")) == (404, 101)


def unmarked(row):
    """A row without what Parse Server 9 adds to `/users/me`, and 7 did not."""
    return {name: row[name] for name in row if name not in ("__type", "className")}


def test_session_of_one_holds_on_the_other(writer, reader, fresh):
    username, user, token = sign_up(writer, fresh, "alice")
    me = reader.done("GET", "/users/me", by=token)
    assert (me["objectId"], me["username"]) == (user, username)
    other = writer.done("GET", "/users/me", by=token)
    assert unmarked(me) == unmarked(other)


def test_log_out_on_one_ends_the_session_on_the_other(writer, reader, fresh):
    _, _, token = sign_up(writer, fresh, "alice")
    reader.done("POST", "/logout", {}, by=token)
    assert code(writer.call("GET", "/users/me", by=token)) == (400, 209)


def test_password_that_is_changed_on_one_counts_on_the_other(writer, reader, fresh):
    username, user, token = sign_up(writer, fresh, "alice")
    reader.done("PUT", f"/users/{user}", {"password": "new"}, by=token)
    assert code(writer.log_in(username, f"secret of {username}")) == (404, 101)
    assert writer.log_in(username, "new")[0] == 200


def test_name_and_address_are_taken_on_both(writer, reader, fresh):
    address = f"{fresh('alice')}@example.com"
    writer.sign_up(fresh("alice"), "x", email=address)
    taken = {"username": fresh("alice"), "password": "x"}
    assert code(reader.call("POST", "/users", taken, by=None)) == (400, 202)
    taken = {"username": fresh("bob"), "password": "x", "email": address}
    assert code(reader.call("POST", "/users", taken, by=None)) == (400, 203)


def test_anonymous_user_of_one_comes_back_on_the_other(writer, reader, fresh):
    anonymous = {"authData": {"anonymous": {"id": fresh("anonymous")}}}
    made = writer.done("POST", "/users", anonymous, by=None)
    assert reader.done("POST", "/users", anonymous, by=None)["objectId"] == made["objectId"]


def test_user_changes_own_columns_on_both_and_nobody_else_does(writer, reader, fresh):
    _, alice, token = sign_up(writer, fresh, "alice")
    _, _, stranger = sign_up(writer, fresh, "stranger")
    reader.done("PUT", f"/users/{alice}", {"nickname": "al"}, by=token)
    assert writer.done("GET", f"/users/{alice}", by=token)["nickname"] == "al"
    for client in (writer, reader):
        refused = client.call("PUT", f"/users/{alice}", {"nickname": "x"}, by=stranger)
        assert refused[0] in (400, 404)


def test_acl_of_one_holds_on_the_other(writer, reader, fresh):
    _, alice, alices = sign_up(writer, fresh, "alice")
    _, bob, bobs = sign_up(writer, fresh, "bob")
    acl = {alice: {"read": True, "write": True}, bob: {"read": True}}
    thing = writer.create(fresh("Thing"), {"n": 1, "ACL": acl}, by=alices)
    path = f"/classes/{fresh('Thing')}/{thing}"
    reader.read_schemas()
    assert reader.done("GET", path, by=bobs)["ACL"] == acl
    assert reader.find(fresh("Thing"), by=None) == []
    assert code(reader.call("GET", path, by=None)) == (404, 101)
    assert code(reader.call("PUT", path, {"n": 2}, by=bobs)) == (404, 101)
    assert code(reader.call("DELETE", path, by=bobs)) == (404, 101)
    reader.done("PUT", path, {"n": 3, "ACL": {alice: {"read": True, "write": True}}}, by=alices)
    assert code(writer.call("GET", path, by=bobs)) == (404, 101)
    assert writer.done("GET", path, by=alices)["n"] == 3


def make_role(client, name, *, users=(), roles=()):
    """Make a role; return its id."""
    body = {"name": name, "ACL": {"*": {"read": True}}}
    for column, class_name, ids in (("users", "_User", users), ("roles", "_Role", roles)):
        members = [pointer(class_name, one) for one in ids]
        if members:
            body[column] = {"__op": "AddRelation", "objects": members}
    return client.done("POST", "/roles", body)["objectId"]


EVERYBODY = {"*": True}
BOTH = {"requiresAuthentication": True, "pointerFields": ["owner"]}


@pytest.mark.parametrize(
    ("permissions", "answers"),
    [
        ({"find": BOTH, "count": BOTH}, {"nobody": 101, "owner": 1, "stranger": 0}),
        ({"find": {}, "count": EVERYBODY}, dict.fromkeys(("nobody", "owner", "stranger"), 1)),
        ({"find": EVERYBODY, "count": {}}, dict.fromkeys(("nobody", "owner", "stranger"), 119)),
    ],
    ids=["login_and_column", "count_alone", "find_alone"],
)
def test_both_servers_ask_the_same_of_who_calls(ours, theirs, fresh, permissions, answers):
    _, owner, token = sign_up(theirs, fresh, "owner")
    _, _, other = sign_up(theirs, fresh, "stranger")
    name = fresh("Thing")
    columns = {"owner": {"type": "Pointer", "targetClass": "_User"}}
    theirs.done("POST", f"/schemas/{name}", {"fields": columns, **clp(permissions)})
    theirs.create(name, {"owner": pointer("_User", owner)})
    ours.read_schemas()
    for client in (ours, theirs):
        counted = {}
        for who, by in {"nobody": None, "owner": token, "stranger": other}.items():
            _, answer = client.call("GET", f"/classes/{name}?count=1&limit=0", by=by)
            counted[who] = answer.get("count", answer.get("code"))
        assert counted == answers, client.name


def clp(permissions):
    return {"classLevelPermissions": {"create": EVERYBODY, **permissions}}


def test_device_that_is_known_is_changed_by_operations(writer, reader, fresh):
    device = {"deviceType": "ios", "installationId": fresh("device").lower()}
    made = writer.done("POST", "/installations", {**device, "channels": ["news"]})
    reader.read_schemas()
    more = {"__op": "AddUnique", "objects": ["sport"]}
    reader.done("POST", "/installations", {**device, "channels": more})
    row = writer.done("GET", f"/installations/{made['objectId']}")
    assert row["channels"] == ["news", "sport"]


def test_role_of_one_opens_objects_on_the_other(writer, reader, fresh):
    _, alice, alices = sign_up(writer, fresh, "alice")
    _, _, bobs = sign_up(writer, fresh, "bob")
    role = fresh("moderators")
    make_role(writer, role, users=[alice])
    thing = writer.create(fresh("Thing"), {"ACL": {f"role:{role}": {"read": True, "write": True}}})
    path = f"/classes/{fresh('Thing')}/{thing}"
    reader.read_schemas()
    reader.done("PUT", path, {"n": 1}, by=alices)
    assert code(reader.call("GET", path, by=bobs)) == (404, 101)


def test_role_within_a_role_inherits_on_the_other(writer, reader, fresh):
    _, alice, alices = sign_up(writer, fresh, "alice")
    inner = make_role(writer, fresh("inner"), users=[alice])
    middle = make_role(reader, fresh("middle"), roles=[inner])
    make_role(writer, fresh("outer"), roles=[middle])
    acl = {f"role:{fresh('outer')}": {"read": True}}
    thing = writer.create(fresh("Thing"), {"ACL": acl})
    reader.read_schemas()
    for client in (reader, writer):
        assert client.done("GET", f"/classes/{fresh('Thing')}/{thing}", by=alices)["ACL"] == acl


def test_users_of_a_role_are_the_same_to_both(writer, reader, fresh):
    _, alice, _ = sign_up(writer, fresh, "alice")
    _, bob, _ = sign_up(reader, fresh, "bob")
    role = make_role(writer, fresh("role"), users=[alice])
    added = {"__op": "AddRelation", "objects": [pointer("_User", bob)]}
    reader.done("PUT", f"/roles/{role}", {"users": added})
    members = {"$relatedTo": {"object": pointer("_Role", role), "key": "users"}}
    for client in (writer, reader):
        assert {row["objectId"] for row in client.find("_User", members)} == {alice, bob}
