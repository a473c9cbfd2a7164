"""What a URL names: scheme, host, port, path and query, checked once and kept apart.

Pure. The request is built from these pieces and never from the text again, so no second parser
can read another host out of it.
"""

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from cloud.moderation.errors import InvalidUrl
from server.fetch.address import normalise_host, split_host_and_port

_MAX_URL_BYTES = 8192
_DEFAULT_PORTS = {"http": 80, "https": 443}

# Whitespace, control characters (C0, DEL, C1) and the backslash, on which URL parsers disagree.
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f-\x9f\\\s]")

# ASCII that stays as it is, RFC 3986 2.2 and 2.3, with "%" for what is encoded already and "[]|",
# which browsers leave alone too. The rest is percent-encoded as UTF-8.
_SAFE_IN_PATH = "%/:@!$&'()*+,;=-._~[]|"
_SAFE_IN_QUERY = _SAFE_IN_PATH + "?"

_LOGGED_PATH_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Target:
    """One checked http(s) URL; all text is ASCII. `host` is normalised, IPv6 without brackets."""

    scheme: str
    host: str
    port: int
    path: str
    query: str

    @property
    def authority(self) -> str:
        """Host with brackets where needed, and the port unless it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def request_target(self) -> str:
        """Path and query in the form of the request line."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.request_target}"

    @property
    def loggable(self) -> str:
        """The URL for logs: without query string, the path cut after 200 characters."""
        return f"{self.scheme}://{self.authority}{self.path[:_LOGGED_PATH_LENGTH]}"


def parse_url(url: str) -> Target:
    """Parse an absolute http or https URL. Userinfo and fragment are dropped.

    Raises InvalidUrl, whose sentences never repeat the URL: it may hold a password or a token.
    """
    try:
        return target_of(url)
    except ValueError as error:
        # "from None": what the standard library says in its errors repeats parts of the URL.
        sentence = f"The image's URL is not acceptable: {error}."
        raise InvalidUrl(sentence, sentence) from None


def follow(target: Target, location: str) -> Target:
    """Resolve a redirect's Location against the URL that sent it. Raises InvalidUrl."""
    try:
        _check_text(location)
        return target_of(_joined(target.url, location))
    except ValueError as error:
        sentence = f"The image's host redirects to a URL that is not acceptable: {error}."
        raise InvalidUrl(f"{target.loggable}: {sentence}", sentence) from None


def target_of(url: str) -> Target:
    """Parse as `parse_url` does, or raise ValueError with a clause that does not repeat the URL."""
    _check_text(url)
    parts = _split(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.netloc:
        raise ValueError("it is not an absolute http or https URL")
    host, port = split_host_and_port(parts.netloc.rpartition("@")[2])
    return Target(
        scheme=parts.scheme,
        host=normalise_host(host),
        port=port or _DEFAULT_PORTS[parts.scheme],
        path=quote(parts.path, safe=_SAFE_IN_PATH) or "/",
        query=quote(parts.query, safe=_SAFE_IN_QUERY),
    )


def _check_text(url: str) -> None:
    if _FORBIDDEN.search(url):
        raise ValueError("it has whitespace, a control character or a backslash")
    try:
        length = len(url.encode())
    except UnicodeEncodeError:
        raise ValueError("it is not valid Unicode") from None
    if length > _MAX_URL_BYTES:
        raise ValueError(f"it is longer than {_MAX_URL_BYTES} bytes")


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError:
        raise ValueError("it cannot be parsed") from None


def _joined(base: str, location: str) -> str:
    try:
        return urljoin(base, location)
    except ValueError:
        raise ValueError("it cannot be parsed") from None
