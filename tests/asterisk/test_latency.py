"""Asterisk's own view of the question: the two times around it, in each attempt's UserEvent."""

from __future__ import annotations

import asyncio
import re
import time

import pytest

from tests.asterisk import fastagi, sip
from tests.asterisk.ami import Event, stage
from tests.asterisk.fastagi import Answer, Asked, Streams, commits, serving
from tests.asterisk.pbx import Pbx

NUMBER = "447700900123"
TWO = commits(("PJSIP", "ported", "4401"), ("PJSIP", "second", "4402"))
HEADERS = ["id", "trunk", "index", "dialstatus", "hangupcause", "asked", "told"]
EPOCH = re.compile(r"[0-9]{10}\.[0-9]{6}")


def waits(seconds: float, answer: Answer) -> Answer:
    """Answer only after so long."""

    async def later(asked: Asked, *streams: *Streams) -> None:
        await asyncio.sleep(seconds)
        await answer(asked, *streams)

    return later


def told(attempt: Event) -> float:
    """Return how long the question took by Asterisk's clock, in seconds."""
    return float(attempt["told"]) - float(attempt["asked"])


async def attempts(pbx: Pbx, answer: Answer, count: int, **values: str) -> list[Event]:
    """Call by SIPp; the first trunk refuses, the second answers."""
    async with (
        serving(answer) as server,
        sip.trunk(pbx, "ported", "uas_refuse"),
        sip.trunk(pbx, "second"),
        stage(pbx, **{"CARRIER_AGI": server.url} | values) as ami,
    ):
        await sip.call(pbx, NUMBER)
        await ami.user("SiteHangup")
        return await ami.user("CarrierAttempt", count=count)


def test_each_attempt_bears_the_two_times_as_its_last_headers(pbx: Pbx) -> None:
    before = time.time()
    heard = asyncio.run(attempts(pbx, waits(0.1, TWO), 2))
    after = time.time()
    for attempt in heard:
        assert HEADERS == [name for name in attempt.headers if name in HEADERS]
        assert EPOCH.fullmatch(attempt["asked"])
        assert EPOCH.fullmatch(attempt["told"])
        assert before <= float(attempt["asked"]) <= float(attempt["told"]) <= after
        assert 0.1 <= told(attempt) < 1.1
    assert 1 == len({(attempt["asked"], attempt["told"]) for attempt in heard})


def test_an_answered_call_reports_the_times_of_its_question_and_not_of_its_end(pbx: Pbx) -> None:
    heard = asyncio.run(attempts(pbx, waits(0.05, TWO), 2))
    assert ["CONGESTION", "ANSWER"] == [attempt["dialstatus"] for attempt in heard]
    assert told(heard[0]) == told(heard[1])


def test_a_silent_host_is_part_of_what_the_call_waited(pbx: Pbx) -> None:
    async def run() -> None:
        async with serving(fastagi.silent) as quiet, serving(TWO) as server:
            both = f"{quiet.url},{server.url}"
            values = {"CARRIER_AGI": both, "CARRIER_GUARD": "1"}
            heard = await attempts(pbx, TWO, 2, **values)
            assert 1.0 <= told(heard[0]) < 2.0

    asyncio.run(run())


@pytest.mark.parametrize(("host", "asked"), [("", False), ("agi://127.0.0.1:9", True)])
def test_the_times_are_there_if_somebody_was_asked_even_in_vain(
    pbx: Pbx, host: str, *, asked: bool
) -> None:
    trunks = "PJSIP/ported,PJSIP/second"
    values = {"CARRIER_AGI": host, "CARRIER_DEFAULT_TRUNKS": trunks}
    for attempt in asyncio.run(attempts(pbx, TWO, 2, **values)):
        found = EPOCH.fullmatch(attempt["asked"]), EPOCH.fullmatch(attempt.get("told"))
        assert (asked, asked) == tuple(map(bool, found))
        assert "" == attempt["id"]


def test_a_second_decision_on_a_channel_has_no_times_of_the_first(pbx: Pbx) -> None:
    async def run() -> None:
        async with serving(TWO) as server, stage(pbx, CARRIER_AGI=server.url) as ami:
            variables = ("__MODE=twice", "__SECOND=447x")
            tag = await ami.originate(NUMBER, variables=variables)
            assert "" == (await ami.user("Twice", tag))[0].get("times")

    asyncio.run(run())


def test_times_that_a_service_made_up_stay_within_their_headers(pbx: Pbx) -> None:
    forged = commits(
        ("PJSIP", "ported", "4401"),
        ("PJSIP", "second", "4402"),
        CARRIER_ASKED="1),Evil: 2",
        CARRIER_TOLD="3),Evil: 4",
    )
    for attempt in asyncio.run(attempts(pbx, forged, 2)):
        assert "" == attempt.get("evil")
        assert "12" == attempt["asked"]
        assert EPOCH.fullmatch(attempt["told"])
