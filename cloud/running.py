"""How the server runs cloud code: validate, call, and make of what was raised a Parse error."""

import logging
from collections.abc import Callable
from typing import Any

from cloud.code import (
    CloudRequest,
    Definition,
    JobRequest,
    RequestContext,
    TriggerKind,
    TriggerRequest,
    cloud,
)
from cloud.errors import CloudError, ValidationFailed
from cloud.moderation.errors import ModerationError
from cloud.objects import ParseObject
from cloud.validation import Subject, Validator, validate
from ml_models.errors import MlModelsError

logger = logging.getLogger(__name__)


def run_function(function: Definition, request: CloudRequest) -> Any:
    """Return what the function returns. Raises CloudError, ModerationError or MlModelsError."""
    subject = Subject(request.master, request.user, request.roles, request.params)
    return _guarded(function, lambda: _validated(function, request, subject))


def run_job(job: Definition, request: JobRequest) -> Any:
    """Return what the job returns. Raises CloudError, ModerationError or MlModelsError."""
    return _guarded(job, lambda: job.handler(request))


def run_before_save(
    context: RequestContext, obj: ParseObject, original: ParseObject | None
) -> None:
    """Let the class's trigger change `obj`, or refuse it by raising as `run_function` does."""
    _run_trigger(TriggerKind.BEFORE_SAVE, context, obj, original)


def run_after_save(context: RequestContext, obj: ParseObject, original: ParseObject | None) -> Any:
    """Return what the class's trigger returns; what it raises is logged, for the save stands."""
    try:
        return _run_trigger(TriggerKind.AFTER_SAVE, context, obj, original)
    except (CloudError, ModerationError, MlModelsError) as error:
        logger.error("afterSave of %s %s failed: %s", obj.class_name, obj.id, error)
        return None


def run_before_delete(context: RequestContext, obj: ParseObject) -> None:
    """Let the class's trigger refuse the deletion by raising as `run_function` does."""
    _run_trigger(TriggerKind.BEFORE_DELETE, context, obj, None)


def run_after_delete(context: RequestContext, obj: ParseObject) -> None:
    """Run the class's trigger on what was deleted. Raises as `run_function` does."""
    _run_trigger(TriggerKind.AFTER_DELETE, context, obj, None)


def _run_trigger(
    kind: TriggerKind, context: RequestContext, obj: ParseObject, original: ParseObject | None
) -> Any:
    trigger = cloud.trigger(kind, obj.class_name)
    if trigger is None:
        return None
    request = TriggerRequest.of(context, trigger_name=kind.value, object=obj, original=original)
    subject = Subject(request.master, request.user, request.roles, obj, original)
    return _guarded(trigger, lambda: _validated(trigger, request, subject))


def _validated(
    definition: Definition, request: CloudRequest | TriggerRequest, subject: Subject
) -> Any:
    rules = definition.validator
    if isinstance(rules, Validator):
        validate(rules, subject)
        if rules.skip_with_master_key and request.master and isinstance(request, TriggerRequest):
            return None
    elif rules is not None and rules(request) is False:
        raise ValidationFailed
    return definition.handler(request)


def _guarded(definition: Definition, run: Callable[[], Any]) -> Any:
    """Let through what is raised on purpose; the rest is a bug, which only the log explains."""
    try:
        return run()
    except (CloudError, ModerationError, MlModelsError):
        raise
    except (Exception, SystemExit) as error:  # cloud code is the user's and may raise anything
        logger.exception("the %s failed", definition.name)
        raise CloudError("Script failed. The server's log says why.") from error
