"""The figures of trunks, countries and networks, kept up to date by what the ledger tells.

An attempt belongs to the time at which it ended, so attempts, answers and causes of a window agree
with each other; calls a second and open calls go by beginnings. All of it is bounded: names beyond
the limit are counted together as ``other``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from agi.ami.cells import BEGAN, cause_of, end_cell, pdd_cell, read
from agi.ami.figures import PDD_BOUNDS, Attempt, Kpi, Outcome, Totals
from agi.ami.happenings import Began, Ended, Happening
from agi.ami.windows import Counts

OTHER: Final = "other"
UNKNOWN: Final = "unknown"
"""The name of what has none: a call without a country, a number whose network nobody knows."""

_SWEEP_S: Final = 60.0

Figures = dict[str, dict[int, Kpi]]
"""The figures of each name, by window in seconds."""


class _Names:
    """Counts by name, at most ``most`` of them and ``other``."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._counts: dict[str, Counts] = {}
        self._swept = float("-inf")

    def of(self, name: str, now: float) -> Counts:
        """Return the counts of a name. When all places are taken, idle ones make room."""
        counts = self._counts.get(name or UNKNOWN)
        return counts or self._new(name or UNKNOWN, now)

    def _new(self, name: str, now: float) -> Counts:
        if self._full and now - self._swept >= _SWEEP_S:
            self._sweep(now)
        if self._full:
            name = OTHER
        return self._counts.get(name) or self._counts.setdefault(name, Counts(now))

    @property
    def _full(self) -> bool:
        return len(self._counts) - (OTHER in self._counts) >= self._most

    def _sweep(self, now: float) -> None:
        """Bring every name up to now, and forget those of which there is nothing."""
        self._swept = now
        for name, counts in list(self._counts.items()):
            counts.advance(now)
            if counts.idle:
                del self._counts[name]

    def figures(self, now: float) -> Figures:
        """Return the figures of every name of which there are any."""
        self._sweep(now)
        return {
            name: {seconds: read(window, seconds) for seconds, window in counts.windows.items()}
            for name, counts in self._counts.items()
        }


class Kpis:
    """What is told of calls, as figures. ``now`` is an epoch in seconds that does not jump back.

    ``countries``, ``networks`` and ``trunks``: so many of each are kept apart. Trunk names come
    from decisions, so from the tables.
    """

    def __init__(self, *, countries: int = 250, networks: int = 500, trunks: int = 1_000) -> None:
        self._most_trunks = trunks
        self._trunks = _Names(trunks)
        self._countries = _Names(countries)
        self._networks = _Names(networks)
        self._totals: dict[str, Totals] = {}
        self._open: dict[str, int] = {}

    def took(self, happening: Happening, now: float) -> None:
        """Count what happened now."""
        if isinstance(happening, Ended):
            self._ended(happening.attempt, now)
        elif isinstance(happening, Began):
            self._began(happening, now)

    def _began(self, began: Began, now: float) -> None:
        trunk = self._known(began.trunk)
        self._open[trunk] = self._open.get(trunk, 0) + 1
        for counts in self._all(began.trunk, began.country, began.mccmnc, now):
            counts.add(now, BEGAN)

    def _ended(self, attempt: Attempt, now: float) -> None:
        trunk = self._known(attempt.trunk)
        self._open[trunk] = self._open.get(trunk, 0) - 1
        _count(self._totals.get(trunk) or self._totals.setdefault(trunk, _nothing()), attempt)
        cells = [end_cell(attempt)]
        pdd_us = 0
        if attempt.pdd_s is not None:
            cells.append(pdd_cell(attempt.pdd_s))
            pdd_us = round(attempt.pdd_s * 1e6)
        talk_us = round((attempt.talk_s or 0.0) * 1e6)
        for counts in self._all(attempt.trunk, attempt.country, attempt.mccmnc, now):
            counts.add(now, *cells)
            counts.weigh(talk_us, pdd_us)

    def _all(
        self, trunk: str, country: str, mccmnc: str, now: float
    ) -> tuple[Counts, Counts, Counts]:
        return (
            self._trunks.of(trunk, now),
            self._countries.of(country, now),
            self._networks.of(mccmnc, now),
        )

    def _known(self, trunk: str) -> str:
        """Return the trunk's name for the counters that are never forgotten."""
        if trunk in self._open or len(self._open) < self._most_trunks:
            return trunk
        return OTHER

    # ---- what it tells -------------------------------------------------------------------

    def trunks(self, now: float) -> Figures:
        """Return the figures of each trunk that had a call within the hour."""
        return self._trunks.figures(now)

    def countries(self, now: float) -> Figures:
        """Return the figures of each destination country, by ISO 3166 alpha-2 code."""
        return self._countries.figures(now)

    def networks(self, now: float) -> Figures:
        """Return the figures of each network, by MCC and MNC."""
        return self._networks.figures(now)

    @property
    def totals(self) -> Mapping[str, Totals]:
        """What was counted of each trunk since the beginning."""
        return MappingProxyType(self._totals)

    def open_calls(self) -> dict[str, int]:
        """Return how many attempts are under way on each trunk that ever had one."""
        return dict(self._open)

    def restore(self, totals: Mapping[str, Totals]) -> None:
        """Add the totals of an earlier run; those with another version's buckets lose their PDD."""
        for name, before in totals.items():
            trunk = self._known(name)
            self._open.setdefault(trunk, 0)
            _add(self._totals.setdefault(trunk, _nothing()), before)


def _nothing() -> Totals:
    return Totals(pdd=[0] * (len(PDD_BOUNDS) + 1))


def _count(totals: Totals, attempt: Attempt) -> None:
    outcome, cause = attempt.outcome.value, cause_of(attempt)
    totals.outcomes[outcome] = totals.outcomes.get(outcome, 0) + 1
    totals.causes[cause] = totals.causes.get(cause, 0) + 1
    totals.seizures += attempt.seized
    totals.marked += attempt.marked
    totals.answered += attempt.outcome is Outcome.ANSWERED
    totals.talk_s += attempt.talk_s or 0.0
    if attempt.pdd_s is not None:
        totals.pdd[bisect_left(PDD_BOUNDS, attempt.pdd_s)] += 1
        totals.pdd_sum_s += attempt.pdd_s


def _add(totals: Totals, before: Totals) -> None:
    for outcome, count in before.outcomes.items():
        totals.outcomes[outcome] = totals.outcomes.get(outcome, 0) + count
    for cause, count in before.causes.items():
        totals.causes[cause] = totals.causes.get(cause, 0) + count
    totals.seizures += before.seizures
    totals.answered += before.answered
    totals.marked += before.marked
    totals.talk_s += before.talk_s
    if len(before.pdd) == len(totals.pdd):
        totals.pdd = [a + b for a, b in zip(totals.pdd, before.pdd, strict=True)]
        totals.pdd_sum_s += before.pdd_sum_s
