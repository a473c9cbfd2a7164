"""The team: who is in it, who changes it, and that somebody always can: on each database."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from panel_people import PASSWORD, PHONE

from admin.people import Role
from admin.ports.sign_ins import LockedOut, Wrong
from admin.ports.team import (
    OPERATOR,
    BadName,
    LastAdmin,
    NameTaken,
    NoSuchUser,
    TeamAction,
)
from cloud.operations import Set
from server.objects.lockout import Limits
from server.panel.tables import ACCOUNT, TEAM_LOG
from server.storage.port import Equals


def admin(people, name):
    user_id = people.user(name)
    people.team.promote(OPERATOR, name, Role.ADMIN)
    return user_id


def actions(people):
    return [event.action for event in reversed(people.team.log(100))]


def is_moderator(people, user_id):
    return people.tables.user(user_id).get("isModerator")


def the_member(people, user_id):
    (found,) = [m for m in people.team.members() if m.user_id == user_id]
    return found


# --- joining --------------------------------------------------------------------------------------


def test_who_is_invited_gets_in_with_a_password_that_has_to_be_changed(people):
    alice = admin(people, "alice")
    password = people.team.invite(alice, "  bob ", Role.MODERATOR)
    session = people.sign_in("bob", password)
    assert session.needs_new_password
    assert session.moderator.role is Role.MODERATOR
    token = people.sign_ins.set_password(session, "bobs own horse", PHONE)
    assert not people.accounts.session(token).needs_new_password
    with pytest.raises(Wrong):
        people.sign_in("bob", password)
    assert is_moderator(people, session.moderator.user_id) is True


def test_a_name_that_is_taken_or_is_none_is_refused(people):
    alice = admin(people, "alice")
    people.user("charlie")
    for name, error in [
        ("charlie", NameTaken), ("", BadName), ("  ", BadName),
        ("x" * 101, BadName), ("bo\nb", BadName),
    ]:  # fmt: skip
        with pytest.raises(error):
            people.team.invite(alice, name, Role.MODERATOR)
    assert len(people.rows(people.tables.parse.user_schema())) == 2
    assert is_moderator(people, people.tables.user_named("charlie")["objectId"]) is None


def test_a_parse_user_is_promoted_with_the_password_of_the_app(people):
    alice, charlie = admin(people, "alice"), people.user("charlie")
    with pytest.raises(NoSuchUser):
        people.team.promote(alice, "nobody", Role.MODERATOR)
    people.team.promote(alice, "charlie", Role.ADMIN)
    assert people.sign_in("charlie").moderator.is_admin
    assert the_member(people, charlie).role is Role.ADMIN


def test_a_moderator_of_the_app_is_of_the_team_and_no_admin(people):
    bob = people.moderator("bob")
    assert the_member(people, bob).role is Role.MODERATOR
    assert the_member(people, bob).active


def test_who_never_moderated_is_not_of_the_team(people):
    alice, charlie = admin(people, "alice"), people.user("charlie")
    for action in (TeamAction.ENABLED, TeamAction.DISABLED, TeamAction.SESSIONS_ENDED):
        with pytest.raises(NoSuchUser):
            people.team.act(alice, charlie, action)
    with pytest.raises(NoSuchUser):
        people.team.change_role(alice, charlie, Role.ADMIN)
    with pytest.raises(NoSuchUser):
        people.team.reset_password(alice, "no such id")
    assert [m.name for m in people.team.members()] == ["alice"]


# --- changing -------------------------------------------------------------------------------------


def test_disabling_shuts_out_of_the_panel_and_of_moderating_through_the_app(people):
    alice, bob = admin(people, "alice"), people.moderator("bob")
    token = people.sign_ins.sign_in("bob", PASSWORD, PHONE)
    people.team.act(alice, bob, TeamAction.DISABLED)
    assert people.accounts.session(token) is None
    assert is_moderator(people, bob) is False
    assert not the_member(people, bob).active
    with pytest.raises(Wrong):
        people.sign_in("bob")
    people.team.act(alice, bob, TeamAction.ENABLED)
    assert people.accounts.session(token) is None  # it has ended for good
    assert is_moderator(people, bob) is True
    assert people.sign_in("bob")


def test_a_role_holds_at_the_next_request(people):
    alice, bob = admin(people, "alice"), people.moderator("bob")
    token = people.sign_ins.sign_in("bob", PASSWORD, PHONE)
    people.team.change_role(alice, bob, Role.ADMIN)
    assert people.accounts.session(token).moderator.is_admin
    people.team.change_role(alice, bob, Role.MODERATOR)
    assert not people.accounts.session(token).moderator.is_admin


def test_resetting_a_second_factor_ends_sessions_and_lets_the_password_suffice(people):
    alice, bob = admin(people, "alice"), people.moderator("bob")
    people.enrol(people.sign_in("bob"))
    people.team.act(alice, bob, TeamAction.SECOND_FACTOR_RESET)
    assert people.accounts.sessions_of(bob) == []
    assert not people.sign_in("bob").needs_second_factor
    assert not the_member(people, bob).has_second_factor


def test_a_one_time_password_ends_sessions_and_opens_a_lock(people):
    alice, bob = admin(people, "alice"), people.moderator("bob")
    token = people.sign_ins.sign_in("bob", PASSWORD, PHONE)
    for number in range(Limits().account):
        with pytest.raises((Wrong, LockedOut)):
            people.sign_in("bob", "wrong", device=type(PHONE)(f"192.0.2.{number}"))
    password = people.team.reset_password(alice, bob)
    assert people.accounts.session(token) is None
    assert people.sign_in("bob", password).needs_new_password


def test_ended_sessions_are_those_until_then(people):
    alice, bob = admin(people, "alice"), people.moderator("bob")
    people.sign_in("bob")
    people.team.act(alice, bob, TeamAction.SESSIONS_ENDED)
    people.clock.go_on(seconds=1)
    later = people.sign_in("bob")
    people.team.log(1)  # which looks whether the last line is done, and must not do it again
    assert [s.session_id for s in people.accounts.sessions_of(bob)] == [later.session_id]


def test_every_change_is_a_line_of_the_log(people):
    alice, bob = admin(people, "alice"), people.moderator("bob")
    people.team.change_role(alice, bob, Role.ADMIN)
    people.team.act(alice, bob, TeamAction.DISABLED)
    people.team.act(alice, bob, TeamAction.ENABLED)
    people.team.invite(alice, "carl", Role.MODERATOR)
    assert actions(people) == ["promoted", "role_changed", "disabled", "enabled", "invited"]
    newest, *_, oldest = people.team.log(100)
    assert (newest.by, newest.name, newest.role) == (f"user:{alice}", "carl", Role.MODERATOR)
    assert (oldest.by, oldest.name, oldest.role) == (OPERATOR, "alice", Role.ADMIN)
    assert newest.at == people.clock.time
    assert [e.action for e in people.team.log(2)] == ["invited", "enabled"]


# --- the last admin -------------------------------------------------------------------------------


def test_the_last_active_admin_is_neither_demoted_nor_disabled(people):
    alice, bob = admin(people, "alice"), people.moderator("bob")
    for change in (
        lambda: people.team.change_role(bob, alice, Role.MODERATOR),
        lambda: people.team.act(bob, alice, TeamAction.DISABLED),
        lambda: people.team.promote(bob, "alice", Role.MODERATOR),
    ):
        with pytest.raises(LastAdmin):
            change()
    assert the_member(people, alice).role is Role.ADMIN
    assert actions(people) == ["promoted"]  # what is refused is not logged
    people.team.act(alice, bob, TeamAction.DISABLED)  # others may be


@pytest.mark.parametrize("how", ["disabled", "isModerator", "ACL"])
def test_an_admin_who_is_out_is_no_admin_to_count_on(here, how):
    alice, bob = admin(here, "alice"), admin(here, "bob")
    if how == "disabled":
        here.team.act(alice, bob, TeamAction.DISABLED)
    else:
        change = {how: Set(False if how == "isModerator" else {})}
        schema = here.tables.parse.user_schema()
        here.database.objects.update(schema, Equals("objectId", bob), change)
    with pytest.raises(LastAdmin):
        here.team.change_role(alice, alice, Role.MODERATOR)


def test_of_admins_who_disable_one_another_at_once_one_stays(people):
    admins = [admin(people, name) for name in ("alice", "bob", "carl", "dora")]
    processes = [people, people.another()]
    barrier = threading.Barrier(8)

    def disable(number):
        by, whom = admins[number % 4], admins[(number + 1) % 4]
        team = processes[number % 2].team
        barrier.wait()
        try:
            if number < 4:
                team.act(by, whom, TeamAction.DISABLED)
            else:
                team.change_role(by, whom, Role.MODERATOR)
        except (LastAdmin, NoSuchUser):
            return "refused"
        return "done"

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(disable, range(8)))
    left = [m for m in people.team.members() if m.active and m.role is Role.ADMIN]
    assert len(left) == 1
    numbers = [row["number"] for row in people.rows(TEAM_LOG)]
    assert sorted(numbers) == list(range(1, 5 + results.count("done")))


class Killed(Exception):
    """Ends a change where a process could be killed."""


@pytest.mark.parametrize("after", range(4))
def test_a_change_that_was_killed_half_way_is_finished_by_whoever_comes_next(here, after):
    alice, bob = admin(here, "alice"), here.moderator("bob")
    here.sign_in("bob")
    other = here.another()
    steps = iter(range(100))

    def stop(original):
        def step(*arguments, **named):
            if next(steps) == after:
                raise Killed
            return original(*arguments, **named)

        return step

    tables, team = here.tables, here.team
    tables.change_account = stop(tables.change_account)
    tables.make_moderator = stop(tables.make_moderator)
    team._sessions.end = stop(team._sessions.end)
    with pytest.raises(Killed):
        team.act(alice, bob, TeamAction.DISABLED)
    assert other.team.log(1)[0].action is TeamAction.DISABLED
    assert is_moderator(other, bob) is False
    assert other.tables.account(bob)["disabled"] is True
    assert other.accounts.sessions_of(bob) == []
    account = other.tables.account(bob)
    assert (account["changeNumber"], account["settledNumber"]) == (2, 2)


def test_a_slow_process_does_not_undo_what_came_after(here):
    alice, bob = admin(here, "alice"), here.moderator("bob")
    here.team.act(alice, bob, TeamAction.DISABLED)
    (_, disabled) = here.rows(TEAM_LOG)
    here.team.act(alice, bob, TeamAction.ENABLED)
    here.tables.change_account(bob, {"settledNumber": Set(0)})  # as the slow one saw it
    here.team._settle(disabled)
    assert is_moderator(here, bob) is True
    assert here.tables.account(bob)["disabled"] is False


def test_clients_cannot_read_or_write_any_of_it(people):
    bob = admin(people, "bob")
    for schema in (ACCOUNT, TEAM_LOG):
        stored = [s for s in people.database.schemas.all() if s.class_name == schema.class_name]
        assert all(stored[0].permissions[right] == {} for right in ("find", "get", "create"))
    assert people.rows(ACCOUNT)[0]["ACL"] == {}
    assert people.rows(ACCOUNT)[0]["objectId"] == bob
