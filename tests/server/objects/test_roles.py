"""Which roles a user has, and what makes a role."""

import pytest
from image_host import MASTER
from parse_app import error, outcome, relate, unrelate
from parse_app import pointer as to

ACL = {"*": {"read": True}}


def make_role(parse, name, users=(), roles=(), by=MASTER):
    body = {"name": name, "ACL": ACL}
    if users:
        body["users"] = relate(*(user.pointer for user in users))
    if roles:
        body["roles"] = relate(*(to("_Role", role) for role in roles))
    return parse.create("_Role", body, by)


def test_roles_are_inherited_upwards_and_cycles_end(parse_on_each):
    parse = parse_on_each
    alice, bob = parse.person("alice"), parse.person("bob")
    child = make_role(parse, "Child", users=[alice])
    parent = make_role(parse, "Parent", users=[bob], roles=[child])
    make_role(parse, "Grandparent", roles=[parent])
    parse.put(f"/roles/{child}", {"roles": relate(to("_Role", parent))}, MASTER)
    names_of = parse.services.roles.names_of
    assert names_of(alice.id) == ("Child", "Grandparent", "Parent")
    assert names_of(bob.id) == ("Child", "Grandparent", "Parent")
    assert names_of("nobody") == ()


def test_a_role_opens_what_its_members_may_read_from_the_next_call_on(parse_on_each):
    parse = parse_on_each
    bob = parse.person("bob")
    role = make_role(parse, "Moderators")
    path = f"/classes/Post/{parse.create('Post', {'ACL': {'role:Moderators': {'read': True}}})}"
    assert parse.get(path, bob).status_code == 404
    parse.put(f"/roles/{role}", {"users": relate(bob.pointer)}, MASTER)
    assert parse.get(path, bob).status_code == 200
    parse.put(f"/roles/{role}", {"users": unrelate(bob.pointer)}, MASTER)
    assert parse.get(path, bob).status_code == 404


def test_a_deleted_role_opens_nothing_more(parse):
    bob = parse.person("bob")
    role = make_role(parse, "Moderators", users=[bob])
    assert parse.delete(f"/roles/{role}", MASTER).status_code == 200
    assert parse.services.roles.names_of(bob.id) == ()


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"ACL": ACL}, "name is required."),
        ({"name": "", "ACL": ACL}, "name is required."),
        ({"name": None, "ACL": ACL}, "name is required."),
        ({"name": "x"}, "ACL is required."),
        ({"name": "x", "ACL": None}, "ACL is required."),
    ],
)
def test_a_role_has_a_name_and_an_acl(parse, body, sentence):
    assert error(parse.post("/roles", body, MASTER)) == (111, sentence)


@pytest.mark.parametrize("name", [None, "", {"__op": "Delete"}])
def test_a_role_keeps_a_name(parse, name):
    role = make_role(parse, "x")
    assert error(parse.put(f"/roles/{role}", {"name": name}, MASTER)) == (111, "name is required.")


def test_a_role_keeps_an_acl(parse):
    role = make_role(parse, "x")
    answer = parse.put(f"/roles/{role}", {"ACL": {"__op": "Delete"}}, MASTER)
    assert answer.status_code == 400
    parse.put(f"/roles/{role}", {"ACL": None}, MASTER)
    assert parse.stored("_Role", role)["ACL"] == ACL


def test_names_of_roles_are_unique(parse_on_each):
    parse = parse_on_each
    make_role(parse, "Moderators")
    answer = parse.post("/roles", {"name": "Moderators", "ACL": ACL}, MASTER)
    sentence = "A duplicate value for a field with unique values was provided"
    assert error(answer) == (137, sentence)


def test_a_role_is_not_renamed_to_another(parse):
    make_role(parse, "Moderators")
    other = make_role(parse, "Others")
    assert outcome(parse.put(f"/roles/{other}", {"name": "Moderators"}, MASTER)) == (400, 137)


def test_nobody_joins_a_role_that_he_may_not_write(parse):
    charlie = parse.person("charlie")
    role = make_role(parse, "Moderators")
    join = {"users": relate(charlie.pointer)}
    assert outcome(parse.put(f"/roles/{role}", join, charlie)) == (404, 101)
    assert outcome(parse.put(f"/classes/_Role/{role}", join, charlie)) == (404, 101)
    row = {"owningId": role, "relatedId": charlie.id}
    for by in (charlie, MASTER):
        assert parse.post("/classes/_Join:users:_Role", row, by).status_code == 400
    assert parse.services.roles.names_of(charlie.id) == ()


def test_a_stranger_sees_the_members_that_he_may_see(parse):
    bob, charlie = parse.person("bob"), parse.person("charlie")
    role = make_role(parse, "Moderators", users=[bob, charlie])
    where = {"$relatedTo": {"object": to("_Role", role), "key": "users"}}
    assert [row["objectId"] for row in parse.find("_User", where, by=charlie)] == [charlie.id]
    assert len(parse.find("_User", where, by=MASTER)) == 2
    assert [row["name"] for row in parse.find("_Role", {"users": bob.pointer}, by=MASTER)] == [
        "Moderators"
    ]
