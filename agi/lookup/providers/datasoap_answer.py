"""What Data Soap's JSON says of one number: fields, error codes, the echo of the number.

Sources are those of ``agi.lookup.providers.datasoap``. No page and no published client shows a
network code: this is liveness and a country until an account proves otherwise, so an MCC alone
never becomes a network. The names of fields beyond ``MCC``, ``On``, ``IsActive`` and
``ErrorCode`` are inferred. A field that is there and is not understood is never guessed at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from agi.errors import ProviderFault
from agi.lookup.provider import Answer
from agi.lookup.record import CLEAR, LISTED
from agi.model import Line, Live, Mccmnc, Msisdn, NumberInfo, Outcome, Product
from agi.plmn import canonical, from_parts, is_mcc

TYPES: Final[Mapping[str, tuple[str, Product]]] = MappingProxyType(
    {
        "hlr": ("HLR", Product.NETWORK),
        "landline": ("Landline", Product.NETWORK),
        "tps": ("TPS", Product.TPS),
        "unsubscribe": ("Unsubscribe", Product.UNSUBSCRIBE),
    }
)
"""What can be asked: the vendor's name of it ("Asynchronous API", Type), and what it tells."""

ACCOUNT: Final = (-98, -99)
"""Codes of the account: no credit; and what clients saw a wrong token answered with."""

_INTEGER: Final = re.compile(r"-?[0-9]{1,6}")
_OUTCOMES: Final = {
    -2: Outcome.TEMPORARY,
    -3: Outcome.NOT_FOUND,
    -4: Outcome.UNSUPPORTED,
    -5: Outcome.UNSUPPORTED,
    -6: Outcome.UNSUPPORTED,
    -7: Outcome.UNSUPPORTED,
    -8: Outcome.NOT_FOUND,
    -10: Outcome.TEMPORARY,
    -11: Outcome.TEMPORARY,
    -12: Outcome.TEMPORARY,
    -96: Outcome.INVALID_NUMBER,
    -97: Outcome.TEMPORARY,
}
"""The codes of "Asynchronous API", Error codes; the classes are ours. Two of its rows have lost
their numbers in every stored copy, so an unlisted negative code is temporary."""

_YES: Final = {"true": True, "yes": True, "false": False, "no": False}
_CODES: Final = ("mccmnc", "networkmccmnc", "networkcode")
_MCCS: Final = ("mcc", "networkmcc")
_MNCS: Final = ("mnc", "networkmnc")
_PORTED: Final = ("ported", "isported")
_ECHOES: Final = ("lookup", "number")
_SCREENS: Final = {
    Product.TPS: ("ontps", "istps", "tps", "listed", "islisted", "registered", "result"),
    Product.UNSUBSCRIBE: ("unsubscribed", "isunsubscribed", "listed", "islisted", "result"),
}

Fields = Mapping[str, object]


class NotUnderstoodError(Exception):
    """A field holds what it cannot mean."""


class StrangerError(Exception):
    """The answer names another number."""


def document(body: bytes) -> object:
    """Return the JSON, keys in lower case; a key that comes twice could mean either.

    Raises:
        ProviderFault: it is not that.
    """
    try:
        return json.loads(
            body.decode("utf-8-sig"), object_pairs_hook=_object, parse_constant=_constant
        )
    except (ValueError, RecursionError):
        raise ProviderFault("malformed", "not JSON") from None


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = {key.lower(): value for key, value in pairs}
    if len(fields) != len(pairs):
        raise ValueError("a key twice")
    return fields


def _constant(text: str) -> object:
    raise ValueError(text)


def error_code(said: Fields, result: object) -> int:
    """Return the error code, 0 if there is none; published clients saw integers and strings.

    Raises:
        NotUnderstoodError: there is one, and it is neither 0 nor negative.
    """
    code = said.get("errorcode")
    if code is None and isinstance(result, dict):
        code = result.get("errorcode")
    if code is None:
        return 0
    text = str(code) if isinstance(code, int | str) and not isinstance(code, bool) else ""
    if not _INTEGER.fullmatch(text) or int(text) > 0:
        raise NotUnderstoodError
    return int(text)


def refused(number: Msisdn, code: int) -> Answer:
    """Return the answer that is an error code of the number's, not of the account's."""
    return Answer(number, _OUTCOMES.get(code, Outcome.TEMPORARY), code=str(code))


def check_echo(number: Msisdn, *places: object) -> None:
    """Compare the number that these objects name, if they name one, with ours.

    The forms are those that the pages use: 0044..., 44..., and national with a 0 for the United
    Kingdom, blanks and a plus allowed.

    Raises:
        StrangerError: they name another number.
    """
    forms = {number, f"00{number}"}
    if number.startswith("44"):
        forms.add(f"0{number[2:]}")
    for place in (each for each in places if isinstance(each, dict)):
        for echo in map(place.get, _ECHOES):
            if echo not in (None, "") and re.sub("[^0-9]", "", str(echo)) not in forms:
                raise StrangerError


def told(number: Msisdn, kind: str, result: object) -> Answer:
    """Return what the result of this type (a key of ``TYPES``) says; MALFORMED if nothing."""
    product = TYPES[kind][1]
    try:
        if product is not Product.NETWORK:
            verdict = LISTED if _screened(product, result) else CLEAR
            return Answer(number, Outcome.OK, verdict=verdict)
        if not isinstance(result, dict):
            return Answer(number, Outcome.MALFORMED)
        info = _hlr(result) if kind == "hlr" else _landline(result)
    except NotUnderstoodError:
        return Answer(number, Outcome.MALFORMED)
    absent = info.mccmnc is None and info.live is Live.ABSENT
    return Answer(number, Outcome.ABSENT if absent else Outcome.OK, info)


def _hlr(result: Fields) -> NumberInfo:
    mccmnc, live = _network(result), _bool(result, "on")
    if mccmnc is None and live is None:
        raise NotUnderstoodError
    return NumberInfo(mccmnc, _live(live), _bool(result, *_PORTED))


def _landline(result: Fields) -> NumberInfo:
    """Read ``IsActive``; an inactive line counts as absent, which still is routable."""
    active = _bool(result, "isactive")
    if active is None:
        raise NotUnderstoodError
    line = Line.LANDLINE if active else None
    return NumberInfo(_network(result), _live(active), _bool(result, *_PORTED), line)


def _live(on: bool | None) -> Live | None:
    return None if on is None else Live.LIVE if on else Live.ABSENT


def _screened(product: Product, result: object) -> bool:
    """Say whether the number is on the list; the vendor's field is not known, so a few are."""
    fields = result if isinstance(result, dict) else {"result": result}
    listed = _bool(fields, *_SCREENS[product])
    if listed is None:
        raise NotUnderstoodError
    return listed


def _bool(fields: Fields, *keys: str) -> bool | None:
    """Return the one thing that all of these fields say, None if none is there."""
    said = {_truth(fields[key]) for key in keys if fields.get(key) is not None}
    if len(said) > 1:
        raise NotUnderstoodError
    return said.pop() if said else None


def _truth(value: object) -> bool:
    if isinstance(value, bool):
        return value
    known = _YES.get(value.lower()) if isinstance(value, str) else None
    if known is None:
        raise NotUnderstoodError
    return known


def _network(fields: Fields) -> Mccmnc | None:
    whole, mcc, mnc = _code(fields, _CODES), _code(fields, _MCCS), _code(fields, _MNCS)
    if mcc != "" and not is_mcc(str(mcc)):
        raise NotUnderstoodError
    if whole == "" and mnc == "":
        return None
    plmn = from_parts(mcc, mnc) if whole == "" else canonical(str(whole))
    if plmn is None or mcc not in ("", plmn.mcc, int(plmn.mcc)):
        raise NotUnderstoodError
    return plmn.mccmnc


def _code(fields: Fields, keys: tuple[str, ...]) -> int | str:
    value = next((fields[key] for key in keys if fields.get(key) is not None), "")
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise NotUnderstoodError
    return value
