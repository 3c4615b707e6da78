"""Row F42: tables change while calls run: each call is by one version, and none is lost."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

from agi import past
from tests.asterisk import sip
from tests.asterisk.ami import Event
from tests.asterisk.pbx import Pbx
from tests.asterisk.tables_stage import TRUNKS, Whole, whole
from tests.load.rig import mobile

RATE = 25
CALLS = 250
DAYS = 30

BEFORE = "rule,trunks\nby-one,holder\n"
AFTER = "rule,trunks\nby-two,ported\n"
"""The same calls by another rule on another trunk: a mixture of both tables would be neither."""


def content(version: str) -> str:
    """Return the part of a version's name that says what is in it."""
    return version.partition("-")[2]


async def switched(site: Whole, *verb: str) -> str:
    """Change tables as an administrator does; return the version that is in force then."""
    status, printed = await site.service.verb("table", *verb, "--why", "a test", "--yes", "--json")
    assert 0 == status, printed
    said: dict[str, Any] = json.loads(printed)
    assert said["changed"]
    assert {said["version"]} == set(said["processes"].values())
    return str(said["version"])


async def to_and_fro(site: Whole, until: asyncio.Task[Any]) -> list[str]:
    """Activate and roll back in turn while calls run; return the versions in their order."""
    directory = site.service.tables("after", {"trunks.csv": TRUNKS, "routes.csv": AFTER})
    versions: list[str] = []
    while not until.done():
        versions.append(await switched(site, "activate", str(directory)))
        versions.append(await switched(site, "rollback"))
    return versions


def test_f42_each_call_is_explained_by_one_version_while_tables_change_and_change_back(
    pbx: Pbx,
) -> None:
    numbers = [mobile(997 * index) for index in range(CALLS)]

    async def run() -> None:
        async with whole(pbx, BEFORE) as site:
            await site.ami.action("Events", EventMask="user")
            calling = asyncio.create_task(sip.calls(pbx, numbers, rate=RATE))
            versions = await to_and_fro(site, calling)
            assert dict.fromkeys(numbers, 200) == dict(calling.result())
            decided = await site.ami.user("Decided", count=CALLS)
            assert 4 <= len(versions)
            meant = {content(versions[0]): ("by-two", "ported")}
            meant[content(versions[1])] = ("by-one", "holder")
            told(decided, meant)
            # Both tables had calls while they changed, and each call rang where it was told to.
            by_trunk = Counter(event["trunk"] for event in decided)
            assert {"holder", "ported"} == set(by_trunk)
            assert by_trunk == {name: len(rang) for name, rang in site.rang.items()}
            await asyncio.to_thread(explained, site, decided)

    asyncio.run(run())


def told(decided: list[Event], meant: dict[str, tuple[str, str]]) -> None:
    """Check that rule and trunk are those of the version that each call names."""
    for event in decided:
        assert meant[content(event["table"])] == (event["rule"], event["trunk"])


def explained(site: Whole, decided: list[Event]) -> None:
    """Check that the journal explains each call by the version that the dialplan was told."""
    for event in decided:
        found = past.of_call(site.service.state, event["uniqueid"], DAYS)
        assert not isinstance(found, past.Missing), found
        story: dict[str, Any] = found
        record = story["record"]
        assert (event["table"], event["rule"]) == (record["table"], record["rule"])
        assert story["agrees"]
        assert event["table"] == story["then"]["decision"]["table"]
