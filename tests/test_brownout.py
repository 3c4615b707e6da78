"""The brown-out ladder and the probes of a whole service, against a real sandbox."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from agi.asking import Service
from agi.fastagi.client import Told
from tests.cli.test_cli import dialdip
from tests.service import Running, Site, sandbox, service

PATIENCE_S = 40
PROBE = 'probe = { number = "447788450450", mccmnc = "23415", every_s = 10 }\n'
RANGES = "prefix,mccmnc\n4477,23410\n"


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[Running]:
    folder = tmp_path / "sandbox"
    folder.mkdir()
    with sandbox(folder, "--others", "23415", "--latency-ms", "1") as running:
        yield running


def order(provider: Running, fault: str | None) -> None:
    body = json.dumps({"fault": fault}).encode()
    url = provider.url.removesuffix("/npl") + "/_sandbox/fault"
    with urllib.request.urlopen(url, body, timeout=5) as answer:
        assert 200 == answer.status


def troubles(site: Site) -> str:
    report: dict[str, Any] = Service(site.state).status()
    return "\n".join(report["troubles"])


def call_until(site: Site, running: Running, numbers: Iterator[int], *, brownout: bool) -> float:
    """Call number after number until ``status`` says so; return how long that took."""
    began = time.monotonic()
    while ("brown-out" in troubles(site)) is not brownout:
        assert time.monotonic() - began < PATIENCE_S, troubles(site)
        running.ask(f"0{next(numbers)}")
    return time.monotonic() - began


def seen(told: Told) -> tuple[str, str, str]:
    values = told.variables
    return values["CARRIER_SOURCE"], values["CARRIER_REASON"], values["CARRIER_RULE"]


def explained(site: Site, number: str) -> tuple[str, str, str]:
    """What ``explain --lookup`` says that a call would get."""
    done = dialdip("--config", str(site.path), "explain", number, "--lookup", "--json")
    decision = json.loads(done.stdout)["decision"]
    return decision["source"], decision["reason"], decision["rule"]


def test_a_service_stops_to_ask_a_provider_that_fails_and_asks_again_when_it_works(
    tmp_path: Path, provider: Running
) -> None:
    site = Site(tmp_path, provider.url, files={"ranges.csv": RANGES}).write()
    numbers = count(7_788_450_500)
    with service(site) as running:
        known = f"0{next(numbers)}"
        assert ("live", "ok", "vodafone") == seen(running.ask(known))
        order(provider, "http-503")
        call_until(site, running, numbers, brownout=True)
        assert "brown-out, level cache: " in troubles(site)
        assert ("memory", "ok", "vodafone") == seen(running.ask(known))
        # A trial a second may ask, and is refused; the others ask nobody.
        calls = [seen(running.ask(f"0{next(numbers)}")) for _ in range(5)]
        assert ("range", "breaker", "o2") in calls, calls
        order(provider, None)
        call_until(site, running, numbers, brownout=False)
        running.wait_for_log("brownout", times=2)
        assert ("live", "ok", "vodafone") == seen(running.ask(f"0{next(numbers)}"))


def test_a_pin_reaches_the_routers_and_a_pin_auto_ends_it(
    tmp_path: Path, provider: Running
) -> None:
    site = Site(tmp_path, provider.url, files={"ranges.csv": RANGES}).write()
    with service(site) as running:
        assert ("live", "ok", "vodafone") == seen(running.ask("07788450501"))
        for level, expected in (
            ("cache", ("memory", "ok", "vodafone")),
            ("range", ("range", "shed", "o2")),
            ("default", ("default", "shed", "default")),
        ):
            pin = ("pin", level, "--for", "10m", "--why", "the vendor migrates")
            assert 0 == dialdip("--config", str(site.path), *pin).returncode
            running.wait_for_log(f'"after":"{level}"')
            assert expected == seen(running.ask("07788450501"))
            assert expected == explained(site, "07788450501")
        assert "brown-out, level default, pinned: the vendor migrates" in troubles(site)
        assert 0 == dialdip("--config", str(site.path), "pin", "auto", "--why", "done").returncode
        running.wait_for_log('"after":"live"')
        assert ("memory", "ok", "vodafone") == seen(running.ask("07788450501"))


def test_a_provider_that_answers_its_probe_wrongly_is_named(
    tmp_path: Path, provider: Running
) -> None:
    order(provider, "network:23430")
    site = Site(tmp_path, provider.url, extra=PROBE).write()
    with service(site) as running:
        running.wait_for_log("provider_answers_wrongly")
        assert "provider npl answers wrongly: its probe" in troubles(site)
        assert "447788450450" not in running.log()
