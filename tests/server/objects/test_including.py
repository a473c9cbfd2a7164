"""Pointers replaced by what they point to, as far as the caller may see it."""

import pytest
from image_host import MASTER
from parse_app import error, outcome, pointer

from server.objects.including import _paths
from server.parse.query import read_find
from server.storage.port import ClassSchema, ColumnType


@pytest.fixture
def shelf(parse):
    """A photo in an album of a shelf, and an album without one."""
    parse.shelf = parse.create("Shelf", {"name": "top"})
    parse.album = parse.create("Album", {"title": "x", "shelf": pointer("Shelf", parse.shelf)})
    parse.lonely = parse.create("Album", {"title": "y"})
    albums = [pointer("Album", parse.album), pointer("Album", parse.lonely), 5]
    body = {"album": albums[0], "albums": albums, "meta": {"best": albums[1]}}
    parse.photo = parse.create("Photo", body)
    return parse


def photo(parse, by=None, **params):
    (row,) = parse.find("Photo", by=by, **params)
    return row


def test_a_pointer_stays_one_unless_it_is_included(shelf):
    assert photo(shelf)["album"] == pointer("Album", shelf.album)


def test_an_included_object_is_whole(shelf):
    album = photo(shelf, include="album")["album"]
    assert album.pop("createdAt")
    assert album.pop("updatedAt")
    assert album == {
        "__type": "Object",
        "className": "Album",
        "objectId": shelf.album,
        "title": "x",
        "shelf": pointer("Shelf", shelf.shelf),
    }
    assert shelf.get(f"/classes/Photo/{shelf.photo}", include="album").json["album"]["title"] == "x"


def test_a_path_includes_its_beginnings(shelf):
    album = photo(shelf, include="album.shelf")["album"]
    assert (album["title"], album["shelf"]["name"]) == ("x", "top")


def test_members_of_arrays_and_objects_are_included(shelf):
    row = photo(shelf, include="albums.shelf,meta.best")
    assert [a["title"] for a in row["albums"][:2]] == ["x", "y"]
    assert row["albums"][0]["shelf"]["name"] == "top"
    assert row["albums"][2] == 5
    assert row["meta"]["best"]["title"] == "y"


@pytest.mark.parametrize("params", [{"include": "*"}, {"includeAll": "true"}])
def test_all_includes_pointers_and_arrays_one_level(shelf, params):
    row = photo(shelf, **params)
    assert row["album"]["title"] == "x"
    assert row["album"]["shelf"] == pointer("Shelf", shelf.shelf)
    assert row["albums"][1]["title"] == "y"


def test_keys_with_dots_include_and_choose(shelf):
    row = photo(shelf, keys="album.title")
    assert row.keys() == {"objectId", "createdAt", "updatedAt", "album"}
    assert row["album"].keys() == {
        "__type", "className", "objectId", "createdAt", "updatedAt", "title",
    }  # fmt: skip
    nested = photo(shelf, keys="album.shelf.name")["album"]
    assert nested["shelf"]["name"] == "top"
    assert "title" not in nested


def test_what_is_missing_disappears(shelf):
    body = {"album": pointer("Album", "gone"), "albums": [pointer("Album", "gone"), 1]}
    other = shelf.create("Photo", body)
    row = shelf.get(f"/classes/Photo/{other}", include="album,albums").json
    assert "album" not in row
    assert row["albums"] == [1]


def test_what_the_caller_may_not_read_disappears(shelf):
    alice = shelf.person("alice")
    shelf.put(f"/classes/Album/{shelf.album}", {"ACL": {alice.id: {"read": True}}}, MASTER)
    row = photo(shelf, include="album,albums")
    assert "album" not in row
    assert [a["title"] for a in row["albums"][:1]] == ["y"]
    assert photo(shelf, by=alice, include="album")["album"]["title"] == "x"


def test_a_class_that_permits_no_get_refuses_the_find(parse):
    """As Parse Server does; a find that does not include is not concerned."""
    parse.declare("Album", {"find": {"*": True}, "create": {"*": True}})
    parse.create("Photo", {"album": pointer("Album", parse.create("Album"))})
    refusal = (119, "Permission denied for action get on class Album.")
    assert error(parse.get("/classes/Photo", include="album")) == refusal
    assert len(parse.find("Photo")) == 1
    assert photo(parse, by=MASTER, include="album")["album"]["className"] == "Album"


@pytest.mark.parametrize("class_name", ["_GlobalConfig", "_JobStatus", "_SCHEMA", "_Hooks"])
def test_nobody_includes_what_is_the_servers(parse, class_name):
    parse.create("Photo", {"p": pointer(class_name, "1")}, by=None)
    assert outcome(parse.get("/classes/Photo", include="p")) == (400, 119)


def test_nobody_includes_anothers_session(parse):
    alice, bob = parse.person("alice"), parse.person("bob")
    (session,) = parse.find("_Session", by=alice)
    parse.create("Photo", {"s": pointer("_Session", session["objectId"])})
    for by in (None, bob):
        assert "s" not in photo(parse, by=by, include="s")
    assert photo(parse, by=alice, include="s")["s"]["sessionToken"] == alice.token


def test_protected_columns_stay_hidden_in_what_is_included(parse):
    everything = {"get": {"*": True}, "protectedFields": {"*": ["hidden"]}}
    parse.declare("Album", everything, hidden="Number")
    album = parse.create("Album", {"hidden": 5, "n": 1})
    parse.create("Photo", {"album": pointer("Album", album)})
    for params in ({"include": "album"}, {"keys": "album.hidden,album.n"}):
        included = photo(parse, **params)["album"]
        assert included["n"] == 1
        assert "hidden" not in included
    assert photo(parse, by=MASTER, include="album")["album"]["hidden"] == 5


def test_objects_that_point_at_each_other_are_included_as_far_as_asked(parse):
    one = parse.create("Node", {"name": "one"})
    two = parse.create("Node", {"name": "two", "next": pointer("Node", one)})
    parse.put(f"/classes/Node/{one}", {"next": pointer("Node", two)})
    row = parse.get(f"/classes/Node/{one}", include="next.next").json
    assert row["next"]["next"]["name"] == "one"
    assert row["next"]["next"]["next"] == pointer("Node", two)


def test_an_array_may_hold_many_pointers(parse):
    album = parse.create("Album", {"title": "x"})
    many = [pointer("Album", f"id{n}") for n in range(20_000)]
    parse.create("Photo", {"albums": [*many, pointer("Album", album)]})
    assert [a["title"] for a in photo(parse, include="albums")["albums"]] == ["x"]


def test_including_what_is_no_pointer_changes_nothing(shelf):
    row = photo(shelf)
    assert photo(shelf, include="missing,meta,meta.missing,albums.title.x") != {}
    assert photo(shelf, include="meta") == row


def test_paths_come_with_their_beginnings_shorter_ones_first():
    schema = ClassSchema("Photo", {"p": ColumnType("Pointer", "X"), "n": ColumnType("Number")})
    request = read_find({"include": "b.c.d,a", "keys": "e.f"})
    assert _paths(schema, request) == ["a", "b", "e", "b.c", "b.c.d"]
    assert _paths(schema, read_find({"include": "*"})) == ["p"]


def test_each_pointer_becomes_the_object_that_it_points_to(parse):
    albums = [parse.create("Album", {"n": n}) for n in range(5)]
    for album in albums:
        parse.create("Photo", {"album": pointer("Album", album)})
    rows = parse.find("Photo", include="album", order="createdAt")
    assert [row["album"]["n"] for row in rows] == [0, 1, 2, 3, 4]


def test_include_that_would_grow_beyond_measure_is_refused(parse):
    alice = parse.person("alice")
    parse.put(f"/users/{alice.id}", {"friends": [alice.pointer] * 40}, alice)
    near = parse.get(f"/users/{alice.id}", alice, include="friends.friends")
    assert len(near.json["friends"]) == 40
    far = parse.get(f"/users/{alice.id}", alice, include="friends.friends.friends")
    assert (far.status_code, far.json["code"]) == (400, 102)
