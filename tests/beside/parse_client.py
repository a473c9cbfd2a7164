"""One of two servers that speak Parse, in the hands of a test."""

import http.client
import json
from dataclasses import dataclass
from urllib.parse import quote

MASTER = {"X-Parse-Master-Key": "myMasterKey"}


@dataclass(frozen=True)
class Client:
    """Calls one server; `by` is a session token, None for nobody, or MASTER."""

    name: str
    port: int

    def call(self, method, path, body=None, by=MASTER):
        """Return status and JSON."""
        sent = b"" if body is None else json.dumps(body).encode()
        status, answer = self.send(method, path, sent, {"Content-Type": "application/json"}, by)
        return status, json.loads(answer or b"null")

    def send(self, method, path, body=b"", headers=None, by=MASTER):
        """Return status and bytes."""
        keys = {"X-Parse-Application-Id": "myAppId", "X-Parse-REST-API-Key": "myRestKey"}
        if isinstance(by, str):
            keys["X-Parse-Session-Token"] = by
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(
                method,
                f"/parse{path}",
                body,
                {**keys, **(by if by is MASTER else {}), **(headers or {})},
            )
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def done(self, method, path, body=None, by=MASTER):
        """Return the JSON of a call that must succeed."""
        status, answer = self.call(method, path, body, by)
        assert status in (200, 201), f"{self.name} answers {method} {path} with {status} {answer}"
        return answer

    def create(self, class_name, body, by=MASTER):
        """Make an object; return its id."""
        return self.done("POST", f"/classes/{class_name}", body, by)["objectId"]

    def find(self, class_name, where=None, by=MASTER, **parameters):
        """The rows of a find that must succeed, by objectId."""
        sent = {"where": json.dumps(where or {}), "order": "objectId", **parameters}
        query = "&".join(f"{name}={quote(str(value))}" for name, value in sent.items())
        return self.done("GET", f"/classes/{class_name}?{query}", by=by)["results"]

    def read_schemas(self):
        """Make the server read all schemas anew; return them by class."""
        return {one["className"]: one for one in self.done("GET", "/schemas")["results"]}

    def sign_up(self, username, password, **columns):
        """Make a user; return the id and a session token."""
        body = {"username": username, "password": password, **columns}
        made = self.done("POST", "/users", body, by=None)
        return made["objectId"], made["sessionToken"]

    def log_in(self, username, password):
        """Return status and JSON of a login."""
        return self.call("POST", "/login", {"username": username, "password": password}, by=None)


def pointer(class_name, object_id):
    return {"__type": "Pointer", "className": class_name, "objectId": object_id}


def code(answer):
    """The status and Parse's code of what `Client.call` returned."""
    status, body = answer
    return status, (body or {}).get("code")
