"""Known-answer probes over accounts whose queues answer by script; time is virtual."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from agi.errors import ProviderFault
from agi.lookup import events
from agi.lookup.probes import FIRST_S, Asked, Known, Probes, Seen, judged
from agi.lookup.provider import Answer
from agi.model import Line, Live, Mccmnc, NumberInfo, Outcome, Product
from tests.lookup.making import (
    ONE,
    TWO,
    Firm,
    Script,
    Stage,
    code,
    coded,
    fails,
    instant,
    ok,
    on,
    play,
    says,
    settle,
)

KNOWN = Known("npl", ONE, Mccmnc("23415"), 300.0, "GB", Line.MOBILE)


class Lab:
    """Probes over firms; what they reported is in ``results``."""

    def __init__(self, *firms: Firm, draw: float = 0.5, **files: Script) -> None:
        self.firms = list(firms)
        self.events: list[events.LookupEvent] = []
        self.files = files
        self.probes = Probes(
            lambda: Asked([firm.account for firm in self.firms], self.files),  # type: ignore[arg-type] # scripts of files answer numbers
            clock=instant,
            draw=lambda: draw,
            observe=self.events.append,
        )

    @property
    def results(self) -> list[tuple[str, str, str]]:
        probed = [event for event in self.events if isinstance(event, events.Probed)]
        return [(event.provider, event.result, event.before) for event in probed]


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        (ok(ONE, "23415"), Seen.OK),
        (ok(ONE, "23430"), Seen.WRONG),
        (coded(ONE, "err29", NumberInfo(Mccmnc("23415"), Live.ABSENT)), Seen.OK),
        (coded(ONE, "err29", NumberInfo(Mccmnc("23410"), Live.ABSENT)), Seen.WRONG),
        (coded(ONE, "err1"), Seen.WRONG),  # "no such number" of a number that there is
        (coded(ONE, "err2"), Seen.WRONG),
        (coded(ONE, "err36"), Seen.MISSING),
        (Answer(ONE, Outcome.OK, NumberInfo(live=Live.LIVE)), Seen.MISSING),
        (None, Seen.MISSING),
    ],
)
def test_another_network_is_wrong_and_none_proves_nothing(
    answer: Answer | None, seen: Seen
) -> None:
    assert seen is judged(KNOWN, answer)


@pytest.mark.parametrize(
    ("script", "seen"),
    [
        (says(), Seen.OK),
        (on("23430"), Seen.WRONG),
        (code("err1"), Seen.WRONG),
        (fails("timeout"), Seen.MISSING),
        (fails("account"), Seen.MISSING),
    ],
)
def test_an_account_is_asked_itself_and_what_came_is_reported(script: Script, seen: Seen) -> None:
    async def scene() -> None:
        lab = Lab(Firm(script=script))
        lab.probes.use([KNOWN])
        assert Seen.NONE is lab.probes.seen("npl")
        assert seen is await lab.probes.once(KNOWN)
        assert seen is lab.probes.seen("npl")
        assert [("npl", seen, "none")] == lab.results
        assert [ONE] == lab.firms[0].queue.asked
        await lab.probes.close()

    play(scene)


def test_a_wrong_answer_is_kept_nowhere() -> None:
    async def scene() -> None:
        stage = Stage(Firm(script=on("23430")))
        probes = Probes(
            lambda: Asked(stage.pipeline._parts.accounts),
            clock=instant,
            draw=lambda: 0.5,
            observe=stage.events.append,
        )
        assert Seen.WRONG is await probes.once(KNOWN)
        await settle()
        assert stage.memory.get(ONE, instant()) is None
        stage.firms[0].queue.script = says()
        assert "23415" == (await stage.find()).info.mccmnc

    play(scene)


def test_a_cached_answer_does_not_hide_a_wrong_one() -> None:
    async def scene() -> None:
        stage = Stage(Firm(script=on("23430")))
        stage.remembers(1.0)
        probes = Probes(
            lambda: Asked(stage.pipeline._parts.accounts),
            clock=instant,
            draw=lambda: 0.5,
            observe=stage.events.append,
        )
        assert Seen.WRONG is await probes.once(KNOWN)
        assert "23415" == (await stage.find()).info.mccmnc

    play(scene)


def test_an_open_breaker_counts_as_missing_and_nothing_is_asked() -> None:
    async def scene() -> None:
        lab = Lab(Firm(script=says()).breaks())
        assert Seen.MISSING is await lab.probes.once(KNOWN)
        assert [] == lab.firms[0].queue.asked
        await asyncio.sleep(2)  # then one request may try, and a probe is as good as a call
        assert Seen.OK is await lab.probes.once(KNOWN)
        assert "closed" == lab.firms[0].governors.breaker.state

    play(scene)


def test_a_probe_that_the_breaker_let_try_and_that_fails_leaves_it_open() -> None:
    async def scene() -> None:
        lab = Lab(Firm(script=fails("http")).breaks())
        await asyncio.sleep(2)
        assert Seen.MISSING is await lab.probes.once(KNOWN)
        assert "open" == lab.firms[0].governors.breaker.state

    play(scene)


def test_a_probe_that_could_not_be_sent_gives_the_breakers_permit_back() -> None:
    async def scene() -> None:
        lab = Lab(Firm().breaks())
        lab.firms[0].queue.full = ProviderFault("shed", "too many numbers wait")
        await asyncio.sleep(2)
        assert Seen.MISSING is await lab.probes.once(KNOWN)
        assert "open" == lab.firms[0].governors.breaker.state

    play(scene)


def test_a_probe_is_paid_like_a_call_and_not_asked_without_money() -> None:
    async def scene() -> None:
        lab = Lab(Firm(script=says(), left=2.0, price=Decimal("0.006")))
        seen = [await lab.probes.once(KNOWN) for _ in range(3)]
        assert [Seen.OK, Seen.OK, Seen.MISSING] == seen
        assert ([1.0, 1.0], 2) == (lab.firms[0].purse.paid, len(lab.firms[0].queue.asked))

    play(scene)


def test_money_that_the_disk_does_not_know_of_yet_is_waited_for() -> None:
    class Slow:
        """A purse whose disk is being written."""

        gone = False
        short = True

        def __init__(self, firm: Firm) -> None:
            self.ready = False
            self.purse = firm.purse
            self.spent = firm.purse.spent
            self.refunded = firm.purse.refunded

        def may_spend(self, units: object = 1) -> bool:
            return self.ready and self.purse.may_spend(units)

        async def secured(self, within_s: float) -> None:
            await asyncio.sleep(min(within_s, 0.2))
            self.ready = True

    async def scene() -> None:
        firm = Firm(script=says())
        firm.account._purse = Slow(firm)
        assert Seen.OK is await Lab(firm).probes.once(KNOWN)

    play(scene)


def test_an_account_without_room_or_that_never_answers_is_missing_in_time() -> None:
    async def scene() -> None:
        full, mute = Firm(), Firm()
        full.queue.full = ProviderFault("shed", "too many numbers wait")
        assert Seen.MISSING is await Lab(full).probes.once(KNOWN)
        began = instant()
        assert Seen.MISSING is await Lab(mute).probes.once(KNOWN)
        assert 5.0 == pytest.approx(instant() - began)
        # Whoever else waits for that answer still gets it.
        assert not mute.queue.waiting[ONE].cancelled()

    play(scene)


def test_an_account_that_is_no_more_is_missing() -> None:
    async def scene() -> None:
        lab = Lab(Firm("other", says()), Firm("npl", says(), product=Product.FRAUD))
        assert Seen.MISSING is await lab.probes.once(KNOWN)

    play(scene)


def test_of_an_accounts_products_the_one_for_such_lines_is_asked() -> None:
    async def scene() -> None:
        land = Firm("npl", on("23430"), lines=frozenset({Line.LANDLINE}))
        mobile = Firm("npl", says(), lines=frozenset({Line.MOBILE}))
        assert Seen.OK is await Lab(land, mobile).probes.once(KNOWN)

    play(scene)


def test_a_file_is_asked_for_nothing() -> None:
    async def scene() -> None:
        lab = Lab()
        lab.files["dump"] = lambda number: ok(number, "23430")  # type: ignore[assignment,return-value] # as a file answers
        assert Seen.WRONG is await lab.probes.once(Known("dump", ONE, Mccmnc("23415"), 60.0))

    play(scene)


# ---- when -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("draw", "first", "every"), [(0.0, 0.0, 270.0), (0.5, 5.0, 300.0)])
def test_probes_go_out_at_jittered_intervals(draw: float, first: float, every: float) -> None:
    async def scene() -> None:
        lab = Lab(Firm(script=says()), draw=draw)
        began = instant()
        lab.probes.use([KNOWN])
        await asyncio.sleep(FIRST_S + 3 * every)
        times = [at - began for at in lab.firms[0].queue.times]
        assert pytest.approx([first, first + every, first + 2 * every]) == times[:3]
        await lab.probes.close()
        await asyncio.sleep(10 * every)
        assert len(times) == len(lab.firms[0].queue.times)

    play(scene)


def test_what_was_seen_before_tells_a_change() -> None:
    async def scene() -> None:
        lab = Lab(Firm(script=says()))
        lab.probes.use([KNOWN])
        for script in (says(), on("23430"), on("23430"), fails("http"), says()):
            lab.firms[0].queue.script = script
            await lab.probes.once(KNOWN)
        assert ["none", "ok", "wrong", "wrong", "missing"] == [one[2] for one in lab.results]
        await lab.probes.close()

    play(scene)


def test_a_reload_keeps_what_has_not_changed() -> None:
    async def scene() -> None:
        lab = Lab(Firm("npl", says()), Firm("other", says()))
        other = Known("other", TWO, Mccmnc("23415"), 300.0)
        lab.probes.use([KNOWN, other])
        await asyncio.sleep(6)
        assert (Seen.OK, Seen.OK) == (lab.probes.seen("npl"), lab.probes.seen("other"))
        lab.probes.use([KNOWN, Known("other", TWO, Mccmnc("23430"), 300.0)])
        assert (Seen.OK, Seen.NONE) == (lab.probes.seen("npl"), lab.probes.seen("other"))
        await asyncio.sleep(6)
        assert Seen.WRONG is lab.probes.seen("other")
        assert (1, 2) == tuple(len(firm.queue.asked) for firm in lab.firms)
        lab.probes.use([])
        await asyncio.sleep(1_000)
        assert (1, 2) == tuple(len(firm.queue.asked) for firm in lab.firms)
        assert Seen.NONE is lab.probes.seen("npl")

    play(scene)


def test_an_answer_to_a_probe_that_is_no_more_is_not_remembered() -> None:
    async def scene() -> None:
        lab = Lab(Firm())
        lab.probes.use([KNOWN])
        asked = asyncio.create_task(lab.probes.once(KNOWN))
        await settle()
        lab.probes.use([])
        lab.firms[0].queue.answer(ok(ONE))
        assert Seen.OK is await asked
        assert Seen.NONE is lab.probes.seen("npl")

    play(scene)


def test_the_number_of_a_probe_is_not_printed() -> None:
    assert ONE not in repr(KNOWN)
