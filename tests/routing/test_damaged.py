"""Ten thousand damaged tables: each is refused with places, or means what is written in it."""

from __future__ import annotations

import csv
import re
import resource
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random

import pytest

from agi.errors import TableError
from agi.routing.compiled import Compiled
from agi.routing.reading.faults import LIMIT, Faults
from agi.routing.reading.files import FILES, SAMPLE, compile_files, load
from agi.routing.table import Table
from agi.routing.versions import snapshot
from agi.routing.versions.audit import Who
from agi.routing.versions.store import Store
from tests.bench.tables import Size, made
from tests.routing.damage import Files, damaged
from tests.routing.random_tables import COLUMNS, ITEMS, ZONE, random_call, random_table
from tests.routing.reference import Reference
from tests.routing.reference_texts import Dict
from tests.routing.reference_ties import tied
from tests.routing.test_against_reference import difference, without

CASES = Path(__file__).parent.parent.parent / "docs" / "cases"
SEED = 17
BATCHES, TABLES, CALLS = 20, 500, 20
TINY = Size(rules=12, networks=60, ranges=20, policy=20, trunks=8)
MAKERS = 20

PLACE = re.compile(r"[a-z]+\.csv(:[1-9][0-9]*:[1-9][0-9]*)?: ")
MIB = 1 << 20
PEAK = 4 * MIB
"""What one small damaged table may take; ten times what was measured."""
GROWTH_KIB = 128 * 1024


class Written(Reference):
    """What a damaged table says, read with Python's csv module and by the slow reference."""

    def __init__(self, files: Files) -> None:
        texts = {name.removesuffix(".csv"): data.decode() for name, data in files.items()}
        super().__init__(texts, ZONE)
        # No policy is asked about an emergency call, so such a row says nothing.
        self.policy = [row for row in self.policy if not row["emergency"]]

    @staticmethod
    def rows(text: str) -> list[Dict]:
        """Return the rows of a file, columns that it lacks empty; ``row`` is where one begins."""
        found: list[Dict] = []
        head: list[str] = []
        for line, cells in _parsed(text.removeprefix("\ufeff")):
            if head:
                values = dict(zip(head, cells, strict=False))
                found.append({**dict.fromkeys(EVERY, ""), **values, "row": line})
            head = head or cells
        return found


def _parsed(text: str) -> Iterator[tuple[int, list[str]]]:
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    reader, line = csv.reader(lines), 0
    while line < len(lines):
        begin, line = line, line + 1
        try:
            cells = [cell.strip(" \t") for cell in next(reader)]
        except csv.Error:
            assert lines[begin].startswith("#")
            continue
        line = reader.line_num
        if any(cells) and not cells[0].startswith("#"):
            yield begin + 1, cells


EVERY = (
    *(*COLUMNS, "trunk", "number_format", "strip", "prepend", "enabled"),
    *("group", "set", "calendar", "date"),
)


@cache
def originals() -> tuple[dict[str, bytes], ...]:
    """Return tables without a fault: the sample, those of the docs, made and random ones."""
    found = [in_directory(SAMPLE)] * 3 + [in_directory(case / "tables") for case in CASES.iterdir()]
    found.append(made(TINY))
    for number in range(MAKERS):
        texts = random_table(Random(f"{SEED}-{number}"))
        texts = without(texts, tied(Reference(texts, ZONE)))
        found.append({f"{name}.csv": text.encode() for name, text in texts.items()})
    for files in found:
        assert [] == refusal(files)[0]
    return tuple(found)


def in_directory(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


def refusal(files: Files) -> tuple[list[str], Compiled | None]:
    """Return the faults of a table, or what it compiles to."""
    faults = Faults()
    made = compile_files(files, place=str, version="000001-0", timezone=ZONE, faults=faults)
    try:
        faults.refuse()
    except TableError as error:
        return [str(fault) for fault in error.faults], None
    return [], made


def cases(batch: int) -> Iterator[tuple[Random, dict[str, bytes]]]:
    for number in range(batch * TABLES, (batch + 1) * TABLES):
        dice = Random(f"{SEED}-{number}")
        yield dice, damaged(dice.choice(originals()), dice)


@pytest.mark.parametrize("batch", range(BATCHES))
def test_f41_a_damaged_table_is_refused_or_means_what_is_written(
    tmp_path: Path, batch: int
) -> None:
    outcomes: Counter[bool] = Counter()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number, (dice, files) in enumerate(cases(batch)):
        told, compiled = refusal(files)
        wrong = vague(told) if told else misread(tmp_path, dice, files, compiled)
        if wrong:
            pytest.fail(f"table {number} of batch {batch}: {wrong}\n{shown(files)}")
        outcomes[bool(told)] += 1
    assert min(outcomes.values()) > TABLES // 10, outcomes
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < GROWTH_KIB


def vague(told: list[str]) -> str:
    """Return what a refusal lacks: a place for each fault, an end to the list."""
    placeless = [fault for fault in told if not PLACE.match(fault)]
    if placeless or len(told) > LIMIT + 1:
        return f"{len(told)} faults, without a place: {placeless}"
    return ""


def misread(directory: Path, dice: Random, files: Files, compiled: Compiled | None) -> str:
    """Return how a table that was taken is not what is written in it, or nothing."""
    assert compiled is not None
    try:
        reference = Written({name: data for name, data in files.items() if name in FILES})
        unknown = unknown_names(reference)
    except (KeyError, ValueError, IndexError) as error:
        return f"the reference cannot read what was taken: {error!r}"
    defaults = sum(rule["default"] for rule in reference.rules)
    if unknown or defaults != 1:
        return f"unknown names {unknown}, {defaults} defaults"
    path = directory / "snapshot"
    path.write_bytes(snapshot.dump(compiled))
    if snapshot.dump(snapshot.load(path)) != path.read_bytes():
        return "its snapshot is another one when it is read again"
    table, rules = Table(compiled), models(reference, files)
    calls = (random_call(dice, rules) for _ in range(CALLS))
    # Screens are no part of the reference.
    screened = {"fraud": None} if table.has_screens else {}
    return next(filter(None, (difference(table, reference, c | screened) for c in calls)), "")


def unknown_names(reference: Reference) -> set[str]:
    texts = [rule["trunks"].replace(">", " ").replace("!", "") for rule in reference.rules]
    named = {name for text in (*texts, *reference.groups.values()) for name in
             reference.members(text)}  # fmt: skip
    return named - set(reference.trunks)


def models(reference: Written, files: Files) -> list[dict[str, str]]:
    """Return rules as calls are made from: without the names of sets, and with room for digits."""
    rows = reference.rows(files["routes.csv"].decode())
    return [
        {c: t for c in ITEMS if "@" not in (t := row[c]) and len(t.partition("|")[0]) <= 20}
        for row in rows
        if all(len(item) <= 4 for item in row["prefix"].lstrip("!").split("|"))
    ]


def shown(files: Files) -> str:
    return "\n".join(f"--- {name}\n{data[:3000]!r}" for name, data in files.items())


def test_f41_a_damaged_table_takes_little_memory() -> None:
    originals()
    tracemalloc.start()
    try:
        for _, files in cases(BATCHES):
            tracemalloc.reset_peak()
            base = tracemalloc.get_traced_memory()[0]
            refusal(files)
            peak = tracemalloc.get_traced_memory()[1] - base
            assert peak < PEAK, shown(files)
    finally:
        tracemalloc.stop()


def test_f41_what_is_refused_leaves_the_active_version(tmp_path: Path) -> None:
    """As ``activate`` does it: read the directory, refuse it whole or store and switch."""
    store, who = Store(tmp_path / "state"), Who(0, "ann")
    (tmp_path / "state").mkdir()
    kept, refused = "", 0
    for number, (_, files) in enumerate(cases(BATCHES + 1)):
        directory = tmp_path / str(number)
        directory.mkdir()
        for name, data in files.items():
            (directory / name).write_bytes(data)
        try:
            copy = load(directory, 0, ZONE)
        except TableError:
            refused += 1
        else:
            kept = store.activate(copy.contents, copy.compiled, who, "x", None, 1.0).version
            assert files == store.contents(kept)
        active = store.active()
        assert kept == (active.version if active else "")
        if number == 100:
            break
    assert 10 < refused < 90
    assert kept == store.load_active()[0].version
    assert [] == store.verify()
