"""The URLs that are told of decisions, checked once. Knows no settings and no network."""

from collections.abc import Sequence
from dataclasses import dataclass

from server.fetch.url import target_of


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where decisions are posted to. `shown` is the URL without its query, which may be a secret;
    it tells receivers apart, so that a token in the query can be replaced."""

    url: str
    shown: str


def parse_receivers(urls: Sequence[str]) -> tuple[Receiver, ...]:
    """Check the URLs. Raises ValueError with a sentence that repeats none of them."""
    receivers = tuple(_parse(number, url) for number, url in enumerate(urls, start=1))
    if len({receiver.shown for receiver in receivers}) < len(receivers):
        raise ValueError("two of the URLs differ in nothing but the query; their paths must differ")
    return receivers


def _parse(number: int, url: str) -> Receiver:
    try:
        target = target_of(url)
    except ValueError as error:
        raise ValueError(f"URL {number} is not acceptable: {error}") from None
    if "@" in url.partition("://")[2].partition("/")[0]:
        raise ValueError(
            f"URL {number} is not acceptable: it has a user or password, which is never sent; "
            "receivers know us by the signature"
        )
    return Receiver(url, f"{target.scheme}://{target.authority}{target.path}")
