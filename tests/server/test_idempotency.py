"""X-Parse-Request-Id: what is sent again is done once, whichever process it reaches."""

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from image_host import KEYS, MASTER
from parse_app import error, outcome
from pymongo import MongoClient

from cloud.clock import utc_now
from cloud.operations import Set
from config import SettingsError, load_settings
from server.storage.port import Equals, Query

SERVERS = ["nx", *(["mongodb"] if os.environ.get("TEST_DATABASE_URI") else [])]
DUPLICATE = (159, "Duplicate request")


@pytest.fixture
def parse(make_parse, database_uri):
    return make_parse(database_uri=database_uri, idempotency_paths=("classes/", "functions/f"))


def send(parse, request_id, path="/classes/Post", method="POST", by=None, body=None):
    return parse.call(method, path, body or {}, by, **{"X-Parse-Request-Id": request_id})


def rows(parse):
    return parse.find("_Idempotency", by=MASTER)


def let_expire(parse):
    schema, past = parse.services.schemas.find("_Idempotency"), utc_now() - timedelta(seconds=1)
    for row in rows(parse):
        where = Equals("objectId", row["objectId"])
        parse.services.database.objects.update(schema, where, {"expire": Set(past)})


def test_a_save_that_is_sent_again_is_refused_and_saved_once(parse):
    assert send(parse, "a").status_code == 201
    assert error(send(parse, "a")) == DUPLICATE
    assert send(parse, "b").status_code == 201
    assert len(parse.find("Post")) == 2


def test_an_id_counts_for_all_methods_and_paths_that_are_covered(parse):
    post = send(parse, "a").json["objectId"]
    assert send(parse, "b", f"/classes/Post/{post}/", "PUT").status_code == 200
    assert error(send(parse, "b", f"/classes/Post/{post}", "PUT")) == DUPLICATE
    assert error(send(parse, "b")) == DUPLICATE


def test_functions_run_once(parse, cloud_code):
    ran = []
    cloud_code.define("f")(ran.append)
    assert send(parse, "a", "/functions/f").status_code == 200
    assert error(send(parse, "a", "/functions/f")) == DUPLICATE
    assert len(ran) == 1


def test_requests_without_an_id_or_elsewhere_are_done_each_time(parse, cloud_code):
    cloud_code.define("other")(lambda request: 1)
    for _ in range(2):
        assert parse.post("/classes/Post").status_code == 201
        assert send(parse, "a", "/functions/other").status_code == 200
        assert send(parse, "a", "/batch", body={"requests": []}).status_code == 200
        assert send(parse, "a", "/classes/Post", "GET").status_code == 200
    assert rows(parse) == []


def test_what_never_reached_its_route_may_be_sent_again(parse):
    wrong = {**KEYS, "X-Parse-REST-API-Key": "wrong"}
    assert send(parse, "a", by=wrong).status_code == 403
    ended = {**KEYS, "X-Parse-Session-Token": "r:ended"}
    assert outcome(send(parse, "a", by=ended)) == (400, 209)
    assert send(parse, "a").status_code == 201


def test_what_the_route_refuses_keeps_its_id_as_in_parse_server(parse):
    assert send(parse, "a", body={"bad name": 1}).json["code"] == 105
    assert error(send(parse, "a")) == DUPLICATE


def test_an_id_is_free_again_when_it_has_expired(parse):
    assert send(parse, "a").status_code == 201
    let_expire(parse)
    assert send(parse, "a").status_code == 201
    assert error(send(parse, "a")) == DUPLICATE


def test_expired_ids_are_removed(parse):
    for number in range(3):
        send(parse, f"old{number}")
    let_expire(parse)
    parse.services.idempotency._swept_at -= 61
    send(parse, "new")
    assert [row["reqId"] for row in rows(parse)] == ["new"]


def test_rows_are_those_of_parse_server(parse):
    send(parse, "a")
    (row,) = rows(parse)
    assert row.keys() == {"objectId", "createdAt", "updatedAt", "reqId", "expire"}
    answer = parse.get("/classes/_Idempotency")
    assert error(answer)[0] == 119


def test_the_class_may_be_taken_away_meanwhile(parse):
    send(parse, "a")
    parse.delete("/purge/_Idempotency", MASTER)
    parse.delete("/schemas/_Idempotency", MASTER)
    assert send(parse, "a").status_code == 201
    assert error(send(parse, "a")) == DUPLICATE


def test_of_many_that_arrive_at_once_at_two_processes_one_is_done(make_parse, database_uri):
    settings = {"database_uri": database_uri, "idempotency_paths": ("classes/",)}
    apps = [make_parse(**settings), make_parse(**settings)]
    parse_of = [app for app in apps for _ in range(6)]
    parse_of[0].create("Post")
    with ThreadPoolExecutor(12) as pool:
        for request_id in ("a", "b", "c"):
            answers = pool.map(send, parse_of, [request_id] * 12)
            assert sorted(answer.status_code for answer in answers) == [201] + [400] * 11
    schema = apps[0].services.schemas.find("Post")
    assert len(apps[0].services.database.objects.find(schema, Query())) == 4


def test_nothing_is_covered_unless_the_operator_says_so(make_parse):
    parse = make_parse()
    assert [send(parse, "a").status_code for _ in range(2)] == [201, 201]


def test_a_bad_pattern_is_refused_at_start():
    with pytest.raises(SettingsError, match=r"IDEMPOTENCY_PATHS: classes/\( is no regular"):
        load_settings(_env_file=None, idempotency_paths="users,classes/(")


@pytest.mark.parametrize("server", SERVERS)
def test_mongodb_has_the_indexes_of_parse_server(make_parse, mongo_uri, tmp_path, needs, server):
    needs("rows that remove themselves (TTL)")
    uri = mongo_uri(server, tmp_path.name)
    send(make_parse(database_uri=uri, idempotency_paths=("classes/",)), "a")
    with MongoClient(uri) as client:
        indexes = client.get_default_database()["_Idempotency"].index_information()
    assert indexes["reqId_1"]["unique"] is True
    assert (indexes["ttl"]["key"], indexes["ttl"]["expireAfterSeconds"]) == ([("expire", 1)], 0)
