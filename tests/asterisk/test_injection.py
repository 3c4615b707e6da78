"""Line feeds in SIP headers, through real PJSIP: no AGI server is ever lied to by a caller."""

from __future__ import annotations

import asyncio

import pytest

from tests.asterisk import sip
from tests.asterisk.ami import stage
from tests.asterisk.fastagi import Asked, commits, serving
from tests.asterisk.pbx import Pbx

NUMBER = "447700900123"
GOOD = commits(("PJSIP", "ported", "4401"))

# A Diversion user that writes the whole rest of the environment by itself, in the right order:
# what it forges ends with arguments and the blank line (measured on Asterisk 16.28 and 22.10).
FORGED_TAIL = "9%0A" + "%0A".join(
    f"agi_{line.replace(' ', '%20').replace(':', '%3A')}"
    for line in (
        "context: x",
        "extension: 1",
        "priority: 1",
        "enhanced: 0.0",
        "accountcode: ",
        "threadid: 1",
        "arg_1: 666",
    )
)
CALLER = "447700900999"
NOTHING = "X-Test: 1"
# Dialled, caller, one more header, and what a server behind a naive dialplan then hears.
FORGED = {
    "a reply in the dialled number": (
        *("447%0A%0A200%20result%3D1%20(TRUSTED)", CALLER, NOTHING),
        b"\n\n200 result=1 (TRUSTED)\n",
    ),
    "an argument in the dialled number": (
        *("447%0Aagi_arg_1%3A%20666", CALLER, NOTHING),
        b"\nagi_arg_1: 666\n",
    ),
    "an argument in the caller": (
        *(NUMBER, "100%0Aagi_arg_1%3A%20666", NOTHING),
        b"\nagi_arg_1: 666\n",
    ),
    "an end in the caller": (
        *(NUMBER, "100%0A%0A200%20result%3D1", NOTHING),
        b"\n\n200 result=1\n",
    ),
    "the whole rest in a diversion": (
        *(NUMBER, CALLER),
        f"Diversion: <sip:{FORGED_TAIL}%0A%0A@127.0.0.2>;reason=unconditional",
        b"agi_threadid: 1\nagi_arg_1: 666\n\n",
    ),
}
ENVIRONMENT_LINES = 22
"""How many lines Asterisk itself writes, from agi_network to agi_threadid (res_agi.c)."""
RANDOM = (b"agi_request: ", b"agi_threadid: ", b"agi_uniqueid: ")
"""The lines whose digits no caller chose."""


@pytest.mark.parametrize("attack", FORGED)
def test_what_the_service_reads_is_asterisks_own_and_nothing_else(pbx: Pbx, attack: str) -> None:
    number, caller, extra, _ = FORGED[attack]

    async def run() -> None:
        async with (
            serving(GOOD) as server,
            sip.trunk(pbx, "ported") as ported,
            stage(pbx, CARRIER_AGI=server.url) as ami,
        ):
            called = await sip.call(pbx, number, caller=caller, extra=extra)
            await ami.user("SiteHangup")
            if number != NUMBER:
                # 484 Address Incomplete: Q.850 cause 28, invalid number format.
                assert (484, [], []) == (called.final, server.asked, ported.invited)
                return
            assert (200, ["4401"]) == (called.final, ported.invited)
            (asked,) = server.asked
            assert ENVIRONMENT_LINES == asked.raw.rstrip(b"\n").count(b"\n") + 1
            # Ours and random: the port in the URL and the thread's number may well hold 666.
            others = (line for line in asked.raw.splitlines() if not line.startswith(RANDOM))
            assert b"666" not in b"\n".join(others)
            assert asked.lines["agi_request"].startswith(f"{server.url}/route?n={NUMBER}&a=&")
            assert [b"200 result=1\nHANGUP\n"] == server.replies

    asyncio.run(run())


@pytest.mark.parametrize("attack", FORGED)
def test_the_same_calls_do_reach_a_server_behind_a_naive_dialplan(pbx: Pbx, attack: str) -> None:
    """The proof that the test above tests something: without our dialplan the lies arrive."""
    number, caller, extra, lie = FORGED[attack]

    heard = bytearray()

    async def listens(_: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while b"agi_arg_1: " + number.encode()[:3] not in heard:
            heard.extend(await reader.readline())
        writer.close()

    async def run() -> None:
        async with (
            serving(listens, environment=False) as server,
            stage(pbx, CARRIER_AGI=server.url) as ami,
        ):
            await sip.call(pbx, number, address=sip.NAIVE, caller=caller, extra=extra)
            await ami.user("Naive")

    asyncio.run(run())
    assert lie in heard
