"""Signs one delivery as Standard Webhooks says and posts it through the one door.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from datetime import datetime

from standardwebhooks import Webhook

from server.fetch.http import PinnedFetcher
from server.webhooks.deliveries import Delivery
from server.webhooks.receivers import Receiver


class SignedSender:
    """Posts to one receiver: an id, a time, and an HMAC-SHA256 over both and the body.

    Thread-safe. Raises ValueError for a secret that is no base64.
    """

    def __init__(self, door: PinnedFetcher, receiver: Receiver, secret: str) -> None:
        self._door, self._receiver = door, receiver
        self._signer = Webhook(secret)

    def send(self, delivery: Delivery, now: datetime) -> int:
        """Return the status of the receiver's answer. Raises FetchError.

        `now` is signed too: receivers refuse what was signed more than some minutes ago.
        """
        headers = {
            "Content-Type": "application/json",
            "webhook-id": delivery.delivery_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer.sign(delivery.delivery_id, now, delivery.body),
        }
        return self._door.post(self._receiver.url, delivery.body.encode(), headers)
