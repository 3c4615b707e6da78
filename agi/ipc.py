"""The control socket of a process: one JSON line asks, one JSON line answers.

It lives in ``STATE/run/`` with mode 0600, so whoever may open it is the service's own user or
root. It carries people's questions (status, lookup, explain), never a call. A handler finds under
``peer`` the user id of who asks, as the kernel knows it (SO_PEERCRED, unix(7)), whatever they say.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from agi.errors import DialdipError, Unreachable, UsageError
from agi.lookup.owner import leave_to_owner
from agi.lookup.private import MAX_PATH

VERSION: Final = 1
MAX_LINE: Final = 16 * 1024 * 1024
"""What fits into sun_path with its NUL, see unix(7)."""

_CREDENTIALS: Final = struct.Struct("iII")  # struct ucred of unix(7): pid, uid, gid

Handler = Callable[[dict[str, Any]], Awaitable[object]]


def path_of(state: Path, role: str, index: int = 0) -> Path:
    """Return where the control socket of one process is."""
    return state / "run" / f"{role}-{index}.sock"


class Control:
    """The answering side."""

    def __init__(self, path: Path, handlers: Mapping[str, Handler]) -> None:
        self._path = path
        self._handlers = handlers
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Open the socket.

        Raises:
            UsageError: another process of ours answers there, or the path cannot be used.
        """
        path = self._path
        if len(os.fsencode(path)) > MAX_PATH:
            raise UsageError(f"state_directory: {path} is too long for a socket ({MAX_PATH} bytes)")
        try:
            # One by one: the mode of mkdir(parents=True) is the last one's only.
            for folder in (path.parent.parent, path.parent):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            leave_to_owner(path.parent, path.parent.parent)
            if path.exists():
                if alive(path):
                    raise UsageError(f"another dialdip runs with this state directory: {path}")
                path.unlink()
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            sock.bind(str(path))
            path.chmod(0o600)
        except OSError as bad:
            raise UsageError(f"state_directory: {path}: {bad.strerror}") from None
        self._server = await asyncio.start_unix_server(self._serve, sock=sock, limit=MAX_LINE)

    async def stop(self) -> None:
        """Close the socket and what is open on it, and remove it."""
        if self._server is not None:
            self._server.close()
            for writer in self._open:
                writer.close()
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        peer = _peer(writer)
        with contextlib.suppress(ConnectionError, asyncio.LimitOverrunError, ValueError):
            while line := await reader.readline():
                writer.write(msgspec.json.encode(await self._answer(line, peer)) + b"\n")
                await writer.drain()
        self._open.discard(writer)
        writer.close()

    async def _answer(self, line: bytes, peer: int) -> dict[str, object]:
        try:
            said = msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.MsgspecError:
            return {"v": VERSION, "error": "not understood"}
        handler = self._handlers.get(str(said.pop("op", "")))
        if handler is None or said.pop("v", None) != VERSION:
            return {"v": VERSION, "error": "this service is of another version: restart it"}
        try:
            return {"v": VERSION, "answer": await handler({**said, "peer": peer})}
        except DialdipError as refused:
            return {"v": VERSION, "error": str(refused)}


def _peer(writer: asyncio.StreamWriter) -> int:
    sock = writer.get_extra_info("socket")
    said = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(said)
    return int(uid)


def alive(path: Path) -> bool:
    """Tell whether a process answers on this socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(1.0)
        try:
            sock.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except OSError:
            return True  # somebody holds it: not for us to open, or too busy to answer
        return True


def ask(path: Path, op: str, *, timeout_s: float = 5.0, **arguments: object) -> Any:  # noqa: ANN401 - JSON
    """Ask a running process and return its answer; blocking, for the shell.

    Raises:
        Unreachable: nobody answers there, or not in time.
        UsageError: the process refused; its reason.
    """
    question = msgspec.json.encode({"v": VERSION, "op": op, **arguments}) + b"\n"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(timeout_s)
            sock.connect(str(path))
            sock.sendall(question)
            with sock.makefile("rb") as lines:
                line = lines.readline(MAX_LINE)
    except OSError as bad:
        hint = "is dialdip serve running with this configuration?"
        if path.name.startswith("noc-"):
            hint = "calls may go on without noc: dialdip status tells"
        if isinstance(bad, PermissionError):
            hint = "only its own user and root may ask it"
        why = bad.strerror or "timed out"
        raise Unreachable(f"the service does not answer at {path} ({why}); {hint}") from None
    if not line:
        raise Unreachable(f"the service closed {path} without an answer; see its log")
    said = msgspec.json.decode(line, type=dict[str, Any])
    if "error" in said:
        raise UsageError(said["error"])
    return said["answer"]
