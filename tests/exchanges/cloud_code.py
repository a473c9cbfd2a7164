"""The cloud functions that the recorded exchanges and the SDK's cases call."""

from datetime import UTC, datetime

from cloud.code import cloud
from cloud.errors import CloudError
from cloud.objects import ParseObject
from cloud.validation import Field, Validator
from cloud.values import GeoPoint


@cloud.define("hello")
def hello(request):
    return "Hello from Cloud Code"


@cloud.define("echo")
def echo(request):
    return request.params


@cloud.define("date")
def date(request):
    moment = datetime(1970, 1, 1, tzinfo=UTC)
    return {"d": moment, "g": GeoPoint(1, 2), "f": 1.0, "big": 1e21, "nan": float("nan")}


@cloud.define("nul")
def nul(request):
    return None


@cloud.define("undef")
def undef(request):
    pass


@cloud.define("boom")
def boom(request):
    raise RuntimeError("boom message")


@cloud.define("boomParse")
def boom_parse(request):
    raise CloudError("validation says no", 142)


@cloud.define("obj")
def obj(request):
    return request.as_master.save(ParseObject("Thing", {"a": 1}))


@cloud.define("whoami")
def whoami(request):
    known = {
        "user": request.user,
        "master": request.master,
        "installationId": request.installation_id,
        "ip": request.ip,
        "functionName": request.function_name,
        "context": request.context,
        "params": request.params,
    }
    return {name: value for name, value in known.items() if value is not None}


@cloud.define("needsUser", Validator(require_user=True))
def needs_user(request):
    return "ok"


@cloud.define("needsMaster", Validator(require_master=True))
def needs_master(request):
    return "ok"


@cloud.define("needsParam", Validator(fields={"n": Field(required=True, type=int)}))
def needs_param(request):
    return request.params["n"]
