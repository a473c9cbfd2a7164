"""Signing in: the SignIns and SecondFactors ports on a Database."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from admin.passwords import WeakPassword, check_password
from admin.people import Device, PanelSession
from admin.ports.sign_ins import Enrolled, Enrolment, Wrong
from cloud.clock import utc_now
from cloud.operations import Set
from server.auth import Caller
from server.objects.lockout import Key, Lockout, Try, account_key, address_key, device_key
from server.objects.passwords import is_password
from server.panel.second_factors import FORGOTTEN, RECOVERY, AccountCodes, has_second_factor
from server.panel.sessions import Sessions
from server.panel.tables import PanelTables, may_use_panel
from server.storage.port import Document

logger = logging.getLogger(__name__)


class StoredSignIns:
    """The SignIns port; see there for its contract."""

    def __init__(
        self,
        tables: PanelTables,
        sessions: Sessions,
        lockout: Lockout,
        codes: AccountCodes,
        *,
        second_factor_required: bool,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._tables, self._sessions = tables, sessions
        self._lockout, self._codes = lockout, codes
        self._second_factor_required = second_factor_required
        self._now = now

    def sign_in(self, name: str, password: str, device: Device) -> str:
        now = self._now()
        user = self._tables.user_named(name)
        user_id = None if user is None else user["objectId"]
        tried = self._lockout.begin(_keys(user_id, name, device), now)
        hashed = None if user is None else user.get("_hashed_password")
        is_right = is_password(password, hashed)  # as slow for nobody as for somebody
        account = {} if user is None else self._tables.account(user["objectId"])
        if not is_right or user is None or not may_use_panel(user, account):
            logger.warning("wrong sign-in to the panel from %s", device.address)
            self._lockout.wrong(tried, now)
            raise Wrong
        self._lockout.right(tried, now)
        seen = {"name": Set(user.get("username")), "seenAt": Set(now)}
        self._tables.change_account(user["objectId"], dict(seen))
        needs_code = has_second_factor(account) or self._second_factor_required
        return self._sessions.start(user, device, now, needs_second_factor=needs_code)

    def pass_second_factor(self, session: PanelSession, code: str, device: Device) -> str:
        now, user_id = self._now(), session.moderator.user_id
        tried = self._begin(session, device, now)
        if not self._codes.use(user_id, code, now):
            logger.warning("wrong second factor of user %s from %s", user_id, device.address)
            self._lockout.wrong(tried, now)
            raise Wrong
        self._lockout.right(tried, now)
        return self._renewed(session, device, now)

    def sign_out(self, session: PanelSession) -> None:
        self._sessions.end(session.moderator.user_id, only=session.session_id)

    def check_password(self, session: PanelSession, password: str, device: Device) -> None:
        now = self._now()
        tried = self._begin(session, device, now)
        if not is_password(password, self._user(session).get("_hashed_password")):
            logger.warning("wrong password of user %s", session.moderator.user_id)
            self._lockout.wrong(tried, now)
            raise Wrong
        self._lockout.right(tried, now)

    def set_password(self, session: PanelSession, password: str, device: Device) -> str:
        user_id = session.moderator.user_id
        check_password(password, session.moderator.name)
        if is_password(password, self._user(session).get("_hashed_password")):
            raise WeakPassword("password_same")
        master = Caller(master=True, ip=device.address)
        changes = {"password": Set(password)}
        saved = self._tables.parse.update(master, "_User", user_id, changes, {})
        self._tables.change_account(user_id, {"needsNewPassword": Set(False)})
        self._sessions.end(user_id)
        logger.info("user %s has a new password", user_id)
        user = dict(saved.document)
        return self._sessions.start(user, device, self._now(), needs_second_factor=False)

    # --- second factors: see SecondFactors ------------------------------------------------------

    def offer(self, session: PanelSession, nonce: str | None = None) -> Enrolment:
        return self._codes.offer(session, nonce)

    def enrol(self, session: PanelSession, nonce: str, code: str, device: Device) -> Enrolled:
        now, user_id = self._now(), session.moderator.user_id
        tried = self._begin(session, device, now)
        try:
            recovery_codes = self._codes.enrol(user_id, nonce, code, now)
        except Wrong:
            self._lockout.wrong(tried, now)
            raise
        self._lockout.right(tried, now)
        logger.info("user %s has a second factor", user_id)
        return Enrolled(self._renewed(session, device, now), recovery_codes)

    def recovery_codes_left(self, session: PanelSession) -> int:
        return len(self._tables.account(session.moderator.user_id).get(RECOVERY, ()))

    def renew_recovery_codes(self, session: PanelSession) -> Sequence[str]:
        return self._codes.renew_recovery_codes(session.moderator.user_id)

    def remove(self, session: PanelSession) -> None:
        logger.info("user %s removed the second factor", session.moderator.user_id)
        self._tables.change_account(session.moderator.user_id, dict(FORGOTTEN))

    def _begin(self, session: PanelSession, device: Device, now: datetime) -> Try:
        who = session.moderator
        return self._lockout.begin(_keys(who.user_id, who.name, device), now)

    def _user(self, session: PanelSession) -> Document:
        """The session's user; one that is gone has no password that fits."""
        return self._tables.user(session.moderator.user_id) or {}

    def _renewed(self, session: PanelSession, device: Device, now: datetime) -> str:
        token = self._sessions.renew(session.session_id, device, now)
        if token is None:  # ended meanwhile
            raise Wrong
        return token


def _keys(user_id: str | None, name: str, device: Device) -> tuple[Key, ...]:
    """What tries are counted by: a device that the user was signed in on has a count of its own,
    so that nobody who tries the user's name, or the same address, can lock her out there."""
    known = device.known
    if known is not None and known.user_id == user_id:
        return (device_key(known.user_id, known.device_id),)
    return account_key(user_id, name), address_key(device.address)
