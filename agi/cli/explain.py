"""The verb ``explain``: why a call would go where it goes, and why one went where it went."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import click

from agi import exits, ipc
from agi.asking import Service
from agi.cli.options import as_json, loaded, pass_context, service, with_config
from agi.errors import Unreachable, UsageError

if TYPE_CHECKING:
    from agi.past import Missing

EXPLAIN_S: Final = 10.0
"""How long a router may take; a provider may have to be asked."""

WRITTEN_S: Final = 0.6
"""After so long the journal holds a call that was just decided."""

_SUPPOSED: Final = ("mccmnc", "live", "ported", "line", "fraud")


@click.command()
@with_config
@click.argument("number", required=False)
@click.option("--id", "decision_id", metavar="ID", help="A decision of the past: CARRIER_ID.")
@click.option("--call", "uniqueid", metavar="UNIQUEID", help="The last decision of a channel.")
@click.option("--from", "caller", metavar="N", help="The caller's number, or anonymous.")
@click.option("--account", metavar="A", help="The account that calls.")
@click.option("--at", metavar="TIME", help="Not now: 2026-12-24T18:30, in [tables] timezone.")
@click.option("--mccmnc", metavar="NETWORK", help="Suppose that this network serves it.")
@click.option("--live", metavar="WORD", help="Suppose live, absent or dead.")
@click.option("--ported", metavar="YES", help="Suppose yes or no.")
@click.option("--line", metavar="WORD", help="Suppose what a lookup says: mobile, landline, ...")
@click.option("--fraud", metavar="WORD", help="Suppose passed, suspicious, fraudulent, ...")
@click.option("--lookup", "paid", is_flag=True, help="Ask the provider; may cost money.")
@as_json
@pass_context
def explain(  # noqa: PLR0913 - one for each option
    context: click.Context,
    /,
    *,
    number: str | None,
    decision_id: str | None,
    uniqueid: str | None,
    paid: bool,
    as_json: bool,
    **asked: str | None,
) -> int:
    """Say which rule wins for a NUMBER, which lose, and why. Spends nothing unless asked.

    With --id or --call: why a call of the past went where it went, by the tables of then and,
    beside them, by those of now.
    """
    given = [what for what in (number, decision_id, uniqueid) if what is not None]
    if len(given) != 1:
        raise UsageError("give one of NUMBER, --id ID and --call UNIQUEID")
    if number is not None:
        return _now(context, {"number": number, "lookup": paid, **asked}, as_json=as_json)
    unfit = [
        name for name, value in (*asked.items(), ("lookup", paid or None)) if value is not None
    ]
    if unfit:
        options = ", ".join(f"--{'from' if name == 'caller' else name}" for name in unfit)
        raise UsageError(f"{options}: what was known then is in the record; leave it out")
    return _then(context, decision_id, uniqueid, as_json=as_json)


def _now(context: click.Context, asked: dict[str, object], *, as_json: bool) -> int:
    if asked["lookup"] and asked["mccmnc"] is not None:
        raise UsageError("--lookup and --mccmnc: one asks for the network, the other supposes it")
    from agi import views_explain
    from agi.past import active_since, with_comments

    running = service(context)
    try:
        answer = ipc.ask(running.router, "explain", timeout_s=EXPLAIN_S, **asked)
        by = "the running service"
    except Unreachable:
        if asked["lookup"]:
            raise
        from agi.local import explain_locally

        answer = explain_locally(loaded(context), running.state, asked)
        by = "the tables on disk: the service does not run"
    answer = with_comments(running.state, answer)
    since = active_since(running.state, answer["decision"]["table"])
    supposed = [name for name in _SUPPOSED if asked[name] is not None]
    views_explain.now({**answer, "since": since, "supposed": supposed, "by": by}, as_json=as_json)
    return exits.YES


def _then(
    context: click.Context, decision_id: str | None, uniqueid: str | None, *, as_json: bool
) -> int:
    from agi import past, views_explain

    running, days = service(context), loaded(context).config.journal.retention_days

    def find() -> dict[str, object] | Missing:
        if decision_id is not None:
            return past.of_id(running.state, decision_id, days)
        return past.of_call(running.state, str(uniqueid), days)

    found = _patiently(find, running)
    if isinstance(found, past.Missing):
        views_explain.missing(found.why, as_json=as_json)
        return exits.NO
    views_explain.then(found, as_json=as_json)
    return exits.YES


def _patiently(
    find: Callable[[], dict[str, object] | Missing], running: Service
) -> dict[str, object] | Missing:
    """Look twice: what was decided just now is written within half a second."""
    from agi.past import Missing

    found = find()
    if isinstance(found, Missing) and running.alive:
        time.sleep(WRITTEN_S)
        found = find()
    return found
