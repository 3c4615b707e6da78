"""A version as one file: what was dumped is loaded, what was damaged is refused."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import random
from pathlib import Path

import pytest

from agi.model import Line, Mccmnc, NumberInfo
from agi.routing.compiled import Compiled
from agi.routing.rule import Cell, Rule
from agi.routing.versions.snapshot import CHUNK, FORMAT, MAGIC, SnapshotError, digest_of, dump, load
from agi.routing.versions.stored import compile_stored

FILES = {
    "trunks.csv": b"trunk,number_format,strip,prepend,enabled\na,national:GB,1,9,yes\nb,,,,no\n",
    "groups.csv": b"group,trunks\nboth,a:7 b\n",
    "networks.csv": b"set,mccmnc\nuk,234\n",
    "calendars.csv": b"calendar,date\nxmas,2026-12-25\n",
    "accounts.csv": b"account,cps,screen_fraud\n,20,\nacme,5,reject:21\n",
    "ranges.csv": b"prefix,mccmnc,line\n447788,23415,mobile\n4477,23410,\n34,21401,\n",
    "policy.csv": b"prefix,account,mccmnc,line,action,comment\n881,,,,deny,\n4487,acme,,,nodip,\n",
    "limits.csv": b"account,prefix,level,calls,lookups,half_life_s\n,4477,block,40,,600\n",
    "routes.csv": (
        b"rule,priority,account,from,mccmnc,prefix,country,line,ported,live,fraud,when,action,trunks\n"
        b"sos,,,,,,,emergency,,,,,,a\n"
        b"all,3,acme|bill,!44|anonymous,@uk|26201,447|=1471,GB,mobile,yes,live|absent,!suspicious,"
        b"Mon-Fri 22:00-06:00 Europe/Paris;@xmas,,@both > b!\n"
        b"no,,,,,900,,,,,,,reject:21,\n"
        b"default,,,,,,,,,,,,,a\n"
    ),
}


def tables(rules: int = 0) -> Compiled:
    """Return tables that use every column, and so many rules more."""
    table = compile_stored(FILES, "000042-1a2b3c4d", "Europe/London")
    more = tuple(
        Rule(name=f"r{n}", row=n + 9, prefix=Cell((str(10_000 + n),)), cause=21)
        for n in range(rules)
    )
    return dataclasses.replace(table, rules=(*table.rules, *more))


def written(directory: Path, data: bytes) -> Path:
    path = directory / "snapshot"
    path.write_bytes(data)
    return path


def plain(compiled: Compiled) -> dict[str, object]:
    """Return all that is in it, of the parts that have no equality their packed bytes."""
    told = {f.name: getattr(compiled, f.name) for f in dataclasses.fields(compiled)}
    for name in ("ranges", "policy", "limits"):
        told[name] = {key: bytes(data) for key, data in told[name].packed().items()}
    return told


@pytest.mark.parametrize("rules", [0, 1, CHUNK, 3 * CHUNK + 1])
def test_what_was_dumped_is_loaded(tmp_path: Path, rules: int) -> None:
    table = tables(rules)
    assert plain(table) == plain(load(written(tmp_path, dump(table))))


def test_what_was_loaded_answers_as_before(tmp_path: Path) -> None:
    loaded = load(written(tmp_path, dump(tables())))
    found = loaded.ranges.find("447788450450")
    assert NumberInfo(Mccmnc("23415"), line=Line.MOBILE) == found
    assert NumberInfo(Mccmnc("23410")) == loaded.ranges.find("447700900123")
    assert None is loaded.ranges.find("33612345678")
    assert {"": 20, "acme": 5} == dict(loaded.account_cps)


def test_the_same_tables_give_the_same_bytes() -> None:
    assert dump(tables()) == dump(tables())
    assert dump(tables()) != dump(dataclasses.replace(tables(), version="000043-1a2b3c4d"))


def test_a_snapshot_ends_in_the_blake2b_of_the_rest() -> None:
    data = dump(tables())
    assert MAGIC == data[:8]
    assert hashlib.blake2b(data[:-32], digest_size=32).digest() == data[-32:]
    assert data[-32:].hex() == digest_of(data)


def test_f39_a_flipped_bit_is_found_wherever_it_is(tmp_path: Path) -> None:
    data, dice = dump(tables(CHUNK)), random.Random(39)
    everywhere = {*range(120), *range(len(data) - 40, len(data)), *range(120, len(data), 97)}
    for at in sorted(everywhere):
        broken = bytearray(data)
        broken[at] ^= 1 << dice.randrange(8)
        with pytest.raises(SnapshotError):
            load(written(tmp_path, bytes(broken)))


@pytest.mark.parametrize("left", [0, 1, 31, 63, 64, 100, 1_000, -33, -32, -1])
def test_f39_a_truncated_file_is_found(tmp_path: Path, left: int) -> None:
    with pytest.raises(SnapshotError, match="damaged"):
        load(written(tmp_path, dump(tables())[:left]))


def test_f39_a_file_that_goes_on_is_found(tmp_path: Path) -> None:
    with pytest.raises(SnapshotError, match="damaged"):
        load(written(tmp_path, dump(tables()) + b"\0"))


def test_f39_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "nowhere"):
        with pytest.raises(SnapshotError):
            load(path)


def sealed(data: bytes) -> bytes:
    return data + hashlib.blake2b(data, digest_size=32).digest()


def test_f44_a_snapshot_of_another_form_is_refused(tmp_path: Path) -> None:
    data = dump(tables())[:-32]
    later = (FORMAT + 1).to_bytes(4, "little")
    for other in (
        b"dialdip\n" + data[8:],
        data[:8] + later + data[12:],
        data[:12] + bytes(16) + data[28:],
    ):
        with pytest.raises(SnapshotError, match="of another form"):
            load(written(tmp_path, sealed(other)))


def test_f44_sections_that_are_not_understood_are_refused(tmp_path: Path) -> None:
    """As if a program of the same form but with other ideas had written it."""
    data = dump(tables())[:-32]
    for old, new in (
        (b"Ranges/head", b"Ranges/heed"),
        (b"trunks", b"trunky"),
        (b"version", b"virsion"),
        (b"acme", b"\xff\xfe\xff\xfe"),
    ):
        assert old in data
        with pytest.raises(SnapshotError, match="not understood"):
            load(written(tmp_path, sealed(data.replace(old, new))))


def test_a_snapshot_goes_on_when_its_file_is_shortened_or_removed(tmp_path: Path) -> None:
    """A mapped file would kill the process here."""
    path = written(tmp_path, dump(tables()))
    loaded = load(path)
    with path.open("r+b") as stream:
        stream.truncate(0)
    path.unlink()
    assert plain(tables()) == plain(loaded)


def test_loading_pauses_for_the_event_loop_beside_it(tmp_path: Path) -> None:
    paused = []
    load(written(tmp_path, dump(tables(10 * CHUNK))), lambda: paused.append(1))
    assert 10 < len(paused)
