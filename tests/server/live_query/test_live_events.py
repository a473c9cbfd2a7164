"""Clients hear of what their queries find, over real WebSockets and from each database."""

import pytest
from parse_app import pointer

from cloud.objects import ParseObject

EVERYBODY = {"*": {"read": True, "write": True}}


@pytest.fixture
def live_on_each(make_live, parse_on_each):
    return make_live(parse_on_each)


def test_a_client_hears_of_create_update_and_delete(live_on_each, parse_on_each):
    client = live_on_each.connect()
    assert client.subscribe("Note")["op"] == "subscribed"
    note = parse_on_each.create("Note", {"text": "one"})
    parse_on_each.put(f"/classes/Note/{note}", {"text": "two"})
    parse_on_each.delete(f"/classes/Note/{note}")
    created, updated, deleted = client.hear(), client.hear(), client.hear()
    assert [created["op"], updated["op"], deleted["op"]] == ["create", "update", "delete"]
    assert created["object"]["text"] == "one"
    assert "original" not in created
    assert (updated["object"]["text"], updated["original"]["text"]) == ("two", "one")
    assert deleted["object"]["text"] == "two"


def test_objects_enter_and_leave_a_query(live_on_each, parse_on_each):
    client = live_on_each.connect()
    client.subscribe("Note", {"stars": {"$gte": 3}})
    note = parse_on_each.create("Note", {"stars": 1})
    parse_on_each.put(f"/classes/Note/{note}", {"stars": 4})
    parse_on_each.put(f"/classes/Note/{note}", {"stars": {"__op": "Increment", "amount": 1}})
    parse_on_each.put(f"/classes/Note/{note}", {"stars": 0})
    heard = [client.hear() for _ in range(3)]
    assert [event["op"] for event in heard] == ["enter", "update", "leave"]
    assert [event["object"]["stars"] for event in heard] == [4, 5, 0]
    assert [event["original"]["stars"] for event in heard] == [1, 4, 5]


def test_an_object_stands_in_an_event_as_rest_shows_it(live_on_each, parse_on_each):
    alice = parse_on_each.person("alice")
    client = live_on_each.connect()
    client.subscribe("Note")
    body = {
        "owner": alice.pointer,
        "place": {"__type": "GeoPoint", "latitude": 1, "longitude": 2},
        "when": {"__type": "Date", "iso": "2026-01-02T03:04:05.678Z"},
        "list": [1, "a", None, pointer("Note", "x")],
        "ACL": EVERYBODY,
    }
    note = parse_on_each.create("Note", body)
    shown = client.hear()["object"]
    stored = parse_on_each.get(f"/classes/Note/{note}").json
    assert shown == {"className": "Note", **stored}
    assert "__type" not in shown


def test_a_file_has_a_url_below_the_mount_of_the_socket(live, parse):
    client = live.open("/1")
    client.say({"op": "connect", "applicationId": "myAppId", "clientKey": "myClientKey"})
    client.hear()
    client.subscribe("Note")
    parse.create("Note", {"image": {"__type": "File", "name": "a.png"}})
    url = client.hear()["object"]["image"]["url"]
    assert url == f"http://127.0.0.1:{live.port}/1/files/myAppId/a.png"


def test_keys_limit_what_is_shown(live, parse):
    client = live.connect()
    client.subscribe("Note", keys=["text"])
    old = live.connect()
    old.subscribe("Note", fields=["text"])
    parse.create("Note", {"text": "a", "secret": "b", "ACL": EVERYBODY})
    shown = client.hear()["object"]
    assert shown.keys() == {"className", "objectId", "createdAt", "updatedAt", "ACL", "text"}
    assert old.hear()["object"] == shown


def test_watch_tells_of_updates_only_when_those_columns_changed(live, parse):
    client = live.connect()
    client.subscribe("Note", watch=["stars"])
    parse.create("Note", {"text": "without stars"})
    note = parse.create("Note", {"stars": 1})
    parse.put(f"/classes/Note/{note}", {"text": "a"})
    parse.put(f"/classes/Note/{note}", {"stars": 2})
    parse.delete(f"/classes/Note/{note}")
    heard = client.events(3)
    assert [kind for kind, _ in heard] == ["create", "update", "delete"]
    assert [shown["stars"] for _, shown in heard] == [1, 2, 2]


def test_what_was_unsubscribed_is_not_heard(live, parse):
    client = live.connect()
    client.subscribe("Note", {"a": 1})
    client.subscribe("Note", {"a": 2})
    assert client.ask({"op": "unsubscribe", "requestId": 1})["op"] == "unsubscribed"
    parse.create("Note", {"a": 1})
    parse.create("Note", {"a": 2})
    event = client.hear()
    assert (event["requestId"], event["object"]["a"]) == (2, 2)


def test_update_replaces_a_subscription(live, parse):
    client = live.connect()
    client.subscribe("Note", {"a": 1})
    query = {"className": "Note", "where": {"a": 2}}
    answer = client.ask({"op": "update", "requestId": 1, "query": query})
    assert (answer["op"], answer["requestId"]) == ("subscribed", 1)
    parse.create("Note", {"a": 1})
    parse.create("Note", {"a": 2})
    assert client.hear()["object"]["a"] == 2


def test_batches_and_cloud_code_publish_too(live, parse, cloud_code):
    @cloud_code.define("makeNote")
    def make_note(request):
        note = ParseObject("Note")
        note["n"] = 3
        request.as_master.save(note)

    client = live.connect()
    client.subscribe("Note")
    requests = [
        {"method": "POST", "path": "/parse/classes/Note", "body": {"n": n}} for n in range(3)
    ]
    parse.post("/batch", {"requests": requests})
    parse.post("/functions/makeNote")
    assert [shown["n"] for _, shown in client.events(4)] == [0, 1, 2, 3]


def test_a_class_outside_the_setting_has_no_live_query(make_parse, make_live):
    parse = make_parse(live_query_classes=("Note", "Chat.*"))
    client = make_live(parse).connect()
    assert client.subscribe("Note")["op"] == "subscribed"
    assert client.subscribe("ChatLine")["op"] == "subscribed"
    for other in ("Notes", "MyChat", "UserImage"):
        answer = client.subscribe(other)
        assert (answer["op"], answer["code"]) == ("error", 119)


def test_the_installation_is_named_in_every_answer(live, parse):
    client = live.open()
    answer = client.ask(
        {"op": "connect", "applicationId": "myAppId", "javascriptKey": "myJsKey",
         "installationId": "phone-1"}
    )  # fmt: skip
    assert answer["installationId"] == "phone-1"
    subscribed = client.subscribe("Note")
    parse.create("Note")
    event = client.hear()
    for message in (subscribed, event):
        assert message["installationId"] == "phone-1"
        assert message["clientId"] == answer["clientId"]
