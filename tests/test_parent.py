"""Real processes under a parent: each test starts a family, and reads what it logs."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agi.child import ended_how
from agi.lifeline import BEAT, Lifeline
from agi.parent import Notes

ROOT = Path(__file__).parent.parent

# What runs in the parent's process; argv[1] chooses the odd role besides two well-behaved ones.
PROGRAM = """
import asyncio, os, resource, signal, sys, time
from agi.errors import UsageError
from agi.child import Role
from agi.parent import Notes, Parent, Patience

SOFT, HARD = resource.getrlimit(resource.RLIMIT_NOFILE)

def works(lifeline):
    resource.setrlimit(resource.RLIMIT_NOFILE, (SOFT, HARD))
    async def live():
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        loop.add_signal_handler(signal.SIGHUP, lambda: notes("info", "hup", pid=os.getpid()))
        lifeline.beat_by(loop, stop.set)
        lifeline.ready(f"at={os.getpid()} notify={os.environ.get('NOTIFY_SOCKET')}")
        await stop.wait()
        notes("info", "drained", pid=os.getpid())
    asyncio.run(live())
    return 0

def loops(lifeline):
    async def live():
        lifeline.beat_by(asyncio.get_running_loop(), lambda: None)
        lifeline.ready("soon stuck")
        await asyncio.sleep(0.05)
        while True: pass
    asyncio.run(live())

def dawdles(lifeline):
    notes("info", "begins", pid=os.getpid())
    sys.stdin.readline()  # until the test has sent its signal
    return works(lifeline)

def crashes(lifeline):
    raise RuntimeError("secret words")

def refuses(lifeline):
    raise UsageError("the port is taken")

def leaves(lifeline):
    sys.exit(2)

def ignores(lifeline):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    lifeline.ready("deaf")
    while True:
        lifeline.beat()
        time.sleep(0.1)

def comes_round(lifeline):
    with open(sys.argv[3], "a") as tries:
        tries.write("x")
    if os.path.getsize(sys.argv[3]) < 3:
        raise RuntimeError("not yet")
    return works(lifeline)

notes = Notes(1)
odd = globals().get(sys.argv[1], works)
spared = len(sys.argv) > 3  # the odd role is one that calls do without
roles = [
    Role("router", 0, works), Role("router", 1, works),
    Role("noc" if spared else "dipper", 0, odd, essential=not spared),
]
parent = Parent(
    roles, log=notes, grace_s=float(sys.argv[2]),
    on_ready=lambda texts: notes("info", "all_ready", texts=dict(texts)),
    patience=Patience(pause_s=0.05, longest_pause_s=0.2),
)
if sys.argv[1] == "tight":  # room for its own two descriptors and two children, not for three
    os.close(free := os.dup(0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + 5, HARD))
try:
    sys.exit(parent.run())
except UsageError as wrong:
    notes("error", "refused", text=str(wrong))
    sys.exit(2)
"""

Line = dict[str, Any]


class Family:
    """One parent with its children, and what they have logged so far."""

    def __init__(self, odd: str, grace_s: float, environ: dict[str, str], *more: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, odd, str(grace_s), *more],
            cwd=ROOT,
            env={**os.environ, **environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        self._out = self.process.stdout.fileno()
        self._rest = b""
        self.lines: list[Line] = []
        self.over = False

    def read(self, within_s: float) -> None:
        """Wait for the next output, which every process of the family holds open."""
        assert select.select([self._out], [], [], max(0.0, within_s))[0], self.lines[-5:]
        data = os.read(self._out, 65_536)
        self.over = not data
        *whole, self._rest = (self._rest + data).split(b"\n")
        self.lines += map(json.loads, whole)

    def until(self, wanted: Callable[[Line], bool], within_s: float = 10.0) -> Line:
        """Return the first line that is wanted and was not returned before."""
        end = time.monotonic() + within_s
        while True:
            for place, line in enumerate(self.lines):
                if wanted(line):
                    del self.lines[: place + 1]
                    return line
            assert not self.over, self.lines
            self.read(end - time.monotonic())

    def event(self, name: str, within_s: float = 10.0, **values: object) -> Line:
        return self.until(
            lambda line: line["event"] == name and values.items() <= line.items(), within_s
        )

    def pids(self) -> dict[str, int]:
        """Return the pids of all roles once they are ready."""
        texts = self.event("all_ready")["texts"]
        return {
            role: int(text.split()[0].removeprefix("at="))
            for role, text in texts.items()
            if text.startswith("at=")
        }

    def until_over(self, within_s: float) -> None:
        end = time.monotonic() + within_s
        while not self.over:
            self.read(end - time.monotonic())

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)


@contextlib.contextmanager
def family(
    odd: str = "", grace_s: float = 2.0, environ: dict[str, str] | None = None, *more: str
) -> Iterator[Family]:
    given = Family(odd, grace_s, environ or {}, *more)
    try:
        yield given
    finally:
        given.process.kill()  # children end with it, or the test has failed anyway
        given.process.wait()
        for pipe in (given.process.stdin, given.process.stdout, given.process.stderr):
            assert pipe is not None
            pipe.close()


def test_all_roles_become_ready_once_and_each_says_where_it_is() -> None:
    with family() as given:
        pids = given.pids()
        assert {"router-0", "router-1", "dipper-0"} == set(pids)
        assert 3 == len(set(pids.values()) - {given.process.pid})
        assert 0 == given.stop()


def test_who_calls_do_without_keeps_nobody_waiting_and_is_tried_again(tmp_path: Path) -> None:
    tries = str(tmp_path / "tries")
    with family("comes_round", 2.0, None, tries) as given:
        assert {"router-0", "router-1"} == set(given.pids())  # after its first failure
        given.event("ended", role="noc", how="status 1")
        given.event("started", role="noc")
        end = time.monotonic() + 30
        while Path(tries).read_text() != "xxx":
            assert time.monotonic() < end
            time.sleep(0.01)
        assert 0 == given.stop()


def test_who_calls_do_without_is_waited_for_while_it_starts() -> None:
    with family("works", 2.0, None, "spared") as given:
        assert {"router-0", "router-1", "noc-0"} == set(given.pids())
        assert 0 == given.stop()


def test_f43_a_killed_child_is_restarted_at_once_and_the_others_are_untouched() -> None:
    with family() as given:
        pids = given.pids()
        begun = time.monotonic()
        os.kill(pids["router-1"], signal.SIGKILL)
        ended = given.event("ended")
        assert ("router", 1, "SIGKILL") == (ended["role"], ended["index"], ended["how"])
        started = given.event("started", within_s=1.0)
        assert time.monotonic() - begun < 1.0
        assert ("router", 1) == (started["role"], started["index"])
        assert 0 == given.stop()
        given.until_over(5.0)
        gone = {line["pid"] for line in given.lines if line["event"] == "drained"}
        assert {pids["router-0"], pids["dipper-0"]} <= gone  # they lived to the end


def test_f12_a_stopped_child_is_killed_and_replaced_within_three_seconds() -> None:
    with family() as given:
        pids = given.pids()
        os.kill(pids["router-0"], signal.SIGSTOP)
        killed = given.event("killed", within_s=3.0)
        assert pids["router-0"] == killed["pid"]
        assert pids["router-0"] != given.event("started", within_s=1.0)["pid"]
        assert 0 == given.stop()


def test_f12_a_child_in_an_endless_loop_is_killed_and_replaced() -> None:
    with family("loops") as given:
        given.event("all_ready")
        killed = given.event("killed", within_s=5.0)
        assert "dipper" == killed["role"]
        given.event("started", within_s=1.0, role="dipper")
        assert 0 == given.stop()


@pytest.mark.parametrize("frozen", [False, True])
def test_no_child_outlives_a_killed_parent(*, frozen: bool) -> None:
    with family() as given:
        pids = given.pids()
        if frozen:
            os.kill(pids["dipper-0"], signal.SIGSTOP)
        given.process.kill()
        given.until_over(2.0)  # nobody holds the pipe any more
        drained = {line["pid"] for line in given.lines if line["event"] == "drained"}
        assert set(pids.values()) == drained


def test_a_child_in_an_endless_loop_does_not_outlive_a_killed_parent() -> None:
    with family("loops") as given:
        given.event("all_ready")
        given.process.kill()
        given.until_over(20.0)  # three seconds of CPU time, on a machine that others share


def test_a_crash_loop_backs_off_and_tells_no_message_of_an_exception() -> None:
    with family("crashes") as given:
        starts: list[float] = []
        while len(starts) < 6:
            given.event("started", role="dipper")
            starts.append(time.monotonic())
        # at once, 0.05, 0.1, 0.2, 0.2: the sixth start comes no earlier
        assert 0.5 < starts[5] - starts[0] < 5.0
        assert 0 == given.stop()
        assert given.process.stderr is not None
        said = given.process.stderr.read().decode()
        assert "dipper-0: RuntimeError at" in said
        assert "secret words" not in said
        assert not any(line["event"] == "all_ready" for line in given.lines)


def test_f46_where_there_is_no_room_for_a_child_the_others_run_and_it_is_tried_again() -> None:
    with family("tight") as given:
        for _ in range(3):
            failed = given.event("start_failed")
            assert ("dipper", "Too many open files") == (failed["role"], failed["error"])
        assert 0 == given.stop()
        given.until_over(5.0)
        assert 2 == sum(line["event"] == "drained" for line in given.lines)


@pytest.mark.parametrize(
    ("odd", "text"),
    [("refuses", "the port is taken"), ("leaves", "dipper-0 cannot start; its own lines say why")],
)
def test_a_role_that_can_never_start_ends_everything_with_its_reason(odd: str, text: str) -> None:
    with family(odd) as given:
        assert text == given.event("refused")["text"]
        given.until_over(5.0)
        assert 2 == given.process.wait(5)


def test_sigterm_drains_every_child_and_exits_with_0() -> None:
    with family() as given:
        pids = given.pids()
        assert 0 == given.stop()
        given.until_over(2.0)
        drained = {line["pid"] for line in given.lines if line["event"] == "drained"}
        assert set(pids.values()) == drained


def test_the_dipper_is_told_to_end_when_the_routers_that_ask_it_are_gone() -> None:
    with family() as given:
        dipper = given.pids()["dipper-0"]
        assert 0 == given.stop()
        given.until_over(2.0)
        events = [(line["event"], line.get("role"), line.get("pid")) for line in given.lines]
        told = next(i for i, one in enumerate(events) if ("drained", dipper) == (one[0], one[2]))
        assert 2 == sum(one[:2] == ("ended", "router") for one in events[:told])


def test_who_does_not_drain_in_time_is_killed() -> None:
    with family("ignores", grace_s=0.3) as given:
        given.event("all_ready")
        assert 0 == given.stop()
        given.event("killed", role="dipper")


def test_a_second_sigterm_ends_the_patience() -> None:
    with family("ignores", grace_s=60.0) as given:
        given.event("all_ready")
        given.process.send_signal(signal.SIGTERM)
        given.event("drained")
        assert 0 == given.stop()


def test_sighup_reaches_every_child() -> None:
    with family() as given:
        pids = given.pids()
        given.process.send_signal(signal.SIGHUP)
        assert set(pids.values()) == {given.event("hup")["pid"] for _ in pids}
        assert 0 == given.stop()


def test_sighup_reaches_a_child_that_is_still_starting_once_it_is_ready() -> None:
    with family("dawdles") as given:
        beginner = given.event("begins")["pid"]
        given.process.send_signal(signal.SIGHUP)
        others = {given.event("hup")["pid"] for _ in range(2)}
        assert beginner not in others
        assert given.process.stdin is not None
        given.process.stdin.write(b"go\n")
        given.process.stdin.flush()
        assert beginner == given.event("hup")["pid"]
        assert 0 == given.stop()


def test_systemd_hears_of_readiness_of_life_and_of_the_end_from_the_parent(
    tmp_path: Path,
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(10)
        environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "600000"}
        with family(environ=environ) as given:
            texts = given.event("all_ready")["texts"]
            assert all(text.endswith("notify=None") for text in texts.values())
            assert b"READY=1" == manager.recv(100)
            assert [b"WATCHDOG=1"] * 3 == [manager.recv(100) for _ in range(3)]
            assert 0 == given.stop()
            left = iter(lambda: manager.recv(100), b"STOPPING=1")
            assert {b"WATCHDOG=1"} >= set(left)


def test_a_parent_that_was_frozen_itself_blames_no_child() -> None:
    with family() as given:
        pids = given.pids()
        given.process.send_signal(signal.SIGSTOP)
        os.kill(pids["router-0"], signal.SIGSTOP)  # silent, but nobody was there to hear it
        with contextlib.suppress(subprocess.TimeoutExpired):
            given.process.wait(2.5)
        os.kill(pids["router-0"], signal.SIGCONT)
        given.process.send_signal(signal.SIGCONT)
        assert 0 == given.stop()
        given.until_over(5.0)
        assert not any(line["event"] == "killed" for line in given.lines)


def test_a_lifeline_neither_waits_nor_fails_when_nobody_listens() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        lifeline = Lifeline(theirs)
        for _ in range(5_000):  # far beyond what a socket holds
            lifeline.beat()
        assert BEAT == ours.recv(100)
        ours.close()
        lifeline.ready("nobody hears it")


def test_f46_notes_are_dropped_when_their_reader_has_stopped() -> None:
    reader, writer = os.pipe()
    notes = Notes(writer)
    for _ in range(2_000):
        notes("info", "line", text="x" * 100)
    os.close(writer)
    held = b""
    while data := os.read(reader, 65_536):
        held += data
    os.close(reader)
    assert len(held) <= 65_536
    assert {"line"} == {json.loads(line)["event"] for line in held.splitlines()}


def test_how_a_process_ended_is_said_in_words() -> None:
    assert "SIGKILL" == ended_how(signal.SIGKILL)
    assert "status 2" == ended_how(2 << 8)
