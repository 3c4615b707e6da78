"""noc frozen, killed and gone while calls come fast: their times do not know of it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from agi import ipc
from agi.asking import Service
from tests.load.caller import Act, between, figures, place, steady
from tests.load.rig import Rig, rig

RATE = 200.0
SECONDS = 9.0
FREEZE_AT, KILL_AT = 2.0, 6.0
CONSTANT_MS = 50.0
"""p99 of warm calls on a machine that others use; measured alone it is below a millisecond."""


def strike(one: Rig, number: signal.Signals) -> None:
    """Send noc a signal, as soon as there is a noc."""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        if ipc.alive(Service(one.state).noc):
            one.send("noc", number)
            return
        os.sched_yield()


def test_f48_calls_do_not_feel_a_noc_that_is_frozen_or_killed(tmp_path: Path) -> None:
    with rig(tmp_path) as one:
        numbers = [f"447788{n:06d}" for n in range(20)]
        warm = place(one.address, steady(10, 4, lambda n: numbers[n % 20]))
        assert 0 == figures(warm).lost
        acts = [
            Act(FREEZE_AT, lambda: strike(one, signal.SIGSTOP)),
            Act(KILL_AT, lambda: strike(one, signal.SIGKILL)),
        ]
        calls = place(one.address, steady(RATE, SECONDS, lambda n: numbers[n % 20]), acts)
        for title, since, until in (
            ("with noc", 0.0, FREEZE_AT),
            ("frozen", FREEZE_AT, KILL_AT),
            ("killed", KILL_AT, SECONDS),
        ):
            seen = figures(between(calls, since, until))
            print(f"{title}: {seen}")
            assert 0 == seen.lost
            assert seen.p99 < CONSTANT_MS
        # The noc that came last was told of every call, by the routers that kept them.
        told_all(one, len(warm) + len(calls))


def told_all(one: Rig, calls: int) -> None:
    """Wait until noc has been told of so many calls."""
    end = time.monotonic() + 30
    while one.status("noc")["told"] != calls:
        assert time.monotonic() < end, one.status("noc")
        time.sleep(0.02)  # or it takes a core from those it waits for
