"""Accounts: passwords cannot be guessed, sessions end, keys tell nothing of themselves."""

import ast
import itertools
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import bcrypt
import pytest
import time_machine
from image_host import KEYS, MASTER
from panel_client import PASSWORD, PanelClient, PanelInstallation, notices
from parse_app import ParseApp

from cloud.clock import utc_now
from config import DEVELOPMENT_KEYS, SettingsError, load_settings

LIMIT = 8
REPOSITORY = Path(__file__).resolve().parents[2]


class House:
    """An installation with a moderator, bob, and doors at which a name and a password are tried."""

    def __init__(self, app):
        self.app, self.parse = app, ParseApp(app)
        self.panel = PanelInstallation(app)
        self.bob = self.panel.moderator("bob")
        self._addresses = itertools.count(1)

    def elsewhere(self):
        """An address that nobody has tried from."""
        return f"192.0.2.{next(self._addresses)}"

    def call(self, address, method, path, body, **headers):
        return self.app.test_client().open(
            path,
            method=method,
            json=body if method == "POST" else None,
            query_string=body if method == "GET" else None,
            headers={**KEYS, **headers},
            environ_overrides={"REMOTE_ADDR": address},
        )

    def sign_in(self, address, name, password):
        browser = PanelClient(self.app)
        browser.client.environ_base["REMOTE_ADDR"] = address
        return browser.sign_in(name, password)


def _rest(method, path, **more):
    def try_it(house, address, name, password):
        body = {"username": name, "password": password, **more}
        answer = house.call(address, method, path, body)
        return answer.status_code == 200, answer.json.get("error")

    return try_it


def _batch(house, address, name, password):
    wanted = {"method": "POST", "path": "/parse/login"}
    wanted |= {"body": {"username": name, "password": password}}
    (one,) = house.call(address, "POST", "/parse/batch", {"requests": [wanted]}).json
    return "success" in one, one.get("error", {}).get("error")


def _panel(house, address, name, password):
    answer = house.sign_in(address, name, password)
    return answer.status_code == 303, " ".join(notices(answer))


DOORS = {
    "login": _rest("POST", "/parse/login"),
    "login by GET": _rest("GET", "/parse/login"),
    "login at /1": _rest("POST", "/1/login"),
    "login in capitals": _rest("POST", "/PARSE/LogIn/"),
    "login by _method": _rest("POST", "/parse/login", _method="GET"),
    "verifyPassword": _rest("POST", "/parse/verifyPassword"),
    "verifyPassword by GET": _rest("GET", "/1/verifyPassword"),
    "challenge": _rest("POST", "/parse/challenge", challengeData={"x": {}}),
    "batch": _batch,
    "panel": _panel,
}
# Each test tries all doors; which of them it begins with is all of them in `make security`.
_USUALLY = ("login", "batch", "panel")
_TRIED = [
    pytest.param(door, marks=[] if door in _USUALLY else [pytest.mark.full]) for door in DOORS
]


@pytest.fixture
def house(make_app):
    return House(make_app())


@pytest.fixture
def looks(monkeypatch):
    """The costs of all hashes that passwords were compared with."""
    seen, real = [], bcrypt.checkpw

    def counted(password, hashed):
        seen.append(hashed[4:6])
        return real(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", counted)
    return seen


# --- guessing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", _TRIED)
def test_eight_wrong_passwords_close_every_door_of_an_account(house, tally, door):
    for _ in range(LIMIT):
        assert DOORS[door](house, house.elsewhere(), "bob", "guess")[0] is False
    for name, other in DOORS.items():
        assert other(house, house.elsewhere(), "bob", PASSWORD)[0] is False, name
        tally.refused()
    with time_machine.travel(utc_now() + timedelta(minutes=15, seconds=2), tick=False):
        assert DOORS[door](house, house.elsewhere(), "bob", PASSWORD)[0] is True


@pytest.mark.parametrize("door", _TRIED)
def test_eight_wrong_passwords_close_every_door_to_an_address(house, tally, door):
    address = house.elsewhere()
    for number in range(LIMIT):
        assert DOORS[door](house, address, f"user{number}", "guess")[0] is False
    for name, other in DOORS.items():
        assert other(house, address, "bob", PASSWORD)[0] is False, name
        tally.refused()
    assert DOORS[door](house, house.elsewhere(), "bob", PASSWORD)[0] is True


@pytest.mark.parametrize("names", [["bob"], [f"user{number}" for number in range(40)]])
def test_of_forty_guesses_at_once_through_all_doors_eight_are_looked_at(house, looks, tally, names):
    """On one account from many addresses, or on many from one."""
    house.parse.services.objects.prepare()
    doors = list(DOORS.values())
    one = house.elsewhere()

    def guess(number):
        name = names[number % len(names)]
        address = one if len(names) > 1 else f"198.51.100.{number}"
        return doors[number % len(doors)](house, address, name, "guess")[0]

    with ThreadPoolExecutor(12) as threads:
        assert not any(threads.map(guess, range(40)))
    assert len(looks) == LIMIT
    tally.refused(40)


def test_of_fifty_guesses_in_each_of_four_batches_at_once_eight_are_looked_at(house, looks, tally):
    house.parse.services.objects.prepare()
    wanted = [
        {"method": "POST", "path": path, "body": {"username": "bob", "password": f"{n}"}}
        for n in range(25)
        for path in ("/parse/login", "/1/verifyPassword")
    ]

    def send(_):
        return house.call(house.elsewhere(), "POST", "/parse/batch", {"requests": wanted}).json

    with ThreadPoolExecutor(4) as threads:
        answers = [one for batch in threads.map(send, range(4)) for one in batch]
    assert all("error" in one for one in answers)
    assert len(looks) == LIMIT
    tally.refused(len(answers))


@pytest.mark.parametrize(
    "forge",
    [
        lambda number: {"X-Forwarded-For": f"203.0.113.{number}"},
        lambda number: {"X-Real-Ip": f"203.0.113.{number}"},
        lambda number: {"Forwarded": f"for=203.0.113.{number}"},
        lambda number: {"X-Forwarded-For": f"203.0.113.{number}, 127.0.0.1"},
        lambda number: {"X-Parse-Installation-Id": f"{number}", "X-Client-Ip": f"10.0.0.{number}"},
    ],
)
def test_nobody_makes_up_an_address(house, forge):
    address = house.elsewhere()
    body = {"username": "user", "password": "guess"}
    for number in range(LIMIT):
        body["username"] = f"user{number}"
        house.call(address, "POST", "/parse/login", body, **forge(number))
    right = {"username": "bob", "password": PASSWORD}
    answer = house.call(address, "POST", "/parse/login", right, **forge(99))
    assert "locked" in answer.json["error"]


def test_behind_a_proxy_the_address_is_what_the_proxy_says(make_app):
    keys = {"app_id": "myAppId", "master_key": "m", "rest_api_key": "r", "trusted_proxies": 1}
    house = House(make_app(**keys))
    headers = {"X-Parse-REST-API-Key": "r"}
    for number in range(LIMIT + 1):
        forged = {**headers, "X-Forwarded-For": f"10.1.1.{number}, 198.51.100.9"}
        body = {"username": f"user{number}", "password": "guess"}
        answer = house.call("10.0.0.1", "POST", "/parse/login", body, **forged)
    assert "locked" in answer.json["error"]


# --- what an answer tells -------------------------------------------------------------------------


@pytest.mark.real_passwords
@pytest.mark.parametrize("door", _TRIED)
def test_unknown_users_and_wrong_passwords_are_the_same_in_text_and_work(house, looks, tally, door):
    house.panel.user("nopassword", _hashed_password=None)
    cost10 = bcrypt.hashpw(b"other", bcrypt.gensalt(10)).decode()
    house.panel.user("real", _hashed_password=cost10)
    house.panel.user("closed", _hashed_password=cost10, ACL={})
    answers, work = set(), []
    for name in ("nobody", "real", "closed", "nopassword", "NOBODY", "a@b.example"):
        looks.clear()
        answers.add(DOORS[door](house, house.elsewhere(), name, "guess"))
        work.append(tuple(looks))
        tally.refused()
    assert len(answers) == 1
    assert set(work) == {(b"10",)}


# --- sessions -------------------------------------------------------------------------------------


def test_parse_sessions_last_thirty_days(house):
    right = {"username": "bob", "password": PASSWORD}
    begun = house.call(house.elsewhere(), "POST", "/parse/login", right)
    token = {"X-Parse-Session-Token": begun.json["sessionToken"]}
    for days, status in [(0, 200), (29.99, 200), (30.01, 400)]:
        with time_machine.travel(utc_now() + timedelta(days=days), tick=False):
            answer = house.call("192.0.2.1", "GET", "/parse/users/me", {}, **token)
            assert answer.status_code == status, days
    assert answer.json["code"] == 209


def test_parse_sessions_end_when_they_are_revoked(house):
    def log_in():
        right = {"username": "bob", "password": PASSWORD}
        answer = house.call(house.elsewhere(), "POST", "/parse/login", right)
        return {"X-Parse-Session-Token": answer.json["sessionToken"]}

    def is_in(token):
        return house.call("192.0.2.1", "GET", "/parse/users/me", {}, **token).status_code == 200

    first, second, third = log_in(), log_in(), log_in()
    house.call("192.0.2.1", "POST", "/parse/logout", {}, **first)
    assert [is_in(token) for token in (first, second, third)] == [False, True, True]
    session = house.call("192.0.2.1", "GET", "/parse/sessions/me", {}, **second).json["objectId"]
    house.parse.delete(f"/sessions/{session}", MASTER)
    assert [is_in(token) for token in (second, third)] == [False, True]
    house.parse.put(f"/users/{house.bob}", {"password": "another one"}, MASTER)
    assert is_in(third) is False


def test_panel_sessions_last_an_hour_unused_and_twelve_in_all(house):
    start = utc_now()
    idle, busy = house.panel.browser("bob"), house.panel.browser("bob")

    def status(browser, minutes):
        with time_machine.travel(start + timedelta(minutes=minutes), tick=False):
            return browser.get("/account").status_code

    assert status(idle, 59) == 200
    assert status(idle, 59 + 62) == 302
    assert {status(busy, minutes) for minutes in range(50, 12 * 60, 50)} == {200}
    assert status(busy, 12 * 60 + 1) == 302


def test_panel_sessions_are_revoked_at_once(house):
    here, there, lost = browsers = [house.panel.browser("bob") for _ in range(3)]
    one = re.search(r'name="session" value="([^"]*)"', here.get("/account").text)[1]
    here.post("/account/sessions", of="/account", session=one)
    assert sum(browser.get("/account").status_code == 200 for browser in (there, lost)) == 1
    here.post("/account/sessions", of="/account")
    assert [browser.get("/account").status_code for browser in browsers] == [200, 302, 302]
    house.parse.put(f"/users/{house.bob}", {"isModerator": False}, MASTER)
    assert here.get("/account").status_code == 302


# --- keys -----------------------------------------------------------------------------------------

_SECRETS = (
    "master_key", "read_only_master_key", "maintenance_key", "rest_api_key", "js_key",
    "javascript_key", "client_key", "dotnet_key", "windows_key", "metrics_token", "token",
    "session_token", "secret", "signature", "csrf_token", "secret_key",
)  # fmt: skip
# Settings compared with settings, and texts that whoever sends them may know.
_HARMLESS = {
    "config.py": "the operator's own keys, with each other",
    "server/welcome.py": "the operator's own keys, with those of development",
    "server/panel/operator.py": "the operator's own keys, with those of development",
    "server/commands/doctor.py": "the operator's own keys, with those of development",
    "server/objects/installations.py": "where pushes go, which is nobody's key",
}


def _name(node):
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def test_keys_are_compared_in_constant_time_alone():
    compared, constant = [], 0
    for path in [REPOSITORY / "config.py", *(REPOSITORY / "server").rglob("*.py"),
                 *(REPOSITORY / "admin").rglob("*.py")]:  # fmt: skip
        where = str(path.relative_to(REPOSITORY))
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and _name(node.func) == "compare_digest":
                constant += 1
            if not isinstance(node, ast.Compare) or where in _HARMLESS:
                continue
            sides = [node.left, *node.comparators]
            is_equality = any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops)
            if is_equality and any(_name(side) in _SECRETS for side in sides):
                compared.append(f"{where}: {ast.unparse(node)}")
    assert compared == []
    assert constant >= 5


OPEN = [{"bind_host": "0.0.0.0"}, {"trusted_proxies": 1}, {"bind_host": "::"}]  # noqa: S104
OWN = {name: f"own-{name}" for name in DEVELOPMENT_KEYS}


@pytest.mark.parametrize("where", OPEN)
@pytest.mark.parametrize("name", [name for name in DEVELOPMENT_KEYS if name != "app_id"])
def test_keys_that_everybody_knows_are_refused_outside_development(where, name):
    load_settings(_env_file=None, **OWN, **where)
    with pytest.raises(SettingsError, match=name.upper()):
        load_settings(_env_file=None, **{**OWN, name: DEVELOPMENT_KEYS[name]}, **where)


@pytest.mark.parametrize("where", OPEN)
def test_no_keys_at_all_are_refused_outside_development(where):
    with pytest.raises(SettingsError):
        load_settings(_env_file=None, **where)


@pytest.mark.parametrize("client", ["app_id", "js_key", "rest_api_key", "client_key", "dotnet_key"])
@pytest.mark.parametrize("operators", ["master_key", "read_only_master_key", "maintenance_key"])
def test_a_key_of_every_client_is_no_operators_key(client, operators):
    with pytest.raises(SettingsError, match=client.upper()):
        load_settings(_env_file=None, **{**OWN, operators: "the same", client: " the same "})


@pytest.mark.parametrize("name", ["app_id", "master_key"])
@pytest.mark.parametrize("empty", ["", " "])
def test_empty_keys_are_refused(name, empty):
    with pytest.raises(SettingsError, match=name.upper()):
        load_settings(_env_file=None, **{**OWN, name: empty})


@pytest.mark.parametrize("name", ["X-Parse-Master-Key", "X-Parse-Maintenance-Key"])
@pytest.mark.parametrize("given", ["", " ", "null", "undefined", "x"])
def test_a_key_that_is_not_configured_opens_nothing(house, name, given):
    answer = house.call("192.0.2.1", "GET", "/parse/schemas", {}, **{name: given})
    assert answer.status_code == 403
