"""How ``dialdip top`` looks: what is wrong in ten seconds, on a terminal of 80 by 24 or larger.

Everything here is made of one moment of ``agi.overview``, and of an earlier one where there is one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from agi.console import STYLES, Screen, document
from agi.overview import answered_lately, lately

Moment = Mapping[str, Any]
Cell = tuple[str, str]
"""Text and tone, see ``console.STYLES``."""

WINDOWS: Final = {60: "1 min", 300: "5 min", 3600: "1 h"}
"""The windows of the trunks' figures, in seconds."""

TROUBLES_SHARE: Final = 4
"""Troubles take at most one line in so many; how many more there are is said."""

MOST_PROVIDERS: Final = 5

LONGEST_NAME: Final = 18
"""A trunk's name may have 40 characters; on the screen it is cut."""

STATE_TONES: Final = {"up": "good", "degraded": "odd", "trial": "odd", "down": "bad"}
PROBE_TONES: Final = {"ok": "good", "wrong": "bad", "missing": "odd"}
FORMER: Final = "gone"
"""The health of a trunk that had calls, and that the tables in force do not have."""

LOW_SHARE: Final = 0.5
"""Fewer good answers of a provider than this are marked."""

TRUNK_HEADINGS: Final = (
    *("trunk", "health", "calls", "tries", "ASR", "NER", "ACD", "PDD 95", "why"),
)
PROVIDER_HEADINGS: Final = ("provider", "breaker", "asked", "good", "p50", "p95", "probe", "left")
LEFT: Final = frozenset((*("trunk", "health", "why", "provider", "breaker", "probe"),))
"""Columns of words; the others are figures and stand at the right."""


def picture(  # noqa: PLR0913 - what is shown, and the room there is
    now: Moment,
    before: Moment | None,
    *,
    width: int = 80,
    height: int = 24,
    window_s: int = 300,
    lost_s: float = 0.0,
) -> RenderableType:
    """Return the screen, ``width`` by ``height`` at most.

    ``lost_s`` is for how long the service has not answered: then the picture is an old one.
    """
    troubles = _troubles(now, max(1, height // TROUBLES_SHARE), lost_s)
    top = [_head(now), *troubles, *_calls(now, before)]
    providers = _providers(now, before)[:MOST_PROVIDERS]
    closing = [*_listening(now), _foot(window_s)]
    # Two headings, and a blank line before each of them.
    room = max(1, height - len(top) - len(closing) - len(providers) - 4)
    rows, more = _fitting(_trunks(now, window_s), room)
    return Group(
        *(_cut(line) for line in top),
        Text(),
        _table(PROVIDER_HEADINGS, providers, width),
        Text(),
        _table(TRUNK_HEADINGS, rows, width),
        *(_cut(line) for line in more),
        *(_cut(line) for line in closing),
    )


def once(now: Moment, window_s: int = 300, *, as_json: bool) -> None:
    """Print one moment and be done: whole, for a pipe or a ticket."""
    if as_json:
        document(now)
        return
    screen = Screen()
    for text, tone in _said(now):
        screen.line(text, tone)
    screen.line(_head(now).plain, "dim")
    for line in _calls(now, None):
        screen.line(line.plain)
    if now["providers"]:
        screen.table(PROVIDER_HEADINGS, _providers(now, None))
    if now["trunks"]:
        screen.table(TRUNK_HEADINGS, _trunks(now, window_s))
    for line in _listening(now):
        screen.line(line.plain)
    screen.line(f"trunks' figures are of the last {WINDOWS[window_s]}", "dim")


# ---- the lines ---------------------------------------------------------------------------


def _head(now: Moment) -> Text:
    service = now["service"]
    clock = dt.datetime.fromtimestamp(now["at"], dt.UTC).strftime("%H:%M:%S UTC")
    parts = (
        f"dialdip {now['version']}",
        f"table {service['table'] or '-'}",
        f"up {_span(service['uptime_s'])}",
        clock,
    )
    return Text("  ".join(parts), "bold")


def _said(now: Moment) -> list[Cell]:
    troubles = [(text, "bad") for text in now["troubles"]] or [("all well", "good")]
    return [*troubles, *((text, "odd") for text in now["hints"])]


def _troubles(now: Moment, room: int, lost_s: float) -> list[Text]:
    said = _said(now)
    if lost_s:
        said = [(f"noc has not answered for {lost_s:.0f} s: what stands here is old", "bad"), *said]
    if len(said) > room:
        more = len(said) - room + 1
        said = [*said[: room - 1], (f"and {more} more: dialdip top --once", "odd")]
    return [Text(text, STYLES[tone]) for text, tone in said]


def _calls(now: Moment, before: Moment | None) -> list[Text]:
    calls = lately(now, before) if before is not None else {**now["calls"], "seconds": None}
    seconds = calls["seconds"]
    since = f"last {seconds:.0f} s" if seconds else "since the start"
    return [
        Text(
            f"calls  {calls['per_s']:g}/s  {calls['total']} ({calls['rejected']} rejected)"
            f"  p50 {_ms(calls['p50_ms'])}  p99 {_ms(calls['p99_ms'])}"
            f"  Asterisk's p95 {_ms(calls['agi_p95_ms'])}"
        ),
        Text(f"{since}: {_shares(calls['sources'], calls['total'])}"),
    ]


def _shares(sources: Mapping[str, int], total: int) -> str:
    ordered = sorted(sources.items(), key=lambda pair: -pair[1])
    return "  ".join(f"{name} {_percent(count / total)}" for name, count in ordered) or "-"


def _providers(now: Moment, before: Moment | None) -> list[tuple[Cell, ...]]:
    earlier = {} if before is None else {one["provider"]: one for one in before["providers"]}
    found: list[tuple[Cell, ...]] = []
    for one in now["providers"]:
        good, asked = answered_lately(one, earlier.get(one["provider"]))
        share = good / asked if asked else None
        probe = one["probe"]
        found.append(
            (
                (one["provider"], ""),
                (one["breaker"], "good" if one["breaker"] == "closed" else "bad"),
                (str(asked), ""),
                (_percent(share), "bad" if share is not None and share < LOW_SHARE else ""),
                (_ms(one["p50_ms"]), ""),
                (_ms(one["p95_ms"]), ""),
                (probe, PROBE_TONES.get(probe, "")),
                (one["budget_left"] or "-", ""),
            )
        )
    return found


def _trunks(now: Moment, window_s: int) -> list[tuple[Cell, ...]]:
    return [_trunk(one, one["windows"].get(str(window_s), {})) for one in now["trunks"]]


def _trunk(one: Moment, kpi: Moment) -> tuple[Cell, ...]:
    state = f"{one['state']}{' (pin)' if one['pinned'] else ''}"
    tone = STATE_TONES[one["state"]]
    if not one["in_tables"]:
        state, tone = FORMER, "dim"
    return (
        (one["trunk"], ""),
        (state, tone),
        (str(one["calls"]), ""),
        (str(kpi.get("attempts", "-")), ""),
        (_percent(kpi.get("asr")), ""),
        (_percent(kpi.get("ner")), ""),
        (_seconds(kpi.get("acd_s"), 0), ""),
        (_seconds(kpi.get("pdd_p95_s"), 1), ""),
        ("" if one["state"] == "up" else one["why"], ""),
    )


def _fitting(rows: list[tuple[Cell, ...]], room: int) -> tuple[list[tuple[Cell, ...]], list[Text]]:
    """Return what fits, the worst first as it comes, and a line that says what is left out."""
    if len(rows) <= room:
        return rows, []
    shown = rows[: max(0, room - 1)]
    hidden = rows[len(shown) :]
    well = sum(row[1][0] == "up" for row in hidden)
    return shown, [Text(f"and {len(hidden)} more, {well} of them up", STYLES["dim"])]


def _listening(now: Moment) -> list[Text]:
    """Say on which level calls are decided, and which PBX is heard."""
    brownout = now["brownout"]
    level = f"{brownout['level']}{' (pinned)' if brownout['pinned'] else ''}"
    line = Text("ladder ").append(level, STYLES["good" if brownout["level"] == "live" else "bad"])
    line.append("  heard")
    for one in now["asterisks"]:
        if one["connected"]:
            line.append(f"  {one['asterisk']} {one['version']}", STYLES["good"])
        else:
            line.append(f"  {one['asterisk']} NOT AT ALL", STYLES["bad"])
        if one["gaps"]:
            line.append(f" {one['gaps']} gaps, {_span(one['gap_s'])}", STYLES["dim"])
        if one["dropped"]:
            line.append(f" {one['dropped']} events lost", STYLES["odd"])
    if not now["asterisks"]:
        line.append("  no Asterisk is configured: trunks show nothing", STYLES["odd"])
    return [line]


def _foot(window_s: int) -> Text:
    keys = "q ends, 1 5 h: trunks over 1 min, 5 min, 1 h"
    return Text(f"{keys} (now {WINDOWS[window_s]})", STYLES["dim"])


# ---- how values look ---------------------------------------------------------------------


def _table(headings: Sequence[str], rows: Sequence[Sequence[Cell]], width: int) -> Table:
    """Return a table in which figures stand whole: the name and the last column are cut."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, justify="left" if heading in LEFT else "right", no_wrap=True)
    longest = [max(map(len, (h, *(r[i][0] for r in rows)))) for i, h in enumerate(headings)]
    longest[0] = min(longest[0], LONGEST_NAME)
    room = max(0, width - sum(longest[:-1]) - 2 * len(longest))
    limits = [longest[0], *longest[1:-1], room]
    for row in rows:
        cells = zip(row, limits, strict=True)
        table.add_row(*(Text(_short(text, limit), STYLES[tone]) for (text, tone), limit in cells))
    return table


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: max(0, limit - 2)] + ".."


def _cut(line: Text) -> Text:
    line.no_wrap = True
    line.overflow = "ellipsis"
    return line


def _ms(value: float | str | None) -> str:
    return "-" if value is None else f"{value} ms" if isinstance(value, str) else f"{value:g} ms"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share * 100:.0f} %"


def _seconds(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f} s"


def _span(seconds: float) -> str:
    """Return the two largest units: ``3 d 4 h``, ``12 min 5 s``."""
    rest, parts = int(seconds), []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"
