"""What the health of trunks changes in one call: their order, and which of them it does not get.

The rule's tiers and weights decide first. Then trunks that are down, and most of the time those on
trial, go behind the others; at most half of a rule's trunks do, so that a fault of ours, or of all
carriers at once, never empties a rule. A person's word and full trunks are another matter.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final

from agi.routing.drawing import drawn
from agi.routing.standing import Standing, State
from agi.routing.table import Way
from agi.routing.trunk import Trunk

STEPS: Final = 20
"""Steps of quality, 0.05 each: within one, trunks are equal for ``pick=quality``."""

SPREAD: Final = 0.05
"""Of calls by quality that are drawn by weight: who is never called has no quality."""

PINNED: Final = "pinned"
FULL: Final = "full"
"""Notes beside the states: why a call did not get a trunk."""

_SIGN: Final = "="
_BEHIND: Final = 1
_LAST: Final = 2

Draw = Callable[[], float]


class Prospect:
    """How the trunks stand for one call. ``notes`` say what that changed: ``TRUNK=STATE``.

    Args:
        standings: by trunk; one that is not in it is up.
        sent: calls given to a trunk since its ``calls`` were counted.
        trial_share: of calls that find a trunk on trial in its place.
        full: trunks that are full whatever is counted.
    """

    __slots__ = ("_filled", "_sent", "_standings", "_trial_share", "notes")

    def __init__(
        self,
        standings: Mapping[str, Standing],
        sent: Mapping[str, int] | None = None,
        trial_share: float = 0.1,
        full: Collection[str] = (),
    ) -> None:
        self._standings = standings
        self._sent = sent if sent is not None else {}
        self._trial_share = trial_share
        self._filled = full
        self.notes: list[str] = []

    def order(
        self, way: Way, draw: Draw, *, emergency: bool
    ) -> tuple[Sequence[Trunk], Sequence[Trunk]]:
        """Return a rule's trunks for a call, and those for want of any other.

        An emergency call gets all of them, in the order that they are likely to work.

        Args:
            way: the rule's; it routes.
            draw: uniform in [0, 1).
            emergency: whether it is an emergency call.
        """
        states = self._troubled(way)
        if not states and not way.by_quality:
            order = drawn(way.tiers, draw) if way.fixed is None else way.fixed
            return (order if emergency else self._with_room(order)), ()
        gone = {name for name, state in states.items() if state is State.DOWN and self._held(name)}
        order = self._drawn(way, draw, states)
        places = self._places(way, draw, {n: s for n, s in states.items() if n not in gone}, gone)
        order.sort(key=lambda trunk: places.get(trunk.name, 0))
        spare = [trunk for trunk in order if trunk.name in gone]
        order = [trunk for trunk in order if trunk.name not in gone]
        if emergency:
            return [*order, *spare], ()
        self.notes += [f"{trunk.name}{_SIGN}{PINNED}" for trunk in spare]
        return self._with_room(order), self._with_room(spare)

    def left_out(self, trunk: Trunk) -> str:
        """Return why an ordinary call does not get a trunk: ``pinned``, ``full`` or nothing."""
        standing = self._standings.get(trunk.name)
        if standing is not None and standing.state is State.DOWN and standing.pinned:
            return PINNED
        return FULL if self._is_full(trunk) else ""

    def standing(self, trunk: str) -> Standing | None:
        """Return how a trunk stands, None if nobody says."""
        return self._standings.get(trunk)

    def _troubled(self, way: Way) -> dict[str, State]:
        """Return the states of a rule's trunks that are not up."""
        standings = self._standings
        found: dict[str, State] = {}
        for tier in way.tiers:
            for trunk, _ in tier:
                standing = standings.get(trunk.name)
                if standing is not None and standing.state is not State.UP:
                    found[trunk.name] = standing.state
        return found

    def _held(self, name: str) -> bool:
        return self._standings[name].pinned

    # ---- order ---------------------------------------------------------------------------

    def _drawn(self, way: Way, draw: Draw, states: Mapping[str, State]) -> list[Trunk]:
        """Return the trunks by tier, weight and, if the rule picks so, quality."""
        by_quality = way.by_quality and draw() < 1 - SPREAD
        order: list[Trunk] = []
        for tier in way.tiers:
            # A degraded trunk has half its weight: all others have twice theirs.
            members = [
                (trunk, weight if states.get(trunk.name) is State.DEGRADED else 2 * weight)
                for trunk, weight in tier
            ]
            trunks = drawn((members,), draw)
            if by_quality:
                ranks = self._ranks(trunks)
                trunks.sort(key=lambda trunk: -ranks[trunk.name])
            order += trunks
        self.notes += [f"{n}{_SIGN}{s}" for n, s in states.items() if s is State.DEGRADED]
        return order

    def _ranks(self, trunks: Iterable[Trunk]) -> dict[str, int]:
        """Return each trunk's step of quality; who is not known ranks with the best."""
        known = {trunk.name: self._step(trunk.name) for trunk in trunks}
        best = max((step for step in known.values() if step is not None), default=0)
        return {name: best if step is None else step for name, step in known.items()}

    def _step(self, name: str) -> int | None:
        standing = self._standings.get(name)
        if standing is None or standing.quality is None:
            return None
        return int(standing.quality * STEPS + 0.5)

    def _places(
        self, way: Way, draw: Draw, states: Mapping[str, State], gone: Collection[str]
    ) -> dict[str, int]:
        """Return which trunks go behind the others: at most half of them overtaken."""
        names = list(dict.fromkeys(trunk.name for trunk in way.trunks if trunk.name not in gone))
        down = [name for name in names if states.get(name) is State.DOWN]
        room = len(names) // 2
        last = _at_the_end(way, down, gone) if len(down) < len(names) else []
        rank = {name: at for at, name in enumerate(names)}
        worst = sorted(
            (name for name in down if name not in last),
            key=lambda name: (self._step(name) or 0, -rank[name]),
        )[:room]
        places = dict.fromkeys([*last, *worst], _LAST)
        room -= len(worst)
        for name in names:
            on_trial = states.get(name) is State.TRIAL
            if on_trial and draw() < 1 - self._trial_share and room:
                places[name] = _BEHIND
                room -= 1
        self.notes += [f"{name}{_SIGN}{states[name]}" for name in places]
        return places

    # ---- room ----------------------------------------------------------------------------

    def _with_room(self, trunks: Sequence[Trunk]) -> Sequence[Trunk]:
        """Return the trunks that are not full."""
        full = [trunk.name for trunk in trunks if self._is_full(trunk)]
        if not full:
            return trunks
        self.notes += [f"{name}{_SIGN}{FULL}" for name in full]
        return [trunk for trunk in trunks if trunk.name not in full]

    def _is_full(self, trunk: Trunk) -> bool:
        if trunk.name in self._filled:
            return True
        standing = self._standings.get(trunk.name) if trunk.max_calls else None
        if standing is None or standing.calls is None:
            return False
        return standing.calls + self._sent.get(trunk.name, 0) >= trunk.max_calls


def _at_the_end(way: Way, down: Sequence[str], gone: Collection[str]) -> list[str]:
    """Return the trunks that are down and that no other one could overtake."""
    found: list[str] = []
    for tier in reversed(way.tiers):
        names = [trunk.name for trunk, _ in tier if trunk.name not in gone]
        if not all(name in down for name in names):
            break
        found += names
    return found


def remembered(notes: Iterable[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Part what a record keeps of a call's trunks: those over their calls per second, and notes.

    Returns:
        Names without a note; and the notes (a state, ``pinned`` or ``full``) by trunk.
    """
    parted = [note.partition(_SIGN) for note in notes]
    plain = tuple(name for name, sign, _ in parted if not sign)
    return plain, {name: said for name, sign, said in parted if sign}


def of_the_past(notes: Mapping[str, str]) -> Prospect | None:
    """Return how the trunks stood for a call, by its notes; None if none mattered."""
    standings = {
        name: Standing(State.DOWN if said == PINNED else State(said), said == PINNED)
        for name, said in notes.items()
        if said != FULL
    }
    full = {name for name, said in notes.items() if said == FULL}
    return Prospect(standings, full=full) if notes else None
