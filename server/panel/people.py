"""Joins what knows the moderators, for the panel and for the command line."""

from dataclasses import dataclass
from datetime import timedelta

from config import Settings
from server.objects.lockout import make_lockout
from server.panel.accounts import StoredAccounts
from server.panel.second_factors import AccountCodes
from server.panel.sessions import Lengths, Sessions
from server.panel.sign_ins import StoredSignIns
from server.panel.tables import PanelTables
from server.panel.team import StoredTeam


@dataclass(frozen=True, slots=True)
class People:
    """What knows the moderators."""

    accounts: StoredAccounts
    sign_ins: StoredSignIns
    team: StoredTeam


def join_people(settings: Settings, tables: PanelTables, secret: bytes) -> People:
    """Join what knows the moderators; `secret` is the server's key."""
    required = settings.panel_require_second_factor
    whole, idle = settings.panel_session_length, settings.panel_idle_length
    sessions = Sessions(tables, Lengths(timedelta(seconds=whole), timedelta(seconds=idle)))
    lockout = make_lockout(settings, tables.objects, tables.schemas, secret)
    return People(
        StoredAccounts(tables, sessions, second_factor_required=required),
        StoredSignIns(
            tables, sessions, lockout, AccountCodes(tables, secret), second_factor_required=required
        ),
        StoredTeam(tables, sessions, lockout),
    )
