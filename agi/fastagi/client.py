"""Asks a FastAGI port as Asterisk does: for ``dialdip ask``, the demo and load balancers' checks.

Blocking on purpose: it serves a shell, never the call path.
"""

from __future__ import annotations

import re
import socket
import time
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from agi import names
from agi.errors import Unreachable, UsageError

DEFAULT_PORT: Final = 4573
MAX_ANSWER: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Told:
    """What the dialplan would have got. ``variables`` is empty when there was no answer.

    ``committed`` is the dialplan's own test: the commit variable equals the channel's unique id.
    """

    variables: dict[str, str]
    committed: bool
    seconds: float


def address_of(url: str) -> tuple[str, int]:
    """Return host and port of ``agi://HOST[:PORT]``.

    Raises:
        UsageError: it is no such URL.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
        parts = urlsplit("")
    if parts.scheme != "agi" or not host:
        raise UsageError(f'"{url}" is no AGI URL: give agi://HOST:PORT')
    return host, port or DEFAULT_PORT


def ask(url: str, script: str, *, uniqueid: str, timeout_s: float = 5.0) -> Told:
    """Send one environment for ``script`` (``route?n=...``) and read the variables.

    Raises:
        Unreachable: the port cannot be connected to, or says nothing in time.
    """
    host, port = address_of(url)
    start = time.perf_counter()
    try:
        with socket.create_connection((host, port), timeout_s) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.sendall(environment(f"agi://{host}:{port}/{script}", script, uniqueid))
            line = _read_line(sock)
            seconds = time.perf_counter() - start
            if line:
                sock.sendall(b"200 result=1\nHANGUP\n")
    except OSError as bad:
        raise Unreachable(f"{url}: {bad.strerror or 'no answer in time'}") from None
    told = read_variables(line)
    return Told(told, told.get(names.COMMIT) == uniqueid, seconds)


def environment(request: str, script: str, uniqueid: str) -> bytes:
    """Return what Asterisk would write for ``request``, the URL that ends in ``script``."""
    values = {
        "network": "yes",
        "network_script": script,
        "request": request,
        "channel": "Local/dialdip@ask-00000001;2",
        "language": "en",
        "type": "Local",
        "uniqueid": uniqueid,
        "version": "dialdip ask",
        "callerid": "unknown",
        "calleridname": "unknown",
        "callingpres": "0",
        "callingani2": "0",
        "callington": "0",
        "callingtns": "0",
        "dnid": "unknown",
        "rdnis": "unknown",
        "context": "carrier-route",
        "extension": "s",
        "priority": "1",
        "enhanced": "0.0",
        "accountcode": "",
        "threadid": "1",
    }
    return "".join(f"agi_{k}: {v}\n" for k, v in values.items()).encode() + b"\n"


def _read_line(sock: socket.socket) -> bytes:
    """Read until the service half-closes; a close or a reset without a line is no answer."""
    data = b""
    try:
        while len(data) < MAX_ANSWER and (more := sock.recv(4096)):
            data += more
    except ConnectionResetError:
        return b""
    return data


_ARRAY: Final = re.compile(r'SET VARIABLE (?:ARRAY\(([A-Z0-9_,]+)\)|([A-Z0-9_]+)) "(.*)"\n')
_PAIR: Final = re.compile(r"\\(.)", re.DOTALL)


def read_variables(line: bytes) -> dict[str, str]:
    """Return what a ``SET VARIABLE`` line sets; empty when it is anything else."""
    match = _ARRAY.fullmatch(line.decode("utf-8", "replace"))
    if match is None:
        return {}
    array, single, text = match.groups()
    text = _PAIR.sub(r"\1", text)
    if single:
        return {single: text}
    values = [_PAIR.sub(r"\1", part) for part in re.findall(r"((?:\\.|[^,\\])*)(?:,|$)", text)]
    listed = array.split(",")
    return dict(zip(listed, values, strict=False))
