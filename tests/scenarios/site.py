"""From the ``CONFIG`` lines of a scenario to a site: its settings and its tables."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from agi.errors import TableError
from agi.settings import Config, ProviderAccount
from tests.scenarios.language import Step
from tests.scenarios.world import Site

_TRUNKS: Final = "trunk\nvoda\no2\nbt\nfixed\nsos\ntransit\n"
_ROUTES: Final = "rule,priority,mccmnc,prefix,country,line,action,trunks\n"
_ALWAYS: Final = "sos,,,,,emergency,,sos\n"
_DEFAULT: Final = "default,,,,,,,transit\n"
_USUAL: Final = "vodafone,,23415,,,,,voda\no2,,23410,,,,,o2\n"
_ACCOUNTS: Final = "account,screen_fraud,screen_tps,screen_unsubscribe\n"

_NAMES: Final = {
    "batch": "batch_size",
    "timeout": "timeout_ms",
    "rate": "requests_per_second",
    "budget": "daily_budget",
    "version": "api_version",
}
_NUMBERS: Final = ("batch_size", "timeout_ms", "connections")


class Builder:
    """Collects what a scenario configures."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._values: dict[str, Any] = {"fastagi": {}, "cache": {}, "numbers": {}, "tables": {}}
        self._providers: list[dict[str, Any]] = []
        self._routes = ""
        self._default = _DEFAULT
        self._ranges = "prefix,mccmnc,line\n"
        self._errors = "provider,code,class,retry_elsewhere,negative_ttl_s,route\n"
        self._accounts = _ACCOUNTS
        self._epoch = datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp()
        self._store = True
        self.routers = 1

    def take(self, step: Step) -> None:
        """Take one CONFIG line."""
        makers: dict[str, Callable[[Step], None]] = {
            "deadline": self._deadline,
            "country": self._country,
            "provider": self._provider,
            "dump": self._dump,
            "route": self._route,
            "default": self._route_of_all,
            "range": self._range,
            "error": self._error,
            "screen": self._screen,
            "fresh": self._fresh,
            "stale": self._stale,
            "store": self._no_store,
            "memory": self._memory,
            "wall": self._wall,
            "routers": self._many,
            "timezone": self._zone,
        }
        maker = makers.get(step.words[0] if step.words else "")
        if maker is None:
            step.wrong(f"what is configured is one of {', '.join(makers)}")
        maker(step)

    def build(self, last: Step) -> Site:
        """Return the site; ``last`` is the line to blame when it contradicts itself."""
        tables = self._directory / "tables"
        tables.mkdir(exist_ok=True)
        routes = _ROUTES + _ALWAYS + (self._routes or _USUAL) + self._default
        written = {
            "trunks": _TRUNKS,
            "routes": routes,
            "ranges": self._ranges,
            "errors": self._errors,
            "accounts": self._accounts,
        }
        for name, text in written.items():
            (tables / f"{name}.csv").write_text(text, encoding="utf-8")
        try:
            config = Config.model_validate({**self._values, "providers": self._providers})
        except ValidationError as bad:
            first = bad.errors()[0]
            last.fail(f"CONFIG: {'.'.join(map(str, first['loc']))}: {first['msg']}")
        site = Site(config, tables, self._directory, self._epoch, self._store)
        self._refuse_faulty(site, last)
        return site

    @staticmethod
    def _refuse_faulty(site: Site, last: Step) -> None:
        from agi.routing.reading import files  # noqa: PLC0415 - only to say it well

        try:
            files.load(site.tables, 1)
        except TableError as faulty:
            last.fail(f"CONFIG: the tables have a fault: {faulty.faults[0].what}")

    # ---- one method for each thing -------------------------------------------------------

    def _deadline(self, step: Step) -> None:
        self._values["fastagi"]["deadline_ms"] = int(step.number(1, "milliseconds"))

    def _country(self, step: Step) -> None:
        self._values["numbers"]["country"] = step.words[1]

    def _memory(self, step: Step) -> None:
        self._values["cache"]["memory_entries"] = int(step.number(1, "entries"))

    def _zone(self, step: Step) -> None:
        self._values["tables"]["timezone"] = step.words[1]

    def _many(self, step: Step) -> None:
        self.routers = int(step.number(1, "routers"))

    def _no_store(self, step: Step) -> None:
        if step.words[1:] not in {("none",), ("dict",)}:
            step.wrong("a store is dict or none")
        self._store = step.words[1] == "dict"

    def _wall(self, step: Step) -> None:
        self._epoch = datetime.fromisoformat(step.words[1]).replace(tzinfo=UTC).timestamp()

    def _fresh(self, step: Step) -> None:
        fresh = self._values["cache"].setdefault("fresh_s", {})
        fresh.update({key: int(value) for key, value in step.settings().items()})

    def _stale(self, step: Step) -> None:
        self._values["cache"]["stale_s"] = {
            key: int(value) for key, value in step.settings("network").items()
        }

    def _provider(self, step: Step) -> None:
        if len(step.words) != 2:
            step.wrong("CONFIG provider NAME kind=... key=value")
        account = {"name": step.words[1], "url": "http://127.0.0.1:9/v", "username": "bob"}
        self._providers.append(account | account_of(step))

    def _dump(self, step: Step) -> None:
        """Write a dump: ``447700900123=23415`` for a number, ``4477..=23410`` for a prefix."""
        rows = ["number,prefix,mccmnc"]
        for number, network in step.settings().items():
            prefix = number.endswith("..")
            rows.append(f",{number[:-2]},{network}" if prefix else f"{number},,{network}")
        path = self._directory / f"{step.words[1]}.csv"
        path.write_text("\n".join(rows) + "\n", encoding="utf-8")
        self._providers.append({"name": step.words[1], "kind": "file", "path": str(path)})

    def _route(self, step: Step) -> None:
        said = step.settings(*_ROUTES.strip().split(","))
        columns = _ROUTES.strip().split(",")[1:]
        self._routes += ",".join((step.words[1], *(said.get(one, "") for one in columns))) + "\n"

    def _route_of_all(self, step: Step) -> None:
        said = step.settings("action", "trunks")
        self._default = f"default,,,,,,{said.get('action', '')},{said.get('trunks', '')}\n"

    def _range(self, step: Step) -> None:
        prefix, network, *line = step.words[1:]
        self._ranges += f"{prefix},{network},{line[0] if line else ''}\n"

    def _error(self, step: Step) -> None:
        if len(step.words) != 7:
            step.wrong("CONFIG error KIND CODE CLASS yes|no SECONDS ROUTE")
        self._errors += ",".join(step.words[1:]) + "\n"

    def _screen(self, step: Step) -> None:
        said = step.settings("account", "fraud", "tps", "unsubscribe")
        cells = (said.get(one, "") for one in ("account", "fraud", "tps", "unsubscribe"))
        self._accounts += ",".join(cells) + "\n"


def account_of(step: Step) -> dict[str, Any]:
    """Return an account's settings as the configuration has them."""
    values: dict[str, Any] = {}
    for key, text in step.settings().items():
        name = _NAMES.get(key, key)
        if name not in ProviderAccount.model_fields:
            step.wrong(f"an account has no setting {key}")
        if name in _NUMBERS:
            values[name] = int(text)
        elif name == "requests_per_second":
            values[name] = float(text)
        elif name in {"countries", "types"}:
            values[name] = tuple(text.split(","))
        elif name in {"enabled", "economy"}:
            values[name] = text == "yes"
        else:
            values[name] = text
    return values
