"""The maintenance key: it reads what nothing else shows, writes nothing and opens no other door."""

import pytest
from image_host import KEYS, MASTER
from parse_app import error, outcome

from config import SettingsError, load_settings

MAINTENANCE = {"X-Parse-Application-Id": "myAppId", "X-Parse-Maintenance-Key": "keeper"}
REFUSED = (119, "The maintenance key isn't allowed to perform this operation.")


@pytest.fixture
def parse(make_parse, database_uri):
    return make_parse(database_uri=database_uri, maintenance_key="keeper")


def test_it_reads_past_acls_permissions_and_protected_columns(parse):
    parse.declare("Post", {"protectedFields": {"*": ["hidden"]}}, hidden="String")
    post = parse.create("Post", {"hidden": "x", "ACL": {}})
    assert outcome(parse.get("/classes/Post")) == (400, 119)
    assert parse.find("Post", {"hidden": "x"}, by=MAINTENANCE)[0]["hidden"] == "x"
    assert parse.get(f"/classes/Post/{post}", MAINTENANCE).json["hidden"] == "x"
    assert parse.get("/classes/Post", MAINTENANCE, count=1, limit=0).json["count"] == 1
    assert parse.get("/installations", MAINTENANCE).json == {"results": []}


def test_it_shows_what_belongs_to_the_server_in_a_users_row_and_no_hash(parse):
    columns = {"_perishable_token": "token", "_hashed_password": "hash", "email": "a@b.c"}
    alice = parse.person("alice", **columns)
    user = parse.get(f"/users/{alice.id}", MAINTENANCE).json
    assert (user["_perishable_token"], user["email"]) == ("token", "a@b.c")
    assert not {"_hashed_password", "password", "sessionToken"} & user.keys()
    (found,) = parse.find("_User", {"_perishable_token": "token"}, by=MAINTENANCE)
    assert found["objectId"] == alice.id
    for by in (MASTER, alice):
        assert "_perishable_token" not in parse.get(f"/users/{alice.id}", by).json


def test_it_shows_sessions_without_their_tokens(parse):
    parse.person("alice")
    (session,) = parse.find("_Session", by=MAINTENANCE)
    assert "sessionToken" not in session


def test_it_writes_nothing(parse):
    post = parse.create("Post")
    alice = parse.person("alice")
    assert error(parse.post("/classes/Post", {}, MAINTENANCE)) == REFUSED
    assert error(parse.put(f"/classes/Post/{post}", {"n": 1}, MAINTENANCE)) == REFUSED
    assert error(parse.delete(f"/classes/Post/{post}", MAINTENANCE)) == REFUSED
    assert error(parse.post("/files/a.txt", {"a": 1}, MAINTENANCE)) == REFUSED
    assert outcome(parse.put(f"/users/{alice.id}", {"n": 1}, MAINTENANCE)) == (400, 206)
    calls = [{"method": "POST", "path": "/parse/classes/Post", "body": {}}]
    answer = parse.post("/batch", {"requests": calls}, MAINTENANCE).json
    assert answer == [{"error": {"code": 119, "error": REFUSED[1]}}]


@pytest.mark.parametrize(
    "path", ["/schemas", "/serverInfo", "/schemas/Post", "/cloud_code/jobs/data"]
)
def test_it_opens_no_route_of_the_master_key(parse, path):
    answer = parse.get(path, MAINTENANCE)
    assert answer.status_code in (403, 404)
    assert outcome(parse.post("/loginAs", {"userId": "x"}, MAINTENANCE)) == (400, 119)


def test_cloud_code_does_not_take_it_for_anybody(parse, cloud_code):
    @cloud_code.define("look")
    def look(request):
        return [request.master, len(request.objects.find("Post"))]

    parse.create("Post", {"ACL": {}})
    assert parse.post("/functions/look", {}, MAINTENANCE).json == {"result": [False, 0]}


def test_it_counts_from_its_addresses_alone_and_a_wrong_one_is_ignored(parse):
    far = {"environ_base": {"REMOTE_ADDR": "203.0.113.5"}}
    answer = parse.client.get("/parse/users", headers=MAINTENANCE, **far)
    assert (answer.status_code, answer.json) == (403, {"error": "unauthorized"})
    wrong = {**KEYS, "X-Parse-Maintenance-Key": "wrong"}
    assert parse.get("/users", wrong).status_code == 200
    assert parse.get("/schemas", wrong).status_code == 403


def test_javascript_sdks_send_it_in_the_body(parse):
    parse.create("Post", {"ACL": {}})
    body = {"_ApplicationId": "myAppId", "_MaintenanceKey": "keeper", "_method": "GET"}
    assert len(parse.client.post("/parse/classes/Post", json=body).json["results"]) == 1


def test_without_the_setting_there_is_none(make_parse):
    parse = make_parse()
    assert parse.get("/users", {**MAINTENANCE, "X-Parse-Maintenance-Key": ""}).status_code == 403


def test_it_is_no_master_key(monkeypatch):
    with pytest.raises(SettingsError, match="MAINTENANCE_KEY"):
        load_settings(_env_file=None, maintenance_key="myMasterKey")


def test_the_key_of_dotnet_apps_is_one_like_the_others(make_parse):
    parse = make_parse(dotnet_key="dotnet")
    app = {"X-Parse-Application-Id": "myAppId"}
    assert parse.get("/users", {**app, "X-Parse-Windows-Key": "dotnet"}).status_code == 200
    assert parse.get("/users", {**app, "X-Parse-Windows-Key": "wrong"}).status_code == 403
