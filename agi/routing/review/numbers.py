"""Warn of cells that no number or network fits: calling codes, lengths, countries, networks.

Numbering plans are libphonenumber's metadata (``PhoneMetadata.xml``), networks those of
``agi.plmn`` and ``agi.mcc``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Final

import phonenumbers
from phonenumbers import PhoneMetadata

from agi import plmn
from agi.mcc import calling_code, plausible
from agi.model import Mccmnc, Msisdn
from agi.routing.reading.faults import Faults, Place, shown
from agi.routing.rule import Cell, Rule

_CODE_DIGITS: Final = 3
_MCC_DIGITS: Final = 3
_WORLD: Final = "001"
_SHARED: Final = "901"
"""The MCC of satellites, ships and planes; no country's begins with 0, 1, 8 or 9 (E.212, A)."""
_EMERGENCY: Final = ("112", "911", "999")
"""Emergency numbers wherever a mobile is (3GPP TS 22.101, 10.1.1), and the United Kingdom's."""

_Found = Iterator[tuple[str, str]]
"""Columns, each with what is doubtful about it."""


def review_numbers(rules: Iterable[Rule], places: Mapping[str, Place], faults: Faults) -> None:
    """Add a warning for each cell that no number, or no network of such a number, can match."""
    told: set[str] = set()
    for rule in rules:
        for column, what in (*_prefixes(rule), *_countries(rule), *_networks(rule, told)):
            faults.add(places[rule.name].fault(column, what, warning=True))


def _prefixes(rule: Rule) -> _Found:
    for item in rule.prefix.items:
        if item[0] == "=":
            if item[1:] in _EMERGENCY and not rule.emergency:
                what = f"{item} is an emergency number: only a rule with line=emergency is asked"
                yield "prefix", f"{what}, where [numbers] emergency lists it"
        elif len(item) >= _CODE_DIGITS and not _code(item):
            what = "no country calling code begins so (ITU-T E.164)"
            yield "prefix", f"{shown(item)}: {what}: was '=' meant, digits as dialled?"
        elif (longest := _longest(_code(item))) and len(item) > longest:
            what = f"longer than any number behind +{_code(item)}, which have {longest} digits"
            yield "prefix", f"{shown(item)} is {what}: remove what is too much"


def _code(digits: str) -> int:
    """Return the calling code that digits begin with; 0 if there is none."""
    heads = (int(digits[:length]) for length in range(1, _CODE_DIGITS + 1))
    return next((code for code in heads if code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE), 0)


@cache
def _longest(code: int) -> int:
    """Return how many digits the longest number of a calling code has, the code included."""
    found = 0
    for region in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(code, ()):
        metadata = (
            PhoneMetadata.metadata_for_nongeo_region(code)
            if region == _WORLD
            else PhoneMetadata.metadata_for_region(region)
        )
        if metadata and metadata.general_desc:
            found = max(found, *metadata.general_desc.possible_length)
    return len(str(code)) + found if found else 0


def _positive(cell: Cell) -> tuple[str, ...]:
    return () if cell.negative else cell.items


def _countries(rule: Rule) -> _Found:
    codes = [str(phonenumbers.country_code_for_region(c)) for c in _positive(rule.country)]
    if not codes:
        return
    for item in _positive(rule.prefix):
        if item[0] == "=" or any(item.startswith(c) or c.startswith(item) for c in codes):
            continue
        countries = " or ".join(rule.country.items[:3])
        begin = f"numbers of {countries} begin with {' or '.join(codes[:3])}"
        national = codes[0] + item
        fits = _longest(int(codes[0])) >= len(national) > len(codes[0]) + 2
        hint = f"; was {shown(national)} meant?" if fits else ""
        yield "country", f"never matches {shown(item)}: {begin}{hint}"


def _networks(rule: Rule, told: set[str]) -> _Found:
    codes = {str(phonenumbers.country_code_for_region(c)) for c in _positive(rule.country)}
    where = "/".join(rule.country.items[:3])
    if not codes:
        codes = {calling_code(item) for item in _positive(rule.prefix)}
        where = "+" + "/+".join(sorted(codes)[:3])
    for item in rule.mccmnc.items:
        what = _strange(item)
        if what and item not in told:
            told.add(item)
            yield "mccmnc", what
        elif codes and "" not in codes and not rule.mccmnc.negative and not _serves(item, codes):
            yield "mccmnc", f"never matches: networks of {item[:3]} do not serve numbers of {where}"


def _serves(item: str, codes: set[str]) -> bool:
    network = Mccmnc(item if len(item) > _MCC_DIGITS else f"{item}00")
    return any(plausible(network, Msisdn(code)) for code in codes)


def _strange(item: str) -> str:
    """Say that a network or an MCC is of no list, or nothing."""
    # What serves numbers of two far countries at once stands in no list at all.
    nowhere = item[0] in "0189" and not item.startswith(_SHARED)
    if nowhere or (_serves(item, {"44"}) and _serves(item, {"81"})):
        return f"{item}: no country has the MCC {item[:3]} (ITU-T E.212), is it a slip?"
    known = plmn.canonical(item) if len(item) > _MCC_DIGITS else None
    if known is not None and known.note is plmn.Note.UNLISTED:
        return f"{item}: MNCs of {known.mcc} have two digits, and this one is not known"
    return ""
