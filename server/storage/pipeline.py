"""The third small port of a database: pipelines over a class's rows, for figures and reports.

A pipeline speaks of rows as Parse Server lays them out in MongoDB, whatever the database: `_id`,
`_created_at`, a Pointer as `_p_owner: "Class$id"`, a File as its name. So paths and values in it
are those that stand there, and every database gives the same rows.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from server.storage.port import ClassSchema, Condition, Hint, SortKey

if TYPE_CHECKING:
    from server.storage.budget import Budget

Row = dict[str, Any]

ACCOUNT_KEYS = frozenset(
    [
        "_account_lockout_expires_at", "_email_verify_token", "_email_verify_token_expires_at",
        "_failed_login_count", "_password_changed_at", "_perishable_token",
        "_perishable_token_expires_at", "_tombstone",
    ]
)  # fmt: skip
"""What belongs to the server in a user's row, as Parse Server names it. No hash of a password."""

HIDDEN_KEYS = ACCOUNT_KEYS.union(
    [
        "_hashed_password", "_password_history", "_session_token", "_mfa",
        # the panel's
        "_password_sha256", "_recovery_sha256", "_totp_nonce", "_totp_step",
    ]
)  # fmt: skip
"""What is taken out of every row before the first stage sees it."""

WITH_HIDDEN_KEYS = re.compile(r"_|ModerationPanel")
"""How the names of the classes begin that have such keys."""


def without_hidden(value: Any) -> Any:
    """Return a row, or what stands in it, without hidden keys at any depth."""
    match value:
        case dict():
            members = value.items()
            return {key: without_hidden(one) for key, one in members if key not in HIDDEN_KEYS}
        case list():
            return [without_hidden(element) for element in value]
    return value


# --- expressions, with MongoDB's meaning ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Literal:
    """A value as it stands in rows."""

    value: Any


@dataclass(frozen=True, slots=True)
class Field:
    """What a path leads to, through every object of the arrays on its way."""

    path: str


@dataclass(frozen=True, slots=True)
class WholeRow:
    """The row, as `$$ROOT` has it."""


@dataclass(frozen=True, slots=True)
class Members:
    """An object; what is missing is no member."""

    members: Mapping[str, "Expression"]


@dataclass(frozen=True, slots=True)
class Elements:
    """An array; what is missing is null."""

    elements: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Apply:
    """An operator out of OPERATORS, with its arguments in order."""

    operator: str
    arguments: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class DateText:
    """A date in UTC as text, by `$dateToString`'s format out of DATE_PARTS; null stays null."""

    date: "Expression"
    format: str


Expression = Literal | Field | WholeRow | Members | Elements | Apply | DateText

_ANY_NUMBER = 100
OPERATORS: Mapping[str, tuple[int, int]] = {
    **dict.fromkeys(["$add", "$multiply", "$concat", "$and", "$or"], (0, _ANY_NUMBER)),
    **dict.fromkeys(["$sum", "$avg", "$min", "$max", "$ifNull"], (1, _ANY_NUMBER)),
    "$concatArrays": (0, _ANY_NUMBER),
    **dict.fromkeys(["$subtract", "$divide", "$mod", "$arrayElemAt", "$in", "$split"], (2, 2)),
    **dict.fromkeys(["$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$cmp"], (2, 2)),
    **dict.fromkeys(["$cond", "$substr", "$substrBytes", "$substrCP"], (3, 3)),
    **dict.fromkeys(["$not", "$abs", "$ceil", "$floor", "$size", "$isArray"], (1, 1)),
    **dict.fromkeys(["$toLower", "$toUpper", "$strLenCP", "$first", "$last"], (1, 1)),
    **dict.fromkeys(["$year", "$month", "$dayOfMonth", "$dayOfWeek", "$dayOfYear"], (1, 1)),
    **dict.fromkeys(["$hour", "$minute", "$second", "$millisecond"], (1, 1)),
    "$round": (1, 2),
}
"""Operators, and how many arguments each takes at least and at most."""

ACCUMULATORS = frozenset(
    [
        "$sum", "$avg", "$min", "$max", "$first", "$last", "$push", "$addToSet", "$stdDevPop",
        "$stdDevSamp",
    ]
)  # fmt: skip

DATE_PARTS = frozenset("YmdHMSLjuw%")


# --- stages ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Match:
    """Only rows that fulfil the condition."""

    where: Condition


@dataclass(frozen=True, slots=True)
class MatchExpression:
    """Only rows of which the expression is true."""

    test: Expression


@dataclass(frozen=True, slots=True)
class Project:
    """Only what stands at `kept`, and what is computed; `_id` stays unless `with_id` is False."""

    kept: tuple[str, ...]
    computed: Mapping[str, Expression]
    with_id: bool = True


@dataclass(frozen=True, slots=True)
class AddFields:
    """The row, with more in it."""

    computed: Mapping[str, Expression]


@dataclass(frozen=True, slots=True)
class Unset:
    """The row without what stands at these paths."""

    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """One row for each `key`, which is its `_id`; a missing key is null.

    `fields` has an accumulator and its argument for each name.
    """

    key: Expression
    fields: Mapping[str, tuple[str, Expression]]


@dataclass(frozen=True, slots=True)
class Sort:
    """By these keys, the first counts most."""

    order: tuple[SortKey, ...]


@dataclass(frozen=True, slots=True)
class Skip:
    """Without the first rows."""

    count: int


@dataclass(frozen=True, slots=True)
class Limit:
    """The first rows alone."""

    count: int


@dataclass(frozen=True, slots=True)
class Unwind:
    """One row for each element of an array; for a plain value, one. `index_name` says which."""

    path: str
    keeps_empty: bool = False
    index_name: str | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """One row that says how many there are; none if there are none."""

    name: str


@dataclass(frozen=True, slots=True)
class ReplaceRow:
    """What the expression is, which must be an object."""

    row: Expression


Stage = (
    Match | MatchExpression | Project | AddFields | Unset | Group | Sort | Skip | Limit | Unwind
    | Count | ReplaceRow
)  # fmt: skip


# --- the port -------------------------------------------------------------------------------------


class PipelineStore(Protocol):
    """Runs pipelines; thread-safe. It may take seconds where there are very many objects.

    Raises RefusedQuery for what an expression cannot compute, such as the sum of a text, and as
    TooMuchData for what is more than the budget, if there is one.
    """

    def run(
        self,
        schema: ClassSchema,
        stages: Sequence[Stage],
        *,
        hint: Hint | None = None,
        comment: str | None = None,
        read_preference: str | None = None,
        budget: "Budget | None" = None,
    ) -> list[Row]:
        """Return the rows that come out of the last stage; no row ever had a hidden key.

        The options are those of a Query.
        """

    def explain(
        self, schema: ClassSchema, stages: Sequence[Stage], verbosity: str, hint: Hint | None = None
    ) -> Any:
        """Return what the database says of how it would run them, as JSON of its own."""

    def distinct(
        self, schema: ClassSchema, path: str, where: Condition, budget: "Budget | None" = None
    ) -> list[Any]:
        """Return every value that stands at a path of rows that fulfil the condition, each once.

        `path` is as in rows, `where` as in queries. An array counts by its elements.
        """
