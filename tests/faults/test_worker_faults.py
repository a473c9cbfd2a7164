"""Workers that start without a model, or are killed while nobody sweeps."""

import shutil

import psutil
import pytest
from books import wait_until_at_rest
from parse_calls import find, save, set_policy, wait_until

from ml_models.pretrained import DEFAULT_MODEL, load

pytestmark = pytest.mark.slow

NEXT_LOOK_S = 30  # so long an image waits for a model before it is tried again
# The broker gives what was not acknowledged to another worker after two minutes.
GIVEN_AGAIN_S = 130


@pytest.fixture
def server(start_server, redis, clock):
    server = start_server(CELERY_BROKER_URL=redis.url, WEB_WORKERS=1, clock=clock.path)
    set_policy(server.wait_until_healthy())
    return server


def test_worker_that_starts_without_a_model_judges_once_it_is_there(
    server, start_one, models_dir, tmp_path, clock
):
    folder = tmp_path / "models"
    shutil.copytree(models_dir / DEFAULT_MODEL, folder / DEFAULT_MODEL)
    whole = load(DEFAULT_MODEL, models_dir).path
    missing = folder / DEFAULT_MODEL / whole.name
    missing.unlink()
    worker = start_one(DATA_DIR=server.data_dir, MODELS_DIR=folder, clock=clock.path)
    for colour in ("blue", "tan"):
        save(server, colour)
    waiting = wait_until(lambda: find(server, "ModerationItem", problem={"$exists": True}))
    assert {(item["state"], item["attempts"]) for item in waiting} == {("pending", 0)}
    assert "the model is not ready" in worker.log.read_text()
    shutil.copyfile(whole, missing)
    clock.set(NEXT_LOOK_S)
    books = wait_until_at_rest(server).check()
    assert books.states() == {"approved": 1, "rejected": 1}
    assert worker.log.read_text().count("decided item=") == 2


def test_message_of_a_killed_worker_reaches_another_without_a_sweeper(
    server, start_one, redis, clock, hold
):
    """Acknowledged only once its image is judged, it is still the broker's to give away."""
    worker = start_one(DATA_DIR=server.data_dir, clock=clock.path)
    hold(worker.process.children(recursive=True))
    save(server, "blue")
    wait_until(lambda: find(server, "ModerationItem", attempts={"$gte": 1}))
    web = server.family()
    hold(web)
    family = worker.family()
    for process in family:
        process.kill()
    psutil.wait_procs(family, timeout=10)
    assert redis.ask("LLEN", "parsewarden.moderation") == 0
    clock.set(GIVEN_AGAIN_S)
    other = start_one(DATA_DIR=server.data_dir, clock=clock.path)
    wait_until(lambda: "decided item=" in other.log.read_text(), 60, explain=other.log.read_text)
    for process in web:
        process.resume()
    assert wait_until_at_rest(server).check().states() == {"approved": 1}
