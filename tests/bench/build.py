"""Builds the C programs of the benchmark, when they are older than their source."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
BIN: Final = HERE / "bin"


class NoCompiler(Exception):
    """There is no gcc; the text says what to install."""


def build(name: str) -> Path:
    """Return the program built from ``name``.c.

    Raises:
        NoCompiler: there is no gcc.
    """
    compiler = shutil.which("gcc")
    if compiler is None:
        raise NoCompiler("the load generator is C and there is no gcc: apt-get install gcc")
    source, program = HERE / f"{name}.c", BIN / name
    if program.exists() and program.stat().st_mtime >= source.stat().st_mtime:
        return program
    BIN.mkdir(exist_ok=True)
    fresh = program.with_suffix(".new")
    command = [compiler, "-O2", "-Wall", "-Wextra", "-Werror", "-o", str(fresh), str(source)]
    subprocess.run(command, check=True)
    fresh.replace(program)
    return program
