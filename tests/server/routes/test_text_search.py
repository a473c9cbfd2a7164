"""`$text`: MongoDB searches with its text index, the embedded database says that it cannot."""

import pytest
from image_host import MASTER
from parse_app import error
from pymongo import MongoClient

from server.storage.matching import matcher
from server.storage.mongo.filters import text_search, to_filter, to_projection, to_sort
from server.storage.port import (
    SCORE,
    All,
    ClassSchema,
    Equals,
    FindsText,
    Permits,
    RefusedQuery,
    SortKey,
)

POST = ClassSchema("Post")


def searched(term, **options):
    return {"title": {"$text": {"$search": {"$term": term, **options}}}}


def test_the_embedded_database_says_that_it_cannot(parse):
    parse.create("Post", {"title": "a cat"})
    for params in [{}, {"count": "1", "limit": "0"}, {"order": "$score", "keys": "$score"}]:
        answer = parse.get("/classes/Post", where=searched("cat"), **params)
        assert error(answer) == (102, "$text needs the text index of a MongoDB")


@pytest.fixture
def posts(parse_on_each, request):
    """A ParseApp on MongoDB, with three posts."""
    if request.node.callspec.params["database_uri"] == "sqlite":
        pytest.skip("the embedded database has no text index")
    for title in ("a cat and a cat", "a dog and a cat", "a bird"):
        parse_on_each.create("Post", {"title": title, "secret": "fish"})
    return parse_on_each


def test_words_are_found(posts, needs):
    needs("text search")
    rows = posts.find("Post", searched("cat"))
    assert {row["title"] for row in rows} == {"a cat and a cat", "a dog and a cat"}


def test_what_is_found_is_counted_and_the_best_come_first(posts, needs):
    needs("scores and counts of text search")
    answer = posts.get("/classes/Post", where=searched("cat"), count="1", limit="0")
    assert answer.json["count"] == 2
    rows = posts.find("Post", searched("cat"), order="$score", keys="title,$score")
    assert [row["title"] for row in rows] == ["a cat and a cat", "a dog and a cat"]
    assert rows[0]["score"] > rows[1]["score"]


def test_an_index_over_hidden_columns_is_not_searched(parse_on_each, database_uri, needs):
    """MongoDB searches all columns of its one text index, whichever a query names."""
    if not database_uri:
        pytest.skip("the embedded database has no text index")
    needs("what a text index covers is told")
    hidden = {"find": {"*": True}, "protectedFields": {"*": ["secret"]}}
    parse_on_each.declare("Post", hidden, title="String", secret="String")
    with MongoClient(database_uri) as client:
        posts = client.get_default_database()["Post"]
        posts.create_index([("title", "text"), ("secret", "text")])
    parse_on_each.create("Post", {"title": "a cat", "secret": "fish"})
    assert parse_on_each.get("/classes/Post", where=searched("fish")).json["code"] == 102
    assert len(parse_on_each.find("Post", searched("fish"), by=MASTER)) == 1


def test_nobody_searches_a_protected_column(parse):
    parse.declare(
        "Post", {"find": {"*": True}, "protectedFields": {"*": ["title"]}}, title="String"
    )
    assert parse.get("/classes/Post", where=searched("cat")).json["code"] == 119


BAD = [
    ({"$search": "cat"}, "$search, should be object"),
    ("cat", "$search, should be object"),
    ({"$search": {}}, "$term, should be string"),
    ({"$search": {"$term": 1}}, "$term, should be string"),
    ({"$search": {"$term": ""}}, "$term, should be string"),
    ({"$search": {"$term": "a", "$language": 1}}, "$language, should be string"),
    ({"$search": {"$term": "a", "$caseSensitive": 1}}, "$caseSensitive, should be boolean"),
    ({"$search": {"$term": "a", "$diacriticSensitive": "x"}},
     "$diacriticSensitive, should be boolean"),
]  # fmt: skip


@pytest.mark.parametrize(("operand", "sentence"), BAD)
def test_a_bad_search_is_refused(parse, operand, sentence):
    answer = parse.get("/classes/Post", MASTER, where={"title": {"$text": operand}})
    assert error(answer) == (107, f"bad $text: {sentence}")


def test_a_search_stands_at_the_top_and_once(parse):
    search = searched("cat")
    for where in [{"$or": [search]}, {"$nor": [search]}, {"$and": [{"$or": [search]}]}]:
        answer = parse.get("/classes/Post", MASTER, where=where)
        assert error(answer) == (102, "$text must be top-level or inside $and")
    answer = parse.get("/classes/Post", MASTER, where={"$and": [search, search]})
    assert error(answer) == (102, "Too many text expressions")


def test_the_score_sorts_only_what_was_searched(parse):
    parse.create("Post", {"title": "a"})
    assert len(parse.find("Post", order="$score", keys="$score")) == 1


def test_a_search_is_sent_as_parse_server_does():
    assert to_filter(POST, FindsText("title", "cat")) == {"$text": {"$search": "cat"}}
    asked = FindsText("title", "cat", "fr", case_sensitive=True, diacritic_sensitive=True)
    options = {"$language": "fr", "$caseSensitive": True, "$diacriticSensitive": True}
    readable = All((Equals("n", 1), asked, Permits("read", ("*",))))
    assert to_filter(POST, readable) == {
        "n": 1,
        "$text": {"$search": "cat", **options},
        "_rperm": {"$in": [None, "*"]},
    }
    assert text_search(readable) == asked
    score = {"$meta": "textScore"}
    assert to_sort(POST, [SortKey(SCORE), SortKey("n")]) == [("score", score), ("n", 1)]
    assert to_projection(POST, None, with_score=True) == {"score": score}
    assert to_projection(POST, frozenset({"n"}), with_score=True)["score"] == score


def test_only_a_database_with_such_an_index_takes_it():
    with pytest.raises(RefusedQuery):
        matcher(FindsText("title", "cat"))
