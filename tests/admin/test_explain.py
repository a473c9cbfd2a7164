"""Why an image is where it is, in words: every sentence that the product writes is known by its
form, and any other is shown as it stands."""

import pytest

from admin.explain import Explanation, deciders_in, explain
from cloud.moderation.appeals import Appellant
from cloud.moderation.errors import ImageTooManyBytes
from cloud.moderation.items import State
from cloud.moderation.loose_ends import FILE_REPLACED, OBJECT_DELETED
from cloud.moderation.memory import Recollection, opinion
from cloud.moderation.review import ESCALATED, REVIEWED
from cloud.moderation.rules import judge, judge_upload
from cloud.moderation.types import Policy, Threshold
from cloud.moderation.undo import UNDONE
from ml_models import errors
from ml_models.types import Label, Prediction
from server.webhooks.deliverer import _sentence as sentence_of

PORN = (Prediction(Label.PORN, 0.55),)
NAMES = {"user:B0b": "bob", "memory": "memory"}


def policy(minimum, maximum):
    return Policy({Label.PORN: Threshold(minimum, maximum)}, automation_enabled=True)


def recollection(**changes):
    values = {
        "entry_id": "E1", "after": State.REJECTED, "decided_by": "user:B0b",
        "decision_id": "Earlier-3", "distance": 7, "matches": 1,
    }  # fmt: skip
    return Recollection(**{**values, **changes})


@pytest.fixture
def said(panel):
    """Explain reasons in a language: `said("de", *reasons)`."""

    def say(language, *reasons):
        with panel.app.test_request_context(headers={"Accept-Language": language}):
            return [explain(reason, lambda who: NAMES.get(who, who)) for reason in reasons]

    return say


def test_what_the_rules_say(said):
    (between,) = judge(PORN, policy(0.4, 0.8)).reasons
    (above,) = judge(PORN, policy(0.1, 0.5)).reasons
    (tiny,) = judge(PORN, policy(0.00001, 0.55)).reasons
    assert [each.sentence for each in said("en", between, above, tiny)] == [
        "Porn 55 % is from 40 % to 80 %.",
        "Porn 55 % is above 50 %.",
        "Porn 55 % is from 0 % to 55 %.",
    ]
    assert said("de", above)[0].sentence == "Porno 55 % liegt über 50 %."
    (dark,) = judge((), policy(0.1, 0.5), PORN).reasons
    assert said("en", dark)[0].sentence == "On black: Porn 55 % is above 50 %."
    assert said("de", dark)[0].sentence == "Auf Schwarz: Porno 55 % liegt über 50 %."


def test_what_memory_says_names_who_decided_and_leads_to_it(said):
    _, (near,) = opinion(recollection(), 10, rules_say=State.APPROVED)
    _, (same,) = opinion(recollection(distance=None), 10, rules_say=State.APPROVED)
    _, (listed,) = opinion(recollection(decision_id=None), 10, rules_say=State.APPROVED)
    assert deciders_in(near) == ["user:B0b"]
    assert said("en", near, same, listed) == [
        Explanation("A near copy (7 of 256 bits differ) was rejected by bob.", "Earlier"),
        Explanation("The same image was rejected by bob.", "Earlier"),
        Explanation("A near copy (7 of 256 bits differ) is on the list as rejected."),
    ]


def test_every_sentence_of_the_product_is_known_in_german(said):
    product = [
        *judge_upload(PORN, Policy({})).reasons,
        *opinion(recollection(matches=99), 10, rules_say=State.APPROVED)[1],
        *opinion(recollection(after=State.APPROVED), 10, rules_say=State.REJECTED)[1],
        *opinion(
            recollection(after=State.APPROVED), 10, rules_say=State.REVIEW, is_seen_through=True
        )[1][1:],
        REVIEWED,
        ESCALATED,
        UNDONE,
        "only the first frame of an animation was judged",
        "not classified: 5 attempts were cut short",
        "not classified after 5 attempts: there is no stored file of this name",
        "the owner appealed",
        "saved through an SDK",
        FILE_REPLACED,
        OBJECT_DELETED,
        f"{OBJECT_DELETED}, or its save did not succeed",
    ]
    for reason, explained in zip(product, said("de", *product), strict=True):
        assert explained.sentence != reason
    assert Appellant(None, master=True).decided_by.startswith("owner:")


ARGUMENTS = {
    errors.ImageTooLarge: (12_000, 9_000, 50_000_000),
    errors.TooMuchMemory: (250_000_000,),
    ImageTooManyBytes: (20_971_520,),
}


def kinds_of(base):
    return [base, *(kind for each in base.__subclasses__() for kind in kinds_of(each))]


@pytest.mark.parametrize(
    "kind", [*kinds_of(errors.MlModelsError), ImageTooManyBytes], ids=lambda kind: kind.__name__
)
def test_every_public_message_about_images_is_known_in_german(said, kind):
    message = kind(*ARGUMENTS.get(kind, ("a detail",))).public_message
    (explained,) = said("de", message)
    assert explained.sentence != message
    assert explained.sentence[-1] == "."
    (english,) = said("en", message)
    assert english.sentence.split()[:3] == message.split()[:3]


def test_numbers_in_public_messages_are_kept(said):
    large = errors.ImageTooLarge(12_000, 9_000, 50_000_000).public_message
    memory = errors.TooMuchMemory(250_000_000).public_message
    much = ImageTooManyBytes(20_971_520).public_message
    formats = errors.UnsupportedImage.public_message
    assert [each.sentence for each in said("de", large, memory, much, formats)] == [
        "Das Bild hat 12000 x 9000 Pixel; höchstens 50.000.000 werden angenommen.",
        "Das Bild zu lesen braucht mehr als 250 MB Speicher; mehr ist nicht erlaubt.",
        "Das Bild hat mehr als 20.971.520 Bytes; mehr werden nicht angenommen.",
        "Die Daten sind kein Bild eines unterstützten Formats: "
        "JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF oder HEIC.",
    ]


def test_why_a_webhook_was_not_delivered_is_known_in_german(said):
    again = [sentence_of(500), sentence_of(302), "it could not be sent: UnicodeError"]
    late = "https://hooks.example/x: not there whole before the deadline (timed out)"
    given_up = f"given up after 34 attempts: {again[0]}"
    assert [each.sentence for each in said("de", *again, late, given_up)] == [
        "der Empfänger antwortete 500",
        "der Empfänger antwortete 302, und Weiterleitungen wird nicht gefolgt",
        "es war nicht zu senden: UnicodeError",
        "https://hooks.example/x antwortete nicht rechtzeitig",
        "nach 34 Versuchen aufgegeben: der Empfänger antwortete 500",
    ]


@pytest.mark.parametrize(
    "reason",
    [
        "This is not an image.",
        "Porn 0.5 is from 0.1.2 to 3",
        "a near copy, 3 of 256 bits differ: x",
    ],
)
def test_other_sentences_are_shown_as_they_stand(said, reason):
    assert said("de", reason) == [Explanation(reason)]
