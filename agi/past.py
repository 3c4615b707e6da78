"""Why a call went where it went: its record, decided again by the tables of then and of now.

Everything is read from the state directory, whether a service runs or not.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from agi.errors import UsageError
from agi.explaining import explain
from agi.journal.archive import Archive, Found, directory_of
from agi.journal.record import Record
from agi.model import Action, Finding
from agi.routing.policy import POLICY_COLUMNS
from agi.routing.prospect import of_the_past, remembered
from agi.routing.reading.faults import Faults
from agi.routing.reading.sheet import open_sheet
from agi.routing.table import Table
from agi.routing.trunk import Trunk
from agi.routing.versions.store import Store
from agi.routing.versions.stored import StoreError
from agi.tables import plainly

_POLICY: Final = "policy.csv"


@dataclass(frozen=True, slots=True)
class Missing:
    """No record: what was sought, and why it may not be there, in a line for a person."""

    why: str


def of_id(state: Path, decision_id: str, days: int) -> dict[str, object] | Missing:
    """Explain the decision with this id; ``days`` is how long records are kept here.

    Raises:
        UsageError: the journal or the stored tables may not be read.
    """
    archive = Archive(directory_of(state))
    with _readable(archive):
        found = archive.by_id(decision_id)
    if not found.records:
        return _missing("no decision with this id", archive, found, days)
    with plainly():
        return retold(found.records[0], Store(state))


def of_call(state: Path, uniqueid: str, days: int) -> dict[str, object] | Missing:
    """Explain the last decision of the channel with this unique id; name the others.

    Raises:
        UsageError: the journal or the stored tables may not be read.
    """
    archive = Archive(directory_of(state))
    with _readable(archive):
        found = archive.by_call(uniqueid)
    if not found.records:
        return _missing("no decision for a channel with this unique id", archive, found, days)
    earlier = [record.id for record in found.records[1:]]
    with plainly():
        return {**retold(found.records[0], Store(state)), "earlier": earlier}


@contextmanager
def _readable(archive: Archive) -> Iterator[None]:
    try:
        yield
    except PermissionError:
        owner = "only the service's user and root may read the journal"
        raise UsageError(f"{archive.directory}: {owner}") from None


def _missing(what: str, archive: Archive, found: Found, days: int) -> Missing:
    span = archive.span()
    if not days:
        return Missing(f"{what}: [journal] retention_days = 0, so no record is kept")
    if span is None:
        return Missing(f"{what}: the journal of this host is empty; {archive.directory}")
    held = f"this host's journal holds {span[0]} to {span[1]}, of {days} days at most"
    unread = f"; not readable: {', '.join(found.unread)}" if found.unread else ""
    return Missing(f"{what}: {held}; another host may have decided it{unread}")


def active_since(state: Path, version: str) -> str:
    """Return since when a version is in force, ISO 8601 in UTC; empty if it is not, or unknown."""
    try:
        active = Store(state).active()
    except StoreError:
        return ""  # whoever explains has said what is wrong with it
    return active.at if active is not None and active.version == version else ""


def with_comments(state: Path, answer: dict[str, Any]) -> dict[str, Any]:
    """Return an explanation with the comments that stand beside the policy's rows it names."""
    said = {name: one for name, one in answer["policy"].items() if one is not None}
    if not said:
        return answer
    try:
        data = Store(state).contents(answer["decision"]["table"]).get(_POLICY, b"")
    except StoreError:
        return answer  # it was not decided by a stored version; the lines are named all the same
    comments = _comments(data, {one["line"] for one in said.values()})
    policy = {name: {**one, "comment": comments.get(one["line"], "")} for name, one in said.items()}
    return {**answer, "policy": {**answer["policy"], **policy}}


def _comments(data: bytes, lines: Collection[int]) -> dict[int, str]:
    sheet = open_sheet(_POLICY, data, POLICY_COLUMNS, Faults())
    column = None if sheet is None else sheet.columns.get("comment")
    if sheet is None or column is None:
        return {}
    wanted = (record for record in sheet.records if record.line in lines)
    return {record.line: record.cells[column] for record in wanted if len(record.cells) > column}


# ---- a record, decided again -------------------------------------------------------------------


def retold(record: Record, store: Store) -> dict[str, object]:
    """Return a record, and what it leads to by the table of then and by that of now."""
    then = _by(record, store, record.version)
    active = store.active()
    now = _by(record, store, active.version) if active is not None else _none("none is in force")
    return {
        "record": _recorded(record),
        "then": then,
        "agrees": _agrees(record, then),
        "now": now,
        "same_way": None if "why" in now or "why" in then else _way(then) == _way(now),
    }


def _by(record: Record, store: Store, version: str) -> dict[str, object]:
    try:
        table = Table(store.compiled(version))
    except StoreError as gone:
        return _none(f"table {version}: {gone}")
    over, notes = remembered(record.closed)

    def is_closed(trunk: Trunk) -> bool:
        return trunk.name in over

    finding, prospect = _listed(table, record.finding), of_the_past(notes)
    answer = explain(table, record.context, finding, is_closed, prospect=prospect)
    return with_comments(store.state, answer)


def _none(why: str) -> dict[str, object]:
    return {"why": why}


def _listed(table: Table, finding: Finding) -> Finding:
    """Return a finding whose error code means what this table's ``errors.csv`` says.

    A code of no provider is the router's own: it stands in no table.
    """
    if finding.rule is None or not finding.rule.provider:
        return finding
    return replace(finding, rule=table.error_rule(finding.rule.provider, finding.rule.code))


def _recorded(record: Record) -> dict[str, object]:
    told = record.told
    over, notes = remembered(record.closed)
    return {
        "id": record.id,
        "uniqueid": record.uniqueid,
        "at": datetime.fromtimestamp(record.context.at, UTC).isoformat(timespec="milliseconds"),
        "table": record.version,
        "action": told.action,
        "cause": told.cause,
        "rule": told.rule,
        "source": told.source,
        "reason": told.reason,
        "mccmnc": told.mccmnc,
        "trunks": [{"trunk": trunk, "number": number} for trunk, number in told.hops],
        "closed": list(over),
        "health": [{"trunk": name, "why": said} for name, said in notes.items()],
        "refused": record.refused,
        "nodip": record.nodip,
    }


def _agrees(record: Record, then: Mapping[str, Any]) -> bool | None:
    """Say whether the table of then decides as the record says; None where no table did.

    Dice may have ordered the trunks of a tier otherwise, and they are the same trunks.
    """
    if record.refused or "why" in then:
        return None
    told, again = record.told, then["decision"]
    if (told.action, told.cause, told.rule) != (again["action"], again["cause"], again["rule"]):
        return False
    sent = sorted(told.hops)
    possible = {one["trunk"] for tier in then["tiers"] for one in tier["trunks"]}
    decided = sorted((hop["trunk"], hop["number"]) for hop in again["trunks"])
    return sent == decided or (len(sent) > 8 and {trunk for trunk, _ in sent} <= possible)


def _way(answer: Mapping[str, Any]) -> object:
    """Return what is equal for answers that lead a call the same way at the same odds."""
    decision = answer["decision"]
    if decision["action"] == Action.REJECT:
        return decision["cause"]
    return [_tier(tier["trunks"]) for tier in answer["tiers"]]


def _tier(trunks: list[dict[str, Any]]) -> object:
    scale = math.gcd(*(one["weight"] for one in trunks))
    seen = ("trunk", "endpoint", "tech", "number", "ring_s")
    return sorted((*(str(one[key]) for key in seen), one["weight"] // scale) for one in trunks)
