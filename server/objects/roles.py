"""Roles: which a user has, directly and through roles that are part of others, and their rules."""

from cloud.operations import Delete, Set
from server.objects.save import ClassRules, Save
from server.objects.system_classes import SYSTEM_CLASSES
from server.parse.errors import INCORRECT_TYPE, ParseError
from server.storage.port import Database, Index, Join, OneOf, Query

INDEXES = [Index("name_1", ("name",), unique=True)]

_USERS = Join("users", "_Role")
_CHILDREN = Join("roles", "_Role")


class Roles:
    """Looks up roles; nothing is cached, so a change holds from the next call on."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def names_of(self, user_id: str) -> tuple[str, ...]:
        """Return the names of all roles of a user, sorted; cycles of roles end."""
        found: set[str] = set()
        new = set(self._database.relations.owning_ids(_USERS, [user_id]))
        while new:
            found |= new
            new = set(self._database.relations.owning_ids(_CHILDREN, sorted(new))) - found
        if not found:
            return ()
        query = Query(OneOf("objectId", tuple(sorted(found))), columns=frozenset(["name"]))
        rows = self._database.objects.find(SYSTEM_CLASSES["_Role"], query)
        return tuple(sorted(row["name"] for row in rows if isinstance(row.get("name"), str)))


class RoleRules(ClassRules):
    """A role has a name, and an ACL, for one that anybody can change is no role."""

    def check(self, save: Save) -> None:
        """See ClassRules."""
        for column in ("name", "ACL"):
            removed = save.changes.get(column) in (Delete(), Set(None), Set(""))
            if removed or (save.creates and save.value(column) is None):
                raise ParseError(INCORRECT_TYPE, f"{column} is required.")
