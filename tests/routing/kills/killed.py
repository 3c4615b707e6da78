"""Change the tables in a child, kill it at a random point, look at what is left; many times.

Run as ``python -m tests.routing.kills.killed STATE SEED ROUNDS``; prints one JSON object: how many
rounds ended with the old version in force and how many with the new one. Every other round is
killed before a line of the store's code is run that dice chose, the others after a time.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from agi.routing.versions.store import Store
from tests.routing.kills.tables import ANN, NOON, activate, compiled, contents, whole

ROOM = str(Path("agi", "routing"))
KINDS = 5


def traced(change: Callable[[], None], fatal: int) -> int:
    """Do it, and die before the line of that number; return how many lines of ours were run."""
    seen = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal seen
        if ROOM not in frame.f_code.co_filename:
            return None
        if event == "line":
            seen += 1
            if seen == fatal:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    try:
        change()
    finally:
        sys.settrace(None)
    return seen


def changing(store: Store, kind: int, turn: int) -> Callable[[], None]:
    """Return a change to make: mostly an activation, at times a rollback."""
    files = contents(kind)
    table = compiled(files)
    back = next((v.version for v in store.versions() if store.contents(v.version) == files), None)

    def change() -> None:
        if turn % 4 == 3 and back is not None:
            store.rollback(back, ANN, f"turn {turn}", NOON + turn)
        else:
            store.activate(files, table, ANN, f"turn {turn}", None, NOON + turn)

    return change


def struck(change: Callable[[], None], dice: random.Random, lines: int, took_s: float) -> None:
    """Make the change in a child, and kill that."""
    by_line = dice.random() < 0.5
    fatal = dice.randrange(1, lines + 10) if by_line else 0
    after = 0.0 if by_line else dice.uniform(0, took_s * 1.2)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            if by_line:
                traced(change, fatal)
            else:
                change()
            status = 0
        finally:
            os._exit(status)
    if not by_line:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert status in {0, signal.SIGKILL}, "the child failed of itself"


def main(state: str, seed: str, rounds: str) -> None:
    store, dice = Store(Path(state)), random.Random(int(seed))
    activate(store, 0)
    lines = traced(changing(store, 1, 0), 0)
    begun = time.monotonic()
    changing(store, 2, 0)()
    took_s = time.monotonic() - begun
    old, told = 2, {"old": 0, "new": 0, "lines": lines}
    for turn in range(int(rounds)):
        new = dice.choice([kind for kind in range(KINDS) if kind != old])
        struck(changing(store, new, turn), dice, lines, took_s)
        found = whole(store)
        assert found in {old, new}, f"{found} is in force, neither {old} nor {new}"
        told["new" if found == new else "old"] += 1
        old = found
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
