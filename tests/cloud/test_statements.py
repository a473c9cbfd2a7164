"""Statements of reasons: the Commission's fields, its values only, and nobody's name."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from cloud.moderation.items import Decision, Evidence, Remark, State, Subject
from cloud.moderation.statements import FIELDS, LoggedDecision, is_statement, statement
from ml_models.types import Label, Prediction

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SUBJECT = Subject("UserImage", "photo", "image", "a.jpg")
REASONS = {"sexual": "Sexual content", "minor": "Minor safety", "logo": "Shows our logo"}
BOB = "user:b0bB0bb0b0"
REVIEW, REJECTED, APPROVED = State.REVIEW, State.REJECTED, State.APPROVED

COUNTRIES = (
    "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK"
)
# What StatementStoreRequest of github.com/digital-services-act/transparency-database, at
# 69e80a0bc8eb, allows; of long lists what may come from a service that judges images.
ALLOWED = {
    "decision_visibility": {"DECISION_VISIBILITY_CONTENT_DISABLED"},
    "decision_ground": {"DECISION_GROUND_ILLEGAL_CONTENT", "DECISION_GROUND_INCOMPATIBLE_CONTENT"},
    "category": {
        "STATEMENT_CATEGORY_OTHER_VIOLATION_TC", "STATEMENT_CATEGORY_PROTECTION_OF_MINORS",
        "STATEMENT_CATEGORY_VIOLENCE", "STATEMENT_CATEGORY_SCAMS_AND_FRAUD",
    },
    "category_specification": {
        "KEYWORD_ADULT_SEXUAL_MATERIAL", "KEYWORD_NUDITY", "KEYWORD_OTHER",
    },
    "content_type": {"CONTENT_TYPE_IMAGE"},
    "source_type": {
        "SOURCE_ARTICLE_16", "SOURCE_TRUSTED_FLAGGER", "SOURCE_TYPE_OTHER_NOTIFICATION",
        "SOURCE_VOLUNTARY",
    },
    "automated_detection": {"Yes", "No"},
    "automated_decision": {
        "AUTOMATED_DECISION_FULLY", "AUTOMATED_DECISION_PARTIALLY",
        "AUTOMATED_DECISION_NOT_AUTOMATED",
    },
    "territorial_scope": set(COUNTRIES.split()),
}  # fmt: skip
REQUIRED = (
    "decision_ground", "content_type", "category", "content_date", "application_date",
    "decision_facts", "source_type", "automated_detection", "automated_decision", "puid",
    "incompatible_content_ground", "incompatible_content_explanation",
)  # fmt: skip
LONGEST = {
    "incompatible_content_ground": 500, "incompatible_content_explanation": 2000,
    "decision_facts": 5000, "category_specification_other": 500, "puid": 500,
}  # fmt: skip


def decision(number=1, before=State.PENDING, after=REJECTED, by="rules", porn=None, **details):
    evidence = Evidence()
    if porn is not None:
        evidence = Evidence(
            predictions=(Prediction(Label.PORN, porn), Prediction(Label.SEXY, 1 - porn)),
            model_name="MobileNetV2Mid",
            model_version="4.4.0",
            policy_version=3,
        )
    return Decision(
        item_id="Xk29vTq1bd",
        number=number,
        subject=SUBJECT,
        before=before,
        after=after,
        decided_by=by,
        reasons=details.get("reasons", ()),
        evidence=evidence,
        decided_at=NOON + timedelta(days=number),
        remark=Remark(details.get("category"), details.get("note")),
        undoes=details.get("undoes"),
    )


def logged(*log, number=None):
    """The decision of that number, or the last, and the whole log."""
    chosen = log[-1] if number is None else next(d for d in log if d.number == number)
    return LoggedDecision(chosen, NOON, "alice", log)


def check(made):
    assert tuple(made) == FIELDS
    for field, allowed in ALLOWED.items():
        value = made[field]
        values = value if isinstance(value, list) else [value]
        assert value is None or set(values) <= allowed, (field, value)
    for field, longest in LONGEST.items():
        assert len(made[field] or "") <= longest, field
    for field in ("content_date", "application_date"):
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", made[field])
    assert re.fullmatch(r"[a-zA-Z0-9-_]+", made["puid"])


BY_RULES = decision(porn=0.9312, reasons=("Porn 0.9312 is above 0.8",))


def test_a_rejection_by_rules_is_fully_automated():
    made = statement(logged(BY_RULES), REASONS)
    check(made)
    assert all(made[field] for field in REQUIRED)
    assert made["decision_visibility"] == ["DECISION_VISIBILITY_CONTENT_DISABLED"]
    assert made["decision_ground"] == "DECISION_GROUND_INCOMPATIBLE_CONTENT"
    assert made["category_specification"] == ["KEYWORD_ADULT_SEXUAL_MATERIAL"]
    assert (made["automated_detection"], made["automated_decision"]) == (
        "Yes", "AUTOMATED_DECISION_FULLY",
    )  # fmt: skip
    assert (made["content_date"], made["application_date"]) == ("2026-11-22", "2026-11-23")
    assert made["puid"] == "Xk29vTq1bd-1"
    assert "Porn 0.9312 is above 0.8" in made["decision_facts"]
    assert "MobileNetV2Mid 4.4.0" in made["decision_facts"]
    assert "Policy version 3" in made["decision_facts"]
    assert made["end_date_visibility_restriction"] is None


def by_bob(category="sexual", review_reasons=("Porn 0.6000 is from 0.4 to 0.8",), by="rules"):
    in_review = decision(1, after=REVIEW, by=by, porn=0.6, reasons=review_reasons)
    rejected = decision(2, REVIEW, REJECTED, BOB, 0.6, category=category, note="Alice Smith again")
    return logged(in_review, rejected)


def test_a_moderators_rejection_is_not_automated_though_scores_found_the_image():
    made = statement(by_bob(), REASONS)
    check(made)
    assert (made["automated_detection"], made["automated_decision"]) == (
        "Yes", "AUTOMATED_DECISION_NOT_AUTOMATED",
    )  # fmt: skip
    assert "Sexual content" in made["incompatible_content_ground"]


@pytest.mark.parametrize(
    "reasons",
    [
        ("no policy: moderationScores is not set",),
        ("moderationAutomation is not switched on", "Porn 0.6000 is from 0.4 to 0.8"),
        ("only the first frame of an animation was judged",),
    ],
)
def test_where_people_look_at_every_image_no_machine_found_it(reasons):
    assert statement(by_bob(review_reasons=reasons), REASONS)["automated_detection"] == "No"


def test_an_approved_image_that_a_moderator_rejects_was_not_found_by_a_machine():
    approved = decision(1, after=APPROVED, porn=0.1)
    rejected = decision(2, APPROVED, REJECTED, BOB, 0.1, category="sexual")
    assert statement(logged(approved, rejected), REASONS)["automated_detection"] == "No"


CATEGORIES = [
    ("sexual", "STATEMENT_CATEGORY_OTHER_VIOLATION_TC", ["KEYWORD_ADULT_SEXUAL_MATERIAL"], None),
    ("nudity", "STATEMENT_CATEGORY_OTHER_VIOLATION_TC", ["KEYWORD_NUDITY"], None),
    ("minor", "STATEMENT_CATEGORY_PROTECTION_OF_MINORS", None, None),
    ("violence", "STATEMENT_CATEGORY_VIOLENCE", None, None),
    ("spam", "STATEMENT_CATEGORY_OTHER_VIOLATION_TC", ["KEYWORD_OTHER"], "spam"),
    ("logo", "STATEMENT_CATEGORY_OTHER_VIOLATION_TC", ["KEYWORD_OTHER"], "Shows our logo"),
]


@pytest.mark.parametrize(("code", "category", "keywords", "other"), CATEGORIES)
def test_each_reason_has_its_category(code, category, keywords, other):
    made = statement(by_bob(code), REASONS)
    check(made)
    found = [made[f"category{end}"] for end in ("", "_specification", "_specification_other")]
    assert found == [category, keywords, other]


def test_no_statement_names_a_moderator_an_uploader_or_repeats_a_note():
    memory = decision(
        by="memory", porn=0.6,
        reasons=(f"the same bytes: rejected by {BOB} in decision Ab12-1, remembered as 9f",),
    )  # fmt: skip
    told = decision(by="rules", porn=0.9, reasons=(f"asked by {BOB}", "asked by master key"))
    for each in (logged(memory), logged(told), by_bob()):
        made = statement(each, REASONS)
        check(made)
        text = repr(made)
        assert "b0bB0bb0b0" not in text
        assert "master key" not in text
        assert "Alice" not in text
        assert "alice" not in text


def test_what_memory_rejected_is_fully_automated():
    reason = (
        f"a near copy, 7 of 256 bits differ: rejected by {BOB} in decision Ab-1, remembered as 9"
    )
    made = statement(logged(decision(by="memory", porn=0.6, reasons=(reason,))), REASONS)
    assert made["automated_decision"] == "AUTOMATED_DECISION_FULLY"
    assert "a near copy, 7 of 256 bits differ." in made["decision_facts"]


def test_long_words_are_cut_to_what_is_accepted():
    reasons = tuple(f"Porn 0.9{n:03} is above 0.8" for n in range(900))
    check(statement(logged(decision(porn=0.9, reasons=reasons)), REASONS))
    check(statement(by_bob("x" * 900), {"x" * 900: "y" * 900}))


# --- which decisions are statements ---------------------------------------------------------------


def test_an_approval_restricts_nothing():
    approved = logged(decision(after=APPROVED, porn=0.1))
    assert not is_statement(approved)
    made = statement(approved, REASONS)
    check(made)
    assert made["decision_visibility"] is None
    assert made["decision_ground"] is None
    assert made["category"] is None


def test_every_kind_of_decision_is_told_in_a_sentence():
    tellings = [
        (
            decision(after=REVIEW, reasons=("Porn 0.5 is from 0.4 to 0.8",)),
            "sent to review by auto",
        ),
        (decision(2, REJECTED, REVIEW, "owner:alice"), "sent to review by its owner's appeal"),
        (decision(2, REVIEW, APPROVED, BOB), "approved by a moderator"),
        (decision(2, REVIEW, State.ENDED, "system", reasons=("the file was replaced",)), "system"),
    ]
    for each, expected in tellings:
        assert expected in statement(logged(each), REASONS)["decision_facts"]


def test_what_was_undone_within_the_minutes_for_that_never_held():
    rejected = decision(2, REVIEW, REJECTED, BOB)
    undo = decision(3, REJECTED, REVIEW, BOB, undoes=2)
    first = decision(1, after=REVIEW)
    assert not is_statement(logged(first, rejected, undo, number=2))


def test_undoing_an_approval_is_no_new_statement():
    rejected = decision(1)
    approved = decision(2, REJECTED, APPROVED, BOB)
    undo = decision(3, APPROVED, REJECTED, BOB, undoes=2)
    assert is_statement(logged(rejected, approved, undo, number=1))
    assert not is_statement(logged(rejected, approved, undo, number=3))


def test_a_second_rejection_of_what_is_rejected_is_no_new_statement():
    assert not is_statement(logged(decision(1), decision(2, REJECTED, REJECTED, BOB)))


def test_the_restriction_ends_on_the_day_it_was_approved_by_whatever_way():
    rejected = decision(1)
    appealed = decision(2, REJECTED, REVIEW, "owner:alice")
    approved = decision(3, REVIEW, APPROVED, BOB)
    waiting = statement(logged(rejected, appealed, number=1), REASONS)
    assert waiting["end_date_visibility_restriction"] is None
    made = statement(logged(rejected, appealed, approved, number=1), REASONS)
    assert made["end_date_visibility_restriction"] == "2026-11-25"


def test_an_approval_that_was_undone_ends_nothing():
    log = (
        decision(1),
        decision(2, REJECTED, APPROVED, BOB),
        decision(3, APPROVED, REJECTED, BOB, undoes=2),
    )
    made = statement(logged(*log, number=1), REASONS)
    assert made["end_date_visibility_restriction"] is None
