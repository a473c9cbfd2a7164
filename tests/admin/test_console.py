"""The API console: real calls without a key in the page, and code that does the same."""

import base64
import html
import io
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from panel_app import panel_app
from running_server import REPOSITORY

from admin.api_calls import ApiCall, Incomplete, Route, Source, read_call, to_request
from admin.ports.api import ApiDoor
from admin.snippets import JS_KEY, REST_KEY, snippets
from server.moderation.classifications import SCHEMA as CLASSIFICATION
from server.storage.port import EVERYTHING

ASTRONAUT = (REPOSITORY / "docs" / "astronaut.jpg").read_bytes()
DOOR = ApiDoor("http://localhost:1337", "http://localhost:1337/parse", "myAppId")
# None that is a word of the page.
KEYS = {
    "app_id": "someApp",
    "js_key": "secret-of-scripts",
    "rest_api_key": "secret-of-rest",
    "client_key": "secret-of-clients",
    "master_key": "secret-of-masters",
}


@pytest.fixture
def panel(tmp_path, models_dir):
    with panel_app(tmp_path, models_dir, **KEYS) as panel:
        yield panel


@pytest.fixture
def alice(panel):
    return ConsoleVisitor(panel, "alice")


class ConsoleVisitor:
    """An admin in front of the console."""

    def __init__(self, panel, name):
        self.visitor = panel.signed_in(name)
        self.token = self.visitor.token("/account")

    def call(self, **values):
        """Send the form; returns the page."""
        return self.visitor.post("/console", values, token=self.token)

    def upload(self, data, **values):
        return self.call(source="file", file=(io.BytesIO(data), "picture.jpg"), **values)


def status(page):
    return re.search(r'class="state (?:approved|rejected)">([^<]+)<', page.text)[1]


def body(page):
    shown = re.search(r"<pre tabindex[^>]*><code>(.*?)</code>", page.text, re.DOTALL)[1]
    return json.loads(html.unescape(shown))


# --- calls ----------------------------------------------------------------------------------------


def test_the_function_classifies_an_upload(alice):
    page = alice.upload(ASTRONAUT, route="nsfwImageClassify")
    assert status(page) == "200 OK"
    found = body(page)["result"]
    assert found[0]["className"] == "Neutral"
    assert page.text.count('<rect class="value"') == 5
    assert "application/json" in page.text  # among the headers
    assert re.search(r"[0-9.]+ ms in the server", page.text)


@pytest.mark.parametrize("route", ["/api/image/classify", "/api/image/is_safe"])
def test_the_plain_routes_take_an_upload(alice, route):
    page = alice.upload(ASTRONAUT, route=route)
    assert status(page) == "200 OK"
    found = body(page)
    predictions = found["predictions"] if isinstance(found, dict) else found
    assert len(predictions) == page.text.count('<rect class="value"') == 5


def test_what_the_console_shows_is_what_the_route_answers(panel, alice):
    shown = body(alice.upload(ASTRONAUT, route="/api/image/is_safe"))
    direct = panel.app.test_client().post("/api/image/is_safe", data=ASTRONAUT)
    assert shown == direct.json


@pytest.mark.parametrize("route", ["nsfwImageClassify", "/api/image/classify"])
def test_the_server_fetches_nothing_inside(alice, route):
    page = alice.call(route=route, source="url", url="http://169.254.169.254/latest/meta-data/")
    assert status(page).startswith("400")
    assert "169.254" not in body(page)["error"]


def test_a_file_that_is_no_image_is_answered_as_to_an_app(panel, alice):
    page = alice.upload(b"no image at all", route="/api/image/classify")
    direct = panel.app.test_client().post("/api/image/classify", data=b"no image at all")
    assert status(page).startswith(str(direct.status_code))
    assert body(page) == direct.json
    assert page.text.count('<rect class="value"') == 0


def test_a_file_that_is_too_large_is_refused(tmp_path, models_dir):
    with panel_app(tmp_path, models_dir, **KEYS, max_image_bytes=50_000) as panel:
        alice = ConsoleVisitor(panel, "alice")
        assert status(alice.upload(bytes(60_000), route="/api/image/classify")).startswith("413")
        assert alice.upload(bytes(200_000), route="/api/image/classify").status_code == 413


def test_status_tells_of_an_object_what_everybody_may_read(panel, alice):
    item = panel.item(panel.waits(porn=0.1))
    page = alice.call(route="moderationStatus", object_id=item.subject.object_id)
    assert status(page) == "200 OK"
    assert body(page)["result"]["state"] == "review"
    page = alice.call(route="moderationStatus", object_id="unknown")
    assert status(page).startswith("4")
    assert body(page)["code"] == 101


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"route": "nsfwImageClassify", "source": "url"}, "Fill in the address of an image."),
        ({"route": "/api/image/is_safe", "source": "file"}, "Choose a picture."),
        ({"route": "moderationStatus"}, "Fill in the objectId."),
    ],
)
def test_what_is_missing_is_said(alice, values, sentence):
    page = alice.call(**values)
    assert page.status_code == 400
    assert sentence in page.text


def test_what_was_filled_in_stays(alice):
    page = alice.call(route="/api/image/is_safe", source="url", url="http://a.invalid/?x=1&y=<2>")
    assert 'value="http://a.invalid/?x=1&amp;y=&lt;2&gt;"' in page.text
    assert '<option value="/api/image/is_safe" selected>' in page.text


# --- who may, and what stays inside ---------------------------------------------------------------


def test_the_console_is_for_admins(panel):
    bob = panel.signed_in("bob")
    assert bob.get("/console").status_code == 403
    token = bob.token("/account")
    answer = bob.post("/console", {"route": "moderationStatus", "object_id": "x"}, token=token)
    assert answer.status_code == 403
    assert panel.app.test_client().get("/admin/console").status_code == 302


def test_a_post_without_this_sites_token_calls_nothing(panel, alice):
    alice.token = ""
    assert alice.upload(ASTRONAUT, route="/api/image/classify").status_code == 400
    assert panel.database.objects.count(CLASSIFICATION, EVERYTHING) == 0


def test_no_key_is_in_the_page(alice):
    pages = [
        alice.visitor.get("/console"),
        alice.upload(ASTRONAUT, route="nsfwImageClassify"),
        alice.call(route="moderationStatus", object_id="unknown"),
    ]
    for page in pages:
        assert "someApp" in page.text
        assert REST_KEY in page.text
        assert "secret-of" not in page.text + str(page.headers)


@pytest.mark.parametrize("only", ["js_key", "rest_api_key", "client_key", None])
def test_whichever_key_clients_have_opens_the_function(tmp_path, models_dir, only):
    keys = {"app_id": "someApp", "master_key": "secret", **({only: "k"} if only else {})}
    with panel_app(tmp_path, models_dir, **keys) as panel:
        page = ConsoleVisitor(panel, "alice").call(route="moderationStatus", object_id="unknown")
        assert body(page)["code"] == 101  # not 403 unauthorized


def test_calls_have_no_more_rights_than_apps(panel, alice):
    """An object that only its owner may read is none for the console."""
    item = panel.item(panel.waits(porn=0.1))
    panel.app.test_client().put(
        f"/parse/classes/UserImage/{item.subject.object_id}",
        json={"ACL": {}},
        headers={"X-Parse-Application-Id": "someApp", "X-Parse-Master-Key": "secret-of-masters"},
    )
    page = alice.call(route="moderationStatus", object_id=item.subject.object_id)
    assert body(page)["code"] == 101


@pytest.mark.parametrize(
    ("server_url", "root"),
    [
        ("", "http://localhost"),
        ("https://api.example.com/parse", "https://api.example.com"),
        ("https://example.com/api/parse", "https://example.com/api"),
        ("https://api.example.com/other", "https://api.example.com"),
    ],
)
def test_the_code_names_the_address_that_clients_use(tmp_path, models_dir, server_url, root):
    with panel_app(tmp_path, models_dir, **KEYS, server_url=server_url) as panel:
        alice = ConsoleVisitor(panel, "alice")
        plain = alice.visitor.get("/console", route="/api/image/is_safe").text
        function = alice.visitor.get("/console").text
    assert f"curl -G {root}/api/image/is_safe" in plain
    assert f"curl {server_url or root + '/parse'}/functions/nsfwImageClassify" in function


# --- what is sent ---------------------------------------------------------------------------------


def test_calls_become_requests():
    url = ApiCall(Route.CLASSIFY, url="https://a.example/b?c=d&e")
    assert to_request(url).path == "/api/image/classify?url=https%3A%2F%2Fa.example%2Fb%3Fc%3Dd%26e"
    function = to_request(ApiCall(Route.FUNCTION, Source.FILE, file=b"abc"))
    assert (function.method, function.path, function.is_parse) == (
        "POST", "/functions/nsfwImageClassify", True,
    )  # fmt: skip
    assert base64.b64decode(json.loads(function.body)["base64"]) == b"abc"
    plain = to_request(ApiCall(Route.IS_SAFE, Source.FILE, file=b"abc"))
    assert (plain.method, plain.path, plain.body) == ("POST", "/api/image/is_safe", b"abc")


def test_unknown_choices_are_the_first_ones():
    assert read_call({"route": "/etc/passwd", "source": "x"}) == ApiCall()
    with pytest.raises(Incomplete):
        to_request(read_call({}))


# --- code -----------------------------------------------------------------------------------------

AWKWARD = [
    'https://example.com/it\'s "here"',
    "https://example.com/$HOME`id`\\(x)\\n",
    "https://example.com/ä-日本-🙂",
    "https://example.com/</script><b>",
    "-d @/etc/passwd",
]


def arguments_of(code):
    """What a shell makes of a cURL command."""
    printed = code.replace("curl ", "printf '%s\\0' ", 1)
    done = subprocess.run(["bash", "-c", printed], capture_output=True, check=True)
    return done.stdout.decode().split("\0")


@pytest.mark.parametrize("url", AWKWARD)
@pytest.mark.parametrize("route", [Route.FUNCTION, Route.CLASSIFY])
def test_a_shell_reads_in_curl_what_was_filled_in(url, route):
    arguments = arguments_of(snippets(ApiCall(route, url=url), DOOR)["cURL"])
    if route is Route.FUNCTION:
        assert json.loads(arguments[arguments.index("--data-raw") + 1]) == {"url": url}
    else:
        assert arguments[arguments.index("--data-urlencode") + 1] == f"url={url}"


@settings(max_examples=60, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40))
def test_shlex_agrees_for_every_text(text):
    code = snippets(ApiCall(Route.STATUS, object_id=text or "x"), DOOR)["cURL"]
    words = shlex.split(code.replace("\\\n", " "))
    assert json.loads(words[-1]) == {"objectId": text or "x"}


@pytest.mark.parametrize("url", AWKWARD)
def test_literals_are_escaped_by_each_languages_rules(url):
    made = snippets(ApiCall(Route.FUNCTION, url=url), DOOR)
    javascript = re.search(r"\{ url: (\".*\") \}", made["JavaScript"])[1]
    assert json.loads(javascript) == url
    assert "</script" not in made["JavaScript"]
    swift = re.search(r"NsfwImageClassify\(url: (\".*\")\)", made["Swift"])[1]
    assert json.loads(swift) == url  # for these, Swift's escapes are JSON's
    kotlin = re.search(r"mapOf\(\"url\" to (\".*\")\)", made["Kotlin"])[1]
    assert not re.search(r"(?<!\\)\$", kotlin)
    assert json.loads(kotlin.replace("\\$", "$")) == url


def test_swift_has_escapes_of_its_own_for_what_cannot_be_printed():
    made = snippets(ApiCall(Route.STATUS, object_id="a\x07b"), DOOR)["Swift"]
    assert '"a\\u{7}b"' in made


@pytest.mark.parametrize("route", list(Route))
@pytest.mark.parametrize("source", list(Source))
def test_every_call_has_code_in_four_languages(route, source):
    made = snippets(ApiCall(route, source), DOOR)
    assert list(made) == ["cURL", "JavaScript", "Swift", "Kotlin"]
    for language, code in made.items():
        assert str(route) in code, language
        assert "localhost:1337" in code, language
        assert ("myAppId" in code) == route.is_function, language


def node_syntax(code):
    """Have node parse a module; returns its complaint."""
    command = [Path(sys.executable).parent / "node", "--input-type=module", "--check", "-"]
    done = subprocess.run(command, input=code, capture_output=True, text=True, check=False)
    return done.stderr


def test_node_finds_no_fault_with_the_javascript():
    for route in Route:
        for source in Source:
            code = snippets(ApiCall(route, source, url=AWKWARD[0]), DOOR)["JavaScript"]
            assert JS_KEY in code or not route.is_function
            assert node_syntax(code) == "", code
