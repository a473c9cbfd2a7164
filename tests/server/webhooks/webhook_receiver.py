"""A real receiver of webhooks on loopback, as somebody would write it, and decisions to tell it."""

import base64
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

from cloud.clock import utc_now
from cloud.moderation.items import Decision, Evidence, State, Subject
from ml_models.types import Label, Prediction
from server.fetch.address import AllowedHost
from server.fetch.http import PinnedFetcher
from server.objects.schemas import Schemas
from server.storage.port import Query
from server.webhooks.deliverer import DeliveryQueue
from server.webhooks.deliveries import SCHEMA, StoredDeliveries
from server.webhooks.receivers import parse_receivers
from server.webhooks.sender import SignedSender

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


class HookReceiver:
    """Keeps what comes and answers the n-th with the n-th status, the last for ever; but what does
    not verify is answered 401."""

    def __init__(self, *statuses, port=0, delay_s=0.0, location=None, verifies=True):
        self._verifies = verifies
        self.received, self.ids, self.bodies = [], [], []
        self._statuses, self._delay_s, self._location = statuses or (204,), delay_s, location
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/hook"

    def wait_for(self, count, timeout_s=10.0):
        """The bodies, once so many have come."""
        deadline = time.monotonic() + timeout_s
        while len(self.bodies) < count:
            assert time.monotonic() < deadline, self.bodies
            time.sleep(0.01)
        return self.bodies

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _take(self, headers, path, body):
        try:
            verified = Webhook(SECRET).verify(body, headers) if self._verifies else None
        except WebhookVerificationError:
            return 401
        with self._lock:
            status = self._statuses[min(len(self.received), len(self._statuses) - 1)]
            self.received.append((path, headers, body))
            self.ids.append(headers["webhook-id"])
            self.bodies.append(verified)
        time.sleep(self._delay_s)
        return status

    def _handler(receiver):
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver._take(dict(self.headers), self.path, body)
                self.send_response(status)
                if receiver._location:
                    self.send_header("Location", receiver._location)
                self.end_headers()

            def log_message(self, *args):
                pass

        return Handler


class Clock:
    """Stands still, a minute ahead so that decisions lie behind, until a test skips some time."""

    def __init__(self):
        self.now = utc_now() + timedelta(minutes=1)

    def __call__(self):
        return self.now

    def skip(self, **time):
        self.now += timedelta(**time)


def decision(number=1, item_id="item1", decided_at=None):
    return Decision(
        item_id=item_id,
        number=number,
        subject=Subject("UserImage", "image1", "image", "abc_photo.jpg"),
        before=State.PENDING,
        after=State.APPROVED,
        decided_by="rules",
        reasons=("nothing is above its limit",),
        evidence=Evidence(predictions=(Prediction(Label.NEUTRAL, 0.99),), policy_version=3),
        decided_at=decided_at or utc_now(),
    )


@dataclass
class Office:
    """The deliveries to some URLs and, by URL, their queues; all on one database."""

    database: object
    urls: tuple
    clock: object
    timeout_s: float = 1.0
    allow: str = "127.0.0.1"

    def __post_init__(self):
        receivers = parse_receivers(self.urls)
        schemas = Schemas(self.database.schemas, clients_make_classes=False)
        self.deliveries = StoredDeliveries(self.database, schemas, receivers)
        allowed = [AllowedHost(self.allow, None)] if self.allow else []
        door = PinnedFetcher(
            timeout_s=self.timeout_s, max_bytes=1, allowed=allowed, allowed_by="WEBHOOK_ALLOW"
        )
        self.queues = [
            DeliveryQueue(
                self.deliveries, receiver, SignedSender(door, receiver, SECRET), now=self.clock
            )
            for receiver in receivers
        ]

    def rows(self):
        return self.database.objects.find(SCHEMA, Query())

    def row(self):
        (row,) = self.rows()
        return row

    def deliver(self, queue=None):
        """Make one attempt for everything that is due, in this thread; how many were due."""
        due = 0
        for each in [queue] if queue else self.queues:
            for delivery_id in self.deliveries.due(each._receiver.shown, self.clock(), 1000):
                due += 1
                each.deliver(delivery_id)
        return due

    def close(self):
        for queue in self.queues:
            queue.close()
