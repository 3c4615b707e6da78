"""Row A28: 5,000 calls of a made-up burst stop at the shipped limits; 50 others a second do not.

Over FastAGI. The long form, in the soak, has a burst as quick as a PBX makes it: 50 calls a second.
The short one is ten times as quick, so that routers cannot tell each other in time what they count:
it holds them to what each of them is bound to alone. Through a real Asterisk, at 30 and 50 calls a
second: tests/asterisk/test_fraud_burst.py.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

import agi.routing
from tests.load.caller import D_S, Arrival, Call, figures, place
from tests.load.rig import NETWORK, mobile, rig

SAMPLE = Path(agi.routing.__file__).parent / "sample"
SHIPPED = ("limits.csv", "policy.csv")
CALLS = 5_000
HOME_RATE = 50
PREFIX = "25290712"
"""A made-up range of a thousand numbers (Somalia); forty of them are called."""

ROUTERS = 2

AT_ONCE = 15
"""What the sample lets through to one block (its row !44, block), by the account."""

MOST = 20
"""What may go of a burst; in 100 s two more are forgiven, and the routers tell a little late."""


def burst(dice: Random, seconds: float) -> list[Arrival]:
    """Return the calls of one account to forty numbers of one range, evenly over the time."""
    numbers = [f"{PREFIX}{tail:03}" for tail in dice.sample(range(1_000), 40)]
    return [Arrival(index * seconds / CALLS, dice.choice(numbers), "pbx") for index in range(CALLS)]


def ordinary(dice: Random, seconds: float) -> list[Arrival]:
    """Return calls to home mobiles, each another one; a third of them of the burst's account."""
    tails = dice.sample(range(1_000_000), int(HOME_RATE * seconds))
    return [
        Arrival(index / HOME_RATE, mobile(tail), ("pbx", "shop", "depot")[index % 3])
        for index, tail in enumerate(tails)
    ]


def refused(call: Call) -> bool:
    """Say whether a call was rejected for a limit."""
    return ("policy", "velocity") == (call.source, call.reason)


@pytest.mark.parametrize(
    ("seconds", "most"),
    [
        pytest.param(10.0, ROUTERS * AT_ONCE, id="short"),
        pytest.param(100.0, MOST, id="long", marks=pytest.mark.soak),
    ],
)
def test_a28_a_burst_of_5000_calls_is_stopped_at_the_limit_and_others_go_on(
    tmp_path: Path, seconds: float, most: int
) -> None:
    dice = Random(28)
    tables = tmp_path / "tables"
    tables.mkdir()
    for name in SHIPPED:
        (tables / name).write_bytes((SAMPLE / name).read_bytes())
    arrivals = burst(dice, seconds) + ordinary(dice, seconds)
    with rig(tmp_path, latency_ms=5, workers=ROUTERS) as site:
        calls = place(site.address, arrivals)
        asked = [number for number in site.provider.numbers() if number.startswith(PREFIX)]
    fraud = [call for call in calls if call.number.startswith(PREFIX)]
    home = [call for call in calls if not call.number.startswith(PREFIX)]
    went = [call for call in fraud if not refused(call)]
    print(f"burst: {figures(fraud)}; {len(went)} of {len(fraud)} let out; home: {figures(home)}")
    assert CALLS == len(fraud)
    assert {True} == {call.committed for call in fraud}
    # People do call abroad.
    assert AT_ONCE <= len(went) <= most
    # No lookup is paid for a call that was stopped.
    assert len(asked) <= len(went)
    good = [
        call for call in home if call.committed and NETWORK == call.mccmnc and call.seconds <= D_S
    ]
    assert len(good) >= 0.999 * len(home)
    assert not any(map(refused, home))
