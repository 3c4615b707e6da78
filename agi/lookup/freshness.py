"""How old an answer may be: what is shown of an entry, and which answers are worth keeping."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from agi.lookup.provider import Answer
from agi.lookup.record import Kept
from agi.model import ErrorRule, Finding, Outcome, Product, Source

ErrorRules = Callable[[str, str], ErrorRule | None]
"""Finds the row of ``errors.csv`` for a provider kind and a code, as the table is now."""

OTHER: Final = "err-other"
"""The reason for everything that a provider does wrong and no row of ``errors.csv`` lists."""

FINAL: Final = frozenset({Outcome.NOT_FOUND, Outcome.INVALID_NUMBER})
"""What outweighs a network known from before: there is no such number any more."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """How long answers count as fresh, in seconds; negative ones have theirs in ``errors.csv``.

    Networks change by porting, in days; liveness by the minute; lists by the day. A network that
    is no longer fresh may be shown as stale for ``stale_s`` more. Nothing else is ever stale: an
    old liveness, an old verdict or an old "no such number" costs calls or money.
    """

    network_s: float = 604_800.0
    liveness_s: float = 300.0
    fraud_s: float = 3_600.0
    tps_s: float = 86_400.0
    unsubscribe_s: float = 86_400.0
    stale_s: float = 259_200.0

    @property
    def keep_s(self) -> float:
        """How long a network is worth keeping at all."""
        return self.network_s + self.stale_s

    def of_screen(self, product: Product) -> float:
        """Return how long a verdict counts."""
        lives = {Product.FRAUD: self.fraud_s, Product.TPS: self.tps_s}
        return lives.get(product, self.unsubscribe_s)

    def shown(
        self,
        kept: Kept,
        rules: ErrorRules,
        max_age_s: float | None = None,
        source: Source = Source.MEMORY,
    ) -> Finding | None:
        """Return what a call gets from this entry, or None when a provider has to be asked.

        The lifetimes are those of now, not of when the entry was made: a reload shortens them.
        """
        said, age_s = kept.said, kept.age_s
        if max_age_s is not None and age_s > max_age_s:
            return None
        if said.code:
            return self._coded(kept, rules, source)
        if said.info.mccmnc is None:
            # All that such an answer says is that the subscriber lives.
            if age_s > self.liveness_s:
                return None
            return Finding(Source.DEFAULT, "ok", said.info, age_s, None, said.provider, said.kind)
        if age_s > self.network_s:
            return None
        info = said.info if age_s <= self.liveness_s else said.network
        return Finding(source, "ok", info, age_s, None, said.provider, said.kind)

    def _coded(self, kept: Kept, rules: ErrorRules, source: Source) -> Finding | None:
        said, age_s = kept.said, kept.age_s
        rule = rules(said.kind, said.code)
        if rule is None or age_s > rule.negative_ttl_s:
            return None
        if said.info.mccmnc is not None:
            # Routable in spite of its code: an absent subscriber has a network.
            return Finding(source, "ok", said.info, age_s, None, said.provider, said.kind)
        return Finding(Source.DEFAULT, said.code, said.info, age_s, rule, said.provider, said.kind)

    def stale(self, kept: Kept | None, why: str, max_age_s: float | None = None) -> Finding | None:
        """Return what a call gets when nobody can say better, and ``why`` nobody can."""
        if kept is None or kept.said.info.mccmnc is None or kept.age_s > self.keep_s:
            return None
        if max_age_s is not None and kept.age_s > max_age_s:
            return None
        said = kept.said
        return Finding(Source.STALE, why, said.network, kept.age_s, None, said.provider, said.kind)

    def keeps(self, answer: Answer, kept: Kept | None, rule: ErrorRule | None) -> bool:
        """Say whether ``answer`` goes into memory, in place of ``kept``.

        A fresh network outlives an answer that says nothing about it, such as a time-out in the
        network; it does not outlive "no such subscriber".
        """
        if answer.info is not None and answer.info.mccmnc is not None:
            return True
        if kept is not None and kept.said.info.mccmnc is not None and kept.age_s <= self.keep_s:
            return rule is not None and rule.negative_ttl_s > 0 and rule.outcome in FINAL
        if answer.outcome is Outcome.OK or _tells(answer):
            return True
        return rule is not None and rule.negative_ttl_s > 0

    def kept_for(self, answer: Answer, rule: ErrorRule | None) -> float:
        """Return how many seconds a store keeps ``answer``."""
        if answer.info is not None and answer.info.mccmnc is not None:
            return self.keep_s
        return float(rule.negative_ttl_s) if rule is not None else self.liveness_s


def found(answer: Answer, rule: ErrorRule | None, provider: str, kind: str) -> Finding:
    """Return what a call gets from an answer that has just come."""
    info = answer.info
    if info is not None and info.mccmnc is not None:
        return Finding(Source.LIVE, "ok", info, 0.0, None, provider, kind)
    if info is not None and (answer.outcome is Outcome.OK or _tells(answer)):
        return Finding(Source.DEFAULT, "ok", info, 0.0, None, provider, kind)
    shown = info if info is not None else _NOTHING
    if rule is None:
        return Finding(Source.DEFAULT, OTHER, shown, None, None, provider, kind)
    return Finding(Source.DEFAULT, answer.code, shown, 0.0, rule, provider, kind)


def younger(one: Kept | None, other: Kept | None) -> Kept | None:
    """Return the entry that was obtained later; tiers of several hosts overtake one another."""
    if one is None or other is None:
        return one or other
    return one if one.age_s <= other.age_s else other


def _tells(answer: Answer) -> bool:
    """Say whether an answer without a code tells of the subscriber: absent, say, is no failure."""
    return not answer.code and answer.info is not None and answer.info.live is not None


_NOTHING: Final = Finding(Source.DEFAULT, OTHER).info
