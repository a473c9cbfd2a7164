"""Finding objects by their place, over HTTP."""

import pytest
from parse_app import error


def point(latitude, longitude):
    return {"__type": "GeoPoint", "latitude": latitude, "longitude": longitude}


@pytest.fixture
def cities(parse):
    """A ParseApp that knows three places and one thing without."""
    for name, at in [("sydney", point(-33.87, 151.21)), ("paris", point(48.86, 2.35))]:
        parse.create("City", {"name": name, "at": at})
    parse.create("City", {"name": "london", "at": point(51.5, -0.12)})
    parse.create("City", {"name": "nowhere"})
    return parse


def names(cities, where, **params):
    return [row["name"] for row in cities.find("City", where, **params)]


def test_the_nearest_come_first_unless_an_order_is_given(cities):
    near = {"at": {"$nearSphere": point(52, 0)}}
    assert names(cities, near) == ["london", "paris", "sydney"]
    assert names(cities, near, order="-name") == ["sydney", "paris", "london"]
    assert names(cities, near, skip=1, limit=1) == ["paris"]


@pytest.mark.parametrize(
    ("unit", "distance"), [("Kilometers", 350), ("Miles", 215), ("Radians", 0.055)]
)
def test_a_distance_bounds_find_and_count(cities, unit, distance):
    near = {"at": {"$nearSphere": point(51.5, -0.12), f"$maxDistanceIn{unit}": distance}}
    answer = cities.get("/classes/City", where=near, count=1, limit=1)
    assert [row["name"] for row in answer.json["results"]] == ["london"]
    assert answer.json["count"] == 2


def test_areas(cities):
    box = {"at": {"$within": {"$box": [point(40, -10), point(60, 1)]}}}
    assert names(cities, box) == ["london"]
    ring = [point(40, -10), point(40, 10), point(60, 10), point(60, -10)]
    polygon = {"at": {"$geoWithin": {"$polygon": ring}}}
    assert sorted(names(cities, polygon)) == ["london", "paris"]
    sphere = {"at": {"$geoWithin": {"$centerSphere": [point(-33, 151), 0.1]}}}
    assert names(cities, sphere) == ["sydney"]
    assert sorted(names(cities, {"$or": [box, sphere]})) == ["london", "sydney"]


def test_polygons_around_a_place(parse):
    ring = [[0, 0], [0, 10], [10, 10], [10, 0]]
    parse.create("Area", {"name": "square", "ring": {"__type": "Polygon", "coordinates": ring}})
    around = {"ring": {"$geoIntersects": {"$point": point(5, 5)}}}
    assert [row["name"] for row in parse.find("Area", around)] == ["square"]
    assert parse.find("Area", {"ring": {"$geoIntersects": {"$point": point(5, 11)}}}) == []


def test_a_place_that_is_none_is_refused(cities):
    answer = cities.get("/classes/City", where={"at": {"$nearSphere": point(95, 0)}})
    assert error(answer) == (107, "bad $nearSphere value")


def test_nobody_searches_by_a_protected_place(parse):
    parse.declare("Home", {"find": {"*": True}, "protectedFields": {"*": ["at"]}}, at="GeoPoint")
    parse.create("Home", {"at": point(1, 1)})
    for where in [
        {"at": {"$nearSphere": point(1, 1)}},
        {"$nor": [{"at": {"$geoWithin": {"$centerSphere": [point(1, 1), 1]}}}]},
    ]:
        assert parse.get("/classes/Home", where=where).json["code"] == 119
