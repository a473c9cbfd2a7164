"""Why an image is where it is, in words: every sentence that the product writes is known by its
form, and any other is shown as it stands."""

import pytest

from admin.explain import Explanation, deciders_in, explain
from cloud.moderation.appeals import Appellant
from cloud.moderation.items import State
from cloud.moderation.memory import Recollection, opinion
from cloud.moderation.review import ESCALATED, REVIEWED
from cloud.moderation.rules import judge, judge_upload
from cloud.moderation.types import Policy, Threshold
from cloud.moderation.undo import UNDONE
from ml_models.types import Label, Prediction

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
    ]
    for reason, explained in zip(product, said("de", *product), strict=True):
        assert explained.sentence != reason
    assert Appellant(None, master=True).decided_by.startswith("owner:")


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
