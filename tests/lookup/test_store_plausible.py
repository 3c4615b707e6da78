"""What a store says is believed only if it could have been an answer: plausible for the number."""

import asyncio
from pathlib import Path

import pytest

from agi.lookup.events import LookupEvent, StoreTrouble, TierAsked
from agi.lookup.failures import Failures
from agi.lookup.freshness import Freshness
from agi.lookup.parts import Parts
from agi.lookup.pipeline import Pipeline
from agi.lookup.screening import Screens
from agi.lookup.tiers.memory import MemoryTier
from agi.lookup.tiers.sqlite import SqliteStore
from agi.model import Finding, Inquiry, Source
from tests.lookup.tiers.keeping import NOW, ONE, PLAIN, entry


def asked_twice(path: Path, mccmnc: str) -> tuple[list[Finding], list[LookupEvent]]:
    """Find ONE in a store that names this network for it, by a lookup without a provider."""
    seen: list[LookupEvent] = []

    async def main() -> list[Finding]:
        clock = asyncio.get_running_loop().time
        store = SqliteStore(path, numbers=PLAIN, wall=lambda: NOW, observe=seen.append)
        pipeline = Pipeline(
            Parts(
                memory=MemoryTier(10),
                screens=Screens(10, Freshness().of_screen),
                failures=Failures(10, lambda: 0.5),
                store=store,
                clock=clock,
                wall=lambda _: NOW,
                error_rule=lambda _kind, _code: None,
                observe=seen.append,
            )
        )
        await store.open()
        store.put(ONE, entry(NOW - 60, mccmnc), 3_600)
        await store.flushed()
        found = [await pipeline.find(Inquiry(ONE, clock() + 60, "GB")) for _ in range(2)]
        await pipeline.close()
        await store.close()
        return found

    return asyncio.run(main()), seen


@pytest.mark.parametrize("foreign", ["20801", "310260", "90128"])
def test_a_network_of_another_country_in_the_store_is_garbage(tmp_path: Path, foreign: str) -> None:
    """MCCs: ITU-T E.212; 208 is France, 310 the United States, 901 no country; ONE is British."""
    found, seen = asked_twice(tmp_path / "cache.sqlite", foreign)
    assert [Source.DEFAULT] * 2 == [one.source for one in found]
    assert {None} == {one.info.mccmnc for one in found}
    assert [StoreTrouble("sqlite", "garbage")] * 2 == [
        event for event in seen if isinstance(event, StoreTrouble)
    ]
    assert TierAsked("sqlite", "hit") not in seen


def test_a_network_of_the_numbers_country_in_the_store_is_found_and_remembered(
    tmp_path: Path,
) -> None:
    found, seen = asked_twice(tmp_path / "cache.sqlite", "23415")
    assert [Source.STORE, Source.MEMORY] == [one.source for one in found]
    assert {"23415"} == {one.info.mccmnc for one in found}
    assert not [event for event in seen if isinstance(event, StoreTrouble)]
