"""A real service and a real sandbox as a user starts them, for the tests that need both."""

from __future__ import annotations

import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from agi.fastagi.client import Told, ask

READY_S = 90
"""A service that begins again and again does not become ready; a busy machine takes its time."""

PROGRAM = [sys.executable, "-m", "agi"]

TRUNKS = "trunk,number_format\nvodafone,plus\no2,plus\ntransit,\n"
ROUTES = """rule,mccmnc,prefix,country,line,action,trunks
vodafone,23415,,,,,vodafone > transit
o2,23410,,,,,o2 > transit
premium,,449,,,reject:21,
default,,,,,,transit
"""


@dataclass
class Site:
    """A directory with a configuration and tables."""

    directory: Path
    provider: str = "http://127.0.0.1:9/npl"
    fastagi: str = ""
    extra: str = ""
    workers: int = 1
    files: dict[str, str] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        return self.directory / "dialdip.toml"

    @property
    def state(self) -> Path:
        return self.directory / "state"

    @property
    def tables(self) -> Path:
        return self.directory / "tables"

    def write(self) -> Site:
        self.tables.mkdir(parents=True, exist_ok=True)
        self.path.touch(mode=0o600)
        self.path.write_text(f"""
state_directory = "state"
[fastagi]
listen = "127.0.0.1:0"
workers = {self.workers}
{self.fastagi}
[web]
listen = "127.0.0.1:0"
[[providers]]
name = "npl"
kind = "comcetera"
url = "{self.provider}"
username = "demo"
password = "demo"
{self.extra}
""")
        for name, text in {"trunks.csv": TRUNKS, "routes.csv": ROUTES, **self.files}.items():
            (self.tables / name).write_text(text)
        return self


@dataclass
class Running:
    """A started ``dialdip serve`` or ``dialdip sandbox``."""

    process: subprocess.Popen[str]
    first_line: str
    errors: Path

    @property
    def agi(self) -> str:
        found = re.search(r"fastagi=(\S+)", self.first_line)
        assert found, self.first_line
        return f"agi://{found[1]}"

    @property
    def url(self) -> str:
        return self.first_line.split()[1]

    def ask(self, query: str, uniqueid: str = "1795231889.102") -> Told:
        return ask(self.agi, f"route?n={query}", uniqueid=uniqueid)

    def log(self) -> str:
        return self.errors.read_text()

    def wait_for_log(self, text: str, times: int = 1) -> None:
        """Wait until the log says something: the log is the event, the clock only a bound."""
        until = time.monotonic() + 30
        while self.log().count(text) < times:
            assert time.monotonic() < until, f"no {text!r} in: {self.log()}"
            assert self.process.poll() is None, self.log()
            time.sleep(0.01)  # or it takes a core from those it waits for

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        finally:
            self.process.kill()  # of no effect on one that has ended


@contextmanager
def started(
    directory: Path, *arguments: str, program: list[str] | None = None
) -> Iterator[Running]:
    """Start one verb that prints a line when it is ready, and stop it at the end."""
    errors = directory / f"{arguments[-1].strip('-/')}.err"
    with errors.open("w") as stream:
        process = subprocess.Popen(
            [*(program or PROGRAM), *arguments],
            stdout=subprocess.PIPE,
            stderr=stream,
            stdin=subprocess.DEVNULL,
            text=True,
        )
    running = Running(process, "", errors)
    try:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], READY_S)
        assert ready, errors.read_text()[-4_000:]
        running.first_line = process.stdout.readline()
        assert running.first_line, errors.read_text()
        yield running
    finally:
        running.stop()
        assert process.stdout is not None
        process.stdout.close()


@contextmanager
def service(site: Site) -> Iterator[Running]:
    """Start ``dialdip serve`` for a site."""
    with started(site.directory, "--config", str(site.path), "serve") as running:
        yield running


@contextmanager
def sandbox(directory: Path, *arguments: str) -> Iterator[Running]:
    """Start ``dialdip sandbox`` on a free port."""
    with started(directory, "sandbox", "--port", "0", *arguments) as running:
        yield running
