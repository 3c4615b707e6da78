"""Canonical MCC and MNC: one key for one network, however a provider spells it.

A network's code is an MCC of three digits and an MNC of two or three; 01 and 001 are different
MNCs (ITU-T E.212; 3GPP TS 23.003, clause 2.2). Providers pad two digits to three, lose
leading zeros in JSON integers and cut trailing ones, so the length has to come from the MCC.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from agi.model import Mccmnc

_MCC: Final = re.compile(r"[2-7][0-9]{2}|901|999|001")
_CODE: Final = re.compile(r"([0-9]{3})[-/ ]?([0-9]{1,3})")
_IMSI: Final = re.compile(r"[0-9]{6,15}")
_LONG: Final = 3
_HIGHEST: Final = 999

_THREE_DIGITS: Final = frozenset(
    {*map(str, range(310, 317)), "302", "334", "338", "342", "344", "346", "348"}
    | {"365", "708", "722", "732"}
)
"""MCCs whose MNCs have three digits: Android, telephony MccTable (which calls itself unverified).

All others have two, but for the codes of _ASSIGNED.
"""

_ASSIGNED: Final = {
    # Android, telephony SIMRecords, MCCMNC_CODES_HAVING_3DIGITS_MNC.
    "405": "025-047 750-756 799-886 908-932",
    # The same, and 150-157 from Wikipedia, "Mobile network codes in ITU region 5xx".
    "502": "142 143 145-148 150-157",
    # Test networks and internal use (ITU-T E.212): both lengths are seen.
    "001": "001",
    "999": "999",
    # Wikipedia, "Mobile network codes in ITU region 2xx" to "7xx", as of April 2023.
    "208": "500 502 504 700-714",
    "214": "700 701",
    "250": "811",
    "255": "701",
    "330": "000 110 120",
    "350": "007",
    "352": "030 110",
    "354": "860",
    "356": "050 070 110",
    "358": "110",
    "360": "050 100 110",
    "366": "020 110",
    "374": "120 129 130 140",
    "376": "350-352 360",
    "441": "200-212",
    "467": "192 193",
    "710": "300",
    "714": "020",
    "738": "002 003 040",
    "750": "001",
}
"""Three-digit MNCs that are assigned behind MCCs where two digits are the rule."""


def _expanded(mcc: str, mncs: str) -> Iterator[str]:
    for part in mncs.split():
        first, _, last = part.partition("-")
        for mnc in range(int(first), int(last or first) + 1):
            yield f"{mcc}{mnc:03d}"


_LONG_CODES: Final = frozenset(
    code for mcc, mncs in _ASSIGNED.items() for code in _expanded(mcc, mncs)
)


class Note(StrEnum):
    """What was done to a code, or what is doubtful about it."""

    PLAIN = ""
    PADDED = "padded"
    """A lost zero was put back before a single digit."""
    UNPADDED = "unpadded"
    """A zero that the sender had put before two digits was taken off."""
    UNLISTED = "unlisted"
    """Three digits where two are the rule, and not known to be assigned; kept."""
    AMBIGUOUS = "ambiguous"
    """Digits are missing, and which ones cannot be told; kept. Route by the MCC."""


@dataclass(frozen=True, slots=True)
class Plmn:
    """A network: ``mcc`` and ``mnc`` are its parts, ``mccmnc`` the key for tables and caches."""

    mccmnc: Mccmnc
    mcc: str
    mnc: str
    note: Note = Note.PLAIN


def is_mcc(text: str) -> bool:
    """Say whether the text can be an MCC: 2xx to 7xx, 901 (shared), 001 and 999 (test, private).

    ITU-T E.212: no country has an MCC that begins with 0, 1, 8 or 9.
    """
    return _MCC.fullmatch(text) is not None


def canonical(mcc_mnc: str) -> Plmn | None:
    """Return the network of ``23415``, ``234-15``, ``234015`` or ``2133``; None if it is none.

    Only ASCII digits, and at most one ``-``, ``/`` or blank behind the MCC, are understood; an
    IMSI is not. A code of two digits where three are the rule may be cut (310-26 for 310-260) or
    have lost a zero (310-026): it is kept as it is, and ambiguous.
    """
    match = _CODE.fullmatch(mcc_mnc)
    if match is None or not is_mcc(match[1]):
        return None
    return _network(match[1], match[2])


def from_parts(mcc: int | str, mnc: int | str) -> Plmn | None:
    """Return the network of two fields; None if they are none. Integers have lost their zeros.

    Of text, an MCC needs its three digits and an MNC one to three.
    """
    network = canonical(f"{_text(mcc, _LONG)}-{_text(mnc, 1)}")
    if network is None or isinstance(mnc, str):
        return network
    # The integer 25 behind 405 may be 25 or 025, and only the latter is known to be assigned.
    if len(network.mnc) < _LONG and f"{network.mcc}{mnc:03d}" in _LONG_CODES:
        return Plmn(network.mccmnc, network.mcc, network.mnc, Note.AMBIGUOUS)
    return network


def from_imsi(imsi: str) -> Plmn | None:
    """Return the network that issued an IMSI, as a cross-check of an MNC's length only.

    It is the subscriber's home network, as the SIM says it (3GPP TS 23.003, clause 2.2). An IMSI
    is personal data: do not keep it.
    """
    if not _IMSI.fullmatch(imsi):
        return None
    long = imsi[:3] in _THREE_DIGITS or imsi[:6] in _LONG_CODES
    return canonical(imsi[:6] if long else imsi[:5])


def _text(part: int | str, digits: int) -> str:
    """Return a field as text, empty if it cannot be one."""
    if isinstance(part, str):
        return part
    in_range = not isinstance(part, bool) and 0 <= part <= _HIGHEST
    return f"{part:0{digits}d}" if in_range else ""


def _network(mcc: str, mnc: str) -> Plmn:
    note = Note.PLAIN
    if len(mnc) == 1:
        mnc, note = f"0{mnc}", Note.PADDED
    if mcc in _THREE_DIGITS:
        note = note if len(mnc) == _LONG else Note.AMBIGUOUS
    elif len(mnc) == _LONG and mcc + mnc not in _LONG_CODES:
        note = Note.UNPADDED if mnc[0] == "0" else Note.UNLISTED
        mnc = mnc.removeprefix("0") if note is Note.UNPADDED else mnc
    return Plmn(Mccmnc(mcc + mnc), mcc, mnc, note)
