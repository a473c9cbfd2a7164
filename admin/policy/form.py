"""The policy page's form: what was typed, what is wrong with it, and the policy that it makes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from admin.ports.policies import MOST_IMAGES
from cloud.moderation.types import Policy, Threshold
from ml_models.types import Label

ORDER = (Label.PORN, Label.HENTAI, Label.SEXY, Label.DRAWING, Label.NEUTRAL)
"""The classes as the page has them: those that are limited most often come first."""

IMAGE_COUNTS = (100, 500, 1_000, 2_000, 5_000, MOST_IMAGES)
USUAL_IMAGES = 1_000
MOST_NOTE = 500

# What a class begins with that was not limited before.
_FIRST_OFFER = Threshold(0.4, 0.8)


@dataclass(frozen=True, slots=True)
class Bound:
    """One number of a class. `problem` is the key of a sentence, where it is no good."""

    typed: str
    number: float | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class ClassFields:
    """One class: whether it is limited, and where."""

    label: Label
    is_limited: bool
    min: Bound
    max: Bound

    @property
    def threshold(self) -> Threshold | None:
        """Both bounds, if they are good."""
        if self.min.number is None or self.max.number is None or self.problems:
            return None
        return Threshold(self.min.number, self.max.number)

    @property
    def problems(self) -> Mapping[str, str]:
        """The keys of what is wrong, by field."""
        bounds = {f"min-{self.label}": self.min, f"max-{self.label}": self.max}
        return {name: bound.problem for name, bound in bounds.items() if bound.problem}


@dataclass(frozen=True, slots=True)
class PolicyForm:
    """The whole form."""

    classes: tuple[ClassFields, ...]
    automation: bool
    images: int = USUAL_IMAGES
    note: str = ""
    since: int = 0
    """The number of the newest change when the page was opened."""

    @property
    def problems(self) -> Mapping[str, str]:
        """The keys of what is wrong, by field."""
        wrong: dict[str, str] = {}
        for fields in self.classes:
            wrong |= fields.problems if fields.is_limited else {}
        if len(self.note) > MOST_NOTE:
            wrong["note"] = "policy.problem_note"
        return wrong

    @property
    def policy(self) -> Policy | None:
        """What the form says; None while something is wrong with its thresholds."""
        limited = {f.label: f.threshold for f in self.classes if f.is_limited}
        good = {label: threshold for label, threshold in limited.items() if threshold is not None}
        return Policy(good, self.automation) if len(good) == len(limited) else None


def form_of(policy: Policy, *, since: int, images: int = USUAL_IMAGES) -> PolicyForm:
    """Return the form as it stands for a policy."""
    return PolicyForm(
        tuple(_fields_of(label, policy.thresholds.get(label)) for label in ORDER),
        policy.automation_enabled,
        images,
        since=since,
    )


def read_form(values: Mapping[str, str]) -> PolicyForm:
    """Read what was sent, a form's fields or a script's."""
    return PolicyForm(
        tuple(_read_fields(label, values) for label in ORDER),
        "automation" in values,
        read_images(values.get("images", "")),
        values.get("note", "").strip(),
        _whole(values.get("since", ""), 0),
    )


def read_images(text: str) -> int:
    """Read how many images to try a policy on; what is no such number is the usual one."""
    wanted = _whole(text, USUAL_IMAGES)
    return wanted if IMAGE_COUNTS[0] <= wanted <= MOST_IMAGES else USUAL_IMAGES


def _whole(text: str, otherwise: int) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else otherwise


def _fields_of(label: Label, threshold: Threshold | None) -> ClassFields:
    shown = threshold or _FIRST_OFFER
    bounds = (Bound(f"{number:.10g}", number) for number in (shown.min, shown.max))
    return ClassFields(label, threshold is not None, *bounds)


def _read_fields(label: Label, values: Mapping[str, str]) -> ClassFields:
    low, high = (_read_bound(values.get(f"{bound}-{label}", "")) for bound in ("min", "max"))
    if low.number is not None and high.number is not None and low.number > high.number:
        low = replace(low, problem="policy.problem_order")
    return ClassFields(label, f"on-{label}" in values, low, high)


def _read_bound(text: str) -> Bound:
    text = text.strip()
    if not text:
        return Bound(text, None, "policy.problem_missing")
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return Bound(text, None, "policy.problem_number")
    if not 0 <= number <= 1:  # nor what is not a number
        return Bound(text, None, "policy.problem_range")
    return Bound(text, number)
