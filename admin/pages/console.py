"""The API console: call what apps call, see the answer, copy the call as code.

The call is a real one, made within the server: the browser never learns a key. For admins.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, render_template, request

from admin.access import admins_only
from admin.api_calls import EXAMPLE_URL, ApiCall, Incomplete, Route, Source, read_call, to_request
from admin.ports.api import ApiAnswer
from admin.services import PanelServices
from admin.snippets import snippets
from admin.texts import t
from ml_models.types import Label

# A page of JSON; nobody reads more, and no route of the console answers as much.
_MAX_SHOWN = 100_000


@dataclass(frozen=True, slots=True)
class _Shown:
    """An answer as the page shows it."""

    status: str
    is_good: bool
    milliseconds: float
    headers: list[tuple[str, str]]
    body: str
    bars: list[tuple[Label, float]]


def add_routes(panel: Blueprint, services: PanelServices) -> None:
    """Add the page."""

    @panel.get("/console")
    @admins_only
    def console() -> str:
        return _page(services, read_call(request.args))

    @panel.post("/console")
    @admins_only
    def console_call() -> str | tuple[str, int]:
        file = request.files.get("file")
        call = read_call(request.form, b"" if file is None else file.read())
        try:
            asked = to_request(call)
        except Incomplete as error:
            return _page(services, call, problem=t(error.text_key)), 400
        return _page(services, call, answer=_shown(services.api.call(asked)))


def _page(services: PanelServices, call: ApiCall, **more: Any) -> str:
    door = services.api.door(request.scheme, request.host)
    return render_template(
        "console.html",
        call=call,
        routes=list(Route),
        sources=list(Source),
        example_url=EXAMPLE_URL,
        door=door,
        snippets=snippets(call, door),
        **more,
    )


def _shown(answer: ApiAnswer) -> _Shown:
    text = answer.body.decode("utf-8", "replace")
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    else:
        text = json.dumps(found, indent=2, ensure_ascii=False)
    return _Shown(
        status=answer.status,
        is_good=answer.status.startswith("2"),
        milliseconds=answer.elapsed.total_seconds() * 1000,
        headers=list(answer.headers),
        body=text[:_MAX_SHOWN],
        bars=_bars(found),
    )


def _bars(found: Any) -> list[tuple[Label, float]]:
    """The predictions in an answer, wherever the route puts them."""
    if isinstance(found, Mapping):
        found = found.get("result", found.get("predictions"))
    if not isinstance(found, list):
        return []
    return [
        (Label(each["className"]), float(each["probability"]))
        for each in found
        if isinstance(each, Mapping)
        and each.get("className") in list(Label)
        and isinstance(each.get("probability"), int | float)
    ]
