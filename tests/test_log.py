"""Log lines: masked, whitelisted, never in the way."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import threading

import pytest

from agi import log


class Slow(io.StringIO):
    """A stream whose reader has stopped, until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.go = threading.Event()

    def write(self, text: str, /) -> int:
        self.entered.set()
        self.go.wait(10)
        return super().write(text)


class Signalling(io.StringIO):
    """A stream that tells when something was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def write(self, text: str, /) -> int:
        count = super().write(text)
        self.written.set()
        return count


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("447788450450", "4477******50"),
        ("+447788450450", "+447*******50"),
        ("1471", "1***"),
        ("999", "9**"),
        ("12345678", "1*******"),
        ("123456789", "1234***89"),
        ("", ""),
    ],
)
def test_numbers_are_masked_by_default(number: str, masked: str) -> None:
    assert masked == log.mask(number)


def test_a_line_is_json_with_level_time_and_masked_numbers() -> None:
    stream = io.StringIO()
    writer = log.Writer(stream)
    writer("info", "call", number="447788450450", caller="442079460123", ms=0.4)
    writer.close()
    line = json.loads(stream.getvalue())
    assert "call" == line["event"]
    assert "info" == line["level"]
    assert "4477******50" == line["number"]
    assert "4420******23" == line["caller"]
    assert 0.4 == line["ms"]
    assert line["timestamp"].endswith("Z")


def test_numbers_are_whole_only_when_the_configuration_says_so() -> None:
    stream = io.StringIO()
    writer = log.Writer(stream, numbers="full")
    writer("info", "call", number="447788450450")
    writer.close()
    assert "447788450450" == json.loads(stream.getvalue())["number"]


def test_a33_no_value_forges_a_line() -> None:
    """A33: CR, LF, escapes and JSON break-outs stay inside their string."""
    stream = io.StringIO()
    writer = log.Writer(stream)
    evil = 'x"}\n{"event":"forged"}\r\n\x1b[2J%n'
    writer("info", "call", rule=evil)
    writer.close()
    assert 1 == stream.getvalue().count("\n")
    assert evil == json.loads(stream.getvalue())["rule"]
    assert "\x1b" not in stream.getvalue()


def test_a_terminal_gets_colours() -> None:
    stream = io.StringIO()
    writer = log.Writer(stream, terminal=True)
    writer("info", "call", number="447788450450")
    writer.close()
    assert "\x1b[" in stream.getvalue()
    assert "447788450450" not in stream.getvalue()


def test_f48_a_reader_that_stops_costs_lines_and_no_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """F48: the writer hangs in its write; callers append, then drop, and the count is told."""
    stream = Slow()
    writer = log.Writer(stream)
    writer("info", "first")
    assert stream.entered.wait(5)
    for _ in range(log.MAX_WAITING + 7):
        writer("info", "call")
    assert 7 == writer.dropped
    stream.go.set()
    writer.close()
    lines = stream.getvalue().splitlines()
    assert {"event": "log_lines_dropped", "count": 7} == {
        key: json.loads(lines[-1])[key] for key in ("event", "count")
    }
    assert "" == capsys.readouterr().err


def test_an_event_loop_renders_what_the_thread_writes() -> None:
    """Lines of a loop that is busy come out in order, none twice, none lost."""
    stream = io.StringIO()
    writer = log.Writer(stream)

    async def calls() -> None:
        writer.render_by(asyncio.get_running_loop())
        for index in range(1_000):
            writer("info", "call", index=index)
            await asyncio.sleep(0)

    asyncio.run(calls())
    writer.close()
    lines = [json.loads(line)["index"] for line in stream.getvalue().splitlines()]
    assert list(range(1_000)) == lines


def test_f48_a_loop_does_not_render_without_end_for_a_reader_that_stops() -> None:
    """F48: what waits for a stopped reader is bounded, rendered or not; the rest is counted."""
    stream = Slow()
    writer = log.Writer(stream)
    put = 4 * log.MAX_WAITING

    async def calls() -> None:
        writer("info", "first")
        writer.render_by(asyncio.get_running_loop())
        assert await asyncio.to_thread(stream.entered.wait, 5)
        for index in range(put):
            writer("info", "call", index=index)
            if not index % log.SLICE:
                writer.render_by(asyncio.get_running_loop())

    asyncio.run(calls())
    held = len(writer._waiting) + len(writer._rendered)
    assert put <= held + writer.dropped + 1
    assert held <= 2 * log.MAX_WAITING + log.SLICE
    stream.go.set()
    writer.close()
    assert held == stream.getvalue().count('"event":"call"')


def test_a_stuck_loop_does_not_keep_its_lines_to_itself() -> None:
    """The lines that tell why a loop is stuck are those that are wanted most."""
    stream = Signalling()
    writer = log.Writer(stream)

    async def stuck() -> None:
        writer.render_by(asyncio.get_running_loop())
        writer("error", "the last words")
        assert stream.written.wait(10)  # blocks the loop on purpose

    asyncio.run(stuck())
    writer.close()
    assert "the last words" in stream.getvalue()


def test_a_closed_pipe_ends_the_log_and_nothing_else() -> None:
    stream = io.StringIO()
    writer = log.Writer(stream)
    stream.close()
    writer("info", "call")
    writer.close()


def test_an_exception_is_told_by_type_and_place_without_its_words() -> None:
    try:
        int("447788450450x")
    except ValueError as error:
        assert "447788450450" in str(error)
        told = log.where(error)
    assert told.startswith("ValueError at test_log.py:")
    assert "4477" not in told


def test_the_loggers_that_print_urls_are_silenced(caplog: pytest.LogCaptureFixture) -> None:
    """httpx logs whole URLs, passwords and numbers included, at INFO."""
    log.quieten_libraries()
    with caplog.at_level(logging.INFO):
        logging.getLogger("httpx").info("HTTP Request: GET https://h/?pass=s3cret")
        logging.getLogger("httpcore.connection").debug("connect")
    assert "" == caplog.text
