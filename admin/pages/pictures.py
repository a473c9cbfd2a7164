"""Pictures of items: what was classified, never what stands at a foreign address by now."""

from flask import Blueprint, Response, render_template

from admin.ports.pictures import NoPicture, NotNow, PictureKind
from admin.services import PanelServices
from admin.texts import t

# What browsers show as a picture; of an original that is anything else, they keep the file.
_SHOWN = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif"})
# A file that pretends to be a picture may do nothing, however it is opened.
_SANDBOX = "sandbox; default-src 'none'; frame-ancestors 'none'"
_KINDS = ", ".join(PictureKind)


def add_routes(panel: Blueprint, services: PanelServices) -> None:
    """Add the pictures; every moderator may see any item's."""

    @panel.get(f"/items/<item_id>/<any({_KINDS}):kind>.jpg")
    def picture(item_id: str, kind: str) -> Response:
        try:
            found = services.pictures.of(item_id, PictureKind(kind))
        except NoPicture as error:
            status = 503 if isinstance(error, NotNow) else 404
            return _missing(t(f"pictures.{error.reason}"), status)
        if found is None:
            return _missing(t("lane.no_picture"), 404)
        answer = _answer(found.data, found.content_type)
        if found.content_type not in _SHOWN:
            answer.headers.set("Content-Disposition", "attachment", filename=item_id)
        return answer


def _missing(sentence: str, status: int) -> Response:
    """Say so by a picture, which browsers show in place of the other."""
    return _answer(render_template("no_picture.svg", sentence=sentence), "image/svg+xml", status)


def _answer(data: bytes | str, content_type: str, status: int = 200) -> Response:
    answer = Response(data, status, content_type=content_type)
    answer.headers["Content-Security-Policy"] = _SANDBOX
    return answer
