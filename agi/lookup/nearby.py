"""What a router knows by itself, and whom it asks else: memory in front of a ``Finder``.

With the finder gone, slow or clueless, a stale network of its own memory is what a call gets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from agi.lookup.freshness import ErrorRules, Freshness
from agi.lookup.parts import Finder
from agi.lookup.record import CLEAR, LISTED, Said
from agi.lookup.screening import Screens
from agi.lookup.tiers.memory import MemoryTier
from agi.model import Finding, Inquiry, Msisdn, NumberInfo, Product, Source, Verdicts

_KEPT = frozenset((Source.LIVE, Source.STORE, Source.MEMORY, Source.STALE))


class Nearby:
    """The nearest answers of one process; one event loop only."""

    def __init__(  # noqa: PLR0913 - parts, by keyword
        self,
        *,
        memory: MemoryTier,
        screens: Screens,
        finder: Finder,
        clock: Callable[[], float],
        error_rule: ErrorRules,
        freshness: Freshness,
    ) -> None:
        self.memory = memory
        self.finder = finder
        self.freshness = freshness
        self._screens = screens
        self._clock = clock
        self._rules = error_rule

    def recall(
        self,
        number: Msisdn,
        now: float,
        max_age_s: float | None = None,
        screens: Sequence[Product] = (),
    ) -> Finding | None:
        """Return what memory knows and is fresh, at once; ``now`` is a value of the clock.

        None when anything that is wanted has to be asked for.
        """
        kept = self.memory.get(number, now)
        if kept is None:
            return None
        shown = self.freshness.shown(kept, self._rules, max_age_s)
        if shown is None:
            return None
        if not screens:
            return _without_age(shown)
        verdicts = self._screens.recall(number, screens, now)
        if verdicts is None:
            return None
        return msgspec.structs.replace(_without_age(shown), verdicts=verdicts)

    def verdicts(self, number: Msisdn, now: float, screens: Sequence[Product]) -> Verdicts | None:
        """Return what the screens said, when every one of them is remembered."""
        return self._screens.recall(number, screens, now)

    async def find(self, inquiry: Inquiry) -> Finding:
        """Ask, keep what is new, and fall back on a stale network of one's own."""
        finding = await self.finder.find(inquiry)
        if finding.rule is None and finding.info.mccmnc is None and finding.kind:
            # The rule is of this process's own table: it does not travel.
            rule = self._rules(finding.kind, finding.reason)
            finding = msgspec.structs.replace(finding, rule=rule)
        self._keep(inquiry, finding)
        if finding.info.mccmnc is None and finding.rule is None and inquiry.network:
            kept = self.memory.get(inquiry.number, self._clock())
            stale = self.freshness.stale(kept, finding.reason, inquiry.max_age_s)
            if stale is not None:
                return msgspec.structs.replace(stale, verdicts=finding.verdicts)
        return _without_age(finding)

    def drop(self, number: Msisdn) -> bool:
        """Forget a number; say whether anything was known of it."""
        return any([self.memory.drop(number), self._screens.drop(number)])

    def purge(self, provider: str, seconds_ago: float) -> None:
        """Distrust what an account said in the last ``seconds_ago``."""
        now = self._clock()
        self.memory.purge(provider, now - seconds_ago, now)
        self._screens.purge(provider, now - seconds_ago, now)

    def _keep(self, inquiry: Inquiry, finding: Finding) -> None:
        now = self._clock()
        number = inquiry.number
        code = finding.reason if finding.rule is not None else ""
        if finding.age_s is not None and (finding.source in _KEPT or code):
            info = finding.info
            network = NumberInfo(info.mccmnc, None, info.ported, info.line)
            said = Said(info, network, finding.provider, finding.kind, code, "")
            self.memory.put(number, said, now - finding.age_s)
        for product, verdict in _told(finding.verdicts):
            nothing = NumberInfo()
            self._screens.keep(number, product, Said(nothing, nothing, "", "", "", verdict), now)


def _told(verdicts: Verdicts) -> list[tuple[Product, str]]:
    told = []
    if verdicts.fraud is not None:
        told.append((Product.FRAUD, str(verdicts.fraud)))
    for product, listed in (
        (Product.TPS, verdicts.tps),
        (Product.UNSUBSCRIBE, verdicts.unsubscribed),
    ):
        if listed is not None:
            told.append((product, LISTED if listed else CLEAR))
    return told


def _without_age(finding: Finding) -> Finding:
    """Return the finding as a call sees it: an age belongs to a network only."""
    if finding.age_s is None or finding.info.mccmnc is not None:
        return finding
    return msgspec.structs.replace(finding, age_s=None)
