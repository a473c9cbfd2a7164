"""The calls that the console makes, as a person fills them in and as clients send them. Pure."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from admin.ports.api import ApiRequest

EXAMPLE_URL = "https://example.com/picture.jpg"
EXAMPLE_OBJECT = "OBJECT_ID"


class Route(StrEnum):
    """What can be called, by its name or path."""

    FUNCTION = "nsfwImageClassify"
    CLASSIFY = "/api/image/classify"
    IS_SAFE = "/api/image/is_safe"
    STATUS = "moderationStatus"

    @property
    def is_function(self) -> bool:
        """Whether it is a cloud function, which SDKs call by name."""
        return not self.startswith("/")


class Source(StrEnum):
    """Where the image comes from."""

    URL = "url"
    FILE = "file"


class Incomplete(ValueError):
    """A call that lacks something; `text_key` is what the panel says to it."""

    def __init__(self, text_key: str) -> None:
        self.text_key = text_key
        super().__init__(text_key)


@dataclass(frozen=True, slots=True)
class ApiCall:
    """A call as far as it is filled in; texts that are missing are empty."""

    route: Route = Route.FUNCTION
    source: Source = Source.URL
    url: str = ""
    class_name: str = ""
    object_id: str = ""
    column: str = ""
    file: bytes = field(default=b"", repr=False)

    @property
    def takes_image(self) -> bool:
        """Whether it is about a picture, and not about an object."""
        return self.route is not Route.STATUS

    @property
    def sends_file(self) -> bool:
        """Whether it sends a picture's bytes."""
        return self.takes_image and self.source is Source.FILE

    @property
    def object_params(self) -> dict[str, str]:
        """What names an object; what is not filled in is the server's to choose."""
        given = {
            "className": self.class_name,
            "objectId": self.object_id or EXAMPLE_OBJECT,
            "column": self.column,
        }
        return {name: value for name, value in given.items() if value}


def read_call(values: Mapping[str, str], file: bytes = b"") -> ApiCall:
    """Read a form; what is not among the choices is the first of them."""
    route, source = values.get("route"), values.get("source")
    return ApiCall(
        route=Route(route) if route in list(Route) else Route.FUNCTION,
        source=Source(source) if source in list(Source) else Source.URL,
        url=values.get("url", "").strip(),
        class_name=values.get("class_name", "").strip(),
        object_id=values.get("object_id", "").strip(),
        column=values.get("column", "").strip(),
        file=file,
    )


def to_request(call: ApiCall) -> ApiRequest:
    """Say a call as HTTP. Raises Incomplete."""
    if not call.takes_image:
        if not call.object_id:
            raise Incomplete("console.needs_object")
        return _function(call.route, call.object_params)
    if call.sends_file and not call.file:
        raise Incomplete("console.needs_file")
    if not call.sends_file and not call.url:
        raise Incomplete("console.needs_url")
    if call.route.is_function:
        encoded = base64.b64encode(call.file).decode()
        return _function(call.route, {"base64": encoded} if call.sends_file else {"url": call.url})
    if call.sends_file:
        return ApiRequest("POST", call.route, body=call.file, content_type=_BYTES)
    return ApiRequest("GET", f"{call.route}?url={quote(call.url, safe='')}")


_BYTES = "application/octet-stream"


def _function(route: Route, params: Mapping[str, Any]) -> ApiRequest:
    return ApiRequest(
        "POST",
        f"/functions/{route}",
        is_parse=True,
        content_type="application/json",
        body=json.dumps(params).encode(),
    )
