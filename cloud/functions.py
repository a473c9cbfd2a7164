"""The cloud functions that every installation has."""

from collections.abc import Mapping
from typing import Any

from cloud.code import VALIDATION_ERROR, CloudError, CloudRequest, cloud
from cloud.moderation import sources
from cloud.moderation.errors import InvalidSource
from cloud.moderation.predictions import to_objects
from cloud.moderation.types import ImageSource

_HOW_TO_CALL = (
    'Validation failed. Name one image: {"url": "https://..."}, {"base64": "..."} '
    'or {"image": <Parse.File>}.'
)


@cloud.define("nsfwImageClassify")
def nsfw_image_classify(request: CloudRequest) -> list[dict[str, Any]]:
    """Classify one image: five `{"className", "probability"}`, most probable first."""
    try:
        source = _image_named_by(request.params)
    except InvalidSource as error:
        raise CloudError(f"Validation failed. {error.public_message}", VALIDATION_ERROR) from error
    return to_objects(request.moderation.classify(source).predictions)


def _image_named_by(params: Mapping[str, Any]) -> ImageSource:
    """Find the image in `url` (the original's parameter), `image`, `file` or `base64`.

    A URL, a Parse.File and Parse.Bytes are taken under any of the first three names; the call's
    params may also be the File itself.
    """
    if "__type" in params:
        return _from_value(params)
    named = [name for name in ("url", "image", "file", "base64") if params.get(name) is not None]
    if len(named) != 1:
        raise CloudError(_HOW_TO_CALL, VALIDATION_ERROR)
    value = params[named[0]]
    return sources.from_base64(value) if named == ["base64"] else _from_value(value)


def _from_value(value: Any) -> ImageSource:
    if not isinstance(value, Mapping):
        return sources.from_url(value)
    if value.get("__type") == "Bytes":
        return sources.from_base64(value.get("base64"))
    if value.get("__type") == "File" and value.get("url"):
        return sources.from_url(value["url"])
    raise CloudError(_HOW_TO_CALL, VALIDATION_ERROR)
