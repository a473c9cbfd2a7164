"""At which URL a client reads a file. Pure."""

import re
from urllib.parse import quote, urlsplit

from config import Settings
from server.files.names import is_stored_name

_HOST = re.compile(r"([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?")


def file_url(settings: Settings, mount_url: str, name: str) -> str:
    """Return where a client that finds Parse's routes below `mount_url` reads a file.

    Each step of the name is encoded as JavaScript encodes a component.
    """
    elsewhere = settings.production_files_url or settings.local_files_url
    here = f"{mount_url}/files/{quote(settings.app_id, safe='')}"
    kept = "/!*'()" if is_stored_name(name) else "!*'()"  # no step that leads elsewhere
    return f"{elsewhere or here}/" + quote(name, safe=kept)


def doubt_of_server_url(settings: Settings) -> str | None:
    """Say what is wrong with a SERVER_URL that ends in no mount, but for a proxy that adds one."""
    path = urlsplit(settings.server_url).path.lower()
    mounts = tuple(mount.lower() for mount in settings.parse_mounts)
    if not settings.server_url or path.endswith(mounts):
        return None
    return (
        f"{settings.server_url} does not end in {settings.parse_mount}: files, which clients look "
        f"for below it, are not there, unless a proxy adds that; try "
        f"{settings.server_url}{settings.parse_mount}"
    )


def public_mount_url(settings: Settings, scheme: str, host: str, mount: str) -> str:
    """Return where the client of a request finds Parse's routes.

    SERVER_URL if it is set. Otherwise the `Host` that the request names, as in Parse Server, if
    it could be one: what else a client writes there must not get into other clients' answers.
    """
    if settings.server_url:
        return settings.server_url
    known_host = host if _HOST.fullmatch(host) else f"localhost:{settings.port}"
    return f"{scheme}://{known_host}{mount}"
