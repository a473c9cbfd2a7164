"""The policy in force, its versions, and what another one would have done."""

from typing import Protocol


class Policies(Protocol):
    """Reads and changes the policy."""
