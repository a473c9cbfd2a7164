"""A forgotten password, from the call to the login, with a running server and an SMTP server."""

import http.client
import re
import time
from urllib.parse import urlencode

import pytest
from running_server import free_port
from smtp_host import SmtpHost

KEYS = {"X-Parse-Application-Id": "myAppId", "X-Parse-REST-API-Key": "myRestKey"}


@pytest.fixture
def smtp():
    host = SmtpHost(free_port())
    yield host
    host.stop()


def open_page(server, method, path, **form):
    """Status, headers and text of a page."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    kind = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
    connection.request(method, path, urlencode(form) or None, kind)
    answer = connection.getresponse()
    found = answer.status, answer.headers, answer.read().decode()
    connection.close()
    return found


def mailed_link(smtp, count):
    deadline = time.monotonic() + 20
    while len(smtp.received) < count:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    text = smtp.received[-1].content.decode().replace("=\r\n", "").replace("=3D", "=")
    return re.search(r"http://localhost:\d+(/parse/apps/\S+)", text)[1]


@pytest.mark.slow
def test_a_forgotten_password_is_replaced_by_mail(start_server, smtp):
    server = start_server(
        SMTP_HOST="127.0.0.1", SMTP_PORT=smtp.port, SMTP_SECURITY="none",
        MAIL_FROM="My App <app@example.com>", WEB_WORKERS=2, CLASSIFY_PERMITS=2,
        VERIFY_USER_EMAILS="true",
    ).wait_until_healthy()  # fmt: skip

    def post(path, body):
        return server.request("POST", f"/parse{path}", body, KEYS)

    alice = '{"username": "alice", "email": "alice@example.org", "password": "%s"}'
    assert post("/users", alice % "old")[0] == 201
    verify = mailed_link(smtp, 1)
    assert open_page(server, "GET", verify)[0] == 200
    assert post("/requestPasswordReset", '{"email": "alice@example.org"}') == (200, {})
    link = mailed_link(smtp, 2)
    assert smtp.received[-1].rcpt_tos == ["alice@example.org"]
    status, headers, form = open_page(server, "GET", link)
    assert status == 200
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Content-Type"].startswith("text/html")
    path, _, token = link.partition("?token=")
    assert f'value="{token}"' in form
    filled = {"token": token, "new_password": "new", "confirm_new_password": "new"}
    assert open_page(server, "POST", path, **filled)[0] == 200
    assert open_page(server, "POST", path, **filled)[0] == 404
    assert post("/login", alice % "old")[0] == 404
    status, user = post("/login", alice % "new")
    assert (status, user["emailVerified"]) == (200, True)
    logged = server.log.read_text()
    assert "a mail (password reset) went to 127.0.0.1" in logged
    assert token not in logged
    assert "alice@example.org" not in logged
