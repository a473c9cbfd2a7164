"""How often callers may call: the app's limits in cloud code, the operator's in the settings.

Counted in windows of fixed length, in memory or in Redis. A store that is away limits nobody: the
server's own bounds still hold, and a limit is no reason to be down.
"""

import logging
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

from limits import RateLimitItem, RateLimitItemPerSecond, parse
from limits.errors import ConfigurationError, StorageError
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter

from cloud.code import FILES, Definition, TriggerKind, cloud
from cloud.rate_limits import RateLimit, Zone
from cloud.validation import Validator
from config import Settings, SettingsError
from server.auth import Caller
from server.networks import is_this_machine, network_of
from server.parse.errors import CONNECTION_FAILED, ParseError

logger = logging.getLogger(__name__)

_KINDS = ("classify", "upload", "login")
_AWAY_S = 5.0
_STORE_TIMEOUT_S = 0.25

_LOGINS = frozenset({"login", "verifypassword", "challenge", "requestpasswordreset"})
_CLASSES = {
    "users": "_User",
    "roles": "_Role",
    "sessions": "_Session",
    "installations": "_Installation",
}
_CLASS_TRIGGERS = {
    "GET": TriggerKind.BEFORE_FIND,
    "POST": TriggerKind.BEFORE_SAVE,
    "PUT": TriggerKind.BEFORE_SAVE,
    "DELETE": TriggerKind.BEFORE_DELETE,
}


class TooManyRequests(ParseError):
    """A call beyond a limit. Its status is one that no SDK repeats."""

    def __init__(self, message: str, retry_after_s: int) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(CONNECTION_FAILED, message, 429)


@dataclass(frozen=True, slots=True)
class Rule:
    """One limit of the operator's: `zone` is `ip`, `user` or `key`."""

    zone: str
    item: RateLimitItem


def parse_rules(text: str) -> tuple[Rule, ...]:
    """Read `ip:6000/minute,user:600/minute`, or `off`. Raises ValueError."""
    if text.strip().lower() == "off":
        return ()
    rules = []
    for part in filter(None, map(str.strip, text.split(","))):
        zone, _, limit = part.partition(":")
        if zone not in ("ip", "user", "key"):
            raise ValueError(f"{part} does not begin with ip:, user: or key:")
        try:
            rules.append(Rule(zone, parse(limit)))
        except ValueError:
            raise ValueError(f"{part} is not of the form {zone}:600/minute") from None
    return tuple(rules)


def _rules_of(settings: Settings, kind: str) -> tuple[Rule, ...]:
    name = f"rate_limit_{kind}"
    try:
        return parse_rules(getattr(settings, name))
    except ValueError as error:
        raise SettingsError(f"{name.upper()}: {error}") from None


class RateLimits:
    """Counts calls and refuses those beyond a limit; thread-safe, one for each process."""

    def __init__(self, settings: Settings) -> None:
        """Raises SettingsError; reaches out to no store yet."""
        self._store = _Store(settings.rate_limit_store)
        self._rules = {kind: _rules_of(settings, kind) for kind in _KINDS}

    def check(self, caller: Caller, method: str, path: str) -> None:
        """Count a call of a Parse route, `path` below the mount. Raises TooManyRequests."""
        steps = path.strip("/").split("/")
        first, rest = steps[0].lower(), steps[1] if len(steps) > 1 else ""
        definition = _definition(method, first, rest)
        if definition is not None:
            self._check_definition(definition, caller, method)
        kind = _kind(method, first, rest)
        if kind is not None and not (caller.master or is_this_machine(caller.ip)):
            self._check_rules(kind, caller.ip, caller.user_id, caller.key_name)

    def check_image(self, ip: str) -> None:
        """Count a call of the plain image routes. Raises TooManyRequests."""
        if not is_this_machine(ip):
            self._check_rules("classify", ip, None, None)

    def _check_rules(self, kind: str, ip: str, user_id: str | None, key: str | None) -> None:
        who = {"ip": network_of(ip), "user": user_id, "key": key}
        for rule in self._rules[kind]:
            whose = who[rule.zone]
            if whose is not None:
                self._store.hit(rule.item, "Too many requests.", kind, rule.zone, whose)

    def _check_definition(self, definition: Definition, caller: Caller, method: str) -> None:
        rules = definition.validator
        limit = rules.rate_limit if isinstance(rules, Validator) else None
        if limit is None or (limit.request_methods and method not in limit.request_methods):
            return
        if caller.master and not limit.include_master_key:
            return
        if is_this_machine(caller.ip) and not limit.include_internal_requests:
            return
        window_s = math.ceil(limit.request_time_window.total_seconds())
        item = RateLimitItemPerSecond(limit.request_count, window_s)
        message = limit.error_response_message
        self._store.hit(item, message, definition.name, *_whose(limit, caller))


class _Store:
    """The counts; while they cannot be had, everybody may."""

    def __init__(self, uri: str) -> None:
        timeouts = {"socket_timeout": _STORE_TIMEOUT_S, "socket_connect_timeout": _STORE_TIMEOUT_S}
        options = {} if uri.startswith("memory") else timeouts
        try:
            storage = storage_from_string(uri, wrap_exceptions=True, **options)
        except (ValueError, ConfigurationError):  # whose texts may hold a password
            raise SettingsError(
                "RATE_LIMIT_STORAGE: must be memory:// or a URL such as redis://redis:6379/0"
            ) from None
        self._limiter = FixedWindowRateLimiter(storage)
        self._away_until = 0.0

    def hit(self, item: RateLimitItem, message: str, *whose: str) -> None:
        """Count one more. Raises TooManyRequests beyond the limit."""
        if time.monotonic() < self._away_until:
            return
        try:
            if self._limiter.hit(item, *whose):
                return
            resets_at = self._limiter.get_window_stats(item, *whose).reset_time
        except StorageError as error:
            self._away_until = time.monotonic() + _AWAY_S
            logger.warning("rate limits hold for nobody, their store is away: %s", error)
            return
        raise TooManyRequests(message, max(1, math.ceil(resets_at - time.time())))


def _whose(limit: RateLimit, caller: Caller) -> Iterator[str]:
    yield limit.zone
    if limit.zone == Zone.GLOBAL:
        return
    by_zone = {Zone.USER: caller.user_id, Zone.SESSION: caller.session_token}
    found = by_zone.get(Zone(limit.zone))
    yield network_of(caller.ip) if found is None else found


def _definition(method: str, first: str, rest: str) -> Definition | None:
    """The function or trigger whose limit holds for a route, as in Parse Server."""
    if first == "functions":
        return cloud.function(rest) if method == "POST" else None
    if first == "login":
        return cloud.trigger(TriggerKind.BEFORE_LOGIN, "_User")
    if first == "requestpasswordreset":
        return cloud.trigger(TriggerKind.BEFORE_PASSWORD_RESET_REQUEST, "_User")
    kind = _CLASS_TRIGGERS.get(method)
    class_name = rest if first == "classes" else _CLASSES.get(first)
    if first == "files":
        class_name = FILES
    return cloud.trigger(kind, class_name) if kind and class_name else None


def _kind(method: str, first: str, rest: str) -> str | None:
    """What a route does that the operator limits."""
    if method == "POST" and first == "functions":
        return "classify" if rest == "nsfwImageClassify" else None
    if method == "POST" and first == "files":
        return "upload"
    is_sign_up = method == "POST" and (first == "users" or (first, rest) == ("classes", "_User"))
    return "login" if first in _LOGINS or is_sign_up else None
