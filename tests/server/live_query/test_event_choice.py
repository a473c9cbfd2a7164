"""Which event a write is, and to whom, as tables: pure, without a socket or database."""

from dataclasses import replace
from itertools import product

import pytest

from cloud.values import Pointer
from server.auth import Caller
from server.live_query.events import Told
from server.live_query.messages import Subscribe
from server.live_query.subscriptions import read_subscription
from server.live_query.writes import PublishedClasses, Write
from server.parse.errors import ParseError
from server.storage.port import ClassSchema, ColumnType

NOBODY = Caller(master=False, ip="127.0.0.1")
ALICE = replace(NOBODY, user={"objectId": "alice"})
MASTER = replace(NOBODY, master=True)
SCHEMA = ClassSchema("Note", {"owner": ColumnType("Pointer", "_User")})
HIDDEN, SHOWN = {}, {"*": {"read": True}}


def row(a, acl=None, **columns):
    permissions = {} if acl is None else {"ACL": acl}
    return {"objectId": "1", "a": a, **permissions, **columns}


def heard(before, after, caller=NOBODY, schema=SCHEMA, watch=None, where=None):
    asked = Subscribe(1, "Note", {"a": 1} if where is None else where, watch=watch)
    subscription = read_subscription(asked, caller, SCHEMA)
    return Told(Write("Note", before, after), schema).event_of(subscription, caller, "client")


NOT_FOUND, FOUND, UNREADABLE = row(0, SHOWN), row(1, SHOWN), row(1, HIDDEN)


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (None, FOUND, "create"),
        (None, NOT_FOUND, None),
        (None, UNREADABLE, None),
        (FOUND, FOUND, "update"),
        (FOUND, NOT_FOUND, "leave"),
        (FOUND, UNREADABLE, "leave"),
        (NOT_FOUND, FOUND, "enter"),
        (UNREADABLE, FOUND, "enter"),
        (NOT_FOUND, NOT_FOUND, None),
        (UNREADABLE, UNREADABLE, None),
        (UNREADABLE, NOT_FOUND, None),
        (FOUND, None, "delete"),
        (NOT_FOUND, None, None),
        (UNREADABLE, None, None),
    ],
)
def test_the_choice_of_events(before, after, kind):
    event = heard(before, after)
    assert (event and event.kind) == kind


STATES = [None, *(row(a, acl) for a, acl in product((0, 1), (HIDDEN, SHOWN)))]


@pytest.mark.parametrize(("before", "after"), list(product(STATES, STATES)))
def test_no_state_that_may_not_be_read_is_ever_told(before, after):
    event = heard(before, after)
    for told in (event and event.object, event and event.original):
        assert told is None or told["ACL"] == SHOWN


@pytest.mark.parametrize(("before", "after"), list(product(STATES, STATES)))
def test_the_master_key_hears_whatever_is_found(before, after):
    event = heard(before, after, MASTER)
    is_found = any(state is not None and state["a"] == 1 for state in (before, after))
    assert (event is not None) == is_found


@pytest.mark.parametrize(
    ("watch", "before", "after", "is_told"),
    [
        (("b",), row(1, b=1), row(1, b=2), True),
        (("b",), row(1, b=1), row(1, b=1, c=2), False),
        (("b", "c"), row(1, b=1), row(1, b=1, c=2), True),
        (("b",), row(1, b=1), row(1, b=True), True),
        (("b.c",), row(1, b={"c": 1}), row(1, b={"c": 2}), True),
        (("b.c",), row(1, b={"c": 1}), row(1, b={"c": 1, "d": 2}), False),
        (("b",), None, row(1), False),
        (("b",), None, row(1, b=1), True),
        (("b",), row(1), None, True),
        (("b",), row(0), row(1), True),
        (("b",), row(1), row(0), True),
    ],
)
def test_watched_columns(watch, before, after, is_told):
    assert (heard(before, after, watch=watch) is not None) == is_told


def test_a_right_that_is_taken_away_tells_of_nothing_more():
    for narrowed in ({"find": {}}, {"find": {"role:Moderators": True}}):
        with pytest.raises(ParseError) as refused:
            heard(None, FOUND, schema=replace(SCHEMA, permissions=narrowed))
        assert refused.value.code == 119
    protected = {"find": {"*": True}, "protectedFields": {"*": ["a"]}}
    for schema in (replace(SCHEMA, permissions=protected),):
        with pytest.raises(ParseError) as refused:
            heard(None, FOUND, schema=schema)
        assert refused.value.code == 119
        with pytest.raises(ParseError):
            heard(None, FOUND, schema=schema, where={}, watch=("a",))


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (None, "alice", "create"),
        (None, "bob", None),
        ("bob", "alice", "enter"),
        ("alice", "bob", "leave"),
        ("alice", None, "delete"),
        ("bob", None, None),
    ],
)
def test_permission_by_a_column(before, after, kind):
    schema = replace(SCHEMA, permissions={"find": {"pointerFields": ["owner"]}})
    rows = [
        None if user is None else row(1, owner=Pointer("_User", user)) for user in (before, after)
    ]
    event = heard(*rows, caller=ALICE, schema=schema)
    assert (event and event.kind) == kind
    for told in (event and event.object, event and event.original):
        assert told is None or told["owner"] == Pointer("_User", "alice")


def test_what_is_decided_for_one_client_does_not_hold_for_another():
    """Who asks the same shares the answer; who has other rights does not."""
    protected = {"find": {"*": True}, "protectedFields": {"*": ["b"], "role:Managers": []}}
    schema = replace(SCHEMA, permissions=protected)
    manager = replace(ALICE, find_role_names=lambda _: ("Managers",))
    told = Told(Write("Note", None, row(1, {"alice": {"read": True}}, b=2)), schema)
    subscription = read_subscription(Subscribe(1, "Note", {"a": 1}), NOBODY, schema)
    seen = {
        name: told.event_of(subscription, caller, "client")
        for name, caller in {"n": NOBODY, "a": ALICE, "r": manager, "m": MASTER}.items()
    }
    assert seen["n"] is None
    assert "b" not in seen["a"].object
    assert seen["r"].object["b"] == seen["m"].object["b"] == 2
    assert told.event_of(subscription, ALICE, "client").object is seen["a"].object


@pytest.mark.parametrize(
    ("patterns", "published", "others"),
    [
        (("UserImage",), ["UserImage"], ["UserImages", "AUserImage", "userimage"]),
        (("Chat.*", "_User"), ["Chat", "ChatLine", "_User"], ["MyChat", "_Users", "_Session"]),
        ((), [], ["UserImage"]),
    ],
)
def test_classes_are_named_whole_or_by_pattern(patterns, published, others):
    classes = PublishedClasses(patterns)
    assert all(name in classes for name in published)
    assert not any(name in classes for name in others)
