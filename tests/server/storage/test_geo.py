"""Places: what each condition means, and that databases answer as memory does."""

from math import pi, radians

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from test_store_contract import schema, thing

from cloud.values import GeoPoint, Polygon
from server.storage.geo import (
    Intersects,
    Near,
    WithinBox,
    WithinPolygon,
    WithinSphere,
    bounds,
    distance,
    holds,
)
from server.storage.matching import matcher
from server.storage.port import All, Equals, Neither, Permits, Query, SortKey
from server.storage.sqlite.database import SqliteDatabase

PLACES = schema("Place", at="GeoPoint", area="Polygon", name="String", list="Array")
EARTH_KM = 6371
LONDON, PARIS, SYDNEY = GeoPoint(51.5, -0.12), GeoPoint(48.86, 2.35), GeoPoint(-33.87, 151.21)
SQUARE = ((0.0, 0.0), (0.0, 10.0), (10.0, 10.0), (10.0, 0.0))
ARROW = ((0.0, 0.0), (5.0, 5.0), (0.0, 10.0), (10.0, 5.0))


@pytest.mark.parametrize(
    ("one", "other", "kilometres"),
    [
        (LONDON, LONDON, 0),
        (LONDON, PARIS, 343),
        (PARIS, SYDNEY, 16_961),
        (GeoPoint(0, 179.5), GeoPoint(0, -179.5), 111),
        (GeoPoint(90, 0), GeoPoint(90, 120), 0),
        (GeoPoint(90, 0), GeoPoint(-90, 0), pi * EARTH_KM),
        (GeoPoint(0, 0), GeoPoint(0, 180), pi * EARTH_KM),
    ],
)
def test_distance_goes_over_the_sphere(one, other, kilometres):
    assert distance(one, other) * EARTH_KM == pytest.approx(kilometres, abs=1)
    assert distance(one, other) == distance(other, one)


@pytest.mark.parametrize(
    ("condition", "inside", "outside"),
    [
        (Near("at", LONDON), [LONDON, SYDNEY], []),
        (Near("at", LONDON, 345 / EARTH_KM), [LONDON, PARIS], [SYDNEY]),
        (Near("at", LONDON, 340 / EARTH_KM), [LONDON], [PARIS]),
        (Near("at", LONDON, 0), [LONDON], [GeoPoint(51.5, -0.1201)]),
        (WithinSphere("at", GeoPoint(0, 179.5), radians(1.1)), [GeoPoint(0, -179.5)],
         [GeoPoint(0, -179)]),
        (WithinSphere("at", GeoPoint(89, 0), radians(1.5)), [GeoPoint(89.6, 180)],
         [GeoPoint(89, 180)]),
        (WithinSphere("at", LONDON, pi), [LONDON, SYDNEY], []),
        (WithinBox("at", GeoPoint(0, 0), GeoPoint(10, 10)),
         [GeoPoint(5, 5), GeoPoint(0, 0), GeoPoint(10, 3), GeoPoint(0, 10)],
         [GeoPoint(10.1, 5), GeoPoint(5, -0.1)]),
        (WithinBox("at", GeoPoint(10, 0), GeoPoint(0, 10)), [GeoPoint(5, 5)], [GeoPoint(11, 5)]),
        (WithinPolygon("at", SQUARE),
         [GeoPoint(5, 5), GeoPoint(0, 0), GeoPoint(10, 5), GeoPoint(5, 0), GeoPoint(5, 10)],
         [GeoPoint(10.1, 5), GeoPoint(5, -0.1), GeoPoint(-1, 10)]),
        (WithinPolygon("at", (*SQUARE, SQUARE[0])), [GeoPoint(5, 5)], [GeoPoint(11, 5)]),
        (WithinPolygon("at", ARROW), [GeoPoint(7, 5), GeoPoint(2, 1.9)],
         [GeoPoint(2, 5), GeoPoint(5, 9)]),
    ],
)  # fmt: skip
def test_a_place_is_inside_or_outside(condition, inside, outside):
    for place in inside:
        assert holds(condition, place), place
    for place in [*outside, None, "London", [0, 0], Polygon(SQUARE), {"latitude": 5}]:
        assert not holds(condition, place), place


RINGS = {
    "square": SQUARE,
    "clockwise": SQUARE[::-1],
    "closed": (*SQUARE, SQUARE[0]),
}


@pytest.mark.parametrize("ring", RINGS.values(), ids=RINGS.keys())
def test_a_polygon_is_around_a_place(ring):
    for inside in [(5, 5), (0, 0), (0, 5), (5, 10), (10, 10), (10.02, 5)]:
        assert holds(Intersects("area", GeoPoint(*inside)), Polygon(ring)), inside
    for outside in [(-0.1, 5), (5, 10.1), (10.06, 5), (0, 10.0001), (-5, -175), (5, -175), (80, 5)]:
        assert not holds(Intersects("area", GeoPoint(*outside)), Polygon(ring)), outside


def test_a_polygon_reaches_over_the_date_line_and_the_pole():
    pacific = Polygon(((-10, 170), (-10, -170), (10, -170), (10, 170)))
    assert holds(Intersects("area", GeoPoint(0, 180)), pacific)
    assert not holds(Intersects("area", GeoPoint(0, 0)), pacific)
    arctic = Polygon(((70, 0), (70, 90), (70, 180), (70, -90)))
    assert holds(Intersects("area", GeoPoint(90, 0)), arctic)
    assert not holds(Intersects("area", GeoPoint(60, 0)), arctic)
    assert not holds(Intersects("area", GeoPoint(-90, 0)), arctic)


def test_only_a_polygon_is_around_anything():
    for value in [None, GeoPoint(5, 5), [SQUARE], "x"]:
        assert not holds(Intersects("area", GeoPoint(5, 5)), value)


degrees_north = st.one_of(st.floats(-90, 90), st.sampled_from([-90, -5, 0, 5, 10, 90]))
degrees_east = st.one_of(st.floats(-180, 180), st.sampled_from([-180, -5, 0, 5, 10, 180]))
points = st.builds(GeoPoint, degrees_north, degrees_east)
rings = st.lists(st.tuples(degrees_north, degrees_east), min_size=3, max_size=6).map(tuple)
radii = st.one_of(st.floats(0, 0.2), st.floats(0, 4))
areas = st.one_of(
    st.builds(Near, st.just("at"), points, st.one_of(st.none(), radii)),
    st.builds(WithinBox, st.just("at"), points, points),
    st.builds(WithinPolygon, st.just("at"), rings),
    st.builds(WithinSphere, st.just("at"), points, radii),
    st.builds(Intersects, st.just("area"), points),
)


@given(areas, points)
@example(Near("at", GeoPoint(0, 0), 0), GeoPoint(0, 0))
@example(Near("at", GeoPoint(0, 179.99), 0.001), GeoPoint(0, -179.99))
@example(WithinSphere("at", GeoPoint(60, 0), 0.3), GeoPoint(60, 34))
def test_what_is_inside_lies_within_the_bounds(area, place):
    if holds(area, place) and (around := bounds(area)) is not None:
        south, north, west, east = around
        assert south <= place.latitude <= north
        assert west <= place.longitude <= east


@pytest.fixture
def places(tmp_path):
    database = SqliteDatabase(tmp_path)
    yield database.objects
    database.close()


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.one_of(st.none(), points), max_size=6), areas, st.integers(0, 3))
def test_sqlite_answers_as_memory_does(places, rows, area, limit):
    places.delete(PLACES, All())
    stored = [thing(f"id{n}", at=at, area=Polygon(SQUARE)) for n, at in enumerate(rows)]
    for row in stored:
        places.insert(PLACES, row)
    found = [row for row in stored if matcher(area)(row)]
    assert places.count(PLACES, area) == len(found)
    if isinstance(area, Near):
        found.sort(key=lambda row: distance(area.point, row["at"]))
    assert places.find(PLACES, Query(area)) == found
    assert places.find(PLACES, Query(area, skip=1, limit=limit)) == found[1 : limit + 1]


@pytest.fixture
def geometry(needs, database):
    """Mark what knows no geometry."""
    needs("finds by place (geometry)")


@pytest.fixture
def cities(database):
    for name, at in [("sydney", SYDNEY), ("london", LONDON), ("paris", PARIS), ("nowhere", None)]:
        database.objects.insert(PLACES, thing(name, at=at, name=name))
    return database.objects


def ids(rows):
    return [row["objectId"] for row in rows]


def test_the_nearest_come_first(cities, geometry):
    near = Near("at", GeoPoint(52, 0))
    assert ids(cities.find(PLACES, Query(near))) == ["london", "paris", "sydney"]
    assert ids(cities.find(PLACES, Query(near, skip=1, limit=1))) == ["paris"]
    permitted = All((All((near,)), Permits("read", ("*",))))
    assert ids(cities.find(PLACES, Query(permitted, limit=2))) == ["london", "paris"]
    europe = Near("at", GeoPoint(52, 0), 1000 / EARTH_KM)
    assert ids(cities.find(PLACES, Query(europe))) == ["london", "paris"]


def test_an_order_comes_before_the_distance(cities, geometry):
    query = Query(Near("at", GeoPoint(52, 0)), order=(SortKey("name", descending=True),))
    assert ids(cities.find(PLACES, query)) == ["sydney", "paris", "london"]


def test_a_count_of_what_is_near(cities, geometry):
    assert cities.count(PLACES, Near("at", LONDON, 1000 / EARTH_KM)) == 2
    assert cities.count(PLACES, All((Near("at", LONDON), Equals("name", "sydney")))) == 1


@pytest.mark.parametrize(
    "area",
    [
        WithinBox("at", GeoPoint(40, -10), GeoPoint(60, 10)),
        WithinPolygon("at", ((40, -10), (40, 10), (60, 10), (60, -10))),
        WithinSphere("at", LONDON, 400 / EARTH_KM),
    ],
)
def test_an_area_and_its_opposite(cities, geometry, area):
    by_name = (SortKey("name"),)
    assert ids(cities.find(PLACES, Query(area, by_name))) == ["london", "paris"]
    outside = Query(Neither((area,)), by_name)
    assert ids(cities.find(PLACES, outside)) == ["nowhere", "sydney"]


def test_polygons_around_a_place(database, geometry):
    ring = (*SQUARE, SQUARE[0])
    database.objects.insert(PLACES, thing("square", area=Polygon(ring)))
    database.objects.insert(PLACES, thing("none"))
    assert ids(database.objects.find(PLACES, Query(Intersects("area", GeoPoint(5, 5))))) == [
        "square"
    ]
    assert database.objects.find(PLACES, Query(Intersects("area", GeoPoint(5, 11)))) == []


@pytest.mark.parametrize("path", ["area", "name", "list", "list.0", "unknown", "at.latitude"])
def test_nothing_is_near_in_a_column_of_another_type(database, needs, path):
    needs("arrays in arrays")
    at = GeoPoint(1, 1)
    row = thing(at=at, area=Polygon((*SQUARE, SQUARE[0])), name="x", list=[at])
    database.objects.insert(PLACES, row)
    everywhere = WithinSphere(path, GeoPoint(0, 0), pi)
    assert database.objects.find(PLACES, Query(everywhere)) == []
    assert database.objects.find(PLACES, Query(Near(path, GeoPoint(0, 0)))) == []
    assert database.objects.count(PLACES, Neither((everywhere,))) == 1
