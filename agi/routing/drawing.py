"""The order of a rule's trunks by their weights and a call's dice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from agi.routing.trunk import Trunk


def drawn(tiers: Iterable[Sequence[tuple[Trunk, int]]], draw: Callable[[], float]) -> list[Trunk]:
    """Return trunks, tier after tier, each tier by a weighted draw without replacement.

    The first trunk of a tier is each member with the odds of its weight, the next one each of the
    rest with the odds among the rest, and so on. ``draw`` is called once less than a tier has
    members, and no tier is empty. A trunk that is passed over afterwards leaves the odds among the
    others as they are.
    """
    order: list[Trunk] = []
    for tier in tiers:
        left = list(tier)
        while len(left) > 1:
            order.append(left.pop(_pick(left, draw()))[0])
        order.append(left[0][0])
    return order


def _pick(members: Sequence[tuple[Trunk, int]], roll: float) -> int:
    # Weights are whole numbers, so floor(roll * total) is each of 0..total-1 equally often.
    rest = int(roll * sum(weight for _, weight in members))
    for index, (_, weight) in enumerate(members):
        rest -= weight
        if rest < 0:
            return index
    raise ValueError("draw() must return a number in [0, 1)")
