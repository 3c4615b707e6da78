"""Play scenario files and print what happens: ``python -m tests.scenarios FILE...``."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.scenarios.language import ScenarioError
from tests.scenarios.playing import play

FILES = Path(__file__).with_name("files")


def main(names: list[str]) -> int:
    """Play each file; return 1 when one of them fails."""
    failed = 0
    for name in names:
        path = Path(name) if Path(name).exists() else FILES / f"{name.removesuffix('.scn')}.scn"
        print(f"== {path.name}")
        try:
            play(path, print)
        except ScenarioError as wrong:
            print(f"FAILED {wrong}")
            failed += 1
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
