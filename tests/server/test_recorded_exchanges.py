"""Parse Server's own answers, replayed: tests/exchanges holds what 9.10 said, on PostgreSQL.

Each file is one conversation with an app of its own, in order. `{id:1}`, `{token:1}` and
`{username:1}` stand for what the answer brings when they are first seen, `{date}` for any time.
Where we answer otherwise on purpose, DIFFERENCES says what instead, and why.
"""

import json
import re
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from gaps import FERRETDB, JAVA, NX

from cloud.code import cloud

EXCHANGES = Path(__file__).parents[1] / "exchanges"
KEYS = {
    "app_id": "myAppId",
    "js_key": "myJSKey",
    "rest_api_key": "myRestKey",
    "client_key": "myClientKey",
    "master_key": "myMasterKey",
}
REST = {"X-Parse-Application-Id": "myAppId", "X-Parse-REST-API-Key": "myRestKey"}
MASTER = {"X-Parse-Application-Id": "myAppId", "X-Parse-Master-Key": "myMasterKey"}
USER = {"__type": "Pointer", "className": "_User", "objectId": "zzzzzzzzzz"}

# The classes that the recording began with; an object of them was made and deleted again.
COLUMNS = {
    "GameScore": {
        "score": 0,
        "playerName": "",
        "cheatMode": False,
        "skills": [],
        "loc": {"__type": "GeoPoint", "latitude": 0, "longitude": 0},
        "when": {"__type": "Date", "iso": "2020-01-01T00:00:00.000Z"},
        "meta": {},
        "owner": USER,
        "pic": {"__type": "File", "name": "x.txt"},
        "likes": {"__op": "AddRelation", "objects": [USER]},
        "blob": {"__type": "Bytes", "base64": ""},
    },
    "UserImage": {
        "image": {"__type": "File", "name": "x.txt"},
        "isSafe": False,
        "deleted": False,
        "moderationRequired": False,
        "NSFWPredictions": [],
        "imageAuthor": "",
    },
}

PLACEHOLDERS = {
    "id": "[A-Za-z0-9]{10}",
    "token": "r:[0-9a-f]{32}",
    "username": "[A-Za-z0-9]{25}",
    "date": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
}
PLACEHOLDER = re.compile(r"\{(?:id|token|username):\d+\}|\{date\}|\{host\}")


class Answer(NamedTuple):
    """What we say instead: a body, which may hold placeholders, a function that makes it of the
    recorded one, or None for any."""

    status: int
    body: Any


def error(code, message, status=400):
    return Answer(status, {"code": code, "error": message})


def no_route(call):
    return error(108, f"cannot route {call}", 404)


def unknown_class(name):
    return error(119, f"This user is not allowed to access non-existent class: {name}")


def bad_json(problem):
    return error(107, f"The body is not valid JSON: {problem}.")


def rows(*columns):
    return Answer(200, {"results": [{**ROW, **row} for row in columns]})


def players(*numbers):
    """What `keys=playerName` shows of the seeded GameScores of these numbers."""
    names = ["nofields" if number == 11 else f"player{number:02d}" for number in numbers]
    ids = [f"{{id:{number + 1}}}" for number in numbers]
    pairs = zip(names, ids, strict=True)
    return rows(*({"playerName": name, "objectId": object_id} for name, object_id in pairs))


ROW = {
    "createdAt": "{date}",
    "updatedAt": "{date}",
    "likes": {"__type": "Relation", "className": "_User"},
}


def with_nulls(answer):
    answer["results"][4] |= {"score": None, "playerName": None, "skills": None}
    return answer


def in_order(answer):
    """Arrays and sums as the operations made them."""
    objects = answer.get("results", [answer])
    objects[0] |= {"score": -2.5, "skills": ["b", "d", {"a": 1}, "z"]}
    if len(objects) > 3:
        objects[3]["skills"] = ["q"]
    return answer


def typed(answer):
    return {**answer, "__type": "Object", "className": "_User"}


def without(*names):
    return lambda answer: {key: value for key, value in answer.items() if key not in names}


def without_token(answer):
    del answer["result"]["user"]["sessionToken"]
    return answer


def only_living_parameters(answer):
    return {**answer, "masterKeyOnly": dict.fromkeys(answer["params"], False)}


NOT_AN_OBJECT = error(107, "The body must be a JSON object.")
NO_MASTER = Answer(403, {"error": "unauthorized: master key is required"})
BAD_TOKEN = error(209, "Invalid session token")

DIFFERENCES: dict[int, Answer] = {
    # No such route: a page of HTML there, JSON here, because SDKs read nothing else.
    15: no_route("GET /functions/hello"),
    16: no_route("PUT /functions/hello"),
    19: no_route("POST /functions"),
    23: no_route("GET /nosuchroute"),
    25: no_route("GET /"),
    26: no_route("GET /"),
    115: no_route("BREW /classes/GameScore"),
    186: no_route("DELETE /classes/GameScore"),
    192: no_route("PUT /classes/GameScore"),
    193: no_route("POST /classes/GameScore/abcdefghij"),
    463: no_route("POST /config"),
    # A body that is no JSON object: the same.
    47: bad_json("Expecting value: line 1 column 6 (char 5)"),
    48: bad_json("Expecting value: line 1 column 1 (char 0)"),
    50: NOT_AN_OBJECT,
    51: NOT_AN_OBJECT,
    52: NOT_AN_OBJECT,
    182: bad_json("Expecting ':' delimiter: line 1 column 5 (char 4)"),
    # JSON is UTF-8 whatever the header says.
    56: Answer(200, {"result": {"a": "x"}}),
    # JavaScript's danger is a name like any other in Python's functions.
    53: Answer(200, {"result": {"__proto__": {"x": 1}, "a": 1}}),
    54: Answer(200, {"result": {"constructor": {"x": 1}, "a": 1}}),
    # Python knows no undefined; .NET needs a result.
    31: Answer(200, {"result": None}),
    # What an unexpected error says stays in the log.
    32: error(141, "Script failed. The server's log says why."),
    # SDKs' own keys never reach an app, wherever the app id stands.
    112: Answer(
        200,
        {
            "result": {
                "master": False,
                "ip": "127.0.0.1",
                "functionName": "whoami",
                "context": {},
                "params": {"a": 1},
            }
        },
    ),
    # 9.x says "Permission denied" where 7.x, which SDKs' tests expect, gives the reason.
    144: unknown_class("NoSuch"),
    177: unknown_class("BrandNew"),
    260: error(102, "Bad $or format - use an array value."),
    304: unknown_class("NoSuchClass"),
    358: BAD_TOKEN,
    378: error(206, "Insufficient auth."),
    379: error(206, "Cannot modify user {id:1}."),
    387: BAD_TOKEN,
    400: BAD_TOKEN,
    401: error(119, "master key is required"),
    438: error(119, "Invalid application ID.", 403),
    440: NO_MASTER,
    441: NO_MASTER,
    454: NO_MASTER,
    # An internal error there, a refusal here: SDKs repeat a 5xx.
    162: error(111, "This is not a valid Date"),
    202: error(107, "incrementing must provide a number"),
    210: error(107, "objects to add must be an array"),
    217: error(108, "The Frobnicate operator is not supported yet."),
    216: error(108, "The Batch operator is not supported yet."),
    218: error(108, "The SetOnInsert operator is not supported yet."),
    # Taken there, refused here: what could never be read back as it was meant.
    163: error(111, "This is not a valid GeoPoint"),
    168: error(105, "Invalid field name: a.b."),
    201: error(107, "incrementing must provide a number"),
    533: error(111, "This is not a valid ACL"),
    # MongoDB's meaning, where PostgreSQL drops nulls, has three-valued logic and sets without
    # order, or gives up.
    156: Answer(200, with_nulls),
    208: Answer(200, {"skills": ["a", "b", "c", "c", "d"], "updatedAt": "{date}"}),
    209: Answer(200, {"skills": ["b", "d"], "updatedAt": "{date}"}),
    212: Answer(200, {"skills": ["b", "d", {"a": 1}], "updatedAt": "{date}"}),
    215: Answer(200, {"score": -2.5, "skills": ["b", "d", {"a": 1}, "z"], "updatedAt": "{date}"}),
    219: Answer(200, in_order),
    225: Answer(200, in_order),
    246: players(11, 0, 3, 4, 5, 6, 7, 8, 9, 10),
    251: players(1, 3, 5, 7, 9),
    252: players(11, 0, 1),
    256: Answer(400, None),
    259: players(11, 1),
    262: players(1),
    270: error(107, "bad constraint: $foo"),
    272: Answer(200, {"results": [], "count": 12}),
    279: rows(
        *({"score": 100 - 10 * rank, "objectId": f"{{id:{11 - rank}}}"} for rank in range(3))
    ),
    280: rows(
        {"objectId": "{id:12}"},
        {"score": 100, "cheatMode": False, "objectId": "{id:11}"},
        {"score": 80, "cheatMode": False, "objectId": "{id:9}"},
        {"score": 70, "cheatMode": False, "objectId": "{id:8}"},
    ),
    285: rows({"score": 10, "objectId": "{id:2}"}, {"score": 20, "objectId": "{id:3}"}),
    462: Answer(200, {"result": True}),
    # AddUnique is unique on a new object as well.
    222: Answer(201, {"skills": ["q"], "objectId": "{id:4}", "createdAt": "{date}"}),
    # Bounds are whole numbers from 0.
    287: error(102, "limit must be a whole number from 0 to 2147483647."),
    288: error(102, "limit must be a whole number from 0 to 2147483647."),
    290: error(102, "skip must be a whole number from 0 to 2147483647."),
    291: error(102, "skip must be a whole number from 0 to 2147483647."),
    # What no class can be called is told so, before it is asked who may make classes.
    179: error(107, "schema class name does not revalidate"),
    181: error(107, "schema class name does not revalidate"),
    # An object keeps its id: SDKs send it along, and nothing else in its place.
    190: Answer(200, {**ROW, "objectId": "{id:14}", "score": 6}),
    191: error(101, "Object not found.", 404),
    # A batch may be sent through either mount, does not nest, and is no transaction.
    315: Answer(200, [{"success": {"objectId": "{id:99}", "createdAt": "{date}"}}]),
    317: error(107, "cannot route POST /batch in a batch"),
    322: error(107, "each request needs a method and a path"),
    324: error(108, "Batches as transactions are not supported yet."),
    # A config without params is a mistake; a deleted one leaves nothing behind.
    461: error(107, 'The body must be {"params": {...}}.'),
    465: Answer(200, only_living_parameters),
    # Who may read is not for clients to ask for.
    277: error(105, "Invalid key name: _rperm"),
    # 7.x types the user of /users/me; a session's answer tells when it began.
    357: Answer(200, typed),
    361: Answer(200, typed),
    366: Answer(200, typed),
    390: Answer(201, lambda answer: {**answer, "createdAt": "{date}"}),
    # One sentence for every token that is none.
    388: BAD_TOKEN,
    # Cloud code acts as its caller without holding the caller's token.
    362: Answer(200, without_token),
    # While developing, mails are files.
    403: Answer(200, {}),
    404: Answer(200, {}),
    # Not served yet, and said so.
    # A client that may make itself a moderator is none of ours.
    380: error(119, "isModerator can only be changed with the master key."),
    384: Answer(200, without("isModerator")),
    398: Answer(200, without("isModerator")),
}


_COLLATIONS = {328, 373}

# What these servers cannot do, and what shows it later. Of nx-27017 also: members of objects,
# regular expressions that are none. Of FerretDB also: $containedBy.
GAPS = {
    NX: _COLLATIONS | {204, 219, 225, 465, 256},
    JAVA: _COLLATIONS,
    FERRETDB: _COLLATIONS | {252},
}


def load(name):
    return json.loads((EXCHANGES / f"{name}.json").read_text("utf-8"))


# --- replaying ----------------------------------------------------------------------------------


@pytest.fixture
def client(make_app, forget_cloud_code, database_uri):
    settings = {
        **KEYS,
        "database_uri": database_uri,
        "cloud_code_main": str(EXCHANGES / "cloud_code.py"),
    }
    client = make_app(**settings).test_client()
    for class_name, columns in COLUMNS.items():
        made = client.post(f"/1/classes/{class_name}", json=columns, headers=MASTER)
        assert made.status_code == 201, made.text
        path = f"/1/classes/{class_name}/{made.json['objectId']}"
        assert client.delete(path, headers=MASTER).status_code == 200
    return client


@pytest.fixture
def forget_cloud_code():
    """Leave the process's registry as it was."""
    before = dict(cloud._functions)
    yield
    cloud._functions.clear()
    cloud._functions.update(before)


@pytest.mark.parametrize("name", sorted(path.stem for path in EXCHANGES.glob("*.json")))
def test_recorded_exchanges(client, name, store_name):
    gaps = GAPS.get(store_name, ())
    bound: dict[str, str] = {"{host}": "http://localhost"}
    mismatches = []
    for exchange in load(name):
        if exchange["method"] == "POST":  # objects of one millisecond are ordered by chance
            time.sleep(0.0011)
        found = [*replay(client, exchange, bound)]
        if exchange["number"] not in gaps:
            mismatches += [f"#{exchange['number']} {exchange['what']}: {one}" for one in found]
    assert not mismatches, "\n" + "\n".join(mismatches)


def test_every_difference_is_one():
    recorded = {
        exchange["number"] for path in EXCHANGES.glob("*.json") for exchange in load(path.stem)
    }
    assert DIFFERENCES.keys() <= recorded


def replay(client, exchange, bound):
    """Send the request, bind what is new, and yield how the answer differs."""
    response = send(client, fill(exchange, bound))
    difference = DIFFERENCES.get(exchange["number"])
    status = difference.status if difference else exchange["status"]
    if response.status_code != status:
        yield f"status {response.status_code} instead of {status}: {response.text[:300]}"
        return
    body = response.json if response.mimetype == "application/json" else response.text
    if difference is None:
        wanted = exchange.get("answer", exchange.get("answer_text", ""))
        yield from differ(wanted, body, bound, "")
        if "location" in exchange:
            yield from differ(
                exchange["location"], response.headers.get("Location"), bound, " Location"
            )
    elif difference.body is not None:
        wanted = difference.body
        if callable(wanted):
            wanted = wanted(exchange["answer"])
        yield from differ(wanted, body, bound, "")


def send(client, exchange):
    query = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in exchange.get("query", {}).items()
    }
    data = exchange.get("text")
    if "body" in exchange:
        data = json.dumps(exchange["body"])
    headers = exchange.get("headers")
    if headers is None:
        headers = REST | ({"Content-Type": "application/json"} if data else {})
    return client.open(
        exchange["path"],
        method=exchange["method"],
        query_string=query,
        data=data,
        headers=headers,
    )


def fill(value, bound):
    """Put what is bound into every text of a request, keys included."""
    if isinstance(value, str):
        return PLACEHOLDER.sub(lambda found: bound.get(found[0], found[0]), value)
    if isinstance(value, list):
        return [fill(member, bound) for member in value]
    if isinstance(value, dict):
        return {fill(key, bound): fill(member, bound) for key, member in value.items()}
    return value


def differ(wanted, got, bound, place):
    """Yield where an answer is not what is wanted; order counts in arrays alone."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        wanted = {fill(key, bound): value for key, value in wanted.items()}
        for key in wanted.keys() - got.keys():
            yield f"{place}.{key} is missing, {wanted[key]!r} was due"
        for key in got.keys() - wanted.keys():
            yield f"{place}.{key} is too much: {got[key]!r}"
        for key in wanted.keys() & got.keys():
            yield from differ(wanted[key], got[key], bound, f"{place}.{key}")
    elif isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        for index, (one, other) in enumerate(zip(wanted, got, strict=True)):
            yield from differ(one, other, bound, f"{place}[{index}]")
    elif isinstance(wanted, str) and isinstance(got, str):
        if not fits(wanted, got, bound):
            yield f"{place} is {got!r} instead of {fill(wanted, bound)!r}"
    elif wanted != got or isinstance(wanted, bool) != isinstance(got, bool):
        yield f"{place} is {got!r} instead of {wanted!r}"


def fits(wanted, got, bound):
    """Compare two texts, and bind the placeholders that are seen for the first time."""
    parts = re.split(f"({PLACEHOLDER.pattern})", fill(wanted, bound))
    match = re.fullmatch("".join(map(pattern_of, parts)), got)
    if match is None:
        return False
    new = dict(zip(parts[1::2], match.groups(), strict=True))
    bound |= {name: text for name, text in new.items() if name != "{date}"}
    return True


def pattern_of(part):
    kind = part.strip("{}").partition(":")[0]
    return f"({PLACEHOLDERS[kind]})" if PLACEHOLDER.fullmatch(part) else re.escape(part)
