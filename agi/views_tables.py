"""How tables and their versions look: for people in lines and tables, for scripts as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Final

from agi.checking import longest_answer
from agi.comparing import Difference
from agi.console import Screen, counted, document
from agi.errors import Fault
from agi.fastagi.protocol import MAX_COMMAND_BYTES
from agi.routing.moves import RowChange
from agi.routing.reading.files import Loaded
from agi.routing.versions.store import Version
from agi.views import faults

MOST: Final = 30
"""So many changed rows, and as many moves, are shown on a screen; JSON has them all."""


def checked(path: Path, loaded: Loaded, more: Sequence[Fault], *, as_json: bool) -> None:
    """Show what a good directory holds, and how long its longest answer can get."""
    table = loaded.table
    used = {trunk.name for way in table.ways.values() for trunk in way.trunks}
    closing = (
        f"{path}: good; {counted(len(table.rules), 'rule')}, {counted(len(used), 'trunk')} in use, "
        f"longest answer {longest_answer(table)} of {MAX_COMMAND_BYTES} bytes, "
        f"content {table.version.partition('-')[2]}"
    )
    faults((*loaded.warnings, *more), closing, as_json=as_json)


def told(difference: Difference) -> dict[str, object]:
    """Return what changes as JSON values."""
    return {
        "before": difference.before,
        "after": difference.after,
        "rows": [_row(change) for change in difference.rows],
        "moves": [asdict(move) for move in difference.moves.moves],
        "compared": difference.moves.compared,
        "partial": difference.moves.partial or not difference.known,
    }


def _row(change: RowChange) -> dict[str, object]:
    columns = [{"column": name, "before": old, "after": new} for name, old, new in change.columns]
    return {
        "file": change.file,
        "row": change.key,
        "what": _what(change),
        "line_before": change.before,
        "line_after": change.after,
        "columns": columns,
    }


def _what(change: RowChange) -> str:
    if not change.before:
        return "added"
    return "changed" if change.after else "removed"


def compared(difference: Difference, *, as_json: bool) -> None:
    """Show what changes from one version to another."""
    if as_json:
        document(told(difference))
        return
    moved(Screen(), difference)


def moved(screen: Screen, difference: Difference) -> None:
    """Show the rows that differ, then the destinations whose first choice moves."""
    before, after = difference.before or "nothing", difference.after
    if not difference.before:
        screen.line(f"{after}: the first version, nothing was active before", "dim")
        return
    if not difference.known:
        screen.line(f"{before} is damaged: nobody can say what differs from {after}", "odd")
        return
    if not difference.rows:
        screen.line(f"{before} and {after}: no row differs", "good")
    for change in difference.rows[:MOST]:
        line = change.after or change.before
        cells = "; ".join(
            f"{name} {old or '-'} -> {new or '-'}" for name, old, new in change.columns
        )
        screen.line(f"{change.file}:{line} {change.key} {_what(change)} {cells}".rstrip())
    _more(screen, len(difference.rows), "changed row")
    moves = difference.moves
    if moves.moves:
        rows = [[move.destination, move.before, move.after] for move in moves.moves[:MOST]]
        screen.table(("calls to", f"first choice in {before}", f"in {after}"), rows)
        _more(screen, len(moves.moves), "move")
    elif difference.rows:
        screen.line("no destination's first choice moves", "good")
    if moves.partial:
        what = f"only {moves.compared:,} made-up calls were compared: more may move"
        screen.line(what, "odd")


def _more(screen: Screen, count: int, what: str) -> None:
    if count > MOST:
        screen.line(f"and {counted(count - MOST, what)} more: --json lists them all", "dim")


def activated(version: str, before: str, processes: Mapping[str, str], *, changed: bool) -> None:
    """Show what is in force after an activation or a rollback, and where."""
    screen = Screen()
    if not changed:
        screen.line(f"{version} is active already: nothing was changed", "good")
        return
    was = f", {before} was before" if before else ""
    if processes:
        where = counted(len(processes), "process").replace("processs", "processes")
        screen.line(f"{version} is in force in {where}{was}", "good")
    else:
        screen.line(f"{version} is active{was}; it is in force when the service starts", "good")


def versions(found: Sequence[Version], *, as_json: bool) -> None:
    """List the stored versions, the newest first."""
    if as_json:
        document([asdict(one) for one in found])
        return
    screen = Screen()
    if not found:
        screen.line("no version yet: dialdip table activate makes the first", "odd")
        return
    rows: list[list[tuple[str, str] | str]] = [
        [
            one.version,
            ("active", "good") if one.active else "",
            _when(one.at),
            _when(one.last_active),
            one.user or str(one.uid),
            f"{one.size:,}",
            one.why or "-",
        ]
        for one in found
    ]
    screen.table(("version", "", "made", "last activated", "by", "bytes", "why"), rows)


def _when(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().isoformat(" ", "seconds") if at else "-"


def verified(found: Sequence[Fault], *, as_json: bool) -> None:
    """Show what is wrong with the store and its audit log."""
    wrong = any(not fault.warning for fault in found)
    closing = "the store is not what its audit log says" if wrong else "the store is good"
    faults(found, closing, as_json=as_json)
