"""The verbs of the NOC: how trunks and the brown-out ladder stand, and pins on both."""

from __future__ import annotations

from typing import Any

import click

from agi import exits, ipc
from agi.cli.options import as_json, pass_context, service, with_config
from agi.errors import UsageError

WRITING_S = 60.0
"""Somebody who activates big tables may hold the audit log's lock for so long."""

a_why = click.option("--why", required=True, metavar="TEXT", help="Goes into the audit log.")
a_while = click.option(
    "--for", "duration", required=True, metavar="TIME", help="30m, 2h, 7d at most; then it ends."
)


@click.group(invoke_without_command=True)
@with_config
@as_json
@pass_context
def trunk(context: click.Context, *, as_json: bool) -> int:
    """Show how every trunk stands, or pin one.

    For example: dialdip trunk down NAME --for 30m --why TEXT.
    """
    if context.invoked_subcommand is not None:
        return exits.YES
    from agi import views_noc

    told = ipc.ask(service(context).noc, "trunks")
    views_noc.trunks(told, as_json=as_json)
    return exits.YES


def _pinning(state: str, words: str) -> click.Command:
    """Return the verb that holds a trunk in a state."""

    @click.command(state, help=words)
    @with_config
    @click.argument("name")
    @a_while
    @a_why
    @pass_context
    def verb(context: click.Context, *, name: str, duration: str, why: str) -> int:
        from agi import pins

        seconds = pins.seconds_of(duration)
        asked: dict[str, Any] = {"trunk": name, "state": state, "seconds": seconds}
        what = f"{name} is pinned {state} for {duration}"
        return _done(context, what, "trunk_pin", why=why, **asked)

    return verb


for _state, _words in (
    ("down", "Take a trunk out: it gets calls only if nothing else is left."),
    ("up", "Let a trunk count as up, whatever its calls come to."),
    ("degraded", "Let a trunk have half its share of calls."),
    ("trial", "Let a trunk have a few first calls, to show itself."),
):
    trunk.add_command(_pinning(_state, _words))


@trunk.command("auto")
@with_config
@click.argument("name")
@a_why
@pass_context
def trunk_auto(context: click.Context, *, name: str, why: str) -> int:
    """Take a trunk's pin down: it stands as its calls say."""
    return _done(context, f"{name} stands as its calls say", "trunk_unpin", why=why, trunk=name)


@click.command()
@with_config
@click.argument("level", required=False)
@click.option("--for", "duration", metavar="TIME", help="30m, 2h, 7d at most; then it ends.")
@click.option("--why", metavar="TEXT", help="Goes into the audit log.")
@as_json
@pass_context
def pin(
    context: click.Context,
    *,
    level: str | None,
    duration: str | None,
    why: str | None,
    as_json: bool,
) -> int:
    """Show the brown-out ladder, or pin its level.

    LEVEL is live (ask providers always), cache (ask nobody), range (look nothing up), default (know
    no network), or auto, which takes the pin down. Emergency calls are the same on all of them.
    """
    if level is None:
        if duration is not None or why is not None:
            raise UsageError("pin: say which LEVEL: live, cache, range, default, auto")
        return _ladder(context, as_json=as_json)
    if why is None:
        raise UsageError("--why is missing: it goes into the audit log")
    if level == "auto":
        if duration is not None:
            raise UsageError("--for: auto takes a pin down, for good")
        what = "the ladder finds its own level"
        return _done(context, what, "ladder_unpin", as_json=as_json, why=why)
    return _hold(context, level, duration, why, as_json=as_json)


def _hold(
    context: click.Context, level: str, duration: str | None, why: str, *, as_json: bool
) -> int:
    from agi import pins
    from agi.brownout import ladder

    word = ladder.level_of(level).word
    if duration is None:
        raise UsageError("--for is missing: say how long, for example --for 10m")
    seconds = pins.seconds_of(duration)
    what = f"the ladder is pinned at {word} for {duration}"
    asked: dict[str, Any] = {"level": word, "seconds": seconds}
    return _done(context, what, "ladder_pin", as_json=as_json, why=why, **asked)


def _ladder(context: click.Context, *, as_json: bool) -> int:
    from agi import views_noc

    views_noc.ladder(ipc.ask(service(context).noc, "ladder"), as_json=as_json)
    return exits.YES


def _done(
    context: click.Context, what: str, op: str, *, as_json: bool = False, **asked: object
) -> int:
    """Have noc do it, and say what came of it."""
    from agi import views_noc
    from agi.routing.versions.audit import reason

    reason(str(asked["why"]))
    told: Any = ipc.ask(service(context).noc, op, timeout_s=WRITING_S, **asked)
    views_noc.pinned(what, told, as_json=as_json)
    return exits.YES
