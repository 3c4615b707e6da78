"""The classic AGI script: what it relays, what it applies, and that it sets all or nothing."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from agi.fastagi.protocol import EnvironmentReader, read_url
from tests.asterisk import fastagi
from tests.asterisk.ami import stage
from tests.asterisk.fastagi import Answer, Asked, Server, array, commits, serving
from tests.asterisk.pbx import DIALPLAN, Pbx

SCRIPT = DIALPLAN / "carrier-route.agi"
NUMBER = "447700900123"
GOOD = commits(("Local", "sink", "4401"))


def environment(*arguments: str, without: str = "") -> bytes:
    """Return what Asterisk writes to a classic script (res_agi.c, setup_env)."""
    lines = {
        "request": "carrier-route.agi",
        "channel": "PJSIP/caller-00000001",
        "language": "en",
        "type": "PJSIP",
        "uniqueid": "1795240696.1",
        "version": "22.10.1",
        "callerid": "447700900999",
        "calleridname": "Zoë: a, b",
        "callingpres": "0",
        "callingani2": "0",
        "callington": "0",
        "callingtns": "0",
        "dnid": "unknown",
        "rdnis": "unknown",
        "context": "carrier-route",
        "extension": "s",
        "priority": "72",
        "enhanced": "0.0",
        "accountcode": "",
        "threadid": "140599313970880",
    } | {f"arg_{index}": value for index, value in enumerate(arguments, 1)}
    lines.pop(without, None)
    return "".join(f"agi_{name}: {value}\n" for name, value in lines.items()).encode() + b"\n"


async def run_script(
    stdin: bytes, reply: bytes = b"200 result=1\n", interpreter: str = sys.executable
) -> tuple[int, bytes, bytes]:
    """Run the script as Asterisk would; return its status, its commands and its stderr."""
    process = await asyncio.create_subprocess_exec(
        *(interpreter, str(SCRIPT)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PATH": os.environ["PATH"]},
    )
    out, err = await asyncio.wait_for(process.communicate(stdin + reply), 15)
    assert process.returncode is not None
    return process.returncode, out, err


async def relayed(
    answer: Answer, *arguments: str, reply: bytes = b"200 result=1\n"
) -> tuple[int, bytes, bytes, Server]:
    async with serving(answer) as server:
        said = await run_script(environment(server.url, *arguments), reply)
    return *said, server


def test_the_environment_is_relayed_so_that_the_service_accepts_it() -> None:
    status, _, err, server = asyncio.run(relayed(GOOD, NUMBER, "retail", "anonymous", "500"))
    assert (0, b"") == (status, err)
    heard = EnvironmentReader().feed(server.asked[0].raw)
    assert heard is not None
    expected = {"n": NUMBER, "a": "retail", "f": "anonymous", "g": "500"}
    assert ("route", expected) == read_url(heard)
    assert "1795240696.1" == heard.uniqueid


def test_only_the_number_is_needed() -> None:
    status, out, _, server = asyncio.run(relayed(GOOD, "+" + NUMBER))
    assert (0, f"route?n=+{NUMBER}") == (status, server.asked[0].lines["agi_network_script"])
    assert out.startswith(b"SET VARIABLE ARRAY(CARRIER_ACTION,")


@pytest.mark.parametrize("value", ["plain", 'a"b', "a,b", "a\\b", "(x)[y]", "Zoë", " a "])
def test_the_answers_command_reaches_asterisk_byte_for_byte(value: str) -> None:
    line = array([("CARRIER_RULE", value), ("CARRIER_COMMIT", "1.1")])

    async def answer(_: Asked, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(line)
        writer.write_eof()

    status, out, _, server = asyncio.run(relayed(answer, NUMBER))
    assert (0, line) == (status, out)
    assert [b"200 result=1\n"] == server.replies


BROKEN = {
    "nothing": b"",
    "half a line": b'SET VARIABLE ARRAY(CARRIER_ACTION) "rou',
    "no line feed": b'SET VARIABLE ARRAY(CARRIER_ACTION) "route"',
    "another command": b'EXEC System "id"\n',
    "two commands": b'SET VARIABLE ARRAY(A) "1"\nSET VARIABLE ARRAY(B) "2"\n',
    "a function": b'SET VARIABLE SHELL(id) "x"\n',
    "an unescaped quote": b'SET VARIABLE ARRAY(A) "x" "y"\n',
    "a carriage return": b'SET VARIABLE ARRAY(A) "x"\r\n',
    "too long a line": b'SET VARIABLE ARRAY(A) "' + b"x" * 2048 + b'"\n',
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_answer_sets_nothing_and_fails(broken: str) -> None:
    async def answer(_: Asked, __: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(BROKEN[broken])
        writer.write_eof()

    status, out, err, _ = asyncio.run(relayed(answer, NUMBER))
    assert (1, b"") == (status, out)
    assert err == b"carrier-route.agi: nothing set: answer\n"


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("",),
        ("44x",),
        ("4" * 33,),
        (NUMBER, "a b"),
        (NUMBER, "", "alice"),
        (NUMBER, "", "", "x"),
    ],
)
def test_a_bad_argument_is_refused_before_anybody_is_asked(arguments: tuple[str, ...]) -> None:
    status, out, err, server = asyncio.run(relayed(GOOD, *arguments))
    assert (1, b"", []) == (status, out, server.asked)
    assert NUMBER.encode() not in err


@pytest.mark.parametrize(
    "base", ["http://127.0.0.1:1", "agi://localhost:4573", "agi://127.0.0.1:x", "127.0.0.1"]
)
def test_a_base_that_is_not_an_agi_url_by_address_is_refused(base: str) -> None:
    status, out, err = asyncio.run(run_script(environment(base, NUMBER)))
    assert (1, b"") == (status, out)
    assert err == b"carrier-route.agi: nothing set: base URL\n"


@pytest.mark.parametrize("name", ["threadid", "uniqueid", "callerid"])
def test_an_environment_without_one_of_asterisks_lines_is_refused(name: str) -> None:
    status, out, _ = asyncio.run(run_script(environment("agi://127.0.0.1:9", NUMBER, without=name)))
    assert (1, b"") == (status, out)


def test_a_refused_connection_fails_and_tells_no_number() -> None:
    status, out, err = asyncio.run(run_script(environment("agi://127.0.0.1:9", NUMBER)))
    assert (1, b"") == (status, out)
    assert err == b"carrier-route.agi: nothing set: ConnectionRefusedError\n"


def test_a_silent_service_is_left_after_a_second() -> None:
    async def run() -> float:
        loop = asyncio.get_running_loop()
        start = loop.time()
        status, out, _, _ = await relayed(fastagi.silent, NUMBER)
        assert (1, b"") == (status, out)
        return loop.time() - start

    assert 1.0 <= asyncio.run(run()) < 5.0


@pytest.mark.parametrize("reply", [b"", b"HANGUP\n", b"511 Command Not Permitted\n", b"510 x\n"])
def test_a_call_that_is_gone_is_a_failure(reply: bytes) -> None:
    status, _, _, server = asyncio.run(relayed(GOOD, NUMBER, reply=reply))
    assert 1 == status
    assert [b""] == server.replies


def test_without_pyst2_it_says_what_to_do() -> None:
    async def run() -> tuple[int, bytes, bytes]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-S", "-E", str(SCRIPT)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 15)
        return process.returncode or 0, out, err

    status, out, err = asyncio.run(run())
    assert (1, b"") == (status, out)
    assert b"pyst2 is missing" in err
    assert 1 == err.count(b"\n")


def test_under_a_real_asterisk_the_script_decides_like_fastagi(pbx: Pbx) -> None:
    """The dialplan itself runs it: CARRIER_AGI names the script instead of a URL."""
    if not pbx.has_python:
        pytest.skip(f"no python3 in the chroot of Asterisk {pbx.version}")

    async def run() -> None:
        async with (
            serving(GOOD) as server,
            stage(
                pbx,
                CARRIER_AGI="carrier-route.agi",
                CARRIER_RELAY=server.url,
                CARRIER_GUARD="5",
            ) as ami,
        ):
            tag = await ami.originate("+447700900123")
            seen = (await ami.user("Decided", tag))[0]
            await ami.ended(tag)
            assert ("live", "4401", "r1") == (seen["source"], seen["number"], seen["rule"])
            expected = {"n": "+447700900123", "f": "447700900999", "g": "5000"}
            assert expected == server.asked[0].query
            await ami.globals(CARRIER_RELAY="agi://127.0.0.1:9")
            tag = await ami.originate(NUMBER)
            assert "default" == (await ami.user("Decided", tag))[0]["source"]
            await ami.ended(tag)

    asyncio.run(run())
