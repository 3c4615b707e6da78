"""A Redis that freezes or dies while calls come in: a few calls wait 25 ms, then none waits at all.

Every call is to a number that nobody asked before, so each one passes by the store on its way to
the provider; the control is the same load before the blow.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.load.caller import Act, between, figures, place, steady
from tests.load.rig import NETWORK, mobile, rig
from tests.redis_server import RedisServer, redis_server

RATE = 150.0

SHORT = pytest.param(3.0, 4.0, id="short")
LONG = pytest.param(10.0, 60.0, id="long", marks=pytest.mark.soak)

FIRST_MS = 25.0
LATER_MS = 1.0
SLACK_MS = 6.0
"""For a machine that others use as well: the exact figures are printed."""


@pytest.mark.parametrize(("before", "after"), [SHORT, LONG])
@pytest.mark.parametrize("blow", ["freeze", "kill"])
def test_f30_a_redis_that_fails_under_load_holds_up_few_calls_and_briefly(
    tmp_path: Path, blow: str, before: float, after: float
) -> None:
    folder = tmp_path / "redis"
    folder.mkdir()
    with redis_server(folder) as server:
        cache = f'store = "{server.url}"\nkey = "a key for the numbers of this test"'
        with rig(tmp_path, connections=8, latency_ms=0, cache=cache) as site:
            place(site.address, steady(RATE, 1.0, lambda index: mobile(500_000 + index)))
            acts = [Act(before, lambda: strike(server, blow))]
            calls = place(site.address, steady(RATE, before + after, mobile), acts)
            gates = site.status("dipper")["counts"]["oddities"]
            if blow == "freeze":
                server.thaw()
    control, first, later = (
        between(calls, 0.5, before),
        between(calls, before, before + 0.5),
        between(calls, before + 1.0, before + after),
    )
    base, soon, then = figures(control), figures(first), figures(later)
    print(f"redis {blow}, control: {base}")
    print(f"redis {blow}, first:   {soon}; median {soon.p50 - base.p50:+.2f} ms")
    print(f"redis {blow}, later:   {then}; median {then.p50 - base.p50:+.2f} ms")
    print(f"redis {blow}: {[row for row in gates if 'redis' in row]}")
    assert 0 == figures(calls).lost
    assert {NETWORK} == {call.mccmnc for call in calls}
    assert soon.p99 - base.p99 <= FIRST_MS + 5 * SLACK_MS
    assert then.p50 - base.p50 <= LATER_MS + SLACK_MS


def strike(server: RedisServer, blow: str) -> None:
    if blow == "freeze":
        server.freeze()
    else:
        server.kill()
