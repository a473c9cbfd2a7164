"""The rules: exact bounds, and nothing approved without a policy."""

from dataclasses import replace

import pytest

from cloud.moderation.policy import InvalidPolicy, read_policy
from cloud.moderation.rules import judge, judge_upload
from cloud.moderation.types import Outcome, Policy, Threshold
from ml_models.types import Label, Prediction

POLICY = read_policy({"Porn": {"min": 0.4, "max": 0.8}, "Sexy": {"min": 0.6, "max": 1}})


def predictions(**probabilities):
    return [Prediction(label, probabilities.get(label.value, 0.0)) for label in Label]


@pytest.mark.parametrize(
    ("probability", "outcome"),
    [
        (0.0, Outcome.APPROVED),
        (0.3999999, Outcome.APPROVED),
        (0.4, Outcome.REVIEW),
        (0.6, Outcome.REVIEW),
        (0.8, Outcome.REVIEW),
        (0.8000001, Outcome.REJECTED),
        (1.0, Outcome.REJECTED),
    ],
)
def test_bounds_are_exact(probability, outcome):
    assert judge(predictions(Porn=probability), POLICY).outcome is outcome


def test_max_of_one_never_rejects():
    assert judge(predictions(Sexy=1.0), POLICY).outcome is Outcome.REVIEW


def test_one_class_above_rejects_whatever_the_others_are():
    assert judge(predictions(Porn=0.9, Sexy=0.7), POLICY).outcome is Outcome.REJECTED


def test_unlisted_class_does_not_count():
    assert judge(predictions(Hentai=1.0), POLICY).outcome is Outcome.APPROVED


def test_without_a_policy_everything_goes_to_review():
    verdict = judge(predictions(Neutral=1.0), Policy({}))
    assert verdict.outcome is Outcome.REVIEW
    assert "moderationScores" in verdict.reasons[0]


def test_reasons_name_class_probability_and_threshold():
    rejected = judge(predictions(Porn=0.91, Sexy=0.7), POLICY)
    assert rejected.reasons == ("Porn 0.9100 is above 0.8",)
    review = judge(predictions(Porn=0.5, Sexy=0.7), POLICY)
    assert review.reasons == ("Porn 0.5000 is from 0.4 to 0.8", "Sexy 0.7000 is from 0.6 to 1")


@pytest.mark.parametrize("on_white", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("on_black", [0.1, 0.5, 0.9])
def test_the_more_severe_of_white_and_black_counts(on_white, on_black):
    white, black = predictions(Porn=on_white), predictions(Porn=on_black)
    worst = predictions(Porn=max(on_white, on_black))
    for policy in (POLICY, replace(POLICY, automation_enabled=True)):
        for rules in (judge, judge_upload):
            verdict = rules(white, policy, black)
            assert verdict.outcome is rules(worst, policy).outcome
            says_black = any(reason.startswith("on black: Porn") for reason in verdict.reasons)
            assert says_black is (on_black > on_white)


@pytest.mark.parametrize("scores", [None, {}])
def test_absent_scores_are_the_policy_without_thresholds(scores):
    assert read_policy(scores) == Policy({})


def test_scores_become_thresholds():
    assert POLICY.thresholds[Label.PORN] == Threshold(0.4, 0.8)


@pytest.mark.parametrize(
    ("scores", "field"),
    [
        ([], ""),
        ("Porn", ""),
        ({"porn": {"min": 0, "max": 1}}, ".porn"),
        ({"Porn": 0.5}, ".Porn"),
        ({"Porn": {"min": 0.5}}, ".Porn"),
        ({"Porn": {"min": 0.1, "max": 0.5, "mid": 0.3}}, ".Porn"),
        ({"Porn": {"min": "0.1", "max": 0.5}}, ".Porn.min"),
        ({"Porn": {"min": True, "max": 0.5}}, ".Porn.min"),
        ({"Porn": {"min": 0.1, "max": None}}, ".Porn.max"),
        ({"Porn": {"min": -0.1, "max": 0.5}}, ".Porn.min"),
        ({"Porn": {"min": 0.1, "max": 1.1}}, ".Porn.max"),
        ({"Porn": {"min": float("nan"), "max": 1}}, ".Porn.min"),
        ({"Porn": {"min": 0.8, "max": 0.4}}, ".Porn"),
    ],
)
def test_invalid_scores_are_refused_by_field(scores, field):
    with pytest.raises(InvalidPolicy) as refusal:
        read_policy(scores)
    assert refusal.value.field == f"moderationScores{field}"
    assert refusal.value.public_message.startswith(f"moderationScores{field}: ")


@pytest.mark.parametrize(("switch", "enabled"), [(True, True), (False, False), (None, False)])
def test_automation_is_on_where_the_switch_is_true(switch, enabled):
    assert read_policy({}, switch).automation_enabled is enabled


@pytest.mark.parametrize("switch", ["yes", 1, {}])
def test_switch_that_is_none_is_refused(switch):
    with pytest.raises(InvalidPolicy, match="moderationAutomation: must be true or false"):
        read_policy({}, switch)
