"""Joins what the panel works with, out of one process's services."""

import hashlib
import hmac

from admin.services import PanelServices
from cloud.clock import utc_now
from cloud.moderation.review import ReviewDesk
from config import Settings
from server.panel.accounts import StoredAccounts
from server.panel.figures import StoredFigures
from server.panel.history import StoredHistory
from server.panel.house_rules import StoredHouseRules
from server.panel.pictures import StoredPictures
from server.panel.policies import StoredPolicies
from server.services import Services


def make_panel_services(services: Services) -> PanelServices:
    """Make the panel's services."""
    return PanelServices(
        accounts=StoredAccounts(services),
        desk=ReviewDesk(),
        pictures=StoredPictures(services),
        history=StoredHistory(services),
        policies=StoredPolicies(services),
        figures=StoredFigures(services),
        house_rules=StoredHouseRules(services.parse_config),
        classifications=services.moderation,
        now=utc_now,
    )


def panel_secret(settings: Settings) -> bytes:
    """The key of the panel's cookies: all processes of an installation have the same one."""
    return hmac.digest(settings.master_key.encode(), b"parsewarden panel", hashlib.sha256)
