"""`/cloud_code/jobs`: which jobs there are, and when they run, as Parse Dashboard shows them."""

from collections.abc import Mapping
from typing import Any

from cloud.clock import utc_now
from cloud.code import cloud
from cloud.errors import VALIDATION_ERROR
from server.jobs.schedules import read_schedule
from server.parse.encode import iso_date
from server.parse.errors import INTERNAL_SERVER_ERROR, INVALID_JSON, ParseError
from server.parse.operations import read_changes
from server.parse.query import read_find
from server.routes.object_answers import ObjectAnswers
from server.routes.router import Answer, Call, ParseRouter
from server.services import Services

_CLASS = "_JobSchedule"
_ALL = {"limit": "1000"}


def add_routes(router: ParseRouter, services: Services) -> None:
    """Keep schedules as objects of `_JobSchedule`."""
    objects, answers = services.objects, ObjectAnswers(services.settings)

    def schedules(call: Call) -> list[dict[str, Any]]:
        call.caller.require_master()
        found = objects.find(call.caller, _CLASS, read_find(_ALL))
        results: list[dict[str, Any]] = answers.found(call, found, _CLASS)["results"]
        return results

    def names(call: Call) -> Any:
        in_use = [schedule.get("jobName") for schedule in schedules(call)]
        return {"in_use": in_use, "jobs": list(cloud.job_names)}

    def create(call: Call) -> Answer:
        changes = read_changes(_asked(call), creating=True)
        return answers.saved(call, objects.create(call.caller, _CLASS, changes, call.context))

    def update(call: Call) -> Answer:
        changes = read_changes(_asked(call), creating=False)
        object_id = call.path["object_id"]
        saved = objects.update(call.caller, _CLASS, object_id, changes, call.context)
        return answers.saved(call, saved)

    def delete(call: Call) -> Any:
        call.caller.require_master()
        objects.delete(call.caller, _CLASS, call.path["object_id"], call.context)
        return {}

    router.add("GET", "/cloud_code/jobs", schedules)
    router.add("GET", "/cloud_code/jobs/data", names)
    router.add("POST", "/cloud_code/jobs", create)
    router.add("PUT", "/cloud_code/jobs/<object_id>", update)
    router.add("DELETE", "/cloud_code/jobs/<object_id>", delete)


def _asked(call: Call) -> Mapping[str, Any]:
    """The schedule in the body, which begins now unless it says when.

    Parse's code for a job that is not there is that of a bug; the status says better.
    """
    call.caller.require_master()
    asked = call.body.get("job_schedule")
    if not isinstance(asked, Mapping):
        raise ParseError(INVALID_JSON, "job_schedule must be an object")
    name = asked.get("jobName")
    if name and cloud.job_named(str(name)) is None:
        message = "Cannot Schedule a job that is not deployed"
        raise ParseError(INTERNAL_SERVER_ERROR, message, status=400)
    schedule = {"startAfter": iso_date(utc_now()), **asked}
    try:
        read_schedule({"jobName": "its own", **_kept(schedule)})
    except ValueError as error:
        raise ParseError(VALIDATION_ERROR, str(error)) from None
    return schedule


def _kept(schedule: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in schedule.items() if value != {"__op": "Delete"}}
