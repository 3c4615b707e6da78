"""Six SIPp trunks with known ends, one SIPp caller, and SIPp's own truth of what happened.

For tests that compare what dialdip counts with what really was. How to use it::

    async with (
        dialdip(DEAD_PROVIDER, trunks=six.TRUNKS_CSV, routes=six.ROUTES_CSV) as service,
        stage(pbx, CARRIER_AGI=service.url, CARRIER_DEFAULT_TRUNKS="") as ami,
        six.six(pbx, ami) as trunks,
    ):
        placed = await trunks.place(500, rate=25)
        await asyncio.sleep(...)        # or wait for what is tested: the last call is over
        truth = trunks.truth()          # {"uk-a": Truth(attempts=..., ...), ...}

``truth`` is read from the message files of the SIPps behind the trunks and is complete when
``place`` has returned: the caller stays until whoever it called has ended the call. Times in it
are SIPp's own, epochs of the same clock as Asterisk's. Of ``uk-f`` nobody tells but the caller:
its port is closed, Asterisk knows by OPTIONS, and each call to it ends in a failed attempt.

What each trunk does, and what Asterisk makes of it (measured on 22.10 and 16.28):

| trunk  | SIPp                                                       | DIALSTATUS  | cause |
|--------|------------------------------------------------------------|-------------|-------|
| `uk-a` | 100, after 200 ms 180, after 300 ms 200, after 1 s BYE      | ANSWER      | 16    |
| `uk-b` | 486                                                         | BUSY        | 17    |
| `uk-c` | 404                                                         | CHANUNAVAIL | 1     |
| `uk-d` | 503; the call then goes to `uk-a`                           | CONGESTION  | 34    |
| `uk-e` | 180, then nothing until CANCEL after 2 s (``ring_s``), 487  | NOANSWER    | 0     |
| `uk-f` | no SIPp at all; the call then goes to `uk-a`                | CHANUNAVAIL | 3     |
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from tests.asterisk.ami import Ami
from tests.asterisk.pbx import SIX, Pbx
from tests.asterisk.sip import CALLER, bound, ended, run, write

PREFIXES: Final = {f"4477009{index}": trunk for index, trunk in enumerate(SIX)}
"""The beginning of a number decides which trunk it is for (Ofcom's numbers for drama)."""

PDD_MS: Final = 200
RING_MS: Final = 300
TALK_MS: Final = 1_000
PATIENCE_S: Final = 2
"""How long `uk-e` may ring."""

TRUNKS_CSV: Final = "trunk,ring_s\n" + "".join(f"{name},{PATIENCE_S}\n" for name in SIX)
ROUTES_CSV: Final = (
    "rule,prefix,trunks\n"
    + "".join(
        f"{trunk},{prefix},{trunk}{' > uk-a' if trunk in {'uk-d', 'uk-f'} else ''}\n"
        for prefix, trunk in PREFIXES.items()
    )
    + "default,,uk-b\n"
)

_STATUS: Final = {"uk-b": 486, "uk-c": 404, "uk-d": 503}
_BLOCK: Final = re.compile(
    r"^-{20,} ?(\d{4}-\d\d-\d\d)[ T\t]+(\d\d:\d\d:\d\d\.\d+)[^\n]*\n"
    r"[A-Z]+ message (sent|received)[^\n]*\n\n(.*?)(?=^-{20,}|\Z)",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Message:
    """One SIP message of a message file; ``status`` 0 is a request of this ``method``."""

    at: float
    sent: bool
    method: str
    status: int
    call_id: str
    user: str


@dataclass(frozen=True, slots=True)
class Leg:
    """One INVITE that reached a trunk, by SIPp. Times are epochs, None for what never was.

    ``final`` is the status that SIPp ended the INVITE with, 0 if none.
    """

    number: str
    invited: float
    rang: float | None
    final: int
    answered: float | None
    ended: float | None

    @property
    def pdd_s(self) -> float | None:
        """Return how long it took until the trunk rang, or answered without."""
        first = self.rang or self.answered
        return None if first is None else first - self.invited

    @property
    def talk_s(self) -> float | None:
        """Return how long was talked."""
        if self.answered is None or self.ended is None:
            return None
        return self.ended - self.answered


@dataclass(frozen=True, slots=True)
class Truth:
    """What SIPp saw at one trunk, in the order of the INVITEs."""

    legs: tuple[Leg, ...]

    @property
    def attempts(self) -> int:
        """Return how many calls reached the trunk."""
        return len(self.legs)

    @property
    def answered(self) -> int:
        """Return how many of them were answered."""
        return sum(leg.answered is not None for leg in self.legs)

    @property
    def finals(self) -> Mapping[int, int]:
        """Return how often each final status was sent."""
        return Counter(leg.final for leg in self.legs)

    @property
    def pdd_s(self) -> tuple[float, ...]:
        """Return the post-dial delays, of the calls that have one."""
        return tuple(leg.pdd_s for leg in self.legs if leg.pdd_s is not None)

    @property
    def talk_s(self) -> tuple[float, ...]:
        """Return the talk times of the answered calls."""
        return tuple(leg.talk_s for leg in self.legs if leg.talk_s is not None)

    @property
    def most_at_once(self) -> int:
        """Return how many calls the trunk had at the same time at most."""
        edges = [(leg.invited, 1) for leg in self.legs]
        edges += [(leg.ended, -1) for leg in self.legs if leg.ended is not None]
        return max(itertools.accumulate(change for _, change in sorted(edges)), default=0)


@dataclass(frozen=True, slots=True)
class Placed:
    """One call of the caller: the trunk that its number is for, its final status, its times."""

    number: str
    trunk: str
    final: int
    began: float
    over: float


@dataclass(slots=True)
class Six:
    """The six trunks, as long as they stand."""

    pbx: Pbx
    files: Mapping[str, Path]

    async def place(self, count: int = 500, *, rate: int = 25) -> list[Placed]:
        """Place calls to the six in turn, ``rate`` a second; return when the last one is over."""
        return await _placed(self.pbx, numbers(count), rate)

    def truth(self) -> dict[str, Truth]:
        """Return what SIPp saw so far, for each of the six."""
        return {name: _truth(self.files.get(name)) for name in SIX}


def numbers(count: int) -> list[str]:
    """Return numbers for the six in turn, no two alike."""
    prefixes = itertools.cycle(PREFIXES)
    return [f"{next(prefixes)}{index:04}" for index in range(count)]


def trunk_of(number: str) -> str:
    """Return the trunk that a number is for."""
    return PREFIXES[number[: len("44770090")]]


@contextlib.asynccontextmanager
async def six(pbx: Pbx, ami: Ami) -> AsyncIterator[Six]:
    """Let the six trunks stand until the end of the block; the last one stands by its absence."""
    async with contextlib.AsyncExitStack() as stack:
        files = {name: await stack.enter_async_context(_trunk(pbx, name)) for name in SIX[:-1]}
        await stack.enter_async_context(_qualified(pbx, ami, SIX[-1]))
        await _until_known_gone(ami)
        yield Six(pbx, files)


@contextlib.asynccontextmanager
async def _trunk(pbx: Pbx, name: str) -> AsyncIterator[Path]:
    scenario = {"uk-a": "uas_talks", "uk-e": "uas_rings"}.get(name, "uas_refuse")
    words = {"PDD_MS": PDD_MS, "RING_MS": RING_MS, "TALK_MS": TALK_MS}
    words |= {"STATUS": _STATUS.get(name, 500)}
    with tempfile.TemporaryDirectory(prefix="sipp-") as directory:
        messages = Path(directory) / "messages.log"
        port = pbx.trunk_ports[name]
        written = write(scenario, messages, **{word: str(value) for word, value in words.items()})
        process = await run(written, messages, "-i", "127.0.0.1", "-p", str(port))
        try:
            await bound(port, process)
            yield messages
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


@contextlib.asynccontextmanager
async def _qualified(pbx: Pbx, ami: Ami, name: str) -> AsyncIterator[None]:
    """Have Asterisk send OPTIONS to a trunk: one that is silent is then not even tried."""
    path = pbx.home / "etc" / "pjsip.conf"
    before = path.read_text()
    aor = f"[{name}]\ntype = aor\n"
    assert aor in before
    path.write_text(before.replace(aor, f"{aor}qualify_frequency = 2\nqualify_timeout = 0.5\n"))
    try:
        await ami.action("ModuleLoad", LoadType="reload", Module="res_pjsip.so")
        yield
    finally:
        path.write_text(before)
        await ami.action("ModuleLoad", LoadType="reload", Module="res_pjsip.so")


async def _until_known_gone(ami: Ami) -> None:
    """Wait until Asterisk has found that nobody is behind the last of the six."""
    for _ in range(400):
        shown = (await ami.action("Command", Command="pjsip show contacts"))["output"]
        if re.search(r"uk-f/\S+\s+\S+\s+Unavail", shown):
            return
        await asyncio.sleep(0.05)  # Asterisk's own word comes with its next OPTIONS
    raise AssertionError("Asterisk does not know that uk-f is gone")


async def _placed(pbx: Pbx, called: list[str], rate: int) -> list[Placed]:
    with tempfile.TemporaryDirectory(prefix="sipp-") as directory:
        messages = Path(directory) / "messages.log"
        listed = messages.with_name("numbers.csv")
        listed.write_text("SEQUENTIAL\n" + "".join(f"{number}\n" for number in called))
        limit = len(called) / rate + 30
        process = await run(
            write("uac_patient", messages, **{"[service]": "[field0]"}),
            messages,
            *(f"127.0.0.1:{pbx.sip_port}", "-i", CALLER, "-inf", str(listed)),
            *("-m", str(len(called)), "-r", str(rate), "-l", str(len(called))),
            *("-key", "from", "447700900999", "-key", "extra", "X-Test: 1"),
            *("-timeout", f"{limit:.0f}"),
        )
        await ended(process, limit + 10)
        return [_call(messages_of) for messages_of in _by_call(messages).values()]


def _call(messages: list[Message]) -> Placed:
    number = next(one.user for one in messages if one.method == "INVITE" and one.sent)
    finals = [one.status for one in messages if one.method == "INVITE" and one.status >= 200]
    final = finals[-1] if finals else 0
    return Placed(number, trunk_of(number), final, messages[0].at, messages[-1].at)


def _truth(file: Path | None) -> Truth:
    if file is None:
        return Truth(())
    legs = [_leg(messages) for messages in _by_call(file).values()]
    return Truth(tuple(sorted(legs, key=lambda leg: leg.invited)))


def _leg(messages: list[Message]) -> Leg:
    def at(method: str, status: int, *, sent: bool) -> float | None:
        wanted = (method, status, sent)
        return next((m.at for m in messages if (m.method, m.status, m.sent) == wanted), None)

    invite = next(one for one in messages if one.method == "INVITE" and not one.status)
    finals = [one for one in messages if one.method == "INVITE" and one.sent and one.status >= 200]
    answered = at("INVITE", 200, sent=True)
    ended = at("BYE", 0, sent=True) if answered else (finals[-1].at if finals else None)
    final = finals[-1].status if finals else 0
    return Leg(invite.user, invite.at, at("INVITE", 180, sent=True), final, answered, ended)


def _by_call(file: Path) -> dict[str, list[Message]]:
    found: dict[str, list[Message]] = {}
    for message in _messages(file.read_text(errors="replace") if file.exists() else ""):
        found.setdefault(message.call_id, []).append(message)
    return found


def _messages(text: str) -> Iterator[Message]:
    for day, clock, direction, sip in _BLOCK.findall(text):
        at = datetime.fromisoformat(f"{day} {clock}").timestamp()
        cseq = re.search(r"^CSeq: \d+ (\w+)", sip, re.MULTILINE)
        call_id = re.search(r"^Call-ID: (\S+)", sip, re.MULTILINE)
        status = re.match(r"SIP/2\.0 (\d+)", sip)
        user = re.match(r"\w+ sip:([^@ ]*)@", sip)
        assert cseq is not None, sip
        assert call_id is not None, sip
        number = user[1] if user else ""
        code = int(status[1]) if status else 0
        yield Message(at, direction == "sent", cseq[1], code, call_id[1], number)
