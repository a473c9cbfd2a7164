"""The cloud functions that every installation has."""

from typing import Any

from cloud.code import CloudRequest, ValidationFailed, cloud
from cloud.moderation import sources
from cloud.moderation.errors import InvalidSource
from cloud.moderation.predictions import to_objects
from cloud.moderation.types import ImageSource
from cloud.values import File

_HOW_TO_CALL = (
    'Validation failed. Name one image: {"url": "https://..."}, {"base64": "..."} '
    'or {"image": <Parse.File>}.'
)


@cloud.define("nsfwImageClassify")
def nsfw_image_classify(request: CloudRequest) -> list[dict[str, Any]]:
    """Classify one image: five `{"className", "probability"}`, most probable first."""
    try:
        source = _image_named_by(request)
    except InvalidSource as error:
        raise ValidationFailed(f"Validation failed. {error.public_message}") from error
    return to_objects(request.moderation.classify(source).predictions)


def _image_named_by(request: CloudRequest) -> ImageSource:
    """Find the image in `url` (the original's parameter), `image`, `file` or `base64`.

    A URL, a Parse.File and Parse.Bytes are taken under any of the first three names; the call's
    params may also be the File itself.
    """
    params = request.params
    if params.get("__type") == "File" and isinstance(params.get("name"), str):
        return _from_value(File(params["name"]), request)
    named = [name for name in ("url", "image", "file", "base64") if params.get(name) is not None]
    if "__type" in params or len(named) != 1:
        raise ValidationFailed(_HOW_TO_CALL)
    value = params[named[0]]
    return sources.from_base64(value) if named == ["base64"] else _from_value(value, request)


def _from_value(value: Any, request: CloudRequest) -> ImageSource:
    match value:
        case bytes():
            return sources.from_bytes(value)
        case File(name):  # its URL is the client's word; what we keep under the name is the image
            data = request.stored_file(name)
            if data is None:
                raise ValidationFailed(f"Validation failed. There is no file {name}.")
            return sources.from_bytes(data)
        case str():
            return sources.from_url(value)
    raise ValidationFailed(_HOW_TO_CALL)
