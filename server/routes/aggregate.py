"""`GET /aggregate/<class>`: pipelines and distinct values, for the master key."""

from typing import Any

from server.parse.aggregate import read_aggregate
from server.routes.object_answers import ObjectAnswers
from server.routes.router import Call, ParseRouter
from server.services import Services


def add_routes(router: ParseRouter, services: Services) -> None:
    """Answer for every class."""
    answers = ObjectAnswers(services.settings)
    aggregator = services.objects.aggregator

    def aggregate(call: Call) -> Any:
        call.caller.require_master()
        schema = services.schemas.for_reading(call.caller, call.path["class_name"])
        request = read_aggregate(call.params, schema)
        if request.distinct is not None:
            return {"results": aggregator.distinct(call.caller, schema, request)}
        if request.explain is not None:
            return {"results": aggregator.explain(schema, request)}
        found = aggregator.run(call.caller, schema, request)
        return {"results": [answers.one(call, row, schema) for row in found]}

    router.add("GET", "/aggregate/<class_name>", aggregate)
