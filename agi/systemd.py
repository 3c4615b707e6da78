"""systemd's side of the service: inherited sockets, readiness, the watchdog.

Sources: sd_listen_fds(3), sd_notify(3), sd_watchdog_enabled(3).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Final

FIRST_FD: Final = 3


def inherited(environ: Mapping[str, str]) -> list[socket.socket]:
    """Return the listening sockets that systemd passed to this very process, in its order."""
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = int(environ.get("LISTEN_FDS", "0"))
    sockets = [socket.socket(fileno=FIRST_FD + index) for index in range(count)]
    for sock in sockets:
        os.set_inheritable(sock.fileno(), False)
        sock.setblocking(False)
    return sockets


def notify(environ: Mapping[str, str], *states: str) -> bool:
    """Tell the service manager, for example ``READY=1``; return whether anybody is told."""
    address = environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto("\n".join(states).encode(), address)
    except OSError:
        return False  # a manager that is gone must not end the service
    return True


def watchdog_s(environ: Mapping[str, str]) -> float | None:
    """Return how often to send ``WATCHDOG=1``: half of what the unit allows; None if it is off."""
    text = environ.get("WATCHDOG_USEC", "")
    mine = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(text) / 2_000_000 if text.isdigit() and mine else None
