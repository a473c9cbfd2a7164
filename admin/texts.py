"""All text of the panel: one catalogue, a file for each page and language."""

import tomllib
from functools import cache
from pathlib import Path

from babel import Locale, UnknownLocaleError
from flask import g, has_request_context, request
from flask_login import current_user

_FOLDER = Path(__file__).parent / "messages"
LANGUAGES = tuple(sorted(folder.name for folder in _FOLDER.iterdir() if folder.is_dir()))
_DEFAULT = "en"


@cache
def catalogue(language: str) -> dict[str, str]:
    """Return a language's sentences by `page.key`. Raises ValueError for what is no text."""
    texts = {}
    for path in sorted((_FOLDER / language).glob("*.toml")):
        for key, text in tomllib.loads(path.read_text(encoding="utf-8")).items():
            if not isinstance(text, str):
                raise ValueError(f"{path}: {key} is not a text")
            texts[f"{path.stem}.{key}"] = text
    return texts


def language() -> str:
    """Return this request's language: the moderator's choice, or the browser's."""
    if not has_request_context():
        return _DEFAULT
    if "panel_language" not in g:
        speak(_chosen())
    chosen: str = g.panel_language
    return chosen


def speak(language: str | None) -> None:
    """Go on in a language that was chosen just now; None: as the browser asks."""
    g.panel_language = language or request.accept_languages.best_match(LANGUAGES, _DEFAULT)


def locale() -> Locale:
    """Return the locale for numbers."""
    return Locale(language())


def regional_locale() -> Locale:
    """Return the locale for dates, which are written differently in London and in Boston: the
    request's language, as the first region writes it that the browser names."""
    for tag in request.accept_languages.values() if has_request_context() else ():
        spoken, _, region = tag.partition("-")
        if spoken.lower() == language() and region:
            return _regional(spoken.lower(), region.upper())
    return locale()


def _regional(language: str, region: str) -> Locale:
    try:
        return Locale(language, region)
    except (UnknownLocaleError, ValueError):
        return Locale(language)


def t(key: str, **values: object) -> str:
    """Return a sentence in this request's language, its `{names}` filled in. Raises KeyError."""
    text = catalogue(language())[key]
    return _drawn_together(text.format_map(values)) if values else text


def _drawn_together(sentence: str) -> str:
    """In German, "by" and the article of who did it are one word: "vom Gedächtnis"."""
    for said in _with_article(language()):
        sentence = sentence.replace(f"von {said}", f"vom {said.removeprefix('dem ')}")
    return sentence


@cache
def _with_article(language: str) -> list[str]:
    names = (text for key, text in catalogue(language).items() if key.startswith("base.by_"))
    return [name for name in names if language == "de" and name.startswith("dem ")]


def page_texts(*pages: str) -> dict[str, str]:
    """Return all sentences of some pages, for their scripts."""
    prefixes = tuple(f"{page}." for page in pages)
    return {k: text for k, text in catalogue(language()).items() if k.startswith(prefixes)}


def _chosen() -> str | None:
    if not current_user.is_authenticated:
        return None
    chosen: str | None = current_user.session.moderator.preferences.language
    return chosen if chosen in LANGUAGES else None
