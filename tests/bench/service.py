"""The whole service as a user starts it, with the sandbox as its provider and warm numbers."""

from __future__ import annotations

import json
import socket
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.build import HERE
from tests.bench.processes import Process

ROOT: Final = HERE.parent.parent
DIALDIP: Final = Path(sys.executable).with_name("dialdip")
URL: Final = "route?n={n}&g=1000"
NETWORKS: Final = ("23410", "23415", "23420", "23430")

_CONFIG: Final = """\
state_directory = "state"
[fastagi]
listen = "127.0.0.1:{port}"
workers = {workers}
[web]
listen = "127.0.0.1:0"
[numbers]
country = "GB"
[tables]
directory = "tables"
[cache]
store = "none"
memory_entries = {entries}
[[providers]]
name = "npl"
kind = "comcetera"
url = "http://{provider}/npl"
username = "demo"
password = "demo"
"""

_TRUNKS: Final = """\
trunk,tech,endpoint,number_format,ring_s
gw-a,PJSIP,gw-a,e164,30
gw-b,PJSIP,gw-b,plus,30
gw-c,PJSIP,gw-c,00,30
gw-d,PJSIP,gw-d,e164,30
"""

_ROUTES: Final = """\
rule,priority,mccmnc,prefix,country,action,trunks,comment
vodafone,0,23415,,,route,gw-a:3 gw-b:1>gw-d,
o2,0,23410,,,route,gw-b>gw-a>gw-d,
three,0,23420,,,route,gw-c>gw-d,
ee,0,23430,,,route,gw-a gw-c>gw-d,
uk,0,234,,,route,gw-d,
italy,0,,39,,route,gw-c>gw-d,
germany,0,,49,,route,gw-c>gw-d,
default,0,,,,route,gw-d,
"""


def numbers(count: int) -> list[str]:
    """Return valid UK mobile numbers (samples of a range that the vendor's example uses)."""
    return [f"447788{n * 997 % 1_000_000:06d}" for n in range(count)]


@dataclass(frozen=True)
class Service:
    """A running service, its provider and its folder."""

    process: Process
    provider: Process
    folder: Path

    def provider_requests(self) -> int:
        """Return how many requests the provider has had."""
        host, port = self.provider.address
        with urllib.request.urlopen(f"http://{host}:{port}/_sandbox") as answer:
            return int(json.load(answer)["requests"])


def write_numbers(folder: Path, count: int, cold: int = 0) -> tuple[Path, Path]:
    """Write the numbers' files of the load generator and the subscribers' file of the sandbox.

    The second file holds ``cold`` further numbers.
    """
    known = numbers(count + cold)
    rows = [f"{n},{NETWORKS[i % 4]},0" for i, n in enumerate(known)]
    (folder / "subscribers.csv").write_text("\n".join(["msisdn,mccmnc,latency_ms", *rows, ""]))
    files = (folder / "numbers.txt", folder / "cold.txt")
    for path, some in zip(files, (known[:count], known[count:]), strict=True):
        path.write_text("\n".join([*some, ""]))
    return files


def write_config(
    folder: Path,
    provider: tuple[str, int],
    port: int = 0,
    workers: int = 1,
    entries: int = 100_000,
) -> Path:
    """Write a configuration and its tables; return the configuration's path."""
    tables = folder / "tables"
    tables.mkdir(exist_ok=True)
    (tables / "trunks.csv").write_text(_TRUNKS)
    (tables / "routes.csv").write_text(_ROUTES)
    config = folder / "dialdip.toml"
    asked = f"{provider[0]}:{provider[1]}"
    text = _CONFIG.format(provider=asked, port=port, workers=workers, entries=entries)
    config.write_text(text)
    config.chmod(0o600)  # it holds a password
    return config


def provider(folder: Path) -> Process:
    """Start the sandbox with the folder's subscribers, on the load generator's CPU."""
    command = [sys.executable, str(HERE / "provider.py"), str(folder / "subscribers.csv")]
    return Process(
        command, cwd=ROOT, log=folder / "provider.log", cpu=1, environment={"PYTHONPATH": str(ROOT)}
    )


def serve(folder: Path, config: Path, dialdip: Path) -> Process:
    """Start the service with that configuration."""
    command = [str(dialdip), "--config", str(config), "serve"]
    return Process(command, cwd=folder, log=folder / "service.log")


@contextmanager
def running(folder: Path, dialdip: Path = DIALDIP) -> Iterator[Service]:
    """Run provider and service for as long as the block lasts."""
    with provider(folder) as asked:
        config = write_config(folder, asked.address)
        with serve(folder, config, dialdip) as process:
            yield Service(process, asked, folder)


@contextmanager
def beside(folder: Path, other: Service, dialdip: Path = DIALDIP) -> Iterator[Process]:
    """Run a second service of two routers, which asks the same provider."""
    config = write_config(folder, other.provider.address, workers=2)
    with serve(folder, config, dialdip) as process:
        yield process


def call_once(address: tuple[str, int], number: str, uniqueid: str = "1795231889.1") -> bytes:
    """Make one call; return the bytes that the service sent.

    Raises:
        OSError: nobody listens, or no answer in 5 seconds.
    """
    script = URL.replace("{n}", number)
    lines = [
        "agi_network: yes", f"agi_network_script: {script}",
        f"agi_request: agi://{address[0]}:{address[1]}/{script}",
        "agi_channel: PJSIP/caller-00000001", "agi_language: en", "agi_type: PJSIP",
        f"agi_uniqueid: {uniqueid}", "agi_version: 22.10.1", "agi_callerid: 442079460000",
        "agi_calleridname: Alice Example", "agi_callingpres: 0", "agi_callingani2: 0",
        "agi_callington: 0", "agi_callingtns: 0", f"agi_dnid: {number}", "agi_rdnis: unknown",
        "agi_context: carrier-route", "agi_extension: s", "agi_priority: 12", "agi_enhanced: 0.0",
        "agi_accountcode: ", "agi_threadid: 139872663590592", "", "",
    ]  # fmt: skip
    with socket.create_connection(address, timeout=5) as connection:
        connection.sendall("\n".join(lines).encode())
        answer = b""
        while not answer.endswith(b"\n") and (data := connection.recv(8192)):
            answer += data
        connection.sendall(b"200 result=1\nHANGUP\n")
    return answer


def first_call_s(folder: Path, dialdip: Path = DIALDIP) -> float:
    """Return the seconds from the start of a fresh service to its first committed call.

    The call's number is one that nobody asked before: its lookup is part of it.
    """
    with provider(folder) as asked, socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        address: tuple[str, int] = reserved.getsockname()
        config = write_config(folder, asked.address, address[1])
        reserved.close()
        since = time.monotonic()
        process = serve(folder, config, dialdip)
        try:
            return _committed(address, since) - since
        finally:
            process.stop()


def _committed(address: tuple[str, int], since: float) -> float:
    while time.monotonic() - since < 20:
        try:
            if b'1795231889.1"' in call_once(address, numbers(1)[0]):
                return time.monotonic()
        except ConnectionError:
            time.sleep(0.005)  # a connect loop every 5 ms is what is measured
    raise TimeoutError("no committed call in 20 s; see service.log")
