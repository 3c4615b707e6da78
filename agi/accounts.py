"""From the configuration's accounts to providers: one line for each kind that there is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Final

from agi.lookup.account import Terms
from agi.lookup.probes import Known
from agi.lookup.provider import Provider
from agi.lookup.providers.comcetera import Comcetera
from agi.lookup.providers.datasoap import DatasoapAsync, DatasoapSync
from agi.lookup.providers.hlrlookup import HlrLookup
from agi.lookup.providers.lanck import LanckFraud, LanckHlr
from agi.model import Dialled, Line, Mccmnc, Msisdn, Product
from agi.settings import ProviderAccount

Built = list[tuple[Provider, frozenset[Line]]]
"""The products of one account, each with the kinds of line it can say something of."""

ANY_LINE: Final[frozenset[Line]] = frozenset()
LANDLINES: Final = frozenset((Line.LANDLINE, Line.MOBILE_OR_LANDLINE))
MOBILES: Final = frozenset((Line.MOBILE, Line.MOBILE_OR_LANDLINE))


def _comcetera(account: ProviderAccount, secret: str, postback: str) -> Built:
    del postback
    npl = Comcetera(
        name=account.name,
        url=account.endpoint,
        username=account.username,
        password=secret,
        api_version=account.api_version,
        batch_size=account.batch_size or 0,
        economy=account.economy,
    )
    return [(npl, ANY_LINE)]


def _lanck(account: ProviderAccount, secret: str, postback: str) -> Built:
    del postback
    built: Built = []
    for one in account.asked:
        kind = LanckFraud if one == "fraud" else LanckHlr
        provider = kind(
            name=account.name,
            url=account.endpoint,
            username=account.username,
            password=secret,
            method=account.method,
        )
        built.append((provider, ANY_LINE))
    return built


def _hlrlookup(account: ProviderAccount, secret: str, postback: str) -> Built:
    del postback
    provider = HlrLookup(
        name=account.name,
        url=account.endpoint,
        username=account.username,
        password=secret,
        lookup=account.asked[0],
        batch_size=account.batch_size or 0,
    )
    return [(provider, ANY_LINE)]


def _datasoap(account: ProviderAccount, secret: str, postback: str) -> Built:
    # An HLR knows mobiles; what is no mobile is asked as a landline, if that is bought too.
    lines = {"hlr": MOBILES, "landline": LANDLINES}
    built: Built = []
    for one in account.asked:
        name, url = account.name, account.endpoint
        provider: Provider
        if account.mode == "async":
            provider = DatasoapAsync(
                name=name, url=url, token=secret, type=one, postback_url=postback
            )
        else:
            provider = DatasoapSync(
                name=name, url=url, token=secret, type=one, method=account.method
            )
        built.append((provider, lines.get(one, ANY_LINE)))
    return built


KINDS: Final[Mapping[str, Callable[[ProviderAccount, str, str], Built]]] = MappingProxyType(
    {
        "comcetera": _comcetera,
        "lanck": _lanck,
        "datasoap": _datasoap,
        "hlrlookup": _hlrlookup,
    }
)
"""Every provider system that is asked over HTTP: a new one is one file and one line here."""

RATES: Final[Mapping[str, float]] = MappingProxyType({"lanck": 25.0})
"""Requests a second where the vendor has a limit and the account names none of its own: LANCK
answers 429 above 30 (API page, "Limits")."""

MAX_BODY: Final[Mapping[str, int]] = MappingProxyType({"hlrlookup": 262_144})
"""Bytes of an answer where 64 KiB are too few: 80 answers of hlrlookup's own sample are 62 kB."""

BY_COUNTRY: Final = frozenset({"hlrlookup"})
"""Who throttles a destination, not the account (hlrlookup.com, "Testing")."""


def providers(account: ProviderAccount, secret: str, postback: str) -> Built:
    """Build what an account is asked by; ``postback`` is the URL that vendors post to.

    Raises:
        ValueError: the settings contradict what the vendor allows; says which.
    """
    return KINDS[account.kind](account, secret, postback)


def terms(account: ProviderAccount, product: Product, lines: frozenset[Line]) -> Terms:
    """Return what an account is to the lookup."""
    return Terms(
        name=account.name,
        kind=account.kind,
        product=product,
        countries=frozenset(account.countries),
        lines=lines,
        timeout_s=account.timeout_ms / 1000,
        price=account.price,
        currency=account.currency,
        by_country=account.kind in BY_COUNTRY,
        posted=account.kind == "datasoap" and account.mode == "async",
    )


SOLD_AS: Final[Mapping[Product, tuple[str, str]]] = MappingProxyType(
    {
        Product.FRAUD: ("lanck", "fraud"),
        Product.TPS: ("datasoap", "tps"),
        Product.UNSUBSCRIBE: ("datasoap", "unsubscribe"),
    }
)
"""Which kind sells a screen, and as which of its types."""


def unasked_screens(
    accounts: Iterable[ProviderAccount], wanted: Mapping[Product, Sequence[str]]
) -> list[str]:
    """Return, in words, the screens that accounts of the tables want and no provider is asked for.

    Such a screen never has a verdict: what fails open goes out, what fails closed is rejected.
    """
    sold = {(one.kind, name) for one in accounts if one.enabled for name in one.asked}
    return [
        f"accounts.csv wants the screen {product} for {_for_whom(who)}, and no enabled provider "
        f'is asked for it: kind = "{SOLD_AS[product][0]}" with "{SOLD_AS[product][1]}" in types'
        for product, who in wanted.items()
        if SOLD_AS[product] not in sold
    ]


def crowded_out(accounts: Iterable[ProviderAccount], deadline_ms: int) -> list[str]:
    """Return, in words, the accounts that leave the one behind them hardly any of the deadline.

    When such an account is silent, the next one of its countries is asked too late for most calls.
    """
    asked = [one for one in accounts if one.enabled and one.kind != "file"]
    return [
        f"provider {first.name}: timeout_ms = {first.timeout_ms} leaves {second.name} little of "
        f"deadline_ms = {deadline_ms} when {first.name} is silent: give it at most half"
        for first, second in pairwise(asked)
        if 2 * first.timeout_ms > deadline_ms and _meet(first.countries, second.countries)
    ]


def probes(
    accounts: Iterable[ProviderAccount], understand: Callable[[str], Dialled]
) -> list[Known]:
    """Return the numbers whose network is known, each with the account that is to say it.

    ``understand`` is the numbering plan's word on a number.
    """
    return [
        Known(
            one.name,
            Msisdn(one.probe.number),
            Mccmnc(one.probe.mccmnc),
            one.probe.every_s,
            dialled.country,
            dialled.line,
        )
        for one in accounts
        if one.enabled and one.probe is not None
        for dialled in (understand(f"+{one.probe.number}"),)
    ]


def _meet(some: Sequence[str], others: Sequence[str]) -> bool:
    return not some or not others or bool(set(some) & set(others))


def _for_whom(names: Sequence[str]) -> str:
    return ", ".join(name or "every other account" for name in names)
