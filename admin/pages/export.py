"""Decisions to take away, for admins: statements of reasons, or all there is."""

from flask import Blueprint, Response, abort, render_template, request, stream_with_context

from admin.access import admins_only
from admin.history.exporting import Export, as_csv, as_json
from admin.history.query import Query, read_query, write_day
from admin.history.shown import chips
from admin.reasons import reason_labels
from admin.services import PanelServices
from admin.texts import catalogue

_IN_THE_FORM = ("decided_from", "decided_until")


def add_routes(panel: Blueprint, services: PanelServices) -> None:
    """Add the page and the files."""

    @panel.get("/export")
    @admins_only
    def export() -> tuple[str, int]:
        query = read_query(request.args)
        return _page(services, query), 400 if query.problems else 200

    @panel.get("/export/decisions.<any(csv, json):kind>")
    @admins_only
    def export_file(kind: str) -> Response:
        query = read_query(request.args)
        if query.problems:
            abort(400)
        what = Export(
            statements_only=request.args.get("what") != "all",
            personal="personal" in request.args,
        )
        return _file(services, query, what, kind)


def _page(services: PanelServices, query: Query) -> str:
    deciders = services.accounts.names({query.search.decided_by or "rules"})
    categories = reason_labels(services.house_rules.current().reasons)
    filters = [each for each in chips(query, deciders, categories) if each[0] not in _IN_THE_FORM]
    return render_template("export.html", query=query, chips=filters, in_form=_IN_THE_FORM)


def _file(services: PanelServices, query: Query, what: Export, kind: str) -> Response:
    rows = what.rows(services.history.decisions(query.search), _reasons_in_english(services))
    name = "statements" if what.statements_only else "decisions"
    text = as_csv(rows, what.columns) if kind == "csv" else as_json(rows, name)
    media_type = "text/csv; charset=utf-8" if kind == "csv" else "application/json"
    answer = Response(stream_with_context(text), content_type=media_type)
    today = write_day(services.now())
    answer.headers.set("Content-Disposition", "attachment", filename=f"{name}-{today}.{kind}")
    return answer


def _reasons_in_english(services: PanelServices) -> dict[str, str]:
    """A file is read by others than whoever asked for it: the owner's words, or plain English."""
    english, reasons = catalogue("en"), services.house_rules.current().reasons
    return {
        each.code: each.label or english.get(f"house.reason_{each.code}", each.code)
        for each in reasons
    }
