"""How far the settings open the one door to the outside."""

from config import Settings, SettingsError
from server.fetch.address import AllowedHost, parse_allowed_hosts
from server.fetch.http import PinnedFetcher

_WEBHOOK_TIMEOUT_S = 10.0


def make_fetcher(settings: Settings) -> PinnedFetcher:
    """Open it for images and models, as far as IMAGE_FETCH_ALLOW does. Raises SettingsError."""
    return PinnedFetcher(
        timeout_s=settings.image_fetch_timeout,
        max_bytes=settings.max_image_bytes,
        allowed=_allowed_hosts(settings.image_fetch_allow, "IMAGE_FETCH_ALLOW"),
    )


def make_webhook_door(settings: Settings) -> PinnedFetcher:
    """Open it for webhooks, as far as WEBHOOK_ALLOW does. Raises SettingsError."""
    return PinnedFetcher(
        timeout_s=_WEBHOOK_TIMEOUT_S,
        max_bytes=1,
        allowed=_allowed_hosts(settings.webhook_allow, "WEBHOOK_ALLOW"),
        allowed_by="WEBHOOK_ALLOW",
    )


def _allowed_hosts(text: str, setting: str) -> tuple[AllowedHost, ...]:
    try:
        return parse_allowed_hosts(text, setting)
    except ValueError as error:
        raise SettingsError(str(error)) from None
