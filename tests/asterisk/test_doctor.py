"""The doctor's reading against a real Asterisk's own: configuration grammar and patterns."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agi.doctor.checkup import check
from agi.doctor.patterns import matches
from agi.doctor.reading import read
from agi.doctor.site import Ours
from agi.routing.trunk import Trunk
from tests.asterisk.ami import Ami, session, stage
from tests.asterisk.pbx import DIALPLAN, TRUNKS, Pbx

GRAMMAR = r"""; a comment
[template](!)
a = 1
b => 2
[plain]
c = with spaces ; and a comment
d = escaped \; semicolon
e = x;-- within --;y
f = 1 = 2
;-- a block
[hidden]
g = 1
--;
[heir](template)
b = 3
[second](!,template)
h = 4
[both](template,second)
[plain](+)
i = 5
k = a ;--- no block
#include part.conf
l += added
l +=more
b2 = after
"""
PART = """j = included
l = first
[another]
m = 6
"""
PATTERNS = (
    *("_X.", "_X!", "_.", "_!", "_+X.", "_NXX", "_ZX", "_[13-5]X", "_[a-z]!", "_[0-9*#+]."),
    *("_0[1-9]-XXX", "_x.", "100", "_n!", "_[a-zA-Z0-9].", "_[!-~]!"),
)
DIALLED = (
    *("h", "i", "t", "T", "s", "e", "1", "10", "100", "112", "211", "999", "01234", "+44", "*21#"),
    *("*#06#", "447700900123", "40", "20", "22", "0"),
)


def shown(headers: dict[str, str]) -> list[tuple[str, list[str]]]:
    """Return the sections that GetConfig listed, each with its lines."""
    found: list[tuple[str, list[str]]] = []
    for number in range(100):
        name = headers.get(f"category-{number:06}")
        if name is None:
            return found
        keys = [key for key in headers if re.fullmatch(rf"line-{number:06}-\d+", key)]
        found.append((name, [headers[key] for key in sorted(keys)]))
    return found


def test_configuration_is_read_as_asterisk_reads_it(pbx: Pbx) -> None:
    etc = pbx.home / "etc"
    (etc / "doctor.conf").write_text(GRAMMAR)
    (etc / "part.conf").write_text(PART)

    async def run() -> dict[str, str]:
        async with session(pbx) as ami:
            return await ami.action("GetConfig", Filename="doctor.conf")

    theirs = shown(asyncio.run(run()))
    conf = read(etc, "doctor.conf")
    ours = [(s.name, [f"{e.name}={e.value}" for e in s.entries]) for s in conf.real()]
    assert theirs == ours
    assert [] == conf.findings


@contextlib.asynccontextmanager
async def dialplan(pbx: Pbx, text: str) -> AsyncIterator[Ami]:
    """Let the tests' Asterisk run this dialplan until the end of the block."""
    path = pbx.home / "etc" / "extensions.conf"
    site = path.read_text()
    async with stage(pbx) as ami:
        try:
            path.write_text(text)
            await ami.action("Command", Command="dialplan reload")
            yield ami
        finally:
            path.write_text(site)
            await ami.action("Command", Command="dialplan reload")


def test_patterns_match_what_asterisk_matches(pbx: Pbx) -> None:
    contexts = [f"[p{i}]\nexten => {text},1,NoOp()\n" for i, text in enumerate(PATTERNS)]

    async def run() -> dict[tuple[str, str], bool]:
        async with dialplan(pbx, "".join(contexts)) as ami:
            said = {}
            for i, pattern in enumerate(PATTERNS):
                for dialled in DIALLED:
                    function = f"DIALPLAN_EXISTS(p{i},{dialled},1)"
                    value = (await ami.action("Getvar", Variable=function))["value"]
                    said[pattern, dialled] = value == "1"
            return said

    theirs = asyncio.run(run())
    assert theirs == {(p, d): matches(p, d) for p in PATTERNS for d in DIALLED}
    assert {True, False} == set(theirs.values())


def test_the_tests_own_asterisk_has_nothing_to_hide(pbx: Pbx) -> None:
    """A directory that runs: the only complaints are those that the tests asked for."""
    trunks = tuple(Trunk(name, name, "PJSIP", 20, enabled=True) for name in TRUNKS)
    shipped = (DIALPLAN / "extensions_carrier.conf").read_text()
    ours = Ours("127.0.0.1:4573", 300, ("112", "999"), trunks, (), shipped)
    found = [finding for finding in check(pbx.home / "etc", ours) if finding.hurts]
    said = {(Path(f.file).name, re.sub(r"\W", " ", f.what).split()[0]) for f in found}
    expected = {
        ("extensions.conf", "CARRIER_AGI"),  # set by the tests over AMI
        ("extensions.conf", "CARRIER_DEFAULT_TRUNKS"),
        ("extensions.conf", "AGI"),  # the naive site
        ("manager.conf", "harness"),  # a password that everybody tries
        ("pjsip.conf", "holder"),  # not watched: SIPp answers no OPTIONS
    }
    assert expected <= said
    files = {"extensions.conf", "manager.conf", "manager_carrier.conf", "pjsip.conf"}
    assert files >= {name for name, _ in said}


@pytest.mark.parametrize("pattern", ["_.", "_X."])
def test_the_pattern_that_the_doctor_warns_of_runs_again_at_hang_up(pbx: Pbx, pattern: str) -> None:
    text = f"""#include extensions_carrier.conf
[wild]
exten => {pattern},1,UserEvent(Wild,Dialled: ${{EXTEN}})
 same => n,Gosub(carrier-route,s,1(${{EXTEN}}))
 same => n,Hangup()
[end]
exten => _X.,1,Dial(Local/${{EXTEN}}@wild/n)
exten => h,1,UserEvent(End)
"""
    path = pbx.home / "etc" / "extensions.conf"

    async def run() -> list[str]:
        async with dialplan(pbx, text) as ami:
            await ami.originate("447700900123", "end")
            await ami.user("End")
            return [event["dialled"] for event in ami.heard("Wild")]

    assert ["447700900123", *(["h"] if pattern == "_." else [])] == asyncio.run(run())
    assert path.read_text() != text
