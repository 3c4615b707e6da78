"""What noc counts of calls is what SIPp saw: six trunks with known ends, the whole service."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import pytest

from tests.asterisk import six
from tests.asterisk.noc_stage import Noc, Scrape, noc
from tests.asterisk.pbx import SIX, Pbx

EVERYONE = "[health]\nenabled = false\n"
"""Else trunks that fail would be passed over, and nobody knew how often they are called."""

RATE = 25
PDD_S = 0.02
ACD_S = 1.0

# What Asterisk makes of each final status (res_pjsip.c, and measured on 22.10 and 16.28), and how
# we call it. An INVITE that Asterisk cancels itself, since nobody came, has no cause.
OF_STATUS = {
    200: ("answered", "16"),
    486: ("busy", "17"),
    404: ("number", "1"),
    503: ("failed", "34"),
    487: ("no-answer", "0"),
}
GONE = ("failed", "3")
"""A trunk that is known to be gone is not dialled: nobody but the caller tells of it."""

Counts = dict[str, dict[str, float]]


def truth_of(
    trunks: Mapping[str, six.Truth], placed: Sequence[six.Placed]
) -> tuple[Counts, Counts]:
    """Return attempts by trunk and outcome, and by trunk and cause, as SIPp saw them."""
    ends = [(name, *OF_STATUS[leg.final]) for name, one in trunks.items() for leg in one.legs]
    ends += [("uk-f", *GONE) for call in placed if call.trunk == "uk-f"]
    outcomes: Counts = {}
    causes: Counts = {}
    for name, outcome, cause in ends:
        for found, key in ((outcomes, outcome), (causes, cause)):
            counts = found.setdefault(name, {})
            counts[key] = counts.get(key, 0) + 1
    return outcomes, causes


def counted(seen: Scrape, name: str, label: str) -> Counts:
    """Return a metric of the six by trunk and one more label."""
    found = {trunk: seen.by(label, name, trunk=trunk) for trunk in SIX}
    return {trunk: counts for trunk, counts in found.items() if counts}


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value of this rank, the nearest one."""
    return sorted(values)[max(0, -int(-share * len(values) // 1) - 1)]


async def judged(site: Noc, trunks: six.Six, count: int) -> None:
    """Place so many calls and compare everything."""
    placed = await trunks.place(count, rate=RATE)
    assert count == len(placed)
    seen = await site.at_rest()
    truth = trunks.truth()
    outcomes, causes = truth_of(truth, placed)
    expected = Counter(six.trunk_of(number) for number in six.numbers(count))
    assert expected["uk-d"] == truth["uk-d"].attempts, "SIPp itself is in order"
    assert outcomes == counted(seen, "trunk_attempts_total", "outcome")
    assert causes == counted(seen, "trunk_causes_total", "cause")
    assert {"uk-a": truth["uk-a"].answered} == seen.by("trunk", "trunk_answered_total")
    seizures = {name: float(one.attempts) for name, one in truth.items() if one.attempts}
    assert seizures == seen.by("trunk", "trunk_seizures_total")
    assert 0 == seen("trunk_marked_total") == seen("security_events_total")
    assert 0 == seen("unverified_attempts_total") == seen("ami_dropped_total")
    delays(seen, truth)
    overview(await site.top(), truth, outcomes)
    # Asterisk's view of the question holds ours, one for each call.
    assert count == seen("agi_seconds_count") == seen("agi_ours_seconds_count")
    assert seen("agi_seconds_sum") > seen("agi_ours_seconds_sum")


def delays(seen: Scrape, truth: Mapping[str, six.Truth]) -> None:
    """Compare the counters' mean times with SIPp's."""
    for name in ("uk-a", "uk-e"):
        pdd = seen("trunk_pdd_seconds_sum", trunk=name) / seen(
            "trunk_pdd_seconds_count", trunk=name
        )
        print(
            f"{name}: mean PDD {pdd * 1000:.1f} ms, SIPp {fmean(truth[name].pdd_s) * 1000:.1f} ms"
        )
        assert len(truth[name].pdd_s) == seen("trunk_pdd_seconds_count", trunk=name)
        assert fmean(truth[name].pdd_s) == pytest.approx(pdd, abs=PDD_S)
    talk = seen("trunk_talk_seconds_total", trunk="uk-a") / truth["uk-a"].answered
    print(f"uk-a: ACD {talk:.3f} s, SIPp {fmean(truth['uk-a'].talk_s):.3f} s")
    assert fmean(truth["uk-a"].talk_s) == pytest.approx(talk, abs=ACD_S)


def overview(told: Any, truth: Mapping[str, six.Truth], outcomes: Counts) -> None:
    """Compare ``dialdip top --json``: the figures of the last hour."""
    hour = {one["trunk"]: one["windows"].get("3600", {}) for one in told["trunks"]}
    assert outcomes == {name: one["outcomes"] for name, one in hour.items() if one}
    assert 0 == sum(one["calls"] for one in told["trunks"])
    first = hour["uk-a"]
    assert (1.0, 1.0) == (first["asr"], first["ner"])
    assert fmean(truth["uk-a"].talk_s) == pytest.approx(first["acd_s"], abs=ACD_S)
    ends = {name: (one["asr"], one["ner"]) for name, one in hour.items()}
    assert (
        ends
        | {
            "uk-b": (0.0, 1.0),
            "uk-c": (0.0, 1.0),
            "uk-d": (0.0, 0.0),
            "uk-e": (0.0, 1.0),
            "uk-f": (None, None),
        }
        == ends
    )
    for name, figure in itertools.product(("uk-a", "uk-e"), (50, 95)):
        said = hour[name][f"pdd_p{figure}_s"]
        saw = percentile(truth[name].pdd_s, figure / 100)
        print(f"{name}: PDD p{figure} {said * 1000:.0f} ms, SIPp {saw * 1000:.1f} ms")
        assert saw == pytest.approx(said, abs=PDD_S)
    figures = told["countries"] | told["networks"]
    attempts = sum(one["3600"]["attempts"] for one in told["countries"].values())
    assert sum(sum(one.values()) for one in outcomes.values()) == attempts, figures


async def compare(pbx: Pbx, count: int) -> None:
    """Run everything once."""
    async with (
        noc(pbx, trunks=six.TRUNKS_CSV, routes=six.ROUTES_CSV, extra=EVERYONE) as site,
        six.six(pbx, site.ami) as trunks,
    ):
        await judged(site, trunks, count)


def test_g19_the_figures_of_504_calls_over_six_trunks_are_those_of_sipp(pbx: Pbx) -> None:
    asyncio.run(compare(pbx, 504))


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_g19_the_figures_of_5004_calls_over_six_trunks_are_those_of_sipp(pbx: Pbx) -> None:
    asyncio.run(compare(pbx, 5_004))
