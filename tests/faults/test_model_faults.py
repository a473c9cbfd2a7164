"""A server that starts without a model, or with a damaged one: images wait and are judged later."""

import shutil

import pytest
from books import wait_until_at_rest
from parse_calls import FLAGS, find, save, set_policy, wait_until

from ml_models.pretrained import DEFAULT_MODEL, load

pytestmark = pytest.mark.slow

NEXT_LOOK_S = 30  # so long an image waits for a model before it is tried again


def remove(path):
    path.unlink()


def change_one_byte(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [remove, change_one_byte])
def test_images_wait_for_a_whole_model_and_are_judged_once_it_is_there(
    start_server, models_dir, tmp_path, clock, damage
):
    folder = tmp_path / "models"
    shutil.copytree(models_dir / DEFAULT_MODEL, folder / DEFAULT_MODEL)
    whole = load(DEFAULT_MODEL, models_dir).path
    damage(folder / DEFAULT_MODEL / whole.name)
    server = start_server(MODELS_DIR=folder, CLASSIFY_PERMITS=1, clock=clock.path)
    server.wait_until_healthy(expected=503)
    assert server.request("GET", "/health")[1]["problems"] == ["model not ready"]
    set_policy(server)
    for colour in ("blue", "tan"):
        save(server, colour)
    assert_all_wait(server)
    shutil.copyfile(whole, folder / DEFAULT_MODEL / whole.name)
    server.wait_until_healthy()
    clock.set(NEXT_LOOK_S)
    books = wait_until_at_rest(server).check()
    assert books.states() == {"approved": 1, "rejected": 1}
    assert "Traceback" not in server.log.read_text()


def assert_all_wait(server):
    """Pending with the reason and without an attempt lost; and no object says anything else."""
    items = wait_until(lambda: with_problems(server))
    assert all(item["attempts"] == 0 for item in items)
    assert {item["state"] for item in items} == {"pending"}
    for row in find(server, "UserImage"):
        assert not any(row[flag] for flag in FLAGS.values())
        assert "NSFWPredictions" not in row


def with_problems(server):
    """The items, once each says what it waits for."""
    items = find(server, "ModerationItem")
    return items if all("problem" in item for item in items) else []
