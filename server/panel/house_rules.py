"""The owner's rules for reviewing, read from Parse.Config and checked once."""

import re
from typing import Any

from admin.ports.house_rules import (
    USUAL_REASONS,
    HouseRules,
    RejectionReason,
    RuleProblem,
    Wellbeing,
)
from server.parse_config import ParseConfig

_REASONS, _WELLBEING = "moderationReasons", "moderationWellbeing"
_MAX_REASONS = 30
_MAX_LABEL = 80
_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_SWITCHES = {"blurRequired", "greyRequired", "exposureForAdmins"}
_BREAK = "breakAfterAtMost"


class _Invalid(ValueError):
    def __init__(self, field: str, kind: str) -> None:
        self.field, self.kind = field, kind
        super().__init__(f"{field}: {kind}")


class StoredHouseRules:
    """The HouseRulesSource port on Parse.Config."""

    def __init__(self, config: ParseConfig) -> None:
        self._config = config

    def current(self) -> HouseRules:
        params, _ = self._config.read()
        return read_house_rules(params.get(_REASONS), params.get(_WELLBEING))


def read_house_rules(reasons: Any, wellbeing: Any) -> HouseRules:
    """Read both values; one that is invalid is told of, and the usual one holds in its place."""
    problems = []
    read_reasons, bounds = USUAL_REASONS, Wellbeing()
    try:
        read_reasons = USUAL_REASONS if reasons is None else _read_reasons(reasons)
    except _Invalid as error:
        problems.append(RuleProblem(error.field, error.kind, "usual_reasons_hold"))
    try:
        bounds = Wellbeing() if wellbeing is None else _read_wellbeing(wellbeing)
    except _Invalid as error:
        problems.append(RuleProblem(error.field, error.kind, "strictest_holds"))
        # Nobody knows what the owner meant to require: the careful way holds until he says.
        bounds = Wellbeing(blur_required=True, grey_required=True)
    return HouseRules(read_reasons, bounds, tuple(problems))


def _read_reasons(value: Any) -> tuple[RejectionReason, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= _MAX_REASONS:
        raise _Invalid(_REASONS, "must_be_list")
    reasons = tuple(_read_reason(f"{_REASONS}.{n}", each) for n, each in enumerate(value))
    codes = [reason.code for reason in reasons]
    for n, code in enumerate(codes):
        if code in codes[:n]:
            raise _Invalid(f"{_REASONS}.{n}", "same_code_twice")
    return reasons


def _read_reason(field: str, value: Any) -> RejectionReason:
    """A reason is `{"code", "label"}`, or a text that is both."""
    if isinstance(value, str):
        label = _read_label(field, value)
        code = re.sub(r"[^a-z0-9]+", "-", label.lower()).strip("-")
        if not _CODE.fullmatch(code):
            raise _Invalid(field, "needs_code")
        return RejectionReason(code, label)
    if not isinstance(value, dict) or set(value) != {"code", "label"}:
        raise _Invalid(field, "must_be_reason")
    code = value["code"]
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        raise _Invalid(f"{field}.code", "must_be_code")
    return RejectionReason(code, _read_label(f"{field}.label", value["label"]))


def _read_label(field: str, value: Any) -> str:
    if not isinstance(value, str) or not 1 <= len(value.strip()) <= _MAX_LABEL:
        raise _Invalid(field, "must_be_label")
    return value.strip()


def _read_wellbeing(value: Any) -> Wellbeing:
    if not isinstance(value, dict):
        raise _Invalid(_WELLBEING, "must_be_wellbeing")
    for name, each in value.items():
        if name in _SWITCHES and not isinstance(each, bool):
            raise _Invalid(f"{_WELLBEING}.{name}", "must_be_switch")
        if name not in _SWITCHES | {_BREAK}:
            raise _Invalid(f"{_WELLBEING}.{name}", "unknown_name")
    return Wellbeing(
        blur_required=value.get("blurRequired", False),
        grey_required=value.get("greyRequired", False),
        break_after_at_most=_read_break(value.get(_BREAK)),
        exposure_for_admins=value.get("exposureForAdmins", False),
    )


def _read_break(value: Any) -> int | None:
    if value is None:
        return None
    # MongoDB gives whole numbers back as floats.
    is_whole = isinstance(value, int | float) and not isinstance(value, bool) and value % 1 == 0
    if not is_whole or not 1 <= value <= 100_000:
        raise _Invalid(f"{_WELLBEING}.{_BREAK}", "must_be_count")
    return int(value)
