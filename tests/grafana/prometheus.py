"""Prometheus and promtool of Debian's package ``prometheus``, as real as they come.

Without them the tests are skipped with the reason; under ``CI`` they fail.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

RULES = Path(__file__).parents[2] / "grafana" / "rules"
SCRAPE_S = 1


def program(name: str) -> str:
    """Return where a program of the package is; skip, or fail under CI, where it is not."""
    found = shutil.which(name)
    if found is None:
        missing = f"no {name} here: apt-get install prometheus"
        assert not os.environ.get("CI"), missing
        pytest.skip(missing)
    return found


def promtool(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run promtool."""
    return subprocess.run(
        [program("promtool"), *arguments],
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class Prometheus:
    """One server that scrapes one target each second, with our rules loaded."""

    def __init__(self, directory: Path, target: str) -> None:
        self._url = f"http://127.0.0.1:{_free_port()}"
        configuration = directory / "prometheus.json"
        configuration.write_text(json.dumps(_configuration(target)))  # JSON is YAML
        self.log = directory / "prometheus.log"
        with self.log.open("w") as stream:
            self._process = subprocess.Popen(
                [
                    program("prometheus"),
                    f"--config.file={configuration}",
                    f"--storage.tsdb.path={directory / 'data'}",
                    f"--web.listen-address={self._url.removeprefix('http://')}",
                ],
                stdout=stream,
                stderr=subprocess.STDOUT,
            )

    def api(self, path: str, **arguments: str) -> Any:
        """Return the ``data`` of an answer of its HTTP API."""
        with urlopen(f"{self._url}/api/v1/{path}?{urlencode(arguments)}", timeout=10) as answer:
            said = json.load(answer)
        assert said["status"] == "success", said
        return said["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the samples of an instant query: each has ``metric`` and ``value``."""
        found: list[dict[str, Any]] = self.api("query", query=expression)["result"]
        return found

    def until(self, expression: str, limit_s: float = 60) -> list[dict[str, Any]]:
        """Wait until a query returns something, and return it."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            assert self._process.poll() is None, self.log.read_text()
            try:
                if found := self.query(expression):
                    return found
            except (URLError, ConnectionError):
                pass  # it is starting
            time.sleep(0.1)  # its own clock goes by scrapes: there is no event to wait for
        raise AssertionError(f"nothing for {expression}\n{self.log.read_text()[-2000:]}")

    def stop(self) -> None:
        """End it; at once if it does not."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)


@contextmanager
def running(directory: Path, target: str) -> Iterator[Prometheus]:
    """Start a Prometheus that scrapes ``host:port``."""
    directory.mkdir()
    server = Prometheus(directory, target)
    try:
        server.until('up{job="dialdip"}')
        yield server
    finally:
        server.stop()


def _configuration(target: str) -> Mapping[str, object]:
    scrape: Sequence[object] = [
        {"job_name": "dialdip", "static_configs": [{"targets": [target]}]},
    ]
    return {
        "global": {
            "scrape_interval": f"{SCRAPE_S}s",
            "scrape_timeout": f"{SCRAPE_S}s",
            "evaluation_interval": f"{SCRAPE_S}s",
        },
        "rule_files": [str(path) for path in sorted(RULES.glob("*.yml"))],
        "scrape_configs": scrape,
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
