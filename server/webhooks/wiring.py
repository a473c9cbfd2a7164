"""Joins who is told of decisions, and through which door, out of the settings."""

from config import Settings, SettingsError
from server.fetch.address import parse_allowed_hosts
from server.fetch.http import PinnedFetcher
from server.webhooks.deliverer import Deliverer, DeliveryQueue
from server.webhooks.deliveries import StoredDeliveries
from server.webhooks.receivers import Receiver, parse_receivers
from server.webhooks.sender import SignedSender

_TIMEOUT_S = 10.0


def make_deliverer(settings: Settings, deliveries: StoredDeliveries) -> Deliverer:
    """A queue for each receiver. Raises SettingsError."""
    door, secret = make_webhook_door(settings), settings.moderation_webhook_secret
    return Deliverer(
        [
            DeliveryQueue(deliveries, receiver, SignedSender(door, receiver, secret))
            for receiver in webhook_receivers(settings)
        ]
    )


def webhook_receivers(settings: Settings) -> tuple[Receiver, ...]:
    """Who is told of decisions. Raises SettingsError."""
    try:
        return parse_receivers(settings.moderation_webhook_urls)
    except ValueError as error:
        raise SettingsError(f"MODERATION_WEBHOOK_URLS: {error}") from None


def make_webhook_door(settings: Settings) -> PinnedFetcher:
    """Open the one door to the outside for webhooks, as far as WEBHOOK_ALLOW does.

    Raises SettingsError.
    """
    try:
        allowed = parse_allowed_hosts(settings.webhook_allow, "WEBHOOK_ALLOW")
    except ValueError as error:
        raise SettingsError(str(error)) from None
    return PinnedFetcher(
        timeout_s=_TIMEOUT_S, max_bytes=1, allowed=allowed, allowed_by="WEBHOOK_ALLOW"
    )
