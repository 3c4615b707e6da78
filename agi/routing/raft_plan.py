r"""What a dialplan has to know of the numbering plan, as regular expressions that Asterisk can use.

The truth is libphonenumber's metadata, as for ``agi.e164``. Asterisk's ``REGEX()`` takes POSIX
extended expressions (func_strings.c, ``REG_EXTENDED``): the metadata needs ``\d`` and ``(?:``
rewritten, nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Final

import phonenumbers
from phonenumbers import PhoneMetadata, PhoneNumberDesc

from agi.model import Line

LINES: Final = (Line.PREMIUM, Line.TOLLFREE, Line.OTHER, Line.VOIP)
"""The kinds of line that a few digits tell, as far as they cost what others do not."""

_POSIX: Final = re.compile(r"[0-9\[\](){}|,?*+-]*")
_CODES: Final = phonenumbers.COUNTRY_CODE_TO_REGION_CODE
_WORLD: Final = "001"
_LONGEST_HEAD: Final = 4
_LONGEST: Final = 1_500
"""Characters of an expression; Asterisk replaces variables in pieces of 4,096 (pbx_variables.c)."""


def posix(pattern: str) -> str:
    """Return a pattern of the metadata as a POSIX extended expression.

    Raises:
        ValueError: it cannot be written so.
    """
    text = re.sub(r"\s", "", pattern).replace(r"\d", "[0-9]").replace("(?:", "(")
    if not _POSIX.fullmatch(text) or len(text) > _LONGEST:
        raise ValueError("this pattern cannot be written for Asterisk")
    return text


@dataclass(frozen=True, slots=True)
class Home:
    """How digits are read where they are dialled.

    ``code`` is the country's calling code, ``abroad`` the expression of its international prefix,
    ``trunk_prefix`` its national one (may be empty), ``national`` the expression of a whole number
    without either, ``longest`` how many digits such a number has at most, ``short`` the expression
    of the short codes (may be empty).
    """

    code: str
    abroad: str
    trunk_prefix: str
    national: str
    longest: int
    short: str


def home(country: str) -> Home:
    """Return how a country's digits are read.

    Args:
        country: ISO 3166 alpha-2 that libphonenumber knows.

    Raises:
        ValueError: its plan cannot be written for Asterisk.
    """
    metadata = PhoneMetadata.metadata_for_region(country)
    if metadata is None or metadata.general_desc is None:
        raise ValueError(f"no numbering plan is known for {country}")
    general = metadata.general_desc
    return Home(
        str(phonenumbers.country_code_for_region(country)),
        posix(metadata.international_prefix or "00"),
        metadata.national_prefix or "",
        posix(general.national_number_pattern or ""),
        max(general.possible_length),
        _short(country),
    )


def _short(country: str) -> str:
    short = PhoneMetadata.short_metadata_for_region(country)
    if short is None:
        return ""
    return "|".join(_patterns(short.short_code, short.emergency))


def _patterns(*descs: PhoneNumberDesc | None) -> list[str]:
    texts = [desc.national_number_pattern for desc in descs if desc is not None]
    return [posix(text) for text in texts if text]


# ---- which country, which line -------------------------------------------------------------


def calling_code(digits: str) -> str:
    """Return the calling code that E.164 digits begin with; empty if they are too few for one."""
    return next(
        (digits[:n] for n in (1, 2, 3) if digits[:n].isdigit() and _is_code(digits[:n])), ""
    )


def _is_code(text: str) -> bool:
    return text[0] != "0" and int(text) in _CODES


def country_of(digits: str) -> str:
    """Return whose number begins so; empty if that is nobody's, or not to be told yet.

    Of countries that share a calling code it is the first, but for those that libphonenumber tells
    apart by at most four leading digits: so Jamaica is told from the United States, Canada is not.
    """
    code = calling_code(digits)
    if not code:
        return ""
    regions = _CODES[int(code)]
    rest = digits[len(code) :]
    found = (region for region in regions[1:] if rest.startswith(_heads(region)))
    country = next(found, regions[0])
    return "" if country == _WORLD else country


def country_heads() -> Iterator[str]:
    """Yield the beginnings of numbers at which the country may change."""
    for code, regions in _CODES.items():
        yield str(code)
        for region in regions[1:]:
            for head in _heads(region):
                yield f"{code}{head}"


@lru_cache(maxsize=300)
def _heads(region: str) -> tuple[str, ...]:
    metadata = PhoneMetadata.metadata_for_region(region)
    if metadata is None or not metadata.leading_digits:
        return ()
    leading = re.compile(metadata.leading_digits)
    found: list[str] = []
    for length in range(1, _LONGEST_HEAD + 1):
        for digits in map("".join, product("0123456789", repeat=length)):
            if leading.fullmatch(digits) and not digits.startswith(tuple(found)):
                found.append(digits)
    return tuple(found)


def line_patterns(code: int) -> list[tuple[Line, str]]:
    """Return what tells the kinds of ``LINES`` behind a calling code, in the order of asking.

    The order is that of phonenumbers' number_type: the first that matches a whole number decides.
    """
    kinds: dict[tuple[Line, str], None] = {}
    for region in _CODES[code]:
        metadata = PhoneMetadata.metadata_for_region_or_calling_code(code, region)
        if metadata is not None:
            kinds |= dict.fromkeys(_kinds(metadata))
    return sorted(kinds, key=lambda kind: _ORDER.index(kind[0]))


_ORDER: Final = (Line.PREMIUM, Line.TOLLFREE, Line.VOIP, Line.OTHER)


def _kinds(metadata: PhoneMetadata) -> Iterator[tuple[Line, str]]:
    others = (metadata.personal_number, metadata.pager, metadata.uan, metadata.voicemail)
    kinds: tuple[tuple[Line, Collection[PhoneNumberDesc | None]], ...] = (
        (Line.PREMIUM, (metadata.premium_rate,)),
        (Line.TOLLFREE, (metadata.toll_free,)),
        (Line.VOIP, (metadata.voip,)),
        (Line.OTHER, (metadata.shared_cost, *others)),
    )
    for line, descs in kinds:
        for text in _patterns(*descs):
            yield line, text


def calling_codes() -> Iterator[int]:
    """Yield every calling code that somebody has."""
    yield from _CODES
