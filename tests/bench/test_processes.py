"""Processes under measurement: their readiness, their CPU time, their end."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.bench.processes import DidNotStart, Process, cpu_clock, family


def test_the_cpu_clock_of_a_process_is_what_the_process_itself_reads() -> None:
    before = time.process_time()
    read = cpu_clock(os.getpid())
    assert before <= read <= time.process_time()


def test_a_family_is_a_process_with_its_children_and_theirs() -> None:
    sleeper = "import time; time.sleep(60)"
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {sleeper!r}]).pid; "
    code += "print('ready 127.0.0.1:1', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        found = family(parent.pid)
        for pid in reversed(found):
            os.kill(pid, 9)
    assert 2 == len(found)
    assert parent.pid == found[0]


@pytest.mark.parametrize("word", ["ready 127.0.0.1:4573", "ready fastagi=127.0.0.1:4573 web=x"])
def test_a_process_is_ready_when_it_says_so(tmp_path: Path, word: str) -> None:
    code = f"print('hello'); print('{word}', flush=True); import time; time.sleep(60)"
    with Process([sys.executable, "-c", code], cwd=tmp_path, log=tmp_path / "log") as process:
        assert ("127.0.0.1", 4573) == process.address
        assert 0 < process.cpu_s()


def test_a_process_that_ends_instead_says_why(tmp_path: Path) -> None:
    process = Process(
        [sys.executable, "-c", "raise SystemExit('the reason')"],
        cwd=tmp_path,
        log=tmp_path / "log",
    )
    with pytest.raises(DidNotStart, match="the reason"), process:
        pass
