"""Being written."""

from flask import Blueprint, render_template

from admin.services import PanelServices


def add_routes(panel: Blueprint, services: PanelServices) -> None:
    """Add the page."""
    panel.add_url_rule(
        "/history",
        "history",
        lambda **_: render_template("error.html", status=501, sentence="Being written."),
    )
    panel.add_url_rule(
        "/items/<item_id>",
        "item",
        lambda **_: render_template("error.html", status=501, sentence="Being written."),
    )
