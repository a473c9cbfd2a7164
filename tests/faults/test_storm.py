"""Whatever is killed or stopped, every acknowledged image is judged once, and the books say why.

Two installations out of real processes: one server on the embedded database, its own threads
judging; and a server with two workers, Redis and a MongoDB server. What hits them is sized by the
environment; without it a run takes seconds, and `make faults` runs the full figures.
"""

import logging
import os
import random
import time

import psutil
import pytest
from books import wait_until_at_rest
from parse_calls import FLAGS, set_policy
from storm import Clients

pytestmark = pytest.mark.slow
logger = logging.getLogger(__name__)

SAVES = int(os.environ.get("FAULTS_SAVES", "200"))
KILLS = int(os.environ.get("FAULTS_KILLS", "5"))
OUTAGE_S = float(os.environ.get("FAULTS_OUTAGE_S", "2"))
CLIENTS = 8

# Past the leases of what was killed, and past the time that a save has to write its object.
LATER_S = 11 * 60


class Embedded:
    """One server with two web processes, which judge in threads."""

    outages = ()

    def __init__(self, start):
        self._start = start
        self.settings = {"WEB_WORKERS": 2, "CLASSIFY_PERMITS": 2, "CONFIG_CACHE_MS": 0}
        self.server = start(**self.settings).wait_until_healthy()

    def kill_something(self, dice):
        """The server with all that belongs to it, or one web process or classifier; its name."""
        return self.kill_the_server() if dice.random() < 0.5 else kill_one(self.server, dice)

    def kill_the_server(self):
        kill_family(self.server)
        self.server = self._start(PORT=self.server.port, **self.settings).wait_until_healthy()
        return "server"


class Scaled(Embedded):
    """A server that judges nothing, two workers, a broker, and a database that are processes."""

    def __init__(self, start, start_one, redis, mongo):
        self._start_one, self._redis, self._mongo = start_one, redis, mongo
        where = {"DATABASE_URI": mongo.uri, "CELERY_BROKER_URL": redis.url}
        super().__init__(lambda **settings: start(**where, **settings))
        self.workers = [self._new_worker(), self._new_worker()]

    @property
    def outages(self):
        return self._stop_the_database, self._stop_the_broker

    def kill_something(self, dice):
        """The server, a worker, or one process of either; its name."""
        lot = dice.randrange(4)
        if lot == 0:
            return self.kill_the_server()
        if lot == 1:
            return kill_one(self.server, dice)
        number = dice.randrange(2)
        if lot == 2:
            return kill_one(self.workers[number], dice)
        kill_family(self.workers[number])
        self.workers[number] = self._new_worker()
        return "worker"

    def _new_worker(self):
        return self._start_one(DATABASE_URI=self._mongo.uri, CONFIG_CACHE_MS=0)

    def _stop_the_database(self, _dice):
        away(self._mongo)
        return "database"

    def _stop_the_broker(self, _dice):
        """Which forgets everything that it held."""
        away(self._redis)
        return "broker"


def away(service):
    service.stop()
    time.sleep(OUTAGE_S)
    service.start()


def kill_one(program, dice):
    """`kill -9` of one of the processes that a program started."""
    running = [p for p in program.family()[1:] if p.status() != psutil.STATUS_ZOMBIE]
    victim = dice.choice(running)
    name = "classifier" if "ml_models.child" in victim.cmdline() else "web process"
    victim.kill()
    return name


def kill_family(program):
    """`kill -9` of all its processes, at once."""
    family = program.family()
    for process in family:
        process.kill()
    psutil.wait_procs(family, timeout=10)


@pytest.fixture(params=["embedded", "scaled"])
def installation(request, start_server, clock):
    def start(**settings):
        return start_server(clock=clock.path, **settings)

    if request.param == "embedded":
        return Embedded(start)
    start_one, redis, mongo = map(request.getfixturevalue, ["start_one", "redis", "mongo"])
    return Scaled(start, lambda **s: start_one(clock=clock.path, **s), redis, mongo)


def test_whatever_is_killed_every_acknowledged_image_is_judged_once(installation, clock):
    set_policy(installation.server)
    dice = random.Random()
    events = events_in_some_order(installation, dice)
    share = SAVES / (len(events) + 1)
    clients = Clients(installation.server, CLIENTS, allowed=2 * share)
    try:
        for number, event in enumerate(events, start=1):
            clients.wait_for(number * share)
            time.sleep(dice.random() / 2)
            logger.info("after %d saves: %s", clients.saves, event(dice))
            clients.server, clients.allowed = installation.server, (number + 2) * share
        clients.wait_for(SAVES)
    finally:
        clients.stop()
    clock.set(LATER_S)
    books = wait_until_at_rest(installation.server, timeout_s=60 + SAVES / 10).check()
    clients.check(books)
    logger.info("%d saves, %d rulings: %s", clients.saves, len(clients.rulings), books.states())
    assert len(books.states()) == len(FLAGS)
    assert clients.rulings


def events_in_some_order(installation, dice):
    """All kills, and between them each outage once."""
    events = [installation.kill_something] * KILLS
    for outage in installation.outages:
        events.insert(dice.randrange(1, KILLS), outage)
    return events
