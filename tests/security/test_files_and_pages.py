"""Files and pages: nothing that somebody uploads or writes ever runs, frames or leads elsewhere."""

import base64
import io
import re
from urllib.parse import urlsplit

import pytest
from image_host import KEYS, MASTER
from panel_addresses import panel_paths
from panel_app import PanelApp
from parse_app import ParseApp
from PIL import Image

from admin.people import Role
from cloud.clock import utc_now
from cloud.moderation.items import Evidence, Remark, State
from cloud.values import Pointer
from server.files.names import extension_of
from server.moderation.items import DECISION
from server.webhooks import deliveries

# --- uploads --------------------------------------------------------------------------------------


def picture(format_, **options):
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "teal").save(buffer, format_, **options)
    return buffer.getvalue()


PNG, GIF, JPEG = picture("PNG"), picture("GIF"), picture("JPEG")
HTML = b"<!doctype html><script>alert(1)</script>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
CONTENTS = {
    "HTML": HTML,
    "HTML after blanks": b"\n\t  " * 300 + HTML,
    "HTML after a BOM": b"\xef\xbb\xbf" + HTML,
    "HTML in UTF-16": HTML.decode().encode("utf-16"),
    "HTML in UTF-7": b"+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    "SVG": SVG,
    "XML": b'<?xml version="1.0"?><?xml-stylesheet href="//evil.example/x.xsl"?><a/>',
    "XHTML": b'<html xmlns="http://www.w3.org/1999/xhtml"><script>alert(1)</script></html>',
    "a script": b"alert(1)",
    "PDF": b"%PDF-1.7 /OpenAction /JavaScript (app.alert(1))",
    "HTML called a bitmap": b"BM" + HTML,
    "HTML called GIF": b"GIF8" + HTML,
    "HTML after a short magic": b"\xff\xd8" + HTML,
    "HTML in a PNG's comment": PNG[:33] + HTML + PNG[33:],
    "HTML after a PNG": PNG + HTML,
    "HTML after a GIF": GIF + HTML,
    "a script that is a GIF": b"GIF89a/*" + GIF[8:] + b"*/=1;alert(1)",
    "HTML after a JPEG": JPEG + HTML,
    "SVG after a JPEG": JPEG + SVG,
    "a PNG": PNG,
    "an archive": b"PK\x03\x04",
    "Flash": b"CWS\x0f",
    "a manifest": b'{"start_url": "/"}',
}
NAMES = [
    "x.png", "x.html.png", "x.png.html", "x.svg.jpg", "x.jpg.svg", "x.php.gif", "x.gif.xml", "x",
    "x.htm", "x.xhtml", "x.svgz", "x.mht", "x.pdf", "x.js", "x.swf", "x.json", "x.webmanifest",
    "x.PNG", "x.Html", "x.shtml", "x.png%20", "x.png%2ehtml",
]  # fmt: skip
TYPES = ["image/png", "text/html", "image/svg+xml", "text/xml; x=image/png", ""]
_RUNS = re.compile(r"html|xml|script|pdf|flash|manifest|css", re.IGNORECASE)


def assert_cannot_run(answer):
    """Whatever it is, a browser shows it as a picture at most."""
    kind = answer.mimetype
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    policy = answer.headers["Content-Security-Policy"]
    assert {"default-src 'none'", "sandbox", "frame-ancestors 'none'"} <= set(policy.split("; "))
    is_shown = kind.startswith(("image/", "audio/", "video/"))
    assert is_shown or answer.headers["Content-Disposition"].startswith("attachment")
    assert not (is_shown and _RUNS.search(kind))


def test_what_clients_upload_is_a_picture_by_its_content_or_refused(app, tally):
    parse = ParseApp(app)
    alice = parse.person("alice")
    for name in NAMES:
        for data in CONTENTS.values():
            for content_type in TYPES:
                headers = {**alice.headers, "Content-Type": content_type}
                raw = parse.client.post(f"/parse/files/{name}", data=data, headers=headers)
                if raw.status_code != 201:
                    assert raw.status_code == 400
                    tally.refused()
                    continue
                stored = raw.json["name"]
                assert re.match(r"[0-9a-f]{32}_", stored)
                assert extension_of(stored) in ("png", "jpg", "gif", "bmp", "webp", "avif")
                answer = parse.client.get(urlsplit(raw.json["url"]).path)
                assert answer.mimetype.startswith("image/")
                assert_cannot_run(answer)
                tally.survived()


def test_javascripts_uploads_are_held_to_the_same(app, tally):
    parse = ParseApp(app)
    for name in ("x.html", "x.svg", "x.png"):
        for content in ("HTML", "SVG", "XML", "PDF"):
            for claimed in ("image/png", "text/html", "image/svg+xml"):
                answer = parse.post(f"/files/{name}", {
                    "_ApplicationId": "myAppId", "_JavaScriptKey": "myJsKey",
                    "_ContentType": claimed,
                    "base64": base64.b64encode(CONTENTS[content]).decode(),
                    "fileData": {"metadata": {"Content-Type": "text/html"}},
                }, by={"Content-Type": "text/plain"})  # fmt: skip
                assert answer.status_code == 400
                tally.refused()


@pytest.mark.parametrize("name", [name for name in NAMES if "%20" not in name])
def test_what_the_master_key_uploads_cannot_run_either(app, tally, name):
    parse = ParseApp(app)
    for data in (HTML, SVG, PNG + HTML):
        sent = parse.client.post(f"/parse/files/{name}", data=data,
                                 headers={**MASTER, "Content-Type": "text/html"})  # fmt: skip
        assert sent.status_code == 201
        path = urlsplit(sent.json["url"]).path
        for asked in (path, path.upper().replace("/PARSE/FILES/MYAPPID", "/1/FILES/myAppId")):
            answer = parse.client.get(asked)
            if answer.status_code == 200:
                assert_cannot_run(answer)
        for extra in ({"Range": "bytes=0-10"}, {"Accept": "text/html"}):
            assert_cannot_run(parse.client.get(path, headers=extra))
        tally.survived()


# --- what users write -----------------------------------------------------------------------------

MARK = "\"'><script>pwned()<b onload=pwned>"
RAW = ("<script>pwned", "<b onload", "\"'><")


@pytest.fixture(scope="module")
def marked(make_app):
    """The panel of a house where everybody writes MARK everywhere; its admin is called so."""
    panel = PanelApp(make_app(moderated_files="UserImage.image"))
    panel.join(MARK, Role.ADMIN)
    parse = ParseApp(panel.app)
    parse.put("/config", {"params": {
        "moderationReasons": [{"code": "nudity", "label": MARK}, {"code": "x", "label": MARK}],
        "moderationScores": {"Porn": {"min": 0.3, "max": 0.6}}
    }}, MASTER)  # fmt: skip
    panel.marked = [
        panel.waits(porn=0.5, name=f"{MARK}{number}.jpg", data=f"0.5 x{number}".encode())
        for number in range(4)
    ]
    for number, state in enumerate([State.REJECTED, State.APPROVED]):
        panel.moderation.pipeline.decide(
            panel.item(panel.marked[number]),
            state,
            decided_by=f"user:{panel.ids[MARK]}",
            reasons=(MARK,),
            evidence=Evidence(model_name=MARK, model_version=MARK, policy_version=1),
            remark=Remark(category=MARK, note=MARK),
        )
    panel.unlike = _write_where_it_shows_once(panel)
    return panel


def _write_where_it_shows_once(panel):
    """Write MARK where one page shows it, each time begun unlike the others: by it, the page."""
    item_id, appealed = panel.marked[0], panel.marked[2]
    page, her = f"/items/{item_id}", panel.signed_in(MARK)
    held = her.post(
        f"{page}/hold", {"hold": "set", "reason": f"held {MARK}"}, token=her.token(page)
    )
    assert held.status_code == 303
    form = {"action": "save", "since": "1", "on-Porn": "on", "min-Porn": "0.4", "max-Porn": "0.7"}
    form |= {"images": "1000", "note": f"noted {MARK}"}
    assert her.post("/policy", form, token=her.token("/policy")).status_code == 303
    panel.moderation.pipeline.decide(
        panel.item(appealed),
        State.REJECTED,
        decided_by=f"user:{panel.ids[MARK]}",
        reasons=("nudity",),
    )
    panel.moderation.pipeline.decide(
        panel.item(appealed),
        State.REVIEW,
        decided_by="user:owner",
        reasons=("the owner appealed",),
        remark=Remark(appeal=f"appealed {MARK}"),
    )
    decision = Pointer(DECISION.class_name, panel.decisions(item_id)[-1]["objectId"])
    panel.database.objects.insert(deliveries.SCHEMA, {
        "objectId": "told", "createdAt": utc_now(), "updatedAt": utc_now(), "ACL": {},
        "url": f"url {MARK}", "decision": decision,
        "state": "given up", "attempts": 3, "lastError": f"told {MARK}",
    })  # fmt: skip
    return {
        "held": page,
        "noted": "/policy",
        "appealed": f"/items/{appealed}",
        "told": page,
        "url": page,
    }


def _html_in(value):
    """All that scripts put into a page of a JSON answer."""
    if isinstance(value, dict):
        for key, member in value.items():
            yield from [member] if key == "html" else _html_in(member)
    elif isinstance(value, list):
        for member in value:
            yield from _html_in(member)


_ASKED = (
    "q", "text", "next", "by", "object", "state", "category", "page", "item", "from", "to",
    "reason", "sha256", "name", "what", "view", "class",
)  # fmt: skip


def _pages(panel):
    """Every page of the panel, and with MARK as what is asked for."""
    for item_id in panel.marked:
        for path in panel_paths(panel.app, item_id, panel.ids[MARK]):
            yield path, {}
            yield path, dict.fromkeys(_ASKED, MARK)
    for path in panel_paths(panel.app, item_id, panel.ids[MARK]):
        yield from ((path, {name: MARK}) for name in _ASKED)


def test_what_users_write_is_text_on_every_page(marked, tally):
    her = marked.signed_in(MARK)
    her.client.environ_base["HTTP_USER_AGENT"] = MARK
    seen = 0
    for path, query in _pages(marked):
        answer = her.client.get(path, query_string=query)
        assert answer.status_code < 500, (path, query)
        if answer.mimetype != "text/html":
            continue
        found = [raw for raw in RAW if raw in answer.text]
        assert not found, (
            path,
            query,
            answer.text[max(0, answer.text.find(found[0]) - 200) :][:400],
        )
        seen += answer.text.count("pwned")
        tally.survived()
    assert seen > 100, "it is shown"


@pytest.mark.parametrize("begun", ["held", "noted", "appealed", "told", "url"])
def test_what_is_written_for_one_page_is_text_on_it(marked, begun):
    page = marked.signed_in(MARK).get(marked.unlike[begun]).text
    assert f"{begun} &#34;&#39;&gt;&lt;script&gt;pwned()" in page
    assert not any(raw in page for raw in RAW)


@pytest.mark.parametrize("path", ["/review/claim", "/policy/preview"])
def test_what_scripts_put_into_pages_is_escaped_too(marked, path):
    her = marked.signed_in(MARK)
    token = her.token("/account")
    answer = her.send(path, {"seconds": 60, "skip": []}, token=token)
    for html in _html_in(answer.json):
        assert not any(raw in html for raw in RAW), html


def test_the_sign_in_shows_what_was_typed_as_text(marked):
    client = marked.app.test_client()
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/admin/sign-in").text)[1]
    form = {"csrf_token": token, "name": MARK + "x", "password": MARK, "next": MARK}
    page = client.post("/admin/sign-in", data=form).text
    assert "pwned" in page
    assert not any(raw in page for raw in RAW)


def test_pages_of_mails_links_show_text_as_text(make_app):
    app = make_app(app_name=MARK, server_url="http://localhost/parse")
    client = app.test_client()
    for name in ("request_password_reset", "verify_email"):
        page = client.get(f"/parse/apps/myAppId/{name}", query_string={"token": MARK, "x": MARK})
        assert not any(raw in page.text for raw in RAW)
    for name in ("request_password_reset", "resend_verification_email"):
        form = {"token": MARK, "new_password": MARK, "confirm_new_password": "x"}
        page = client.post(f"/parse/apps/myAppId/{name}", data=form)
        assert not any(raw in page.text for raw in RAW)
    page = client.get(f"/parse/apps/{MARK}/verify_email")
    assert not any(raw in page.text for raw in RAW)


@pytest.mark.parametrize(
    "path", ["/{}", "/parse/{}", "/admin/{}", "/parse/files/{}/x", "/health/{}"]
)
def test_an_address_is_never_shown_as_markup(app, path):
    answer = app.test_client().get(path.format("<script>pwned()"), headers=KEYS)
    assert answer.mimetype != "text/html" or "<script>pwned" not in answer.text


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    "path",
    ["/admin/sign-in", "/parse/apps/myAppId/request_password_reset",
     "/parse/apps/myAppId/resend_verification_email"],
)  # fmt: skip
def test_a_form_of_a_hundred_thousand_fields_is_refused_unread(app, tally, path):
    client = app.test_client()
    client.get(path)
    fields = b"a=b&" * 100_000
    answer = client.post(path, data=fields, headers=FORM)
    assert answer.status_code == 413
    assert answer.request.environ["wsgi.input"].tell() == 0
    tally.refused()
    assert client.post(path, data=fields[:200_000], headers=FORM).status_code != 413
