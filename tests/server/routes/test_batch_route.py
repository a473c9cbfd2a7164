"""POST /batch: many calls in one, each with an answer of its own."""

import pytest
from image_host import KEYS, MASTER
from parse_app import error, outcome

PATH = "/parse/classes/Post"


def call(method, path, body=None):
    return {"method": method, "path": path, **({} if body is None else {"body": body})}


def batch(parse, *requests, by=None, **more):
    return parse.post("/batch", {"requests": list(requests), **more}, by)


def test_each_call_is_answered_in_order(parse_on_each):
    parse = parse_on_each
    first = parse.create("Post", {"n": 1})
    answer = batch(
        parse,
        call("POST", PATH, {"n": 2}),
        call("POST", PATH, {"n": "text"}),
        call("PUT", f"{PATH}/{first}", {"n": {"__op": "Increment", "amount": 1}}),
        call("GET", f"{PATH}/{first}"),
        call("GET", f"{PATH}/gone"),
        call("DELETE", f"{PATH}/{first}"),
        call("GET", PATH, {"where": {"n": 2}}),
    )
    assert answer.status_code == 200
    created, mistyped, updated, read, gone, deleted, found = answer.json
    assert created["success"].keys() == {"objectId", "createdAt"}
    sentence = "schema mismatch for Post.n; expected Number but got String"
    assert mistyped == {"error": {"code": 111, "error": sentence}}
    assert updated["success"]["n"] == read["success"]["n"] == 2
    assert gone == {"error": {"code": 101, "error": "Object not found."}}
    assert deleted == {"success": {}}
    assert [row["n"] for row in found["success"]["results"]] == [2]


def test_an_empty_batch_has_an_empty_answer(parse):
    assert batch(parse).json == []


@pytest.mark.parametrize("requests", [None, {}, "x", 5])
def test_requests_are_an_array(parse, requests):
    answer = parse.post("/batch", {} if requests is None else {"requests": requests})
    assert error(answer) == (107, "requests must be an array")


@pytest.mark.parametrize(
    "request_",
    [
        None,
        5,
        "GET",
        {},
        {"method": "GET"},
        {"path": PATH},
        {"method": 5, "path": PATH},
        {"method": "GET", "path": {"$ne": 1}},
        {"method": "POST", "path": PATH, "body": [1]},
        {"method": "POST", "path": PATH, "body": "text"},
        call("GET", "/classes/Post"),
        call("GET", "/other/classes/Post"),
        call("GET", "/parsed/classes/Post"),
        call("GET", "http://localhost/elsewhere"),
        call("GET", "//["),
        call("GET", "/parse/nope"),
        call("PATCH", PATH),
        call("OPTIONS", PATH),
        call("DELETE", PATH),
        call("POST", "/parse/batch", {"requests": []}),
        call("POST", "/parse/Batch/", {"requests": []}),
        call("POST", "/parse//batch", {"requests": []}),
        call("POST", "/parse/%62atch", {"requests": []}),
        call("POST", "/parse/files/x.txt", {"base64": "AAEC"}),
        call("POST", "/parse//files/x.txt", {"base64": "AAEC"}),
        call("POST", "/parse/FILES/x.txt", {"base64": "AAEC"}),
    ],
)
def test_a_call_that_cannot_be_routed_refuses_the_whole_batch(parse, request_):
    answer = batch(parse, call("POST", PATH, {"n": 1}), request_)
    assert outcome(answer) == (400, 107)
    assert parse.find("Post") == []


def test_a_batch_has_a_bound(parse):
    answer = batch(parse, *[call("GET", f"{PATH}/x")] * 501)
    assert outcome(answer) == (400, 107)


def test_transactions_are_refused_rather_than_half_done(parse):
    answer = batch(parse, call("POST", PATH, {"n": 1}), transaction=True)
    assert outcome(answer) == (400, 108)
    assert parse.find("Post") == []


@pytest.mark.parametrize("prefix", ["/parse", "/1", "/PARSE", "http://localhost:1337/parse"])
def test_paths_begin_as_the_clients_server_url_does(parse, prefix):
    (answer,) = batch(parse, call("post", f"{prefix}/classes/Post", {"n": 1})).json
    assert answer["success"]["objectId"]


def test_every_call_has_the_rights_of_the_whole_and_no_more(parse):
    alice, charlie = parse.person("alice"), parse.person("charlie")
    post = parse.create("Post", {"ACL": {alice.id: {"read": True, "write": True}}})
    calls = [
        call("PUT", f"{PATH}/{post}", {"n": 1}),
        call("GET", "/parse/schemas"),
        call("PUT", "/parse/config", {"params": {"a": 1}, "_MasterKey": "myMasterKey"}),
        call("GET", "/parse/users/me"),
        call("DELETE", f"/parse/users/{alice.id}"),
    ]
    update, schemas, config, me, deletion = batch(parse, *calls, by=charlie).json
    refusal = {"error": {"error": "unauthorized: master key is required"}}
    assert update["error"]["code"] == 101
    assert schemas == config == refusal
    assert me["success"]["objectId"] == charlie.id
    assert deletion["error"]["code"] == 206
    assert "success" in batch(parse, calls[1], by=MASTER).json[0]
    assert "success" in batch(parse, calls[0], by=alice).json[0]


def test_a_bug_in_one_call_is_its_own_answer(parse, cloud_code, caplog):
    @cloud_code.define("broken")
    def broken(request):
        raise ZeroDivisionError

    functions = [call("POST", "/parse/functions/broken", {}), call("POST", PATH, {"n": 1})]
    failed, saved = batch(parse, *functions).json
    assert failed["error"]["code"] == 141
    assert saved["success"]["objectId"]


def test_query_parameters_in_a_path_are_read(parse):
    parse.create("Post", {"n": 1})
    parse.create("Post", {"n": 2})
    (answer,) = batch(parse, call("GET", f"{PATH}?where=%7B%22n%22%3A2%7D&limit=5")).json
    assert [row["n"] for row in answer["success"]["results"]] == [2]


def test_other_methods_are_not_routed(parse):
    assert parse.get("/batch").status_code == 404
    assert parse.put("/batch", {}).status_code == 404


@pytest.mark.parametrize("keys", [{}, {**KEYS, "X-Parse-REST-API-Key": "wrong"}])
def test_without_the_right_keys_nothing_is_said(parse, keys):
    answer = parse.client.post("/parse/batch", json={"requests": []}, headers=keys)
    assert (answer.status_code, answer.json) == (403, {"error": "unauthorized"})


def test_a_body_that_is_no_json_is_refused(parse):
    answer = parse.client.post("/parse/batch", data="nonsense", headers=KEYS)
    assert outcome(answer) == (400, 107)


def test_session_that_ends_within_a_batch_ends_its_rights(parse):
    alice = parse.person("alice")
    change = {"method": "PUT", "path": f"/parse/users/{alice.id}", "body": {"password": "new"}}
    again = {**change, "body": {"password": "thief"}}
    first, second = parse.post("/batch", {"requests": [change, again]}, alice).json
    assert "success" in first
    assert second["error"]["code"] == 209
