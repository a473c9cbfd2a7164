"""Every constraint and parameter of a find, asked over HTTP of each database.

What is compared is the meaning; how a constraint is read and refused is in `test_query.py`.
"""

import pytest
from compatibility_table import spoken
from image_host import MASTER
from parse_app import pointer, relate

DAY = {"__type": "Date", "iso": "2020-01-02T00:00:00.000Z"}
LATER = {"__type": "Date", "iso": "2020-01-03T00:00:00.000Z"}
FAR = {"__type": "Date", "iso": "2999-01-01T00:00:00.000Z"}


@pytest.fixture
def shelf(parse_on_each):
    """Albums `red` and `blue`, and four photos: a and b in red, c in blue, d in none."""
    parse = parse_on_each
    red = pointer("Album", parse.create("Album", {"title": "red", "town": "Bonn"}))
    blue = pointer("Album", parse.create("Album", {"title": "blue", "town": "Kiel"}))
    for row in [
        {"name": "a", "n": 1, "tags": ["x", "y"], "taken": DAY, "album": red, "town": "Bonn"},
        {"name": "b", "n": 2, "tags": ["x", "z"], "taken": LATER, "album": red, "town": "Ulm"},
        {"name": "c", "n": 3, "tags": ["y"], "taken": FAR, "album": blue, "town": "Kiel"},
        {"name": "d", "text": "A+b (c)", "size": {"w": 7}, "likes": relate(red, blue)},
    ]:
        parse.create("Photo", row)
    parse.red, parse.blue = red, blue
    [parse.liking] = parse.find("Photo", {"name": "d"})
    return parse


def names(shelf, where, **params):
    return "".join(row["name"] for row in shelf.find("Photo", where, **{"order": "name", **params}))


def in_album(title, **more):
    return {"className": "Album", "where": {"title": title}, **more}


def towns(title):
    return {"query": in_album(title), "key": "town"}


CONSTRAINTS = {
    "$eq": [({"n": {"$eq": 2}}, "b"), ({"n": 2}, "b"), ({"size.w": 7}, "d"), ({"tags": "y"}, "ac")],
    "$ne": [({"n": {"$ne": 2}}, "acd")],
    "$lt": [({"n": {"$lt": 2}}, "a"), ({"taken": {"$lt": {"$relativeTime": "1 day ago"}}}, "ab")],
    "$lte": [({"n": {"$lte": 2}}, "ab"), ({"taken": {"$lte": DAY}}, "a")],
    "$gt": [({"n": {"$gt": 2}}, "c"), ({"taken": {"$gt": {"$relativeTime": "in 2 days"}}}, "c")],
    "$gte": [({"n": {"$gte": 2}}, "bc"), ({"name": {"$gte": "c"}}, "cd")],
    "$in": [({"n": {"$in": [1, 3, 9]}}, "ac"), ({"tags": {"$in": ["z"]}}, "b")],
    "$nin": [({"n": {"$nin": [1, 3]}}, "bd")],
    "$exists": [({"n": {"$exists": True}}, "abc"), ({"album": {"$exists": False}}, "d")],
    "$all": [({"tags": {"$all": ["x", "y"]}}, "a")],
    "$containedBy": [({"tags": {"$containedBy": ["x", "y"]}, "n": {"$gt": 0}}, "ac")],
    "$regex": [({"name": {"$regex": "^[ab]"}}, "ab"), ({"text": {"$regex": "^\\QA+b (\\E"}}, "d")],
    "$options": [({"name": {"$regex": "^B$", "$options": "i"}}, "b")],
    "$or": [({"$or": [{"n": 1}, {"name": "d"}]}, "ad")],
    "$and": [({"$and": [{"tags": "x"}, {"tags": "z"}]}, "b")],
    "$nor": [({"$nor": [{"n": 1}, {"name": "d"}]}, "bc")],
    "$inQuery": [({"album": {"$inQuery": in_album("red")}}, "ab")],
    "$notInQuery": [({"album": {"$notInQuery": in_album("red")}}, "cd")],
    "$select": [({"town": {"$select": towns("red")}}, "a")],
    "$dontSelect": [({"town": {"$dontSelect": towns("red")}}, "bcd")],
}  # fmt: skip


def test_every_constraint_finds_and_counts_what_it_says(shelf, needs):
    needs("`$containedBy` (`$nin` in `$elemMatch`)")
    for name, cases in CONSTRAINTS.items():
        for where, found in cases:
            assert names(shelf, where) == found, (name, where)
            count = shelf.get("/classes/Photo", where=where, count=1, limit=0).json["count"]
            assert count == len(found), (name, where)


def test_pointers_and_relations_are_found(shelf):
    assert names(shelf, {"album": shelf.red}) == "ab"
    assert names(shelf, {"album": {"$in": [shelf.red, shelf.blue]}}) == "abc"
    assert names(shelf, {"likes": shelf.red}) == "d"
    owner = pointer("Photo", shelf.liking["objectId"])
    related = {"$relatedTo": {"object": owner, "key": "likes"}}
    assert {row["title"] for row in shelf.find("Album", related)} == {"red", "blue"}
    assert [row["title"] for row in shelf.find("Album", {**related, "town": "Kiel"})] == ["blue"]


def test_starts_with_all_is_asked_of_arrays(shelf, needs):
    needs("regular expressions in `$all`")
    starts = [{"$regex": "^\\Qx\\E"}, {"$regex": "^\\Qz\\E"}]
    assert names(shelf, {"tags": {"$all": starts}}) == "b"


@pytest.mark.parametrize("depth", [1, 5])
def test_queries_in_queries_are_asked_five_deep(parse_on_each, depth):
    parse, where = parse_on_each, {"name": "1"}
    parse.create("Node", {"name": "1"})
    for level in range(2, depth + 2):
        [parent] = parse.find("Node", {"name": str(level - 1)})
        parse.create("Node", {"name": str(level), "to": pointer("Node", parent["objectId"])})
        where = {"to": {"$inQuery": {"className": "Node", "where": where}}}
    assert [row["name"] for row in parse.find("Node", where)] == [str(depth + 1)]


# --- places ---------------------------------------------------------------------------------------


def point(latitude, longitude):
    return {"__type": "GeoPoint", "latitude": latitude, "longitude": longitude}


LONDON, PARIS, SYDNEY = point(51.5, -0.12), point(48.86, 2.35), point(-33.87, 151.21)
BOX = [point(40, -10), point(60, 1)]
AREA = [point(40, -10), point(40, 10), point(60, 10), point(60, -10)]
RING = [[0, 0], [0, 10], [10, 10], [10, 0]]


def near(**most):
    return {"at": {"$nearSphere": LONDON, **{f"${name}": value for name, value in most.items()}}}


OF_PLACES = {
    "$nearSphere": [(near(), "lps")],
    "$maxDistance": [(near(maxDistance=0.055), "lp"), (near(maxDistance=0.05), "l")],
    "$maxDistanceInMiles": [(near(maxDistanceInMiles=215), "lp")],
    "$maxDistanceInKilometers": [(near(maxDistanceInKilometers=350), "lp")],
    "$maxDistanceInRadians": [(near(maxDistanceInRadians=0.055), "lp")],
    "$within": [({"at": {"$within": {"$box": BOX}}}, "l")],
    "$geoWithin": [
        ({"at": {"$geoWithin": {"$polygon": AREA}}}, "lp"),
        ({"at": {"$geoWithin": {"$centerSphere": [PARIS, 0.01]}}}, "p"),
    ],
    "$geoIntersects": [
        ({"ring": {"$geoIntersects": {"$point": point(5, 5)}}}, "r"),
        ({"ring": {"$geoIntersects": {"$point": point(5, 11)}}}, ""),
    ],
}


@pytest.fixture
def places(parse_on_each, needs):
    """Three towns."""
    needs("finds by place (geometry)")
    for name, at in [("s", SYDNEY), ("p", PARIS), ("l", LONDON)]:
        parse_on_each.create("Place", {"name": name, "at": at})
    return parse_on_each


def test_every_constraint_of_places_finds_what_it_says(places):
    ring = {"__type": "Polygon", "coordinates": RING}
    places.create("Place", {"name": "r", "ring": ring})
    for name, cases in OF_PLACES.items():
        for where, expected in cases:
            found = "".join(row["name"] for row in places.find("Place", where))
            in_order = found if "$nearSphere" in str(where) else "".join(sorted(found))
            assert in_order == expected, (name, where)
    assert "".join(row["name"] for row in places.find("Place", near(), order="-name")) == "spl"


def test_every_constraint_of_the_docs_is_asked():
    elsewhere = {"$relatedTo", "$text"}  # above, and in test_text_search.py
    assert CONSTRAINTS.keys() | OF_PLACES.keys() | elsewhere == spoken("constraint")


# --- parameters -----------------------------------------------------------------------------------


def keys_of(rows):
    return {key for row in rows for key in row}


def test_pages_orders_and_counts(shelf):
    assert names(shelf, {}, order="-n,name", limit=2) == "cb"
    assert names(shelf, {}, order="-name", skip=1, limit=2) == "cb"
    assert names(shelf, {}, limit=0) == ""
    answer = shelf.get("/classes/Photo", where={"tags": "x"}, count=1, limit=1, skip=1).json
    assert (len(answer["results"]), answer["count"]) == (1, 2)


def test_a_find_brings_a_hundred_unless_it_says_more(parse_on_each):
    parse = parse_on_each
    schema, first = parse.services.schemas, parse.create("Thing", {"n": 0})
    row = parse.stored("Thing", first)
    for n in range(1, 102):
        columns = {**row, "objectId": f"id{n}", "n": n}
        parse.services.database.objects.insert(schema.find("Thing"), columns)
    assert len(parse.find("Thing")) == 100
    assert len(parse.find("Thing", limit=1000)) == 102
    assert [row["n"] for row in parse.find("Thing", order="n", skip=100, limit=5)] == [100, 101]


def test_columns_are_chosen_and_left_out(shelf):
    always = {"objectId", "createdAt", "updatedAt", "likes"}
    assert keys_of(shelf.find("Photo", {"n": 1}, keys="name")) == always | {"name"}
    without = keys_of(shelf.find("Photo", {"n": 1}, excludeKeys="tags,taken,album"))
    assert without == always | {"name", "n", "town"}


def test_pointers_are_included(shelf):
    [plain] = shelf.find("Photo", {"n": 1})
    assert plain["album"] == shelf.red
    for params in ({"include": "album"}, {"includeAll": "true"}, {"keys": "album.title"}):
        [row] = shelf.find("Photo", {"n": 1}, **params)
        album = row["album"]
        assert (album["__type"], album["className"], album["title"]) == ("Object", "Album", "red")
        assert ("town" in album) is ("keys" not in params)


def test_columns_of_what_is_included_are_left_out(shelf):
    [row] = shelf.find("Photo", {"n": 1}, include="album", excludeKeys="album.title,town,title")
    assert row["album"]["town"] == "Bonn"
    assert "title" not in row["album"]
    assert "town" not in row


def test_a_text_is_the_id_of_what_a_column_points_to(shelf):
    red = shelf.red["objectId"]
    assert names(shelf, {"album": red}) == names(shelf, {"album": {"$in": [red]}}) == "ab"
    assert names(shelf, {"album": {"$ne": red}}) == "cd"
    assert names(shelf, {"$nor": [{"album": {"$nin": [red]}}]}) == "ab"


def test_a_find_is_redirected_to_the_class_of_a_relation(shelf):
    rows = shelf.find("Photo", {"title": "blue"}, redirectClassNameForKey="likes")
    assert [(row["className"], row["town"]) for row in rows] == [("Album", "Kiel")]


def test_the_master_key_is_told_how_a_find_is_done(shelf, needs):
    needs("`explain`")
    answer = shelf.get("/classes/Photo", MASTER, where={"n": 1}, explain="queryPlanner")
    assert answer.status_code == 200, answer.json
    assert "queryPlanner" in answer.json["results"]
