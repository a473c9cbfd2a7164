"""What is not there says so as a Parse Server does in which nobody has set it up."""

import pytest
from image_host import MASTER
from parse_app import error

READ = {
    "/hooks/functions": [],
    "/hooks/triggers": [],
    "/push_audiences": {"results": []},
    "/scriptlog": [],
}


@pytest.mark.parametrize(("path", "answer"), READ.items())
def test_there_is_nothing_to_read(parse, path, answer):
    found = parse.get(path, MASTER)
    assert (found.status_code, found.json) == (200, answer)


@pytest.mark.parametrize("name", ["AppOpened", "purchase"])
def test_events_are_taken_from_everybody_and_let_go(parse, name):
    answer = parse.post(f"/events/{name}", {"dimensions": {"a": "b"}})
    assert (answer.status_code, answer.json) == (200, {})


def test_nothing_can_be_pushed(parse):
    answer = parse.post("/push", {"where": {}, "data": {"alert": "x"}}, MASTER)
    assert (answer.status_code, *error(answer)) == (400, 115, "Missing push configuration")
    assert "X-Parse-Push-Status-Id" not in answer.headers


def test_the_security_check_is_not_enabled(parse):
    answer = parse.get("/security", MASTER)
    assert answer.status_code == 409
    assert "security.enableCheck" in answer.json["error"]


@pytest.mark.parametrize("path", [*READ, "/security"])
def test_clients_learn_nothing(parse, path):
    answer = parse.get(path, parse.person("alice"))
    assert answer.status_code == 403
    assert parse.post("/push", {}).status_code == 403


def test_a_dashboard_is_not_invited_to_what_is_absent(parse):
    features = parse.get("/serverInfo", MASTER).json["features"]
    for absent in ("hooks", "logs", "push", "settings"):
        assert not any(features[absent].values())
    assert features["cloudCode"] == {"jobs": True}
    assert features["schemas"]["addClass"] is True
