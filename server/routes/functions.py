"""`POST /functions/<name>`: cloud functions."""

import logging
from typing import Any

from cloud.code import SCRIPT_FAILED, CloudError, CloudRequest, cloud
from server.parse.errors import ParseError, as_parse_error
from server.parse.router import Call, ParseRouter
from server.services import Services

logger = logging.getLogger(__name__)


def add_routes(router: ParseRouter, services: Services) -> None:
    """Answer calls of what `@cloud.define` has registered."""

    def run(call: Call) -> dict[str, Any]:
        name = call.path["name"]
        function = cloud.function(name)
        if function is None:
            raise ParseError(SCRIPT_FAILED, f'Invalid function: "{name}"')
        request = CloudRequest(
            function_name=name,
            params=call.params,
            master=call.caller.master,
            ip=call.caller.ip,
            moderation=services.moderation,
            headers=call.headers,
            installation_id=call.caller.installation_id,
            context=call.context,
        )
        try:
            return {"result": function(request)}
        except (Exception, SystemExit) as error:  # cloud code is the user's and may raise anything
            if isinstance(error, Exception) and as_parse_error(error) is not None:
                raise
            logger.exception("cloud function %s failed", name)
            raise CloudError("Script failed. The server's log says why.") from error

    router.add("POST", "/functions/<name>", run)
