r"""Regular expressions of queries: PCRE's `\Q...\E` and Parse's options, within a bound of time.

They come from clients, so a pattern may be hostile; knows nothing of documents or databases.
"""

import functools
import time

import regex as engine

from server.storage.port import Refused

# What an honest pattern needs for some 400,000 short texts.
_BUDGET_S = 1.0
_MAX_PATTERN_LENGTH = 32_764  # MongoDB's
_QUOTED = engine.compile(r"\\(?:Q(.*?)(?:\\E|\Z)|E|.)|\(\?(?:R|&|P>|[+-]?[0-9])", engine.DOTALL)
_FLAGS = {"i": engine.I, "m": engine.M, "s": engine.S, "x": engine.X}


class RegexRefused(Refused):
    """The pattern is no regular expression, or takes too long."""


class Budget:
    """The time that the searches of one query may take together. Not thread-safe."""

    def __init__(self, seconds: float = _BUDGET_S) -> None:
        self.left_s = seconds


class Search:
    """One query's use of one pattern."""

    def __init__(self, pattern: str, options: str, budget: Budget) -> None:
        """Raises RegexRefused for a pattern or options that cannot be read."""
        self._compiled = _compile(pattern, options)
        self._budget = budget

    def finds(self, text: str) -> bool:
        """Whether the pattern is in the text. Raises RegexRefused when the time is used up."""
        budget = self._budget
        if budget.left_s <= 0:
            raise RegexRefused("the regular expression takes too long")
        started = time.perf_counter()
        try:
            return self._compiled.search(text, timeout=budget.left_s) is not None
        except (TimeoutError, MemoryError):
            raise RegexRefused("the regular expression takes too long") from None
        finally:
            budget.left_s -= time.perf_counter() - started


@functools.lru_cache(maxsize=256)
def _compile(pattern: str, options: str) -> "engine.Pattern[str]":
    if len(pattern) > _MAX_PATTERN_LENGTH:
        raise RegexRefused("the regular expression is too long")
    if not _FLAGS.keys() >= set(options):
        raise RegexRefused(f"Bad $options value for query: {options}")
    flags = functools.reduce(lambda all_flags, name: all_flags | _FLAGS[name], options, 0)
    plain_pattern = _unquoted(pattern)
    try:
        return engine.compile(plain_pattern, flags)
    except (engine.error, OverflowError, RecursionError, ValueError) as error:
        raise RegexRefused(f"the regular expression cannot be read: {error}") from None


def _unquoted(pattern: str) -> str:
    r"""Write what stands between `\Q` and `\E` with escapes instead; a lone `\E` means nothing.

    Raises RegexRefused for a pattern that calls itself or one of its groups.
    """

    def plain(match: "engine.Match[str]") -> str:
        if match[1] is not None:
            return engine.escape(match[1], special_only=False)
        if match[0].startswith("(?"):
            raise RegexRefused("the regular expression calls itself")  # takes memory without end
        return "" if match[0] == r"\E" else match[0]

    return _QUOTED.sub(plain, pattern)
