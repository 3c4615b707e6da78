"""The verb for the screen on the wall of the NOC: ``dialdip top``."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
import time
import tty
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import click

from agi import exits, ipc
from agi.cli.options import as_json, pass_context, service, with_config
from agi.errors import Unreachable

EACH_S: Final = 1.0
"""The screen is drawn anew so often."""

PAST_S: Final = 60
"""Calls and answers are those of so many seconds, as soon as that much was seen."""

PATIENCE_S: Final = 2.0
"""noc may take so long to answer; then the picture is said to be old."""

KEYS: Final = {"1": 60, "5": 300, "h": 3600}


@click.command()
@with_config
@click.option("--once", is_flag=True, help="Print one moment and end; so does a pipe.")
@as_json
@click.option(
    "--window",
    type=click.Choice(["1m", "5m", "1h"]),
    default="5m",
    show_default=True,
    help="Of the trunks' figures.",
)
@pass_context
def top(context: click.Context, *, once: bool, as_json: bool, window: str) -> int:
    """Show calls, providers, trunks and what is wrong, anew each second; q ends."""
    from agi import views_top

    path = ipc.path_of(service(context).state, "noc")
    window_s = KEYS[window[-1] if window == "1h" else window[0]]
    first = _overview(path)
    if once or as_json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        views_top.once(first, window_s, as_json=as_json)
        return exits.NO if first["troubles"] else exits.YES
    with contextlib.suppress(KeyboardInterrupt):
        # The terminal is given back; SIGINT may have been ignored by whoever started us.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        with _keys() as wait:
            _watch(path, first, window_s, wait)
    return exits.YES


def _overview(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = ipc.ask(path, "overview", timeout_s=PATIENCE_S)
    return found


def _watch(path: Path, now: dict[str, Any], window_s: int, wait: Callable[[float], str]) -> None:
    from rich.console import Console
    from rich.live import Live

    from agi.views_top import picture

    console = Console(highlight=False)
    past = deque([now], maxlen=PAST_S + 1)
    answered = time.monotonic()
    with Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            begun = time.monotonic()
            lost_s = begun - answered if begun - answered > PATIENCE_S else 0.0
            shown = picture(
                past[-1],
                past[0] if len(past) > 1 else None,
                width=console.size.width,
                height=console.size.height,
                window_s=window_s,
                lost_s=lost_s,
            )
            live.update(shown, refresh=True)
            key = wait(EACH_S)
            if key in {"q", "Q"}:
                return
            window_s = KEYS.get(key, window_s)
            with contextlib.suppress(Unreachable):
                past.append(_overview(path))
                answered = time.monotonic()


@contextlib.contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """Read single keys: yield what waits for one for some seconds, and returns "" without."""
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)

    def wait(seconds: float) -> str:
        ready, _, _ = select.select([terminal], [], [], seconds)
        if not ready:
            return ""
        return os.read(terminal, 1).decode(errors="replace") or "q"  # the terminal is gone

    try:
        tty.setcbreak(terminal)
        yield wait
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
