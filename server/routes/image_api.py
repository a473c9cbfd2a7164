"""The plain routes of the Node original: classify an image without any SDK."""

import logging

from flask import Blueprint, Response, current_app, request

from cloud.moderation import sources
from cloud.moderation.errors import (
    AddressRefused,
    FetchError,
    FetchTimedOut,
    ImageTooManyBytes,
    InvalidSource,
    InvalidUrl,
    ModerationError,
    StoreUnavailable,
)
from cloud.moderation.predictions import to_objects
from cloud.moderation.types import ImageSource, Outcome
from ml_models.errors import (
    ClassifierBusy,
    DecodeError,
    ImageTooLarge,
    MlModelsError,
    ModelError,
    UnsupportedImage,
)
from server.body import whole_body
from server.parse.errors import ParseError
from server.parse.request import parse_body
from server.rate_limits import TooManyRequests
from server.routes.answers import json_answer
from server.services import Services

logger = logging.getLogger(__name__)

_RETRY_AFTER_S = "1"

# The first class that fits counts, so the special stand before the general.
_STATUSES: list[tuple[type[Exception], int]] = [
    (InvalidSource, 400),
    (InvalidUrl, 400),
    (AddressRefused, 400),
    (ImageTooManyBytes, 413),
    (ImageTooLarge, 413),
    (UnsupportedImage, 415),
    (DecodeError, 422),
    (FetchTimedOut, 504),
    (FetchError, 502),
    (ClassifierBusy, 503),
    (ModelError, 503),
    (StoreUnavailable, 503),
]


def image_blueprint(services: Services) -> Blueprint:
    """`/api/image/classify` and `/api/image/is_safe`; no key needed, as in the original."""
    blueprint = Blueprint("image_api", __name__, url_prefix="/api/image")

    @blueprint.before_request
    def count() -> None:
        services.rate_limits.check_image(request.remote_addr or "")

    @blueprint.errorhandler(TooManyRequests)
    def say_when(error: TooManyRequests) -> Response:
        response = json_answer({"error": error.message}, 429)
        response.headers["Retry-After"] = str(error.retry_after_s)
        return response

    @blueprint.route("/classify", methods=["GET", "POST"])
    def classify() -> Response:
        return json_answer(to_objects(services.moderation.classify(_source()).predictions))

    @blueprint.route("/is_safe", methods=["GET", "POST"])
    def is_safe() -> Response:
        classification = services.moderation.classify(_source())
        outcome = classification.verdict.outcome
        return json_answer(
            {
                "predictions": to_objects(classification.predictions),
                "isSafe": outcome is Outcome.APPROVED,
                "isToxic": outcome is Outcome.REJECTED,
            }
        )

    @blueprint.errorhandler(ModerationError)
    @blueprint.errorhandler(MlModelsError)
    def say_why(error: ModerationError | MlModelsError) -> Response:
        logger.info("%s %r refused: %s", request.method, request.path, error)
        status = next((code for kind, code in _STATUSES if isinstance(error, kind)), 500)
        response = json_answer({"error": error.public_message}, status)
        if status == 503:
            response.headers["Retry-After"] = _RETRY_AFTER_S
        return response

    return blueprint


def _source() -> ImageSource:
    """`url` in the query, as in the original, or with POST what the body holds."""
    if request.method == "POST":
        return _source_in_body()
    return sources.from_url(request.args.get("url"))


def _source_in_body() -> ImageSource:
    """A multipart file of any name, JSON with `base64` or `url`, or the raw bytes of an image."""
    if request.mimetype == "multipart/form-data":
        uploads = [file for files in request.files.listvalues() for file in files]
        if len(uploads) != 1:
            raise _not_one_image()
        return sources.from_bytes(uploads[0].read())
    data = whole_body(request.environ, current_app.config["MAX_CONTENT_LENGTH"])
    if request.mimetype == "application/json" or data[:1] == b"{":
        return _source_in_json(data)
    return sources.from_bytes(data)


def _source_in_json(data: bytes) -> ImageSource:
    try:
        body = parse_body(data, "application/json")
    except ParseError as error:
        raise InvalidSource(error.message, error.message) from None
    if ("base64" in body) == ("url" in body):
        raise _not_one_image()
    return (
        sources.from_base64(body["base64"]) if "base64" in body else sources.from_url(body["url"])
    )


def _not_one_image() -> InvalidSource:
    sentence = (
        'Send one image: a multipart file, the raw bytes, {"base64": "..."} or {"url": "..."}.'
    )
    return InvalidSource(sentence, sentence)
