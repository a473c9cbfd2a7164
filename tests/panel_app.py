"""The panel without a browser: an app on a database of the test's own, people who are signed in,
and images that wait for them."""

import re
from contextlib import contextmanager

import bcrypt
from moderation_parts import Moderation, predictions

from cloud.clock import utc_now
from cloud.moderation.items import Evidence, State
from config import load_settings
from ml_models.types import Fingerprint, Label, Prediction
from server.app import create_app
from server.moderation.items import ITEM
from server.objects.identity import new_object_id
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
        assert answer.status_code == 302, answer.text

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
        self.ids = {name: self._moderator(name, **columns) for name, columns in _PEOPLE.items()}

    def _moderator(self, name, **columns):
        self.services.objects.prepare()
        user_id, now = new_object_id(), utc_now()
        row = {"objectId": user_id, "createdAt": now, "updatedAt": now, "username": name}
        row |= {"_hashed_password": _HASHED, "ACL": {user_id: {"read": True}}, "isModerator": True}
        schema = self.services.schemas.ensure("_User")
        self.database.objects.insert(schema, row | columns)
        return user_id

    def signed_in(self, name):
        return Visitor(self.app, name)

    def waits(self, *, porn=None, pdq=None, data=b"0.1 picture", **subject):
        """An image in review; with `porn` None one that could not be classified."""
        subject.setdefault("object_id", new_object_id())
        item = self.moderation.image(data, **subject)
        found = () if porn is None else predictions(porn)
        fingerprint = None if pdq is None else Fingerprint(f"{pdq:064x}", 100)
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


_PEOPLE = {"alice": {"panelRole": "admin"}, "bob": {}, "carol": {}}


def made_of(**probabilities):
    """Predictions with these probabilities, the rest zero."""
    found = [Prediction(label, probabilities.get(label.value.lower(), 0.0)) for label in Label]
    return tuple(sorted(found, key=lambda p: p.probability, reverse=True))


@contextmanager
def panel_app(tmp_path, models_dir, **settings):
    """Make the app, and close it."""
    defaults = {"data_dir": tmp_path, "models_dir": models_dir, "config_cache_ms": 0}
    app = create_app(load_settings(_env_file=None, **{**defaults, **settings}))
    yield PanelApp(app)
    services = app.extensions["parsewarden"]
    for part in (services.dispatch, services.jobs, services.database, services.classifier):
        part.close()
