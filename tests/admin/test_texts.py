"""The catalogue of texts: every language says everything, and templates ask for what is there."""

import re
import string
from pathlib import Path

import pytest

import admin
from admin.texts import LANGUAGES, catalogue

ADMIN = Path(admin.__file__).parent
SOURCES = [
    *ADMIN.rglob("*.html"), *ADMIN.rglob("*.py"), *ADMIN.glob("static/*.js")
]  # fmt: skip


def names_in(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_there_are_english_and_german():
    assert LANGUAGES == ("de", "en")


def test_every_language_has_the_same_sentences_with_the_same_names():
    english, german = catalogue("en"), catalogue("de")
    assert english.keys() == german.keys()
    for key, text in english.items():
        assert names_in(text) == names_in(german[key]), key


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ADMIN)))
def test_every_sentence_that_is_asked_for_is_there(source):
    known = catalogue("en")
    asked = re.findall(r"""\bt\(\s*["']([a-z_]+\.\w+)["']\s*[,)]""", source.read_text())
    assert [key for key in asked if key not in known] == []
