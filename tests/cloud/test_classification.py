"""The service in the middle: what is recorded, what is inferred, and who is turned away."""

import threading
from dataclasses import replace

import pytest

from cloud.moderation.classification import ClassificationService
from cloud.moderation.errors import ImageTooManyBytes, StoreUnavailable, UpstreamFailed
from cloud.moderation.policy import read_policy
from cloud.moderation.types import BytesSource, Outcome, Policy, UrlSource
from ml_models.errors import ClassifierBusy, DecodeError
from ml_models.types import Fingerprint, Inspection, Label, ModelSpec, Prediction

PORN = tuple(Prediction(label, 0.9 if label is Label.PORN else 0.025) for label in Label)
FINGERPRINT = Fingerprint("0" * 64, 100)
ANIMATION = b"\0\0\0\x1cftypavis"  # how an AVIF of several frames begins


class ScriptedFetcher:
    def __init__(self):
        self.answers = {}

    def fetch(self, url):
        answer = self.answers[url]
        if isinstance(answer, Exception):
            raise answer
        return answer


class ScriptedClassifier:
    def __init__(self):
        self.model = ModelSpec("Scripted", "1", 224)
        self.inferred = []
        self.error = None
        self.gate = None

    def classify(self, data):
        self.inferred.append(data)
        if self.gate is not None:
            self.gate.wait(5)
        if self.error is not None:
            raise self.error
        return Inspection(PORN, FINGERPRINT)


class RecordsInMemory:
    def __init__(self):
        self.rows = {}
        self.down = False

    def find(self, content_sha256, model):
        if self.down:
            raise StoreUnavailable("scripted")
        return self.rows.get((content_sha256, model))

    def add(self, classification):
        key = (classification.content_sha256, classification.model)
        return self.rows.setdefault(key, classification)

    def seen_again(self, recorded, verdict, source_url, at):
        again = replace(
            recorded,
            verdict=verdict,
            seen_count=recorded.seen_count + 1,
            source_url=source_url or recorded.source_url,
            last_seen_at=at,
        )
        self.rows[recorded.content_sha256, recorded.model] = again
        return again


class ScriptedPolicy:
    def __init__(self):
        self.policy = read_policy({"Porn": {"min": 0.4, "max": 0.8}})

    def current(self):
        return self.policy


class Offered:
    def __init__(self):
        self.images = []

    def offer(self, classification, data):
        self.images.append((classification.content_sha256, data))


class World:
    def __init__(self):
        self.fetcher, self.classifier = ScriptedFetcher(), ScriptedClassifier()
        self.reviews = Offered()
        self.records, self.policies = RecordsInMemory(), ScriptedPolicy()
        self.service = ClassificationService(
            self.fetcher,
            self.classifier,
            self.records,
            self.policies,
            self.reviews,
            max_in_flight=2,
            max_image_bytes=100,
        )


@pytest.fixture
def world():
    return World()


def test_classification_is_recorded_before_it_is_returned(world):
    result = world.service.classify(BytesSource(b"picture"))
    assert list(world.records.rows.values()) == [result]
    assert result.predictions == PORN
    assert result.verdict.outcome is Outcome.REJECTED
    assert (result.byte_count, result.seen_count, result.source_url) == (7, 1, None)
    assert result.first_seen_at.microsecond % 1000 == 0


def test_verdict_on_black_counts_at_once_and_when_seen_again(world):
    harmless = tuple(Prediction(label, 0.2) for label in Label)
    world.classifier.classify = lambda data: Inspection(harmless, FINGERPRINT, PORN)
    for _ in range(2):
        result = world.service.classify(BytesSource(b"picture"))
        assert (result.predictions, result.on_black) == (harmless, PORN)
        assert result.verdict.outcome is Outcome.REJECTED
        assert result.verdict.reasons == ("on black: Porn 0.9000 is above 0.8",)


def test_animation_of_which_one_frame_was_judged_is_for_a_moderator(world):
    harmless = tuple(Prediction(label, 0.2) for label in Label)
    world.classifier.classify = lambda data: Inspection(harmless, FINGERPRINT)
    world.policies.policy = replace(world.policies.policy, automation_enabled=True)
    for _ in range(2):
        result = world.service.classify(BytesSource(ANIMATION))
        assert result.verdict.outcome is Outcome.REVIEW
        assert result.verdict.reasons == ("only the first frame of an animation was judged",)
    assert [data for _, data in world.reviews.images] == [ANIMATION] * 2


def test_animation_that_the_rules_reject_is_rejected(world):
    result = world.service.classify(BytesSource(ANIMATION))
    assert result.verdict.outcome is Outcome.REJECTED


def test_same_bytes_are_inferred_once_and_counted_twice(world):
    world.fetcher.answers["https://a.example/x?token=secret"] = b"picture"
    world.service.classify(BytesSource(b"picture"))
    again = world.service.classify(UrlSource("https://a.example/x?token=secret"))
    assert world.classifier.inferred == [b"picture"]
    assert again.seen_count == 2
    assert again.source_url == "https://a.example/x"


def test_same_bytes_at_the_same_moment_are_inferred_once(world):
    world.classifier.gate = threading.Event()
    results = []
    threads = [
        threading.Thread(
            target=lambda: results.append(world.service.classify(BytesSource(b"picture")))
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    world.classifier.gate.set()
    for thread in threads:
        thread.join()
    assert world.classifier.inferred == [b"picture"]
    assert sorted(result.seen_count for result in results) == [1, 2]


def test_another_model_infers_again(world):
    world.service.classify(BytesSource(b"picture"))
    world.classifier.model = ModelSpec("Scripted", "2", 224)
    world.service.classify(BytesSource(b"picture"))
    assert len(world.classifier.inferred) == 2
    assert len(world.records.rows) == 2


def test_recorded_image_is_judged_by_the_policy_of_today(world):
    world.service.classify(BytesSource(b"picture"))
    world.policies.policy = Policy({})
    again = world.service.classify(BytesSource(b"picture"))
    assert again.verdict.outcome is Outcome.REVIEW


@pytest.mark.parametrize("error", [UpstreamFailed("scripted"), ImageTooManyBytes(100)])
def test_nothing_is_recorded_when_the_download_fails(world, error):
    world.fetcher.answers["https://a.example/x"] = error
    with pytest.raises(type(error)):
        world.service.classify(UrlSource("https://a.example/x"))
    assert world.records.rows == {}


def test_nothing_is_recorded_when_the_image_is_damaged(world):
    world.classifier.error = DecodeError("scripted")
    with pytest.raises(DecodeError):
        world.service.classify(BytesSource(b"picture"))
    assert world.records.rows == {}


def test_nothing_is_inferred_while_the_database_is_down(world):
    world.records.down = True
    with pytest.raises(StoreUnavailable):
        world.service.classify(BytesSource(b"picture"))
    assert world.classifier.inferred == []


def test_limit_of_bytes_is_exact(world):
    world.service.classify(BytesSource(bytes(100)))
    with pytest.raises(ImageTooManyBytes):
        world.service.classify(BytesSource(bytes(101)))


def test_call_beyond_the_limit_in_flight_is_refused_at_once_and_places_come_free(world):
    world.classifier.gate = threading.Event()
    threads = [
        threading.Thread(target=world.service.classify, args=[BytesSource(bytes([n]))])
        for n in range(2)
    ]
    for thread in threads:
        thread.start()
    while len(world.classifier.inferred) < 2:
        pass
    with pytest.raises(ClassifierBusy):
        world.service.classify(BytesSource(b"third"))
    world.classifier.gate.set()
    for thread in threads:
        thread.join()
    assert world.service.classify(BytesSource(b"third")).seen_count == 1


REVIEW = {"Porn": {"min": 0.4, "max": 1}}


@pytest.mark.parametrize(
    ("scores", "automation", "is_objects", "offered"),
    [
        (REVIEW, True, False, 1),
        (REVIEW, False, False, 0),
        (REVIEW, True, True, 0),
        ({"Porn": {"min": 0.1, "max": 0.2}}, True, False, 0),
        ({"Sexy": {"min": 0.9, "max": 1}}, True, False, 0),
    ],
    ids=["review", "no automation", "has an item", "rejected", "approved"],
)
def test_moderators_are_offered_what_the_rules_leave_to_them(
    world, scores, automation, is_objects, offered
):
    world.policies.policy = read_policy(scores, automation)
    world.service.classify(BytesSource(b"picture"), is_objects=is_objects)
    assert [data for _, data in world.reviews.images] == [b"picture"] * offered
