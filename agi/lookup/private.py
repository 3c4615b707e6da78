"""Sockets between the processes of one host: who may come in, and how they are opened.

Only a process's own user and root are its own; the kernel says who knocks (SO_PEERCRED of unix(7)).
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from pathlib import Path
from typing import Final

from agi.errors import UsageError
from agi.lookup.owner import ROOT, leave_to_owner

MAX_PATH: Final = 107
"""What fits into sun_path with its NUL, see unix(7)."""

PROBE_S: Final = 1.0

_CREDENTIALS: Final = struct.Struct("iII")  # struct ucred of unix(7): pid, uid, gid


def is_ours(transport: asyncio.BaseTransport | None) -> bool:
    """Say whether a process of our own user, or of root, is at the other end."""
    sock = transport.get_extra_info("socket") if transport is not None else None
    if sock is None:
        return False
    said = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(said)
    return uid in {os.geteuid(), ROOT}


def listening(path: Path, whose: str) -> socket.socket:
    """Return a socket bound there, mode 0600 in a directory of mode 0700; nobody listens yet.

    ``whose`` is the role that it belongs to: there is one such process on a state directory.

    Raises:
        UsageError: another one answers there, or the path cannot be used.
    """
    if len(os.fsencode(path)) > MAX_PATH:
        raise UsageError(f"state_directory: {path} is too long for a socket ({MAX_PATH} bytes)")
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        leave_to_owner(path.parent, path.parent.parent)
        if path.exists():
            _remove_left_over(path, whose)
        sock.bind(str(path))
        path.chmod(0o600)  # before it listens: nobody can have connected
    except OSError as bad:
        sock.close()
        raise UsageError(f"state_directory: {path}: {bad.strerror}") from None
    except UsageError:
        sock.close()
        raise
    return sock


def _remove_left_over(path: Path, whose: str) -> None:
    """Remove the socket of a process that was killed; a living one keeps it."""
    if not path.is_socket():
        raise UsageError(f"state_directory: {path} is in the way, and is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_S)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except TimeoutError:
            pass  # somebody listens, and is frozen: it is there all the same
    raise UsageError(f"another {whose} runs with this state directory: {path}")
