"""A real redis-server on a free loopback port, in a directory of its own.

Debian's package ``redis-server``. Without it the tests are skipped with the reason, under ``CI``
they fail.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

MISSING = "no redis-server here: apt-get install redis-server"


class RedisServer:
    """One server process. ``command`` speaks to it in its own inline form, by no library."""

    def __init__(self, directory: Path, *options: str) -> None:
        self._directory = directory
        self._options = options
        self.port = _free_port()
        self.unix = directory / "redis.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start, and wait until it answers."""
        binary = shutil.which("redis-server")
        if binary is None:
            assert not os.environ.get("CI"), MISSING
            pytest.skip(MISSING)
        self._process = subprocess.Popen(
            [
                *(binary, "--bind", "127.0.0.1", "--port", str(self.port)),
                *("--unixsocket", str(self.unix), "--unixsocketperm", "700"),
                *("--save", "", "--appendonly", "no", "--daemonize", "no"),
                *("--dir", str(self._directory), "--logfile", str(self._directory / "log")),
                *self._options,
            ],
            stdout=subprocess.DEVNULL,
        )
        self._until_it_answers()

    def _until_it_answers(self) -> None:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            with suppress(OSError):
                if self.command("PING"):
                    return
            assert self._process is not None
            assert None is self._process.poll(), (self._directory / "log").read_text()
            time.sleep(0.02)
        raise AssertionError("redis-server did not answer within 20 s")

    def command(self, *words: str | bytes) -> bytes:
        """Send one command; return the reply's bytes, up to 64 KiB."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as link:
            link.sendall(_packed(words))
            return link.recv(65_536)

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def freeze(self) -> None:
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, and wait until it is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None


def _packed(words: tuple[str | bytes, ...]) -> bytes:
    parts = [word.encode() if isinstance(word, str) else word for word in words]
    bulks = b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
    return b"*%d\r\n%b" % (len(parts), bulks)


def _free_port() -> int:
    with socket.socket() as link:
        link.bind(("127.0.0.1", 0))
        port: int = link.getsockname()[1]
    return port


@contextmanager
def redis_server(directory: Path, *options: str) -> Iterator[RedisServer]:
    """Run a server with these options of its command line, and end it."""
    server = RedisServer(directory, *options)
    try:
        yield server
    finally:
        server.kill()
