"""Placeholders are made at the upload, best effort: nothing waits long for them."""

import os
import signal
import time

import pytest
from image_host import noise

from ml_models import pretrained
from ml_models.classifier import NsfwClassifier
from ml_models.errors import ClassifierBusy
from ml_models.pictures import placeholder
from server.files import placeholders
from server.files.placeholders import Placeholders

IMAGE = noise(1)


@pytest.fixture
def classifier(models_dir):
    made = NsfwClassifier(
        lambda: pretrained.load("MobileNetV2", models_dir),
        permits=1,
        max_waiting=4,
        max_wait_s=10,
        max_pixels=1_000_000,
    )
    yield made
    made.close()


def test_an_image_has_one_as_soon_as_the_model_is_loaded(classifier):
    made = Placeholders(classifier, permits=1)
    assert made.make(IMAGE) is None
    classifier.warm_up()
    assert made.make(IMAGE) == placeholder(IMAGE, 1_000_000)


@pytest.mark.parametrize("data", [b"no image", IMAGE[: len(IMAGE) // 2], b"", b"\xff\xd8\xff"])
def test_what_cannot_be_decoded_has_none(classifier, data):
    classifier.warm_up()
    assert Placeholders(classifier, permits=1).make(data) is None


def test_a_slow_child_is_left_to_itself_and_serves_again(classifier):
    classifier.warm_up()
    made = Placeholders(classifier, permits=1)
    child = classifier._pool._children[0]._process.pid
    os.kill(child, signal.SIGSTOP)
    started = time.monotonic()
    assert made.make(IMAGE) is None
    assert placeholders._WAIT_S <= time.monotonic() - started < placeholders._WAIT_S + 3
    with pytest.raises(ClassifierBusy):  # the permit is still out
        classifier.placeholder(IMAGE)
    os.kill(child, signal.SIGCONT)
    deadline = time.monotonic() + 8
    while made.make(IMAGE) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert made.make(IMAGE) == placeholder(IMAGE, 1_000_000)
    assert classifier._pool._children[0]._process.pid == child
