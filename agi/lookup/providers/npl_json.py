"""The JSON answers of Comcetera NPL version 3: an array with one object per number, streamed.

The vendor's API page (numberportabilitylookup.com, v3.32) says that JSON exists and is streamed;
its list of keys is not public. The keys ``operatorname``, ``numbertype``, ``mobile``,
``validnumber``, ``reachable`` and ``errorcode``, all with strings as values, are from programs of
the vendor's customers. Which key holds the number and which the network was seen nowhere: several
likely ones are understood, and what names no number is nobody's answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from agi.errors import ProviderFault
from agi.lookup.provider import Answer
from agi.lookup.providers.npl_text import NplReading, refusal
from agi.lookup.providers.strict_json import ArrayOfObjects, decoded
from agi.model import Line, Live, Msisdn, NumberInfo, Outcome
from agi.plmn import Plmn, canonical, from_parts

INVALID: Final = "invalid-number"
"""Our code for ``validnumber`` false: the vendor gives it none."""

Scalar = str | int | bool | None

_NUMBER: Final = re.compile(r"\+?([1-9][0-9]{0,14})")
_ERROR: Final = re.compile(r"(?:ERR)?([0-9]{1,4})")
_JSON_BEGINS: Final = b"[ \t\r\n"
_REACHABLE: Final = {"true": Live.LIVE, "false": Live.ABSENT}
"""``undetermined`` and ``not_sms_capable`` say nothing about voice."""
_LINES: Final = {
    "MOBILE": Line.MOBILE,
    "LANDLINE": Line.LANDLINE,
    "FIXED": Line.LANDLINE,
    "VOIP": Line.VOIP,
    "TOLLFREE": Line.TOLLFREE,
    "PREMIUM": Line.PREMIUM,
}


class _Object(msgspec.Struct, frozen=True, gc=False):
    msisdn: Scalar = None
    number: Scalar = None
    phonenumber: Scalar = None
    phone_number: Scalar = None
    telephone_number: Scalar = None
    phone: Scalar = None
    mccmnc: Scalar = None
    mcc: Scalar = None
    mnc: Scalar = None
    errorcode: Scalar = None
    reachable: Scalar = None
    numbertype: Scalar = None
    mobile: Scalar = None
    validnumber: Scalar = None


class Npl3Reading:
    """One answer to a request of version 3: JSON, or the legacy text, as its first byte says."""

    def __init__(self, numbers: Sequence[Msisdn]) -> None:
        self.strangers = 0
        self._numbers = numbers
        self._reading: NplReading | NplJsonReading | None = None

    def feed(self, data: bytes) -> list[Answer]:
        """Take the next bytes; see ``Reading.feed``."""
        if self._reading is None:
            if not data:
                return []
            kind = NplJsonReading if data[0] in _JSON_BEGINS else NplReading
            self._reading = kind(self._numbers)
        try:
            return self._reading.feed(data)
        finally:
            self.strangers = self._reading.strangers

    def close(self) -> list[Answer]:
        """Take the end; see ``Reading.close``."""
        if self._reading is None:
            raise ProviderFault("malformed", "an empty body")
        return self._reading.close()


class NplJsonReading:
    """One JSON answer being read; each object is an answer as soon as its bytes are complete.

    As in the text versions: what comes out does not depend on how the bytes were cut, a fault
    behind good answers is raised by the next call, the first of two answers for one number
    stands. An object that names no number, or two, is a stranger; as the answer to a request for
    one number it is malformed. It is never taken by its position.
    """

    def __init__(self, numbers: Sequence[Msisdn]) -> None:
        self.strangers = 0
        self._asked = frozenset(numbers)
        self._open = dict.fromkeys(numbers)
        self._array = ArrayOfObjects()
        self._fault: ProviderFault | None = None

    def feed(self, data: bytes) -> list[Answer]:
        """Take the next bytes; see ``Reading.feed``."""
        if self._fault is not None:
            raise self._fault
        answers: list[Answer] = []
        try:
            for found in self._array.feed(data):
                answers += self._answer(decoded(found, _Object))
        except ProviderFault as fault:
            self._fault = fault
            if not answers:
                raise
        return answers

    def close(self) -> list[Answer]:
        """Take the end; numbers that the provider passed over in silence become temporary."""
        if self._fault is not None:
            raise self._fault
        if not self._array.ended:
            raise ProviderFault("truncated", "no end of the array")
        return [Answer(number, Outcome.TEMPORARY) for number in self._open]

    def _answer(self, said: _Object) -> list[Answer]:
        number = _named(said)
        if number is None and len(self._asked) == 1:
            raise ProviderFault("malformed", "an answer that names no number")
        if number is None or number not in self._asked:
            self.strangers += 1
            return []
        if number not in self._open:
            return []
        del self._open[number]
        return [_understand(number, said)]


def _named(said: _Object) -> Msisdn | None:
    """Return the one number that an object names."""
    keys = (said.msisdn, said.number, said.phonenumber, said.phone_number, said.telephone_number)
    names = {_text(value) for value in (*keys, said.phone) if value not in (None, "")}
    matches = [_NUMBER.fullmatch(name) for name in names]
    numbers = {match[1] if match else "" for match in matches}
    return Msisdn(numbers.pop() or "") or None if len(numbers) == 1 else None


def _understand(number: Msisdn, said: _Object) -> Answer:
    """Read an object: its error code, its network, or that the number is none.

    The codes are taken to be those of the text versions, and 0 to be none (the programs of
    customers). With a code and a network both, the network counts and the code says the liveness.
    """
    code = _ERROR.fullmatch(_text(said.errorcode) or "0")
    network = _network(said)
    if code is None or (network is None and _has_network(said)):
        return Answer(number, Outcome.MALFORMED)
    live = _REACHABLE.get(_text(said.reachable).lower())
    if int(code[1]):
        refused = refusal(number, f"err{int(code[1])}")
        if network is None:
            return refused
        live = refused.info.live if refused.info else live
    elif network is None and _text(said.validnumber).lower() == "false":
        return Answer(number, Outcome.INVALID_NUMBER, code=INVALID)
    if network is None and live is None:
        return Answer(number, Outcome.TEMPORARY)  # "pending", or a word that we do not know
    mccmnc = None if network is None else network.mccmnc
    return Answer(number, Outcome.OK, NumberInfo(mccmnc, live, None, _line(said)))


def _has_network(said: _Object) -> bool:
    return bool(_text(said.mccmnc)) or bool(_text(said.mcc) and _text(said.mnc))


def _network(said: _Object) -> Plmn | None:
    if _text(said.mccmnc):
        return canonical(_text(said.mccmnc))
    if said.mcc is None or said.mnc is None:
        return None
    return from_parts(said.mcc, said.mnc)


def _line(said: _Object) -> Line | None:
    line = _LINES.get(_text(said.numbertype).upper())
    return Line.MOBILE if line is None and _text(said.mobile).lower() == "true" else line


def _text(value: Scalar) -> str:
    """Return a value as the strings of the vendor: ``"true"`` where the type is JSON's own."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
