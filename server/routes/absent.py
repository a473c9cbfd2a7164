"""What of Parse this server does not have, and how it says so: with the answers of a Parse Server
in which nobody has set it up.

Dashboards and SDKs ask for these without being told to.
"""

from typing import Any

from server.parse.errors import PUSH_MISCONFIGURED, ParseError
from server.routes.router import Call, Handler, ParseRouter

_ENABLE = "Enable Parse Server option `security.enableCheck` to run security check."


def add_routes(router: ParseRouter) -> None:
    """Answer for webhooks of cloud code, events, push, logs and the security check."""
    router.add("GET", "/hooks/functions", _for_master([]))
    router.add("GET", "/hooks/triggers", _for_master([]))
    router.add("POST", "/events/<name>", lambda call: {})
    router.add("POST", "/push", _push)
    router.add("GET", "/push_audiences", _for_master({"results": []}))
    router.add("GET", "/scriptlog", _for_master([]))
    router.add("GET", "/security", _security)


def _for_master(answer: Any) -> Handler:
    def handle(call: Call) -> Any:
        call.caller.require_master()
        return answer

    return handle


def _push(call: Call) -> Any:
    call.caller.require_master()
    raise ParseError(PUSH_MISCONFIGURED, "Missing push configuration")


def _security(call: Call) -> Any:
    call.caller.require_master()
    raise ParseError(None, _ENABLE, status=409)
