"""Passwords reset and addresses verified by mail: who is mailed what, what a link is good for."""

import email
import email.policy
import logging
import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta

import pytest
import time_machine
from image_host import KEYS, MASTER
from parse_app import error, outcome

from cloud.clock import utc_now
from cloud.errors import CloudError
from cloud.operations import Set
from server.objects.system_classes import with_tokens
from server.storage.port import Equals, Query
from server.storage.sqlite.database import SqliteDatabase

ALICE = {"username": "alice", "password": "secret", "email": "alice@example.org"}
NEW = "another secret"
LINK = re.compile(r"^(http://\S+/apps/myAppId/(\w+)\?token=(\w{25}))$", re.MULTILINE)


class Mailbox:
    """The folder that mails are written to while developing."""

    def __init__(self, folder):
        self._folder = folder / "mails"

    def mails(self, at_least=1):
        """All mails, once there are so many."""
        deadline = time.monotonic() + 10
        while len(found := sorted(self._folder.glob("*.eml"))) < at_least:
            assert time.monotonic() < deadline, f"{len(found)} mails"
            time.sleep(0.01)
        found.sort(key=lambda path: path.stat().st_mtime_ns)
        return [
            email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            for path in found
        ]

    def token(self, at_least=1):
        """The token in the latest mail's link."""
        return LINK.search(self.mails(at_least)[-1].get_content())[3]


@pytest.fixture
def mailbox(tmp_path):
    return Mailbox(tmp_path)


def alice_in(parse, **columns):
    return parse.person("alice", email="alice@example.org", **columns)


def settled(parse):
    """Wait until what was posted so far is dealt with."""
    done = []
    parse.services.mails.post("marker", lambda: done.append(1))
    deadline = time.monotonic() + 10
    while not done:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def page(parse, path, method="GET", mount="/parse", headers=None, **values):
    sent = {"query_string": values} if method == "GET" else {"data": values}
    return parse.client.open(
        f"{mount}/apps/myAppId/{path}", method=method, headers=headers or {}, **sent
    )


def set_password(parse, token, password=NEW, **more):
    return page(parse, "request_password_reset", "POST", token=token, new_password=password, **more)


def log_in(parse, password):
    return parse.post("/login", {"username": "alice", "password": password})


# --- asking for a link --------------------------------------------------------------------------


def test_a_forgotten_password_is_replaced_by_mail(make_parse, database_uri, mailbox):
    parse = make_parse(database_uri=database_uri, app_name="Pictures", port=1400)
    session = parse.post("/users", ALICE).json["sessionToken"]
    assert parse.post("/requestPasswordReset", {"email": ALICE["email"]}).json == {}
    (mail,) = mailbox.mails()
    assert (mail["To"], mail["Subject"]) == ("alice@example.org", "Password Reset for Pictures")
    assert "your username is 'alice'" in mail.get_content()
    link, path, token = LINK.search(mail.get_content()).groups()
    assert link.startswith("http://localhost:1400/parse/apps/")
    assert path == "request_password_reset"
    form = page(parse, path, token=token)
    assert form.status_code == 200
    assert f'value="{token}"' in form.text
    assert set_password(parse, token, confirm_new_password=NEW).status_code == 200
    assert outcome(log_in(parse, "secret")) == (404, 101)
    assert log_in(parse, NEW).status_code == 200
    me = parse.get("/users/me", {**KEYS, "X-Parse-Session-Token": session})
    assert outcome(me) == (400, 209)


def test_the_token_is_stored_as_parse_server_does(make_parse, database_uri, mailbox):
    parse = make_parse(database_uri=database_uri, password_reset_token_validity=600)
    alice = alice_in(parse)
    parse.post("/requestPasswordReset", {"email": "alice@example.org"})
    token = mailbox.token()
    row = parse.stored("_User", alice.id)
    assert row["_perishable_token"] == token
    lasts = row["_perishable_token_expires_at"] - utc_now()
    assert timedelta(seconds=580) < lasts <= timedelta(seconds=600)
    assert "_perishable" not in parse.get(f"/users/{alice.id}", MASTER).text


def test_who_asks_does_not_learn_who_has_an_account(parse, mailbox):
    alice_in(parse)
    for address in ("alice@example.org", "nobody@example.org", "ALICE@example.org", "x"):
        answer = parse.post("/requestPasswordReset", {"email": address})
        assert (answer.status_code, answer.json) == (200, {})
    settled(parse)
    assert [mail["To"] for mail in mailbox.mails()] == ["alice@example.org"]


def test_an_owner_may_have_unknown_addresses_told(make_parse):
    parse = make_parse(password_reset_success_on_invalid_email=False)
    answer = parse.post("/requestPasswordReset", {"email": "nobody@example.org"})
    assert error(answer) == (101, "A user with that email does not exist.")


def test_a_username_that_is_an_address_will_do(parse, mailbox):
    parse.person("carol@example.org")
    parse.person("bob@example.org", email="bob@example.com")
    for name in ("bob@example.org", "carol@example.org"):
        parse.post("/requestPasswordReset", {"email": name})
    settled(parse)
    (mail,) = mailbox.mails()
    assert mail["To"] == "carol@example.org"
    assert "your username" not in mail.get_content()


@pytest.mark.parametrize("path", ["/requestPasswordReset", "/verificationEmailRequest"])
@pytest.mark.parametrize(
    ("value", "refusal"),
    [
        (None, (204, "you must provide an email")),
        ("", (204, "you must provide an email")),
        ({"$ne": None}, (125, "you must provide a valid email string")),
        (["a@b"], (125, "you must provide a valid email string")),
        (5, (125, "you must provide a valid email string")),
    ],
)
def test_an_address_is_a_text(parse, path, value, refusal):
    alice_in(parse)
    assert error(parse.post(path, {"email": value})) == refusal


@pytest.mark.parametrize("path", ["/requestPasswordReset", "/verificationEmailRequest"])
def test_without_a_way_for_mails_it_is_said_so(make_parse, path):
    keys = {"app_id": "myAppId", "master_key": "own"}
    for settings in (
        {"bind_host": "192.0.2.1"},  # nobody else could read the folder's mails
        {"bind_host": "192.0.2.1", "smtp_host": "localhost", "mail_from": "a@b"},  # no SERVER_URL
    ):
        parse = make_parse(**keys, **settings)
        answer = parse.post(path, {"email": "alice@example.org"})
        assert answer.status_code == 400
        assert error(answer) == (
            1,
            "An appName, publicServerURL, and emailAdapter are required for password reset and "
            "email verification functionality.",
        )


def test_links_lead_to_the_server_url_whatever_a_request_says(make_parse, mailbox):
    parse = make_parse(server_url="https://api.example.com/parse")
    alice_in(parse)
    hostile = {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    parse.post("/requestPasswordReset", {"email": "alice@example.org"}, **hostile)
    (mail,) = mailbox.mails()
    assert "https://api.example.com/parse/apps/myAppId/request_password_reset?" in str(mail)
    assert "evil" not in str(mail)


def test_a_name_that_could_be_an_advertisement_is_not_mailed(parse, mailbox):
    parse.person("Win at http://evil.example", email="victim@example.org")
    parse.post("/requestPasswordReset", {"email": "victim@example.org"})
    assert "evil" not in str(mailbox.mails()[0])


def test_nobody_is_flooded_with_mails(parse, mailbox):
    alice_in(parse)
    for _ in range(12):
        parse.post("/requestPasswordReset", {"email": "alice@example.org"})
    settled(parse)
    assert len(mailbox.mails()) == 8


def test_tokens_and_addresses_are_in_no_log(parse, mailbox, caplog):
    caplog.set_level(logging.DEBUG)
    alice_in(parse)
    parse.post("/requestPasswordReset", {"email": "alice@example.org"})
    token = mailbox.token()
    page(parse, "request_password_reset", token=token)
    page(parse, "request_password_reset", token=token + "x")
    set_password(parse, token)
    set_password(parse, token)
    settled(parse)
    logged = caplog.text
    assert "a mail (password reset) went to" in logged
    assert token not in logged
    assert "alice@example.org" not in logged
    assert NEW not in logged


# --- what a link is good for --------------------------------------------------------------------


def reset_token(parse, mailbox, **columns):
    alice = alice_in(parse, **columns)
    parse.post("/requestPasswordReset", {"email": "alice@example.org"})
    return alice, mailbox.token()


def test_a_link_is_good_once(parse, mailbox):
    _, token = reset_token(parse, mailbox)
    assert set_password(parse, token).status_code == 200
    assert set_password(parse, token, "third").status_code == 404
    assert page(parse, "request_password_reset", token=token).status_code == 404
    assert log_in(parse, NEW).status_code == 200


def test_of_two_uses_at_once_one_counts(make_parse, database_uri, mailbox):
    parse = make_parse(database_uri=database_uri)
    _, token = reset_token(parse, mailbox)
    passwords = [f"password {number}" for number in range(6)]
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda one: set_password(parse, token, one), passwords))
    assert sorted(answer.status_code for answer in answers) == [200, *[404] * 5]
    (winner,) = (
        p for p, answer in zip(passwords, answers, strict=True) if answer.status_code == 200
    )
    assert log_in(parse, winner).status_code == 200


def test_of_two_links_the_later_one_counts(parse, mailbox):
    _, first = reset_token(parse, mailbox)
    parse.post("/requestPasswordReset", {"email": "alice@example.org"})
    second = mailbox.token(2)
    assert set_password(parse, first).status_code == 404
    assert set_password(parse, second).status_code == 200


def test_a_link_ends_after_an_hour(parse, mailbox):
    _, token = reset_token(parse, mailbox)
    with time_machine.travel(utc_now() + timedelta(minutes=59), tick=False):
        assert page(parse, "request_password_reset", token=token).status_code == 200
    with time_machine.travel(utc_now() + timedelta(minutes=60, seconds=1), tick=False):
        assert page(parse, "request_password_reset", token=token).status_code == 404
        assert set_password(parse, token).status_code == 404


def test_a_token_without_an_end_is_not_taken(parse):
    """A Parse Server without resetTokenValidityDuration writes such."""
    alice_in(parse, _perishable_token="t" * 25)
    assert set_password(parse, "t" * 25).status_code == 404


@pytest.mark.parametrize("column", ["password", "email"])
def test_a_link_ends_when_password_or_address_change(parse, mailbox, column):
    alice, token = reset_token(parse, mailbox)
    parse.put(f"/users/{alice.id}", {column: "bob@example.org"}, alice)
    assert set_password(parse, token).status_code == 404


@pytest.mark.parametrize("token", ["", "x", "t" * 25, "%00", "a" * 10_000, "ä", "$ne"])
def test_what_is_no_token_changes_nothing(parse, mailbox, token):
    alice, _ = reset_token(parse, mailbox)
    before = parse.stored("_User", alice.id)
    assert page(parse, "request_password_reset", token=token).status_code == 404
    assert set_password(parse, token).status_code in (404, 413)
    assert page(parse, "verify_email", token=token).status_code == 404
    assert page(parse, "resend_verification_email", "POST", token=token).status_code in (404, 413)
    assert parse.stored("_User", alice.id) == before


def test_a_password_that_is_refused_leaves_the_link_good(parse, mailbox, cloud_code):
    _, token = reset_token(parse, mailbox)

    @cloud_code.before_save("_User")
    def refuse_short(request):
        if "refused" in str(request.object.changes):
            raise CloudError("No <b>such</b> password.")

    refused = set_password(parse, token, "refused")
    assert refused.status_code == 422
    assert "No &lt;b&gt;such&lt;/b&gt; password." in refused.text
    for body in ({"password": ""}, {"password": NEW, "confirm_new_password": "other"}):
        assert set_password(parse, token, **body).status_code == 422
    assert set_password(parse, token).status_code == 200


def test_a_locked_account_stays_locked_unless_the_settings_let_it_in(make_parse, mailbox):
    for unlocks, status in ((False, 404), (True, 200)):
        parse = make_parse(
            account_lockout_unlock_on_password_reset=unlocks, account_lockout_address_threshold=0
        )
        name = f"user{unlocks}"
        parse.person(name, email=f"{name}@example.org", _hashed_password="x")
        for _ in range(8):
            parse.post("/login", {"username": name, "password": "guess"})
        parse.post("/requestPasswordReset", {"email": f"{name}@example.org"})
        set_password(parse, mailbox.token(1 + unlocks))
        answer = parse.post("/login", {"username": name, "password": NEW})
        assert answer.status_code == status


# --- verification -------------------------------------------------------------------------------


@pytest.fixture
def verifying(make_parse):
    return make_parse(verify_user_emails=True)


def test_a_new_address_is_verified_by_mail(make_parse, database_uri, mailbox):
    parse = make_parse(database_uri=database_uri, verify_user_emails=True, app_name="Pictures")
    made = parse.post("/users", ALICE)
    assert made.json.keys() == {"objectId", "createdAt", "sessionToken"}
    path = f"/users/{made.json['objectId']}"
    assert parse.get(path, MASTER).json["emailVerified"] is False
    (mail,) = mailbox.mails()
    assert mail["Subject"] == "Please verify your e-mail for Pictures"
    _, name, token = LINK.search(mail.get_content()).groups()
    assert name == "verify_email"
    row = parse.stored("_User", made.json["objectId"])
    assert row["_email_verify_token"] == token
    assert row["_email_verify_token_expires_at"] > utc_now()
    assert page(parse, name, token=token).status_code == 200
    assert parse.get(path, MASTER).json["emailVerified"] is True
    assert page(parse, name, token=token).status_code == 404
    assert "_email_verify_token" not in parse.stored("_User", made.json["objectId"])


def test_a_changed_address_has_to_be_verified_again(verifying, mailbox):
    parse = verifying
    alice = alice_in(parse, emailVerified=True)
    path = f"/users/{alice.id}"
    parse.put(path, {"email": "alice@example.org", "phone": "1"}, alice)
    assert parse.get(path, MASTER).json["emailVerified"] is True
    parse.put(path, {"email": "new@example.org"}, alice)
    assert parse.get(path, MASTER).json["emailVerified"] is False
    settled(parse)
    assert [mail["To"] for mail in mailbox.mails()] == ["new@example.org"]


def test_clients_cannot_verify_themselves(verifying):
    alice = alice_in(verifying, emailVerified=False)
    for body in ({"emailVerified": True}, {"emailVerified": {"__op": "Delete"}}):
        answer = verifying.put(f"/users/{alice.id}", body, alice)
        assert error(answer) == (
            119,
            "Clients aren't allowed to manually update email verification.",
        )


def test_a_link_that_looks_ahead_verifies_nothing(verifying, mailbox):
    verifying.post("/users", ALICE)
    token = mailbox.token()
    page(verifying, "verify_email", "HEAD", token=token)
    verifying.client.head(f"/parse/apps/myAppId/verify_email?token={token}")
    assert verifying.find("_User", by=MASTER)[0]["emailVerified"] is False


def test_an_expired_link_offers_another(make_parse, database_uri, mailbox):
    verifying = make_parse(database_uri=database_uri, verify_user_emails=True)
    verifying.post("/users", ALICE)
    token = mailbox.token()
    with time_machine.travel(utc_now() + timedelta(days=1, seconds=1), tick=False):
        expired = page(verifying, "verify_email", token=token)
        assert expired.status_code == 410
        assert "resend_verification_email" in expired.text
        again = page(verifying, "resend_verification_email", "POST", token=token)
        assert again.status_code == 200
        other = mailbox.token(2)
        assert page(verifying, "verify_email", token=token).status_code == 404
        assert page(verifying, "verify_email", token=other).status_code == 200


def test_another_link_is_mailed_to_who_needs_one(make_parse, database_uri, mailbox):
    verifying = make_parse(database_uri=database_uri, verify_user_emails=True)
    alice_in(verifying, emailVerified=False)
    verifying.person("bob", email="bob@example.org", emailVerified=True)
    for name in ("alice", "bob", "nobody"):
        answer = verifying.post("/verificationEmailRequest", {"email": f"{name}@example.org"})
        assert (answer.status_code, answer.json) == (200, {})
    settled(verifying)
    assert [mail["To"] for mail in mailbox.mails()] == ["alice@example.org"]
    assert page(verifying, "verify_email", token=mailbox.token()).status_code == 200


def test_an_owner_may_have_addresses_to_verify_told(make_parse):
    parse = make_parse(verify_user_emails=True, email_verify_success_on_invalid_email=False)
    parse.person("bob", email="bob@example.org", emailVerified=True)
    answer = parse.post("/verificationEmailRequest", {"email": "nobody@example.org"})
    assert error(answer) == (205, "No user found with email nobody@example.org")
    answer = parse.post("/verificationEmailRequest", {"email": "bob@example.org"})
    assert error(answer) == (-1, "Email bob@example.org is already verified.")


def test_who_has_to_verify_first_does_not_log_in_before(make_parse, mailbox):
    parse = make_parse(verify_user_emails=True, prevent_login_with_unverified_email=True)
    made = parse.post("/users", ALICE)
    assert made.json.keys() == {"objectId", "createdAt"}
    refusal = (205, "User email is not verified.")
    assert error(log_in(parse, "secret")) == refusal
    assert error(parse.post("/verifyPassword", ALICE)) == refusal
    assert error(log_in(parse, "guess")) == (101, "Invalid username/password.")
    ignoring = {**ALICE, "ignoreEmailVerification": True}
    assert error(parse.post("/verifyPassword", ignoring)) == refusal
    assert parse.post("/verifyPassword", ignoring, MASTER).status_code == 200
    page(parse, "verify_email", token=mailbox.token())
    assert log_in(parse, "secret").status_code == 200
    anonymous = parse.post("/users", {"authData": {"anonymous": {"id": "a1"}}})
    assert "sessionToken" in anonymous.json


def test_where_nothing_is_verified_nothing_is_mailed(parse, tmp_path):
    parse.post("/users", ALICE)
    parse.post("/verificationEmailRequest", {"email": ALICE["email"]})
    settled(parse)
    assert not (tmp_path / "mails").exists()
    assert "emailVerified" not in parse.find("_User", by=MASTER)[0]


# --- the pages ----------------------------------------------------------------------------------


def test_the_pages_run_nothing_and_give_nothing_away(parse, mailbox):
    _, token = reset_token(parse, mailbox)
    for answer in (
        page(parse, "request_password_reset", token=token),
        page(parse, "request_password_reset", token="no"),
        set_password(parse, token, ""),
    ):
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "script" not in policy + answer.text
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "Set-Cookie" not in answer.headers


def test_another_sites_form_changes_nothing(parse, mailbox):
    _, token = reset_token(parse, mailbox)
    for site in ("cross-site", "same-site"):
        answer = page(
            parse, "request_password_reset", "POST", headers={"Sec-Fetch-Site": site},
            token=token, new_password=NEW,
        )  # fmt: skip
        assert answer.status_code == 403
    own = {"Sec-Fetch-Site": "same-origin"}
    answer = page(
        parse, "request_password_reset", "POST", headers=own, token=token, new_password=NEW
    )
    assert answer.status_code == 200


def test_the_pages_take_forms_alone(parse, mailbox):
    _, token = reset_token(parse, mailbox)
    body = {"token": token, "new_password": NEW}
    answer = parse.client.post("/parse/apps/myAppId/request_password_reset", json=body)
    assert answer.status_code == 404
    assert set_password(parse, token).status_code == 200


def test_the_pages_are_below_every_mount_for_this_app_alone(parse, mailbox):
    _, token = reset_token(parse, mailbox)
    for mount in ("/parse", "/1", "/PARSE"):
        assert page(parse, "request_password_reset", mount=mount, token=token).status_code == 200
    for path in ("/parse/apps/other/request_password_reset", "/apps/myAppId/verify_email"):
        assert parse.client.get(path, query_string={"token": token}).status_code == 404
    wrong = page(parse, "verify_email", "POST", token=token)
    assert wrong.status_code == 405


def test_a_link_is_lost_on_a_user_who_changed_meanwhile(parse, mailbox):
    """The token is compared once more in the write itself."""
    alice, token = reset_token(parse, mailbox)
    resets, objects = parse.services.objects.resets, parse.services.database.objects
    user = resets.check(token)
    schema = parse.services.objects.user_schema()
    objects.update(schema, Equals("objectId", alice.id), {"_perishable_token": Set("other")})
    resets.check = lambda _token: user
    assert set_password(parse, token).status_code == 404
    assert "_hashed_password" not in parse.stored("_User", alice.id)


def test_a_trigger_sees_who_is_to_be_mailed_and_may_refuse(parse, mailbox, cloud_code):
    asked = []
    alice_in(parse)

    @cloud_code.before_password_reset_request
    def before(request):
        asked.append((request.trigger_name, request.object["username"], request.user))
        if len(asked) > 1:
            raise CloudError("not again")

    sent = {"email": "alice@example.org"}
    assert parse.post("/requestPasswordReset", sent).json == {}
    assert error(parse.post("/requestPasswordReset", sent)) == (141, "not again")
    assert parse.post("/requestPasswordReset", {"email": "bob@example.org"}).json == {}
    settled(parse)
    assert asked == [("beforePasswordResetRequest", "alice", None)] * 2
    assert len(mailbox.mails()) == 1


def test_a_password_by_mail_has_to_fit_the_policy(make_parse, mailbox):
    parse = make_parse(password_policy_min_length=8, password_policy_max_history=2)
    _, token = reset_token(parse, mailbox)
    refused = set_password(parse, token, "short")
    assert refused.status_code == 422
    assert "does not meet the Password Policy requirements" in refused.text
    assert set_password(parse, token, "long enough").status_code == 200


@pytest.mark.parametrize("column", ["_perishable_token", "_email_verify_token", "sessionToken"])
def test_tokens_are_found_by_an_index(parse, column):
    """Whoever guesses at links must not make the server read every user."""
    alice_in(parse, **{column: "t" * 25})
    schema, statements = with_tokens(parse.services.objects.user_schema()), []
    with closing(SqliteDatabase(parse.services.settings.data_dir)) as database:
        with database.objects._connections.reading() as connection:
            connection.set_trace_callback(statements.append)
        found = database.objects.find(schema, Query(Equals(column, "t" * 25), limit=1))
        (asked,) = (each for each in statements if each.startswith("SELECT"))
        with database.objects._connections.reading() as connection:
            plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {asked}")]
    assert found[0]["username"] == "alice"
    assert "USING INDEX" in plan[0]
