"""Plays a file: its configuration, its stage, its steps, in virtual time."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from itertools import dropwhile
from pathlib import Path

from tests.scenarios import language
from tests.scenarios.language import ScenarioError, Step
from tests.scenarios.play import Play
from tests.scenarios.site import Builder
from tests.scenarios.virtual import run
from tests.scenarios.world import Site, Stage


def play(path: Path, tell: Callable[[str], None] = lambda _: None) -> None:
    """Play one file from beginning to end, in virtual time.

    Raises:
        ScenarioError: a mistake in the file, or a check that does not hold.
    """
    steps = language.read(path.name, path.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as directory:
        builder = Builder(Path(directory))
        rest = list(dropwhile(lambda step: step.verb == "CONFIG", steps))
        if not rest:
            raise ScenarioError(f"{path.name}: nobody calls: write CALL and CHECK lines")
        for step in steps[: len(steps) - len(rest)]:
            builder.take(step)
        site = builder.build(steps[0])
        run(_play(site, builder.routers, rest, tell))


async def _play(site: Site, routers: int, steps: list[Step], tell: Callable[[str], None]) -> None:
    stage = Stage(site, routers)
    await stage.start()
    try:
        playing = Play(stage, tell)
        await playing.play(steps)
        await playing.end(steps[-1])
    finally:
        await stage.close()
