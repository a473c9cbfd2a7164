"""Which indexes a query makes, and when a text index that is there must not be searched."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from server.storage.mongo.special_indexes import ensure_text_index, make_geo_index
from server.storage.port import ClassSchema, FindsText, RefusedQuery

POST = ClassSchema("Post")


@dataclass
class Collection:
    """A collection with these indexes, which remembers what is made."""

    indexes: dict[str, Any]
    made: list[Any] = field(default_factory=list)

    def index_information(self):
        return self.indexes

    def create_index(self, keys, **options):
        self.made.append((keys, options))


class Database(dict):
    """A database of one collection that answers pings."""

    def command(self, name):
        assert name == "ping"


def over(*columns):
    """A text index, as MongoDB tells it."""
    return {"key": [("_fts", "text"), ("_ftsx", 1)], "weights": dict.fromkeys(columns, 1)}


PLAIN = {"_id_": {"key": [("_id", 1)]}, "title_1": {"key": [("title", 1)]}}


def test_the_index_is_made_as_parse_server_makes_it():
    places = Collection(PLAIN)
    make_geo_index(Database(Post=places), POST, "at")
    assert places.made == [([("at", "2d")], {})]
    posts = Collection(PLAIN)
    ensure_text_index(Database(Post=posts), POST, FindsText("title", "cat"))
    assert posts.made == [([("title", "text")], {"name": "title_text"})]


@pytest.mark.parametrize(
    ("columns", "hidden", "is_searched"),
    [
        (["title"], [], True),
        (["title"], ["secret"], True),
        (["title", "body"], ["secret"], True),
        (["title", "secret"], [], True),
        (["title", "secret"], ["secret"], False),
        (["body"], [], False),
        (["$**"], [], True),
        (["$**"], ["secret"], False),
    ],
)
def test_an_index_that_is_there_is_searched_if_nothing_of_it_is_hidden(
    columns, hidden, is_searched
):
    posts = Collection({**PLAIN, "text": over(*columns)})
    search = FindsText("title", "cat", hidden=frozenset(hidden))
    if is_searched:
        ensure_text_index(Database(Post=posts), POST, search)
    else:
        with pytest.raises(RefusedQuery):
            ensure_text_index(Database(Post=posts), POST, search)
    assert posts.made == []
