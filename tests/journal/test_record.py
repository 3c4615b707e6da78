"""One decision, packed and read back: nothing that decides is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from agi.journal.record import Noted, compact, id_of, key_of, record_of, row_of
from agi.journal.writer import reader_of
from agi.model import (
    Action,
    CallContext,
    Dialled,
    ErrorRule,
    Finding,
    Fraud,
    Kind,
    Line,
    Live,
    Mccmnc,
    Msisdn,
    NumberInfo,
    Outcome,
    Source,
    Verdicts,
)
from tests.journal.making import CALLER, FINDING, NUMBER, PLAN, context, decision, request

READ = reader_of(PLAN)


def kept(noted: Noted) -> object:
    row = row_of(noted, READ)
    assert row is not None
    return record_of(row)


def test_what_decides_a_call_again_comes_back_as_it_was() -> None:
    noted = Noted(context(), request(), FINDING, decision(), ("uk-a",), refused=False)
    record = record_of(row_of(noted, READ) or pytest.fail("no row"))
    assert "9f3a1c2e-00002a" == record.id
    assert "1795262400.17" == record.uniqueid
    assert "000042-1a2b3c4d" == record.version
    # The caller stands there whether the table of then asked for it or not.
    assert replace(context(), caller=CALLER) == record.context
    assert FINDING == record.finding
    assert ("uk-a",) == record.closed
    assert not record.refused
    told = record.told
    assert (Action.ROUTE, None, "uk-voda", "ok") == (
        told.action,
        told.cause,
        told.rule,
        told.reason,
    )
    assert (("vodafone", "+447788450450"), ("transit", NUMBER)) == told.hops


verdicts = st.builds(
    Verdicts,
    st.none() | st.sampled_from(Fraud),
    st.none() | st.booleans(),
    st.none() | st.booleans(),
)
errors = st.none() | st.builds(
    ErrorRule,
    st.just("comcetera"),
    st.sampled_from(["err1", "err21"]),
    st.sampled_from(Outcome),
    st.booleans(),
    st.integers(0, 86_400),
    st.sampled_from(["default", "range", "reject:1"]),
)
findings = st.builds(
    Finding,
    st.sampled_from(Source),
    st.sampled_from(["ok", "timeout", "same-route"]),
    st.builds(
        NumberInfo,
        st.none() | st.sampled_from([Mccmnc("23415"), Mccmnc("310410")]),
        st.none() | st.sampled_from(Live),
        st.none() | st.booleans(),
        st.none() | st.sampled_from(Line),
    ),
    st.none() | st.integers(0, 10**9).map(lambda ms: ms / 1000),
    errors,
    st.sampled_from(["", "npl"]),
    st.sampled_from(["", "comcetera"]),
    verdicts,
)
digits = st.text("0123456789*#", min_size=1, max_size=32) | st.just("+447788450450")
numbers = st.none() | st.text("0123456789", min_size=1, max_size=32).map(Msisdn)
dialled = st.builds(
    Dialled, digits, st.sampled_from(Kind), numbers, st.sampled_from(["", "GB"]),
    st.none() | st.sampled_from(Line),
)  # fmt: skip


@given(
    dialled, findings, st.integers(0, 2**40), st.lists(st.just("uk-a"), max_size=2), st.booleans()
)
def test_whatever_was_known_comes_back(
    said: Dialled, finding: Finding, at_ms: int, closed: list[str], refused: bool
) -> None:
    call = CallContext(said, "acme", "", at_ms / 1000)
    noted = Noted(call, request(caller=""), finding, decision(), tuple(closed), refused)
    record = record_of(row_of(noted, READ) or pytest.fail("no row"))
    assert call == record.context
    assert finding == record.finding
    assert (tuple(closed), refused) == (record.closed, record.refused)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_an_id_is_a_whole_number_of_64_bits_and_back(prefix: int, count: int) -> None:
    text = f"{prefix:08x}-{count:06x}"
    key = key_of(text)
    assert key is not None
    assert -(2**63) <= key < 2**63
    assert text == id_of(key)


@pytest.mark.parametrize(
    "text", ["", "explain", "9f3a1c2e", "9f3a1c2e-2a", "local-000001", "x" * 99]
)
def test_an_id_that_no_router_makes_has_no_key(text: str) -> None:
    assert key_of(text) is None
    noted = Noted(context(), request(), FINDING, replace(decision(), id=text), (), refused=False)
    assert row_of(noted, READ) is None


@given(st.text("0123456789*#+", max_size=32))
def test_compact_digits_stand_for_one_text_only(text: str) -> None:
    assert text == str(compact(text))
    assert isinstance(compact("0778"), str)
    assert isinstance(compact(NUMBER), int)


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("02079460123", CALLER),
        ("+442079460123", CALLER),
        ("00442079460123", CALLER),
        ("anonymous", "anonymous"),
        ("", ""),
        ("204", "204"),  # an extension
        ("+99", "99"),
    ],
)
def test_a_caller_is_kept_in_the_one_form_that_can_be_erased(said: str, read: str) -> None:
    assert read == READ(said)


def test_what_a_number_may_mean_comes_back_and_is_what_can_be_erased() -> None:
    call = context("0088216123456789#")
    assert "88216123456789" == call.dialled.meant
    noted = Noted(call, request(), FINDING, decision(), (), refused=False)
    row = row_of(noted, READ) or pytest.fail("no row")
    assert (88216123456789, "0088216123456789#") == row[3:5]
    assert call.dialled == record_of(row).context.dialled


def test_a_record_does_not_show_its_numbers() -> None:
    noted = Noted(context(), request(), FINDING, decision(), (), refused=False)
    shown = repr(kept(noted))
    assert "7788450450" not in shown
    assert "2079460123" not in shown
