"""Nothing else alive at the start: no provider, no Redis, no disk. Calls are routed anyway."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agi.fastagi.client import ask
from tests.load.caller import D_S
from tests.load.rig import mobile, write
from tests.service import started

RANGES = "prefix,mccmnc,line\n4477,23410,mobile\n"

SLACK_S = 1.0
"""For a machine that others use as well: the exact figure is printed."""


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Yield a port that refuses: bound, so that nobody else gets it, and not listening."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a file system of 64 KiB, mounted where the state is kept."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    if os.geteuid() != 0 or shutil.which("mount") is None:
        assert os.environ.get("CI") != "true", "mounting a small disk needs root"
        pytest.skip("mounting a small disk needs root")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", state],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        assert os.environ.get("CI") != "true", done.stderr
        pytest.skip(f"mounting is not allowed here: {done.stderr.strip()}")
    yield state
    subprocess.run(["umount", "-l", state], check=True)


def fill(disk: Path) -> None:
    """Write until there is no room."""
    with (disk / "ballast").open("wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(b"\0" * 4_096)
        except OSError:
            return


def boot(directory: Path, closed_port: int, store: str) -> tuple[float, float, dict[str, str], str]:
    """Start with nothing alive; return the seconds to the start line and to the first commit."""
    cache = f'store = "{store}"\nkey = "a key for the numbers of this test"'
    path = write(directory, f"http://127.0.0.1:{closed_port}/npl", cache=cache)
    (directory / "tables" / "ranges.csv").write_text(RANGES)
    begun = time.monotonic()
    with started(directory, "--config", str(path), "serve") as running:
        ready = time.monotonic() - begun
        told = ask(running.agi, f"route?n={mobile(1)}", uniqueid="1.1")
        took = time.monotonic() - begun
        assert told.committed, running.log()
        return ready, took, told.variables, running.log()


@pytest.mark.parametrize("store", ["redis", "sqlite"])
def test_f49_with_everything_dead_calls_are_routed_by_the_tables_at_once(
    tmp_path: Path, closed_port: int, store: str
) -> None:
    url = f"redis://127.0.0.1:{closed_port}/0" if store == "redis" else "sqlite:cache.sqlite"
    ready, took, told, log = boot(tmp_path, closed_port, url)
    print(f"cold boot, {store}, no provider: ready in {ready:.2f} s, first commit in {took:.2f} s")
    assert "range" == told["CARRIER_SOURCE"]
    assert "23410" == told["CARRIER_MCCMNC"]
    assert "o2" == told["CARRIER_TRUNK_1"]
    assert took <= 1.0 + SLACK_S, log


def test_f49_f37_with_a_full_disk_besides_calls_are_routed_at_once(
    tmp_path: Path, closed_port: int, small_disk: Path
) -> None:
    fill(small_disk)  # before any version could be kept: the working copy is served
    ready, took, told, log = boot(tmp_path, closed_port, "sqlite:cache.sqlite")
    assert "no version kept" in log
    print(f"cold boot, disk full: ready in {ready:.2f} s, first commit in {took:.2f} s")
    print(log[-1500:])
    assert "range" == told["CARRIER_SOURCE"]
    assert took <= 1.0 + D_S + SLACK_S, log


def test_f49_f37_with_a_read_only_disk_besides_calls_are_routed_at_once(
    tmp_path: Path, closed_port: int, small_disk: Path
) -> None:
    """Read-only as a disk becomes by an error; the sockets are on a file system of their own."""
    (small_disk / "run").mkdir(mode=0o700)
    run = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", small_disk / "run"],
        check=False,
    )
    assert 0 == run.returncode
    boot(tmp_path, closed_port, "sqlite:cache.sqlite")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    try:
        ready, took, told, log = boot(tmp_path, closed_port, "sqlite:cache.sqlite")
    finally:
        subprocess.run(["umount", "-l", small_disk / "run"], check=True)
    print(f"cold boot, disk read-only: ready in {ready:.2f} s, first commit in {took:.2f} s")
    print(log[-1500:])
    assert "range" == told["CARRIER_SOURCE"]
    assert took <= 1.0 + D_S + SLACK_S, log
