"""What cloud code may use of the server: objects as the caller or as master, files, moderation."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from cloud.code import RequestContext
from cloud.errors import CloudError
from cloud.moderation.appeals import Appeals, Appellant, Standing
from cloud.moderation.classification import ClassificationService
from cloud.moderation.items import Subject
from cloud.objects import ParseObject
from server.auth import Caller
from server.objects.parse_objects import to_parse_object
from server.objects.service import ParseObjects
from server.parse.errors import OBJECT_NOT_FOUND, ParseError
from server.parse.query import FindRequest, read_find
from server.storage.port import FileStore


def cloud_context(
    objects: ParseObjects,
    files: FileStore,
    moderation: ClassificationService,
    appeals: Appeals,
    caller: Caller,
    context: dict[str, Any],
) -> RequestContext:
    """Make what functions, triggers and jobs of one call share."""
    if caller.maintenance:  # which opens nothing to cloud code
        caller = replace(caller, maintenance=False)
    return RequestContext(
        master=caller.master,
        read_only=caller.read_only,
        user=None if caller.user is None else ParseObject("_User", caller.user, {}),
        ip=caller.ip,
        installation_id=caller.installation_id,
        headers=caller.headers,
        context=context,
        objects=CloudObjects(objects, caller, context),
        as_master=CloudObjects(objects, caller, context, as_master=True),
        roles=lambda: caller.role_names,
        stored_file=files.read,
        moderation=moderation,
        appeals=CallersAppeals(appeals, caller),
    )


class CloudObjects:
    """The ObjectAccess of one caller, or with `as_master` one with all rights; see there.

    What each call reads is bounded by itself: the code may go through a class page by page.
    """

    def __init__(
        self,
        objects: ParseObjects,
        caller: Caller,
        context: dict[str, Any],
        *,
        as_master: bool = False,
    ) -> None:
        self._objects, self._calls, self._context = objects, caller, context
        self._as_master = as_master

    @cached_property
    def _caller(self) -> Caller:  # made when it is used: most calls use neither of the two
        caller = self._calls
        budget = None if caller.budget is None else caller.budget.another()
        if self._as_master:
            return replace(caller, master=True, read_only=False, budget=budget)
        return replace(caller, budget=budget, find_role_names=lambda _user_id: caller.role_names)

    def _reader(self) -> Caller:
        if self._caller.budget is not None:
            self._caller.budget.renew()
        return self._caller

    def get(
        self, class_name: str, object_id: str, include: Sequence[str] = ()
    ) -> ParseObject | None:
        request = _request(include=include)
        try:
            found = self._objects.get(self._reader(), class_name, object_id, request, self._context)
        except ParseError as error:
            if error.code == OBJECT_NOT_FOUND:
                return None
            raise
        return to_parse_object(class_name, found.documents[0])

    def find(
        self,
        class_name: str,
        where: Mapping[str, Any] | None = None,
        *,
        order: Sequence[str] = (),
        limit: int = 100,
        skip: int = 0,
        include: Sequence[str] = (),
    ) -> list[ParseObject]:
        request = _request(where, order=order, limit=limit, skip=skip, include=include)
        found = self._objects.find(self._reader(), class_name, request, self._context)
        return [to_parse_object(found.schema.class_name, row) for row in found.documents]

    def first(
        self,
        class_name: str,
        where: Mapping[str, Any] | None = None,
        *,
        order: Sequence[str] = (),
        include: Sequence[str] = (),
    ) -> ParseObject | None:
        found = self.find(class_name, where, order=order, limit=1, include=include)
        return found[0] if found else None

    def count(self, class_name: str, where: Mapping[str, Any] | None = None) -> int:
        return self._objects.count(self._reader(), class_name, where or {}, self._context)

    def save(self, obj: ParseObject) -> ParseObject:
        caller, class_name, changes = self._caller, obj.class_name, obj.changes
        if obj.id is None:
            saved = self._objects.create(
                caller, class_name, changes, self._context, from_cloud_code=True
            )
        else:
            saved = self._objects.update(
                caller, class_name, obj.id, changes, self._context, from_cloud_code=True
            )
        obj.saved_as(saved.document)
        return obj

    def delete(self, obj: ParseObject) -> None:
        if obj.id is None:
            raise CloudError(f"a {obj.class_name} that was never saved cannot be deleted")
        self._objects.delete(self._caller, obj.class_name, obj.id, self._context)


class CallersAppeals:
    """The ImageAppeals of one caller; see there."""

    def __init__(self, appeals: Appeals, caller: Caller) -> None:
        self._appeals, self._caller = appeals, caller
        self._appellant = Appellant(caller.user_id, caller.master)

    def covers(self, class_name: str, column: str) -> bool:
        return self._appeals.covers(class_name, column)

    def standing(self, image: Subject) -> Standing | None:
        return self._appeals.standing(image, self._appellant)

    def appeal(self, image: Subject, text: str) -> Standing:
        self._caller.require_write()
        return self._appeals.appeal(image, text, self._appellant)


def _request(where: Mapping[str, Any] | None = None, **options: Any) -> FindRequest:
    params = dict(options)
    for name in ("order", "include"):
        params[name] = ",".join(params.get(name, ()))
    given = {name: value for name, value in params.items() if value != ""}
    return read_find({**given, "where": dict(where or {})})
