"""Which network an address is of: by what callers are told apart, let in and counted."""

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from config import LOOPBACK_NETWORKS


def is_address_in(text: str, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    """Say whether an address lies in one of the networks; what is no address lies in none."""
    address = _address_of(text)
    return address is not None and any(address in network for network in networks)


def is_this_machine(text: str) -> bool:
    """Say whether a call came from the machine that it came to."""
    return is_address_in(text, LOOPBACK_NETWORKS)


def network_of(text: str) -> str:
    """The IPv4 address, or the network of 64 bits of an IPv6 one, where each caller has many."""
    address = _address_of(text)
    if isinstance(address, IPv6Address):
        return str(ip_network((address.packed, 64), strict=False))
    return "unknown" if address is None else str(address)


def _address_of(text: str) -> IPv4Address | IPv6Address | None:
    """The address; an IPv4 one also where a socket of both families says `::ffff:192.0.2.1`."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address if mapped is None else mapped
