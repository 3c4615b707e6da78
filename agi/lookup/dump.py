"""A national portability dump in memory: millions of numbers, and ranges, found in microseconds.

Numbers are packed with the index of what is said of them into 64-bit words in sorted arrays: eight
bytes a row, and nothing that the collector must walk. Reading takes one pass and bounded memory
beside the result; a file with a fault is refused whole.
"""

from __future__ import annotations

import heapq
import os
import stat
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

from agi.errors import Fault
from agi.lookup.dump_rows import INFO_BITS, Key, Reader
from agi.model import Msisdn, NumberInfo
from agi.routing.reading.faults import LIMIT, Faults

MAX_RANGES: Final = 1_000_000

_RUN: Final = 1 << 15  # sorting it keeps the other threads out for some 5 ms (measured)
_BREATH: Final = 1_024
_MASK: Final = (1 << INFO_BITS) - 1


@dataclass(frozen=True, slots=True)
class Mark:
    """Which state of a file it is: another one, or one that was written to, has another mark."""

    inode: int
    size: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class Dump:
    """What one file says. ``rows`` is how many rows it has, ``mark`` which state of it was read."""

    mark: Mark
    rows: int
    _infos: tuple[NumberInfo, ...] = field(repr=False)
    _numbers: array[int] = field(repr=False)
    _prefixes: array[int] = field(repr=False)
    _lengths: tuple[int, ...] = field(repr=False)
    _lows: array[int] = field(repr=False)
    _highs: array[int] = field(repr=False)

    @classmethod
    def load(cls, path: Path, breathe: Callable[[], None] = lambda: None) -> Dump:
        """Read a file; it takes seconds for millions of rows, so do it in a thread.

        ``breathe`` is called after every thousand rows or so: a thread that computes without
        end makes the event loop beside it wait 5 ms for each turn (CPython's switch interval).

        Raises:
            TableError: it cannot be read, was written to meanwhile, or has faults: all of them,
                the first thousand by place.
        """
        faults = Faults()
        dump = None
        try:
            with _open(path) as stream:
                before = _mark(os.fstat(stream.fileno()))
                if stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                    reader = Reader(stream, str(path), faults)
                    dump = _Loading(reader, breathe).dump(before, path, faults)
                else:
                    faults.add(Fault(str(path), 0, 0, "not a regular file"))
                if before != _mark(os.fstat(stream.fileno())):
                    what = "it was written to while it was read: put a new file in its place"
                    faults.add(Fault(str(path), 0, 0, what))
        except OSError as error:
            faults.add(Fault(str(path), 0, 0, f"cannot be read: {error.strerror}"))
        faults.refuse()
        if dump is None:
            raise AssertionError("a dump without faults was not built")
        return dump

    def find(self, number: Msisdn) -> NumberInfo | None:
        """Return what is known of a number: its own row, else its range's, None without either.

        A number of its own row is ported if its range belongs to another network, unless the row
        says itself whether it is. Only a row can say so of a whole range.
        """
        value = int(number)
        own = self._at(self._numbers, value)
        home = self.range_of(number)
        if own is None or home is None:
            return own or home
        ported = own.mccmnc != home.mccmnc if own.ported is None else own.ported
        return NumberInfo(own.mccmnc, None, ported, own.line or home.line)

    def range_of(self, number: Msisdn) -> NumberInfo | None:
        """Return what the smallest prefix or range around the number says, if there is one."""
        value, digits = int(number), len(number)
        found, size = self._in_range(value)
        for length in self._lengths:
            span: int = 10 ** (digits - length) if length <= digits else 0
            if span and (size == 0 or span < size):
                info = self._at(self._prefixes, value // span)
                if info is not None:
                    return info
        return found

    def _in_range(self, value: int) -> tuple[NumberInfo | None, int]:
        at = bisect_right(self._lows, value << INFO_BITS | _MASK) - 1
        if at < 0 or self._highs[at] < value:
            return None, 0
        low = self._lows[at]
        return self._infos[low & _MASK], self._highs[at] - (low >> INFO_BITS) + 1

    def _at(self, words: array[int], value: int) -> NumberInfo | None:
        word = value << INFO_BITS
        at = bisect_left(words, word)
        if at == len(words) or words[at] >> INFO_BITS != value:
            return None
        return self._infos[words[at] & _MASK]


def mark_of(path: Path) -> Mark | None:
    """Return the mark of a file as it is now, None if there is none to be seen."""
    with suppress(OSError):
        return _mark(path.stat())
    return None


class _Words:
    """Packed rows being collected, sorted in runs so that few are ordinary integers at a time."""

    def __init__(self) -> None:
        self._run: list[int] = []
        self._runs: list[array[int]] = []

    def add(self, value: int, info: int) -> None:
        self._run.append(value << INFO_BITS | info)
        if len(self._run) >= _RUN:
            self._close_run()

    def _close_run(self) -> None:
        self._run.sort()
        self._runs.append(array("Q", self._run))
        self._run.clear()

    def sorted(self, breathe: Callable[[], None]) -> array[int]:
        """Return all words in order; give up the runs."""
        if self._run:
            self._close_run()
        runs, self._runs = self._runs, []
        if all(one[-1] <= other[0] for one, other in pairwise(runs)):
            words = array("Q")
            for run in runs:
                words.extend(run)
            return words
        return array("Q", _paced(heapq.merge(*runs), breathe))


class _Loading:
    """The rows of one file on their way into a dump."""

    def __init__(self, reader: Reader, breathe: Callable[[], None]) -> None:
        self._reader = reader
        self._breathe = breathe
        self._numbers = _Words()
        self._prefixes = _Words()
        self._lengths: set[int] = set()
        self._ranges: list[tuple[int, int, int, int]] = []
        self._rows = 0

    def dump(self, mark: Mark, path: Path, faults: Faults) -> Dump | None:
        """Read to the end; None when there are faults."""
        self._read(path, faults)
        if len(faults):
            return None
        breathe = self._breathe
        numbers, prefixes = self._numbers.sorted(breathe), self._prefixes.sorted(breathe)
        doubtful = _conflicts(numbers, breathe), _conflicts(prefixes, breathe)
        _refuse_conflicts(*doubtful, path, faults)
        self._ranges.sort()
        for one, other in pairwise(self._ranges):
            if other[0] <= one[1]:
                faults.add(Fault(str(path), other[3], 1, f"overlaps the range of line {one[3]}"))
        lows = array("Q", [low << INFO_BITS | info for low, _, info, _ in self._ranges])
        highs = array("Q", [high for _, high, _, _ in self._ranges])
        lengths = tuple(sorted(self._lengths, reverse=True))
        infos = tuple(self._reader.infos)
        return Dump(mark, self._rows, infos, numbers, prefixes, lengths, lows, highs)

    def _read(self, path: Path, faults: Faults) -> None:
        add, number = self._numbers.add, Key.NUMBER
        for line, key, low, high, info in _paced(self._reader.rows(), self._breathe):
            self._rows += 1
            if key is number:
                add(low, info)
            elif key is Key.PREFIX:
                self._prefixes.add(low, info)
                self._lengths.add(len(str(low)))
            elif len(self._ranges) < MAX_RANGES:
                self._ranges.append((low, high, info, line))
            else:
                faults.add(Fault(str(path), line, 1, f"more than {MAX_RANGES} ranges"))


def _conflicts(words: array[int], breathe: Callable[[], None]) -> set[int]:
    """Return the numbers that are there twice with different networks, the first thousand."""
    found: set[int] = set()
    for one, other in pairwise(_paced(words, breathe)):
        if one ^ other <= _MASK and one != other:
            found.add(one >> INFO_BITS)
            if len(found) >= LIMIT:
                break
    return found


def _refuse_conflicts(
    numbers: Iterable[int], prefixes: Iterable[int], path: Path, faults: Faults
) -> None:
    """Read the file again for the places of these, if there are any."""
    wanted = {Key.NUMBER: dict.fromkeys(numbers, 0), Key.PREFIX: dict.fromkeys(prefixes, 0)}
    if not any(wanted.values()):
        return
    with _open(path) as stream:
        for row in Reader(stream, str(path), Faults()).rows():
            lines = wanted.get(row.key, {})
            first = lines.get(row.low)
            if first:
                what = f"line {first} has it with another meaning: one row is right"
                faults.add(Fault(str(path), row.line, 1, what))
            elif first == 0:
                lines[row.low] = row.line


Item = TypeVar("Item")


def _paced(items: Iterable[Item], breathe: Callable[[], None]) -> Iterator[Item]:
    for count, item in enumerate(items, 1):
        if count % _BREATH == 0:
            breathe()
        yield item


def _open(path: Path) -> BinaryIO:
    # A FIFO must not stop the loading for ever.
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")


def _mark(status: os.stat_result) -> Mark:
    return Mark(status.st_ino, status.st_size, status.st_mtime_ns)
