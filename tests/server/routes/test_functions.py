"""POST {mount}/functions/nsfwImageClassify, through every way that SDKs call it."""

import base64
import json
import re
import threading
import time
from datetime import UTC, datetime

import pytest
from image_host import ASTRONAUT, KEYS, MASTER, ImageHost, noise

from cloud.code import CloudError, Field, ParseObject, Validator, cloud
from cloud.values import File, GeoPoint, Pointer
from config import SettingsError, load_settings

PATH = "/parse/functions/nsfwImageClassify"
LABELS = {"Drawing", "Hentai", "Neutral", "Porn", "Sexy"}


def call(client, params, path=PATH, headers=KEYS):
    return client.post(path, json=params, headers=headers)


def assert_astronaut(response):
    assert response.status_code == 200
    result = response.json["result"]
    assert {entry["className"] for entry in result} == LABELS
    probabilities = [entry["probability"] for entry in result]
    assert probabilities == sorted(probabilities, reverse=True)
    assert result[0] == {"className": "Neutral", "probability": pytest.approx(0.9377, abs=0.001)}


@pytest.fixture
def stored_file(app):
    """The astronaut as an uploaded file, as JSON shows it; its URL leads nowhere."""
    app.extensions["parsewarden"].database.files.put("astronaut.png", ASTRONAUT, {})
    return {"__type": "File", "name": "astronaut.png", "url": "http://127.0.0.1:1/x.png"}


def test_image_is_named_by_url(client, image_host, recorded):
    assert_astronaut(call(client, {"url": f"{image_host}/astronaut.png?token=secret"}))
    assert recorded(ASTRONAUT).source_url == f"{image_host}/astronaut.png"


def test_image_is_named_by_base64(client):
    text = base64.b64encode(ASTRONAUT).decode()
    assert_astronaut(call(client, {"base64": text}))
    assert_astronaut(call(client, {"base64": f"data:image/png;base64,{text}"}))
    assert_astronaut(call(client, {"url": f"data:image/png;base64,{text}"}))
    assert_astronaut(call(client, {"image": {"__type": "Bytes", "base64": text}}))


def test_image_is_named_by_parse_file(client, stored_file):
    assert_astronaut(call(client, {"image": stored_file}))
    assert_astronaut(call(client, {"file": stored_file}))
    assert_astronaut(call(client, {"url": stored_file}))
    assert_astronaut(call(client, stored_file))


def test_url_in_a_parse_file_is_not_fetched(client, image_host):
    ImageHost.requests.clear()
    file = {"__type": "File", "name": "nope.png", "url": f"{image_host}/astronaut.png"}
    for params in ({"image": file}, file):
        response = call(client, params)
        assert (response.status_code, response.json["code"]) == (400, 142)
    assert ImageHost.requests == []


@pytest.mark.parametrize("path", ["/1/functions/nsfwImageClassify", "/functions/nsfwImageClassify",
    "/PARSE/Functions/nsfwImageClassify", "/parse/functions/nsfwImageClassify/"])  # fmt: skip
def test_every_mount_answers_in_any_case_with_or_without_slash(client, image_host, path):
    assert_astronaut(call(client, {"url": f"{image_host}/astronaut.png"}, path))


def test_own_mount_is_used(make_app, image_host):
    client = make_app(parse_mount="my/api/").test_client()
    url = {"url": f"{image_host}/astronaut.png"}
    assert_astronaut(call(client, url, "/my/api/functions/nsfwImageClassify"))
    assert call(client, url).status_code == 404


@pytest.mark.parametrize("mount", ["/admin", "/Admin/x", "api", "/api/image/", "/functions"])
def test_a_mount_that_would_hide_another_part_is_refused(mount):
    with pytest.raises(SettingsError, match=r"PARSE_MOUNT: /[a-z]+ is another part of the server"):
        load_settings(_env_file=None, parse_mount=mount)


def test_a_mount_below_api_hides_nothing(make_app):
    client = make_app(parse_mount="/api/parse").test_client()
    assert client.get("/api/parse/health").status_code == 200
    assert client.get("/api/image/classify").status_code == 400


def test_javascript_sdk_calls_with_keys_in_a_text_body(client, image_host):
    body = {
        "url": f"{image_host}/astronaut.png",
        "_ApplicationId": "myAppId",
        "_JavaScriptKey": "myJsKey",
        "_ClientVersion": "js5.3.0",
        "_InstallationId": "0b4ff0d1-1111-2222-3333-444455556666",
    }
    response = client.post(PATH, data=json.dumps(body), content_type="text/plain")
    assert_astronaut(response)


def test_curl_calls_with_basic_auth_and_a_form(client, image_host):
    credentials = base64.b64encode(b"myAppId:javascript-key=myJsKey").decode()
    headers = {"Authorization": f"Basic {credentials}"}
    form = {"url": f"{image_host}/astronaut.png"}
    assert_astronaut(client.post(PATH, data=form, headers=headers))
    assert_astronaut(
        client.post(
            PATH,
            data=json.dumps(form),
            headers=headers,
            content_type="application/x-www-form-urlencoded",
        )
    )


def test_query_parameters_reach_the_function(client, image_host):
    url = f"{image_host}/astronaut.png"
    assert_astronaut(client.post(PATH, query_string={"url": url}, headers=KEYS))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Parse-Application-Id": "myAppId"},
        {**KEYS, "X-Parse-Application-Id": "other"},
        {**KEYS, "X-Parse-REST-API-Key": "wrong"},
        {**KEYS, "X-Parse-REST-API-Key": ""},
        {"X-Parse-Application-Id": "myAppId", "X-Parse-Master-Key": "wrong"},
        {"X-Parse-Application-Id": "myAppId", "X-Parse-Javascript-Key": "myRestKey"},
    ],
)
def test_wrong_or_missing_key_is_unauthorized(client, headers):
    response = call(client, {"url": "x"}, headers=headers)
    assert response.status_code == 403
    assert response.json == {"error": "unauthorized"}


@pytest.mark.parametrize(
    "header", [{"X-Parse-Client-Key": "myClientKey"}, {"X-Parse-Javascript-Key": "myJsKey"}]
)
def test_any_one_right_key_is_enough(client, image_host, header):
    headers = {"X-Parse-Application-Id": "myAppId", "X-Parse-Master-Key": "wrong", **header}
    assert_astronaut(call(client, {"url": f"{image_host}/astronaut.png"}, headers=headers))


def test_no_key_is_needed_where_none_is_configured(make_app):
    client = make_app(app_id="mine", master_key="secret").test_client()
    response = call(client, {}, headers={"X-Parse-Application-Id": "mine"})
    assert response.json["code"] == 142


def test_unknown_function_is_141(client):
    response = call(client, {}, "/parse/functions/nope")
    assert response.status_code == 400
    assert response.json == {"code": 141, "error": 'Invalid function: "nope"'}


@pytest.mark.parametrize("method", ["get", "put", "delete", "patch"])
def test_other_methods_are_no_routes(client, method):
    response = getattr(client, method)(PATH, headers=KEYS)
    assert response.status_code == 404
    assert response.json["code"] == 108


@pytest.mark.parametrize("path", ["/parse", "/parse/", "/parse/nope", "/parse/functions"])
def test_unknown_route_is_json_and_needs_keys_first(client, path):
    assert client.post(path, headers=KEYS).status_code == 404
    assert client.post(path, headers=KEYS).json["code"] == 108
    assert client.post(path).status_code == 403


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"url": None},
        {"url": ""},
        {"url": 5},
        {"url": {"$ne": 1}},
        {"url": "x", "base64": "eA=="},
        {"base64": "###"},
        {"base64": ""},
        {"image": {"__type": "File", "name": "no-url.png"}},
        {"image": {"__type": "Pointer", "className": "A", "objectId": "b"}},
        {"__type": "Nope"},
    ],
)
def test_call_that_names_no_image_is_142(client, params):
    response = call(client, params)
    assert response.status_code == 400
    assert response.json["code"] == 142
    assert response.json["error"].startswith("Validation failed. ")


@pytest.mark.parametrize("body", [b'{"url":', b"[" * 100_000, b'{"url":"\xff"}', b"5"])
def test_bad_json_is_107(client, body):
    response = client.post(PATH, data=body, headers=KEYS)
    assert (response.status_code, response.json["code"]) == (400, 107)


@pytest.mark.parametrize(
    ("url", "code", "sentence"),
    [
        ("hello", 141, "URL"),
        ("ftp://127.0.0.1/x", 141, "http"),
        ("file:///etc/passwd", 141, "http"),
        ("http://127.0.0.1/x.png", 141, ""),
        ("http://[::ffff:10.0.0.1]/x.png", 141, ""),
        ("http://2130706433/x.png", 141, ""),
        ("{host}/nothere.png", 141, "404"),
        ("{host}/broken", 141, "500"),
        ("{host}/empty.jpg", 141, ""),
        ("{host}/inside", 141, ""),
        ("{host}/text.txt", 141, "not an image of a supported format"),
        ("{host}/truncated.png", 141, "damaged"),
        ("{host}/slow", 124, ""),
        ("data:image/png;base64,aGVsbG8=", 141, "not an image"),
    ],
)
def test_image_that_cannot_be_had_says_why(client, image_host, url, code, sentence):
    response = call(client, {"url": url.format(host=image_host)})
    assert response.status_code == 400
    assert response.json["code"] == code
    assert sentence in response.json["error"]
    assert "169.254" not in response.json["error"]
    assert "127.0.0.1" not in response.json["error"]


def test_too_many_bytes_are_refused(make_app, image_host):
    client = make_app(max_image_bytes=200_000).test_client()
    response = call(client, {"url": f"{image_host}/large.bin"})
    assert response.json["code"] == 141
    assert "200000 bytes" in response.json["error"]
    response = call(client, {"base64": base64.b64encode(bytes(210_000)).decode()})
    assert response.json["code"] == 141
    response = client.post(PATH, data=b" " * 400_000, headers=KEYS)
    assert response.status_code == 413


def test_too_many_pixels_are_refused(make_app):
    client = make_app(max_image_pixels=512 * 512 - 1).test_client()
    response = call(client, {"base64": base64.b64encode(ASTRONAUT).decode()})
    assert response.json["code"] == 141
    assert "512 x 512 pixels" in response.json["error"]


def test_same_image_is_inferred_once_and_counted(client, image_host, recorded):
    image = noise("same image".__len__())
    text = base64.b64encode(image).decode()
    first = call(client, {"base64": text}).json
    assert call(client, {"base64": text}).json == first
    assert recorded(image).seen_count == 2


def test_failed_download_records_nothing_and_is_fetched_again(client, image_host):
    ImageHost.requests.clear()
    for _ in range(2):
        call(client, {"url": f"{image_host}/truncated.png"})
    assert ImageHost.requests == ["/truncated.png", "/truncated.png"]


def test_database_away_is_155_and_heals_by_itself(make_app, tmp_path):
    app = make_app(data_dir=tmp_path / "later")
    client = app.test_client()
    text = base64.b64encode(noise(77)).decode()
    response = call(client, {"base64": text})
    assert (response.status_code, response.json["code"]) == (400, 155)
    (tmp_path / "later").mkdir()
    assert call(client, {"base64": text}).status_code == 200


def test_missing_model_is_155_and_heals_by_itself(make_app, models_dir, tmp_path):
    client = make_app(models_dir=tmp_path / "models").test_client()
    text = base64.b64encode(noise(78)).decode()
    response = call(client, {"base64": text})
    assert (response.status_code, response.json["code"]) == (400, 155)
    (tmp_path / "models").symlink_to(models_dir)
    time.sleep(1.1)
    assert call(client, {"base64": text}).status_code == 200


def test_busy_server_is_155(make_app, image_host):
    app = make_app(classify_permits=1, classify_max_waiting=1)
    threads = [
        threading.Thread(target=call, args=[app.test_client(), {"url": f"{image_host}/slow"}])
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    codes = set()
    while 155 not in codes and any(thread.is_alive() for thread in threads):
        codes.add(call(app.test_client(), {"base64": "eA=="}).json["code"])
    for thread in threads:
        thread.join()
    assert 155 in codes


def test_callers_behind_trusted_proxies_have_their_own_address(make_app):
    keys = {"app_id": "a", "master_key": "m", "trusted_proxies": 1}
    client = make_app(**keys).test_client()
    headers = {"X-Parse-Application-Id": "a", "X-Parse-Master-Key": "m"}
    for address, status in [("127.0.0.1", 400), ("198.51.100.7", 403)]:
        forwarded = {**headers, "X-Forwarded-For": f"127.0.0.1, {address}"}
        assert client.post("/parse/functions/nope", headers=forwarded).status_code == status


def test_forwarded_address_of_a_stranger_is_not_believed(client):
    response = client.post(
        "/parse/functions/nope",
        headers={**MASTER, "X-Forwarded-For": "127.0.0.1"},
        environ_base={"REMOTE_ADDR": "198.51.100.7"},
    )
    assert response.status_code == 403


@pytest.fixture
def defined():
    """Define cloud functions for one test."""
    names = []

    def define(name, function, validator=None):
        names.append(name)
        cloud.define(name, validator)(function)

    yield define
    for name in names:
        del cloud._functions[name]


def test_request_tells_who_calls(client, defined):
    defined(
        "whoami",
        lambda request: {
            "master": request.master,
            "ip": request.ip,
            "name": request.function_name,
            "installation": request.installation_id,
            "context": request.context,
            "params": request.params,
            "header": request.headers["x-custom"],
        },
    )
    headers = {**MASTER, "X-Parse-Installation-Id": "i", "X-Custom": "h"}
    headers["X-Parse-Cloud-Context"] = '{"k":1}'
    assert call(client, {"a": 1}, "/parse/functions/whoami", headers).json["result"] == {
        "master": True,
        "ip": "127.0.0.1",
        "name": "whoami",
        "installation": "i",
        "context": {"k": 1},
        "params": {"a": 1},
        "header": "h",
    }


def test_master_key_from_a_foreign_address_is_unauthorized(client):
    response = client.post(
        "/parse/functions/nope", headers=MASTER, environ_base={"REMOTE_ADDR": "198.51.100.7"}
    )
    assert response.status_code == 403


def test_master_key_counts_from_configured_networks(make_app):
    client = make_app(master_key_ips="10.0.0.0/8, ::1").test_client()
    for address, status in [("10.1.2.3", 400), ("::ffff:10.1.2.3", 400), ("127.0.0.1", 403)]:
        response = client.post(
            "/parse/functions/nope", headers=MASTER, environ_base={"REMOTE_ADDR": address}
        )
        assert response.status_code == status


def test_cloud_error_reaches_the_client_with_its_code(client, defined):
    def fail(request):
        raise CloudError("out of tea", 9001)

    defined("fail", fail)
    response = call(client, {}, "/parse/functions/fail")
    assert (response.status_code, response.json) == (400, {"code": 9001, "error": "out of tea"})


@pytest.mark.parametrize("kind", [KeyError, SystemExit])
def test_other_exception_stays_in_the_log(client, defined, caplog, kind):
    def fail(request):
        raise kind("internal detail")

    defined("fail", fail)
    response = call(client, {}, "/parse/functions/fail")
    assert (response.status_code, response.json["code"]) == (400, 141)
    assert "internal detail" not in response.text
    assert "internal detail" in caplog.text


def test_result_that_cannot_be_encoded_is_141(client, defined):
    defined("odd", lambda request: {1, 2})
    response = call(client, {}, "/parse/functions/odd")
    assert (response.status_code, response.json["code"]) == (400, 141)


def test_result_is_written_as_parse_does(client, defined):
    defined("numbers", lambda request: [1.0, None, float("nan"), "ü\u2028"])
    response = call(client, {}, "/parse/functions/numbers")
    assert response.data == '{"result":[1,null,null,"ü\u2028"]}'.encode()
    assert response.content_type == "application/json; charset=utf-8"


def test_parameters_are_values(client, defined):
    seen = {}
    defined("see", lambda request: seen.update(request.params))
    params = {
        "date": {"__type": "Date", "iso": "2020-01-02T03:04:05.678Z"},
        "nested": [{"p": {"__type": "Pointer", "className": "Post", "objectId": "a"}}],
        "file": {"__type": "File", "name": "x.png"},
        "place": {"__type": "GeoPoint", "latitude": 1, "longitude": 2},
        "bytes": {"__type": "Bytes", "base64": "AAE="},
        "plain": {"a": [1, None, True, "x"]},
    }
    assert call(client, params, "/parse/functions/see").json == {"result": None}
    assert seen == {
        "date": datetime(2020, 1, 2, 3, 4, 5, 678000, tzinfo=UTC),
        "nested": [{"p": Pointer("Post", "a")}],
        "file": File("x.png"),
        "place": GeoPoint(1, 2),
        "bytes": b"\0\1",
        "plain": {"a": [1, None, True, "x"]},
    }
    defined("echo", lambda request: request.params)
    del params["file"]
    assert call(client, params, "/parse/functions/echo").json["result"] == params


def result_of(client, function, defined, params=None, headers=KEYS):
    defined("f", function)
    return call(client, params or {}, "/parse/functions/f", headers).json


def test_saved_object_is_shown_whole(client, defined):
    def make(request):
        author = request.as_master.save(ParseObject("Author", {"name": "Ann"}))
        post = ParseObject("Post", {"author": author, "image": File("x.png"), "n": 1.0})
        request.as_master.save(post)
        return {"posts": request.as_master.find("Post", include=["author"])}

    (post,) = result_of(client, make, defined)["result"]["posts"]
    assert list(post)[:3] == ["objectId", "createdAt", "updatedAt"]
    assert re.fullmatch(r"[0-9-]{10}T[0-9:]{8}\.[0-9]{3}Z", post["createdAt"])
    assert (post["__type"], post["className"], post["n"]) == ("Object", "Post", 1)
    assert post["image"]["url"].endswith("/files/myAppId/x.png")
    assert (post["author"]["__type"], post["author"]["name"]) == ("Object", "Ann")


def test_object_that_is_not_as_stored_is_shown_as_a_pointer(client, defined):
    def make(request):
        post = request.as_master.save(ParseObject("Post", {"n": 1}))
        post["n"] = 2
        return [post, ParseObject("Post", {"objectId": "a"})]

    changed, known = result_of(client, make, defined)["result"]
    assert (changed["__type"], known["__type"]) == ("Pointer", "Pointer")
    assert known == {"__type": "Pointer", "className": "Post", "objectId": "a"}


def test_object_that_was_never_saved_is_141(client, defined):
    answer = result_of(client, lambda request: [ParseObject("Post")], defined)
    assert answer == {
        "code": 141,
        "error": "A Post that was never saved cannot be in a result.",
    }


def test_objects_are_reached_with_the_rights_of_the_caller(client, defined):
    def make(request):
        secret = ParseObject("Secret", {"n": 1})
        secret.acl = {}
        request.as_master.save(secret)
        return [
            request.objects.get("Secret", secret.id) is None,
            request.objects.count("Secret"),
            request.as_master.count("Secret"),
            request.as_master.first("Secret", {"n": {"$gt": 0}})["n"],
        ]

    assert result_of(client, make, defined)["result"] == [True, 0, 1, 1]


def test_refusal_of_the_server_reaches_the_client_with_its_code(client, defined):
    def delete(request):
        request.objects.delete(ParseObject("Post", {"objectId": "nope"}))

    defined("setUp", lambda request: request.as_master.save(ParseObject("Post", {"n": 1})).id)
    call(client, {}, "/parse/functions/setUp")
    defined("f", delete)
    response = call(client, {}, "/parse/functions/f")
    assert (response.status_code, response.json["code"]) == (404, 101)


def test_refusal_of_the_server_can_be_caught(client, defined):
    def update(request):
        try:
            request.objects.save(ParseObject("_User", {"objectId": "nope", "username": "x"}))
        except CloudError as error:
            return error.code

    assert result_of(client, update, defined)["result"] in (101, 206)


RULES = Validator(require_user=True, fields={"n": Field(required=True, type=int)})


def test_validator_answers_142_with_parses_sentence(client, defined):
    defined("strict", lambda request: request.params["n"], RULES)
    path = "/parse/functions/strict"
    response = call(client, {"n": 1}, path)
    assert (response.status_code, response.json) == (
        400,
        {"code": 142, "error": "Validation failed. Please login to continue."},
    )
    assert call(client, {"n": "x"}, path, MASTER).json == {"result": "x"}


def test_logged_in_user_and_its_roles_are_known(client, defined):
    alice = client.post(
        "/parse/users", json={"username": "alice", "password": "pw"}, headers=KEYS
    ).json
    pointer = {"__type": "Pointer", "className": "_User", "objectId": alice["objectId"]}
    role = {
        "name": "Admin",
        "ACL": {},
        "users": {"__op": "AddRelation", "objects": [pointer]},
    }
    assert client.post("/parse/roles", json=role, headers=MASTER).status_code == 201
    headers = {**KEYS, "X-Parse-Session-Token": alice["sessionToken"]}
    rules = Validator(require_any_user_roles=["Admin"])
    defined("who", lambda request: [request.user["username"], sorted(request.roles())], rules)
    assert call(client, {}, "/parse/functions/who", headers).json["result"] == ["alice", ["Admin"]]
    assert call(client, {}, "/parse/functions/who").json["code"] == 142
