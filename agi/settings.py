"""The settings: each declared once, with its default, its unit in its name and its help text.

The configuration file's form is this module: unknown keys are faults, values are not converted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from ipaddress import ip_address, ip_network
from types import MappingProxyType
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from phonenumbers import SUPPORTED_REGIONS
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
)

from agi.plmn import canonical


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def _address(text: str) -> str:
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError('give "ADDRESS:PORT", for example "127.0.0.1:4573"')
    try:
        ip_address(host)
    except ValueError:
        raise ValueError(
            'give an address, not a name, before the port: "127.0.0.1:4573" or "[::1]:4573"'
        ) from None
    return text


def _network(text: str) -> str:
    try:
        ip_network(text)
    except ValueError as fault:
        raise ValueError(f'give networks such as "127.0.0.0/8": {fault}') from None
    return text


def _country(text: str) -> str:
    if not re.fullmatch("[A-Z]{2}", text):
        raise ValueError('give an ISO 3166 alpha-2 code in capitals, for example "GB"')
    return text


def _home(text: str) -> str:
    if _country(text) not in SUPPORTED_REGIONS:
        raise ValueError("no numbering plan is known for this country")
    return text


def _emergency(text: str) -> str:
    if not re.fullmatch(r"[0-9*#]{1,32}", text):
        raise ValueError('give dialled digits, for example "112"')
    return text


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError('give a zone of the tz database, for example "Europe/London"') from None
    return text


def _url(text: str) -> str:
    wrong = "give a URL such as https://host:8443/path, without a user, a query or a fragment"
    if not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", text):
        raise ValueError(wrong)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(wrong) from None
    if not parts.hostname or port == 0:
        raise ValueError(wrong)
    return text


def _money(text: str) -> Decimal:
    if not isinstance(text, str) or not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text):
        raise ValueError('give an amount in quotes with a decimal point, for example "0.006"')
    return Decimal(text)


def _plmn(text: str) -> str:
    network = canonical(text)
    if network is None:
        raise ValueError('give MCC and MNC, for example "23415" or "310-260"')
    return network.mccmnc


def _store(text: str) -> str:
    if not re.fullmatch(r"none|sqlite:.+|rediss?://.+", text):
        raise ValueError('give "none", "sqlite:FILE" or "redis://HOST:PORT/DB"')
    return text


Address = Annotated[str, AfterValidator(_address)]
Money = Annotated[Decimal, BeforeValidator(_money)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,32}$")]


class SecretSource(_Section):
    """Where a secret is kept: exactly one of the three."""

    credential: str | None = Field(None, pattern=r"^[A-Za-z0-9_.-]+$")
    env: str | None = Field(None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    file: str | None = None


def _secret(given: object) -> object:
    if isinstance(given, str):
        return SecretStr(given)
    if isinstance(given, dict) and len(given) == 1 and set(given) <= {"credential", "env", "file"}:
        return SecretSource(**given)
    raise ValueError('give { credential = "..." }, { env = "..." }, { file = "..." } or a string')


Secret = Annotated[SecretStr | SecretSource, BeforeValidator(_secret)]


class FastAgi(_Section):
    """The port that Asterisk asks."""

    listen: Address = Field(
        "127.0.0.1:4573", description="address and port; a socket of systemd goes first"
    )
    allow: tuple[Annotated[str, AfterValidator(_network)], ...] = Field(
        ("127.0.0.0/8", "::1/128"), description="peers that may speak AGI", strict=False
    )
    deadline_ms: int = Field(
        800, ge=50, le=10_000, description="one absolute deadline per call, from accept"
    )
    workers: int = Field(2, ge=1, le=64, description="routers under `serve`")


class Numbers(_Section):
    """How dialled digits are read."""

    country: Annotated[str, AfterValidator(_home)] = Field(
        "GB", description="how a number without country code is read"
    )
    emergency: tuple[Annotated[str, AfterValidator(_emergency)], ...] = Field(
        ("112", "999"), description="dialled digits, exactly", strict=False
    )


class Tables(_Section):
    """The routing tables."""

    directory: str = Field("tables", description="the working copy")
    timezone: Annotated[str, AfterValidator(_zone)] = Field(
        "UTC", description="of times and dates in the tables"
    )
    life_raft: str | None = Field(
        None, description="a dialplan file written at each activation; off unless set"
    )


class Fresh(_Section):
    """How long an answer counts as fresh, in seconds, by what it says."""

    network: int = Field(604_800, ge=0, le=31_536_000)
    liveness: int = Field(300, ge=0, le=86_400)
    fraud: int = Field(3_600, ge=0, le=604_800)
    tps: int = Field(86_400, ge=0, le=2_419_200)
    unsubscribe: int = Field(86_400, ge=0, le=2_419_200)


class Stale(_Section):
    """How long beyond fresh an answer may still be used, in seconds."""

    network: int = Field(259_200, ge=0, le=31_536_000)


class Cache(_Section):
    """What is remembered of lookups."""

    memory_entries: int = Field(100_000, ge=1, le=50_000_000, description="per router")
    store: Annotated[str, AfterValidator(_store)] = Field(
        "sqlite:cache.sqlite",
        description="none, sqlite:FILE (in the state directory) or redis://HOST:PORT/DB",
    )
    fresh_s: Fresh = Fresh()
    stale_s: Stale = Stale()
    numbers: Literal["plain", "keyed"] = "plain"
    key: Secret | None = None


Kind = Literal["comcetera", "lanck", "datasoap", "experian", "hlrlookup", "file"]

URLS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "comcetera": "https://secure.comcetera.com/npl",
        "lanck": "https://api.boomware.com/v1",
        "datasoap": "https://api.datasoap.co.uk",
        "hlrlookup": "https://api.hlrlookup.com/apiv2",
    }
)
"""Each provider system's own address, from the vendors' pages; version 3 of NPL has its own."""

NPL_3_URL: Final = "https://api.numberportabilitylookup.com/npl"

TYPES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "comcetera": (),
        "lanck": ("hlr", "fraud"),
        "datasoap": ("hlr", "landline", "tps", "unsubscribe"),
        "hlrlookup": ("mnp", "hlr"),
        "file": (),
    }
)
"""What can be asked of each provider system; the first is what an account without ``types`` is
asked."""


class Probe(_Section):
    """A number whose network is known: asked now and then, to see that answers are right."""

    number: str = Field(pattern=r"^[1-9][0-9]{4,14}$", description="E.164 digits")
    mccmnc: Annotated[str, AfterValidator(_plmn)] = Field(description="the network that it is in")
    every_s: int = Field(300, ge=10, le=86_400, description="each asking costs what a lookup costs")


class ProviderAccount(_Section):
    """One account at one provider system; they are asked in the order of the file."""

    name: Name
    kind: Kind
    url: Annotated[str, AfterValidator(_url)] | None = Field(
        None, description="else the provider system's own"
    )
    username: str = ""
    password: Secret | None = None
    connections: int = Field(1, ge=1, le=100, description="at most so many at once per account")
    batch_size: int | None = Field(
        None, ge=1, le=1000, description="numbers in one request; else what the system allows"
    )
    requests_per_second: float = Field(
        0, ge=0, le=10_000, description="0: no limit of ours", strict=False
    )
    timeout_ms: int = Field(700, ge=10, le=60_000, description="how long a call waits for it")
    countries: tuple[Annotated[str, AfterValidator(_country)], ...] = Field((), strict=False)
    price: Money = Decimal(0)
    currency: str = Field("EUR", pattern=r"^[A-Z]{3}$")
    daily_budget: Money | None = None
    enabled: bool = True
    allow_private: bool = Field(False, description="its name may resolve to a private address")
    api_version: Literal["2.3", "2.4", "2.5", "3"] = "2.4"
    economy: bool | None = None
    method: Literal["POST", "GET"] = "POST"
    mode: Literal["sync", "async"] = "sync"
    types: tuple[str, ...] = Field((), strict=False)
    path: str | None = Field(None, description="the dump of kind file")
    probe: Probe | None = Field(None, description="off unless set")

    @property
    def endpoint(self) -> str:
        """Return where it is asked: ``url``, else the provider system's own."""
        if self.url is None and self.kind == "comcetera" and self.api_version == "3":
            return NPL_3_URL
        return self.url or URLS.get(self.kind, "")

    @property
    def asked(self) -> tuple[str, ...]:
        """Return the types asked of it: ``types``, else the first that there is."""
        return self.types or TYPES.get(self.kind, ())[:1]


class Hooks(_Section):
    """The dipper's door for postbacks."""

    listen: Address | None = Field(None, description="off unless set")
    public_url: Annotated[str, AfterValidator(_url)] | None = Field(
        None, description="how the vendor reaches `listen` from outside"
    )


class Asterisk(_Section):
    """One PBX whose manager interface is read."""

    name: Name
    host: str = "127.0.0.1"
    port: int = Field(5038, ge=1, le=65535)
    username: str
    password: Secret


class Kpi(_Section):
    """How ended calls are read: Q.850 causes; what stands nowhere is the network's failure."""

    user_causes: tuple[Annotated[int, Field(ge=0, le=127)], ...] = Field(
        (16, 17, 19, 20, 31), description="the called user's doing", strict=False
    )
    rejected_causes: tuple[Annotated[int, Field(ge=0, le=127)], ...] = Field(
        (21,), description="this call was refused", strict=False
    )
    number_causes: tuple[Annotated[int, Field(ge=0, le=127)], ...] = Field(
        (1, 22, 28), description="the number is at fault", strict=False
    )
    countries: int = Field(250, ge=1, le=1_000, description="kept apart; others are `other`")
    networks: int = Field(500, ge=1, le=5_000, description="kept apart; others are `other`")


class Health(_Section):
    """When a trunk is passed over; see docs/health.md."""

    enabled: bool = True
    window: int = Field(20, ge=10, le=1_000, description="latest attempts that are looked at")
    min_samples: int = Field(10, ge=1, le=1_000, description="with fewer, only a row of failures")
    down_row: int = Field(5, ge=2, le=100, description="so many failures in a row: down")
    down_share: float = Field(0.6, ge=0.05, le=1, description="of failures: down", strict=False)
    degraded_share: float = Field(0.3, ge=0.01, le=1, description="degraded", strict=False)
    up_share: float = Field(0.15, ge=0, le=1, description="below it: up again", strict=False)
    retry_s: int = Field(10, ge=1, le=3_600, description="down for so long, then on trial")
    longest_retry_s: int = Field(25, ge=1, le=3_600, description="doubled up to this")
    trial_share: float = Field(0.1, ge=0.01, le=0.5, description="of first calls", strict=False)


class Web(_Section):
    """The port for people and Prometheus."""

    listen: Address = "127.0.0.1:8080"


class Journal(_Section):
    """The record of decisions."""

    retention_days: int = Field(30, ge=0, le=3650, description="0: no record is kept")
    max_mb: int = Field(
        2_048, ge=16, le=1_048_576, description="all files of it; the oldest records go first"
    )


class Log(_Section):
    """The log lines."""

    numbers: Literal["masked", "keyed", "full"] = Field(
        "masked", description="how phone numbers appear: masked or full"
    )


class Config(_Section):
    """The whole file."""

    state_directory: str | None = Field(
        None, description="else $STATE_DIRECTORY, /var/lib/dialdip as root, $XDG_STATE_HOME/dialdip"
    )
    fastagi: FastAgi = FastAgi()
    numbers: Numbers = Numbers()
    tables: Tables = Tables()
    cache: Cache = Cache()
    providers: tuple[ProviderAccount, ...] = Field((), strict=False)
    hooks: Hooks = Hooks()
    asterisk: tuple[Asterisk, ...] = Field((), strict=False)
    kpi: Kpi = Kpi()
    health: Health = Health()
    web: Web = Web()
    journal: Journal = Journal()
    log: Log = Log()
