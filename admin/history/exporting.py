"""Decisions as files to take away: what stands in each row, and the rows as CSV or JSON, streamed.

Nothing of a row is kept once it is written.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cloud.moderation.items import is_person
from cloud.moderation.statements import FIELDS, LoggedDecision, is_statement, statement

Row = Mapping[str, Any]

_OWN = (
    "item", "number", "class_name", "object_id", "column", "from", "to", "decided_at",
    "decided_by", "reasons", "reason_code", "scores", "model", "policy_version", "undoes", "undone",
)  # fmt: skip
_PERSONAL = ("decided_by_id", "uploader", "note")
_PREFIX = "parsewarden_"
# A cell that begins like this is a formula to a spreadsheet: OWASP, "CSV Injection".
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_ROWS_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Export:
    """What is exported: the Commission's fields alone, of statements of reasons; or all decisions,
    with columns of our own, personal data among them if need be."""

    statements_only: bool = True
    personal: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns, in order."""
        if self.statements_only:
            return FIELDS
        own = (*_OWN, *_PERSONAL) if self.personal else _OWN
        return (*FIELDS, *(_PREFIX + name for name in own))

    def rows(
        self, decisions: Iterable[LoggedDecision], reasons: Mapping[str, str]
    ) -> Iterator[Row]:
        """Yield a row for each decision; `reasons` are the house's words for codes."""
        for logged in decisions:
            if not self.statements_only:
                own = _own(logged) | (_personal(logged) if self.personal else {})
                named = {_PREFIX + name: value for name, value in own.items()}
                yield statement(logged, reasons) | named
            elif is_statement(logged):
                yield statement(logged, reasons)


def as_csv(rows: Iterable[Row], columns: Sequence[str]) -> Iterator[str]:
    """Yield the rows as CSV by RFC 4180; lists and objects stand in it as JSON."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(columns)
    for number, row in enumerate(rows):
        writer.writerow([_cell(row[column]) for column in columns])
        if number % _ROWS_AT_ONCE == 0:
            yield _taken(buffer)
    yield _taken(buffer)


def as_json(rows: Iterable[Row], name: str) -> Iterator[str]:
    """Yield the rows as an object with one list, a row a line."""
    yield f'{{"{name}": ['
    for number, row in enumerate(rows):
        yield ("," if number else "") + "\n" + json.dumps(row, ensure_ascii=False)
    yield "\n]}\n"


def _taken(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return f"'{value}" if value.startswith(_FORMULA) else value


def _own(logged: LoggedDecision) -> dict[str, Any]:
    decision, evidence = logged.decision, logged.decision.evidence
    subject = decision.subject
    return {
        "item": decision.item_id,
        "number": decision.number,
        "class_name": subject.class_name,
        "object_id": subject.object_id,
        "column": subject.column,
        "from": decision.before.value,
        "to": decision.after.value,
        "decided_at": decision.decided_at.isoformat(timespec="milliseconds"),
        "decided_by": _kind(decision.decided_by),
        "reasons": [reason for reason in decision.reasons if "user:" not in reason],
        "reason_code": decision.remark.category,
        "scores": {p.label.value: p.probability for p in evidence.predictions},
        "model": " ".join(filter(None, (evidence.model_name, evidence.model_version))) or None,
        "policy_version": evidence.policy_version,
        "undoes": decision.undoes,
        "undone": logged.was_undone(),
    }


def _personal(logged: LoggedDecision) -> dict[str, Any]:
    decision = logged.decision
    return {
        "decided_by_id": decision.decided_by,
        "reasons": list(decision.reasons),
        "uploader": logged.uploader,
        "note": decision.remark.note,
    }


def _kind(decided_by: str) -> str:
    """Who decided, without saying which person."""
    if not is_person(decided_by) or decided_by == "master key":
        return decided_by
    return "owner" if decided_by.startswith("owner:") else "moderator"
