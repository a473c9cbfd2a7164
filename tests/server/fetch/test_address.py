"""Which hosts and addresses are public, allowed, or spelled in a way that we refuse."""

from dataclasses import FrozenInstanceError
from ipaddress import IPv4Address, IPv6Address
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.moderation.errors import InvalidUrl
from server.fetch.address import (
    _ALLOWED_IPV4,
    _ALLOWED_IPV6,
    AllowedHost,
    is_public,
    normalise_host,
    parse_allowed_hosts,
)
from server.fetch.url import follow, parse_url

# First and last address of every refused block, written down from the RFCs and IANA's registries
# independently of the table that is tested. The neighbours on both sides are public unless the
# second column says otherwise.
IPV4_BLOCKS = [
    ("0.0.0.0", "0.255.255.255"),  # noqa: S104 - nothing binds to it
    ("10.0.0.0", "10.255.255.255"),
    ("100.64.0.0", "100.127.255.255"),
    ("127.0.0.0", "127.255.255.255"),
    ("161.26.0.0", "161.26.255.255"),
    ("166.8.0.0", "166.11.255.255"),
    ("168.63.129.16", "168.63.129.16"),
    ("169.254.0.0", "169.254.255.255"),
    ("172.16.0.0", "172.31.255.255"),
    ("192.0.0.0", "192.0.0.255"),
    ("192.0.2.0", "192.0.2.255"),
    ("192.31.196.0", "192.31.196.255"),
    ("192.52.193.0", "192.52.193.255"),
    ("192.88.99.0", "192.88.99.255"),
    ("192.168.0.0", "192.168.255.255"),
    ("192.175.48.0", "192.175.48.255"),
    ("198.18.0.0", "198.19.255.255"),
    ("198.51.100.0", "198.51.100.255"),
    ("203.0.113.0", "203.0.113.255"),
    ("224.0.0.0", "255.255.255.255"),
]
IPV6_BLOCKS = [
    ("::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff"),
    ("3ffe::", "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("4000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
]
NEIGHBOURS_REFUSED_TOO = {"3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "3fff::"}


def slow_is_public_ipv4(octets: list[int]) -> bool:
    """The same question answered by comparing lists of octets with the blocks above."""
    return not any(
        [int(part) for part in first.split(".")]
        <= octets
        <= [int(part) for part in last.split(".")]
        for first, last in IPV4_BLOCKS
    )


def slow_is_public_ipv6(groups: str) -> bool:
    """The same question answered by comparing the 32 hex digits as text."""
    digits = groups.replace(":", "")
    if digits[16:24] in ("00005efe", "02005efe"):
        return False
    return not any(
        IPv6Address(first).exploded.replace(":", "")
        <= digits
        <= IPv6Address(last).exploded.replace(":", "")
        for first, last in IPV6_BLOCKS
    )


@given(st.lists(st.integers(0, 255), min_size=4, max_size=4))
def test_ipv4_agrees_with_a_slow_formulation(octets: list[int]) -> None:
    assert is_public(".".join(map(str, octets))) == slow_is_public_ipv4(octets)


@given(
    st.one_of(
        st.integers(0, 2**128 - 1),
        st.integers(0x2000 << 112, (0x4000 << 112) - 1),
        st.builds(
            lambda prefix, isatap, ipv4: prefix << 64 | isatap << 32 | ipv4,
            st.integers(0x2000 << 48, (0x4000 << 48) - 1),
            st.sampled_from([0x5EFE, 0x0200_5EFE, 0x0100_5EFE, 0x5EFF]),
            st.integers(0, 2**32 - 1),
        ),
    )
)
def test_ipv6_agrees_with_a_slow_formulation(number: int) -> None:
    exploded = IPv6Address(number).exploded
    assert is_public(exploded) == slow_is_public_ipv6(exploded)
    assert is_public(str(IPv6Address(number))) == is_public(exploded)


@pytest.mark.parametrize(("first", "last"), IPV4_BLOCKS)
def test_every_ipv4_block_is_refused_to_its_exact_bounds(first: str, last: str) -> None:
    assert not is_public(first)
    assert not is_public(last)
    if first != "0.0.0.0":  # noqa: S104 - nothing binds to it
        assert is_public(str(IPv4Address(first) - 1))
    if last != "255.255.255.255":
        assert is_public(str(IPv4Address(last) + 1))


@pytest.mark.parametrize(("first", "last"), IPV6_BLOCKS)
def test_every_ipv6_block_is_refused_to_its_exact_bounds(first: str, last: str) -> None:
    assert not is_public(first)
    assert not is_public(last)
    if first != "::" and last not in NEIGHBOURS_REFUSED_TOO:
        before = str(IPv6Address(first) - 1)
        assert is_public(before) == (before not in NEIGHBOURS_REFUSED_TOO)
    if not last.startswith("ffff") and first not in NEIGHBOURS_REFUSED_TOO:
        after = str(IPv6Address(last) + 1)
        assert is_public(after) == (after not in NEIGHBOURS_REFUSED_TOO)


# The other way round: what is allowed, to the exact bounds, as the gaps between the blocks above.
IPV4_GAPS = [
    (int(IPv4Address(last)) + 1, int(IPv4Address(first)) - 1)
    for (_, last), (first, _) in pairwise(IPV4_BLOCKS)
]
IPV6_GAPS = [
    (int(IPv6Address(last)) + 1, int(IPv6Address(first)) - 1)
    for (_, last), (first, _) in pairwise(IPV6_BLOCKS)
    if int(IPv6Address(last)) + 1 < int(IPv6Address(first))
]


@pytest.mark.parametrize(
    ("family", "allowed", "gaps"),
    [(IPv4Address, _ALLOWED_IPV4, IPV4_GAPS), (IPv6Address, _ALLOWED_IPV6, IPV6_GAPS)],
)
def test_every_allowed_range_is_open_to_its_exact_bounds(family, allowed, gaps) -> None:
    assert [(int(family(first)), int(family(last))) for first, last in allowed] == gaps
    for first, last in allowed:
        assert is_public(first)
        assert is_public(last)
        assert not is_public(str(family(first) - 1))
        assert not is_public(str(family(last) + 1))


NUMBERS = st.one_of(
    st.integers(0, 2**32 - 1).map(IPv4Address),
    st.integers(0, 2**128 - 1).map(IPv6Address),
    st.integers(0x2000 << 112, (0x4000 << 112) - 1).map(IPv6Address),
    st.integers(0, 2**32 - 1).map(lambda number: IPv6Address(0xFFFF << 32 | number)),
)
NEVER = (
    "is_private",
    "is_reserved",
    "is_multicast",
    "is_loopback",
    "is_link_local",
    "is_unspecified",
)


@given(NUMBERS)
@settings(max_examples=400)
def test_nothing_that_python_calls_special_is_public(found: IPv4Address | IPv6Address) -> None:
    special = [name for name in NEVER if getattr(found, name)]
    if getattr(found, "is_site_local", False) or getattr(found, "ipv4_mapped", None):
        special.append("local or mapped")
    if special or not found.is_global:
        assert not is_public(str(found)), special


@pytest.mark.parametrize("number", [0, 2**32 - 1, 2**128 - 1])
def test_an_address_of_another_family_is_not_public(number: int) -> None:
    for text in (
        f"/run/{number}.sock",
        f"{number}",
        f"{number:032x}",
        "00:1b:44:11:3a:b7",
        "vsock:2",
    ):
        assert not is_public(text)


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",  # metadata of AWS, Google, Azure and others
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle
        "168.63.129.16",  # Azure
        "fd00:ec2::254",  # AWS
        "::1",
        "::",
        "::ffff:8.8.8.8",  # IPv4-mapped
        "::8.8.8.8",  # IPv4-compatible
        "::ffff:0:8.8.8.8",  # SIIT
        "64:ff9b::8.8.8.8",  # NAT64
        "64:ff9b:1::8.8.8.8",
        "100::1",  # discard-only
        "2001::1",  # Teredo
        "2001:2::1",  # benchmarks
        "2001:10::1",  # ORCHID
        "2001:20::1",  # ORCHIDv2
        "2002:7f00:1::",  # 6to4 of 127.0.0.1
        "2606:4700::5efe:127.0.0.1",  # ISATAP
        "2606:4700::200:5efe:10.0.0.1",
        "3fff::1",
        "5f00::1",  # segment routing
        "fc00::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ],
)
def test_inner_and_tunnelled_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001::200e"]
)
def test_ordinary_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "text",
    ["", "example.com", "8.8.8", "08.8.8.8", "0x8.8.8.8", "134744072", "8.8.8.8 ", "[2606:4700::1]",
     "2606:4700::1%eth0", "2606:4700::1%", "8.8.8.8/32", "٨.8.8.8", "8.8.8.8\n"],
)  # fmt: skip
def test_what_is_no_strict_literal_is_not_public(text: str) -> None:
    assert not is_public(text)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("Example.COM", "example.com"),
        ("example.com.", "example.com"),
        ("my_bucket.example", "my_bucket.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1.", "192.0.2.1"),
        ("\uff11\uff19\uff12.0.2.1", "192.0.2.1"),
        ("[::1]", "::1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
    ],
)
def test_a_host_has_one_spelling(text: str, host: str) -> None:
    assert normalise_host(text) == host


@pytest.mark.parametrize(
    "text",
    ["127.1", "2130706433", "0177.0.0.1", "0x7f.0.0.1", "0x7f000001", "127.0.0.0x1", "127.0.0.0x",
     "127.0.0.01", "1.2.3.4.5", "256.1.1.1", "example.1", "example.0xff", "\uff11\uff12\uff17.1",
     "127.1."],
)  # fmt: skip
def test_a_number_is_no_host_unless_a_plain_dotted_quad(text: str) -> None:
    with pytest.raises(ValueError, match="number"):
        normalise_host(text)


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "a..b", "a" * 64, ".".join(["a" * 63] * 4) + ".com", "a b", "a%41", "a/b",
     "a@b", "*.example.com", "[::1", "::1]", "[fe80::1%eth0]", "[1.2.3.4]", "[]", "[v1.a]",
     "[::1].com", "ü" * 300, "☃.net", "\u3002", "a\u200db\u0301-.ü"],
)  # fmt: skip
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="its host"):
        normalise_host(text)


@given(st.text(max_size=40))
def test_a_normalised_host_stays_as_it_is(text: str) -> None:
    try:
        host = normalise_host(text)
    except ValueError:
        return
    assert host.isascii()
    assert normalise_host(host) == host


def test_allow_list_is_parsed() -> None:
    text = " CDN.local, cdn.local:8080,[::1]:8080 , ::1, 10.0.0.5:81,bücher.example., "
    assert parse_allowed_hosts(text) == (
        AllowedHost("cdn.local", None),
        AllowedHost("cdn.local", 8080),
        AllowedHost("::1", 8080),
        AllowedHost("::1", None),
        AllowedHost("10.0.0.5", 81),
        AllowedHost("xn--bcher-kva.example", None),
    )


def test_an_empty_allow_list_allows_nothing() -> None:
    assert parse_allowed_hosts("") == ()
    assert parse_allowed_hosts(" , ") == ()


@pytest.mark.parametrize(
    "entry",
    ["*", "*.example.com", "http://cdn.local", "cdn.local:", "cdn.local:0", "cdn.local:65536",
     "cdn.local:http", "10.0.0.0/8", "127.1", "[::1", "[::1]x", ":80", "a b", "me@cdn.local"],
)  # fmt: skip
def test_a_bad_allow_entry_is_named(entry: str) -> None:
    with pytest.raises(ValueError, match="IMAGE_FETCH_ALLOW has a bad entry") as caught:
        parse_allowed_hosts(f"good.example,{entry}")
    assert repr(entry) in str(caught.value)


def test_an_allow_entry_opens_only_its_host_and_port() -> None:
    entry = AllowedHost("cdn.local", 8080)
    assert entry.opens("cdn.local", 8080)
    assert not entry.opens("cdn.local", 8081)
    assert not entry.opens("x.cdn.local", 8080)
    assert AllowedHost("cdn.local", None).opens("cdn.local", 1)


def test_an_allow_entry_is_checked_when_made_and_frozen() -> None:
    assert AllowedHost("LOCALHOST.", None).host == "localhost"
    with pytest.raises(ValueError, match="port"):
        AllowedHost("localhost", 70000)
    with pytest.raises(FrozenInstanceError):
        AllowedHost("localhost", 1).port = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    "url",
    ["", "/cat.jpg", "example.com/cat.jpg", "//example.com/", "http:example.com", "http:/a", "http://",
     "http:///cat.jpg", "http://:80/", "http://@/", "ftp://example.com/", "file:///etc/passwd",
     "gopher://example.com/", "data:image/png;base64,AA", "javascript:1", "http+unix://a/",
     " http://example.com/", "http://example.com/ ", "http://exam ple.com/", "http://a/\r\nX: 1",
     "http://a/\x00", "http://a\t.b/", "ht\ntp://a/", "http://a\\@b/", "http://a/\\b", "http://a/\u2028",
     "http://a/\x85", "http://a/\u00a0", "http://a:0/", "http://a:65536/", "http://a:/", "http://a:-1/",
     "http://a:8 0/", "http://a:٨٠/", "http://a:80:80/", "http://[::1/", "http://::1/",
     "http://[::1]a/", "http://[fe80::1%25eth0]/", "http://[::1%lo]/", "http://127.1/", "http://0x7f.1/",
     "http://2130706433/", "http://%31%32%37.0.0.1/", "http://a%00b/", "http://a..b/",
     "http://a/\ud800", "http://exa\uff0fmple.com/", "http://a/" + "b" * 8184,
     "http://a/" + "ü" * 4092],
)  # fmt: skip
def test_what_is_no_plain_http_url_is_refused(url: str) -> None:
    with pytest.raises(InvalidUrl):
        parse_url(url)


@pytest.mark.parametrize(
    ("url", "requested"),
    [
        ("http://a/" + "b" * 8183, "http://a/" + "b" * 8183),
        ("http://example.com", "http://example.com/"),
        ("HTTP://EXAMPLE.com:80/A?b=C#d", "http://example.com/A?b=C"),
        ("https://example.com:443/", "https://example.com/"),
        ("https://example.com:80/", "https://example.com:80/"),
        ("http://alice:secret@example.com/", "http://example.com/"),
        ("http://good.example@evil.example/", "http://evil.example/"),
        ("http://a@b@c.example/", "http://c.example/"),
        ("http://example.com./x", "http://example.com/x"),
        ("http://bücher.example/ü?ä=ö#ß", "http://xn--bcher-kva.example/%C3%BC?%C3%A4=%C3%B6"),
        ("http://a/%7Eb/c%2Fd?e=%20+f", "http://a/%7Eb/c%2Fd?e=%20+f"),
        ('http://a/"<>`{}^|', "http://a/%22%3C%3E%60%7B%7D%5E|"),
        ("http://a?b", "http://a/?b"),
        ("http://a/b?c?d", "http://a/b?c?d"),
        ("http://[2606:4700::1]:8080/", "http://[2606:4700::1]:8080/"),
        ("http://a//b/../c;d", "http://a//b/../c;d"),
        ("http://a:00080/", "http://a/"),
    ],
)
def test_a_url_is_taken_apart_and_built_anew(url: str, requested: str) -> None:
    assert parse_url(url).url == requested
    assert parse_url(requested).url == requested


@given(st.text(max_size=60))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    for url in (text, "http://" + text, "http://host.example/" + text):
        try:
            target = parse_url(url)
        except InvalidUrl:
            continue
        assert target.url.isascii()
        assert target.url.isprintable()
        assert " " not in target.url
        assert parse_url(target.url) == target


@pytest.mark.parametrize(
    "url", ["http://al:hunter2@a b/", "http://al:hunter2@℀/", "http://127.1/?hunter2"]
)
def test_a_refusal_repeats_nothing_of_the_url(url: str) -> None:
    with pytest.raises(InvalidUrl) as caught:
        parse_url(url)
    assert "hunter2" not in str(caught.value) + caught.value.public_message
    assert caught.value.__suppress_context__


def test_the_loggable_url_has_no_query_and_is_short() -> None:
    target = parse_url("http://alice:secret@a/" + "b" * 500 + "?token=1")
    assert target.loggable == "http://a/" + "b" * 199


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/b", "https://a.example:8443/b"),
        ("b?c", "https://a.example:8443/x/b?c"),
        ("//b.example/c", "https://b.example/c"),
        ("http://b.example", "http://b.example/"),
        ("?q", "https://a.example:8443/x/y?q"),
        ("/ü", "https://a.example:8443/%C3%BC"),
    ],
)
def test_a_redirect_is_resolved_against_the_url_that_sent_it(location: str, url: str) -> None:
    assert follow(parse_url("https://me:pw@a.example:8443/x/y"), location).url == url


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "//127.1/", "/a b", "/\t", "http://[", "\\\\b"]
)
def test_a_redirect_is_checked_from_the_start(location: str) -> None:
    with pytest.raises(InvalidUrl, match="redirects to a URL that is not acceptable"):
        follow(parse_url("https://a.example/x/y"), location)
