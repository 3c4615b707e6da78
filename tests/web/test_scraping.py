"""The real service scraped: every call is in it, over restarts and kills of every process."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families as plain

from agi import ipc
from agi.errors import Unreachable
from tests.service import Running, Site, sandbox, service

VODAFONE = "07788450450"
ALL = {"router": 2.0, "dipper": 1.0, "noc": 1.0}


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with sandbox(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


@pytest.fixture
def site(tmp_path: Path, provider: Running) -> Site:
    return Site(tmp_path, provider.url, workers=2).write()


def web_of(site: Site) -> str:
    """Return where noc answers; port 0 is another one for each of its lives."""
    end = time.monotonic() + 20
    while True:
        assert time.monotonic() < end
        web = str(ipc.ask(ipc.path_of(site.state, "noc"), "status")["web"])
        if web != "off":
            return web


def scraped(site: Site) -> str:
    with urllib.request.urlopen(f"http://{web_of(site)}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def processes(families: Iterable[Metric]) -> dict[str, float]:
    """Return how many of each role have answered."""
    told = [
        one for family in families if family.name == "dialdip_processes" for one in family.samples
    ]
    return {one.labels["role"]: one.value for one in told}


@dataclass
class Watch:
    """Scrapes, and finds that no counter goes down from one scrape to the next."""

    before: dict[tuple[str, frozenset[tuple[str, str]]], float] = field(default_factory=dict)

    def calls(self, site: Site) -> float:
        """Scrape; return how many calls are counted.

        A process that stands still for half a second is left out, and that is said: once more.
        """
        families = list(plain(scraped(site)))
        end = time.monotonic() + 20
        while processes(families) != ALL:
            assert time.monotonic() < end, processes(families)
            families = list(plain(scraped(site)))
        now = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in families
            if family.type in {"counter", "histogram"}
            for sample in family.samples
        }
        lower = [key for key, value in self.before.items() if now.get(key, -1.0) < value]
        assert [] == lower
        self.before = now
        decided = [value for (name, _), value in now.items() if name == "dialdip_calls_total"]
        assert [sum(decided)] == [
            n for (name, _), n in now.items() if name == "dialdip_decision_seconds_count"
        ]
        return sum(decided)


def call(running: Running, times: int) -> None:
    with ThreadPoolExecutor(8) as callers:
        told = list(callers.map(lambda _: running.ask(VODAFONE), range(times)))
    assert all(one.committed for one in told)


def pid_of(site: Site, role: str, index: int = 0) -> int:
    return int(ipc.ask(ipc.path_of(site.state, role, index), "status")["pid"])


def kill(site: Site, role: str) -> None:
    """Kill a process, and wait for its successor."""
    old = pid_of(site, role)
    os.kill(old, signal.SIGKILL)
    end = time.monotonic() + 20
    while True:
        assert time.monotonic() < end
        try:
            if pid_of(site, role) != old:
                return
        except Unreachable:
            time.sleep(0.01)  # or it takes a core from those it waits for


def test_a_call_that_was_answered_before_the_scrape_is_in_it(site: Site) -> None:
    watch = Watch()
    with service(site) as running:
        for count in range(1, 31):
            call(running, 1)
            assert count == watch.calls(site)


def test_no_counter_goes_down_when_processes_are_killed_restarted_or_end(site: Site) -> None:
    watch = Watch()
    with service(site) as running:
        call(running, 20)
        assert 20 == watch.calls(site)
        for role in ("router", "dipper", "noc"):
            kill(site, role)
            call(running, 5)
            assert 5 <= watch.calls(site)
        before = watch.calls(site)
        assert 35 == before
        call(running, 7)  # nobody looks before the end: it is in what the processes leave
    with service(site) as running:
        assert 42 == watch.calls(site)
        kill(site, "noc")
        assert 42 == watch.calls(site)


def test_f48_a_scraper_that_hangs_leaves_calls_and_other_scrapers_alone(site: Site) -> None:
    with service(site) as running:
        host, _, port = web_of(site).rpartition(":")
        hanging = [socket.create_connection((host, int(port))) for _ in range(40)]
        for one in hanging[::2]:  # half of them ask, none reads
            one.sendall(b"GET /metrics HTTP/1.1\r\nHost: noc\r\n\r\n")
        call(running, 20)
        assert "dialdip_calls_total" in scraped(site)
        for one in hanging:
            one.close()


@pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not there (Debian's package prometheus)"
)
def test_promtool_finds_nothing_wrong_with_the_real_text(site: Site) -> None:
    with service(site) as running:
        call(running, 3)
        text = scraped(site).encode()
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, check=False, timeout=60
    )
    assert (0, b"", b"") == (done.returncode, done.stdout, done.stderr)


def test_f48_a_frozen_noc_costs_no_call_anything(site: Site) -> None:
    with service(site) as running:
        call(running, 5)
        pid = pid_of(site, "noc")
        os.kill(running.process.pid, signal.SIGSTOP)  # else it would be replaced
        try:
            os.kill(pid, signal.SIGSTOP)
            begun = time.monotonic()
            call(running, 200)
            assert 10.0 > time.monotonic() - begun
        finally:
            os.kill(pid, signal.SIGCONT)
            os.kill(running.process.pid, signal.SIGCONT)
        assert 205 == Watch().calls(site)
