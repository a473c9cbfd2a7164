"""`GET /serverInfo`: which features a dashboard may show, for the master key."""

from typing import Any

from server.routes.router import Call, ParseRouter

# The version whose protocol we speak; SDKs and dashboards compare it.
PARSE_SERVER_VERSION = "7.3.0"

_NOTHING = {"create": False, "read": False, "update": False, "delete": False}
_FEATURES: dict[str, Any] = {
    "globalConfig": {"create": True, "read": True, "update": True, "delete": True},
    "hooks": _NOTHING,
    "cloudCode": {"jobs": True},
    "logs": {"level": False, "size": False, "order": False, "until": False, "from": False},
    "push": {
        "immediatePush": False,
        "scheduledPush": False,
        "storedPushData": False,
        "pushAudiences": False,
        "localization": False,
    },
    "schemas": {
        "addField": True,
        "removeField": True,
        "addClass": True,
        "removeClass": True,
        "clearAllDataFromClass": True,
        "exportClass": False,
        "editClassLevelPermissions": True,
        "editPointerPermissions": True,
    },
    "settings": {"securityCheck": False},
}


def add_routes(router: ParseRouter) -> None:
    """Tell what this server can do."""

    def info(call: Call) -> Any:
        call.caller.require_master()
        return {"features": _FEATURES, "parseServerVersion": PARSE_SERVER_VERSION}

    router.add("GET", "/serverInfo", info)
