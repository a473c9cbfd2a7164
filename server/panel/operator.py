"""The team in the hands of whoever runs the server: on the command line, and before it serves."""

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from admin.people import Role
from admin.ports.team import NameTaken
from cloud.errors import CloudError
from cloud.moderation.errors import StoreUnavailable
from cloud.requests import RequestContext
from config import DEVELOPMENT_KEYS, Settings
from ml_models.own_commands import own_command
from server.auth import Caller
from server.objects.accounts import make_accounts
from server.objects.save import Save, Saved
from server.objects.schemas import Schemas
from server.objects.service import ParseObjects
from server.objects.triggers import Triggers
from server.panel.people import join_people
from server.panel.tables import PanelTables
from server.panel.team import StoredTeam
from server.panel.wiring import panel_secret
from server.storage.port import Database
from server.storage.wiring import open_database

logger = logging.getLogger(__name__)

_DEMO_NAMES = ("demo", "demo-moderator")

DemoModerator = tuple[str, str]
"""A name and the password, which is kept nowhere else."""


def _no_cloud_code(_caller: Caller, _context: dict[str, Any]) -> RequestContext:
    raise NotImplementedError("cloud code runs in a server only")


class _NoTriggers(Triggers):
    """The app's cloud code, which runs in a server only, has no part in this."""

    def __init__(self) -> None:
        super().__init__(_no_cloud_code)

    def before_save(self, save: Save) -> None:
        """See Triggers."""

    def after_save(self, save: Save, saved: Saved) -> Saved:
        """See Triggers."""
        return saved


@dataclass(frozen=True, slots=True)
class Hands:
    """What the operator changes the team with."""

    team: StoredTeam
    tables: PanelTables
    database: Database


@contextmanager
def operators_hands(settings: Settings) -> Iterator[Hands]:
    """Open the database, beside a server that may be running on it."""
    database = open_database(settings)
    try:
        schemas = Schemas(database.schemas, clients_make_classes=False)
        secret = panel_secret(settings)
        parse = ParseObjects(
            database,
            schemas,
            _NoTriggers(),
            session_length_s=settings.session_length,
            accounts=make_accounts(settings, database.objects, schemas, secret),
        )
        tables = PanelTables(database, schemas, parse)
        yield Hands(join_people(settings, tables, secret).team, tables, database)
    finally:
        database.close()


def make_demo_moderator(settings: Settings) -> DemoModerator | None:
    """Where nobody moderates yet, make an admin to try the panel with.

    With the keys of development only, which answer to this machine alone; with others the log says
    how an admin is made. Call it before forking.
    """
    try:
        with operators_hands(settings) as hands:
            hands.database.ping()  # which gives up sooner than others
            if hands.team.has_moderators():
                return None
            if settings.master_key == DEVELOPMENT_KEYS["master_key"]:
                return _make_demo_moderator(hands.team)
    except StoreUnavailable as error:
        logger.warning("the database is away, so who moderates is not looked at: %s", error)
        return None
    command = own_command("create-moderator NAME --admin")
    logger.info("nobody may use the panel yet; make an admin with: %s", command)
    return None


def _make_demo_moderator(team: StoredTeam) -> DemoModerator | None:
    password = secrets.token_urlsafe(12)
    for name in _DEMO_NAMES:
        try:
            team.create(name, password, Role.ADMIN)
        except NameTaken:  # by somebody who is no moderator, and does not become one by that
            continue
        except CloudError as error:  # the app's own rules for passwords
            logger.warning("there is no demo moderator: %s", error)
            return None
        return name, password
    return None
