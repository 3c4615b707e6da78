"""SIPp as callers and as trunks; what they saw is read from SIPp's own message files."""

from __future__ import annotations

import asyncio
import contextlib
import re
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.asterisk.pbx import Pbx

SCENARIOS = Path(__file__).parent / "sipp"
CALLER = "127.0.0.2"
NAIVE = "127.0.0.3"


@dataclass(slots=True)
class Trunk:
    """A SIPp that stands for a carrier."""

    messages: Path

    @property
    def invited(self) -> list[str]:
        """Return the user part of each INVITE's Request-URI, one for each call."""
        text = self.messages.read_text(errors="replace") if self.messages.exists() else ""
        received = re.findall(
            r"message received \[\d+\] bytes :\s+INVITE sip:([^@ ]*)@.*?^Call-ID: (\S+)",
            text,
            re.DOTALL | re.MULTILINE,
        )
        return list({call_id: user for user, call_id in received}.values())


@dataclass(frozen=True, slots=True)
class Called:
    """How a SIPp caller fared: the status codes it got for its INVITE, in order."""

    statuses: tuple[int, ...]
    messages: str = field(repr=False)

    @property
    def final(self) -> int:
        """Return the final answer to the INVITE."""
        return next((status for status in self.statuses if status >= 200), 0)


async def run(scenario: Path, messages: Path, *options: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        "sipp",
        *("-sf", str(scenario)),
        *("-nostdin", "-trace_msg", "-message_file", str(messages), "-message_overwrite", "false"),
        *options,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=messages.parent,
    )


def write(scenario: str, messages: Path, **words: str) -> Path:
    """Write the scenario beside the messages, with its capital words filled in."""
    text = (SCENARIOS / f"{scenario}.xml").read_text()
    for word, meant in words.items():
        text = text.replace(word, meant)
    written = messages.with_name("scenario.xml")
    written.write_text(text)
    return written


async def bound(port: int, process: asyncio.subprocess.Process) -> None:
    """Wait until SIPp holds its port; it says so nowhere but in the kernel's table."""
    wanted = f"0100007F:{port:04X}"
    for _ in range(500):
        if wanted in await asyncio.to_thread(Path("/proc/net/udp").read_text):
            return
        assert process.returncode is None, "SIPp ended at once"
        await asyncio.sleep(0.01)
    raise AssertionError("SIPp did not listen")


async def ended(process: asyncio.subprocess.Process, within_s: float) -> None:
    """Wait for SIPp's end; one that does not come to it, in spite of -timeout, is not left behind.

    Raises:
        TimeoutError: it had to be killed.
    """
    try:
        await asyncio.wait_for(process.wait(), within_s)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@contextlib.asynccontextmanager
async def trunk(
    pbx: Pbx, name: str, scenario: str = "uas_answer", status: int = 503
) -> AsyncIterator[Trunk]:
    """Let SIPp stand behind the named endpoint until the end of the block."""
    with tempfile.TemporaryDirectory(prefix="sipp-") as directory:
        messages = Path(directory) / "messages.log"
        port = pbx.trunk_ports[name]
        written = write(scenario, messages, STATUS=str(status))
        process = await run(written, messages, "-i", "127.0.0.1", "-p", str(port))
        try:
            await bound(port, process)
            yield Trunk(messages)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def call(
    pbx: Pbx,
    number: str,
    *,
    scenario: str = "uac",
    address: str = CALLER,
    caller: str = "447700900999",
    extra: str = "X-Test: 1",
    talk_ms: int = 100,
    after_ringing: bool = False,
) -> Called:
    """Place one call by SIPp and wait for its end."""
    with tempfile.TemporaryDirectory(prefix="sipp-") as directory:
        messages = Path(directory) / "messages.log"
        ringing = '<recv response="180"/>' if after_ringing else ""
        process = await run(
            write(scenario, messages, AFTER=ringing),
            messages,
            *(f"127.0.0.1:{pbx.sip_port}", "-i", address, "-s", number, "-m", "1"),
            *("-d", str(talk_ms), "-key", "from", caller, "-key", "extra", extra),
            *("-timeout", "20", "-timeout_error"),
        )
        await ended(process, 30)
        text = messages.read_text(errors="replace")
    received = re.findall(
        r"message received \[\d+\] bytes :\s+SIP/2\.0 (\d+).*?^CSeq: \d+ (\w+)",
        text,
        re.DOTALL | re.MULTILINE,
    )
    return Called(tuple(int(s) for s, method in received if method == "INVITE"), text)


async def calls(
    pbx: Pbx,
    numbers: Sequence[str],
    *,
    rate: int,
    address: str = CALLER,
    talk_ms: int = 100,
    within_s: float = 20.0,
) -> list[tuple[str, int]]:
    """Place one call to each of these numbers, ``rate`` of them a second, by one SIPp.

    Returns:
        Each call's number and its final status, 0 where none came ``within_s`` after the last
        call's time; in the order in which the calls began to be answered.
    """
    with tempfile.TemporaryDirectory(prefix="sipp-") as directory:
        messages = Path(directory) / "messages.log"
        listed = messages.with_name("numbers.csv")
        listed.write_text("SEQUENTIAL\n" + "".join(f"{number}\n" for number in numbers))
        limit = len(numbers) / rate + within_s
        words = {"[service]": "[field0]"}
        process = await run(
            write("uac", messages, **words),
            messages,
            *(f"127.0.0.1:{pbx.sip_port}", "-i", address, "-inf", str(listed)),
            *("-m", str(len(numbers)), "-r", str(rate), "-l", str(len(numbers))),
            *("-d", str(talk_ms), "-key", "from", "447700900999", "-key", "extra", "X-Test: 1"),
            *("-timeout", f"{limit:.0f}"),
        )
        await ended(process, limit + 10)
        return _finals(messages.read_text(errors="replace"))


def _finals(text: str) -> list[tuple[str, int]]:
    """Return number and last status of each call that a SIPp caller placed."""
    seen: dict[str, tuple[str, int]] = {}
    for start in text.split("\n-----"):
        status = re.search(r"^SIP/2\.0 (\d+)", start, re.MULTILINE)
        invited = re.search(r"^INVITE ", start, re.MULTILINE)
        if not invited and not (status and re.search(r"^CSeq: \d+ INVITE", start, re.MULTILINE)):
            continue
        call_id = re.search(r"^Call-ID: (\S+)", start, re.MULTILINE)
        number = re.search(r"^To: [^\r\n]*?sip:([^@>]*)@", start, re.MULTILINE)
        assert call_id is not None, start
        assert number is not None, start
        final = int(status[1]) if status and int(status[1]) >= 200 else 0
        seen[call_id[1]] = (number[1], final or seen.get(call_id[1], ("", 0))[1])
    return list(seen.values())
