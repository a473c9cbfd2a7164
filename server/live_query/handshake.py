"""What a WebSocket's HTTP request says of its client: address, headers, where it finds us. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from werkzeug.middleware.proxy_fix import ProxyFix

from config import Settings
from server.files.urls import public_mount_url

_SCHEMES = {"ws": "http", "wss": "https"}
_NOBODYS_ADDRESS = "0.0.0.0"  # noqa: S104 - in no network of MASTER_KEY_IPS but 0.0.0.0/0


@dataclass(frozen=True, slots=True)
class Handshake:
    """The client of a connection; `mount_url` is where it finds Parse's routes."""

    ip: str
    mount_url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """By lower-case name."""


def read_handshake(scope: Mapping[str, Any], settings: Settings, mounts: list[str]) -> Handshake:
    """Read an ASGI scope; headers of a proxy are believed by TRUSTED_PROXIES alone.

    Parse answers WebSockets on any path. One below no mount is taken for the first mount's.
    """
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    ip, _port = scope.get("client") or (_NOBODYS_ADDRESS, 0)
    ip, scheme = _behind_proxies(ip, scope.get("scheme", "ws"), headers, settings)
    path = scope["path"].lower()
    mount = next((m for m in mounts if f"{path}/".startswith(f"{m.lower()}/")), mounts[0])
    mount_url = public_mount_url(settings, scheme, headers.get("host", ""), mount)
    return Handshake(ip, mount_url, headers)


def _behind_proxies(
    ip: str, scheme: str, headers: Mapping[str, str], settings: Settings
) -> tuple[str, str]:
    environ = {
        "REMOTE_ADDR": ip,
        "wsgi.url_scheme": scheme,
        "HTTP_X_FORWARDED_FOR": headers.get("x-forwarded-for", ""),
        "HTTP_X_FORWARDED_PROTO": headers.get("x-forwarded-proto", ""),
    }
    if settings.trusted_proxies:
        # The same that app.py puts in front of HTTP, so that both know a client by one address.
        fix = ProxyFix(lambda *_: [], x_for=settings.trusted_proxies, x_proto=1)
        fix(environ, lambda *_: lambda _data: None)
    scheme = environ["wsgi.url_scheme"]
    return environ["REMOTE_ADDR"], _SCHEMES.get(scheme, scheme)
