"""A trunk that leads back to us (row A40): the second pass is refused, a forwarded call is not."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from tests.asterisk import sip
from tests.asterisk.ami import Ami, stage
from tests.asterisk.fastagi import Answer, Asked, Server, array, decision, serving
from tests.asterisk.pbx import Pbx

NUMBER = "447700900123"
OTHER = "447700900456"
HEADER = re.compile(r"^X-Carrier-Hops: (\S+)\r?$", re.MULTILINE)


@dataclass(slots=True)
class Carrier:
    """A SIP carrier that hands every call back to the one who sent it, under a Call-ID of its own.

    ``invited`` are the INVITEs that it got, whole; a retransmission counts once.
    """

    invited: list[str] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)

    def forth(self, message: str, via: str) -> str:
        """Return what we send on of what came to the trunk."""
        branch = re.search(r"branch=([^;\r]+)", message)
        assert branch is not None
        if message.startswith("INVITE ") and branch[1] not in self._seen:
            self._seen.add(branch[1])
            self.invited.append(message)
        top = f"Via: SIP/2.0/UDP {via};branch={branch[1]}back\r\nVia: "
        return message.replace("Via: ", top, 1).replace("Call-ID: ", "Call-ID: back-", 1)

    def back(self, message: str) -> str:
        """Return the answer as the sender of the request knows it."""
        plain = re.sub(r"Via: [^\r]*\r\n", "", message, count=1)
        return plain.replace("Call-ID: back-", "Call-ID: ", 1)


def _nowhere(_: str) -> None:
    """Drop what comes before the other socket is there."""


class _Door(asyncio.DatagramProtocol):
    """One of the carrier's two sockets; what comes in here leaves by the other."""

    def __init__(self) -> None:
        self.forward: Callable[[str], None] = _nowhere

    def datagram_received(self, data: bytes, _: object) -> None:
        self.forward(data.decode(errors="replace"))


@contextlib.asynccontextmanager
async def carrier(pbx: Pbx) -> AsyncIterator[Carrier]:
    """Stand behind the endpoint ``back`` and send its calls to the endpoint ``hairpin``."""
    loop = asyncio.get_running_loop()
    made = Carrier()
    inner, front = await loop.create_datagram_endpoint(
        _Door, ("127.0.0.1", pbx.trunk_ports["back"])
    )
    outer, rear = await loop.create_datagram_endpoint(_Door, ("127.0.0.4", 0))
    via = "{}:{}".format(*outer.get_extra_info("sockname"))
    asterisk = ("127.0.0.1", pbx.sip_port)
    front.forward = lambda said: outer.sendto(made.forth(said, via).encode(), asterisk)
    rear.forward = lambda said: inner.sendto(made.back(said).encode(), asterisk)
    try:
        yield made
    finally:
        inner.close()
        outer.close()


def hops(asked: Asked) -> str:
    """Return what the dialplan said of earlier passes; none when it said nothing."""
    return asked.query.get("hops", "none")


def sends_to(*trunks: tuple[str, str, str]) -> Answer:
    """Answer as the contract says: a second pass is rejected with 25, an emergency call never."""

    async def answer(asked: Asked, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = asked.query["n"]
        called = [(tech, trunk, form or number) for tech, trunk, form in trunks]
        pairs = dict(decision(asked, called))
        if hops(asked) not in {"none", "0"} and number != "112":
            pairs |= {"CARRIER_ACTION": "reject", "CARRIER_CAUSE": "25", "CARRIER_REASON": "loop"}
        commit = pairs.pop("CARRIER_COMMIT")
        writer.write(array([*pairs.items(), ("CARRIER_COMMIT", commit)]))
        writer.write_eof()

    return answer


@contextlib.asynccontextmanager
async def looping(
    pbx: Pbx, *trunks: tuple[str, str, str], **values: str
) -> AsyncIterator[tuple[Ami, Server, Carrier]]:
    """Serve calls by these trunks, with the carrier that hands them back."""
    usual = {"FORWARD_BY": "", f"FORWARD_{NUMBER}": "", f"FORWARD_{OTHER}": "", "CARRIER_SITE": ""}
    async with (
        carrier(pbx) as made,
        serving(sends_to(*trunks)) as server,
        stage(pbx, **{"CARRIER_AGI": server.url} | usual | values) as ami,
    ):
        yield ami, server, made


def test_a40_a_call_that_a_sip_trunk_hands_back_is_refused_at_its_second_pass(pbx: Pbx) -> None:
    async def run() -> None:
        async with looping(pbx, ("PJSIP", "back", "")) as (ami, server, made):
            called = await sip.call(pbx, NUMBER)
            assert 400 <= called.final
            assert ["none", "1"] == [hops(asked) for asked in server.asked]
            assert 1 == len(made.invited)
            mark = HEADER.findall(made.invited[0])
            assert [f"{NUMBER[-7:]}@"] == [text[:8] for text in mark]
            attempt = (await ami.user("CarrierAttempt"))[0]
            # 25 becomes 603 Decline, which is 21; Asterisk 16 still reads 25 in its Reason header.
            assert "back" == attempt["trunk"]
            assert attempt["hangupcause"] in {"21", "25"}

    asyncio.run(run())


def test_a40_after_a_local_trunk_that_loops_the_next_one_takes_the_call(pbx: Pbx) -> None:
    async def run() -> None:
        trunks = (("Local", "hairpin", ""), ("PJSIP", "ported", ""))
        async with looping(pbx, *trunks) as (ami, _, _), sip.trunk(pbx, "ported") as ported:
            assert 200 == (await sip.call(pbx, NUMBER)).final
            assert (1, [NUMBER]) == (len(ami.heard("CameBack")), ported.invited)

    asyncio.run(run())


def test_a40_a_local_trunk_that_leads_to_ourselves_is_refused_at_its_second_pass(pbx: Pbx) -> None:
    async def run() -> None:
        async with looping(pbx, ("Local", "hairpin", "")) as (ami, server, _):
            tag = await ami.originate(NUMBER)
            first = (await ami.wait(lambda e: e.get("userevent") == "Back"))[0]
            assert "25" == first["cause"]
            assert ["none", "1"] == [hops(asked) for asked in server.asked]
            assert 1 == len(ami.heard("CameBack"))
            assert tag == first["tag"]

    asyncio.run(run())


@pytest.mark.parametrize("form", ["+447700900123", "00447700900123", "07700900123"])
def test_a40_another_way_to_write_the_same_number_is_the_same_call(pbx: Pbx, form: str) -> None:
    async def run() -> None:
        async with looping(pbx, ("PJSIP", "back", form)) as (_, server, made):
            await sip.call(pbx, NUMBER)
            assert ["none", "1"] == [hops(asked) for asked in server.asked]
            assert 1 == len(made.invited)

    asyncio.run(run())


@pytest.mark.parametrize("by", ["Goto", "Local"])
def test_a40_a_call_that_a_user_forwards_to_another_number_is_let_out(pbx: Pbx, by: str) -> None:
    async def run() -> None:
        values = {f"FORWARD_{NUMBER}": OTHER, "FORWARD_BY": by}
        async with looping(pbx, ("PJSIP", "back", ""), **values) as (_, server, made):
            await sip.call(pbx, NUMBER)
            assert [NUMBER, OTHER, OTHER] == [asked.query["n"] for asked in server.asked]
            # The third pass is for a number that was here already.
            assert ["none", "0", "2"] == [hops(asked) for asked in server.asked]
            assert 2 == len(made.invited)

    asyncio.run(run())


@pytest.mark.parametrize("by", ["Goto", "Local"])
def test_a40_two_numbers_forwarded_to_each_other_end_when_the_first_comes_again(
    pbx: Pbx, by: str
) -> None:
    async def run() -> None:
        values = {f"FORWARD_{NUMBER}": OTHER, f"FORWARD_{OTHER}": NUMBER, "FORWARD_BY": by}
        async with looping(pbx, ("PJSIP", "back", ""), **values) as (_, server, made):
            await sip.call(pbx, NUMBER)
            assert ["none", "0", "2"] == [hops(asked) for asked in server.asked]
            assert 2 == len(made.invited)

    asyncio.run(run())


def test_a40_a_chain_of_ever_new_numbers_ends_after_five(pbx: Pbx) -> None:
    numbers = [f"44770090{index:04}" for index in range(1, 9)]

    async def run() -> None:
        values = {f"FORWARD_{a}": b for a, b in pairwise(numbers)}
        async with looping(pbx, ("PJSIP", "back", ""), **values) as (_, server, made):
            await sip.call(pbx, numbers[0])
            assert ["none", "0", "0", "0", "0", "5"] == [hops(asked) for asked in server.asked]
            assert 5 == len(made.invited)

    asyncio.run(run())


def test_a40_an_emergency_call_is_never_told_off_but_ends_after_nine_passes(pbx: Pbx) -> None:
    async def run() -> None:
        async with looping(pbx, ("PJSIP", "back", "")) as (_, server, made):
            called = await sip.call(pbx, "112")
            assert ["none", *"12345678"] == [hops(asked) for asked in server.asked]
            assert 9 == len(made.invited)
            assert 400 <= called.final

    asyncio.run(run())


@pytest.mark.parametrize(("number", "invited"), [(NUMBER, 1), ("112", 9)])
def test_a40_when_nobody_answers_the_default_trunk_is_no_loop_either(
    pbx: Pbx, number: str, invited: int
) -> None:
    async def run() -> None:
        values = {"CARRIER_AGI": "agi://127.0.0.1:9", "CARRIER_DEFAULT_TRUNKS": "PJSIP/back"}
        async with looping(pbx, **values) as (ami, _, made):
            assert 400 <= (await sip.call(pbx, number)).final
            assert invited == len(made.invited)
            reasons = {event["reason"] for event in ami.heard("Decided")}
            assert {"no-commit", "loop"} == reasons

    asyncio.run(run())


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("1", "0"),
        (f"{NUMBER[-7:]}@elsewhere", "0"),
        ("0900123@a.b@c.0900123@d", "0"),
        ('" = "" | "1', "none"),
        ("x)${SHELL(id)}", "none"),
        ("1," * 40, "none"),
        ("1" * 300, "none"),
        (".".join(["1@a"] * 5), "5"),
    ],
)
def test_a40_a_strangers_mark_hurts_no_call_but_his_own(pbx: Pbx, header: str, said: str) -> None:
    async def run() -> None:
        extra = f"X-Carrier-Hops: {header}"
        async with (
            looping(pbx, ("PJSIP", "ported", "")) as (_, server, _),
            sip.trunk(pbx, "ported") as ported,
        ):
            refused = said == "5"
            called = await sip.call(pbx, NUMBER, extra=extra)
            assert said == hops(server.asked[0])
            assert refused == (200 != called.final)
            assert ([] if refused else [NUMBER]) == ported.invited

    before = len(pbx.log)
    asyncio.run(run())
    assert "ast_expr" not in pbx.log[before:]


def test_a40_a_mark_of_nine_passes_is_refused_without_asking(pbx: Pbx) -> None:
    async def run() -> None:
        extra = "X-Carrier-Hops: " + ".".join(["1@a"] * 9)
        async with looping(pbx, ("PJSIP", "ported", "")) as (_, server, _):
            assert 400 <= (await sip.call(pbx, NUMBER, extra=extra)).final
            assert [] == server.asked

    asyncio.run(run())


def test_a40_another_pbx_with_the_same_dialplan_before_us_is_no_loop(pbx: Pbx) -> None:
    async def run() -> None:
        extra = f"X-Carrier-Hops: {NUMBER[-7:]}@branch1"
        async with (
            looping(pbx, ("PJSIP", "ported", ""), CARRIER_SITE="head-office") as (_, server, _),
            sip.trunk(pbx, "ported") as ported,
        ):
            assert 200 == (await sip.call(pbx, NUMBER, extra=extra)).final
            assert "0" == hops(server.asked[0])
            sent = HEADER.findall(ported.messages.read_text())
            assert 1 == len(set(sent))
            # The site's name, eight characters of it, and the end of the network card's address.
            ours = re.escape(f"{NUMBER[-7:]}@branch1.{NUMBER[-7:]}@headoff")
            assert re.fullmatch(ours + "[0-9a-f]{6}", sent[0])

    asyncio.run(run())


def test_a_callers_own_channel_bears_no_mark_so_that_it_may_be_transferred(pbx: Pbx) -> None:
    async def run() -> None:
        async with looping(pbx, ("Local", "sink", "")) as (ami, server, _):
            tag = await ami.originate(NUMBER, variables=("__MODE=again", f"__SECOND={NUMBER}"))
            await ami.user("Again", tag)
            assert ["none", "none"] == [hops(asked) for asked in server.asked]

    asyncio.run(run())


def test_a_channel_that_we_called_ourselves_is_asked_for_no_header(pbx: Pbx) -> None:
    """Click to dial: the phone is called first, and its leg then dials out."""

    async def run() -> None:
        async with (
            looping(pbx, ("Local", "sink", "")) as (ami, server, _),
            sip.trunk(pbx, "holder"),
        ):
            headers = {"Channel": "PJSIP/1@holder", "Context": "site", "Exten": NUMBER}
            await ami.action("Originate", Priority="1", Async="true", **headers)
            await ami.user("Sink")
            assert ["none"] == [hops(asked) for asked in server.asked]

    before = len(pbx.log)
    asyncio.run(run())
    assert "datastore" not in pbx.log[before:]
