"""The long form of the tiers' bench: ten million numbers, some ten minutes and 5 GB of memory."""

import pytest

from tests.bench import tiers

ENTRIES = 10_000_000


@pytest.mark.soak
def test_every_tier_answers_at_ten_million_entries() -> None:
    seen = []
    for tier, entries, figures in tiers.measure((ENTRIES,), 10.0):
        for line in tiers.lines(tier, entries, figures):
            print(line, flush=True)
        seen.append(tier)
        # What a tree or a hash keeps even on a busy machine: a scan would take seconds.
        assert figures["hit"]["p50_us"] < 5_000
    assert list(tiers.TIERS) == seen
