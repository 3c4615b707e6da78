"""Processes under measurement: started, pinned, waited for, their CPU time read, stopped."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

START_S: Final = 20.0
STOP_S: Final = 10.0
_READY: Final = re.compile(
    rb"^ready (?:(?:fastagi=|noc web=)?([0-9.]+):([0-9]+)|dipper)", re.MULTILINE
)


class DidNotStart(Exception):
    """A process ended or stayed silent instead of saying that it is ready."""


class Process:
    """A server that prints ``ready ... HOST:PORT`` (or ``fastagi=HOST:PORT``) when it serves.

    ``address`` is what it printed; a dipper prints none.

    Use it as a context manager. ``cpu`` pins it, where the machine has that CPU.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        log: Path,
        cpu: int | None = 0,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                cwd=cwd,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,  # a file: a pipe that nobody reads would stall a server that logs
                stderr=subprocess.STDOUT,
            )
        pin(self._process.pid, cpu)
        self.address = ("", 0)

    def __enter__(self) -> Self:
        try:
            self.address = self._ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _ready(self) -> tuple[str, int]:
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            ended = self._process.poll() is not None
            found = _READY.search(self._read())
            if found:
                return (found[1] or b"").decode(), int(found[2] or 0)
            if ended:
                break
            time.sleep(0.005)
        last = self._read().decode(errors="replace").splitlines()[-20:]
        raise DidNotStart("\n".join(["a server said nothing like 'ready HOST:PORT'", *last]))

    def _read(self) -> bytes:
        return self._log.read_bytes()

    def stop(self) -> None:
        """Ask it to end, and make it."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def cpu_s(self) -> float:
        """Return user and system seconds of the process and of its living descendants."""
        return sum(map(cpu_clock, family(self._process.pid)))


def pin(pid: int, cpu: int | None) -> None:
    """Let a process run on one CPU alone; without that CPU, or with None, anywhere."""
    if cpu is not None and cpu in os.sched_getaffinity(0):
        os.sched_setaffinity(pid, {cpu})


def cpu_clock(pid: int) -> float:
    """Return a process's own CPU seconds, all threads, to the nanosecond.

    Source: clock_getcpuclockid(3) and the macros MAKE_PROCESS_CPUCLOCK and CPUCLOCK_SCHED of
    Linux (include/linux/posix-timers.h).
    """
    return time.clock_gettime((~pid << 3) | 2)


def family(root: int) -> list[int]:
    """Return a process and its descendants, from /proc (proc(5): field 4 of stat is the parent)."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = entry.read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        parents[int(entry.parent.name)] = int(text.rpartition(")")[2].split()[1])
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found
