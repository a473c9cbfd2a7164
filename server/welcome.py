"""What a newcomer sees first: where the server is and what to try."""

from config import DEVELOPMENT_KEYS, Settings
from ml_models.own_commands import own_command


def what_to_try(settings: Settings) -> str:
    """Lines to paste into a shell, with this server's address and keys of development.

    Keys that the operator chose are not shown, nor where on this machine we are: it also stands
    on the server's first page.
    """
    server = f"http://localhost:{settings.port}"
    known = settings.rest_api_key == DEVELOPMENT_KEYS["rest_api_key"]
    key = settings.rest_api_key if known else "<REST_API_KEY>"
    return f"""\
Parsewarden is listening on {server}
Parse SDKs use the server URL {server}{settings.parse_mount} and the app id {settings.app_id}

Classify a picture:
  curl -F file=@docs/astronaut.jpg {server}/api/image/classify

Through Parse's REST API, a picture on the web:
  curl -X POST {server}{settings.parse_mount}/functions/nsfwImageClassify \\
    -H 'X-Parse-Application-Id: {settings.app_id}' -H 'X-Parse-REST-API-Key: {key}' \\
    -d '{{"url": "https://example.com/picture.jpg"}}'

Review images in a browser:
  {server}/admin
"""


def how_to_sign_in(settings: Settings, name: str, password: str) -> str:
    """How to try the panel with the moderator of a fresh installation; to be said once."""
    return f"""\
Nobody may use the panel yet, so here is an admin to try it with. This is said once:
  {name}  {password}
The queue is filled with free samples by: {own_command("demo")}
Others are made with: {own_command("create-moderator NAME [--admin]")}
"""
