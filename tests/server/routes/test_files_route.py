"""Uploads, downloads and deletions over HTTP."""

import base64
import re

import pytest
from image_host import ASTRONAUT

APP = {"X-Parse-Application-Id": "myAppId"}
PUBLIC = {**APP, "X-Parse-REST-API-Key": "myRestKey"}
MASTER = {**APP, "X-Parse-Master-Key": "myMasterKey"}
READ_ONLY = {**APP, "X-Parse-Master-Key": "lookOnly"}

GIF = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00"
POLYGLOT = b"GIF89a/*<html>*/=1;alert(1)//<script>alert(1)</script>"
HTML = b"<html><script>alert(1)</script>"
SANDBOX = "default-src 'none'; frame-ancestors 'none'; sandbox"
TEN_BYTES = b"GIF89a6789"


def sign_up(client, body):
    answer = client.post("/parse/users", json=body, headers=PUBLIC)
    assert answer.status_code == 201
    return {**PUBLIC, "X-Parse-Session-Token": answer.json["sessionToken"]}


@pytest.fixture
def alice(client):
    return sign_up(client, {"username": "alice", "password": "secret"})


@pytest.fixture
def files(app):
    return app.extensions["parsewarden"].database.files


def upload(client, name, data, headers, **more):
    return client.post(f"/parse/files/{name}", data=data, headers=headers, **more)


def in_json(data, **more):
    text = base64.b64encode(data).decode()
    return {"base64": text, "_ApplicationId": "myAppId", "_JavaScriptKey": "myJsKey", **more}


def error_of(answer):
    return answer.status_code, answer.json.get("code"), answer.json["error"]


# --- upload -------------------------------------------------------------------------------------


def test_raw_upload_is_there_for_everybody(client, alice):
    answer = upload(client, "astronaut.png", ASTRONAUT, alice, content_type="image/png")
    assert answer.status_code == 201
    assert answer.json.keys() == {"name", "url"}
    assert re.fullmatch(r"[0-9a-f]{32}_astronaut\.png", answer.json["name"])
    assert answer.json["url"] == f"http://localhost/parse/files/myAppId/{answer.json['name']}"
    assert answer.headers["Location"] == answer.json["url"]
    download = client.get(answer.json["url"])
    assert (download.status_code, download.data) == (200, ASTRONAUT)
    assert download.headers["Content-Type"] == "image/png"
    assert download.headers["Content-Length"] == str(len(ASTRONAUT))
    assert download.headers["Access-Control-Allow-Origin"] == "*"


def test_upload_of_a_javascript_sdk_is_read_from_its_json(client, alice):
    body = in_json(
        GIF,
        _ContentType="image/gif",
        _SessionToken=alice["X-Parse-Session-Token"],
        fileData={"metadata": {"album": "summer"}, "tags": {}},
    )
    answer = client.post("/parse/files/logo", json=body, content_type="text/plain")
    assert answer.status_code == 201
    assert answer.json["name"].endswith("_logo.gif")
    assert client.get(answer.json["url"]).data == GIF
    metadata = client.get(f"/parse/files/myAppId/metadata/{answer.json['name']}")
    assert (metadata.status_code, metadata.json) == (200, {"metadata": {"album": "summer"}})


def test_bytes_that_are_json_stay_bytes_when_a_header_names_the_app(client):
    answer = upload(client, "a.json", b'{"base64":"AAAA"}', MASTER)
    assert client.get(answer.json["url"]).data == b'{"base64":"AAAA"}'


@pytest.mark.parametrize("mount", ["/parse", "/1"])
def test_url_is_below_the_mount_that_was_called(client, alice, mount):
    answer = client.post(f"{mount}/files/a.gif", data=GIF, headers=alice)
    assert answer.json["url"].startswith(f"http://localhost{mount}/files/myAppId/")
    assert client.get(answer.json["url"]).data == GIF


def test_url_follows_the_settings(make_app):
    client = make_app(server_url="https://api.example/parse").test_client()
    answer = upload(client, "a b.gif", GIF, MASTER)
    name = answer.json["name"].replace(" ", "%20")
    assert answer.json["url"] == f"https://api.example/parse/files/myAppId/{name}"


def test_hostile_host_gets_into_no_url(client):
    answer = upload(client, "a.gif", GIF, {**MASTER, "Host": "evil.example/?"})
    assert answer.json["url"].startswith("http://localhost:1337/parse/files/")


@pytest.mark.parametrize(
    ("allowed", "refused"),
    [
        ("users", {"anonymous user", "public"}),
        ("users,anonymous", {"public"}),
        ("public", {"anonymous user", "authenticated user"}),
        ("users,anonymous,public", set()),
        ("master", {"anonymous user", "authenticated user", "public"}),
    ],
)
def test_settings_say_who_may_upload(make_app, allowed, refused):
    client = make_app(file_upload_from=allowed).test_client()
    visitor = sign_up(client, {"authData": {"anonymous": {"id": "3b1e"}}})
    alice = sign_up(client, {"username": "alice", "password": "secret"})
    callers = {"anonymous user": visitor, "authenticated user": alice, "public": PUBLIC}
    for words, headers in callers.items():
        answer = upload(client, "a.gif", GIF, headers)
        if words in refused:
            assert error_of(answer) == (400, 130, f"File upload by {words} is disabled.")
        else:
            assert answer.status_code == 201
    assert upload(client, "a.gif", GIF, MASTER).status_code == 201


def test_read_only_master_key_uploads_and_deletes_nothing(make_app):
    client = make_app(
        app_id="myAppId", master_key="myMasterKey", read_only_master_key="lookOnly"
    ).test_client()
    name = upload(client, "a.gif", GIF, MASTER).json["name"]
    assert upload(client, "a.gif", GIF, READ_ONLY).json["code"] == 119
    assert client.delete(f"/parse/files/{name}", headers=READ_ONLY).json["code"] == 119
    assert client.get(f"/parse/files/myAppId/{name}").status_code == 200


@pytest.mark.parametrize(
    ("name", "data", "content_type", "error"),
    [
        ("e.txt", b"", "text/plain", (130, "Invalid file upload.")),
        ("a%24b.txt", b"abc", "", (122, "Filename contains invalid characters.")),
        ("%C3%BC.gif", GIF, "", (122, "Filename contains invalid characters.")),
        ("..%2F..%2Fetc%2Fpasswd", b"abc", "", (122, "Filename contains invalid characters.")),
        ("..%5Ca.gif", GIF, "", (122, "Filename contains invalid characters.")),
        ("%2e%2e", GIF, "", (122, "Filename contains invalid characters.")),
        ("a%00.gif", GIF, "", (122, "Filename contains invalid characters.")),
        ("a" * 125 + ".gif", GIF, "", (122, "Filename too long.")),
        ("x.html", HTML, "text/html", (130, "File upload of extension html is disabled.")),
        ("x.html", ASTRONAUT, "image/png", (130, "File upload of extension html is disabled.")),
        ("x.svg", b"<svg/>", "image/png", (130, "File upload of extension svg is disabled.")),
        ("hello.txt", b"hi", "text/plain", (130, "File upload of extension txt is disabled.")),
        ("x.png.js", ASTRONAUT, "image/png", (130, "File upload of extension js is disabled.")),
    ],
)
def test_user_is_told_why_a_file_is_refused(client, files, alice, name, data, content_type, error):
    answer = upload(client, name, data, alice, content_type=content_type)
    assert error_of(answer) == (400, *error)
    assert list(files.names()) == []


def test_page_called_an_image_is_refused(client, alice):
    answer = upload(client, "x.jpg", HTML, alice, content_type="image/jpeg")
    assert (answer.status_code, answer.json["code"]) == (400, 130)


def test_file_without_a_name_is_refused(client, alice):
    for path in ["/parse/files", "/parse/files/"]:
        answer = client.post(path, data=GIF, headers=alice)
        assert error_of(answer) == (400, 122, "Filename not provided.")


@pytest.mark.parametrize("headers", [{}, APP, {**APP, "X-Parse-REST-API-Key": "bad"}])
def test_upload_needs_a_key(client, headers):
    assert error_of(upload(client, "a.gif", GIF, headers)) == (403, None, "unauthorized")


def test_largest_upload_is_that_of_the_settings(make_app):
    client = make_app(max_image_bytes=1000, file_upload_from="public").test_client()
    largest = GIF.ljust(1000, b"\0")
    assert upload(client, "a.gif", largest, PUBLIC).status_code == 201
    assert client.post("/parse/files/a.gif", json=in_json(largest)).status_code == 201
    for answer in [
        upload(client, "a.gif", largest + b"\0", PUBLIC),
        upload(client, "a.gif", bytes(1_000_000), PUBLIC),
        client.post("/parse/files/a.gif", json=in_json(largest + b"\0")),
    ]:
        assert (answer.status_code, answer.json.keys()) == (413, {"error"})


def test_two_uploads_of_one_name_are_two_files(client, alice):
    first, second = (upload(client, "a.gif", data, alice).json for data in (GIF, POLYGLOT))
    assert first["name"] != second["name"]
    assert client.get(first["url"]).data == GIF


# --- download -----------------------------------------------------------------------------------


def test_polyglot_is_an_image_and_nothing_else(client, alice):
    answer = client.get(upload(client, "x.html.gif", POLYGLOT, alice).json["url"])
    assert answer.headers["Content-Type"] == "image/gif"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert (
        answer.headers["Content-Security-Policy"]
        == "default-src 'none'; frame-ancestors 'none'; sandbox"
    )


@pytest.mark.parametrize("name", ["x.html", "x.svg", "x.xml", "x.js", "x"])
def test_page_of_the_master_key_is_only_ever_saved(client, name):
    answer = client.get(upload(client, name, HTML, MASTER, content_type="text/html").json["url"])
    assert answer.data == HTML
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Disposition"] == "attachment"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "name",
    ["x", "nothere.txt", "..%2F..%2F..%2Fetc%2Fpasswd", "..%5Cx", "a%00b",
     "%2e%2e", "a" * 600, "metadata", "a/b"],
)  # fmt: skip
def test_unknown_name_is_not_found(client, name):
    answer = client.get(f"/parse/files/myAppId/{name}")
    assert (answer.status_code, answer.text) == (404, "File not found.")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_absolute_path_is_no_name(client):
    assert client.get("/parse/files/myAppId/%2Fetc%2Fpasswd").status_code == 404


def test_another_apps_files_are_not_here(client):
    for path in ["/parse/files/wrong/x", "/parse/files/wrong/metadata/x"]:
        assert error_of(client.get(path)) == (403, 119, "Invalid application ID.")


def test_metadata_of_what_is_not_there_is_empty(client):
    answer = client.get("/parse/files/myAppId/metadata/x")
    assert (answer.status_code, answer.json) == (200, {})


def test_files_of_an_older_parse_are_served(client, files):
    files.put("tfss-ü (1).jpg", TEN_BYTES, {})
    answer = client.get("/1/files/myAppId/tfss-%C3%BC%20(1).jpg")
    assert (answer.status_code, answer.data) == (200, TEN_BYTES)
    assert answer.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    ("wanted", "data", "content_range"),
    [
        ("bytes=0-3", b"GIF8", "bytes 0-3/10"),
        ("bytes=6-", b"6789", "bytes 6-9/10"),
        ("bytes=-2", b"89", "bytes 8-9/10"),
        ("bytes=-99", TEN_BYTES, "bytes 0-9/10"),
        ("bytes=8-99", b"89", "bytes 8-9/10"),
    ],
)
def test_range_is_answered_with_that_part(client, files, wanted, data, content_range):
    files.put("ten.gif", TEN_BYTES, {})
    answer = client.get("/parse/files/myAppId/ten.gif", headers={"Range": wanted})
    assert (answer.status_code, answer.data) == (206, data)
    assert answer.headers["Content-Range"] == content_range
    assert answer.headers["Content-Length"] == str(len(data))
    assert answer.headers["Accept-Ranges"] == "bytes"


def test_range_beyond_the_end_is_416(client, files):
    files.put("ten.gif", TEN_BYTES, {})
    answer = client.get("/parse/files/myAppId/ten.gif", headers={"Range": "bytes=10-"})
    assert (answer.status_code, answer.data) == (416, b"")
    assert answer.headers["Content-Range"] == "bytes */10"


@pytest.mark.parametrize("wanted", ["bytes=0-1,4-5", "items=0-1", "bytes=", "nonsense"])
def test_range_that_we_do_not_speak_is_the_whole_file(client, files, wanted):
    files.put("ten.gif", TEN_BYTES, {})
    answer = client.get("/parse/files/myAppId/ten.gif", headers={"Range": wanted})
    assert (answer.status_code, answer.data) == (200, TEN_BYTES)


@pytest.mark.parametrize(("wanted", "start"), [(None, 0), ("bytes=5-", 5)])
def test_large_file_is_read_in_pieces_as_they_are_sent(client, files, wanted, start):
    name, data = f"{'a' * 32}_large.gif", GIF + bytes(1000) * 900 + b"end"
    files.put(name, data, {})
    answer = client.get(f"/parse/files/myAppId/{name}", headers={"Range": wanted} if wanted else {})
    pieces = list(answer.response)
    assert b"".join(pieces) == data[start:]
    assert max(map(len, pieces)) == 256 * 1024
    assert int(answer.headers["Content-Length"]) == len(data) - start


def test_large_file_that_is_deleted_while_it_is_sent_ends_there(client, files):
    name = f"{'a' * 32}_large.gif"
    files.put(name, GIF + bytes(900_000), {})
    pieces = iter(client.get(f"/parse/files/myAppId/{name}").response)
    next(pieces)
    files.delete(name)
    assert list(pieces) == []


def test_large_file_that_may_be_replaced_is_read_at_once(client, files):
    files.put("large.gif", GIF + bytes(900_000), {})
    assert len(list(client.get("/parse/files/myAppId/large.gif").response)) == 1


def test_head_says_what_get_would(client, files):
    files.put("ten.gif", TEN_BYTES, {})
    path = "/parse/files/myAppId/ten.gif"
    head, whole = client.head(path), client.get(path)
    assert (head.status_code, head.data) == (200, b"")
    assert head.headers == whole.headers
    assert client.head(path, headers={"Range": "bytes=0-1"}).status_code == 200
    assert client.head("/parse/files/myAppId/x").status_code == 404


def test_copy_that_is_still_good_is_not_sent_again(client, alice):
    url = upload(client, "a.gif", GIF, alice).json["url"]
    etag = client.get(url).headers["ETag"]
    answer = client.get(url, headers={"If-None-Match": etag})
    assert (answer.status_code, answer.data) == (304, b"")
    assert client.get(url, headers={"If-None-Match": '"other"'}).status_code == 200
    assert client.get(url, headers={"If-Match": '"other"'}).status_code == 412
    assert client.get(url, headers={"If-Match": etag}).status_code == 200


@pytest.mark.parametrize("date", ["Wed, 21 Oct 2015 07:28:00 GMT"])
def test_range_of_another_version_is_the_whole_file(client, alice, date):
    url = upload(client, "a.gif", GIF, alice).json["url"]
    etag = client.get(url).headers["ETag"]
    wanted = {"Range": "bytes=0-2"}
    assert client.get(url, headers={**wanted, "If-Range": etag}).data == b"GIF"
    for condition in ['"other"', date]:
        assert client.get(url, headers={**wanted, "If-Range": condition}).data == GIF


def test_empty_file_of_an_older_parse_is_served(client, files):
    files.put("empty.gif", b"", {})
    answer = client.get("/parse/files/myAppId/empty.gif")
    assert (answer.status_code, answer.data) == (200, b"")
    assert answer.headers["Content-Length"] == "0"


def test_download_needs_no_key_and_other_methods_do(client, files):
    files.put("ten.gif", TEN_BYTES, {})
    path = "/parse/files/myAppId/ten.gif"
    assert client.post(path, data=GIF).status_code == 403
    assert client.delete(path).status_code == 403
    assert client.get(path).data == TEN_BYTES


# --- delete -------------------------------------------------------------------------------------


def test_master_key_deletes(client):
    answer = upload(client, "a.gif", GIF, MASTER).json
    path = f"/parse/files/{answer['name']}"
    deleted = client.delete(path, headers=MASTER)
    assert (deleted.status_code, deleted.json) == (200, {})
    assert client.get(answer["url"]).status_code == 404
    assert error_of(client.delete(path, headers=MASTER)) == (400, 153, "FileNotFound")


def test_nobody_else_deletes(client, files, alice):
    files.put("ten.gif", TEN_BYTES, {})
    for headers in [PUBLIC, alice]:
        answer = client.delete("/parse/files/ten.gif", headers=headers)
        assert error_of(answer) == (403, None, "unauthorized: master key is required")
    assert files.stat("ten.gif") is not None


@pytest.mark.parametrize("name", ["x", "..%2Fx", "%2e%2e", "a%00b", "a" * 600])
def test_deleting_what_cannot_be_there_finds_no_file(client, name):
    answer = client.delete(f"/parse/files/{name}", headers=MASTER)
    assert error_of(answer) == (400, 153, "FileNotFound")


def test_delete_of_a_javascript_sdk_is_a_post(client):
    name = upload(client, "a.gif", GIF, MASTER).json["name"]
    body = {"_method": "DELETE", "_ApplicationId": "myAppId", "_MasterKey": "myMasterKey"}
    answer = client.post(f"/parse/files/{name}", json=body, content_type="text/plain")
    assert (answer.status_code, answer.json) == (200, {})


def test_either_database_keeps_files(make_app, database_uri):
    client = make_app(database_uri=database_uri).test_client()
    photo = GIF + bytes(600_000)  # more than two chunks of GridFS
    stream = {"X-Parse-Upload-Mode": "stream", "X-Parse-File-Metadata": '{"album": "summer"}'}
    answer = upload(client, "a b@c.gif", photo, MASTER | stream).json
    assert client.get(answer["url"]).data == photo
    metadata = client.get(f"/parse/files/myAppId/metadata/{answer['name']}")
    assert metadata.json == {"metadata": {"album": "summer"}}
    part = client.get(answer["url"], headers={"Range": "bytes=261110-522300"})
    assert (part.status_code, part.data) == (206, photo[261110:522301])
    assert client.delete(f"/parse/files/{answer['name']}", headers=MASTER).status_code == 200
    assert client.get(answer["url"]).status_code == 404


def test_files_under_a_key_are_served_to_everybody_and_stored_for_nobody(make_app, database_uri):
    app = make_app(database_uri=database_uri, file_encryption_key="secret")
    client = app.test_client()
    photo = GIF + bytes(600_000)
    answer = upload(client, "a.gif", photo, MASTER).json
    whole = client.get(answer["url"])
    assert (whole.data, whole.headers["Content-Length"]) == (photo, str(len(photo)))
    part = client.get(answer["url"], headers={"Range": "bytes=3-5"})
    assert (part.status_code, part.data) == (206, b"89a")
    assert client.head(answer["url"]).headers["Content-Length"] == str(len(photo))
    plain = make_app(database_uri=database_uri).test_client().get(answer["url"]).data
    assert len(plain) == len(photo) + 32
    assert plain[:6] != photo[:6]


# --- in objects ---------------------------------------------------------------------------------


def test_column_keeps_the_name_and_shows_where_the_file_lies(client, alice):
    name = upload(client, "a.gif", GIF, alice).json["name"]
    sent = {"__type": "File", "name": name, "url": "http://evil.example/a.gif"}
    made = client.post("/parse/classes/Picture", json={"image": sent}, headers=MASTER)
    shown = client.get(f"/1/classes/Picture/{made.json['objectId']}", headers=PUBLIC)
    url = f"http://localhost/1/files/myAppId/{name}"
    assert shown.json["image"] == {"__type": "File", "name": name, "url": url}


@pytest.mark.parametrize("setting", ["local_files_url", "production_files_url"])
def test_files_that_another_store_serves_have_its_urls(make_app, setting):
    client = make_app(**{setting: "https://files.example/bucket/"}).test_client()
    sent = {"__type": "File", "name": "a b.gif"}
    made = client.post("/parse/classes/Picture", json={"image": sent}, headers=MASTER)
    shown = client.get(f"/parse/classes/Picture/{made.json['objectId']}", headers=PUBLIC)
    assert shown.json["image"]["url"] == "https://files.example/bucket/a%20b.gif"


def test_image_is_classified_by_its_name_and_its_url_is_never_fetched(client, image_host):
    name = upload(client, "astronaut.png", ASTRONAUT, MASTER).json["name"]
    nowhere = "http://127.0.0.1:1/a.png"
    sent = {"__type": "File", "name": name, "url": nowhere}
    classify = "/parse/functions/nsfwImageClassify"
    found = client.post(classify, json={"image": sent}, headers=PUBLIC)
    assert found.json["result"][0]["className"] == "Neutral"
    real_url = {"__type": "File", "name": "unknown.png", "url": f"{image_host}/astronaut.png"}
    assert error_of(client.post(classify, json={"image": real_url}, headers=PUBLIC))[:2] == (
        400,
        142,
    )


LONGEST = "d" * 90


@pytest.mark.parametrize("directory", ["albums/2026", LONGEST])
def test_a_file_in_a_directory_is_a_file_like_others(parse_on_each, directory):
    parse = parse_on_each
    headers = {"X-Parse-Upload-Mode": "stream", "X-Parse-File-Directory": directory}
    name = "n" * 124 + ".txt"
    answer = parse.client.post(f"/parse/files/{name}", data=b"x", headers={**MASTER, **headers})
    stored = answer.json["name"]
    assert re.fullmatch(rf"{directory}/[0-9a-f]{{32}}_{name}", stored)
    path = answer.json["url"].partition("/parse/")[2]
    assert path == f"files/myAppId/{stored}"
    assert parse.client.get(f"/parse/{path}").data == b"x"
    assert "max-age" in parse.client.get(f"/parse/{path}").headers["Cache-Control"]
    metadata = parse.client.get(f"/parse/files/myAppId/metadata/{stored}")
    assert metadata.json == {"metadata": {}}
    file = {"__type": "File", "name": stored}
    post = parse.create("Post", {"file": file})
    assert parse.get(f"/classes/Post/{post}", MASTER).json["file"] == {
        **file,
        "url": answer.json["url"],
    }
    assert parse.delete(f"/files/{stored}", MASTER).json == {}
    assert parse.client.get(f"/parse/{path}").status_code == 404


@pytest.mark.parametrize("name", ["../a", "a/../b", "./a", "a//b", "a/", "/a", "a/.", "a\\b"])
def test_no_name_leads_out_of_the_store(parse, name):
    assert parse.client.get(f"/parse/files/myAppId/{name}").status_code in (404, 308)
    assert parse.delete(f"/files/{name}", MASTER).status_code in (400, 404)
