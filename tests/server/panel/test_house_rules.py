"""The owner's rules out of Parse.Config: what is read, and what is told when it cannot be."""

import pytest
from image_host import MASTER

from admin.people import Preferences
from admin.ports.house_rules import USUAL_REASONS, RejectionReason, RuleProblem, Wellbeing
from admin.texts import LANGUAGES, catalogue
from server.panel.house_rules import StoredHouseRules, read_house_rules

STRICTEST = Wellbeing(blur_required=True, grey_required=True)


def test_rules_are_read_from_each_database(parse_on_each):
    rules = StoredHouseRules(parse_on_each.services.parse_config)
    assert rules.current().reasons == USUAL_REASONS
    params = {
        "moderationReasons": ["Off topic", {"code": "gore", "label": "Blood"}],
        "moderationWellbeing": {
            "blurRequired": True,
            "breakAfterAtMost": 50,
            "exposureForAdmins": True,
        },
    }
    assert parse_on_each.call("PUT", "/config", {"params": params}, MASTER).status_code == 200
    found = rules.current()
    assert found.reasons == (
        RejectionReason("off-topic", "Off topic"),
        RejectionReason("gore", "Blood"),
    )
    assert found.wellbeing == Wellbeing(
        blur_required=True, break_after_at_most=50, exposure_for_admins=True
    )
    assert found.problems == ()


@pytest.mark.parametrize(
    ("reasons", "field", "kind"),
    [
        ("spam", "moderationReasons", "must_be_list"),
        ([], "moderationReasons", "must_be_list"),
        (["x"] * 31, "moderationReasons", "must_be_list"),
        (["spam", 3], "moderationReasons.1", "must_be_reason"),
        ([{"code": "spam"}], "moderationReasons.0", "must_be_reason"),
        ([{"code": "a b", "label": "x"}], "moderationReasons.0.code", "must_be_code"),
        ([{"code": "a", "label": ""}], "moderationReasons.0.label", "must_be_label"),
        ([" "], "moderationReasons.0", "must_be_label"),
        (["x" * 81], "moderationReasons.0", "must_be_label"),
        (["смерть"], "moderationReasons.0", "needs_code"),
        (["Spam", "spam!"], "moderationReasons.1", "same_code_twice"),
    ],
)
def test_reasons_that_cannot_be_read_are_explained_and_the_usual_ones_hold(reasons, field, kind):
    rules = read_house_rules(reasons, None)
    assert rules.reasons == USUAL_REASONS
    assert rules.problems == (RuleProblem(field, kind, "usual_reasons_hold"),)


@pytest.mark.parametrize(
    ("wellbeing", "field", "kind"),
    [
        (True, "moderationWellbeing", "must_be_wellbeing"),
        ({"blurRequired": "yes"}, "moderationWellbeing.blurRequired", "must_be_switch"),
        ({"exposureForAdmins": 1}, "moderationWellbeing.exposureForAdmins", "must_be_switch"),
        ({"blur": True}, "moderationWellbeing.blur", "unknown_name"),
        ({"breakAfterAtMost": 0}, "moderationWellbeing.breakAfterAtMost", "must_be_count"),
        ({"breakAfterAtMost": 1.5}, "moderationWellbeing.breakAfterAtMost", "must_be_count"),
        ({"breakAfterAtMost": True}, "moderationWellbeing.breakAfterAtMost", "must_be_count"),
    ],
)
def test_the_strictest_bounds_hold_where_the_owners_cannot_be_read(wellbeing, field, kind):
    rules = read_house_rules(None, wellbeing)
    assert rules.wellbeing == STRICTEST
    assert rules.problems == (RuleProblem(field, kind, "strictest_holds"),)


def test_one_invalid_value_leaves_the_other_alone():
    rules = read_house_rules(["Spam"], {"greyRequired": 1})
    assert rules.reasons == (RejectionReason("spam", "Spam"),)
    assert rules.wellbeing == STRICTEST


@pytest.mark.parametrize("count", [50, 50.0])
def test_a_whole_number_may_come_as_a_float(count):
    rules = read_house_rules(None, {"breakAfterAtMost": count})
    assert rules.wellbeing.break_after_at_most == 50


@pytest.mark.parametrize(
    ("wanted", "most", "held"),
    [(100, None, 100), (0, None, 0), (100, 40, 40), (20, 40, 20), (0, 40, 40)],
)
def test_breaks_are_suggested_within_the_owners_bound(wanted, most, held):
    bounds = Wellbeing(break_after_at_most=most)
    assert bounds.bounded(Preferences(break_after=wanted)).break_after == held


def test_what_is_required_holds_over_what_is_preferred():
    clear = Preferences(blur=False, grey=False)
    assert Wellbeing().bounded(clear) == clear
    bounded = Wellbeing(blur_required=True).bounded(clear)
    assert (bounded.blur, bounded.grey) == (True, False)
    assert Wellbeing(grey_required=True).bounded(clear).grey


@pytest.mark.parametrize("value", [("x", None), (None, "x")])
def test_the_panel_has_words_for_what_is_wrong_and_what_holds(value):
    (problem,) = read_house_rules(*value).problems
    for language in LANGUAGES:
        assert {f"house.{problem.kind}", f"house.{problem.meanwhile}"} <= catalogue(language).keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_panel_has_words_for_the_usual_reasons(language):
    for reason in USUAL_REASONS:
        assert f"house.reason_{reason.code}" in catalogue(language)
