"""One compiled version as one file: checked as a whole, loaded in a breath.

A head, sections, and a digest over all of it. The many small rules are decoded in short steps, the
big arrays are used as they lie in memory. A file is taken only by the program version that would
have written the same form; any other compiles the version's tables anew.

The file is read into anonymous memory, not mapped: a file that somebody shortens under a mapping
kills its reader with SIGBUS, and the bytes that were checked must be the bytes that are used.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from agi.errors import DialdipError
from agi.model import ErrorRule
from agi.routing import screening
from agi.routing.compiled import Compiled
from agi.routing.limits import Limits
from agi.routing.policy import Policy
from agi.routing.ranges import Ranges
from agi.routing.rule import Cell, Rule, Span, Tier
from agi.routing.screening import Screening
from agi.routing.trunk import NumberForm, Trunk

# A byte above 127, CR LF and Ctrl-Z show what a text transfer breaks (as in PNG, section 5.2).
MAGIC: Final = b"\x89DIP\r\n\x1a\n"
FORMAT: Final = 1
"""Raise it when the meaning of a section changes; a change of fields shows by itself."""
MAX_BYTES: Final = 1 << 30
CHUNK: Final = 128
"""Rules decoded in one step, below a millisecond."""

_PIECE: Final = 1 << 20
_DIGEST: Final = 32
_ALIGN: Final = 8

_SHAPES: Final = (
    *(Rule, Cell, Span, Tier, Trunk, NumberForm, ErrorRule),
    *(Screening, screening.Policy, Compiled),
)
_SHAPE: Final = hashlib.blake2b(
    repr([(shape.__name__, shape.__annotations__) for shape in _SHAPES]).encode(), digest_size=16
).digest()
_HEAD: Final = struct.Struct("<8sI16sI")  # magic, format, shape, length of the list of sections


class SnapshotError(DialdipError):
    """A snapshot cannot be used: damaged, or of another form. The text says which."""


class _Index(msgspec.Struct, frozen=True):
    """What the sections are, in their order: name and length in bytes."""

    version: str
    timezone: str
    sections: tuple[tuple[str, int], ...]


Item = TypeVar("Item")


def no_breath() -> None:
    """Do not pause: for those who have no event loop beside them."""


def dump(compiled: Compiled) -> bytes:
    """Return the snapshot of a version. The same contents give the same bytes."""
    sections = list(_sections(compiled))
    index = msgspec.msgpack.encode(
        _Index(
            compiled.version,
            compiled.timezone,
            tuple((name, len(data)) for name, data in sections),
        )
    )
    parts = [_HEAD.pack(MAGIC, FORMAT, _SHAPE, len(index)), index]
    size = sum(map(len, parts))
    for data in (b"", *(data for _, data in sections)):
        parts += [data, bytes(-(size + len(data)) % _ALIGN)]
        size += len(parts[-2]) + len(parts[-1])
    whole = b"".join(parts)
    return whole + hashlib.blake2b(whole, digest_size=_DIGEST).digest()


def digest_of(data: bytes) -> str:
    """Return the digest that a snapshot's bytes end in, hexadecimal."""
    return data[-_DIGEST:].hex()


def load(path: Path, breathe: Callable[[], None] = no_breath) -> Compiled:
    """Read a snapshot.

    Args:
        path: the file; it may be removed or replaced meanwhile and afterwards.
        breathe: called between steps of about a millisecond, for a thread beside an event loop.

    Raises:
        SnapshotError: it cannot be read, is damaged anywhere, or is of another form.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise SnapshotError(f"cannot be read: {error.strerror}") from error
    return load_open(descriptor, breathe)


def load_open(descriptor: int, breathe: Callable[[], None] = no_breath) -> Compiled:
    """Read a snapshot by a descriptor, and close that; as ``load`` does.

    Raises:
        SnapshotError: it cannot be read, is damaged anywhere, or is of another form.
    """
    return _understood(_read(descriptor, breathe).toreadonly(), breathe)


def check_open(descriptor: int) -> str:
    """Return the digest that a snapshot ends in, of any form, and close the descriptor.

    Raises:
        SnapshotError: it cannot be read or is damaged.
    """
    return _read(descriptor, no_breath)[-_DIGEST:].hex()


def _read(descriptor: int, breathe: Callable[[], None]) -> memoryview:
    """Return the bytes of a file whose digest fits them."""
    try:
        with os.fdopen(descriptor, "rb", buffering=0) as stream:
            size = os.fstat(stream.fileno()).st_size
            if not _HEAD.size + _DIGEST <= size <= MAX_BYTES:
                raise SnapshotError("damaged: no snapshot has this size")
            memory = memoryview(mmap.mmap(-1, size))
            digest = _fill(memory, stream.readinto, breathe)
    except OSError as error:
        raise SnapshotError(f"cannot be read: {error.strerror}") from error
    if digest != memory[-_DIGEST:]:
        raise SnapshotError("damaged: its digest does not fit its contents")
    return memory


def _fill(
    memory: memoryview, read: Callable[[memoryview], int | None], breathe: Callable[[], None]
) -> bytes:
    """Read until the memory is full; return the digest of all but the last bytes."""
    digest = hashlib.blake2b(digest_size=_DIGEST)
    at, end = 0, len(memory) - _DIGEST
    while at < len(memory):
        got = read(memory[at : at + _PIECE])
        if not got:
            raise SnapshotError("damaged: shorter than it was")
        digest.update(memory[at : min(at + got, end)])
        at += got
        breathe()
    return digest.digest()


def _sections(compiled: Compiled) -> Iterator[tuple[str, bytes]]:
    encode = msgspec.msgpack.encode
    yield "trunks", encode(compiled.trunks)
    yield "errors", encode(compiled.errors)
    yield "screenings", encode(dict(sorted(compiled.screenings.items())))
    yield "account_cps", encode(dict(sorted(compiled.account_cps.items())))
    for start in range(0, len(compiled.rules), CHUNK):
        yield "rules", encode(compiled.rules[start : start + CHUNK])
    for part in (compiled.ranges, compiled.policy, compiled.limits):
        for name, data in sorted(part.packed().items()):
            yield f"{type(part).__name__}/{name}", bytes(data)


def _understood(memory: memoryview, breathe: Callable[[], None]) -> Compiled:
    """Decode checked bytes: what fails here was written by another version of the program."""
    magic, form, shape, length = _HEAD.unpack_from(memory)
    if (magic, form, shape) != (MAGIC, FORMAT, _SHAPE):
        raise SnapshotError("of another form: another version of the program wrote it")
    try:
        index = msgspec.msgpack.decode(memory[_HEAD.size : _HEAD.size + length], type=_Index)
        return _compiled(index, list(_cut(memory, index, _HEAD.size + length)), breathe)
    except (msgspec.MsgspecError, KeyError, ValueError, struct.error) as error:
        raise SnapshotError("of another form: its sections are not understood") from error


def _cut(memory: memoryview, index: _Index, at: int) -> Iterator[tuple[str, memoryview]]:
    for name, length in index.sections:
        at += -at % _ALIGN
        yield name, memory[at : at + length]
        at += length


def _compiled(
    index: _Index, sections: list[tuple[str, memoryview]], breathe: Callable[[], None]
) -> Compiled:
    decode = msgspec.msgpack.decode
    plain = dict(sections)
    rules: list[Rule] = []
    decoder = msgspec.msgpack.Decoder(tuple[Rule, ...])
    for _, data in _paced((one for one in sections if one[0] == "rules"), breathe):
        rules += decoder.decode(data)
    return Compiled(
        version=index.version,
        timezone=index.timezone,
        trunks=decode(plain["trunks"], type=tuple[Trunk, ...]),
        rules=tuple(rules),
        errors=decode(plain["errors"], type=tuple[ErrorRule, ...]),
        ranges=Ranges.unpacked(_part(sections, Ranges, breathe)),
        policy=Policy.unpacked(_part(sections, Policy, breathe)),
        limits=Limits.unpacked(_part(sections, Limits, breathe)),
        screenings=decode(plain["screenings"], type=dict[str, Screening]),
        account_cps=decode(plain["account_cps"], type=dict[str, int]),
    )


def _part(
    sections: list[tuple[str, memoryview]], kind: type, breathe: Callable[[], None]
) -> dict[str, memoryview]:
    breathe()
    start = f"{kind.__name__}/"
    return {name.removeprefix(start): data for name, data in sections if name.startswith(start)}


def _paced(items: Iterable[Item], breathe: Callable[[], None]) -> Iterator[Item]:
    for item in items:
        breathe()
        yield item
