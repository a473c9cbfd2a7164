"""Clients that save, replace and decide while processes are killed, and all that they were told."""

import http.client
import random
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field

from parse_calls import COLOURS, FLAGS, MASTER, ask, picture, wait_until

# What a client must expect while the database is away, and of a person who was faster.
BUSY, TOO_LATE = 155, 141
PLAIN_BYTES = [picture(colour) for colour in COLOURS]


class NotAcknowledged(Exception):
    """The server did not say that it has done what it was asked for."""


@dataclass
class Write:
    """A file that a client set; without `acknowledged_at` nobody knows whether it is there."""

    file_name: str
    started_at: float = field(default_factory=time.monotonic)
    acknowledged_at: float | None = None

    def was_followed_by(self, other):
        return (
            self.acknowledged_at is not None
            and other.acknowledged_at is not None
            and other.started_at > self.acknowledged_at
        )


class Clients:
    """So many clients at work until `stop`, whatever becomes of the server meanwhile.

    They rest after as many saves as `allowed`.
    """

    def __init__(self, server, count, allowed):
        self.server, self.allowed = server, allowed
        self.saves = 0
        self.writes, self.rulings, self.unexpected = defaultdict(list), [], []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(n,)) for n in range(count)]
        for thread in self._threads:
            thread.start()

    def wait_for(self, saves):
        """Until so many saves in all were acknowledged; one a second is too slow."""
        timeout_s = 60 + saves - self.saves
        wait_until(lambda: self.saves >= saves, timeout_s, 0.01, lambda: self.unexpected)

    def stop(self):
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def check(self, books):
        """Everything that was acknowledged is in the books."""
        assert self.unexpected == []
        acknowledged = {
            object_id
            for object_id, writes in self.writes.items()
            if any(write.acknowledged_at for write in writes)
        }
        assert acknowledged <= books.objects.keys()
        for object_id in acknowledged:
            assert books.objects[object_id]["image"]["name"] in self._possible(object_id)
        ruled = {(row["subjectId"], row["after"]) for log in books.logs.values() for row in log}
        assert set(self.rulings) <= ruled

    def _possible(self, object_id):
        """The files that the object may show: those that no later acknowledged save replaced."""
        writes = self.writes[object_id]
        return {
            write.file_name
            for write in writes
            if not any(write.was_followed_by(other) for other in writes)
        }

    def _run(self, seed):
        dice = random.Random(seed)
        while not self._stopping.is_set():
            if self.saves >= self.allowed:
                time.sleep(0.02)
                continue
            try:
                self._do_something(dice)
            except (OSError, http.client.HTTPException, ValueError, NotAcknowledged):
                time.sleep(0.05)  # the server is away

    def _do_something(self, dice):
        known = list(self.writes)
        lot = dice.random()
        if not known or lot < 0.7:
            self._create(dice)
        elif lot < 0.85:
            self._replace(dice.choice(known), dice)
        else:
            self._rule(dice.choice(known), dice)

    def _create(self, dice):
        write = self._upload(dice)
        answer = self._ask("POST", "/classes/UserImage", _image(write))
        self._acknowledge(answer["objectId"], write, is_new=True)

    def _replace(self, object_id, dice):
        write = self._upload(dice)
        with self._lock:
            self.writes[object_id].append(write)
        self._ask("PUT", f"/classes/UserImage/{object_id}", _image(write))
        self._acknowledge(object_id, write, is_new=False)

    def _rule(self, object_id, dice):
        state = dice.choice(["approved", "rejected"])
        path = f"/classes/UserImage/{object_id}"
        self._ask("PUT", path, {FLAGS[state]: True}, MASTER)
        with self._lock:
            self.rulings.append((object_id, state))

    def _upload(self, dice):
        """Store a picture, one in four of bytes that were stored before; the write to be."""
        colour = dice.randrange(len(COLOURS))
        data = PLAIN_BYTES[colour] if dice.random() < 0.25 else picture(COLOURS[colour])
        stored = self._ask("POST", f"/files/{COLOURS[colour]}.jpg", data, MASTER)
        return Write(stored["name"])

    def _ask(self, method, path, body, headers=MASTER):
        status, answer = ask(self.server, method, path, body, headers)
        if status not in (200, 201):
            self._note_unless_expected(status, answer)
            raise NotAcknowledged
        return answer

    def _note_unless_expected(self, status, answer):
        if answer.get("code") not in (BUSY, TOO_LATE):
            with self._lock:
                self.unexpected.append((status, answer))

    def _acknowledge(self, object_id, write, *, is_new):
        write.acknowledged_at = time.monotonic()
        with self._lock:
            self.saves += 1
            if is_new:
                self.writes[object_id].append(write)


def _image(write):
    return {"image": {"__type": "File", "name": write.file_name}}
