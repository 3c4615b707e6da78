"""From the configuration's accounts to providers and terms."""

from decimal import Decimal
from typing import Any

import pytest

from agi import accounts
from agi.lookup.account import Terms
from agi.lookup.providers.comcetera import Comcetera
from agi.lookup.providers.datasoap import DatasoapAsync, DatasoapSync
from agi.lookup.providers.hlrlookup import HlrLookup
from agi.lookup.providers.lanck import LanckFraud, LanckHlr
from agi.model import Line, Product
from agi.settings import TYPES, ProviderAccount

BACK = "https://pbx.example.net/dialdip/hooks/datasoap/secret-secret-secret"
ANY: frozenset[Line] = frozenset()


def built(kind: str, **terms: Any) -> accounts.Built:
    given = {"name": "one", "kind": kind, "username": "bob", **terms}
    return accounts.providers(ProviderAccount.model_validate(given), "secret-word", BACK)


@pytest.mark.parametrize(
    ("kind", "terms", "classes"),
    [
        ("comcetera", {}, [Comcetera]),
        ("comcetera", {"api_version": "3", "url": "https://npl.example.net/npl"}, [Comcetera]),
        ("lanck", {}, [LanckHlr]),
        ("lanck", {"types": ["fraud"]}, [LanckFraud]),
        ("lanck", {"types": ["hlr", "fraud"], "method": "GET"}, [LanckHlr, LanckFraud]),
        ("hlrlookup", {}, [HlrLookup]),
        ("hlrlookup", {"types": ["hlr"]}, [HlrLookup]),
        ("datasoap", {}, [DatasoapSync]),
        ("datasoap", {"mode": "async", "types": ["hlr", "landline"]}, [DatasoapAsync] * 2),
    ],
)
def test_each_kind_becomes_its_providers(
    kind: str, terms: dict[str, Any], classes: list[type]
) -> None:
    found = [provider for provider, _ in built(kind, **terms)]
    assert classes == list(map(type, found))
    assert {("one", kind)} == {(provider.name, provider.kind) for provider in found}


def test_the_screens_of_data_soap_are_products_of_their_own() -> None:
    every = built("datasoap", types=["hlr", "landline", "tps", "unsubscribe"])
    expected = [
        (Product.NETWORK, {Line.MOBILE, Line.MOBILE_OR_LANDLINE}),
        (Product.NETWORK, {Line.LANDLINE, Line.MOBILE_OR_LANDLINE}),
        (Product.TPS, ANY),
        (Product.UNSUBSCRIBE, ANY),
    ]
    assert expected == [(provider.product, lines) for provider, lines in every]


def test_settings_that_the_vendor_does_not_allow_are_refused() -> None:
    """hlrlookup v2 takes at most 80 numbers in a request."""
    with pytest.raises(ValueError, match="batch_size must be 1 to 80"):
        built("hlrlookup", batch_size=81)


def test_every_kind_that_is_asked_over_http_has_a_line() -> None:
    assert set(TYPES) - {"file"} == set(accounts.KINDS)


def test_the_terms_are_those_of_the_configuration() -> None:
    account = ProviderAccount.model_validate(
        {
            "name": "one",
            "kind": "hlrlookup",
            "countries": ["GB", "IE"],
            "timeout_ms": 250,
            "price": "0.006",
            "currency": "GBP",
        }
    )
    expected = Terms(
        name="one",
        kind="hlrlookup",
        product=Product.NETWORK,
        countries=frozenset({"GB", "IE"}),
        lines=accounts.MOBILES,
        timeout_s=0.25,
        price=Decimal("0.006"),
        currency="GBP",
        by_country=True,  # it throttles a destination: hlrlookup.com, "Testing"
    )
    assert expected == accounts.terms(account, Product.NETWORK, accounts.MOBILES)


def test_who_throttles_the_account_is_paused_as_a_whole() -> None:
    account = ProviderAccount.model_validate({"name": "one", "kind": "lanck"})
    assert not accounts.terms(account, Product.FRAUD, ANY).by_country


def test_lanck_is_asked_less_often_than_it_allows() -> None:
    """LANCK answers 429 above 30 requests a second (API page, "Limits")."""
    assert 0 < accounts.RATES["lanck"] < 30


def test_eighty_answers_of_hlrlookup_fit() -> None:
    """The vendor's sample answer of one number is 775 bytes of JSON; a request holds 80."""
    assert 80 * 775 < accounts.MAX_BODY["hlrlookup"]


@pytest.mark.parametrize(
    ("timeout_ms", "countries", "said"),
    [(400, (), 0), (401, (), 1), (700, ("GB",), 1), (700, ("FR",), 0)],
)
def test_an_account_that_leaves_the_next_one_no_time_is_named(
    timeout_ms: int, countries: tuple[str, ...], said: int
) -> None:
    """With D = 800 ms half is 400; one for France alone takes nothing from one for Britain."""
    first = ProviderAccount(name="a", kind="lanck", timeout_ms=timeout_ms, countries=countries)
    second = ProviderAccount(name="b", kind="comcetera", countries=("GB",))
    found = accounts.crowded_out([first, second], 800)
    assert said == len(found)
    assert all("provider a: timeout_ms" in what and "leaves b" in what for what in found)


def test_an_account_alone_may_take_all_the_time() -> None:
    alone = ProviderAccount(name="a", kind="lanck")
    off = ProviderAccount(name="b", kind="lanck", enabled=False)
    assert [] == accounts.crowded_out([alone, off], 800)
