"""Signing in and out: name and password, then the second factor where there is one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from admin.people import Device, PanelSession


class SignInError(Exception):
    """Why somebody is not let in."""


class Wrong(SignInError):
    """The name, the password or the code is not right, or the account may not use the panel:
    nobody is told which."""


class LockedOut(SignInError):
    """Too many were wrong, for this account or from this address, or on this known device: even
    the right one is refused until `until`."""

    def __init__(self, until: datetime) -> None:
        self.until = until
        super().__init__(f"locked until {until:%H:%M}")


class SignIns(Protocol):
    """Lets moderators in. Each token that is returned stands for a new session, whose cookie it
    goes into; the session before it has ended."""

    def sign_in(self, name: str, password: str, device: Device) -> str:
        """Return a token; its session may need a second factor. Raises Wrong, LockedOut."""

    def pass_second_factor(self, session: PanelSession, code: str, device: Device) -> str:
        """Return the token of a session that needs no second factor any more.

        A code counts once, and so does a recovery code. Raises Wrong, LockedOut.
        """

    def sign_out(self, session: PanelSession) -> None:
        """End a session."""

    def check_password(self, session: PanelSession, password: str, device: Device) -> None:
        """Raise Wrong or LockedOut unless this is the moderator's password."""

    def set_password(self, session: PanelSession, password: str, device: Device) -> str:
        """Give the moderator another password; all the other sessions end. Raises WeakPassword."""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A second factor that is offered: it counts once a code confirms it."""

    nonce: str
    """What the secret follows from; of no use without the server's key."""
    secret: str
    """To be typed into an authenticator, in base32."""
    uri: str
    """The same for its camera."""


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A second factor that counts from now on."""

    token: str
    recovery_codes: Sequence[str]
    """To be shown once: only their hashes are kept."""


class SecondFactors(Protocol):
    """Sets up second factors: codes of an authenticator that change every 30 seconds."""

    def offer(self, session: PanelSession, nonce: str | None = None) -> Enrolment:
        """Return a new enrolment, or the one that was offered with this nonce."""

    def enrol(self, session: PanelSession, nonce: str, code: str, device: Device) -> Enrolled:
        """Have the second factor count. Raises Wrong, also when there is one already; LockedOut."""

    def recovery_codes_left(self, session: PanelSession) -> int:
        """Count the recovery codes that have not been used."""

    def renew_recovery_codes(self, session: PanelSession) -> Sequence[str]:
        """Return ten new recovery codes; the old ones count no more."""

    def remove(self, session: PanelSession) -> None:
        """Have the password suffice again, where the owner's settings let it."""
