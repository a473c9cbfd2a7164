"""Who is calling: keys compared with the configured ones, in constant time."""

import hmac
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from config import Settings
from server.networks import is_address_in
from server.parse.errors import OPERATION_FORBIDDEN, ParseError, master_key_required, unauthorized
from server.parse.request import Credentials
from server.storage.budget import Budget
from server.storage.port import Document

logger = logging.getLogger(__name__)


def _no_roles(_user_id: str) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True)
class Caller:
    """An authorised caller, for the length of one call.

    `master` holds for the read-only master key as well; who writes asks `require_write` first.
    """

    master: bool
    ip: str
    installation_id: str | None = None
    read_only: bool = False
    user: Document | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    maintenance: bool = False
    """Whether the maintenance key came with the call, which reads all and writes nothing."""
    client_version: str | None = None
    key_name: str | None = None
    """Which of the clients' keys came with the call; None with the master key."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """By lower-case name."""
    find_role_names: Callable[[str], tuple[str, ...]] = field(
        default=_no_roles, repr=False, compare=False
    )
    budget: Budget | None = field(default=None, repr=False, compare=False)
    """What is left of the memory that the answer may take; None sets no bound."""

    @property
    def reads_all(self) -> bool:
        """Whether neither ACLs nor permissions keep anything from being read."""
        return self.master or self.maintenance

    @property
    def searches_all(self) -> bool:
        """Whether what is never shown may be searched by: tokens, say, which whoever reads with the
        read-only key could find out letter by letter, and write with."""
        return self.reads_all and not self.read_only

    @property
    def user_id(self) -> str | None:
        """The objectId of the logged-in user."""
        return None if self.user is None else self.user["objectId"]

    @cached_property
    def role_names(self) -> tuple[str, ...]:
        """The names of all roles that the user has, inherited ones included."""
        return () if self.user_id is None else self.find_role_names(self.user_id)

    @cached_property
    def principals(self) -> tuple[str, ...]:
        """Whom an ACL must name for this caller: everybody, the user, the user's roles."""
        if self.user_id is None:
            return ("*",)
        return ("*", self.user_id, *(f"role:{name}" for name in self.role_names))

    def require_master(self) -> None:
        """Raise ParseError 403 unless the call came with the master key."""
        if not self.master:
            raise master_key_required()

    def require_write(self) -> None:
        """Raise ParseError 119 for the read-only master key, and for the maintenance key."""
        if self.read_only:
            message = "read-only masterKey isn't allowed to perform this operation."
            raise ParseError(OPERATION_FORBIDDEN, message)
        if self.maintenance:
            message = "The maintenance key isn't allowed to perform this operation."
            raise ParseError(OPERATION_FORBIDDEN, message)


def authorise(
    credentials: Credentials, ip: str, headers: Mapping[str, str], settings: Settings
) -> Caller:
    """Check a request's keys by Parse Server's rules. Raises ParseError 403 "unauthorized".

    The app id must be right. The maintenance key counts alone, or else the master key, each from
    its own addresses only; a wrong one is ignored. Otherwise one of the other keys must match, if
    any is configured.
    """
    if not _equal(credentials.app_id, settings.app_id):
        how = "is not APP_ID" if credentials.app_id else "was not sent"
        raise unauthorized(f"the application id {how}")
    if _equal(credentials.maintenance_key, settings.maintenance_key):
        if not is_address_in(ip, settings.maintenance_key_ips):
            logger.warning("right maintenance key from %s: not in MAINTENANCE_KEY_IPS", ip)
            raise unauthorized("the maintenance key came from a foreign address")
        return Caller(
            master=False,
            ip=ip,
            installation_id=credentials.installation_id,
            maintenance=True,
            headers=headers,
            budget=Budget(settings.max_answer_memory),
        )
    master = _equal(credentials.master_key, settings.master_key)
    read_only = _equal(credentials.master_key, settings.read_only_master_key)
    if (master or read_only) and not is_address_in(ip, settings.master_key_ips):
        logger.warning("right master key from %s refused: not in MASTER_KEY_IPS", ip)
        raise unauthorized("the master key came from a foreign address")
    key_name = None if master or read_only else _client_key(credentials, settings)
    return Caller(
        master=master or read_only,
        read_only=read_only and not master,
        ip=ip,
        installation_id=credentials.installation_id,
        client_version=credentials.client_version,
        headers=headers,
        key_name=key_name,
        budget=Budget(settings.max_answer_memory),
    )


def _client_key(credentials: Credentials, settings: Settings) -> str:
    """Return the name of the key that is right, "none" where none is configured.

    Raises ParseError 403 "unauthorized".
    """
    keys = [
        ("rest", credentials.rest_api_key, settings.rest_api_key),
        ("javascript", credentials.javascript_key, settings.js_key),
        ("client", credentials.client_key, settings.client_key),
        ("dotnet", credentials.windows_key, settings.dotnet_key),
    ]
    configured = [key for key in keys if key[2]]
    right = [name for name, given, expected in configured if _equal(given, expected)]
    if configured and not right:
        given_keys = [("master", credentials.master_key), *(key[:2] for key in keys)]
        sent = [name for name, given in given_keys if given]
        raise unauthorized(f"wrong key ({', '.join(sent)})" if sent else "no key was sent")
    return right[0] if right else "none"


def _equal(given: str | None, expected: str) -> bool:
    """Compare in constant time; an expected key that is not configured equals nothing."""
    return bool(given and expected) and hmac.compare_digest(given.encode(), expected.encode())  # type: ignore[union-attr]
