"""GET /serverInfo: what a dashboard may show, for the master key alone."""

import pytest
from image_host import KEYS, MASTER


def test_it_names_a_version_and_features(parse):
    info = parse.get("/serverInfo", MASTER).json
    assert info["parseServerVersion"].count(".") == 2
    assert info["features"]["globalConfig"]["update"] is True


@pytest.mark.parametrize("path", ["/serverInfo", "/serverinfo", "/SERVERINFO/"])
def test_its_name_is_in_any_case(parse, path):
    assert parse.get(path, MASTER).status_code == 200


@pytest.mark.parametrize("by", [None, {**MASTER, "X-Parse-Master-Key": "wrong"}, KEYS])
def test_clients_learn_nothing(parse, by):
    assert parse.get("/serverInfo", by).status_code == 403


def test_the_read_only_master_key_may_look(make_parse):
    parse = make_parse(read_only_master_key="readOnly")
    read_only = {**MASTER, "X-Parse-Master-Key": "readOnly"}
    assert parse.get("/serverInfo", read_only).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_other_methods_are_not_routed(parse, method):
    assert parse.call(method, "/serverInfo", {}, MASTER).status_code == 404
