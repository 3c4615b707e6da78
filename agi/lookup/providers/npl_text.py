"""The text answers of Comcetera NPL: ``QUERYOK``, a line per number, ``ENDBATCH``.

Facts are from the vendor's API page "NumberPortabilityLookup API" (numberportabilitylookup.com,
versions 2.4 and 2.5); what the page leaves open is decided here and said where it is decided.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from agi.errors import ProviderFault
from agi.lookup.provider import Answer
from agi.model import Live, Msisdn, NumberInfo, Outcome
from agi.plmn import canonical

MAX_LINE: Final = 512
"""Bytes of one line, at most; the longest that the page shows has 48."""

_LINE: Final = re.compile(rb"([0-9]{1,15}) ([\x20-\x7e]*)")
_ERROR: Final = re.compile(r"ERR([0-9]{1,4})")
_OUTCOMES: Final = {
    "err1": (Outcome.NOT_FOUND, Live.DEAD),
    "err11": (Outcome.UNSUPPORTED, None),
    "err13": (Outcome.UNSUPPORTED, None),
    "err21": (Outcome.UNSUPPORTED, None),
    "err29": (Outcome.ABSENT, Live.ABSENT),
    "err36": (Outcome.TEMPORARY, None),
}
_FIRST_LINES: Final = (
    ("fail invalid password", "account", "invalid password"),
    ("fail insufficient credit", "account", "insufficient credit"),
    ("err account locked", "account", "account locked"),
    ("fail no numbers specified", "bad_request", "no numbers specified"),
    ("fail request too long", "bad_request", "request too long"),
    ("fail", "bad_request", "an unlisted FAIL line"),
)


_NAME = re.compile(
    r"(?!(?i:err|pending\Z|processing\Z|queued\Z|unknown\Z))(?:[A-Za-z][A-Za-z0-9 &.'()/-]{1,63})?"
)
_NOT_YET = frozenset(("pending", "processing", "queued", "unknown"))


class NplReading:
    """One answer being read: ``QUERYOK``, a line per number in any order, ``ENDBATCH``.

    What comes out does not depend on how the bytes were cut. A fault found behind good answers is
    raised by the next call, so that the answers before it are not lost. ``strangers`` counts
    lines for numbers that were not asked: they are dropped. Of two lines for one number the
    first stands. What follows ENDBATCH is not looked at.
    """

    def __init__(self, numbers: Sequence[Msisdn]) -> None:
        self.strangers = 0
        self._asked = frozenset(numbers)
        self._open = dict.fromkeys(numbers)
        self._pending = b""
        self._started = False
        self._ended = False
        self._fault: ProviderFault | None = None

    def feed(self, data: bytes) -> list[Answer]:
        """Take the next bytes; see ``Reading.feed``."""
        if self._fault is not None:
            raise self._fault
        if self._ended:
            return []
        lines = (self._pending + data).split(b"\n")
        self._pending = lines.pop()
        answers: list[Answer] = []
        try:
            for line in lines:
                answers += self._line(line)
            self._cap(self._pending)
        except ProviderFault as fault:
            self._fault = fault
            if not answers:
                raise
        return answers

    def close(self) -> list[Answer]:
        """Take the end; numbers that the provider passed over in silence become temporary.

        A last line without its line feed may be cut short, so it never is an answer; only
        ENDBATCH, or a first line that reports a failure, may end the body without one.
        """
        if self._fault is not None:
            raise self._fault
        if not self._ended:
            self._last(self._pending.removesuffix(b"\r"))
        return [Answer(number, Outcome.TEMPORARY) for number in self._open]

    def _last(self, line: bytes) -> None:
        if not self._started:
            if not line:
                raise ProviderFault("malformed", "an empty body")
            self._first(line)
        if line != b"ENDBATCH":
            raise ProviderFault("truncated", "no ENDBATCH")
        self._ended = True

    def _line(self, line: bytes) -> list[Answer]:
        self._cap(line)
        line = line.removesuffix(b"\r")
        if self._ended or (not line and self._started):
            return []
        if not self._started:
            self._first(line)
            return []
        if line == b"ENDBATCH":
            self._ended = True
            return []
        return self._answer(line)

    def _cap(self, line: bytes) -> None:
        if len(line) > MAX_LINE and not self._ended:
            raise ProviderFault("malformed", f"a line of more than {MAX_LINE} bytes")

    def _first(self, line: bytes) -> None:
        text = line.decode("ascii", "replace").lower()
        for prefix, cause, detail in _FIRST_LINES:
            if text == prefix or text.startswith(prefix + " "):
                raise ProviderFault(cause, detail)
        if line != b"QUERYOK":
            raise ProviderFault("malformed", "the first line is not QUERYOK")
        self._started = True

    def _answer(self, line: bytes) -> list[Answer]:
        match = _LINE.fullmatch(line)
        if match is None:
            raise ProviderFault("malformed", "a line that is not a number and its answer")
        number = Msisdn(match[1].decode("ascii"))
        if number not in self._asked:
            self.strangers += 1
            return []
        if number not in self._open:
            return []
        del self._open[number]
        return [_understand(number, match[2].decode("ascii").strip())]


def _understand(number: Msisdn, code: str) -> Answer:
    """Read what follows the number: an error code, or ``mccmnc[,msc,imsi]``.

    MSC and IMSI are personal data and end here. Codes are exactly as the page writes them
    (``ERR29``); anything else that begins like one is not understood. A name of a network says
    that the number lives; before v2.2 American numbers had one instead of a code. A word that says
    "not yet" says nothing.
    """
    error = _ERROR.fullmatch(code)
    if error is not None:
        return refusal(number, f"err{int(error[1])}")
    network = code.partition(",")[0].strip()
    if _NAME.fullmatch(network):
        return Answer(number, Outcome.OK, NumberInfo(live=Live.LIVE))
    if network.casefold() in _NOT_YET:
        return Answer(number, Outcome.TEMPORARY)
    plmn = canonical(network)
    if plmn is None:
        return Answer(number, Outcome.MALFORMED)
    return Answer(number, Outcome.OK, NumberInfo(plmn.mccmnc, Live.LIVE))


def refusal(number: Msisdn, code: str) -> Answer:
    """Return the answer of an error code, such as ``err29``; an unlisted one is temporary."""
    outcome, live = _OUTCOMES.get(code, (Outcome.TEMPORARY, None))
    return Answer(number, outcome, None if live is None else NumberInfo(live=live), code)
