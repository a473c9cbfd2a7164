r"""Regular expressions of queries: PCRE as far as RE2 has it, within bounds of time and memory.

They come from clients, so a pattern may be hostile; knows nothing of documents or databases.
"""

import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

import re2

from server.storage.port import RefusedQuery

# What an honest pattern needs for some 400,000 short texts.
_BUDGET_S = 1.0
_MAX_PATTERN_LENGTH = 10_000
_MAX_BYTES = 1 << 20  # of a compiled pattern with all that its searches remember; re2 keeps 128
# At worst RE2 takes each step of the pattern at each byte of the text, in up to 5 ns, and nothing
# stops it meanwhile: a second.
MAX_STEPS = 200_000_000
_OPTIONS = frozenset("imsx")

_QUOTED = re.compile(r"\\(?:Q(.*?)(?:\\E|\Z)|E|.)", re.DOTALL)
_ESCAPE_OR_CLASS = r"\\.|\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*"
_BLANK = re.compile(_ESCAPE_OR_CLASS + r"|([\t\n\v\f\r ]|#[^\n]*)", re.DOTALL)
_END = re.compile(_ESCAPE_OR_CLASS + r"|(\$)", re.DOTALL)
_END_OF_PCRE = r"(?:$|\n\z)"  # which is also before a line break at the very end
_NOT_IN_RE2 = ("invalid perl operator", "invalid escape sequence")

_T = TypeVar("_T")


class RegexRefused(RefusedQuery):
    """The pattern is no regular expression, or takes too long."""


class Budget:
    """The time that the patterns of one query may take together, and the steps that one search may
    come to. What is spent of it is spent of the budget `within` which it lies, too. Not
    thread-safe."""

    def __init__(
        self,
        seconds: float = _BUDGET_S,
        *,
        max_steps: int = MAX_STEPS,
        within: "Budget | None" = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.max_steps, self.spent_s = max_steps, 0.0
        self._seconds, self._within, self._clock = seconds, within, clock

    @property
    def is_spent(self) -> bool:
        """Whether nothing is left of its own time."""
        return self.spent_s >= self._seconds

    def spend(self, work: Callable[..., _T], *arguments: Any) -> _T:
        """Do the work. Raises RegexRefused when the time is used up, before or by it."""
        self._check()
        started = self._clock()
        try:
            result = work(*arguments)
        finally:
            self._charge(self._clock() - started)
        self._check()
        return result

    def _check(self) -> None:
        if self.is_spent:
            raise RegexRefused("the regular expression takes too long")
        if self._within is not None:
            self._within._check()

    def _charge(self, seconds: float) -> None:
        self.spent_s += seconds
        if self._within is not None:
            self._within._charge(seconds)


class Search:
    """One query's use of one pattern."""

    def __init__(self, pattern: str, options: str, budget: Budget) -> None:
        """Raises RegexRefused for a pattern or options that cannot be read."""
        self._budget = budget
        self._compiled = budget.spend(_compile, pattern, options)

    def finds(self, text: str) -> bool:
        """Whether the pattern is in the text. Raises RegexRefused when that takes too long."""
        data = text.encode()
        if self._compiled.programsize * len(data) > self._budget.max_steps:
            raise RegexRefused("the regular expression takes too long for so long a text")
        return self._budget.spend(self._compiled.search, data) is not None


def _compile(pattern: str, options: str) -> Any:
    if len(pattern) > _MAX_PATTERN_LENGTH:
        raise RegexRefused("the regular expression is too long")
    if not set(options) <= _OPTIONS:
        raise RegexRefused(f"Bad $options value for query: {options}")
    try:
        return re2.compile(_for_re2(pattern, options), _limits())
    except re2.error as error:
        reason = error.args[0].decode(errors="replace")
    except UnicodeEncodeError:
        reason = "half of a surrogate pair"
    if reason.startswith(_NOT_IN_RE2):
        reason += "; there is no looking around or referring back"
    raise RegexRefused(f"the regular expression cannot be read: {reason}")


def _limits() -> re2.Options:
    options = re2.Options()
    options.max_mem = _MAX_BYTES
    options.never_capture = True  # whether it is there is all we ask
    options.log_errors = False
    return options


def _for_re2(pattern: str, options: str) -> str:
    """Write a pattern of PCRE as RE2 reads it."""
    plain = _unquoted(pattern)
    if "x" in options:
        plain = _replaced(_BLANK, plain, "")
    plain = _replaced(_END, plain, _END_OF_PCRE)
    flags = options.replace("x", "")
    return f"(?{flags}){plain}" if flags else plain


def _unquoted(pattern: str) -> str:
    r"""Write what stands between `\Q` and `\E` with escapes instead; a lone `\E` means nothing."""

    def plain(part: "re.Match[str]") -> str:
        if part[1] is not None:
            return re.escape(part[1])
        return "" if part[0] == r"\E" else part[0]

    return _QUOTED.sub(plain, pattern)


def _replaced(what: "re.Pattern[str]", pattern: str, replacement: str) -> str:
    return what.sub(lambda part: part[0] if part[1] is None else replacement, pattern)
