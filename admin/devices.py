"""Browsers and systems by the names that people know them by, guessed from their user agents."""

import re

# The first that fits: later ones stand in the user agents of earlier ones as well.
_BROWSERS = [
    ("Edge", r"\bEdg(e|A|iOS)?/"),
    ("Opera", r"\bOPR/|\bOpera\b"),
    ("Samsung Internet", r"\bSamsungBrowser/"),
    ("Firefox", r"\b(Firefox|FxiOS)/"),
    ("Chrome", r"\b(Chrome|CriOS|HeadlessChrome)/"),
    ("Safari", r"\bSafari/"),
]
_SYSTEMS = [
    ("Android", r"\bAndroid\b"),
    ("iPhone", r"\biPhone\b"),
    ("iPad", r"\biPad\b"),
    ("Windows", r"\bWindows\b"),
    ("macOS", r"\bMac OS X\b"),
    ("ChromeOS", r"\bCrOS\b"),
    ("Linux", r"\bLinux\b"),
]


def browser_of(user_agent: str) -> str | None:
    """Return the browser's name, None if it is none of the usual ones."""
    return _first(_BROWSERS, user_agent)


def system_of(user_agent: str) -> str | None:
    """Return the system's name, None if it is none of the usual ones."""
    return _first(_SYSTEMS, user_agent)


def _first(known: list[tuple[str, str]], user_agent: str) -> str | None:
    return next((name for name, pattern in known if re.search(pattern, user_agent)), None)
