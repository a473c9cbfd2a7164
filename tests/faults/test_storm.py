"""Whatever is killed or stopped, every acknowledged image is judged once, and the books say why.

Three installations out of real processes: a server whose own threads judge; one with two workers
and a Redis; and these with a MongoDB server instead of the embedded database. What hits them is
sized by the environment: without it a run of the first and the last takes seconds, and `make
faults` runs all three with the full figures: the last, too, where TEST_DATABASE_URI names a MongoDB
server, and with fewer saves on nx-27017 where it does not.
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
# nx-27017 reads a whole collection at every step, so that it takes a second with 2,000 images.
MOST_SAVES_ON_NX = 500
SAVES_ON_MONGO = SAVES if "TEST_DATABASE_URI" in os.environ else min(SAVES, MOST_SAVES_ON_NX)

# Past the leases of what was killed, and past the time that a save has to write its object.
LATER_S = 11 * 60


class Threads:
    """One server with two web processes, which judge in threads; all on the embedded database."""

    saves = SAVES
    outages = ()

    def __init__(self, start):
        self._start = start
        self.settings = {"WEB_WORKERS": 2, "CLASSIFY_PERMITS": 2, "CONFIG_CACHE_MS": 0}
        self.server = start(**self.settings).wait_until_healthy()

    def kill_something(self, dice):
        """The server with all that belongs to it, or one web process or classifier; its name."""
        is_one = dice.random() < 0.5
        return (is_one and kill_one(self.server, dice)) or self._kill_the_server()

    def _kill_the_server(self):
        kill_family(self.server)
        self.server = self._start(PORT=self.server.port, **self.settings).wait_until_healthy()
        return "server"


class Workers(Threads):
    """A server that judges nothing, two workers, and a broker."""

    def __init__(self, start, start_one, redis, **where):
        self._start_one, self._redis, self._where = start_one, redis, where
        super().__init__(lambda **s: start(CELERY_BROKER_URL=redis.url, **where, **s))
        self._workers = [self._new_worker(), self._new_worker()]
        self.outages = [self._stop_the_broker]

    def kill_something(self, dice):
        """The server, a worker, or one process of either; its name."""
        if dice.random() < 0.5:
            return super().kill_something(dice)
        number, is_one = dice.randrange(2), dice.random() < 0.5
        return (is_one and kill_one(self._workers[number], dice)) or self._kill_the_worker(number)

    def _kill_the_worker(self, number):
        kill_family(self._workers[number])
        self._workers[number] = self._new_worker()
        return "worker"

    def _new_worker(self):
        return self._start_one(CONFIG_CACHE_MS=0, **self._where)

    def _stop_the_broker(self, _dice):
        """Which forgets everything that it held."""
        away(self._redis)
        return "broker"


class WorkersOnMongo(Workers):
    """The same on a MongoDB server that is stopped as well."""

    saves = SAVES_ON_MONGO

    def __init__(self, start, start_one, redis, mongo):
        super().__init__(start, start_one, redis, DATABASE_URI=mongo.uri)
        self._mongo = mongo
        self.outages.append(self._stop_the_database)

    def _stop_the_database(self, _dice):
        away(self._mongo)
        return "database"


def away(service):
    service.stop()
    time.sleep(OUTAGE_S)
    service.start()


def kill_one(program, dice):
    """`kill -9` of one of the processes that a program started; its name, None if there is none."""
    running = [process for process in program.family()[1:] if is_running(process)]
    if not running:
        return None
    victim = dice.choice(running)
    name = "classifier" if "ml_models.child" in victim.cmdline() else "web process"
    victim.kill()
    return name


def is_running(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def kill_family(program):
    """`kill -9` of all its processes, at once."""
    family = program.family()
    for process in family:
        process.kill()
    psutil.wait_procs(family, timeout=10)


@pytest.fixture(params=["threads", *(["workers"] if SAVES > MOST_SAVES_ON_NX else []), "mongo"])
def installation(request, start_server, clock):
    def start(**settings):
        return start_server(clock=clock.path, **settings)

    def start_one(**settings):
        return start_worker(clock=clock.path, **settings)

    if request.param == "threads":
        return Threads(start)
    start_worker, redis = map(request.getfixturevalue, ["start_one", "redis"])
    if request.param == "workers":
        return Workers(start, start_one, redis)
    return WorkersOnMongo(start, start_one, redis, request.getfixturevalue("best_mongo"))


def test_whatever_is_killed_every_acknowledged_image_is_judged_once(installation, clock):
    set_policy(installation.server)
    dice, saves = random.Random(), installation.saves
    events = events_in_some_order(installation, dice)
    share = saves / (len(events) + 1)
    clients = Clients(installation.server, CLIENTS, allowed=2 * share)
    try:
        for number, event in enumerate(events, start=1):
            clients.wait_for(number * share)
            time.sleep(dice.random() / 2)
            logger.info("after %d saves: %s", clients.saves, event(dice))
            clients.server, clients.allowed = installation.server, (number + 2) * share
        clients.wait_for(saves)
    finally:
        clients.stop()
    clock.set(LATER_S)
    books = wait_until_at_rest(installation.server, timeout_s=90 + saves / 5).check()
    clients.check(books)
    logger.info("%d saves, %d rulings: %s", clients.saves, len(clients.rulings), books.states())
    assert any(item["state"] == "ended" for item in books.items.values())
    assert len(books.states()) == len(FLAGS)
    assert clients.rulings


def events_in_some_order(installation, dice):
    """All kills, and between them each outage once."""
    events = [installation.kill_something] * KILLS
    for outage in installation.outages:
        events.insert(dice.randrange(1, KILLS), outage)
    return events
