"""The JSON that the panel's scripts send."""

import json
from typing import Any

from flask import request


def json_of_request() -> Any:
    """Return what a request's body says; None for what is no JSON."""
    try:
        return request.get_json(silent=True)
    except RecursionError:  # nobody means it
        return None


def json_of(text: str) -> Any:
    """Return what a text says; None for what is no JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
