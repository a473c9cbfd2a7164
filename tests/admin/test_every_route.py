"""What holds for every address of the panel, the ones that come later included."""

import re
from dataclasses import fields

import pytest
from flask import Flask
from panel_client import PanelInstallation, notices

from admin.access import OPEN_ENDPOINTS
from admin.panel import add_panel
from admin.services import PanelServices
from config import load_settings
from server.app import create_app


def _rules():
    """All addresses; nobody visits these, so nothing has to stand behind them."""
    app = Flask("routes")
    nothing = PanelServices(**{each.name: None for each in fields(PanelServices)})
    add_panel(app, nothing, b"no secret")
    return [rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith("admin.")]


_VALUES = {
    "kind": "preview", "filename": "panel.css", "name": "bob", "nowhere": "nowhere",
    "format": "csv",
}  # fmt: skip
ROUTES = [
    pytest.param(
        rule.endpoint,
        method,
        re.sub(r"<(?:\w+(?:\(.*?\))?:)?(\w+)>", lambda v: _VALUES.get(v[1], "x"), rule.rule),
        id=f"{method} {rule.rule}",
    )
    for rule in _rules()
    for method in sorted(rule.methods - {"HEAD", "OPTIONS"})
]
CHANGES = [route for route in ROUTES if route.values[1] != "GET" and "nowhere" not in route.id]


@pytest.fixture(scope="module")
def panel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("routes")
    app = create_app(load_settings(_env_file=None, data_dir=folder, config_cache_ms=0))
    installation = PanelInstallation(app)
    installation.moderator("alice", admin=True)
    installation.moderator("bob")
    yield installation
    app.extensions["parsewarden"].close()


@pytest.fixture(scope="module")
def alice(panel):
    return panel.browser("alice").client


def test_there_are_routes_of_every_page():
    assert len(ROUTES) > 50
    assert len(CHANGES) > 20


@pytest.mark.parametrize(("endpoint", "method", "path"), ROUTES)
def test_every_answer_is_guarded(alice, panel, endpoint, method, path):
    for client in (panel.app.test_client(), alice):
        with client.open(path, method=method) as answer:
            assert answer.status_code < 500
            headers = answer.headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy or "sandbox" in policy
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        if endpoint != "admin.static":
            assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(("endpoint", "method", "path"), ROUTES)
def test_strangers_get_nothing(panel, endpoint, method, path):
    if endpoint in OPEN_ENDPOINTS:
        pytest.skip("open to all")
    answer = panel.app.test_client().open(path, method=method)
    assert answer.status_code == 302
    assert answer.headers["Location"].startswith("/admin/sign-in")
    as_script = panel.app.test_client().open(
        path, method=method, headers={"Accept": "application/json"}
    )
    assert as_script.status_code == 401


@pytest.mark.parametrize(("endpoint", "method", "path"), CHANGES)
@pytest.mark.parametrize("token", ["", "made up"], ids=["no token", "wrong token"])
def test_nothing_changes_without_the_sites_own_token(panel, alice, endpoint, method, path, token):
    client = panel.app.test_client() if endpoint in OPEN_ENDPOINTS else alice
    answer = client.open(path, method=method, data={"csrf_token": token})
    assert answer.status_code == 400
    assert "too old" in notices(answer)[0] if notices(answer) else "too old" in answer.text
    as_script = client.open(
        path, method=method, json={}, headers={"X-CSRFToken": token, "Accept": "application/json"}
    )
    assert (as_script.status_code, list(as_script.json)) == (400, ["error"])


# --- what is no page ------------------------------------------------------------------------------

_SAYS = {
    "en": {404: "There is nothing here, or not any more.", 405: "This is no page to come back to."},
    "de": {404: "Hier ist nichts, oder nicht mehr.", 405: "Auf diese Seite führt kein Weg"},
}


@pytest.mark.parametrize("language", ["en", "de"])
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/admin/nowhere", 404), ("POST", "/admin/nowhere/at/all", 404),
        ("DELETE", "/admin/review", 405), ("GET", "/admin/review/claim", 405),
        ("PATCH", "/admin/items/x", 405), ("GET", "/admin/items/x", 404),
    ],
)  # fmt: skip
def test_what_is_no_page_is_answered_by_the_panel(alice, method, path, status, language):
    answer = alice.open(path, method=method, headers={"Accept-Language": language})
    assert answer.status_code == status
    assert answer.mimetype == "text/html"
    assert f'<html lang="{language}">' in answer.text
    assert _SAYS[language][status] in answer.text
    assert 'class="top"' in answer.text, "there is a way on"
    if status == 405:
        assert method not in answer.headers["Allow"].split(", ")


def test_scripts_are_told_so_in_json(alice):
    answer = alice.get("/admin/nowhere", headers={"Accept": "application/json"})
    assert (answer.status_code, list(answer.json)) == (404, ["error"])
