"""Who is listened to while the configuration changes: counts that only grow, and calls that end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine

from pydantic import SecretStr

from agi.ami.decided import Decided, Hopped
from agi.ami.events import DialBegan
from agi.log import Silence
from agi.noc.listening import Listening
from agi.noc.mind import Known, Noc
from agi.routing.trunk import Trunk
from agi.settings import Asterisk, Config
from tests.ami.manager import Kept, Manager

AT = 1_795_231_889.0
OURS = {"pbx1": SecretStr("open-sesame")}


def pbx(port: int) -> Asterisk:
    said = {"name": "pbx1", "port": port, "username": "dialdip", "password": "elsewhere"}
    return Asterisk.model_validate(said)


def made() -> tuple[Noc, Listening]:
    noc = Noc(Config(), wall=lambda: AT, steady=lambda: AT, log=Silence())
    noc.use(Known("000001-1a2b3c4d", {"uk-a": Trunk("uk-a", "uk-a", "PJSIP", 45, enabled=True)}))
    return noc, Listening(noc, Silence(), steady=lambda: AT)


def played(play: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(asyncio.wait_for(play(), 20))


def test_what_was_heard_of_a_pbx_never_goes_down_when_its_password_is_changed() -> None:
    async def play() -> None:
        manager, sink = Manager(), Kept()
        await manager.start()
        heard = Listening(sink, Silence(), steady=time.time)
        await heard.use([pbx(manager.port)], OURS)
        await sink.until("reachable")
        before = heard.seen()["pbx1"]
        assert before.events > 0
        await heard.use([pbx(manager.port)], {"pbx1": SecretStr("another")})
        between = heard.seen()["pbx1"]
        assert between.events >= before.events
        await heard.use((), {})
        assert {} == heard.seen()
        await heard.use([pbx(manager.port)], OURS)
        await sink.until("reachable", 2)
        assert heard.seen()["pbx1"].events > between.events
        await heard.stop()
        await manager.stop()

    played(play)


def test_calls_of_a_pbx_that_is_taken_out_of_the_configuration_take_no_room_for_ever() -> None:
    async def play() -> None:
        noc, heard = made()
        await heard.use([pbx(1)], OURS)
        noc.resynced("pbx1", (), AT - 10)
        hop = Hopped("uk-a", "uk-a", "PJSIP")
        noc.decided(Decided("00000000-000001", "1.1", AT, 0.004, "GB", "", (hop,)))
        noc.heard("pbx1", DialBegan(AT, "1.1", "1.2", "PJSIP/uk-a-00000001"))
        assert {"uk-a": 1} == noc.kpis.open_calls()
        await heard.use([pbx(2)], OURS)
        assert {"uk-a": 1} == noc.kpis.open_calls()
        await heard.use((), {})
        assert {"uk-a": 0} == noc.kpis.open_calls()
        assert {"unknown": 1} == noc.kpis.totals["uk-a"].outcomes

    played(play)
