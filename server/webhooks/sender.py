"""Signs one delivery as Standard Webhooks says and posts it through the one door.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from datetime import datetime

from standardwebhooks import Webhook

from server.fetch.http import PinnedFetcher


class SignedSender:
    """Posts deliveries with an id, a time and an HMAC-SHA256 over both and the body. Thread-safe."""

    def __init__(self, door: PinnedFetcher, secret: str) -> None:
        self._door = door
        self._signer = Webhook(secret)

    def send(self, url: str, delivery_id: str, body: str, now: datetime) -> int:
        """Return the status of the receiver's answer. Raises FetchError.

        `now` is signed too: receivers refuse what was signed more than some minutes ago.
        """
        headers = {
            "Content-Type": "application/json",
            "webhook-id": delivery_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": self._signer.sign(delivery_id, now, body),
        }
        return self._door.post(url, body.encode(), headers)
