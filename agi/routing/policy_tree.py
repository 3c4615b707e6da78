"""The policy's prefixes as nodes in flat arrays: made once, stored, and searched where they lie."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Self

import msgspec

from agi.routing import intervals
from agi.routing.intervals import Intervals
from agi.routing.policy_search import Placed, Strength
from agi.routing.reading.policy_rows import PolicyRow, Ruling

ROOT: Final = 0
"""The node of the rows whose prefix has no length; every number ends there."""

BY_NUMBER: Final = 0xFFFFFFFF
"""What is around digits dialled exactly: the innermost node of the number."""

LINE: Final = 3
OTHERS: Final = 4
RANK: Final = 3
"""A node's word: the line of its strongest plain row, whether it has others, that row's rank."""

WEAKEST: Final[Strength] = (len(Ruling) + 1, 0)

_CHUNK: Final = 256
"""Values that are decoded in one step, below a millisecond."""

Bytes = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Tree:
    """The nodes. ``words`` and ``parents`` go by node; ``by_prefix`` and ``dialled`` find one."""

    rows: int
    by_prefix: Intervals
    words: memoryview
    parents: memoryview
    dialled: Mapping[str, int]
    placed: tuple[Placed, ...]

    def packed(self) -> Mapping[str, bytes]:
        """Return the tree as bytes."""
        parts = {
            "rows": msgspec.json.encode(self.rows),
            "words": self.words.tobytes(),
            "parents": self.parents.tobytes(),
            "dialled": _packed(self.dialled.items()),
            "placed": _packed(self.placed),
        }
        return parts | dict(self.by_prefix.packed())

    @classmethod
    def unpacked(cls, parts: Mapping[str, Bytes]) -> Self:
        """Return the tree that was packed. The arrays are used where they lie, not copied.

        Raises:
            KeyError, ValueError: this is no packed tree.
        """
        return cls(
            msgspec.json.decode(parts["rows"], type=int),
            intervals.unpacked(parts),
            intervals.cast(parts["words"], "I"),
            intervals.cast(parts["parents"], "I"),
            dict(_unpacked(parts["dialled"], tuple[tuple[str, int], ...])),
            tuple(_unpacked(parts["placed"], tuple[Placed, ...])),
        )


def grown(rows: Sequence[PolicyRow]) -> Tree:
    """Compile rows, in any order."""
    nodes = _nodes(rows)
    words = array("I", bytes(4 * len(nodes)))
    placed: list[Placed] = []
    for row in rows:
        at = tuple(nodes[place] for place in row.places())
        if row.is_plain:
            for node in at:
                words[node] = _stronger(words[node], row)
        else:
            placed.append(Placed(row, at))
            for node in at:
                words[node] |= OTHERS
    parents, by_prefix = _nested(nodes)
    dialled = {place[1:]: node for place, node in nodes.items() if place[:1] == "="}
    flat = (intervals.cast(words, "I"), intervals.cast(parents, "I"))
    return Tree(len(rows), by_prefix, *flat, dialled, tuple(placed))


def plain(word: int) -> Strength:
    """Return the strength of a node's strongest plain row."""
    return (word & RANK, word >> LINE) if word & RANK else WEAKEST


def _nodes(rows: Iterable[PolicyRow]) -> dict[str, int]:
    nodes = {"": ROOT}
    for row in rows:
        for place in row.places():
            nodes.setdefault(place, len(nodes))
    return nodes


def _stronger(word: int, row: PolicyRow) -> int:
    rank, line = min(plain(word), row.strength)
    return line << LINE | word & OTHERS | rank


def _nested(nodes: Mapping[str, int]) -> tuple[array[int], Intervals]:
    parents = array("I", bytes(4 * len(nodes)))
    prefixes: dict[str, int] = {}
    for place, node in nodes.items():
        if place[:1] == "=":
            parents[node] = BY_NUMBER
        elif place:
            prefixes[place] = node

    def note(inner: str, outer: str) -> None:
        parents[nodes[inner]] = nodes[outer]

    return parents, intervals.flattened(prefixes, note)


def _packed(values: Iterable[object]) -> bytes:
    """Return values as lines of JSON, each short enough to be decoded at once."""
    rest = iter(values)
    chunks = iter(lambda: tuple(islice(rest, _CHUNK)), ())
    return b"\n".join(map(msgspec.json.encode, chunks))


def _unpacked(data: Bytes, kind: Any) -> Iterator[Any]:  # noqa: ANN401 - a tuple of some type
    decoder = msgspec.json.Decoder(kind)
    for line in bytes(data).splitlines():
        yield from decoder.decode(line)


BARE: Final = grown(())
