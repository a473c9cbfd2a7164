"""The registry of cloud code, and how what it holds is run."""

import logging

import pytest

from cloud.code import (
    CloudCode,
    CloudError,
    CloudRequest,
    Field,
    JobRequest,
    ParseObject,
    RequestContext,
    TriggerKind,
    TriggerRequest,
    ValidationFailed,
    Validator,
)
from cloud.moderation.errors import StoreUnavailable
from cloud.operations import Set
from cloud.running import (
    run_after_delete,
    run_after_save,
    run_before_delete,
    run_before_save,
    run_function,
    run_job,
)
from ml_models.errors import ClassifierBusy

ALICE = ParseObject("_User", {"objectId": "alice"}, {})


def context(**changes):
    fields = {
        "master": False,
        "user": ALICE,
        "ip": "127.0.0.1",
        "installation_id": None,
        "headers": {},
        "context": {},
        "objects": None,
        "as_master": None,
        "roles": lambda: (),
        "stored_file": lambda name: None,
        "moderation": None,
        "appeals": None,
    }
    return RequestContext(**fields | changes)


@pytest.fixture
def cloud(monkeypatch):
    """A registry of the test's own, in which the triggers are looked up."""
    registry = CloudCode()
    monkeypatch.setattr("cloud.running.cloud", registry)
    return registry


def call(cloud, name, params=None, **changes):
    request = CloudRequest.of(context(**changes), function_name=name, params=params or {})
    return run_function(cloud.function(name), request)


def post(**values):
    return ParseObject("Post", values)


def test_function_is_found_by_its_exact_name(cloud):
    cloud.define("hello")(lambda request: "Hi")
    assert call(cloud, "hello") == "Hi"
    assert cloud.function("Hello") is None


def test_later_definition_replaces_an_earlier_one(cloud):
    for number in (1, 2):
        cloud.define("f")(lambda request, number=number: number)
        cloud.job("j")(lambda request, number=number: number)
        cloud.before_save("Post")(lambda request, number=number: number)
    assert call(cloud, "f") == 2
    assert cloud.job_named("j").handler(None) == 2
    assert cloud.trigger(TriggerKind.BEFORE_SAVE, "Post").handler(None) == 2


def test_decorated_function_stays_what_it_is(cloud):
    def hello(request):
        return "Hi"

    assert cloud.define("hello")(hello) is hello
    assert cloud.job("hello")(hello) is hello
    assert cloud.after_save("Post")(hello) is hello


def test_async_function_is_refused_where_it_is_defined(cloud):
    async def hello(request):
        return "Hi"

    with pytest.raises(TypeError, match="async"):
        cloud.define("hello")(hello)


@pytest.mark.parametrize("name", ["before_save", "after_save", "before_delete", "after_delete"])
@pytest.mark.parametrize("class_name", ["_Session", "", "a b", "$x", "1st"])
def test_trigger_on_what_has_none_is_refused(cloud, name, class_name):
    with pytest.raises(ValueError, match=r"no class name|_Session"):
        getattr(cloud, name)(class_name)


def test_before_save_of_push_status_is_refused(cloud):
    with pytest.raises(ValueError, match="Only afterSave"):
        cloud.before_save("_PushStatus")
    cloud.after_save("_PushStatus")


def test_request_tells_what_the_context_knows():
    shared = context(master=True, headers={"x": "y"}, context={"k": 1})
    request = CloudRequest.of(shared, function_name="f", params={"n": 1})
    assert (request.function_name, request.params) == ("f", {"n": 1})
    assert (request.master, request.headers, request.user) == (True, {"x": "y"}, ALICE)
    assert request.context is shared.context
    assert request.log.name == "cloud"


def test_validator_runs_before_the_function_and_fills_in_defaults(cloud):
    rules = Validator(require_user=True, fields={"n": Field(type=int, default=3)})
    cloud.define("f", rules)(lambda request: request.params["n"])
    assert call(cloud, "f") == 3
    with pytest.raises(ValidationFailed, match="Please login"):
        call(cloud, "f", user=None)
    with pytest.raises(ValidationFailed, match="Invalid type for n"):
        call(cloud, "f", {"n": "x"})


def _raise(error):
    raise error


@pytest.mark.parametrize(
    ("validator", "code", "message"),
    [
        (lambda request: _raise(ValidationFailed("no tea")), 142, "no tea"),
        (lambda request: _raise(ValidationFailed), 142, "Validation failed."),
        (lambda request: _raise(CloudError("no tea", 9001)), 9001, "no tea"),
        (lambda request: request.params["n"] > 3, 142, "Validation failed."),
        (lambda request: request.params["missing"], 141, "Script failed. The server's log says"),
    ],
)
def test_validator_may_be_a_function(cloud, validator, code, message):
    cloud.define("f", validator)(lambda request: "reached")
    with pytest.raises(CloudError, match=message) as raised:
        call(cloud, "f", {"n": 3})
    assert raised.value.code == code


def test_validating_function_that_returns_nothing_has_no_objection(cloud):
    cloud.define("f", lambda request: None)(lambda request: "reached")
    assert call(cloud, "f") == "reached"


def test_validating_function_is_asked_about_the_master_key_too(cloud):
    cloud.define("f", lambda request: not request.master)(lambda request: "reached")
    with pytest.raises(ValidationFailed):
        call(cloud, "f", master=True)


@pytest.mark.parametrize(
    "error", [CloudError("no", 7), StoreUnavailable("away"), ClassifierBusy("busy")]
)
def test_error_raised_on_purpose_passes_untouched(cloud, error):
    cloud.define("f")(lambda request: _raise(error))
    with pytest.raises(type(error)) as raised:
        call(cloud, "f")
    assert raised.value is error


@pytest.mark.parametrize("kind", [KeyError, SystemExit, RecursionError])
def test_any_other_error_stays_in_the_log(cloud, caplog, kind):
    cloud.define("f")(lambda request: _raise(kind("internal detail")))
    with pytest.raises(CloudError) as raised:
        call(cloud, "f")
    assert raised.value.code == 141
    assert str(raised.value) == "Script failed. The server's log says why."
    assert "internal detail" in caplog.text
    assert "the function f failed" in caplog.text


def test_before_save_sees_and_changes_what_will_be_saved(cloud):
    @cloud.before_save("Post")
    def tidy(request):
        assert isinstance(request, TriggerRequest)
        assert request.trigger_name == "beforeSave"
        assert request.original is None
        assert request.object.is_new
        request.object["title"] = request.object["title"].strip()
        return "ignored"

    saved = post(title=" Hi ")
    assert run_before_save(context(), saved, None) is None
    assert saved.changes == {"title": Set("Hi")}


def test_trigger_of_another_class_or_kind_does_not_run(cloud):
    cloud.before_save("Other")(lambda request: _raise(CloudError("no")))
    cloud.after_save("Post")(lambda request: _raise(CloudError("no")))
    run_before_save(context(), post(), None)
    run_before_delete(context(), post())
    run_after_delete(context(), post())
    assert run_after_save(context(), ParseObject("Nope"), None) is None


def test_update_shows_the_trigger_what_was_there_before(cloud):
    original = ParseObject("Post", {"objectId": "p", "title": "Ho"}, {})
    seen = []
    cloud.before_save("Post")(lambda request: seen.append(request.original["title"]))
    run_before_save(context(), ParseObject("Post", {"objectId": "p", "title": "Hi"}, {}), original)
    assert seen == ["Ho"]


@pytest.mark.parametrize("name", ["before_save", "before_delete", "after_delete"])
def test_trigger_that_raises_stops_the_call(cloud, name):
    run = {
        "before_save": lambda: run_before_save(context(), post(), None),
        "before_delete": lambda: run_before_delete(context(), post()),
        "after_delete": lambda: run_after_delete(context(), post()),
    }[name]
    getattr(cloud, name)("Post")(lambda request: _raise(CloudError("no", 9001)))
    with pytest.raises(CloudError, match="no") as raised:
        run()
    assert raised.value.code == 9001
    getattr(cloud, name)("Post")(lambda request: {}["missing"])
    with pytest.raises(CloudError, match=r"Script failed\. The server's log says why\."):
        run()


@pytest.mark.parametrize("error", [CloudError("no tea"), KeyError("no tea")])
def test_after_save_that_raises_is_only_logged(cloud, caplog, error):
    cloud.after_save("Post")(lambda request: _raise(error))
    caplog.set_level(logging.ERROR)
    assert run_after_save(context(), post(), None) is None
    assert "no tea" in caplog.text
    assert "afterSave of Post" in caplog.text


def test_after_save_may_return_the_answer(cloud):
    cloud.after_save("Post")(lambda request: {"custom": 1})
    assert run_after_save(context(), post(), None) == {"custom": 1}


def test_context_flows_from_before_to_after(cloud):
    @cloud.before_save("Post")
    def note(request):
        request.context["note"] = 1

    cloud.after_save("Post")(lambda request: request.context["note"])
    shared = context()
    run_before_save(shared, post(), None)
    assert run_after_save(shared, post(), None) == 1


def test_trigger_validates_the_object(cloud):
    rules = Validator(fields={"title": Field(required=True, type=str)})
    cloud.before_save("Post", rules)(lambda request: None)
    with pytest.raises(ValidationFailed, match="Please specify data for title"):
        run_before_save(context(), post(), None)
    run_before_save(context(), post(title="Hi"), None)


def test_trigger_can_be_skipped_for_the_master_key(cloud):
    rules = Validator(skip_with_master_key=True)
    cloud.before_save("Post", rules)(lambda request: _raise(CloudError("no")))
    run_before_save(context(master=True), post(), None)
    with pytest.raises(CloudError):
        run_before_save(context(), post(), None)


def test_job_is_told_its_id_and_can_say_how_far_it_is(cloud):
    said = []

    @cloud.job("count")
    def count(request):
        request.message(f"counting to {request.params['n']}")
        return f"{request.job_name} {request.job_id}"

    request = JobRequest.of(
        context(), job_name="count", job_id="j1", params={"n": 3}, message=said.append
    )
    assert run_job(cloud.job_named("count"), request) == "count j1"
    assert said == ["counting to 3"]


def test_decorator_without_its_name_is_refused():
    with pytest.raises(TypeError, match="needs a name"):
        CloudCode().define(lambda request: None)


def test_handler_that_takes_no_request_is_refused():
    with pytest.raises(TypeError, match="one argument"):
        CloudCode().define("hello")(lambda: None)
