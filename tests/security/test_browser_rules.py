"""Browsers' rules: Mozilla Observatory's, met by every answer, and no way that leads elsewhere."""

import itertools
import re
from html.parser import HTMLParser
from urllib.parse import urlsplit

import pytest
from panel_addresses import panel_paths
from panel_app import PASSWORD, PanelApp

TLS = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.1"}
OWN_KEYS = {"app_id": "myAppId", "master_key": "own-master", "rest_api_key": "myOwnRest"}
HALF_A_YEAR_S = 15_768_000
PNG_NAME, HTML_NAME = f"{'0' * 32}_x.png", f"{'0' * 32}_x.html"
OUTSIDE = (
    "/", "/health", "/health/ready", "/openapi.json", "/metrics", "/nowhere", "/parse",
    "/parse/classes/X", "/parse/config", "/1/users/me", "/parse/serverInfo",
    f"/parse/files/myAppId/{PNG_NAME}", f"/parse/files/myAppId/{HTML_NAME}",
    "/parse/files/myAppId/none.png", "/parse/files/other/x.png", "/api/image/classify",
    "/parse/apps/myAppId/verify_email?token=x", "/parse/apps/other/verify_email",
    "/parse/apps/myAppId/request_password_reset?token=x", "/admin/sign-in", "/admin",
    "/admin/nowhere", "/admin/static/panel.css",
)  # fmt: skip
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class Markup(HTMLParser):
    """What of a page would run or load: inline code, and addresses elsewhere."""

    def __init__(self, text):
        super().__init__()
        self.inline, self.addresses, self._script = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self._script = tag == "script" and "src" not in given
        self._script = self._script and given.get("type") != "application/json"
        self.inline += [name for name in given if name.startswith("on") or name == "style"]
        self.addresses += [given[name] for name in ("src", "href", "action") if given.get(name)]

    def handle_data(self, data):
        if self._script and data.strip():
            self.inline.append(data)


def _all_answers(panel, visitor):
    client = panel.app.test_client()
    for name in (PNG_NAME, HTML_NAME):
        panel.services.database.files.put(name, b"<script>", {})
    yield from ((path, client.get(path, headers=TLS)) for path in OUTSIDE)
    yield "preflight", client.options("/parse/classes/X", headers=TLS)
    for path in panel_paths(panel.app, panel.waits(porn=0.5), panel.ids["alice"]):
        yield path, visitor.get(path, headers=TLS)


def test_mozilla_observatorys_rules_are_met_by_every_answer(make_app, tally):
    panel = PanelApp(make_app(trusted_proxies=1, **OWN_KEYS))
    visitor = panel.app.test_client()
    page = visitor.get("/admin/sign-in", headers=TLS)
    token = _TOKEN.search(page.text)[1]
    form = {"csrf_token": token, "name": "alice", "password": PASSWORD}
    headers = {**TLS, "Referer": "https://localhost/admin/sign-in"}
    signed_in = visitor.post(
        "/admin/sign-in", data=form, headers=headers, base_url="https://localhost"
    )
    assert signed_in.status_code == 303
    for path, answer in itertools.chain([("sign-in", signed_in)], _all_answers(panel, visitor)):
        with answer:
            _check_observatory(path, answer)
        tally.survived()


def _check_observatory(path, answer):
    headers, policy = answer.headers, answer.headers["Content-Security-Policy"]
    rules = {part.split()[0]: part.split()[1:] for part in policy.split(";") if part.strip()}
    assert rules["default-src"] == ["'none'"], path
    assert rules["frame-ancestors"] == ["'none'"], path
    assert "unsafe" not in policy, path
    for kind in ("script-src", "style-src", "object-src", "connect-src"):
        assert all(word == "'self'" or word.startswith("'sha256-") for word in rules.get(kind, []))
    assert headers["X-Content-Type-Options"] == "nosniff", path
    assert headers["Referrer-Policy"] in ("no-referrer", "same-origin"), path
    age = re.fullmatch(r"max-age=(\d+).*", headers["Strict-Transport-Security"])
    assert int(age[1]) >= HALF_A_YEAR_S, path
    assert "Access-Control-Allow-Credentials" not in headers, path
    for cookie in headers.getlist("Set-Cookie"):
        assert {"Secure", "HttpOnly", "SameSite=Lax"} <= set(cookie.split("; ")), path
    for name in ("Server", "X-Powered-By", "X-AspNet-Version"):
        assert name not in headers, path
    location = headers.get("Location", "/")
    assert location.startswith("/"), path
    assert not location.startswith(("//", "/\\")), path
    if answer.mimetype == "text/html":
        _check_page(path, answer, rules)


def _check_page(path, answer, rules):
    headers = answer.headers
    assert rules.get("base-uri") == ["'none'"], path
    assert rules["form-action"] == ["'self'"], path
    assert headers["X-Frame-Options"] == "DENY", path
    assert "camera=()" in headers["Permissions-Policy"], path
    assert "Access-Control-Allow-Origin" not in headers, path
    assert headers["Cache-Control"] == "no-store", path
    markup = Markup(answer.text)
    assert markup.inline == [], path
    elsewhere = [a for a in markup.addresses if urlsplit(a).scheme or a.startswith("//")]
    assert elsewhere == [], path


def test_without_tls_nobody_is_told_to_come_by_it(app):
    answer = app.test_client().get("/", headers=TLS)  # nobody is trusted to say so
    assert "Strict-Transport-Security" not in answer.headers


# --- where pages lead -----------------------------------------------------------------------------

TRICKS = [
    "//evil.example", "///evil.example", "\\\\evil.example", "/\\evil.example",
     "https:evil.example",
    "https:/evil.example", "https://evil.example", "http:evil", "javascript:alert(1)",
     "data:text/html,x",
    "/admin/\\evil.example", "/admin//evil.example/..", "/admin/..//evil.example",
     "/admin@evil.example",
    "/admin/%5c%5cevil.example", "/admin/%2f%2fevil.example/%2e%2e", "/admin.evil.example",
    "\t//evil.example", " //evil.example", "//evil.example\r\n/admin/",
     "/admin/\r\nLocation: //evil",
    "/admin/\u2028//evil", "//\u0665vil.example", "/\u2044/evil.example", "?next=//evil.example",
    "#//evil.example", ".evil.example", "@evil.example", "admin/review", "/ADMIN//evil",
     "/admin/./\\evil",
    "/admin/%00//evil.example", "//localhost@evil.example/admin/", "/parse/classes/x",
]  # fmt: skip


@pytest.fixture(scope="module")
def panel(make_app):
    return PanelApp(make_app(account_lockout_threshold=1000))


def leads_inside(location):
    """Whether a redirect stays below /admin, however a browser may read it."""
    path = location.partition("?")[0]
    return re.fullmatch(r"/admin(/[^/\\\s].*)?/?", path) and not re.search(r"\\|\.\.|[\r\n]", path)


@pytest.mark.parametrize("trick", TRICKS)
def test_no_redirect_leads_outside_of_the_panel(panel, tally, trick):
    client = panel.app.test_client()
    page = client.get("/admin/sign-in", query_string={"next": trick})
    assert 'value="//' not in page.text
    token = _TOKEN.search(page.text)[1]
    form = {"csrf_token": token, "name": "bob", "password": PASSWORD, "next": trick}
    answer = client.post("/admin/sign-in", data=form, query_string={"next": trick})
    assert answer.status_code == 303
    assert leads_inside(answer.headers["Location"])
    for path in ("/admin/sign-in", "/admin/second-factor", "/admin/new-password", "/admin/",
                 "/admin/history/image", "/admin/account/x", "/admin/team/x"):  # fmt: skip
        answer = client.get(path, query_string={"next": trick}, headers={"Host": "evil.example"})
        assert leads_inside(answer.headers.get("Location", "/admin")), path
    tally.refused()


@pytest.mark.parametrize("path", ["//evil.example", "//evil.example/admin", "/\\evil.example",
 "/admin//",
                                  "//evil.example/%2e%2e", "/parse//evil.example/",
                                   "//admin"])  # fmt: skip
def test_no_address_is_redirected_to_another_host(app, path):
    answer = app.test_client().get(path, headers={"Host": "localhost"})
    location = answer.headers.get("Location", "/")
    assert location.startswith("/")
    assert not location.startswith(("//", "/\\"))
