"""Whom the attacks on Parse's routes are aimed at, and what no attack may have done to them."""

import itertools
import json
import time
from urllib.parse import quote

import bcrypt
from image_host import KEYS, MASTER
from parse_app import ParseApp, pointer, relate

from cloud.operations import Set
from server.storage.port import Equals, Join, Query, SortKey

LONGEST_S = 10
PASSWORD = "correct horse"  # noqa: S105
# Each stands in a place of its own, and nowhere else: an answer that shows one has leaked it.
SECRETS = {
    "email": "alice-7421@example.org",
    "secret": "what-alice-hid-8834",
    "config": "config-of-the-master-5519",
    "perishable": "perishable-token-3307",
    "verify": "verify-token-9946",
    "auth": "anonymous-id-2258",
    "private": "private-note-6172",
    "appeal": "of-the-house-1093",
}
TELLTALES = (
    "Traceback", "sqlite3", "pymongo", "werkzeug", "site-packages", '.py"', "OperationFailure",
    "Internal server error",
)  # fmt: skip
_NOT_CHARLIES = (
    "username", "isModerator", "emailVerified", "authData", "_hashed_password",
    "_perishable_token", "_tombstone",
)  # fmt: skip
_OPEN_CLASSES = ("_User", "_Role", "Diary", "Closed", "Friend", "UserImage")


class Scene:
    """Alice and what is hers; charlie, a stranger with an account, attacks."""

    def __init__(self, app):
        self.parse, self._numbers = ParseApp(app), itertools.count()
        self.services = app.extensions["parsewarden"]
        self.hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        self.is_nx = bool(self.services.settings.database_uri)
        self._people()
        self._things()
        self.before = self.state()

    def _people(self):
        parse = self.parse
        self.alice = parse.person(
            "alice",
            email=SECRETS["email"],
            _hashed_password=self.hashed,
            _perishable_token=SECRETS["perishable"],
            _email_verify_token=SECRETS["verify"],
            authData={"anonymous": {"id": SECRETS["auth"]}},
        )
        self._publish_alice()
        self.charlie = parse.person("charlie", _hashed_password=self.hashed)
        self.admins = parse.create("_Role", {
            "name": "admins", "ACL": {"*": {"read": True}}, "users": relate(self.alice.pointer),
        })  # fmt: skip

    def _publish_alice(self):
        """Anybody may read her row, so that only the columns' own protection is left."""
        acl = {"*": {"read": True}, self.alice.id: {"read": True, "write": True}}
        schema = self.services.schemas.ensure("_User")
        is_her = Equals("objectId", self.alice.id)
        self.services.database.objects.update(schema, is_her, {"ACL": Set(acl)})

    def _things(self):
        parse = self.parse
        everybody = {"*": True}
        open_to_all = dict.fromkeys(
            ("find", "get", "count", "create", "update", "delete", "addField"), everybody
        )
        hidden = {**open_to_all, "protectedFields": {"*": ["secret"]}}
        parse.declare("Diary", hidden, secret="String", title="String", owner="Pointer _User",
                      tags="Array", readers="Relation _User", facts="Object")  # fmt: skip
        parse.declare("Closed", {"find": {}, "get": {}}, secret="String")
        parse.declare("Friend", open_to_all, diary="Pointer Diary", user="Pointer _User",
                      closed="Pointer Closed", words="String", number="Number")  # fmt: skip
        parse.declare("UserImage", open_to_all)
        mine = {"*": {"read": True}, self.alice.id: {"read": True, "write": True}}
        self.diary = parse.create("Diary", {
            "secret": SECRETS["secret"], "title": "day one", "owner": self.alice.pointer,
            "readers": relate(self.alice.pointer), "ACL": mine,
        })  # fmt: skip
        self.private = parse.create("Diary", {
            "title": SECRETS["private"], "ACL": {self.alice.id: {"read": True, "write": True}},
        })  # fmt: skip
        self.closed = parse.create("Closed", {"secret": SECRETS["appeal"]})
        self.friend = parse.create("Friend", {
            "diary": pointer("Diary", self.diary), "user": self.alice.pointer,
            "closed": pointer("Closed", self.closed), "words": "a" * 60, "number": 1,
        })  # fmt: skip
        self.image = parse.create("UserImage", {"ACL": mine})
        self.own_image = parse.create("UserImage", by=self.charlie)
        written = parse.put("/config", {
            "params": {"open": 1, "closed": SECRETS["config"]}, "masterKeyOnly": {"closed": True},
        }, MASTER)  # fmt: skip
        assert written.status_code == 200
        self.secrets = [*SECRETS.values(), self.hashed, self.alice.token]

    # --- an attack --------------------------------------------------------------------------

    def send(self, attack):
        """Send it. Names in angle brackets stand for ids and tokens of the scene."""
        headers = {"nobody": KEYS, "master": MASTER, "none": {}}.get(attack.by)
        headers = {**(self.charlie.headers if headers is None else headers), **attack.headers}
        path = self._fill(attack.path)
        if attack.query:
            texts = [
                f"{quote(name)}={quote(value if isinstance(value, str) else json.dumps(value))}"
                for name, value in attack.query.items()
            ]
            path += "?" + self._fill("&".join(texts), quoted=True)
        began = time.monotonic()
        answer = self.parse.client.open(
            path if path.startswith("/1/") else f"/parse{path}",
            method=attack.method,
            data=self._body_of(attack),
            content_type=attack.headers.get("Content-Type", "application/json"),
            headers={name: self._fill(value) for name, value in headers.items()},
        )
        assert time.monotonic() - began < LONGEST_S, "it took too long"
        return answer

    def _body_of(self, attack):
        if attack.body is None or isinstance(attack.body, bytes):
            return attack.body and self._fill(attack.body.decode("latin-1")).encode("latin-1")
        return self._fill(json.dumps(attack.body)).encode()

    def _fill(self, text, *, quoted=False):
        known = {
            "alice": self.alice.id, "charlie": self.charlie.id, "admins": self.admins,
            "diary": self.diary, "private": self.private, "closed": self.closed,
            "friend": self.friend, "image": self.image, "own_image": self.own_image,
            "charlies_token": self.charlie.token, "new": f"mallory{next(self._numbers)}",
        }  # fmt: skip
        for name, value in known.items():
            text = text.replace(quote(f"<{name}>") if quoted else f"<{name}>", value)
        return text

    # --- what must hold after it ------------------------------------------------------------

    def check(self, answer, *, may_see=()):
        """Nothing broke, nothing leaked, and nothing is other than before."""
        text = answer.get_data(as_text=True)
        assert answer.status_code < 500, text
        assert not any(word in text for word in TELLTALES), text
        leaked = [secret for secret in self.secrets if secret in text and secret not in may_see]
        assert not leaked, (leaked, text)
        assert self.state() == self.before

    def state(self):
        """What is alice's or the house's, and whatever would give charlie rights."""
        services = self.services
        relations, parse = services.database.relations, self.parse
        charlie = parse.stored("_User", self.charlie.id)
        schemas = {schema.class_name: schema for schema in services.database.schemas.all()}
        return {
            "rows": [parse.stored(*name_and_id) for name_and_id in self._others()],
            "alice's sessions": self._tokens_of(self.alice),
            "admins": sorted(relations.related_ids(Join("users", "_Role"), [self.admins])),
            "roles in admins": relations.related_ids(Join("roles", "_Role"), [self.admins]),
            "charlie's roles": services.roles.names_of(self.charlie.id),
            "charlie is": {name: charlie.get(name) for name in _NOT_CHARLIES},
            "config": services.parse_config.read(),
            "judged": [
                row["objectId"]
                for row in self._rows("UserImage")
                if row.get("isSafe") or row.get("NSFWPredictions") or row.get("deleted")
            ],
            "permissions": {name: schemas[name].permissions for name in _OPEN_CLASSES},
        }

    def _others(self):
        return [
            ("_User", self.alice.id), ("_Role", self.admins), ("Diary", self.diary),
            ("Diary", self.private), ("Closed", self.closed), ("UserImage", self.image),
        ]  # fmt: skip

    def _rows(self, class_name):
        schema = self.services.schemas.find(class_name)
        return self.services.database.objects.find(schema, Query(order=(SortKey("objectId"),)))

    def _tokens_of(self, person):
        return sorted(
            row["sessionToken"]
            for row in self._rows("_Session")
            if getattr(row.get("user"), "object_id", None) == person.id
        )
