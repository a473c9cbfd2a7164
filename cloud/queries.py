"""A find in the hands of a trigger."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Query:
    """What is asked of a class; a before_find changes it, or returns another one.

    `where` is Parse's JSON form, as the client sent it, in which typed values of `cloud.values` may
    stand as well. `order` names columns, with a leading `-` for descending; `include` names
    pointers to follow. `keys` are the columns that are wanted, and `exclude_keys` those that are
    not; None where nothing was said.
    """

    class_name: str
    where: dict[str, Any] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    limit: int = 100
    skip: int = 0
    include: list[str] = field(default_factory=list)
    include_all: bool = False
    keys: list[str] | None = None
    exclude_keys: list[str] | None = None
