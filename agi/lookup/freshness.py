"""How old an answer may be: what is shown of an entry, and which answers are worth keeping."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from agi.lookup.provider import Answer
from agi.lookup.tiers.memory import Kept
from agi.model import ErrorRule, Finding, Outcome, Source

ErrorRules = Callable[[str, str], ErrorRule | None]
"""Finds the row of ``errors.csv`` for a provider kind and a code, as the table is now."""

OTHER: Final = "err-other"
"""The reason for everything that a provider does wrong and no row of ``errors.csv`` lists."""

_FINAL: Final = frozenset({Outcome.NOT_FOUND, Outcome.INVALID_NUMBER})


@dataclass(frozen=True, slots=True)
class Freshness:
    """How long answers count as fresh, in seconds; negative ones have theirs in ``errors.csv``.

    Networks change by porting, in days; liveness by the minute.
    """

    network_s: float = 604_800.0
    liveness_s: float = 300.0

    def shown(self, kept: Kept, rules: ErrorRules, max_age_s: float | None) -> Finding | None:
        """Return what a call gets from this entry, or None when a provider has to be asked.

        The lifetimes are those of now, not of when the entry was made: a reload shortens them.
        """
        said, age_s = kept.said, kept.age_s
        if max_age_s is not None and age_s > max_age_s:
            return None
        if said.code:
            rule = rules(said.kind, said.code)
            if rule is None or age_s > rule.negative_ttl_s:
                return None
            return Finding(Source.DEFAULT, said.code, said.info, None, rule)
        if said.info.mccmnc is None:
            # All that such an answer says is that the subscriber lives.
            return Finding(Source.DEFAULT, "ok", said.info) if age_s <= self.liveness_s else None
        if age_s > self.network_s:
            return None
        info = said.info if age_s <= self.liveness_s else said.network
        return Finding(Source.MEMORY, "ok", info, age_s)

    def keeps(self, answer: Answer, kept: Kept | None, rule: ErrorRule | None) -> bool:
        """Say whether ``answer`` goes into memory, in place of ``kept``.

        A fresh network outlives an answer that says nothing about it, such as a time-out in the
        network; it does not outlive "no such subscriber".
        """
        if answer.info is not None and answer.info.mccmnc is not None:
            return True
        if kept is not None and kept.said.info.mccmnc is not None and kept.age_s <= self.network_s:
            return rule is not None and rule.negative_ttl_s > 0 and rule.outcome in _FINAL
        if answer.outcome is Outcome.OK:
            return True
        return rule is not None and rule.negative_ttl_s > 0


def found(answer: Answer, rule: ErrorRule | None) -> Finding:
    """Return what a call gets from an answer that has just come."""
    info = answer.info
    if answer.outcome is Outcome.OK and info is not None:
        if info.mccmnc is not None:
            return Finding(Source.LIVE, "ok", info, 0.0)
        return Finding(Source.DEFAULT, "ok", info)
    shown = Finding(Source.DEFAULT, OTHER) if info is None else Finding(Source.DEFAULT, OTHER, info)
    if rule is None:
        return shown
    return Finding(Source.DEFAULT, answer.code, shown.info, None, rule)
