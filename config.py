"""The settings: one typed, validated object from the environment and `.env`.

Every setting is described in `.env.example` and `docs/settings.md`; a test keeps the three equal.
Names are those of the Node original wherever it had one, so that an existing `.env` works.
"""

import base64
import os
import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

# What a fresh clone answers to, so that the README's lines work when pasted.
DEVELOPMENT_KEYS = {
    "app_id": "myAppId",
    "js_key": "myJsKey",
    "rest_api_key": "myRestKey",
    "client_key": "myClientKey",
    "master_key": "myMasterKey",
}
# What may follow the host in a broker's URL, by its scheme: Redis numbers its databases.
BROKER_PATHS = {"redis": "/?|/[0-9]+", "rediss": "/?|/[0-9]+", "amqp": ".*", "amqps": ".*"}
LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")
LOOPBACK_NETWORKS = (ip_network("127.0.0.1"), ip_network("::1"))
_ORIGINALS_MOUNT = "/1"
_OWN_PATHS = ("admin", "functions", "health", "metrics")

_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def usable_cores() -> int:
    """The cores that this process may use: its affinity, or fewer by a container's quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        quota, period = _CGROUP_QUOTA.read_text().split()
        return max(1, min(cores or 1, round(int(quota) / int(period))))
    except (OSError, ValueError):  # no cgroup v2, or the quota is "max"
        return cores or 1


PositiveInt = Annotated[int, Field(gt=0)]
# So long from now is still in the calendar, which ends in 9999.
Seconds = Annotated[int, Field(gt=0, le=100_000_000_000)]
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode]
Uploader = Literal["master", "users", "anonymous", "public"]


class SettingsError(ValueError):
    """The settings cannot be used; `str(error)` names each bad one and says what to do."""


class Settings(BaseSettings):
    """What the operator decides. Frozen; make it with `load_settings`."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    # Who may call: Parse's keys. None of them set: the development keys below.
    app_id: str = ""
    js_key: str = Field("", repr=False)
    rest_api_key: str = Field("", repr=False)
    client_key: str = Field("", repr=False)
    dotnet_key: str = Field("", repr=False)
    master_key: str = Field("", repr=False)
    read_only_master_key: str = Field("", repr=False)
    master_key_ips: Networks = LOOPBACK_NETWORKS

    maintenance_key: str = Field("", repr=False)
    maintenance_key_ips: Networks = LOOPBACK_NETWORKS

    # What is moderated
    moderated_files: Annotated[Mapping[str, tuple[str, ...]], NoDecode] = Field(
        default_factory=lambda: {"UserImage": ("image",)}
    )

    # What is remembered of decisions
    memory_enabled: bool = True
    memory_distance: Annotated[int, Field(ge=0, le=64)] = 31
    memory_min_quality: Annotated[int, Field(ge=1, le=100)] = 50
    memory_max_matches_per_hour: PositiveInt = 100

    # Who is told of decisions
    moderation_webhook_urls: Annotated[tuple[str, ...], NoDecode] = Field((), repr=False)
    moderation_webhook_secret: str = Field("", repr=False)
    webhook_allow: str = ""
    undo_window: Annotated[int, Field(ge=0, le=3600)] = 30
    webhook_log_days: Annotated[int, Field(ge=1, le=36500)] = 30

    # How long decisions are kept
    retention_days: Annotated[int, Field(ge=0, le=36500)] = 0

    # What clients may do
    allow_client_class_creation: bool = False
    session_length: Seconds = 30 * 24 * 3600
    idempotency_paths: Annotated[tuple[str, ...], NoDecode] = ()
    idempotency_ttl: Seconds = 300

    # How often clients may call
    rate_limit_classify: str = "ip:6000/minute,user:600/minute,key:60000/minute"
    rate_limit_upload: str = "ip:3000/minute,user:600/minute,key:60000/minute"
    rate_limit_login: str = "ip:600/minute,key:6000/minute"
    rate_limit_storage: str = Field("", repr=False)

    # Who guesses passwords
    account_lockout_threshold: PositiveInt = 8
    account_lockout_duration: Annotated[int, Field(gt=0, lt=100_000)] = 15
    account_lockout_address_threshold: Annotated[int, Field(ge=0)] = 8
    account_lockout_unlock_on_password_reset: bool = False

    # What passwords must be
    password_policy_min_length: Annotated[int, Field(ge=0, le=72)] = 0
    password_policy_pattern: str = ""
    password_policy_validation_error: str = ""
    password_policy_do_not_allow_username: bool = False
    password_policy_max_history: Annotated[int, Field(ge=0, le=20)] = 0
    password_policy_max_age: Annotated[int, Field(ge=0, le=36500)] = 0

    # Mails to users
    app_name: str = "Parsewarden"
    mail_from: str = ""
    smtp_host: str = ""
    smtp_port: Annotated[int, Field(gt=0, le=65535)] = 587
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_username: str = ""
    smtp_password: str = Field("", repr=False)
    smtp_timeout: Annotated[float, Field(gt=0)] = 10.0
    verify_user_emails: bool = False
    prevent_login_with_unverified_email: bool = False
    email_verify_token_validity: Seconds = 24 * 3600
    email_verify_success_on_invalid_email: bool = True
    password_reset_token_validity: Seconds = 3600
    password_reset_success_on_invalid_email: bool = True

    # Who hears of objects as they change
    live_query_classes: Annotated[tuple[str, ...], NoDecode] = ("UserImage",)
    live_query_redis_url: str = Field("", repr=False)

    # The moderators' panel
    panel_session_length: Seconds = 12 * 3600
    panel_idle_length: Seconds = 3600
    panel_require_second_factor: bool = False

    # Where it answers
    bind_host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 1337
    parse_mount: str = "/parse"
    trusted_proxies: Annotated[int, Field(ge=0)] = 0
    web_workers: PositiveInt = Field(default_factory=lambda: max(1, usable_cores() // 4))
    cloud_code_main: str = "cloud/main.py"
    server_url: str = ""
    max_answer_memory: Annotated[int, Field(ge=10_000_000)] = 225_000_000

    # Files
    local_files_url: str = ""
    production_files_url: str = ""
    file_upload_from: Annotated[frozenset[Uploader], NoDecode] = frozenset({"users"})
    file_upload_extensions: Annotated[frozenset[str], NoDecode] = frozenset(
        {"avif", "bmp", "gif", "heic", "heif", "jfif", "jpeg", "jpg", "png", "tif", "tiff", "webp"}
    )
    file_encryption_key: str = Field("", repr=False)

    # What the operator sees
    log_format: Literal["text", "json"] = "text"
    metrics_ips: Networks = LOOPBACK_NETWORKS
    metrics_token: str = Field("", repr=False)
    worker_metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0

    # Where it keeps things
    data_dir: Path = Path("data")
    database_uri: str = Field(
        "", validation_alias=AliasChoices("DATABASE_URI", "MONGODB_URI"), repr=False
    )
    config_cache_ms: Annotated[int, Field(ge=0)] = 1000
    celery_broker_url: str = Field("", repr=False)

    # The model
    tf_model_url: str = "MobileNetV2Mid"
    tf_model_input_shape_size: PositiveInt | None = None
    models_dir: Path | None = None

    # What an image may cost
    max_image_bytes: PositiveInt = 20 * 1024 * 1024
    max_image_pixels: PositiveInt = 50_000_000
    max_image_memory: PositiveInt = 250_000_000
    image_fetch_timeout: Annotated[float, Field(gt=0)] = 10.0
    image_fetch_allow: str = ""
    classify_permits: PositiveInt = Field(default_factory=usable_cores)
    classify_max_waiting: PositiveInt = 24
    classify_max_wait: Annotated[float, Field(gt=0)] = 5.0

    @field_validator(
        "app_id", "js_key", "rest_api_key", "client_key", "dotnet_key", "master_key",
        "read_only_master_key", "maintenance_key", "metrics_token",
    )  # fmt: skip
    @classmethod
    def _strip_key(cls, value: str) -> str:
        """Of blanks, which no header's value begins or ends with: a key of nothing else is none."""
        return value.strip()

    @field_validator("master_key_ips", "maintenance_key_ips", "metrics_ips", mode="before")
    @classmethod
    def _split_networks(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(ip_network(part.strip(), strict=False) for part in value.split(",") if part)

    @field_validator("moderated_files", mode="before")
    @classmethod
    def _split_columns(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        columns: dict[str, tuple[str, ...]] = {}
        for part in filter(None, map(str.strip, value.split(","))):
            match = re.fullmatch(r"(_?[A-Za-z][A-Za-z0-9_]*)\.([A-Za-z][A-Za-z0-9_]*)", part)
            if match is None:
                raise ValueError(f"{part} is not of the form Class.column")
            known = columns.get(match[1], ())
            columns[match[1]] = tuple(dict.fromkeys([*known, match[2]]))
        if not columns:  # a stray comma shall not switch moderation off
            raise ValueError("no column is named; leave it out for the default")
        return columns

    @field_validator("live_query_classes", mode="before")
    @classmethod
    def _split_classes(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(part.strip() for part in value.split(",") if part.strip() not in ("", "none"))

    @field_validator("live_query_redis_url")
    @classmethod
    def _check_redis(cls, value: str) -> str:
        if value and not re.fullmatch(r"rediss?://[^/?#\s]+(/[0-9]*)?", value):
            raise ValueError("must be a URL such as redis://redis:6379/0")
        return value

    @field_validator("moderation_webhook_urls", "idempotency_paths", mode="before")
    @classmethod
    def _split_texts(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(part.strip() for part in value.split(",") if part.strip())

    @field_validator("moderation_webhook_secret")
    @classmethod
    def _check_secret(cls, value: str) -> str:
        text = value.removeprefix("whsec_").rstrip("=")
        try:
            secret = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except ValueError:
            secret = b""
        # https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
        if value and not 24 <= len(secret) <= 64:
            raise ValueError("must be 24 to 64 bytes in base64, as `openssl rand -base64 32` makes")
        return value

    @field_validator("idempotency_paths", "live_query_classes")
    @classmethod
    def _check_patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern} is no regular expression: {error}") from None
        return value

    @field_validator("parse_mount")
    @classmethod
    def _normalise_mount(cls, value: str) -> str:
        mount = "/" + value.strip("/")
        if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", mount):
            raise ValueError("must be a path such as /parse")
        first = mount.lower().split("/")[1]
        if first in _OWN_PATHS or mount.lower() in ("/api", "/api/image"):
            raise ValueError(f"/{first} is another part of the server: choose a path like /parse")
        return mount

    @field_validator("server_url", "local_files_url", "production_files_url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        if value and not re.fullmatch(r"https?://[^/?#@\s\\]+(/[^?#\s\\]*)?", value):
            raise ValueError("must be a URL such as https://api.example.com/parse")
        return value.rstrip("/")

    @field_validator("celery_broker_url")
    @classmethod
    def _check_broker(cls, value: str) -> str:
        try:
            url = urlsplit(value)
            is_path = re.fullmatch(BROKER_PATHS[url.scheme], url.path) is not None
            is_usable = is_path and url.hostname is not None and url.port != 0
        except (KeyError, ValueError):
            is_usable = False
        if value and not is_usable:
            raise ValueError("must be a URL such as redis://redis:6379/0 or amqp://rabbitmq:5672//")
        return value

    @field_validator("file_upload_from", "file_upload_extensions", mode="before")
    @classmethod
    def _split_words(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return frozenset(word.strip().lower() for word in value.split(",") if word.strip())

    @field_validator("file_upload_extensions")
    @classmethod
    def _check_extensions(cls, value: frozenset[str]) -> frozenset[str]:
        if not all(re.fullmatch(r"[a-z0-9]+|\*", word) for word in value):
            raise ValueError("must be file extensions without dots, such as jpg,png, or *")
        return value

    @model_validator(mode="before")
    @classmethod
    def _development_keys_if_none_is_set(cls, values: Any) -> Any:
        if any(values.get(name) for name in DEVELOPMENT_KEYS):
            return values
        return values | DEVELOPMENT_KEYS

    @model_validator(mode="after")
    def _need_keys(self) -> Self:
        for name in ("app_id", "master_key"):
            if not getattr(self, name):
                raise ValueError(f"{name.upper()} is not set, but other keys are: set it in .env")
        return self

    @model_validator(mode="after")
    def _keep_keys_apart(self) -> Self:
        if self.read_only_master_key and self.read_only_master_key == self.master_key:
            raise ValueError("READ_ONLY_MASTER_KEY must not be the same as MASTER_KEY")
        if self.maintenance_key and self.maintenance_key in (
            self.master_key,
            self.read_only_master_key,
        ):
            raise ValueError("MAINTENANCE_KEY must not be the same as a master key")
        for name in ("app_id", "js_key", "rest_api_key", "client_key", "dotnet_key"):
            if getattr(self, name) in self._keys_of_operators:
                raise ValueError(
                    f"{name.upper()} is in every copy of the app, and must not be the same as "
                    "MASTER_KEY, READ_ONLY_MASTER_KEY or MAINTENANCE_KEY"
                )
        return self

    @model_validator(mode="after")
    def _need_a_permit_for_each_worker(self) -> Self:
        if self.web_workers > self.classify_permits:
            raise ValueError("WEB_WORKERS must not be greater than CLASSIFY_PERMITS")
        return self

    @model_validator(mode="after")
    def _refuse_known_keys_from_elsewhere(self) -> Self:
        known = [name.upper() for name in DEVELOPMENT_KEYS if self._is_public_knowledge(name)]
        if known and not self.is_for_this_machine:
            raise ValueError(
                f"{', '.join(known)}: everybody knows the development default, and with this "
                f"BIND_HOST ({self.bind_host}) or behind a proxy others than this machine can "
                "call; set your own in .env, for instance from `openssl rand -hex 16`"
            )
        return self

    @model_validator(mode="after")
    def _need_secret_for_webhooks(self) -> Self:
        if self.moderation_webhook_urls and not self.moderation_webhook_secret:
            raise ValueError(
                "MODERATION_WEBHOOK_SECRET is not set, but MODERATION_WEBHOOK_URLS is: make one "
                "with `openssl rand -base64 32`, and give it to the receivers"
            )
        return self

    @field_validator("mail_from")
    @classmethod
    def _check_sender(cls, value: str) -> str:
        if value and not re.fullmatch(r"[^@\r\n]+@[^@\r\n]+", value):
            raise ValueError("must be an address such as My App <hello@example.com>")
        return value

    @field_validator("password_policy_pattern")
    @classmethod
    def _check_pattern(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"must be a regular expression: {error}") from None
        return value

    @field_validator("app_name")
    @classmethod
    def _check_app_name(cls, value: str) -> str:
        if not value.isprintable():
            raise ValueError("must be one line")
        return value

    @model_validator(mode="after")
    def _need_what_mails_need(self) -> Self:
        if self.smtp_host and not self.mail_from:
            raise ValueError("MAIL_FROM is not set, but SMTP_HOST is: mails need a sender")
        if self.verify_user_emails and not self.can_mail:
            raise ValueError(
                "VERIFY_USER_EMAILS needs mails: set SMTP_HOST and MAIL_FROM, and SERVER_URL for "
                "the links in them"
            )
        if self.prevent_login_with_unverified_email and not self.verify_user_emails:
            raise ValueError("PREVENT_LOGIN_WITH_UNVERIFIED_EMAIL needs VERIFY_USER_EMAILS")
        return self

    @property
    def _keys_of_operators(self) -> set[str]:
        return {self.master_key, self.read_only_master_key, self.maintenance_key} - {""}

    def _is_public_knowledge(self, name: str) -> bool:
        return name != "app_id" and getattr(self, name) == DEVELOPMENT_KEYS[name]

    @property
    def is_for_this_machine(self) -> bool:
        """Whether nobody else can call, as while developing."""
        return self.bind_host in LOOPBACK_HOSTS and not self.trusted_proxies

    @property
    def parse_mounts(self) -> list[str]:
        """Where Parse's routes lie: at PARSE_MOUNT, and where the Node original has them."""
        return list(dict.fromkeys([self.parse_mount, _ORIGINALS_MOUNT]))

    @property
    def mailed_url(self) -> str:
        """What links in mails begin with: never what a request's Host header says."""
        if self.server_url or not self.is_for_this_machine:
            return self.server_url
        return f"http://localhost:{self.port}{self.parse_mount}"

    @property
    def can_mail(self) -> bool:
        """Whether there is a way for mails, and a place for their links to lead to."""
        return bool((self.smtp_host or self.is_for_this_machine) and self.mailed_url)

    @property
    def models_path(self) -> Path:
        """The folder of the converted models: MODELS_DIR, or `models` under DATA_DIR."""
        return self.models_dir or self.data_dir / "models"

    @property
    def live_query_redis(self) -> str:
        """The Redis that carries writes between processes: LIVE_QUERY_REDIS_URL, or the broker's
        where that is one; empty where processes of one machine tell each other."""
        return self.live_query_redis_url or self._redis_of_broker

    @property
    def rate_limit_store(self) -> str:
        """Where calls are counted: RATE_LIMIT_STORAGE, or the broker's Redis, or memory."""
        return self.rate_limit_storage or self._redis_of_broker or "memory://"

    @property
    def _redis_of_broker(self) -> str:
        is_redis = self.celery_broker_url.startswith(("redis://", "rediss://"))
        return self.celery_broker_url if is_redis else ""

    @property
    def worker_permits(self) -> int:
        """The permits of each web process."""
        return self.classify_permits // self.web_workers

    @property
    def max_in_flight(self) -> int:
        """Calls that fetch, wait for a permit or classify at once, in each web process."""
        return self.worker_permits + self.classify_max_waiting

    @property
    def max_body_bytes(self) -> int:
        """The largest request body: an image of MAX_IMAGE_BYTES in base64, and its JSON."""
        return self.max_image_bytes * 4 // 3 + 64 * 1024


def load_settings(**overrides: Any) -> Settings:
    """Read the environment and `.env`; `overrides` by field name win.

    Raises SettingsError naming every bad setting.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise SettingsError(_explain(error)) from None
    except UnicodeDecodeError:
        raise SettingsError(".env is not UTF-8 text: save it as such") from None


def _explain(error: ValidationError) -> str:
    lines = []
    for detail in error.errors(include_input=False, include_url=False):
        name = str(detail["loc"][0]).upper() if detail["loc"] else ""
        message = detail["msg"].removeprefix("Value error, ")
        lines.append(f"{name}: {message}" if name else message)
    return "\n".join(lines)
