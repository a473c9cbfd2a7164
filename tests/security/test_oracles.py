"""Oracles: whoever guesses right at what is hidden is answered as whoever guesses wrong."""

import itertools
import json

import pytest
from image_host import KEYS
from live_server import LiveServer
from parse_attacks import Attack
from parse_scene import SECRETS, Scene

# Of each hidden column: what is right, and what is as long and wrong.
HIDDEN = {
    ("_User", "email"): SECRETS["email"],
    ("_User", "authData.anonymous.id"): SECRETS["auth"],
    ("Diary", "secret"): SECRETS["secret"],
}
GUESSES = {
    "equality": lambda text: text,
    "$eq": lambda text: {"$eq": text},
    "$ne": lambda text: {"$ne": text},
    "a pattern": lambda text: {"$regex": f"^{text[:3]}"},
    "a pattern without case": lambda text: {"$regex": text[:3].upper(), "$options": "i"},
    "$gt": lambda text: {"$gt": text[:-1]},
    "$lt": lambda text: {"$lt": text + "~"},
    "$in": lambda text: {"$in": ["x", text]},
    "$nin": lambda text: {"$nin": [text]},
    "$all": lambda text: {"$all": [{"$regex": f"^{text[:3]}"}]},
    "$exists": lambda _text: {"$exists": True},
    "$not in $eq": lambda text: {"$not": {"$eq": text}},
    "$text": lambda text: {"$text": {"$search": {"$term": text}}},
    "$containedBy": lambda text: {"$containedBy": [text]},
}
_OWN = "<charlie>"
DOORS = {
    "where": lambda _class, guess: ("/classes/{}", {"where": guess}),
    "count": lambda _class, guess: ("/classes/{}", {"where": guess, "count": "1", "limit": "0"}),
    "$or": lambda _class, guess: ("/classes/{}", {"where": {"$or": [guess, {"x": 1}]}}),
    "$and": lambda _class, guess: ("/classes/{}", {"where": {"$and": [{"$or": [guess]}]}}),
    "$nor": lambda _class, guess: ("/classes/{}", {"where": {"$nor": [guess]}}),
    "beside one's own id": lambda _class, guess: (
        "/classes/{}", {"where": {"$or": [{**guess}, {"objectId": _OWN}]}}),
    "$inQuery": lambda class_name, guess: ("/classes/Friend", {"where": {
        "user" if class_name == "_User" else "diary": {
            "$inQuery": {"className": class_name, "where": guess}}}}),
    "$notInQuery": lambda class_name, guess: ("/classes/Friend", {"where": {
        "user" if class_name == "_User" else "diary": {
            "$notInQuery": {"className": class_name, "where": guess}}}}),
    "$select": lambda class_name, guess: ("/classes/Friend", {"where": {
        "objectId": {"$select": {"query": {"className": class_name, "where": guess},
                                 "key": "objectId"}}}}),
    "$dontSelect": lambda class_name, guess: ("/classes/Friend", {"where": {
        "objectId": {"$dontSelect": {"query": {"className": class_name, "where": guess},
                                     "key": "objectId"}}}}),
}  # fmt: skip


@pytest.fixture(scope="module", params=["sqlite", pytest.param("nx", marks=pytest.mark.full)])
def scene(request, make_app, mongo_uri):
    uri = "" if request.param == "sqlite" else mongo_uri("nx", "oracles")
    return Scene(make_app(database_uri=uri, live_query_classes=(".*",)))


def asked(scene, path, query):
    return scene.send(Attack("oracle", path, "GET", path, query=query))


@pytest.mark.parametrize(("class_name", "column"), HIDDEN)
def test_no_guess_tells_what_is_hidden(scene, tally, class_name, column):
    right = HIDDEN[class_name, column]
    wrong = "q" * len(right)
    for (door, make), (operator, guess) in itertools.product(DOORS.items(), GUESSES.items()):
        answers = []
        for text in (right, wrong):
            path, query = make(class_name, {column: guess(text)})
            answer = asked(scene, path.format(class_name), query)
            scene.check(answer, may_see=[right])
            answers.append((answer.status_code, answer.text.replace(text, "the guess")))
        assert answers[0] == answers[1], (door, operator)
        assert answers[0][0] >= 400, (door, operator, answers)
        tally.refused(2)


READS = [
    ("/classes/Diary", {"order": "secret"}), ("/classes/Diary", {"order": "-secret,title"}),
    ("/classes/_User", {"order": "email"}), ("/classes/_User", {"order": "authData.anonymous.id"}),
    ("/classes/_User", {"order": "_hashed_password"}),
    ("/classes/Diary", {"keys": "secret"}), ("/classes/Diary", {"keys": "title,secret.x"}),
    ("/classes/Diary", {"excludeKeys": "title"}), ("/classes/Diary", {"include": "secret"}),
    ("/classes/Diary/<diary>", {"keys": "secret"}), ("/classes/_User/<alice>", {"keys": "email"}),
    ("/users/<alice>", {"keys": "authData,sessionToken,email"}),
    ("/classes/Friend", {"include": "diary,user,closed"}), ("/classes/Friend", {"includeAll": "1"}),
    ("/classes/Friend", {"keys": "diary.secret,user.email,closed.secret"}),
    ("/classes/Friend", {"include": "*"}),
    ("/classes/Diary", {"redirectClassNameForKey": "readers"}),
    ("/classes/Diary", {"redirectClassNameForKey": "readers", "order": "email"}),
    ("/classes/Diary", {"redirectClassNameForKey": "readers", "where": {"email": "x"}}),
    ("/classes/Friend", {"where": {"words": {"$select": {
        "query": {"className": "Diary", "where": {}}, "key": "secret"}}}}),
    ("/classes/Friend", {"where": {"words": {"$select": {
        "query": {"className": "_User", "where": {}}, "key": "_hashed_password"}}}}),
    ("/classes/Friend", {"where": {"words": {"$dontSelect": {
        "query": {"className": "_User", "where": {}}, "key": "authData.anonymous.id"}}}}),
    ("/classes/_User", {"where": {"$relatedTo": {"object": {
        "__type": "Pointer", "className": "Diary", "objectId": "<private>"}, "key": "readers"}}}),
    ("/classes/_User", {"where": {"$relatedTo": {"object": {
        "__type": "Pointer", "className": "Closed", "objectId": "<closed>"}, "key": "secret"}}}),
    ("/classes/Closed", {"where": {"secret": {"$regex": "^o"}}}),
    ("/classes/Friend", {"where": {"closed": {"$inQuery": {
        "className": "Closed", "where": {"secret": {"$regex": "^of"}}}}}}),
    ("/classes/Friend", {"where": {"user": {"$inQuery": {"className": "_User", "where": {
        "objectId": {"$inQuery": {"className": "_User", "where": {"email": {"$regex": "a"}}}}}}}}}),
    ("/aggregate/_User", {"distinct": "email"}), ("/aggregate/Diary",
     {"$group": {"_id": "$secret"}}),
    ("/config", {}), ("/users", {}), ("/sessions", {}), ("/roles", {}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "query"), READS)
def test_no_read_shows_what_is_hidden(scene, tally, path, query):
    answer = asked(scene, path, query)
    scene.check(answer)
    (tally.refused if answer.status_code >= 400 else tally.survived)()


def test_a_write_does_not_tell_what_is_hidden_either(scene, tally):
    """An operation that changes nothing would be a read."""
    anybody = {"*": True}
    permissions = {"update": anybody, "get": anybody, "find": {}}
    permissions |= {"protectedFields": {"*": ["count", "names"]}}
    scene.parse.declare("Log", permissions, count="Number", names="Array")
    written = scene.parse.create("Log", {"count": 7421, "names": ["hidden-4711"]})
    for body in (
        {"count": {"__op": "Increment", "amount": 0}},
        {"names": {"__op": "Add", "objects": []}},
        {"names": {"__op": "AddUnique", "objects": ["hidden-4711"]}},
        {"names": {"__op": "Remove", "objects": ["x"]}},
    ):
        answer = scene.send(Attack("oracle", "op", "PUT", f"/classes/Log/{written}", body))
        assert "7421" not in answer.text
        assert "hidden-4711" not in answer.text
        tally.survived()


# --- LiveQuery (CVE-2021-41109, CVE-2022-31112) ---------------------------------------------------

SUBSCRIPTIONS = [
    *({"className": name, "where": {column: guess(text)}}
      for (name, column), text in HIDDEN.items()
      for operator, guess in GUESSES.items()),
    *({"className": name, "where": {"$or": [{column: text}, {"x": 1}]}}
      for (name, column), text in HIDDEN.items()),
    *({"className": name, "where": {"$nor": [{column: text}]}} for (name, column),
     text in HIDDEN.items()),
    {"className": "Diary", "where": {}, "watch": ["secret"]},
    {"className": "_User", "where": {"_hashed_password": {"$regex": "^.2"}}},
    {"className": "_User", "where": {"_perishable_token": {"$exists": True}}},
    {"className": "_User", "where": {"sessionToken": {"$regex": "^r:"}}},
    {"className": "_User", "where": {"__proto__": {"x": 1}}},
    {"className": "Closed", "where": {}},
    {"className": "_Hooks", "where": {}}, {"className": "_GlobalConfig", "where": {}},
    {"className": "_Join:users:_Role", "where": {}}, {"className": "ModerationItem", "where": {}},
    {"className": "ModerationPanelSession", "where": {}}, {"className": {"$ne": 1}, "where": {}},
    {"className": "Friend", "where": {"$where": "1"}},
    {"className": "Friend", "where": {"user": {"$inQuery": {"className": "_User", "where": {}}}}},
    {"className": "Friend", "where": {"$relatedTo": {"object": {
        "__type": "Pointer", "className": "Diary", "objectId": "x"}, "key": "readers"}}},
    {"className": "Friend", "where": "{}"}, {"className": "Friend", "where": []},
    {"className": "Friend", "where": {"words": {"$regex": "(" * 99}}},
    {"className": "Friend", "where": json.loads('{"$and":[' * 60 + '{"a":1}' + "]}" * 60)},
]  # fmt: skip


def test_no_subscription_to_what_is_hidden(make_app, tally):
    scene = Scene(make_app(live_query_classes=(".*",)))
    live = LiveServer(scene.services)
    try:
        client = live.connect(scene.charlie)
        for number, query in enumerate(SUBSCRIPTIONS):
            answer = client.ask({"op": "subscribe", "requestId": number, "query": query})
            assert answer["op"] == "error", query
            tally.refused()
        assert client.subscribe("Diary")["op"] == "subscribed"
        path = f"/parse/classes/Diary/{scene.diary}"
        mine = {**scene.alice.headers, **KEYS}
        scene.parse.client.put(path, json={"title": "day two"}, headers=mine)
        (told,) = client.events(1)
        assert told[1]["title"] == "day two"
        assert "secret" not in told[1]
    finally:
        live.stop()
