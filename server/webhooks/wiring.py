"""Joins who is told of decisions, out of the settings."""

from config import Settings, SettingsError
from server.fetch.wiring import make_webhook_door
from server.webhooks.deliverer import Deliverer, DeliveryQueue
from server.webhooks.deliveries import StoredDeliveries
from server.webhooks.receivers import Receiver, parse_receivers
from server.webhooks.sender import SignedSender


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
