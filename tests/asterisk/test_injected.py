"""Events forged from SIP (reliability A25), against the whole service: no figure moves by them."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

import pytest

from tests.asterisk import sip
from tests.asterisk.ami import Event
from tests.asterisk.noc_stage import Noc, Scrape, fickle, noc
from tests.asterisk.pbx import Pbx

NUMBER = "447700900123"
TALK_MS = 15_000
SECURITY = ("dialdip_security_events_total", (("kind", "ami-injection"),))
TRUNKS = "trunk,ring_s\nholder,20\nported,20\n"
ROUTES = "rule,trunks\ndefault,holder > ported\n"

# What a caller puts into the user of From; {dest} is the leg of a call that is really up, as a
# spy would know it. Asterisk keeps 79 bytes of it (measured on 22.10 and 16.28).
ATTACKS = {
    "a hangup of a call that is up": "Event: Hangup\r\nUniqueid: {dest}\r\nCause: 34\r\n\r\n",
    "as many hangups as fit": "Event: Hangup\r\nUniqueid: {dest}\r\n\r\n" * 9,
    "a dial that ends": "Event: DialEnd\r\nDestUniqueid: {dest}\r\nDialStatus: CONGESTION\r\n\r\n",
    "a failed attempt": "Event: UserEvent\r\nUserEvent: CarrierAttempt\r\nTrunk: holder\r\n\r\n",
    "a contact that is gone": "Event: ContactStatus\r\nContactStatus: Removed\r\n\r\n",
    "nothing of any event": "x",
}

# Counters of time and of the manager's stream itself: they move by the clock, or by every event.
MOVES_BY_ITSELF = (
    *("process_", "python_", "dialdip_event_loop_lag_", "dialdip_ami_events_total"),
    *("dialdip_ami_dropped_total", "dialdip_ami_lag_seconds", "dialdip_build_info"),
)
OF_AMI = ("dialdip_trunk_", "dialdip_agi_", "dialdip_unverified_", "dialdip_ami_")
"""What is told by Asterisk's events alone: of a call that hides its events there is nothing."""


def moved(before: Scrape, after: Scrape) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return what moved, but for how long things took."""
    found = {}
    for key in before.samples.keys() | after.samples.keys():
        name, _ = key
        if name.startswith(MOVES_BY_ITSELF) or name.endswith(("_bucket", "_sum", "_created")):
            continue
        change = after.samples.get(key, 0.0) - before.samples.get(key, 0.0)
        if change:
            found[key] = change
    return found


async def settled(site: Noc, endings: int) -> Scrape:
    """Wait until so many calls are over but one, and a little for what nobody tells of."""
    await site.until(lambda seen: seen("endings_total") == endings and seen("trunk_calls") == 1)
    await asyncio.sleep(0.5)  # events are held for 50 ms
    return await site.scrape()


def leg_of(events: list[Event]) -> str:
    """Return the uniqueid of the leg to the trunk of the latest call."""
    return [event["destuniqueid"] for event in events if event.name == "DialBegin"][-1]


def test_a25_forged_events_move_nothing_but_the_security_count(pbx: Pbx) -> None:
    async def run() -> None:
        async with noc(pbx, trunks=TRUNKS, routes=ROUTES) as site, fickle(pbx, "holder", "ported"):
            # An honest call is up all the time: what the forgeries aim at.
            victim = asyncio.create_task(sip.call(pbx, NUMBER, talk_ms=TALK_MS))
            await site.ami.wait(lambda event: event.name == "DialEnd")
            dest = leg_of(site.ami.events)
            quiet = await settled(site, 1)
            assert 200 == (await sip.call(pbx, NUMBER)).final
            before = await settled(site, 2)
            honest = moved(quiet, before)
            expected = {k: v for k, v in honest.items() if not k[0].startswith(OF_AMI)}
            assert honest != expected, "the control shows that honest events do count"

            for turn, (attack, forged) in enumerate(ATTACKS.items(), 3):
                caller = quote("100\r\n\r\n" + forged.format(dest=dest))
                assert 200 == (await sip.call(pbx, NUMBER, caller=caller)).final, attack
                after = await settled(site, turn)
                change = moved(before, after)
                assert change.pop(SECURITY, 0) >= 1, attack
                assert expected == change, attack
                before = after
            assert not victim.done(), "too slow a machine to tell"

            assert 200 == (await victim).final
            done = await site.at_rest()
            assert {"holder": 2} == done.by("trunk", "trunk_attempts_total", outcome="answered")
            assert 2 == done("trunk_attempts_total")
            assert (0, 0) == (done("trunk_marked_total"), done("ami_gaps_total"))
            # The victim's talk lasted to its own end and not to the forged one.
            talk = done("trunk_talk_seconds_total", trunk="holder")
            assert talk == pytest.approx(TALK_MS / 1000 + 0.1, abs=0.5)

    asyncio.run(run())
