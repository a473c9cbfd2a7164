"""The whole way from bytes to predictions; permits, waiting, and images that take a child down."""

import io
import multiprocessing
import shutil
import sys
import threading
import time
from dataclasses import replace

import psutil
import pytest
from PIL import Image
from test_fidelity import REFERENCE, TOLERANCE, image_path
from test_images import encoded, picture

from ml_models import pretrained
from ml_models.classifier import NsfwClassifier, PatientClassifier
from ml_models.errors import (
    ClassifierBusy,
    DecodeError,
    ImageTooLarge,
    ModelDamaged,
    ModelError,
    ModelMissing,
    UnsupportedImage,
)
from ml_models.fingerprint import fingerprint
from ml_models.images import decode
from ml_models.pictures import picture as rendered
from ml_models.pictures import placeholder
from ml_models.types import Label, Rendering

JPEG = encoded(picture(), "JPEG")


@pytest.fixture
def make_classifier(models_dir):
    """Make a classifier of MobileNetV2; `load` and limits can be others."""
    made = []

    def make(load=None, **limits):
        settings = {"permits": 1, "max_waiting": 4, "max_wait_s": 10.0, "max_pixels": 1_000_000}
        load = load or (lambda: pretrained.load("MobileNetV2", models_dir))
        made.append(NsfwClassifier(load, **{**settings, **limits}))
        return made[-1]

    yield make
    for classifier in made:
        classifier.close()


@pytest.fixture(scope="session", params=pretrained.known_names())
def known_classifier(request, models_dir):
    classifier = NsfwClassifier(
        lambda: pretrained.load(request.param, models_dir),
        permits=1,
        max_waiting=1,
        max_wait_s=30,
        max_pixels=10_000_000,
    )
    yield classifier
    classifier.close()


@pytest.mark.parametrize("name", REFERENCE)
def test_bytes_become_the_predictions_of_nsfwjs(known_classifier, name):
    predictions = known_classifier.classify(image_path(name).read_bytes()).predictions
    expected = REFERENCE[name]["predictions"][known_classifier.model.name]
    assert {p.label.value: p.probability for p in predictions} == pytest.approx(
        expected, abs=TOLERANCE
    )


def test_all_labels_are_predicted_most_probable_first(make_classifier):
    predictions = make_classifier().classify(JPEG).predictions
    assert {prediction.label for prediction in predictions} == set(Label)
    probabilities = [prediction.probability for prediction in predictions]
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) == pytest.approx(1, abs=1e-5)


def test_what_one_can_see_through_is_judged_on_black_too(make_classifier):
    """A white sheet whose alpha channel is the picture is blank on a white page alone."""
    classifier, grey = make_classifier(), Image.open(image_path(next(iter(REFERENCE)))).convert("L")
    sheet = Image.new("RGBA", grey.size, "white")
    sheet.putalpha(grey)
    found = classifier.classify(encoded(sheet, "PNG"))
    blank = classifier.classify(encoded(Image.new("RGB", grey.size, "white"), "PNG"))
    shown = classifier.classify(encoded(grey, "PNG"))
    assert probabilities(found.predictions) == pytest.approx(probabilities(blank.predictions))
    assert probabilities(found.on_black) == pytest.approx(
        probabilities(shown.predictions), abs=0.02
    )
    assert blank.on_black is None
    assert classifier.classify(encoded(picture().convert("RGBA"), "PNG")).on_black is None


def probabilities(predictions):
    return {p.label.value: p.probability for p in predictions}


def test_fingerprint_is_that_of_the_decoded_pixels(make_classifier):
    seen = make_classifier().classify(JPEG).fingerprint
    assert seen == fingerprint(decode(JPEG, 1_000_000))


def test_image_errors_cross_the_process_with_their_facts(make_classifier):
    classifier = make_classifier(max_pixels=100)
    with pytest.raises(ImageTooLarge) as refusal:
        classifier.classify(JPEG)
    assert (refusal.value.width_px, refusal.value.max_pixels) == (61, 100)
    with pytest.raises(UnsupportedImage, match="no decoder recognises"):
        classifier.classify(b"nonsense")
    with pytest.raises(DecodeError):
        make_classifier().classify(JPEG[: len(JPEG) // 2])


@pytest.mark.parametrize("rendering", [Rendering(32), Rendering(16, veiled=True)])
def test_picture_is_made_by_the_child(make_classifier, rendering):
    made = make_classifier().picture(JPEG, rendering)
    assert made == rendered(JPEG, 1_000_000, rendering)
    assert max(Image.open(io.BytesIO(made)).size) == rendering.longest_side_px


def test_requests_of_all_kinds_take_turns_in_one_child(make_classifier):
    classifier = make_classifier()
    predictions = classifier.classify(JPEG)
    for _ in range(3):
        assert classifier.placeholder(JPEG) == placeholder(JPEG, 1_000_000)
        with pytest.raises(UnsupportedImage):
            classifier.picture(b"picture 32 0", Rendering(32))  # no request may hide in an image
        with pytest.raises(UnsupportedImage):
            classifier.placeholder(b"")
        assert classifier.picture(JPEG, Rendering(32)) == rendered(JPEG, 1_000_000, Rendering(32))
        assert classifier.classify(JPEG) == predictions


def test_picture_of_noise_fits_through(make_classifier):
    noise = encoded(Image.effect_noise((1500, 1500), 120).convert("RGB"), "JPEG", quality=95)
    made = make_classifier(max_pixels=3_000_000).picture(noise, Rendering(1024))
    assert Image.open(io.BytesIO(made)).size == (1024, 1024)


def test_placeholder_waits_for_no_permit_and_loads_no_model(make_classifier):
    classifier = make_classifier()
    with pytest.raises(ModelMissing):
        classifier.placeholder(JPEG)
    classifier.warm_up()
    stopped, threads = occupy(classifier, 1)
    started = time.monotonic()
    with pytest.raises(ClassifierBusy, match="no permit is free"):
        classifier.placeholder(JPEG)
    assert time.monotonic() - started < 0.1
    for child in stopped:
        child.resume()
    for thread in threads:
        thread.join()
    assert classifier.placeholder(JPEG) == placeholder(JPEG, 1_000_000)


def test_picture_that_crashes_its_children_is_a_decode_error(make_classifier):
    classifier = make_classifier(max_pixels=16_000_000)
    classifier.warm_up()
    killer = threading.Thread(target=kill_while_decoding, args=[classifier, 2])
    killer.start()
    with pytest.raises(DecodeError, match="crashed"):
        classifier.picture(SLOW_PNG, Rendering(1024))
    killer.join()
    assert len(classifier.classify(JPEG).predictions) == 5


def children(classifier):
    return [psutil.Process(child._process.pid) for child in classifier._pool._children]


def test_as_many_children_as_permits_and_none_after_close(make_classifier):
    classifier = make_classifier(permits=2)
    classifier.warm_up()
    first, second = children(classifier)
    assert first.is_running()
    assert second.is_running()
    classifier.close()
    assert not first.is_running()
    assert not second.is_running()


def stop_children(classifier):
    """Stand in for a decoder that stalls: the child takes the image and never answers."""
    stopped = children(classifier)
    for child in stopped:
        child.suspend()
    return stopped


SLOW_PNG = encoded(Image.effect_noise((4000, 4000), 90), "PNG", compress_level=1)


def kill_while_decoding(classifier, times):
    """Stand in for an image on which decoders crash: its child dies, and so does the next one."""
    killed = set()
    while len(killed) < times:
        child = classifier._pool._children[0]
        if child._ready and child._process.pid not in killed:
            time.sleep(0.03)
            killed.add(child._process.pid)
            child._process.kill()
        time.sleep(0.001)


def test_image_that_crashes_its_children_is_a_decode_error_and_the_next_is_served(make_classifier):
    classifier = make_classifier(max_pixels=16_000_000)
    classifier.warm_up()
    killer = threading.Thread(target=kill_while_decoding, args=[classifier, 2])
    killer.start()
    with pytest.raises(DecodeError, match="crashed"):
        classifier.classify(SLOW_PNG)
    killer.join()
    assert len(classifier.classify(JPEG).predictions) == 5


def test_child_killed_once_costs_no_image_its_predictions(make_classifier):
    classifier = make_classifier(max_pixels=16_000_000)
    classifier.warm_up()
    killer = threading.Thread(target=kill_while_decoding, args=[classifier, 1])
    killer.start()
    assert len(classifier.classify(SLOW_PNG).predictions) == 5
    killer.join()


def test_terminating_the_group_does_not_cost_the_image_in_hand(make_classifier):
    classifier = make_classifier()
    classifier.warm_up()
    for child in children(classifier):
        child.terminate()
    before = [child.pid for child in children(classifier)]
    assert len(classifier.classify(JPEG).predictions) == 5
    assert [child.pid for child in children(classifier)] == before


def test_child_does_not_know_the_keys(make_classifier, monkeypatch):
    monkeypatch.setenv("MASTER_KEY", "secret")
    classifier = make_classifier()
    classifier.warm_up()
    assert "secret" not in str(children(classifier)[0].environ())


@pytest.mark.slow
def test_image_that_stalls_its_child_is_a_decode_error_in_bounded_time(make_classifier):
    classifier = make_classifier()
    classifier.warm_up()
    stop_children(classifier)
    started = time.monotonic()
    with pytest.raises(DecodeError, match="not decoded within"):
        classifier.classify(JPEG)
    assert time.monotonic() - started < 15
    assert len(classifier.classify(JPEG).predictions) == 5


def test_child_that_talks_nonsense_is_replaced(make_classifier):
    """Or the next image would get the answer that was still on its way for this one."""
    classifier = make_classifier()
    classifier.warm_up()
    (child,) = classifier._pool._children
    confused = child._process.pid
    ours, theirs = multiprocessing.Pipe()
    theirs.send_bytes(b"\xff no JSON")
    child._connection.close()
    child._connection = ours
    assert len(classifier.classify(JPEG).predictions) == 5
    assert child._process.pid != confused


def test_child_that_died_while_idle_is_replaced(make_classifier):
    classifier = make_classifier()
    classifier.warm_up()
    for child in children(classifier):
        child.kill()
    time.sleep(0.2)
    assert len(classifier.classify(JPEG).predictions) == 5


def test_children_end_when_their_parent_is_killed(models_dir, tmp_path):
    program = f"""
import sys, time
from pathlib import Path
from ml_models import pretrained
from ml_models.classifier import NsfwClassifier, PatientClassifier
c = NsfwClassifier(lambda: pretrained.load("MobileNetV2", Path({str(models_dir)!r})),
                   permits=2, max_waiting=1, max_wait_s=10, max_pixels=1000)
c.warm_up()
print("ready", flush=True)
time.sleep(60)
"""
    with psutil.Popen([sys.executable, "-c", program], stdout=-1) as parent:
        parent.stdout.readline()
        orphans = parent.children()
        parent.kill()
        parent.wait()
    assert len(orphans) == 2
    _, alive = psutil.wait_procs(orphans, timeout=5)
    assert alive == []


def occupy(classifier, count):
    """Hold permits and places in the queue with calls that do not end until the children wake."""
    stopped = stop_children(classifier)
    threads = [threading.Thread(target=classifier.classify, args=[JPEG]) for _ in range(count)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    return stopped, threads


def test_who_is_patient_is_served_however_full_the_queue(make_classifier):
    classifier = make_classifier(max_waiting=1, max_wait_s=5.0)
    classifier.warm_up()
    stopped, threads = occupy(classifier, 2)
    with pytest.raises(ClassifierBusy, match="queue for a permit is full"):
        classifier.classify(JPEG)
    awake = threading.Timer(0.3, lambda: [child.resume() for child in stopped])
    awake.start()
    assert len(PatientClassifier(classifier).classify(JPEG).predictions) == 5
    for thread in (awake, *threads):
        thread.join()


def test_full_queue_is_busy_at_once_and_drains(make_classifier):
    classifier = make_classifier(max_waiting=2)
    classifier.warm_up()
    stopped, threads = occupy(classifier, 3)
    started = time.monotonic()
    with pytest.raises(ClassifierBusy, match="queue"):
        classifier.classify(JPEG)
    assert time.monotonic() - started < 0.1
    for child in stopped:
        child.resume()
    for thread in threads:
        thread.join()
    assert len(classifier.classify(JPEG).predictions) == 5


def test_wait_for_a_permit_is_bounded(make_classifier):
    classifier = make_classifier(max_wait_s=0.2)
    classifier.warm_up()
    stopped, threads = occupy(classifier, 1)
    with pytest.raises(ClassifierBusy, match=r"within 0\.2 s"):
        classifier.classify(JPEG)
    for child in stopped:
        child.resume()
    for thread in threads:
        thread.join()


def test_missing_model_is_said_and_found_as_soon_as_it_is_there(
    make_classifier, models_dir, tmp_path
):
    classifier = make_classifier(lambda: pretrained.load("MobileNetV2", tmp_path))
    with pytest.raises(ModelMissing):
        classifier.classify(JPEG)
    with pytest.raises(ModelMissing):
        _ = classifier.model
    shutil.copytree(models_dir / "MobileNetV2", tmp_path / "MobileNetV2")
    time.sleep(1.1)
    assert len(classifier.classify(JPEG).predictions) == 5


def test_child_is_not_replaced_by_another_model(make_classifier, models_dir, tmp_path):
    folder = tmp_path / "models"
    shutil.copytree(models_dir / "MobileNetV2", folder / "MobileNetV2")
    classifier = make_classifier(lambda: pretrained.load("MobileNetV2", folder))
    classifier.warm_up()
    model = folder / "MobileNetV2" / "model.tflite"
    good = model.read_bytes()
    model.unlink()
    model.write_bytes(good[:-1000] + bytes(1000))
    children(classifier)[0].kill()
    time.sleep(0.2)
    with pytest.raises(ModelDamaged):
        classifier.classify(JPEG)
    with pytest.raises(ModelError):
        classifier.check()
    model.unlink()
    model.write_bytes(good)
    assert len(classifier.classify(JPEG).predictions) == 5
    classifier.check()


def test_file_that_is_no_model_is_damaged(make_classifier, models_dir, tmp_path):
    bad = tmp_path / "bad.tflite"
    bad.write_bytes(b"TFL3" + bytes(1000))
    good = pretrained.load("MobileNetV2", models_dir)
    with pytest.raises(ModelDamaged):
        make_classifier(lambda: replace(good, path=bad)).classify(JPEG)
