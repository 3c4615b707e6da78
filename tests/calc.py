"""LibreOffice Calc as a person uses it: a file is opened, cells are typed into, it is saved."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PYTHON = "/usr/bin/python3"
SCRIPT = Path(__file__).with_name("calc_script.py")
LIMIT_S = 150

# The tokens are those of LibreOffice Help, "Filter Options for CSV Filter"; the values are the
# defaults of its dialogues (registry, Office.Calc/Dialogs/CSVImport and CSVExport, release 7.4):
# cells end at comma, semicolon and tab, formulas are not evaluated, cells are saved as shown.
AS_OFFERED = "44/59/9,34,76,1,,0,false,false,false,false,false,0,false,false"
SAVED = "44,34,76,1,,0,false,true,false,false,false,0"
EVALUATED = "44,34,76,1"
"""Formulas are evaluated, as without a dialogue (``soffice --convert-to``), and as Excel does."""
ALL_TEXT = f"44,34,76,1,{'/'.join(f'{column}/2' for column in range(1, 20))}"
"""Cells end at commas only, and every column is text."""


@dataclass(frozen=True, slots=True)
class Job:
    """A file to open, what to type (column and row from 0, text), and where to save it."""

    source: Path
    target: Path
    typed: Sequence[tuple[int, int, str]] = ()
    options: str = AS_OFFERED


def why_not() -> str:
    """Return why Calc cannot be used here; empty if it can."""
    if not shutil.which("soffice"):
        return "LibreOffice is not installed (libreoffice-calc-nogui)"
    if not Path(PYTHON).exists() or subprocess.run([PYTHON, "-c", "import uno"], check=False,
                                                   capture_output=True).returncode:  # fmt: skip
        return "LibreOffice's Python bridge is not installed (python3-uno)"
    return ""


def calc(profile: Path, jobs: Sequence[Job]) -> list[dict[str, Any]]:
    """Do the jobs in one run of Calc; its profile goes where told, and away afterwards."""
    asked = [
        {
            "source": str(job.source),
            "target": str(job.target),
            "typed": job.typed,
            "options": job.options,
            "export": SAVED,
        }
        for job in jobs
    ]
    environment = {"PATH": os.environ["PATH"], "HOME": str(profile), "LC_ALL": "C.UTF-8"}
    # Its children are many: the session ends them all, whatever happens.
    process = subprocess.Popen(
        [PYTHON, str(SCRIPT), str(profile)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env=environment, start_new_session=True,
    )  # fmt: skip
    try:
        out, err = process.communicate(json.dumps(asked), LIMIT_S)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        shutil.rmtree(profile, ignore_errors=True)
    assert 0 == process.returncode, err
    done: list[dict[str, Any]] = json.loads(out)
    return done
