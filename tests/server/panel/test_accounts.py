"""Who is let into the panel, for how long, and who is not: on each database."""

import hashlib
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from panel_people import PASSWORD, PHONE

from admin.passwords import WeakPassword
from admin.people import Device, Preferences, Role
from admin.ports.sign_ins import LockedOut, Wrong
from cloud.operations import Delete, Set
from server.auth import Caller
from server.objects.lockout import TRIES, Limits, address_key
from server.panel.tables import ACCOUNT, SESSION
from server.storage.port import Equals

ELSEWHERE = Device("198.51.100.1", "")
WRONG = "incorrect horse"
LIMIT, WINDOW = Limits().account, Limits().window


def change_user(people, user_id, **columns):
    operations = {n: Delete() if v is None else Set(v) for n, v in columns.items()}
    schema = people.tables.parse.user_schema()
    people.database.objects.update(schema, Equals("objectId", user_id), operations)


def tries_until_locked(try_once, most=30):
    """How often something wrong is looked at before it is refused unseen."""
    for count in range(most):
        try:
            try_once()
        except LockedOut as locked:
            return count + 1, locked.until
        except Wrong:
            continue
    return most, None


# --- names and passwords --------------------------------------------------------------------------


def test_a_moderator_signs_in_by_name_or_by_email(people):
    user_id = people.moderator("bob", email="bob@example.com")
    for name in ("bob", "bob@example.com"):
        who = people.sign_in(name).moderator
        assert (who.user_id, who.name, who.role) == (user_id, "bob", Role.MODERATOR)


@pytest.mark.parametrize(
    "columns", [{}, {"isModerator": False}, {"isModerator": True, "ACL": {}}, {"isModerator": "1"}]
)
def test_who_is_no_moderator_is_refused_like_a_wrong_password(here, columns):
    here.user("charlie", **columns)
    with pytest.raises(Wrong):
        here.sign_in("charlie")


@pytest.mark.parametrize(
    "password", ["", WRONG, PASSWORD + " ", PASSWORD.upper(), "a\0b", "x" * 99]
)
def test_wrong_password_is_refused(here, password):
    here.moderator("bob")
    with pytest.raises(Wrong):
        here.sign_in("bob", password)


def test_a_user_without_a_password_is_refused(here):
    here.moderator("bob", _hashed_password=None)
    with pytest.raises(Wrong):
        here.sign_in("bob", "")


# --- the lock -------------------------------------------------------------------------------------


def test_after_eight_wrong_passwords_even_the_right_one_is_refused(people):
    people.moderator("bob")
    count, until = tries_until_locked(lambda: people.sign_in("bob", WRONG))
    assert (count, until) == (LIMIT, people.clock.time + WINDOW)
    for device in (PHONE, ELSEWHERE):
        with pytest.raises(LockedOut):
            people.sign_in("bob", device=device)
    people.clock.go_on(minutes=15)
    assert people.sign_in("bob", device=ELSEWHERE)


def test_seven_wrong_passwords_do_not_lock(here):
    here.moderator("bob")
    for _ in range(LIMIT - 1):
        with pytest.raises(Wrong):
            here.sign_in("bob", WRONG)
    assert here.sign_in("bob")
    with pytest.raises(LockedOut):  # the right one took nothing of the wrong ones back
        here.sign_in("bob", WRONG)


def test_right_passwords_never_lock(here):
    here.moderator("bob")
    for _ in range(2 * LIMIT):
        assert here.sign_in("bob")


def test_wrong_passwords_are_forgotten_after_a_quarter_of_an_hour(here):
    here.moderator("bob")
    for _ in range(3):
        for _ in range(LIMIT - 1):
            with pytest.raises(Wrong):
                here.sign_in("bob", WRONG)
        here.clock.go_on(minutes=15, seconds=1)
    assert here.sign_in("bob")


def test_nobody_is_locked_alike(people):
    people.moderator("bob")
    found = []
    for number, name in enumerate(("bob", "nobody")):
        device = Device(f"192.0.2.{number}")

        def try_once(name=name, device=device):
            people.sign_in(name, WRONG, device)

        found.append(tries_until_locked(try_once))
    assert found[0] == found[1]


def test_an_address_is_locked_whatever_names_it_tries(people):
    people.moderator("bob")
    names = iter(range(100))
    count, _ = tries_until_locked(lambda: people.sign_in(f"user{next(names)}", WRONG))
    assert count == LIMIT
    with pytest.raises(LockedOut):
        people.sign_in("bob")
    assert people.sign_in("bob", device=ELSEWHERE)


def test_addresses_of_one_ipv6_network_count_together():
    assert address_key("2001:db8::1") == address_key("2001:db8::ffff:1")
    assert address_key("2001:db8::1") != address_key("2001:db8:0:1::1")
    assert address_key("::ffff:192.0.2.7") == address_key("192.0.2.7")


def test_of_many_tries_at_once_no_more_than_eight_are_looked_at(people):
    people.moderator("bob")
    processes = [people, people.another()]
    barrier = threading.Barrier(24)

    def try_once(number):
        barrier.wait()
        try:
            processes[number % 2].sign_in("bob", WRONG, Device(f"192.0.2.{number}"))
        except LockedOut as locked:
            return "last" if locked.until == people.clock.time + WINDOW else "locked"
        except Wrong:
            return "looked at"

    with ThreadPoolExecutor(24) as pool:
        seen = Counter(pool.map(try_once, range(24)))
    assert seen["looked at"] <= LIMIT
    assert sum(seen.values()) == 24
    (account,) = [row for row in people.rows(TRIES) if row["count"] > 1]
    assert account["count"] == LIMIT


def test_counters_tell_no_names_and_go_away(people):
    people.moderator("bob")
    with pytest.raises(Wrong):
        people.sign_in("bob", WRONG)
    rows = people.rows(TRIES)
    assert len(rows) == 2
    assert not any(word in str(rows) for word in ("bob", PHONE.address))
    people.clock.go_on(hours=1)
    people.sign_in("bob", device=ELSEWHERE)
    assert all(row["count"] == 0 for row in people.rows(TRIES))


def test_a_lock_that_a_wrong_clock_wrote_is_no_lock(people):
    people.moderator("bob")
    people.clock.go_on(days=365)
    tries_until_locked(lambda: people.sign_in("bob", WRONG))
    people.clock.go_on(days=-365)
    assert people.sign_in("bob")


# --- sessions -------------------------------------------------------------------------------------


def test_the_database_cannot_tell_a_sessions_token(people):
    people.moderator("bob")
    token = people.sign_ins.sign_in("bob", PASSWORD, PHONE)
    (row,) = people.rows(SESSION)
    assert row["objectId"] == hashlib.sha256(token.encode()).hexdigest()
    assert token not in str(row)
    assert len(token) >= 43
    assert people.accounts.session(row["objectId"]) is None


def test_each_sign_in_is_a_session_of_its_own(people):
    user_id = people.moderator("bob")
    first, second = people.sign_in("bob"), people.sign_in("bob", device=ELSEWHERE)
    assert first.session_id != second.session_id
    shown = people.accounts.sessions_of(user_id)
    assert {s.session_id: s.device for s in shown} == {
        first.session_id: PHONE,
        second.session_id: ELSEWHERE,
    }


def test_a_session_ends_after_an_hour_without_use(people):
    people.moderator("bob")
    token = people.sign_ins.sign_in("bob", PASSWORD, PHONE)
    for _ in range(3):
        people.clock.go_on(minutes=59)
        assert people.accounts.session(token)
    people.clock.go_on(minutes=60)
    assert people.accounts.session(token) is None


def test_a_session_ends_after_twelve_hours_of_use(people):
    people.moderator("bob")
    token = people.sign_ins.sign_in("bob", PASSWORD, PHONE)
    for _ in range(23):
        people.clock.go_on(minutes=30)
        assert people.accounts.session(token)
    people.clock.go_on(minutes=30)
    assert people.accounts.session(token) is None


def test_a_session_that_a_wrong_clock_began_lasts_no_longer(people):
    people.moderator("bob")
    people.clock.go_on(days=30)
    token = people.sign_ins.sign_in("bob", PASSWORD, PHONE)
    people.clock.go_on(days=-30)
    assert people.accounts.session(token) is None


def test_being_seen_is_written_once_a_minute(people):
    user_id = people.moderator("bob")
    token = people.sign_ins.sign_in("bob", PASSWORD, PHONE)
    began = people.clock.time
    people.clock.go_on(seconds=59)
    assert people.accounts.session(token).seen_at == began
    assert people.tables.account(user_id)["seenAt"] == began
    people.clock.go_on(seconds=1)
    assert people.accounts.session(token).seen_at == people.clock.time
    assert people.tables.account(user_id)["seenAt"] == people.clock.time


def test_sessions_that_are_over_are_purged_by_the_next_sign_in(people):
    people.moderator("bob")
    people.sign_in("bob")
    people.clock.go_on(hours=13)
    fresh = people.sign_in("bob")
    assert [row["objectId"] for row in people.rows(SESSION)] == [fresh.session_id]


@pytest.mark.parametrize(
    "change",
    [
        {"isModerator": False},
        {"isModerator": None},
        {"ACL": {}},
        {"_hashed_password": "$2b$04$another"},
        {"_hashed_password": None},
    ],
)
def test_a_session_ends_with_what_let_it_in(people, change):
    user_id = people.moderator("bob")
    token = people.sign_ins.sign_in("bob", PASSWORD, PHONE)
    change_user(people, user_id, **change)
    assert people.accounts.session(token) is None
    assert people.accounts.sessions_of(user_id) == []


def test_a_session_ends_with_its_user(people):
    user_id = people.moderator("bob")
    token = people.sign_ins.sign_in("bob", PASSWORD, PHONE)
    schema = people.tables.parse.user_schema()
    people.database.objects.delete(schema, Equals("objectId", user_id))
    assert people.accounts.session(token) is None


def test_a_password_that_is_changed_through_parse_ends_the_sessions(people):
    user_id = people.moderator("bob")
    token = people.sign_ins.sign_in("bob", PASSWORD, PHONE)
    changes = {"password": Set("another horse")}
    people.tables.parse.update(Caller(master=True, ip=""), "_User", user_id, changes, {})
    assert people.accounts.session(token) is None
    assert people.sign_in("bob", "another horse")


def test_signing_out_ends_this_session_alone(people):
    user_id = people.moderator("bob")
    first, second = people.sign_in("bob"), people.sign_in("bob")
    people.sign_ins.sign_out(first)
    assert [s.session_id for s in people.accounts.sessions_of(user_id)] == [second.session_id]


def test_sessions_are_ended_one_by_one_or_all_but_one(people):
    user_id, other_id = people.moderator("bob"), people.moderator("alice")
    sessions = [people.sign_in("bob").session_id for _ in range(4)]
    alices = people.sign_in("alice").session_id
    assert people.accounts.end_sessions(user_id, only=alices) == []  # not bob's to end
    assert people.accounts.end_sessions(user_id, only=sessions[0]) == sessions[:1]
    assert set(people.accounts.end_sessions(user_id, but=sessions[1])) == set(sessions[2:])
    assert [s.session_id for s in people.accounts.sessions_of(user_id)] == sessions[1:2]
    assert people.accounts.end_sessions(user_id) == sessions[1:2]
    assert [s.session_id for s in people.accounts.sessions_of(other_id)] == [alices]


def test_a_new_password_ends_the_other_sessions_and_lets_this_one_go_on(people):
    people.moderator("bob")
    other, token = people.sign_ins.sign_in("bob", PASSWORD, PHONE), None
    mine = people.sign_in("bob")
    token = people.sign_ins.set_password(mine, "a new horse", PHONE)
    assert people.accounts.session(other) is None
    assert people.accounts.session(token).session_id != mine.session_id
    assert len(people.rows(SESSION)) == 1
    with pytest.raises(Wrong):
        people.sign_in("bob")
    assert people.sign_in("bob", "a new horse")


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("nine char", "password_too_short"),
        ("x" * 73, "password_too_long"),
        ("é" * 37, "password_too_long"),
        ("aaaaaaaaaab", "password_common"),
        ("Password123", "password_common"),
        ("bob the builder", "password_is_name"),
        (PASSWORD, "password_same"),
    ],
)
def test_a_password_that_does_not_do_is_refused(here, password, reason):
    here.moderator("bob the builder")
    session = here.sign_in("bob the builder")
    with pytest.raises(WeakPassword) as refused:
        here.sign_ins.set_password(session, password, PHONE)
    assert refused.value.reason == reason
    assert here.sign_in("bob the builder")


# --- the second factor ----------------------------------------------------------------------------


def test_with_a_second_factor_the_password_opens_nothing_yet(people):
    people.moderator("bob")
    secret, _, _ = people.enrol(people.sign_in("bob"))
    people.clock.go_on(seconds=30)
    half_way = people.sign_in("bob")
    assert half_way.needs_second_factor
    token = people.sign_ins.pass_second_factor(half_way, people.code(secret), PHONE)
    session = people.accounts.session(token)
    assert not session.needs_second_factor
    assert session.moderator.has_second_factor
    assert session.session_id != half_way.session_id
    assert half_way.session_id not in [row["objectId"] for row in people.rows(SESSION)]


def test_half_a_sign_in_is_over_after_a_quarter_of_an_hour(people):
    people.moderator("bob")
    people.enrol(people.sign_in("bob"))
    token = people.sign_ins.sign_in("bob", PASSWORD, PHONE)
    people.clock.go_on(minutes=15)
    assert people.accounts.session(token) is None


@pytest.mark.parametrize(("steps", "counts"), [(-2, False), (-1, True), (1, True), (2, False)])
def test_a_code_may_be_one_step_off(here, steps, counts):
    here.moderator("bob")
    secret, _, _ = here.enrol(here.sign_in("bob"))
    here.clock.go_on(minutes=5)
    code, session = here.code(secret, steps), here.sign_in("bob")
    if counts:
        assert here.sign_ins.pass_second_factor(session, code, PHONE)
    else:
        with pytest.raises(Wrong):
            here.sign_ins.pass_second_factor(session, code, PHONE)


def test_a_code_counts_once(people):
    people.moderator("bob")
    secret, _, _ = people.enrol(people.sign_in("bob"))
    with pytest.raises(Wrong):  # the one that confirmed it is used up
        people.sign_ins.pass_second_factor(people.sign_in("bob"), people.code(secret), PHONE)
    people.clock.go_on(seconds=30)
    code = people.code(secret)
    assert people.sign_ins.pass_second_factor(people.sign_in("bob"), code, PHONE)
    for seconds in (0, 20):
        people.clock.go_on(seconds=seconds)
        with pytest.raises(Wrong):
            people.sign_ins.pass_second_factor(people.sign_in("bob"), code, PHONE)


def test_of_two_uses_of_a_code_at_once_one_counts(people):
    people.moderator("bob")
    secret, _, recovery = people.enrol(people.sign_in("bob"))
    for code in (None, recovery[0]):
        people.clock.go_on(minutes=20)
        code = code or people.code(secret)
        sessions = [people.sign_in("bob") for _ in range(6)]
        barrier = threading.Barrier(6)

        def use(session, code=code, barrier=barrier):
            barrier.wait()
            try:
                return people.sign_ins.pass_second_factor(session, code, PHONE)
            except Wrong:
                return None

        with ThreadPoolExecutor(6) as pool:
            tokens = [token for token in pool.map(use, sessions) if token]
        assert len(tokens) == 1


@pytest.mark.parametrize("written", [str, str.lower, lambda c: c.replace("-", " "), "  {} ".format])
def test_each_recovery_code_counts_once(here, written):
    here.moderator("bob")
    _, session, codes = here.enrol(here.sign_in("bob"))
    assert len(set(codes)) == 10
    assert here.sign_ins.recovery_codes_left(session) == 10
    assert here.sign_ins.pass_second_factor(here.sign_in("bob"), written(codes[3]), PHONE)
    assert here.sign_ins.recovery_codes_left(session) == 9
    with pytest.raises(Wrong):
        here.sign_ins.pass_second_factor(here.sign_in("bob"), codes[3], PHONE)


def test_new_recovery_codes_replace_the_old_ones(people):
    people.moderator("bob")
    _, session, old = people.enrol(people.sign_in("bob"))
    new = people.sign_ins.renew_recovery_codes(session)
    with pytest.raises(Wrong):
        people.sign_ins.pass_second_factor(people.sign_in("bob"), old[0], PHONE)
    assert people.sign_ins.pass_second_factor(people.sign_in("bob"), new[0], PHONE)


def test_the_database_holds_neither_secret_nor_recovery_codes(people):
    user_id = people.moderator("bob")
    secret, _, recovery = people.enrol(people.sign_in("bob"))
    stored = str(people.rows(ACCOUNT))
    assert user_id in stored
    assert secret not in stored
    assert not any(code.replace("-", "") in stored.replace("-", "") for code in recovery)
    other_key = people.another(secret=b"another key")
    people.clock.go_on(minutes=1)
    with pytest.raises(Wrong):
        other_key.sign_ins.pass_second_factor(people.sign_in("bob"), people.code(secret), PHONE)
    assert other_key.sign_ins.pass_second_factor(people.sign_in("bob"), recovery[0], PHONE)


def test_a_second_factor_counts_only_once_its_code_confirmed_it(people):
    people.moderator("bob")
    session = people.sign_in("bob")
    offered, other = people.sign_ins.offer(session), people.sign_ins.offer(session)
    assert offered.secret != other.secret
    assert people.sign_ins.offer(session, offered.nonce) == offered
    for nonce in (offered.nonce, "", "nonsense", "0" * 32):
        with pytest.raises(Wrong):
            people.sign_ins.enrol(session, nonce, people.code(other.secret), PHONE)
    assert not people.sign_in("bob").needs_second_factor


def test_a_second_factor_is_not_replaced_behind_its_owners_back(people):
    people.moderator("bob")
    _, session, _ = people.enrol(people.sign_in("bob"))
    offered = people.sign_ins.offer(session)
    with pytest.raises(Wrong):
        people.sign_ins.enrol(session, offered.nonce, people.code(offered.secret), PHONE)


def test_wrong_codes_lock_like_wrong_passwords(people):
    people.moderator("bob")
    secret, _, _ = people.enrol(people.sign_in("bob"))
    people.clock.go_on(minutes=1)
    half_way = people.sign_in("bob")

    def guess():
        people.sign_in("bob")  # which takes none of the wrong codes back
        people.sign_ins.pass_second_factor(half_way, "000000", PHONE)

    count, _ = tries_until_locked(guess)
    assert count == LIMIT
    with pytest.raises(LockedOut):
        people.sign_ins.pass_second_factor(half_way, people.code(secret), ELSEWHERE)


def test_a_session_that_was_ended_meanwhile_is_not_renewed(people):
    user_id = people.moderator("bob")
    secret, _, _ = people.enrol(people.sign_in("bob"))
    people.clock.go_on(minutes=1)
    half_way = people.sign_in("bob")
    people.accounts.end_sessions(user_id)
    with pytest.raises(Wrong):
        people.sign_ins.pass_second_factor(half_way, people.code(secret), PHONE)
    assert people.rows(SESSION) == []


def test_an_old_password_half_way_in_gets_no_further(people):
    user_id = people.moderator("bob")
    secret, _, _ = people.enrol(people.sign_in("bob"))
    people.clock.go_on(minutes=1)
    half_way = people.sign_in("bob")
    change_user(people, user_id, _hashed_password="another")
    token = people.sign_ins.pass_second_factor(half_way, people.code(secret), PHONE)
    assert people.accounts.session(token) is None


def test_where_it_is_asked_of_all_who_has_none_is_half_way_in_at_once(people):
    people.moderator("bob")
    token = people.sign_ins.sign_in("bob", PASSWORD, PHONE)
    strict = people.another(second_factor_required=True)
    assert not people.accounts.session(token).needs_second_factor
    assert strict.accounts.session(token).needs_second_factor
    _, session, _ = strict.enrol(strict.sign_in("bob"))
    assert not session.needs_second_factor
    assert not strict.accounts.session(token).needs_second_factor
    strict.sign_ins.remove(session)
    assert strict.accounts.session(token).needs_second_factor


# --- what belongs to an account -------------------------------------------------------------------


def test_preferences_are_kept(people):
    user_id = people.moderator("bob")
    token = people.sign_ins.sign_in("bob", PASSWORD, PHONE)
    assert people.accounts.session(token).moderator.preferences == Preferences()
    own = Preferences(
        blur=False, muted=False, break_after=0, language="de", keys={"approve": " ", "skip": "."}
    )
    people.accounts.save_preferences(user_id, own)
    assert people.accounts.session(token).moderator.preferences == own
    people.accounts.save_preferences(user_id, replace(own, language=None))
    assert people.accounts.session(token).moderator.preferences.language is None


@pytest.mark.parametrize(
    "stored", [{}, {"blur": "no", "breakAfter": -1, "keys": [1]}, {"breakAfter": True, "keys": 5}]
)
def test_preferences_that_somebody_damaged_are_the_usual_ones(here, stored):
    user_id = here.moderator("bob")
    here.tables.change_account(user_id, {"preferences": Set(stored)})
    assert here.sign_in("bob").moderator.preferences == Preferences()


def test_an_account_is_made_once_whoever_comes_first(people):
    user_id = people.moderator("bob")
    processes = [people, people.another()]
    barrier = threading.Barrier(8)

    def seen(number):
        barrier.wait()
        processes[number % 2].tables.change_account(user_id, {"name": Set("bob")})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(seen, range(8)))
    assert [row["objectId"] for row in people.rows(ACCOUNT)] == [user_id]


def test_everybody_has_a_name(people):
    user_id, gone = people.moderator("bob"), people.moderator("eve")
    people.sign_in("eve")
    schema = people.tables.parse.user_schema()
    people.database.objects.delete(schema, Equals("objectId", gone))
    names = people.accounts.names(
        {f"user:{user_id}", f"user:{gone}", "user:stranger", "rules", "owner:x", "operator", "odd"}
    )
    assert names == {
        f"user:{user_id}": "bob",
        f"user:{gone}": "eve",
        "user:stranger": "a former moderator (stranger)",
        "rules": "the rules",
        "owner:x": "the owner",
        "operator": "the command line",
        "odd": "odd",
    }


def test_idle_time_is_counted_from_what_was_written(here):
    here.moderator("bob")
    token = here.sign_ins.sign_in("bob", PASSWORD, PHONE)
    here.clock.go_on(seconds=50)
    here.accounts.session(token)
    here.clock.go_on(minutes=59, seconds=9)
    assert here.accounts.session(token)
    assert here.clock.time - here.accounts.session(token).started_at < timedelta(hours=1)
