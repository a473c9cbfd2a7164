"""The Team page: for admins alone, and never without one."""

import re
from html import unescape

import pytest
from panel_client import PASSWORD, notices, set_up_second_factor, value_of

from admin.texts import catalogue
from cloud.code import cloud
from cloud.errors import CloudError
from server.panel.tables import SESSION, TEAM_LOG


def one_time_password(answer):
    return unescape(re.search(r'<p class="one-time"[^>]*>([^<]*)<', answer.text)[1])


def log_lines(answer):
    section = answer.text.partition('id="h-log"')[2]
    lines = re.findall(r'<span class="what">([^<]*)</span>', section)
    return [unescape(line) for line in lines]


@pytest.fixture
def ids(panel):
    users = panel.rows(panel.services.objects.user_schema())
    return {row["username"]: row["objectId"] for row in users}


def change(browser, user_id, do, **form):
    return browser.post(f"/team/members/{user_id}", of="/team", do=do, **form)


def told(browser, answer):
    return notices(browser.follow(answer))


def test_moderators_who_are_no_admins_are_kept_out(panel, ids):
    bob = panel.browser("bob")
    answers = [
        bob.get("/team"),
        bob.post("/team/invite", of="/account", name="eve", role="admin"),
        bob.post(f"/team/members/{ids['bob']}", of="/account", do="make-admin"),
        bob.post(f"/team/members/{ids['alice']}", of="/account", do="disable"),
    ]
    assert [a.status_code for a in answers] == [403] * 4
    assert "This is for admins." in answers[0].text
    assert panel.rows(TEAM_LOG) == []


def test_the_page_shows_everybody(panel, ids):
    panel.user("charlie")
    page = panel.browser("alice").get("/team")
    names = re.findall(r"<h2>(\w+)", page.text)
    assert names == ["alice", "bob"]
    assert "(you)" in page.text
    assert "Never signed in" in page.text
    assert "charlie" not in page.text


def test_somebody_is_invited_with_a_password_shown_once(panel):
    alice = panel.browser("alice")
    answer = alice.post("/team/invite", of="/team", name="dora", role="moderator", kind="new")
    password = one_time_password(answer)
    assert len(password) == 22
    assert password not in alice.get("/team").text
    dora = panel.browser()
    assert dora.sign_in("dora", password).headers["Location"] == "/admin/new-password"
    assert log_lines(alice.get("/team")) == ["dora was invited as Moderator by alice"]


def test_somebody_of_the_app_is_promoted(panel):
    panel.user("charlie")
    alice = panel.browser("alice")
    answer = alice.post("/team/invite", of="/team", name="charlie", role="admin", kind="existing")
    assert told(alice, answer) == ["charlie may use the panel, with the password of the app."]
    assert panel.browser("charlie").get("/team").status_code == 200


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ({"name": "bob", "kind": "new"}, "There is an account of this name in the app"),
        ({"name": " ", "kind": "new"}, "1 to 100 visible characters"),
        ({"name": "nobody", "kind": "existing"}, "There is no account of this name"),
    ],
)
def test_who_cannot_be_added_is_explained(panel, form, why):
    answer = panel.browser("alice").post("/team/invite", of="/team", role="moderator", **form)
    assert answer.status_code == 409
    assert why in notices(answer)[0]


def test_an_apps_own_code_may_refuse_a_user(panel, monkeypatch):
    monkeypatch.setattr(cloud, "_triggers", dict(cloud._triggers))

    @cloud.before_save("_User")
    def refuse(request):
        raise CloudError("Users need an address.")

    answer = panel.browser("alice").post(
        "/team/invite", of="/team", name="dora", role="moderator", kind="new"
    )
    assert notices(answer) == ["The app refuses this: Users need an address."]


@pytest.mark.parametrize("form", [{"role": "owner"}, {}])
def test_an_unknown_role_or_deed_is_refused(panel, ids, form):
    alice = panel.browser("alice")
    assert alice.post("/team/invite", of="/team", name="dora", **form).status_code == 400
    assert change(alice, ids["bob"], "promote-to-emperor").status_code == 400
    assert alice.get(f"/team/members/{ids['bob']}/promote-to-emperor").status_code == 404
    assert panel.rows(TEAM_LOG) == []


DEEDS = [
    ("make-admin", "Make admin", "Make bob an admin?"),
    ("end-sessions", "End all sessions", "End all sessions of bob?"),
    ("reset-factor", "Reset second factor", "Reset the second factor of bob?"),
    ("reset-password", "New one-time password", "Give bob a new one-time password?"),
    ("disable", "Disable", "Disable bob?"),
]


@pytest.mark.parametrize(("deed", "words", "question"), DEEDS, ids=[deed for deed, *_ in DEEDS])
def test_what_is_done_to_somebody_is_asked_about_first(panel, ids, deed, words, question):
    bob, alice = panel.browser("bob"), panel.browser("alice")
    set_up_second_factor(bob)
    link = re.search(rf'href="/admin([^"]*)" aria-label="{words}: bob"', alice.get("/team").text)
    page = alice.get(link[1])
    assert f">{question}</h1>" in page.text
    assert panel.rows(TEAM_LOG) == []
    assert bob.get("/account").status_code == 200
    assert "your own account" not in page.text
    action = re.search(r'<form class="actions" method="post" action="/admin([^"]*)"', page.text)
    alice.post(action[1], of=link[1], do=value_of(page, "do"))
    assert len(panel.rows(TEAM_LOG)) == 1


def test_the_team_page_itself_changes_nobody(panel):
    panel.moderator("dora")
    alice = panel.browser("alice")
    forms = set(re.findall(r'<form[^>]* action="([^"]*)"', alice.get("/team").text))
    assert forms == {"/admin/team/invite", "/admin/sign-out"}


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_question_is_there_in_every_language(panel, ids, language):
    alice = panel.browser("alice")
    for deed in [*(deed for deed, *_ in DEEDS), "make-moderator", "enable"]:
        page = alice.get(f"/team/members/{ids['alice']}/{deed}", **{"Accept-Language": language})
        assert page.status_code == 200
        assert notices(page) == [catalogue(language)["team.is_you"]]
        assert page.text.count("?</h1>") == 1


def test_questions_are_for_admins(panel, ids):
    assert panel.browser("bob").get(f"/team/members/{ids['alice']}/disable").status_code == 403


def test_disabling_ends_sessions_and_moderating_through_the_app(panel, ids):
    alice, bob = panel.browser("alice"), panel.browser("bob")
    assert "bob is disabled" in told(alice, change(alice, ids["bob"], "disable"))[0]
    assert bob.get("/account").status_code == 302
    assert panel.browser().sign_in("bob").status_code == 403
    assert panel.tables.user(ids["bob"])["isModerator"] is False
    assert "bob may use" in told(alice, change(alice, ids["bob"], "enable"))[0]
    assert bob.get("/account").status_code == 302
    assert panel.browser("bob").get("/account").status_code == 200


def test_a_role_is_changed_and_holds_at_once(panel, ids):
    alice, bob = panel.browser("alice"), panel.browser("bob")
    change(alice, ids["bob"], "make-admin")
    assert bob.get("/team").status_code == 200
    change(bob, ids["alice"], "make-moderator")
    assert alice.get("/team").status_code == 403


def test_sessions_are_ended_by_an_admin(panel, ids):
    alice, bob = panel.browser("alice"), panel.browser("bob")
    assert told(alice, change(alice, ids["bob"], "end-sessions")) == [
        "All sessions of bob have ended."
    ]
    assert bob.get("/account").status_code == 302
    assert len(panel.rows(SESSION)) == 1


def test_an_admin_who_ends_all_own_sessions_is_out(panel, ids):
    alice = panel.browser("alice")
    answer = change(alice, ids["alice"], "end-sessions")
    assert answer.status_code == 303
    assert alice.get("/team").status_code == 302


def test_a_second_factor_is_reset(panel, ids):
    set_up_second_factor(panel.browser("bob"))
    alice = panel.browser("alice")
    assert "Reset second factor: bob" in alice.get("/team").text
    change(alice, ids["bob"], "reset-factor")
    assert panel.browser().sign_in("bob").headers["Location"] == "/admin/review"
    assert "Reset second factor: bob" not in alice.get("/team").text


def test_a_forgotten_password_is_replaced(panel, ids):
    alice = panel.browser("alice")
    password = one_time_password(change(alice, ids["bob"], "reset-password"))
    assert panel.browser().sign_in("bob", PASSWORD).status_code == 403
    assert panel.browser().sign_in("bob", password).headers["Location"] == "/admin/new-password"


def test_the_last_admin_stays(panel, ids):
    alice = panel.browser("alice")
    for deed in ("disable", "make-moderator"):
        answer = told(alice, change(alice, ids["alice"], deed))
        assert "This is the last active admin" in answer[0]
    assert alice.get("/team").status_code == 200
    assert log_lines(alice.get("/team")) == []


def test_who_is_nobody_is_not_changed(panel):
    alice = panel.browser("alice")
    charlie = panel.user("charlie")
    for user_id in (charlie, "nonsense"):
        assert "There is no account" in told(alice, change(alice, user_id, "disable"))[0]
        asked = alice.get(f"/team/members/{user_id}/disable")
        assert "There is no account" in told(alice, asked)[0]


def test_everything_is_in_the_log(panel, ids):
    alice = panel.browser("alice")
    for do in ("end-sessions", "reset-factor", "disable", "enable", "reset-password"):
        change(alice, ids["bob"], do)
    change(alice, ids["bob"], "make-admin")
    assert log_lines(alice.get("/team")) == [
        "bob was made Admin by alice",
        "bob got a one-time password from alice",
        "bob was enabled by alice",
        "bob was disabled by alice",
        "The second factor of bob was reset by alice",
        "All sessions of bob were ended by alice",
    ]


def test_names_are_text_whatever_they_hold(panel):
    panel.moderator("<b>eve</b>")
    page = panel.browser("alice").get("/team").text
    assert "<b>" not in page
    assert "&lt;b&gt;eve&lt;/b&gt;" in page
