"""The real dialdip and its sandbox provider, each as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
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
ASTERISK = """
[[asterisk]]
name = "pbx1"
port = {port}
username = "dialdip"
password = "shipped"
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
    """A running service: its base URL, its process, where its configuration is, what it said.

    ``said`` are the lines of stdout and stderr.
    """

    url: str
    process: asyncio.subprocess.Process
    directory: Path
    said: list[str] = field(default_factory=list)

    @property
    def state(self) -> Path:
        """Return the state directory."""
        return self.directory / "state"

    def tables(self, name: str, files: Mapping[str, str]) -> Path:
        """Write a directory of tables beside the working copy; return it."""
        return _write_tables(self.directory / name, files)

    async def verb(self, *arguments: str) -> tuple[int, str]:
        """Run a verb as an administrator does; return its exit status and what it printed."""
        configured = ("--config", str(self.directory / "dialdip.toml"), *arguments)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "agi", *configured),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=None,
        )
        printed, _ = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode is not None
        return process.returncode, printed.decode()

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
async def sandbox(others: str = "") -> AsyncIterator[str]:
    """Serve the sandbox's provider; yield its URL. ``others`` is every other number's network."""
    options: Sequence[str] = ("--others", others) if others else ()
    async with _spoken("sandbox", "--port", "0", "--latency-ms", "5", *options) as (_, line):
        found = re.search(r"http://\S+", line)
        assert found is not None, line
        yield found[0]


@contextlib.asynccontextmanager
async def dialdip(
    provider: str,
    *,
    trunks: str = TRUNKS,
    routes: str = ROUTES,
    files: Mapping[str, str] | None = None,
    extra: str = "",
) -> AsyncIterator[Dialdip]:
    """Serve calls with these tables; ``provider`` is the URL that it looks numbers up at.

    ``extra`` is what else stands in the configuration: ``ASTERISK`` with a port, for one.
    """
    with tempfile.TemporaryDirectory(prefix="dialdip-") as name:
        directory = Path(name)
        all_files = {"trunks.csv": trunks, "routes.csv": routes, **(files or {})}
        _write_tables(directory / "tables", all_files)
        path = directory / "dialdip.toml"
        path.touch(mode=0o600)
        path.write_text(CONFIGURATION.format(provider=provider) + extra)
        async with _spoken("--config", str(path), "serve") as (process, line):
            said = [line]
            reading = asyncio.create_task(_listen(process, said))
            try:
                ready = await _ready(said)
                yield Dialdip(f"agi://{ready}", process, directory, said)
            finally:
                reading.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await reading


def _write_tables(directory: Path, files: Mapping[str, str]) -> Path:
    directory.mkdir()
    for name, text in files.items():
        (directory / name).write_text(text)
    return directory


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
