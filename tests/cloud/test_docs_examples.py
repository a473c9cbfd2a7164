"""docs/cloud-code.md: every Python example runs, and stands beside its JavaScript."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

import cloud.code
from cloud.code import (
    CloudCode,
    CloudRequest,
    FileTriggerRequest,
    FindTriggerRequest,
    JobRequest,
    TriggerRequest,
)
from cloud.objects import ObjectAccess, ParseObject
from cloud.validation import Field, Validator

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "cloud-code.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
EXAMPLES = [code for language, code in BLOCKS if language == "python"]
REQUESTS = (CloudRequest, TriggerRequest, FindTriggerRequest, FileTriggerRequest, JobRequest)


@pytest.fixture
def registry(monkeypatch):
    """A registry of the test's own in place of the process's."""
    monkeypatch.setattr(cloud.code, "cloud", CloudCode())
    return cloud.code.cloud


def test_every_python_example_is_followed_by_its_javascript():
    languages = [language for language, _ in BLOCKS]
    assert languages == ["python", "javascript"] * len(EXAMPLES)


@pytest.mark.parametrize("example", EXAMPLES)
def test_example_defines_what_it_shows(registry, example):
    exec(compile(example, "docs/cloud-code.md", "exec"), {})  # noqa: S102 - our own page
    defined = [
        *registry._functions,
        *(f"{kind} {class_name}" for kind, class_name in registry._triggers),
        *registry._jobs,
    ]
    assert len(defined) == example.count("\n@cloud.")


@pytest.mark.parametrize("at", range(0, len(BLOCKS), 2))
def test_both_languages_define_the_same_names(at):
    (_, python), (_, javascript) = BLOCKS[at : at + 2]
    names = re.findall(r"@cloud\.\w+\(\s*\"(\w+)\"", python)
    assert re.findall(r"Parse\.Cloud\.(?!run)\w+\(\"(\w+)\"", javascript) == names


def test_every_member_that_the_page_names_exists():
    known = {f.name for kind in REQUESTS for f in fields(kind)}
    assert set(re.findall(r"`request\.([a-z_]+)\b", PAGE)) <= known
    python = "".join(EXAMPLES)
    assert set(re.findall(r"\brequest\.([a-z_]+)\b", python)) <= known
    access = {name for name in vars(ObjectAccess) if not name.startswith("_")}
    assert set(re.findall(r"\.(?:objects|as_master)\.([a-z_]+)", python)) == access
    members = {*dir(ParseObject), *access, *dir(str), *dir(dict)}
    assert set(re.findall(r"\bpost\.([a-z_]+)", python)) <= members


@pytest.mark.parametrize("kind", [Validator, Field])
def test_every_rule_of_validators_has_a_row(kind):
    assert {f.name for f in fields(kind)} <= set(re.findall(r"^\| `([a-z_]+)` ", PAGE, re.M))
