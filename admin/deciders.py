"""What deciders are called where a name stands by itself, in a list or at the head of a row.

After "by" it is `Accounts.names` that says who: some languages bend the name there.
"""

from collections.abc import Mapping

from admin.texts import t

_NOBODY_IN_PARTICULAR = ("rules", "memory", "system", "master key")


def by_themselves(names: Mapping[str, str]) -> dict[str, str]:
    """Put names of deciders, by how decisions name them, into the form of a list."""
    return {by: _alone(by, name) for by, name in names.items()}


def _alone(by: str, name: str) -> str:
    return t(f"base.alone_{by.replace(' ', '_')}") if by in _NOBODY_IN_PARTICULAR else name
