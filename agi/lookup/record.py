"""What is kept of an answer, and its one form as bytes, the same in memory, SQLite and Redis.

A value holds nothing that belongs to the number alone, so equal answers share one object. Bytes
from a store are read as if a stranger had written them: whatever is not exactly of this form is no
record.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from agi.lookup.provider import Answer
from agi.model import Fraud, Line, Live, Mccmnc, NumberInfo

FORM: Final = 1
"""The first byte of every record; another one is another version's, and is not read."""

LISTED: Final = "listed"
CLEAR: Final = "clear"

_LIVES: Final = (None, *Live)
_LINES: Final = (None, *Line)
_PORTED: Final = (None, False, True)
_NOTHING: Final = NumberInfo()
_MAX_BYTES: Final = 128
_VERDICTS: Final = frozenset(("", LISTED, CLEAR, *Fraud))
_TEXT: Final = re.compile(
    rb"([2-7][0-9]{4,5}|90[0-9]{3,4}|),([A-Za-z0-9_.-]{0,32}),([a-z]{0,16}),"
    rb"([a-z0-9_.-]{0,24}),([a-z-]{0,16})"
)


@dataclass(frozen=True, slots=True)
class Said:
    """What a provider said of a number, with nothing that belongs to the number alone.

    ``network`` is ``info`` without its liveness, for when that is too old. ``provider`` is the
    account's name, ``kind`` its provider system, ``code`` the provider's code in lower case, else
    empty, ``verdict`` what a screen said, else empty.
    """

    info: NumberInfo
    network: NumberInfo
    provider: str
    kind: str
    code: str
    verdict: str


@dataclass(frozen=True, slots=True)
class Kept:
    """One entry: what was said, and its age in seconds."""

    age_s: float
    said: Said


def said_of(answer: Answer, provider: str, kind: str) -> Said:
    """Return what is kept of ``answer``, given by an account of this name and kind."""
    info = answer.info or _NOTHING
    return Said(info, _network(info), provider, kind, answer.code, answer.verdict)


def written(said: Said) -> bytes:
    """Return the record's bytes, at most 128."""
    info = said.info
    axes = (_LIVES.index(info.live), _PORTED.index(info.ported), _LINES.index(info.line))
    text = f"{info.mccmnc or ''},{said.provider},{said.kind},{said.code},{said.verdict}"
    return bytes((FORM, *axes)) + text.encode("ascii")


@lru_cache(maxsize=16_384)
def read(record: bytes) -> Said | None:
    """Return what such bytes say; None when they are not a record of this form.

    The same few thousand networks come again and again, so the values are shared.
    """
    match = _TEXT.fullmatch(record, 4) if len(record) <= _MAX_BYTES else None
    if match is None or record[0] != FORM:
        return None
    axes = record[1:4]
    if axes[0] >= len(_LIVES) or axes[1] >= len(_PORTED) or axes[2] >= len(_LINES):
        return None
    mccmnc, provider, kind, code, verdict = (part.decode("ascii") for part in match.groups())
    if verdict not in _VERDICTS:
        return None
    live, ported, line = _LIVES[axes[0]], _PORTED[axes[1]], _LINES[axes[2]]
    info = NumberInfo(Mccmnc(mccmnc) if mccmnc else None, live, ported, line)
    return Said(info, _network(info), provider, kind, code, verdict)


def _network(info: NumberInfo) -> NumberInfo:
    return NumberInfo(info.mccmnc, None, info.ported, info.line)
