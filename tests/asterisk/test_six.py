"""The harness of the six trunks itself: SIPp's truth is what the scenarios promise."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.asterisk import six
from tests.asterisk.ami import stage
from tests.asterisk.fastagi import Answer, Asked, Streams, commits, serving
from tests.asterisk.pbx import Pbx

CALLS = 48
"""Eight for each of the six."""

ENDS = {
    "uk-a": ("ANSWER", "16"),
    "uk-b": ("BUSY", "17"),
    "uk-c": ("CHANUNAVAIL", "1"),
    "uk-d": ("CONGESTION", "34"),
    "uk-e": ("NOANSWER", "0"),
    "uk-f": ("CHANUNAVAIL", "3"),
}


def routes() -> Answer:
    """Decide as ``six.ROUTES_CSV`` says, without a service."""

    async def answer(asked: Asked, *streams: *Streams) -> None:
        number = asked.query["n"]
        trunk = six.trunk_of(number)
        then = [("PJSIP", "uk-a", number)] if trunk in {"uk-d", "uk-f"} else []
        rings = {"CARRIER_RING_1": str(six.PATIENCE_S)}
        await commits(("PJSIP", trunk, number), *then, **rings)(asked, *streams)

    return answer


def test_what_sipp_saw_is_what_the_trunks_were_told_to_do(pbx: Pbx) -> None:
    async def run() -> None:
        async with (
            serving(routes()) as server,
            stage(pbx, CARRIER_AGI=server.url, CARRIER_DEFAULT_TRUNKS="") as ami,
            six.six(pbx, ami) as trunks,
        ):
            placed = await trunks.place(CALLS, rate=20)
            assert CALLS == len({one.number for one in placed})
            heard = await ami.user("CarrierAttempt", count=CALLS + 16)
            truth = trunks.truth()
        ends = Counter((one["trunk"], one["dialstatus"], one["hangupcause"]) for one in heard)
        expected = {(name, *ENDS[name]): 8 for name in ENDS} | {("uk-a", *ENDS["uk-a"]): 24}
        assert expected == ends
        finals = {name: dict(one.finals) for name, one in truth.items()}
        assert {
            "uk-a": {200: 24},
            "uk-b": {486: 8},
            "uk-c": {404: 8},
            "uk-d": {503: 8},
            "uk-e": {487: 8},
            "uk-f": {},
        } == finals
        assert {"uk-a": 24} == {name: one.answered for name, one in truth.items() if one.answered}
        assert all(0.19 <= pdd < 1.2 for pdd in truth["uk-a"].pdd_s)
        assert all(0.99 <= talk < 2.0 for talk in truth["uk-a"].talk_s)
        assert (24, 8) == (len(truth["uk-a"].talk_s), len(truth["uk-e"].pdd_s))
        # What the caller got of each, by its number's trunk.
        got = {name: {one.final for one in placed if one.trunk == name} for name in ENDS}
        assert {"uk-a": {200}, "uk-d": {200}, "uk-f": {200}, "uk-b": {486}, "uk-c": {404}} == {
            name: finals for name, finals in got.items() if name != "uk-e"
        }
        assert 1 <= truth["uk-a"].most_at_once <= 24

    asyncio.run(run())
