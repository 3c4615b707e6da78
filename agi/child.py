"""One child process: what is forked, and what its parent knows of it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, NoReturn

from agi.errors import FaultyFile, UsageError
from agi.lifeline import MAX_PACKET, READY, REFUSED, Lifeline, tie_to_parent
from agi.log import where

WRONG: Final = 2
"""The exit status of a role that cannot start for its configuration."""

STUCK_S: Final = 3.0
"""User CPU time without a heartbeat after which the kernel ends a child."""

# systemd speaks to the parent only (NotifyAccess=main).
_PARENTS_OWN: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS")


@dataclass(frozen=True, slots=True)
class Role:
    """One process to run: ``main`` gets its lifeline and returns its exit status.

    ``essential`` False: calls are answered without it; the service is ready even if it fails to be.
    ``main`` may raise ``UsageError`` or a ``FaultyFile``: the role cannot start, and why.
    """

    name: str
    index: int
    main: Callable[[Lifeline], int]
    essential: bool = True

    @property
    def label(self) -> str:
        """What it is called, as its control socket is: ``router-0``."""
        return f"{self.name}-{self.index}"


class Child:
    """One role's process, as its parent sees it; times are the parent's monotonic clock.

    ``pid`` is 0 while there is none; ``text`` is None until it said that it is ready; ``due`` is
    when it is to be started, ``kill_at`` when its time to end is over.
    """

    def __init__(self, role: Role) -> None:
        self.role = role
        self.pid = 0
        self.line: socket.socket | None = None
        self.text: str | None = None
        self.refused = ""
        self.starts = 0
        self.failures = 0
        self.due = 0.0
        self.heard = 0.0
        self.ready_at = 0.0
        self.killed = False
        self.kill_at: float | None = None
        self._reload = False  # it is to reload as soon as it can

    def start(self, now: float, inherited: Iterable[socket.socket]) -> None:
        """Fork the process, which closes the ``inherited`` sockets: they are its parent's.

        Raises:
            OSError: there is no room for another process or socket.
        """
        sys.stdout.flush()
        sys.stderr.flush()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        # A signal between fork and the child's own handlers must be neither lost nor its parent's.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            pid = os.fork()
            if pid == 0:
                _be(self.role, theirs, (ours, *inherited), mask)
        except OSError:
            ours.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            theirs.close()
        ours.setblocking(False)
        self.pid, self.line, self.heard = pid, ours, now
        self.text, self.refused, self.killed = None, "", False
        self._reload = False
        self.starts += 1

    def listen(self, now: float) -> None:
        """Read what the process said."""
        while self.line is not None:
            try:
                packet = self.line.recv(MAX_PACKET)
            except BlockingIOError:
                return
            except ConnectionError:
                packet = b""
            if not packet:
                self.close()
                return
            self.heard = now
            if packet.startswith(READY):
                self.text, self.ready_at = packet[1:].decode(errors="replace"), now
                if self._reload:
                    self.signal(signal.SIGHUP)
            elif packet.startswith(REFUSED):
                self.refused = packet[1:].decode(errors="replace")

    def signal(self, number: int) -> None:
        """Send a signal, when there is a process; SIGHUP when it is ready to heed it.

        A beginner may have read its configuration already, and ignores SIGHUP until it is ready.
        """
        if number == signal.SIGHUP and self.text is None:
            self._reload = True
        elif self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def ended(self) -> None:
        """Take note that the process is no more."""
        self.close()
        self.pid = 0

    def close(self) -> None:
        """Close the parent's end of the lifeline."""
        if self.line is not None:
            self.line.close()
            self.line = None


def ended_how(status: int) -> str:
    """Say how a process ended, by its status of waitpid(2).

    >>> ended_how(9)
    'SIGKILL'
    >>> ended_how(2 << 8)
    'status 2'
    """
    if os.WIFSIGNALED(status):
        return signal.Signals(os.WTERMSIG(status)).name
    return f"status {os.waitstatus_to_exitcode(status)}"


def _be(
    role: Role, line: socket.socket, parents: Iterable[socket.socket], mask: Iterable[int]
) -> NoReturn:
    """Be the child: never return into the parent's frames, whose clean-up is not ours."""
    status = 1
    try:
        _leave_the_parent(parents)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        status = _do(role, Lifeline(line, stuck_s=STUCK_S))
    finally:
        error = sys.exc_info()[1]
        if error is not None:
            print(f"{role.label}: {where(error)}", file=sys.stderr)  # noqa: T201 - no log is left
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _leave_the_parent(sockets: Iterable[socket.socket]) -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    # A terminal's ^C reaches the whole group: the parent decides. And no reload kills a beginner.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    for sock in sockets:
        sock.close()
    for name in _PARENTS_OWN:
        os.environ.pop(name, None)
    tie_to_parent()


def _do(role: Role, lifeline: Lifeline) -> int:
    try:
        return role.main(lifeline)
    except (UsageError, FaultyFile) as wrong:
        lifeline.refuse(str(wrong))
        return WRONG
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else 1
