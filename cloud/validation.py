"""Rules for what is sent to cloud code, checked before it runs. Pure.

Order and sentences are Parse Server's (`builtInTriggerValidator`).
"""

from collections.abc import Callable, Collection, Mapping, MutableMapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from cloud.errors import CloudError, ValidationFailed
from cloud.objects import ParseObject
from cloud.operations import same
from cloud.rate_limits import RateLimit

_TYPES = {
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    list: "array",
    dict: "object",
}
JsonType = type[str] | type[float] | type[bool] | type[list[Any]] | type[dict[str, Any]]
Names = Sequence[str] | Callable[[], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Field:
    """What holds for one parameter of a function, or one column in a trigger.

    `type` is str, int, float, bool, list or dict; int and float are both JavaScript's one number,
    and what is none of these counts as dict. `options` is a value, a list of values, or a function
    of the value that returns False for a bad one; `error` is said instead of Parse's sentence when
    they do not fit. `default` fills in for what is missing or null. With `constant` a column keeps
    its stored value, or gets its default, whatever was sent.
    """

    required: bool = False
    type: JsonType | None = None
    default: Any = None
    constant: bool = False
    options: Any = None
    error: str | None = None

    def __post_init__(self) -> None:
        if self.type is not None and self.type not in _TYPES:
            raise ValueError(f"type {self.type!r} is none of str, int, float, bool, list, dict")


@dataclass(frozen=True, slots=True)
class Validator:
    """Parse's validator object; a call with the master key is checked only if
    `validate_master_key`, and a trigger with `skip_with_master_key` does not run for it.

    Roles are named without `role:`; a function may return the list. `require_user_keys` lists
    columns that the user must have set, or maps them to the Field whose options they must fit.
    `rate_limit` holds for the routes of a function or before-trigger, whoever validates what.
    """

    require_user: bool = False
    require_master: bool = False
    require_any_user_roles: Names | None = None
    require_all_user_roles: Names | None = None
    require_user_keys: Sequence[str] | Mapping[str, Field] = ()
    fields: Sequence[str] | Mapping[str, Field] = field(default_factory=tuple)
    validate_master_key: bool = False
    skip_with_master_key: bool = False
    rate_limit: RateLimit | None = None

    def __post_init__(self) -> None:
        for name in (
            "require_any_user_roles",
            "require_all_user_roles",
            "require_user_keys",
            "fields",
        ):
            if isinstance(getattr(self, name), str):  # whose letters would count one by one
                raise TypeError(f'{name} is a list of names, such as ["name"]')


@dataclass(frozen=True, slots=True)
class Subject:
    """What is validated: who calls, and the params of a function or the object of a trigger.

    `roles` finds the names of the user's roles, without `role:`, when somebody asks.
    """

    master: bool
    user: ParseObject | None
    roles: Callable[[], Collection[str]]
    values: MutableMapping[str, Any] | ParseObject
    original: ParseObject | None = None


def validate(rules: Validator, subject: Subject) -> None:
    """Check the subject and fill in defaults. Raises ValidationFailed."""
    if subject.master and not rules.validate_master_key:
        return
    user = subject.user or _new_user(subject)
    by_role = (rules.require_any_user_roles, rules.require_all_user_roles) != (None, None)
    if (rules.require_user or by_role) and user is None:
        raise ValidationFailed("Validation failed. Please login to continue.")
    if rules.require_master and not subject.master:
        message = "Validation failed. Master key is required to complete this request."
        raise ValidationFailed(message)
    _check_fields(rules.fields, subject)
    _check_roles(rules, subject.roles)
    _check_user_keys(rules.require_user_keys, user)


def _new_user(subject: Subject) -> ParseObject | None:
    """Somebody who signs up counts as the user."""
    values = subject.values
    if isinstance(values, ParseObject) and values.class_name == "_User" and values.is_new:
        return values
    return None


def _check_fields(fields: Sequence[str] | Mapping[str, Field], subject: Subject) -> None:
    if not isinstance(fields, Mapping):
        for name in fields:
            _require(name, subject.values.get(name))
        return
    sent = {name: _check_field(name, rule, subject) for name, rule in fields.items()}
    for name, rule in fields.items():
        if rule.options is not None and (rule.required or sent[name] is not _MISSING):
            _check_options(name, rule, sent[name])


_MISSING = object()


def _check_field(name: str, rule: Field, subject: Subject) -> Any:
    """Check all but the options, and return the value that they must fit."""
    value = subject.values.get(name, _MISSING)
    if rule.default is not None and (value is None or value is _MISSING):
        value = subject.values[name] = deepcopy(rule.default)
    if rule.constant and isinstance(subject.values, ParseObject):
        _keep_constant(name, rule, subject.values, subject.original)
    if rule.required:
        _require(name, None if value is _MISSING else value)
    if rule.type is not None and value is not _MISSING and _type_of(value) != _TYPES[rule.type]:
        message = f"Validation failed. Invalid type for {name}. Expected: {_TYPES[rule.type]}"
        raise ValidationFailed(message)
    return value


def _keep_constant(
    name: str, rule: Field, subject: ParseObject, original: ParseObject | None
) -> None:
    if original is not None:
        subject.revert(name, original)
    elif rule.default is not None:
        subject[name] = rule.default


def _require(name: str, value: Any) -> None:
    if value is None:
        raise ValidationFailed(f"Validation failed. Please specify data for {name}.")


def _check_options(name: str, rule: Field, value: Any) -> None:
    if callable(rule.options):
        _ask(name, rule, value)
        return
    options = rule.options if isinstance(rule.options, list | tuple) else [rule.options]
    if not any(same(option, value) for option in options):
        expected = ", ".join(map(_as_in_javascript, options))
        message = f"Validation failed. Invalid option for {name}. Expected: {expected}"
        raise ValidationFailed(rule.error or message)


def _ask(name: str, rule: Field, value: Any) -> None:
    """Refuse what the app's function finds false; what returns nothing has no objection."""
    try:
        answer = rule.options(value)
    except CloudError as error:
        raise ValidationFailed(rule.error or str(error)) from error
    if not answer and answer is not None:
        raise ValidationFailed(rule.error or f"Validation failed. Invalid value for {name}.")


def _check_roles(rules: Validator, find_roles: Callable[[], Collection[str]]) -> None:
    any_of, all_of = _names(rules.require_any_user_roles), _names(rules.require_all_user_roles)
    roles = () if any_of is None and all_of is None else find_roles()
    if any_of is not None and not any(name in roles for name in any_of):
        raise ValidationFailed("Validation failed. User does not match the required roles.")
    if all_of is not None and not all(name in roles for name in all_of):
        raise ValidationFailed("Validation failed. User does not match all the required roles.")


def _names(names: Names | None) -> Sequence[str] | None:
    return names() if callable(names) else names


def _check_user_keys(keys: Sequence[str] | Mapping[str, Field], user: ParseObject | None) -> None:
    for name in keys:
        if user is None:
            raise ValidationFailed("Please login to make this request.")
        value = user.get(name)
        if not isinstance(keys, Mapping) and value is None:
            message = f"Validation failed. Please set data for {name} on your account."
            raise ValidationFailed(message)
        if isinstance(keys, Mapping) and keys[name].options is not None:
            _check_options(name, keys[name], value)


def _type_of(value: Any) -> str:
    """JavaScript's `typeof`, but for arrays."""
    return _TYPES.get(type(value), "object")


def _as_in_javascript(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
