"""The tables of docs/parse-compatibility.md, as tests ask them."""

import re
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[1]
DOCS = (REPOSITORY / "docs" / "parse-compatibility.md").read_text()


class Row(NamedTuple):
    """A line of a table: what it is about, yes, no or partial, a remark, and who proves it."""

    head: str
    name: str
    answer: str
    remark: str
    tests: tuple[tuple[str, str], ...]
    """Names of tests, each with the label of its file."""


def rows_of_the_docs():
    """Every row of every table that has a column for tests."""
    for table in re.findall(r"(?:^\|.*\n)+", DOCS, re.MULTILINE):
        head, _, *lines = [
            [cell.strip() for cell in line.strip("|\n").split("|")] for line in table.splitlines()
        ]
        for line in lines:
            name, answer, remark, tests = line if head[-1] == "test" else [*line, ""]
            assert answer in ("yes", "partial", "no"), line
            named = tuple(re.findall(r"\[(test_\w+)\]\[(\w+)\]", tests))
            yield Row(head[0], name.strip("`"), answer, remark, named)


ROWS = list(rows_of_the_docs())
FILES = {
    label: REPOSITORY / path
    for label, path in re.findall(r"^\[(\w+)\]: \.\./(tests/\S+)$", DOCS, re.MULTILINE)
}


def table(head):
    """The rows of the table with this head: name and yes, no or partial."""
    return {row.name: row.answer for row in ROWS if row.head == head}


def spoken(head):
    return {name for name, answer in table(head).items() if answer != "no"}


def refused(head):
    return {name for name, answer in table(head).items() if answer == "no"}
