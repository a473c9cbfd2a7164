"""Installations: which row a save is meant for, what it may not change, which rows it replaces."""

import pytest
from image_host import KEYS, MASTER
from parse_app import error, outcome

from cloud.code import CloudError

A, B = "aaaaaaaa-1111", "bbbbbbbb-2222"
ID_NEEDED = (
    135,
    "at least one ID field (deviceToken, installationId) must be specified in this operation",
)
TYPE_NEEDED = (135, "deviceType must be specified in this operation")


@pytest.fixture
def parse(parse_on_each):
    return parse_on_each


def save(parse, **columns):
    return parse.post("/installations", {"deviceType": "ios", **columns})


def rows(parse):
    found = parse.find("_Installation", by=MASTER, order="createdAt,objectId")
    return [(row["objectId"], row.get("installationId"), row.get("deviceToken")) for row in found]


def test_a_new_device_is_a_new_row(parse):
    answer = save(parse, installationId=A, channels=["news"])
    assert (answer.status_code, answer.json.keys()) == (201, {"objectId", "createdAt"})
    location = f"/parse/classes/_Installation/{answer.json['objectId']}"
    assert answer.headers["Location"].endswith(location)
    assert rows(parse) == [(answer.json["objectId"], A, None)]


@pytest.mark.parametrize("path", ["/installations", "/classes/_Installation"])
def test_the_same_device_is_the_same_row(parse, path):
    first = save(parse, installationId=A).json["objectId"]
    answer = parse.post(path, {"installationId": A.upper(), "badge": 3})
    assert (answer.status_code, answer.json.keys()) == (200, {"updatedAt"})
    assert rows(parse) == [(first, A, None)]
    assert parse.get(f"/installations/{first}").json["badge"] == 3


def test_operations_of_an_app_that_forgot_its_id_change_the_row_that_is_there(parse):
    first = save(parse, installationId=A, channels=["news"], badge=2).json["objectId"]
    more = {"__op": "AddUnique", "objects": ["sport", "news"]}
    one = {"__op": "Increment", "amount": 1}
    answer = save(parse, installationId=A, channels=more, badge=one)
    assert answer.status_code == 200
    assert answer.json["channels"] == ["news", "sport"]
    row = parse.get(f"/installations/{first}").json
    assert (row["channels"], row["badge"]) == (["news", "sport"], 3)


def test_operations_of_a_new_device_make_its_values(parse):
    sports = {"__op": "AddUnique", "objects": ["sport", "sport"]}
    less = {"__op": "Remove", "objects": ["x"]}
    one = {"__op": "Increment", "amount": 1}
    answer = save(
        parse, installationId=A, channels=sports, badge=one, gone={"__op": "Delete"}, less=less
    )
    assert answer.status_code == 201
    row = parse.get(f"/installations/{answer.json['objectId']}").json
    assert (row["channels"], row["badge"], row["less"]) == (["sport"], 1, [])
    assert "gone" not in row


def test_apples_tokens_are_the_same_in_any_case_and_others_are_not(parse):
    apple = "AB" * 32
    first = save(parse, deviceToken=apple).json["objectId"]
    assert save(parse, deviceToken=apple.lower()).status_code == 200
    assert rows(parse) == [(first, None, apple.lower())]
    save(parse, deviceToken="Abc")
    assert save(parse, deviceToken="abc").status_code == 201


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({}, ID_NEEDED),
        ({"deviceType": "ios"}, ID_NEEDED),
        ({"deviceType": "ios", "installationId": ""}, ID_NEEDED),
        ({"installationId": A}, TYPE_NEEDED),
        (
            {"deviceType": "", "deviceToken": "t"},
            TYPE_NEEDED,
        ),
    ],
)
def test_what_is_missing_of_a_new_device_is_said(parse, columns, expected):
    assert error(parse.post("/installations", columns)) == expected
    assert rows(parse) == []


def test_the_installation_of_the_header_counts_for_clients(parse):
    first = save(parse, installationId=A).json["objectId"]
    header = {"X-Parse-Installation-Id": A.upper()}
    assert parse.post("/installations", {"badge": 1}, **header).status_code == 200
    assert parse.get(f"/installations/{first}").json["badge"] == 1
    assert error(parse.post("/installations", {"badge": 1}, MASTER, **header)) == ID_NEEDED


def test_a_row_with_the_token_alone_takes_the_id(parse):
    first = save(parse, deviceToken="t").json["objectId"]
    assert save(parse, deviceToken="t", installationId=A).status_code == 200
    assert rows(parse) == [(first, A, "t")]


def test_a_device_without_an_id_is_found_by_its_token(parse):
    first = save(parse, deviceToken="t", installationId=A).json["objectId"]
    assert save(parse, deviceToken="t").status_code == 200
    assert rows(parse) == [(first, A, "t")]


def test_an_app_that_was_installed_again_replaces_the_older_one(parse):
    save(parse, deviceToken="t", installationId=A)
    answer = save(parse, deviceToken="t", installationId=B)
    assert answer.status_code == 201
    assert rows(parse) == [(answer.json["objectId"], B, "t")]


def test_other_apps_of_the_same_device_stay(parse):
    first = save(parse, deviceToken="t", installationId=A, appIdentifier="one").json["objectId"]
    second = save(parse, deviceToken="t", installationId=B, appIdentifier="two").json["objectId"]
    assert {row[0] for row in rows(parse)} == {first, second}
    answer = save(parse, deviceToken="t")
    assert error(answer)[0] == 132


def test_a_token_that_moves_to_a_known_installation_leaves_the_other(parse):
    save(parse, deviceToken="t", installationId=A)
    second = save(parse, installationId=B).json["objectId"]
    answer = parse.put(f"/installations/{second}", {"installationId": B, "deviceToken": "t"})
    assert answer.status_code == 200
    assert rows(parse) == [(second, B, "t")]


def test_two_rows_of_one_device_become_one(parse):
    by_token = save(parse, deviceToken="t").json["objectId"]
    save(parse, installationId=A)
    assert save(parse, deviceToken="t", installationId=A).status_code == 200
    assert rows(parse) == [(by_token, A, "t")]


def test_a_save_that_is_refused_removes_nothing(parse, cloud_code):
    first = save(parse, deviceToken="t", installationId=A).json["objectId"]

    @cloud_code.before_save("_Installation")
    def refuse(request):
        raise CloudError("not today")

    assert error(save(parse, deviceToken="t", installationId=B)) == (141, "not today")
    assert rows(parse) == [(first, A, "t")]


@pytest.mark.parametrize(
    ("stored", "changes", "refused"),
    [
        ({"installationId": A}, {"installationId": B}, "installationId"),
        ({"installationId": A}, {"installationId": A.upper()}, None),
        ({"installationId": A}, {"deviceType": "android"}, "deviceType"),
        ({"installationId": A}, {"deviceType": "ios"}, None),
        ({"deviceToken": "t"}, {"deviceToken": "u"}, "deviceToken"),
        ({"deviceToken": "t"}, {"deviceToken": "t"}, None),
        ({"deviceToken": "t"}, {"deviceToken": {"__op": "Delete"}}, "deviceToken"),
        ({"deviceToken": "t", "installationId": A}, {"deviceToken": "u"}, None),
        ({"deviceToken": "t"}, {"deviceToken": "u", "installationId": A}, None),
        ({"deviceToken": "t"}, {"installationId": A}, None),
        ({"installationId": A}, {"channels": ["a"]}, None),
    ],
)
def test_what_tells_a_device_from_others_stays(parse, stored, changes, refused):
    row = save(parse, **stored).json["objectId"]
    answer = parse.put(f"/installations/{row}", changes)
    if refused is None:
        assert answer.status_code == 200
    else:
        assert error(answer) == (136, f"{refused} may not be changed in this operation")


def test_values_of_other_types_are_refused(parse):
    assert outcome(save(parse, installationId=A, deviceToken=7)) == (400, 111)
    assert outcome(save(parse, installationId=A, channels="news")) == (400, 111)
    assert rows(parse) == []


def test_clients_read_by_id_and_only_the_master_key_searches_and_deletes(parse):
    row = save(parse, installationId=A).json["objectId"]
    assert parse.get(f"/installations/{row}").json["installationId"] == A
    for answer, operation in [
        (parse.get("/installations"), "find"),
        (parse.get("/classes/_Installation", count=1, limit=0), "find"),
        (parse.delete(f"/installations/{row}"), "delete"),
    ]:
        message = (
            f"Clients aren't allowed to perform the {operation} operation on the installation "
            "collection."
        )
        assert error(answer) == (119, message)
    assert len(parse.get("/installations", MASTER).json["results"]) == 1
    assert parse.delete(f"/installations/{row}", MASTER).json == {}
    assert rows(parse) == []


def test_acls_hold(parse):
    alice = parse.person("alice")
    acl = {alice.id: {"read": True, "write": True}}
    row = save(parse, installationId=A, ACL=acl).json["objectId"]
    assert outcome(save(parse, installationId=A, badge=1)) == (404, 101)
    assert outcome(parse.get(f"/installations/{row}")) == (404, 101)
    answer = parse.post("/installations", {"installationId": A, "badge": 1}, alice)
    assert answer.status_code == 200


def test_what_is_not_there_is_not_updated(parse):
    answer = parse.put("/installations/nothing", {"deviceToken": "t"})
    assert error(answer) == (101, "Object not found for update.")


def test_the_read_only_master_key_changes_nothing(make_parse, database_uri):
    parse = make_parse(database_uri=database_uri, read_only_master_key="readOnly")
    save(parse, deviceToken="t", installationId=A)
    headers = {**KEYS, "X-Parse-Master-Key": "readOnly"}
    body = {"deviceType": "ios", "deviceToken": "t", "installationId": B}
    assert outcome(parse.post("/installations", body, headers)) == (400, 119)
    assert [row[1] for row in rows(parse)] == [A]
