"""Every operation and every type of a value, over HTTP on each database: answered, stored, found.

How they are read and refused is in `test_operations.py` and `test_decode.py`.
"""

import pytest
from compatibility_table import spoken
from image_host import MASTER
from parse_app import error, outcome, pointer, relate, unrelate


def op(name, *objects):
    return {"__op": name, "objects": list(objects)}


STORED = {"n": 5, "text": "old", "list": ["a", "b", "a"], "meta": {"k": 1, "other": 2}}

# An operation on what is stored: the answer, what is stored then, and what a new object has of it.
OPERATIONS = {
    "Delete": ({"text": {"__op": "Delete"}}, {}, {"text": None}, {"text": None}),
    "Increment": (
        {"n": {"__op": "Increment", "amount": -1.5}}, {"n": 3.5}, {"n": 3.5}, {"n": -1.5},
    ),
    "Add": (
        {"list": op("Add", "a", "c")},
        {"list": ["a", "b", "a", "a", "c"]},
        {"list": ["a", "b", "a", "a", "c"]},
        {"list": ["a", "c"]},
    ),
    "AddUnique": (
        {"list": op("AddUnique", "a", "c", "c")},
        {"list": ["a", "b", "a", "c"]},
        {"list": ["a", "b", "a", "c"]},
        {"list": ["a", "c"]},
    ),
    "Remove": ({"list": op("Remove", "a")}, {"list": ["b"]}, {"list": ["b"]}, {"list": []}),
}  # fmt: skip


def columns_of(row, names):
    return {name: row.get(name) for name in names}


def test_every_operation_changes_what_is_stored(parse_on_each):
    parse = parse_on_each
    for name, (change, answered, stored, _) in OPERATIONS.items():
        path = f"/classes/Thing/{parse.create('Thing', STORED)}"
        answer = parse.put(path, change).json
        assert answer.keys() == {"updatedAt", *answered}, name
        assert columns_of(answer, answered) == answered, name
        row = parse.get(path).json
        assert columns_of(row, STORED) == STORED | stored, name
        assert row["updatedAt"] == answer["updatedAt"], name


def test_every_operation_gives_a_new_object_its_value(parse_on_each):
    parse = parse_on_each
    for name, (change, _, _, made) in OPERATIONS.items():
        answer = parse.post("/classes/Thing", change).json
        assert columns_of(answer, made) == made, name
        assert columns_of(parse.get(f"/classes/Thing/{answer['objectId']}").json, made) == made


def test_every_operation_on_a_relation_changes_its_members(parse_on_each):
    parse = parse_on_each
    one, two = (pointer("Member", parse.create("Member", {"n": n})) for n in (1, 2))
    team = parse.create("Team", {"members": relate(one)})
    related = {"$relatedTo": {"object": pointer("Team", team), "key": "members"}}

    def members_after(change):
        answer = parse.put(f"/classes/Team/{team}", {"members": change})
        assert answer.json.keys() == {"updatedAt"}
        return [row["n"] for row in parse.find("Member", related, order="n")]

    assert members_after(relate(two)) == [1, 2]
    assert members_after(unrelate(one)) == [2]
    assert members_after({"__op": "Batch", "ops": [relate(one), unrelate(two)]}) == [1]


def test_set_on_insert_counts_for_a_new_object_and_is_refused_for_an_old_one(parse_on_each):
    parse = parse_on_each
    change = {"n": {"__op": "SetOnInsert", "amount": 4}}
    answer = parse.post("/classes/Thing", change)
    path = f"/classes/Thing/{answer.json['objectId']}"
    assert parse.get(path).json["n"] == 4
    refusal = (108, "The SetOnInsert operator is not supported yet.")
    assert error(parse.put(path, change)) == refusal
    assert parse.get(path).json["n"] == 4


def test_members_of_an_object_are_changed_alone(parse_on_each):
    parse = parse_on_each
    path = f"/classes/Thing/{parse.create('Thing', STORED)}"
    assert parse.put(path, {"meta.new": "x"}).status_code == 200
    assert parse.get(path).json["meta"] == {"k": 1, "other": 2, "new": "x"}
    parse.put(path, {"meta.other": {"__op": "Delete"}})
    assert parse.get(path).json["meta"] == {"k": 1, "new": "x"}


def test_numbers_inside_an_object_are_incremented(parse_on_each, needs):
    needs("numbers inside objects are incremented")
    path = f"/classes/Thing/{parse_on_each.create('Thing', STORED)}"
    answer = parse_on_each.put(path, {"meta.k": {"__op": "Increment", "amount": 2}}).json
    assert answer["meta"]["k"] == 3
    assert parse_on_each.get(path).json["meta"] == {"k": 3, "other": 2}


def test_every_operation_of_the_docs_is_done():
    elsewhere = {"AddRelation", "RemoveRelation", "Batch", "SetOnInsert"}  # above
    assert OPERATIONS.keys() | elsewhere == spoken("operation")


# --- types ----------------------------------------------------------------------------------------

RING = [[0, 0], [0, 10], [10, 10], [0, 0]]
TYPES = {
    "Date": [{"iso": "2020-01-02T03:04:05.006Z"}, {"iso": "1969-12-31T23:59:59.999Z"}],
    "Bytes": [{"base64": "AAEC/w=="}, {"base64": ""}],
    "Pointer": [{"className": "Other", "objectId": "x"}, {"className": "Other", "objectId": "y"}],
    "File": [{"name": "a.jpg"}, {"name": "b.jpg"}],
    "GeoPoint": [{"latitude": 1.5, "longitude": -2}, {"latitude": -90, "longitude": 180}],
    "Polygon": [{"coordinates": RING}, {"coordinates": [[1, 1], [1, 2], [2, 2], [1, 1]]}],
}
COMPARED = ["Date", "Bytes", "Pointer", "File"]


def with_url(value):
    if value["__type"] == "File":
        return {**value, "url": f"http://localhost/parse/files/myAppId/{value['name']}"}
    return value


@pytest.mark.parametrize("name", TYPES)
def test_values_of_every_type_are_kept_changed_found_and_taken_away(parse_on_each, needs, name):
    if name == "Bytes":
        needs("a change to no bytes")
    if name == "Polygon":
        needs("arrays in arrays")
    parse = parse_on_each
    first, second = ({"__type": name, **members} for members in TYPES[name])
    path = f"/classes/Thing/{parse.create('Thing', {'v': first})}"
    assert parse.get(path).json["v"] == with_url(first)
    assert parse.put(path, {"v": second}).json.keys() == {"updatedAt"}
    assert [row["v"] for row in parse.find("Thing")] == [with_url(second)]
    if name in COMPARED:
        assert len(parse.find("Thing", {"v": second})) == 1
        assert parse.find("Thing", {"v": first}) == []
    assert outcome(parse.put(path, {"v": "text"})) == (400, 111)
    parse.put(path, {"v": {"__op": "Delete"}})
    assert "v" not in parse.get(path).json


def test_a_file_is_kept_by_its_name_whatever_url_comes_along(parse_on_each):
    parse = parse_on_each
    sent = {"__type": "File", "name": "a.jpg", "url": "http://evil.example/a.jpg"}
    made = parse.create("Thing", {"file": sent})
    assert parse.find("Thing")[0]["file"] == with_url({"__type": "File", "name": "a.jpg"})
    assert parse.stored("Thing", made)["file"].url is None


def test_a_relation_is_a_stub_in_every_row(parse_on_each):
    parse = parse_on_each
    parse.create("Team", {"members": relate(pointer("Member", "x"))})
    parse.create("Team", {"name": "without"})
    stub = {"__type": "Relation", "className": "Member"}
    assert [row["members"] for row in parse.find("Team")] == [stub, stub]
    assert parse.get("/schemas/Team", MASTER).json["fields"]["members"] == {
        "type": "Relation",
        "targetClass": "Member",
    }


@pytest.mark.parametrize("value", ["text", 1.5, True, None, [1, [2], {"a": None}], {"a": {"b": 1}}])
def test_plain_values_are_kept_as_they_are(parse_on_each, needs, value):
    if isinstance(value, list):
        needs("arrays in arrays")
    path = f"/classes/Thing/{parse_on_each.create('Thing', {'v': value})}"
    assert parse_on_each.get(path).json["v"] == value


def test_every_type_of_the_docs_is_kept():
    assert TYPES.keys() | {"Relation", "Object"} == spoken("type")
