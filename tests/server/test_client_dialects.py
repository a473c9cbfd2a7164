"""Each family of SDKs in its own words: the raw requests it sends, and what it needs of the answer.

The words are those of PARSE_PROTOCOL 1.1-1.6 and 3; the official JavaScript SDK itself runs in
tests/sdk. An app of each family signs up, logs in, saves, asks, calls, uploads and logs out.
"""

import base64
import json
import re
import secrets
from typing import ClassVar
from urllib.parse import urlencode

import pytest

from cloud.code import cloud

MOUNT = "/parse"
INSTALLATION = "5b2d6f7e-0000-4000-8000-000000000001"
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
RIGHT = "right"
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
TAKEN = {"__type": "Date", "iso": "2024-02-29T12:00:00.123Z"}


class Refused(Exception):
    """The SDK hands the app an error with this code."""

    def __init__(self, code, message):
        self.code = code
        super().__init__(message)


class Broken(Exception):
    """The SDK cannot make sense of the answer, or would send the request again."""


def _json(response):
    if response.status_code >= 500:
        raise Broken(f"{response.status_code} is sent again: {response.text}")
    try:
        return json.loads(response.data)
    except ValueError:
        raise Broken(f"no JSON: {response.data[:80]!r}") from None


class Sdk:
    """How requests of one family look: JSON in bodies, keys and session in headers."""

    headers: ClassVar = {"X-Parse-Application-Id": "myAppId", "X-Parse-Client-Key": "myClientKey"}
    content_type = "application/json"

    def __init__(self, client):
        self.client = client
        self.token = None

    # --- what the app calls

    def sign_up(self, name):
        user = self.send("POST", "users", {"username": name, "password": RIGHT})
        self.token = user["sessionToken"]
        return user

    def log_in(self, name, password=RIGHT):
        user = self.send("GET", "login", {"username": name, "password": password})
        self.token = user["sessionToken"]
        return user

    def me(self):
        return self.send("GET", "users/me")

    def log_out(self):
        answer = self.send("POST", "logout", {})
        self.token = None
        return answer

    def save(self, class_name, values):
        return self.send("POST", f"classes/{class_name}", values)

    def update(self, class_name, object_id, values):
        return self.send("PUT", f"classes/{class_name}/{object_id}", values)

    def delete(self, class_name, object_id):
        return self.send("DELETE", f"classes/{class_name}/{object_id}")

    def find(self, class_name, where, **options):
        params = {"where": json.dumps(where), **{key: str(v) for key, v in options.items()}}
        return self.send("GET", f"classes/{class_name}", params)

    def call(self, name, params):
        return self.result(self.send("POST", f"functions/{name}", params))

    def batch(self, *requests):
        named = [
            {"method": method, "path": f"{MOUNT}/{path}", "body": body}
            for method, path, body in requests
        ]
        return self.send("POST", "batch", {"requests": named})

    def upload(self, name, data, content_type):
        return self.judge(self.raw("POST", f"files/{name}", data, content_type))

    # --- how it goes over the wire

    def send(self, method, path, params=None):
        """GET with a query string, everything else with a body of JSON."""
        if method == "GET":
            query = f"?{urlencode(params)}" if params else ""
            return self.judge(self.raw(method, path + query))
        data = None if params is None else json.dumps(params).encode()
        return self.judge(self.raw(method, path, data, self.content_type))

    def raw(self, method, path, data=None, content_type=None):
        headers = dict(self.headers)
        if self.token:
            headers["X-Parse-Session-Token"] = self.token
        if content_type and data is not None:
            headers["Content-Type"] = content_type
        return self.client.open(f"{MOUNT}/{path}", method=method, data=data, headers=headers)

    # --- how it takes the answer

    def judge(self, response):
        body = _json(response)
        if response.status_code >= 400:
            raise Refused(body.get("code"), body["error"])
        return body

    def result(self, body):
        return body["result"]


class PostsQueries(Sdk):
    """GET and DELETE with parameters go as POST with `_method` in the JSON."""

    def send(self, method, path, params=None):
        if method in ("GET", "DELETE") and params:
            method, params = "POST", {**params, "_method": method}
        return super().send(method, path, params)


class Android(PostsQueries):
    """Numbers and `where` are strings; 201 at signup tells that the user is new."""

    headers: ClassVar = Sdk.headers | {
        "X-Parse-Installation-Id": INSTALLATION,
        "X-Parse-App-Build-Version": "7",
        "X-Parse-App-Display-Version": "1.2",
        "X-Parse-OS-Version": "15",
        "X-Parse-Revocable-Session": "1",
        "User-Agent": "Parse Android SDK API Level 35",
    }


class Ios(PostsQueries):
    """`where` is an object while limit and skip are strings; every write has a request id."""

    headers: ClassVar = Sdk.headers | {
        "X-Parse-Installation-Id": INSTALLATION,
        "X-Parse-Client-Version": "i5.1.1",
        "X-Parse-OS-Version": "18.1 (22B83)",
        "X-Parse-Revocable-Session": "1",
    }
    content_type = "application/json; charset=utf-8"

    def find(self, class_name, where, **options):
        params = {"where": where, **{key: str(value) for key, value in options.items()}}
        return self.send("GET", f"classes/{class_name}", params)

    def raw(self, method, path, data=None, content_type=None):
        self.headers = type(self).headers | {"X-Parse-Request-Id": secrets.token_hex(16)}
        return super().raw(method, path, data, content_type)


class Swift(Sdk):
    """Paths end in a slash; the status counts for nothing, a text under `error` for all."""

    headers: ClassVar = Sdk.headers | {
        "X-Parse-Installation-Id": INSTALLATION,
        "X-Parse-Client-Version": "swift4.14.2",
        "X-Parse-Request-Id": "4f5e6d7c-0000-4000-8000-000000000002",
        "X-Parse-Cloud-Context": '{"screen":"gallery"}',
    }

    def send(self, method, path, params=None):
        return super().send(method, f"{path}/", params)

    def judge(self, response):
        body = _json(response)
        if isinstance(body, dict):
            for key in ("error", "message"):
                if isinstance(body.get(key), str):
                    raise Refused(body.get("code"), body[key])
        return body


class SwiftPosting(Swift):
    """Swift with `usingPostForQuery`."""

    def send(self, method, path, params=None):
        if method == "GET" and params:
            method, params = "POST", {**params, "_method": "GET"}
        return super().send(method, path, params)


class Flutter(Sdk):
    """Dart's http sends JSON as text/plain; only 200 and 201 are success, and JSON even then."""

    headers: ClassVar = Sdk.headers | {
        "X-Parse-Installation-Id": INSTALLATION,
        "X-Parse-Revocable-Session": "1",
    }
    content_type = "text/plain; charset=utf-8"

    def judge(self, response):
        body = _json(response)
        if response.status_code not in (200, 201):
            raise Refused(body.get("code"), body["error"])
        return body

    def result(self, body):
        return body.get("params", body.get("result", body))


class DotNet(Sdk):
    """Signs up by making a _User; sends an empty Windows key; loses the code of a 404."""

    headers: ClassVar = Sdk.headers | {
        "X-Parse-Windows-Key": "",
        "X-Parse-Client-Version": "net5.0",
        "X-Parse-Installation-Id": INSTALLATION,
        "X-Parse-Revocable-Session": "1",
    }

    def sign_up(self, name):
        user = self.send("POST", "classes/_User", {"username": name, "password": RIGHT})
        self.token = user["sessionToken"]
        return user

    def log_in(self, name, password=RIGHT):
        user = self.send("POST", "login", {"username": name, "password": password})
        self.token = user["sessionToken"]
        return user


class Php(Sdk):
    """The REST key, an empty Expect header; no text/html, no `error` at the top of a success."""

    headers: ClassVar = {
        "X-Parse-Application-Id": "myAppId",
        "X-Parse-REST-API-Key": "myRestKey",
        "X-Parse-Client-Version": "php2.2.0",
        "X-Parse-Revocable-Session": "1",
        "Expect": "",
    }

    def send(self, method, path, params=None):
        if method != "GET" and not params:
            return self.judge(self.raw(method, path, b"[]", self.content_type))
        return super().send(method, path, params)

    def judge(self, response):
        if response.mimetype == "text/html":
            raise Broken("Bad Request")
        body = _json(response)
        if isinstance(body, dict) and "error" in body:
            raise Refused(body.get("code"), body["error"])
        return body


class JavaScript(Sdk):
    """Everything is a POST of text/plain with keys, session and method in the JSON."""

    headers: ClassVar = {"User-Agent": "Parse/js5.3.0 (NodeJS 20)"}

    def find(self, class_name, where, **options):
        return self.send("GET", f"classes/{class_name}", {"where": where, **options})

    def upload(self, name, data, content_type):
        text = base64.b64encode(data).decode()
        file_data = {"metadata": {}, "tags": {}}
        body = {"base64": text, "fileData": file_data, "_ContentType": content_type}
        return self.send("POST", f"files/{name}", body)

    def send(self, method, path, params=None):
        body = {
            **(params or {}),
            **({} if method == "POST" else {"_method": method}),
            "_ApplicationId": "myAppId",
            "_JavaScriptKey": "myJsKey",
            "_ClientVersion": "js5.3.0",
            "_InstallationId": INSTALLATION,
        }
        if self.token:
            body["_SessionToken"] = self.token
        data = json.dumps(body).encode()
        headers = self.headers | {"Content-Type": "text/plain"}
        return self.judge(self.client.post(f"{MOUNT}/{path}", data=data, headers=headers))


class JavaScript8(JavaScript):
    """The same, but files of Buffers go as raw bytes with headers."""

    def upload(self, name, data, content_type):
        headers = {
            "X-Parse-Application-ID": "myAppId",
            "X-Parse-JavaScript-Key": "myJsKey",
            "X-Parse-Upload-Mode": "stream",
            "X-Parse-Session-Token": self.token,
            "Content-Type": content_type,
        }
        return self.judge(self.client.post(f"{MOUNT}/files/{name}", data=data, headers=headers))


SDKS = [Android, Ios, Swift, Flutter, DotNet, Php, JavaScript]


@pytest.fixture
def parse_client(make_app):
    return make_app(allow_client_class_creation=True).test_client()


@pytest.fixture(params=SDKS, ids=lambda sdk: sdk.__name__)
def sdk(request, parse_client):
    """Each family in turn, nobody logged in."""
    return request.param(parse_client)


@pytest.fixture
def alice(sdk):
    """Each family in turn, with alice logged in."""
    sdk.sign_up("alice")
    return sdk


def test_sign_up_brings_id_time_and_session(sdk):
    user = sdk.sign_up("alice")
    assert re.fullmatch(r"[A-Za-z0-9]{10}", user["objectId"])
    assert DATE.fullmatch(user["createdAt"])
    assert re.fullmatch(r"r:[0-9a-f]{32}", user["sessionToken"])
    assert "password" not in user


def test_a_new_user_is_201_to_android(parse_client):
    android = Android(parse_client)
    body = json.dumps({"username": "alice", "password": RIGHT}).encode()
    assert android.raw("POST", "users", body, android.content_type).status_code == 201


def test_log_in_brings_the_user_and_a_session(alice):
    alice.log_out()
    user = alice.log_in("alice")
    assert user["username"] == "alice"
    assert DATE.fullmatch(user["createdAt"])
    assert DATE.fullmatch(user["updatedAt"])
    assert alice.me()["objectId"] == user["objectId"]


def test_a_wrong_password_is_refused_for_good(alice):
    with pytest.raises(Refused) as refusal:
        alice.log_in("alice", "wrong")
    assert (refusal.value.code, str(refusal.value)) == (101, "Invalid username/password.")


def test_me_is_the_user_of_the_session(alice):
    me = alice.me()
    assert (me["username"], me["sessionToken"]) == ("alice", alice.token)


def test_a_session_ends_with_logout(alice):
    token = alice.token
    assert alice.log_out() == {}
    alice.token = token
    with pytest.raises(Refused) as refusal:
        alice.me()
    assert refusal.value.code == 209


def test_a_user_image_keeps_pointer_date_and_file(alice):
    user_id = alice.me()["objectId"]
    owner = {"__type": "Pointer", "className": "_User", "objectId": user_id}
    uploaded = alice.upload("pixel.png", PNG, "image/png")
    image = {"__type": "File", **uploaded}
    saved = alice.save("UserImage", {"image": image, "owner": owner, "taken": TAKEN, "likes": 1})
    assert DATE.fullmatch(saved["createdAt"])
    [found] = alice.find("UserImage", {"objectId": saved["objectId"]})["results"]
    assert found["image"] == image
    assert found["owner"] == owner
    assert found["taken"] == TAKEN
    assert DATE.fullmatch(found["updatedAt"])


def test_an_upload_is_downloaded_without_keys(alice):
    uploaded = alice.upload("pixel.png", PNG, "image/png")
    assert re.fullmatch(r"[0-9a-f]{32}_pixel\.png", uploaded["name"])
    downloaded = alice.client.get(uploaded["url"])
    assert (downloaded.data, downloaded.content_type) == (PNG, "image/png")


def test_a_query_brings_rows_and_count(alice):
    for score in range(5):
        alice.save("Score", {"score": score})
    answer = alice.find("Score", {"score": {"$gte": 2}}, limit=2, skip=1, order="-score", count=1)
    assert [row["score"] for row in answer["results"]] == [3, 2]
    assert answer["count"] == 3
    assert alice.find("Score", {}, limit=0, count=1) == {"results": [], "count": 5}


def test_swift_may_post_its_queries(parse_client):
    swift = SwiftPosting(parse_client)
    swift.sign_up("alice")
    swift.save("Score", {"score": 2})
    assert swift.find("Score", {"score": {"$gt": 1}}, limit=0, count=1)["count"] == 1


def test_javascript_8_uploads_bytes(parse_client):
    javascript = JavaScript8(parse_client)
    javascript.sign_up("alice")
    uploaded = javascript.upload("pixel.png", PNG, "image/png")
    assert parse_client.get(uploaded["url"]).data == PNG


def test_a_query_that_finds_nothing_is_a_success(alice):
    assert alice.find("Score", {"score": 5}) == {"results": []}


def test_an_update_brings_operations_results_as_whole_numbers(alice):
    object_id = alice.save("Score", {"score": 1, "tags": ["a"]})["objectId"]
    changes = {
        "score": {"__op": "Increment", "amount": 2},
        "tags": {"__op": "Add", "objects": ["b"]},
    }
    updated = alice.update("Score", object_id, changes)
    assert (updated["score"], updated["tags"]) == (3, ["a", "b"])
    assert isinstance(updated["score"], int)  # Dart and .NET stumble over 3.0
    assert DATE.fullmatch(updated["updatedAt"])


def test_what_is_deleted_cannot_be_changed(alice):
    object_id = alice.save("Score", {"score": 1})["objectId"]
    assert alice.delete("Score", object_id) == {}
    with pytest.raises(Refused) as refusal:
        alice.update("Score", object_id, {"score": 2})
    assert refusal.value.code == 101


def test_an_object_without_values_is_saved(alice):
    assert "objectId" in alice.save("Score", {})


def test_a_function_gets_params_and_gives_a_result(alice, defined):
    defined("sum", lambda request: sum(request.params["numbers"]))
    defined("nothing", lambda request: None)
    assert alice.call("sum", {"numbers": [1, 2, 3]}) == 6
    assert alice.call("nothing", {}) is None


def test_a_function_knows_the_session_and_the_installation(alice, defined):
    defined("who", lambda request: [request.user["username"], request.installation_id])
    installation = None if isinstance(alice, Php) else INSTALLATION
    assert alice.call("who", {}) == ["alice", installation]


def test_a_functions_error_is_refused_for_good(alice):
    with pytest.raises(Refused) as refusal:
        alice.call("nope", {})
    assert (refusal.value.code, str(refusal.value)) == (141, 'Invalid function: "nope"')


def test_a_batch_answers_in_order_with_the_clients_mount_in_its_paths(alice):
    object_id = alice.save("Score", {"score": 1})["objectId"]
    answers = alice.batch(
        ("POST", "classes/Score", {"score": 2}),
        ("PUT", f"classes/Score/{object_id}", {"score": {"__op": "Increment", "amount": 1}}),
        ("POST", "classes/Score", {"score": "text"}),
        ("DELETE", f"classes/Score/{object_id}", {}),
    )
    made, changed, refused, deleted = answers
    assert {"objectId", "createdAt"} <= made["success"].keys()
    assert changed["success"]["score"] == 2
    assert refused["error"]["code"] == 111
    assert deleted["success"] == {}


def test_an_unknown_route_is_refused_in_json(alice):
    with pytest.raises(Refused):
        alice.send("POST", "nosuchroute", {"a": 1})


def test_config_is_read_without_parameters(sdk):
    assert sdk.send("GET", "config")["params"] == {}


@pytest.fixture
def defined():
    """Define cloud functions for one test."""
    names = []

    def define(name, function):
        names.append(name)
        cloud.define(name)(function)

    yield define
    for name in names:
        del cloud._functions[name]
