"""``dialdip top`` as people use it: on a terminal, in a pipe, and when noc is gone."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from agi.ipc import Control, path_of
from agi.overview import overview
from agi.routing.standing import Standing, State
from tests.scenes import dipper, made, provider, router
from tests.service import PROGRAM, Site

WELL = {
    "told": [router(100), dipper(100, providers=[provider("npl")])],
    "standing": {"uk-a": Standing(State.UP)},
    "asterisks": {},
}


class Noc:
    """A control socket that answers ``overview`` with made moments, one second after another."""

    def __init__(self, state: Path, **changed: Any) -> None:
        self.asked = 0
        self.changed = changed
        self._control = Control(path_of(state, "noc"), {"overview": self._overview})
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)

    async def _overview(self, _: dict[str, Any]) -> object:
        self.asked += 1
        return overview(made(100 + self.asked, **self.changed))

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._control.start())
        self._loop.call_soon(self._ready.set)
        self._loop.run_forever()
        self._loop.run_until_complete(self._control.stop())
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def start(self) -> None:
        self._ready = threading.Event()
        self._thread.start()
        assert self._ready.wait(10)

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)


@contextmanager
def noc(site: Site, **changed: Any) -> Iterator[Noc]:
    found = Noc(site.state, **changed)
    found.start()
    try:
        yield found
    finally:
        found.stop()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path).write()


def top(site: Site, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, "--config", str(site.path), "top", *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )


class Terminal:
    """A pseudo-terminal of 80 by 24 with ``dialdip top`` on it."""

    def __init__(self, site: Site, *arguments: str) -> None:
        self.leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(follower)
        self.follower = follower
        self.process = subprocess.Popen(
            [*PROGRAM, "--config", str(site.path), "top", *arguments],
            stdin=follower,
            stdout=follower,
            stderr=follower,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"},
            start_new_session=True,
        )
        self.shown = ""

    def wait_for(self, wanted: str | Callable[[str], bool]) -> None:
        """Read what is drawn until it shows something."""
        until = time.monotonic() + 20
        seen = wanted if callable(wanted) else lambda text: wanted in text
        while not seen(self.shown):
            ready, _, _ = select.select([self.leader], [], [], until - time.monotonic())
            assert ready, self.shown
            self.shown += os.read(self.leader, 65_536).decode(errors="replace")

    def press(self, key: str) -> None:
        os.write(self.leader, key.encode())

    def ended(self) -> int:
        """Wait for the end, reading on: a terminal that nobody reads blocks its writer."""
        until = time.monotonic() + 20
        while self.process.poll() is None:
            assert time.monotonic() < until, self.shown
            ready, _, _ = select.select([self.leader], [], [], 0.1)
            if ready:
                self.shown += os.read(self.leader, 65_536).decode(errors="replace")
        return self.process.returncode

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        os.close(self.leader)
        os.close(self.follower)


@contextmanager
def terminal(site: Site, *arguments: str) -> Iterator[Terminal]:
    found = Terminal(site, *arguments)
    try:
        yield found
    finally:
        found.close()


def test_in_a_pipe_it_prints_one_moment_and_ends(site: Site) -> None:
    with noc(site) as running:
        done = top(site)
    assert 1 == running.asked
    assert 1 == done.returncode, "there are troubles"
    assert "provider lanck is not asked: open (timeout)" == done.stdout.splitlines()[0]
    assert "\x1b" not in done.stdout
    assert "" == done.stderr


def test_all_well_is_exit_0(site: Site) -> None:
    with noc(site, **WELL):
        done = top(site, "--once")
    assert 0 == done.returncode
    assert "all well" == done.stdout.splitlines()[0]


def test_json_is_one_document(site: Site) -> None:
    with noc(site):
        done = top(site, "--json")
    found = json.loads(done.stdout)
    assert 10_100 == found["calls"]["total"]
    assert "uk-b" == found["trunks"][0]["trunk"]


def test_the_window_is_one_of_three(site: Site) -> None:
    with noc(site):
        done = top(site, "--once", "--window", "1h")
    assert "last 1 h" in done.stdout
    assert 2 == top(site, "--window", "2h").returncode


def test_without_noc_it_is_exit_3_and_one_line(site: Site) -> None:
    done = top(site)
    assert 3 == done.returncode
    assert "calls may go on without noc: dialdip status tells" in done.stderr
    assert 1 == len(done.stderr.splitlines())
    assert "noc-0.sock" in done.stderr


def test_on_a_terminal_it_draws_anew_until_q(site: Site) -> None:
    with noc(site) as running, terminal(site) as shown:
        shown.wait_for("since the start")
        shown.wait_for("last 2 s")
        shown.press("q")
        assert 0 == shown.ended()
        assert shown.before == termios.tcgetattr(shown.follower), "the terminal is as it was"
    assert running.asked >= 3
    assert "\x1b[?1049l" in shown.shown, "the screen is given back"


def test_a_key_changes_the_trunks_window(site: Site) -> None:
    with noc(site), terminal(site, "--window", "1m") as shown:
        shown.wait_for("(now 1 min)")
        shown.press("h")
        shown.wait_for("(now 1 h)")
        shown.press("q")
        assert 0 == shown.ended()


@pytest.fixture(params=["heeds it", "ignores it"])
def whoever_starts(request: pytest.FixtureRequest) -> Iterator[None]:
    """Have SIGINT as a terminal's programs have it, or as a shell's background jobs inherit it."""
    before = signal.getsignal(signal.SIGINT)
    ignored = request.param == "ignores it"
    signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("whoever_starts")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_interrupted_it_gives_the_terminal_back(site: Site, name: str) -> None:
    with noc(site), terminal(site) as shown:
        shown.wait_for("q ends")
        shown.process.send_signal(getattr(signal, name))
        assert 0 == shown.ended()
        assert shown.before == termios.tcgetattr(shown.follower)


def test_when_noc_stops_the_picture_is_said_to_be_old(site: Site) -> None:
    with noc(site) as running, terminal(site) as shown:
        shown.wait_for("q ends")
        running.stop()
        shown.wait_for("what stands here is old")
        assert None is shown.process.poll()
        mark = len(shown.shown)
        with noc(site, **WELL):
            shown.wait_for(lambda text: "all well" in text[mark:])
            shown.press("q")
            assert 0 == shown.ended()
