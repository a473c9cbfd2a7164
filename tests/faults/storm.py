"""Clients that save, replace, remove and decide while processes are killed, and what they heard."""

import http.client
import random
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field

from parse_calls import COLOURS, FLAGS, MASTER, ask, picture, wait_until

# What a client must expect while the database is away, and of a person who was faster.
BUSY, TOO_LATE = 155, 141
# And what of an object that somebody deletes, or takes the file from.
NOT_FOUND, NO_IMAGE = 101, 142
NO_FILE, NO_OBJECT = "no file", "no object"
PLAIN_BYTES = [picture(colour) for colour in COLOURS]


class NotAcknowledged(Exception):
    """The server did not say that it has done what it was asked for."""


@dataclass
class Write:
    """A file that a client set, or that it left none, or no object; without `acknowledged_at`
    nobody knows whether it is so."""

    leaves: str
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
        for object_id in self.writes:
            found = books.objects.get(object_id)
            image = NO_OBJECT if found is None else found.get("image", {"name": NO_FILE})["name"]
            assert image in self._possible(object_id)
        ruled = {(row["subjectId"], row["after"]) for log in books.logs.values() for row in log}
        assert set(self.rulings) <= ruled

    def _possible(self, object_id):
        """What the object may show: what no later acknowledged save replaced."""
        writes = self.writes[object_id]
        if any(write.leaves == NO_OBJECT and write.acknowledged_at for write in writes):
            return {NO_OBJECT}
        return {
            write.leaves
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
        elif lot < 0.8:
            self._replace(dice.choice(known), dice)
        elif lot < 0.84:
            self._take_away(dice.choice(known))
        elif lot < 0.88:
            self._delete(dice.choice(known))
        else:
            self._rule(dice.choice(known), dice)

    def _create(self, dice):
        write = self._upload(dice)
        answer = self._ask("POST", "/classes/UserImage", _image(write))
        self._acknowledge(answer["objectId"], write, is_new=True)

    def _replace(self, object_id, dice):
        write = self._upload(dice)
        self._change(object_id, write, "PUT", _image(write))

    def _take_away(self, object_id):
        self._change(object_id, Write(NO_FILE), "PUT", {"image": {"__op": "Delete"}})

    def _delete(self, object_id):
        self._change(object_id, Write(NO_OBJECT), "DELETE", None)

    def _change(self, object_id, write, method, body):
        with self._lock:
            self.writes[object_id].append(write)
        self._ask(method, f"/classes/UserImage/{object_id}", body, of=object_id)
        self._acknowledge(object_id, write, is_new=False)

    def _rule(self, object_id, dice):
        state = dice.choice(["approved", "rejected"])
        path = f"/classes/UserImage/{object_id}"
        self._ask("PUT", path, {FLAGS[state]: True}, of=object_id)
        with self._lock:
            self.rulings.append((object_id, state))

    def _upload(self, dice):
        """Store a picture, one in four of bytes that were stored before; the write to be."""
        colour = dice.randrange(len(COLOURS))
        data = PLAIN_BYTES[colour] if dice.random() < 0.25 else picture(COLOURS[colour])
        stored = self._ask("POST", f"/files/{COLOURS[colour]}.jpg", data)
        return Write(stored["name"])

    def _ask(self, method, path, body, of=None):
        status, answer = ask(self.server, method, path, body, MASTER)
        if status not in (200, 201):
            if answer.get("code") not in self._expected(of):
                with self._lock:
                    self.unexpected.append((status, answer))
            raise NotAcknowledged
        return answer

    def _expected(self, object_id):
        """The errors that are no wonder, of an object if the call is about one."""
        tried = {write.leaves for write in self.writes[object_id]} if object_id else set()
        of_it = {NO_OBJECT: {NOT_FOUND}, NO_FILE: {NO_IMAGE}}
        return {BUSY, TOO_LATE}.union(*(of_it[what] for what in tried & of_it.keys()))

    def _acknowledge(self, object_id, write, *, is_new):
        write.acknowledged_at = time.monotonic()
        with self._lock:
            self.saves += 1
            if is_new:
                self.writes[object_id].append(write)


def _image(write):
    return {"image": {"__type": "File", "name": write.leaves}}
