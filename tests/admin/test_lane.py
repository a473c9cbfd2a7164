"""The review lane on the server: its page, its forms, and the calls of its script."""

import json
import re
import time

import pytest
from panel_app import PanelApp, panel_app

from admin.people import Preferences
from cloud.moderation.appeals import Appellant
from cloud.moderation.items import Lane, Remark, State
from cloud.operations import Set
from server.moderation.items import ITEM
from server.panel.preferences import to_column
from server.panel.tables import PanelTables
from server.storage.port import Equals

KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def shared(tmp_path_factory, models_dir):
    with panel_app(tmp_path_factory.mktemp("lane"), models_dir) as panel:
        yield panel


@pytest.fixture
def panel(shared):
    """The same app for all tests here, each with an empty queue and the owner's usual rules."""
    shared.database.objects.delete(ITEM, Equals("state", "review"))
    configure(shared, moderationReasons=None, moderationWellbeing=None, moderationScores=None)
    for name in ("alice", "bob"):
        prefer(shared, name, Preferences())
    return shared


@pytest.fixture
def bob(panel):
    return LaneVisitor(panel, "bob")


@pytest.fixture
def alice(panel):
    return LaneVisitor(panel, "alice")


def configure(panel, **params):
    panel.services.parse_config.write({name: Set(value) for name, value in params.items()}, {})


def prefer(panel, name, preferences):
    services = panel.services
    tables = PanelTables(services.database, services.schemas, services.objects)
    tables.change_account(panel.ids[name], {"preferences": Set(to_column(preferences))})


class LaneVisitor:
    """A moderator in front of the lane."""

    def __init__(self, panel: PanelApp, name):
        self.panel, self.name = panel, name
        self.visitor = panel.signed_in(name)

    def look(self, **query):
        """Open the page; returns the item that is in hand."""
        self.page = self.visitor.get("/review", **query)
        assert self.page.status_code == 200, self.page.text
        self.token = re.search(r'name="csrf_token" value="([^"]+)"', self.page.text)[1]
        self.data = json.loads(
            re.search(r'id="lane-data">(.*?)</script>', self.page.text, re.DOTALL)[1]
        )
        return self.data["item"] and self.data["item"]["id"]

    def submit(self, **values):
        """Press a button of the page's form; returns the page that follows."""
        key = re.search(r'name="request_key" value="([^"]+)"', self.page.text)[1]
        item = self.data["item"] or {"id": "", "seen": 0}
        values = {"item_id": item["id"], "seen": item["seen"], "request_key": key} | values
        answer = self.visitor.post("/review", values, token=self.token)
        if answer.status_code != 303:
            return answer
        self.page = self.visitor.client.get(answer.headers["Location"])
        return self.page

    def call(self, name, moderator=None, **body):
        """Call as the script does."""
        if not hasattr(self, "token"):
            self.look()
        body = {"moderator": moderator or self.panel.ids[self.name], **body}
        return self.visitor.send(f"/review/{name}", body, token=self.token)

    def claim(self, count=6, **body):
        answer = self.call("claim", count=count, **body)
        assert answer.status_code == 200, answer.json
        return [item["id"] for item in answer.json["items"]]

    def decide(self, item_id, after="approved", key=KEY, seen=1, **body):
        body |= {"item_id": item_id, "after": after, "request_key": key, "seen": seen}
        return self.call("decide", **body)


def exposure_of(visitor):
    """What the page's script counts on from."""
    found = re.search(r'id="exposure-data">(.*?)</script>', visitor.page.text, re.DOTALL)
    return json.loads(found[1])


def text_of(page):
    return " ".join(re.sub(r"<[^>]*>", " ", page.text).split())


# --- the page -------------------------------------------------------------------------------------


def test_the_page_shows_the_oldest_image_and_claims_it(panel, bob, alice):
    first, second = panel.waits(porn=0.6), panel.waits()
    assert bob.look() == first
    assert alice.look() == second
    assert panel.item(first).claim.moderator_id == panel.ids["bob"]
    assert f"/admin/items/{first}/preview.jpg" in bob.page.text
    assert "screen.jpg" not in re.sub(r'id="lane-data">.*?</script>', "", bob.page.text)
    assert bob.page.headers["Cache-Control"] == "no-store"


def test_it_is_said_that_an_image_is_not_the_one_that_was_asked_for(panel, bob, alice):
    first, second = panel.waits(), panel.waits()
    assert bob.look(item=second) == second
    said = 'role="status">The image that was asked for is not to be had here'
    assert said not in bob.page.text
    assert alice.look(item=second, look="reveal") == first
    assert said in alice.page.text
    assert f'src="/admin/items/{first}/preview.jpg"' in alice.page.text, "nobody asked to see it"
    assert alice.look(item=first, look="reveal") == first
    assert said not in alice.page.text
    assert f'src="/admin/items/{first}/screen.jpg"' in alice.page.text


def test_the_riskiest_image_comes_first_if_asked_for(panel, bob):
    panel.waits(porn=0.2)
    risky = panel.waits(porn=0.7)
    assert bob.look(order="riskiest") == risky


def test_all_five_classes_have_bars_and_limited_ones_their_marks(panel, bob):
    configure(panel, moderationScores={"Porn": {"min": 0.25, "max": 0.75}})
    panel.waits(porn=0.6)
    bob.look()
    bars = re.findall(r'<li class="bar (\w+)">(.*?)</li>', bob.page.text, re.DOTALL)
    assert [level for level, _ in bars] == ["between", "free", "free", "free", "free"]
    assert "60.0 %" in bars[0][1]
    assert 'd="M25.0 0v10"' in bars[0][1]
    assert 'd="M75.0 0v10"' in bars[0][1]
    assert "a person decides from 25.0 %, rejected above 75.0 %" in bars[0][1]
    assert "10.0 %" in bars[1][1]
    assert "mark" not in bars[1][1]


def test_the_page_says_why_the_image_is_here(panel, bob):
    panel.waits(porn=0.6)
    bob.look()
    assert "Automation was off when it was judged." in text_of(bob.page)


def test_an_image_that_could_not_be_classified_says_so(panel, bob):
    panel.waits(porn=None)
    bob.look()
    assert "It could not be classified." in text_of(bob.page)
    assert '<li class="bar' not in bob.page.text


def test_a_near_copy_leads_to_the_earlier_image(panel, bob):
    item = panel.item(panel.waits(porn=0.6))
    reason = (
        f"a near copy, 7 of 256 bits differ: rejected by user:{panel.ids['alice']} "
        "in decision Earlier-2, remembered as E1"
    )
    decided = panel.moderation.pipeline.decide(
        item, State.REVIEW, decided_by="memory", reasons=(reason,)
    )
    assert bob.look() == decided.item_id
    assert "A near copy (7 of 256 bits differ) was rejected by alice." in text_of(bob.page)
    assert 'href="/admin/items/Earlier"' in bob.page.text


def test_the_uploaders_record_is_shown(panel, bob):
    uploader = panel.ids["carol"]
    for state in (State.APPROVED, State.APPROVED, State.REJECTED):
        item_id = panel.waits(porn=0.1)
        upload_by(panel, item_id, uploader)
        panel.moderation.pipeline.decide(panel.item(item_id), state, decided_by="rules", reasons=())
    upload_by(panel, panel.waits(porn=0.1), uploader)
    bob.look()
    shown = text_of(bob.page)
    assert "By carol" in shown
    assert "2 approved 1 rejected 1 in review" in shown


def upload_by(panel, item_id, user_id):
    changes = {"uploader": Set(user_id)}
    panel.database.objects.update(ITEM, Equals("objectId", item_id), changes)


def test_an_appeal_is_quoted_with_what_was_decided_before(panel, bob):
    item_id = panel.waits(porn=0.6)
    upload_by(panel, item_id, panel.ids["carol"])
    bob.decide(bob.look(), "rejected")
    item = panel.item(item_id)
    panel.moderation.pipeline.decide(
        item,
        State.REVIEW,
        decided_by=Appellant(panel.ids["carol"]).decided_by,
        reasons=("the owner appealed",),
        remark=Remark(appeal="It is <b>my</b> garden."),
    )
    assert bob.look() == item_id
    assert "The owner appeals: It is &lt;b&gt;my&lt;/b&gt; garden." in text_of(bob.page)
    assert "It was rejected before, by bob." in text_of(bob.page)
    assert "Automation was off when it was judged." in text_of(bob.page)


def test_hostile_names_are_shown_as_text(panel, bob):
    evil = '"><script>alert(1)</script>'
    item = panel.moderation.image(b"0.1 x", object_id="evil", column="image")
    panel.moderation.pipeline.decide(
        panel.item(item.item_id), State.REVIEW, decided_by="rules", reasons=(evil,)
    )
    upload_by(panel, item.item_id, evil)
    bob.look()
    assert "<script>alert" not in bob.page.text
    assert "&lt;script&gt;" in bob.page.text
    panel.database.objects.delete(ITEM, Equals("objectId", item.item_id))


def test_an_empty_lane_says_how_many_others_review(panel, bob, alice):
    panel.waits()
    assert alice.look()
    assert bob.look() is None
    shown = text_of(bob.page)
    assert "Nothing is waiting for you" in shown
    assert "Images that are open elsewhere: 1." in shown
    assert "One other moderator is reviewing." in shown


def test_a_lane_of_which_all_was_skipped_says_so(panel, bob, alice):
    for _ in range(3):
        panel.waits()
    assert alice.look()
    skipped = []
    while item_id := bob.look():
        skipped.append(item_id)
        bob.submit(action="skip")
    assert re.search(r'<h2 id="empty-title">(.*?)</h2>', bob.page.text)[1] == "You skipped 2 images"
    assert "Images that are open elsewhere: 1." in text_of(bob.page)
    rest = bob.call("claim", count=1, skipping=[*skipped, "decided-by-now"]).json["rest"]
    assert rest == {"skipped": 2, "elsewhere": 1, "others": "One other moderator is reviewing."}
    assert bob.call("claim", count=1, skipping=skipped[:1]).json["rest"] is None


def test_the_escalated_lane_is_for_admins(panel, bob, alice):
    item_id = panel.waits()
    panel.waits()
    bob.look()
    assert bob.call("escalate", item_id=item_id, note="look <here>", request_key=KEY).json
    assert bob.visitor.get("/review", lane="escalated").status_code == 403
    answer = bob.call("claim", lane="escalated", count=1)
    assert (answer.status_code, answer.json["kind"]) == (403, "not_yours")
    assert bob.decide(item_id, key="a" * 32).status_code == 403
    assert "escalated" not in bob.call("claim", count=1).json["waiting"]
    assert alice.look(lane="escalated") == item_id
    assert "Escalated by bob. look &lt;here&gt;" in text_of(alice.page)
    assert alice.call("claim", count=1).json["waiting"] == {"review": 1, "escalated": 1}


# --- how images look ------------------------------------------------------------------------------


def test_who_prefers_it_sees_images_at_once(panel, bob):
    panel.waits()
    prefer(panel, "bob", Preferences(blur=False, grey=False))
    item_id = bob.look()
    assert f'src="/admin/items/{item_id}/screen.jpg"' in bob.page.text
    assert 'id="lane" class="has-image"' in bob.page.text
    assert (bob.data["blur"], bob.data["isRevealed"]) == (False, True)


def test_the_owner_can_require_blur_and_breaks(panel, bob):
    panel.waits()
    prefer(panel, "bob", Preferences(blur=False, grey=False, break_after=0))
    configure(panel, moderationWellbeing={"blurRequired": True, "breakAfterAtMost": 30})
    item_id = bob.look()
    assert f'src="/admin/items/{item_id}/preview.jpg"' in bob.page.text
    assert (bob.data["blur"], bob.data["grey"]) == (True, False)
    assert exposure_of(bob)["breakAfter"] == 30


def test_the_owners_reasons_are_the_buttons(panel, bob):
    configure(panel, moderationReasons=[{"code": "gore", "label": "Blood & gore"}])
    panel.waits()
    bob.look()
    assert re.findall(r'name="category" value="(\w+)"', bob.page.text) == ["gore"]
    assert bob.data["reasons"] == [["gore", "Blood & gore"]]


def test_what_is_wrong_with_the_owners_rules_is_told_to_admins(panel, bob, alice):
    configure(panel, moderationReasons="spam", moderationWellbeing={"blur": True})
    alice.look()
    shown = text_of(alice.page)
    assert "Parse.Config, moderationReasons: must be a list of 1 to 30 reasons." in shown
    assert "moderationWellbeing.blur: is not known" in shown
    bob.look()
    assert "moderationReasons" not in text_of(bob.page)
    assert "Minor safety" in text_of(bob.page)


def test_the_page_speaks_german(panel):
    panel.waits(porn=0.6)
    page = panel.signed_in("bob").client.get("/admin/review", headers={"Accept-Language": "de"})
    assert '<html lang="de">' in page.text
    assert "Warum es hier ist" in page.text
    assert "Schutz Minderjähriger" in page.text


# --- forms ----------------------------------------------------------------------------------------


def test_a_form_decides_once_however_often_it_is_sent(panel, bob):
    item_id = panel.waits()
    bob.look()
    form = {"action": "rejected", "item_id": item_id, "request_key": KEY, "seen": "1"}
    for _ in range(2):
        answer = bob.visitor.post("/review", form, token=bob.token)
        assert answer.status_code == 303
    assert [d["after"] for d in panel.decisions(item_id)] == ["review", "rejected"]


def test_a_form_for_what_another_decided_says_who_it_was(panel, bob, alice):
    item_id = panel.waits()
    bob.look()
    run_out(panel, item_id)
    alice.look()
    alice.submit(action="rejected")
    page = bob.submit(action="approved")
    assert "Already decided by alice: rejected." in text_of(page)
    assert panel.state(item_id) is State.REJECTED


def run_out(panel, item_id):
    """End the claim on an item, as time does."""
    changes = {"claimedUntil": Set(panel.item(item_id).created_at)}
    panel.database.objects.update(ITEM, Equals("objectId", item_id), changes)


@pytest.mark.parametrize(
    "form",
    [
        {}, {"action": "explode"}, {"action": "approved", "item_id": "no such/id"},
        {"action": "approved", "request_key": "short"}, {"action": "approved", "seen": "x"},
        {"action": "rejected", "note": "x" * 2001},
        {"category": "no such category!"},
    ],
)  # fmt: skip
def test_a_form_that_the_page_does_not_make_is_refused(panel, bob, form):
    item_id = panel.waits()
    bob.look()
    assert bob.submit(**form).status_code == 400
    assert panel.state(item_id) is State.REVIEW


def test_a_form_without_the_token_is_refused(panel, bob):
    item_id = panel.waits()
    bob.look()
    form = {"action": "approved", "item_id": item_id, "request_key": KEY}
    answer = bob.visitor.client.post("/admin/review", data=form)
    assert answer.status_code == 400
    assert panel.state(item_id) is State.REVIEW


# --- the script's calls ---------------------------------------------------------------------------


def test_the_next_images_are_claimed_with_what_stands_beside_them(panel, bob):
    ids = [panel.waits(porn=0.6) for _ in range(4)]
    bob.look()
    answer = bob.call("claim", count=3).json
    assert [item["id"] for item in answer["items"]] == ids[:3]
    assert answer["waiting"] == {"review": 4}
    second = answer["items"][1]
    assert second["preview"] == f"/admin/items/{ids[1]}/preview.jpg"
    assert "60.0 %" in second["html"]
    assert bob.claim(count=3, skipping=[ids[0]]) == ids[1:]
    assert panel.item(ids[0]).claim is None


def test_a_decision_is_made_once_however_often_it_is_sent(panel, bob):
    item_id = panel.waits()
    first = bob.decide(item_id, "rejected", category="spam", note=" seen before ")
    again = bob.decide(item_id, "rejected", category="spam")
    assert first.json == again.json == {"decision_id": f"{item_id}-2", "after": "rejected"}
    (_, decision) = panel.decisions(item_id)
    assert (decision["category"], decision["note"]) == ("spam", "seen before")
    assert decision["decidedBy"] == f"user:{panel.ids['bob']}"


def test_a_note_with_half_a_character_is_kept_without_it(panel, bob):
    item_id = panel.waits()
    assert bob.decide(item_id, note="half \ud83d").status_code == 200
    assert panel.decisions(item_id)[-1]["note"] == "half ?"


def test_ids_that_are_none_cannot_be_released(bob):
    bob.look()
    form = {"csrf_token": bob.token, "item_id": "../x"}
    assert bob.visitor.client.post("/admin/review/release", data=form).status_code == 400


def test_a_reason_that_left_the_list_while_a_decision_waited_is_kept(panel, bob):
    item_id = panel.waits()
    assert bob.decide(item_id, "rejected", category="old-reason").status_code == 200
    assert panel.decisions(item_id)[-1]["category"] == "old-reason"


def test_the_second_to_decide_learns_who_was_first(panel, bob, alice):
    item_id = panel.waits()
    bob.look()
    run_out(panel, item_id)
    alice.look()
    answer = bob.decide(item_id)
    assert answer.status_code == 409
    assert answer.json == {"kind": "claimed", "sentence": "alice is looking at this image now."}
    alice.decide(item_id, "rejected", key="f" * 32)
    answer = bob.decide(item_id)
    assert answer.status_code == 409
    assert answer.json == {"kind": "decided", "sentence": "Already decided by alice: rejected."}
    assert len(panel.decisions(item_id)) == 2


def test_what_was_decided_in_another_tab_is_not_overruled_by_an_old_one(panel, bob):
    item_id = panel.waits()
    bob.decide(item_id, "rejected")
    answer = bob.decide(item_id, "approved", key="f" * 32)
    assert answer.json == {"kind": "decided", "sentence": "You have already decided: rejected."}
    bob.call("undo", decision_id=f"{item_id}-2")
    answer = bob.decide(item_id, "approved", key="f" * 32)
    assert (answer.status_code, answer.json["kind"]) == (409, "changed")
    assert bob.decide(item_id, "approved", key="f" * 32, seen=3).status_code == 200


def test_an_image_that_is_gone_is_told(panel, bob):
    answer = bob.decide("NoSuchItem")
    assert (answer.status_code, answer.json["kind"]) == (409, "gone")


def test_nothing_is_decided_as_somebody_else(panel, bob):
    item_id = panel.waits()
    answer = bob.decide(item_id, moderator=panel.ids["alice"])
    assert (answer.status_code, answer.json) == (409, {"kind": "other_moderator"})
    assert panel.state(item_id) is State.REVIEW


def test_an_undo_brings_the_image_back_to_who_decided(panel, bob, alice):
    item_id = panel.waits()
    decision_id = bob.decide(item_id).json["decision_id"]
    answer = alice.call("undo", decision_id=decision_id)
    assert (answer.status_code, answer.json["kind"]) == (403, "not_yours")
    for _ in range(2):  # repeating it changes nothing
        answer = bob.call("undo", decision_id=decision_id)
        assert answer.json == {"item_id": item_id, "after": "review", "seen": 3}
    assert panel.item(item_id).claim.moderator_id == panel.ids["bob"]
    assert bob.look() == item_id


def test_an_escalation_can_be_undone(panel, bob):
    item_id = panel.waits()
    bob.look()
    made = bob.call("escalate", item_id=item_id, note=None, request_key=KEY).json
    assert bob.call("escalate", item_id=item_id, note=None, request_key=KEY).json == made
    assert panel.item(item_id).lane is Lane.ESCALATED
    assert bob.call("undo", decision_id=made["decision_id"]).status_code == 200
    assert panel.item(item_id).lane is Lane.REVIEW


def test_claims_are_renewed_and_released_for_the_own_session_alone(panel, bob, alice):
    mine, hers = panel.waits(), panel.waits()
    bob.claim(1)
    alice.claim(1)
    assert bob.call("renew", item_ids=[mine, hers, "NoSuch"]).json == {"held": [mine]}
    form = {"csrf_token": bob.token, "item_id": [mine, hers]}
    assert bob.visitor.client.post("/admin/review/release", data=form).status_code == 204
    assert panel.item(mine).claim is None
    assert panel.item(hers).claim is not None


def test_a_page_that_is_left_takes_nothing_from_the_one_that_follows(panel, bob):
    item_id = panel.waits()
    bob.claim(1)
    left_at = bob.data["at"]
    time.sleep(0.01)
    bob.look()  # a reload: the next page is there before the last one has gone
    form = {"csrf_token": bob.token, "item_id": item_id, "at": left_at}
    form |= {"views": json.dumps([{"source": "p1", "day": "2000-01-01", "count": 1}])}
    assert bob.visitor.client.post("/admin/review/release", data=form).status_code == 204
    assert panel.item(item_id).claim is not None
    form["at"] = bob.data["at"]
    assert bob.visitor.client.post("/admin/review/release", data=form).status_code == 204
    assert panel.item(item_id).claim is None


@pytest.mark.parametrize("more", [{"at": "soon"}, {"at": "-1"}, {"at": "9" * 15}])
def test_a_release_as_of_no_time_is_refused(panel, bob, more):
    bob.look()
    form = {"csrf_token": bob.token, "item_id": [], **more}
    assert bob.visitor.client.post("/admin/review/release", data=form).status_code == 400


@pytest.mark.parametrize("page", ["/review", "/sweep"])
def test_on_another_device_one_has_ones_own_images_at_once(panel, bob, alice, page):
    mine, others = panel.waits(porn=0.1), panel.waits(porn=0.1)
    bob.claim(1)
    alice.claim(1)
    phone = LaneVisitor(panel, "bob")
    assert mine in phone.visitor.get(page).text
    assert panel.item(mine).claim.moderator_id == panel.ids["bob"]
    assert bob.call("renew", item_ids=[mine]).json["held"] == []
    assert bob.decide(mine).status_code == 200, "what was on its way counts all the same"
    assert panel.item(others).claim.moderator_id == panel.ids["alice"]


def test_the_page_and_each_claim_say_what_is_open_elsewhere(panel, bob, alice):
    for _ in range(5):
        panel.waits()
    alice.claim(2)
    bob.look()
    assert "5 waiting , 2 elsewhere" in text_of(bob.page)
    answer = bob.call("claim", count=1).json
    assert (answer["waiting"]["review"], answer["elsewhere"]) == (5, 2)
    alice.visitor.client.post("/admin/sign-out", data={"csrf_token": alice.token})
    assert bob.call("claim", count=1).json["elsewhere"] == 0
    bob.look()
    assert re.search(r'id="held" class="muted" hidden', bob.page.text)


def test_who_is_signed_in_gets_a_new_token(panel, bob):
    bob.look()
    me = bob.visitor.get("/review/me").json
    assert me["moderator"] == panel.ids["bob"]
    bob.token = me["token"]
    assert bob.call("claim", count=1).status_code == 200


@pytest.mark.parametrize(
    ("call", "body"),
    [
        ("claim", {}), ("claim", {"count": 0}), ("claim", {"count": 41}),
        ("claim", {"count": True}),
        ("claim", {"count": 1, "skipping": "x"}), ("claim", {"count": 1, "skipping": [{"$ne": 1}]}),
        ("claim", {"count": 1, "skipping": ["x"] * 501}),
        ("decide", {"item_id": "x", "after": "pending", "request_key": KEY}),
        ("decide", {"item_id": "x", "after": "approved"}),
        ("decide", {"item_id": "x", "after": "approved", "request_key": KEY, "seen": -1}),
        ("decide", {"item_id": "x", "after": "approved", "request_key": KEY, "seen": True}),
        ("decide", {"item_id": {"$ne": ""}, "after": "approved", "request_key": KEY}),
        ("decide", {"item_id": "x", "after": "rejected", "request_key": KEY, "category": 3}),
        ("decide", {"item_id": "x", "after": "rejected", "request_key": KEY, "note": ["x"]}),
        ("undo", {}), ("undo", {"decision_id": "../x"}), ("renew", {}),
        ("escalate", {"item_id": 1}),
    ],
)  # fmt: skip
def test_a_call_that_the_script_does_not_make_is_refused(bob, call, body):
    answer = bob.call(call, **body)
    assert (answer.status_code, answer.json["kind"]) == (422, "bad_request")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b"[" * 100_000], ids=len)
def test_a_body_that_is_no_object_is_refused(bob, body):
    bob.look()
    headers = {"X-CSRFToken": bob.token, "Content-Type": "application/json"}
    answer = bob.visitor.client.post("/admin/review/claim", data=body, headers=headers)
    assert answer.status_code == 422


@pytest.mark.parametrize("call", ["claim", "decide", "escalate", "undo", "renew", "release"])
def test_no_call_works_without_a_token_or_a_session(panel, bob, call):
    headers = {"Accept": "application/json"}
    body = {"moderator": panel.ids["bob"], "count": 1}
    bob.look()
    answer = bob.visitor.client.post(f"/admin/review/{call}", json=body, headers=headers)
    assert answer.status_code == 400
    stranger = panel.app.test_client()
    answer = stranger.post(f"/admin/review/{call}", json=body, headers=headers)
    assert answer.status_code == 401
