"""Every way in which SDKs wrap one call, and every way to wrap it wrongly."""

import base64

import pytest

from server.parse.errors import ParseError
from server.parse.request import parse_body, parse_request


def request(method="POST", headers=None, query=None, body=None):
    by_lower_name = {name.lower(): value for name, value in (headers or {}).items()}
    return parse_request(method, by_lower_name, query or {}, body or {}, "myAppId")


def test_keys_in_headers():
    parsed = request(
        headers={
            "x-parse-application-id": "myAppId",
            "X-Parse-REST-API-Key": "r",
            "X-Parse-Client-Key": "c",
            "X-Parse-Javascript-Key": "j",
            "X-Parse-Master-Key": "m",
            "X-Parse-Windows-Key": "w",
            "X-Parse-Session-Token": "r:x",
            "X-Parse-Client-Version": "i5.1.1",
            "X-Parse-Installation-Id": "i",
        },
        body={"url": "u"},
    )
    keys = parsed.credentials
    assert (keys.app_id, keys.rest_api_key, keys.client_key) == ("myAppId", "r", "c")
    assert (keys.javascript_key, keys.master_key, keys.installation_id) == ("j", "m", "i")
    assert (keys.windows_key, keys.session_token, keys.client_version) == ("w", "r:x", "i5.1.1")
    assert "r:x" not in repr(keys)
    assert parsed.params == {"url": "u"}


def test_keys_in_the_body_of_the_javascript_sdk_are_taken_out():
    parsed = request(
        body={
            "a": 1,
            "_ApplicationId": "myAppId",
            "_JavaScriptKey": "j",
            "_ClientVersion": "js5.3.0",
            "_InstallationId": "i",
            "_MasterKey": "m",
            "_SessionToken": "r:x",
            "_RevocableSession": "1",
            "_noBody": True,
            "_context": {"k": 2},
            "_method": "get",
        }
    )
    assert parsed.params == {"a": 1}
    assert parsed.method == "GET"
    assert parsed.context == {"k": 2}
    assert parsed.credentials.javascript_key == "j"
    assert parsed.credentials.master_key == "m"
    keys = parsed.credentials
    assert (keys.session_token, keys.client_version) == ("r:x", "js5.3.0")
    assert keys.installation_id == "i"


def test_empty_key_is_no_key():
    headers = {"X-Parse-Application-Id": "", "X-Parse-Session-Token": "", "X-Parse-Windows-Key": ""}
    parsed = request(headers=headers, body={"_ApplicationId": "myAppId", "_SessionToken": ""})
    assert parsed.credentials.app_id == "myAppId"
    assert parsed.credentials.session_token is None
    assert parsed.credentials.windows_key is None


def test_session_in_a_header_counts_beside_keys_elsewhere():
    session = {"X-Parse-Session-Token": "r:x", "X-Parse-Installation-Id": "i"}
    for parsed in (
        request(headers=session, body={"_ApplicationId": "myAppId", "_JavaScriptKey": "j"}),
        request(headers=session | basic("myAppId:javascript-key=j")),
    ):
        keys = parsed.credentials
        assert (keys.javascript_key, keys.session_token, keys.installation_id) == ("j", "r:x", "i")


def test_content_type_of_a_file_in_json_is_no_param():
    body = {"_ApplicationId": "myAppId", "_ContentType": "image/png", "base64": "AA=="}
    assert request(body=body).params == {"base64": "AA=="}


def test_keys_in_the_body_do_not_count_beside_a_right_app_id_in_a_header():
    parsed = request(
        headers={"X-Parse-Application-Id": "myAppId"},
        body={"_ApplicationId": "myAppId", "_JavaScriptKey": "j"},
    )
    assert parsed.credentials.javascript_key is None
    assert parsed.params == {}


@pytest.mark.parametrize(
    "key", ["_MasterKey", "_ApplicationId", "_JavaScriptKey", "_SessionToken", "_ClientVersion"]
)
def test_key_in_the_body_that_is_no_text_is_unauthorised(key):
    with pytest.raises(ParseError, match="unauthorized") as refusal:
        request(body={"_ApplicationId": "myAppId", key: {"$ne": 1}})
    assert refusal.value.status == 403


def basic(text):
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


def test_http_basic_carries_a_javascript_key_or_the_master_key():
    assert request(headers=basic("myAppId:javascript-key=j")).credentials.javascript_key == "j"
    assert request(headers=basic("myAppId:m")).credentials.master_key == "m"


@pytest.mark.parametrize(
    "headers",
    [
        basic("other:javascript-key=j"),
        {"Authorization": "Bearer abc"},
        {"Authorization": "Basic ###"},
        {"Authorization": "Basic /w=="},
        {"Authorization": "Basic"},
        {},
    ],
)
def test_other_authorization_carries_nothing(headers):
    assert request(headers=headers).credentials.app_id is None


@pytest.mark.parametrize("override", [{"a": 1}, 5, None, ["GET"]])
def test_method_override_that_is_no_text_is_ignored(override):
    assert request(body={"_method": override}).method == "POST"


def test_method_is_overridden_on_post_alone():
    assert request(method="PUT", body={"_method": "DELETE"}).method == "PUT"


def test_query_wins_over_the_body():
    assert request(query={"a": "2"}, body={"a": 1, "b": 3}).params == {"a": "2", "b": 3}


def test_context_is_read_from_header_and_text():
    assert request(headers={"X-Parse-Cloud-Context": '{"k":1}'}).context == {"k": 1}
    assert request(body={"_context": '{"k":2}'}).context == {"k": 2}


@pytest.mark.parametrize("context", ["nope", "[1]", "5", "[" * 100_000])
def test_context_that_is_no_object_is_refused(context):
    with pytest.raises(ParseError, match="Invalid object for context"):
        request(headers={"X-Parse-Cloud-Context": context})


@pytest.mark.parametrize(
    ("data", "content_type", "body"),
    [
        (b"", "", {}),
        (b" \n", "application/json", {}),
        (b'{"a":1}', "application/json", {"a": 1}),
        (b'{"a":1}', "text/plain", {"a": 1}),
        (b'{"a":1}', "application/x-www-form-urlencoded", {"a": 1}),
        (b'{"a":1}', "application/octet-stream", {"a": 1}),
        (b'{"a":1}', "", {"a": 1}),
        (b"[1,2]", "", {"0": 1, "1": 2}),
        (b"url=http%3A%2F%2Fx&n=1&e=", "application/x-www-form-urlencoded; charset=utf-8",
         {"url": "http://x", "n": "1", "e": ""}),
        (b'{"n":12345678901234567890}', "", {"n": 12345678901234567890.0}),
        (b'{"n":9007199254740991}', "", {"n": 9007199254740991}),
        (b'{"n":1.0}', "", {"n": 1.0}),
        (b'{"a":1,"a":2}', "", {"a": 2}),
        (b'{"s":"\\ud83d\\ude00"}', "", {"s": "\U0001f600"}),
        (b'\xef\xbb\xbf{"a":1}', "application/json", {"a": 1}),  # a byte order mark
    ],
)  # fmt: skip
def test_body_is_read_whatever_its_type_says(data, content_type, body):
    assert parse_body(data, content_type) == body


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":',
        b"not json",
        b'"x"',
        b"5",
        b"null",
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":1e999}',
        b'{"a":' + b"9" * 5000 + b"}",
        b"[" * 200_000,
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b'{"\\ud800":1}',
        b'{"a":"\xed\xa0\x80"}',
        '{"a":1}'.encode("utf-16"),
        b'{"a":' * 101 + b"1" + b"}" * 101,
        b"[" + b"0," * 200_001 + b"0]",
    ],
)
def test_bad_json_is_107(data):
    with pytest.raises(ParseError) as refusal:
        parse_body(data, "application/json")
    assert (refusal.value.code, refusal.value.status) == (107, 400)


def test_bad_form_is_107():
    with pytest.raises(ParseError) as refusal:
        parse_body(b"a=\xff", "application/x-www-form-urlencoded")
    assert refusal.value.code == 107
