"""The parent of the service's processes: forks them, restarts what dies, kills what is frozen.

It does nothing else: no thread, no event loop, no work that could fail. What it opened before
``run`` (the listening sockets) its children simply have. It waits for three things in one poll(2):
packets on lifelines, signals (by ``signal.set_wakeup_fd``), and time.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec

from agi.child import WRONG, Child, Role, ended_how
from agi.errors import UsageError
from agi.systemd import notify, watchdog_s

TICK_S: Final = 0.25
OWN_FREEZE_S: Final = 1.0
"""A turn that took longer means that the parent itself was frozen: nobody else's silence counts."""

_HANDLED: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the parent waits, in seconds.

    A child that was ``healthy_s`` at work begins anew with its restarts: the first at once, the
    others after ``pause_s``, doubled each time up to ``longest_pause_s``.
    """

    silence_s: float = 2.0
    starting_s: float = 10.0
    pause_s: float = 0.1
    longest_pause_s: float = 5.0
    healthy_s: float = 10.0


class Parent:
    """Runs the roles until SIGTERM or SIGINT, which it hands on; SIGHUP too.

    ``log`` takes a level, an event and values, at once: no thread may stand behind it.
    ``on_ready`` is called once, with each role's text by its label, when all of them are ready.
    ``on_stop`` is called once, when they are told to end. ``grace_s`` is how long they may drain.
    """

    def __init__(  # noqa: PLR0913 - what it needs of the outside, by keyword
        self,
        roles: Sequence[Role],
        *,
        log: Callable[..., None],
        grace_s: float,
        on_ready: Callable[[Mapping[str, str]], None],
        on_stop: Callable[[], None] = lambda: None,
        environ: Mapping[str, str] = os.environ,
        patience: Patience = Patience(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._children = [Child(role) for role in roles]
        self._log = log
        self._grace_s = grace_s
        self._on_ready = on_ready
        self._on_stop = on_stop
        self._environ = environ
        self._patience = patience
        self._clock = clock
        self._announced = False
        self._refusal = ""
        self._stopping = False
        self._hurried = False  # told to stop a second time
        self._feed_s = watchdog_s(environ)
        self._fed = self._ticked = clock()

    def run(self) -> int:
        """Run everything; return the exit status once all children are gone.

        Raises:
            UsageError: a role could not even start; the others have been stopped.
        """
        self._wake, waker = socket.socketpair()
        before = {number: signal.signal(number, _heed) for number in _HANDLED}
        for sock in (self._wake, waker):
            sock.setblocking(False)
        wakeup = signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        self._waker = waker
        try:
            while not self._stopping or any(child.pid for child in self._children):
                self._turn()
        finally:
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            for child in self._children:
                child.close()  # by which those that are left learn that they are orphans
            self._wake.close()
            waker.close()
        if self._refusal:
            raise UsageError(self._refusal)
        return 0

    def _turn(self) -> None:
        """Start what is due, wait, and look after everybody."""
        self._start_due(self._clock())
        self._poll()
        now = self._clock()
        self._forgive_own_freeze(now)
        for child in self._children:
            child.listen(now)
        self._heed_signals()
        self._reap(now)
        self._dismiss(now)
        self._announce()
        self._kill_frozen(now)
        self._feed(now)

    def _poll(self) -> None:
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        for child in self._children:
            if child.line is not None:
                poll.register(child.line, select.POLLIN)
        next_s = TICK_S
        if not self._stopping:
            waits = [child.due - self._clock() for child in self._children if not child.pid]
            next_s = min([TICK_S, *waits])
        poll.poll(max(0.0, next_s) * 1000 + 1)

    def _forgive_own_freeze(self, now: float) -> None:
        gap, self._ticked = now - self._ticked, now
        if gap > OWN_FREEZE_S:
            for child in self._children:
                child.heard += gap

    # ---- starting --------------------------------------------------------------------------

    def _start_due(self, now: float) -> None:
        if self._stopping:
            return
        for child in self._children:
            if not child.pid and child.due <= now:
                self._start(child, now)

    def _start(self, child: Child, now: float) -> None:
        ends = [other.line for other in self._children if other.line is not None]
        try:
            child.start(now, [self._wake, self._waker, *ends])
        except OSError as full:
            self._restart_later(child, now)
            self._say("error", "start_failed", child, error=full.strerror)
        else:
            self._say("info", "started", child)

    def _restart_later(self, child: Child, now: float) -> None:
        patience = self._patience
        if child.text is not None and now - child.ready_at >= patience.healthy_s:
            child.failures = 0
        doublings = min(child.failures - 1, 30)  # what follows is a float, and must stay one
        pause_s = min(patience.longest_pause_s, patience.pause_s * 2.0**doublings)
        child.due = now + (pause_s if child.failures else 0.0)
        child.failures += 1

    def _announce(self) -> None:
        ready = {child.role.label: child.text for child in self._children if child.text is not None}
        # One that calls do without, and that fails to start, keeps nobody waiting for them.
        awaited = [child for child in self._children if child.role.essential or not child.failures]
        if (
            not self._announced
            and not self._stopping
            and all(child.role.label in ready for child in awaited)
        ):
            self._announced = True
            self._on_ready(ready)
            notify(self._environ, "READY=1")

    # ---- ending ----------------------------------------------------------------------------

    def _heed_signals(self) -> None:
        try:
            numbers = self._wake.recv(4_096)
        except BlockingIOError:
            return
        if signal.SIGTERM in numbers or signal.SIGINT in numbers:
            self._stop()
        elif signal.SIGHUP in numbers:
            for child in self._children:
                child.signal(signal.SIGHUP)

    def _stop(self) -> None:
        """Let everybody drain; when asked again, for no longer."""
        self._hurried = self._stopping
        if not self._stopping:
            self._stopping = True
            self._on_stop()
            notify(self._environ, "STOPPING=1")

    def _dismiss(self, now: float) -> None:
        """Let routers drain first: their last calls may wait for what the dipper finds."""
        if not self._stopping:
            return
        living = [child for child in self._children if child.pid]
        for child in [one for one in living if one.role.name == "router"] or living:
            if child.kill_at is None:
                child.kill_at = now + self._grace_s
                child.signal(signal.SIGTERM)

    def _reap(self, now: float) -> None:
        """Take note of every child that ended, and of strangers that were left to us (as pid 1)."""
        children = {child.pid: child for child in self._children if child.pid}
        while children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            child = children.pop(pid, None)
            if child is not None:
                self._ended(child, status, now)

    def _ended(self, child: Child, status: int, now: float) -> None:
        child.listen(now)
        level = "info" if self._stopping else "warning"
        self._say(level, "ended", child, how=ended_how(status), ready=child.text is not None)
        child.ended()
        if self._stopping:
            return
        never = child.starts == 1 and child.text is None
        if never and os.waitstatus_to_exitcode(status) == WRONG:
            label = child.role.label
            self._refusal = child.refused or f"{label} cannot start; its own lines say why"
            self._stop()
        else:
            self._restart_later(child, now)
        child.text = None

    def _kill_frozen(self, now: float) -> None:
        patience = self._patience
        for child in self._children:
            if not child.pid or child.killed:
                continue
            allowed_s = patience.starting_s if child.text is None else patience.silence_s
            silent_s = now - child.heard
            late = self._hurried or (child.kill_at is not None and now >= child.kill_at)
            if late or silent_s > allowed_s:
                child.killed = True
                child.signal(signal.SIGKILL)
                self._say("error", "killed", child, silent_s=round(silent_s, 2))

    # ---- what others are told --------------------------------------------------------------

    def _feed(self, now: float) -> None:
        """Feed systemd's watchdog while any router answers calls; without routers, while we live.

        Not only while all do: to restart everything would cost the calls of those that work.
        """
        if self._feed_s is None or now - self._fed < self._feed_s:
            return
        routers = [child for child in self._children if child.role.name == "router"]
        if not routers or any(child.text is not None for child in routers):
            self._fed = now
            notify(self._environ, "WATCHDOG=1")

    def _say(self, level: str, event: str, child: Child, **values: object) -> None:
        role = child.role
        self._log(level, event, role=role.name, index=role.index, pid=child.pid, **values)


class Notes:
    """The parent's log: JSON lines, written at once and by no thread.

    A reader that has stopped costs lines, not the parent's attention: they are dropped.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __call__(self, level: str, event: str, **values: object) -> None:
        """Write one line of less than PIPE_BUF bytes, which is never torn (pipe(7))."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
        line = msgspec.json.encode({"timestamp": at, "event": event, **values, "level": level})
        poll = select.poll()
        poll.register(self._descriptor, select.POLLOUT)
        if (self._descriptor, select.POLLOUT) in poll.poll(0):
            os.write(self._descriptor, line[: select.PIPE_BUF - 1] + b"\n")


def _heed(number: int, frame: object) -> None:
    """Do nothing: the number has gone to the wake-up descriptor."""
    del number, frame
