"""Session tokens become callers, briefly remembered, and many are looked at in one question."""

import time

import pytest

from server.auth import Caller
from server.live_query.callers import Callers
from server.parse.errors import ParseError

NOBODY = Caller(master=False, ip="127.0.0.1")


@pytest.fixture
def callers_on_each(parse_on_each):
    services = parse_on_each.services
    sessions = services.objects.sessions
    return Callers(sessions.user_of, services.roles.names_of, sessions.lasting, cache_s=0.2)


def test_a_token_is_its_user_with_its_roles(parse_on_each, callers_on_each):
    alice = parse_on_each.person("alice")
    caller = callers_on_each.with_session(NOBODY, alice.token)
    assert caller.principals == ("*", alice.id)
    assert callers_on_each.with_session(NOBODY, None) is NOBODY
    master = Caller(master=True, ip="127.0.0.1")
    assert callers_on_each.with_session(master, alice.token) is master


def test_an_ended_session_counts_for_the_time_of_the_cache_alone(parse_on_each, callers_on_each):
    alice = parse_on_each.person("alice")
    callers_on_each.with_session(NOBODY, alice.token)
    parse_on_each.services.objects.sessions.end(alice.token)
    time.sleep(0.25)
    with pytest.raises(ParseError) as refused:
        callers_on_each.with_session(NOBODY, alice.token)
    assert refused.value.code == 209


def test_which_of_many_sessions_have_ended(parse_on_each, callers_on_each):
    people = [parse_on_each.person(f"user{n}") for n in range(5)]
    sessions = parse_on_each.services.objects.sessions
    sessions.end(people[0].token)
    made_up = [f"r:{n}" for n in range(1200)]
    asked = [person.token for person in people] + made_up
    assert callers_on_each.ended(asked) == {people[0].token, *made_up}
    assert callers_on_each.ended([]) == set()
