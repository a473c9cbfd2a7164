"""GET and PUT /config: values, hidden keys, and a policy that is refused when it is invalid."""

import json

import pytest
from image_host import KEYS, MASTER

from cloud.operations import Set
from server.objects.system_classes import SYSTEM_CLASSES
from server.storage.port import Equals

PATH = "/parse/config"
SCORES = {"Porn": {"min": 0.4, "max": 0.8}}


def put(client, params, hidden=None, headers=MASTER):
    body = {"params": params, **({"masterKeyOnly": hidden} if hidden is not None else {})}
    return client.put(PATH, json=body, headers=headers)


def write_past_the_checks(services, scores):
    """As another program on the same database may."""
    services.database.objects.update(
        SYSTEM_CLASSES["_GlobalConfig"],
        Equals("objectId", 1),
        {"params.moderationScores": Set(scores)},
        upsert=True,
    )


def test_config_that_was_never_set_is_empty(client):
    assert client.get(PATH, headers=KEYS).json == {"params": {}}


def test_values_of_every_kind_come_back(client):
    params = {
        "s": "text",
        "n": 1.5,
        "i": 1,
        "b": True,
        "a": [1, 2],
        "o": {"k": {"d": 1}},
        "d": {"__type": "Date", "iso": "2020-01-02T03:04:05.678Z"},
        "g": {"__type": "GeoPoint", "latitude": 1, "longitude": 2},
        "moderationScores": SCORES,
    }
    assert put(client, params).json == {"result": True}
    answer = client.get(PATH, headers=KEYS).json
    assert answer == {"params": params, "masterKeyOnly": dict.fromkeys(params, False)}
    assert type(answer["params"]["i"]) is int


def test_either_database_keeps_the_config(make_app, database_uri):
    client = make_app(database_uri=database_uri).test_client()
    date = {"__type": "Date", "iso": "2020-01-02T03:04:05.678Z"}
    params = {"s": "text", "n": 1.5, "b": True, "a": [1, {"k": 2}], "d": date, "secret": 1}
    assert put(client, params, {"secret": True}).json == {"result": True}
    assert put(client, {"s": {"__op": "Delete"}, "o": {"k": {"d": 1}}}).json == {"result": True}
    expected = {"n": 1.5, "b": True, "a": [1, {"k": 2}], "d": date, "o": {"k": {"d": 1}}}
    assert client.get(PATH, headers=KEYS).json["params"] == expected
    everything = client.get(PATH, headers=MASTER).json
    assert everything["params"] == {**expected, "secret": 1}
    assert everything["masterKeyOnly"] == {**dict.fromkeys(expected, False), "secret": True}


def test_keys_are_merged_and_removed_one_by_one(client):
    put(client, {"a": 1, "b": 2})
    put(client, {"c": 3})
    put(client, {"a": {"__op": "Delete"}})
    assert client.get(PATH, headers=KEYS).json["params"] == {"b": 2, "c": 3}


def test_hidden_key_is_seen_with_the_master_key_alone(client):
    put(client, {"open": 1, "secret": 2}, {"secret": True})
    assert client.get(PATH, headers=KEYS).json == {
        "params": {"open": 1},
        "masterKeyOnly": {"open": False},
    }
    assert client.get(PATH, headers=MASTER).json["masterKeyOnly"]["secret"] is True


def test_javascript_sdk_reads_and_writes_by_post(client):
    keys = {"_ApplicationId": "myAppId", "_MasterKey": "myMasterKey"}
    body = json.dumps({"params": {"a": 1}, "_method": "PUT", **keys})
    assert client.post(PATH, data=body, content_type="text/plain").json == {"result": True}
    body = json.dumps({"_method": "GET", "_ApplicationId": "myAppId", "_JavaScriptKey": "myJsKey"})
    answer = client.post(PATH, data=body, content_type="text/plain")
    assert answer.json["params"] == {"a": 1}


def test_writing_needs_the_master_key(client):
    response = put(client, {"a": 1}, headers=KEYS)
    assert response.status_code == 403
    assert response.json == {"error": "unauthorized: master key is required"}


def test_invalid_policy_is_refused_by_field_and_nothing_is_written(client):
    response = put(client, {"other": 1, "moderationScores": {"Porn": {"min": 0.9, "max": 0.1}}})
    assert (response.status_code, response.json["code"]) == (400, 142)
    assert response.json["error"] == "moderationScores.Porn: min must not be greater than max."
    assert client.get(PATH, headers=KEYS).json == {"params": {}}


def test_invalid_policy_in_the_database_leaves_the_last_valid_one_in_force(app):
    services = app.extensions["parsewarden"]
    services.parse_config.write({"moderationScores": Set(SCORES)}, {})
    in_force = services.parse_config.current()
    write_past_the_checks(services, "broken")
    assert services.parse_config.current() == in_force
    assert in_force.thresholds


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"bad-key": 1}, 105),
        ({"a.b": 1}, 105),
        ({"$set": 1}, 105),
        ({"_id": 1}, 105),
        ({"a": {"b.c": 1}}, 121),
        ({"a": [{"$ne": 1}]}, 121),
        ({"a": {"__op": "Increment", "amount": "1"}}, 107),
        ({"a": {"__op": "AddRelation", "objects": []}}, 108),
        ({"moderationScores": {"__op": "Add", "objects": [1]}}, 142),
        ("text", 107),
    ],
)
def test_bad_write_is_refused(client, params, code):
    response = put(client, params)
    assert (response.status_code, response.json["code"]) == (400, code)


def test_empty_write_changes_nothing(client):
    assert put(client, {}).json == {"result": True}


@pytest.mark.parametrize("body", [{}, {"moderationScores": SCORES}])
def test_write_without_params_is_said_not_swallowed(client, body):
    response = client.put(PATH, json=body, headers=MASTER)
    assert (response.status_code, response.json["code"]) == (400, 107)


def test_config_is_cached_as_long_as_the_setting_says(make_app):
    app = make_app(config_cache_ms=60_000)
    services = app.extensions["parsewarden"]
    assert not services.parse_config.current().thresholds
    write_past_the_checks(services, SCORES)
    assert not services.parse_config.current().thresholds, "another process's write is seen later"
    services.parse_config.write({"moderationScores": Set(SCORES)}, {})
    assert services.parse_config.current().thresholds, "one's own write is seen at once"


def test_arrays_can_be_operated_on(client):
    put(client, {"words": ["a"]})
    put(client, {"words": {"__op": "AddUnique", "objects": ["a", "b"]}})
    put(client, {"words": {"__op": "Remove", "objects": ["a"]}})
    assert client.get(PATH, headers=KEYS).json["params"] == {"words": ["b"]}


def test_operation_that_does_not_fit_the_value_is_refused(client):
    put(client, {"words": "text"})
    response = put(client, {"words": {"__op": "Add", "objects": ["a"]}})
    assert (response.status_code, response.json["code"]) == (400, 111)
    assert client.get(PATH, headers=KEYS).json["params"] == {"words": "text"}


def test_read_only_master_key_reads_hidden_keys_and_writes_nothing(make_app):
    client = make_app(read_only_master_key="look").test_client()
    put(client, {"secret": 1}, hidden={"secret": True})
    looker = {**MASTER, "X-Parse-Master-Key": "look"}
    assert client.get(PATH, headers=looker).json["params"] == {"secret": 1}
    assert put(client, {"secret": 2}, headers=looker).json["code"] == 119
