"""No answer takes more than MAX_ANSWER_MEMORY: what would is an error that says what to do."""

import pytest
from image_host import MASTER
from parse_app import error, outcome, pointer

from server.storage.port import Query

SENTENCE = (
    "The answer would take more than 10 MB of memory. Ask for fewer objects at a time with limit "
    "and skip, or for fewer columns with keys."
)
LARGE = "x" * 700_000
TOO_MUCH = (102, SENTENCE)


@pytest.fixture
def library(make_parse, database_uri):
    """Books of 700 KB, each with the same author, and ten notes on the first."""
    parse = make_parse(database_uri=database_uri, max_answer_memory=10_000_000)
    parse.author = parse.create("Author", {"name": "ann", "life": LARGE[:400_000]})
    by_her = {"author": pointer("Author", parse.author)}
    parse.books = [
        parse.create("Book", {"n": n, "text": LARGE, "kind": "novel", **by_her}) for n in range(5)
    ]
    parse.notes = [
        parse.create("Note", {"n": n, "book": pointer("Book", parse.books[0]), **by_her})
        for n in range(10)
    ]
    return parse


def test_a_find_that_is_too_much_is_refused_and_the_next_is_answered(library):
    assert error(library.get("/classes/Book")) == TOO_MUCH
    assert outcome(library.get("/classes/Book")) == (400, 102)
    assert [row["n"] for row in library.find("Book", limit=2, skip=1, order="n")] == [1, 2]
    assert [row["n"] for row in library.find("Book", keys="n", order="n")] == [0, 1, 2, 3, 4]
    assert library.get(f"/classes/Book/{library.books[0]}").status_code == 200


def test_included_objects_count_wherever_they_stand(library):
    assert len(library.find("Note", keys="n,author.name", include="author")) == 10
    assert len(library.find("Note", include="author", limit=2)) == 2
    assert error(library.get("/classes/Note", include="author")) == TOO_MUCH
    nested = library.get("/classes/Note", include="book.author", limit=2)
    assert error(nested) == TOO_MUCH


def test_queries_inside_a_query_read_what_they_need(library):
    of_novels = {"book": {"$inQuery": {"className": "Book", "where": {"kind": "novel"}}}}
    assert len(library.find("Note", of_novels)) == 10
    select = {"query": {"className": "Book", "where": {}}, "key": "n"}
    assert len(library.find("Note", {"n": {"$select": select}})) == 5
    select = {"query": {"className": "Book", "where": {}}, "key": "text"}
    answer = library.get("/classes/Note", where={"n": {"$select": select}})
    assert error(answer) == TOO_MUCH


def test_pipelines_and_distinct_values_are_refused(library):
    assert error(library.get("/aggregate/Book", MASTER, pipeline=[])) == TOO_MUCH
    few = library.get("/aggregate/Book", MASTER, pipeline=[{"$project": {"n": 1}}])
    assert len(few.json["results"]) == 5
    for n, book in enumerate(library.books):
        library.put(f"/classes/Book/{book}", {"text": f"{n}{LARGE}"}, MASTER)
    answer = library.get("/aggregate/Book", MASTER, distinct="text")
    assert error(answer) == TOO_MUCH
    assert library.get("/aggregate/Book", MASTER, distinct="kind").json["results"] == ["novel"]


def test_the_calls_of_a_batch_count_together(library):
    calls = [{"method": "GET", "path": f"/parse/classes/Book/{book}"} for book in library.books]
    calls.append({"method": "PUT", "path": f"/parse/classes/Book/{library.books[0]}", "body": {}})
    answers = library.post("/batch", {"requests": calls}).json
    assert ["success" in answer for answer in answers] == [True, True, False, False, False, False]
    refused, *rest = [answer["error"] for answer in answers[2:]]
    assert refused == {"code": 102, "error": SENTENCE}
    assert {row["code"] for row in rest} == {155}  # these were not tried


def test_cloud_code_goes_through_a_class_page_by_page(library, cloud_code):
    @cloud_code.define("all")
    def all_of_them(request):
        for access in (request.objects, request.as_master):
            pages = [access.find("Book", limit=2, skip=skip) for skip in (0, 2, 4)]
            assert sum(map(len, pages)) == 5
            access.get("Book", library.books[0])
        return len(request.objects.find("Book"))

    assert error(library.post("/functions/all")) == TOO_MUCH


def test_what_a_trigger_finds_is_bounded_by_itself(library, cloud_code):
    seen = []

    @cloud_code.after_find("Note")
    def look_at_books(request):
        for skip in (0, 2, 4):
            seen.extend(request.objects.find("Book", limit=2, skip=skip))

    assert (len(library.find("Note")), len(seen)) == (10, 5)


def test_the_servers_own_questions_have_no_such_bound(library):
    schema = library.services.schemas.find("Book")
    assert len(library.services.database.objects.find(schema, Query())) == 5
