"""`POST /jobs/<name>`, and `POST /jobs` as Parse Dashboard calls it: background jobs."""

from typing import Any

from cloud.code import cloud
from cloud.errors import SCRIPT_FAILED
from server.parse.decode import decode_column
from server.parse.errors import ParseError
from server.routes.router import Answer, Call, ParseRouter
from server.services import Services


def add_routes(router: ParseRouter, services: Services) -> None:
    """Start what `@cloud.job` has registered; the answer does not wait for it."""

    def start(call: Call, name: Any) -> Answer:
        call.caller.require_master()
        call.caller.require_write()
        job = cloud.job_named(name) if isinstance(name, str) else None
        if job is None:
            raise ParseError(SCRIPT_FAILED, "Invalid job.")
        params = decode_column("params", dict(call.params))
        context = services.context_of(call.caller, dict(call.context))
        job_id = services.jobs.start(job, name, params, context)
        return Answer({}, headers={"X-Parse-Job-Status-Id": job_id})

    router.add("POST", "/jobs/<name>", lambda call: start(call, call.path["name"]))
    router.add("POST", "/jobs", lambda call: start(call, call.params.get("jobName")))
