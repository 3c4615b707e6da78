"""The whole service under load: two routers, a dipper, the sandbox as provider, as a user has them.

A rig knows the processes' ids by their control sockets, and orders faults by the sandbox's own.
"""

from __future__ import annotations

import json
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agi import ipc
from agi.errors import Unreachable
from agi.fastagi.client import address_of
from tests.service import ROUTES, TRUNKS, Running, sandbox, started

NETWORK = "23415"
"""Everybody's network in these runs."""

_CONFIG = """
state_directory = "state"
[fastagi]
listen = "127.0.0.1:0"
workers = {workers}
[web]
listen = "127.0.0.1:0"
[cache]
{cache}
[[providers]]
name = "npl"
kind = "comcetera"
url = "{provider}"
username = "demo"
password = "demo"
{extra}
"""


def mobile(index: int) -> str:
    """Return the index-th British mobile number of a block of a million (samples, 07720 ...)."""
    return f"4477{20_000_000 + index:08d}"


def write(
    directory: Path, provider: str, *, workers: int = 2, cache: str = "", extra: str = ""
) -> Path:
    """Write a configuration and its tables; return the configuration's path."""
    tables = directory / "tables"
    tables.mkdir(parents=True, exist_ok=True)
    (tables / "trunks.csv").write_text(TRUNKS)
    (tables / "routes.csv").write_text(ROUTES)
    path = directory / "dialdip.toml"
    path.touch(mode=0o600)
    path.write_text(_CONFIG.format(workers=workers, cache=cache, provider=provider, extra=extra))
    return path


@dataclass(frozen=True)
class Provider:
    """The sandbox, reached by its own control."""

    url: str

    @property
    def control(self) -> str:
        return self.url.removesuffix("/npl") + "/_sandbox"

    def report(self) -> dict[str, Any]:
        with urllib.request.urlopen(self.control, timeout=5) as answer:
            told: dict[str, Any] = json.load(answer)
        return told

    def numbers(self) -> dict[str, int]:
        """Return how often each number was asked."""
        with urllib.request.urlopen(f"{self.control}/numbers", timeout=5) as answer:
            told: dict[str, int] = json.load(answer)
        return told

    def requests(self) -> int:
        """Return how many requests came in."""
        return int(self.report()["requests"])

    def order(self, fault: str | None, **rest: object) -> None:
        """Order a fault; a port that is shut just now is asked again, for ten seconds."""
        body = json.dumps({"fault": fault, **rest}).encode()
        until = time.monotonic() + 10
        while True:
            try:
                with urllib.request.urlopen(f"{self.control}/fault", body, timeout=5):
                    return
            except (urllib.error.URLError, ConnectionError):
                if time.monotonic() > until:
                    raise
                time.sleep(0.02)


@dataclass(frozen=True)
class Rig:
    """A running service and its provider."""

    running: Running
    state: Path
    provider: Provider

    @property
    def address(self) -> tuple[str, int]:
        return address_of(self.running.agi)

    def status(self, role: str, index: int = 0) -> dict[str, Any]:
        """Return what a process reports of itself.

        Raises:
            Unreachable: there is none just now.
        """
        path = ipc.path_of(self.state, role, index)
        told: dict[str, Any] = ipc.ask(path, "status", timeout_s=1.0)
        return told

    def counts(self, router: int) -> dict[str, Any]:
        told: dict[str, Any] = self.status("router", router)["counts"]
        return told

    def pid(self, role: str, index: int = 0) -> int:
        return int(self.status(role, index)["pid"])

    def linked(self, router: int) -> bool:
        """Say whether a router reaches the dipper."""
        return bool(self.status("router", router)["dipper"] == "connected")

    def replaced(self, role: str, index: int, before: int, within_s: float = 10.0) -> float:
        """Wait until another process has taken the place of one; return the seconds it took."""
        start = time.monotonic()
        while time.monotonic() - start < within_s:
            try:
                if self.pid(role, index) != before:
                    return time.monotonic() - start
            except Unreachable:
                pass
            time.sleep(0.01)
        raise AssertionError(f"{role}-{index} was not replaced: {self.running.log()[-2000:]}")

    def send(self, role: str, number: signal.Signals, index: int = 0) -> int:
        """Send a signal to a process; return its id."""
        pid = self.pid(role, index)
        os.kill(pid, number)
        return pid

    def lookups(self) -> int:
        """Return how many requests of the dipper have ended, whatever became of them."""
        latencies = self.status("dipper")["counts"]["lookup_seconds"]
        return sum(sum(int(count) for count in values[:-1]) for *_, values in latencies)


@contextmanager
def rig(
    directory: Path,
    *,
    connections: int = 1,
    latency_ms: int = 50,
    workers: int = 2,
    cache: str = "",
    extra: str = "",
) -> Iterator[Rig]:
    """Run the service against a sandbox that knows every number's network."""
    terms = ("--connections", connections, "--latency-ms", latency_ms, "--others", NETWORK)
    with sandbox(directory, *map(str, terms)) as provider:
        path = write(directory, provider.url, workers=workers, cache=cache, extra=extra)
        with started(directory, "--config", str(path), "serve") as running:
            yield Rig(running, directory / "state", Provider(provider.url))
