"""Static files on their way to slow phones."""

import gzip

import psutil
import pytest
from panel_app import panel_app

GZIP = {"Accept-Encoding": "gzip, br"}


@pytest.fixture(scope="module")
def get(tmp_path_factory, models_dir):
    with panel_app(tmp_path_factory.mktemp("compression"), models_dir) as panel:
        client = panel.app.test_client()
        yield lambda path, **headers: client.get(f"/admin{path}", headers=headers)


@pytest.mark.parametrize("name", ["panel.css", "lane.js"])
def test_scripts_and_styles_are_compressed_for_browsers_that_take_it(get, name):
    plain = get(f"/static/{name}?v=1")
    assert "Content-Encoding" not in plain.headers
    answer = get(f"/static/{name}?v=1", **GZIP)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.data) == plain.data
    assert len(answer.data) == answer.content_length < len(plain.data) / 2
    assert "Accept-Encoding" in answer.vary
    assert "immutable" in answer.headers["Cache-Control"]


@pytest.mark.parametrize("encodings", ["identity", "gzip;q=0", "br"])
def test_who_does_not_take_it_gets_the_plain_file(get, encodings):
    answer = get("/static/lane.js?v=1", **{"Accept-Encoding": encodings})
    assert "Content-Encoding" not in answer.headers


def test_what_browsers_have_is_not_sent_again(get):
    first = get("/static/lane.js?v=1", **GZIP)
    again = get("/static/lane.js?v=1", **GZIP, **{"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("headers", [{}, GZIP, {"Range": "bytes=0-9"}], ids=str)
@pytest.mark.parametrize("query", ["", "?v=1"])
def test_no_file_stays_open_behind_an_answer_that_nobody_reads(get, query, headers):
    unread = get(f"/static/lane.js{query}", **headers)
    assert unread.status_code == (206 if "Range" in headers else 200)
    assert not [file for file in psutil.Process().open_files() if "static" in file.path]
    assert len(unread.data) == unread.content_length


@pytest.mark.parametrize("path", ["/static/gone.js?v=1", "/static/gone.js"])
def test_what_is_not_there_is_not_kept_by_caches(get, path):
    answer = get(path)
    assert answer.status_code == 404
    assert answer.headers["Cache-Control"] == "no-store"


def test_pages_are_not_compressed(get):
    answer = get("/sign-in", **GZIP)
    assert "Content-Encoding" not in answer.headers
