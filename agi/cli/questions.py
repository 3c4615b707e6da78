"""The verbs that ask: of a call, of a number, of the running service."""

from __future__ import annotations

import os
import time

import click

from agi import exits, ipc
from agi.cli.options import as_json, fastagi, loaded, pass_context, service, with_config
from agi.errors import UsageError


@click.command()
@with_config
@click.argument("number")
@click.option("--from", "caller", default="", metavar="N", help="The caller's number.")
@click.option("--account", default="", metavar="A", help="The account that calls.")
@click.option("--agi", metavar="URL", help="agi://HOST:PORT; else [fastagi] listen.")
@click.option("--no-dip", is_flag=True, help="Spend no lookup.")
@as_json
@pass_context
def ask(  # noqa: PLR0913 - one for each option
    context: click.Context,
    *,
    number: str,
    caller: str,
    account: str,
    agi: str | None,
    no_dip: bool,
    as_json: bool,
) -> int:
    """Ask a running router as Asterisk does. May spend a paid lookup; --no-dip spends none."""
    from agi import views
    from agi.fastagi import client, script

    url = agi or f"agi://{fastagi(context)}"
    for what, value, allowed, words in (
        ("NUMBER", number, script.NUMBER, "1 to 32 of 0-9 * #, without blanks, a + before them"),
        ("--account", account, script.ACCOUNT, "at most 32 of A-Z a-z 0-9 . _ -"),
        ("--from", caller, script.CALLER, 'at most 32 digits, a + before them, or "anonymous"'),
    ):
        if not allowed.fullmatch(value):
            raise UsageError(f"{what}: give {words}")
    query = f"route?n={number}&a={account}&f={caller}" + ("&nodip=1" if no_dip else "")
    told = client.ask(url, query, uniqueid=f"{int(time.time())}.{os.getpid()}")
    views.told(told, url, as_json=as_json, dips=not no_dip)
    return exits.YES if told.committed else exits.NO


@click.command()
@with_config
@click.argument("numbers", nargs=-1, required=True)
@click.option("--fresh", is_flag=True, help="Ask a provider whatever is remembered.")
@click.option("--local", is_flag=True, help="In this process; refused while the service runs.")
@click.option(
    "--screen",
    "screens",
    multiple=True,
    type=click.Choice(["fraud", "tps", "unsubscribe"]),
    help="Ask this screen besides; repeatable.",
)
@as_json
@pass_context
def lookup(  # noqa: PLR0913 - one for each option
    context: click.Context,
    *,
    numbers: tuple[str, ...],
    fresh: bool,
    local: bool,
    screens: tuple[str, ...],
    as_json: bool,
) -> int:
    """Look numbers up through the running dipper: network, liveness, source, age, cost."""
    from agi import views

    asked = service(context)
    if local:
        from agi.local import lookup_locally

        settings = loaded(context, secrets=True)
        answers = lookup_locally(settings, asked, numbers, fresh=fresh, screens=screens)
    else:
        from agi.console import progress

        found = asked.lookup(numbers, fresh=fresh, screens=screens)
        answers = list(progress(found, len(numbers), "looking up"))
    views.lookups(answers, as_json=as_json)
    return exits.YES if all(answer.get("mccmnc") for answer in answers) else exits.NO


@click.command()
@with_config
@as_json
@pass_context
def status(context: click.Context, *, as_json: bool) -> int:
    """Show in ten seconds what is wrong."""
    from agi import views

    report = service(context).status()
    views.status(report, as_json=as_json)
    return exits.YES if not report["troubles"] else exits.NO


@click.command()
@with_config
@as_json
@pass_context
def providers(context: click.Context, *, as_json: bool) -> int:
    """Show each provider: breaker, p50 and p95, money left, last error."""
    from agi import views

    states = ipc.ask(service(context).dipper, "status")["providers"]
    views.providers(states, as_json=as_json)
    return exits.YES if all(one["breaker"] == "closed" for one in states) else exits.NO


@click.group()
def cache() -> None:
    """The answers kept."""


@cache.command("get")
@with_config
@click.argument("number")
@as_json
@pass_context
def cache_get(context: click.Context, *, number: str, as_json: bool) -> int:
    """Show what each tier holds of a number; nobody is asked."""
    from agi import views

    tiers = ipc.ask(service(context).dipper, "cache_get", number=number)["tiers"]
    views.tiers(tiers, as_json=as_json)
    return exits.YES if tiers else exits.NO


@cache.command("drop")
@with_config
@click.argument("number")
@as_json
@pass_context
def cache_drop(context: click.Context, *, number: str, as_json: bool) -> int:
    """Forget a number, so that the next call to it asks anew."""
    return _forget(context, number, as_json=as_json)


@cache.command("stats")
@with_config
@as_json
@pass_context
def cache_stats(context: click.Context, *, as_json: bool) -> int:
    """Show how full the tiers are."""
    from agi import views

    views.cache(ipc.ask(service(context).dipper, "cache_stats"), as_json=as_json)
    return exits.YES


@click.command()
@with_config
@click.argument("number")
@as_json
@pass_context
def forget(context: click.Context, *, number: str, as_json: bool) -> int:
    """Erase a number from every tier: the memory of each process, and the store."""
    return _forget(context, number, as_json=as_json)


def _forget(context: click.Context, number: str, *, as_json: bool) -> int:
    from agi import views

    said = service(context).forget(number)
    known, erased = bool(said["forgotten"]), bool(said["erased"])
    views.forgotten(known=known, erased=erased, as_json=as_json)
    return exits.YES if known and erased else exits.NO


@click.command()
@with_config
@as_json
@pass_context
def reload(context: click.Context, *, as_json: bool) -> int:
    """Read configuration and tables anew, as SIGHUP does, and say what came of it."""
    from agi import views

    views.reloaded(service(context).reload(), as_json=as_json)
    return exits.YES
