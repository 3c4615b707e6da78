"""Long runs: what a service holds after many calls is what it held before.

The short forms run with every test; ``make soak`` runs the long ones.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.bench.build import build
from tests.service import Running, Site, sandbox, service

SHORT = pytest.param(4_000, 500, 0.25, id="short")
LONG = pytest.param(1_000_000, 200_000, 0.05, id="long", marks=pytest.mark.soak)

needs_gcc = pytest.mark.skipif(
    shutil.which("gcc") is None and os.environ.get("CI") != "true",
    reason="the load generator is C and needs gcc",
)


def resident_kib(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def load(running: Running, numbers: Path, calls: int) -> dict[str, float]:

    host, port = running.agi.removeprefix("agi://").split(":")
    done = subprocess.run(
        [str(build("load")), host, port, "--numbers", str(numbers), "--calls", str(calls),
         "--at-once", "20", "--url", "route?n={n}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=3_000,
    )  # fmt: skip
    told: dict[str, float] = json.loads(done.stdout)
    return told


@needs_gcc
@pytest.mark.parametrize(("calls", "unique", "growth"), [SHORT, LONG])
def test_many_calls_leave_nothing_behind(
    tmp_path: Path, calls: int, unique: int, growth: float
) -> None:
    numbers = tmp_path / "numbers"
    numbers.write_text("".join(f"4477{i:08d}\n" for i in range(20_000_000, 20_000_000 + unique)))
    with sandbox(tmp_path, "--latency-ms", "0") as provider:
        site = Site(tmp_path, provider.url, extra="timeout_ms = 5000").write()
        with service(site) as running:
            pid = running.process.pid
            load(running, numbers, max(unique, calls // 4))
            before = resident_kib(pid), descriptors(pid)
            told = load(running, numbers, calls)
            after = resident_kib(pid), descriptors(pid)
    print(
        f"{calls} calls: RSS {before[0]} to {after[0]} KiB, descriptors {before[1]} to {after[1]}"
    )
    assert calls == told["commits"]
    assert after[0] <= before[0] * (1 + growth)
    assert after[1] <= before[1] + 2
