"""Any value that our writer writes is what Asterisk then holds, and nothing else happened."""

from __future__ import annotations

import asyncio
import random
import string

from agi.errors import LocalProtocolError
from agi.fastagi.protocol import set_array
from tests.asterisk.ami import stage
from tests.asterisk.fastagi import Asked, full_variable, reply_to, serving
from tests.asterisk.pbx import Pbx

PER_LINE = 20
LINES = 500
NAMES = [f"V_{index}" for index in range(PER_LINE)]
HARD = [
    *string.punctuation,
    *("\\\\", '\\"', '""', "),(", "${X}", "$[1+1]", "a,b", " a ", "\t", "\x01\x1b[31m\x7f"),
    *("é", "€", "𝄞", "\u2028\u2029\x85", "\ufeff", "\u202e", "'", "200 result=1", ";c", "&|^"),
    *("", " ", "x" * 60, '"SET VARIABLE PWN 1"', "\\n", "%0A", "~", "\x80\xff"),
]
FORBIDDEN = ["a\nb", "\r", "x\x00y", "\ud800"]


def any_value(dice: random.Random) -> str:
    """Draw a value from all of Unicode, with the characters that matter far too often."""
    if dice.random() < 0.3:
        return "".join(dice.choices(HARD, k=dice.randint(1, 3)))[:60]
    length = dice.randint(0, 12)
    codes = (dice.choice((0x7F, 0xFF, 0xFFFF, 0x10FFFF)) for _ in range(length))
    return "".join(chr(dice.randint(0, top)) for top in codes)


def writable(value: str) -> bool:
    """Tell whether AGI (no CR, LF, NUL) and UTF-8 (no surrogates) can carry the value."""
    return not any(c in "\r\n\x00" or "\ud800" <= c <= "\udfff" for c in value)


def test_ten_thousand_random_values_are_refused_or_read_back_unchanged(pbx: Pbx) -> None:
    dice = random.Random(f"dialdip {pbx.build.name}")
    drawn = [*HARD, *FORBIDDEN]
    drawn += [any_value(dice) for _ in range(PER_LINE * LINES - len(drawn))]
    refused = []
    for value in drawn:
        try:
            set_array([("V", value)])
        except LocalProtocolError:
            refused.append(value)
    assert [value for value in drawn if not writable(value)] == refused
    values = [value for value in drawn if writable(value)]
    wrong: list[tuple[str, str | None]] = []

    async def check(_: Asked, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for start in range(0, len(values), PER_LINE):
            part = values[start : start + PER_LINE]
            line = set_array(list(zip(NAMES, part, strict=False)))
            assert "200 result=1" == await reply_to(reader, writer, line.decode().rstrip("\n"))
            for name, value in zip(NAMES, part, strict=False):
                # LEN() would parse the value again; GET FULL VARIABLE gives it as it is.
                said = full_variable(
                    await reply_to(reader, writer, f"GET FULL VARIABLE ${{{name}}}")
                )
                if value != (said or ""):
                    wrong.append((value, said))
        said = full_variable(await reply_to(reader, writer, "GET FULL VARIABLE ${PWN}"))
        assert not said
        writer.close()

    async def run() -> str:
        async with serving(check) as server, stage(pbx, CARRIER_READ=server.url) as ami:
            tag = await ami.originate("100", "readback")
            return (await ami.user("Read", tag))[0]["status"]

    assert "SUCCESS" == asyncio.run(run())
    assert [] == wrong
    print(f"\nAsterisk {pbx.version}: {len(values)} values unchanged, {len(refused)} refused")
