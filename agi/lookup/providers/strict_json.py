"""JSON from strangers: one body read whole, or the objects of an array as their bytes arrive.

RFC 8259 leaves open what a parser does with a name that occurs twice, and says that the text is
UTF-8, that NaN is no number and that a parser may limit size and depth. Here each of these is
refused: the document is then not understood, and none of it is used.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from enum import Enum
from typing import Final, NoReturn, TypeVar

import msgspec

from agi.errors import ProviderFault

MAX_OBJECT: Final = 8_192
"""Bytes of one object of an array, at most."""

MAX_DEPTH: Final = 16
"""Objects and arrays inside each other in one object of an array, at most."""

MAX_OBJECTS: Final = 256
"""Objects of one array, at most."""

MAX_BRACES: Final = 1_024
"""Opening braces of one body read whole, at most; 80 answers of hlrlookup.com have about 320."""

Shape = TypeVar("Shape")


def decoded(body: bytes, shape: type[Shape]) -> Shape:
    """Return ``body`` as a value of ``shape``; names that the shape has not are passed over.

    Raises:
        ProviderFault: ``malformed``: not UTF-8, not JSON, NaN or infinite, a name twice in one
            object, too deep for the interpreter's stack, too many objects, or a value of another
            type.
    """
    if body.count(b"{") > MAX_BRACES:
        raise ProviderFault("malformed", f"more than {MAX_BRACES} objects")
    try:
        json.loads(body.decode("utf-8"), object_pairs_hook=_once, parse_constant=_refuse)
        return msgspec.json.decode(body, type=shape)
    except (ValueError, RecursionError):
        # Not its text: a decoder's message may quote the body.
        raise ProviderFault("malformed", "not the JSON that was expected") from None


def _once(pairs: list[tuple[str, object]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError


def _refuse(_: str) -> NoReturn:
    raise ValueError


class _State(Enum):
    START = 0
    FIRST = 1
    NEXT = 2
    INSIDE = 3
    AFTER = 4
    ENDED = 5


_STEPS: Final = {
    (_State.START, b"["): _State.FIRST,
    (_State.FIRST, b"{"): _State.INSIDE,
    (_State.FIRST, b"]"): _State.ENDED,
    (_State.NEXT, b"{"): _State.INSIDE,
    (_State.AFTER, b","): _State.NEXT,
    (_State.AFTER, b"]"): _State.ENDED,
}
_SPACE: Final = re.compile(rb"[ \t\r\n]*+")
# Everything up to the next bracket, whole strings included; it stops at a string not yet ended.
_PLAIN: Final = re.compile(rb'(?:[^"{}\[\]]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)


class ArrayOfObjects:
    """Cuts ``[{...}, {...}]`` into its objects, each as soon as its last byte is there.

    Only brackets and strings are looked at: each object still has to be ``decoded``. ``ended``
    says that the array is complete.
    """

    def __init__(self) -> None:
        self._state = _State.START
        self._pending = b""
        self._begin = 0
        self._at = 0
        self._depth = 0
        self._count = 0

    @property
    def ended(self) -> bool:
        """Whether the closing bracket has come."""
        return self._state is _State.ENDED

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the objects that ``data`` completes; it has to be read to its end.

        Raises:
            ProviderFault: ``malformed``: something that is not an array of objects, or too much.
        """
        self._pending += data
        while self._state is _State.INSIDE or self._between():
            found = self._inside()
            if found is None:
                break
            yield found
        self._pending = self._pending[self._begin :]
        self._at -= self._begin
        self._begin = 0

    def _between(self) -> bool:
        """Go on to the beginning of the next object; False: it has not come yet."""
        while True:
            self._at = _end(_SPACE, self._pending, self._at)
            self._begin = self._at
            if self._at == len(self._pending):
                return False
            step = (self._state, self._pending[self._at : self._at + 1])
            if step not in _STEPS:
                raise ProviderFault("malformed", "not an array of objects")
            self._state = _STEPS[step]
            if self._state is _State.INSIDE:
                return True
            self._at += 1

    def _inside(self) -> bytes | None:
        while True:
            self._at = _end(_PLAIN, self._pending, self._at)
            bracket = self._pending[self._at : self._at + 1]
            if bracket in {b"", b'"'}:
                self._cap(len(self._pending))
                return None
            self._depth += 1 if bracket in {b"{", b"["} else -1
            self._at += 1
            if self._depth > MAX_DEPTH:
                raise ProviderFault("malformed", f"deeper than {MAX_DEPTH}")
            if not self._depth:
                return self._complete()

    def _complete(self) -> bytes:
        self._cap(self._at)
        self._count += 1
        if self._count > MAX_OBJECTS:
            raise ProviderFault("malformed", f"more than {MAX_OBJECTS} objects")
        found = self._pending[self._begin : self._at]
        self._begin = self._at
        self._state = _State.AFTER
        return found

    def _cap(self, end: int) -> None:
        if end - self._begin > MAX_OBJECT:
            raise ProviderFault("malformed", f"an object of more than {MAX_OBJECT} bytes")


def _end(pattern: re.Pattern[bytes], data: bytes, start: int) -> int:
    match = pattern.match(data, start)
    return match.end() if match else start
