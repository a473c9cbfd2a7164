"""Pictures of items: what was classified, never what stands at a foreign address by now."""

from flask import Blueprint, Response, render_template

from admin.services import PanelServices

# What browsers show as a picture; of anything else, they keep the file.
_SHOWN = {"image/jpeg", "image/png", "image/webp", "image/gif"}
# A file that pretends to be a picture may do nothing, however it is opened.
_SANDBOX = "sandbox; default-src 'none'"


def add_routes(panel: Blueprint, services: PanelServices) -> None:
    """Add the pictures; every moderator may see any item's."""

    @panel.get("/items/<item_id>/<any(preview, thumbnail, screen, original):kind>.jpg")
    def picture(item_id: str, kind: str) -> Response:
        found = services.pictures.of(item_id, kind) if hasattr(services.pictures, "of") else None
        if found is None:
            missing = render_template("no_picture.svg")
            return _answer(missing, "image/svg+xml", status=404)
        answer = _answer(found.data, found.content_type)
        if found.content_type not in _SHOWN:
            answer.headers.set("Content-Disposition", "attachment", filename=item_id)
        return answer


def _answer(data: bytes | str, content_type: str, status: int = 200) -> Response:
    answer = Response(data, status, content_type=content_type)
    answer.headers["Content-Security-Policy"] = _SANDBOX
    return answer
