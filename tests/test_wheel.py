"""The wheel carries what a user needs: code, tables, dialplan, units, and is the same each time."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def build(target: Path) -> Path:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)],
        cwd=ROOT,
        env={**os.environ, "SOURCE_DATE_EPOCH": "1767225600"},
        capture_output=True,
        check=True,
        timeout=120,
    )
    (wheel,) = target.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("wheel"))


@pytest.mark.parametrize(
    "name",
    [
        "agi/cli/main.py",
        "agi/py.typed",
        "agi/dialdip.toml",
        "agi/routing/errors.csv",
        "agi/routing/sample/routes.csv",
        "agi/sandbox/subscribers.csv",
        "agi/share/dialplan/extensions_carrier.conf",
        "agi/share/dialplan/carrier-route.agi",
        "agi/share/systemd/dialdip-agi.socket",
    ],
)
def test_a_file_travels_in_the_wheel(wheel: Path, name: str) -> None:
    assert name in zipfile.ZipFile(wheel).namelist()


def test_installed_from_the_wheel_it_writes_its_dialplan_out(wheel: Path, tmp_path: Path) -> None:
    """Without the checkout beside it: the packed copies are what is written."""
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    done = subprocess.run(
        [sys.executable, "-m", "agi", "install", "--dialplan", str(tmp_path / "out")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert 0 == done.returncode, done.stderr
    for path in (ROOT / "dialplan").iterdir():
        assert path.read_bytes() == (tmp_path / "out" / path.name).read_bytes()


def test_the_same_source_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    assert wheel.read_bytes() == build(tmp_path).read_bytes()
