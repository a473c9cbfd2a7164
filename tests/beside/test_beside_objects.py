"""What one server writes of objects, the other reads, changes and finds."""

import json

import pytest
from parse_client import code, pointer

MOMENT = {"__type": "Date", "iso": "2026-01-02T03:04:05.678Z"}
BYTES = {"__type": "Bytes", "base64": "aGVsbG8="}
PLACE = {"__type": "GeoPoint", "latitude": 52.5, "longitude": 13.4}
AREA = {"__type": "Polygon", "coordinates": [[0, 0], [0, 10], [10, 10], [0, 0]]}
VALUES = {
    "text": "grüße 🐍 $a.b",
    "empty": "",
    "whole": 42,
    "large": 2**53,
    "fraction": 0.1,
    "negative": -7,
    "yes": True,
    "no": False,
    "moment": MOMENT,
    "bytes": BYTES,
    "place": PLACE,
    "area": AREA,
    "owner": pointer("Person", "abcdefghij"),
    "list": [1, "two", None, [3, {"four": 4}], MOMENT, PLACE, pointer("Person", "a1")],
    "object": {"a": {"b": [True, {"c": None}]}, "when": MOMENT, "who": pointer("Person", "a1")},
}


def test_value_of_every_type_is_read_as_it_was_written(writer, reader, fresh):
    thing = writer.create(fresh("Thing"), VALUES)
    reader.read_schemas()
    [row] = reader.find(fresh("Thing"))
    assert {name: row[name] for name in VALUES} == VALUES
    assert row == writer.done("GET", f"/classes/{fresh('Thing')}/{thing}")


def test_bytes_within_a_list_of_ours_are_read_by_parse_server(ours, theirs, fresh):
    """Not the other way: what Parse Server stores of them, it cannot read itself."""
    ours.create(fresh("Thing"), {"list": [BYTES], "object": {"bytes": BYTES}})
    theirs.read_schemas()
    [row] = theirs.find(fresh("Thing"))
    assert (row["list"], row["object"]) == ([BYTES], {"bytes": BYTES})


def test_schema_that_a_save_made_is_the_same_to_both(writer, reader, fresh):
    writer.create(fresh("Thing"), VALUES)
    schemas = [client.read_schemas()[fresh("Thing")] for client in (writer, reader)]
    for schema in schemas:
        schema["classLevelPermissions"].pop("ACL", None)  # since Parse Server 8; "no ACL" to us
    assert schemas[0] == schemas[1]


def test_value_of_another_type_is_refused_by_both(writer, reader, fresh):
    writer.create(fresh("Thing"), VALUES)
    reader.read_schemas()
    for client in (writer, reader):
        refused = client.call("POST", f"/classes/{fresh('Thing')}", {"whole": "text"})
        assert code(refused) == (400, 111)


OPERATIONS = {
    "whole": ({"__op": "Increment", "amount": 8}, 50),
    "list": ({"__op": "Add", "objects": ["c", {"d": 1}]}, ["a", {"b": 1}, "c", {"d": 1}]),
    "set": ({"__op": "AddUnique", "objects": ["a", "z"]}, ["a", "b", "z"]),
    "less": ({"__op": "Remove", "objects": ["a"]}, ["b"]),
    "gone": ({"__op": "Delete"}, None),
    "object.a": ("new", None),
}


def test_object_of_one_is_changed_by_the_other(writer, reader, fresh):
    before = {"whole": 42, "list": ["a", {"b": 1}], "set": ["a", "b"], "less": ["a", "b"]}
    before |= {"gone": "x", "object": {"a": "old", "b": 2}, "kept": MOMENT}
    thing = writer.create(fresh("Thing"), before)
    reader.read_schemas()
    changes = {name: change for name, (change, _) in OPERATIONS.items()}
    reader.done("PUT", f"/classes/{fresh('Thing')}/{thing}", changes)
    row = writer.done("GET", f"/classes/{fresh('Thing')}/{thing}")
    expected = {name: value for name, (_, value) in OPERATIONS.items() if value is not None}
    expected |= {"object": {"a": "new", "b": 2}, "kept": MOMENT}
    assert {name: row.get(name) for name in expected} == expected
    assert "gone" not in row
    assert row == reader.done("GET", f"/classes/{fresh('Thing')}/{thing}")
    assert row["createdAt"] < row["updatedAt"]


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ({"text": "one"}, [0]),
        ({"n": {"$gte": 1, "$lt": 3}}, [1, 2]),
        ({"n": {"$in": [0, 2]}}, [0, 2]),
        ({"text": {"$regex": "^t"}}, [1, 2]),
        ({"tags": "odd"}, [1]),
        ({"tags": {"$all": ["even", "small"]}}, [0]),
        ({"moment": MOMENT}, [1]),
        ({"moment": {"$lt": MOMENT}}, [0]),
        ({"owner": pointer("Person", "p1")}, [1]),
        ({"owner": {"$exists": False}}, [0, 2]),
        ({"inner.n": 2}, [2]),
        ({"$or": [{"n": 0}, {"text": "two"}]}, [0, 2]),
        ({"done": {"$ne": True}}, [0, 1]),
    ],
)
def test_objects_of_one_are_found_by_the_other(writer, reader, fresh, where, found):
    days = ["2026-01-01T00:00:00.000Z", MOMENT["iso"], "2026-01-03T00:00:00.000Z"]
    texts, tags = ["one", "three", "two"], [["even", "small"], ["odd"], ["even"]]
    for n in range(3):
        row = {"n": n, "text": texts[n], "tags": tags[n], "inner": {"n": n}, "done": n == 2}
        row["moment"] = {"__type": "Date", "iso": days[n]}
        writer.create(fresh("Thing"), row | ({"owner": pointer("Person", "p1")} if n == 1 else {}))
    reader.read_schemas()
    for client in (writer, reader):
        rows = client.find(fresh("Thing"), where, order="n")
        assert [row["n"] for row in rows] == found, client.name


def test_included_object_of_one_is_read_by_the_other(writer, reader, fresh):
    inner = reader.create(fresh("Inner"), {"text": "inside"})
    writer.create(fresh("Outer"), {"inner": pointer(fresh("Inner"), inner)})
    reader.read_schemas()
    writer.read_schemas()
    for client in (writer, reader):
        [row] = client.find(fresh("Outer"), include="inner")
        assert row["inner"]["text"] == "inside"


def test_object_that_one_deletes_is_gone_from_the_other(writer, reader, fresh):
    thing = writer.create(fresh("Thing"), {"n": 1})
    reader.done("DELETE", f"/classes/{fresh('Thing')}/{thing}")
    assert code(writer.call("GET", f"/classes/{fresh('Thing')}/{thing}")) == (404, 101)


def test_relation_holds_on_both(writer, reader, fresh):
    tags = [writer.create(fresh("Tag"), {"n": n}) for n in range(3)]
    pointers = [pointer(fresh("Tag"), tag) for tag in tags]
    added = {"__op": "AddRelation", "objects": pointers[:2]}
    post = writer.create(fresh("Post"), {"tags": added})
    reader.read_schemas()
    related = {"$relatedTo": {"object": pointer(fresh("Post"), post), "key": "tags"}}
    path = f"/classes/{fresh('Post')}/{post}"

    def members(client):
        return [row["n"] for row in client.find(fresh("Tag"), related, order="n")]

    assert members(reader) == members(writer) == [0, 1]
    reader.done("PUT", path, {"tags": {"__op": "RemoveRelation", "objects": pointers[:1]}})
    reader.done("PUT", path, {"tags": {"__op": "AddRelation", "objects": pointers[2:]}})
    assert members(reader) == members(writer) == [1, 2]
    assert reader.done("GET", path) == writer.done("GET", path)


def test_config_of_one_is_read_by_the_other(writer, reader, fresh):
    key, secret = fresh("key"), fresh("secret")
    params = {key: {"list": [1, 2.5, None], "when": MOMENT}, secret: "s"}
    writer.done("PUT", "/config", {"params": params, "masterKeyOnly": {secret: True}})
    assert reader.done("GET", "/config")["params"].items() >= params.items()
    seen = reader.done("GET", "/config", by=None)["params"]
    assert seen[key] == params[key]
    assert secret not in seen
    reader.done("PUT", "/config", {"params": {key: {"__op": "Delete"}}})
    assert key not in writer.done("GET", "/config")["params"]


PICTURE = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


def test_file_of_one_is_served_and_deleted_by_the_other(writer, reader):
    png = {"Content-Type": "image/png"}
    status, answer = writer.send("POST", "/files/a.png", PICTURE * 10_000, png)
    assert status == 201, answer
    name = json.loads(answer)["name"]
    served, data = reader.send("GET", f"/files/myAppId/{name}", by=None)
    assert (served, data) == (200, PICTURE * 10_000)
    status, _ = reader.send("DELETE", f"/files/{name}")
    assert status == 200
    assert writer.send("GET", f"/files/myAppId/{name}", by=None)[0] == 404
