"""Asking as Asterisk does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.errors import LocalProtocolError, Unreachable, UsageError
from agi.fastagi.client import address_of, ask, read_variables
from agi.fastagi.protocol import set_array
from agi.fastagi.server import listen
from tests.fastagi.wire import variables


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("agi://127.0.0.1", ("127.0.0.1", 4573)),
        ("agi://127.0.0.1:4574/", ("127.0.0.1", 4574)),
        ("agi://[::1]:5", ("::1", 5)),
    ],
)
def test_the_port_is_asterisks_default_unless_given(url: str, address: tuple[str, int]) -> None:
    assert address == address_of(url)


@pytest.mark.parametrize("url", ["127.0.0.1:4573", "http://127.0.0.1", "agi://", "agi://h:x", ""])
def test_what_is_no_agi_url_is_a_usage_error(url: str) -> None:
    with pytest.raises(UsageError, match="agi://HOST:PORT"):
        address_of(url)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=9))
def test_variables_are_read_as_the_model_of_asterisk_reads_them(texts: list[str]) -> None:
    try:
        line = set_array([(f"V{i}", text) for i, text in enumerate(texts)])
    except LocalProtocolError:
        return
    assert variables(line) == read_variables(line)


@pytest.mark.parametrize("line", [b"", b"VERBOSE x\n", b'SET VARIABLE A "x', b"\xff\n"])
def test_anything_else_sets_nothing(line: bytes) -> None:
    assert {} == read_variables(line)


def test_a_refused_port_is_unreachable() -> None:
    with listen("127.0.0.1", 0) as sock:
        port = sock.getsockname()[1]
    with pytest.raises(Unreachable, match="refused"):
        ask(f"agi://127.0.0.1:{port}", "health", uniqueid="1.1")


def test_a_silent_port_is_unreachable() -> None:
    with listen("127.0.0.1", 0) as sock, pytest.raises(Unreachable, match="no answer in time"):
        ask(f"agi://127.0.0.1:{sock.getsockname()[1]}", "health", uniqueid="1.1", timeout_s=0.1)
