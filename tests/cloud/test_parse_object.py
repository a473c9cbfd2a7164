"""ParseObject: what cloud code reads in it, and what is written of what it changes."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.objects import ParseObject, to_value
from cloud.operations import Add, AddUnique, Delete, Increment, Relate, Remove, Set, apply
from cloud.values import File, GeoPoint, Pointer, Relation

WHEN = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
STORED = {
    "objectId": "p1",
    "createdAt": WHEN,
    "updatedAt": WHEN,
    "title": "Hi",
    "views": 3,
    "tags": ["a", "b"],
    "size": {"width": 1, "edges": [1, 2]},
    "likes": Relation("_User"),
    "ACL": {"alice": {"read": True, "write": True}},
}


@pytest.fixture
def post():
    return ParseObject("Post", STORED, {})


def test_columns_are_read_like_a_dict(post):
    assert post["title"] == "Hi"
    assert post.get("nope") is None
    assert post.get("nope", 1) == 1
    assert "title" in post
    assert "nope" not in post
    assert set(post) == set(STORED)
    assert post.values == STORED
    with pytest.raises(KeyError):
        post["nope"]


def test_what_the_server_writes_has_names_of_its_own(post):
    assert (post.class_name, post.id, post.is_new) == ("Post", "p1", False)
    assert (post.created_at, post.updated_at) == (WHEN, WHEN)
    assert post.pointer == Pointer("Post", "p1")
    assert post.acl == STORED["ACL"]


def test_object_never_saved_is_new_and_cannot_be_pointed_to():
    post = ParseObject("Post")
    assert post.is_new
    assert (post.id, post.created_at, post.acl) == (None, None, None)
    with pytest.raises(ValueError, match="must be saved"):
        _ = post.pointer


def test_columns_of_the_server_are_not_there():
    alice = ParseObject("_User", {"objectId": "a", "_tombstone": "x"}, {"_tombstone": Set("x")})
    assert "_tombstone" not in alice
    assert alice.changes == {}
    with pytest.raises(ValueError, match="Invalid field name"):
        alice["_tombstone"] = "y"


def test_representation_shows_no_values(post):
    assert repr(post) == "<ParseObject Post p1>"


@pytest.mark.parametrize("name", ["objectId", "createdAt", "updatedAt"])
def test_columns_that_the_server_writes_are_read_only(post, name):
    with pytest.raises(ValueError, match="the server's"):
        post[name] = "x"


@pytest.mark.parametrize(
    "name", ["", "a.b", "$set", "1st", "ü", "className", "length", "_x", "a b"]
)
def test_names_that_are_no_columns_are_refused(post, name):
    for change in (
        lambda: post.__setitem__(name, 1),
        lambda: post.__delitem__(name),
        lambda: post.increment(name),
        lambda: post.relate(name, Pointer("_User", "a")),
        lambda: post.revert(name, post),
    ):
        with pytest.raises(ValueError, match="Invalid field name"):
            change()
    assert not post.dirty()


@pytest.mark.parametrize(
    ("change", "name", "written", "seen"),
    [
        (lambda p: p.__setitem__("title", "Ho"), "title", Set("Ho"), "Ho"),
        (lambda p: p.__delitem__("title"), "title", Delete(), None),
        (lambda p: p.increment("views"), "views", Increment(1), 4),
        (lambda p: p.increment("views", -0.5), "views", Increment(-0.5), 2.5),
        (lambda p: p.increment("new"), "new", Increment(1), 1),
        (lambda p: p.add("tags", "a", "c"), "tags", Add(("a", "c")), ["a", "b", "a", "c"]),
        (lambda p: p.add_unique("tags", "a", "c"), "tags", AddUnique(("a", "c")), ["a", "b", "c"]),
        (lambda p: p.remove("tags", "a"), "tags", Remove(("a",)), ["b"]),
        (lambda p: p.__setitem__("ACL", {}), "ACL", Set({}), {}),
    ],
)
def test_change_is_written_as_its_operation_and_seen_at_once(post, change, name, written, seen):
    change(post)
    assert post.changes == {name: written}
    assert post.get(name) == seen
    assert post.dirty_names == {name}
    assert post.dirty()
    assert post.dirty(name)
    assert not post.dirty("other")


@pytest.mark.parametrize(
    ("changes", "joined"),
    [
        ([lambda p: p.increment("views"), lambda p: p.increment("views", 2)], Increment(3)),
        ([lambda p: p.__setitem__("views", 5), lambda p: p.increment("views")], Set(6)),
        ([lambda p: p.__delitem__("views"), lambda p: p.increment("views")], Set(1)),
        ([lambda p: p.increment("views"), lambda p: p.__delitem__("views")], Delete()),
    ],
)
def test_changes_of_one_number_become_one(post, changes, joined):
    for change in changes:
        change(post)
    assert post.changes == {"views": joined}


@pytest.mark.parametrize(
    ("first", "second", "joined"),
    [
        ("add", "add", Add(("c", "d"))),
        ("add_unique", "add_unique", AddUnique(("c", "d"))),
        ("remove", "remove", Remove(("c", "d"))),
        ("add", "remove", Set(["a", "b", "c"])),
        ("remove", "add", Set(["a", "b", "d"])),
    ],
)
def test_changes_of_one_array_become_one(post, first, second, joined):
    getattr(post, first)("tags", "c")
    getattr(post, second)("tags", "d")
    assert post.changes == {"tags": joined}


def test_change_on_top_of_what_the_client_sent_keeps_both():
    post = ParseObject("Post", {**STORED, "views": 4}, {"views": Increment(1)})
    post.increment("views", 10)
    assert post.changes == {"views": Increment(11)}
    assert post["views"] == 14


def test_change_of_the_whole_column_replaces_changes_inside_it():
    post = ParseObject("Post", {**STORED, "size": {"width": 2}}, {"size.width": Set(2)})
    assert post.dirty_names == {"size"}
    post["size"] = {"height": 1}
    assert post.changes == {"size": Set({"height": 1})}


def test_removing_from_a_removed_array_leaves_it_removed(post):
    del post["tags"]
    post.remove("tags", "a")
    assert post.changes == {"tags": Delete()}


def test_list_or_dict_changed_in_place_is_written_whole(post):
    post["tags"].append("c")
    post["size"]["edges"].append(3)
    assert post.changes == {
        "tags": Set(["a", "b", "c"]),
        "size": Set({"width": 1, "edges": [1, 2, 3]}),
    }
    assert STORED["tags"] == ["a", "b"]
    assert STORED["size"]["edges"] == [1, 2]


def test_list_that_was_only_read_is_not_written(post):
    assert post["tags"] == ["a", "b"]
    post["tags"].append("c")
    post["tags"].pop()
    assert not post.dirty()


def test_list_changed_in_place_takes_part_in_later_changes(post):
    post["tags"].append("c")
    post.add("tags", "d")
    assert post.changes == {"tags": Set(["a", "b", "c", "d"])}
    post["tags"].append("e")
    assert post.changes == {"tags": Set(["a", "b", "c", "d", "e"])}


def test_value_that_was_set_is_a_copy(post):
    mine = ["x"]
    post["tags"] = mine
    mine.append("y")
    assert post["tags"] == ["x"]


def test_new_object_of_cloud_code_is_written_whole():
    post = ParseObject("Post", {"title": "Hi", "tags": ("a",)})
    assert post.changes == {"title": Set("Hi"), "tags": Set(["a"])}


def test_object_of_which_only_the_id_is_known_writes_what_is_set():
    post = ParseObject("Post", {"objectId": "p1"})
    post["title"] = "Ho"
    assert not post.is_new
    assert post.changes == {"title": Set("Ho")}


def test_saved_object_is_clean_and_as_stored(post):
    post["tags"].append("c")
    post["title"] = "Ho"
    post.saved_as({**STORED, "title": "Ho", "_private": 1})
    assert not post.dirty()
    assert post["title"] == "Ho"
    assert post["tags"] == ["a", "b"]
    assert "_private" not in post


@pytest.mark.parametrize(
    ("name", "value"), [("title", "Ho"), ("tags", []), ("fresh", 1), ("likes", None)]
)
def test_reverted_column_is_as_it_was(post, name, value):
    original = ParseObject("Post", STORED, {})
    if value is None:
        post.relate(name, Pointer("_User", "a"))
    else:
        post[name] = value
    post.revert(name, original)
    assert not post.dirty()
    assert post.values == STORED


def test_change_that_does_not_fit_is_refused_and_changes_nothing(post):
    for change in (
        lambda: post.add("title", "x"),
        lambda: post.increment("title"),
        lambda: post.increment("views", True),
        lambda: post.increment("views", float("nan")),
        lambda: post.increment("views", "1"),
        lambda: post.__setitem__("likes", []),
        lambda: post.__delitem__("likes"),
        lambda: post.relate("title", Pointer("_User", "a")),
        lambda: post.relate("likes", Pointer("Post", "a")),
        lambda: post.relate("fresh", Pointer("Post", "a"), Pointer("_User", "a")),
        lambda: post.relate("likes", ParseObject("_User")),
    ):
        with pytest.raises(ValueError):  # noqa: PT011 - each says something of its own
            change()
    assert not post.dirty()
    assert post.values == STORED


A, B, C = (Pointer("_User", name) for name in "abc")


def test_relation_collects_who_comes_and_goes(post):
    post.relate("likes", A, ParseObject("_User", {"objectId": "b"}))
    post.unrelate("likes", B, C)
    assert post.changes == {"likes": Relate(added=(A,), removed=(B, C))}
    post.relate("likes", C, A)
    assert post.changes == {"likes": Relate(added=(C, A), removed=(B,))}


def test_first_relation_of_a_column_tells_its_class(post):
    post.relate("fans", A)
    assert post["fans"] == Relation("_User")
    post.relate("nobody")
    assert "nobody" not in post


def test_acl_keeps_what_is_true(post):
    post.acl = {"*": {"read": True, "write": False}, "bob": {"read": False}}
    assert post.changes == {"ACL": Set({"*": {"read": True}})}
    post.acl = None
    assert post.changes == {"ACL": Delete()}
    assert post.acl is None


@pytest.mark.parametrize(
    "acl",
    ["*", {"*": True}, {"*": {"delete": True}}, {"*": {"read": 1}}, {1: {"read": True}}],
)
def test_acl_of_another_shape_is_refused(post, acl):
    with pytest.raises(ValueError):  # noqa: PT011 - each says something of its own
        post.acl = acl


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (None, None),
        (True, True),
        (2**53 - 1, 2**53 - 1),
        (2**53, float(2**53)),
        (b"\0", b"\0"),
        (("a", [1]), ["a", [1]]),
        (datetime(2026, 1, 2, 3, 4, 5, 678999, tzinfo=UTC), WHEN),
        (datetime(2026, 1, 2, 4, 4, 5, 678000, tzinfo=timezone(timedelta(hours=1))), WHEN),
        (ParseObject("Post", {"objectId": "p1"}), Pointer("Post", "p1")),
        ({"a": [ParseObject("Post", {"objectId": "p1"})]}, {"a": [Pointer("Post", "p1")]}),
        (File("x.png"), File("x.png")),
        (GeoPoint(1, 2), GeoPoint(1, 2)),
    ],
)
def test_values_are_brought_into_the_form_that_is_kept(value, form):
    assert to_value(value) == form
    assert type(to_value(value)) is type(form)


@pytest.mark.parametrize(
    "value",
    [
        float("inf"),
        {1},
        object(),
        datetime(2026, 1, 1),  # noqa: DTZ001 - the mistake that is meant
        {"$set": 1},
        {"a": [{"b.c": 1}]},
        {"a\0": 1},
        {1: 1},
        {"__type": "Pointer", "className": "A", "objectId": "b"},
        Relation("_User"),
        ParseObject("Post"),
    ],
)
def test_what_parse_cannot_keep_is_refused(value):
    with pytest.raises(ValueError):  # noqa: PT011 - each says something of its own
        to_value(value)


STEPS = st.one_of(
    st.tuples(st.just("__setitem__"), st.lists(st.integers(0, 3), max_size=3)),
    st.tuples(st.just("__delitem__"), st.none()),
    st.tuples(st.sampled_from(["add", "add_unique", "remove"]), st.lists(st.integers(0, 3))),
    st.tuples(st.just("append"), st.integers(0, 3)),
)


@given(st.lists(st.integers(0, 3), max_size=4), st.lists(STEPS, max_size=6))
def test_what_is_written_leads_to_what_is_seen(stored, steps):
    post = ParseObject("Post", {"objectId": "p1", "tags": stored}, {})
    for method, argument in steps:
        if method == "append":
            if "tags" in post:
                post["tags"].append(argument)
        elif method == "__delitem__":
            del post["tags"]
        elif method == "__setitem__":
            post["tags"] = argument
        else:
            getattr(post, method)("tags", *argument)
    assert apply({"tags": stored}, post.changes).get("tags") == post.get("tags")
