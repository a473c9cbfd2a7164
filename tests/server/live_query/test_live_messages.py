"""What clients say, read leniently; what is said to them. As tables."""

import json
import re
from pathlib import Path

import pytest

from server.live_query.messages import (
    BadMessage,
    Connect,
    Subscribe,
    Unsubscribe,
    Voice,
    error_message,
    read_message,
)
from server.parse.request import Credentials

QUERY = {"className": "Note", "where": {"a": 1}}


def read(**message):
    return read_message(json.dumps(message))


@pytest.mark.parametrize(
    ("query", "keys", "watch"),
    [
        ({}, None, None),
        ({"keys": None, "watch": None}, None, None),
        ({"keys": [], "watch": []}, None, None),
        ({"keys": ["a", "b.c"], "watch": ["d"]}, ("a", "b.c"), ("d",)),
        ({"keys": "a, b", "watch": "c"}, ("a", "b"), ("c",)),
        ({"fields": ["a"]}, ("a",), None),
        ({"fields": ["a"], "keys": ["b"]}, ("b",), None),
        ({"limit": 100, "order": "-a"}, None, None),
    ],
)
def test_a_subscription(query, keys, watch):
    for op in ("subscribe", "update"):
        read_one = read(op=op, requestId=7, query={**QUERY, **query}, extra=1)
        assert read_one == Subscribe(7, "Note", {"a": 1}, keys, watch)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"op": "unsubscribe", "requestId": 3}, Unsubscribe(3)),
        ({"op": "unsubscribe", "requestId": 3.0}, Unsubscribe(3)),
        (
            {"op": "subscribe", "requestId": 0, "query": {"className": "A"}, "sessionToken": "r:1"},
            Subscribe(0, "A", {}, session_token="r:1"),
        ),
        (
            {
                "op": "connect",
                "applicationId": "a",
                "javascriptKey": "j",
                "clientKey": "c",
                "masterKey": "m",
                "windowsKey": "w",
                "restAPIKey": "r",
                "sessionToken": "s",
                "installationId": "i",
            },
            Connect(
                Credentials(
                    app_id="a",
                    javascript_key="j",
                    client_key="c",
                    master_key="m",
                    windows_key="w",
                    rest_api_key="r",
                    session_token="s",
                    installation_id="i",
                )
            ),
        ),
    ],
)
def test_messages(message, expected):
    assert read(**message) == expected


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        ({}, "Missing required property: op"),
        ({"op": "nope"}, 'No enum match for: "nope"'),
        ({"op": 1}, "No enum match for: 1"),
        ({"op": "subscribe"}, "Missing required property: query"),
        ({"op": "subscribe", "query": {}}, "Missing required property: className"),
        ({"op": "unsubscribe"}, "Invalid type: requestId (expected number)"),
        ({"op": "unsubscribe", "requestId": False}, "Invalid type: requestId (expected number)"),
        ({"op": "connect", "sessionToken": 1}, "Invalid type: sessionToken (expected string)"),
        (
            {"op": "subscribe", "requestId": 1, "query": {**QUERY, "keys": ["a"] * 101}},
            "keys has more than 100 names",
        ),
    ],
)
def test_what_is_no_message(message, sentence):
    with pytest.raises(BadMessage) as refused:
        read(**message)
    assert str(refused.value) == sentence


def test_what_the_server_says():
    assert json.loads(Voice("c").say("connected")) == {"op": "connected", "clientId": "c"}
    said = json.loads(Voice("c", "i").say("create", 0, object={"a": 1}, original=None))
    assert said == {
        "op": "create", "clientId": "c", "installationId": "i", "requestId": 0, "object": {"a": 1}
    }  # fmt: skip
    assert json.loads(error_message(4, "no", reconnect=True)) == {
        "op": "error", "code": 4, "error": "no", "reconnect": True, "requestId": None
    }  # fmt: skip


def test_the_messages_that_the_docs_show_are_read():
    page = (Path(__file__).resolve().parents[3] / "docs" / "live-query.md").read_text()
    shown = re.findall(
        r'^    (\{"op": "(?:connect|subscribe|unsubscribe)".*\})$', page, re.MULTILINE
    )
    connect, subscribe, unsubscribe = (read_message(message) for message in shown)
    assert connect.credentials.rest_api_key == "myRestKey"
    assert (subscribe.class_name, subscribe.where) == ("UserImage", {"isSafe": True})
    assert subscribe.request_id == unsubscribe.request_id == 1
