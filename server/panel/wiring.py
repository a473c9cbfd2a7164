"""Joins what the panel works with, out of one process's services."""

import hashlib
import hmac
from datetime import timedelta
from typing import TYPE_CHECKING

from admin.services import PanelServices
from cloud.clock import utc_now
from cloud.moderation.review import ReviewDesk
from config import Settings
from server.moderation.claims import StoredClaims, StoredRecords
from server.moderation.items import StoredItems
from server.panel.api import OwnApi
from server.panel.exposure import StoredExposure
from server.panel.figures import StoredFigures
from server.panel.history import StoredHistory
from server.panel.house_rules import StoredHouseRules
from server.panel.judged_images import DECISIONS_BY_PEOPLE
from server.panel.newest import Newest
from server.panel.people import join_people
from server.panel.pictures import StoredPictures
from server.panel.policies import StoredPolicies
from server.panel.tables import PanelTables
from server.services import Services

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def make_panel_services(services: Services, app: "WSGIApplication") -> PanelServices:
    """Make the panel's services; `app` is what answers the apps."""
    settings = services.settings
    tables = PanelTables(services.database, services.schemas, services.objects)
    people = join_people(settings, tables, panel_secret(settings))
    decisions = Newest(services.database.objects, DECISIONS_BY_PEOPLE)
    return PanelServices(
        accounts=people.accounts,
        sign_ins=people.sign_ins,
        second_factors=people.sign_ins,
        team=people.team,
        desk=make_desk(services),
        pictures=StoredPictures(
            StoredItems(services.database, services.schemas),
            services.database.files,
            services.classifier,
            max_bytes=settings.max_image_bytes,
        ),
        history=StoredHistory(services),
        retention=services.retention,
        policies=StoredPolicies(services, decisions),
        figures=StoredFigures(services, decisions),
        exposure=StoredExposure(services.database, services.schemas),
        house_rules=StoredHouseRules(services.parse_config),
        classifications=services.moderation,
        api=OwnApi(settings, app),
        now=utc_now,
    )


def make_desk(services: Services) -> ReviewDesk:
    """Make the desk that all pages claim and decide at."""
    database, schemas = services.database, services.schemas
    return ReviewDesk(
        StoredItems(database, schemas),
        StoredClaims(database, schemas),
        StoredRecords(database, schemas),
        services.pipeline,
        undo_window=timedelta(seconds=services.settings.undo_window),
    )


def panel_secret(settings: Settings) -> bytes:
    """The key of the panel's cookies: all processes of an installation have the same one."""
    return hmac.digest(settings.master_key.encode(), b"parsewarden panel", hashlib.sha256)
