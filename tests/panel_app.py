"""The panel without a browser: an app on a database of the test's own, people who are signed in,
and images that wait for them."""

import re
from contextlib import contextmanager

import bcrypt
from moderation_parts import Moderation, predictions

from admin.people import Role
from cloud.clock import utc_now
from cloud.moderation.items import Evidence, State
from config import load_settings
from ml_models.types import Fingerprint
from server.app import create_app
from server.moderation.items import ITEM
from server.objects.identity import new_object_id
from server.panel.people import join_people
from server.panel.tables import PanelTables
from server.panel.wiring import panel_secret
from server.storage.port import Query, SortKey

PASSWORD = "correct horse"  # noqa: S105
_HASHED = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class Visitor:
    """Somebody in front of a browser without scripts, signed in."""

    def __init__(self, app, name):
        self.client = app.test_client()
        page = self.client.get("/admin/sign-in").text
        answer = self.client.post(
            "/admin/sign-in",
            data={"csrf_token": _TOKEN.search(page)[1], "name": name, "password": PASSWORD},
        )
        assert answer.status_code in (302, 303), answer.text

    def get(self, path, **query):
        return self.client.get(f"/admin{path}", query_string=query)

    def token(self, path):
        return _TOKEN.search(self.get(path).text)[1]

    def post(self, path, values, *, token, query=None):
        """Send a form."""
        data = {"csrf_token": token, **values}
        return self.client.post(f"/admin{path}", data=data, query_string=query or {})

    def send(self, path, body, *, token):
        """Send JSON, as scripts do."""
        headers = {"X-CSRFToken": token, "Accept": "application/json"}
        return self.client.post(f"/admin{path}", json=body, headers=headers)


class PanelApp:
    """An app with its panel; `alice` is an admin, `bob` a moderator."""

    def __init__(self, app):
        self.app, self.services = app, app.extensions["parsewarden"]
        self.database = self.services.database
        self.moderation = Moderation(self.database, clock=utc_now)
        tables = PanelTables(self.database, self.services.schemas, self.services.objects)
        settings = self.services.settings
        self.team = join_people(settings, tables, panel_secret(settings)).team
        self.ids = {}
        for name, role in _PEOPLE.items():
            self.join(name, role)

    def join(self, name, role):
        """Make a user who moderates, whose password is hashed more cheaply than real ones."""
        self.services.objects.prepare()
        user_id, now = new_object_id(), utc_now()
        row = {"objectId": user_id, "createdAt": now, "updatedAt": now, "username": name}
        row |= {"_hashed_password": _HASHED, "ACL": {user_id: {"read": True}}}
        self.database.objects.insert(self.services.schemas.ensure("_User"), row)
        self.team.promote("operator", name, role)
        self.ids[name] = user_id

    def signed_in(self, name):
        return Visitor(self.app, name)

    def waits(self, *, porn=None, pdq=None, moves=False, data=b"0.1 picture", **subject):
        """An image in review; with `porn` None one that could not be classified."""
        subject.setdefault("object_id", new_object_id())
        item = self.moderation.image(data, **subject)
        found = () if porn is None else predictions(porn)
        has_fingerprint = porn is not None and not moves
        seen = Fingerprint(f"{pdq or 0:064x}", 0 if pdq is None else 100)
        fingerprint = seen if has_fingerprint else None
        evidence = Evidence(predictions=found, fingerprint=fingerprint)
        decision = self.moderation.pipeline.decide(
            self.item(item.item_id),
            State.REVIEW,
            decided_by="rules",
            reasons=("moderationAutomation is not switched on",),
            evidence=evidence,
        )
        return decision.item_id

    def item(self, item_id):
        return self.moderation.items.get(item_id)

    def state(self, item_id):
        return self.item(item_id).state

    def decisions(self, item_id):
        """The log's rows of an item, in order."""
        return self.moderation.decisions(self.item(item_id))

    def items(self):
        """Every item's row, oldest first."""
        return self.database.objects.find(ITEM, Query(order=(SortKey("createdAt"),)))


_PEOPLE = {"alice": Role.ADMIN, "bob": Role.MODERATOR, "carol": Role.MODERATOR}


@contextmanager
def panel_app(tmp_path, models_dir, **settings):
    """Make the app, and close it."""
    defaults = {"data_dir": tmp_path, "models_dir": models_dir, "config_cache_ms": 0}
    app = create_app(load_settings(_env_file=None, **{**defaults, **settings}))
    yield PanelApp(app)
    app.extensions["parsewarden"].close()
