"""Prefixes of numbers flattened into intervals: the longest prefix of a number in one bisection.

A number is a fraction: its digits stand left-aligned in fifteen places (ITU-T E.164, 6: at most
fifteen digits), so that a prefix is an interval and a longer prefix an interval inside it. What is
nested becomes disjoint when it is compiled. The two arrays are plain bytes: a snapshot on disk can
be mapped, searched where it lies, and shared by every process that maps it.

The places count to the base of eleven, and a number's missing digits are tens: a short number then
lies in its own prefixes, and in none that is longer than itself.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, Literal

PLACES: Final = 15
NOTHING: Final = 0
"""The value of a number that no prefix begins."""

_BASE: Final = 11
_WIDTHS: Final = tuple(_BASE ** (PLACES - length) for length in range(PLACES + 1))


class Intervals:
    """A map from prefixes to small integers, by the longest prefix. It never changes.

    ``starts`` and ``values`` are of the same length: ``values[i]`` holds from ``starts[i]`` until
    ``starts[i + 1]``. The first start is 0.
    """

    __slots__ = ("_starts", "_values")

    def __init__(self, starts: memoryview, values: memoryview) -> None:
        self._starts: Final = starts
        self._values: Final = values

    def __len__(self) -> int:
        """Return how many intervals there are, those without a prefix too."""
        return len(self._starts)

    def find(self, digits: str) -> int:
        """Return the value of the longest prefix of a number of ASCII digits, or ``NOTHING``.

        Of a number with more than fifteen digits the first fifteen count.
        """
        at = int(digits[:PLACES].ljust(PLACES, "a"), _BASE)
        value: int = self._values[bisect_right(self._starts, at) - 1]
        return value

    def prefixes(self) -> Iterator[str]:
        """Yield every prefix of a value of its own, and others that begin and end where some do."""
        ends = {*self._starts, _WIDTHS[0]}
        for start in self._starts:
            digits = "".join("0123456789a"[start // width % _BASE] for width in _WIDTHS[1:])
            if "a" not in digits:
                least = max(1, len(digits.rstrip("0")))
                for length in range(least, PLACES + 1):
                    if start + _WIDTHS[length] in ends:
                        yield digits[:length]

    def packed(self) -> Mapping[str, bytes]:
        """Return the arrays as bytes, in the byte order of this machine."""
        return {"starts": self._starts.tobytes(), "values": self._values.tobytes()}


def unpacked(parts: Mapping[str, bytes | memoryview]) -> Intervals:
    """Return the intervals that were packed, without copying: the buffers must live on.

    They must begin at multiples of eight bytes only where the machine asks for it; none of those
    that Python casts on does.
    """
    return Intervals(cast(parts["starts"], "Q"), cast(parts["values"], "I"))


def cast(data: bytes | memoryview | array[int], form: Literal["I", "Q"]) -> memoryview[int]:
    """Return bytes as integers of four (``I``) or eight (``Q``) bytes, without copying.

    Raises:
        ValueError: their number does not fit.
    """
    plain = memoryview(data).cast("B")
    if len(plain) % struct.calcsize(form):
        raise ValueError("the bytes are no whole number of integers")
    return plain.cast(form)


def flattened(
    prefixes: Mapping[str, int], outer: Callable[[str, str], None] | None = None
) -> Intervals:
    """Compile a map from prefixes (1 to 15 ASCII digits) to integers from 1 to 2**32 - 1.

    Args:
        prefixes: the map.
        outer: told of each prefix that lies in another one, and of the longest such.
    """
    # Text sorts as the intervals nest: each prefix right before what lies in it.
    ordered = sorted(prefixes)
    sweep = _Sweep()
    sweep.take(ordered, prefixes, outer)
    return Intervals(cast(sweep.starts, "Q"), cast(sweep.values, "I"))


class _Sweep:
    """Goes once along all numbers; ``open`` are the prefixes that it is inside of."""

    def __init__(self) -> None:
        self.starts = array("Q", (0,))
        self.values = array("I", (NOTHING,))
        self.open: list[tuple[int, int, str]] = []

    def take(
        self,
        ordered: Iterable[str],
        prefixes: Mapping[str, int],
        outer: Callable[[str, str], None] | None,
    ) -> None:
        for prefix in ordered:
            start = int(prefix.ljust(PLACES, "0"), _BASE)
            self.leave(start)
            if outer is not None and self.open:
                outer(prefix, self.open[-1][2])
            value = prefixes[prefix]
            self.open.append((start + _WIDTHS[len(prefix)], value, prefix))
            self.change(start, value)
        self.leave(_WIDTHS[0])

    def leave(self, at: int) -> None:
        """Close what ends until ``at``; what was around it goes on."""
        while self.open and self.open[-1][0] <= at:
            end, _, _ = self.open.pop()
            self.change(end, self.open[-1][1] if self.open else NOTHING)

    def change(self, at: int, value: int) -> None:
        if self.starts[-1] == at and at:
            self.starts.pop()
            self.values.pop()
        if self.values[-1] != value:
            self.starts.append(at)
            self.values.append(value)


NO_INTERVALS: Final = flattened({})
