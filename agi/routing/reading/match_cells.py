"""Read the match cells that several files share: account, network, prefix, caller, country, words.

What an empty, a positive and a negative cell match is said at ``agi.routing.rule.Cell``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final

import phonenumbers

from agi import plmn
from agi.routing.reading.cells import Cells, country_hint, is_name, match_cell, spelt, words_right
from agi.routing.reading.faults import Nearest
from agi.routing.rule import Cell

ACCOUNT_LENGTH: Final = 32
ANONYMOUS: Final = "anonymous"

Sets = Mapping[str, tuple[str, ...]]
"""Networks and MCCs, canonical, by the name of their set."""

# ITU-T E.164, 6: country code and number, at most 15 digits; no country code begins with 0.
_E164: Final = re.compile(r"[1-9][0-9]{0,14}")
_DIALLED: Final = re.compile(r"=\+?[0-9*#]{1,32}")
_CALLER: Final = re.compile(r"[0-9]{1,32}")
# ITU-T E.212, 5: MCC of three digits, MNC of two or three.
_NETWORK: Final = re.compile(r"[0-9]{5,6}|[0-9]{3}-[0-9]{2,3}")
_MCC: Final = 3


def account_cell(cells: Cells, column: str = "account") -> Cell:
    """Read names of accounts."""
    right = f"an account is 1 to {ACCOUNT_LENGTH} letters, digits, '_', '.' or '-'"
    return match_cell(
        cells, column, lambda item: item if is_name(item, ACCOUNT_LENGTH) else None, right
    )


def network_cell(cells: Cells, sets: Sets, column: str = "mccmnc") -> Cell:
    """Read networks (23415, 234-15), MCCs (234) and sets of both (``@uk``), which are spelt out."""

    def item(text: str) -> str | tuple[str, ...] | None:
        return sets.get(text[1:]) if text.startswith("@") else network(cells, column, text)

    def right(text: str) -> str:
        if text.startswith("@"):
            return f"unknown set{Nearest(sets).hint(text[1:])}; sets stand in networks.csv"
        return f"{NETWORK_RIGHT}, or a set of networks.csv (@name)"

    return match_cell(cells, column, item, right, _mcc_of)


NETWORK_RIGHT: Final = "write MCC and MNC of ITU-T E.212 (23415 or 234-15), or an MCC alone (234)"


def network(cells: Cells, column: str, text: str) -> str | None:
    """Return a network or an MCC in canonical form, None if it is neither; warn if doubtful."""
    if len(text) == _MCC and text.isascii() and plmn.is_mcc(text):
        return text
    known = plmn.canonical(text) if _NETWORK.fullmatch(text) else None
    return None if known is None else spelt(cells, column, text, known)


def _mcc_of(network: str) -> tuple[str, ...]:
    return (network[:_MCC],) if len(network) > _MCC else ()


def prefix_cell(cells: Cells, column: str = "prefix", *, dialled: bool = True) -> Cell:
    """Read E.164 prefixes, and ``=digits`` as dialled where ``dialled`` allows them."""

    def item(text: str) -> str | None:
        good = _E164.fullmatch(text) or (dialled and _DIALLED.fullmatch(text))
        return text if good else None

    def right(text: str) -> str:
        if text.startswith("+"):
            return "write the number without '+'"
        if text.startswith("0"):
            return "write the number with its country code, without leading zeros"
        if text.startswith("=") and not dialled:
            return "digits as dialled have no place here: write digits with the country code"
        more = ", or '=' and the dialled digits" if dialled else ""
        return f"write 1 to 15 digits with the country code{more}"

    return match_cell(cells, column, item, right, _beginnings)


def caller_cell(cells: Cells, column: str = "from") -> Cell:
    """Read what callers' digits begin with, and ``anonymous``."""

    def item(text: str) -> str | None:
        return text if text == ANONYMOUS or _CALLER.fullmatch(text) else None

    def right(text: str) -> str:
        if text.startswith("+"):
            return "write the caller's digits without '+'"
        return f"write 1 to 32 digits, or {ANONYMOUS}{Nearest((ANONYMOUS,)).hint(text)}"

    return match_cell(cells, column, item, right, _beginnings)


def _beginnings(digits: str) -> Iterable[str]:
    return (digits[:length] for length in range(1, len(digits))) if digits.isdecimal() else ()


def country_cell(cells: Cells, column: str = "country") -> Cell:
    """Read countries, ISO 3166 alpha-2, as libphonenumber knows them."""

    def item(text: str) -> str | None:
        return text if text in phonenumbers.SUPPORTED_REGIONS else None

    return match_cell(
        cells,
        column,
        item,
        lambda text: f"write an ISO 3166 alpha-2 code such as GB{country_hint(text)}",
    )


def word_cell(cells: Cells, column: str, words: Collection[str]) -> Cell:
    """Read some of a few words, exactly."""
    return match_cell(
        cells,
        column,
        lambda text: text if text in words else None,
        lambda text: f"write {words_right(words, text)}",
    )
