"""The table of what each MongoDB server of the tests cannot do, and who goes by it."""

from pathlib import Path

from gaps import GAPS, NAMES

_TESTS = Path(__file__).parent


def shown():
    yield f"| feature | {' | '.join(NAMES.values())} |"
    yield "|---" * (1 + len(NAMES)) + "|"
    for feature, lacking in GAPS.items():
        yield f"| {feature} | {' | '.join(lacking.get(server, 'yes') for server in NAMES)} |"


def test_the_docs_show_the_gaps_of_every_server():
    docs = (_TESTS.parent / "docs" / "databases.md").read_text()
    assert "\n".join(shown()) in docs


def test_every_gap_is_one_of_a_test():
    tests = "".join(path.read_text() for path in _TESTS.rglob("test_*.py"))
    assert [feature for feature in GAPS if f'"{feature}"' not in tests] == []
