"""What another policy would have done to recorded predictions."""

import pytest

from cloud.moderation.policy import InvalidPolicy, read_policy
from cloud.moderation.policy_check import Change, PolicyCheck, Recorded, proposed_policy
from cloud.moderation.types import Outcome
from ml_models.types import Label, Prediction

TODAY = {"moderationScores": {"Porn": {"min": 0.4, "max": 0.8}}, "moderationAutomation": True}


def image(name, porn):
    return Recorded(name, (Prediction(Label.PORN, porn), Prediction(Label.NEUTRAL, 1 - porn)))


IMAGES = [image("low", 0.1), image("middle", 0.5), image("high", 0.9)]


def checked(given, images=IMAGES, today=TODAY):
    check = PolicyCheck(
        read_policy(today.get("moderationScores"), today.get("moderationAutomation")),
        proposed_policy(given, today),
    )
    return list(check.changes(images)), check


def test_the_policy_in_force_changes_nothing():
    changes, check = checked(TODAY)
    assert changes == []
    assert check.before == check.after == dict.fromkeys(Outcome, 1)


def test_each_image_that_would_change_is_named_with_the_reason():
    changes, check = checked({"moderationScores": {"Porn": {"min": 0.05, "max": 0.4}}})
    assert changes == [
        Change("low", Outcome.APPROVED, Outcome.REVIEW, ("Porn 0.1000 is from 0.05 to 0.4",)),
        Change("middle", Outcome.REVIEW, Outcome.REJECTED, ("Porn 0.5000 is above 0.4",)),
    ]
    assert check.after == {Outcome.REVIEW: 1, Outcome.REJECTED: 2}


def test_without_automation_every_image_goes_to_review():
    changes, check = checked({"moderationAutomation": False})
    assert [change.name for change in changes] == ["low", "high"]
    assert changes[0].reasons == ("moderationAutomation is not switched on",)
    assert check.after == {Outcome.REVIEW: 3}


def test_a_field_that_is_not_given_stays_as_it_is():
    assert proposed_policy({}, TODAY) == read_policy(*TODAY.values())
    assert proposed_policy({"moderationAutomation": True}, {}).thresholds == {}


def test_images_are_judged_one_at_a_time():
    check = PolicyCheck(read_policy(None), read_policy({"Porn": {"min": 1, "max": 1}}, True))
    endless = (image(str(number), 0.1) for number in iter(int, 1))
    assert next(check.changes(endless)).after is Outcome.APPROVED
    assert check.before.total() == 1


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([], "the policy: must be an object with moderationScores and moderationAutomation."),
        (
            {"moderationScore": {}},
            "moderationScore: is no field of a policy; "
            "they are moderationScores and moderationAutomation.",
        ),
        (
            {"moderationScores": {"Porn": {"min": 0.9, "max": 0.8}}},
            "moderationScores.Porn: min must not be greater than max.",
        ),
        (
            {"moderationScores": {"Porn": {"min": 0, "max": 1.1}}},
            "moderationScores.Porn.max: must be a number from 0 to 1.",
        ),
        ({"moderationAutomation": "yes"}, "moderationAutomation: must be true or false."),
    ],
)
def test_an_invalid_policy_is_refused_by_the_name_of_the_field(given, sentence):
    with pytest.raises(InvalidPolicy) as refused:
        proposed_policy(given, TODAY)
    assert str(refused.value) == sentence
