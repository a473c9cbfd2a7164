"""Which hosts and addresses the server may talk to.

Pure: it compares text and numbers, and knows neither DNS nor sockets. What is allowed is listed
here, and nothing else is. It does not rest on `ipaddress.is_global`, whose answers changed between
Python releases.
"""

import re
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address

import idna

# The addresses that can be fetched from, first and last of each range; no other can. What lies
# between two ranges is said behind the first: all of IANA's "IPv4 Special-Purpose Address
# Registry", also what it calls globally reachable, since nobody serves images from a relay or a DNS
# sink; multicast; and what clouds keep for their own machines.
# https://www.iana.org/assignments/iana-ipv4-special-registry
_ALLOWED_IPV4 = (  # not before: 0.0.0.0/8, "this network", RFC 791
    ("1.0.0.0", "9.255.255.255"),  # 10.0.0.0/8, private, RFC 1918
    ("11.0.0.0", "100.63.255.255"),  # 100.64.0.0/10, carriers' NAT, RFC 6598; Alibaba's metadata
    ("100.128.0.0", "126.255.255.255"),  # 127.0.0.0/8, loopback, RFC 1122
    ("128.0.0.0", "161.25.255.255"),  # 161.26.0.0/16, IBM Cloud's own services, in IBM's docs
    ("161.27.0.0", "166.7.255.255"),  # 166.8.0.0/14, the same
    ("166.12.0.0", "168.63.129.15"),  # 168.63.129.16, Azure's platform, in Microsoft's docs
    ("168.63.129.17", "169.253.255.255"),  # 169.254.0.0/16, link-local, RFC 3927; clouds' metadata
    ("169.255.0.0", "172.15.255.255"),  # 172.16.0.0/12, private, RFC 1918
    ("172.32.0.0", "191.255.255.255"),  # 192.0.0.0/24, IETF, RFC 6890; Oracle's metadata
    ("192.0.1.0", "192.0.1.255"),  # 192.0.2.0/24, documentation, RFC 5737
    ("192.0.3.0", "192.31.195.255"),  # 192.31.196.0/24, AS112, RFC 7535
    ("192.31.197.0", "192.52.192.255"),  # 192.52.193.0/24, AMT relays, RFC 7450
    ("192.52.194.0", "192.88.98.255"),  # 192.88.99.0/24, 6to4 relays, RFC 7526
    ("192.88.100.0", "192.167.255.255"),  # 192.168.0.0/16, private, RFC 1918
    ("192.169.0.0", "192.175.47.255"),  # 192.175.48.0/24, AS112, RFC 7534
    ("192.175.49.0", "198.17.255.255"),  # 198.18.0.0/15, benchmarks, RFC 2544
    ("198.20.0.0", "198.51.99.255"),  # 198.51.100.0/24, documentation, RFC 5737
    ("198.51.101.0", "203.0.112.255"),  # 203.0.113.0/24, documentation, RFC 5737
    ("203.0.114.0", "223.255.255.255"),  # 224.0.0.0/3, multicast and reserved, RFC 5771 and 1112
)

# The same within 2000::/3, the only block from which IANA gives out global unicast addresses (RFC
# 4291 2.4). Outside of it lie loopback, IPv4-mapped and -compatible, NAT64 (64:ff9b::/96 and
# 64:ff9b:1::/48), 5f00::/16, fc00::/7, fe80::/10, fec0::/10 and ff00::/8.
# https://www.iana.org/assignments/iana-ipv6-special-registry
_ALLOWED_IPV6 = (
    ("2000::", "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    # 2001::/23, IETF protocols, RFC 2928: Teredo, ORCHID, benchmarks, AS112, AMT
    ("2001:200::", "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff"),
    # 2001:db8::/32, documentation, RFC 3849
    ("2001:db9::", "2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    # 2002::/16, 6to4, which embeds any IPv4 address, RFC 3056
    ("2003::", "2620:4f:7fff:ffff:ffff:ffff:ffff:ffff"),
    # 2620:4f:8000::/48, AS112, RFC 7534
    ("2620:4f:8001::", "3ffd:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    # 3ffe::/16, the former 6bone, RFC 3701; 3fff::/20, documentation, RFC 9637
    ("3fff:1000::", "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
)

# ISATAP (RFC 5214 6.1) embeds an IPv4 address behind the interface id 0000:5efe or 0200:5efe, under
# any prefix; the two differ in the "universal" bit.
_ISATAP = 0x0000_5EFE
_WITHOUT_UNIVERSAL_BIT = 0xFDFF_FFFF

_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
# "Ends in a number" of the WHATWG URL standard 3.5: inet_aton reads such a host as IPv4.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_MAX_HOST_LENGTH = 253  # RFC 1035 2.3.4, as text

_ENTRY = re.compile(r"(?P<host>\[[^\[\]]*\]|[^:\[\]]*)(?::(?P<port>[0-9]{1,5}))?")


_ALLOWED_IPV4_NUMBERS = tuple(
    (int(IPv4Address(first)), int(IPv4Address(last))) for first, last in _ALLOWED_IPV4
)
_ALLOWED_IPV6_NUMBERS = tuple(
    (int(IPv6Address(first)), int(IPv6Address(last))) for first, last in _ALLOWED_IPV6
)


def is_public(address: str) -> bool:
    """Say whether an IPv4 or IPv6 literal is a globally routable unicast address.

    Anything special is not: private, shared, tunnelled, mapped, translated, documentation, cloud
    metadata. Text that is no strict literal of one of the two, or has a zone id, is not either.
    """
    try:
        if ":" in address:
            return _is_public_ipv6(int(IPv6Address(address))) and "%" not in address
        return _is_public_ipv4(int(IPv4Address(address)))
    except AddressValueError:
        return False


def _is_public_ipv4(number: int) -> bool:
    return any(first <= number <= last for first, last in _ALLOWED_IPV4_NUMBERS)


def _is_public_ipv6(number: int) -> bool:
    if (number >> 32) & _WITHOUT_UNIVERSAL_BIT == _ISATAP:
        return False
    return any(first <= number <= last for first, last in _ALLOWED_IPV6_NUMBERS)


def normalise_host(text: str) -> str:
    """Return the one spelling of a host: lower-case ASCII name, IPv4, or IPv6 without brackets.

    International names become A-labels (UTS 46), one trailing dot goes. Raises ValueError, for
    instance for `127.1`, `0x7f.0.0.1` or `[fe80::1%eth0]`, with a clause that does not repeat the
    text.
    """
    if ":" in text or "[" in text:
        return _normalise_ipv6(text)
    host = _ascii_name(text).removesuffix(".")
    labels = host.split(".")
    if len(host) > _MAX_HOST_LENGTH or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("its host is not a valid name")
    if _NUMBER.fullmatch(labels[-1]):
        return _strict_ipv4(host)
    return host


def _normalise_ipv6(text: str) -> str:
    literal = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        if "%" not in literal:
            return str(IPv6Address(literal))
    except AddressValueError:
        pass
    raise ValueError("its host is not a valid IPv6 address")


def _ascii_name(text: str) -> str:
    if text.isascii():
        return text.lower()
    if len(text) > _MAX_HOST_LENGTH:
        raise ValueError("its host name is too long")
    try:
        return idna.encode(text, uts46=True).decode("ascii").lower()
    except UnicodeError:
        raise ValueError("its host is not a valid international name") from None


def _strict_ipv4(host: str) -> str:
    try:
        return str(IPv4Address(host))
    except AddressValueError:
        raise ValueError("its host is a number that is not a plain IPv4 address") from None


@dataclass(frozen=True, slots=True)
class AllowedHost:
    """A host that the operator vouches for, wherever its name leads.

    `port` None opens every port of it. The host is normalised when made; raises ValueError.
    """

    host: str
    port: int | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "host", normalise_host(self.host))
        if self.port is not None and not 1 <= self.port <= 65535:
            raise ValueError("its port is not between 1 and 65535")

    def opens(self, host: str, port: int) -> bool:
        """Say whether this entry opens `port` of the normalised `host`."""
        return self.host == host and self.port in (None, port)


def parse_allowed_hosts(text: str, setting: str = "IMAGE_FETCH_ALLOW") -> tuple[AllowedHost, ...]:
    """Parse an allow list: `host`, `host:port`, `192.0.2.1`, `[::1]:8080`, comma separated.

    Raises ValueError with a sentence that names the setting and the bad entry.
    """
    entries = filter(None, map(str.strip, text.split(",")))
    return tuple(_parse_allowed_host(entry, setting) for entry in entries)


def _parse_allowed_host(entry: str, setting: str) -> AllowedHost:
    try:
        if "/" in entry or "*" in entry:
            raise ValueError("write host or host:port, without scheme, path, mask or wildcard")
        if entry.count(":") > 1 and not entry.startswith("["):
            return AllowedHost(entry, None)
        return AllowedHost(*split_host_and_port(entry))
    except ValueError as error:
        raise ValueError(f"{setting} has a bad entry {entry!r}: {error}.") from None


def split_host_and_port(text: str) -> tuple[str, int | None]:
    """Split `host`, `host:port` or `[v6]:port`. Raises ValueError with a clause."""
    match = _ENTRY.fullmatch(text)
    if match is None:
        raise ValueError("it is not a host with an optional port")
    port = match["port"]
    if port is not None and not 1 <= int(port) <= 65535:
        raise ValueError("its port is not between 1 and 65535")
    return match["host"], None if port is None else int(port)
