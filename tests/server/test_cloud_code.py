"""Cloud code that does not load: the sentence names the line in the operator's own file."""

import re

import pytest

from config import SettingsError
from server.cloud_code import load_cloud_code

BEGINNING = "from cloud.code import cloud\n"


@pytest.fixture
def complaint(tmp_path, cloud_code, monkeypatch):
    """Load files of these names and contents, the first as CLOUD_CODE_MAIN; returns what is said,
    and where: a line and a file's name."""
    monkeypatch.syspath_prepend(tmp_path)  # and so taken back afterwards

    def of(**files):
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text)
        with pytest.raises(SettingsError) as refused:
            load_cloud_code(str(tmp_path / f"{next(iter(files))}.py"))
        said = str(refused.value)
        place = re.search(rf", line (\d+) of {re.escape(str(tmp_path))}/(\w+)\.py$", said)
        assert place is not None, said
        return said, (int(place[1]), place[2])

    return of


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x = 1\ndef broken(:\n    pass\n", 2),
        ("if True:\nx = 1\n", 2),
        (BEGINNING + "\n@cloud.before_save\ndef f(request):\n    pass\n", 3),
        (BEGINNING + "@cloud.define('f')\ndef f():\n    pass\n", 2),
        (BEGINNING + "@cloud.define('f')\nasync def f(request):\n    pass\n", 2),
        ("import re\nre.compile('(')\n", 2),
        ("eval('1 +')\n", 1),
    ],
)
def test_the_line_is_that_of_the_operators_file(complaint, text, line):
    _, place = complaint(main_of_mine=text)
    assert place == (line, "main_of_mine")


def test_a_neighbour_that_is_imported_is_the_operators_too(complaint):
    said, place = complaint(main_a="import beside_a\n", beside_a="x = 1\ny = x / 0\n")
    assert place == (2, "beside_a")
    assert "ZeroDivisionError: division by zero" in said
    _, place = complaint(main_b="import beside_b\n", beside_b="x = 1\n\ny = = 2\n")
    assert place == (3, "beside_b")
