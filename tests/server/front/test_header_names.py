"""Headers keep their meaning between the wire, WSGI and Parse."""

import pytest

from server.front.header_names import header_of, variable_of


@pytest.mark.parametrize(
    ("header", "variable"),
    [
        (b"x-parse-application-id", "HTTP_X_PARSE_APPLICATION_ID"),
        (b"content-type", "CONTENT_TYPE"),
        (b"content-length", "CONTENT_LENGTH"),
        (b"x_parse_master_key", None),
        (b"x" * 5000, "HTTP_" + "X" * 5000),
    ],
)
def test_header_has_its_place_in_the_environment(header, variable):
    assert variable_of(header) == variable
    assert variable_of(header) == variable, "the second time as well"


@pytest.mark.parametrize(
    ("variable", "header"),
    [
        ("HTTP_X_PARSE_APPLICATION_ID", "x-parse-application-id"),
        ("HTTP_" + "X" * 5000, "x" * 5000),
        ("PATH_INFO", None),
        ("CONTENT_TYPE", None),
    ],
)
def test_environment_tells_its_headers(variable, header):
    assert header_of(variable) == header
