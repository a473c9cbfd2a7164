"""The panel's people on each database, with a clock in the test's hands."""

from dataclasses import dataclass
from datetime import timedelta

import bcrypt
import pyotp

from admin.people import Device
from cloud.clock import utc_now
from config import load_settings
from server.objects.accounts import make_accounts
from server.objects.identity import new_object_id
from server.objects.lockout import Lockout
from server.objects.schemas import Schemas
from server.objects.service import ParseObjects
from server.objects.triggers import Triggers
from server.panel.accounts import StoredAccounts
from server.panel.second_factors import AccountCodes
from server.panel.sessions import Lengths, Sessions
from server.panel.sign_ins import StoredSignIns
from server.panel.tables import PanelTables
from server.panel.team import StoredTeam
from server.storage.port import Query

PASSWORD = "correct horse"  # noqa: S105
PHONE = Device("192.0.2.7", "Mozilla/5.0 (Android) Firefox/140.0")
_HASHED = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()


class Clock:
    """Stands still until it is told to go on."""

    def __init__(self):
        self.time = utc_now()

    def __call__(self):
        return self.time

    def go_on(self, **by):
        self.time += timedelta(**by)


@dataclass
class PanelPeople:
    """One process's view of the moderators; `another()` is a second process's."""

    database: object
    clock: Clock
    second_factor_required: bool = False
    secret: bytes = b"secret"

    def __post_init__(self):
        schemas = Schemas(self.database.schemas, clients_make_classes=False)
        lockout = Lockout(self.database.objects, schemas, self.secret)
        parse = ParseObjects(
            self.database, schemas, Triggers(lambda *_: None),
            session_length_s=1000, accounts=make_accounts(
                load_settings(_env_file=None), self.database.objects, schemas, self.secret
            ),
        )  # fmt: skip
        self.tables = PanelTables(self.database, schemas, parse)
        lengths = Lengths(whole=timedelta(hours=12), idle=timedelta(hours=1))
        sessions = Sessions(self.tables, lengths)
        codes = AccountCodes(self.tables, self.secret)
        required = self.second_factor_required
        self.accounts = StoredAccounts(
            self.tables, sessions, second_factor_required=required, now=self.clock
        )
        self.sign_ins = StoredSignIns(
            self.tables, sessions, lockout, codes,
            second_factor_required=required, now=self.clock,
        )  # fmt: skip
        self.team = StoredTeam(self.tables, sessions, lockout, now=self.clock)

    def another(self, **settings):
        return PanelPeople(self.database, self.clock, **settings)

    def user(self, name, **columns):
        """A Parse user with the password PASSWORD, hashed more cheaply than real ones."""
        self.tables.declare()
        user_id, now = new_object_id(), utc_now()
        row = {"objectId": user_id, "createdAt": now, "updatedAt": now, "username": name}
        row |= {"_hashed_password": _HASHED, "ACL": {user_id: {"read": True}}, **columns}
        self.database.objects.insert(self.tables.parse.user_schema(), row)
        return user_id

    def moderator(self, name, **columns):
        return self.user(name, isModerator=True, **columns)

    def sign_in(self, name, password=PASSWORD, device=PHONE):
        """Sign in; returns the session."""
        return self.accounts.session(self.sign_ins.sign_in(name, password, device))

    def code(self, secret, steps=0):
        """What an authenticator shows now, or some steps of 30 s off."""
        return pyotp.TOTP(secret).at(self.clock.time + timedelta(seconds=30 * steps))

    def enrol(self, session):
        """Set a second factor up; returns its secret, the new session and the recovery codes."""
        offered = self.sign_ins.offer(session)
        code = self.code(offered.secret)
        enrolled = self.sign_ins.enrol(session, offered.nonce, code, PHONE)
        session = self.accounts.session(enrolled.token)
        return offered.secret, session, list(enrolled.recovery_codes)

    def rows(self, schema):
        return self.database.objects.find(schema, Query())
