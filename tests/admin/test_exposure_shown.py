"""How many images somebody looked at: told along with other calls, shown to herself."""

import re

import pytest
from panel_app import panel_app
from test_lane import KEY, LaneVisitor, configure, exposure_of, prefer, text_of

from admin.people import Preferences
from cloud.clock import utc_now


@pytest.fixture
def panel(tmp_path, models_dir):
    with panel_app(tmp_path, models_dir) as panel:
        yield panel


@pytest.fixture
def bob(panel):
    return LaneVisitor(panel, "bob")


def told(count, source="p1", **more):
    return {"source": source, "day": utc_now().date().isoformat(), "count": count, **more}


def seen_by(answer):
    return answer.json["seen"]["count"], answer.json["seen"]["rested"]


def days_of(visitor):
    """What the account page says: by day, today first."""
    page = visitor.visitor.get("/account").text
    section = re.search(r'aria-labelledby="h-seen">.*?</section>', page, re.DOTALL)[0]
    return [int(number) for number in re.findall(r'<td class="number">(\d+)</td>', section)]


def test_views_travel_with_a_claim_and_count_once_however_often_they_are_told(bob):
    for _ in range(2):
        answer = bob.call("claim", count=6, views=[told(3), told(2, "p2", rested=4)])
        assert seen_by(answer) == (5, 4)
    assert days_of(bob) == [5, 0, 0, 0, 0, 0, 0]


def test_another_device_counts_on(panel, bob):
    bob.call("claim", count=6, views=[told(3)])
    phone = LaneVisitor(panel, "bob")
    phone.look()
    assert exposure_of(phone)["seen"]["count"] == 3
    assert "3 looked at today" in text_of(phone.page)
    assert seen_by(phone.call("claim", count=6, views=[told(1, "p9")])) == (4, 0)


@pytest.mark.parametrize(
    "views",
    [
        "many", {}, [1], [{}], [told(-1)], [told(1.5)], [told(True)], [told(100_001)], [told("3")],
        [told(3, "")], [told(3, "1a")], [told(3, "a.b")], [told(3, "a" * 33)], [told(3, "$a")],
        [{**told(3), "day": "soon"}], [{**told(3), "day": 20261130}], [told(3, rested="x")],
    ],
)  # fmt: skip
def test_what_is_malformed_counts_for_nothing_and_stops_no_claim(panel, bob, views):
    item = panel.waits()
    answer = bob.call("claim", count=6, views=views)
    assert [each["id"] for each in answer.json["items"]] == [item]
    assert seen_by(answer) == (0, 0)


def test_a_sweep_tells_them_too(panel, bob):
    panel.waits(porn=0.1)
    page = bob.visitor.get("/sweep").text
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
    shown = re.findall(r'name="shown" value="([^"]+)"', page)
    body = {"decision": "approve", "shown": shown, "marked": [], "key": KEY, "views": [told(1)]}
    assert seen_by(bob.visitor.send("/sweep", body, token=token)) == (1, 0)
    body = {"shown": [], "views": [told(4)]}
    assert seen_by(bob.visitor.send("/sweep/renew", body, token=token)) == (4, 0)
    body = {"decisions": [], "left": [], "views": [told(6)]}
    assert seen_by(bob.visitor.send("/sweep/undo", body, token=token)) == (6, 0)


# --- without scripts ------------------------------------------------------------------------------


def test_without_scripts_an_image_counts_that_was_unveiled_before_it_was_decided(panel, bob):
    for _ in range(3):
        panel.waits()
    bob.look()
    bob.submit(action="approved")
    assert days_of(bob)[0] == 0, "only veiled"
    bob.look(look="reveal")
    assert 'name="revealed"' in bob.page.text
    bob.submit(action="approved", revealed="yes")
    assert days_of(bob)[0] == 1


def test_without_scripts_a_break_is_suggested_until_it_was_read(panel, bob):
    prefer(panel, "bob", Preferences(blur=False, break_after=2))
    for _ in range(4):
        panel.waits()
    for _ in range(2):
        bob.look()
        bob.submit(action="approved", revealed="yes")
    bob.look()
    assert "You have looked at 2 images today." in text_of(bob.page)
    bob.submit(action="rested")
    bob.look()
    assert "You have looked at 2 images today." not in text_of(bob.page)
    assert days_of(bob)[0] == 2


def test_without_scripts_a_sweep_counts_what_it_revealed(panel, bob):
    for query, count in (({}, 0), ({"reveal": "1"}, 3)):
        for _ in range(3):
            panel.waits(porn=0.1)
        page = bob.visitor.get("/sweep", **query).text
        shown, key = (re.findall(f'name="{n}" value="([^"]+)"', page) for n in ("shown", "key"))
        values = {"decision": "approve", "marked_fate": "left", "shown": shown, "key": key}
        values |= {"revealed": ["yes"] if 'name="revealed"' in page else []}
        token = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
        assert bob.visitor.post("/sweep", values, token=token).status_code == 200
        assert days_of(bob)[0] == count


# --- who sees it ----------------------------------------------------------------------------------


def test_it_is_ones_own_business_unless_the_owner_says_otherwise(panel, bob):
    alice = LaneVisitor(panel, "alice")
    item = panel.waits()
    bob.claim()
    bob.decide(item)
    bob.call("claim", count=6, views=[told(17)])
    for shared in (None, {"exposureForAdmins": False}, {"exposureForAdmins": True}):
        configure(panel, moderationWellbeing=shared)
        is_shared = bool(shared and shared["exposureForAdmins"])
        figures = line_of(alice, "bob")
        assert (figures[-1] == "17") is is_shared, figures
        page = bob.visitor.get("/account").text
        assert ("Only you see this." in page) is not is_shared
    assert line_of(LaneVisitor(panel, "carol"), "Moderator ")[-1] == "—"
    assert line_of(bob, "Moderator ")[-1] == "17"


def line_of(visitor, name):
    """What the dashboard says of a moderator, without what stands beside it on cards alone."""
    page = visitor.visitor.get("/dashboard").text
    people = re.search(r'id="people-heading".*?</section>', page, re.DOTALL)[0]
    for line in re.findall(r"<tr>(.*?)</tr>", people, re.DOTALL):
        line = re.sub(r'<span class="on-cards.*?</span>', "", line)
        cells = [
            re.sub(r"<[^>]+>", "", cell).strip()
            for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line)
        ]
        if cells[0].startswith(name):
            return cells
    raise AssertionError(people)
