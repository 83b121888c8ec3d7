"""Settings: one frozen record, read once from an environment that is passed in."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import msgspec
from msgspec import Meta

from service.errors import ConfigError
from service.events.addresses import parse_networks

PREFIX = "FENCEPOST_"
# A Unix socket's path must fit into sockaddr_un.sun_path: 108 bytes with its final NUL on Linux, 104 on macOS.
SOCKET_PATH_BYTES = 103
# Tests and benchmarks read these two; the running service does not.
FOR_TESTS = frozenset({"FENCEPOST_DATA", "FENCEPOST_TEST_DATABASE_URL"})


class Secret(str):
    """Text that hides itself in repr; use it like any string where the secret is needed."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret('****')" if self else "Secret('')"


def default_data_dir(environ: Mapping[str, str]) -> str:
    base = environ.get("XDG_DATA_HOME") or str(Path(environ.get("HOME") or ".") / ".local" / "share")
    return str(Path(base) / "fencepost")


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything an operator can set. The environment variable of `data_dir` is `FENCEPOST_DATA_DIR`, and so on."""

    data_dir: Annotated[str, Meta(description="where the database, the key file and the embedded Valkey live")] = ""
    database_url: Annotated[
        str, Meta(description="SQLAlchemy URL of SQLite or Postgres; empty: SQLite in `data_dir`")
    ] = ""
    redis_url: Annotated[str, Meta(description="Redis ≥ 6.2 or Valkey; empty: `fencepost up` starts its own")] = ""
    stream_key: Annotated[Secret, Meta(description="base64 of 32 bytes; empty: a key file in `data_dir`")] = Secret("")
    host: Annotated[str, Meta(description="address the HTTP server binds")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535, description="port of the HTTP server")] = 8765
    public_url: Annotated[
        str,
        Meta(pattern="^(https?://[^/?#@]+.*)?$", description="how people reach the console; empty: http://host:port"),
    ] = ""
    encoder: Annotated[
        str, Meta(description="a hub id or a folder; empty: all-MiniLM-L6-v2 from the package index")
    ] = ""
    encode_url: Annotated[
        str, Meta(description="`redis`: ask the encode process over Redis; empty: a Unix socket in `data_dir`")
    ] = ""
    threads: Annotated[int, Meta(ge=0, description="threads of the encoder; 0: cores − 1")] = 0
    stream_bound: Annotated[int, Meta(ge=1, description="stream entries per bot before webhooks answer 503")] = 100_000
    slack_bot_token: Annotated[Secret, Meta(description="xoxb-…; cards are posted when set")] = Secret("")
    slack_app_token: Annotated[Secret, Meta(description="xapp-…; Socket Mode")] = Secret("")
    slack_signing_secret: Annotated[Secret, Meta(description="signs Slack's requests to the events URL")] = Secret("")
    slack_api_url: Annotated[str, Meta(description="Slack's Web API")] = "https://slack.com/api/"
    endpoint_networks: Annotated[
        str, Meta(description="CIDRs, comma-separated: networks of yours that outgoing webhooks may be posted to")
    ] = ""
    sso_header: Annotated[
        str,
        Meta(
            pattern="^[A-Za-z0-9-]*$",
            description="header in which a proxy names who signed in there, as X-Forwarded-Email; empty: none is read",
        ),
    ] = ""
    sso_proxies: Annotated[
        str, Meta(description="CIDRs, comma-separated: the addresses of that proxy, from which alone the header counts")
    ] = ""
    sso_role: Annotated[
        str,
        Meta(
            pattern="^(reader|reviewer)?$",
            description="reader or reviewer, of every bot, for people whom nobody granted a role; empty: refused",
        ),
    ] = ""
    log_level: Annotated[
        str, Meta(pattern="^(debug|info|warning|error)$", description="debug, info, warning or error")
    ] = "info"

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Read `FENCEPOST_*`; an unknown or malformed variable raises ConfigError with its name."""
        given = {
            key[len(PREFIX) :].lower(): value
            for key, value in environ.items()
            if key.startswith(PREFIX) and key not in FOR_TESTS
        }
        for name in given.keys() - set(cls.__struct_fields__):
            raise ConfigError(f"{PREFIX}{name.upper()} is not a setting; `fencepost settings` lists them")
        if not given.get("data_dir"):
            given["data_dir"] = default_data_dir(environ)
        found = _convert(given)
        parse_networks(found.endpoint_networks)  # what is wrong with it is said now
        _check_proxy(found)
        return found

    @property
    def folder(self) -> Path:
        return Path(self.data_dir)

    @property
    def sql_url(self) -> str:
        return self.database_url or f"sqlite:///{self.folder / 'fencepost.db'}"

    @property
    def redis_socket(self) -> Path:
        return self.folder / "valkey.sock"

    @property
    def broker_url(self) -> str:
        """The Redis to connect to: the given one, or the embedded server's socket."""
        return self.redis_url or f"unix://{self.redis_socket}"

    @property
    def encode_socket(self) -> Path:
        return self.folder / "encode.sock"

    @property
    def base_url(self) -> str:
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")


def _convert(given: dict[str, str]) -> Settings:
    types, limits = get_type_hints(Settings), get_type_hints(Settings, include_extras=True)
    typed: dict[str, Any] = {}
    for name, value in given.items():
        try:
            typed[name] = Secret(value) if types[name] is Secret else msgspec.convert(value, limits[name], strict=False)
        except msgspec.ValidationError as error:
            raise ConfigError(f"{PREFIX}{name.upper()}: {error}") from error
    return Settings(**typed)


def _check_proxy(found: Settings) -> None:
    """A header from anybody would let anybody in."""
    proxies = parse_networks(found.sso_proxies, "FENCEPOST_SSO_PROXIES")
    if bool(found.sso_header) != bool(proxies):
        hint = "FENCEPOST_SSO_HEADER=X-Forwarded-Email and FENCEPOST_SSO_PROXIES=10.0.0.7/32, say"
        raise ConfigError("FENCEPOST_SSO_HEADER and FENCEPOST_SSO_PROXIES go together", hint=hint)
    if found.sso_header.lower() in ("authorization", "cookie", "host", "origin"):
        raise ConfigError(f"FENCEPOST_SSO_HEADER: browsers and programs set {found.sso_header} themselves")
    if found.sso_header and not found.public_url:
        hint = "the address at which people reach the proxy, as https://fencepost.example.org"
        raise ConfigError("FENCEPOST_SSO_HEADER needs FENCEPOST_PUBLIC_URL", hint=hint)


def describe() -> list[tuple[str, str, str]]:
    """Rows (variable, default, meaning) of the README's settings table."""
    hints = get_type_hints(Settings, include_extras=True)
    defaults = Settings()
    return [
        (PREFIX + name.upper(), str(getattr(defaults, name)), _meaning(hints[name]))
        for name in Settings.__struct_fields__
    ]


def _meaning(hint: Any) -> str:
    return next(meta.description for meta in get_args(hint)[1:] if isinstance(meta, Meta) and meta.description)
