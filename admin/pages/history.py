"""Past decisions: the search, by what is known of an image or by the image itself."""

from urllib.parse import urlencode

from flask import Blueprint, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from admin.deciders import by_themselves
from admin.history.query import Query, read_query, write_place
from admin.history.shown import cards, chips, preferences
from admin.ports.history import FoundPage
from admin.reasons import reason_labels
from admin.services import PanelServices
from admin.texts import t
from cloud.moderation.errors import ImageTooManyBytes
from cloud.moderation.items import State
from ml_models.errors import ClassifierBusy, MlModelsError
from ml_models.types import Label

PAGE_SIZE = 50
_KINDS_OF_DECIDERS = ("rules", "memory", "system", "master key")


def add_routes(panel: Blueprint, services: PanelServices) -> None:
    """Add the page, and the form that an image is sent with."""

    @panel.get("/history")
    def history() -> tuple[str, int]:
        query = read_query(request.args)
        found = FoundPage() if query.problems else _found(services, query)
        return _page(services, query, found), 400 if query.problems else 200

    @panel.post("/history/image")
    def history_image() -> Response:
        query = read_query(request.form)
        address = _searched_by_image(services, query)
        return redirect(f"{url_for('admin.history')}?{urlencode(address)}", 303)

    @panel.get("/history/image")
    def history_image_again() -> Response:
        return redirect(url_for("admin.history"))


def _found(services: PanelServices, query: Query) -> FoundPage:
    if query.image is not None:
        return FoundPage(services.history.copies(query.image, query.search, PAGE_SIZE))
    return services.history.search(query.search, query.place, PAGE_SIZE)


def _searched_by_image(services: PanelServices, query: Query) -> dict[str, str]:
    """Return the address of a search for an image that was sent; it is not kept."""
    file = request.files.get("image")
    data = b"" if file is None else file.read()
    if not data:
        flash(t("history.image_missing"), "error")
        return dict(query.values)
    try:
        taken = services.history.take_print(data)
    except ImageTooManyBytes:
        flash(t("history.image_too_large"), "error")
        return dict(query.values)
    except ClassifierBusy:
        flash(t("history.image_busy"), "warning")
        return dict(query.values)
    except MlModelsError:
        flash(t("history.image_no_model"), "warning")
        return dict(query.values)
    if taken.pdq is None:
        flash(t("history.image_plain"), "warning")
    print_of_it = {"sha256": taken.content_sha256, "pdq": taken.pdq}
    return dict(query.values) | {name: value for name, value in print_of_it.items() if value}


def _page(services: PanelServices, query: Query, page: FoundPage) -> str:
    following = None if page.following is None else write_place(page.following)
    categories = reason_labels(services.house_rules.current().reasons)
    deciders = _deciders(services)
    return render_template(
        "history.html",
        query=query,
        cards=cards(services, page.found),
        chips=chips(query, deciders, categories),
        following=following,
        preferences=preferences(services),
        state_options=[(state, t(f"history.state_{state}")) for state in State],
        label_options=[(label, t(f"base.{label}")) for label in Label],
        categories=categories,
        deciders=deciders,
    )


def _deciders(services: PanelServices) -> dict[str, str]:
    """Whom a search can name, as decisions name them, and in words."""
    machines = by_themselves(services.accounts.names(_KINDS_OF_DECIDERS))
    people = {f"user:{member.user_id}": member.name for member in services.team.members()}
    return {by: machines.get(by, by) for by in _KINDS_OF_DECIDERS} | people
