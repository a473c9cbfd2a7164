"""The panel's door: who gets in, how, and what a stranger learns."""

import re
from datetime import timedelta

import pyotp
import pytest
from image_host import KEYS
from panel_client import PASSWORD, notices, otpauth_uri, set_up_second_factor, value_of

from cloud.clock import utc_now
from cloud.operations import Set
from server.moderation.items import ITEM
from server.panel.sessions import session_id
from server.panel.tables import SESSION
from server.storage.port import Equals


def cookie_of(answer):
    """The panel's cookie as an answer sets it: its value and its attributes."""
    (header,) = [h for h in answer.headers.getlist("Set-Cookie") if "parsewarden_panel=" in h]
    value, *attributes = header.split("; ")
    return value, set(attributes)


# --- the way in and out ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/review", "/team", "/account", "/items/x", "/new-password"])
def test_every_page_sends_strangers_to_the_door(panel, path):
    answer = panel.browser().get(path)
    assert answer.status_code == 302
    assert answer.headers["Location"] == f"/admin/sign-in?next=/admin{path}"


def test_who_signs_in_comes_to_the_page_that_was_asked_for(panel):
    browser = panel.browser()
    door = browser.follow(browser.get("/account?x=1"))
    answer = browser.sign_in("bob", next=value_of(door, "next"))
    assert answer.headers["Location"] == "/admin/account?x=1"
    assert "bob" in browser.follow(answer).text


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/admin/", "//evil.example/admin/", "/admin/../parse/users",
        "/admin/%2e%2e/parse", "/admin/x/../..", "/admin\\..\\x", "/admin/\\evil.example",
        "/administrator", "/parse/users", "javascript:alert(1)", "/admin/\r\nX: y", "admin/review",
        "http:/admin/review", "///admin/review",
    ],
)  # fmt: skip
def test_the_door_leads_nowhere_outside(panel, url):
    answer = panel.browser().sign_in("bob", next=url)
    assert answer.headers["Location"] == "/admin/review"


def test_a_stranger_learns_nothing_of_who_exists(panel):
    panel.user("charlie")
    pages = []
    for name, password in [("bob", "wrong"), ("nobody", "wrong"), ("charlie", PASSWORD)]:
        answer = panel.browser().sign_in(name, password)
        assert answer.status_code == 403
        pages.append(notices(answer))
    assert pages[0] == pages[1] == pages[2]
    assert len(pages[0]) == 1


def test_a_wrong_password_is_not_shown_again_but_the_name_is(panel):
    answer = panel.browser().sign_in("bob", "my secret guess")
    assert "my secret guess" not in answer.text
    assert value_of(answer, "name") == "bob"


def test_the_lock_says_how_long(panel):
    browser = panel.browser()
    for _ in range(8):
        answer = browser.sign_in("bob", "wrong")
    assert answer.status_code == 429
    assert "15 minutes" in notices(answer)[0]
    answer = browser.sign_in("bob")
    assert answer.status_code == 429
    assert "Even the right one is refused" in notices(answer)[0]


def guess(panel, name="bob", doors=("panel", "api")):
    """Lock an account and the address that tests come from, through the doors given."""
    for number in range(9):
        if doors[number % len(doors)] == "panel":
            panel.browser().sign_in(name, "wrong")
        else:
            panel.app.test_client().post(
                "/parse/login", json={"username": name, "password": "wrong"}, headers=KEYS
            )


def test_strangers_lock_nobody_out_of_a_browser_she_was_signed_in_on(panel):
    at_home = panel.browser("bob")
    at_home.post("/sign-out", of="/account")
    guess(panel)
    assert panel.browser().sign_in("bob").status_code == 429
    assert at_home.sign_in("bob").status_code == 303
    assert at_home.get("/account").status_code == 200


def test_a_known_browser_has_eight_tries_of_its_own(panel):
    at_home = panel.browser("bob")
    at_home.post("/sign-out", of="/account")
    answers = [at_home.sign_in("bob", "wrong").status_code for _ in range(9)]
    assert answers == [403] * 7 + [429] * 2
    assert at_home.sign_in("bob").status_code == 429
    assert panel.browser().sign_in("bob").status_code == 303


def test_a_browser_is_known_for_its_user_alone(panel):
    alices = panel.browser("alice")
    alices.post("/sign-out", of="/account")
    guess(panel)
    assert alices.sign_in("bob").status_code == 429
    assert alices.sign_in("alice").status_code == 303


@pytest.mark.parametrize("of", ["forged", "session"])
def test_no_browser_makes_itself_known(panel, of):
    browser = panel.browser("bob")
    cookie = browser.client.get_cookie("parsewarden_device", path="/admin")
    session = browser.client.get_cookie("parsewarden_panel", path="/admin")
    assert (cookie.http_only, cookie.same_site, cookie.path) == (True, "Lax", "/admin")
    stranger, value = panel.browser(), cookie.value[:-1] + "!" if of == "forged" else session.value
    stranger.client.set_cookie("parsewarden_device", value, path="/admin")
    guess(panel)
    assert stranger.sign_in("bob").status_code == 429


def test_a_right_password_without_the_code_makes_no_browser_known(panel):
    set_up_second_factor(panel.browser("bob"))
    browser = panel.browser("bob")
    assert browser.get("/review").headers["Location"].startswith("/admin/second-factor")
    assert browser.client.get_cookie("parsewarden_device", path="/admin") is None


def test_absurd_names_and_passwords_are_wrong_ones(panel):
    assert panel.browser().sign_in("b" * 10_000).status_code == 403
    assert panel.browser().sign_in("bob", "x" * 100_000).status_code == 403
    assert panel.browser().sign_in("bo\0b\ud7ff").status_code == 403


def test_signing_in_needs_this_sites_form(panel):
    answer = panel.browser().client.post(
        "/admin/sign-in", data={"name": "bob", "password": PASSWORD}
    )
    assert answer.status_code == 400
    assert "This form is too old" in answer.text


def test_signing_out_ends_the_session_for_good(panel):
    browser = panel.browser("bob")
    cookie = browser.client.get_cookie("parsewarden_panel", path="/admin").value
    answer = browser.post("/sign-out", of="/account")
    assert notices(browser.follow(answer)) == [
        "You are signed out. Images that you were looking at are free for others."
    ]
    assert panel.rows(SESSION) == []
    browser.client.set_cookie("parsewarden_panel", cookie, path="/admin")
    assert browser.get("/account").status_code == 302


def claimed_item(panel, session):
    """An item in review that a session looks at."""
    now = utc_now()
    row = {
        "objectId": "item1", "createdAt": now, "updatedAt": now, "ACL": {}, "state": "review",
        "lane": "review", "attempts": 1, "transitions": 1, "subjectClass": "UserImage",
        "subjectId": "x", "subjectColumn": "image", "fileName": "x.jpg", "reasons": [],
        "predictions": [], "claimedBy": session["user"].object_id,
        "claimSession": session["objectId"], "claimedUntil": now + timedelta(minutes=4),
    }  # fmt: skip
    panel.tables.objects.insert(ITEM, row)


@pytest.mark.parametrize("how", ["sign-out", "revoked", "disabled"])
def test_what_a_session_looked_at_is_free_when_it_ends(panel, how):
    browser = panel.browser("bob")
    (session,) = panel.rows(SESSION)
    claimed_item(panel, session)
    if how == "sign-out":
        browser.post("/sign-out", of="/account")
    elif how == "revoked":
        panel.browser("bob").post("/account/sessions", of="/account")
    else:
        user_id = session["user"].object_id
        panel.browser("alice").post(f"/team/members/{user_id}", of="/team", do="disable")
    (item,) = panel.rows(ITEM)
    assert "claimSession" not in item
    assert item["state"] == "review"


def test_signing_out_is_no_link(panel):
    browser = panel.browser("bob")
    assert browser.get("/sign-out").status_code == 405
    assert browser.client.post("/admin/sign-out").status_code == 400
    assert browser.get("/account").status_code == 200


def test_a_session_that_has_ended_says_so_at_the_door(panel):
    browser = panel.browser("bob")
    panel.tables.objects.delete(SESSION, Equals("objectId", panel.rows(SESSION)[0]["objectId"]))
    assert notices(browser.follow(browser.get("/account"))) == [
        "Your session has ended. Sign in to go on."
    ]
    assert browser.get("/account", Accept="application/json").status_code == 401


def test_what_is_sent_after_the_session_ended_is_told_not_to_be_done(panel):
    browser = panel.browser("bob")
    panel.tables.objects.delete(SESSION, Equals("objectId", panel.rows(SESSION)[0]["objectId"]))
    told = "You were not signed in any more: what you just sent was not done."
    left = browser.client.post("/admin/review/release", headers={"Accept": "*/*"})
    assert told not in notices(browser.follow(left)), "a page that is left asks for nothing"
    for_html = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    sent = browser.client.post("/admin/review", data={"action": "approved"}, headers=for_html)
    assert told in notices(browser.follow(sent))
    script = browser.client.post("/admin/sweep", headers={"Accept": "application/json"})
    assert script.status_code == 401
    assert script.json["error"].startswith("You are signed out, so this was not done.")


def test_who_is_in_does_not_see_the_door(panel):
    assert panel.browser("bob").get("/sign-in").headers["Location"] == "/admin/review"


# --- the cookie -----------------------------------------------------------------------------------


def test_the_cookie_is_kept_from_scripts_other_sites_and_the_api(panel):
    _, attributes = cookie_of(panel.browser().sign_in("bob"))
    assert attributes == {"HttpOnly", "Path=/admin", "SameSite=Lax"}


def test_behind_a_proxy_with_tls_the_cookie_is_secure(make_panel, tmp_path):
    keys = {"app_id": "a", "master_key": "m"}
    for proxies, secure in [(0, False), (1, True), (2, True)]:
        panel = make_panel(data_dir=tmp_path, trusted_proxies=proxies, **keys)
        forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "198.51.100.1, 10.0.0.1"}
        answer = panel.browser().get("/sign-in", **forwarded)
        assert ("Secure" in cookie_of(answer)[1]) is secure


def test_signing_in_replaces_whatever_a_cookie_held_before(panel):
    browser = panel.browser()
    browser.get("/sign-in")
    planted = browser.client.get_cookie("parsewarden_panel", path="/admin").value
    browser.sign_in("bob")
    first = browser.client.get_cookie("parsewarden_panel", path="/admin").value
    assert planted != first
    browser.client.set_cookie("parsewarden_panel", planted, path="/admin")
    assert browser.get("/account").status_code == 302


def test_a_forged_cookie_opens_nothing(panel):
    browser = panel.browser()
    panel.browser("bob")
    for value in (session_id("x"), panel.rows(SESSION)[0]["objectId"], "x.y.z", ""):
        browser.client.set_cookie("parsewarden_panel", value, path="/admin")
        assert browser.get("/account").status_code == 302


# --- the second factor ----------------------------------------------------------------------------


def test_the_second_factor_stands_between_the_password_and_every_page(panel):
    bob = panel.browser("bob")
    secret, page = set_up_second_factor(bob)
    codes = re.findall(r"<code>([A-Z2-7-]{19})</code>", page.text)
    assert len(codes) == 10
    browser = panel.browser()
    assert browser.sign_in("bob").headers["Location"] == "/admin/second-factor"
    for path in ("/review", "/account", "/team", "/new-password"):
        assert browser.get(path).headers["Location"].startswith("/admin/second-factor")
    answer = browser.post("/second-factor", code="000000")
    assert answer.status_code == 403
    assert "This code does not count" in notices(answer)[0]
    answer = browser.post("/second-factor", code=secret.at(utc_now() + timedelta(seconds=30)))
    assert answer.headers["Location"] == "/admin/review"
    other = panel.browser()
    other.sign_in("bob", next="/admin/account")
    answer = other.post("/second-factor", code=codes[0].lower(), next="/admin/account")
    assert answer.headers["Location"] == "/admin/account"


def test_who_is_half_way_in_can_turn_back(panel):
    set_up_second_factor(panel.browser("bob"))
    browser = panel.browser()
    browser.sign_in("bob")
    answer = browser.post("/sign-out", of="/second-factor")
    assert answer.headers["Location"] == "/admin/sign-in"
    assert len(panel.rows(SESSION)) == 1


def test_the_second_factor_renews_the_cookie(panel):
    _, page = set_up_second_factor(panel.browser("bob"))
    code = re.findall(r"<code>([A-Z2-7-]{19})</code>", page.text)[0]
    browser = panel.browser()
    browser.sign_in("bob")
    half_way = browser.client.get_cookie("parsewarden_panel", path="/admin").value
    browser.post("/second-factor", code=code)
    assert browser.get("/account").status_code == 200
    browser.client.set_cookie("parsewarden_panel", half_way, path="/admin")
    assert browser.get("/account").status_code == 302


def test_where_everybody_needs_one_the_first_sign_in_sets_it_up(make_panel):
    panel = make_panel(panel_require_second_factor=True)
    panel.moderator("bob")
    browser = panel.browser()
    page = browser.follow(browser.sign_in("bob", next="/admin/account"))
    assert "This panel asks everybody" in page.text
    assert "<svg" in page.text
    assert " style=" not in page.text
    uri = otpauth_uri(page)
    nonce = value_of(page, "nonce")
    wrong = browser.post("/second-factor", nonce=nonce, code="000000")
    assert wrong.status_code == 403
    assert value_of(wrong, "nonce") == nonce
    page = browser.post(
        "/second-factor",
        nonce=nonce,
        code=pyotp.parse_uri(uri).at(utc_now()),
        next="/admin/account",
    )
    assert len(re.findall(r"<code>[A-Z2-7-]{19}</code>", page.text)) == 10
    assert 'href="/admin/account"' in page.text
    assert browser.get("/account").status_code == 200


# --- a password of one's own ----------------------------------------------------------------------


def test_a_password_that_an_admin_knows_opens_nothing_but_its_change(panel):
    panel.tables.change_account(
        panel.user("carl", isModerator=True), {"needsNewPassword": Set(True)}
    )
    browser = panel.browser()
    assert browser.sign_in("carl").headers["Location"] == "/admin/new-password"
    assert browser.get("/review").headers["Location"].startswith("/admin/new-password")
    for new, again, why in [
        ("short", "short", "at least 10"),
        ("long enough", "long enough.", "not the same"),
        (PASSWORD, PASSWORD, "the password that you have"),
    ]:
        answer = browser.post("/new-password", new=new, again=again)
        assert answer.status_code == 400
        assert why in notices(answer)[0]
    answer = browser.post("/new-password", new="my own horse", again="my own horse")
    assert answer.headers["Location"] == "/admin/review"
    assert browser.get("/account").status_code == 200
    assert panel.browser().sign_in("carl").status_code == 403
    assert panel.browser().sign_in("carl", "my own horse").headers["Location"] == "/admin/review"


# --- when things are away -------------------------------------------------------------------------


def test_a_database_that_is_away_is_a_page_not_a_crash(panel):
    browser = panel.browser("bob")
    panel.services.database.close()
    (panel.services.settings.data_dir / "parsewarden.sqlite3").write_bytes(b"no database" * 1000)
    answer = browser.get("/account")
    assert answer.status_code == 503
    assert "The database does not answer" in answer.text
    assert browser.get("/account", Accept="application/json").json["error"]


def test_the_door_speaks_german_too(panel):
    browser = panel.browser()
    page = browser.get("/sign-in", **{"Accept-Language": "de-AT,de;q=0.9"})
    assert 'lang="de"' in page.text
    assert "Anmelden" in page.text
