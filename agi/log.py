"""Log lines by structlog, off the path of a call, with phone numbers masked.

A line costs as much as the decision of a warm call, and a blocked terminal or journal must not
block a call: callers only append to a bounded list. The event loop renders the lines between calls,
a slice at a time, and a thread writes them. (A thread that rendered them as well took the
interpreter from the calls: p99 at 50 calls at once was 7.5 ms instead of 4.9.)
What does not fit is dropped and counted, and the count is logged.

Every value of a line is one that the code names: there is no line of arbitrary text from outside.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Protocol, TextIO

import msgspec
import structlog

MAX_WAITING: Final = 20_000
"""Lines that may wait for the writer; at 1,000 calls a second some twenty seconds."""

SLICE: Final = 128
"""Lines that are rendered before calls have their turn again; some 0.4 ms."""

FLUSH_S: Final = 0.02

PATIENCE_S: Final = 1.0
"""When the event loop has rendered nothing for so long, the thread does: it may be stuck."""


Values = Callable[[], Mapping[str, object]]
"""Works out the values of one line, when it is rendered."""


class Log(Protocol):
    """Anybody who takes log lines: neither way waits, neither way fails."""

    def __call__(self, level: str, event: str, **values: object) -> None:
        """Take one line."""

    def later(self, level: str, event: str, values: Values) -> None:
        """Take one line whose values are worked out when it is written."""


class Silence:
    """A log that nobody reads: of a shell whose user sees the answers."""

    def __call__(self, level: str, event: str, **values: object) -> None:
        """Take no notice."""

    def later(self, level: str, event: str, values: Values) -> None:
        """Take no notice."""


def mask(number: str) -> str:
    """Return what may stand in a log: the first four and the last two digits of a long number.

    Short ones (service numbers, extensions) keep their first digit only.

    >>> mask("447788450450")
    '4477******50'
    >>> mask("1471")
    '1***'
    """
    if len(number) < 9:
        return number[:1] + "*" * (len(number) - 1)
    return number[:4] + "*" * (len(number) - 6) + number[-2:]


def where(error: BaseException) -> str:
    """Return the type of an exception and its frames, without its message.

    Messages may hold what was dialled; places in our code do not.
    """
    frames = traceback.extract_tb(error.__traceback__)
    path = " < ".join(f"{f.filename.rpartition('/')[2]}:{f.lineno}" for f in reversed(frames))
    return f"{type(error).__name__} at {path}"


class Writer:
    """Takes lines from anybody, and has them rendered and written."""

    def __init__(
        self,
        stream: TextIO,
        *,
        numbers: str = "masked",
        terminal: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.dropped = 0
        self._stream = stream
        self._show: Callable[[str], str] = str if numbers == "full" else mask
        self._clock = clock
        self._waiting: deque[tuple[float, str, str, Values]] = deque()
        self._rendered: deque[str] = deque()
        self._rendered_at = -PATIENCE_S  # monotonic, of the event loop's last slice
        self._closing = threading.Event()
        self._render = _chain(terminal=terminal)
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def __call__(self, level: str, event: str, **values: object) -> None:
        """Take one line. ``number`` and ``caller`` among the values are phone numbers."""
        self.later(level, event, lambda: values)

    def later(self, level: str, event: str, values: Values) -> None:
        """Take one line whose values are worked out by the writer: the cheapest for a caller."""
        if len(self._waiting) >= MAX_WAITING:
            self.dropped += 1
        else:
            self._waiting.append((self._clock(), level, event, values))

    def render_by(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let this loop render from now on, between its other work."""
        self._rendered_at = time.monotonic()
        more = self._render_slice()
        if more:
            loop.call_soon(self.render_by, loop)
        else:
            loop.call_later(FLUSH_S, self.render_by, loop)

    def close(self) -> None:
        """Write what is waiting, for at most two seconds, and end the thread."""
        self._closing.set()
        self._thread.join(2.0)

    def _render_slice(self) -> bool:
        """Render a few lines; return whether more are waiting and may be rendered."""
        waiting, rendered = self._waiting, self._rendered
        if len(rendered) >= MAX_WAITING:
            return False  # a reader that has stopped: what waits stays where it is counted
        for _ in range(SLICE):
            try:
                line = self._line(*waiting.popleft())
            except IndexError:
                break  # nothing waits, or the other one who renders was quicker
            except (TypeError, ValueError):
                self.dropped += 1  # a value that no line can hold costs its line, not the log
                continue
            rendered.append(line)
        return bool(waiting)

    def _run(self) -> None:
        """Write what was rendered; render it first when nobody else does."""
        dropped = 0
        last = False
        while not last or self._waiting:
            last = self._closing.wait(FLUSH_S)
            if last or time.monotonic() - self._rendered_at >= PATIENCE_S:
                while self._render_slice():
                    time.sleep(0)
            lines = [self._rendered.popleft() for _ in range(len(self._rendered))]
            if self.dropped != dropped:
                count, dropped = self.dropped - dropped, self.dropped
                note = {"count": count}
                lines.append(self._line(self._clock(), "warning", "log_lines_dropped", note.copy))
            if lines:
                # A closed pipe ends the log, never the service.
                with contextlib.suppress(OSError, ValueError):
                    self._stream.write("".join(lines))
                    self._stream.flush()

    def _line(self, at: float, level: str, event: str, later: Values) -> str:
        values = dict(later())
        for name in ("number", "caller"):
            if number := values.get(name):
                values[name] = self._show(str(number))
        return self._render(level, {"timestamp": _iso(at), "event": event, **values})


def _iso(at: float) -> str:
    """Return the time of the event, which is earlier than that of its writing."""
    seconds = int(at)
    return f"{_second(seconds)}.{int((at - seconds) * 1000):03d}Z"


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _chain(*, terminal: bool) -> Callable[[str, dict[str, Any]], str]:
    """Return structlog's chain as one function: level, then JSON or colours."""
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=True, pad_event_to=0)
        if terminal
        else structlog.processors.JSONRenderer(
            serializer=lambda value, **_: msgspec.json.encode(value).decode()
        )
    )
    processors = (
        structlog.processors.add_log_level,
        renderer,
    )

    def render(level: str, values: dict[str, Any]) -> str:
        line: Any = values
        for processor in processors:
            line = processor(None, level, line)
        return f"{line}\n"

    return render


def quieten_libraries() -> None:
    """Silence loggers that print whole URLs, with passwords and numbers in them."""
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)


def to_stderr(numbers: str) -> Writer:
    """Start the writer of a service: JSON, or colours on a terminal."""
    quieten_libraries()
    return Writer(sys.stderr, numbers=numbers, terminal=sys.stderr.isatty())
