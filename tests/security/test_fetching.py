"""addresses inside, to every door: refused however they are spelled, named, rebound or led to."""

import socket
import sys
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address, ip_network
from urllib.parse import quote, unquote

import pytest

from cloud.moderation.errors import AddressRefused, InvalidUrl, UpstreamFailed
from server.fetch.address import AllowedHost
from server.fetch.http import PinnedFetcher

# IANA's two special-purpose registries, row by row as they are published, whatever they say of
# being "globally reachable"; multicast; and what clouds keep for themselves. Not our table.
SPECIAL_IPV4 = """
    0.0.0.0/8 0.0.0.0/32 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12
    192.0.0.0/24 192.0.0.0/29 192.0.0.8/32 192.0.0.9/32 192.0.0.10/32 192.0.0.170/32
    192.0.0.171/32 192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.88.99.2/32
    192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 240.0.0.0/4
    255.255.255.255/32 224.0.0.0/4
    100.100.100.200/32 161.26.0.0/16 166.8.0.0/14 168.63.129.16/32 169.254.169.254/32
    169.254.170.2/32 192.0.0.192/32
"""
SPECIAL_IPV6 = """
    ::1/128 ::/128 ::ffff:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23
    2001::/32 2001:1::1/128 2001:1::2/128 2001:1::3/128 2001:2::/48 2001:3::/32 2001:4:112::/48
    2001:10::/28 2001:20::/28 2001:30::/28 2001:db8::/32 2002::/16 2620:4f:8000::/48 3fff::/20
    5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8 ::/96 ::ffff:0:0:0/96 3ffe::/16
    fd00:ec2::254/128 fd20:ce::254/128
"""
SPECIAL = [ip_network(text) for text in (SPECIAL_IPV4 + SPECIAL_IPV6).split()]
GLOBAL_IPV6 = ip_network("2000::/3")
PUBLIC = "93.184.216.34"


def is_inside(address):
    """Whether an address is nobody's business, by the registries above."""
    if address.version == 6 and address not in GLOBAL_IPV6:
        return True
    return any(address.version == network.version and address in network for network in SPECIAL)


def edges():
    """The first and last address of every range, the ones before and behind, and one within."""
    found = set()
    for network in SPECIAL:
        first, last = int(network[0]), int(network[-1])
        most = 2**network.max_prefixlen - 1
        for number in (first - 1, first, (first + last) // 2, last, last + 1):
            if 0 <= number <= most:
                found.add(type(network[0])(number))
    return sorted(found, key=lambda address: (address.version, address))


INSIDE = [address for address in edges() if is_inside(address)]
OUTSIDE = [address for address in edges() if not is_inside(address)]


def octets(address):
    return list(address.packed)


def spelled_ipv4(address):
    """The hosts by which some parser somewhere means an IPv4 address."""
    a, b, c, d = octets(address)
    number, text = int(address), str(address)
    yield from (text, f"{text}.", f"{number}", f"{number:#x}", f"0{number:o}", f"{number:#X}")
    yield from (f"{a}.{b}.{c * 256 + d}", f"{a}.{(b * 256 + c) * 256 + d}")
    yield from (f"0{a:o}.0{b:o}.0{c:o}.0{d:o}", f"{a:#x}.{b:#x}.{c:#x}.{d:#x}")
    yield from (f"{a:03}.{b:03}.{c:03}.{d:03}", f"{a:#x}.{b}.0{c:o}.{d}", f"{a + 256}.{b}.{c}.{d}")
    yield from (quote(text, safe="").replace(".", "%2e"), "".join(f"%{ord(x):02x}" for x in text))
    wide = {ord(str(digit)): 0xFF10 + digit for digit in range(10)}
    yield from (text.translate(wide), text.replace(".", "\u3002"), text.replace(".", "\uff0e"))
    yield from (text.replace("1", "\u2460"), f"{text}%00", f"{text}\x00", f" {text}")
    yield from spelled_within_ipv6(address)


def spelled_within_ipv6(address):
    """The ways in which an IPv6 address holds an IPv4 one."""
    text, number = str(address), int(address)
    high, low = number >> 16, number & 0xFFFF
    for prefix in ("::ffff:", "::", "::ffff:0:", "64:ff9b::", "64:ff9b:1::"):
        yield from (f"[{prefix}{text}]", f"[{prefix}{high:x}:{low:x}]")
    yield f"[2002:{high:x}:{low:x}::]"
    for identifier in ("0:5efe", "200:5efe"):
        yield f"[2606:4700:0:0:{identifier}:{high:x}:{low:x}]"
    flipped = number ^ 0xFFFF_FFFF
    yield f"[2001:0:5db8:d822:0:0:{flipped >> 16:x}:{flipped & 0xFFFF:x}]"  # Teredo


def spelled_ipv6(address):
    text, whole = address.compressed, address.exploded
    *groups, high, low = whole.split(":")
    dotted = str(ip_address(int(high + low, 16)))
    yield from (f"[{text}]", f"[{whole}]", f"[{text.upper()}]", f"[{':'.join(groups)}:{dotted}]")
    yield from (f"[{text}%25eth0]", f"[{text}%eth0]", text, f"[{text}", f"[{text}].")


def spelled(address):
    return spelled_ipv4(address) if address.version == 4 else spelled_ipv6(address)


def urls(host):
    """The URLs by which some parser somewhere reaches a host."""
    yield from (f"http://{host}/a.jpg", f"https://{host}/", f"http://{host}:443/", f"HTTP://{host}")
    yield from (f"http://{PUBLIC}@{host}/", f"http://{PUBLIC}:80@{host}/", f"http://a:b@{host}:80/")
    yield from (
        f"http://{host}#@{PUBLIC}/",
        f"http://{host}?@{PUBLIC}/",
        f"http://{host}\\@{PUBLIC}/",
    )
    yield from (f"http:///{host}/", f"http:{host}/", f"//{host}/", f"http://{host}:22/")


class Connections:
    """Sees every connection that this process begins, and lets none through but the allowed."""

    def __init__(self):
        self.watches, self.begun, self.allowed = False, [], None
        sys.addaudithook(self._hook)

    def _hook(self, event, arguments):
        if not self.watches or event != "socket.connect":
            return
        address = arguments[1][:2]
        if address != self.allowed:
            self.begun.append(address)
            raise ConnectionRefusedError("the test lets nothing out")


CONNECTIONS = Connections()


@pytest.fixture
def connections():
    CONNECTIONS.begun.clear()
    CONNECTIONS.watches, CONNECTIONS.allowed = True, None
    yield CONNECTIONS
    CONNECTIONS.watches = False


def must_not_be_asked(_host):
    raise AssertionError("a name was looked up")


def not_found(_host):
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def door(resolve=not_found, **options):
    return PinnedFetcher(timeout_s=5, max_bytes=1000, resolve=resolve, **options)


@pytest.fixture(params=["image", "webhook", "model"])
def go(request, tmp_path):
    """What each kind of caller does with a URL: they share one class, and so its refusals."""
    return {
        "image": lambda fetcher, url: fetcher.fetch(url),
        "webhook": lambda fetcher, url: fetcher.post(url, b"{}", {}),
        "model": lambda fetcher, url: fetcher.download(
            url, tmp_path / "model", max_bytes=1000, timeout_s=5
        ),
    }[request.param]


REFUSALS = (AddressRefused, InvalidUrl)


def assert_refused(go, fetcher, url, tally, errors=REFUSALS):
    with pytest.raises(errors):
        go(fetcher, url)
    tally.refused()


def test_no_address_inside_is_reached_in_any_spelling(go, connections, tally, is_full):
    fetcher = door(must_not_be_asked)
    for address in INSIDE if is_full else INSIDE[::5]:
        for host in spelled(address):
            assert_refused(go, fetcher, f"http://{host}/a.jpg", tally)
    assert connections.begun == []


def test_no_url_is_read_in_two_ways(go, connections, tally, is_full):
    fetcher = door()
    hosts = [str(a) if a.version == 4 else f"[{a}]" for a in INSIDE]
    for host in hosts if is_full else hosts[::7]:
        for url in urls(host):
            assert_refused(go, fetcher, url, tally)
    assert connections.begun == []


def test_addresses_just_outside_are_reached_and_no_other(go, connections, tally):
    """Or all would be refused, which proves nothing; and the pinned address is what is connected
    to."""
    fetcher = door(must_not_be_asked)
    for address in OUTSIDE:
        host = f"[{address}]" if address.version == 6 else str(address)
        with pytest.raises(UpstreamFailed):
            go(fetcher, f"http://{host}/a.jpg")
        assert connections.begun.pop() == (str(address), 80)
        tally.survived()
    assert connections.begun == []
    assert len(OUTSIDE) > 30


def test_a_name_with_one_address_inside_is_refused_wherever_it_stands(go, connections, tally):
    for address in INSIDE:
        for answers in ([address], [PUBLIC, address], [address, PUBLIC], [PUBLIC] * 9 + [address]):
            fetcher = door(lambda _host, answers=answers: [str(one) for one in answers])
            assert_refused(go, fetcher, "http://images.example/a.jpg", tally, AddressRefused)
    assert connections.begun == []


def test_a_name_is_looked_up_once_so_it_cannot_be_bound_to_another_address(go, connections, tally):
    for address in INSIDE:
        answers = [[PUBLIC], [str(address)]]
        with pytest.raises(UpstreamFailed):
            go(door(lambda _host, answers=answers: answers.pop(0)), "http://images.example/a.jpg")
        assert connections.begun.pop() == (PUBLIC, 80)
        assert len(answers) == 1
        tally.survived()
    assert connections.begun == []


@pytest.mark.parametrize(
    "port", [0, 1, 21, 22, 25, 79, 81, 442, 444, 2375, 6379, 8080, 27017, 65535]
)
def test_ports_but_80_and_443_are_closed(go, connections, tally, port):
    for scheme in ("http", "https"):
        assert_refused(go, door(must_not_be_asked), f"{scheme}://{PUBLIC}:{port}/", tally)
    assert connections.begun == []


class Redirecting(BaseHTTPRequestHandler):
    """Sends everybody where the path says."""

    def do_GET(self):
        self.send_response(302)
        self.send_header("Content-Length", "0")
        self.wfile.write(b"".join(self._headers_buffer))  # the Location may be no Latin-1
        self._headers_buffer = []
        self.wfile.write(b"Location: " + unquote(self.path[1:]).encode() + b"\r\n\r\n")

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def redirecting():
    with ThreadingHTTPServer(("127.0.0.1", 0), Redirecting) as server:
        thread = threading.Thread(target=partial(server.serve_forever, 0.02))
        thread.start()
        yield server.server_address
        server.shutdown()
        thread.join()


def test_no_redirect_leads_inside(go, connections, redirecting, tally, is_full, request):
    connections.allowed = redirecting
    host, port = redirecting
    fetcher = door(must_not_be_asked, allowed=[AllowedHost(host, port)])
    if request.node.callspec.params["go"] == "webhook":
        assert go(fetcher, f"http://{host}:{port}/" + quote("http://10.0.0.1/")) == 501
        assert connections.begun == []
        return
    for address in INSIDE if is_full else INSIDE[::9]:
        for inside in spelled(address) if is_full else list(spelled(address))[:4]:
            if not {"\0", " "} & set(inside):  # which do not survive the header
                url = f"http://{host}:{port}/" + quote(f"http://{inside}/", safe="")
                assert_refused(go, fetcher, url, tally)
    assert connections.begun == []


@pytest.mark.parametrize(
    "location", ["http://{}:{}0/", "//localhost:{1}/", "http://[::ffff:{}]:{}/"]
)
def test_what_is_allowed_opens_no_other_spelling_or_port(go, connections, redirecting, location):
    host, port = redirecting
    fetcher = door(lambda _host: ["127.0.0.1"], allowed=[AllowedHost(host, port)])
    url = location.format(host, min(port, 6553))
    with pytest.raises(REFUSALS):
        go(fetcher, url if url.startswith("http") else f"http:{url}")
    assert connections.begun == []
