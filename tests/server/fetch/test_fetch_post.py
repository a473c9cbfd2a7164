"""What the one door does with a POST: the same checks, no redirect, the status alone."""

from collections.abc import Callable

import pytest
from hostile_hosts import HostileServer, ScriptedNames, answer, drip, fetcher, redirect

from cloud.moderation.errors import AddressRefused, FetchTimedOut, InvalidUrl, UpstreamFailed
from server.fetch.http import PinnedFetcher

Serve = Callable[..., HostileServer]


def test_the_body_is_posted_with_the_headers_given_and_no_other(serve: Serve) -> None:
    server = serve(answer(status="202 Accepted"))
    assert fetcher().post(server.url("/hook?token=t"), b"{}", {"webhook-id": "1"}) == 202
    head, _, body = server.heads[0].partition(b"\r\n\r\n")
    assert body == b"{}"
    assert head.split(b"\r\n") == [
        b"POST /hook?token=t HTTP/1.1",
        b"Host: 127.0.0.1:%d" % server.port,
        b"User-Agent: Parsewarden/0.1",
        b"webhook-id: 1",
        b"Accept: */*",
        b"Accept-Encoding: identity",
        b"Connection: close",
        b"Content-Length: 2",
    ]


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
def test_a_redirect_is_an_answer_like_others(serve: Serve, status: str) -> None:
    elsewhere = serve(answer())
    server = serve(redirect(elsewhere.url(), status))
    assert fetcher().post(server.url(), b"{}", {}) == int(status[:3])
    assert elsewhere.heads == []


@pytest.mark.parametrize("status", ["204 No Content", "404 Not Found", "500 Oops"])
def test_any_status_is_returned(serve: Serve, status: str) -> None:
    assert fetcher().post(serve(answer(b"", status=status)).url(), b"{}", {}) == int(status[:3])


def test_an_answer_without_end_is_not_waited_for(serve: Serve) -> None:
    server = serve(drip(b"HTTP/1.1 200 OK\r\n\r\n", b"x"))
    assert fetcher(timeout_s=0.5).post(server.url(), b"{}", {}) == 200


def test_a_head_without_end_is_ended_by_the_deadline(serve: Serve) -> None:
    server = serve(drip(b"HTTP/1.1 200 OK\r\nX: ", b"x"))
    with pytest.raises(FetchTimedOut):
        fetcher(timeout_s=0.2).post(server.url(), b"{}", {})


def test_private_addresses_are_refused_and_the_setting_named() -> None:
    door = PinnedFetcher(
        timeout_s=1,
        max_bytes=1,
        allowed_by="WEBHOOK_ALLOW",
        resolve=ScriptedNames(inside_example=[["10.1.2.3"]]),
    )
    with pytest.raises(AddressRefused, match=r"leads to 10\.1\.2\.3; see WEBHOOK_ALLOW"):
        door.post("http://inside.example/hook?token=hunter2", b"{}", {})
    with pytest.raises(AddressRefused, match="port 8080 is not open; see WEBHOOK_ALLOW"):
        door.post("http://93.184.216.34:8080/hook", b"{}", {})


def test_bad_urls_and_bad_answers_have_their_names(serve: Serve) -> None:
    with pytest.raises(InvalidUrl):
        fetcher().post("ftp://example.org/", b"{}", {})
    with pytest.raises(UpstreamFailed):
        fetcher().post(serve(b"this is not HTTP\r\n\r\n").url(), b"{}", {})
