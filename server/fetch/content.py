"""The body of an answer: whole, within its cap, and without transport or content coding.

Knows http.client's answer, but neither sockets nor URLs. Everything is read in pieces and counted
before it is kept, so a lying length or a gzip bomb costs one piece of memory.
"""

import http.client
import re
import zlib
from collections.abc import Iterable, Iterator

from cloud.moderation.errors import ImageTooManyBytes

# What is read or inflated at a time, while nobody knows how much is to come.
_PIECE_BYTES = 64 * 1024
# An announced body comes in pieces of this size: an ordinary image is one piece, never copied.
_LARGE_PIECE_BYTES = 4 * 1024 * 1024

_GZIP = 16 + zlib.MAX_WBITS
_ZLIB = zlib.MAX_WBITS
_RAW_DEFLATE = -zlib.MAX_WBITS


class BadContent(Exception):
    """The body is incomplete or coded in a way that we do not read; the text says how."""


def body_pieces(response: http.client.HTTPResponse, max_bytes: int) -> Iterator[bytes]:
    """Yield the decoded body piece by piece; it is complete only when this ends without an error.

    Raises ImageTooManyBytes when it has more than max_bytes as sent or after decoding, BadContent
    when it is cut short, empty or coded otherwise than gzip or deflate.
    """
    coding = _content_coding(response.headers)
    if coding == "identity":
        sent = _sent_pieces(response, max_bytes, _LARGE_PIECE_BYTES)
        yield from _not_empty(_counted(sent, max_bytes))
    else:
        sent = _counted(_sent_pieces(response, max_bytes, _PIECE_BYTES), max_bytes)
        yield from _not_empty(_counted(_inflated(sent, coding), max_bytes))


def _content_coding(headers: http.client.HTTPMessage) -> str:
    coding = ",".join(headers.get_all("Content-Encoding", ["identity"])).strip().lower()
    if coding not in ("", "identity", "gzip", "x-gzip", "deflate"):
        raise BadContent("the content coding is none that we asked for")
    return coding.removeprefix("x-") or "identity"


def _sent_pieces(
    response: http.client.HTTPResponse, max_bytes: int, announced_piece_bytes: int
) -> Iterator[bytes]:
    expected_bytes = _announced_bytes(response.headers)
    if expected_bytes is not None and expected_bytes > max_bytes:
        raise ImageTooManyBytes(max_bytes)
    piece_bytes = _PIECE_BYTES if expected_bytes is None else announced_piece_bytes
    received_bytes = 0
    while piece := response.read(piece_bytes):
        received_bytes += len(piece)
        yield piece
    # http.client's read(amount) does not complain about a short body itself.
    if expected_bytes is not None and received_bytes != expected_bytes:
        raise BadContent("the connection ended before the body was complete")


def _announced_bytes(headers: http.client.HTTPMessage) -> int | None:
    """Return Content-Length, or None when chunks or the end of the connection say where it ends.

    Stricter than http.client, which takes the first of several and reads on until the end of the
    connection when the number is no number (RFC 9112 6.3 calls both unrecoverable).
    """
    if (transfer := headers.get_all("Transfer-Encoding")) is not None:
        if [coding.lower() for coding in transfer] != ["chunked"]:
            raise BadContent("the transfer coding is not chunked")
        return None
    lengths = {value.strip() for value in headers.get_all("Content-Length", [])}
    if not lengths:
        return None
    length = lengths.pop()
    if lengths or not re.fullmatch(r"[0-9]{1,18}", length):
        raise BadContent("the Content-Length is not one number")
    return int(length)


def _counted(pieces: Iterable[bytes], max_bytes: int) -> Iterator[bytes]:
    total_bytes = 0
    for piece in pieces:
        total_bytes += len(piece)
        if total_bytes > max_bytes:
            raise ImageTooManyBytes(max_bytes)
        yield piece


def _not_empty(pieces: Iterable[bytes]) -> Iterator[bytes]:
    empty = True
    for piece in pieces:
        empty = False
        yield piece
    if empty:
        raise BadContent("the body is empty")


def _inflated(pieces: Iterable[bytes], coding: str) -> Iterator[bytes]:
    """Inflate one gzip member, or one zlib or raw deflate stream; nothing may follow it."""
    inflater = None
    for piece in pieces:
        if inflater is None:
            inflater = zlib.decompressobj(_window_bits(coding, piece))
        yield from _inflated_piece(inflater, piece)
        if inflater.unused_data:
            raise BadContent("something follows the compressed body")
    if inflater is None or not inflater.eof:
        raise BadContent("the compressed body is cut short")


def _inflated_piece(inflater: "zlib._Decompress", piece: bytes) -> Iterator[bytes]:
    while True:
        inflated = inflater.decompress(piece, _PIECE_BYTES)
        if inflated:
            yield inflated
        if len(inflated) < _PIECE_BYTES:
            return
        piece = inflater.unconsumed_tail


def _window_bits(coding: str, start: bytes) -> int:
    """Say how to read it: "deflate" means zlib (RFC 9110 8.4.1.2), but some send it raw."""
    if coding == "gzip":
        return _GZIP
    is_zlib = len(start) > 1 and start[0] & 0x0F == 8 and (start[0] << 8 | start[1]) % 31 == 0
    return _ZLIB if is_zlib else _RAW_DEFLATE
