"""Being written."""

from flask import Blueprint, render_template

from admin.services import PanelServices


def add_routes(panel: Blueprint, services: PanelServices) -> None:
    """Add the page."""
    panel.add_url_rule("/dashboard", "dashboard", lambda **_: render_template("error.html", status=501, sentence="Being written."))
