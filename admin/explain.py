"""Why an image is where it is: the log's sentences, in the reader's language and with links.

The log keeps plain English sentences, for it must be readable without the panel. Those that the
product itself writes are known here by their form; any other is shown as it stands.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from babel.numbers import format_percent

from admin.shares import count
from admin.texts import locale, t
from cloud.moderation.items import item_of
from cloud.moderation.rules import ON_BLACK


@dataclass(frozen=True, slots=True)
class Explanation:
    """A sentence to show, and the earlier item that it speaks of."""

    sentence: str
    earlier_item: str | None = None


NameOf = Callable[[str], str]

_NUMBER = r"\d+(?:\.\d+)?(?:e-\d+)?"
_LABEL = rf"(?P<label>Drawing|Hentai|Neutral|Porn|Sexy) (?P<p>{_NUMBER})"
_FORMS = {
    "between": rf"{_LABEL} is from (?P<min>{_NUMBER}) to (?P<max>{_NUMBER})",
    "above": rf"{_LABEL} is above (?P<max>{_NUMBER})",
    "no_automation": r"moderationAutomation is not switched on",
    "no_policy": r"no policy: moderationScores is not set",
    "animation": r"only the first frame of an animation was judged",
    "rules_reject": r"the rules reject it",
    "rules_review": r"the rules send it to review",
    "flood": r"the entry matched (?P<n>\d+) images within an hour, more than (?P<most>\d+): .*",
    "cut_short": r"not classified: (?P<n>\d+) attempts were cut short",
    "not_classified": r"not classified after (?P<n>\d+) attempts: (?P<problem>.*)",
    "near_copy": r"a near copy, (?P<distance>\d+) of 256 bits differ: (?P<memory>.*)",
    "reviewed": r"reviewed in the panel",
    "escalated": r"escalated",
    "undone": r"undone",
    "appealed": r"the owner appealed",
    "same_bytes": r"the same bytes: (?P<memory>.*)",
    "through_sdk": r"saved through an SDK",
    "file_replaced": r"the file was replaced",
    "object_deleted": r"the object was deleted",
    "never_saved": r"the object was deleted, or its save did not succeed",
    "no_file": r"there is no stored file of this name",
    # What clients are told as well, of an image or the model.
    "not_classifiable": r"The image could not be classified\.",
    "unsupported": r"The data is not an image of a supported format: (?P<formats>.*) or HEIC\.",
    "damaged": r"The image is damaged or incomplete and could not be decoded\.",
    "ambiguous": r"Programs show this image in different ways, .*",
    "many_pixels": r"The image is (?P<width>\d+) x (?P<height>\d+) pixels; "
    r"at most (?P<most>\d+) are accepted\.",
    "much_memory": r"Decoding the image takes more than (?P<n>\d+) MB of memory, .*",
    "many_bytes": r"The image has more than (?P<most>\d+) bytes, the most that is accepted\.",
    "no_model": r"The model is not ready yet\. Try again shortly\.",
    "busy": r"The server is busy classifying other images\. Try again shortly\.",
    # Why a webhook was not delivered.
    "webhook_given_up": r"given up after (?P<n>\d+) attempts: (?P<problem>.*)",
    "webhook_redirects": r"the receiver answered (?P<status>\d+), and redirects are not followed",
    "webhook_refused": r"the receiver answered (?P<status>\d+)",
    "webhook_late": r"(?P<url>\S+): not there whole before the deadline .*",
    "webhook_unsent": r"it could not be sent: (?P<kind>\w+)",
}
_KNOWN = {kind: re.compile(form, re.DOTALL) for kind, form in _FORMS.items()}
_MEMORY = re.compile(
    r"(?P<after>\w+) by (?P<by>.+) in (?:decision (?P<decision>\S+)|the list), "
    r"remembered as (?P<entry>\S+)"
)


def explain(reason: str, name_of: NameOf) -> Explanation:
    """Say a sentence of the log to whoever reads the page; `name_of` names who decided."""
    if reason.startswith(ON_BLACK):
        said = explain(reason.removeprefix(ON_BLACK), name_of)
        return replace(said, sentence=t("explain.on_black", reason=said.sentence))
    for kind, form in _KNOWN.items():
        found = form.fullmatch(reason)
        if found is not None:
            return _explained(kind, found.groupdict(), name_of) or Explanation(reason)
    return Explanation(reason)


def in_words(sentence: str) -> str:
    """Say a sentence that names nobody, such as a public message, to whoever reads the page."""
    return explain(sentence, str).sentence


def deciders_in(reason: str) -> list[str]:
    """Return whom a sentence says to have decided, as decisions name them."""
    return [found["by"] for found in _MEMORY.finditer(reason)]


def _explained(kind: str, values: Mapping[str, str], name_of: NameOf) -> Explanation | None:
    if "memory" in values:
        return _remembered(kind, values, name_of)
    shown = {name: _SHOWN.get(name, str)(value) for name, value in values.items()}
    return Explanation(t(f"explain.{kind}", **shown))


def _remembered(kind: str, values: Mapping[str, str], name_of: NameOf) -> Explanation | None:
    memory = _MEMORY.fullmatch(values["memory"])
    if memory is None or memory["after"] not in ("approved", "rejected"):
        return None
    likeness = t(f"explain.{kind}", distance=values.get("distance", ""))
    outcome, decision = t(f"base.{memory['after']}"), memory["decision"]
    if decision is None:
        return Explanation(t("explain.listed", likeness=likeness, outcome=outcome))
    who = name_of(memory["by"])
    sentence = t("explain.remembered", likeness=likeness, outcome=outcome, who=who)
    return Explanation(sentence, item_of(decision))


def _percent(fraction: str) -> str:
    return format_percent(float(fraction), "#,##0.## %", locale=locale())


# How parts of a sentence are shown, by their names in its form; others as they stand.
_SHOWN: Mapping[str, Callable[[str], str]] = {
    "p": _percent, "min": _percent, "max": _percent, "most": lambda digits: count(int(digits)),
    "label": lambda label: t(f"base.{label}"), "problem": in_words,
}  # fmt: skip
