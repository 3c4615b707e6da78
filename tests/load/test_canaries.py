"""Canaries: numbers and secrets that a whole run with many faults must not have put anywhere.

Looked through are every line that any process wrote, the answers of the control sockets, the
shell's views, and every file in the state directory, but for the store (its numbers are plain, if
the configuration says so) and the sandbox's own files.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agi import ipc
from agi.errors import UsageError
from agi.fastagi.client import Told, address_of
from tests.fastagi.wire import environment
from tests.load.rig import Provider, Rig
from tests.service import PROGRAM, ROUTES, TRUNKS, Running, started

PASSWORD = "canary-password-7f3e"
KEY = "canary-key-for-the-numbers-of-the-cache"
IMSI = "234159876501234"
MSC = "447785016999"
CALLER = "442079461357"
BLOCK = "77987"
"""The canary numbers are +44 77987 00000 and the next ones (samples of a mobile range)."""

FAULTS = (
    *("hang", "drip:50", "close", "reset", "reset-after-headers", "close-early", "truncate"),
    *("missing-line", "extra-line", "duplicate", "conflict", "garbage-code", "non-ascii"),
    *("bad-utf8", "wrong-charset", "pending", "hostile:0", "hostile:4", "hostile:5", "hostile:7"),
    *("html", "empty", "oversize", "gzip-bomb", "many-headers", "redirect:host", "http-500"),
    *("http-503", "extra-response", "extra-late", "wrong-number", "lower-case", "error-inside"),
)
LAST = ("http-429:1", "fail-credit", "locked", "http-401", "fail-password")
"""These concern the account, not one answer."""

_CONFIG = """
state_directory = "state"
[fastagi]
listen = "127.0.0.1:0"
workers = 2
[web]
listen = "127.0.0.1:0"
[cache]
numbers = "{numbers}"
key = "{key}"
[log]
numbers = "masked"
[[providers]]
name = "npl"
kind = "comcetera"
url = "{url}"
username = "canary"
password = "{password}"
connections = 8
timeout_ms = 200
price = "0.001"
daily_budget = "5.00"
"""


def canary(index: int) -> str:
    return f"44{BLOCK}{index:05d}"


def configure(folder: Path, url: str, numbers: str) -> Path:
    tables = folder / "tables"
    tables.mkdir()
    (tables / "trunks.csv").write_text(TRUNKS)
    (tables / "routes.csv").write_text(ROUTES)
    path = folder / "dialdip.toml"
    path.touch(mode=0o600)
    path.write_text(_CONFIG.format(url=url, numbers=numbers, key=KEY, password=PASSWORD))
    return path


@contextmanager
def site(folder: Path, numbers: str) -> Iterator[tuple[Rig, Path]]:
    (folder / "sandbox").mkdir()
    people = folder / "sandbox" / "subscribers.csv"
    rows = [f"{canary(index)},23415,{IMSI},{MSC}" for index in range(100)]
    people.write_text("\n".join(["msisdn,mccmnc,imsi,msc", *rows, ""]))
    program = [sys.executable, str(Path(__file__).with_name("account.py")), str(people)]
    with started(folder / "sandbox", PASSWORD, program=program) as double:
        path = configure(folder, double.url, numbers)
        with started(folder, "--config", str(path), "serve") as running:
            yield Rig(running, folder / "state", Provider(double.url)), path


def call(running: Running, number: str) -> Told:
    return running.ask(f"{number}&f={CALLER}&a=acme")


def hostile_environments(running: Running) -> None:
    """Say things to the port that would forge a line of the log, if one held them."""
    forged = b'x"}\r\n{"event":"forged","number":"%s"}\x1b[2J%%n' % canary(90).encode()
    number = canary(91).encode()
    bodies = [
        environment(f"route?n={canary(92)}", name=forged),
        environment(f"route?n={canary(92)}", callerid=forged),
        environment(f"route?n={canary(93)}", name=b"x" * 9_000),
        environment(f"route?n={canary(94)}", rdnis=number + b"\nagi_arg_1: " + number),
        environment(f"other?n={canary(95)}"),
        environment(f"route?n={canary(96)}x"),
        environment(f"route?n={canary(96)}&a={canary(96)}%0aforged"),
        b"GET /" + number + b" HTTP/1.1\r\nHost: " + forged + b"\r\n\r\n",
        number * 2_000 + b"\n",
    ]
    for body in bodies:
        with socket.create_connection(address_of(running.agi), 3) as link:
            link.sendall(body)
            link.shutdown(socket.SHUT_WR)
            with link.makefile("rb") as answer:
                try:
                    answer.read()
                except ConnectionError:
                    continue


def exercise(rig: Rig, path: Path) -> None:
    """Have everything go wrong that can, with a call for each."""
    running = rig.running
    spare = iter(range(1_000, 2_000))
    for index, fault in enumerate([*FAULTS, *LAST]):
        works_again(rig, spare)
        before = rig.provider.requests()
        rig.provider.order(fault, next=1)
        call(running, f"+{canary(index)}" if index % 2 else f"0{canary(index)[2:]}")
        assert rig.provider.requests() > before, f"{fault} was not met"
    hostile_environments(running)
    dipper = rig.send("dipper", signal.SIGKILL)
    call(running, canary(70))
    rig.replaced("dipper", 0, dipper)
    rig.provider.order("down:1")
    call(running, canary(71))
    good = path.read_text()
    path.write_text(good.replace("timeout_ms = 200", f'timeout_ms = "{PASSWORD}"'))
    running.process.send_signal(signal.SIGHUP)
    for event in ('"event":"reload_refused"', "dipper_reload_refused"):
        running.wait_for_log(event)
    path.write_text(good)
    call(running, canary(72))


def works_again(rig: Rig, spare: Iterator[int]) -> None:
    """Have the provider asked again at once: a new dipper knows of no breaker, no quarantine."""
    told = call(rig.running, canary(next(spare)))
    if told.variables["CARRIER_SOURCE"] == "live":
        return
    rig.replaced("dipper", 0, rig.send("dipper", signal.SIGKILL))
    until = time.monotonic() + 5
    while told.variables["CARRIER_SOURCE"] != "live" or not all(map(rig.linked, (0, 1))):
        assert time.monotonic() < until, rig.running.log()[-2_000:]
        time.sleep(0.02)
        told = call(rig.running, canary(next(spare)))


def views(rig: Rig, path: Path) -> str:
    """Return what the control sockets and the shell say."""
    said = []
    for role, index in (("dipper", 0), ("router", 0), ("router", 1)):
        for op in ("status", "cache_stats", "lookup", "explain", "nothing"):
            try:
                answer = ipc.ask(ipc.path_of(rig.state, role, index), op, timeout_s=3)
            except UsageError as refused:
                answer = str(refused)
            said.append(json.dumps(answer))
    for verb in (["status"], ["providers"], ["cache", "stats"], ["config", "show"]):
        done = subprocess.run(
            [*PROGRAM, "--config", str(path), *verb],
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
        said.append(done.stdout + done.stderr)
    return "\n".join(said)


def secrets_in(text: str) -> list[str]:
    """Return which canaries a text holds; never the text itself."""
    named = {"password": PASSWORD, "key": KEY, "IMSI": IMSI, "MSC": MSC, "caller": CALLER[2:]}
    found = [name for name, value in named.items() if value in text]
    return [*found, *(["a number"] if BLOCK in text else [])]


def files_of(state: Path) -> list[Path]:
    return [Path(where) / name for where, _, names in os.walk(state) for name in names]


def kept_in(state: Path, numbers: str) -> dict[str, str]:
    """Return the files of the state directory; where numbers are kept plain, all but these.

    The journal keeps them whatever the store does: past calls are explained by them.
    """
    kept = {}
    for file in files_of(state):
        if file.is_file():
            text = file.read_bytes().decode("latin-1")
            plain = file.name.startswith("cache.sqlite") and numbers == "plain"
            plain = plain or file.parent == state / "journal"
            kept[file.name] = text.replace(BLOCK, "") if plain else text
    return kept


@pytest.mark.parametrize("numbers", ["plain", "keyed"])
def test_a34_a33_no_canary_is_found_after_a_run_with_every_fault(
    tmp_path: Path, numbers: str
) -> None:
    begun = time.monotonic()
    with site(tmp_path, numbers) as (rig, path):
        exercise(rig, path)
        state = rig.state
        live = {
            "control sockets and shell": views(rig, path),
            "command lines": " ".join(
                Path(f"/proc/{pid}/cmdline").read_text()
                for pid in (
                    rig.running.process.pid,
                    rig.pid("dipper"),
                    rig.pid("router", 0),
                    rig.pid("router", 1),
                )
            ),
        }
        live |= kept_in(state, numbers)
        modes = {one: one.lstat().st_mode & 0o777 for one in files_of(state)}
        folders = [one.stat().st_mode & 0o777 for one in (state, state / "run")]
        rig.running.stop()
        assert rig.running.process.stdout is not None
        live["stdout"] = rig.running.process.stdout.read()
        live["stderr"] = rig.running.log()
    stored = (state / "cache.sqlite").read_bytes().decode("latin-1")
    # The search itself works: where numbers are kept plain, they are found.
    assert (["a number"] if numbers == "plain" else []) == secrets_in(stored)
    live |= {f"{name}, at the end": text for name, text in kept_in(state, numbers).items()}
    lines = live["stderr"].splitlines()
    print(
        f"canaries, {numbers}: {len(FAULTS) + len(LAST)} faults, {len(lines)} log lines, "
        f"looked through {', '.join(live)} in {time.monotonic() - begun:.1f} s"
    )
    assert {} == {place: found for place, text in live.items() if (found := secrets_in(text))}
    assert {} == {one.name: oct(mode) for one, mode in modes.items() if mode & 0o177}
    assert [0o700, 0o700] == folders
    events = [json.loads(line)["event"] for line in lines]
    assert "call" in events
    assert "forged" not in events
    assert "\x1b" not in live["stderr"]
    assert max(map(len, lines)) <= 2_000
