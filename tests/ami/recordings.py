"""The recorded streams of two real Asterisks, and blocks made after them."""

from __future__ import annotations

from pathlib import Path

from agi.ami.blocks import Blocks
from agi.ami.reading import Alarm, Read, Reader

RECORDED = Path(__file__).parent / "recorded"
VERSIONS = ("22", "16")
GREETING = b"Asterisk Call Manager/11.0.0\r\n"


def stream(version: str, name: str) -> bytes:
    """Return what Asterisk sent, without the banner."""
    return (RECORDED / f"asterisk{version}-{name}.ami").read_bytes()


def blocks(data: bytes) -> list[bytes]:
    """Return the whole blocks of a stream without a banner."""
    return Blocks().feed(GREETING + data)


def read_all(data: bytes, reader: Reader | None = None) -> list[Read]:
    """Return what a reader believes of a stream."""
    reader = reader or Reader()
    read = [reader.read(block, 1.0) for block in blocks(data)]
    return [item for item in read if item is not None]


def believed(data: bytes) -> list[Read]:
    """Return what a reader believes of a stream, but for alarms."""
    return [item for item in read_all(data) if not isinstance(item, Alarm)]


def alarms(data: bytes) -> list[Alarm]:
    """Return the alarms of a stream."""
    return [item for item in read_all(data) if isinstance(item, Alarm)]
