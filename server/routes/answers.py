"""How every route answers: Parse's JSON, with the content type that SDKs expect."""

from typing import Any

from flask import Response

from server.parse.encode import to_json


def json_answer(body: Any, status: int = 200) -> Response:
    """Encode `body`. Raises TypeError for what Parse has no form for."""
    return Response(to_json(body), status, content_type="application/json; charset=utf-8")
