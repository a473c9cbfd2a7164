"""What patterns mean, which are refused, and that a hostile one takes neither time nor memory."""

import random
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from server.storage.regex import Budget, RegexRefused, Search


def finds(pattern, text, options=""):
    return Search(pattern, options, Budget()).finds(text)


MEANINGS = [
    # pattern, options, text, found
    ("^an", "", "anna", True),
    ("^an", "", "Anna", False),
    ("^an", "i", "Anna", True),
    ("^b$", "", "a\nb\nc", False),
    ("^b$", "m", "a\nb\nc", True),
    ("^b$", "im", "a\nB\nc", True),
    ("a.b", "", "a\nb", False),
    ("a.b", "s", "a\nb", True),
    ("(?i)É", "", "é", True),
    ("straße", "i", "STRASSE", False),
    (r"(?<year>\d{4})", "", "in 2026", True),
    (r"(?P<year>\d{4})-\d\d", "", "in 2026-11", True),
    (r"^\d+$", "", "٣", False),
    ("a{,5}", "", "a{,5}", True),
    # the end of the text, also before its last line break
    ("b$", "", "ab\n", True),
    ("b$", "", "ab\n\n", False),
    ("b$", "m", "ab\n\n", True),
    (r"b\$|[$]|\Q$\E", "", "b", False),
    (r"^(b$|c$)", "", "c\n", True),
    ("#b$", "", "#b\n", True),
    # quoted
    (r"^\Qa.b\E", "", "a.bc", True),
    (r"^\Qa.b\E", "", "axbc", False),
    (r"\Q\E\\E\Q\E", "", r"\E", True),  # how the SDKs write a quoted \E
    (r"\Qa(", "", "a(", True),
    (r"a\E", "", "a", True),
    (r"\\Qa", "", r"\Qa", True),
    (r"^[\Q]-a\E]+$", "", "]-a", True),
    (r"^\Qab\E+$", "", "abb", True),
    ("\\Q a\n#\u00e9\0😀\\E", "", " a\n#\u00e9\0😀", True),
    # extended
    ("a b # c", "x", "ab", True),
    ("a # $ [ ( \n b", "x", "ab", True),
    (r"\Qa b\E", "x", "a b", True),
    (r"a\ b", "x", "a b", True),
    (r"a\#b", "x", "a#b", True),
    ("^[ #]$", "x", "#", True),
    (r"^[]\] #] b$", "x", " b", True),
    ("[[:space:] #]b", "x", "#b", True),
    ("a b", "ix", "AB", True),
]


@pytest.mark.parametrize(("pattern", "options", "text", "found"), MEANINGS)
def test_patterns_mean_what_they_mean_in_pcre(pattern, options, text, found):
    assert finds(pattern, text, options) is found


@pytest.mark.parametrize("pattern", ["(?=a)", "(?!a)", "(?<=a)b", "(?<!a)", r"(a)\1", r"\k<x>"])
def test_what_re2_cannot_do_is_refused_with_a_sentence(pattern):
    with pytest.raises(RegexRefused, match="there is no looking around or referring back"):
        finds(pattern, "a")


@pytest.mark.parametrize(
    "pattern",
    [
        "(", "a**", "a++", "[", "[]", "\\", "(" * 9000, "a" * 10_001, "(a(?R)?b)", "((?1)a)",
        "(?>a)", "\ud800", r"\Q" + "\ud800", "a{1001}", r"\pL" * 3000,
    ],
)  # fmt: skip
def test_pattern_that_is_none_or_too_large_is_refused(pattern):
    with pytest.raises(RegexRefused):
        finds(pattern, "a")


def test_unknown_option_is_refused_in_the_words_of_parse():
    with pytest.raises(RegexRefused, match=r"Bad \$options value for query: z"):
        finds("a", "a", "z")


def test_repetitions_that_multiply_are_refused_before_any_text_is_read():
    for pattern in ["(?:(?:(?:a?){999}){999}){999}", "((a{1,100}){1,100}){1,100}b"]:
        with pytest.raises(RegexRefused, match="invalid repetition size"):
            Search(pattern, "", Budget())


def test_a_search_that_could_take_long_is_not_begun():
    hostile = Search("(?:a|b)*a(?:a|b){900}c", "", Budget())
    assert not hostile.finds("ab" * 5_000)
    text = "".join(random.Random(1).choices("ab", k=10_000_000))
    started = time.monotonic()
    with pytest.raises(RegexRefused, match="so long a text"):
        hostile.finds(text)
    assert time.monotonic() - started < 3
    assert finds(r"^\w+@\w+\.example$", "ab@" + "c" * 5_000_000 + ".example")


def test_time_runs_out_for_all_patterns_of_a_query():
    budget = Budget(0.05)
    hostile = Search("(?:a|b)*a(?:a|b){900}c", "", budget)
    text = "".join(random.Random(1).choices("ab", k=20_000))
    with pytest.raises(RegexRefused, match="takes too long"):
        any(hostile.finds(text) for _ in range(50))
    with pytest.raises(RegexRefused, match="takes too long"):
        Search("a", "", budget)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux for the peak")
def test_memory_stays_bounded_whatever_the_pattern():
    program = textwrap.dedent(r"""
        import random
        from pathlib import Path
        from server.storage.regex import Budget, RegexRefused, Search

        def peak_mb():
            [line] = [l for l in Path("/proc/self/status").open() if l.startswith("VmHWM")]
            return int(line.split()[1]) / 1000

        before = peak_mb()
        text = "".join(random.Random(1).choices("ab", k=20_000))
        patterns = ["(?:(?:(?:a?){999}){999}){999}", "a{0,1000}" * 1111, r"(?i)\pL" * 1400]
        patterns += [f"(?:a|b)*a(?:a|b){{{n}}}c" for n in range(700, 720)]
        for pattern in patterns:
            try:
                Search(pattern, "", Budget()).finds(text)
            except RegexRefused:
                pass
        print(peak_mb() - before)
    """)
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert float(answer.stdout) < 250
