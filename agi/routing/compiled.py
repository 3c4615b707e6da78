"""Everything that one version of the tables says, checked: what a table is made of.

A snapshot on disk holds the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agi.model import ErrorRule
from agi.routing.limits import NO_LIMITS, Limits
from agi.routing.policy import NO_POLICY, Policy
from agi.routing.ranges import NO_RANGES, Ranges
from agi.routing.rule import Rule
from agi.routing.screening import Screening
from agi.routing.trunk import Trunk


@dataclass(frozen=True, slots=True)
class Compiled:
    """The contents of one version, every name resolved, every fault refused.

    ``version`` is ``000042-1a2b3c4d``. ``trunks`` are all rows of ``trunks.csv``, disabled ones
    too. ``rules`` hold exactly one default and no tie. ``errors`` are the shipped codes overlaid by
    the site's. ``screenings`` and ``account_cps`` go by account; the empty account is every one
    without a row of its own. ``timezone`` is the one that spans without a zone were read in.
    """

    version: str
    timezone: str
    trunks: tuple[Trunk, ...]
    rules: tuple[Rule, ...]
    errors: tuple[ErrorRule, ...] = ()
    ranges: Ranges = NO_RANGES
    policy: Policy = NO_POLICY
    limits: Limits = NO_LIMITS
    screenings: Mapping[str, Screening] = field(default_factory=dict)
    account_cps: Mapping[str, int] = field(default_factory=dict)
