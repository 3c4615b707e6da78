"""A provider that fails while calls come in: nobody waits, nobody asks too often, all comes back.

Networks count as fresh for a few seconds only, so that most calls need the provider: a number is
answered, grows stale, and has to be asked again all the time. One call in ten is to a number that
nobody asked before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from agi.errors import Unreachable
from tests.load.caller import D_S, Act, Call, between, figures, place, steady
from tests.load.rig import NETWORK, Provider, Rig, mobile, rig

RATE = 200.0
POOL = 300


@dataclass(frozen=True)
class Run:
    """How long each part of a run lasts, in seconds."""

    control: float
    outage: float
    flap: int
    after: float
    fresh: int = 2
    slack: float = 0.25
    share: float = 0.9

    @property
    def end(self) -> float:
        return self.control + self.outage


SHORT = Run(control=2.5, outage=4.0, flap=2, after=8.2)
"""One slow request makes its eight numbers stale: 330 are asked again in the last 3.2 s, not 60."""

LONG = Run(control=20.0, outage=60.0, flap=5, after=15.0, slack=0.1, share=0.95)

RUNS = [
    pytest.param(SHORT, id="short"),
    pytest.param(LONG, id="long", marks=pytest.mark.soak),
]

Orders = Callable[[Provider, Run], list[Act]]


def ordered(fault: str) -> Orders:
    """The provider does it with every request, until the order is taken back."""

    def acts(provider: Provider, run: Run) -> list[Act]:
        return [
            Act(run.control, lambda: provider.order(fault)),
            Act(run.end, lambda: provider.order(None)),
        ]

    return acts


def timed(trouble: str) -> Orders:
    """The port itself does it, for so many seconds."""

    def acts(provider: Provider, run: Run) -> list[Act]:
        return [Act(run.control, lambda: provider.order(f"{trouble}:{run.outage:.0f}"))]

    return acts


def flapping(provider: Provider, run: Run) -> list[Act]:
    return [
        Act(run.control, lambda: provider.order(f"flap:{run.flap}")),
        Act(run.end, lambda: provider.order(None)),
    ]


FAULTS: dict[str, Orders] = {
    "hangs": ordered("hang"),
    "frozen": timed("freeze"),
    "dead": timed("down"),
    "drips": ordered("drip:100"),
    "flaps": flapping,
}


@dataclass
class Samples:
    """How many requests there had been, by the dipper's own count and by the provider's."""

    site: Rig
    sent: list[tuple[float, int]] = field(default_factory=list)

    def acts(self, until: float) -> list[Act]:
        return [Act(at / 2, lambda at=at / 2: self._take(at)) for at in range(int(until * 2))]  # type: ignore[misc]  # a default binds the loop's value

    def _take(self, at: float) -> None:
        try:
            self.sent.append((at, self.site.lookups()))
        except Unreachable:  # too busy within a second: the next sample will do
            return

    def during(self, since: float, until: float) -> int:
        """Return how many requests ended in this span."""
        counts = [count for at, count in sorted(self.sent) if since <= at <= until]
        return counts[-1] - counts[0]


def mixed(seed: int) -> Callable[[int], str]:
    """Nine of ten calls to a pool of numbers, one to a number never asked before."""
    dice = Random(seed)

    def number(index: int) -> str:
        return mobile(POOL + index) if index % 10 == 9 else mobile(dice.randrange(POOL))

    return number


def known_before(calls: list[Call]) -> list[Call]:
    """Return the calls to numbers that had been answered when the call came."""
    answered: dict[str, float] = {}
    for call in calls:
        if call.mccmnc:
            answered[call.number] = min(answered.get(call.number, call.ended), call.ended)
    return [call for call in calls if answered.get(call.number, call.due) < call.due]


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("fault", FAULTS)
def test_f13_f15_f24_nobody_waits_for_a_provider_that_fails_under_load(
    tmp_path: Path, fault: str, run: Run
) -> None:
    """Dead (F13), dripping (F15), flapping (F24), and besides these frozen or hanging."""
    lifetimes = f"store = 'none'\nfresh_s = {{ network = {run.fresh} }}"
    with rig(tmp_path, cache=lifetimes) as site:
        place(site.address, steady(RATE, POOL / RATE, mobile))
        samples = Samples(site)
        total = run.end + run.after
        acts = [*FAULTS[fault](site.provider, run), *samples.acts(total)]
        calls = place(site.address, steady(RATE, total, mixed(7)), acts)
    control = between(calls, 0.5, run.control - D_S)
    outage = between(calls, run.control, run.end)
    late = between(calls, run.end + 5.0, total)
    known = known_before(calls)
    routed = sum(call.mccmnc == NETWORK for call in known) / len(known)
    asked = [call for call in late if call.source != "memory"]
    fresh = sum(call.source == "live" for call in asked) / len(asked)
    usual = samples.during(0.5, run.control) / (run.control - 0.5)
    span = min(10.0, run.outage)
    first = samples.during(run.control, run.control + span) / span
    print(f"provider {fault}, control: {figures(control)}; {usual:.1f} requests/s")
    print(f"provider {fault}, outage:  {figures(outage)}; first {span:.0f} s {first:.1f}/s")
    if run.outage > span:
        rest = samples.during(run.control + span, run.end) / (run.outage - span)
        print(f"provider {fault}: after that {rest:.2f} requests/s")
        assert rest <= (1.5 * usual if fault == "flaps" else 1.3)
    print(f"provider {fault}, later:   {figures(late)}; fresh {fresh:.3f}, routed {routed:.4f}")
    base, worst = figures(control), figures(outage)
    assert 0 == figures(calls).lost
    assert worst.p99 / 1000 <= max(D_S + 0.02, base.p99 / 1000) + run.slack
    assert worst.most / 1000 <= max(D_S + 0.1, base.most / 1000) + run.slack
    assert routed >= 0.999
    assert first <= 1.2 * usual + 1
    assert fresh >= run.share
