"""The real dialdip and its sandbox provider, each as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

CONFIGURATION = """
state_directory = "state"
[fastagi]
listen = "127.0.0.1:0"
deadline_ms = 300
[numbers]
country = "GB"
emergency = ["112", "999"]
[tables]
directory = "tables"
[[providers]]
name = "sandbox"
kind = "comcetera"
url = "{provider}"
username = "demo"
password = "demo"
timeout_ms = 250
[web]
listen = "127.0.0.1:0"
"""
TRUNKS = """trunk,number_format,ring_s
holder,e164,20
ported,e164,20
fallback,e164,20
"""
# O2 holds the range of the sandbox's ported number; Vodafone serves it today.
ROUTES = """rule,mccmnc,action,trunks
holder,23410,,holder
ported,23415,,ported
default,,,fallback
"""


@dataclass(slots=True)
class Dialdip:
    """A running service: its base URL, its process, and what it said on stdout and stderr."""

    url: str
    process: asyncio.subprocess.Process
    said: list[str] = field(default_factory=list)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all of its processes: the parent alone would be replaced by nobody."""
        os.killpg(self.process.pid, number)


@contextlib.asynccontextmanager
async def _spoken(*arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Run ``python -m agi`` with these arguments and hand over its first line."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agi", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
        yield process, line
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


@contextlib.asynccontextmanager
async def sandbox() -> AsyncIterator[str]:
    """Serve the sandbox's provider; yield its URL."""
    async with _spoken("sandbox", "--port", "0", "--latency-ms", "5") as (_, line):
        found = re.search(r"http://\S+", line)
        assert found is not None, line
        yield found[0]


@contextlib.asynccontextmanager
async def dialdip(provider: str) -> AsyncIterator[Dialdip]:
    """Serve calls with the tables above; ``provider`` is the URL that it looks numbers up at."""
    with tempfile.TemporaryDirectory(prefix="dialdip-") as name:
        directory = Path(name)
        (directory / "tables").mkdir()
        (directory / "tables" / "trunks.csv").write_text(TRUNKS)
        (directory / "tables" / "routes.csv").write_text(ROUTES)
        path = directory / "dialdip.toml"
        path.touch(mode=0o600)
        path.write_text(CONFIGURATION.format(provider=provider))
        async with _spoken("--config", str(path), "serve") as (process, line):
            said = [line]
            reading = asyncio.create_task(_listen(process, said))
            try:
                ready = await _ready(said)
                yield Dialdip(f"agi://{ready}", process, said)
            finally:
                reading.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await reading


async def _listen(process: asyncio.subprocess.Process, said: list[str]) -> None:
    assert process.stdout is not None
    while line := await process.stdout.readline():
        said.append(line.decode(errors="replace"))


async def _ready(said: list[str]) -> str:
    for _ in range(400):
        found = re.search(r"ready fastagi=(\S+)", "".join(said))
        if found is not None:
            return found[1]
        await asyncio.sleep(0.05)
    raise AssertionError("".join(said))
