"""Activate tables when a line comes on stdin; one of two such processes wins.

Run as ``python -m tests.routing.kills.racing STATE KIND EXPECTED``; prints ``ready``, then
``won VERSION`` or ``conflict``.
"""

from __future__ import annotations

import sys
from pathlib import Path

from agi.routing.versions.store import Store
from agi.routing.versions.stored import ConflictError
from tests.routing.kills.tables import activate


def main(state: str, kind: str, expected: str) -> None:
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        print("won", activate(Store(Path(state)), int(kind), expected=expected).version)
    except ConflictError as error:
        print("conflict", error)


if __name__ == "__main__":
    main(*sys.argv[1:])
