"""Which dialled extensions an extension pattern of the dialplan matches.

Asterisk's own rules (documentation, "Pattern Matching"; ``main/pbx.c``): a pattern begins with
``_``; X is 0-9, Z is 1-9, N is 2-9, ``[15-7]`` one of these, ``.`` one or more of anything, ``!``
nothing or more of anything; a dash outside brackets is decoration.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

SPECIAL: Final = ("h", "i", "t", "T", "s", "e")
"""Extensions that Asterisk itself calls; a number pattern must not match them."""

_SETS: Final = {"X": "[0-9]", "Z": "[1-9]", "N": "[2-9]", ".": ".+", "!": ".*", "-": ""}


def matches(pattern: str, extension: str) -> bool:
    """Tell whether an extension as the dialplan writes it, pattern or not, takes the dialled one.

    A caller-ID part (``_X./100``) is left out of account.
    """
    wanted = pattern.partition("/")[0]
    if not wanted.startswith("_"):
        return wanted == extension
    return _compiled(wanted[1:]).fullmatch(extension) is not None


def open_ended(pattern: str) -> bool:
    """Tell whether a pattern takes any characters at its end, more than digits."""
    return pattern.startswith("_") and pattern.partition("/")[0][-1:] in {".", "!"}


@cache
def _compiled(body: str) -> re.Pattern[str]:
    written, at = "", 0
    while at < len(body):
        sign = body[at]
        end = body.find("]", at) if sign == "[" else -1
        if end > at:
            written += _one_of(body[at + 1 : end])
            at = end + 1
        else:
            written += _SETS.get(sign.upper(), re.escape(sign))
            at += 1
    return re.compile(written, re.DOTALL)


def _one_of(content: str) -> str:
    """Return one bracket's characters and ranges as a regular expression."""
    parts = re.findall(r"(.)-(.)|(.)", content, re.DOTALL)
    ranges = (
        f"{re.escape(a)}-{re.escape(b)}" if a and a <= b else re.escape(one or a + b)
        for a, b, one in parts
    )
    inside = "".join(ranges)
    return f"[{inside}]" if inside else "(?!)"
