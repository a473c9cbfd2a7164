"""`POST /functions/<name>`: cloud functions."""

from functools import partial
from typing import Any

from cloud.code import CloudRequest, cloud
from cloud.errors import SCRIPT_FAILED
from cloud.running import run_function
from server.files.urls import file_url
from server.parse.decode import decode
from server.parse.errors import ParseError
from server.parse.results import result_json
from server.routes.router import Call, ParseRouter
from server.services import Services


def add_routes(router: ParseRouter, services: Services) -> None:
    """Answer calls of what `@cloud.define` has registered."""

    def run(call: Call) -> dict[str, Any]:
        name = call.path["name"]
        function = cloud.function(name)
        if function is None:
            raise ParseError(SCRIPT_FAILED, f'Invalid function: "{name}"')
        request = CloudRequest.of(
            services.context_of(call.caller, dict(call.context)),
            function_name=name,
            params={key: decode(value) for key, value in call.params.items()},
        )
        result = run_function(function, request)
        url_of = partial(file_url, services.settings, call.mount_url)
        return {"result": result_json(result, url_of)}

    router.add("POST", "/functions/<name>", run)
