"""Processes that die or freeze while calls come in: who loses a call, and how soon all is well."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agi.errors import Unreachable
from tests.load.caller import D_S, Act, Call, Figures, between, figures, place, steady
from tests.load.rig import NETWORK, Rig, mobile, rig

WARM = 200
"""Numbers that everybody has asked before; every other call is to one that nobody has."""

SLACK_S = 0.25
"""For a machine that others use as well."""


@dataclass(frozen=True)
class Run:
    """Calls a second, and for how many seconds before and after the blow."""

    rate: float
    before: float
    after: float


SHORT = pytest.param(Run(150.0, 1.5, 4.2), id="short")
LONG = pytest.param(Run(200.0, 10.0, 30.0), id="long", marks=pytest.mark.soak)


@dataclass
class Blow:
    """A signal to a process, and how long it took until another one answered in its place."""

    site: Rig
    role: str
    number: signal.Signals
    index: int = 0
    pid: int = 0
    replaced: list[float] = field(default_factory=list)

    def strike(self) -> None:
        self.pid = self.site.send(self.role, self.number, self.index)
        start = time.monotonic()
        while time.monotonic() - start < 15:
            try:
                if self.site.pid(self.role, self.index) != self.pid:
                    self.replaced.append(time.monotonic() - start)
                    return
            except Unreachable:
                pass
            time.sleep(0.02)


def numbers() -> Callable[[int], str]:
    return lambda index: mobile(index % WARM if index % 2 else WARM + index)


def under_load(site: Rig, run: Run, role: str, number: signal.Signals) -> tuple[list[Call], Blow]:
    """Warm up, then strike one process amid the calls."""
    place(site.address, steady(400.0, WARM / 400, mobile))
    blow = Blow(site, role, number)
    acts = [Act(run.before, blow.strike)]
    calls = place(site.address, steady(run.rate, run.before + run.after, numbers()), acts)
    assert blow.replaced, f"{role} was not replaced: {site.running.log()[-2000:]}"
    return calls, blow


def told(what: str, calls: list[Call], run: Run, blow: Blow) -> tuple[Figures, Figures]:
    control, struck = between(calls, 0.0, run.before - D_S), between(calls, run.before, 1e9)
    print(f"{what}, control: {figures(control)}")
    print(f"{what}, after:   {figures(struck)}; replaced in {blow.replaced[0]:.2f} s")
    return figures(control), figures(struck)


def cold(calls: list[Call]) -> list[Call]:
    """Return the calls to numbers that nobody had asked before."""
    return [call for call in calls if int(call.number[4:]) - 20_000_000 >= WARM]


@pytest.mark.parametrize("run", [SHORT, LONG])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_a_dipper_that_dies_costs_no_call(tmp_path: Path, number: signal.Signals, run: Run) -> None:
    with rig(tmp_path, latency_ms=20) as site:
        calls, blow = under_load(site, run, "dipper", number)
    base, struck = told(f"dipper {number.name}", calls, run, blow)
    full = 1.0 if number is signal.SIGKILL else blow.replaced[0] + 1.0
    later = cold(between(calls, run.before + full, 1e9))
    live = sum(call.source == "live" for call in later) / len(later)
    gone = [c for c in cold(between(calls, run.before - D_S, 1e9)) if c.source != "live"]
    last = max((call.due for call in gone), default=run.before) - run.before
    print(f"dipper {number.name}: last call without full service {last:.2f} s after; {live:.3f}")
    assert 0 == base.lost + struck.lost
    assert {NETWORK} == {call.mccmnc for call in between(calls, later[0].due, 1e9)}
    assert struck.most / 1000 <= D_S + SLACK_S
    assert live >= 0.99
    assert blow.replaced[0] <= (1.0 if number is signal.SIGKILL else 4.0) + SLACK_S


@pytest.mark.parametrize("run", [SHORT, LONG])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_a_router_that_dies_costs_its_own_calls_only(
    tmp_path: Path, number: signal.Signals, run: Run
) -> None:
    """Its own are those that were under way: in two routers, half of those, as a rule."""
    with rig(tmp_path, latency_ms=20) as site:
        calls, blow = under_load(site, run, "router", number)
    told(f"router {number.name}", calls, run, blow)
    moment = run.before
    lost = [call for call in calls if not call.committed]
    under_way = [c for c in calls if c.due <= moment + SLACK_S and c.ended >= moment]
    print(f"router {number.name}: {len(lost)} lost of {len(under_way)} then under way")
    assert [] == [call for call in lost if call not in under_way]
    assert blow.replaced[0] <= (1.0 if number is signal.SIGKILL else 4.0) + SLACK_S


RESTARTS = [
    pytest.param(4, 300, id="short"),
    pytest.param(20, 10_000, id="long", marks=pytest.mark.soak),
]


@pytest.mark.parametrize(("restarts", "count"), RESTARTS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["told", "killed"])
def test_f43_rolling_restarts_lose_no_call_but_those_in_hand(
    tmp_path: Path, number: signal.Signals, restarts: int, count: int
) -> None:
    """Each router in turn, as an upgrade does it; told to end, it loses not one call."""
    rate = 60.0
    seconds = count / rate
    with rig(tmp_path, latency_ms=20) as site:
        blows = [Blow(site, "router", number, turn % 2) for turn in range(restarts)]
        gap = (seconds - 0.5) / restarts
        acts = [Act(0.3 + turn * gap, blow.strike) for turn, blow in enumerate(blows)]
        calls = place(site.address, steady(rate, seconds, numbers()), acts)
    lost = [call for call in calls if not call.committed]
    slowest = max(seconds for blow in blows for seconds in blow.replaced)
    print(f"{restarts} restarts by {number.name}: {figures(calls)}; replaced in {slowest:.2f} s")
    assert restarts == sum(len(blow.replaced) for blow in blows)
    if number is signal.SIGTERM:
        assert [] == lost
    struck = [act.due for act in acts]
    assert [] == [c for c in lost if not any(c.due - 0.1 <= at <= c.ended + 0.1 for at in struck)]
