"""Name what a spreadsheet or a keyboard did to a cell: dates, exponents, commas, foreign signs.

Nothing is repaired: who is told what happened can format the column as text and enter it again.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# A spreadsheet reads the wide forms of East Asian keyboards like the others.
FORMULA_SIGNS: Final = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
# What it shows for a broken formula.
_ERROR_VALUE: Final = re.compile(
    r"#{2,}|#(?:REF|VALUE|DIV/0|NUM|NULL|SPILL|CALC)!|#NAME\?|#N/A|Err:[0-9]+"
)
_MONTH: Final = r"[A-Za-z\u00c0-\u017f]{3,4}\.?"
_SPOILED: Final = (  # most telling first
    (
        re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?[eE][+-]?[0-9]+"),
        "a spreadsheet shortened a long number: format the column as text, enter all digits again",
    ),
    (
        re.compile(
            r"[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}|[0-9]{1,2}/[0-9]{1,4}"
            rf"|[0-9]{{1,2}}[-. ]{_MONTH}(?:[-. ][0-9]{{2,4}})?|{_MONTH}[-. ][0-9]{{1,4}}"
        ),
        "a spreadsheet made a date of a number: format the column as text and enter it again",
    ),
    (re.compile(r"-?[0-9]+,[0-9]+"), "a decimal comma: write a whole number"),
    (re.compile(r"-?[0-9]+\.[0-9]+"), "a decimal point: write a whole number"),
    (re.compile(r"'.*"), "a spreadsheet's apostrophe stands before the value: remove it"),
    (re.compile(r"[0-9]+(?:[ \u00a0\u202f]+[0-9]+)+"), "blanks between the digits: remove them"),
    (
        re.compile(r"TRUE|FALSE|True|False|WAHR|FALSCH|VRAI|FAUX|VERO|FALSO|VERDADERO|WAAR|ONWAAR"),
        "a spreadsheet made a truth value of it: format the column as text and enter it again",
    ),
    (_ERROR_VALUE, "a spreadsheet's error stands in place of the value: enter it again"),
)


def spoiled(cell: str) -> str:
    """Say what a spreadsheet did to a number or a word, or return nothing."""
    for pattern, what in _SPOILED:
        if pattern.fullmatch(cell):
            return what
    # str.isdigit accepts the digits of every script; dialplans and providers do not.
    if any(c.isdigit() and not c.isascii() for c in cell):
        return "digits of another script: write the ASCII digits 0 to 9"
    return foreign(cell)


def foreign(cell: str) -> str:
    """Name the first character that is not ASCII, which may look like one that is."""
    odd = next((c for c in cell if not c.isascii()), "")
    if not odd:
        return ""
    name = unicodedata.name(odd, "a character without a name")
    return f"U+{ord(odd):04X} ({name}) is not ASCII, even if it looks so: type it anew"


def is_error_value(cell: str) -> bool:
    """Say whether a cell is what a spreadsheet shows for a broken formula."""
    return _ERROR_VALUE.fullmatch(cell) is not None


def formula(cell: str) -> str:
    """Say why a text must not begin as it does; empty if it may (OWASP, "CSV Injection")."""
    if cell[:1] and cell[0] in FORMULA_SIGNS:
        return f"a spreadsheet would run it as a formula: do not begin with {cell[0]!a}"
    return ""
