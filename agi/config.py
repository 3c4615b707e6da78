"""The configuration file: found, read, checked, with all faults at once and their places."""

from __future__ import annotations

import re
import stat
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Literal

from phonenumbers import PhoneMetadata
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from agi.errors import ConfigurationError, Fault, UsageError
from agi.places import Places
from agi.settings import TYPES, Asterisk, Config, ProviderAccount, SecretSource

ENVIRONMENT_VARIABLE: Final = "DIALDIP_CONFIG"
SYSTEM_PATH: Final = Path("/etc/dialdip/dialdip.toml")

MIN_KEY_BYTES: Final = 16
"""Shorter keys of keyed numbers are guessed; see ``agi.lookup.tiers.keys``."""


class Loaded(BaseModel):
    """A configuration that can be used: its values, its secrets in the clear, its warnings.

    ``passwords`` are the providers', ``manager_passwords`` the PBXs', both by name.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    config: Config
    path: Path
    passwords: dict[str, SecretStr]
    cache_key: SecretStr | None = None
    manager_passwords: dict[str, SecretStr] = {}
    warnings: tuple[Fault, ...]

    def relative(self, text: str) -> Path:
        """Return a path of the file: relative ones are relative to the file."""
        return self.path.parent / text

    @property
    def tables(self) -> Path:
        """The directory of the tables' working copy."""
        return self.relative(self.config.tables.directory)

    def state(self, environ: Mapping[str, str], *, root: bool) -> Path:
        """Return the state directory, after the order that the file's sample states."""
        if self.config.state_directory:
            return self.relative(self.config.state_directory)
        if given := environ.get("STATE_DIRECTORY"):
            return Path(given.partition(":")[0])
        if root:
            return Path("/var/lib/dialdip")
        home = environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
        return Path(home) / "dialdip"


def find(option: str | None, environ: Mapping[str, str]) -> Path:
    """Return the file to use: ``--config``, then $DIALDIP_CONFIG, then the system's.

    Raises:
        UsageError: none of the three is there; the message names them all.
    """
    if option:
        return Path(option)
    if given := environ.get(ENVIRONMENT_VARIABLE):
        return Path(given)
    if SYSTEM_PATH.exists():
        return SYSTEM_PATH
    raise UsageError(
        f"no configuration: give --config FILE, set ${ENVIRONMENT_VARIABLE}, or write "
        f"{SYSTEM_PATH} (dialdip config init prints a sample)"
    )


def state_in_spite_of_faults(path: Path, environ: Mapping[str, str], *, root: bool) -> Path:
    """Return the state directory that a file names, whatever else is wrong with the file.

    A service runs on while somebody breaks its file; that is when it must be reached.

    Raises:
        ConfigurationError: there is no such file, or it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError:
        return load(path, environ, secrets=None).state(environ, root=root)  # says why not
    try:
        named = tomllib.loads(text).get("state_directory")
    except (tomllib.TOMLDecodeError, RecursionError):
        # Another directory's store would be an answer, and a wrong one.
        found = re.search(r"""(?m)^\s*state_directory\s*=\s*(["'])(.*?)\1""", text)
        named = found[2] if found else None
    plain = Config(state_directory=named if isinstance(named, str) else None)
    return Loaded(config=plain, path=path, passwords={}, warnings=()).state(environ, root=root)


Holder = Literal["dipper", "noc"]
"""Which process holds secrets: the providers' and the store's, or the PBXs'."""


def load(
    path: Path,
    environ: Mapping[str, str],
    *,
    secrets: bool | None = True,
    holder: Holder = "dipper",
) -> Loaded:
    """Read, check and complete the file.

    A secret that cannot be read is a fault for its ``holder``, and nobody else's are kept. With
    ``secrets`` False, for a shell beside the service, all are read, and one that cannot be is a
    warning: systemd shows credentials to the service alone. With None none is read or kept.

    Raises:
        ConfigurationError: with every fault, each at its line.
    """
    text, tree = _parse(path)
    places = Places(str(path), text)
    try:
        config = Config.model_validate(tree)
    except ValidationError as invalid:
        raise ConfigurationError(tuple(places.faults(invalid))) from None
    store = _Secrets(places, path, environ, needed=bool(secrets))
    providers, managers = (
        secrets is False or (secrets is True and holder == one) for one in ("dipper", "noc")
    )
    passwords = store.read(config) if providers else {}
    key = store.cache_key(config) if providers else None
    manager_passwords = store.managers(config) if managers else {}
    faults = (*store.faults, *_contradictions(config, places))
    if any(not fault.warning for fault in faults):
        raise ConfigurationError(faults)
    return Loaded(
        config=_without_secrets(config, providers=providers, managers=managers),
        path=path,
        passwords=passwords,
        cache_key=key,
        manager_passwords=manager_passwords,
        warnings=tuple(sorted((*faults, *_unlisted_emergency(config, places)))),
    )


def _without_secrets(config: Config, *, providers: bool, managers: bool) -> Config:
    """Return a configuration that keeps only its holder's secrets."""
    kept: dict[str, object] = {}
    if not providers:
        cache = {"key": None, "store": shown_store(config.cache.store)}
        kept["providers"] = tuple(
            one.model_copy(update={"password": None}) for one in config.providers
        )
        kept["cache"] = config.cache.model_copy(update=cache)
    if not managers:
        kept["asterisk"] = ()
    return config.model_copy(update=kept)


def shown_store(store: str) -> str:
    """Return the setting ``[cache] store`` without the user and the password in its URL.

    >>> shown_store("redis://dialdip:s3cret@10.0.0.1:6379/0")
    'redis://...@10.0.0.1:6379/0'
    """
    return re.sub(r"^(rediss?://).*@", r"\1...@", store)


def _parse(path: Path) -> tuple[str, dict[str, Any]]:
    name = str(path)
    try:
        if path.exists() and not path.is_file():
            raise ConfigurationError((Fault(name, 0, 0, "is not a file"),))
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as bad:
        raise ConfigurationError((Fault(name, 0, 0, f"not UTF-8 at byte {bad.start}"),)) from None
    except OSError as bad:
        what = f"cannot be read ({bad.strerror}); dialdip config init prints a sample"
        raise ConfigurationError((Fault(name, 0, 0, what),)) from None
    try:
        return text, tomllib.loads(text)
    except RecursionError:
        raise ConfigurationError((Fault(name, 1, 1, "not TOML: nested too deeply"),)) from None
    except tomllib.TOMLDecodeError as bad:
        found = re.search(r"\(at line (\d+), column (\d+)\)", str(bad))
        end = (text.count("\n") + 1, len(text) - text.rfind("\n"))
        line, column = map(int, found.groups()) if found else end
        what = f"not TOML: {str(bad).partition(' (at ')[0]}"
        raise ConfigurationError((Fault(name, line, column, what),)) from None


def _contradictions(config: Config, places: Places) -> Iterator[Fault]:
    yield from _repeated("provider", "providers", config.providers, places)
    yield from _repeated("asterisk", "asterisk", config.asterisk, places)
    for index, account in enumerate(config.providers):
        for key, what in _of_account(account, config):
            yield places.fault(("providers", index, key), f"{key}: {what}")
    if config.hooks.listen is not None and config.hooks.public_url is None:
        yield places.fault(("hooks", "listen"), "hooks.listen: needs public_url beside it")
    if config.cache.numbers == "keyed" and config.cache.key is None:
        yield places.fault(("cache", "numbers"), 'cache.numbers: "keyed" needs key beside it')
    elif config.cache.numbers == "keyed" and config.journal.retention_days:
        what = (
            "cache.numbers: the journal keeps the numbers of calls in the clear all the same: with "
            "[journal] retention_days = 0 there is none, and no explain --id or --call"
        )
        yield places.fault(("cache", "numbers"), what, warning=True)
    if config.cache.store.startswith("redis") and config.cache.key is None:
        what = "cache.store: a cache that hosts share needs key: numbers are never its keys"
        yield places.fault(("cache", "store"), what)
    if config.log.numbers == "keyed":
        what = 'log.numbers: not yet: use "masked" or "full"'
        yield places.fault(("log", "numbers"), what)
    host = config.fastagi.listen.rpartition(":")[0].strip("[]")
    if not ip_address(host).is_private or ip_address(host).is_unspecified:
        what = (
            "fastagi.listen: AGI knows no password and no encryption, and whoever answers it owns "
            "the PBX: listen on a loopback or private address"
        )
        yield places.fault(("fastagi", "listen"), what, warning=True)


def _repeated(
    what: str, section: str, named: Sequence[ProviderAccount | Asterisk], places: Places
) -> Iterator[Fault]:
    seen: set[str] = set()
    for index, one in enumerate(named):
        if one.name in seen:
            words = f"name: another {what} has this name already"
            yield places.fault((section, index, "name"), words)
        seen.add(one.name)


def _of_account(account: ProviderAccount, config: Config) -> Iterator[tuple[str, str]]:
    """Yield the keys of one account that do not fit its kind, and what would."""
    kind = account.kind
    if kind == "experian":
        yield "kind", "not yet: Experian answers too slowly for a call and comes with bulk jobs"
        return
    known = TYPES[kind]
    for one in account.types:
        if one not in known:
            yield "types", f"kind {kind} knows {', '.join(known) or 'no types'}"
    if account.economy is not None and (kind != "comcetera" or account.api_version != "2.5"):
        yield "economy", 'needs kind = "comcetera" and api_version = "2.5"'
    if account.mode == "async" and kind != "datasoap":
        yield "mode", 'only kind = "datasoap" posts back'
    elif account.mode == "async" and config.hooks.listen is None:
        yield "mode", '"async" needs [hooks] listen and public_url'
    if not account.enabled:
        return
    if kind == "file" and not account.path:
        yield "path", "is required: the file of the dump"
    if kind in _WITH_USERNAME and not account.username:
        yield "username", "is required for an enabled provider"


_WITH_USERNAME: Final = frozenset(("comcetera", "lanck", "hlrlookup"))


def _unlisted_emergency(config: Config, places: Places) -> Iterator[Fault]:
    """Warn of emergency numbers that the country's numbering plan has and the file has not."""
    numbers = config.numbers
    plan = PhoneMetadata.short_metadata_for_region(numbers.country)
    if plan is None or plan.emergency is None or not plan.emergency.national_number_pattern:
        return
    pattern = re.compile(plan.emergency.national_number_pattern)
    three = (f"{number:03d}" for number in range(1000))
    missing = [n for n in three if pattern.fullmatch(n) and n not in numbers.emergency]
    if missing:
        what = (
            f"numbers.emergency: {', '.join(missing)} is an emergency number of {numbers.country}"
        )
        yield places.fault(("numbers", "emergency"), f"{what} and not listed", warning=True)


class _Secrets:
    """Fetches each secret from where the file says it is."""

    def __init__(
        self, places: Places, path: Path, environ: Mapping[str, str], *, needed: bool
    ) -> None:
        self._needed = needed
        self._places = places
        self._path = path
        self._environ = environ
        self.faults: list[Fault] = []

    def read(self, config: Config) -> dict[str, SecretStr]:
        """Return the passwords of the enabled providers by name."""
        found = {}
        for index, account in enumerate(config.providers):
            if account.enabled:
                where = ("providers", index, "password")
                found[account.name] = self._one(account.password, where) or SecretStr("")
        return found

    def managers(self, config: Config) -> dict[str, SecretStr]:
        """Return the passwords of the PBXs' manager interfaces by name."""
        found = {}
        for index, pbx in enumerate(config.asterisk):
            where = ("asterisk", index, "password")
            found[pbx.name] = self._one(pbx.password, where) or SecretStr("")
        return found

    def cache_key(self, config: Config) -> SecretStr | None:
        """Return the key of keyed numbers, if the file has one."""
        given, where = config.cache.key, ("cache", "key")
        if given is None:
            return None
        key = self._one(given, where)
        if key is not None and len(key.get_secret_value().encode()) < MIN_KEY_BYTES:
            what = f"key: give a secret of at least {MIN_KEY_BYTES} bytes"
            self.faults.append(self._places.fault(where, what))
        return key

    def _one(
        self, given: SecretStr | SecretSource | None, where: tuple[str | int, ...]
    ) -> SecretStr | None:
        """Return a secret; None if there is none, or it cannot be read, which is a fault then."""
        if isinstance(given, SecretStr):
            self._warn_if_readable(where)
            return given
        if given is None:
            return None
        if given.env:
            if given.env not in self._environ:
                self._fault(where, f"${given.env} is not set")
                return None
            return SecretStr(self._environ[given.env])
        return self._file(given, where)

    def _file(self, given: SecretSource, where: tuple[str | int, ...]) -> SecretStr | None:
        if given.file:
            path = self._path.parent / given.file
        elif directory := self._environ.get("CREDENTIALS_DIRECTORY"):
            path = Path(directory) / str(given.credential)
        else:
            self._fault(
                where,
                f"credential {given.credential}: no $CREDENTIALS_DIRECTORY; systemd sets it for "
                'LoadCredential=, without systemd give { file = "..." } or { env = "..." }',
            )
            return None
        try:
            return SecretStr(path.read_text(encoding="utf-8").rstrip("\r\n"))
        except OSError as bad:
            self._fault(where, f"{path}: cannot be read ({bad.strerror})")
        except UnicodeDecodeError:
            self._fault(where, f"{path}: cannot be read (not UTF-8)")
        return None

    def _warn_if_readable(self, where: tuple[str | int, ...]) -> None:
        if self._path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
            what = (
                f"{where[-1]}: stands in a file that others can read: chmod 600, or give "
                '{ credential = "..." }'
            )
            self.faults.append(self._places.fault(where, what, warning=True))

    def _fault(self, where: tuple[str | int, ...], what: str) -> None:
        fault = self._places.fault(where, f"{where[-1]}: {what}", warning=not self._needed)
        self.faults.append(fault)
