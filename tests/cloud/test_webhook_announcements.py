"""What is told of a decision, and how long a failed telling is repeated."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cloud.moderation.items import Decision, Evidence, Remark, State, Subject
from cloud.moderation.webhooks import MAX_ATTEMPTS, announcement, wait_after
from ml_models.types import Label, Prediction

DECISION = Decision(
    item_id="item1",
    number=2,
    subject=Subject("UserImage", "image1", "image", "abc_photo.jpg"),
    before=State.REVIEW,
    after=State.REJECTED,
    decided_by="user:bob",
    reasons=("Porn 0.91 is above 0.8", "said \u201cno\u201d"),
    evidence=Evidence(
        predictions=(Prediction(Label.PORN, 0.91), Prediction(Label.NEUTRAL, 0.09)),
        content_sha256="5e",
        model_name="MobileNetV2Mid",
        model_version="1",
        policy_version=3,
    ),
    decided_at=datetime(2026, 2, 3, 4, 5, 6, 7000, UTC),
)


def test_everything_about_a_decision_is_told():
    assert announcement(DECISION) == {
        "type": "moderation.decided",
        "timestamp": "2026-02-03T04:05:06.007Z",
        "data": {
            "decision": DECISION.decision_id,
            "item": "item1",
            "number": 2,
            "object": {
                "className": "UserImage",
                "objectId": "image1",
                "column": "image",
                "file": "abc_photo.jpg",
            },
            "from": "review",
            "to": "rejected",
            "decidedBy": "user:bob",
            "reasons": ["Porn 0.91 is above 0.8", "said \u201cno\u201d"],
            "category": None,
            "appealed": False,
            "scores": {"Porn": 0.91, "Neutral": 0.09},
            "policyVersion": 3,
            "model": {"name": "MobileNetV2Mid", "version": "1"},
        },
    }


def test_a_category_and_an_appeal_are_told_but_no_word_of_either():
    rejected = replace(
        DECISION, remark=Remark(category="nudity", note="looks like Bob", request_key="k")
    )
    told = announcement(rejected)
    assert told["data"]["category"] == "nudity"
    appealed = announcement(replace(DECISION, remark=Remark(appeal="It is art.")))
    assert appealed["data"]["appealed"] is True
    for secret in ("looks like Bob", "It is art.", '"k"'):
        assert secret not in json.dumps([told, appealed])


def test_what_is_unknown_is_null():
    unjudged = Decision("i", 1, DECISION.subject, State.PENDING, State.REVIEW, "system",
                        ("it is no image",), Evidence(), DECISION.decided_at)  # fmt: skip
    data = json.loads(json.dumps(announcement(unjudged)))["data"]
    assert (data["scores"], data["policyVersion"]) == ({}, None)
    assert data["model"] == {"name": None, "version": None}


def test_the_waits_double_up_to_an_hour_and_add_up_to_a_day():
    waits = [wait_after(attempts) for attempts in range(1, MAX_ATTEMPTS)]
    assert [wait.total_seconds() for wait in waits[:12]] == [
        5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600
    ]  # fmt: skip
    assert timedelta(hours=24) <= sum(waits, timedelta()) <= timedelta(hours=25)
    assert wait_after(MAX_ATTEMPTS) is None
    assert wait_after(MAX_ATTEMPTS + 1) is None
