"""The order of a call's steps: what is asked, what is spared, what is refused before either."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from decimal import Decimal
from typing import Any

import pytest

from agi.brownout.ladder import Level
from agi.e164 import NumberingPlan
from agi.fastagi import script
from agi.fastagi.protocol import Environment, EnvironmentReader
from agi.fastagi.server import Prepared
from agi.journal.record import Noted
from agi.journal.writer import NoJournal
from agi.log import Silence
from agi.lookup.freshness import Freshness
from agi.lookup.nearby import Nearby
from agi.lookup.screening import Screens
from agi.lookup.tiers.memory import MemoryTier
from agi.metrics import Metrics
from agi.model import (
    CallContext,
    CallRequest,
    Decision,
    Finding,
    Inquiry,
    Mccmnc,
    NumberInfo,
    Source,
)
from agi.router import Call, Router
from agi.routing.screening import Act, Policy, Screening
from agi.routing.table import Table
from tests.fastagi.wire import environment
from tests.routing.making import ROUTES, TRUNKS, compiled, contents

PLAN = NumberingPlan("GB", ["999"])
NETWORKS = "one,,23415,,,,,a\n"
EVERYBODY = "default,,,,,,,b\n"
HEADER = "rule,from,mccmnc,prefix,trunks\n"
NUMBER = "07788450450"
CUBA = "005352123456"


class Desk(NoJournal):
    """A provider that knows everything, and a journal, both of which remember what they got."""

    def __init__(self) -> None:
        self.asked: list[Inquiry] = []
        self.noted: list[Noted] = []

    async def find(self, inquiry: Inquiry) -> Finding:
        self.asked.append(inquiry)
        info = NumberInfo(Mccmnc("23415"))
        return Finding(Source.LIVE, "ok", info, 0.0, None, "npl", "comcetera")

    def note(  # noqa: PLR0917 - the signature of the seam
        self,
        context: CallContext,
        request: CallRequest,
        finding: Finding,
        decision: Decision,
        closed: tuple[str, ...] = (),
        refused: bool = False,
    ) -> None:
        self.noted.append(Noted(context, request, finding, decision, closed, refused))


class Rig:
    """A router between a scripted clock and a scripted provider."""

    def __init__(self, table: Table) -> None:
        self.desk = Desk()
        self.now = 50.0
        self.metrics = Metrics()
        nearby = Nearby(
            memory=MemoryTier(100),
            screens=Screens(100, lambda _: 300.0),
            finder=self.desk,
            clock=self.clock,
            error_rule=table.error_rule,
            freshness=Freshness(),
        )
        self.router = Router(
            plan=PLAN,
            table=table,
            nearby=nearby,
            prices=lambda *_: (Decimal("0.006"), "EUR"),
            deadline_s=0.8,
            draw=lambda: 0.0,
            clock=self.clock,
            wall=lambda: 1_795_000_000.0,
            id_prefix="0badcafe",
            metrics=self.metrics,
            log=Silence(),
            journal=self.desk,
        )

    def clock(self) -> float:
        return self.now

    def call(self, number: str, more: str = "") -> Decision:
        answer = self.router(read(f"route?n={number}{more}"), self.now)
        prepared = asyncio.run(waited(answer)) if not isinstance(answer, Prepared) else answer
        assert isinstance(prepared.call, Call)
        return prepared.call.decision


async def waited(answer: Awaitable[Prepared]) -> Prepared:
    return await answer


def read(query: str) -> Environment:
    found = EnvironmentReader().feed(environment(query))
    assert found is not None
    return found


def test_a_network_is_looked_up_once_and_then_remembered() -> None:
    rig = Rig(compiled(NETWORKS + EVERYBODY))
    assert ("one", Source.LIVE) == outcome(rig.call(NUMBER))
    assert ("one", Source.MEMORY) == outcome(rig.call(NUMBER))
    assert 1 == len(rig.desk.asked)


def outcome(decision: Decision) -> tuple[str, str]:
    return decision.rule, decision.source


def test_a_lookup_that_cannot_change_the_route_is_not_made() -> None:
    rig = Rig(compiled(EVERYBODY))
    decision = rig.call(NUMBER)
    assert ("default", "skipped", "same-route") == (*outcome(decision), decision.reason)
    assert [] == rig.desk.asked
    assert {"EUR": Decimal("0.006")} == rig.metrics.saved


DENY = "prefix,account,action\n53,,deny\n44,cheap,nodip\n"


def test_a_denied_destination_is_rejected_without_a_lookup() -> None:
    rig = Rig(compiled(NETWORKS + EVERYBODY, policy=DENY))
    decision = rig.call(CUBA)
    assert (21, "policy", "denied", "policy-2") == (
        decision.cause,
        decision.source,
        decision.reason,
        decision.rule,
    )
    assert [] == rig.desk.asked


def test_the_policy_forbids_a_lookup_and_not_what_is_remembered() -> None:
    rig = Rig(compiled(NETWORKS + EVERYBODY, policy=DENY))
    spared = rig.call(NUMBER, "&a=cheap")
    assert ("default", "skipped", "nodip") == (*outcome(spared), spared.reason)
    assert ("one", "live") == outcome(rig.call(NUMBER))
    assert ("one", "memory") == outcome(rig.call(NUMBER, "&a=cheap"))


def test_a40_a_call_in_a_loop_is_rejected_before_anything_is_asked() -> None:
    rig = Rig(compiled(NETWORKS + EVERYBODY))
    decision = rig.call(NUMBER, "&hops=1")
    assert (25, "policy", "loop", "") == (
        decision.cause,
        decision.source,
        decision.reason,
        decision.rule,
    )
    assert [] == rig.desk.asked
    assert rig.desk.noted[-1].refused
    assert rig.call("999", "&hops=9").cause is None


LIMITS = "account,prefix,level,calls,lookups\n"


def test_a31_a_burst_is_stopped_at_its_limit_and_other_calls_go_on() -> None:
    rig = Rig(compiled(NETWORKS + EVERYBODY, limits=LIMITS + ",53,block,15,\n"))
    burst = [rig.call(f"00535212{3400 + n % 40}") for n in range(60)]
    assert [None] * 15 + [21] * 45 == [one.cause for one in burst]
    assert {("policy", "velocity", "limits-2")} == {
        (one.source, one.reason, one.rule) for one in burst[15:]
    }
    assert rig.call(NUMBER).cause is None
    assert [True] * 45 == [noted.refused for noted in rig.desk.noted[15:60]]


def test_beyond_a_limit_of_lookups_calls_are_routed_without_one() -> None:
    rig = Rig(compiled(NETWORKS + EVERYBODY, limits=LIMITS + ",44,country,,5\n"))
    decisions = [rig.call(f"07788450{n}") for n in range(400, 425)]
    assert {None} == {one.cause for one in decisions}
    assert ["live"] * 5 == [one.source for one in decisions[:5]]
    spared = [one for one in decisions[5:] if one.reason == "budget"]
    assert {("default", "skipped")} == set(map(outcome, spared))
    assert (18, 7) == (len(spared), len(rig.desk.asked))
    assert 18 == rig.metrics.avoided["limit"]


def test_what_is_never_looked_up_is_not_counted_as_a_lookup() -> None:
    rig = Rig(compiled(EVERYBODY, limits=LIMITS + ",44,country,,1\n"))
    assert ["same-route"] * 3 == [rig.call(NUMBER).reason for _ in range(3)]
    assert [] == rig.router.brakes.meters.drain()


TWO = "trunk,cps\na,2\nb,\n"


def test_a_trunk_over_its_calls_per_second_leaves_the_call_to_the_next() -> None:
    rig = Rig(compiled("default,,,,,,,a > b\n", trunks=TWO))
    first = [rig.call(NUMBER).hops[0].trunk for _ in range(4)]
    assert ["a", "a", "b", "b"] == first
    assert ("a",) == rig.desk.noted[-1].closed
    rig.now += 1.0
    assert "a" == rig.call(NUMBER).hops[0].trunk


def test_an_accounts_call_too_many_of_a_second_is_rejected_with_42() -> None:
    accounts = "account,cps\nsales,1\n"
    rig = Rig(compiled_with_accounts(accounts))
    assert rig.call(NUMBER, "&a=sales").cause is None
    shed = rig.call(NUMBER, "&a=sales")
    assert (42, "policy", "shed") == (shed.cause, shed.source, shed.reason)
    assert rig.call(NUMBER).cause is None
    assert rig.call("999", "&a=sales").cause is None


def compiled_with_accounts(accounts: str) -> Table:
    return Table(contents(trunks=TRUNKS, routes=ROUTES + EVERYBODY, accounts=accounts))


CALLERS = "london,4420,,,a\ninside,123,,,a\nhidden,anonymous,,,a\ndefault,,,,b\n"


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        ("02079460123", "london"),
        ("+442079460123", "london"),
        ("12345", "inside"),
        ("+12345", "inside"),
        ("anonymous", "hidden"),
        ("", "default"),
        ("07788450451", "default"),
    ],
)
def test_the_caller_is_read_by_the_sites_numbering_plan(said: str, rule: str) -> None:
    rig = Rig(compiled(CALLERS, header=HEADER))
    assert rule == rig.call(NUMBER, f"&f={said}").rule


def test_the_caller_is_not_read_for_a_table_that_does_not_ask() -> None:
    rig = Rig(compiled(EVERYBODY))
    request = script.read_request(read(f"route?n={NUMBER}&f=02079460123"))
    assert request is not None
    assert "" == rig.router.context(request).caller
    assert 1_795_000_000.0 == rig.router.context(request).at


def test_every_decision_is_noted_with_what_it_was_made_from() -> None:
    rig = Rig(compiled(NETWORKS + EVERYBODY))
    decision = rig.call(NUMBER)
    (noted,) = rig.desk.noted
    assert (decision, "23415", False) == (
        noted.decision,
        noted.finding.info.mccmnc,
        noted.refused,
    )


def test_a_new_table_is_in_force_for_the_next_call() -> None:
    rig = Rig(compiled(EVERYBODY))
    assert "default" == rig.call(NUMBER).rule
    rig.router.table = compiled(NETWORKS + EVERYBODY, limits=LIMITS + ",,country,1,\n")
    assert "one" == rig.call(NUMBER).rule
    assert 21 == rig.call(NUMBER).cause


# ---- the brown-out ladder -------------------------------------------------------------------

RANGE = "447788,23430,\n"
BY_NETWORK = "one,,23415,,,,,a\nrange,,23430,,,,,c\n"
LATER = 1_795_000_600.0


def pinned(level: Level, **tables: Any) -> Rig:
    """A router that has remembered the number's network, pinned at a level."""
    rig = Rig(compiled(BY_NETWORK + EVERYBODY, ranges=RANGE, **tables))
    assert ("one", Source.LIVE) == outcome(rig.call(NUMBER))
    rig.router.ladder.pin(level, LATER, "the vendor migrates")
    return rig


@pytest.mark.parametrize(
    ("level", "rule", "source", "reason"),
    [
        (Level.LIVE, "one", "memory", "ok"),
        (Level.CACHE, "one", "memory", "ok"),
        (Level.RANGE, "range", "range", "shed"),
        (Level.DEFAULT, "default", "default", "shed"),
    ],
)
def test_below_cache_not_even_what_is_remembered_counts(
    level: Level, rule: str, source: str, reason: str
) -> None:
    rig = pinned(level)
    decision = rig.call(NUMBER)
    assert (rule, source, reason) == (*outcome(decision), decision.reason)
    assert 1 == len(rig.desk.asked)
    rig.router.ladder.unpin()
    assert ("one", "memory") == outcome(rig.call(NUMBER))


@pytest.mark.parametrize("level", [Level.RANGE, Level.DEFAULT])
def test_a_pin_costs_no_emergency_call_and_no_short_code_anything(level: Level) -> None:
    rig = pinned(level)
    decision = rig.call("999")
    assert ("emergency", "ok", None) == (decision.source, decision.reason, decision.cause)
    assert "nodip" == rig.call("150").reason


@pytest.mark.parametrize("level", list(Level))
def test_what_the_policy_denies_stays_denied_at_every_level(level: Level) -> None:
    rig = pinned(level, policy=DENY)
    assert (21, "denied") == ((decision := rig.call(CUBA)).cause, decision.reason)


@pytest.mark.parametrize(("closed", "cause"), [(True, 21), (False, None)])
def test_a_screen_that_may_not_be_asked_fails_as_its_policy_says(
    closed: bool, cause: int | None
) -> None:
    fraud = Screening(fraud=Policy(Act.REJECT, 21, closed))
    rig = Rig(compiled(BY_NETWORK + EVERYBODY, ranges=RANGE, accounts={"": fraud}))
    rig.router.ladder.pin(Level.RANGE, LATER, "the vendor migrates")
    assert cause == rig.call(NUMBER).cause
    assert [] == rig.desk.asked


def test_a_call_that_was_spared_its_lookup_is_noted_as_it_was_decided() -> None:
    rig = pinned(Level.DEFAULT)
    decision = rig.call(NUMBER)
    noted = rig.desk.noted[-1]
    assert decision.hops == rig.router.decide(noted.context, noted.finding).hops
