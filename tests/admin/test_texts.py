"""The catalogue of texts: every language says everything, and templates ask for what is there."""

import re
import string
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from flask import render_template_string

import admin
from admin.texts import LANGUAGES, catalogue

ADMIN = Path(admin.__file__).parent
SOURCES = [
    *ADMIN.rglob("*.html"), *ADMIN.rglob("*.py"), *ADMIN.glob("static/*.js")
]  # fmt: skip


TEMPLATES = [*ADMIN.rglob("*.html")]
# Names, the Parse API's among them.
SAME_EVERYWHERE = {"Parsewarden", "objectId", "className", "UserImage", "column", "image"}


class Literals(HTMLParser):
    """Collects the words that stand in a template itself, in its text and in what is read aloud."""

    def __init__(self):
        super().__init__()
        self.words, self.code = [], 0

    def handle_starttag(self, tag, attrs):
        self.code += tag in ("script", "style", "code")
        for name, value in attrs:
            if name in ("aria-label", "alt", "title", "placeholder") and value:
                self.words += words_in(value)

    def handle_endtag(self, tag):
        self.code -= tag in ("script", "style", "code")

    def handle_data(self, data):
        self.words += [] if self.code else words_in(data)


def words_in(text):
    return [word for word in re.findall(r"[^\W\d_]{2,}", text) if word not in SAME_EVERYWHERE]


def literals(source):
    names = r"{% block body_class %}.*?{% endblock %}|{% call parts.field.*?{% endcall %}"
    source = re.sub(names, "", source)
    source = re.sub(r"{#.*?#}|{%.*?%}|{{.*?}}", "", source, flags=re.DOTALL)
    parser = Literals()
    parser.feed(source)
    return parser.words


def names_in(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_there_are_english_and_german():
    assert LANGUAGES == ("de", "en")


def test_every_language_has_the_same_sentences_with_the_same_names():
    english, german = catalogue("en"), catalogue("de")
    assert english.keys() == german.keys()
    for key, text in english.items():
        assert names_in(text) == names_in(german[key]), key


def test_words_in_a_template_are_found():
    assert literals('<p title="Look">{{ t("a.b") }} twice {# no #}<b>{% if x %}or{% endif %}') == [
        "Look", "twice", "or",
    ]  # fmt: skip


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_has_words_of_its_own(template):
    assert literals(template.read_text()) == []


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(ADMIN)))
def test_every_sentence_that_is_asked_for_is_there(source):
    known = catalogue("en")
    asked = re.findall(r"""\bt\(\s*["']([a-z_]+\.\w+)["']\s*[,)]""", source.read_text())
    assert [key for key in asked if key not in known] == []


@pytest.mark.parametrize(
    ("asked", "date"),
    [
        ("en-GB,en;q=0.5", "30 Nov 2026, 08:13:23 UTC"),
        ("en-US", "Nov 30, 2026, 8:13:23 AM UTC"),
        ("en", "Nov 30, 2026, 8:13:23 AM UTC"),
        ("fr-CH,en-GB;q=0.5", "30 Nov 2026, 08:13:23 UTC"),
        ("de-AT", "30.11.2026, 08:13:23 UTC"),
        ("en-XX", "Nov 30, 2026, 8:13:23 AM UTC"),
        ("en-../../x", "Nov 30, 2026, 8:13:23 AM UTC"),
    ],
)
def test_dates_say_that_they_are_utc_and_are_written_as_in_the_browsers_region(panel, asked, date):
    time = datetime(2026, 11, 30, 8, 13, 23, tzinfo=UTC)
    with panel.app.test_request_context(headers={"Accept-Language": asked}):
        assert render_template_string("{{ time | date }}", time=time).replace("\u202f", " ") == date
