"""The AGI wire: environments, URLs, replies and commands."""

from __future__ import annotations

import io

import asterisk.agi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agi.errors import LocalProtocolError, RemoteProtocolError
from agi.fastagi.protocol import (
    Environment,
    EnvironmentReader,
    Hangup,
    Reply,
    ReplyReader,
    escape,
    read_url,
    set_array,
)
from tests.fastagi.wire import UNIQUEID, environment, variables


def read(*segments: bytes) -> Environment | None:
    reader = EnvironmentReader()
    found = None
    for segment in segments:
        assert found is None
        found = reader.feed(segment)
    return found


def refusal(*segments: bytes) -> str:
    with pytest.raises(RemoteProtocolError) as caught:
        read(*segments)
    return caught.value.kind


def test_an_environment_is_read_whole() -> None:
    found = read(environment())
    assert found is not None
    assert "route?n=447788450450&a=acme&f=442079460123&g=1000" == found.script
    assert "agi://127.0.0.1:4573/route?n=447788450450&a=acme&f=442079460123&g=1000" == found.request
    assert UNIQUEID == found.uniqueid
    assert () == found.arguments
    assert not found.hangup


def test_an_environment_is_read_byte_by_byte() -> None:
    whole = environment(arguments=(b"447788450450",))
    assert read(whole) == read(*(bytes([byte]) for byte in whole))


@pytest.mark.parametrize("cut", range(1, len(environment())))
def test_an_environment_is_read_in_two_segments_wherever_they_are_cut(cut: int) -> None:
    whole = environment()
    assert read(whole) == read(whole[:cut], whole[cut:])


def test_a_second_reader_of_the_same_environment_agrees() -> None:
    """pyst2 as an oracle: an independent parser of the same bytes."""
    whole = environment(arguments=(b"447788450450", b"acme"))
    theirs = asterisk.agi.AGI(
        stdin=io.StringIO(whole.decode()), stdout=io.StringIO(), stderr=io.StringIO()
    ).env
    ours = read(whole)
    assert ours is not None
    assert theirs["agi_uniqueid"] == ours.uniqueid
    assert theirs["agi_network_script"] == ours.script
    assert theirs["agi_request"] == ours.request
    assert (b"447788450450", b"acme") == ours.arguments
    assert theirs["agi_arg_1"] == ours.arguments[0].decode()


def test_an_early_hangup_in_the_same_segment_is_seen() -> None:
    found = read(environment() + b"HANGUP\n")
    assert found is not None
    assert found.hangup


@pytest.mark.parametrize(
    "name", [b"", b"\xff\xfe", b"Zo\xc3", "é".encode("latin-1"), b"x\r", b": : :", b"\x1b[2J"]
)
def test_a_caller_name_of_any_bytes_is_tolerated(name: bytes) -> None:
    assert read(environment(name=name)) is not None


def test_a1_an_environment_ended_early_by_the_dialled_number_is_refused() -> None:
    """A1: the Request-URI user ``447...%0A%0A200 result=1 (TRUSTED)`` in an unguarded URL."""
    forged = environment("route?n=4477001\n\n200 result=1 (TRUSTED)")
    # What stands behind the blank line is no hang-up: refused before anything is understood.
    assert "trailing-bytes" == refusal(forged)
    head, _, rest = forged.partition(b"\n\n")
    assert "no-threadid" == refusal(head + b"\n\n")
    assert rest


def test_a2_a_line_smuggled_in_by_the_caller_is_refused() -> None:
    """A2: From user ``100%0Aagi_arg_1%3A%20EVIL``."""
    assert "unknown-order" == refusal(environment(callerid=b"100\nagi_arg_1: EVIL"))
    assert "duplicate" == refusal(environment(callerid=b"100\nagi_uniqueid: 1.1"))
    assert "unknown-order" == refusal(environment(callerid=b"100\nagi_evil: 1"))
    assert "duplicate" == refusal(
        environment(callerid=b"100\nagi_arg_1: EVIL", arguments=(b"447788450450",))
    )


def test_a_tail_forged_in_perfect_order_is_refused_by_the_genuine_rest() -> None:
    """The Diversion case: %0A in agi_rdnis writes the whole rest, blank line included."""
    tail = (
        b"x\nagi_context: c\nagi_extension: s\nagi_priority: 1\nagi_enhanced: 0.0\n"
        b"agi_accountcode: \nagi_threadid: 1\nagi_arg_1: 31337\n\n"
    )
    whole = environment(rdnis=tail)
    assert "trailing-bytes" == refusal(whole)
    # On Asterisk 16 the genuine rest comes in a later read. The forged part then reads well, but
    # its arguments disagree with the URL, which comes first and is Asterisk's own.
    found = read(whole[: whole.index(tail) + len(tail)])
    assert found is not None
    with pytest.raises(RemoteProtocolError, match="arguments"):
        read_url(found)


@pytest.mark.parametrize("byte", [b"\x00", b"a\x00b"])
def test_a_nul_is_refused(byte: bytes) -> None:
    assert "nul" == refusal(environment(name=byte))


@pytest.mark.parametrize(
    "key",
    [b"agi_threadid", b"agi_uniqueid", b"agi_request", b"agi_callerid", b"agi_accountcode"],
)
def test_a_missing_line_is_refused(key: bytes) -> None:
    expected = "no-threadid" if key == b"agi_threadid" else "unknown-order"
    assert expected == refusal(environment(drop=(key,)))


def test_an_environment_without_a_script_is_read() -> None:
    found = read(environment("", request="agi://127.0.0.1:4573"))
    assert found is not None
    assert "" == found.script


@pytest.mark.parametrize(
    ("count", "kind"), [(42, None), (43, "too-many-lines"), (500, "too-many-lines")]
)
def test_64_lines_are_read_and_65_refused(count: int, kind: str | None) -> None:
    # 22 lines, the arguments, and the blank line: 22 + 41 + 1 = 64.
    whole = environment(arguments=tuple(b"%d" % i for i in range(count - 1)))
    assert 22 + count == whole.count(b"\n")
    if kind is None:
        assert read(whole) is not None
    else:
        assert kind == refusal(whole)


def test_16_kib_are_read_and_one_byte_more_is_refused() -> None:
    room = 16 * 1024 - len(environment(name=b""))
    assert read(environment(name=b"x" * room)) is not None
    assert "too-large" == refusal(environment(name=b"x" * (room + 1)))
    assert "too-large" == refusal(b"agi_network: yes\n", b"x" * 16 * 1024)


@pytest.mark.parametrize(
    "bytes_", [b"GET / HTTP/1.1\r\n", b"\x16\x03\x01\x02\x00", b"\n", b"agi_network: no\n", b"\n\n"]
)
def test_a_stranger_to_the_port_is_refused_at_its_first_bytes(bytes_: bytes) -> None:
    assert "not-agi" == refusal(bytes_)


@given(st.binary(max_size=400), st.integers(0, 600))
def test_damaged_environments_are_read_or_refused_and_nothing_else(junk: bytes, at: int) -> None:
    whole = environment()
    at = min(at, len(whole))
    for data in (junk, whole[:at] + junk + whole[at:]):
        try:
            found = read(data)
        except RemoteProtocolError as refused:
            assert refused.kind
        else:
            assert found is None or isinstance(found, Environment)


def test_the_url_is_split_into_script_and_arguments() -> None:
    found = read(environment("route?n=+44*31#1&a=&nodip=1"))
    assert found is not None
    assert ("route", {"n": "+44*31#1", "a": "", "nodip": "1"}) == tuple(read_url(found))


@pytest.mark.parametrize(
    "script",
    [
        "route?",
        "route?n",
        "route?n=1&",
        "route?n=1&n=1",
        "route?=1",
        "route?n=1&&a=b",
        "route?&n=1",
    ],
)
def test_a_query_out_of_form_is_refused(script: str) -> None:
    found = read(environment(script))
    assert found is not None
    with pytest.raises(RemoteProtocolError, match="bad-url"):
        read_url(found)


def test_a_request_line_that_is_not_the_scripts_is_refused() -> None:
    found = read(environment("route?n=1", request="agi://127.0.0.1/route?n=2"))
    assert found is not None
    with pytest.raises(RemoteProtocolError, match="bad-url"):
        read_url(found)


@pytest.mark.parametrize(
    ("arguments", "agree"),
    [
        ((b"447788450450",), True),
        ((b"447788450450", b"acme"), True),
        ((b"447788450450", b"acme", b"442079460123"), True),
        ((b"1",), False),
        ((b"447788450450", b"evil"), False),
        ((b"447788450450", b"acme", b"442079460123", b""), False),
        ((b"447788450450\xff",), False),
    ],
)
def test_positional_arguments_must_agree_with_the_url(
    arguments: tuple[bytes, ...], *, agree: bool
) -> None:
    found = read(environment(arguments=arguments))
    assert found is not None
    if agree:
        assert "acme" == read_url(found).arguments["a"]
    else:
        with pytest.raises(RemoteProtocolError, match="arguments"):
            read_url(found)


def test_positional_arguments_with_a_gap_are_refused() -> None:
    whole = environment(arguments=(b"447788450450",)).replace(b"agi_arg_1", b"agi_arg_2")
    assert "arguments" == refusal(whole)


USAGE = (
    b"520-Invalid command syntax.  Proper usage follows:\n"
    b" Usage: SET VARIABLE <variablename> <value>\n"
    b"   Sets a variable to the current channel.\n"
    b"520 End of proper usage.\n"
)

REPLIES = [
    (b"200 result=1\n", [Reply(200, "1", "")]),
    (b"200 result=0\n", [Reply(200, "0", "")]),
    (b"200 result=-1\n", [Reply(200, "-1", "")]),
    (b"200 result=1 (a (b) c)\n", [Reply(200, "1", "a (b) c")]),
    (b"200 result=1 endpos=160\n", [Reply(200, "1", "endpos=160")]),
    (b"200 result=1 (\xff)\n", [Reply(200, "1", "�")]),
    (
        b"100 result=0 Trying...\n200 result=0\n",
        [Reply(100, "0", "Trying..."), Reply(200, "0", "")],
    ),
    (b"503 result=-2 Memory allocation failure\n", [Reply(503, "-2", "Memory allocation failure")]),
    (b"510 Invalid or unknown command\n", [Reply(510, "", "Invalid or unknown command")]),
    (
        b"511 Command Not Permitted on a dead channel or intercept routine\n",
        [Reply(511, "", "Command Not Permitted on a dead channel or intercept routine")],
    ),
    (
        b"520 Invalid command syntax.  Proper usage not available.\n",
        [Reply(520, "", "Invalid command syntax.  Proper usage not available.")],
    ),
    (USAGE, [Reply(520, "", "")]),
    (b"HANGUP\n200 result=1\nHANGUP\n", [Hangup(), Reply(200, "1", ""), Hangup()]),
    (b"HANGUP\n" + USAGE + b"200 result=1\n", [Hangup(), Reply(520, "", ""), Reply(200, "1", "")]),
]


@pytest.mark.parametrize(("wire", "events"), REPLIES)
def test_replies_are_read_whole_byte_by_byte_and_with_more_behind(
    wire: bytes, events: list[Reply | Hangup]
) -> None:
    assert events == ReplyReader().feed(wire)
    reader = ReplyReader()
    assert events == [event for byte in wire for event in reader.feed(bytes([byte]))]
    assert events == ReplyReader().feed(wire + b"200 res")


@pytest.mark.parametrize(
    "line", [b"\n", b"200\n", b"200 result=\n", b"200 result=x\n", b"agi_rdnis: x\n", b"hangup\n"]
)
def test_a_line_that_is_no_reply_is_refused(line: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="bad-reply"):
        ReplyReader().feed(line)


def test_replies_without_an_end_are_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="too-large"):
        ReplyReader().feed(b"2" * 10_000)
    with pytest.raises(RemoteProtocolError, match="too-large"):
        ReplyReader().feed(b"520-x\n" + b"usage\n" * 100)


# Everything that can be in a value: all of Unicode but surrogates and what must be refused.
values = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r\n"))


@given(st.lists(values, min_size=1, max_size=9))
def test_what_is_written_is_what_asterisks_own_parsers_read(texts: list[str]) -> None:
    pairs = [(f"V{i}", text) for i, text in enumerate(texts)]
    try:
        line = set_array(pairs)
    except LocalProtocolError as refused:
        assert "too-long" == refused.kind
        assert 2047 < len(",".join(map(escape, texts)).encode()) + len(texts) * 3 + 27
    else:
        assert line.count(b"\n") == 1
        assert dict(pairs) == variables(line)


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "a\x00b", "\n", "\ud800"])
def test_what_cannot_be_escaped_is_refused(text: str) -> None:
    with pytest.raises(LocalProtocolError, match="unsafe-value"):
        set_array([("V", text)])


@pytest.mark.parametrize("name", ["", "v", "A,B", "A)", "A B", "SHELL(id)", "A\n", "1A", "A" * 41])
def test_a_variables_name_is_never_anything_but_a_name(name: str) -> None:
    with pytest.raises(LocalProtocolError, match="unsafe-name"):
        set_array([(name, "x")])


def test_2047_bytes_are_written_and_2048_refused() -> None:
    room = 2047 - len(set_array([("V", "")]))
    assert 2047 == len(set_array([("V", "x" * room)]))
    with pytest.raises(LocalProtocolError, match="too-long"):
        set_array([("V", "x" * (room + 1))])


@pytest.mark.parametrize("count", [0, 100])
def test_an_array_has_1_to_99_names(count: int) -> None:
    with pytest.raises(LocalProtocolError, match="too-long"):
        set_array([(f"V{i}", "") for i in range(count)])
