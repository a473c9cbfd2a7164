"""Which keys open what, and who a caller is."""

import pytest

from config import load_settings
from server.auth import Caller, authorise
from server.parse.errors import ParseError
from server.parse.request import Credentials
from server.routes.answers import error_body

HERE = "127.0.0.1"
ALL_KEYS = {
    "app_id": "app",
    "master_key": "master",
    "read_only_master_key": "readOnly",
    "rest_api_key": "rest",
    "js_key": "js",
    "client_key": "client",
}


def settings(**overrides):
    return load_settings(_env_file=None, **{**ALL_KEYS, **overrides})


def caller(ip=HERE, keys=None, **credentials):
    return authorise(Credentials(**{"app_id": "app", **credentials}), ip, {}, keys or settings())


def is_refused(**arguments):
    try:
        caller(**arguments)
    except ParseError as refusal:
        return (refusal.code, refusal.status, refusal.message) == (None, 403, "unauthorized")
    return False


@pytest.mark.parametrize(
    ("credentials", "refused"),
    [
        ({}, True),
        ({"rest_api_key": "rest"}, False),
        ({"javascript_key": "js"}, False),
        ({"client_key": "client"}, False),
        ({"rest_api_key": "wrong"}, True),
        ({"rest_api_key": "js"}, True),
        ({"rest_api_key": "REST"}, True),
        ({"rest_api_key": "wrong", "javascript_key": "js"}, False),
        ({"master_key": "wrong"}, True),
        ({"master_key": "wrong", "rest_api_key": "rest"}, False),
        ({"master_key": "master"}, False),
        ({"master_key": "master", "rest_api_key": "wrong"}, False),
        ({"master_key": "readOnly"}, False),
        ({"app_id": "wrong", "master_key": "master"}, True),
        ({"app_id": None, "rest_api_key": "rest"}, True),
        ({"app_id": "", "rest_api_key": "rest"}, True),
        ({"rest_api_key": "ü"}, True),
    ],
)
def test_the_app_id_and_one_key_open_the_door(credentials, refused):
    assert is_refused(**credentials) is refused


@pytest.mark.parametrize(
    ("credentials", "why"),
    [
        ({"app_id": None, "rest_api_key": "rest"}, "the application id was not sent"),
        ({"app_id": "secret", "rest_api_key": "rest"}, "the application id is not APP_ID"),
        ({}, "no key was sent"),
        ({"rest_api_key": "secret"}, "wrong key (rest)"),
        ({"javascript_key": "rest", "master_key": "secret"}, "wrong key (master, javascript)"),
        ({"master_key": "master", "ip": "1.2.3.4"}, "the master key came from a foreign address"),
    ],
)
def test_the_log_says_why_a_caller_is_refused_and_the_caller_does_not_learn_it(credentials, why):
    with pytest.raises(ParseError) as refusal:
        caller(**credentials)
    assert str(refusal.value) == f"unauthorized: {why}"
    assert error_body(refusal.value) == {"error": "unauthorized"}


def test_without_configured_keys_none_is_needed():
    none = settings(rest_api_key="", js_key="", client_key="")
    assert not is_refused(keys=none)
    assert is_refused(keys=none, app_id="wrong")
    only_rest = settings(js_key="", client_key="")
    assert is_refused(keys=only_rest)
    assert is_refused(keys=only_rest, javascript_key="")


@pytest.mark.parametrize(
    ("key", "master", "read_only"),
    [("master", True, False), ("readOnly", True, True), ("wrong", False, False)],
)
def test_what_a_master_key_makes_of_a_caller(key, master, read_only):
    found = caller(master_key=key, rest_api_key="rest")
    assert (found.master, found.read_only) == (master, read_only)


def test_a_key_that_is_not_configured_equals_nothing():
    none = settings(read_only_master_key="")
    assert is_refused(keys=none, master_key="")
    assert is_refused(keys=none, master_key=None)


@pytest.mark.parametrize("key", ["master", "readOnly"])
@pytest.mark.parametrize(
    ("allowed", "ip", "refused"),
    [
        ("127.0.0.1,::1", "127.0.0.1", False),
        ("127.0.0.1,::1", "::1", False),
        ("127.0.0.1,::1", "127.0.0.2", True),
        ("127.0.0.1,::1", "::ffff:127.0.0.1", False),
        ("10.0.0.0/8", "10.255.255.255", False),
        ("10.0.0.0/8", "11.0.0.0", True),
        ("10.0.0.0/8", "9.255.255.255", True),
        ("0.0.0.0/0", "203.0.113.9", False),
        ("0.0.0.0/0", "2001:db8::1", True),
        ("::/0", "2001:db8::1", False),
    ],
)
def test_the_master_keys_count_from_some_addresses_alone(key, allowed, ip, refused):
    keys = settings(master_key_ips=allowed)
    assert is_refused(keys=keys, ip=ip, master_key=key, rest_api_key="rest") is refused


def test_who_has_roles_is_asked_once():
    asked = []

    def roles_of(user_id):
        asked.append(user_id)
        return ("A", "B")

    alice = Caller(master=False, ip=HERE, user={"objectId": "alice"}, find_role_names=roles_of)
    assert alice.principals == ("*", "alice", "role:A", "role:B")
    assert alice.principals == alice.principals
    assert asked == ["alice"]


def test_nobody_is_everybody_and_has_no_roles():
    nobody = Caller(master=False, ip=HERE, find_role_names=lambda _: ("A",))
    assert nobody.user_id is None
    assert nobody.principals == ("*",)
    assert nobody.role_names == ()


def test_a_callers_secrets_are_not_in_its_repr():
    alice = Caller(
        master=False,
        ip=HERE,
        user={"objectId": "alice", "_hashed_password": "hash"},
        session_token="r:secret",
        headers={"x-parse-session-token": "r:secret"},
    )
    assert "secret" not in repr(alice)
    assert "hash" not in repr(alice)
    assert "rest" not in repr(Credentials(app_id="app", rest_api_key="rest"))


def test_what_asks_for_the_master_key_says_so():
    with pytest.raises(ParseError) as refusal:
        Caller(master=False, ip=HERE).require_master()
    assert refusal.value.status == 403
    Caller(master=True, ip=HERE).require_master()


def test_the_read_only_key_may_not_write():
    with pytest.raises(ParseError) as refusal:
        Caller(master=True, ip=HERE, read_only=True).require_write()
    assert refusal.value.code == 119
    Caller(master=True, ip=HERE).require_write()
    Caller(master=False, ip=HERE).require_write()
