"""The cloud functions by which apps show where images stand, and owners appeal."""

from dataclasses import dataclass
from typing import Any

from cloud.code import CloudError, CloudRequest, ValidationFailed, cloud
from cloud.moderation.appeals import AppealRefused, NotTheOwner, Standing
from cloud.moderation.items import State, Subject, mirror_columns
from cloud.objects import ParseObject
from cloud.values import File

_OBJECT_NOT_FOUND, _OPERATION_FORBIDDEN = 101, 119  # as Parse numbers them
_MAX_TEXT_LENGTH = 2000


@cloud.define("moderationStatus")
def moderation_status(request: CloudRequest) -> dict[str, Any]:
    """Say where the image of an object stands that the caller may read."""
    image = _image_named_by(request)
    standing = request.appeals.standing(image.subject)
    if standing is None:  # from before moderation
        standing = Standing(image.state_by_columns)
    elif not image.shows_columns:  # whom the app does not show them is not told another way
        raise _no_such_object()
    return _to_json(standing)


@cloud.define("moderationAppeal")
def moderation_appeal(request: CloudRequest) -> dict[str, Any]:
    """Take the owner's appeal against the rejection of an image."""
    text = _text(request.params.get("text"))
    image = _image_named_by(request)
    try:
        return _to_json(request.appeals.appeal(image.subject, text))
    except NotTheOwner as error:
        raise CloudError(str(error), _OPERATION_FORBIDDEN) from error
    except AppealRefused as error:
        raise CloudError(str(error)) from error


@dataclass(frozen=True, slots=True)
class _Image:
    """A file of an object, as the caller sees it."""

    obj: ParseObject
    subject: Subject

    @property
    def shows_columns(self) -> bool:
        """Whether the caller may see what moderation writes; an item's object has it always."""
        names = mirror_columns(self.subject.class_name, self.subject.column)
        return all(name in self.obj for name in names[:3])

    @property
    def state_by_columns(self) -> State:
        """The state of an image from before moderation.

        The Node original says safe also of what it could not classify; its predictions tell.
        """
        names = mirror_columns(self.subject.class_name, self.subject.column)
        safe, deleted, review, predictions = (self.obj.get(name) for name in names)
        if deleted is True:
            return State.REJECTED
        if review is True:
            return State.REVIEW
        return State.APPROVED if safe is True and predictions else State.PENDING


def _image_named_by(request: CloudRequest) -> _Image:
    """Read the object as the caller. Unknown and unreadable ones are answered alike."""
    class_name = _name(request, "className", "UserImage")
    column = _name(request, "column", "image")
    object_id = _name(request, "objectId")
    if not request.appeals.covers(class_name, column):
        raise ValidationFailed(f"{class_name}.{column} is not moderated.")
    obj = request.objects.get(class_name, object_id)
    if obj is None:
        raise _no_such_object()
    file = obj.get(column)
    if not isinstance(file, File):
        raise ValidationFailed(f"There is no image in {column}.")
    return _Image(obj, Subject(class_name, object_id, column, file.name))


def _no_such_object() -> CloudError:
    return CloudError("Object not found.", _OBJECT_NOT_FOUND)


def _name(request: CloudRequest, param: str, usual: str = "") -> str:
    value = request.params.get(param, usual)
    if not isinstance(value, str) or not value:
        raise ValidationFailed(f"Validation failed. {param} must be a text.")
    return value


def _text(value: Any) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not 1 <= len(text) <= _MAX_TEXT_LENGTH:
        raise ValidationFailed(
            f"Validation failed. text must be 1 to {_MAX_TEXT_LENGTH} characters."
        )
    return text


def _to_json(standing: Standing) -> dict[str, Any]:
    return {
        "state": standing.state.value,
        "reason": standing.reason,
        "appealed": standing.appealed,
        "canAppeal": standing.can_appeal,
    }
