"""What the one door lets through and where it leads: requests, names, redirects, TLS, files."""

import gzip
import os
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile_hosts import (
    LOOPBACK,
    Certificate,
    HostileServer,
    ScriptedNames,
    answer,
    fetcher,
    flood,
    redirect,
)

from cloud.moderation.errors import (
    AddressRefused,
    FetchError,
    FetchTimedOut,
    ImageTooManyBytes,
    InvalidUrl,
    UpstreamFailed,
)
from server.fetch.address import AllowedHost
from server.fetch.http import PinnedFetcher
from server.fetch.names import system_resolve
from server.fetch.sockets import BudgetTlsSocket, check_peer

Serve = Callable[..., HostileServer]


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    parts = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + parts + end


# --- the request ---------------------------------------------------------------------------------


def test_a_body_is_fetched_whole(serve: Serve) -> None:
    body = os.urandom(99_999)
    assert fetcher().fetch(serve(answer(body)).url()) == body


def test_the_request_says_nothing_but_what_it_must(serve: Serve) -> None:
    server = serve(answer())
    fetcher().fetch(server.url("/a b".replace(" ", "%20") + "?c=ü#fragment"))
    assert server.heads[0].split(b"\r\n") == [
        b"GET /a%20b?c=%C3%BC HTTP/1.1",
        b"Host: 127.0.0.1:%d" % server.port,
        b"User-Agent: Parsewarden/0.1",
        b"Accept: */*",
        b"Accept-Encoding: identity",
        b"Connection: close",
        b"",
        b"",
    ]


def test_userinfo_is_never_sent(serve: Serve) -> None:
    server = serve(redirect("/next"), answer())
    fetcher().fetch(f"http://alice:hunter2@127.0.0.1:{server.port}/")
    assert b"hunter2" not in b"".join(server.heads)
    assert b"Authorization" not in b"".join(server.heads)


def test_environment_proxies_and_netrc_are_ignored(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = serve(answer())
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login alice password hunter2\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/")
    assert fetcher().fetch(server.url()) == b"image"
    assert b"Authorization" not in server.heads[0]


def test_cookies_and_referer_are_not_carried_along(serve: Serve) -> None:
    server = serve(answer(b"", "Location: /next", "Set-Cookie: a=b", status="302 Found"), answer())
    door = fetcher()
    door.fetch(server.url())
    door.fetch(server.url())
    heads = b"".join(server.heads).lower()
    assert len(server.heads) == 3
    assert b"cookie" not in heads
    assert b"referer" not in heads


def test_connections_are_not_reused(serve: Serve) -> None:
    server = serve(answer(b"image", "Connection: keep-alive"))
    door = fetcher()
    door.fetch(server.url())
    door.fetch(server.url())
    assert server.connections == 2


@pytest.mark.parametrize("user_agent", ["", "a\r\nX: b", "ü"])
def test_a_user_agent_that_could_split_the_request_is_refused(user_agent: str) -> None:
    with pytest.raises(ValueError, match="user_agent"):
        fetcher(user_agent=user_agent)


@pytest.mark.parametrize(
    "limits", [{"timeout_s": 0}, {"max_bytes": 0}, {"timeout_s": float("nan")}]
)
def test_limits_that_allow_nothing_are_refused(limits: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="more than 0"):
        fetcher(**limits)


# --- where it may lead ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1/", "http://localhost/", "http://[::1]/", "http://10.0.0.1/", "http://192.168.1.1/",
     "http://169.254.169.254/latest/meta-data/", "https://169.254.169.254/", "http://100.100.100.200/",
     "http://168.63.129.16/", "http://[::ffff:127.0.0.1]/", "http://[64:ff9b::7f00:1]/",
     "http://[2002:7f00:1::]/", "http://[fd00:ec2::254]/", "http://0.0.0.0/", "http://255.255.255.255/"],
)  # fmt: skip
def test_no_url_reaches_inside(url: str) -> None:
    with pytest.raises(AddressRefused) as caught:
        fetcher(allowed=()).fetch(url)
    assert caught.value.public_message == (
        "The image's URL leads to an address that is not public."
    )


def test_a_name_that_leads_inside_is_refused_before_connecting(serve: Serve) -> None:
    server = serve(answer())
    names = ScriptedNames(evil_example=[["127.0.0.1"]])
    with pytest.raises(AddressRefused):
        fetcher(resolve=names, allowed=()).fetch("http://evil.example/")
    assert names.asked == ["evil.example"]
    assert server.connections == 0


@pytest.mark.parametrize(
    "answers",
    [
        ["8.8.8.8", "10.0.0.1"],
        ["10.0.0.1", "8.8.8.8"],
        ["8.8.8.8", "::1"],
        ["8.8.8.8", "fe80::1%2"],
    ],
)
def test_one_inner_answer_among_public_ones_refuses_the_host(answers: list[str]) -> None:
    with pytest.raises(AddressRefused):
        fetcher(resolve=ScriptedNames(evil_example=[answers])).fetch("http://evil.example/")


def test_a_name_is_resolved_once_and_its_connection_pinned(serve: Serve) -> None:
    """A second, different answer (DNS rebinding) is never asked for, so it can't be used."""
    first = serve(answer(b"first"))
    second = serve(answer(b"second"), address="127.0.0.2", port=first.port)
    names = ScriptedNames(images_test=[["127.0.0.1"], ["127.0.0.2"]])
    door = fetcher(resolve=names, allowed=[AllowedHost("images.test", None)])
    assert door.fetch(first.url(host="images.test")) == b"first"
    assert names.asked == ["images.test"]
    assert second.connections == 0


def test_rebinding_between_two_hops_is_refused(serve: Serve) -> None:
    """The name was public when it was first asked for, and leads inside at the next hop."""
    server = serve(redirect("http://evil.example/"))
    names = ScriptedNames(evil_example=[["8.8.8.8"], ["127.0.0.1"]])
    assert names("evil.example") == ["8.8.8.8"]
    with pytest.raises(AddressRefused):
        fetcher(resolve=names).fetch(server.url())


def test_a_connection_to_another_address_than_the_pinned_one_is_refused(serve: Serve) -> None:
    server = serve(answer(), reads_request=False)
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        check_peer(sock, "127.0.0.1")
        with pytest.raises(OSError, match="instead of"):
            check_peer(sock, "127.0.0.2")


def test_the_next_address_is_tried_when_one_does_not_connect(serve: Serve) -> None:
    server = serve(answer(), address="127.0.0.3")
    names = ScriptedNames(images_test=[["127.0.0.2", "127.0.0.3"]])
    door = fetcher(resolve=names, allowed=[AllowedHost("images.test", None)])
    assert door.fetch(server.url(host="images.test")) == b"image"


def test_a_dead_first_address_leaves_time_for_the_second(serve: Serve) -> None:
    """A listener with a full backlog ignores SYNs, as a black hole does."""
    server = serve(answer(), address="127.0.0.3")
    with socket.socket() as full:
        full.bind(("127.0.0.2", server.port))
        full.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.2", server.port))
        names = ScriptedNames(images_test=[["127.0.0.2", "127.0.0.3"]])
        door = fetcher(timeout_s=2, resolve=names, allowed=[AllowedHost("images.test", None)])
        assert door.fetch(server.url(host="images.test")) == b"image"
        for sock in waiting:
            sock.close()


def test_an_unreachable_host_is_an_upstream_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(UpstreamFailed) as caught:
        fetcher().fetch(f"http://127.0.0.1:{port}/")
    assert caught.value.public_message == "The image's host cannot be reached."


@pytest.mark.parametrize("names", [ScriptedNames(), ScriptedNames(nowhere_example=[[]])])
def test_a_name_without_addresses_is_an_upstream_failure(names: ScriptedNames) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        fetcher(resolve=names).fetch("http://nowhere.example/")
    assert caught.value.public_message == "The image's host cannot be found."


def test_a_broken_resolver_answer_is_an_upstream_failure() -> None:
    names = ScriptedNames(images_test=[["not an address"]])
    with pytest.raises(UpstreamFailed):
        fetcher(resolve=names, allowed=[AllowedHost("images.test", None)]).fetch(
            "http://images.test/"
        )


def test_the_system_resolver_knows_localhost() -> None:
    assert set(system_resolve("localhost")) <= {"127.0.0.1", "::1"}
    with pytest.raises(OSError, match=r"\[Errno"):
        system_resolve("nowhere.invalid")


def test_the_resolver_still_works_in_a_forked_child(serve: Serve) -> None:
    server = serve(answer())
    door = fetcher(allowed=[AllowedHost("localhost", None)], timeout_s=2)
    url = server.url(host="localhost")
    assert door.fetch(url) == b"image"
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if door.fetch(url) == b"image" else 1
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def test_no_thread_is_made_for_an_ip_literal(serve: Serve) -> None:
    server = serve(answer())
    before = {thread for thread in threading.enumerate() if thread.name == "resolver"}
    fetcher().fetch(server.url())
    assert {thread for thread in threading.enumerate() if thread.name == "resolver"} == before


def test_one_resolver_thread_serves_lookups_that_follow_each_other(serve: Serve) -> None:
    server = serve(answer())
    threads = set()

    def resolve(_host: str) -> list[str]:
        threads.add(threading.get_ident())
        return ["127.0.0.1"]

    door = fetcher(resolve=resolve, allowed=[AllowedHost("images.test", None)])
    for _ in range(5):
        door.fetch(server.url(host="images.test"))
        time.sleep(0.01)
    assert len(threads) == 1


# --- ports and the operator's word ---------------------------------------------------------------


@pytest.mark.parametrize("port", [1, 22, 25, 79, 81, 442, 444, 6379, 8080, 27017, 65535])
def test_only_ports_80_and_443_are_open(port: int) -> None:
    with pytest.raises(AddressRefused) as caught:
        fetcher().fetch(f"http://8.8.8.8:{port}/")
    assert caught.value.public_message == "The image's URL uses a port other than 80 and 443."


def test_an_allowed_port_opens_no_other_port(serve: Serve) -> None:
    server, other = serve(answer()), serve(answer())
    door = fetcher(allowed=[AllowedHost("127.0.0.1", server.port)])
    assert door.fetch(server.url()) == b"image"
    with pytest.raises(AddressRefused):
        door.fetch(other.url())
    with pytest.raises(AddressRefused):  # 80 is open to all, but then the address must be public
        door.fetch("http://127.0.0.1/")
    assert other.connections == 0


def test_an_allowed_host_opens_no_other_name_of_its_address(serve: Serve) -> None:
    server = serve(answer())
    names = ScriptedNames(images_test=[["127.0.0.1"]], evil_example=[["127.0.0.1"]])
    door = fetcher(resolve=names, allowed=[AllowedHost("images.test", None)])
    assert door.fetch(server.url(host="IMAGES.test.")) == b"image"
    for url in ("http://evil.example/", server.url(host="evil.example"), server.url()):
        with pytest.raises(AddressRefused):
            door.fetch(url)
    assert server.connections == 1


def test_an_allowed_literal_does_not_open_its_ipv4_mapped_spelling(serve: Serve) -> None:
    with pytest.raises(AddressRefused):
        fetcher().fetch(serve(answer()).url(host="[::ffff:127.0.0.1]"))


# --- redirects -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["301", "302", "303", "307", "308"])
def test_a_redirect_is_followed_with_get(serve: Serve, status: str) -> None:
    server = serve(redirect("next?a=b", f"{status} Elsewhere"), answer())
    assert fetcher().fetch(server.url("/x/y")) == b"image"
    assert server.heads[1].startswith(b"GET /x/next?a=b HTTP/1.1\r\n")


def test_three_redirects_are_followed_and_a_fourth_is_not(serve: Serve) -> None:
    hops = [redirect(f"/{number}") for number in range(3)]
    assert fetcher().fetch(serve(*hops, answer()).url()) == b"image"
    endless = serve(redirect("/"))
    with pytest.raises(UpstreamFailed) as caught:
        fetcher().fetch(endless.url())
    assert caught.value.public_message == "The image's host redirects too often."
    assert endless.connections == 4


@pytest.mark.parametrize(
    "location",
    ["http://169.254.169.254/latest/meta-data/", "http://10.0.0.1/", "http://[::1]/",
     "http://localhost/", "//127.0.0.2/", "http://8.8.8.8:22/", "http://evil.example/"],
)  # fmt: skip
def test_a_redirect_inside_is_refused(serve: Serve, location: str) -> None:
    names = ScriptedNames(evil_example=[["10.0.0.1"]], localhost=[["127.0.0.1"]])
    with pytest.raises(AddressRefused):
        fetcher(resolve=names).fetch(serve(redirect(location)).url())


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "data:,x", "http://127.1/",
     "http://0x7f000001/", "http://[::1%25lo]/", "/a b", "\\\\127.0.0.1\\x", "http://a\\@127.0.0.1/",
     "/" + "a" * 8192],
)  # fmt: skip
def test_a_redirect_to_anything_but_a_plain_url_is_refused(serve: Serve, location: str) -> None:
    with pytest.raises(InvalidUrl) as caught:
        fetcher().fetch(serve(redirect(location)).url())
    assert "redirects" in caught.value.public_message


def test_a_redirect_without_location_is_an_upstream_failure(serve: Serve) -> None:
    with pytest.raises(UpstreamFailed):
        fetcher().fetch(serve(answer(b"", status="302 Found")).url())


def test_a_redirect_in_raw_utf8_is_followed(serve: Serve) -> None:
    start = answer(b"", "Location: /ü", status="302 Found")
    server = serve(start, answer())
    assert fetcher().fetch(server.url()) == b"image"
    assert server.heads[1].startswith(b"GET /%C3%BC ")


def test_the_body_of_a_redirect_is_not_read(serve: Serve) -> None:
    head = b"HTTP/1.1 302 Found\r\nLocation: /next\r\n\r\n"
    server = serve(flood(head, b"x" * 65536), answer())
    assert fetcher().fetch(server.url()) == b"image"


# --- the answer ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ("404 Nope <script>", "The image's host answered 404 Not Found."),
        ("500 x", "The image's host answered 500 Internal Server Error."),
        ("403 x", "The image's host answered 403 Forbidden."),
        ("206 Partial Content", "The image's host answered 206 Partial Content."),
        ("204 No Content", "The image's host answered 204 No Content."),
        ("304 Not Modified", "The image's host answered 304 Not Modified."),
        ("101 Switching", "The image's host answered 101 Switching Protocols."),
        ("299 x", "The image's host answered 299."),
    ],
)
def test_any_status_but_200_fails_in_our_words(serve: Serve, status: str, sentence: str) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        fetcher().fetch(serve(answer(status=status)).url())
    assert caught.value.public_message == sentence


@pytest.mark.parametrize(
    "wire",
    [
        answer(b""),
        chunked(),
        b"HTTP/1.0 200 OK\r\n\r\n",
        answer(gzip.compress(b"", mtime=0), "Content-Encoding: gzip"),
    ],
)
def test_an_empty_body_is_an_upstream_failure(serve: Serve, wire: bytes) -> None:
    with pytest.raises(UpstreamFailed):
        fetcher().fetch(serve(wire).url())


@pytest.mark.parametrize(
    "wire",
    [
        chunked(b"ima", b"ge"),
        chunked(b"image", end=b"0\r\nTrailer: x\r\n\r\n"),
        b"HTTP/1.0 200 OK\r\n\r\nimage",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nimage",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nimage and more",
        b"HTTP/1.1 100 Continue\r\n\r\n" + answer(),
        answer(b"image", "Content-Encoding: identity"),
        answer(b"image", "Content-Encoding:"),
        answer(gzip.compress(b"image", mtime=0), "Content-Encoding: gzip"),
        answer(gzip.compress(b"image", mtime=0), "Content-Encoding: X-GZIP"),
        answer(zlib.compress(b"image"), "Content-Encoding: deflate"),
        answer(zlib.compress(b"image")[2:-4], "Content-Encoding: deflate"),
        chunked(*[bytes([byte]) for byte in gzip.compress(b"image", mtime=0)]).replace(
            b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n", 1
        ),
    ],
)
def test_a_whole_body_is_read_in_every_framing_and_coding(serve: Serve, wire: bytes) -> None:
    assert fetcher().fetch(serve(wire).url()) == b"image"


def test_a_compressed_body_of_many_pieces_is_whole(serve: Serve) -> None:
    body = bytes(range(256)) * 1024
    door = fetcher(max_bytes=len(body))
    for level in (0, 9):
        wire = answer(gzip.compress(body, level), "Content-Encoding: gzip")
        if len(wire) < len(body):
            assert door.fetch(serve(wire).url()) == body
    zeros = gzip.compress(bytes(65536 * 4))
    wire = answer(zeros, "Content-Encoding: gzip")
    assert fetcher(max_bytes=65536 * 4).fetch(serve(wire).url()) == bytes(65536 * 4)


@pytest.mark.parametrize(
    "wire",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nimage",
        chunked(b"image", end=b""),
        chunked(b"image", end=b"5\r\nim"),
        chunked(b"image", end=b"zz\r\n"),
        chunked(b"image", end=b"-1\r\nx"),
        chunked(b"image", end=b"5\r\nimageXX0\r\n\r\n")[:-9],
        answer(gzip.compress(b"image" * 99, mtime=0)[:-1], "Content-Encoding: gzip"),
        answer(gzip.compress(b"image" * 99, mtime=0)[:20], "Content-Encoding: gzip"),
        answer(gzip.compress(b"image", mtime=0)[:-5] + b"12345", "Content-Encoding: gzip"),
        answer(gzip.compress(b"image", mtime=0) * 2, "Content-Encoding: gzip"),
        answer(gzip.compress(b"image", mtime=0) + b"x", "Content-Encoding: gzip"),
        answer(zlib.compress(b"image")[:-1], "Content-Encoding: deflate"),
        answer(b"image", "Content-Encoding: gzip"),
        answer(b"image", "Content-Encoding: deflate"),
        answer(b"image", "Content-Encoding: br"),
        answer(b"image", "Content-Encoding: zstd"),
        answer(gzip.compress(gzip.compress(b"image", mtime=0)), "Content-Encoding: gzip, gzip"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 4\r\n\r\nimage",
        b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nimage",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nimage",
        b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nimage",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nimage\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nimage",
    ],
)
def test_an_incomplete_or_unreadable_body_is_never_returned(serve: Serve, wire: bytes) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        fetcher().fetch(serve(wire).url())
    assert caught.value.public_message == "The image's host did not send a whole, readable body."


@pytest.mark.parametrize(
    "wire",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 xyz\r\n\r\n",
        b"\x00" * 100,
        b"HTTP/1.1 200 OK\r\nA: " + b"a" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 101 + b"\r\n",
    ],
)
def test_an_answer_that_is_no_http_is_an_upstream_failure(serve: Serve, wire: bytes) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        fetcher().fetch(serve(wire).url())
    assert caught.value.public_message == "The image's host did not answer in proper HTTP."


@pytest.mark.parametrize("wire", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200"])
def test_a_connection_that_ends_early_is_an_upstream_failure(serve: Serve, wire: bytes) -> None:
    with pytest.raises(UpstreamFailed):
        fetcher().fetch(serve(wire).url())


def test_errors_tell_the_client_no_address_and_the_log_no_secret(serve: Serve) -> None:
    server = serve(answer(status="404 x"))
    secret = f"http://alice:hunter2@127.0.0.1:{server.port}/cat.jpg?token=hunter2#hunter2"
    with pytest.raises(UpstreamFailed) as caught:
        fetcher().fetch(secret)
    assert str(caught.value) == f"http://127.0.0.1:{server.port}/cat.jpg: answered 404 Not Found"
    with pytest.raises(AddressRefused) as refused:
        fetcher(resolve=ScriptedNames(evil_example=[["10.1.2.3"]])).fetch(
            "http://a:hunter2@evil.example/x?hunter2"
        )
    assert (
        str(refused.value) == "http://evil.example/x: it leads to 10.1.2.3; see IMAGE_FETCH_ALLOW"
    )
    assert "10.1.2.3" not in refused.value.public_message


# --- TLS -----------------------------------------------------------------------------------------


def tls_door(certificate: Certificate, **options: object) -> PinnedFetcher:
    names = ScriptedNames(images_test=[["127.0.0.1"]], other_test=[["127.0.0.1"]])
    allowed = [AllowedHost("images.test", None), AllowedHost("other.test", None), LOOPBACK]
    settings = {"resolve": names, "allowed": allowed, "timeout_s": 2.0}
    return fetcher(ssl_context=certificate.client_context(), **(settings | options))


def test_https_checks_the_certificate_against_the_name(
    serve: Serve, certificate: Certificate
) -> None:
    asked: list[str] = []
    context = certificate.server_context()
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    server = serve(answer(b"x" * 90_000), tls=context)
    assert (
        tls_door(certificate).fetch(server.url(host="images.test", scheme="https")) == b"x" * 90_000
    )
    assert asked == ["images.test"]


@pytest.mark.parametrize("host", ["other.test", "127.0.0.1"])
def test_a_certificate_for_another_name_is_refused(
    serve: Serve, certificate: Certificate, host: str
) -> None:
    server = serve(answer(), tls=certificate.server_context())
    with pytest.raises(UpstreamFailed) as caught:
        tls_door(certificate).fetch(server.url(host=host, scheme="https"))
    assert caught.value.public_message == "The image's host cannot be reached securely."
    assert server.heads == []


def test_a_certificate_for_an_ip_literal_is_accepted(
    serve: Serve, certificate: Certificate
) -> None:
    server = serve(answer(), tls=certificate.server_context(), address="127.0.0.9")
    door = tls_door(certificate, allowed=[AllowedHost("127.0.0.9", None)])
    assert door.fetch(server.url(host="127.0.0.9", scheme="https")) == b"image"


def test_a_certificate_of_an_unknown_authority_is_refused_by_default(
    serve: Serve, certificate: Certificate
) -> None:
    server = serve(answer(), tls=certificate.server_context())
    door = fetcher(
        resolve=ScriptedNames(images_test=[["127.0.0.1"]]),
        allowed=[AllowedHost("images.test", None)],
        timeout_s=2,
    )
    with pytest.raises(UpstreamFailed):
        door.fetch(server.url(host="images.test", scheme="https"))
    assert server.heads == []


def test_plain_http_on_a_tls_port_is_an_upstream_failure(
    serve: Serve, certificate: Certificate
) -> None:
    server = serve(answer(), reads_request=False)
    with pytest.raises(UpstreamFailed):
        tls_door(certificate).fetch(server.url(host="images.test", scheme="https"))


def test_a_tls_body_that_is_cut_without_goodbye_is_never_returned(
    serve: Serve, certificate: Certificate
) -> None:
    """Without a Content-Length, only TLS's close_notify tells the end from an attack."""

    def cut(connection: socket.socket, _stopped: threading.Event) -> None:
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\nhalf an ima")

    whole = b"HTTP/1.0 200 OK\r\n\r\nimage"
    server = serve(cut, whole, tls=certificate.server_context())
    door = tls_door(certificate)
    url = server.url(host="images.test", scheme="https")
    with pytest.raises(UpstreamFailed):
        door.fetch(url)
    assert door.fetch(url) == b"image"


def test_a_given_context_is_made_to_obey_the_deadline(certificate: Certificate) -> None:
    context = certificate.client_context()
    fetcher(ssl_context=context)
    assert context.sslsocket_class is BudgetTlsSocket
    assert ssl.SSLContext.sslsocket_class is ssl.SSLSocket


# --- files ---------------------------------------------------------------------------------------


def test_a_download_appears_whole_and_replaces_the_old_one(serve: Serve, tmp_path: Path) -> None:
    destination = tmp_path / "model.bin"
    destination.write_bytes(b"old")
    body = os.urandom(300_000)
    fetcher().download(serve(answer(body)).url(), destination, max_bytes=len(body), timeout_s=5)
    assert destination.read_bytes() == body
    assert list(tmp_path.iterdir()) == [destination]


@pytest.mark.parametrize(
    ("wire", "error"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", UpstreamFailed),
        (answer(b"x" * 2000), ImageTooManyBytes),
        (b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 2000, ImageTooManyBytes),
        (answer(status="404 x"), UpstreamFailed),
        (redirect("http://10.0.0.1/"), AddressRefused),
        (lambda _connection, stopped: stopped.wait(1), FetchTimedOut),
    ],
)
def test_a_failed_download_leaves_the_old_file(
    serve: Serve, tmp_path: Path, wire: bytes, error: type[Exception]
) -> None:
    destination = tmp_path / "model.bin"
    destination.write_bytes(b"old")
    with pytest.raises(error):
        fetcher().download(serve(wire).url(), destination, max_bytes=1000, timeout_s=0.3)
    assert destination.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [destination]


def test_a_disk_that_refuses_is_a_fetch_error(serve: Serve, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="cannot write"):
        fetcher().download(
            serve(answer()).url(), tmp_path / "missing" / "model.bin", max_bytes=9, timeout_s=1
        )


def test_downloads_of_one_file_do_not_mix(serve: Serve, tmp_path: Path) -> None:
    bodies = [bytes([number]) * 200_000 for number in range(4)]
    server = serve(*map(answer, bodies))
    door, destination = fetcher(), tmp_path / "model.bin"
    threads = [
        threading.Thread(
            target=door.download,
            args=(server.url(), destination),
            kwargs={"max_bytes": 200_000, "timeout_s": 5},
        )
        for _ in bodies
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert destination.read_bytes() in bodies
    assert list(tmp_path.iterdir()) == [destination]
