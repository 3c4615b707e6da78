"""How trunks stand, as a router last heard it: what noc pushed, and what it sent since.

News that stay away are no news: after 15 s every trunk counts as up, but for those that a person
pinned. While all trunks are up and no table asks for more, a call pays one attribute for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Annotated, Final

import msgspec

from agi.errors import UsageError
from agi.model import Decision
from agi.routing.prospect import Prospect
from agi.routing.standing import Standing, State
from agi.routing.table import Table

TTL_S: Final = 15.0
"""So long what was heard counts; noc says it anew each second."""


class Stood(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One trunk as noc tells it: a ``Standing``, and the epoch at which its pin ends."""

    state: State
    pinned: bool = False
    quality: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    calls: Annotated[int, msgspec.Meta(ge=0)] | None = None
    why: str = ""
    until: float | None = None

    def standing(self) -> Standing:
        """Return it as calls go by it."""
        return Standing(self.state, self.pinned, self.quality, self.calls, self.why)


class Rung(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The pin of the brown-out ladder: 0 (live) to 3 (default), until an epoch."""

    level: Annotated[int, msgspec.Meta(ge=0, le=3)]
    until: float
    why: str


class News(msgspec.Struct, frozen=True):
    """What noc pushes: how all trunks stand, and the ladder's pin, None if there is none."""

    standings: Mapping[str, Stood]
    ladder: Rung | None = None


def news_of(said: Mapping[str, object]) -> News:
    """Read what was pushed; other keys beside it are of no matter.

    Raises:
        UsageError: it is none.
    """
    try:
        return msgspec.convert(said, News)
    except msgspec.ValidationError as bad:
        raise UsageError(f"no news of trunks: {bad}") from None


class Outlook:
    """One router's view. ``clock`` is monotonic, ``wall`` an epoch, both in seconds.

    ``busy`` is False while no call has to ask: all trunks are up, and the table in force neither
    picks by quality nor limits calls at once.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float],
        wall: Callable[[], float],
        trial_share: float = 0.1,
        ttl_s: float = TTL_S,
    ) -> None:
        self.busy = False
        self._clock = clock
        self._wall = wall
        self._trial_share = trial_share
        self._ttl_s = ttl_s
        self._standings: Mapping[str, Standing] = {}
        self._until: Mapping[str, float] = {}
        self._sent: Counter[str] = Counter()
        self._heard_at: float | None = None
        self._checked_by = float("-inf")
        self._asks = False

    def use(self, table: Table) -> None:
        """Serve another table from now on."""
        self._asks = table.has_quality or table.has_max_calls
        self._settle(self._standings)

    def heard(self, standings: Mapping[str, Stood]) -> None:
        """Take how all trunks stand now, in the place of all that was heard before.

        A pin without an end lasts while news come.
        """
        now, wall = self._clock(), self._wall()
        self._heard_at = now
        self._until = {
            name: now + one.until - wall
            for name, one in standings.items()
            if one.until is not None and one.pinned
        }
        self._sent = Counter()
        self._settle({name: one.standing() for name, one in standings.items()})

    def prospect(self) -> Prospect | None:
        """Return how the trunks stand for one call; None if that changes nothing."""
        if not self.busy:
            return None
        if self._clock() >= self._checked_by:
            self._settle(self._standings)
            if not self.busy:
                return None
        return Prospect(self._standings, self._sent, self._trial_share)

    def sent(self, decision: Decision) -> None:
        """Count a call at the trunk that it goes to first, until the next news."""
        if self._asks and decision.hops:
            self._sent[decision.hops[0].trunk] += 1

    def state(self) -> Mapping[str, object]:
        """Return what this router goes by, as JSON values; ``heard_s`` is the age of the news."""
        self._settle(self._standings)
        at = self._heard_at
        return {
            "heard_s": None if at is None else round(self._clock() - at, 1),
            "fresh": self._is_fresh(self._clock()),
            "trunks": {
                name: {"state": one.state, "pinned": one.pinned, "why": one.why}
                for name, one in self._standings.items()
                if one.state is not State.UP
            },
        }

    def _is_fresh(self, now: float) -> bool:
        return self._heard_at is not None and now < self._heard_at + self._ttl_s

    def _settle(self, standings: Mapping[str, Standing]) -> None:
        """Keep what still counts, and note when that has to be looked at again."""
        now = self._clock()
        fresh = self._is_fresh(now)
        forever = float("inf") if fresh else float("-inf")
        kept = {
            name: standing if fresh else Standing(standing.state, pinned=True, why=standing.why)
            for name, standing in standings.items()
            if (now < self._until.get(name, forever) if standing.pinned else fresh)
        }
        ends = [at for name, at in self._until.items() if name in kept]
        if fresh and self._heard_at is not None:
            ends.append(self._heard_at + self._ttl_s)
        self._checked_by = min(ends, default=float("inf"))
        self._standings = kept
        troubled = any(one.state is not State.UP for one in kept.values())
        self.busy = troubled or (self._asks and bool(kept))
