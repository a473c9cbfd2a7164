"""`/openapi.json` describes what there is, all of it."""

import re

import pytest

from server.parse_face import parse_router


@pytest.fixture
def document(client):
    answer = client.get("/openapi.json")
    assert answer.status_code == 200
    return answer.json


def test_every_parse_route_is_described(app, document):
    for method, path in parse_router(app.extensions["parsewarden"], ["/parse"]).routes:
        written = "/parse" + re.sub(r"<(?:path:)?(\w+)>", r"{\1}", path)
        assert method.lower() in document["paths"][written], (method, path)


def test_plain_routes_are_described(document):
    for path in ("/api/image/classify", "/api/image/is_safe"):
        assert {"get", "post"} <= document["paths"][path].keys()
    assert "get" in document["paths"]["/health"]


def test_every_variable_of_a_path_is_a_parameter(document):
    for path, operations in document["paths"].items():
        for operation in operations.values():
            given = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
            assert given == set(re.findall(r"{(\w+)}", path)), path


def test_every_reference_leads_somewhere(document):
    def references(value):
        if isinstance(value, dict):
            yield from [value["$ref"]] if "$ref" in value else []
            for inner in value.values():
                yield from references(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from references(inner)

    for reference in references(document):
        place = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_classifying_is_described_as_it_answers(client, document):
    operation = document["paths"]["/parse/functions/nsfwImageClassify"]["post"]
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    labels = schema["properties"]["result"]["items"]["properties"]["className"]["enum"]
    assert labels == ["Drawing", "Hentai", "Neutral", "Porn", "Sexy"]
    assert not re.search(r"my(Master|Rest|App|Js)", client.get("/openapi.json").text)
