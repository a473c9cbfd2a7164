"""/classes/<class> and /classes/<class>/<id>: how Parse answers on the wire."""

import pytest
from image_host import KEYS, MASTER
from parse_app import error, outcome

PATH = "/classes/Post"
WRONG = {**KEYS, "X-Parse-REST-API-Key": "wrong"}


@pytest.fixture
def post(parse):
    """The path of a post."""
    return f"{PATH}/{parse.create('Post', {'n': 1})}"


EVERY_VALUE = {
    "s": "text \u2028 </script> \N{GRINNING FACE}",
    "i": 1,
    "f": 1.5,
    "b": True,
    "z": None,
    "a": [1, {"x": [None]}, "y"],
    "o": {"deep": {"er": 1.5}},
    "d": {"__type": "Date", "iso": "2020-01-02T03:04:05.006Z"},
    "y": {"__type": "Bytes", "base64": "AAEC"},
    "g": {"__type": "GeoPoint", "latitude": 1.5, "longitude": -2},
    "p": {"__type": "Pointer", "className": "Post", "objectId": "x"},
    "ACL": {"*": {"read": True, "write": True}},
}


def test_values_of_every_type_come_back(parse_on_each):
    parse = parse_on_each
    created = parse.post(PATH, EVERY_VALUE)
    assert created.status_code == 201
    object_id = created.json["objectId"]
    assert created.headers["Location"] == f"http://localhost/parse{PATH}/{object_id}"
    row = parse.get(f"{PATH}/{object_id}").json
    assert {name: row[name] for name in EVERY_VALUE} == EVERY_VALUE
    assert row["createdAt"] == row["updatedAt"] == created.json["createdAt"]
    (found,) = parse.find("Post")
    assert found == row


def test_a_whole_number_has_no_point(parse):
    object_id = parse.create("Post", {"n": 2.0, "m": 2.5})
    parse.put(f"{PATH}/{object_id}", {"m": {"__op": "Increment", "amount": 0.5}})
    text = parse.get(f"{PATH}/{object_id}").get_data(as_text=True)
    assert '"n":2,' in text.replace("}", ",")
    assert '"m":3,' in text.replace("}", ",")


def test_the_life_of_an_object(parse_on_each):
    parse = parse_on_each
    path = f"{PATH}/{parse.create('Post', {'n': 1}, by=None)}"
    created = parse.get(path).json
    updated = parse.put(path, {"n": 2}).json
    assert updated.keys() == {"updatedAt"}
    assert parse.get(path).json == {**created, "n": 2, **updated}
    assert parse.delete(path).json == {}
    assert outcome(parse.get(path)) == (404, 101)


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", PATH), ("DELETE", PATH), ("PATCH", PATH), ("POST", f"{PATH}/x")]
)
def test_other_methods_are_not_routed(parse, method, path):
    answer = parse.call(method, path, {})
    assert answer.status_code == 404
    assert answer.json["error"] == f"cannot route {method} {path}"


CALLS = [("GET", PATH), ("POST", PATH), ("GET", f"{PATH}/x"), ("PUT", f"{PATH}/x")]
CALLS += [("DELETE", f"{PATH}/x")]


@pytest.mark.parametrize(("method", "path"), CALLS)
@pytest.mark.parametrize("keys", [{}, WRONG, {"X-Parse-REST-API-Key": "myRestKey"}])
def test_without_the_right_keys_nothing_is_said(parse, method, path, keys):
    answer = parse.client.open(f"/parse{path}", method=method, json={"n": 1}, headers=keys)
    assert (answer.status_code, answer.json) == (403, {"error": "unauthorized"})


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize("body", ["nonsense", "{", '"text"', "[1", "{'a': 1}", '{"a": NaN}'])
def test_a_body_that_is_no_json_is_refused(parse, post, method, body):
    path = PATH if method == "POST" else post
    answer = parse.client.open(f"/parse{path}", method=method, data=body, headers=KEYS)
    assert outcome(answer) == (400, 107)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"bad-key": 1}, 105),
        ({"_rperm": ["*"]}, 105),
        ({"$set": {"n": 1}}, 105),
        ({"id": "x"}, 105),
        ({"className": "Other"}, 105),
        ({"length": 1}, 105),
        ({"o": {"$gt": 1}}, 121),
        ({"o": {"a.b": 1}}, 121),
        ({"o": {"constructor": 1}}, 105),
        ({"ACL": "everybody"}, 111),
        ({"ACL": {"*unresolved": {"read": True}}}, 123),
        ({"createdAt": "2020-01-01T00:00:00.000Z"}, 111),
        ({"updatedAt": 5}, 111),
        ({"n": {"__op": "Nope"}}, 108),
        ({"n": {"__op": {"$ne": 1}}}, 108),
        ({"n": {"__op": "Increment", "amount": "1"}}, 107),
        ({"a": {"__op": "Add", "objects": 1}}, 107),
        ({"d": {"__type": "Date", "iso": "yesterday"}}, 111),
        ({"p": {"__type": "Pointer", "className": "a$b", "objectId": "x"}}, 111),
        ({"p": {"__type": "Pointer", "className": "Post", "objectId": {"$ne": 1}}}, 111),
    ],
)
def test_what_makes_no_column_is_refused_and_nothing_is_stored(parse, post, body, code):
    before = parse.get(post).json
    assert outcome(parse.post(PATH, body)) == (400, code)
    assert outcome(parse.put(post, body)) == (400, code)
    assert parse.find("Post") == [before]


def test_times_and_ids_that_an_sdk_sends_back_change_nothing(parse, post):
    before = parse.get(post).json
    date = {"__type": "Date", "iso": "2001-01-01T00:00:00.000Z"}
    body = {"objectId": before["objectId"], "createdAt": date, "updatedAt": date}
    assert parse.put(post, body).status_code == 200
    assert parse.get(post).json["createdAt"] == before["createdAt"]
    assert error(parse.post(PATH, {"objectId": "chosen"})) == (
        105,
        "objectId is an invalid field name.",
    )


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"foo": "1"}, 102),
        ({"where": "nonsense"}, 107),
        ({"where": "[1]"}, 107),
        ({"where": '{"a-b": 1}'}, 105),
        ({"where": '{"n": {"$foo": 1}}'}, 107),
        ({"where": '{"n": {"$where": "1"}}'}, 107),
        ({"where": '{"$where": "1"}'}, 105),
        ({"where": '{"n": [1]}'}, 107),
        ({"where": '{"ACL": {}}'}, 102),
        ({"where": '{"$or": 1}'}, 102),
        ({"limit": "many"}, 102),
        ({"skip": "-1"}, 102),
        ({"order": "a-b"}, 105),
    ],
)
def test_a_find_that_makes_no_sense_is_refused(parse, post, params, code):
    assert outcome(parse.get(PATH, **params)) == (400, code)


@pytest.mark.parametrize("name", ["where", "order", "limit", "foo"])
def test_a_get_takes_no_parameters_of_a_find(parse, post, name):
    assert error(parse.get(post, **{name: "1"})) == (102, "Improper encode of parameter")


@pytest.mark.parametrize("object_id", ["gone", "%00", "x" * 5000, "$ne", "{}", "%F0%9F%98%80", "1"])
def test_an_id_that_nobody_has_is_not_found(parse_on_each, object_id):
    parse = parse_on_each
    parse.create("Post")
    for method, body in (("GET", None), ("PUT", {"n": 1}), ("DELETE", None)):
        answer = parse.client.open(
            f"/parse{PATH}/{object_id}", method=method, json=body, headers=KEYS
        )
        assert outcome(answer) == (404, 101)


def test_a_class_that_nobody_made_is_empty(parse):
    assert parse.get("/classes/Never").json == {"results": []}
    answer = parse.get("/classes/Never", count="1", limit="0")
    assert answer.json == {"results": [], "count": 0}
    assert outcome(parse.get("/classes/Never/x")) == (404, 101)
    assert "Never" not in [schema.class_name for schema in parse.services.schemas.all()]


def test_the_javascript_sdks_way_of_asking(parse, post):
    keys = {"_ApplicationId": "myAppId", "_JavaScriptKey": "myJsKey", "_ClientVersion": "js5.3.0"}
    find = {**keys, "_method": "GET", "where": {"n": 1}, "limit": 5}
    answer = parse.client.post(f"/parse{PATH}", json=find, headers={"Content-Type": "text/plain"})
    assert len(answer.json["results"]) == 1
    update = {**keys, "_method": "PUT", "n": 2}
    assert parse.client.post(f"/parse{post}", json=update).status_code == 200
    row = parse.get(post).json
    assert row["n"] == 2
    assert not any(name.startswith("_") for name in row)


@pytest.mark.parametrize("path", ["/Classes/Post", "/classes/Post/", "/CLASSES/Post"])
def test_paths_are_as_lenient_as_express(parse, post, path):
    assert len(parse.get(path).json["results"]) == 1


def test_head_is_a_get_without_a_body(parse, post):
    answer = parse.client.head(f"/parse{post}", headers=KEYS)
    assert (answer.status_code, answer.data) == (200, b"")


def test_the_master_key_reads_what_nobody_may(parse):
    path = f"{PATH}/{parse.create('Post', {'ACL': {}})}"
    assert outcome(parse.get(path)) == (404, 101)
    assert parse.get(path, MASTER).json["ACL"] == {}


def test_the_originals_mount_answers_as_well(parse, post):
    answer = parse.client.get(f"/1{post}", headers=KEYS)
    assert answer.json["n"] == 1
    created = parse.client.post(f"/1{PATH}", json={}, headers=KEYS)
    assert created.headers["Location"].startswith(f"http://localhost/1{PATH}/")


def test_roles_are_a_class_with_a_path_of_its_own(parse_on_each):
    parse = parse_on_each
    answer = parse.post("/roles", {"name": "Moderators", "ACL": {"*": {"read": True}}}, MASTER)
    role = answer.json["objectId"]
    assert answer.headers["Location"] == f"http://localhost/parse/classes/_Role/{role}"
    row = parse.get(f"/roles/{role}").json
    assert row["name"] == "Moderators"
    assert row["users"] == {"__type": "Relation", "className": "_User"}
    assert row["roles"] == {"__type": "Relation", "className": "_Role"}
    assert parse.get("/roles").json["results"] == [row]
    assert parse.get("/classes/_Role").json["results"] == [row]
    assert outcome(parse.delete(f"/roles/{role}")) == (404, 101)
    assert parse.delete(f"/roles/{role}", MASTER).json == {}


def test_what_stands_in_the_query_of_a_write_is_no_column(parse):
    object_id = parse.create("Thing?foo=bar", {"n": 1})
    assert "foo" not in parse.get(f"/classes/Thing/{object_id}", MASTER).json
