"""Being written."""

from flask import Blueprint, render_template

from admin.services import PanelServices


def add_routes(panel: Blueprint, services: PanelServices) -> None:
    """Add the page."""
    panel.add_url_rule("/sign-in", "sign_in", lambda **_: render_template("error.html", status=501, sentence="Being written."))
    panel.add_url_rule("/sign-out", "sign_out", lambda **_: render_template("error.html", status=501, sentence="Being written."))
    panel.add_url_rule("/second-factor", "second_factor", lambda **_: render_template("error.html", status=501, sentence="Being written."))
