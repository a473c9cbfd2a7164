"""The panel without a browser: an app on a database of its own, people, and what they click."""

import re
from html import unescape

import bcrypt
import pyotp

from cloud.clock import utc_now
from cloud.operations import Set
from server.objects.identity import new_object_id
from server.panel.tables import PanelTables
from server.storage.port import Query

PASSWORD = "correct horse"  # noqa: S105
_HASHED = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()


class PanelClient:
    """Somebody's browser, with a cookie jar."""

    def __init__(self, app):
        self.client = app.test_client()

    def get(self, path, **headers):
        return self.client.get(f"/admin{path}", headers=headers)

    def post(self, path, *, of=None, headers=None, **form):
        """Send a form of page `of`, with the token that stands there."""
        page = self.get(of or path)
        token = re.search(r'name="csrf-token" content="([^"]*)"', page.text)
        form = {"csrf_token": token and token[1], **form}
        return self.client.post(f"/admin{path}", data=form, headers=headers or {})

    def sign_in(self, name, password=PASSWORD, **form):
        return self.post("/sign-in", name=name, password=password, **form)

    def follow(self, answer):
        assert answer.status_code in (302, 303), answer.text
        return self.client.get(answer.headers["Location"])


class PanelInstallation:
    """An app and whoever moderates there."""

    def __init__(self, app):
        self.app, self.services = app, app.extensions["parsewarden"]
        parts = self.services
        self.tables = PanelTables(parts.database, parts.schemas, parts.objects)

    def browser(self, name=None):
        """A browser in which somebody is signed in, or nobody."""
        browser = PanelClient(self.app)
        if name is not None:
            assert browser.sign_in(name).status_code == 303
        return browser

    def user(self, name, **columns):
        """A Parse user with the password PASSWORD; returns the id."""
        self.tables.declare()
        user_id, now = new_object_id(), utc_now()
        row = {"objectId": user_id, "createdAt": now, "updatedAt": now, "username": name}
        row |= {"_hashed_password": _HASHED, "ACL": {user_id: {"read": True}}, **columns}
        self.tables.objects.insert(self.services.objects.user_schema(), row)
        return user_id

    def moderator(self, name, *, admin=False):
        """Somebody who moderates; returns the id."""
        user_id = self.user(name, isModerator=True)
        if admin:
            self.tables.change_account(user_id, {"role": Set("admin")})
        return user_id

    def rows(self, schema):
        return self.tables.objects.find(schema, Query())


def notices(answer):
    """What a page tells: errors and what was done."""
    found = re.findall(r'<p class="notice[^>]*>(.*?)</p>', answer.text, re.DOTALL)
    return [unescape(re.sub("<[^>]*>", "", text)).strip() for text in found]


def value_of(answer, name):
    """The value of a form's field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', answer.text)
    return unescape(found[1]) if found else None


def otpauth_uri(page):
    return unescape(re.search(r'href="(otpauth:[^"]*)"', page.text)[1])


def set_up_second_factor(browser):
    """Set up a second factor on the account page; returns its secret and the last page."""
    page = browser.post("/account/second-factor", of="/account", password=PASSWORD)
    secret = pyotp.parse_uri(
        re.search(r'href="(otpauth:[^"]*)"', page.text)[1].replace("&amp;", "&")
    )
    code = secret.at(utc_now())
    page = browser.post(
        "/account/second-factor/confirm", of="/account", nonce=value_of(page, "nonce"), code=code
    )
    return secret, page
