"""Who is calling: keys compared with the configured ones, in constant time."""

import hmac
import logging
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from config import Settings
from server.parse.errors import unauthorized
from server.parse.request import Credentials

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Caller:
    """An authorised caller."""

    master: bool
    ip: str
    installation_id: str | None


def authorise(credentials: Credentials, ip: str, settings: Settings) -> Caller:
    """Check a request's keys by Parse Server's rules. Raises ParseError 403 "unauthorized".

    The app id must be right. The master key counts alone, from the addresses of MASTER_KEY_IPS
    only; a wrong one is ignored. Otherwise one of the other keys must match, if any is configured.
    """
    if not _equal(credentials.app_id, settings.app_id):
        raise unauthorized()
    if _equal(credentials.master_key, settings.master_key):
        if not _is_master_address(ip, settings):
            logger.warning("right master key from %s refused: not in MASTER_KEY_IPS", ip)
            raise unauthorized()
        return Caller(master=True, ip=ip, installation_id=credentials.installation_id)
    if not _has_client_key(credentials, settings):
        raise unauthorized()
    return Caller(master=False, ip=ip, installation_id=credentials.installation_id)


def _has_client_key(credentials: Credentials, settings: Settings) -> bool:
    pairs = [
        (credentials.rest_api_key, settings.rest_api_key),
        (credentials.javascript_key, settings.js_key),
        (credentials.client_key, settings.client_key),
    ]
    configured = [(given, expected) for given, expected in pairs if expected]
    return not configured or any(_equal(given, expected) for given, expected in configured)


def _is_master_address(ip: str, settings: Settings) -> bool:
    address = ip_address(ip)
    if isinstance(address, IPv6Address) and address.ipv4_mapped:  # a dual-stack socket's IPv4
        address = address.ipv4_mapped
    return any(address in network for network in settings.master_key_ips)


def _equal(given: str | None, expected: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode(), expected.encode())
