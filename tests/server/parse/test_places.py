"""The operators of `where` that speak of places, and their refusals."""

import pytest
from test_where import condition as where

from cloud.values import GeoPoint
from server.parse.errors import ParseError
from server.storage.geo import Intersects, Near, WithinBox, WithinPolygon, WithinSphere
from server.storage.port import All, Equals


def point(latitude, longitude):
    return {"__type": "GeoPoint", "latitude": latitude, "longitude": longitude}


HERE = point(1, 2)
RING = ((0, 0), (0, 10), (10, 20))
POLYGON = {"__type": "Polygon", "coordinates": [[0, 0], [10, 0], [20, 10]]}


@pytest.mark.parametrize(
    ("constraint", "found"),
    [
        ({"$nearSphere": HERE}, Near("at", GeoPoint(1, 2))),
        ({"$nearSphere": HERE, "$maxDistance": 0.5}, Near("at", GeoPoint(1, 2), 0.5)),
        ({"$nearSphere": HERE, "$maxDistanceInRadians": 0}, Near("at", GeoPoint(1, 2), 0)),
        ({"$nearSphere": HERE, "$maxDistanceInMiles": 3959}, Near("at", GeoPoint(1, 2), 1)),
        ({"$nearSphere": HERE, "$maxDistanceInKilometers": 6371}, Near("at", GeoPoint(1, 2), 1)),
        ({"$maxDistance": 2, "$maxDistanceInMiles": 3, "$nearSphere": HERE},
         Near("at", GeoPoint(1, 2), 2)),
        ({"$within": {"$box": [HERE, point(3, 4)]}},
         WithinBox("at", GeoPoint(1, 2), GeoPoint(3, 4))),
        ({"$geoWithin": {"$polygon": [point(*place) for place in RING]}},
         WithinPolygon("at", RING)),
        ({"$geoWithin": {"$polygon": [[east, north] for north, east in RING]}},
         WithinPolygon("at", RING)),
        ({"$geoWithin": {"$polygon": POLYGON}}, WithinPolygon("at", RING)),
        ({"$geoWithin": {"$centerSphere": [HERE, 0.5]}},
         WithinSphere("at", GeoPoint(1, 2), 0.5)),
        ({"$geoWithin": {"$centerSphere": [[2, 1], 0]}}, WithinSphere("at", GeoPoint(1, 2), 0)),
        ({"$geoIntersects": {"$point": HERE}}, Intersects("at", GeoPoint(1, 2))),
        ({"$nearSphere": HERE, "$within": {"$box": [HERE, HERE]}},
         All((Near("at", GeoPoint(1, 2)), WithinBox("at", GeoPoint(1, 2), GeoPoint(1, 2))))),
    ],
)  # fmt: skip
def test_operator_is_read(constraint, found):
    assert where({"at": constraint}) == found


BAD_POLYGON = "$polygon should be Polygon object or Array of Parse.GeoPoint's"
FEW_POINTS = "$polygon should contain at least 3 GeoPoints"
MANY_POINTS = "$polygon should contain at most 1000 GeoPoints"
FEW_PAIRS = "Polygon.coordinates should contain at least 3 lon/lat pairs"
BAD_SPHERE = "$centerSphere should be an array of Parse.GeoPoint and distance"


@pytest.mark.parametrize(
    ("constraint", "sentence"),
    [
        ({"$nearSphere": [2, 1]}, "bad $nearSphere value"),
        ({"$nearSphere": point(91, 0)}, "bad $nearSphere value"),
        ({"$nearSphere": {"$gt": 1}}, "bad $nearSphere value"),
        ({"$nearSphere": HERE, "$maxDistance": -1}, "bad $maxDistance value"),
        ({"$nearSphere": HERE, "$maxDistance": "1"}, "bad $maxDistance value"),
        ({"$nearSphere": HERE, "$maxDistanceInMiles": True}, "bad $maxDistanceInMiles value"),
        ({"$nearSphere": HERE, "$minDistance": 1}, "bad constraint: $minDistance"),
        ({"$maxDistance": 1}, "bad constraint: $maxDistance"),
        ({"$within": {"$box": [HERE]}}, "malformatted $within arg"),
        ({"$within": {"$box": [HERE, [1, 2]]}}, "malformatted $within arg"),
        ({"$within": {"$polygon": [HERE]}}, "malformatted $within arg"),
        ({"$within": 1}, "malformatted $within arg"),
        ({"$geoWithin": {}}, "bad $geoWithin value"),
        ({"$geoWithin": 1}, "bad $geoWithin value"),
        ({"$geoWithin": {"$polygon": "x"}}, f"bad $geoWithin value; {BAD_POLYGON}"),
        ({"$geoWithin": {"$polygon": {}}}, f"bad $geoWithin value; {BAD_POLYGON}"),
        ({"$geoWithin": {"$polygon": [HERE, HERE]}}, f"bad $geoWithin value; {FEW_POINTS}"),
        ({"$geoWithin": {"$polygon": [HERE] * 1001}}, f"bad $geoWithin value; {MANY_POINTS}"),
        ({"$geoWithin": {"$polygon": {"__type": "Polygon"}}},
         f"bad $geoWithin value; {FEW_PAIRS}"),
        ({"$geoWithin": {"$polygon": [HERE, HERE, {"$gt": 1}]}}, "bad $geoWithin value"),
        ({"$geoWithin": {"$polygon": [HERE, HERE, [181, 0]]}}, "bad $geoWithin value"),
        ({"$geoWithin": {"$centerSphere": [HERE]}}, f"bad $geoWithin value; {BAD_SPHERE}"),
        ({"$geoWithin": {"$centerSphere": 1}}, f"bad $geoWithin value; {BAD_SPHERE}"),
        ({"$geoWithin": {"$centerSphere": ["x", 1]}},
         "bad $geoWithin value; $centerSphere geo point invalid"),
        ({"$geoWithin": {"$centerSphere": [HERE, -1]}},
         "bad $geoWithin value; $centerSphere distance invalid"),
        ({"$geoIntersects": {"$point": [1, 2]}},
         "bad $geoIntersect value; $point should be GeoPoint"),
        ({"$geoIntersects": {}}, "bad $geoIntersect value; $point should be GeoPoint"),
    ],
)  # fmt: skip
def test_operator_is_refused(constraint, sentence):
    with pytest.raises(ParseError) as refusal:
        where({"at": constraint})
    assert (refusal.value.code, refusal.value.message) == (107, sentence)


NEAR = {"at": {"$nearSphere": HERE}}


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"$or": [NEAR, {"a": 1}]}, "geo $near must be top-level expr"),
        ({"$nor": [NEAR]}, "geo $near must be top-level expr"),
        ({"$and": [{"$or": [NEAR]}]}, "geo $near must be top-level expr"),
        ({**NEAR, "$and": [NEAR]}, "Too many geoNear expressions"),
    ],
)
def test_only_one_near_can_say_the_order(asked, sentence):
    with pytest.raises(ParseError) as refusal:
        where(asked)
    assert (refusal.value.code, refusal.value.message) == (102, sentence)


def test_a_near_may_stand_within_and():
    expected = All((Near("at", GeoPoint(1, 2)), Equals("a", 1)))
    assert where({"$and": [NEAR, {"a": 1}]}) == expected
