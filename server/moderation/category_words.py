"""What the app's users are told that a moderator's category means: the owner's own words."""

from server.panel.house_rules import StoredHouseRules
from server.parse_config import ParseConfig


class OwnersWords:
    """The CategoryWords of Parse.Config, as they are now."""

    def __init__(self, config: ParseConfig) -> None:
        self._rules = StoredHouseRules(config)

    def __call__(self, category: str) -> str | None:
        reasons = self._rules.current().reasons
        return next((reason.label for reason in reasons if reason.code == category), None)
