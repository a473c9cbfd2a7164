"""The own account: what a moderator can change, and what it takes."""

import re

import pytest
from panel_client import PASSWORD, notices, set_up_second_factor, value_of

from admin.devices import browser_of, system_of
from admin.keys import BadKey, chosen_key, read_keys
from admin.lane.keys import USUAL_KEYS, lane_keys
from cloud.code import cloud
from cloud.errors import CloudError
from cloud.operations import Set
from server.panel.tables import ACCOUNT, SESSION

WRONG = "wrong horse"
PREFERENCES = {"blur": "on", "grey": "on", "muted": "on", "break_after": "100", "language": ""}
NEW = "another horse"


def form_of_keys(**changes):
    return {f"key_{a}": changes.get(a, keys[0]) for a, keys in USUAL_KEYS.items()}


def keys_of(page):
    """The chosen keys, as the page's form has them."""
    return dict(re.findall(r'name="key_(\w+)" value="([^"]*)"', page.text))


# --- the password ---------------------------------------------------------------------------------


def test_a_new_password_needs_the_current_one_and_ends_other_sessions(panel):
    browser, other = panel.browser("bob"), panel.browser("bob")
    answer = browser.post("/account/password", of="/account", password=WRONG, new=NEW, again=NEW)
    assert answer.status_code == 403
    assert notices(answer) == ["This is not your password. Nothing was changed."]
    answer = browser.post("/account/password", of="/account", password=PASSWORD, new=NEW, again=NEW)
    assert "Your password is changed" in notices(browser.follow(answer))[0]
    assert other.get("/account").status_code == 302
    assert panel.browser().sign_in("bob").status_code == 403
    assert panel.browser().sign_in("bob", NEW).status_code == 303


@pytest.mark.parametrize(
    ("new", "again", "why"),
    [
        ("short", "short", "at least 10 characters"),
        (NEW, "a horse of another colour", "not the same"),
        ("1234567890", "1234567890", "among the first"),
        (PASSWORD, PASSWORD, "Choose another"),
    ],
)
def test_a_weak_password_is_refused_with_a_sentence(panel, new, again, why):
    answer = panel.browser("bob").post(
        "/account/password", of="/account", password=PASSWORD, new=new, again=again
    )
    assert answer.status_code == 400
    assert why in notices(answer)[0]
    assert panel.browser().sign_in("bob").status_code == 303


def test_wrong_current_passwords_lock(panel):
    browser = panel.browser("bob")
    for _ in range(8):
        answer = browser.post("/account/second-factor", of="/account", password=WRONG)
    assert answer.status_code == 429
    assert browser.get("/account").status_code == 200  # who is in stays in
    browser.post("/sign-out", of="/account")
    assert browser.sign_in("bob").status_code == 429
    assert panel.browser().sign_in("bob").status_code == 303  # counted by this browser alone


def test_an_apps_own_code_may_refuse_a_password(panel, monkeypatch):
    monkeypatch.setattr(cloud, "_triggers", dict(cloud._triggers))

    @cloud.before_save("_User")
    def refuse(request):
        raise CloudError("Ask the helpdesk.")

    answer = panel.browser("bob").post(
        "/account/password", of="/account", password=PASSWORD, new=NEW, again=NEW
    )
    assert notices(answer) == ["The app refuses this password: Ask the helpdesk."]


# --- the second factor ----------------------------------------------------------------------------


def test_a_second_factor_is_set_up_replaced_and_removed_with_the_password(panel):
    browser = panel.browser("bob")
    act = {"path": "/account/second-factor", "of": "/account"}
    assert browser.post(**act, password=WRONG).status_code == 403
    page = browser.post(**act, password=PASSWORD)
    assert "otpauth://totp/" in page.text
    assert PASSWORD not in page.text
    assert panel.rows(ACCOUNT)[0].get("_totp_nonce") is None  # nothing counts yet
    answer = browser.post(
        "/account/second-factor/confirm",
        of="/account",
        nonce=value_of(page, "nonce"),
        code="000000",
    )
    assert answer.status_code == 403
    assert "does not fit" in notices(answer)[0]


def test_setting_a_second_factor_up_needs_the_password(panel):
    browser = panel.browser("bob")
    confirm = {"path": "/account/second-factor/confirm", "of": "/account", "nonce": "0" * 32}
    answer = browser.post(**confirm, code="000000")  # which would show the secret
    assert answer.headers["Location"] == "/admin/account"
    assert browser.post("/account/second-factor", of="/account", password=WRONG).status_code == 403
    assert browser.post(**confirm, code="000000").status_code == 303


def test_removing_the_second_factor_needs_the_password(panel):
    browser = panel.browser("bob")
    set_up_second_factor(browser)
    act = {"path": "/account/second-factor", "of": "/account"}
    assert browser.post(**act, do="remove", password=WRONG).status_code == 403
    page = browser.post(**act, do="renew", password=PASSWORD)
    assert len(re.findall(r"<code>[A-Z2-7-]{19}</code>", page.text)) == 10
    answer = browser.post(**act, do="remove", password=PASSWORD)
    assert notices(browser.follow(answer)) == ["The second factor is removed."]
    assert panel.browser().sign_in("bob").headers["Location"] == "/admin/review"


# --- sessions -------------------------------------------------------------------------------------


def test_sessions_are_shown_and_ended(panel):
    mine, other, third = (panel.browser("bob") for _ in range(3))
    alice = panel.browser("alice")
    page = mine.get("/account")
    shown = re.findall(r'name="session" value="([^"]*)"', page.text)
    assert len(shown) == 2  # and this one, which is ended by signing out
    answer = mine.post("/account/sessions", of="/account", session=shown[0])
    assert notices(mine.follow(answer)) == ["The session has ended."]
    assert len([b for b in (other, third) if b.get("/account").status_code == 200]) == 1
    mine.post("/account/sessions", of="/account")
    assert [b.get("/account").status_code for b in (mine, other, third)] == [200, 302, 302]
    assert alice.get("/account").status_code == 200


def test_nobody_ends_anothers_session(panel):
    alice, bob = panel.browser("alice"), panel.browser("bob")
    ids = [row["objectId"] for row in panel.rows(SESSION)]
    for session_id in ids:
        bob.post("/account/sessions", of="/account", session=session_id)
        if bob.get("/account").status_code == 302:
            break
    assert alice.get("/account").status_code == 200


def test_a_session_is_told_by_its_browser():
    firefox = "Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0"
    edge = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140 Safari/537.36 Edg/140.0"
    safari = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1"
    named = [(browser_of(a), system_of(a)) for a in (firefox, edge, safari, "curl/8", "")]
    assert named == [
        ("Firefox", "Android"), ("Edge", "Windows"), ("Safari", "iPhone"), (None, None),
        (None, None),
    ]  # fmt: skip


# --- preferences ----------------------------------------------------------------------------------


def test_preferences_are_kept(panel):
    browser = panel.browser("bob")
    answer = browser.post(
        "/account/preferences", of="/account", grey="on", break_after="40", language="de"
    )
    page = browser.follow(answer)
    assert notices(page) == ["Gespeichert."]
    assert 'lang="de"' in page.text
    assert re.search(r'name="blur">', page.text)
    assert re.search(r'name="grey" checked>', page.text)
    assert value_of(page, "break_after") is None  # the field has other attributes in between
    assert 'required value="40"' in page.text
    assert 'lang="de"' in panel.browser("bob").get("/account").text
    assert 'lang="en"' in panel.browser("alice").get("/account").text


@pytest.mark.parametrize("count", ["-1", "x", "", "10001", "1e3", "1.5", "٣"])
def test_a_break_after_nonsense_explains_itself(panel, count):
    answer = panel.browser("bob").post(
        "/account/preferences", of="/account", **{**PREFERENCES, "break_after": count}
    )
    assert answer.status_code == 400
    assert "whole number from 0 to 10,000" in notices(answer)[0]


def test_what_the_owner_asks_for_cannot_be_switched_off(panel):
    panel.services.parse_config.write(
        {"moderationWellbeing": Set({"blurRequired": True, "breakAfterAtMost": 30})}, {}
    )
    browser = panel.browser("bob")
    browser.post("/account/preferences", of="/account", break_after="0", language="")
    page = browser.get("/account")
    assert re.search(r'name="blur" checked disabled', page.text)
    assert re.search(r'name="grey">', page.text)
    assert 'max="30"' in page.text
    assert 'required value="30"' in page.text
    assert "The owner of this panel asks for it." in page.text


def test_a_wish_outlives_the_owners_rule(panel):
    browser = panel.browser("bob")
    browser.post("/account/preferences", of="/account", **PREFERENCES)
    rule = {"moderationWellbeing": Set({"blurRequired": True})}
    panel.services.parse_config.write(rule, {})
    page = browser.get("/account")
    assert '<input type="hidden" name="blur" value="on">' in page.text


# --- keys -----------------------------------------------------------------------------------------


def test_keys_are_chosen_and_shown(panel):
    browser = panel.browser("bob")
    answer = browser.post(
        "/account/keys", of="/account", **form_of_keys(approve="j", skip="Space", reveal="ArrowUp")
    )
    page = browser.follow(answer)
    assert notices(page) == ["Your keys are saved."]
    shown = keys_of(page)
    assert (shown["approve"], shown["skip"], shown["reveal"]) == ("j", "Space", "ArrowUp")
    (stored,) = [row["preferences"]["keys"] for row in panel.rows(ACCOUNT) if "preferences" in row]
    assert stored == {"approve": "j", "skip": " ", "reveal": "ArrowUp"}
    page = browser.follow(browser.post("/account/keys", of="/account", do="usual"))
    assert keys_of(page)["approve"] == USUAL_KEYS["approve"][0]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"approve": "d"}, "d cannot be both “Approve” and “Reject”"),
        ({"skip": "Space", "undo": " "}, "Space cannot be both “Skip” and “Undo”"),
        ({"skip": "1"}, "1 cannot be “Skip”"),
        ({"skip": "Tab"}, "Tab cannot be “Skip”"),
        ({"skip": "Hyper<b>"}, "“Hyper<b>” is no key"),
    ],
)
def test_keys_that_cannot_be_are_explained_and_left_in_the_form(panel, changes, why):
    answer = panel.browser("bob").post("/account/keys", of="/account", **form_of_keys(**changes))
    assert answer.status_code == 400
    assert why in notices(answer)[0]
    assert "<b>" not in answer.text
    assert all("preferences" not in row for row in panel.rows(ACCOUNT))
    (action, key), *_ = changes.items()
    assert keys_of(answer)[action].replace("&lt;b&gt;", "<b>") == key


def test_an_action_may_have_no_key():
    keys = read_keys(form_of_keys(escalate=""))
    assert keys == {"escalate": ""}
    assert chosen_key(keys, "escalate") == ""
    assert lane_keys(keys)["escalate"] == ()


def test_keys_may_change_places():
    assert read_keys(form_of_keys(approve="d", reject="l")) == {"approve": "d", "reject": "l"}
    with pytest.raises(BadKey):
        read_keys(form_of_keys(approve="d"))


@pytest.mark.parametrize("part", ["nonsense", "password"])
def test_a_part_of_the_page_that_is_loaded_again_leads_back(panel, part):
    assert panel.browser("bob").get(f"/account/{part}").headers["Location"] == "/admin/account"


# --- through Parse --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Account", "Session", "Tries"])
def test_parse_shows_no_secret_whatever_the_key(panel, name):
    set_up_second_factor(panel.browser("bob"))
    panel.browser().sign_in("bob", WRONG)
    client, path = panel.app.test_client(), f"/parse/classes/ModerationPanel{name}"
    keys = {"X-Parse-Application-Id": "myAppId", "X-Parse-REST-API-Key": "myRestKey"}
    assert client.get(path, headers=keys).json["code"] == 119
    assert client.post(path, headers=keys, json={}).json["code"] == 119
    keys["X-Parse-Master-Key"] = "myMasterKey"
    rows = client.get(path, headers=keys).json["results"]
    assert rows
    assert not [column for row in rows for column in row if column.startswith("_")]
