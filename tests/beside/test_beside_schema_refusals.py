"""What cannot become of a schema is refused by both servers in the same words.

Only a permission that is not true is said in others since Parse Server 8.
"""

import pytest

DELETE = {"__op": "Delete"}


def field(kind, **options):
    return {"type": kind, **options}


REFUSED = {
    "a class that is there": ("POST", {}),
    "another name in the body": ("POST", {"className": "Other"}),
    "a column of another type": ("PUT", {"fields": {"title": field("Number")}}),
    "a column that is not there": ("PUT", {"fields": {"gone": DELETE}}),
    "a built-in column": ("PUT", {"fields": {"createdAt": DELETE}}),
    "a bad name": ("PUT", {"fields": {"bad-name": field("String")}}),
    "a reserved name": ("PUT", {"fields": {"length": field("String")}}),
    "no such type": ("PUT", {"fields": {"n": field("Nope")}}),
    "no type": ("PUT", {"fields": {"n": {}}}),
    "a pointer to nowhere": ("PUT", {"fields": {"n": field("Pointer")}}),
    "a pointer to a number": ("PUT", {"fields": {"n": field("Pointer", targetClass=1)}}),
    "a pointer to a bad name": ("PUT", {"fields": {"n": field("Pointer", targetClass="1x")}}),
    "another target": ("PUT", {"fields": {"owner": field("Pointer", targetClass="Post")}}),
    "a default of another type": ("PUT", {"fields": {"n": field("Number", defaultValue="x")}}),
    "two places": ("PUT", {"fields": {"here": field("GeoPoint")}}),
    "no such operation": ("PUT", {"classLevelPermissions": {"dance": {}}}),
    "no object": ("PUT", {"classLevelPermissions": {"find": "yes"}}),
    "no principal": ("PUT", {"classLevelPermissions": {"find": {"a b": True}}}),
    "no list": ("PUT", {"classLevelPermissions": {"readUserFields": "owner"}}),
    "no pointer": ("PUT", {"classLevelPermissions": {"readUserFields": ["title"]}}),
    "no list of pointers": (
        "PUT",
        {"classLevelPermissions": {"update": {"pointerFields": "owner"}}},
    ),
    "no list of columns": ("PUT", {"classLevelPermissions": {"protectedFields": {"*": "title"}}}),
    "no such column": ("PUT", {"classLevelPermissions": {"protectedFields": {"*": ["never"]}}}),
    "a built-in one": ("PUT", {"classLevelPermissions": {"protectedFields": {"*": ["createdAt"]}}}),
    "no such index": ("PUT", {"indexes": {"gone": DELETE}}),
    "an index of no column": ("PUT", {"indexes": {"x": {"never": 1}}}),
    "a class that is not empty": ("DELETE", None),
}


@pytest.fixture(scope="module")
def posts(ours):
    fields = {
        "title": field("String"),
        "owner": field("Pointer", targetClass="_User"),
        "place": field("GeoPoint"),
    }
    ours.done("POST", "/schemas/RefusedPost", {"className": "RefusedPost", "fields": fields})
    ours.create("RefusedPost", {"title": "x"})
    return "/schemas/RefusedPost"


@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused_in_the_same_words(ours, theirs, posts, what):
    method, body = REFUSED[what]
    theirs.read_schemas()
    answers = [client.call(method, posts, body) for client in (ours, theirs)]
    assert answers[0][0] == 400
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/schemas/Never"),
        ("GET", "/schemas/Never"),
        ("POST", "/schemas/bad-name"),
        ("DELETE", "/schemas/bad-name"),
        ("POST", "/schemas"),
    ],
)
def test_a_class_that_cannot_be_is_refused_in_the_same_words(ours, theirs, method, path):
    body = {} if method in ("PUT", "POST") else None
    answers = [client.call(method, path, body) for client in (ours, theirs)]
    assert answers[0][0] == 400
    assert answers[0] == answers[1]
