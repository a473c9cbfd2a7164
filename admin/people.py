"""Who uses the panel: moderators, what they may do, and how they like to look at images."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """What somebody may do. An admin may do all that a moderator may."""

    MODERATOR = "moderator"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Preferences:
    """How a moderator works, within the owner's bounds."""

    blur: bool = True
    grey: bool = True
    muted: bool = True
    """Animations stand still until they are started."""
    break_after: int = 100
    """Images after which a break is suggested; 0: never."""
    language: str | None = None
    """None: as the browser asks."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Keys by action, where they differ from the usual ones."""


@dataclass(frozen=True, slots=True)
class Moderator:
    """A Parse user who may use the panel."""

    user_id: str
    name: str
    role: Role = Role.MODERATOR
    has_second_factor: bool = False
    preferences: Preferences = Preferences()

    @property
    def is_admin(self) -> bool:
        """Whether policy, team and escalated images are this moderator's business."""
        return self.role is Role.ADMIN


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """A browser in which a user was signed in before, by a cookie that nobody else can make."""

    user_id: str
    device_id: str


@dataclass(frozen=True, slots=True)
class Device:
    """Where a sign-in comes from, as far as a request tells."""

    address: str = ""
    user_agent: str = ""
    known: KnownDevice | None = None


@dataclass(frozen=True, slots=True)
class PanelSession:
    """One sign-in on one device; `session_id` names it, and is not what its cookie holds."""

    session_id: str
    moderator: Moderator
    started_at: datetime
    seen_at: datetime
    expires_at: datetime
    device: Device = Device()
    needs_second_factor: bool = False
    """The password was right; until the second factor is too, nothing else is open."""
    needs_new_password: bool = False
    """The password is one that somebody else knows; nothing else is open until it is changed."""
