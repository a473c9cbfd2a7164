"""Second factors: codes that change every 30 seconds (RFC 6238), and codes for lost phones.

No secret is kept. It follows from a nonce in the account and from the server's key, so whoever
reads the database can make no codes.
"""

import base64
import hashlib
import hmac
import re
import secrets
from datetime import datetime

import pyotp

from admin.people import PanelSession
from admin.ports.sign_ins import Enrolment, Wrong
from cloud.operations import Delete, Operation, Remove, Set
from server.panel.tables import PanelTables
from server.storage.port import Document, Equals, Exists

RECOVERY_CODES = 10
_ISSUER = "Parsewarden"
_STEP_S = 30
# Clocks of phones are wrong by less; RFC 6238, 5.2 advises one step.
_STEPS_OFF = (-1, 0, 1)
_SECRET_BYTES = 20
_NONCE = re.compile(r"[0-9a-f]{32}")
_CODE = re.compile(r"[0-9]{6}")

NONCE, STEP, RECOVERY = "_totp_nonce", "_totp_step", "_recovery_sha256"
_NONE_YET = Exists(NONCE, exists=False)

FORGOTTEN: dict[str, Operation] = {name: Delete() for name in (NONCE, STEP, RECOVERY)}
"""The change after which an account has no second factor."""


def has_second_factor(account: Document) -> bool:
    """Whether a password does not suffice for an account."""
    return NONCE in account


class AccountCodes:
    """Makes and checks the codes of accounts; thread-safe. `secret` is the server's key."""

    def __init__(self, tables: PanelTables, secret: bytes) -> None:
        self._tables, self._key = tables, secret

    def offer(self, session: PanelSession, nonce: str | None) -> Enrolment:
        """See SecondFactors."""
        if nonce is None or not _NONCE.fullmatch(nonce):
            nonce = secrets.token_hex(16)
        who = session.moderator
        secret = self._secret(who.user_id, nonce)
        uri = pyotp.TOTP(secret).provisioning_uri(name=who.name, issuer_name=_ISSUER)
        return Enrolment(nonce, secret, uri)

    def enrol(self, user_id: str, nonce: str, code: str, now: datetime) -> list[str]:
        """Have a second factor count; return its recovery codes. Raises Wrong."""
        step = self._step_of(user_id, nonce, code, now) if _NONCE.fullmatch(nonce) else None
        if step is None:
            raise Wrong
        codes, kept = _new_recovery_codes()
        operations: dict[str, Operation] = {NONCE: Set(nonce), STEP: Set(step), RECOVERY: kept}
        if not self._tables.change_account(user_id, operations, _NONE_YET):
            raise Wrong
        return codes

    def use(self, user_id: str, code: str, now: datetime) -> bool:
        """Use up a code, or a recovery code, of an account. False: it does not count."""
        account = self._tables.account(user_id)
        nonce = account.get(NONCE)
        if nonce is None:
            return False
        same_factor = Equals(NONCE, nonce)
        compact = re.sub(r"[\s-]", "", code)
        if not _CODE.fullmatch(compact):
            used = _recovery_hash(compact)
            there = Equals(RECOVERY, used)
            return self._tables.change_account(
                user_id, {RECOVERY: Remove((used,))}, same_factor, there
            )
        step = self._step_of(user_id, nonce, compact, now)
        if step is None or step <= account.get(STEP, 0):
            return False
        unused = Equals(STEP, account.get(STEP))
        return self._tables.change_account(user_id, {STEP: Set(step)}, same_factor, unused)

    def renew_recovery_codes(self, user_id: str) -> list[str]:
        """Return new recovery codes; the old ones count no more."""
        codes, kept = _new_recovery_codes()
        self._tables.change_account(user_id, {RECOVERY: kept}, Exists(NONCE, exists=True))
        return codes

    def _secret(self, user_id: str, nonce: str) -> str:
        message = f"second factor {user_id} {nonce}".encode()
        digest = hmac.digest(self._key, message, hashlib.sha256)
        return base64.b32encode(digest[:_SECRET_BYTES]).decode()

    def _step_of(self, user_id: str, nonce: str, code: str, now: datetime) -> int | None:
        """Return the step of time that a code is of, None if it is of none around now."""
        otp = pyotp.TOTP(self._secret(user_id, nonce), interval=_STEP_S)
        current, given = int(now.timestamp()) // _STEP_S, re.sub(r"\s", "", code).encode()
        for step in (current + off for off in _STEPS_OFF):
            if hmac.compare_digest(otp.generate_otp(step).encode(), given):
                return step
        return None


def _new_recovery_codes() -> tuple[list[str], Operation]:
    """Return codes of 80 random bits, and the change that keeps their hashes."""
    made = [base64.b32encode(secrets.token_bytes(10)).decode() for _ in range(RECOVERY_CODES)]
    shown = ["-".join(re.findall("....", code)) for code in made]
    return shown, Set([_recovery_hash(code) for code in made])


def _recovery_hash(code: str) -> str:
    return hashlib.sha256(code.upper().encode()).hexdigest()
