"""What the pages work with, joined once for each process by `server.panel.wiring`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from admin.ports.accounts import Accounts
from admin.ports.api import Api
from admin.ports.exposure import Exposure
from admin.ports.figures import Figures
from admin.ports.history import History
from admin.ports.house_rules import HouseRulesSource
from admin.ports.pictures import Pictures
from admin.ports.policies import Policies
from admin.ports.retention import Retention
from admin.ports.sign_ins import SecondFactors, SignIns
from admin.ports.team import Team
from cloud.moderation.classification import ClassificationService
from cloud.moderation.review import ReviewDesk


@dataclass(frozen=True, slots=True)
class PanelServices:
    """One process's services for the panel."""

    accounts: Accounts
    sign_ins: SignIns
    second_factors: SecondFactors
    team: Team
    desk: ReviewDesk
    pictures: Pictures
    history: History
    retention: Retention
    policies: Policies
    figures: Figures
    exposure: Exposure
    house_rules: HouseRulesSource
    classifications: ClassificationService
    api: Api
    now: Callable[[], datetime]
