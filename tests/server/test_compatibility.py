"""docs/parse-compatibility.md says what the code does: no more, no less."""

import ast
import re

import pytest
from compatibility_table import DOCS, FILES, REPOSITORY, ROWS, refused, spoken, table
from image_host import KEYS

from cloud.values import Pointer
from server.parse import errors
from server.parse.aggregate import STAGES, read_aggregate
from server.parse.decode import decode, decode_column
from server.parse.errors import ParseError
from server.parse.operations import read_changes
from server.parse.query import read_find
from server.parse.where import read_where
from server.parse_face import parse_router
from server.routes.answers import CORS_HEADERS
from server.storage.pipeline import ACCUMULATORS, OPERATORS
from server.storage.port import ClassSchema

FLASK_ROUTES = {
    "GET /health",
    "GET /files/<app_id>/<name>",
    "GET /files/<app_id>/metadata/<name>",
    "GET /apps/<app_id>/request_password_reset",
    "POST /apps/<app_id>/request_password_reset",
    "GET /apps/<app_id>/verify_email",
    "POST /apps/<app_id>/resend_verification_email",
}
POINTER = {"__type": "Pointer", "className": "_User", "objectId": "abc"}


# --- reasons and proofs ---------------------------------------------------------------------------


def test_what_is_not_done_whole_has_a_reason_beside_it():
    without = [row.name for row in ROWS if row.answer != "yes" and not row.remark]
    assert without == []


def test_what_is_done_names_its_test():
    without = [row.name for row in ROWS if row.answer != "no" and not row.tests]
    assert without == []


def functions_of(path):
    return {
        node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)
    }


def test_every_test_that_is_named_is_there():
    functions = {label: functions_of(path) for label, path in FILES.items()}
    named = {test for row in ROWS for test in row.tests}
    assert [name for name, label in named if name not in functions.get(label, ())] == []
    assert FILES.keys() == {label for _, label in named}


# --- what the code knows --------------------------------------------------------------------------


@pytest.fixture
def routes(app):
    """Every route that is answered, with its variables under one name."""
    router = parse_router(app.extensions["parsewarden"], ["/parse"])
    found = {f"{method} {path}" for method, path in router.routes}
    return {with_plain_variables(route) for route in found | FLASK_ROUTES}


def with_plain_variables(route):
    return re.sub(r"<[^>]+>", "<>", route.lower())


def test_routes_are_those_of_the_table(routes):
    listed = {with_plain_variables(route) for route in spoken("route")}
    assert listed == routes
    assert not {with_plain_variables(route) for route in refused("route")} & routes


def test_a_route_that_is_a_no_is_refused_with_a_reason(client):
    for route in refused("route"):
        method, path = route.split()
        path = path.replace("<class_name>", "Thing").replace("<name>", "x")
        keys = {"X-Parse-Application-Id": "myAppId", "X-Parse-Master-Key": "myMasterKey"}
        response = client.open(f"/parse{path}", method=method, headers=keys)
        assert (response.status_code, response.json["code"]) == (404, 108), route


VARIABLES = {"app_id": "myAppId", "class_name": "Thing", "object_id": "x", "name": "x"}


def answers_of_routes(client, keys):
    """What each route of the table answers to such keys: its remark, status and body."""
    for row in ROWS:
        if row.head == "route":
            method, path = row.name.split()
            path = re.sub(r"<(\w+)>", lambda found: VARIABLES[found[1]], path)
            answer = client.open(f"/parse{path}", method=method, json={}, headers=keys)
            yield row, answer.status_code, answer.get_json(silent=True) or {}


def test_the_master_key_is_needed_where_the_table_says_so(parse):
    parse.create("Thing")
    for row, status, body in answers_of_routes(parse.client, KEYS):
        is_refused = body.get("code") == 119 or (status == 403 and "master key" in body["error"])
        assert is_refused is row.remark.startswith("M"), row.name


def test_keys_are_needed_unless_the_table_says_that_none_are(client):
    for row, status, body in answers_of_routes(client, {"X-Parse-Application-Id": "myAppId"}):
        is_refused = (status, body) == (403, {"error": "unauthorized"})
        assert is_refused is ("needs no key" not in row.remark), row.name


def source(*names):
    return "\n".join((REPOSITORY / name).read_text() for name in names)


def headers_of_the_table(*, ignored):
    names = {row.name: row.remark.startswith("ignored") for row in ROWS if row.head == "header"}
    return {name for name in spoken("header") if names[name] is ignored}


def test_headers_are_those_of_the_table():
    read = source(
        "server/parse/request.py", "server/routes/jobs.py", "server/files/uploads.py"
    ).lower()
    for header in headers_of_the_table(ignored=False):
        assert f'"{header.lower()}"' in read, header
    for header in refused("header") | headers_of_the_table(ignored=True):
        assert f'"{header.lower()}"' not in read, header


def test_headers_that_are_ignored_change_no_answer(parse):
    parse.create("Thing", {"n": 1})
    sent = KEYS | dict.fromkeys(headers_of_the_table(ignored=True), "1")
    assert parse.get("/classes/Thing", sent).json == parse.get("/classes/Thing").json
    assert parse.post("/classes/Thing", {"n": 2}, sent).status_code == 201


def test_browsers_may_send_every_header_of_the_table():
    of_devices = {"X-Parse-App-Build-Version", "X-Parse-App-Display-Version", "X-Parse-OS-Version"}
    in_answers = {"X-Parse-Job-Status-Id"}
    of_browsers = {"Content-Type", "X-Requested-With", "Pragma", "Cache-Control"}
    allowed = set(CORS_HEADERS["Access-Control-Allow-Headers"].split(", "))
    sent = spoken("header") - of_devices - in_answers - {"Authorization"}
    assert allowed == sent | of_browsers
    assert CORS_HEADERS["Access-Control-Allow-Methods"] == "GET,PUT,POST,DELETE,OPTIONS"


def test_a_session_that_is_over_is_told_on_every_route_but_login(client):
    over = KEYS | {"X-Parse-Session-Token": "r:over"}
    for row, _, body in answers_of_routes(client, over):
        is_told = body == {"code": 209, "error": "Invalid session token"}
        is_login = row.name.endswith(" /login")
        assert is_told is not (is_login or "needs no key" in row.remark), row.name


def test_keys_in_the_body_are_those_of_the_table():
    read = source("server/parse/request.py")
    assert all(f'"{key}"' in read for key in table("in the body"))


SAMPLES = {"where": "{}", "limit": "1", "skip": "1", "count": "1", "includeAll": "true"}
SAMPLES["explain"] = "true"
SAMPLES |= dict.fromkeys(
    ["readPreference", "includeReadPreference", "subqueryReadPreference"], "NEAREST"
)


def test_find_parameters_are_those_of_the_table():
    for name in spoken("parameter"):
        read_find({name: SAMPLES.get(name, "name")})
    for name in [*refused("parameter"), "anythingElse"]:
        with pytest.raises(ParseError):
            read_find({name: "1"})


def test_parameters_of_aggregate_are_those_of_the_table():
    thing = ClassSchema("Thing")
    samples = {"pipeline": "[]", **SAMPLES}
    for name in spoken("parameter of aggregate"):
        read_aggregate({name: samples.get(name, "name")}, thing)
    for name in [*refused("parameter of aggregate"), "anythingElse"]:
        with pytest.raises(ParseError):
            read_aggregate({name: "1"}, thing)


def test_stages_and_operators_are_those_that_are_listed():
    assert spoken("stage") == STAGES
    assert not refused("stage") & STAGES
    listed = set(re.findall(r"\$\w+", DOCS.split("Operators in expressions:")[1].split("##")[0]))
    assert listed == {*OPERATORS, "$switch", "$dateToString", "$literal", "$ROOT", "$CURRENT"}
    in_group = DOCS.split("| `$group` | yes |")[1].split("|")[0]
    assert set(re.findall(r"\$\w+", in_group)) == {*ACCUMULATORS, "$count"}


class NoSubqueries:
    """Answers the queries inside a query with nothing."""

    def in_query(self, class_name, where):
        return (Pointer(class_name, "abc"),)

    def select(self, class_name, where, key):
        return ("x",)

    def related_to(self, owner, key):
        return ("abc",)


QUERY = {"className": "Thing", "where": {}}
POINT = {"__type": "GeoPoint", "latitude": 1, "longitude": 2}
OPERANDS = {
    "$nearSphere": POINT,
    "$within": {"$box": [POINT, POINT]},
    "$geoWithin": {"$polygon": [POINT, POINT, POINT]},
    "$geoIntersects": {"$point": POINT},
    "$text": {"$search": {"$term": "x"}},
    "$in": [1],
    "$nin": [1],
    "$exists": True,
    "$all": [1],
    "$containedBy": [1],
    "$regex": "x",
    "$inQuery": QUERY,
    "$notInQuery": QUERY,
    "$select": {"query": QUERY, "key": "k"},
    "$dontSelect": {"query": QUERY, "key": "k"},
}
WHERES = {
    "$or": {"$or": [{"f": 1}]},
    "$and": {"$and": [{"f": 1}]},
    "$nor": {"$nor": [{"f": 1}]},
    "$relatedTo": {"$relatedTo": {"object": POINTER, "key": "k"}},
    "$options": {"f": {"$regex": "x", "$options": "i"}},
    **{
        f"$maxDistance{unit}": {"f": {"$nearSphere": POINT, f"$maxDistance{unit}": 1}}
        for unit in ("", "InMiles", "InKilometers", "InRadians")
    },
}


def test_constraints_are_those_of_the_table():
    for name in spoken("constraint"):
        where = WHERES.get(name, {"f": {name: OPERANDS.get(name, 1)}})
        read_where(where, NoSubqueries(), master=False)
    for name in [*refused("constraint"), "$anythingElse", "$where", "$expr"]:
        with pytest.raises(ParseError):
            read_where({"f": {name: 1}}, NoSubqueries(), master=False)


def test_operations_are_those_of_the_table():
    relation = {"__op": "AddRelation", "objects": [POINTER]}
    for name in spoken("operation"):
        operation = {"__op": name, "amount": 1, "ops": [relation]}
        operation["objects"] = [POINTER] if "Relation" in name else [1]
        read_changes({"f": operation}, creating=True)
    with pytest.raises(ParseError):
        read_changes({"f": {"__op": "AnythingElse"}}, creating=False)


TYPED = [
    {"__type": "Date", "iso": "2020-01-02T03:04:05.006Z"},
    {"__type": "Bytes", "base64": "AA=="},
    POINTER,
    {"__type": "File", "name": "x.jpg"},
    {"__type": "GeoPoint", "latitude": 1, "longitude": 2},
    {"__type": "Polygon", "coordinates": [[0, 0], [0, 1], [1, 1]]},
    {"__type": "Relation", "className": "Thing"},
]


def test_types_are_those_of_the_table():
    in_answers = {"Object"}
    assert {value["__type"] for value in TYPED} == spoken("type") - in_answers
    for value in TYPED:
        assert not isinstance(decode(value), dict)
    with pytest.raises(ParseError):
        decode_column("f", {"__type": "AnythingElse"})


def used_codes():
    """Every code that some line of the server or of cloud code answers with."""
    numbers = {name: value for name, value in vars(errors).items() if isinstance(value, int)}
    names = set()
    for path in [*(REPOSITORY / "server").rglob("*.py"), *(REPOSITORY / "cloud").rglob("*.py")]:
        tree = ast.parse(path.read_text())
        names |= {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and _is_read(n)}
    return {str(numbers[name]) for name in names & numbers.keys()}


def _is_read(name):
    return isinstance(name.ctx, ast.Load)


def test_error_codes_are_those_of_the_table():
    assert used_codes() == spoken("code")
