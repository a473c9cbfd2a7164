"""An app in the hands of tests: calls of any user, and people who are logged in at once."""

import json
from dataclasses import dataclass
from typing import Any

from image_host import KEYS, MASTER

from cloud.clock import utc_now
from server.objects.identity import new_object_id
from server.storage.port import ClassSchema, ColumnType, Document


@dataclass(frozen=True)
class Person:
    """A user with a session."""

    id: str
    token: str

    @property
    def headers(self):
        return {**KEYS, "X-Parse-Session-Token": self.token}

    @property
    def pointer(self):
        return {"__type": "Pointer", "className": "_User", "objectId": self.id}


class ParseApp:
    """Calls one app over its WSGI door; `by` is a Person, MASTER, or nobody."""

    def __init__(self, app):
        self.client = app.test_client()
        self.services = app.extensions["parsewarden"]

    def call(self, method, path, body=None, by=None, **headers):
        sent = by.headers if isinstance(by, Person) else (by or KEYS)
        return self.client.open(
            f"/parse{path}", method=method, json=body, headers={**sent, **headers}
        )

    def get(self, path, by=None, **params):
        texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in params.items()}
        sent = by.headers if isinstance(by, Person) else (by or KEYS)
        return self.client.get(f"/parse{path}", query_string=texts, headers=sent)

    def post(self, path, body=None, by=None, **headers):
        return self.call("POST", path, {} if body is None else body, by, **headers)

    def put(self, path, body, by=None):
        return self.call("PUT", path, body, by)

    def delete(self, path, by=None):
        return self.call("DELETE", path, by=by)

    def create(self, class_name, body=None, by=MASTER):
        """Make an object; returns its id."""
        answer = self.post(f"/classes/{class_name}", body, by)
        assert answer.status_code == 201, answer.json
        return answer.json["objectId"]

    def find(self, class_name, where=None, by=None, **params):
        """The rows of a find that must succeed."""
        answer = self.get(f"/classes/{class_name}", by, where=where or {}, **params)
        assert answer.status_code == 200, answer.json
        return answer.json["results"]

    def person(self, name, **columns):
        """A user without a password, because hashing one takes longer than a test."""
        self.services.objects.prepare()
        user_id, now = new_object_id(), utc_now()
        document: Document = {"objectId": user_id, "createdAt": now, "updatedAt": now}
        document |= {"username": name, "ACL": {user_id: {"read": True, "write": True}}, **columns}
        self.services.database.objects.insert(self.services.schemas.ensure("_User"), document)
        return Person(user_id, self.session_of(user_id))

    def session_of(self, user_id, installation_id=None):
        return self.services.objects.sessions.start(
            user_id, installation_id, action="login", provider="password"
        )

    def declare(self, class_name, permissions=None, options=None, **kinds):
        """Make a class: `declare("Post", {"find": {}}, owner="Pointer _User")`."""
        columns = {}
        for name, kind in kinds.items():
            type_name, _, target = kind.partition(" ")
            columns[name] = ColumnType(type_name, target or None)
        self.services.schemas.declare(ClassSchema(class_name, columns, permissions, options or {}))

    def stored(self, class_name, object_id) -> Document:
        """The row itself, with what no client sees."""
        schema: Any = self.services.schemas.find(class_name)
        found = self.services.database.objects.get(schema, object_id)
        assert found is not None
        return found


def error(answer):
    """The code and sentence of a refusal."""
    return answer.json.get("code"), answer.json["error"]


def outcome(answer):
    """The status and the code."""
    return answer.status_code, answer.json.get("code")


def pointer(class_name, object_id):
    return {"__type": "Pointer", "className": class_name, "objectId": object_id}


def relate(*pointers):
    return {"__op": "AddRelation", "objects": list(pointers)}


def unrelate(*pointers):
    return {"__op": "RemoveRelation", "objects": list(pointers)}
